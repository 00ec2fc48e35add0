//! Doing what a plan says: one commit, one branch, one pull request for each proposal.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use jiff::Timestamp;

use super::records::{CLAIM, COMMITS};
use super::{Claim, Did, Fate, Holds, Index, Known, Outside, Prepared, Proposed, SETTLED, ToDo};
use crate::due::{Due, Wait, Why};
use crate::flow::{Error, Watchers, ledgers};
use crate::keys::Key;
use crate::manifests::Manifests;
use crate::plan::{Outcome, StepBack};
use crate::proposal::{Proposal, markdown, minute};
use crate::seams::{Asks, CommitId, Draft, GitError, HostError, NewCommit, PullRequest, State, StoreError};
use crate::store;

/// Does what the plan says.
///
/// # Errors
///
/// What the outside says; what was done until then stays done, and is found again by the next call. What is refused
/// for one proposal does not stop the others.
pub async fn apply(outside: Outside<'_>, prepared: &Prepared, now: Timestamp) -> Result<Vec<(String, Did)>, Error> {
    take_note(outside, prepared).await?;
    remember_decisions(outside, prepared).await?;
    remember_due(outside, &prepared.due).await?;

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
    for proposal in &prepared.plan.proposals {
        let did = match (prepared.undecided(&proposal.name), waits(prepared, proposal)) {
            (Some(reason), _) => Ok(Did::LeftAlone(reason)),
            (None, Some(wait)) => Ok(Did::Waits(wait.clone())),
            (None, None) => propose_one(outside, prepared, proposal, now).await,
        };
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
    for name in &prepared.plan.settled {
        let known = prepared.proposed.get(name);
        let Some((known, pull)) = known.and_then(|known| Some((known, known.open.as_ref()?))) else { continue };
        let did = match prepared.undecided(name) {
            Some(reason) => Ok(Did::LeftAlone(reason)),
            None => settle(outside, known, pull, &nothing_left(prepared, known), now).await,
        };
        keep(name, did)?;
    }
    for (known, pull, reason) in prepared.replaced() {
        let did = settle(outside, known, pull, &format!("Closed by tag2pr: {reason}.\n"), now).await;
        let did = did.map(|did| match did {
            Did::Settled(pull) => Did::Replaced(pull, reason),
            other => other,
        });
        keep(&known.proposed.name, did)?;
    }
    refused.map_or(Ok(done), Err)
}

/// What keeps a proposal from being written now. In frozen hours an open one is not changed if the forge merges it by
/// itself.
fn waits(prepared: &Prepared, proposal: &Proposal) -> Option<Wait> {
    let is_ready = prepared
        .proposed
        .get(&proposal.name)
        .is_some_and(|known| known.open.is_some() && !known.proposed.to_do.contains(&ToDo::Ready));
    let frozen = prepared.due.of(&proposal.name, Why::Frozen).filter(|_| is_ready && proposal.asks.auto_merge);
    frozen.or(prepared.due.of(&proposal.name, Why::Settling)).cloned()
}

/// What follows the opening of a proposal's pull request.
fn to_do(prepared: &Prepared, proposal: &Proposal) -> BTreeSet<ToDo> {
    let is_frozen = prepared.due.of(&proposal.name, Why::Frozen).is_some();
    let ask = (!proposal.asks.is_empty()).then_some(ToDo::Ask);
    let ready = (is_frozen && !proposal.is_draft).then_some(ToDo::Ready);
    ask.into_iter().chain(ready).collect()
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
        did.push(Did::Ready(pull.clone()));
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
            Err(error @ HostError::Unavailable { .. }) => return Err(error.into()),
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

/// What people see of it: in frozen hours, also why it is a draft.
fn draft(outside: Outside<'_>, prepared: &Prepared, proposal: &Proposal) -> Draft {
    let known = prepared.proposed.get(&proposal.name).filter(|known| known.proposed.fate == Fate::Open);
    let to_do = known.map_or_else(|| to_do(prepared, proposal), |known| known.proposed.to_do.clone());
    let frozen = prepared.due.of(&proposal.name, Why::Frozen).filter(|_| to_do.contains(&ToDo::Ready));
    let body = match frozen {
        Some(wait) => {
            let until = minute(wait.until);
            format!("> Frozen until {until}: it is a draft until then.\n\n{}", proposal.body)
        }
        None => proposal.body.clone(),
    };
    Draft {
        branch: proposal.branch.clone(),
        base: outside.repository.base.clone(),
        title: proposal.title.clone(),
        body: markdown::fitting(&body, outside.host.longest_body()),
        is_draft: proposal.is_draft || frozen.is_some(),
    }
}

/// Writes down when the repository must be looked at next, before anything is done that may fail.
async fn remember_due(outside: Outside<'_>, due: &Due) -> Result<(), StoreError> {
    store::update::<Due>(outside.objects, &Key::due(outside.repository), outside.writer, |was| {
        (was.unwrap_or_default() != *due).then(|| due.clone())
    })
    .await
    .map(|_| ())
}

/// Closes a pull request that has become pointless.
async fn settle(
    outside: Outside<'_>,
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
    let settling = Proposed { fate: Fate::Settling, at: now, ..known.proposed.clone() };
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
            let outcome = markdown::prose(&line.outcome.to_string());
            let _ = write!(comment, "\n- {}: {outcome}", markdown::code(&value.policy.to_string()));
        }
    }
    comment
}

