//! Something that happened, for the time line and for those who want to be told.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::pass::ProposalState;
use crate::image::{Digest, Tag};
use crate::plan::Hold;
use crate::policy::PolicyName;
use crate::seams::RepositoryId;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Kind {
    /// A pull request was opened.
    Opened,
    /// An open pull request has other values now.
    Updated,
    /// A draft was marked ready.
    Ready,
    /// A person merged it.
    Merged,
    /// Values were pushed to the base branch itself, without a pull request.
    Pushed,
    /// A person closed it.
    Closed,
    /// It was closed by us: there was nothing left in it to merge.
    Settled,
    /// A tag is held from now on.
    Held,
    /// A tag is no longer held.
    Released,
    /// Deliveries of a source are not believed.
    Refused,
    /// The tags of an image cannot be listed, or the list is not believed.
    ListingIncomplete,
}

impl Kind {
    /// All of them, as they are configured.
    pub const ALL: [Self; 11] = [
        Self::Opened,
        Self::Updated,
        Self::Ready,
        Self::Merged,
        Self::Pushed,
        Self::Closed,
        Self::Settled,
        Self::Held,
        Self::Released,
        Self::Refused,
        Self::ListingIncomplete,
    ];

    /// The word for it. It is a stable interface.
    pub fn word(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Updated => "updated",
            Self::Ready => "ready",
            Self::Merged => "merged",
            Self::Pushed => "pushed",
            Self::Closed => "closed",
            Self::Settled => "settled",
            Self::Held => "held",
            Self::Released => "released",
            Self::Refused => "refused",
            Self::ListingIncomplete => "listing-incomplete",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// The same for the same event, whoever notices it and however often.
    pub id: String,
    /// What happened.
    pub kind: Kind,
    /// When it was noticed.
    pub at: Timestamp,
    /// Where: a repository, a source, an image.
    pub subject: String,
    /// The proposal that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposal: Option<String>,
    /// In words: a pull request's title, why a tag is held.
    pub text: String,
    /// Who merged or closed it, if the forge said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Where a person reads more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What it brings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Carried>,
    /// Who has been told: see [`crate::notify::Target::id`].
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub told: BTreeSet<String>,
}

/// One policy's value on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Carried {
    /// The policy.
    pub policy: PolicyName,
    /// The image as the policy names it.
    pub image: String,
    /// The tag.
    pub tag: Tag,
    /// What it points at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The delivery that brought it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<String>,
    /// When that delivery came in, by our clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received_at: Option<Timestamp>,
}

impl Event {
    /// What happened to a proposal.
    pub fn of_proposal(
        kind: Kind,
        repository: &RepositoryId,
        name: &str,
        proposal: &ProposalState,
        at: Timestamp,
    ) -> Self {
        let values: Vec<String> =
            proposal.values.iter().map(|value| format!("{} {} {:?}", value.policy, value.tag, value.digest)).collect();
        let what = format!("{repository} {name} {} {}", proposal.url, values.join(" "));
        Self {
            id: id(kind, &what, at),
            kind,
            at,
            subject: repository.to_string(),
            proposal: Some(name.to_owned()),
            text: proposal.title.clone(),
            by: proposal.by.clone(),
            url: Some(proposal.url.clone()),
            values: proposal.values.clone(),
            told: BTreeSet::new(),
        }
    }

    /// That a tag is held, or no longer.
    pub fn of_hold(kind: Kind, repository: &RepositoryId, hold: &Hold, at: Timestamp) -> Self {
        let what = format!("{repository} {} {} {} {}", hold.proposal, hold.policy, hold.tag, hold.since);
        Self {
            id: id(kind, &what, at),
            kind,
            at,
            subject: repository.to_string(),
            proposal: (hold.proposal != Hold::EVERY).then(|| hold.proposal.clone()),
            text: format!("{} {}: {}", hold.policy, hold.tag, hold.reason),
            by: None,
            url: None,
            values: Vec::new(),
            told: BTreeSet::new(),
        }
    }

    /// What is about no repository: `what` tells this event from others of the same subject.
    pub fn of(kind: Kind, subject: &str, text: String, at: Timestamp) -> Self {
        Self {
            id: id(kind, &format!("{subject} {text}"), at),
            kind,
            at,
            subject: subject.to_owned(),
            proposal: None,
            text,
            by: None,
            url: None,
            values: Vec::new(),
            told: BTreeSet::new(),
        }
    }
}

impl Event {
    /// Notes who has been told, by the ids of events and targets.
    pub fn note(&mut self, told: &BTreeSet<(String, String)>) {
        let own = told.iter().filter(|(event, _)| *event == self.id);
        self.told.extend(own.map(|(_, target)| target.clone()));
    }
}

/// A pull request that goes from A to B and back to A is news twice: the minute tells them apart.
fn id(kind: Kind, what: &str, at: Timestamp) -> String {
    let hash = digest(&SHA256, format!("{kind} {what} {}", at.as_second() / 60).as_bytes());
    hash.as_ref()[..12].iter().map(|byte| format!("{byte:02x}")).collect()
}
