//! What is remembered of proposals and of a repository.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::image::{Digest, ImageName, ImageRef};
use crate::manifests::{Manifests, Reading};
use crate::markers::{Marker, Part};
use crate::plan::{Hold, Holds, Plan};
use crate::proposal::{Value, markdown};
use crate::seams::{CommitId, PullRequest, RepositoryId, State};
use crate::store::Stored;

/// What was last proposed under a name: written before anybody else can see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Proposed {
    /// `<namespace>.<automation>`, or `<namespace>.<automation>.<group>`
    pub name: String,
    /// `<namespace>.<automation>`, where the name says more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub automation: Option<String>,
    /// The branch that carries it.
    pub branch: String,
    /// The commits that are ours, newest first; a branch that stands elsewhere is somebody's work.
    pub commits: Vec<CommitId>,
    /// The values that it brings.
    pub values: Vec<Value>,
    /// For each policy, the value that was last merged: if it goes from the base branch, somebody rolled it back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub merged: Vec<Merged>,
    /// What people see of it.
    pub title: String,
    /// A digest of the title and the body that the pull request is given: a commit that is the same may come with another
    /// body, from a worker who knew less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<String>,
    /// Its pull request, once there is one.
    pub pull_request: Option<u64>,
    /// Where a person reads it.
    pub url: Option<String>,
    /// When its pull requests of the last hour were opened.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub opened: Vec<Timestamp>,
    /// What became of it.
    pub fate: Fate,
    /// By whom it was merged or closed, if the forge said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<String>,
    /// Who is opening a pull request just now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
    /// What is still to be asked of the forge for the open pull request.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub to_do: BTreeSet<ToDo>,
    /// The last comment that was listened to.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub obeyed: u64,
    /// Whether those who committed to its branch were told that it is left to them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_told: bool,
    /// The commit of somebody else that its branch was left at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_at: Option<CommitId>,
    /// When it was last written.
    pub at: Timestamp,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Stored for Proposed {
    const FORMAT: u32 = 2;
}

/// What follows the opening of a pull request: written down before it is opened, so that it is done whoever dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ToDo {
    /// Labels, reviewers and the like.
    Ask,
    /// It was opened as a draft in frozen hours, and is to be marked ready after them.
    Ready,
}

/// A value that became part of the base branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Merged {
    /// What was merged.
    pub value: Value,
    /// The pull request, or the commit where there was none.
    pub url: String,
    /// Who merged it, if the forge said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Whether it came to the base branch by another way than that pull request.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_beside: bool,
}

impl Merged {
    fn with(value: &Value, url: &str, by: Option<&String>) -> Self {
        Self { value: value.clone(), url: url.to_owned(), by: by.cloned(), is_beside: false }
    }
}

impl Proposed {
    /// The automation that it is from, or is a part of: `<namespace>.<automation>`.
    pub fn automation(&self) -> &str {
        self.automation.as_deref().unwrap_or(&self.name)
    }

