//! Files that are really there when we say so, and what to do when they cannot be.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use tag2pr::seams::StoreError;

/// From so many files or directories on, one sync of the whole file system costs less than one of each.
#[cfg(target_os = "linux")]
const MANY: usize = 4;

/// What was written and is not known to be on disk.
#[derive(Debug, Default)]
pub(super) struct Unsynced {
    files: Vec<File>,
    directories: BTreeSet<PathBuf>,
}

impl Unsynced {
    /// Writes a file for its owner only.
    pub(super) fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = private(OpenOptions::new().create(true).write(true).truncate(true)).open(path)?;
        file.write_all(bytes)?;
        self.files.push(file);
        Ok(())
    }

    /// Makes a directory and what is above it.
    pub(super) fn make(&mut self, directory: &Path) -> io::Result<()> {
        if directory.as_os_str().is_empty() || directory.is_dir() {
            return Ok(());
        }
        let parent = directory.parent().unwrap_or(Path::new(""));
        self.make(parent)?;
        match fs::create_dir(directory) {
            Ok(()) => {
                self.entries_of(parent);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists && directory.is_dir() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Remembers that the entries of a directory changed.
    pub(super) fn entries_of(&mut self, directory: &Path) {
        let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        if !self.directories.contains(directory) {
            self.directories.insert(directory.to_owned());
        }
    }

    /// Puts everything on disk.
    ///
    /// `root`: a directory of the same file system, in which everything was written.
    pub(super) fn sync(&mut self, root: &Path) -> io::Result<()> {
        let (files, directories) = (std::mem::take(&mut self.files), std::mem::take(&mut self.directories));
        #[cfg(target_os = "linux")]
        if files.len() + directories.len() >= MANY {
            return Ok(rustix::fs::syncfs(File::open(root)?)?);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = root;
        files.iter().try_for_each(File::sync_all)?;
        #[cfg(unix)]
        directories.iter().try_for_each(|directory| File::open(directory)?.sync_all())?;
        Ok(())
    }
}

/// Takes the file lock at a path, and holds it until the file is dropped.
pub(super) fn lock(path: &Path) -> io::Result<File> {
    let file = private(OpenOptions::new().create(true).write(true).truncate(false)).open(path)?;
    file.lock()?;
    Ok(file)
}

fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// A file in the way of a directory, or a directory of the object's name: no such object either.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory)
}

/// What a file system said, in the words of a store.
pub(super) fn failure(path: &Path, error: &io::Error) -> StoreError {
    let text = format!("{}: {error}", path.display());
    let mend = match error.kind() {
        ErrorKind::PermissionDenied => "let this user read and write the directory of the store",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            "make room on the disk of the store"
        }
        ErrorKind::ReadOnlyFilesystem => "choose a directory that can be written",
        ErrorKind::NotADirectory | ErrorKind::IsADirectory | ErrorKind::AlreadyExists => "move away what is in the way",
        ErrorKind::InvalidFilename => "choose a directory on a file system with long names",
        ErrorKind::Unsupported => "choose a file system with file locks",
        _ => return StoreError::Unavailable(text),
    };
    StoreError::Refused(format!("{text}; {mend}"))
}