/// Writes down what became of a proposal, unless another worker wrote meanwhile (`false`): then it is looked at again.
async fn replace(outside: Outside<'_>, known: &Known, proposed: &Proposed) -> Result<bool, StoreError> {
    let key = Key::proposal(outside.repository, &proposed.name);
    store::update::<Proposed>(outside.objects, &key, outside.writer, |was| {
        (was.as_ref() == Some(&known.before)).then(|| proposed.clone())
    })
    .await
    .map(|updated| matches!(updated, store::Updated::Written(_)))
}

/// Writes a record under its new name. If another worker has, what is ours stays ours.
async fn take_over(outside: Outside<'_>, known: &Known) -> Result<(), StoreError> {
    let key = Key::proposal(outside.repository, &known.before.name);
    store::update::<Proposed>(outside.objects, &key, outside.writer, |was| {
        let Some(mut is) = was.filter(|was| was.branch == known.before.branch) else {
            return Some(known.before.clone());
        };
        let more: Vec<CommitId> = known.before.commits.iter().filter(|id| !is.commits.contains(id)).cloned().collect();
        is.commits.extend(more.iter().cloned());
        (!more.is_empty()).then_some(is)
    })
    .await
    .map(|_| ())
}

/// Records first listings and tells `receive` and `sweep` which images this repository follows; whether it follows any
/// that it did not before.
pub(super) async fn take_note(outside: Outside<'_>, prepared: &Prepared) -> Result<bool, StoreError> {
    for (image, news) in &prepared.learned {
        ledgers::record(outside.objects, image, news, outside.writer).await?;
    }
    watch(outside, &prepared.manifests).await
}

async fn watch(outside: Outside<'_>, manifests: &Manifests) -> Result<bool, StoreError> {
    let key = Key::index(outside.repository);
    let before = store::load::<Index>(outside.objects, &key).await?.map(|loaded| loaded.value);
    let images = manifests.images();
    let reading = manifests.reading.clone();
    let index = Index { repository: outside.repository.clone(), commit: manifests.commit.clone(), images, reading };
    if before.as_ref() == Some(&index) {
        return Ok(false);
    }
    let images = &index.images;
    let former = before.map(|before| before.images).unwrap_or_default();
    for image in images.union(&former) {
        store::update::<Watchers>(outside.objects, &Key::watchers(image), outside.writer, |watchers| {
            let before = watchers.unwrap_or_default();
            let mut after = before.clone();
            if images.contains(image) {
                after.repositories.insert(outside.repository.clone());
            } else {
                after.repositories.remove(outside.repository);
            }
            (after != before).then_some(after)
        })
        .await?;
    }
    let more = !images.is_subset(&former);
    store::update(outside.objects, &key, outside.writer, |_| Some(index.clone())).await?;
    Ok(more)
}

/// Writes down what people decided, and closes what two workers opened at once.
async fn remember_decisions(outside: Outside<'_>, prepared: &Prepared) -> Result<(), Error> {
    // The holds first: a crash between the two asks the forge again, and finds the same.
    if !prepared.new_holds.is_empty() {
        store::update::<Holds>(outside.objects, &Key::holds(outside.repository), outside.writer, |holds| {
            let mut holds = holds.unwrap_or_default();
            let before = holds.holds.len();
            for hold in &prepared.new_holds {
                if !holds.holds.iter().any(|known| known.is_same(hold)) {
                    holds.holds.insert(hold.clone());
                }
            }
            (holds.holds.len() > before).then_some(holds)
        })
        .await?;
    }
    let stepped_back = |step: &StepBack| {
        let mut lines = prepared.plan.lines.iter().filter(|line| line.policy == step.policy).peekable();
        lines.peek().is_some()
            && lines.all(|line| line.tag.as_deref() == Some(step.to.as_str()) && line.outcome == Outcome::UpToDate)
    };
    if prepared.holds.steps_back.iter().any(&stepped_back) {
        store::update::<Holds>(outside.objects, &Key::holds(outside.repository), outside.writer, |holds| {
            let mut holds = holds?;
            let before = holds.steps_back.len();
            holds.steps_back.retain(|step| !stepped_back(step));
            (holds.steps_back.len() < before).then_some(holds)
        })
        .await?;
    }
    for known in prepared.proposed.values() {
        if !known.formerly.is_empty() {
            take_over(outside, known).await?;
        }
        if known.proposed != known.before {
            replace(outside, known, &known.proposed).await?;
        }
        // Last: whoever dies before it finds both, and the new one counts.
        for name in &known.formerly {
            outside.objects.delete(&Key::proposal(outside.repository, name)).await?;
        }
        for pull in &known.duplicates {
            outside.host.close(pull.number, "Closed by tag2pr: an older pull request has the same change.").await?;
        }
    }
    Ok(())
}

