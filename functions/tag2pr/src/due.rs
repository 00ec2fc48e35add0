//! What becomes due without anybody's poke: the waits of a repository, and when each of them ends.

use std::collections::BTreeSet;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::frozen;
use crate::proposal::{Proposal, Value, minute};
use crate::store::Stored;

/// Everything that a repository waits for: computed anew by each look at it, so that nothing is due twice.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    /// In the order of proposals.
    pub waits: BTreeSet<Wait>,
    /// That its Git host asked to be left alone, when it was looked at last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rest: Option<Rest>,
}

impl Stored for Due {
    const FORMAT: u32 = 3;
}

impl Due {
    /// When the repository must be looked at next: whatever else is due, not while its host asks to be left alone.
    pub fn first(&self) -> Option<Timestamp> {
        let rest = self.rest.as_ref().map(|rest| rest.until);
        rest.or_else(|| self.waits.iter().map(|wait| wait.until).min())
    }

    /// Why nothing may be asked of its host now. A clock that ran ahead must not keep everybody away for as long.
    pub fn rest_at(&self, now: Timestamp) -> Option<&Rest> {
        let is_good = |rest: &&Rest| rest.until > now && rest.until.duration_since(now) <= LONGEST_REST;
        self.rest.as_ref().filter(is_good)
    }

    /// What one proposal waits for.
    pub fn of(&self, proposal: &str, why: Why) -> Option<&Wait> {
        self.waits.iter().find(|wait| wait.proposal == proposal && wait.why == why)
    }
}

/// No host is left alone for longer.
const LONGEST_REST: SignedDuration = SignedDuration::from_hours(2);

/// The time of a look is that of its beginning: its host may have answered so much later.
const LOOK: SignedDuration = SignedDuration::from_mins(1);

/// That a Git host asked to be left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rest {
    /// When it may be asked again.
    pub until: Timestamp,
    /// What it said.
    pub reason: String,
}

impl Rest {
    /// What a look that began now writes down, when the host said this and asked to be left alone for so long.
    pub fn asked(reason: String, wait: SignedDuration, now: Timestamp) -> Self {
        let wait = wait.saturating_add(LOOK).min(LONGEST_REST);
        Self { until: now.checked_add(wait).unwrap_or(now), reason }
    }
}

impl fmt::Display for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; it is left alone until {}", self.reason, minute(self.until))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_760_000_000 + second).unwrap()
    }

    fn resting(wait: SignedDuration) -> Due {
        let wait_for_pushes = Wait { proposal: "web".to_owned(), why: Why::Settling, since: at(0), until: at(30) };
        let rest = Rest::asked("git.lan is not available: too many requests".to_owned(), wait, at(0));
        Due { waits: [wait_for_pushes].into(), rest: Some(rest) }
    }

    #[test]
    fn nothing_else_is_due_while_a_host_is_left_alone() {
        let due = resting(SignedDuration::from_secs(120));
        assert_eq!(due.first(), Some(at(180)));
        assert_eq!(Due { rest: None, ..due.clone() }.first(), Some(at(30)));
        assert!(due.rest_at(at(179)).is_some());
        assert_eq!(due.rest_at(at(180)), None);
        insta::assert_snapshot!(due.rest.unwrap(), @"git.lan is not available: too many requests; it is left alone until 2025-10-09 08:56 UTC");
    }

    #[test]
    fn no_clock_and_no_host_keeps_everybody_away_for_long() {
        let due = resting(SignedDuration::MAX);
        assert_eq!(due.first(), Some(at(7_200)));
        assert_eq!(due.rest_at(at(-1)), None, "written by a clock that runs ahead");
    }

    #[test]
    fn what_was_written_before_there_were_rests_is_read() {
        let due: Due = serde_json::from_str(r#"{"waits":[]}"#).unwrap();
        assert_eq!(due, Due::default());
        assert_eq!(serde_json::to_string(&due).unwrap(), r#"{"waits":[]}"#);
    }
}
