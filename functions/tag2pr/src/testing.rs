//! The outside world in memory, with state: what the stand-ins know can be looked at, and they can be told to fail.
//!
//! [`conformance`] holds one suite for each seam; the stand-in here and the real thing at the edge both pass it.

pub mod conformance;
pub mod host;
pub mod key_sets;
pub mod memory;
pub mod registry;
pub mod repository;