    /// The pull request of this proposal among those that ended, if it is one of them.
    ///
    /// One that was opened by a worker who died before writing that down is known by the commit that was claimed.
    pub(super) fn ended<'a>(&self, ended: &'a [PullRequest]) -> Option<&'a PullRequest> {
        match (self.pull_request, &self.claim) {
            (Some(number), _) => ended.iter().find(|pull| pull.number == number),
            (None, Some(_)) => {
                let claimed = || ended.iter().filter(|pull| self.commits.first() == Some(&pull.head));
                claimed().find(|pull| pull.state == State::Merged).or_else(|| claimed().min_by_key(|pull| pull.number))
            }
            (None, None) => None,
        }
    }

    /// Notes how its pull request ended, and by whom as far as that is known: what a person closed is held.
    pub(super) fn end(&mut self, pull: &PullRequest, by: Option<String>, now: Timestamp) -> Vec<Hold> {
        // The answer to its opening may have been lost.
        (self.pull_request, self.url) = (Some(pull.number), Some(pull.url.clone()));
        self.claim = None;
        self.at = now;
        // What ended is what its head says: the newest values may not have got there, or somebody added to them.
        let is_known = self.commits.first() == Some(&pull.head);
        if pull.state == State::Merged {
            self.fate = Fate::Merged;
            self.ended_by.clone_from(&by);
            if is_known {
                self.note_merged(&pull.url, by.as_ref());
            }
            return Vec::new();
        }
        if self.fate == Fate::Settling {
            self.fate = Fate::Settled;
            return Vec::new();
        }
        self.fate = Fate::Closed;
        let reason = format!("pull request {} was closed without merging{}", pull.url, said(by.as_ref()));
        self.ended_by = by;
        // Whoever closed it with a commit of somebody else on top saw these values if its title was that of them.
        let is_added_to = !self.commits.contains(&pull.head) && pull.title == self.title;
        if !is_known && !is_added_to {
            return Vec::new();
        }
        self.values.iter().map(|value| hold(&self.name, value, &reason, now)).collect()
    }

    /// Whether it is written down that this is its pull request.
    pub(super) fn is_of(&self, pull: &PullRequest) -> bool {
        self.pull_request == Some(pull.number) && self.claim.is_none()
    }

    /// When its pull requests of the last hour were opened: not the one that was to be, and of which nobody knows.
    pub(super) fn opened(&self) -> &[Timestamp] {
        let known = self.opened.len().saturating_sub(usize::from(self.claim.is_some()));
        &self.opened[..known]
    }

    /// Whether its closed pull request is open again.
    pub(super) fn is_reopened(&self, found: &[PullRequest]) -> bool {
        let is_ours = |pull: &PullRequest| Some(pull.number) == self.pull_request && pull.state == State::Open;
        self.fate == Fate::Closed && found.iter().any(is_ours)
    }

    /// Notes that what was pushed to the base branch itself stands there.
    pub(super) fn arrive(&mut self, base: &str, manifests: &Manifests, now: Timestamp) {
        let stands = |value: &Value| standing(value, manifests) >= value.places.max(1);
        if self.fate != Fate::Open || self.branch != base || !self.values.iter().all(stands) {
            return;
        }
        let url = self.commits.first().map(|commit| format!("commit {}", commit.short())).unwrap_or_default();
        self.fate = Fate::Merged;
        self.at = now;
        self.note_merged(&url, None);
    }

    /// Notes what came to the base branch with a pull request that had other commits than ours.
    pub(super) fn arrive_with_others(&mut self, pull: &PullRequest, manifests: &Manifests) {
        let is_ours = self.commits.first() == Some(&pull.head);
        if pull.state != State::Merged || is_ours {
            return;
        }
        let stand = self.values.iter().filter(|value| standing(value, manifests) >= value.places.max(1));
        let merged: Vec<Merged> = stand.map(|value| Merged::with(value, &pull.url, self.ended_by.as_ref())).collect();
        self.note(merged);
    }

    fn note_merged(&mut self, url: &str, by: Option<&String>) {
        self.note(self.values.iter().map(|value| Merged::with(value, url, by)).collect());
    }

    /// Notes which of its values stand on the base branch without its pull request having been merged.
    pub(super) fn note_beside(&mut self, url: &str, manifests: &Manifests) {
        self.note(self.beside(url, &[], manifests));
    }

    /// What was merged, and what of an open pull request came to the base branch by another way and is not in it any more.
    pub(super) fn merged_beside(&self, still: &[Value], manifests: &Manifests) -> Vec<Merged> {
        let mut noted = self.clone();
        if let Some(url) = self.url.as_ref().filter(|_| self.fate == Fate::Open) {
            noted.note(self.beside(url, still, manifests));
        }
        noted.merged
    }

    fn beside(&self, url: &str, still: &[Value], manifests: &Manifests) -> Vec<Merged> {
        let gone = self.values.iter().filter(|value| still.iter().all(|still| still.policy != value.policy));
        let stand = gone.filter(|value| standing(value, manifests) >= value.places.max(1));
        stand.map(|value| Merged { value: value.clone(), url: url.to_owned(), by: None, is_beside: true }).collect()
    }

    fn note(&mut self, merged: Vec<Merged>) {
        self.merged.retain(|old| merged.iter().all(|new| new.value.policy != old.value.policy));
        self.merged.extend(merged);
    }

    /// The values that were merged, no longer stand where they did, and would be proposed once more: somebody took them
    /// back, and that stands.
    pub(super) fn rolled_back(&self, plan: &Plan, manifests: &Manifests) -> Vec<TakenBack> {
        let proposals = plan.proposals.iter();
        // What shares a pull request may have changed since.
        let proposals =
            proposals.filter(|proposal| proposal.name == self.name || proposal.automation == self.automation());
        let wanted: Vec<Value> = proposals.flat_map(|proposal| proposal.values()).collect();
        let again = |merged: &&Merged| {
            let Merged { value: old, .. } = merged;
            let same = |new: &Value| {
                new.policy == old.policy
                    && new.tag == old.tag
                    && (new.digest == old.digest || new.digest.is_none() || old.digest.is_none())
                    && !new.files.is_disjoint(&old.files)
            };
            // A place that is marked since, and never held the value, is none where it was taken back.
            wanted.iter().any(same) && standing(old, manifests) < old.places.max(1)
        };
        let taken_back = |merged: &Merged| TakenBack {
            proposal: self.name.clone(),
            merged: merged.clone(),
            file: without(&merged.value, manifests).cloned(),
        };
        self.merged.iter().filter(again).map(taken_back).collect()
    }
}

