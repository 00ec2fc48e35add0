//! How things stand: made from what the store remembers, for the terminal, for programs and for the page.
//!
//! | what | where it is remembered | who writes it |
//! |---|---|---|
//! | the last look at each repository, and the last day of its proposals | [`Pass`] | `propose`, if it changed |
//! | what deliveries brought | deliveries and ledgers | `receive` |
//! | how many deliveries were refused | [`Refusals`] | `receive`, once a minute at most |
//! | what sweeps found | [`Found`] | `sweep`, if it changed |
//!
//! The words are those of the log and the pull requests. Text from outside is as it came: whoever shows it escapes it.

mod event;
mod found;
mod journey;
pub mod metrics;
pub mod page;
mod pass;
mod refusals;
mod sources;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

pub use self::event::{Carried, Event, Kind};
pub use self::found::{Found, Incomplete, Missed};
pub use self::journey::{End, Journey, Proposed, Pushed};
pub use self::pass::{Failing, Look, Pass, PolicyState, ProposalState, REMEMBERED, Stage};
pub use self::refusals::{OfSource, Refusals, Refused, Tally};
pub use self::sources::{LastDelivery, Source};
use crate::due::{Due, Why};
use crate::flow::receive::Delivery;
use crate::image::ImageName;
use crate::ledger::{Ledger, Push};
use crate::plan::{Considered, Holds};
use crate::proposal::minute;
use crate::seams::RepositoryId;

/// Everything that the store remembers of how things stand.
#[derive(Debug, Clone, Default)]
pub struct Remembered {
    /// The configured sources, each with its type.
    pub sources: BTreeMap<String, String>,
    /// The configured repositories.
    pub repositories: Vec<OfRepository>,
    /// What is known of the images that policies name.
    pub ledgers: BTreeMap<ImageName, Ledger>,
    /// Deliveries of the last day, newest first; not all of them if there are many.
    pub deliveries: Vec<Delivery>,
    /// How many there are of the last day.
    pub deliveries_in_all: usize,
    /// What was refused.
    pub refusals: Refusals,
    /// What sweeps found.
    pub found: Found,
}

/// What is remembered of one repository.
#[derive(Debug, Clone)]
pub struct OfRepository {
    /// The repository.
    pub id: RepositoryId,
    /// The last look at it; none if there never was one.
    pub pass: Option<Pass>,
    /// What must not be proposed.
    pub holds: Holds,
    /// What it waits for.
    pub due: Due,
    /// When somebody looked at it last and came to an end.
    pub looked_at: Option<Timestamp>,
}

/// How things stand. As JSON it is a stable interface.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// When it was like this.
    pub at: Timestamp,
    /// What became of each policy, by repository.
    pub policies: Vec<Policy>,
    /// Who sends deliveries.
    pub sources: Vec<Source>,
    /// The open proposals.
    pub proposals: Vec<Open>,
    /// What must not be proposed.
    pub holds: Vec<Held>,
    /// What is waited for.
    pub waits: Vec<Waiting>,
    /// The last day from push to pull request to merge, the last first.
    pub journeys: Vec<Journey>,
    /// What needs somebody.
    pub troubles: Vec<Trouble>,
    /// Each repository, and when it was last looked at.
    pub repositories: Vec<Looked>,
    /// How many deliveries came in the last day; journeys and sources know of the newest of them.
    pub deliveries: usize,
}

/// What became of a policy.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Policy {
    /// `<namespace>/<name>`
    pub policy: String,
    /// The repository that it stands in.
    pub repository: String,
    /// The proposal that would bring its value.
    pub proposal: String,
    /// The image as the policy names it.
    pub image: String,
    /// What stands in Git.
    pub in_git: BTreeSet<String>,
    /// The selected tag.
    pub selected: Option<String>,
    /// One word for what became of it.
    pub outcome: String,
    /// The same in words.
    pub reason: String,
    /// The open proposal that brings its value.
    pub proposed: Option<Brought>,
    /// Its tags that are held.
    pub held: Vec<String>,
    /// The push that came in last, whatever tag it was of.
    pub last_push: Option<LastPush>,
    /// Why this tag: one sentence each, in Markdown.
    pub why: Vec<String>,
    /// Some of its tags, with what became of each.
    pub tags: Vec<Tag>,
}

