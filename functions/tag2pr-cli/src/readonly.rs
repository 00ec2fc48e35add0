//! A store that is looked at and left as it is: a dry run sees through this, and so cannot write.

use async_trait::async_trait;
use tag2pr::keys::Key;
use tag2pr::seams::{Expected, Object, Objects, StoreError, Version};

/// Reads as the store does. Every write loses a race against somebody who is never there.
pub struct ReadOnly<'a>(pub &'a dyn Objects);

#[async_trait]
impl Objects for ReadOnly<'_> {
    async fn get(&self, key: &Key) -> Result<Option<Object>, StoreError> {
        self.0.get(key).await
    }

    async fn put(&self, key: &Key, _: Vec<u8>, _: Expected<'_>) -> Result<Version, StoreError> {
        Err(StoreError::Conflict(key.clone()))
    }

    async fn delete(&self, _: &Key) -> Result<(), StoreError> {
        Ok(())
    }

    async fn list(&self, prefix: &Key) -> Result<Vec<Key>, StoreError> {
        self.0.list(prefix).await
    }

    async fn pause(&self, _: u32) {}
}
