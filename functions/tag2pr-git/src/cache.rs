//! The bare repository that what was fetched is kept in.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use git2::{ObjectType, Oid, Repository, RepositoryInitOptions};

/// Every fetch adds a pack; with so many of them a fresh start is cheaper than looking through all.
const MOST_PACKS: usize = 100;

/// How many processes may use the same repository's cache in the same directory, each with a copy of its own.
const MOST_COPIES: usize = 64;

/// A directory that is ours as long as this lives, and the repository in it.
pub(crate) struct Cache {
    directory: PathBuf,
    largest: u64,
    git: Option<Repository>,
    /// Holds the lock; it ends with the process, so a crash leaves nothing behind.
    _lock: File,
}

impl Cache {
    /// Finds a directory for this repository that nobody else uses now.
    pub(crate) fn open(parent: &Path, url: &str, largest: u64) -> io::Result<Self> {
        fs::create_dir_all(parent)?;
        let name = name(url)?;
        for copy in 0..MOST_COPIES {
            let name = if copy == 0 { format!("{name}.git") } else { format!("{name}-{copy}.git") };
            let lock = File::options().create(true).append(true).open(parent.join(format!("{name}.lock")))?;
            match lock.try_lock() {
                Ok(()) => return Ok(Self { directory: parent.join(name), largest, git: None, _lock: lock }),
                Err(fs::TryLockError::WouldBlock) => {}
                Err(fs::TryLockError::Error(error)) => return Err(error),
            }
        }
        Err(io::Error::other(format!("{MOST_COPIES} others use it")))
    }

    /// The repository, made if there is none or it does not open.
    pub(crate) fn git(&mut self) -> Result<&Repository, git2::Error> {
        let git = match self.git.take() {
            Some(git) => git,
            None => match Repository::open_bare(&self.directory) {
                Ok(git) => git,
                Err(_) => self.make()?,
            },
        };
        Ok(self.git.insert(git))
    }

    /// Drops it when it has grown too large.
    pub(crate) fn trim(&mut self) {
        let (size, packs) = measure(&self.directory.join("objects"));
        if size > self.largest || packs > MOST_PACKS {
            self.drop_all();
        }
    }

    /// Removes everything; the next use begins anew.
    pub(crate) fn drop_all(&mut self) {
        self.git = None;
        // What can't be removed is met again by whoever makes it anew, who can tell of it.
        let _ = fs::remove_dir_all(&self.directory);
    }

    fn make(&self) -> Result<Repository, git2::Error> {
        let _ = fs::remove_dir_all(&self.directory);
        let mut options = RepositoryInitOptions::new();
        options.bare(true).mkpath(true).external_template(false);
        Repository::init_opts(&self.directory, &options)
    }
}

/// `https---github-com-acme-fleet-git-1f2e3d4c`: for people to read, and different for different URLs.
fn name(url: &str) -> io::Result<String> {
    let readable: String = url.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(80).collect();
    let hash = Oid::hash_object(ObjectType::Blob, url.as_bytes()).map_err(io::Error::other)?.to_string();
    Ok(format!("{readable}-{}", hash.get(..8).unwrap_or(&hash)))
}

/// Bytes below a directory, and how many packs are among them. What can't be read counts nothing.
fn measure(directory: &Path) -> (u64, usize) {
    let (mut bytes, mut packs) = (0, 0);
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let Ok(about) = entry.metadata() else { continue };
        if about.is_dir() {
            let (inner, inner_packs) = measure(&entry.path());
            bytes += inner;
            packs += inner_packs;
        } else {
            bytes += about.len();
            packs += usize::from(entry.path().extension().is_some_and(|extension| extension == "pack"));
        }
    }
    (bytes, packs)
}
