//! An object store in a directory: one file for each object, readable with any tool.
//!
//! A reader needs no lock, because a file is replaced whole. Writers take turns ([`commit`]), in this process and in
//! others. As on S3, the version is a hash of the contents. Files are readable by their owner only.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ring::digest::{SHA256, digest};
use tag2pr::keys::Key;
use tag2pr::seams::{Expected, Object, Objects, StoreError, Version};
use tokio::sync::oneshot;

mod commit;
mod disk;

use commit::{Change, Queue, What};
use disk::{failure, is_absent};

/// What is ours and no object, below the root.
const PRIVATE: &str = ".tag2pr";

/// A directory as an object store.
#[derive(Debug, Clone)]
pub struct Directory {
    files: Arc<Files>,
}

impl Directory {
    /// The store below a directory, which is made with its first object.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { files: Arc::new(Files { root: root.into(), queue: Queue::default() }) }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Files) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let files = Arc::clone(&self.files);
        let done = tokio::task::spawn_blocking(move || work(&files)).await;
        done.unwrap_or_else(|error| Err(StoreError::Unavailable(format!("the directory store stopped: {error}"))))
    }

    /// Waits until a change is on disk.
    async fn change(&self, key: &Key, what: What) -> Result<(), StoreError> {
        let path = self.files.path(key)?;
        let (answer, answered) = oneshot::channel();
        if self.files.queue.add(Change { key: key.clone(), path, what, answer }) {
            let files = Arc::clone(&self.files);
            tokio::task::spawn_blocking(move || files.work_off());
        }
        answered.await.unwrap_or_else(|_| Err(StoreError::Unavailable("the directory store stopped".to_owned())))
    }
}

#[async_trait]
impl Objects for Directory {
    async fn get(&self, key: &Key) -> Result<Option<Object>, StoreError> {
        let key = key.clone();
        self.blocking(move |files| files.read(&files.path(&key)?)).await
    }

    async fn put(&self, key: &Key, bytes: Vec<u8>, expected: Expected<'_>) -> Result<Version, StoreError> {
        let unchanged = match expected {
            Expected::Absent => Some(None),
            Expected::Unchanged(version) => Some(Some(version.clone())),
            Expected::Anything => None,
        };
        let made = version(&bytes);
        self.change(key, What::Put { bytes, unchanged }).await.map(|()| made)
    }

    async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        self.change(key, What::Remove).await
    }

    async fn list(&self, prefix: &Key) -> Result<Vec<Key>, StoreError> {
        let prefix = prefix.clone();
        self.blocking(move |files| files.list(prefix.as_str())).await
    }

    async fn pause(&self, attempt: u32) {
        crate::backoff::wait(attempt, Duration::from_millis(4), Duration::from_millis(500)).await;
    }
}

#[derive(Debug)]
struct Files {
    root: PathBuf,
    queue: Queue,
}

impl Files {
    /// Where an object lies. No key leads out of the root, whoever made it.
    fn path(&self, key: &Key) -> Result<PathBuf, StoreError> {
        if !segments_are_plain(key.as_str()) {
            return Err(StoreError::Refused(format!("`{key}` is no name of an object in a directory")));
        }
        Ok(self.root.join(key.as_str()))
    }

    fn read(&self, path: &Path) -> Result<Option<Object>, StoreError> {
        match fs::read(path) {
            Ok(bytes) => Ok(Some(Object { version: version(&bytes), bytes })),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(failure(path, &error)),
        }
    }

    fn list(&self, prefix: &str) -> Result<Vec<Key>, StoreError> {
        let directory = prefix.rsplit_once('/').map_or("", |(directory, _)| directory);
        if !directory.is_empty() && !segments_are_plain(directory) {
            return Err(StoreError::Refused(format!("`{prefix}` is no beginning of a name in a directory")));
        }
        let mut keys = Vec::new();
        let mut open = vec![directory.to_owned()];
        while let Some(directory) = open.pop() {
            let path = self.root.join(&directory);
            let entries = match fs::read_dir(&path) {
                Ok(entries) => entries,
                Err(error) if is_absent(&error) => continue,
                Err(error) => return Err(failure(&path, &error)),
            };
            for entry in entries {
                let entry = entry.map_err(|error| failure(&path, &error))?;
                // What is not UTF-8 has no key.
                let Ok(name) = entry.file_name().into_string() else { continue };
                let key = if directory.is_empty() { name } else { format!("{directory}/{name}") };
                let kind = entry.file_type().map_err(|error| failure(&path, &error))?;
                if kind.is_dir() {
                    let leads_there = key.starts_with(prefix) || prefix.starts_with(&format!("{key}/"));
                    if leads_there && key != PRIVATE {
                        open.push(key);
                    }
                } else if key.starts_with(prefix) {
                    keys.push(Key::listed(key));
                }
            }
        }
        keys.sort();
        Ok(keys)
    }
}

fn segments_are_plain(key: &str) -> bool {
    let plain = |segment: &str| !matches!(segment, "" | "." | "..") && !segment.contains(['\\', '\0', ':']);
    key.split('/').all(plain) && key.split('/').next() != Some(PRIVATE)
}

fn version(bytes: &[u8]) -> Version {
    Version(digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests;
