//! Reading what the store remembers of how things stand.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::{try_join, try_join4};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};

use super::lease::Lease;
use super::ledgers;
use super::propose::Holds;
use super::receive::Delivery;
use crate::config::Config;
use crate::delivery::Sender;
use crate::due::Due;
use crate::image::ImageName;
use crate::keys::Key;
use crate::ledger::Ledger;
use crate::seams::{Objects, RepositoryId, StoreError};
use crate::status::{Found, OfRepository, Pass, REMEMBERED, Refusals, Remembered};
use crate::store::{self, Stored};

/// So many of the newest deliveries are read.
const DELIVERIES: usize = 100;

/// So many repositories are read at the same time, and so many deliveries.
const AT_ONCE: usize = 16;

/// Reads everything that is remembered: a few small objects for each repository, the ledgers of the images that policies
/// name, unless a look has just read them, and the newest deliveries.
///
/// # Errors
///
/// Those of the store.
pub async fn read(
    objects: &dyn Objects,
    config: &Config,
    repositories: &[RepositoryId],
    at_hand: BTreeMap<ImageName, Ledger>,
    writer: &str,
    now: Timestamp,
) -> Result<Remembered, StoreError> {
    let kind = |sender: Option<Sender>| sender.map_or("auto", Sender::as_str).to_owned();
    let each = repositories.iter().map(|id| of_repository(objects, id.clone()));
    let each: Vec<_> = each.collect();
    let (refusals, found, (deliveries, deliveries_in_all), all) = try_join4(
        load::<Refusals>(objects, Key::refusals()),
        load::<Found>(objects, Key::found()),
        deliveries(objects, now),
        stream::iter(each).buffered(AT_ONCE).try_collect::<Vec<_>>(),
    )
    .await?;
    let mut remembered = Remembered {
        sources: config.sources.iter().map(|(name, source)| (name.clone(), kind(source.sender))).collect(),
        refusals: refusals.unwrap_or_default(),
        found: found.unwrap_or_default(),
        ledgers: at_hand,
        deliveries,
        deliveries_in_all,
        ..Remembered::default()
    };
    for one in all {
        let named = one.pass.iter().flat_map(|pass| &pass.policies).filter_map(|policy| policy.known_as.clone());
        let named: BTreeSet<ImageName> = named.filter(|image| !remembered.ledgers.contains_key(image)).collect();
        for image in named {
            match ledgers::read(objects, &image, writer).await {
                Ok(ledger) => {
                    remembered.ledgers.insert(image, ledger);
                }
                // So many pushes came in that they must be folded first, and that is done by whoever proposes.
                Err(StoreError::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
        }
        remembered.repositories.push(one);
    }
    Ok(remembered)
}

async fn of_repository(objects: &dyn Objects, id: RepositoryId) -> Result<OfRepository, StoreError> {
    let (pass, holds, due, lease) = try_join4(
        load::<Pass>(objects, Key::pass(&id)),
        load::<Holds>(objects, Key::holds(&id)),
        load::<Due>(objects, Key::due(&id)),
        load::<Lease>(objects, Key::lease(&id)),
    )
    .await?;
    Ok(OfRepository {
        id,
        pass,
        holds: holds.unwrap_or_default(),
        due: due.unwrap_or_default(),
        looked_at: lease.and_then(|lease| lease.worked_at),
    })
}

async fn load<T: Stored>(objects: &dyn Objects, key: Key) -> Result<Option<T>, StoreError> {
    Ok(store::load::<T>(objects, &key).await?.map(|loaded| loaded.value))
}

/// The newest deliveries of the last day, and how many there are.
async fn deliveries(objects: &dyn Objects, now: Timestamp) -> Result<(Vec<Delivery>, usize), StoreError> {
    let since = now.checked_sub(REMEMBERED).unwrap_or(now);
    let mut keys = Vec::new();
    let yesterday = now.checked_sub(SignedDuration::from_hours(24)).unwrap_or(now);
    let (yesterday, today) = (Key::deliveries_on(yesterday), Key::deliveries_on(now));
    let (before, after) = try_join(objects.list(&yesterday), objects.list(&today)).await?;
    keys.extend(before);
    keys.extend(after);
    keys.dedup();
    // Their names begin with the time.
    let first = format!("{:012x}", since.as_millisecond());
    keys.retain(|key| key.stem() >= first.as_str());
    let in_all = keys.len();
    let newest: Vec<Key> = keys.into_iter().rev().take(DELIVERIES).collect();
    let load = move |key: Key| async move { store::load::<Delivery>(objects, &key).await };
    let read = stream::iter(newest).map(load).buffered(AT_ONCE);
    let read: Vec<Option<store::Loaded<Delivery>>> = read.try_collect().await?;
    Ok((read.into_iter().flatten().map(|loaded| loaded.value).collect(), in_all))
}
