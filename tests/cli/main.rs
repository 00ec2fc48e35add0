//! The real binary, from outside: what is typed, what is seen, what is left behind.

// A test exports nothing: `pub` says what a module offers to the others.
#![allow(unreachable_pub)]

mod environment;
mod serving;

mod check;
mod decode;
mod demo;
mod explain;
mod help;
mod init;
mod life;
mod mishaps;
mod passes;
mod readme;
mod replay;
mod schema;
mod serve;
mod status;
mod trouble;
mod update;
