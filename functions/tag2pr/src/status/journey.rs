//! The last day, from push to pull request to merge.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::event::{Event, Kind};
use super::pass::{Pass, REMEMBERED};
use super::{OfRepository, Remembered};
use crate::delivery::Action;
use crate::flow::receive::{Delivery, Recorded};
use crate::ledger::Push;

/// One tag on its way.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Journey {
    /// The image.
    pub image: String,
    /// The tag.
    pub tag: String,
    /// The delivery that told of its push.
    pub pushed: Option<Pushed>,
    /// The pull request that brings it.
    pub proposed: Option<Proposed>,
    /// How that ended.
    pub ended: Option<End>,
    /// Why there is no pull request.
    pub note: Option<String>,
}

/// The delivery that told of a push.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pushed {
    /// When it came in.
    pub at: Timestamp,
    /// By which source.
    pub source: String,
    /// Who pushed, as the sender calls them.
    pub actor: Option<String>,
    /// Its id: the same in the log, in the commit and in the pull request.
    pub delivery: String,
}

/// The pull request that brings it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Proposed {
    /// When it was in the pull request.
    pub at: Timestamp,
    /// `opened`, or `updated` if the pull request was open before; `pushed` if there is none.
    pub how: Kind,
    /// Where.
    pub repository: String,
    /// What people see of it.
    pub title: String,
    /// Where a person reads it; `commit 1a2b3c4` if there is no pull request.
    pub url: String,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct End {
    /// When that was noticed.
    pub at: Timestamp,
    /// `merged`, `closed` or `settled`; `updated` if a newer tag took its place.
    pub how: Kind,
    /// Who merged or closed it, if the forge said so.
    pub by: Option<String>,
}

impl Journey {
    /// When something was last heard of it.
    pub fn last(&self) -> Timestamp {
        let (proposed, ended) = (self.proposed.as_ref().map(|step| step.at), self.ended.as_ref().map(|end| end.at));
        ended.or(proposed).or(self.pushed.as_ref().map(|pushed| pushed.at)).unwrap_or_default()
    }
}

/// All of them, the last first.
pub(super) fn journeys(remembered: &Remembered, now: Timestamp) -> Vec<Journey> {
    let passes = remembered.repositories.iter().filter_map(|one| one.pass.as_ref());
    let mut journeys: Vec<Journey> = passes.flat_map(|pass| proposed(pass, remembered)).collect();
    journeys.retain(|journey| now.duration_since(journey.last()) < REMEMBERED);
    let in_time = |delivery: &&Delivery| now.duration_since(delivery.received_at) < REMEMBERED;
    for delivery in remembered.deliveries.iter().filter(in_time) {
        for recorded in delivery.reading.recorded.iter().filter(|recorded| is_news(recorded)) {
            let (image, Some(tag)) = (recorded.image.to_string(), &recorded.tag) else { continue };
            let is_known = |journey: &Journey| {
                let same = journey.image == image && journey.tag == tag.as_str();
                same && journey.pushed.as_ref().is_none_or(|pushed| pushed.at >= delivery.received_at)
            };
            if journeys.iter().any(is_known) {
                continue;
            }
            let ledger = remembered.ledgers.get(&recorded.image);
            let push = ledger.and_then(|ledger| ledger.heard_of(tag.as_str())).and_then(|entry| entry.push.as_deref());
            journeys.push(Journey {
                image,
                tag: tag.to_string(),
                pushed: Some(Pushed {
                    at: delivery.received_at,
                    source: delivery.source.clone(),
                    actor: push.filter(|push| push.delivery == delivery.id).and_then(|push| push.actor.clone()),
                    delivery: delivery.id.clone(),
                }),
                proposed: None,
                ended: None,
                note: Some(note(recorded, tag.as_str(), &remembered.repositories)),
            });
        }
    }
    journeys.sort_by(|a, b| b.last().cmp(&a.last()).then_with(|| (&a.image, &a.tag).cmp(&(&b.image, &b.tag))));
    journeys
}

fn is_news(recorded: &Recorded) -> bool {
    recorded.action == Action::Push && !recorded.repeated
}