/// What became of one tag.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tag {
    /// The tag.
    pub tag: String,
    /// The word for it, as `explain` has it.
    pub verdict: String,
    /// Why, in half a sentence.
    pub reason: String,
    /// When it was pushed, if that is known.
    pub pushed_at: Option<Timestamp>,
}

impl Policy {
    /// Whether it is as it should be: up to date, or on its way.
    pub fn is_well(&self) -> bool {
        matches!(self.outcome.as_str(), "changes" | "up-to-date")
    }
}

/// A value in an open proposal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Brought {
    /// The tag.
    pub tag: String,
    /// The pull request.
    pub url: String,
    /// When it was opened, as far as is remembered.
    pub since: Timestamp,
}

/// A push.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LastPush {
    /// The tag.
    pub tag: String,
    /// When it was pushed.
    pub at: Timestamp,
    /// The source that told of it.
    pub source: String,
    /// Who pushed it, as the sender calls them.
    pub actor: Option<String>,
}

/// An open proposal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Open {
    /// Where.
    pub repository: String,
    /// `<namespace>.<automation>`
    pub proposal: String,
    /// What people see of it.
    pub title: String,
    /// Where a person reads it.
    pub url: String,
    /// When it was opened, as far as is remembered.
    pub since: Timestamp,
    /// Whether it is a draft until frozen hours are over.
    pub frozen: bool,
}

/// A tag that must not be proposed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Held {
    /// Where.
    pub repository: String,
    /// The policy that selects it.
    pub policy: String,
    /// The tag.
    pub tag: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
}

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Waiting {
    /// Where.
    pub repository: String,
    /// The proposal that waits; the repository, if nothing is asked of its host.
    pub proposal: String,
    /// In words.
    pub reason: String,
    /// When it ends.
    pub until: Timestamp,
}

/// What needs somebody.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trouble {
    /// Where.
    pub subject: String,
    /// In words.
    pub reason: String,
    /// Since when, if that is known.
    pub since: Option<Timestamp>,
    /// Whether things stand still until it is mended.
    pub blocks: bool,
}

/// A repository.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Looked {
    /// Which.
    pub repository: String,
    /// The commit of the base branch that was read.
    pub commit: Option<String>,
    /// When somebody looked at it last and came to an end.
    pub looked_at: Option<Timestamp>,
}

/// How long ago something was, for people: the whole time if it is more than a day.
pub fn ago(at: Timestamp, now: Timestamp) -> String {
    match now.duration_since(at).as_secs() {
        seconds @ ..60 => format!("{} s ago", seconds.max(0)),
        seconds @ ..3_600 => format!("{} min ago", seconds / 60),
        seconds @ ..86_400 => format!("{} h ago", seconds / 3_600),
        _ => minute(at),
    }
}

/// How long something took, for people.
pub fn took(from: Timestamp, to: Timestamp) -> String {
    match to.duration_since(from).as_secs() {
        seconds @ ..60 => format!("{} s", seconds.max(0)),
        seconds @ ..3_600 => format!("{} min", seconds / 60),
        seconds => match (seconds / 3_600, seconds % 3_600 / 60) {
            (hours, 0) => format!("{hours} h"),
            (hours, minutes) => format!("{hours} h {minutes} min"),
        },
    }
}

