//! The keys of those who issue identity tokens, read once and kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::lock::Mutex;
use jiff::{SignedDuration, Timestamp};

use crate::jwt::Keys;
use crate::seams::{KeySets, KeysUnavailable};

/// A key that is not among those that are kept: issuers change theirs, and anybody can write any name into a token. So
/// often at most it is looked for anew.
const UNKNOWN: SignedDuration = SignedDuration::from_mins(1);

/// What an issuer took back is believed for so long at most, while the issuer answers.
const KNOWN: SignedDuration = SignedDuration::from_hours(1);

/// And for so long if it does not.
const OLDEST: SignedDuration = SignedDuration::from_hours(24);

/// Reads keys, and keeps them.
pub struct Issuers {
    published: Arc<dyn KeySets>,
    kept: Mutex<BTreeMap<String, Kept>>,
}

struct Kept {
    keys: Arc<Keys>,
    read: Timestamp,
    asked: Timestamp,
}

impl Issuers {
    /// Knows no key yet.
    pub fn new(published: Arc<dyn KeySets>) -> Self {
        Self { published, kept: Mutex::default() }
    }

    /// The keys that are published at an address; `wanted` is the id of the one that is looked for, and may still not be
    /// among them.
    ///
    /// # Errors
    ///
    /// When they were never read, or not for a day, and cannot be now.
    pub async fn keys(&self, address: &str, wanted: &str, now: Timestamp) -> Result<Arc<Keys>, KeysUnavailable> {
        // One asks; who comes meanwhile waits for the same answer.
        let mut kept = self.kept.lock().await;
        if let Some(kept) = kept.get(address) {
            let long_enough = if kept.keys.has(wanted) { KNOWN } else { UNKNOWN };
            if now.duration_since(kept.asked) < long_enough {
                return Ok(Arc::clone(&kept.keys));
            }
        }
        let unusable = |reason| KeysUnavailable { address: address.to_owned(), reason };
        let read = self.published.read(address).await.and_then(|bytes| Keys::read(&bytes).map_err(unusable));
        match (read, kept.get_mut(address)) {
            (Ok(keys), _) => {
                let keys = Arc::new(keys);
                kept.insert(address.to_owned(), Kept { keys: Arc::clone(&keys), read: now, asked: now });
                Ok(keys)
            }
            (Err(_), Some(kept)) if now.duration_since(kept.read) < OLDEST => {
                kept.asked = now;
                Ok(Arc::clone(&kept.keys))
            }
            (Err(error), _) => Err(error),
        }
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::testing::key_sets::FakeKeySets;

    const AT: &str = "https://issuer.example/keys";
    const KEYS: &str = include_str!("../../../../events/identity-keys.json");

    struct Asking {
        published: Arc<FakeKeySets>,
        issuers: Issuers,
        now: Timestamp,
    }

    impl Asking {
        fn new() -> Self {
            let published = Arc::new(FakeKeySets::default());
            let issuers = Issuers::new(Arc::<FakeKeySets>::clone(&published));
            Self { published, issuers, now: "2026-02-06T16:42:03Z".parse().unwrap() }
        }

        /// Whether the key is found, and how often the issuer has been asked until now.
        fn ask(&self, wanted: &str) -> (Option<bool>, usize) {
            let keys = pollster::block_on(self.issuers.keys(AT, wanted, self.now));
            (keys.ok().map(|keys| keys.has(wanted)), self.published.asked())
        }

        fn wait(&mut self, time: SignedDuration) {
            self.now = self.now.checked_add(time).unwrap();
        }
    }

    #[test]
    fn keys_are_read_once_and_again_after_an_hour() {
        let mut asking = Asking::new();
        asking.published.publish(AT, KEYS);
        assert_eq!(asking.ask("tag2pr-test-key"), (Some(true), 1));
        asking.wait(SignedDuration::from_mins(59));
        assert_eq!(asking.ask("tag2pr-test-key"), (Some(true), 1));
        asking.wait(SignedDuration::from_mins(1));
        assert_eq!(asking.ask("tag2pr-test-key"), (Some(true), 2));
    }

    #[test]
    fn an_unknown_key_is_looked_for_at_most_once_a_minute() {
        let mut asking = Asking::new();
        asking.published.publish(AT, KEYS);
        assert_eq!(asking.ask("next"), (Some(false), 1));
        for other in ["next", "a", "b"] {
            assert_eq!(asking.ask(other), (Some(false), 1));
        }
        asking.published.publish(AT, &KEYS.replace("tag2pr-test-key", "next"));
        asking.wait(SignedDuration::from_secs(59));
        assert_eq!(asking.ask("next"), (Some(false), 1));
        asking.wait(SignedDuration::from_secs(1));
        assert_eq!(asking.ask("next"), (Some(true), 2));
        assert_eq!(asking.ask("tag2pr-test-key"), (Some(false), 2), "what was taken back is gone");
    }

    #[test]
    fn an_issuer_that_is_away_is_believed_for_a_day() {
        let mut asking = Asking::new();
        assert_eq!(asking.ask("tag2pr-test-key"), (None, 1));
        asking.published.publish(AT, KEYS);
        assert_eq!(asking.ask("tag2pr-test-key"), (Some(true), 2));
        asking.published.publish(AT, "<html>we are sorry</html>");
        asking.wait(SignedDuration::from_hours(2));
        assert_eq!(asking.ask("tag2pr-test-key"), (Some(true), 3));
        assert_eq!(asking.ask("tag2pr-test-key"), (Some(true), 3), "it is not asked for each delivery");
        asking.wait(SignedDuration::from_hours(22));
        assert_eq!(asking.ask("tag2pr-test-key"), (None, 4));
    }
}
