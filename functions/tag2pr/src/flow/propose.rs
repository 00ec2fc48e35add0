//! A poke comes in: the repository's base branch decides what is wanted, the ledgers what exists, and what differs
//! becomes one commit and one pull request for each automation.
//!
//! [`prepare`] only reads and plans; [`propose`] does what the plan says. Preparing alone is the dry run.
//!
//! Every step can be repeated: the same state makes the same commit id, what was last written is remembered before it
//! is pushed, and ours is looked for before one is opened.
//!
//! Two workers may do all of this at once. What was proposed is read first, then the base branch, then the ledgers: so
//! whoever knows of a commit knows at least what it was made from, and a branch that moved to one that nobody knew of
//! makes a worker begin again.

mod answers;
mod apply;
mod asked;
mod changes;
mod did;
mod hear;
mod notes;
mod records;
mod renaming;
mod telling;
mod whom;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::try_join3;
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;

use self::answers::{Answers, ROUNDS};
use self::apply::apply;
use self::asked::{Known, ask_forge};
pub use self::did::Did;
use self::did::SETTLED;
use self::records::TakenBack;
pub use self::records::{Claim, Fate, Index, Merged, Proposed, ToDo};
use super::{Error, ledgers};
use crate::due::{self, Due};
use crate::image::{ImageName, Tag};
use crate::keys::Key;
use crate::ledger::{Ledger, News};
use crate::limits::{Limits, Room};
use crate::manifests::{Elsewhere, Interest, Manifests, Neighbours, Reading};
pub use crate::plan::Holds;
use crate::plan::{Hold, Line, Outcome, Plan};
use crate::proposal::name;
use crate::seams::{
    CommitId, GitError, GitHost, GitRepository, HostError, Objects, Pokes, PullRequest, Registry, RegistryError,
    RepositoryId, StoreError, Wanted,
};
use crate::stages::Standing;
use crate::status::Event;
use crate::store::{self, Stored};

/// So many images are read, and so many tags asked for, at the same time.
const AT_ONCE: usize = 16;

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
    /// All that are configured: automations of one may work on another.
    pub repositories: &'a [RepositoryId],
    /// Takes pokes for the others, where this one says something new for them.
    pub pokes: &'a dyn Pokes,
    /// Registries that are configured not to be asked whether a tag is what a delivery said.
    pub unasked: &'a BTreeSet<String>,
    /// Other names of registries, each with the one that what is known of their images is kept under.
    pub aliases: &'a BTreeMap<String, String>,
    /// How many pull requests it gets.
    pub limits: Limits,
    /// Names this call in what it writes.
    pub writer: &'a str,
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
    /// What is looked at again without a poke, and when.
    pub due: Due,
    /// What could not be asked of a registry, in words; it is asked again later.
    pub waiting: Vec<String>,
    /// Images whose tags no registry lists for us: what no delivery brought is not known.
    pub unlisted: Vec<String>,
    /// Tags that point at something else than any delivery told of.
    pub missed: Vec<(ImageName, Tag)>,
    /// What registries said, to be recorded.
    learned: Vec<(ImageName, News)>,
    /// What stands in the stages.
    standing: Standings,
    /// Where each branch was when the base branch was read.
    branches: BTreeMap<String, CommitId>,
    /// What was proposed before, as it stands now.
    proposed: BTreeMap<String, Known>,
    /// What people decided since we last looked.
    new_holds: Vec<Hold>,
    /// What people asked to have proposed again.
    released: Vec<Hold>,
    /// What must not be proposed, and where people allowed a step back.
    holds: Holds,
}

/// What stood in the stages when that was last written down, and what does now.
#[derive(Debug)]
struct Standings {
    before: Standing,
    now: Standing,
}

