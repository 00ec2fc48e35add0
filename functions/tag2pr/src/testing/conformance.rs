//! What every implementation of a seam must do, as one function for each seam: it panics where something is wrong.

pub mod host;
mod key_sets;
mod objects;
pub mod registry;
pub mod repository;

pub use key_sets::key_sets;
pub use objects::objects;
