//! Reading a ledger: the folded snapshot and the pushes that are not in it yet.

use crate::image::ImageName;
use crate::keys::Key;
use crate::ledger::{Ledger, News};
use crate::seams::{Objects, StoreError};
use crate::store::{self, Stored, Updated};

/// So many pushes are read one by one before somebody folds them into the snapshot.
const FOLD_AT: usize = 32;

/// So many are folded at once: an image that nobody followed may have gathered more than one call can read.
const PORTION: usize = 500;

/// How often somebody else may fold what is being read before that is too often.
const ATTEMPTS: u32 = 12;

impl Stored for News {
    const FORMAT: u32 = 1;
}

impl Stored for Ledger {
    const FORMAT: u32 = 1;
}

/// Writes one piece of evidence, durable when it returns; `false` if it was there already.
pub async fn record(objects: &dyn Objects, image: &ImageName, news: &News, writer: &str) -> Result<bool, StoreError> {
    store::create(objects, &Key::push(image, &news.id()), writer, news).await
}

/// All that is known of an image. Folds the pushes into the snapshot when many have gathered.
///
/// The pushes are listed before the snapshot is read: what another reader folds in between is then in the snapshot. A
/// listed push that is gone when it is read was folded meanwhile, so everything is read again.
pub async fn read(objects: &dyn Objects, image: &ImageName, writer: &str) -> Result<Ledger, StoreError> {
    let mut attempt = 0;
    'again: loop {
        let keys = objects.list(&Key::pushes(image)).await?;
        let snapshot = store::load::<Ledger>(objects, &Key::ledger(image)).await?;
        let mut ledger = snapshot.map(|loaded| loaded.value).unwrap_or_default();
        let portion = &keys[..keys.len().min(PORTION)];
        let mut gathered = Vec::with_capacity(portion.len());
        for key in portion {
            match store::load::<News>(objects, key).await? {
                Some(loaded) => gathered.push(loaded.value),
                None if attempt >= ATTEMPTS => return Err(StoreError::Conflict(key.clone())),
                None => {
                    objects.pause(attempt).await;
                    attempt += 1;
                    continue 'again;
                }
            }
        }
        gathered.iter().for_each(|news| ledger.merge(news));
        let folded = keys.len() >= FOLD_AT && fold(objects, image, portion, &gathered, writer).await?;
        if portion.len() == keys.len() {
            return Ok(ledger);
        }
        if !folded {
            return Err(StoreError::Conflict(Key::ledger(image)));
        }
    }
}

/// Folds pushes into the snapshot (`false`: somebody else does), and removes them only when the snapshot that holds them is durable.
async fn fold(
    objects: &dyn Objects,
    image: &ImageName,
    keys: &[Key],
    gathered: &[News],
    writer: &str,
) -> Result<bool, StoreError> {
    let folded = store::update::<Ledger>(objects, &Key::ledger(image), writer, |snapshot| {
        let before = snapshot.unwrap_or_default();
        let mut after = before.clone();
        gathered.iter().for_each(|news| after.merge(news));
        (after != before).then_some(after)
    })
    .await;
    match folded {
        Ok(Updated::Written(_) | Updated::Unchanged) => {
            for key in keys {
                objects.delete(key).await?;
            }
            Ok(true)
        }
        // Somebody else folds: the pushes are still there, and still count.
        Err(StoreError::Conflict(_)) => Ok(false),
        Err(error) => Err(error),
    }
}