/// What a call of [`propose`] read and did.
#[derive(Debug)]
pub struct Report {
    /// What was read and planned.
    pub prepared: Prepared,
    /// What was done, by the proposals' names.
    pub done: Vec<(String, Did)>,
    /// What happened since the last look, by whomever.
    pub events: Vec<Event>,
    /// Whether what is remembered of this look differs from the last one.
    pub has_changed: bool,
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
        let passed_over = |line: &Line| Some(format!("{}: {}", line.policy, line.passed_over.as_ref()?));
        let platforms = self.plan.lines.iter().filter_map(passed_over);
        let soaking = |line: &Line| Some(format!("{}: {}", line.policy, line.soaking.as_ref()?));
        let soaking = self.plan.lines.iter().filter_map(soaking);
        lines.chain(platforms).chain(soaking).chain(self.oddities()).collect()
    }

    /// How many tags are held.
    pub fn held(&self) -> usize {
        self.holds.holds.len()
    }

    /// What is not as it could be, and about no policy: files that cannot be read, images that cannot be listed.
    pub fn oddities(&self) -> Vec<String> {
        let messages = self.plan.proposals.iter().flat_map(|proposal| &proposal.problems);
        let Manifests { problems, links, .. } = &self.manifests;
        let problems = problems.iter().chain(links).chain(&self.plan.problems).chain(messages);
        let problems = problems.map(ToString::to_string);
        let passed_over =
            self.manifests.passed_over.iter().map(|(place, reason)| format!("{place}: passed over: {reason}"));
        let unlisted = self.unlisted.iter().cloned();
        let missed = self.missed.iter();
        let missed = missed.map(|(image, tag)| format!("{image}:{tag}: it was moved, and no delivery had told of it"));
        unlisted.chain(missed).chain(problems).chain(passed_over).collect()
    }

    /// How many pull requests may be opened yet.
    fn room(&self, limits: Limits, now: Timestamp) -> Room {
        let open = self.proposed.values().filter(|known| known.open.is_some()).count();
        let opened = self.proposed.values().flat_map(|known| known.proposed.opened());
        Room::beside(open, &opened.copied().collect::<Vec<_>>(), limits, now)
    }

    /// The open pull requests that nothing is put into any more, although their automation is there: what shares a pull
    /// request has changed. Each with the reason.
    fn replaced(&self) -> Vec<(&Known, &PullRequest, String)> {
        // Whatever cannot be read may say that they are wanted.
        if !self.manifests.problems.is_empty() {
            return Vec::new();
        }
        let automations = &self.manifests.automations;
        let replaced = |known: &'_ Known| {
            let (name, whole) = (&known.proposed.name, known.proposed.automation());
            let mut parts = automations.iter().filter(|one| one.whole == whole).peekable();
            let part = parts.peek()?;
            let readable = name::readable(whole);
            let reason = match part.only {
                _ if part.name == whole => format!("all policies of {readable} share a pull request now"),
                Some(_) if name == whole => format!("each policy of {readable} has a pull request of its own now"),
                Some(_) => format!("{readable} no longer has the policy that it was for"),
                None if name == whole => format!("each batch of {readable} has a pull request of its own now"),
                None => format!("{readable} no longer has the batch that it was for"),
            };
            parts.all(|part| part.name != *name && part.branch != known.proposed.branch).then_some(reason)
        };
        let open = self.proposed.values().filter_map(|known| Some((known, known.open.as_ref()?)));
        open.filter_map(|(known, pull)| Some((known, pull, replaced(known)?))).collect()
    }

    /// Why an open proposal stays as it is: one of its values cannot be decided just now. Nothing if all can.
    fn undecided(&self, name: &str) -> Option<String> {
        let known = self.proposed.get(name)?;
        known.open.as_ref()?;
        let unread = |file: &str| {
            let problems = self.manifests.problems.iter().chain(&self.plan.problems);
            problems.into_iter().find(|problem| problem.file == file)
        };
        known.proposed.values.iter().find_map(|value| match self.plan.line(name, &value.policy) {
            // That a newer tag is gone says nothing about this one.
            Some(line)
                if line.outcome.is_undecided()
                    || (matches!(line.outcome, Outcome::Gone(_))
                        && line.tag.as_deref() != Some(value.tag.as_str())) =>
            {
                Some(format!("{}: {}", value.policy, line.outcome))
            }
            Some(_) => value.files.iter().find_map(|file| unread(file)).map(ToString::to_string),
            // The policy may stand in a file that cannot be read.
            None => self.manifests.problems.first().map(ToString::to_string),
        })
    }
}

/// Looks at one repository and does what is to be done: again from the start if a branch moves meanwhile, or somebody else
/// opens the pull request.
///
/// # Errors
///
/// What the outside says. [`Error::Unfinished`] if a registry could not be asked: everything else is done.
/// [`Error::LeftAlone`] if the Git host asks for that, or did and the time is not over: then nothing is asked of it.
pub async fn propose(outside: Outside<'_>, now: Timestamp) -> Result<Report, Error> {
    let error = match look_and_act(outside, now).await {
        Ok(report) => return Ok(report),
        Err(error) => notes::leave_alone(outside, error, now).await,
    };
    if !matches!(error, Error::Unfinished(_)) {
        telling::failed(outside, &error, now).await;
    }
    Err(error)
}