/// What was proposed to one repository in the last day.
fn proposed(pass: &Pass, remembered: &Remembered) -> Vec<Journey> {
    let mut journeys: BTreeMap<(String, String, String), Vec<Journey>> = BTreeMap::new();
    for event in &pass.events {
        let Some(url) = &event.url else { continue };
        match event.kind {
            Kind::Opened | Kind::Updated | Kind::Pushed => begin(event, url, pass, remembered, &mut journeys),
            Kind::Merged | Kind::Closed | Kind::Settled => {
                let of_event =
                    journeys.iter_mut().filter(|((proposal, ..), _)| Some(proposal) == event.proposal.as_ref());
                for journey in of_event.filter_map(|(_, own)| own.last_mut()).filter(|one| one.ended.is_none()) {
                    journey.ended = Some(End { at: event.at, how: event.kind, by: event.by.clone() });
                }
            }
            Kind::Ready | Kind::Held | Kind::Released | Kind::Refused | Kind::ListingIncomplete => {}
        }
    }
    journeys.into_values().flatten().collect()
}

/// Adds what an opened or updated pull request brings, and ends what it brings no longer.
fn begin(
    event: &Event,
    url: &str,
    pass: &Pass,
    remembered: &Remembered,
    journeys: &mut BTreeMap<(String, String, String), Vec<Journey>>,
) {
    let proposal = event.proposal.clone().unwrap_or_default();
    for value in &event.values {
        let key = (proposal.clone(), value.policy.to_string(), value.image.clone());
        let own = journeys.entry(key).or_default();
        if let Some(last) = own.last_mut().filter(|last| last.ended.is_none()) {
            if last.tag == value.tag.as_str() && last.proposed.as_ref().is_some_and(|step| step.url == url) {
                continue;
            }
            // What was pushed to the base branch stands, whatever comes after it.
            if last.proposed.as_ref().is_some_and(|step| step.how != Kind::Pushed) {
                last.ended = Some(End { at: event.at, how: Kind::Updated, by: None });
            }
        }
        let known_as =
            pass.policies.iter().find(|policy| policy.policy == value.policy).and_then(|one| one.known_as.as_ref());
        let ledger = known_as.and_then(|image| remembered.ledgers.get(image));
        let entry = ledger.and_then(|ledger| ledger.heard_of(value.tag.as_str()));
        let push = entry.and_then(|entry| entry.brought_by());
        let push = push.filter(|push: &&Push| Some(&push.delivery) == value.delivery.as_ref());
        let pushed = value.delivery.as_ref().zip(value.received_at).map(|(delivery, at)| Pushed {
            at,
            source: push.map(|push| push.source.clone()).unwrap_or_default(),
            actor: push.and_then(|push| push.actor.clone()),
            delivery: delivery.clone(),
        });
        own.push(Journey {
            image: known_as.map_or_else(|| value.image.clone(), ToString::to_string),
            tag: value.tag.to_string(),
            pushed,
            proposed: Some(Proposed {
                at: event.at,
                how: event.kind,
                repository: pass.repository.to_string(),
                title: event.text.clone(),
                url: url.to_owned(),
            }),
            ended: None,
            note: None,
        });
    }
}

/// Why a push did not lead to a pull request.
fn note(recorded: &Recorded, tag: &str, repositories: &[OfRepository]) -> String {
    if !recorded.watched {
        return "no repository was known to follow it".to_owned();
    }
    let passes = repositories.iter().filter_map(|one| one.pass.as_ref());
    let policies = passes.flat_map(|pass| &pass.policies).filter(|one| one.known_as.as_ref() == Some(&recorded.image));
    let told = policies.map(|one| {
        let judged = one.tags.iter().find(|considered| considered.tag == tag);
        match judged {
            _ if one.in_git.contains(tag) => format!("{}: it stands in Git", one.policy),
            Some(judged) if judged.verdict != "selected" => format!("{}: {}", one.policy, judged.reason),
            Some(_) => format!("{}: {}", one.policy, one.reason),
            None => match &one.selected {
                Some(selected) => format!("{}: {selected} is selected", one.policy),
                None => format!("{}: {}", one.policy, one.reason),
            },
        }
    });
    let told: Vec<String> = told.take(3).collect();
    if told.is_empty() { "no policy is on it any more".to_owned() } else { told.join("; ") }
}
