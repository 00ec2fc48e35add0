//! The clock strikes: what registries have and the ledgers do not is evidence that a delivery should have brought, and
//! what they no longer have is evidence too.
//!
//! A light sweep every minute serves what is due: while nothing is, it costs one read and two for each
//! repository. Each image is listed at an interval of its own, and repositories are poked at another, because a poke may
//! be lost after its push was stored.

mod listing;
mod records;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

pub use self::records::{Accepted, Asking, Doubted, Listing, Reading, Schedule};
use super::propose::Index;
use super::{Error, Watchers};
use crate::due::Due;
use crate::image::{ImageName, Tag};
use crate::keys::Key;
use crate::seams::{Objects, Poke, Pokes, Registry, RegistryError, RepositoryId, StoreError};
use crate::status::Found;
use crate::store;

/// What `sweep` needs of the world outside.
#[derive(Clone, Copy)]
pub struct Outside<'a> {
    /// Where evidence is kept.
    pub objects: &'a dyn Objects,
    /// Where pokes go.
    pub pokes: &'a dyn Pokes,
    /// The registries.
    pub registry: &'a dyn Registry,
    /// Every configured repository.
    pub repositories: &'a [RepositoryId],
    /// Registries that are configured not to be asked.
    pub unasked: &'a BTreeSet<String>,
    /// How often, and how much at once.
    pub pace: Pace,
    /// Names this call in what it writes.
    pub writer: &'a str,
}

/// How often registries are asked, and how much of one sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// From one listing of an image to the next.
    pub listing: SignedDuration,
    /// Requests to one registry in one sweep. What is left over goes on with the next.
    pub requests: usize,
}

/// What a sweep looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// What is due: nothing, most of the time.
    Due,
    /// Every image and every repository: somebody asked for it.
    Everything,
}

/// From one poke of every repository to the next.
const POKES: SignedDuration = SignedDuration::from_mins(15);

/// After a registry gave no answer.
const RETRY: SignedDuration = SignedDuration::from_mins(10);

/// A registry that gave no answer so often in a row is not asked again in the same sweep.
const FAILURES: usize = 3;

/// What a sweep found and did.
#[derive(Debug, Default)]
pub struct Report {
    /// The images whose listing was accepted, with the tags that a delivery should have brought and none did.
    pub missed: Vec<(ImageName, Vec<Tag>)>,
    /// The tags that are no longer there, each asked for.
    pub gone: Vec<(ImageName, Vec<Tag>)>,
    /// The images whose listing shrank so much that nothing is concluded from it, and how.
    pub doubted: Vec<(ImageName, String)>,
    /// The images whose listing goes on with the next sweep, and how far it is.
    pub unfinished: Vec<(ImageName, String)>,
    /// The images that could not be listed, and why; nothing was concluded about them.
    pub failed: Vec<(ImageName, String)>,
    /// The repositories that were poked.
    pub poked: Vec<RepositoryId>,
    /// The repositories that are no longer configured: nobody is poked for them any more.
    pub forgotten: Vec<RepositoryId>,
}

impl Report {
    /// How many tags a delivery should have brought and none did.
    pub fn missed(&self) -> usize {
        self.missed.iter().map(|(_, tags)| tags.len()).sum()
    }

    /// What happened, a sentence for each thing that a person may want to know: for logs and terminals.
    pub fn sentences(&self) -> Vec<String> {
        let some = |(_, tags): &&(ImageName, Vec<Tag>)| !tags.is_empty();
        let missed = self.missed.iter().filter(some);
        let missed = missed.map(|(image, tags)| format!("{image}: no delivery had brought {}", few(tags)));
        let gone = self.gone.iter().filter(some);
        let gone = gone.map(|(image, tags)| format!("{image}: the registry no longer has {}", few(tags)));
        let doubted = self.doubted.iter().map(|(image, how)| format!("{image}: {how}"));
        let unfinished = self.unfinished.iter().map(|(image, how)| format!("{image}: {how}; the next sweep goes on"));
        let failed = self.failed.iter().map(|(image, reason)| format!("{image}: not listed: {reason}"));
        let forgotten = self.forgotten.iter().map(|id| format!("{id}: no longer configured, and no longer poked"));
        missed.chain(gone).chain(doubted).chain(unfinished).chain(failed).chain(forgotten).collect()
    }
}

