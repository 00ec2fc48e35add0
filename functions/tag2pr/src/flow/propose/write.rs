//! One proposal: its commit, its branch and its pull request, whoever else works on it at the same time.

use std::collections::BTreeSet;

use jiff::Timestamp;
use ring::digest::{SHA256, digest};

use super::records::{CLAIM, COMMITS};
use super::{Claim, Did, Fate, Known, Outside, Prepared, Proposed, ToDo};
use crate::due::Why;
use crate::flow::Error;
use crate::keys::Key;
use crate::limits;
use crate::proposal::{Proposal, markdown, minute};
use crate::seams::{CommitId, Draft, GitError, HostError, NewCommit, PullRequest, State};
use crate::store;

pub(super) async fn propose_one(
    outside: Outside<'_>,
    prepared: &Prepared,
    proposal: &Proposal,
    now: Timestamp,
) -> Result<Did, Error> {
    let known = prepared.proposed.get(&proposal.name);
    let open = known.and_then(|known| known.open.as_ref());
    let ours = known.map(|known| known.proposed.commits.as_slice()).unwrap_or_default();
    let commit = commit(outside, prepared, proposal).await?;
    let draft = draft(outside, prepared, proposal);
    let written = Written { commit, shown: shown(&draft) };
    let commit = &written.commit;
    let mut pushed = false;
    let is_settling = known.is_some_and(|known| known.proposed.fate == Fate::Settling);
    if is_settling || ours.first() != Some(commit) || open.is_none_or(|pull| pull.head != *commit) {
        let head = prepared.branches.get(&proposal.branch);
        if let Some(head) = head.filter(|head| *head != commit && !ours.contains(head)) {
            let did = left_alone_or_again(outside, proposal, head).await?;
            if let Some((known, pull)) = known.and_then(|known| Some((known, known.open.as_ref()?))) {
                tell(outside, known, pull).await?;
            }
            return Ok(did);
        }
        remember(outside, prepared, proposal, &written, head, now).await?;
        if head != Some(commit) {
            outside.git.push(&proposal.branch, commit, head).await?;
            pushed = true;
        }
    } else if known.is_none_or(|known| known.proposed.shown.as_ref() != Some(&written.shown)) {
        remember(outside, prepared, proposal, &written, None, now).await?;
    }
    let did = match open {
        Some(pull) => bring_up_to_date(outside, pull, &draft).await?,
        None => open_one(outside, known, proposal, &draft, &written, now).await?,
    };
    match did {
        Did::Unchanged(pull) => {
            let is_the_same = !pushed && open.is_some();
            if is_the_same && known.is_some_and(|known| known.proposed.is_of(&pull)) {
                return Ok(Did::Unchanged(pull));
            }
            outside.host.note(&PullRequest { head: commit.clone(), ..pull.clone() }).await?;
            conclude(outside, proposal, &written, &pull).await?;
            Ok(if is_the_same { Did::Unchanged(pull) } else { Did::Updated(pull) })
        }
        Did::Opened(ref pull) | Did::Updated(ref pull) => {
            conclude(outside, proposal, &written, pull).await?;
            Ok(did)
        }
        Did::Settled(_)
        | Did::Replaced(..)
        | Did::Pushed(..)
        | Did::Ready(_)
        | Did::Waits(_)
        | Did::Crowded(_)
        | Did::LeftAlone(_)
        | Did::Remarked(_) => Ok(did),
    }
}

/// Pushes to the base branch itself, if it still is where it was read.
pub(super) async fn push_one(
    outside: Outside<'_>,
    prepared: &Prepared,
    proposal: &Proposal,
    now: Timestamp,
) -> Result<Did, Error> {
    let parent = &prepared.manifests.commit;
    let commit = commit(outside, prepared, proposal).await?;
    let written = Written { shown: shown(&draft(outside, prepared, proposal)), commit };
    // That it was merged is noted when it stands there.
    remember(outside, prepared, proposal, &written, None, now).await?;
    outside.git.push(&proposal.branch, &written.commit, Some(parent)).await?;
    Ok(Did::Pushed(written.commit, proposal.branch.clone()))
}

async fn commit(outside: Outside<'_>, prepared: &Prepared, proposal: &Proposal) -> Result<CommitId, GitError> {
    let commit = NewCommit {
        parent: prepared.manifests.commit.clone(),
        files: proposal.files.clone(),
        message: proposal.message.clone(),
        author: proposal.author.clone(),
        at: proposal.at,
    };
    outside.git.commit(&commit).await
}

