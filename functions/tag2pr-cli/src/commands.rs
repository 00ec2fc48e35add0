//! One module for each command: its arguments, and what it prints.

pub mod check;
pub mod completions;
pub mod decode;
pub mod demo;
pub mod explain;
pub mod holds;
pub mod init;
pub mod man;
pub mod propose;
pub mod replay;
pub mod schema;
pub mod serve;
pub mod status;
pub mod sweep;
pub mod update;
