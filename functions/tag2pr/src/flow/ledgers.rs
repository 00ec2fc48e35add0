//! Reading a ledger: the folded snapshot and the pushes that are not in it yet.

use crate::image::ImageName;
use crate::keys::Key;
use crate::ledger::{Ledger, News};
use crate::seams::{Objects, StoreError};
use crate::store::{self, Stored, Updated};

/// So many pushes are read one by one before somebody folds them into the snapshot.
const FOLD_AT: usize = 32;

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
    'again: loop {
        let keys = objects.list(&Key::pushes(image)).await?;
        let mut ledger =
            store::load::<Ledger>(objects, &Key::ledger(image)).await?.map(|loaded| loaded.value).unwrap_or_default();
        let mut gathered = Vec::with_capacity(keys.len());
        for key in &keys {
            match store::load::<News>(objects, key).await? {
                Some(loaded) => gathered.push(loaded.value),
                None => continue 'again,
            }
        }
        gathered.iter().for_each(|news| ledger.merge(news));
        if keys.len() >= FOLD_AT {
            fold(objects, image, &keys, &gathered, writer).await?;
        }
        return Ok(ledger);
    }
}

/// Folds pushes into the snapshot, and removes them only when the snapshot that holds them is durable.
async fn fold(
    objects: &dyn Objects,
    image: &ImageName,
    keys: &[Key],
    gathered: &[News],
    writer: &str,
) -> Result<(), StoreError> {
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
            Ok(())
        }
        // Somebody else folds: the pushes are still there, and still count.
        Err(StoreError::Conflict(_)) => Ok(()),
        Err(error) => Err(error),
    }
}
