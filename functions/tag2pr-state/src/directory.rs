//! An object store in a directory: one file for each object, readable with any tool.
//!
//! Every change is made under one file lock, which holds between threads and between processes: compare, write
//! `.tag2pr/next`, sync it, rename it over the object, sync the directory. A reader needs no lock, because a file is
//! replaced whole. As on S3, the version is a hash of the contents. Files are readable by their owner only.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ring::digest::{SHA256, digest};
use tag2pr::keys::Key;
use tag2pr::seams::{Expected, Object, Objects, StoreError, Version};

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
        Self { files: Arc::new(Files { root: root.into() }) }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Files) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let files = Arc::clone(&self.files);
        let done = tokio::task::spawn_blocking(move || work(&files)).await;
        done.unwrap_or_else(|error| Err(StoreError::Unavailable(format!("the directory store stopped: {error}"))))
    }
}

#[async_trait]
impl Objects for Directory {
    async fn get(&self, key: &Key) -> Result<Option<Object>, StoreError> {
        let key = key.clone();
        self.blocking(move |files| files.read(&files.path(&key)?)).await
    }

    async fn put(&self, key: &Key, bytes: Vec<u8>, expected: Expected<'_>) -> Result<Version, StoreError> {
        let key = key.clone();
        let unchanged = match expected {
            Expected::Absent => Some(None),
            Expected::Unchanged(version) => Some(Some(version.clone())),
            Expected::Anything => None,
        };
        self.blocking(move |files| files.write(&key, &bytes, unchanged.as_ref())).await
    }

    async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        let key = key.clone();
        self.blocking(move |files| files.remove(&files.path(&key)?)).await
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

    /// `unchanged`: the version there must be, `Some(None)` for no object, `None` for anything.
    fn write(&self, key: &Key, bytes: &[u8], unchanged: Option<&Option<Version>>) -> Result<Version, StoreError> {
        let path = self.path(key)?;
        let _lock = self.lock()?;
        if let Some(expected) = unchanged
            && self.read(&path)?.map(|object| object.version) != *expected
        {
            return Err(StoreError::Conflict(key.clone()));
        }
        let next = self.root.join(PRIVATE).join("next");
        write_synced(&next, bytes).map_err(|error| failure(&next, &error))?;
        let parent = path.parent().unwrap_or(&self.root);
        make_synced(parent)
            .and_then(|()| fs::rename(&next, &path))
            .and_then(|()| sync(parent))
            .map_err(|error| failure(&path, &error))?;
        Ok(version(bytes))
    }

    fn remove(&self, path: &Path) -> Result<(), StoreError> {
        if !self.root.exists() {
            return Ok(());
        }
        let _lock = self.lock()?;
        match fs::remove_file(path).and_then(|()| path.parent().map_or(Ok(()), sync)) {
            Ok(()) => Ok(()),
            Err(error) if is_absent(&error) => Ok(()),
            Err(error) => Err(failure(path, &error)),
        }
    }

    /// One writer at a time, in this process or another, until the file is dropped.
    fn lock(&self) -> Result<File, StoreError> {
        let path = self.root.join(PRIVATE).join("lock");
        let locked = || {
            make_synced(&self.root.join(PRIVATE))?;
            let file = private(OpenOptions::new().create(true).write(true).truncate(false)).open(&path)?;
            file.lock()?;
            Ok(file)
        };
        locked().map_err(|error| failure(&path, &error))
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

/// A file in the way of a directory, or a directory of the object's name: no such object either.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory)
}

fn failure(path: &Path, error: &io::Error) -> StoreError {
    let text = format!("{}: {error}", path.display());
    let mend = match error.kind() {
        ErrorKind::PermissionDenied => "let this user read and write the directory of the store",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "make room on the disk of the store",
        ErrorKind::ReadOnlyFilesystem => "choose a directory that can be written",
        ErrorKind::NotADirectory | ErrorKind::IsADirectory | ErrorKind::AlreadyExists => "move away what is in the way",
        ErrorKind::InvalidFilename => "choose a directory on a file system with long names",
        ErrorKind::Unsupported => "choose a file system with file locks",
        _ => return StoreError::Unavailable(text),
    };
    StoreError::Refused(format!("{text}; {mend}"))
}

fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = private(OpenOptions::new().create(true).write(true).truncate(true)).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes a directory and what is above it, each entry on disk before the next.
fn make_synced(directory: &Path) -> io::Result<()> {
    if directory.as_os_str().is_empty() || directory.is_dir() {
        return Ok(());
    }
    let parent = directory.parent().unwrap_or(Path::new(""));
    make_synced(parent)?;
    match fs::create_dir(directory) {
        Ok(()) => sync(parent),
        Err(error) if error.kind() == ErrorKind::AlreadyExists && directory.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Puts the entries of a directory on disk.
fn sync(directory: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(if directory.as_os_str().is_empty() { Path::new(".") } else { directory })?.sync_all()?;
    #[cfg(not(unix))]
    let _ = directory;
    Ok(())
}

#[cfg(test)]
mod tests;
