//! [`Registry`](tag2pr::seams::Registry) over the HTTP API of the [OCI Distribution Specification].
//!
//! | module | what it holds |
//! |---|---|
//! | [`settings`] | which registries there are, and how each is reached |
//! | `client` | the three questions: what does a tag point at, what does a digest run on, which tags are there |
//! | `contents` | what a manifest says it holds |
//! | `listing` | the pages of a tag list, until the last one or an error |
//! | `auth`, `challenge` | who asks: Basic, and tokens by `WWW-Authenticate: Bearer` |
//! | `host` | one registry: its addresses, and every request that goes to it |
//! | `link` | the `Link` header of a page |
//!
//! An answer is complete and comes from the registry itself, or it is an error: nobody may take a refusal, a rate limit,
//! half a list or a proxy's error page for "that tag is gone". Passwords and tokens go to the host they belong to and
//! to nobody else, whatever a registry asks for.
//!
//! [OCI Distribution Specification]: https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md

mod auth;
mod challenge;
mod client;
mod contents;
mod host;
mod link;
mod listing;
pub mod settings;

pub use client::Client;
pub use settings::{Credentials, InvalidSettings, Limits, Login, Others, RegistrySettings};
