//! Objects that are written once are read once: deliveries, and pushes until they are folded.
//!
//! The status page tells of the newest deliveries after each look, and every look reads the pushes that are not in a ledger's snapshot
//! yet. A process that is warm reads of them only what is new.
//!
//! Whoever reads a push that was folded and removed meanwhile learns what the snapshot says as well: to merge it once more changes
//! nothing.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tag2pr::keys::Key;
use tag2pr::seams::{Expected, Object, Objects, StoreError, Version};

/// More bytes than that are not kept; a delivery has a few thousand.
const MOST: usize = 8 << 20;

/// A store of which what is written once is remembered.
pub(crate) struct WriteOnce<S> {
    store: S,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    objects: HashMap<Key, Object>,
    bytes: usize,
}

impl<S: Objects> WriteOnce<S> {
    /// Remembers nothing yet.
    pub(crate) fn of(store: S) -> Self {
        Self { store, kept: Mutex::default() }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn keep(&mut self, key: &Key, object: &Object) {
        if self.bytes + object.bytes.len() > MOST {
            *self = Self::default();
        }
        if object.bytes.len() <= MOST {
            self.forget(key);
            self.bytes += object.bytes.len();
            self.objects.insert(key.clone(), object.clone());
        }
    }

    fn forget(&mut self, key: &Key) {
        if let Some(object) = self.objects.remove(key) {
            self.bytes -= object.bytes.len();
        }
    }
}

#[async_trait]
impl<S: Objects> Objects for WriteOnce<S> {
    async fn get(&self, key: &Key) -> Result<Option<Object>, StoreError> {
        if !key.is_written_once() {
            return self.store.get(key).await;
        }
        let kept = self.kept().objects.get(key).cloned();
        if kept.is_some() {
            return Ok(kept);
        }
        let object = self.store.get(key).await?;
        object.iter().for_each(|object| self.kept().keep(key, object));
        Ok(object)
    }

    async fn put(&self, key: &Key, bytes: Vec<u8>, expected: Expected<'_>) -> Result<Version, StoreError> {
        self.kept().forget(key);
        self.store.put(key, bytes, expected).await
    }

    async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        self.kept().forget(key);
        self.store.delete(key).await
    }

    async fn list(&self, prefix: &Key) -> Result<Vec<Key>, StoreError> {
        self.store.list(prefix).await
    }

    async fn pause(&self, attempt: u32) {
        self.store.pause(attempt).await;
    }
}

#[cfg(test)]
mod tests {
    use tag2pr::image::ImageName;
    use tag2pr::testing::conformance;
    use tag2pr::testing::memory::Memory;

    use super::*;

    fn push() -> Key {
        let image: ImageName = "ghcr.io/acme/web".parse().unwrap();
        Key::push(&image, "01")
    }

    async fn read(store: &dyn Objects, key: &Key) -> Option<String> {
        store.get(key).await.unwrap().map(|object| String::from_utf8(object.bytes).unwrap())
    }

    #[tokio::test]
    async fn it_is_an_object_store() {
        conformance::objects(&WriteOnce::of(Memory::new())).await;
    }

    #[tokio::test]
    async fn what_is_written_once_is_asked_for_once_and_everything_else_each_time() {
        let store = WriteOnce::of(Memory::new());
        for key in [push(), Key::refusals()] {
            store.put(&key, b"first".to_vec(), Expected::Absent).await.unwrap();
            assert_eq!(read(&store, &key).await.as_deref(), Some("first"));
            // Behind its back: what is written once never changes, everything else does.
            store.store.put(&key, b"second".to_vec(), Expected::Anything).await.unwrap();
        }
        assert_eq!(read(&store, &push()).await.as_deref(), Some("first"));
        assert_eq!(read(&store, &Key::refusals()).await.as_deref(), Some("second"));
    }

    #[tokio::test]
    async fn what_was_removed_or_written_here_is_asked_for_again() {
        let store = WriteOnce::of(Memory::new());
        assert_eq!(read(&store, &push()).await, None);
        store.put(&push(), b"first".to_vec(), Expected::Absent).await.unwrap();
        assert_eq!(read(&store, &push()).await.as_deref(), Some("first"));
        store.delete(&push()).await.unwrap();
        assert_eq!(read(&store, &push()).await, None);
    }

    #[tokio::test]
    async fn it_remembers_no_more_than_a_few_megabytes() {
        let store = WriteOnce::of(Memory::new());
        let image: ImageName = "ghcr.io/acme/web".parse().unwrap();
        for number in 0..20 {
            let key = Key::push(&image, &number.to_string());
            store.put(&key, vec![b'x'; MOST / 8], Expected::Absent).await.unwrap();
            read(&store, &key).await.unwrap();
            assert!(store.kept().bytes <= MOST);
        }
        let huge = Key::push(&image, "huge");
        store.put(&huge, vec![b'x'; MOST + 1], Expected::Absent).await.unwrap();
        assert_eq!(read(&store, &huge).await.unwrap().len(), MOST + 1);
        assert!(store.kept().bytes <= MOST);
    }
}