fn few(tags: &[Tag]) -> String {
    let some: Vec<&str> = tags.iter().take(3).map(Tag::as_str).collect();
    let more = if tags.len() > 3 { format!(" and {} more", tags.len() - 3) } else { String::new() };
    format!("{}{more}", some.join(", "))
}

/// Lists the tags of the images that policies name, where that is due, records what deliveries did not bring, and
/// pokes the repositories that it concerns; all of them at an interval.
///
/// # Errors
///
/// Those of the store and the queue. What fails for one image is in the report, and stops no other.
pub async fn sweep(outside: Outside<'_>, what: What, now: Timestamp) -> Result<Report, Error> {
    let mut report = Report::default();
    let schedule = store::load::<Schedule>(outside.objects, &Key::schedule()).await?;
    let before = schedule.map(|loaded| loaded.value).unwrap_or_default();
    // A clock that was set back must not stop the sweep for as long.
    let poke_all =
        what == What::Everything || before.poked.is_none_or(|poked| now.duration_since(poked) >= POKES || now < poked);

    // Named by when it was due, so that a queue takes a second sweep's poke for the same.
    let mut causes: BTreeMap<&RepositoryId, String> = BTreeMap::new();
    for repository in outside.repositories {
        let due = store::load::<Due>(outside.objects, &Key::due(repository)).await?;
        if let Some(at) = due.and_then(|due| due.value.first()).filter(|at| *at <= now) {
            causes.insert(repository, format!("due-{:012x}", at.as_millisecond()));
        }
    }

    let mut followers: BTreeMap<ImageName, Vec<&RepositoryId>> = BTreeMap::new();
    for repository in outside.repositories {
        // A repository without an index was never proposed to: its first poke reads it, and lists its images.
        if let Some(index) = store::load::<Index>(outside.objects, &Key::index(repository)).await? {
            index.value.images.into_iter().for_each(|image| followers.entry(image).or_default().push(repository));
        }
    }
    let images = followers.keys().filter(|image| !outside.unasked.contains(image.registry()));
    let due = images.filter(|image| what == What::Everything || before.is_due(image, now));
    let mut due: Vec<&ImageName> = due.collect();
    due.sort_by_key(|image| before.next.get(*image));

    let mut after = before.clone();
    let mut registries: BTreeMap<&str, Patience> = BTreeMap::new();
    let mut concerned: BTreeSet<&RepositoryId> = BTreeSet::new();
    for image in due {
        let patience = registries.entry(image.registry()).or_insert(Patience {
            requests: outside.pace.requests,
            failures: 0,
            until: before.rest.get(image.registry()).copied().filter(|until| *until > now),
        });
        if patience.is_at_an_end() {
            if what == What::Everything {
                report.failed.push((image.clone(), patience.reason(image.registry())));
            }
            continue;
        }
        let news = report.missed() + report.gone.len();
        let result = listing::go_on(outside, image, &mut patience.requests, &mut report, now).await;
        if report.missed() + report.gone.len() > news {
            concerned.extend(&followers[image]);
        }
        let next = match result {
            Ok(listing::Progress::Done) => now.saturating_add(outside.pace.listing),
            Ok(listing::Progress::Unfinished) => Ok(now),
            Err(Error::Registry(RegistryError::Unavailable { wait, reason, registry })) => {
                patience.failures += 1;
                if let Some(until) = wait.and_then(|wait| now.checked_add(wait).ok()) {
                    patience.until = Some(until);
                    after.rest.insert(image.registry().to_owned(), until);
                }
                let error = RegistryError::Unavailable { registry, reason, wait };
                report.failed.push((image.clone(), error.to_string()));
                now.saturating_add(wait.unwrap_or(RETRY).min(outside.pace.listing))
            }
            Err(error @ Error::Registry(RegistryError::Refused { .. })) => {
                report.failed.push((image.clone(), error.to_string()));
                now.saturating_add(outside.pace.listing)
            }
            Err(error) => {
                report.failed.push((image.clone(), error.to_string()));
                now.saturating_add(RETRY)
            }
        };
        after.next.insert(image.clone(), next.unwrap_or(now));
    }

    if poke_all {
        report.forgotten = forget(outside).await?;
        concerned.extend(outside.repositories);
        after.poked = Some(now);
    }
    let is_stale = |repository: &&RepositoryId| concerned.contains(repository) || causes.contains_key(repository);
    for repository in outside.repositories.iter().filter(is_stale) {
        let cause = causes.get(repository).filter(|_| !concerned.contains(repository)).cloned();
        let cause = cause.unwrap_or_else(|| format!("sweep-{:012x}", now.as_millisecond()));
        outside.pokes.send(&Poke { repository: repository.clone(), cause }).await?;
        report.poked.push(repository.clone());
    }
    after.next.retain(|image, _| followers.contains_key(image));
    after.rest.retain(|_, until| *until > now);
    let followed = followers.keys().cloned().collect();
    remember(outside, &report, &followed, now).await?;
    if after != before {
        // Two sweeps at once list twice, and that is all.
        store::update::<Schedule>(outside.objects, &Key::schedule(), outside.writer, |_| Some(after.clone())).await?;
    }
    Ok(report)
}

