//! What the last look at a repository found, and what happened to its proposals in the last day.
//!
//! One small object for each repository. What happened is the difference between two looks, never what a worker believes
//! to have done: so a worker who dies between doing and telling leaves it to the next one to tell.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::event::{Carried, Event, Kind};
use crate::image::ImageName;
use crate::plan::{Considered, Hold};
use crate::policy::PolicyName;
use crate::seams::{CommitId, RepositoryId};
use crate::store::Stored;

/// So long is remembered what happened.
pub const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);

/// So many things that happened are remembered at most.
const EVENTS: usize = 200;

/// So many policies, and of each so many sentences and tags: the object stays small whatever a repository holds.
const POLICIES: usize = 500;

/// So many remarks.
const REMARKS: usize = 50;

/// The longest text from outside that is remembered, in characters.
const LONGEST: usize = 500;

/// What the last look at a repository found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pass {
    /// The repository.
    pub repository: RepositoryId,
    /// The commit of the base branch that was read; none if it could never be read.
    pub commit: Option<CommitId>,
    /// When it was like this for the first time.
    pub since: Timestamp,
    /// Why the last look did not come to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<Failing>,
    /// What became of each policy in each automation.
    pub policies: Vec<PolicyState>,
    /// The proposals, by name.
    pub proposals: BTreeMap<String, ProposalState>,
    /// What is not as it could be, a sentence each.
    pub remarks: Vec<String>,
    /// What must not be proposed.
    pub holds: BTreeSet<Hold>,
    /// What happened, oldest first.
    pub events: Vec<Event>,
}

impl Stored for Pass {
    const FORMAT: u32 = 1;
}

/// Why a look does not come to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// When it was like this for the first time.
    pub since: Timestamp,
    /// In words.
    pub reason: String,
}

/// What became of a policy in one automation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyState {
    /// The policy.
    pub policy: PolicyName,
    /// The proposal that would bring its value.
    pub proposal: String,
    /// The image as the policy names it.
    pub image: String,
    /// The image that its tags are known of.
    pub known_as: Option<ImageName>,
    /// What stands in Git.
    pub in_git: BTreeSet<String>,
    /// The selected tag.
    pub selected: Option<String>,
    /// One word for what became of it: see [`crate::plan::Outcome::word`].
    pub outcome: String,
    /// The same in words.
    pub reason: String,
    /// Why this tag: one sentence each, in Markdown.
    pub why: Vec<String>,
    /// Some of its tags, with what became of each.
    pub tags: Vec<Considered>,
}

/// How far a proposal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Its pull request waits for a person.
    Open,
    /// A person merged it.
    Merged,
    /// It stands in the base branch, where it was pushed to without a pull request.
    Pushed,
    /// A person closed it.
    Closed,
    /// It was closed by us: there is nothing left in it to merge.
    Settled,
}

/// A proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProposalState {
    /// How far it is.
    pub stage: Stage,
    /// Since when.
    pub since: Timestamp,
    /// Who merged or closed it, if that is over and the forge said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// What people see of it.
    pub title: String,
    /// Where a person reads it; `commit 1a2b3c4` if there is no pull request.
    pub url: String,
    /// What it brings.
    pub values: Vec<Carried>,
    /// Whether it is a draft until frozen hours are over.
    #[serde(default)]
    pub is_frozen: bool,
}

/// What one look found: everything that [`Pass::after`] compares with what was remembered.
#[derive(Debug, Clone)]
pub struct Look {
    /// The repository.
    pub repository: RepositoryId,
    /// What was read of it.
    pub commit: CommitId,
    /// What became of each policy.
    pub policies: Vec<PolicyState>,
    /// The proposals that there ever were, as they stand now; [`ProposalState::since`] does not count.
    pub proposals: BTreeMap<String, ProposalState>,
    /// The proposals that nobody knows anything new of: their pull request should be there, and is not found.
    pub unclear: BTreeSet<String>,
    /// What is not as it could be.
    pub remarks: Vec<String>,
    /// What must not be proposed.
    pub holds: BTreeSet<Hold>,
    /// What could not be asked.
    pub failing: Option<String>,
}

impl Pass {
    /// What is remembered after a look.
    pub fn after(before: Option<&Self>, look: &Look, now: Timestamp) -> Self {
        let mut next = Self {
            repository: look.repository.clone(),
            commit: Some(look.commit.clone()),
            since: now,
            failing: failing(before, look.failing.as_deref(), now),
            policies: look.policies.iter().take(POLICIES).map(shortened).collect(),
            proposals: look.proposals.clone(),
            remarks: look.remarks.iter().take(REMARKS).map(|remark| short(remark)).collect(),
            holds: look.holds.clone(),
            events: Vec::new(),
        };
        let known = before.iter().flat_map(|before| &before.proposals);
        let unclear = known.filter(|(name, _)| look.unclear.contains(*name) && !look.proposals.contains_key(*name));
        next.proposals.extend(unclear.map(|(name, proposal)| (name.clone(), proposal.clone())));
        for (name, proposal) in &mut next.proposals {
            let same = before.and_then(|before| before.proposals.get(name));
            proposal.since = match same {
                Some(same) if same.stage == proposal.stage && same.url == proposal.url => same.since,
                _ => now,
            };
        }
        next.events = events(before, &next, now);
        next.unless_it_is_the_same(before)
    }

