//! What every implementation of a seam must do, as one function for each seam: it panics where something is wrong.

pub mod host;
mod objects;

pub use objects::objects;
pub mod repository;
pub mod registry;
