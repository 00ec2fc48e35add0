//! One image: reading its list of tags page by page, and what a complete one says.
//!
//! Half a list says nothing. A whole one is evidence of the tags in it. That a tag is gone needs three witnesses: the
//! list lacks it, the list is not suddenly much shorter than the one before, and the registry answers 404 when it is
//! asked for that very tag. A refusal or a silence is no witness.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::records::{Accepted, Asking, Doubted, Listing, Reading};
use super::{Outside, Report};
use crate::flow::{Error, ledgers};
use crate::image::{ImageName, Tag};
use crate::keys::Key;
use crate::ledger::{Ledger, News};
use crate::proposal::minute;
use crate::seams::{RegistryError, StoreError};
use crate::store;

/// How far one sweep got with an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// As far as there is to go.
    Done,
    /// As far as it may go at once.
    Unfinished,
}

/// Of a listing that has fewer than so many of a hundred tags of the one before, nothing is believed at once.
const ENOUGH: usize = 80;

/// Two listings that lack the same are believed if there is so much time between them.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_hours(1);

/// A registry's list may lag behind its pushes: what was pushed so shortly before is not missed in it.
const LAG: SignedDuration = SignedDuration::from_mins(10);

/// A reading that takes longer than this begins anew: it would mix too different times.
const OLDEST: SignedDuration = SignedDuration::from_hours(24);

/// So many pages are read before they are written down: what a killed sweep has to read again.
const PAGES: usize = 25;

/// A list with more pages has no end.
const ENDLESS: usize = 10_000;

/// Reads on where the last sweep stopped, as far as `requests` reach.
pub(super) async fn go_on(
    outside: Outside<'_>,
    image: &ImageName,
    requests: &mut usize,
    report: &mut Report,
    now: Timestamp,
) -> Result<Progress, Error> {
    let key = Key::listing(image);
    let loaded = store::load::<Listing>(outside.objects, &key).await?;
    let mut listing = loaded.map(|loaded| loaded.value).unwrap_or_default();
    if listing.asking.is_some() {
        return ask(outside, image, listing, requests, report).await;
    }
    let reading = listing.reading.take().filter(|reading| now.duration_since(reading.since) < OLDEST);
    let fresh = || Reading { since: now, next: None, pages: 0, tags: BTreeSet::new() };
    let mut reading = reading.unwrap_or_else(fresh);
    let resumed_at = reading.pages;
    loop {
        if *requests == 0 {
            let so_far = format!("{} tags were read so far", reading.tags.len());
            report.unfinished.push((image.clone(), so_far));
            save(outside, &key, Listing { reading: Some(reading), ..listing }).await?;
            return Ok(Progress::Unfinished);
        }
        *requests -= 1;
        match outside.registry.page(image, reading.next.as_deref()).await {
            Ok(page) => {
                reading.pages += 1;
                reading.tags.extend(page.tags);
                reading.next = page.next;
            }
            Err(error) => {
                // Nowhere to go on from after a refusal, or where the place to go on from leads nowhere: begin anew.
                let busy = matches!(error, RegistryError::Unavailable { wait: Some(_), .. });
                let keep = busy || reading.pages > resumed_at && matches!(error, RegistryError::Unavailable { .. });
                let reading = Some(reading).filter(|reading| keep && reading.pages > 0);
                if reading.is_some() || resumed_at > 0 {
                    save(outside, &key, Listing { reading, ..listing }).await?;
                }
                return Err(error.into());
            }
        }
        if reading.next.is_none() {
            return complete(outside, image, listing, reading, requests, report, now).await;
        }
        if reading.pages >= ENDLESS {
            save(outside, &key, listing).await?;
            let reason = format!("its tag list has no end: {ENDLESS} pages were read");
            return Err(RegistryError::Refused { registry: image.registry().to_owned(), reason }.into());
        }
        if reading.pages.is_multiple_of(PAGES) {
            save(outside, &key, Listing { reading: Some(reading.clone()), ..listing.clone() }).await?;
        }
    }
}