async fn look_and_act(outside: Outside<'_>, now: Timestamp) -> Result<Report, Error> {
    let mut attempt = 0;
    let mut pushed = Vec::new();
    loop {
        let mut prepared = prepare(outside, &[], now).await?;
        if notes::take_note(outside, &prepared).await? {
            // A push that came in before its image was followed poked nobody: it is read now.
            let missed = std::mem::take(&mut prepared.missed);
            // Two at once would be twice the memory.
            drop(prepared);
            prepared = prepare(outside, &[], now).await?;
            prepared.missed.extend(missed);
            notes::take_note(outside, &prepared).await?;
        }
        match apply(outside, &prepared, now).await {
            Err(Error::Git(GitError::Moved { .. }) | Error::Host(HostError::Moved { .. })) if attempt < 3 => {
                outside.objects.pause(attempt).await;
                attempt += 1;
            }
            Err(error) => return Err(error),
            // The base branch is another now: the rest is for that one.
            Ok(done) if done.iter().any(|(_, did)| matches!(did, Did::Pushed(..))) => {
                pushed.extend(done);
                attempt = 0;
            }
            Ok(done) => {
                pushed.extend(done);
                let (events, has_changed) = telling::looked(outside, &prepared, &pushed, now).await;
                if !prepared.waiting.is_empty() {
                    return Err(Error::Unfinished(unfinished(&prepared, &pushed)));
                }
                return Ok(Report { prepared, done: pushed, events, has_changed });
            }
        }
    }
}

/// What is waited for, and what was done all the same.
fn unfinished(prepared: &Prepared, done: &[(String, Did)]) -> String {
    let waiting = prepared.waiting.join("; ");
    let done: Vec<String> = done.iter().map(|(name, did)| format!("{name}: {did}")).collect();
    if done.is_empty() { waiting } else { format!("{waiting}; done meanwhile: {}", done.join("; ")) }
}

