//! Doing what a plan says: one commit, one branch, one pull request for each proposal.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::notes::{remember_decisions, remember_due, remember_standing, replace};
use super::write::{not_ours, propose_one, push_one, to_do};
use super::{Did, Fate, Known, Outside, Prepared, Proposed, SETTLED, ToDo};
use crate::due::{Due, Wait, Why};
use crate::flow::Error;
use crate::keys::Key;
use crate::limits::Over;
use crate::manifests::Manifests;
use crate::proposal::{Proposal, markdown};
use crate::seams::{Asks, HostError, PullRequest, State};
use crate::store;

/// Does what the plan says.
///
/// # Errors
///
/// What the outside says; what was done until then stays done, and is found again by the next call. What is refused
/// for one proposal does not stop the others.
pub(super) async fn apply(
    outside: Outside<'_>,
    prepared: &Prepared,
    now: Timestamp,
) -> Result<Vec<(String, Did)>, Error> {
    remember_decisions(outside, prepared).await?;
    remember_due(outside, &prepared.due).await?;
    remember_standing(outside, &prepared.standing).await?;

    let mut done = Vec::new();
    let mut refused = None;
    let mut keep = |name: &str, did: Result<Did, Error>| match did {
        Ok(did) => {
            done.push((name.to_owned(), did));
            Ok(())
        }
        Err(error) if error.is_transient() => Err(error),
        Err(error) => {
            refused.get_or_insert(error);
            Ok(())
        }
    };
    for proposal in prepared.plan.proposals.iter().filter(|proposal| proposal.is_direct) {
        let known = prepared.proposed.get(&proposal.name);
        if let Some((known, pull)) = known.and_then(|known| Some((known, known.open.as_ref()?))) {
            let reason = format!("what it changes goes to `{}` without a pull request now", proposal.branch);
            let did =
                settle(outside, &prepared.manifests, known, pull, &format!("Closed by tag2pr: {reason}.\n"), now).await;
            keep(&proposal.name, did.map(|did| replaced(did, reason)))?;
            continue;
        }
        let did = match waits(prepared, proposal) {
            Some(wait) => Ok(Did::Waits(wait)),
            None => push_one(outside, prepared, proposal, now).await,
        };
        let is_pushed = matches!(did, Ok(Did::Pushed(..)));
        keep(&proposal.name, did)?;
        if is_pushed {
            // What follows was planned for the base branch as it was before.
            return refused.map_or(Ok(done), Err);
        }
    }
    let mut room = prepared.room(outside.limits, now);
    let mut crowded = Vec::new();
    let mut proposals: Vec<&Proposal> = prepared.plan.proposals.iter().filter(|proposal| !proposal.is_direct).collect();
    // Where there is not room for all, those go first that had none for longest.
    proposals.sort_by_key(|proposal| {
        prepared.proposed.get(&proposal.name).and_then(|known| known.proposed.opened().last().copied())
    });
    for proposal in proposals {
        let is_open = prepared.proposed.get(&proposal.name).is_some_and(|known| known.open.is_some());
        let over = room.over().filter(|_| !is_open);
        let did = match (prepared.undecided(&proposal.name), waits(prepared, proposal), over) {
            (Some(reason), ..) => Ok(Did::LeftAlone(reason)),
            (None, Some(wait), _) => Ok(Did::Waits(wait.clone())),
            (None, None, Some(Over::Open)) => Ok(Did::Crowded(outside.limits.open)),
            (None, None, Some(Over::Hour(until))) => {
                let wait = Wait { proposal: proposal.name.clone(), why: Why::Crowded, since: now, until };
                crowded.push(wait.clone());
                Ok(Did::Waits(wait))
            }
            (None, None, None) => propose_one(outside, prepared, proposal, now).await,
        };
        if matches!(did, Ok(Did::Opened(_))) {
            room.take();
        }
        let pull = match &did {
            Ok(Did::Opened(pull) | Did::Updated(pull) | Did::Unchanged(pull)) => Some(pull.clone()),
            _ => prepared.proposed.get(&proposal.name).and_then(|known| known.open.clone()),
        };
        keep(&proposal.name, did)?;
        if let Some(pull) = pull {
            for did in follow_up(outside, prepared, proposal, &pull).await? {
                keep(&proposal.name, Ok(did))?;
            }
        }
    }
    if !crowded.is_empty() {
        let waits = prepared.due.waits.iter().cloned().chain(crowded).collect();
        remember_due(outside, &Due { waits, rest: None }).await?;
    }
    for name in &prepared.plan.settled {
        let known = prepared.proposed.get(name);
        let Some((known, pull)) = known.and_then(|known| Some((known, known.open.as_ref()?))) else { continue };
        let did = match prepared.undecided(name) {
            Some(reason) => Ok(Did::LeftAlone(reason)),
            None => settle(outside, &prepared.manifests, known, pull, &nothing_left(prepared, known), now).await,
        };
        keep(name, did)?;
    }
    for (known, pull, reason) in prepared.replaced() {
        let did =
            settle(outside, &prepared.manifests, known, pull, &format!("Closed by tag2pr: {reason}.\n"), now).await;
        keep(&known.proposed.name, did.map(|did| replaced(did, reason)))?;
    }
    refused.map_or(Ok(done), Err)
}

