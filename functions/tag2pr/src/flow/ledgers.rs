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

/// The second format knows what is gone: who does not would bring it back to life.
impl Stored for Ledger {
    const FORMAT: u32 = 3;
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
        let is_all = portion.len() == keys.len();
        let folded = match keys.len() >= FOLD_AT {
            true => fold(objects, image, portion, &gathered, writer).await?,
            false => None,
        };
        match folded {
            Some(ledger) if is_all => return Ok(ledger),
            Some(_) => {}
            None if is_all => {
                let snapshot = store::load::<Ledger>(objects, &Key::ledger(image)).await?;
                let mut ledger = snapshot.map(|loaded| loaded.value).unwrap_or_default();
                gathered.iter().for_each(|news| ledger.merge(news));
                return Ok(ledger);
            }
            None => return Err(StoreError::Conflict(Key::ledger(image))),
        }
    }
}

/// Folds pushes into the snapshot (`None`: somebody else does), and removes them only when the snapshot that holds them is durable.
async fn fold(
    objects: &dyn Objects,
    image: &ImageName,
    keys: &[Key],
    gathered: &[News],
    writer: &str,
) -> Result<Option<Ledger>, StoreError> {
    let folded = store::update::<Ledger>(objects, &Key::ledger(image), writer, |snapshot| {
        let mut ledger = snapshot.unwrap_or_default();
        gathered.iter().for_each(|news| ledger.merge(news));
        Some(ledger)
    })
    .await;
    match folded {
        Ok(Updated::Written(written)) => {
            for key in keys {
                objects.delete(key).await?;
            }
            Ok(Some(written.value))
        }
        // Somebody else folds: the pushes are still there, and still count.
        Ok(Updated::Unchanged) | Err(StoreError::Conflict(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::ledger::Push;
    use crate::testing::memory::Memory;

    #[test]
    fn more_pushes_than_one_portion_are_all_read_and_folded() {
        let (store, image) = (Memory::default(), "ghcr.io/acme/web".parse().unwrap());
        let many = 2 * PORTION + 7;
        pollster::block_on(async {
            for second in 0..many {
                let at = jiff::Timestamp::from_second(1_760_000_000 + second as i64).unwrap();
                let news = News::Pushed(Push {
                    tag: format!("build-{second}").parse().unwrap(),
                    digest: None,
                    pushed_at: Some(at),
                    received_at: at,
                    delivery: "delivery".to_owned(),
                    event: None,
                    source: "hub".to_owned(),
                    actor: None,
                });
                assert!(record(&store, &image, &news, "test").await.unwrap());
            }
            let ledger = read(&store, &image, "test").await.unwrap();
            assert_eq!(ledger.live().count(), many);
            let left = store.list(&Key::pushes(&image)).await.unwrap();
            assert!(left.len() < FOLD_AT, "{} pushes are left", left.len());
            assert_eq!(read(&store, &image, "test").await.unwrap(), ledger, "what was folded is in the snapshot");
        });
    }
}
