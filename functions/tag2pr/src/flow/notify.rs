//! Telling others what happened. Nothing waits for it, and nothing fails because of it: what could not be told is told after
//! the next look, or with the next sweep, for an hour.
//!
//! Who has been told is written down after they were, so a worker who dies in between tells them once more, with the same
//! id. One worker at a time tells of a repository: the one that has its lease.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::keys::Key;
use crate::notify::{NotTold, Target, untold};
use crate::seams::{Objects, RepositoryId, StoreError};
use crate::status::{Event, Found, Pass, Refusals};
use crate::store;

/// Who shall be told, and where what happened is remembered.
#[derive(Clone, Copy)]
pub struct Outside<'a> {
    /// Where what happened is remembered.
    pub objects: &'a dyn Objects,
    /// Who wants to know.
    pub targets: &'a [Box<dyn Target>],
    /// Names this call in what it writes.
    pub writer: &'a str,
}

/// So many are told at once: the rest comes with the next look.
const AT_ONCE: usize = 5;

/// Tells what happened to the proposals of one repository; who could not be told, and why.
///
/// # Errors
///
/// Those of the store.
pub async fn of_repository(
    outside: Outside<'_>,
    repository: &RepositoryId,
    now: Timestamp,
) -> Result<Vec<NotTold>, StoreError> {
    if outside.targets.is_empty() {
        return Ok(Vec::new());
    }
    let key = Key::pass(repository);
    let Some(pass) = store::load::<Pass>(outside.objects, &key).await? else { return Ok(Vec::new()) };
    let (told, failed) = tell(outside, pass.value.events, now).await;
    if !told.is_empty() {
        store::update::<Pass>(outside.objects, &key, outside.writer, |pass| {
            let mut pass = pass?;
            pass.events.iter_mut().for_each(|event| event.note(&told));
            Some(pass)
        })
        .await?;
    }
    Ok(failed)
}

/// Whether anything of a repository is still to be told.
///
/// # Errors
///
/// Those of the store.
pub async fn is_waiting(outside: Outside<'_>, repository: &RepositoryId, now: Timestamp) -> Result<bool, StoreError> {
    if outside.targets.is_empty() {
        return Ok(false);
    }
    let pass = store::load::<Pass>(outside.objects, &Key::pass(repository)).await?;
    let events = pass.map(|pass| pass.value.events).unwrap_or_default();
    Ok(outside.targets.iter().any(|target| untold(&events, &**target, now).next().is_some()))
}

/// Tells of refused deliveries and of images that cannot be listed.
///
/// # Errors
///
/// Those of the store.
pub async fn of_the_rest(outside: Outside<'_>, now: Timestamp) -> Result<Vec<NotTold>, StoreError> {
    if outside.targets.is_empty() {
        return Ok(Vec::new());
    }
    let refusals = store::load::<Refusals>(outside.objects, &Key::refusals()).await?;
    let news = refusals.map(|refusals| refusals.value.news()).unwrap_or_default();
    let (told, mut failed) = tell(outside, news.clone(), now).await;
    if !told.is_empty() {
        store::update::<Refusals>(outside.objects, &Key::refusals(), outside.writer, |refusals| {
            Some(refusals?.told(&news, &told))
        })
        .await?;
    }
    let found = store::load::<Found>(outside.objects, &Key::found()).await?;
    let news = found.map(|found| found.value.news()).unwrap_or_default();
    let (told, more) = tell(outside, news.clone(), now).await;
    if !told.is_empty() {
        store::update::<Found>(outside.objects, &Key::found(), outside.writer, |found| Some(found?.told(&news, &told)))
            .await?;
    }
    failed.extend(more);
    Ok(failed)
}

/// Which event was told to which target.
type Told = BTreeSet<(String, String)>;

/// Tells each target what it does not know. One that does not answer is left alone.
async fn tell(outside: Outside<'_>, events: Vec<Event>, now: Timestamp) -> (Told, Vec<NotTold>) {
    let (mut told, mut failed) = (Told::new(), Vec::new());
    for target in outside.targets {
        let news: Vec<Event> = untold(&events, &**target, now).take(AT_ONCE).cloned().collect();
        for event in news {
            match target.tell(&event, now).await {
                Ok(()) => {
                    told.insert((event.id, target.id().to_owned()));
                }
                Err(error) => {
                    failed.push(error);
                    break;
                }
            }
        }
    }
    (told, failed)
}