async fn propose_one(
    outside: Outside<'_>,
    prepared: &Prepared,
    proposal: &Proposal,
    now: Timestamp,
) -> Result<Did, Error> {
    let known = prepared.proposed.get(&proposal.name);
    let open = known.and_then(|known| known.open.as_ref());
    let ours = known.map(|known| known.proposed.commits.as_slice()).unwrap_or_default();
    let commit = outside
        .git
        .commit(&NewCommit {
            parent: prepared.manifests.commit.clone(),
            files: proposal.files.clone(),
            message: proposal.message.clone(),
            author: proposal.author.clone(),
            at: proposal.at,
        })
        .await?;
    let mut pushed = false;
    let is_settling = known.is_some_and(|known| known.proposed.fate == Fate::Settling);
    if is_settling || ours.first() != Some(&commit) || open.is_none_or(|pull| pull.head != commit) {
        let head = outside.git.head(&proposal.branch).await?;
        if let Some(head) = head.as_ref().filter(|head| **head != commit && !ours.contains(head)) {
            return left_alone_or_again(outside, proposal, head).await;
        }
        remember(outside, prepared, proposal, &commit, head.as_ref(), now).await?;
        if head.as_ref() != Some(&commit) {
            outside.git.push(&proposal.branch, &commit, head.as_ref()).await?;
            pushed = true;
        }
    }
    let draft = draft(outside, prepared, proposal);
    let did = match open {
        Some(pull) => bring_up_to_date(outside, pull, &draft).await?,
        None => open_one(outside, proposal, &draft, &commit, now).await?,
    };
    match did {
        Did::Unchanged(pull) if !pushed && open.is_some() => Ok(Did::Unchanged(pull)),
        Did::Unchanged(pull) => conclude(outside, proposal, &commit, &pull).await.map(|()| Did::Updated(pull)),
        Did::Opened(ref pull) | Did::Updated(ref pull) => {
            conclude(outside, proposal, &commit, pull).await?;
            Ok(did)
        }
        Did::Settled(_) | Did::Replaced(..) | Did::Ready(_) | Did::Waits(_) | Did::LeftAlone(_) | Did::Remarked(_) => {
            Ok(did)
        }
    }
}

/// A branch stands at a commit that we did not know of: somebody's work, or that of another worker.
async fn left_alone_or_again(outside: Outside<'_>, proposal: &Proposal, head: &CommitId) -> Result<Did, Error> {
    let key = Key::proposal(outside.repository, &proposal.name);
    let proposed = store::load::<Proposed>(outside.objects, &key).await?;
    if proposed.is_some_and(|proposed| proposed.value.commits.contains(head)) {
        return Err(another_worker(proposal));
    }
    Ok(Did::LeftAlone(not_ours(&proposal.branch, head)))
}

fn not_ours(branch: &str, head: &CommitId) -> String {
    format!(
        "`{branch}` stands at {}, which tag2pr did not write: it is left to whoever did; delete the branch to have it \
         proposed again",
        head.short()
    )
}

fn another_worker(proposal: &Proposal) -> Error {
    let reason = "another worker proposes to it at the same time".to_owned();
    GitError::Moved { branch: proposal.branch.clone(), reason }.into()
}