/// A pull request as people call it: `#12`, or `!12` at GitLab; just that if its address does not tell. A commit without
/// one is called what it is.
pub fn number(url: &str) -> String {
    if url.starts_with("commit ") {
        return url.to_owned();
    }
    let mut segments = url.trim_end_matches('/').rsplit(['/', '#']);
    let last = segments.next().unwrap_or_default();
    let is_number = !last.is_empty() && last.len() < 10 && last.bytes().all(|byte| byte.is_ascii_digit());
    match (is_number, segments.next()) {
        (true, Some("merge_requests")) => format!("!{last}"),
        (true, _) => format!("#{last}"),
        (false, _) => "pull request".to_owned(),
    }
}

/// So many journeys are told.
const JOURNEYS: usize = 60;

impl Status {
    /// How things stand.
    pub fn of(remembered: &Remembered, now: Timestamp) -> Self {
        let passes = || remembered.repositories.iter().filter_map(|one| one.pass.as_ref());
        let mut journeys = journey::journeys(remembered, now);
        journeys.truncate(JOURNEYS);
        Self {
            at: now,
            policies: remembered.repositories.iter().flat_map(|one| policies(one, &remembered.ledgers)).collect(),
            sources: sources::sources(remembered, now),
            proposals: passes().flat_map(open).collect(),
            holds: remembered.repositories.iter().flat_map(holds).collect(),
            waits: remembered.repositories.iter().flat_map(|one| waits(one, now)).collect(),
            journeys,
            troubles: troubles(remembered),
            repositories: remembered.repositories.iter().map(looked).collect(),
            deliveries: remembered.deliveries_in_all,
        }
    }
}

fn looked(one: &OfRepository) -> Looked {
    Looked {
        repository: one.id.to_string(),
        commit: one.pass.as_ref().and_then(|pass| pass.commit.as_ref()).map(ToString::to_string),
        looked_at: one.looked_at,
    }
}

fn policies<'a>(
    one: &'a OfRepository,
    ledgers: &'a BTreeMap<ImageName, Ledger>,
) -> impl Iterator<Item = Policy> + use<'a> {
    let pass = one.pass.iter();
    pass.flat_map(move |pass| {
        pass.policies.iter().map(move |state| {
            let proposed = pass.open(state).and_then(|open| {
                let value = open.values.iter().find(|value| value.policy == state.policy)?;
                Some(Brought { tag: value.tag.to_string(), url: open.url.clone(), since: open.since })
            });
            let held = one.holds.holds.iter().filter(|hold| hold.policy == state.policy);
            let held: BTreeSet<String> = held.map(|hold| hold.tag.to_string()).collect();
            let ledger = state.known_as.as_ref().and_then(|image| ledgers.get(image));
            Policy {
                policy: state.policy.to_string(),
                repository: one.id.to_string(),
                proposal: state.proposal.clone(),
                image: state.image.clone(),
                in_git: state.in_git.clone(),
                selected: state.selected.clone(),
                outcome: state.outcome.clone(),
                reason: state.reason.clone(),
                proposed,
                held: held.into_iter().collect(),
                last_push: ledger.and_then(last_push).map(|push| LastPush {
                    tag: push.tag.to_string(),
                    at: push.at(),
                    source: push.source.clone(),
                    actor: push.actor.clone(),
                }),
                why: state.why.clone(),
                tags: state.tags.iter().map(tag).collect(),
            }
        })
    })
}

fn tag(considered: &Considered) -> Tag {
    let Considered { tag, verdict, reason, pushed_at } = considered.clone();
    Tag { tag, verdict, reason, pushed_at }
}

fn last_push(ledger: &Ledger) -> Option<&Push> {
    ledger.live().filter_map(|(_, entry)| entry.push.as_deref()).max_by_key(|push| (push.at(), &push.tag))
}

fn open(pass: &Pass) -> impl Iterator<Item = Open> {
    let open = pass.proposals.iter().filter(|(_, proposal)| proposal.stage == Stage::Open);
    open.map(|(name, proposal)| Open {
        repository: pass.repository.to_string(),
        proposal: name.clone(),
        title: proposal.title.clone(),
        url: proposal.url.clone(),
        since: proposal.since,
        frozen: proposal.is_frozen,
    })
}

