//! A poke comes in: the repository's base branch decides what is wanted, the ledgers what exists, and what differs
//! becomes one commit and one pull request for each automation.
//!
//! [`prepare`] only reads and plans; [`apply`] does what the plan says. Not applying is the dry run.
//!
//! Every step can be repeated: the same state makes the same commit id, what was last written is remembered before it
//! is pushed, and ours is looked for before one is opened.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Error, Watchers, ledgers};
use crate::image::{ImageName, Tag};
use crate::keys::Key;
use crate::ledger::{Ledger, News};
use crate::manifests::{self, Manifests};
use crate::plan::{Answer, Evidence, Hold, Line, Outcome, Plan, plan};
use crate::proposal::{Proposal, Value};
use crate::seams::{
    CommitId, Draft, GitError, GitHost, GitRepository, NewCommit, Objects, PullRequest, Registry, RegistryError,
    RepositoryId, State, StoreError,
};
use crate::store::{self, Stored};

/// What `propose` needs of the world outside.
#[derive(Clone, Copy)]
pub struct Outside<'a> {
    /// Where everything is remembered.
    pub objects: &'a dyn Objects,
    /// The manifests repository.
    pub git: &'a dyn GitRepository,
    /// Its forge.
    pub host: &'a dyn GitHost,
    /// The registries.
    pub registry: &'a dyn Registry,
    /// Which repository and base branch this is about.
    pub repository: &'a RepositoryId,
    /// Registries that are configured not to be asked whether a tag is what a delivery said.
    pub unasked: &'a BTreeSet<String>,
    /// Names this call in what it writes.
    pub writer: &'a str,
}

/// What was last proposed under a name: written before anybody else can see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Proposed {
    /// `<namespace>.<automation>`
    pub name: String,
    /// The branch that carries it.
    pub branch: String,
    /// The commits that are ours, newest first; a branch that stands elsewhere is somebody's work.
    pub commits: Vec<CommitId>,
    /// The values that it brings.
    pub values: Vec<Value>,
    /// What people see of it.
    pub title: String,
    /// Its pull request, once there is one.
    pub pull_request: Option<u64>,
    /// Where a person reads it.
    pub url: Option<String>,
    /// What became of it.
    pub fate: Fate,
    /// Who is opening a pull request just now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
    /// When it was last written.
    pub at: Timestamp,
}

impl Stored for Proposed {
    const FORMAT: u32 = 1;
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

/// How long a claim is respected: longer than a forge takes to answer.
const CLAIM: SignedDuration = SignedDuration::from_secs(120);

/// So many of our own commits are remembered: one that was pushed and its successor that may not have been are enough.
const COMMITS: usize = 5;

/// What must not be proposed to a repository.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holds {
    /// In the order of proposals and policies.
    pub holds: BTreeSet<Hold>,
}

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
}

impl Stored for Index {
    const FORMAT: u32 = 1;
}

/// Everything that was read, and what is to be done about it.
#[derive(Debug)]
pub struct Prepared {
    /// The base branch.
    pub manifests: Manifests,
    /// What is known of the images.
    pub ledgers: BTreeMap<ImageName, Ledger>,
    /// What is to be done.
    pub plan: Plan,
    /// What could not be asked of a registry, in words; it is asked again later.
    pub waiting: Vec<String>,
    /// First listings, to be recorded.
    listings: Vec<(ImageName, News)>,
    /// What was proposed before, as it stands now.
    proposed: BTreeMap<String, Known>,
    /// What people decided since we last looked.
    new_holds: Vec<Hold>,
}

/// A proposal that was written before, and what the forge says of it now.
#[derive(Debug)]
struct Known {
    proposed: Proposed,
    open: Option<PullRequest>,
    /// Opened by two workers at once: the younger ones go.
    duplicates: Vec<PullRequest>,
    changed: bool,
}

/// What was done about one proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Did {
    /// A pull request was opened.
    Opened(PullRequest),
    /// The open pull request was brought up to date.
    Updated(PullRequest),
    /// The open pull request is up to date.
    Unchanged(PullRequest),
    /// The open pull request was closed: the base branch has its values.
    Settled(PullRequest),
    /// Nothing, for this reason.
    LeftAlone(String),
}

impl fmt::Display for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opened(pull) => write!(f, "opened {}", pull.url),
            Self::Updated(pull) => write!(f, "updated {}", pull.url),
            Self::Unchanged(pull) => write!(f, "{} is up to date", pull.url),
            Self::Settled(pull) => write!(f, "closed {}: {SETTLED}", pull.url),
            Self::LeftAlone(reason) => write!(f, "left alone: {reason}"),
        }
    }
}

const SETTLED: &str = "the base branch needs none of its changes any more";