/// Writes down what is about to be pushed, so that it is known as ours whatever happens next.
async fn remember(
    outside: Outside<'_>,
    prepared: &Prepared,
    proposal: &Proposal,
    commit: &CommitId,
    head: Option<&CommitId>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let key = Key::proposal(outside.repository, &proposal.name);
    let open = prepared.proposed.get(&proposal.name).and_then(|known| known.open.as_ref());
    let first = to_do(prepared, proposal);
    store::update::<Proposed>(outside.objects, &key, outside.writer, |was| {
        let before = was.as_ref();
        let mut commits = before.map(|was| was.commits.clone()).unwrap_or_default();
        commits.retain(|id| id != commit);
        commits.insert(0, commit.clone());
        commits.truncate(COMMITS);
        // Where the branch stands is ours however many pushes have failed since.
        commits.extend(head.filter(|head| !commits.contains(head)).cloned());
        // Another worker may have opened it since the forge was asked.
        let opened = before.filter(|was| was.fate == Fate::Open);
        Some(Proposed {
            name: proposal.name.clone(),
            automation: (proposal.automation != proposal.name).then(|| proposal.automation.clone()),
            branch: proposal.branch.clone(),
            commits,
            values: proposal.values(),
            merged: before.map(|was| was.merged.clone()).unwrap_or_default(),
            title: proposal.title.clone(),
            pull_request: open.map(|pull| pull.number).or(opened.and_then(|was| was.pull_request)),
            url: open.map(|pull| pull.url.clone()).or(opened.and_then(|was| was.url.clone())),
            fate: Fate::Open,
            claim: before.and_then(|was| was.claim.clone()),
            to_do: opened.map_or_else(|| first.clone(), |was| was.to_do.clone()),
            at: now,
        })
    })
    .await
    .map(|_| ())
}

async fn bring_up_to_date(outside: Outside<'_>, pull: &PullRequest, draft: &Draft) -> Result<Did, Error> {
    if pull.title == draft.title && pull.body == draft.body {
        return Ok(Did::Unchanged(pull.clone()));
    }
    Ok(Did::Updated(outside.host.update(pull.number, draft).await?))
}

/// Opens the pull request, unless another worker is about to, or ours is there although its answer was lost.
async fn open_one(
    outside: Outside<'_>,
    proposal: &Proposal,
    draft: &Draft,
    commit: &CommitId,
    now: Timestamp,
) -> Result<Did, Error> {
    let key = Key::proposal(outside.repository, &proposal.name);
    let claim = Claim { writer: outside.writer.to_owned(), at: now };
    let (mut current, mut free) = (false, false);
    store::update::<Proposed>(outside.objects, &key, outside.writer, |was| {
        let mut is = was?;
        current = is.fate == Fate::Open && is.commits.first() == Some(commit);
        free = is.claim.as_ref().is_none_or(|it| it.writer == claim.writer || now.duration_since(it.at) > CLAIM);
        is.claim = Some(claim.clone());
        (current && free).then_some(is)
    })
    .await?;
    if !current {
        return Err(another_worker(proposal));
    }
    if !free {
        return Err(Error::Unfinished(format!("another worker is opening the pull request of {}", proposal.name)));
    }
    let opened = find_or_open(outside, draft).await;
    if opened.is_err() {
        // Whoever comes next need not wait; if this fails too, the claim runs out. It stays, because it tells that the
        // pull request may be there all the same.
        let over = Claim { at: Timestamp::UNIX_EPOCH, ..claim.clone() };
        let _ = store::update::<Proposed>(outside.objects, &key, outside.writer, |was| {
            let claimed = was.filter(|was| was.claim.as_ref() == Some(&claim));
            claimed.map(|was| Proposed { claim: Some(over.clone()), ..was })
        })
        .await;
    }
    opened
}

async fn find_or_open(outside: Outside<'_>, draft: &Draft) -> Result<Did, Error> {
    let found = outside.host.find(&draft.branch, &draft.base).await?;
    match found.iter().filter(|pull| pull.state == State::Open).min_by_key(|pull| pull.number) {
        Some(pull) => bring_up_to_date(outside, pull, draft).await,
        None => Ok(Did::Opened(outside.host.open(draft).await?)),
    }
}

/// Writes down the pull request. What another worker remembered meanwhile may be newer than what the pull request now
/// says: then everything is looked at once more.
async fn conclude(
    outside: Outside<'_>,
    proposal: &Proposal,
    commit: &CommitId,
    pull: &PullRequest,
) -> Result<(), Error> {
    let key = Key::proposal(outside.repository, &proposal.name);
    let mut current = false;
    store::update::<Proposed>(outside.objects, &key, outside.writer, |was| {
        let was = was?;
        current = was.commits.first() == Some(commit);
        let is = Proposed { pull_request: Some(pull.number), url: Some(pull.url.clone()), claim: None, ..was.clone() };
        (is != was).then_some(is)
    })
    .await?;
    if current { Ok(()) } else { Err(another_worker(proposal)) }
}