async fn complete(
    outside: Outside<'_>,
    image: &ImageName,
    listing: Listing,
    reading: Reading,
    requests: &mut usize,
    report: &mut Report,
    now: Timestamp,
) -> Result<Progress, Error> {
    let Reading { since, tags, .. } = reading;
    let ledger = ledgers::read(outside.objects, image, outside.writer).await?;
    let before = listing.accepted.as_ref().map_or_else(|| ledger.live().count(), |accepted| accepted.tags);
    if tags.len() * 100 < before * ENOUGH
        && let Some(doubted) = doubt(&listing, &ledger, &tags, since)
    {
        let how = format!(
            "its list has {} tags where {before} were known; nothing is concluded from it until another one lacks the \
             same, an hour after {} or later",
            tags.len(),
            minute(doubted.since)
        );
        report.doubted.push((image.clone(), how));
        save(outside, &Key::listing(image), Listing { doubted: Some(doubted), reading: None, ..listing }).await?;
        return Ok(Progress::Done);
    }
    let count = tags.len();
    let lag = since.checked_sub(LAG).unwrap_or(since);
    let missing = ledger.missing_from(&tags, lag);
    let missed = record(outside, image, &ledger, tags, since, now).await?;
    report.missed.push((image.clone(), missed));
    let listing = Listing {
        accepted: Some(Accepted { since, tags: count }),
        asking: Some(Asking { since, tags: missing }).filter(|asking| !asking.tags.is_empty()),
        ..Listing::default()
    };
    if listing.asking.is_some() {
        return ask(outside, image, listing, requests, report).await;
    }
    save(outside, &Key::listing(image), listing).await?;
    Ok(Progress::Done)
}

/// The listing to wait with, if this one is not to be believed yet: the first of those that lack the same.
fn doubt(listing: &Listing, ledger: &Ledger, tags: &BTreeSet<Tag>, since: Timestamp) -> Option<Doubted> {
    let this = || Doubted { since, tags: tags.clone() };
    let Some(first) = &listing.doubted else { return Some(this()) };
    // What the first one lacked has not come back, except by a push; and not much more is lacking now.
    let came_back = |tag: &&Tag| {
        let known = ledger.get(tag.as_str());
        !first.tags.contains(*tag) && known.and_then(|entry| entry.seen()).is_some_and(|seen| seen < first.since)
    };
    let agree = tags.iter().find(came_back).is_none() && tags.len() * 100 >= first.tags.len() * ENOUGH;
    match agree {
        true if since.duration_since(first.since) >= AGAIN_AFTER => None,
        true => Some(first.clone()),
        false => Some(this()),
    }
}

/// Records what a listing brought; the tags that a delivery should have brought.
async fn record(
    outside: Outside<'_>,
    image: &ImageName,
    ledger: &Ledger,
    tags: BTreeSet<Tag>,
    since: Timestamp,
    now: Timestamp,
) -> Result<Vec<Tag>, StoreError> {
    // What was deleted while the list was read may still stand in it.
    let there = tags.into_iter().filter(|tag| !ledger.deleted_since(tag.as_str(), since));
    let news = News::listed(there.collect(), ledger, now);
    let News::Listed { tags: new, .. } = &news else { return Ok(Vec::new()) };
    if !new.is_empty() || ledger.listed().is_none() {
        ledgers::record(outside.objects, image, &news, outside.writer).await?;
    }
    // Before the first listing nobody was there to be told.
    Ok(if ledger.listed().is_some() { new.clone() } else { Vec::new() })
}

/// Asks for the tags that an accepted listing lacked, one by one, as far as `requests` reach.
async fn ask(
    outside: Outside<'_>,
    image: &ImageName,
    mut listing: Listing,
    requests: &mut usize,
    report: &mut Report,
) -> Result<Progress, Error> {
    let Some(mut asking) = listing.asking.take() else { return Ok(Progress::Done) };
    let mut gone = Vec::new();
    let mut failed = None;
    while *requests > 0
        && let Some(tag) = asking.tags.first().cloned()
    {
        *requests -= 1;
        match outside.registry.digest(image, &tag).await {
            Ok(None) => gone.push(tag.clone()),
            // It is there after all: the list is out of step.
            Ok(Some(_)) => {}
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
        asking.tags.remove(&tag);
    }
    if !gone.is_empty() {
        let news = News::Gone { tags: gone.clone(), at: asking.since };
        ledgers::record(outside.objects, image, &news, outside.writer).await?;
        report.gone.push((image.clone(), gone));
    }
    let left = asking.tags.len();
    listing.asking = Some(asking).filter(|asking| !asking.tags.is_empty());
    // A registry that will not say is asked again with the next listing, not before.
    if matches!(failed, Some(RegistryError::Refused { .. })) {
        listing.asking = None;
    }
    save(outside, &Key::listing(image), listing).await?;
    match failed {
        Some(error) => Err(error.into()),
        None if left > 0 => {
            report
                .unfinished
                .push((image.clone(), format!("{left} tags that its list lacks are still to be asked for")));
            Ok(Progress::Unfinished)
        }
        None => Ok(Progress::Done),
    }
}

async fn save(outside: Outside<'_>, key: &Key, listing: Listing) -> Result<(), StoreError> {
    store::update::<Listing>(outside.objects, key, outside.writer, |before| {
        (before.as_ref() != Some(&listing)).then(|| listing.clone())
    })
    .await
    .map(|_| ())
}