/// A value that was merged, and that somebody took back on the base branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TakenBack {
    proposal: String,
    merged: Merged,
    /// The first of its files in which it no longer stands.
    pub(super) file: Option<String>,
}

impl TakenBack {
    /// Why it is not proposed again. `seen` is the commit of the base branch that was read, and `changes` are the last
    /// changes of files, as far as they are known.
    pub(super) fn hold(&self, seen: &CommitId, changes: &BTreeMap<String, CommitId>, now: Timestamp) -> Hold {
        let change = self.file.as_ref().and_then(|file| Some((file, changes.get(file)?)));
        let with = match change {
            Some((file, commit)) => {
                format!("with {}, the last change of {}", commit.short(), markdown::line(file, LONGEST_PATH))
            }
            // One commit of the base branch is read, and not what came before it: it is the first at which this was seen.
            None => format!("(seen at {})", seen.short()),
        };
        let Merged { value, url, by, is_beside } = &self.merged;
        let by = said(by.as_ref());
        let reason = match is_beside {
            true => format!("it came to the base branch beside {url}, and was then taken back there {with}"),
            false => format!("it was merged{by} with {url}, and then taken back on the base branch {with}"),
        };
        hold(&self.proposal, value, &reason, now)
    }
}

/// By whom, as the end of a sentence; nothing where that is not known.
fn said(by: Option<&String>) -> String {
    by.map(|by| format!(" by {by}")).unwrap_or_default()
}

/// In how many places of its files a value stands on the base branch.
fn standing(value: &Value, manifests: &Manifests) -> usize {
    let places = value.files.iter().flat_map(|file| places(file, value, manifests));
    places.filter(|place| stands(value, place)).count()
}

/// The first of its files in which a value no longer stands, or not in each place, on the base branch.
fn without<'a>(value: &'a Value, manifests: &Manifests) -> Option<&'a String> {
    value.files.iter().find(|file| {
        let mut places = places(file, value, manifests).filter(|place| place.setter.part != Part::Name).peekable();
        places.peek().is_none() || places.any(|place| !stands(value, place))
    })
}

/// What is marked with a value's policy in a file of the base branch.
fn places<'a>(file: &str, value: &'a Value, manifests: &'a Manifests) -> impl Iterator<Item = &'a Marker> + use<'a> {
    let all = manifests.markers.get(file).into_iter().flatten();
    all.filter(move |marker| marker.setter.policy == value.policy)
}

/// Whether a value stands in a marked place.
fn stands(value: &Value, marker: &Marker) -> bool {
    let digest = value.digest.as_ref().map(Digest::as_str);
    match marker.setter.part {
        Part::Tag => marker.value == value.tag.as_str(),
        Part::Digest => Some(marker.value.as_str()) == digest,
        Part::Reference => marker.value.parse::<ImageRef>().is_ok_and(|there| {
            there.tag.as_ref() == Some(&value.tag)
                && (there.digest.is_none() || digest.is_none() || there.digest.as_ref() == value.digest.as_ref())
        }),
        Part::Name => false,
    }
}

fn hold(proposal: &str, value: &Value, reason: &str, since: Timestamp) -> Hold {
    Hold {
        proposal: proposal.to_owned(),
        policy: value.policy.clone(),
        tag: value.tag.clone(),
        digest: value.digest.clone(),
        reason: reason.to_owned(),
        since,
    }
}

/// What became of a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// It is written and not yet, or still, open.
    Open,
    /// A person merged it.
    Merged,
    /// A person closed it.
    Closed,
    /// We are closing it: the base branch has its values some other way.
    Settling,
    /// The base branch has its values some other way; it was closed by us.
    Settled,
}

/// One worker's word that it opens the pull request: others wait, for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Whose.
    pub writer: String,
    /// Since when.
    pub at: Timestamp,
}

/// The longest path that a reason names, in characters.
const LONGEST_PATH: usize = 200;

/// How long a claim is respected: longer than a forge takes to answer.
pub(super) const CLAIM: SignedDuration = SignedDuration::from_secs(120);

/// So many of our own commits are remembered: one that was pushed and its successor that may not have been are enough.
pub(super) const COMMITS: usize = 5;

impl Stored for Holds {
    const FORMAT: u32 = 1;
}

/// What one base commit of a repository says: for `sweep`, which lists the tags of its images, and for `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// The repository.
    pub repository: RepositoryId,
    /// The commit it was read from.
    pub commit: CommitId,
    /// The images that its policies name.
    pub images: BTreeSet<ImageName>,
    /// What need not be read again at the next commit.
    #[serde(default)]
    pub reading: Reading,
    /// The other repositories that were handed what its automations say for them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub handed_to: BTreeSet<RepositoryId>,
}

impl Stored for Index {
    const FORMAT: u32 = 2;
}
