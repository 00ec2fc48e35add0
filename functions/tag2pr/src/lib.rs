//! From "this image was pushed" to a pull request: every decision that tag2pr makes, as functions of values.
//!
//! | step | function | from | to |
//! |---|---|---|---|
//! | who says so? | [`delivery::authenticate`] | headers and bytes | [`delivery::Trusted`] |
//! | what was pushed? | [`delivery::decode`] | `Trusted` | [`delivery::Decoded`] |
//! | what is known? | [`ledger::Ledger::merge`] | pushes, in any order | [`ledger::Ledger`] |
//! | what is wanted? | [`flux::read`] | the manifests repository | policies, automations |
//! | which tag, and why? | [`policy::Policy::select`] | policy and ledger | [`policy::Selection`], a verdict for every tag |
//! | what changes? | [`markers::edit`] | one file and the selections | new bytes and the changes |
//! | what do people see? | [`proposal::compose`] | changes and selections | [`proposal::Proposal`]: branch, commit, pull request |
//! | how do things stand? | [`status::Status::of`] | what the store remembers | [`status::Status`]: for the terminal and the page |
//!
//! Nothing above [`seams`] is asynchronous, and nothing in this crate reads the network, the clock or the environment:
//! time is an argument. [`seams`] names the systems outside, [`flow`] walks the journeys `receive`, `propose` and `sweep`
//! over them, and [`endpoint`] says which path is which source and which outcome is which HTTP status.

pub mod commands;
pub mod config;
pub mod delivery;
pub mod due;
pub mod endpoint;
pub mod findings;
pub mod flow;
pub mod flux;
pub mod frozen;
pub mod hindsight;
pub mod host_event;
pub mod image;
pub mod jwt;
pub mod keys;
pub mod ledger;
pub mod limits;
pub mod manifests;
pub mod markers;
pub mod notify;
pub mod origin;
mod parallel;
pub mod plan;
pub mod platform;
pub mod policy;
pub mod problem;
pub mod proposal;
pub mod repository_settings;
pub mod repository_url;
pub mod retry_after;
#[cfg(feature = "schema")]
mod schema;
pub mod seams;
pub mod secret;
pub mod stages;
pub mod status;
pub mod store;
pub mod template;
#[cfg(feature = "testing")]
pub mod testing;
mod yaml;
