//! The journeys: fetch what the pure steps need, call them, hand on what they decided.
//!
//! ```text
//! receive   a delivery: authenticate, decode, write the pushes, poke the repositories that watch the images
//! propose   a poke: read the base branch, select, confirm, plan; then one commit and one pull request each
//! sweep     the clock: list what registries have, write what was missed, poke the repositories that it concerns
//! ```
//!
//! Edge in, level out: a delivery only adds evidence. Everything after it is computed again from what is recorded, so a
//! duplicate, a reordering, a lost message or a crash between any two steps does not change where it ends.
//!
//! Nothing here decides anything about images or tags.

pub mod handed_over;
pub mod holds;
pub mod issuers;
pub mod lease;
pub mod ledgers;
pub mod notify;
pub mod propose;
pub mod receive;
pub mod refusals;
pub mod status;
pub mod sweep;

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::delivery::{Malformed, Refusal};
use crate::due::Rest;
use crate::seams::{GitError, HostError, KeysUnavailable, RegistryError, RepositoryId, StoreError};
use crate::store::Stored;

/// Why a journey ended early.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The delivery is not from whom it says.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The delivery is authentic and cannot be read.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// No source of that name is configured.
    #[error("there is no such source")]
    UnknownSource,
    /// Nothing in the configuration takes it.
    #[error("{0}")]
    NotConfigured(String),
    /// The issuer of its identity tokens.
    #[error(transparent)]
    Issuer(#[from] KeysUnavailable),
    /// The object store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The Git server.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The forge.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Some of it could not be done yet; the rest is done.
    #[error("not finished: {0}")]
    Unfinished(String),
    /// The Git host asks to be left alone. That is written down, and the clock pokes when it is over.
    #[error("{0}")]
    LeftAlone(Rest),
}

impl Error {
    /// Whether the same input may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Store(StoreError::Conflict(_) | StoreError::Unavailable(_))
            | Self::Git(GitError::Moved { .. } | GitError::Unavailable { .. })
            | Self::Host(HostError::Moved { .. } | HostError::Unavailable { .. })
            | Self::Registry(RegistryError::Unavailable { .. })
            | Self::Issuer(_)
            | Self::Unfinished(_)
            | Self::LeftAlone(_) => true,
            Self::Refused(_)
            | Self::Malformed(_)
            | Self::UnknownSource
            | Self::NotConfigured(_)
            | Self::Store(StoreError::Refused(_))
            | Self::Git(GitError::MissingBranch { .. } | GitError::Refused { .. })
            | Self::Host(HostError::Refused { .. })
            | Self::Registry(RegistryError::Refused { .. }) => false,
        }
    }

    /// How long from now whoever did not answer asks to be left alone, if it said so.
    pub fn wait(&self, now: Timestamp) -> Option<SignedDuration> {
        match self {
            Self::Git(GitError::Unavailable { wait, .. })
            | Self::Host(HostError::Unavailable { wait, .. })
            | Self::Registry(RegistryError::Unavailable { wait, .. }) => *wait,
            Self::LeftAlone(rest) => Some(rest.until.duration_since(now).max(SignedDuration::ZERO)),
            _ => None,
        }
    }
}

/// Which repositories have a policy on an image: written by `propose`, read by `receive`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watchers {
    /// The repositories, each with the base branch that its policies were read from.
    pub repositories: BTreeSet<RepositoryId>,
}

impl Stored for Watchers {
    const FORMAT: u32 = 1;
}