/// What a call of [`propose`] read and did.
#[derive(Debug)]
pub struct Report {
    /// What was read and planned.
    pub prepared: Prepared,
    /// What was done, by the proposals' names.
    pub done: Vec<(String, Did)>,
}

impl Report {
    /// What happened, a sentence for each thing that a person may want to know: for logs and terminals.
    pub fn sentences(&self) -> Vec<String> {
        let done = self.done.iter().map(|(name, did)| format!("{name}: {did}"));
        done.chain(self.prepared.remarks()).collect()
    }
}

impl Prepared {
    /// What is not as it could be: values that stay although another was selected, and files that cannot be read.
    pub fn remarks(&self) -> Vec<String> {
        let staying = |line: &&Line| !matches!(line.outcome, Outcome::Changes | Outcome::UpToDate);
        let lines = self.plan.lines.iter().filter(staying).map(|line| {
            let image = line.tag.as_ref().map(|tag| format!(" ({}:{tag})", line.image)).unwrap_or_default();
            format!("{}{image}: {}", line.policy, line.outcome)
        });
        let problems = self.manifests.problems.iter().chain(&self.plan.problems).map(ToString::to_string);
        let passed_over =
            self.manifests.passed_over.iter().map(|(place, reason)| format!("{place}: passed over: {reason}"));
        lines.chain(problems).chain(passed_over).collect()
    }
}

/// Looks at one repository and does what is to be done: again from the start if a branch moves meanwhile.
///
/// # Errors
///
/// What the outside says. [`Error::Unfinished`] if a registry could not be asked: everything else is done.
pub async fn propose(outside: Outside<'_>, now: Timestamp) -> Result<Report, Error> {
    let mut attempt = 0;
    loop {
        let prepared = prepare(outside, &[], now).await?;
        match apply(outside, &prepared, now).await {
            Err(Error::Git(GitError::Moved { .. })) if attempt < 3 => {
                outside.objects.pause(attempt).await;
                attempt += 1;
            }
            Err(error) => return Err(error),
            Ok(_) if !prepared.waiting.is_empty() => return Err(Error::Unfinished(prepared.waiting.join("; "))),
            Ok(done) => return Ok(Report { prepared, done }),
        }
    }
}

/// Reads everything and plans; nothing is written. `replayed` is evidence that is not in the store: what a replayed
/// delivery would add.
///
/// # Errors
///
/// What the outside says.
pub async fn prepare(outside: Outside<'_>, replayed: &[(ImageName, News)], now: Timestamp) -> Result<Prepared, Error> {
    let snapshot = outside.git.snapshot(&outside.repository.base, &manifests::wanted).await?;
    let manifests = Manifests::read(outside.repository, snapshot);

    let mut waiting = Vec::new();
    let mut listings = Vec::new();
    let mut ledgers = BTreeMap::new();
    for image in manifests.images() {
        let mut ledger = ledgers::read(outside.objects, &image, outside.writer).await?;
        if ledger.listed().is_none() && !outside.unasked.contains(image.registry()) {
            match outside.registry.tags(&image).await {
                Ok(tags) => {
                    let news = News::listed(tags, &ledger, now);
                    ledger.merge(&news);
                    listings.push((image.clone(), news));
                }
                Err(RegistryError::Refused { .. }) => {}
                Err(error @ RegistryError::Unavailable { .. }) => waiting.push(error.to_string()),
            }
        }
        replayed.iter().filter(|(of, _)| *of == image).for_each(|(_, news)| ledger.merge(news));
        ledgers.insert(image, ledger);
    }

    let holds = store::load::<Holds>(outside.objects, &Key::holds(outside.repository)).await?;
    let mut holds = holds.map(|loaded| loaded.value.holds).unwrap_or_default();
    let (proposed, mut new_holds) = ask_forge(outside, now).await?;
    holds.extend(new_holds.iter().cloned());

    let mut answers = BTreeMap::new();
    let mut draft = plan(&Evidence { manifests: &manifests, ledgers: &ledgers, holds: &holds, answers: &answers });
    let reverted = reverted(&proposed, &draft, now);
    holds.extend(reverted.iter().cloned());
    new_holds.extend(reverted);
    for (image, tag) in std::mem::take(&mut draft.questions) {
        let answer = ask_registry(outside, &ledgers, &image, &tag).await;
        if let Answer::NoAnswer { reason, later: true } = &answer {
            waiting.push(reason.clone());
        }
        answers.insert((image, tag), answer);
    }
    let plan = plan(&Evidence { manifests: &manifests, ledgers: &ledgers, holds: &holds, answers: &answers });
    waiting.dedup();
    Ok(Prepared { manifests, ledgers, plan, waiting, listings, proposed, new_holds })
}

