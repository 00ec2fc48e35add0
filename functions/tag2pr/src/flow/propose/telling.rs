//! Writing down what a look found, for those who ask how things stand. No look fails because of that: what could not be
//! written is written after the next one.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Did, Fate, Known, Outside, Prepared, ToDo};
use crate::flow::Error;
use crate::keys::Key;
use crate::plan::Line;
use crate::proposal::{Bump, Proposal, Value};
use crate::seams::PullRequest;
use crate::status::{Carried, Event, Look, Pass, PolicyState, ProposalState, Stage};
use crate::store::{self, Updated};

/// After a look that came to its end; what happened since the one before, and whether anything is different.
pub(super) async fn looked(
    outside: Outside<'_>,
    prepared: &Prepared,
    done: &[(String, Did)],
    now: Timestamp,
) -> (Vec<Event>, bool) {
    let look = look(outside, prepared, done);
    let key = Key::pass(outside.repository);
    let mut news = Vec::new();
    let written = store::update::<Pass>(outside.objects, &key, outside.writer, |before| {
        let next = Pass::after(before.as_ref(), &look, now);
        let is_new = |event: &&Event| {
            before.as_ref().is_none_or(|before| before.events.iter().all(|known| known.id != event.id))
        };
        news = next.events.iter().filter(is_new).cloned().collect();
        (before.as_ref() != Some(&next)).then_some(next)
    })
    .await;
    match written {
        Ok(Updated::Written(_)) => (news, true),
        Ok(Updated::Unchanged) | Err(_) => (Vec::new(), false),
    }
}

/// After a look that failed.
pub(super) async fn failed(outside: Outside<'_>, error: &Error, now: Timestamp) {
    let reason = error.to_string();
    // Whoever could not look can say nothing else.
    let _ = store::update::<Pass>(outside.objects, &Key::pass(outside.repository), outside.writer, |before| {
        let next = Pass::failed(before.as_ref(), outside.repository, &reason, now);
        (before.as_ref() != Some(&next)).then_some(next)
    })
    .await;
}

fn look(outside: Outside<'_>, prepared: &Prepared, done: &[(String, Did)]) -> Look {
    Look {
        repository: outside.repository.clone(),
        commit: prepared.manifests.commit.clone(),
        policies: prepared.plan.lines.iter().map(|line| policy(prepared, line)).collect(),
        proposals: proposals(outside, prepared, done),
        unclear: prepared
            .proposed
            .iter()
            .filter(|(_, known)| is_unclear(known))
            .map(|(name, _)| name.clone())
            .collect(),
        remarks: done.iter().filter_map(crowded).chain(prepared.oddities()).collect(),
        holds: prepared.holds.holds.clone(),
        failing: (!prepared.waiting.is_empty()).then(|| prepared.waiting.join("; ")),
    }
}

/// That a pull request is not opened, which nobody would see otherwise.
fn crowded((name, did): &(String, Did)) -> Option<String> {
    matches!(did, Did::Crowded(_)).then(|| format!("{name}: {did}"))
}

fn policy(prepared: &Prepared, line: &Line) -> PolicyState {
    let declared = prepared.manifests.policies.iter().find(|declared| declared.name == line.policy);
    let passed_over = line.passed_over.iter().map(|text| format!("; {text}"));
    PolicyState {
        policy: line.policy.clone(),
        proposal: line.proposal.clone(),
        image: line.image.clone(),
        known_as: declared.and_then(|declared| declared.policy.as_ref().ok()).map(|(image, _)| image.clone()),
        in_git: line.in_git.clone(),
        selected: line.tag.clone(),
        outcome: line.outcome.word().to_owned(),
        reason: std::iter::once(line.outcome.to_string()).chain(passed_over).collect(),
        why: line.why.clone(),
        tags: line.considered.clone(),
    }
}

/// It is written down as open, and its pull request is not found: nobody knows how it ended, or whether it did.
fn is_unclear(known: &Known) -> bool {
    matches!(known.proposed.fate, Fate::Open | Fate::Settling) && known.open.is_none()
}

