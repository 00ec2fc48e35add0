//! An object store and a queue in memory.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use async_trait::async_trait;
use ring::digest::{SHA256, digest};

use crate::keys::Key;
use crate::seams::{Expected, Object, Objects, Poke, Pokes, StoreError, Version};

/// How a store fails once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The next operation, whatever it is, finds the store unavailable.
    Unavailable,
    /// The next operation, whatever it is, is refused.
    Refused,
    /// The next put meets another writer who left no trace, as when two requests meet inside S3 (409).
    Conflict,
    /// The next put is preceded by another writer's, who puts these bytes under the same key.
    Overtaken(Vec<u8>),
    /// The next put happens, and its answer is lost.
    AnswerLost,
}

impl Fault {
    fn concerns_only_puts(&self) -> bool {
        match self {
            Self::Unavailable | Self::Refused => false,
            Self::Conflict | Self::Overtaken(_) | Self::AnswerLost => true,
        }
    }
}

/// An object store in memory: the etag is a hash of the contents, as on S3, so A → B → A looks unchanged.
#[derive(Debug, Default)]
pub struct Memory {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<String, Vec<u8>>,
    faults: VecDeque<Fault>,
    operations: Vec<String>,
}

impl Memory {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets one operation fail: the next that the fault concerns. Faults come in the order in which they were set.
    pub fn fail_next(&self, fault: Fault) {
        self.state().faults.push_back(fault);
    }

    /// What is stored under a key, without counting as an operation.
    pub fn look(&self, key: &Key) -> Option<Vec<u8>> {
        self.state().objects.get(key.as_str()).cloned()
    }

    /// Everything that is stored, as text.
    pub fn contents(&self) -> BTreeMap<String, String> {
        let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
        self.state().objects.iter().map(|(key, bytes)| (key.clone(), text(bytes))).collect()
    }

    /// The operations since the last call, in order: `get images/…/ledger.json`.
    pub fn operations(&self) -> Vec<String> {
        std::mem::take(&mut self.state().operations)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets other futures run between any two operations, then notes the operation and takes the fault that is due.
    async fn begin(&self, verb: &str, key: &Key) -> (MutexGuard<'_, State>, Option<Fault>) {
        Yield(false).await;
        let mut state = self.state();
        state.operations.push(format!("{verb} {key}"));
        let due = state.faults.front().is_some_and(|fault| verb == "put" || !fault.concerns_only_puts());
        let fault = if due { state.faults.pop_front() } else { None };
        (state, fault)
    }
}

fn version(bytes: &[u8]) -> Version {
    let hash: String = digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    Version(format!("\"{hash}\""))
}

fn fail(fault: Option<&Fault>) -> Result<(), StoreError> {
    match fault {
        Some(Fault::Unavailable) => Err(StoreError::Unavailable("503 Slow Down".to_owned())),
        Some(Fault::Refused) => Err(StoreError::Refused("403 Access Denied".to_owned())),
        _ => Ok(()),
    }
}

#[async_trait]
impl Objects for Memory {
    async fn get(&self, key: &Key) -> Result<Option<Object>, StoreError> {
        let (state, fault) = self.begin("get", key).await;
        fail(fault.as_ref())?;
        let object = |bytes: &Vec<u8>| Object { bytes: bytes.clone(), version: version(bytes) };
        Ok(state.objects.get(key.as_str()).map(object))
    }

    async fn put(&self, key: &Key, bytes: Vec<u8>, expected: Expected<'_>) -> Result<Version, StoreError> {
        let (mut state, fault) = self.begin("put", key).await;
        fail(fault.as_ref())?;
        let conflict = || StoreError::Conflict(key.clone());
        match &fault {
            Some(Fault::Conflict) => return Err(conflict()),
            Some(Fault::Overtaken(others)) => {
                state.objects.insert(key.as_str().to_owned(), others.clone());
            }
            _ => {}
        }
        let present = state.objects.get(key.as_str()).map(|bytes| version(bytes));
        match expected {
            Expected::Absent if present.is_some() => return Err(conflict()),
            Expected::Unchanged(version) if present.as_ref() != Some(version) => return Err(conflict()),
            Expected::Absent | Expected::Unchanged(_) | Expected::Anything => {}
        }
        let version = version(&bytes);
        state.objects.insert(key.as_str().to_owned(), bytes);
        if fault == Some(Fault::AnswerLost) {
            return Err(StoreError::Unavailable("the connection was closed before the answer".to_owned()));
        }
        Ok(version)
    }