async fn ask_registry(
    outside: Outside<'_>,
    ledgers: &BTreeMap<ImageName, Ledger>,
    image: &ImageName,
    tag: &Tag,
) -> Answer {
    if outside.unasked.contains(image.registry()) {
        let known = ledgers.get(image).and_then(|ledger| ledger.get(tag.as_str())).and_then(|entry| entry.digest());
        return Answer::NotAsked(known.cloned());
    }
    match outside.registry.digest(image, tag).await {
        Ok(Some(digest)) => Answer::Digest(digest),
        Ok(None) => Answer::Gone,
        Err(error) => {
            Answer::NoAnswer { later: matches!(error, RegistryError::Unavailable { .. }), reason: error.to_string() }
        }
    }
}

/// What became of the proposals that were open when we last looked: asked once for each.
async fn ask_forge(outside: Outside<'_>, now: Timestamp) -> Result<(BTreeMap<String, Known>, Vec<Hold>), Error> {
    let mut all = BTreeMap::new();
    let mut holds = Vec::new();
    for key in outside.objects.list(&Key::proposals(outside.repository)).await? {
        let Some(loaded) = store::load::<Proposed>(outside.objects, &key).await? else { continue };
        let mut known = Known { proposed: loaded.value, open: None, duplicates: Vec::new(), changed: false };
        if known.proposed.fate == Fate::Open {
            let found = outside.host.find(&known.proposed.branch, &outside.repository.base).await?;
            let (mut open, ended): (Vec<_>, Vec<_>) = found.into_iter().partition(|pull| pull.state == State::Open);
            open.sort_by_key(|pull| pull.number);
            let mut open = open.into_iter();
            known.open = open.next();
            known.duplicates = open.collect();
            let ours = ended.iter().find(|pull| Some(pull.number) == known.proposed.pull_request);
            if let (None, Some(pull)) = (&known.open, ours) {
                known.changed = true;
                known.proposed.fate = if pull.state == State::Merged { Fate::Merged } else { Fate::Closed };
                if known.proposed.fate == Fate::Closed {
                    let reason = format!("pull request {} was closed without merging", pull.url);
                    holds.extend(known.proposed.holds(&reason, now));
                }
            }
        }
        all.insert(known.proposed.name.clone(), known);
    }
    Ok((all, holds))
}

impl Proposed {
    fn holds(&self, reason: &str, since: Timestamp) -> impl Iterator<Item = Hold> {
        self.values.iter().map(move |value| Hold {
            proposal: self.name.clone(),
            policy: value.policy.clone(),
            tag: value.tag.clone(),
            digest: value.digest.clone(),
            reason: reason.to_owned(),
            since,
        })
    }
}

/// A value that was merged and is proposed once more was taken back by somebody: a rollback, which stands.
///
/// Only what was known to be merged *before* this snapshot was read counts: a merge that we hear of now may be newer
/// than the snapshot.
fn reverted(proposed: &BTreeMap<String, Known>, plan: &Plan, now: Timestamp) -> Vec<Hold> {
    let merged = proposed.values().filter(|known| known.proposed.fate == Fate::Merged && !known.changed);
    merged
        .flat_map(|known| {
            let url = known.proposed.url.as_deref().unwrap_or("a pull request");
            let reason = format!("it was merged with {url}, and then taken back on the base branch");
            known.proposed.holds(&reason, now).collect::<Vec<_>>()
        })
        .filter(|hold| plan.wants(&hold.proposal, &hold.policy, &hold.tag))
        .collect()
}

/// Does what the plan says.
///
/// # Errors
///
/// What the outside says; what was done until then stays done, and is found again by the next call.
pub async fn apply(outside: Outside<'_>, prepared: &Prepared, now: Timestamp) -> Result<Vec<(String, Did)>, Error> {
    for (image, news) in &prepared.listings {
        ledgers::record(outside.objects, image, news, outside.writer).await?;
    }
    watch(outside, &prepared.manifests).await?;
    remember_decisions(outside, prepared).await?;

    let mut done = Vec::new();
    for proposal in &prepared.plan.proposals {
        let did = propose_one(outside, prepared, proposal, now).await?;
        done.push((proposal.name.clone(), did));
    }
    for name in &prepared.plan.settled {
        let Some((known, pull)) = prepared.proposed.get(name).and_then(|known| Some((known, known.open.as_ref()?)))
        else {
            continue;
        };
        outside.host.close(pull.number, &format!("Closed by tag2pr: {SETTLED}.")).await?;
        let settled = Proposed { fate: Fate::Settled, ..known.proposed.clone() };
        store::update(outside.objects, &Key::proposal(outside.repository, name), outside.writer, |_| {
            Some(settled.clone())
        })
        .await?;
        done.push((name.clone(), Did::Settled(pull.clone())));
    }
    Ok(done)
}