/// Reads everything and plans; nothing is written. `replayed` is evidence that is not in the store: what a replayed
/// delivery would add.
///
/// # Errors
///
/// What the outside says.
pub async fn prepare(outside: Outside<'_>, replayed: &[(ImageName, News)], now: Timestamp) -> Result<Prepared, Error> {
    let (stood, before, asked) = try_join3(
        remembered::<Standing>(outside, Key::standing(outside.repository)),
        remembered::<Index>(outside, Key::index(outside.repository)),
        ask_forge(outside, now),
    )
    .await?;
    let stood = stood.unwrap_or_default();
    let (due_before, mut proposed, mut new_holds) = asked;
    let interest = Interest::default();
    let before = before.map(|before| before.reading);
    let seen = before.as_ref().and_then(Reading::seen).map(Arc::new);
    let wanted = Wanted { seen, ..Wanted::new(move |path, bytes| interest.wants(path, bytes)) };
    // Whoever notes that a proposal was closed writes the hold first: it is read after the proposals.
    let (mut snapshot, holds, elsewhere) = try_join3(
        async { Ok(outside.git.snapshot(&outside.repository.base, &wanted).await?) },
        remembered::<Holds>(outside, Key::holds(outside.repository)),
        // Nobody says anything for the only one.
        async {
            match outside.repositories.len() {
                0 | 1 => Ok(None),
                _ => remembered::<Elsewhere>(outside, Key::elsewhere(outside.repository)).await,
            }
        },
    )
    .await?;
    let branches = std::mem::take(&mut snapshot.branches);
    let elsewhere = &elsewhere.unwrap_or_default();
    let neighbours = Neighbours { here: outside.repository, configured: outside.repositories, elsewhere };
    let mut manifests = Manifests::read(neighbours, snapshot, before.as_ref());
    manifests.rename_registries(outside.aliases);
    renaming::rename(&mut proposed, &manifests);
    for known in proposed.values_mut() {
        known.proposed.arrive(&outside.repository.base, &manifests, now);
        if let Some(pull) = &known.ended {
            known.proposed.arrive_with_others(pull, &manifests);
        }
    }

    let mut answers = Answers::default();
    let mut unlisted = Vec::new();
    let mut ledgers = BTreeMap::new();
    let images = manifests.images().into_iter();
    let mut all = stream::iter(images.map(|image| known_of(outside, image, now))).buffered(AT_ONCE);
    while let Some(known) = all.next().await {
        let (image, mut ledger, listed) = known?;
        match listed {
            Some(Ok(news)) => {
                ledger.merge(&news);
                answers.learned.push((image.clone(), news));
            }
            Some(Err(error @ RegistryError::Refused { .. })) => {
                unlisted.push(format!("{image}: known from deliveries alone, its tags cannot be listed: {error}"));
            }
            Some(Err(error @ RegistryError::Unavailable { .. })) => answers.waiting.push(error.to_string()),
            None => {}
        }
        replayed.iter().filter(|(of, _)| *of == image).for_each(|(_, news)| ledger.merge(news));
        ledgers.insert(image, ledger);
    }

    let mut holds = holds.unwrap_or_default();
    holds.holds.extend(new_holds.iter().cloned());
    let released = hear::hear(outside, &mut proposed, &holds).await?;
    holds.holds.retain(|hold| !released.contains(hold));
    new_holds.retain(|hold| !released.contains(hold));

    let standing = stood.observed(&manifests, &ledgers, now);
    let mut draft = answers.plan(outside, &mut manifests, &ledgers, &holds, &standing, now).await?;
    for _ in 0..ROUNDS {
        if draft.questions.is_empty() && draft.contents.is_empty() && draft.origins.is_empty() {
            break;
        }
        answers.ask(outside, &draft, &mut ledgers, now).await;
        draft = answers.plan(outside, &mut manifests, &ledgers, &holds, &standing, now).await?;
    }
    answers.put_off(&draft);
    // The forge was asked before the base branch was read: what was merged is part of it, unless somebody took it back.
    let rolled_back = proposed.values().flat_map(|known| known.proposed.rolled_back(&draft, &manifests));
    let rolled_back: Vec<TakenBack> = rolled_back.collect();
    if !rolled_back.is_empty() {
        let rolled_back = changes::holds(outside, &rolled_back, &manifests.commit, now).await?;
        holds.holds.extend(rolled_back.iter().cloned());
        new_holds.extend(rolled_back);
        draft = answers.plan(outside, &mut manifests, &ledgers, &holds, &standing, now).await?;
    }
    for proposal in &mut draft.proposals {
        let open = proposed.get(&proposal.name).filter(|known| known.open.is_some());
        proposal.follow(open.map_or(&[], |known| &known.proposed.values));
    }
    let Answers { learned, missed, mut waiting, .. } = answers;
    waiting.dedup();
    let settling = draft.proposals.iter().filter_map(|proposal| {
        let open = proposed.get(&proposal.name).filter(|known| known.open.is_some());
        due::settling(proposal, open.map_or(&[], |known| &known.proposed.values), &due_before, now)
    });
    let frozen = draft.proposals.iter().filter_map(|proposal| due::frozen(proposal, now));
    let waits = settling.chain(frozen).chain(draft.waits.iter().cloned()).collect();
    let due = Due { waits, rest: None };
    Ok(Prepared {
        manifests,
        ledgers,
        plan: draft,
        due,
        waiting,
        unlisted,
        missed,
        learned,
        standing: Standings { before: stood, now: standing },
        branches,
        proposed,
        new_holds,
        released,
        holds,
    })
}

async fn remembered<T: Stored>(outside: Outside<'_>, key: Key) -> Result<Option<T>, Error> {
    Ok(store::load::<T>(outside.objects, &key).await?.map(|loaded| loaded.value))
}

/// What is known of an image; and its tags, listed now if they never were.
async fn known_of(
    outside: Outside<'_>,
    image: ImageName,
    now: Timestamp,
) -> Result<(ImageName, Ledger, Option<Result<News, RegistryError>>), StoreError> {
    let ledger = ledgers::read(outside.objects, &image, outside.writer).await?;
    if ledger.listed().is_some() || outside.unasked.contains(image.registry()) {
        return Ok((image, ledger, None));
    }
    let listed = outside.registry.tags(&image).await.map(|tags| News::listed(tags, &ledger, now));
    Ok((image, ledger, Some(listed)))
}
