//! The least of an object store and of a Git server that pull requests without a forge need.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tag2pr::keys::Key;
use tag2pr::seams::{
    CommitId, Expected, GitError, GitRepository, NewCommit, Object, Objects, Snapshot, StoreError, Version, Wanted,
};

/// Objects in memory.
#[derive(Default)]
pub(crate) struct Store(Mutex<Contents>);

#[derive(Default)]
struct Contents {
    objects: BTreeMap<Key, (Vec<u8>, u64)>,
    writes: u64,
    down: bool,
    answer_lost: bool,
    before_put: Option<Box<dyn FnOnce() + Send>>,
}

impl Store {
    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn down_once(&self) {
        self.contents().down = true;
    }

    pub(crate) fn put_answer_lost_once(&self) {
        self.contents().answer_lost = true;
    }

    /// Somebody else is faster than the next writer.
    pub(crate) fn before_next_put(&self, rival: impl FnOnce() + Send + 'static) {
        self.contents().before_put = Some(Box::new(rival));
    }

    fn reach(&self) -> Result<MutexGuard<'_, Contents>, StoreError> {
        let mut contents = self.contents();
        if std::mem::take(&mut contents.down) {
            return Err(StoreError::Unavailable("connection refused".to_owned()));
        }
        Ok(contents)
    }
}

#[async_trait]
impl Objects for Store {
    async fn get(&self, key: &Key) -> Result<Option<Object>, StoreError> {
        let contents = self.reach()?;
        let object = contents.objects.get(key).map(|(bytes, version)| (bytes.clone(), version.to_string()));
        Ok(object.map(|(bytes, version)| Object { bytes, version: Version(version) }))
    }

    async fn put(&self, key: &Key, bytes: Vec<u8>, expected: Expected<'_>) -> Result<Version, StoreError> {
        let rival = self.contents().before_put.take();
        if let Some(rival) = rival {
            rival();
        }
        let mut contents = self.reach()?;
        let there = contents.objects.get(key).map(|(_, version)| version.to_string());
        let holds = match expected {
            Expected::Absent => there.is_none(),
            Expected::Unchanged(version) => there.as_ref() == Some(&version.0),
            Expected::Anything => true,
        };
        if !holds {
            return Err(StoreError::Conflict(key.clone()));
        }
        contents.writes += 1;
        let version = contents.writes;
        contents.objects.insert(key.clone(), (bytes, version));
        if std::mem::take(&mut contents.answer_lost) {
            return Err(StoreError::Unavailable("connection reset".to_owned()));
        }
        Ok(Version(version.to_string()))
    }

    async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        self.reach()?.objects.remove(key);
        Ok(())
    }

    async fn list(&self, prefix: &Key) -> Result<Vec<Key>, StoreError> {
        let contents = self.reach()?;
        Ok(contents.objects.keys().filter(|key| key.as_str().starts_with(prefix.as_str())).cloned().collect())
    }

    async fn pause(&self, _: u32) {}
}

/// A Git server that knows where branches are.
#[derive(Default)]
pub(crate) struct Branches(Mutex<(BTreeMap<String, CommitId>, u64, bool)>);

impl Branches {
    /// Puts a new commit on a branch.
    pub(crate) fn push(&self, branch: &str) -> CommitId {
        let mut server = self.0.lock().unwrap();
        server.1 += 1;
        let commit = CommitId(format!("{:040x}", server.1));
        server.0.insert(branch.to_owned(), commit.clone());
        commit
    }

    pub(crate) fn down_once(&self) {
        self.0.lock().unwrap().2 = true;
    }
}

fn unavailable(reason: &str) -> GitError {
    GitError::Unavailable { url: "file:///srv/git/fleet.git".to_owned(), reason: reason.to_owned() }
}

#[async_trait]
impl GitRepository for Branches {
    async fn head(&self, branch: &str) -> Result<Option<CommitId>, GitError> {
        let mut server = self.0.lock().unwrap();
        if std::mem::take(&mut server.2) {
            return Err(unavailable("the disk is gone"));
        }
        Ok(server.0.get(branch).cloned())
    }

    async fn snapshot(&self, _: &str, _: Wanted<'_>) -> Result<Snapshot, GitError> {
        Err(unavailable("it has branches, and no files"))
    }

    async fn commit(&self, _: &NewCommit) -> Result<CommitId, GitError> {
        Err(unavailable("it has branches, and no files"))
    }

    async fn push(&self, _: &str, _: &CommitId, _: Option<&CommitId>) -> Result<(), GitError> {
        Err(unavailable("it has branches, and no files"))
    }
}