/// What one worker is about to let people see.
struct Written {
    commit: CommitId,
    /// As in [`Proposed::shown`].
    shown: String,
}

impl Written {
    /// Whether it is what was written down last.
    fn is(&self, proposed: &Proposed) -> bool {
        proposed.commits.first() == Some(&self.commit) && proposed.shown.as_ref() == Some(&self.shown)
    }
}

fn shown(draft: &Draft) -> String {
    let hash = digest(&SHA256, format!("{}\n{}", draft.title, draft.body).as_bytes());
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
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

/// Says once under a pull request that its branch is left to whoever committed to it.
async fn tell(outside: Outside<'_>, known: &Known, pull: &PullRequest) -> Result<(), Error> {
    if known.proposed.is_told {
        return Ok(());
    }
    let head = pull.head.short();
    let text = format!(
        "Somebody committed to this branch, which stands at {head} now, so tag2pr leaves it alone: newer tags are not \
         brought here any more. Merge it as it is, close it"
    );
    let text = match outside.host.reads_commands() {
        true => format!("{text}, or write `/tag2pr rebase` to have the branch made anew without these commits.\n"),
        false => {
            format!("{text}, or delete its branch to have it made anew, if that closes it after `tag2pr release`.\n")
        }
    };
    match outside.host.comment(pull.number, &text).await {
        Ok(_) | Err(HostError::Refused { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let key = Key::proposal(outside.repository, &known.proposed.name);
    store::update::<Proposed>(outside.objects, &key, outside.writer, |was| {
        was.filter(|was| !was.is_told).map(|was| Proposed { is_told: true, ..was })
    })
    .await?;
    Ok(())
}

pub(super) fn not_ours(branch: &str, head: &CommitId) -> String {
    format!(
        "`{branch}` stands at {}, which tag2pr did not write: it is left to whoever did; once it is deleted, it is proposed \
         again, what was closed with it after `tag2pr release`",
        head.short()
    )
}

fn another_worker(proposal: &Proposal) -> Error {
    let reason = "another worker proposes to it at the same time".to_owned();
    GitError::Moved { branch: proposal.branch.clone(), reason }.into()
}

/// What people see of it: in frozen hours, also why it is a draft.
fn draft(outside: Outside<'_>, prepared: &Prepared, proposal: &Proposal) -> Draft {
    let known = prepared.proposed.get(&proposal.name).filter(|known| known.proposed.fate == Fate::Open);
    let to_do = known.map_or_else(|| to_do(prepared, proposal), |known| known.proposed.to_do.clone());
    // One that a person made ready is no draft any more.
    let open = known.and_then(|known| known.open.as_ref());
    let is_waiting = to_do.contains(&ToDo::Ready) && open.is_none_or(|pull| pull.is_draft);
    let frozen = prepared.due.of(&proposal.name, Why::Frozen).filter(|_| is_waiting);
    let body = match frozen {
        Some(wait) => {
            let until = minute(wait.until);
            format!("> Frozen until {until}: it is a draft until then.\n\n{}", proposal.body())
        }
        None => proposal.body(),
    };
    Draft {
        branch: proposal.branch.clone(),
        base: outside.repository.base.clone(),
        title: proposal.title.clone(),
        body: markdown::fitting(&body, outside.host.longest_body()),
        is_draft: proposal.is_draft || frozen.is_some(),
    }
}

/// What follows the opening of a proposal's pull request.
pub(super) fn to_do(prepared: &Prepared, proposal: &Proposal) -> BTreeSet<ToDo> {
    let is_frozen = prepared.due.of(&proposal.name, Why::Frozen).is_some();
    let ask = (!proposal.asks.is_empty()).then_some(ToDo::Ask);
    let ready = (is_frozen && !proposal.is_draft).then_some(ToDo::Ready);
    ask.into_iter().chain(ready).collect()
}

/// Writes down what is about to be pushed and shown, so that it is known as ours whatever happens next. What another
/// worker wrote down since we looked may be made of more than we know: then everything is looked at once more.
async fn remember(
    outside: Outside<'_>,
    prepared: &Prepared,
    proposal: &Proposal,
    written: &Written,
    head: Option<&CommitId>,
    now: Timestamp,
) -> Result<(), Error> {
    let Written { commit, shown } = written;
    let key = Key::proposal(outside.repository, &proposal.name);
    let known = prepared.proposed.get(&proposal.name);
    let open = known.and_then(|known| known.open.as_ref());
    let looked_at = known.and_then(|known| known.before.shown.as_ref());
    let first = to_do(prepared, proposal);
    let mut current = true;
    store::update::<Proposed>(outside.objects, &key, outside.writer, |was| {
        let before = was.as_ref();
        let shown_now = before.and_then(|was| was.shown.as_ref());
        current = shown_now == looked_at || shown_now == Some(shown);
        if !current {
            return None;
        }
        let mut commits = before.map(|was| was.commits.clone()).unwrap_or_default();
        commits.retain(|id| id != commit);
        commits.insert(0, commit.clone());
        commits.truncate(COMMITS);
        // Where the branch stands is ours however many pushes have failed since.
        commits.extend(head.filter(|head| !commits.contains(head)).cloned());
        // Another worker may have opened it since the forge was asked.
        let opened = before.filter(|was| was.fate == Fate::Open);
        let values = proposal.values();
        Some(Proposed {
            name: proposal.name.clone(),
            automation: (proposal.automation != proposal.name).then(|| proposal.automation.clone()),
            branch: proposal.branch.clone(),
            commits,
            merged: before.map(|was| was.merged_beside(&values, &prepared.manifests)).unwrap_or_default(),
            values,
            title: proposal.title.clone(),
            shown: Some(shown.clone()),
            pull_request: open.map(|pull| pull.number).or(opened.and_then(|was| was.pull_request)),
            url: open.map(|pull| pull.url.clone()).or(opened.and_then(|was| was.url.clone())),
            opened: before.map(|was| was.opened.clone()).unwrap_or_default(),
            fate: Fate::Open,
            ended_by: None,
            claim: before.and_then(|was| was.claim.clone()),
            to_do: opened.map_or_else(|| first.clone(), |was| was.to_do.clone()),
            obeyed: before.map(|was| was.obeyed).unwrap_or_default(),
            is_told: false,
            left_at: None,
            at: now,
        })
    })
    .await?;
    if current { Ok(()) } else { Err(another_worker(proposal)) }
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
    known: Option<&Known>,
    proposal: &Proposal,
    draft: &Draft,
    written: &Written,
    now: Timestamp,
) -> Result<Did, Error> {
    let key = Key::proposal(outside.repository, &proposal.name);
    let claim = Claim { writer: outside.writer.to_owned(), at: now };
    // The forge was asked for this branch when we began, and had none.
    let was_asked = known.is_some_and(|known| matches!(known.before.fate, Fate::Open | Fate::Settling));
    let (mut current, mut free, mut is_first) = (false, false, false);
    store::update::<Proposed>(outside.objects, &key, outside.writer, |was| {
        let mut is = was?;
        current = is.fate == Fate::Open && written.is(&is);
        is_first = was_asked && is.claim.is_none() && is.pull_request.is_none();
        free = is.claim.as_ref().is_none_or(|it| it.writer == claim.writer || now.duration_since(it.at) > CLAIM);
        is.opened.retain(|at| limits::counts(*at, now));
        // After a claim that came to nothing it is the same one.
        if is.claim.is_none() {
            is.opened.push(now);
        }
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
    let opened = if is_first { open(outside, draft).await } else { find_or_open(outside, draft).await };
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
        None => open(outside, draft).await,
    }
}

async fn open(outside: Outside<'_>, draft: &Draft) -> Result<Did, Error> {
    Ok(Did::Opened(outside.host.open(draft).await?))
}

/// Writes down the pull request. What another worker remembered meanwhile may be newer than what the pull request now
/// says: then everything is looked at once more.
async fn conclude(
    outside: Outside<'_>,
    proposal: &Proposal,
    written: &Written,
    pull: &PullRequest,
) -> Result<(), Error> {
    let key = Key::proposal(outside.repository, &proposal.name);
    let mut current = false;
    store::update::<Proposed>(outside.objects, &key, outside.writer, |was| {
        let was = was?;
        current = written.is(&was);
        let is = Proposed { pull_request: Some(pull.number), url: Some(pull.url.clone()), claim: None, ..was.clone() };
        (is != was).then_some(is)
    })
    .await?;
    if current { Ok(()) } else { Err(another_worker(proposal)) }
}
