//! Changes, in batches: one writer at a time, under a file lock that holds between processes.
//!
//! Compare, write each new object beside the others in `.tag2pr/`, put them all on disk, rename them over the old ones,
//! put the directories on disk: only then is anybody told. What comes while a batch is on its way goes with the next one,
//! so that of a hundred writers none waits for a hundred trips to the disk.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tag2pr::keys::Key;
use tag2pr::seams::{StoreError, Version};
use tokio::sync::oneshot;

use super::disk::{self, Unsynced, failure, is_absent};
use super::{Files, PRIVATE};

/// Changes of one batch, at most: each has a file open.
const BATCH: usize = 128;

/// A change that somebody waits for.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) key: Key,
    pub(super) path: PathBuf,
    pub(super) what: What,
    pub(super) answer: oneshot::Sender<Result<(), StoreError>>,
}

impl Change {
    fn parent<'a>(&'a self, root: &'a Path) -> &'a Path {
        self.path.parent().unwrap_or(root)
    }

    /// An error if what this change needs on disk did not get there.
    fn after(&self, synced: &io::Result<()>) -> Result<(), StoreError> {
        match synced {
            Ok(()) => Ok(()),
            Err(error) => Err(failure(&self.path, error)),
        }
    }
}

#[derive(Debug)]
pub(super) enum What {
    Put {
        bytes: Vec<u8>,
        /// The version there must be, `Some(None)` for no object, `None` for anything.
        unchanged: Option<Option<Version>>,
    },
    Remove,
}

/// The changes that wait, and whether somebody is at work on them.
#[derive(Debug, Default)]
pub(super) struct Queue(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    changes: Vec<Change>,
    at_work: bool,
}

impl Queue {
    /// Whether nobody is at work, so that the one who adds this change has to see to it.
    pub(super) fn add(&self, change: Change) -> bool {
        let mut waiting = self.waiting();
        waiting.changes.push(change);
        !std::mem::replace(&mut waiting.at_work, true)
    }

    /// What can be made at once: one change of each object, so that none depends on how another goes.
    fn take(&self) -> Vec<Change> {
        let mut waiting = self.waiting();
        let mut keys = BTreeSet::new();
        let together = |change: &mut Change| keys.len() < BATCH && keys.insert(change.key.clone());
        let batch: Vec<_> = waiting.changes.extract_if(.., together).collect();
        waiting.at_work = !batch.is_empty();
        batch
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An object that is written and not in its place yet, or nothing where one has to go.
type Next = Option<PathBuf>;

impl Files {
    /// Makes the changes that wait, and those that come meanwhile.
    pub(super) fn work_off(&self) {
        loop {
            let batch = self.queue.take();
            if batch.is_empty() {
                return;
            }
            let results = self.make(&batch);
            for (change, result) in batch.into_iter().zip(results) {
                // Who has gone meanwhile does not want to know.
                let _ = change.answer.send(result);
            }
        }
    }

    fn make(&self, batch: &[Change]) -> Vec<Result<(), StoreError>> {
        let mut unsynced = Unsynced::default();
        let lock = self.root.join(PRIVATE).join("lock");
        let _lock = match unsynced.make(&self.root.join(PRIVATE)).and_then(|()| disk::lock(&lock)) {
            Ok(lock) => lock,
            Err(error) => return batch.iter().map(|_| Err(failure(&lock, &error))).collect(),
        };
        let numbered = batch.iter().enumerate();
        let prepared: Vec<_> = numbered.map(|(number, change)| self.prepare(number, change, &mut unsynced)).collect();
        let synced = unsynced.sync(&self.root);
        let prepared = batch.iter().zip(prepared);
        let placed: Vec<_> = prepared
            .map(|(change, next)| {
                let next = next?;
                change.after(&synced)?;
                self.place(change, next, &mut unsynced)
            })
            .collect();
        let synced = unsynced.sync(&self.root);
        batch.iter().zip(placed).map(|(change, placed)| placed.and_then(|()| change.after(&synced))).collect()
    }

    /// Compares, and writes what will be the object.
    fn prepare(&self, number: usize, change: &Change, unsynced: &mut Unsynced) -> Result<Next, StoreError> {
        let What::Put { bytes, unchanged } = &change.what else { return Ok(None) };
        if let Some(expected) = unchanged
            && self.read(&change.path)?.map(|object| object.version) != *expected
        {
            return Err(StoreError::Conflict(change.key.clone()));
        }
        let next = self.root.join(PRIVATE).join(format!("next-{number}"));
        unsynced.write(&next, bytes).map_err(|error| failure(&next, &error))?;
        unsynced.make(change.parent(&self.root)).map_err(|error| failure(&change.path, &error))?;
        Ok(Some(next))
    }

    /// Puts the new object in the place of the old one.
    fn place(&self, change: &Change, next: Next, unsynced: &mut Unsynced) -> Result<(), StoreError> {
        match next.map_or_else(|| fs::remove_file(&change.path), |next| fs::rename(next, &change.path)) {
            Ok(()) => unsynced.entries_of(change.parent(&self.root)),
            Err(error) if is_absent(&error) && matches!(change.what, What::Remove) => {}
            Err(error) => return Err(failure(&change.path, &error)),
        }
        Ok(())
    }
}
