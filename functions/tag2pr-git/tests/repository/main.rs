//! The Git repository seam on libgit2, against real repositories.

mod cache;
mod conformance;
mod disk;
mod openpgp;
mod server;
mod signing;
mod tls;
mod world;
