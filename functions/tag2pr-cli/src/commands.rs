//! One module for each command: its arguments, and what it prints.

pub mod check;
pub mod decode;
pub mod demo;
pub mod explain;
pub mod holds;
pub mod propose;
pub mod replay;
pub mod serve;
pub mod status;
pub mod sweep;
pub mod update;
