//! Manifests on disk: the files below a folder that may matter, as the repository would hold them.

use std::fs;
use std::io;
use std::path::Path;

use tag2pr::findings;
use tag2pr::problem::Problem;
use tag2pr::seams::File;

/// Larger files are not read, in a repository either.
const LARGEST: u64 = 1 << 20;

/// What is below a folder.
#[derive(Default)]
pub struct Worktree {
    /// The files that matter, in the order of their paths.
    pub files: Vec<File>,
    /// The files that might, and could not be read.
    pub problems: Vec<Problem>,
}

/// Reads the files below a folder (or the one file) that matter; symbolic links and `.git` are passed over.
///
/// # Errors
///
/// When the folder itself cannot be read.
pub fn read(root: &Path) -> io::Result<Worktree> {
    let mut found = Worktree::default();
    if root.is_file() {
        let path = root.file_name().unwrap_or_default().to_string_lossy().into_owned();
        found.files.push(File { path, bytes: fs::read(root)? });
    } else {
        found.folder(root, "")?;
    }
    found.files.sort_by(|a, b| a.path.cmp(&b.path));
    found.problems.sort();
    Ok(found)
}

impl Worktree {
    fn folder(&mut self, folder: &Path, prefix: &str) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
            let kind = entry.file_type()?;
            if kind.is_dir() && name != ".git" {
                if let Err(error) = self.folder(&entry.path(), &path) {
                    self.problems.push(Problem::of(&path, format!("cannot be read: {error}")));
                }
            } else if kind.is_file() {
                self.file(&entry, path);
            }
        }
        Ok(())
    }

    fn file(&mut self, entry: &fs::DirEntry, path: String) {
        let size = entry.metadata().map_or(0, |metadata| metadata.len());
        let read = match size > LARGEST {
            true => Err(format!("not read: it is larger than {LARGEST} bytes")),
            false => fs::read(entry.path()).map_err(|error| format!("cannot be read: {error}")),
        };
        match read {
            Ok(bytes) if findings::wanted(&path, &bytes) => self.files.push(File { path, bytes }),
            Err(reason) if path.ends_with(".yaml") || path.ends_with(".yml") => {
                self.problems.push(Problem::of(&path, reason));
            }
            Ok(_) | Err(_) => {}
        }
    }
}