    async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        let (mut state, fault) = self.begin("delete", key).await;
        fail(fault.as_ref())?;
        state.objects.remove(key.as_str());
        Ok(())
    }

    async fn list(&self, prefix: &Key) -> Result<Vec<Key>, StoreError> {
        let (state, fault) = self.begin("list", prefix).await;
        fail(fault.as_ref())?;
        let keys = state.objects.range(prefix.as_str().to_owned()..).map(|(key, _)| key);
        let below = keys.take_while(|key| key.starts_with(prefix.as_str()));
        Ok(below.map(|key| Key::listed(key.clone())).collect())
    }

    async fn pause(&self, _attempt: u32) {
        Yield(false).await;
    }
}

/// Pending once, so that every other future of the same task gets its turn.
struct Yield(bool);

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// A queue that keeps the pokes it was given.
#[derive(Debug, Default)]
pub struct Outbox {
    state: Mutex<(Vec<Poke>, VecDeque<StoreError>)>,
}

impl Outbox {
    /// An empty queue.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets the next poke fail.
    pub fn fail_next(&self, error: StoreError) {
        self.state().1.push_back(error);
    }

    /// The pokes since the last call, in order, repeated ones as often as they came.
    pub fn take(&self) -> Vec<Poke> {
        std::mem::take(&mut self.state().0)
    }

    fn state(&self) -> MutexGuard<'_, (Vec<Poke>, VecDeque<StoreError>)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Pokes for Outbox {
    async fn send(&self, poke: &Poke) -> Result<(), StoreError> {
        let mut state = self.state();
        if let Some(error) = state.1.pop_front() {
            return Err(error);
        }
        state.0.push(poke.clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_an_object_store() {
        pollster::block_on(crate::testing::conformance::objects(&Memory::new()));
    }

    /// How servers get conditional writes wrong: some ignore the headers, some look first and write later.
    struct Careless {
        store: Memory,
        looks: bool,
    }

    #[async_trait]
    impl Objects for Careless {
        async fn get(&self, key: &Key) -> Result<Option<Object>, StoreError> {
            self.store.get(key).await
        }

        async fn put(&self, key: &Key, bytes: Vec<u8>, expected: Expected<'_>) -> Result<Version, StoreError> {
            let present = self.store.get(key).await?.map(|object| object.version);
            let holds = match expected {
                Expected::Absent => present.is_none(),
                Expected::Unchanged(version) => present.as_ref() == Some(version),
                Expected::Anything => true,
            };
            if self.looks && !holds {
                return Err(StoreError::Conflict(key.clone()));
            }
            self.store.put(key, bytes, Expected::Anything).await
        }

        async fn delete(&self, key: &Key) -> Result<(), StoreError> {
            self.store.delete(key).await
        }

        async fn list(&self, prefix: &Key) -> Result<Vec<Key>, StoreError> {
            self.store.list(prefix).await
        }

        async fn pause(&self, attempt: u32) {
            self.store.pause(attempt).await;
        }
    }

    #[test]
    #[should_panic(expected = "must be a conflict")]
    fn a_store_that_ignores_what_is_expected_does_not_pass() {
        let careless = Careless { store: Memory::new(), looks: false };
        pollster::block_on(crate::testing::conformance::objects(&careless));
    }

    #[test]
    #[should_panic(expected = "was created by")]
    fn a_store_that_looks_first_and_writes_later_does_not_pass() {
        let careless = Careless { store: Memory::new(), looks: true };
        pollster::block_on(crate::testing::conformance::objects(&careless));
    }

    #[test]
    fn a_fault_waits_for_the_operation_that_it_concerns() {
        pollster::block_on(async {
            let (store, key) = (Memory::new(), Key::listed("a.json".to_owned()));
            store.fail_next(Fault::AnswerLost);
            assert_eq!(store.get(&key).await.unwrap(), None);
            let lost = store.put(&key, b"1".to_vec(), Expected::Absent).await;
            assert!(matches!(lost, Err(StoreError::Unavailable(_))), "{lost:?}");
            assert_eq!(store.look(&key).as_deref(), Some(b"1".as_slice()));
            assert_eq!(store.operations(), ["get a.json", "put a.json"]);
        });
    }
}
