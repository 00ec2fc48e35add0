//! Key sets in memory.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;

use crate::seams::{KeySets, KeysUnavailable};

/// What issuers publish, by address.
#[derive(Default)]
pub struct FakeKeySets {
    published: Mutex<BTreeMap<String, String>>,
    asked: AtomicUsize,
}

impl FakeKeySets {
    /// Publishes something at an address, in place of what was there.
    pub fn publish(&self, address: &str, text: &str) {
        self.published.lock().unwrap().insert(address.to_owned(), text.to_owned());
    }

    /// How often anything was read.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl KeySets for FakeKeySets {
    async fn read(&self, address: &str) -> Result<Vec<u8>, KeysUnavailable> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let text = self.published.lock().unwrap().get(address).cloned();
        let text =
            text.ok_or_else(|| KeysUnavailable { address: address.to_owned(), reason: "not found".to_owned() })?;
        Ok(text.into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::conformance;

    #[test]
    fn keys_in_memory_are_a_place_where_keys_are_published() {
        let keys = FakeKeySets::default();
        let publish = |text: &str| keys.publish("https://issuer/keys", text);
        pollster::block_on(conformance::key_sets(&keys, "https://issuer/keys", "https://issuer/other", publish));
    }
}