    /// What is remembered after a look that did not come to its end.
    pub fn failed(before: Option<&Self>, repository: &RepositoryId, reason: &str, now: Timestamp) -> Self {
        let mut next = before.cloned().unwrap_or_else(|| Self {
            repository: repository.clone(),
            commit: None,
            since: now,
            failing: None,
            policies: Vec::new(),
            proposals: BTreeMap::new(),
            remarks: Vec::new(),
            holds: BTreeSet::new(),
            events: Vec::new(),
        });
        next.since = now;
        next.failing = failing(before, Some(reason), now);
        next.events.retain(|event| is_remembered(event, now));
        next.unless_it_is_the_same(before)
    }

    /// The time of the last look alone is not worth a write each time.
    fn unless_it_is_the_same(mut self, before: Option<&Self>) -> Self {
        let Some(before) = before else { return self };
        // What has become too old goes with the next write.
        let is_same = |events: &[Event]| events == &before.events[before.events.len() - events.len()..];
        if self.events.len() <= before.events.len() && is_same(&self.events) {
            let since = std::mem::replace(&mut self.since, before.since);
            let events = std::mem::replace(&mut self.events, before.events.clone());
            if self != *before {
                (self.since, self.events) = (since, events);
            }
        }
        self
    }

    /// The open proposal that brings a policy's value.
    pub fn open(&self, policy: &PolicyState) -> Option<&ProposalState> {
        let open = self.proposals.get(&policy.proposal).filter(|proposal| proposal.stage == Stage::Open)?;
        open.values.iter().any(|value| value.policy == policy.policy).then_some(open)
    }
}

fn is_remembered(event: &Event, now: Timestamp) -> bool {
    now.duration_since(event.at) < REMEMBERED
}

fn failing(before: Option<&Pass>, reason: Option<&str>, now: Timestamp) -> Option<Failing> {
    let since = before.and_then(|before| before.failing.as_ref()).map_or(now, |failing| failing.since);
    reason.map(|reason| Failing { since, reason: short(reason) })
}

/// What happened between two looks, behind what had happened before.
fn events(before: Option<&Pass>, next: &Pass, now: Timestamp) -> Vec<Event> {
    let mut events: Vec<Event> = before.map(|before| before.events.clone()).unwrap_or_default();
    events.retain(|event| is_remembered(event, now));
    let mut happened = Vec::new();
    for (name, is) in &next.proposals {
        let was = before.and_then(|before| before.proposals.get(name));
        let kinds: &[Kind] = match (was.filter(|was| was.url == is.url), is.stage) {
            (None, Stage::Open) => &[Kind::Opened],
            (Some(was), Stage::Open) if was.stage != Stage::Open => &[Kind::Opened],
            (Some(was), Stage::Open) if was.values != is.values || was.title != is.title => &[Kind::Updated],
            (Some(was), Stage::Open) if was.is_frozen && !is.is_frozen => &[Kind::Ready],
            (_, Stage::Open) => &[],
            (Some(was), stage) if was.stage == stage => &[],
            // What ended before anybody looked is news of long ago, unless it was never told that it was opened.
            (None, _) if before.is_none() => &[],
            (_, Stage::Merged) => &[Kind::Merged],
            (_, Stage::Pushed) => &[Kind::Pushed],
            (_, Stage::Closed) => &[Kind::Closed],
            (_, Stage::Settled) => &[Kind::Settled],
        };
        happened.extend(kinds.iter().map(|kind| Event::of_proposal(*kind, &next.repository, name, is, now)));
    }
    let holds = |pass: Option<&Pass>| pass.map(|pass| pass.holds.clone()).unwrap_or_default();
    let (were, are) = (holds(before), holds(Some(next)));
    let is_in = |holds: &BTreeSet<Hold>, hold: &Hold| holds.iter().any(|known| known.is_same(hold));
    let held = are.iter().filter(|hold| !is_in(&were, hold) && before.is_some());
    happened.extend(held.map(|hold| Event::of_hold(Kind::Held, &next.repository, hold, now)));
    let released = were.iter().filter(|hold| !is_in(&are, hold));
    happened.extend(released.map(|hold| Event::of_hold(Kind::Released, &next.repository, hold, now)));
    events.extend(happened);
    let many = events.len().saturating_sub(EVENTS);
    events.drain(..many);
    events
}

fn shortened(policy: &PolicyState) -> PolicyState {
    PolicyState {
        image: short(&policy.image),
        in_git: policy.in_git.iter().take(5).map(|tag| short(tag)).collect(),
        reason: short(&policy.reason),
        why: policy.why.iter().take(10).map(|sentence| short(sentence)).collect(),
        tags: policy.tags.iter().map(|tag| Considered { reason: short(&tag.reason), ..tag.clone() }).collect(),
        ..policy.clone()
    }
}

/// The text, cut if it is very long.
pub(super) fn short(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