/// Tells `receive` and `sweep` which images this repository follows.
async fn watch(outside: Outside<'_>, manifests: &Manifests) -> Result<(), StoreError> {
    let key = Key::index(outside.repository);
    let before = store::load::<Index>(outside.objects, &key).await?.map(|loaded| loaded.value);
    let images = manifests.images();
    if before.as_ref().is_some_and(|before| before.commit == manifests.commit && before.images == images) {
        return Ok(());
    }
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
    let index = Index { repository: outside.repository.clone(), commit: manifests.commit.clone(), images };
    store::update(outside.objects, &key, outside.writer, |_| Some(index.clone())).await.map(|_| ())
}

/// Writes down what people decided, and closes what two workers opened at once.
async fn remember_decisions(outside: Outside<'_>, prepared: &Prepared) -> Result<(), Error> {
    // The holds first: a crash between the two asks the forge again, and finds the same.
    if !prepared.new_holds.is_empty() {
        store::update::<Holds>(outside.objects, &Key::holds(outside.repository), outside.writer, |holds| {
            let mut holds = holds.unwrap_or_default();
            holds.holds.extend(prepared.new_holds.iter().cloned());
            Some(holds)
        })
        .await?;
    }
    for (name, known) in &prepared.proposed {
        if known.changed {
            let key = Key::proposal(outside.repository, name);
            store::update(outside.objects, &key, outside.writer, |_| Some(known.proposed.clone())).await?;
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
    if open.is_none() || ours.first() != Some(&commit) {
        let head = outside.git.head(&proposal.branch).await?;
        if let Some(head) = head.as_ref().filter(|head| **head != commit && !ours.contains(head)) {
            return Ok(Did::LeftAlone(format!(
                "`{}` stands at {}, which tag2pr did not write: it is left to whoever did; delete the branch to have \
                 it proposed again",
                proposal.branch,
                head.short()
            )));
        }
        remember(outside, proposal, &commit, open, now).await?;
        if head.as_ref() != Some(&commit) {
            outside.git.push(&proposal.branch, &commit, head.as_ref()).await?;
        }
    }
    let draft = Draft {
        branch: proposal.branch.clone(),
        base: outside.repository.base.clone(),
        title: proposal.title.clone(),
        body: proposal.body.clone(),
    };
    match open {
        Some(pull) => bring_up_to_date(outside, pull, &draft).await,
        None => open_one(outside, proposal, &draft, now).await,
    }
}

/// Writes down what is about to be pushed, so that it is known as ours whatever happens next.
async fn remember(
    outside: Outside<'_>,
    proposal: &Proposal,
    commit: &CommitId,
    open: Option<&PullRequest>,
    now: Timestamp,
) -> Result<(), StoreError> {
    store::update::<Proposed>(
        outside.objects,
        &Key::proposal(outside.repository, &proposal.name),
        outside.writer,
        |was| {
            let mut commits = was.as_ref().map(|was| was.commits.clone()).unwrap_or_default();
            commits.retain(|id| id != commit);
            commits.insert(0, commit.clone());
            commits.truncate(COMMITS);
            Some(Proposed {
                name: proposal.name.clone(),
                branch: proposal.branch.clone(),
                commits,
                values: proposal.values(),
                title: proposal.title.clone(),
                pull_request: open.map(|pull| pull.number),
                url: open.map(|pull| pull.url.clone()),
                fate: Fate::Open,
                claim: was.and_then(|was| was.claim),
                at: now,
            })
        },
    )
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
async fn open_one(outside: Outside<'_>, proposal: &Proposal, draft: &Draft, now: Timestamp) -> Result<Did, Error> {
    let key = Key::proposal(outside.repository, &proposal.name);
    let claim = Claim { writer: outside.writer.to_owned(), at: now };
    let mut claimed = false;
    store::update::<Proposed>(outside.objects, &key, outside.writer, |was| {
        let mut is = was?;
        let free =
            is.claim.as_ref().is_none_or(|other| other.writer == claim.writer || now.duration_since(other.at) > CLAIM);
        claimed = free && is.fate == Fate::Open;
        is.claim = Some(claim.clone());
        claimed.then_some(is)
    })
    .await?;
    if !claimed {
        return Ok(Did::LeftAlone("another worker is opening this pull request".to_owned()));
    }
    let found = outside.host.find(&draft.branch, &draft.base).await?;
    let did = match found.iter().filter(|pull| pull.state == State::Open).min_by_key(|pull| pull.number) {
        Some(pull) => bring_up_to_date(outside, pull, draft).await?,
        None => Did::Opened(outside.host.open(draft).await?),
    };
    if let Did::Opened(pull) | Did::Updated(pull) | Did::Unchanged(pull) = &did {
        store::update::<Proposed>(outside.objects, &key, outside.writer, |was| {
            was.map(|was| Proposed { pull_request: Some(pull.number), url: Some(pull.url.clone()), claim: None, ..was })
        })
        .await?;
    }
    Ok(did)
}