/// Writes down what was missed and what cannot be listed, for those who ask how things stand.
async fn remember(
    outside: Outside<'_>,
    report: &Report,
    followed: &BTreeSet<ImageName>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let incomplete: Vec<(ImageName, String)> = report.failed.iter().chain(&report.doubted).cloned().collect();
    if report.missed.is_empty() && incomplete.is_empty() {
        return Ok(());
    }
    store::update::<Found>(outside.objects, &Key::found(), outside.writer, |before| {
        let before = before.unwrap_or_default();
        let after = before.clone().and(&report.missed, &incomplete, followed, now);
        (after != before).then_some(after)
    })
    .await
    .map(|_| ())
}

/// What one registry is still asked in one sweep.
struct Patience {
    requests: usize,
    failures: usize,
    until: Option<Timestamp>,
}

impl Patience {
    fn is_at_an_end(&self) -> bool {
        self.requests == 0 || self.failures >= FAILURES || self.until.is_some()
    }

    fn reason(&self, registry: &str) -> String {
        match self.until {
            Some(until) => format!("{registry} asks to be left alone until {}", crate::proposal::minute(until)),
            None if self.requests == 0 => format!("{registry} was asked often enough for one sweep"),
            None => format!("{registry} did not answer {FAILURES} times in a row"),
        }
    }
}

/// Takes the repositories that are no longer configured from the watchers of their images.
async fn forget(outside: Outside<'_>) -> Result<Vec<RepositoryId>, StoreError> {
    let configured: BTreeSet<Key> = outside.repositories.iter().map(Key::index).collect();
    let mut forgotten = Vec::new();
    for key in outside.objects.list(&Key::repositories()).await? {
        if !key.is_index() || configured.contains(&key) {
            continue;
        }
        let Some(index) = store::load::<Index>(outside.objects, &key).await? else { continue };
        for image in &index.value.images {
            store::update::<Watchers>(outside.objects, &Key::watchers(image), outside.writer, |watchers| {
                let mut watchers = watchers?;
                watchers.repositories.remove(&index.value.repository).then_some(watchers)
            })
            .await?;
        }
        // Last: whoever dies before it begins again. What was proposed and held is kept, in case it comes back.
        outside.objects.delete(&key).await?;
        forgotten.push(index.value.repository);
    }
    Ok(forgotten)
}