fn replaced(did: Did, reason: String) -> Did {
    match did {
        Did::Settled(pull) => Did::Replaced(pull, reason),
        other => other,
    }
}

/// What keeps a proposal from being written now. In frozen hours nothing is that nobody has to merge: what goes to the
/// base branch itself, and an open pull request that the forge merges by itself.
fn waits(prepared: &Prepared, proposal: &Proposal) -> Option<Wait> {
    let is_ready = prepared
        .proposed
        .get(&proposal.name)
        .is_some_and(|known| known.open.is_some() && !known.proposed.to_do.contains(&ToDo::Ready));
    let frozen = prepared
        .due
        .of(&proposal.name, Why::Frozen)
        .filter(|_| proposal.is_direct || (is_ready && proposal.asks.auto_merge));
    frozen.or(prepared.due.of(&proposal.name, Why::Settling)).cloned()
}

/// Does what is left to do for an open pull request: asks for labels and the like, and marks it ready when that is due.
/// What the forge cannot do just now is done with the next look.
async fn follow_up(
    outside: Outside<'_>,
    prepared: &Prepared,
    proposal: &Proposal,
    pull: &PullRequest,
) -> Result<Vec<Did>, Error> {
    let known = prepared.proposed.get(&proposal.name).filter(|known| known.proposed.fate == Fate::Open);
    let to_do = known.map_or_else(|| to_do(prepared, proposal), |known| known.proposed.to_do.clone());
    let is_frozen = prepared.due.of(&proposal.name, Why::Frozen).is_some();
    let mut left = to_do.clone();
    let mut did = Vec::new();
    let mut auto_merge = false;
    if left.contains(&ToDo::Ready) && !is_frozen {
        outside.host.ready(pull.number).await?;
        left.remove(&ToDo::Ready);
        did.extend(pull.is_draft.then(|| Did::Ready(pull.clone())));
        auto_merge = proposal.asks.auto_merge;
    }
    let now = proposal.asks.auto_merge && !left.contains(&ToDo::Ready);
    let asks = match left.contains(&ToDo::Ask) {
        true => Asks { auto_merge: now, ..proposal.asks.clone() },
        false => Asks { auto_merge, ..Asks::default() },
    };
    if !asks.is_empty() {
        match outside.host.ask(pull.number, &asks).await {
            Ok(remarks) => did.extend(remarks.into_iter().map(Did::Remarked)),
            Err(error @ (HostError::Moved { .. } | HostError::Unavailable { .. })) => return Err(error.into()),
            Err(error @ HostError::Refused { .. }) => did.push(Did::Remarked(error.to_string())),
        }
    }
    left.remove(&ToDo::Ask);
    if left != to_do {
        let key = Key::proposal(outside.repository, &proposal.name);
        store::update::<Proposed>(outside.objects, &key, outside.writer, |was| {
            let was = was.filter(|was| was.fate == Fate::Open && was.to_do != left)?;
            Some(Proposed { to_do: left.clone(), ..was })
        })
        .await?;
    }
    Ok(did)
}

/// Closes a pull request that has become pointless.
async fn settle(
    outside: Outside<'_>,
    manifests: &Manifests,
    known: &Known,
    pull: &PullRequest,
    comment: &str,
    now: Timestamp,
) -> Result<Did, Error> {
    let Proposed { name, branch, .. } = &known.proposed;
    if !known.proposed.commits.contains(&pull.head) {
        return Ok(Did::LeftAlone(not_ours(branch, &pull.head)));
    }
    // Its own merge may be what settled it: then the next call finds it merged.
    let found = outside.host.find(branch, &outside.repository.base).await?;
    if !found.iter().any(|found| found.number == pull.number && found.state == State::Open) {
        return Ok(Did::LeftAlone(format!("{} has just been merged or closed", pull.url)));
    }
    // Before the forge is told, so that a worker who dies in between does not take our own closing for a person's.
    let mut settling = Proposed { fate: Fate::Settling, at: now, ..known.proposed.clone() };
    settling.note_beside(&pull.url, manifests);
    if !replace(outside, known, &settling).await? {
        return Ok(Did::LeftAlone("another worker is looking at it".to_owned()));
    }
    outside.host.close(pull.number, comment).await?;
    store::update::<Proposed>(outside.objects, &Key::proposal(outside.repository, name), outside.writer, |was| {
        was.filter(|was| was.fate == Fate::Settling).map(|was| Proposed { fate: Fate::Settled, ..was })
    })
    .await?;
    Ok(Did::Settled(pull.clone()))
}

/// Why a pull request has become pointless: a sentence, and a line for each of its values.
fn nothing_left(prepared: &Prepared, known: &Known) -> String {
    let mut comment = format!("Closed by tag2pr: {SETTLED}.\n");
    for value in &known.proposed.values {
        if let Some(line) = prepared.plan.line(&known.proposed.name, &value.policy) {
            let outcome = line.soaking.clone().unwrap_or_else(|| line.outcome.to_string());
            let outcome = markdown::prose(&outcome);
            let _ = write!(comment, "\n- {}: {outcome}", markdown::code(&value.policy.to_string()));
        }
    }
    comment
}