fn holds(one: &OfRepository) -> impl Iterator<Item = Held> {
    one.holds.holds.iter().map(|hold| Held {
        repository: one.id.to_string(),
        policy: hold.policy.to_string(),
        tag: hold.tag.to_string(),
        reason: hold.reason.clone(),
        since: hold.since,
    })
}

fn waits(one: &OfRepository, now: Timestamp) -> impl Iterator<Item = Waiting> {
    let rest = one.due.rest_at(now).into_iter().map(|rest| Waiting {
        repository: one.id.to_string(),
        proposal: one.id.to_string(),
        reason: rest.to_string(),
        until: rest.until,
    });
    let waits = one.due.waits.iter().map(|wait| {
        let until = minute(wait.until);
        Waiting {
            repository: one.id.to_string(),
            proposal: wait.proposal.clone(),
            reason: match wait.why {
                Why::Settling => format!("more pushes may follow: one commit with all of them comes {until}"),
                Why::Frozen => format!("it is frozen until {until}"),
                Why::TooYoung => format!("a tag is too young until {until}"),
                Why::Soaking => format!("a tag soaks in the stage before until {until}"),
                Why::Crowded => format!(
                    "as many were opened within the hour as `limits.proposalsPerHour` allows: it follows {until}"
                ),
            },
            until: wait.until,
        }
    });
    rest.chain(waits)
}

fn troubles(remembered: &Remembered) -> Vec<Trouble> {
    let mut troubles = Vec::new();
    for one in &remembered.repositories {
        let subject = one.id.to_string();
        let Some(pass) = &one.pass else {
            let reason = "it was never looked at: `tag2pr propose` looks now".to_owned();
            troubles.push(Trouble { subject, reason, since: None, blocks: true });
            continue;
        };
        if let Some(Failing { since, reason }) = &pass.failing {
            let (reason, since) = (reason.clone(), Some(*since));
            troubles.push(Trouble { subject: subject.clone(), reason, since, blocks: true });
        }
        let remark =
            |reason: &String| Trouble { subject: subject.clone(), reason: reason.clone(), since: None, blocks: false };
        troubles.extend(pass.remarks.iter().map(remark));
    }
    troubles.extend(remembered.found.incomplete.iter().map(|(image, incomplete)| Trouble {
        subject: image.to_string(),
        reason: incomplete.reason.clone(),
        since: Some(incomplete.since),
        blocks: false,
    }));
    troubles.sort_by_key(|trouble| !trouble.blocks);
    troubles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pull_request_is_called_as_its_forge_calls_it() {
        for (url, expected) in [
            ("https://github.com/acme/fleet/pull/12", "#12"),
            ("https://gitlab.com/acme/fleet/-/merge_requests/12/", "!12"),
            ("local:/srv/git/fleet.git@main#3", "#3"),
            ("https://example.com/pull/12345678901234567890", "pull request"),
            ("", "pull request"),
        ] {
            assert_eq!(number(url), expected, "{url}");
        }
    }

    #[test]
    fn times_are_told_as_people_tell_them() {
        let at = |second: i64| Timestamp::from_second(1_770_000_000 + second).unwrap();
        let told: Vec<String> = [0, 59, 60, 3_599, 3_600, 86_399].iter().map(|s| ago(at(0), at(*s))).collect();
        assert_eq!(told, ["0 s ago", "59 s ago", "1 min ago", "59 min ago", "1 h ago", "23 h ago"]);
        assert_eq!(ago(at(0), at(86_400)), "2026-02-02 02:40 UTC");
        assert_eq!(ago(at(9), at(0)), "0 s ago", "clocks differ");
        assert_eq!([took(at(0), at(7_200)), took(at(0), at(7_320))], ["2 h", "2 h 2 min"]);
    }
}