/// Every proposal as it stands now: what was known of it, and what was done about it.
fn proposals(outside: Outside<'_>, prepared: &Prepared, done: &[(String, Did)]) -> BTreeMap<String, ProposalState> {
    let mut proposals = BTreeMap::new();
    for (name, known) in &prepared.proposed {
        let record = &known.proposed;
        let is_direct = record.branch == outside.repository.base && record.fate == Fate::Merged;
        let url = known.open.as_ref().map(|pull| pull.url.clone()).or(record.url.clone());
        let commit = || record.commits.first().filter(|_| is_direct).map(|commit| format!("commit {}", commit.short()));
        let Some(url) = url.or_else(commit) else { continue };
        let stage = match record.fate {
            Fate::Open | Fate::Settling => Stage::Open,
            Fate::Merged if is_direct => Stage::Pushed,
            Fate::Merged => Stage::Merged,
            Fate::Closed => Stage::Closed,
            Fate::Settled => Stage::Settled,
        };
        if is_unclear(known) {
            continue;
        }
        let state = ProposalState {
            stage,
            since: record.at,
            by: record.ended_by.clone(),
            title: record.title.clone(),
            url,
            values: record.values.iter().map(|value| remembered(prepared, value)).collect(),
            is_frozen: record.to_do.contains(&ToDo::Ready),
        };
        proposals.insert(name.clone(), state);
    }
    for (name, did) in done {
        match did {
            Did::Opened(pull) | Did::Updated(pull) | Did::Unchanged(pull) => {
                if let Some(proposal) = prepared.plan.proposals.iter().find(|proposal| proposal.name == *name) {
                    proposals.insert(name.clone(), open(prepared, proposal, pull));
                }
            }
            Did::Settled(_) | Did::Replaced(..) => {
                proposals.entry(name.clone()).and_modify(|state| state.stage = Stage::Settled);
            }
            Did::Ready(_) => {
                proposals.entry(name.clone()).and_modify(|state| state.is_frozen = false);
            }
            Did::Pushed(..) | Did::Waits(_) | Did::Crowded(_) | Did::LeftAlone(_) | Did::Remarked(_) => {}
        }
    }
    proposals
}

fn open(prepared: &Prepared, proposal: &Proposal, pull: &PullRequest) -> ProposalState {
    let of = |value: Value| {
        let bump = proposal.bumps.iter().find(|bump| bump.policy == value.policy);
        carried(prepared, &value, bump)
    };
    let frozen = prepared.due.of(&proposal.name, crate::due::Why::Frozen).is_some();
    ProposalState {
        stage: Stage::Open,
        since: Timestamp::UNIX_EPOCH,
        by: None,
        title: proposal.title.clone(),
        url: pull.url.clone(),
        values: proposal.values().into_iter().map(of).collect(),
        is_frozen: frozen && !proposal.is_draft,
    }
}

fn remembered(prepared: &Prepared, value: &Value) -> Carried {
    carried(prepared, value, None)
}

fn carried(prepared: &Prepared, value: &Value, bump: Option<&Bump>) -> Carried {
    let declared = prepared.manifests.policies.iter().find(|declared| declared.name == value.policy);
    let image = declared.and_then(|declared| declared.policy.as_ref().ok()).map(|(image, _)| image);
    let ledger = image.and_then(|image| prepared.ledgers.get(image));
    let push = ledger.and_then(|ledger| ledger.heard_of(value.tag.as_str())).and_then(|entry| entry.brought_by());
    let delivery = bump.and_then(|bump| bump.delivery.as_ref()).or(push.map(|push| &push.delivery));
    let push = push.filter(|push| Some(&push.delivery) == delivery);
    Carried {
        policy: value.policy.clone(),
        image: value.image.clone(),
        tag: value.tag.clone(),
        digest: value.digest.clone(),
        delivery: delivery.cloned(),
        received_at: push.map(|push| push.received_at),
    }
}
