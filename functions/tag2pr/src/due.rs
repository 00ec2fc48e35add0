//! What becomes due without anybody's poke: the waits of a repository, and when each of them ends.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::frozen;
use crate::proposal::{Proposal, Value};
use crate::store::Stored;

/// Everything that a repository waits for: computed anew by each look at it, so that nothing is due twice.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    /// In the order of proposals.
    pub waits: BTreeSet<Wait>,
}

impl Stored for Due {
    const FORMAT: u32 = 3;
}

impl Due {
    /// When the repository must be looked at next.
    pub fn first(&self) -> Option<Timestamp> {
        self.waits.iter().map(|wait| wait.until).min()
    }

    /// What one proposal waits for.
    pub fn of(&self, proposal: &str, why: Why) -> Option<&Wait> {
        self.waits.iter().find(|wait| wait.proposal == proposal && wait.why == why)
    }
}

/// One reason to look again later.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Wait {
    /// The proposal that it is about.
    pub proposal: String,
    /// What for.
    pub why: Why,
    /// Since when.
    pub since: Timestamp,
    /// When it ends.
    pub until: Timestamp,
}

/// What a proposal waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// Pushes that may follow: they shall be in the same commit.
    Settling,
    /// The end of the hours in which nothing is put forward.
    Frozen,
    /// A tag that is younger than its policy's minimum age.
    TooYoung,
    /// A tag that has not stood for long enough in the stage before.
    Soaking,
    /// Fewer pull requests opened within the hour.
    Crowded,
}

/// How long a proposal waits for more pushes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settle {
    /// After each push.
    pub window: SignedDuration,
    /// From the first push that it waits with, however many follow.
    pub at_most: SignedDuration,
}

/// Whether a proposal waits for more pushes: `open` is what its open pull request brings already, and `before` what was
/// waited for when the repository was last looked at.
///
/// What is taken away from a pull request, and a base branch that moved, need not wait.
pub fn settling(proposal: &Proposal, open: &[Value], before: &Due, now: Timestamp) -> Option<Wait> {
    let (settle, heard) = (proposal.settle?, proposal.heard?.min(now));
    let is_open = |new: &Value| {
        open.iter().any(|old| (&old.policy, &old.tag, &old.digest) == (&new.policy, &new.tag, &new.digest))
    };
    if proposal.values().iter().all(is_open) {
        return None;
    }
    let since = before.of(&proposal.name, Why::Settling).map_or(now, |wait| wait.since.min(now));
    let end = |from: Timestamp, wait: SignedDuration| from.checked_add(wait).ok();
    let until = end(heard, settle.window)?.min(end(since, settle.at_most)?);
    (until > now).then(|| Wait { proposal: proposal.name.clone(), why: Why::Settling, since, until })
}

/// Whether nothing is put forward for a proposal just now, and until when.
pub fn frozen(proposal: &Proposal, now: Timestamp) -> Option<Wait> {
    let until = frozen::until(&proposal.frozen, now)?;
    Some(Wait { proposal: proposal.name.clone(), why: Why::Frozen, since: now, until })
}
