//! Manifests on disk: the files below a folder that may matter, as the repository would hold them.

use std::fs;
use std::io;
use std::path::Path;

use tag2pr::findings;
use tag2pr::manifests::Interest;
use tag2pr::problem::Problem;
use tag2pr::repository_settings;
use tag2pr::seams::{File, LeftOut, Why};

/// Larger files are not edited, in a repository either.
const LARGEST: usize = 1 << 20;
/// Larger files are not even looked at.
const NOT_LOOKED_AT: u64 = 64 << 20;

/// What is below a folder.
#[derive(Default)]
pub struct Worktree {
    /// The files that matter, in the order of their paths.
    pub files: Vec<File>,
    /// What may matter as well and was not read: links, and files that are too large.
    pub left_out: Vec<LeftOut>,
    /// The files that might, and could not be read.
    pub problems: Vec<Problem>,
    interest: Interest,
}

/// Reads the files below a folder (or the one file) that matter; symbolic links are not followed, `.git` is passed over.
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
        let settings = root.join(repository_settings::FILE);
        if settings.symlink_metadata().is_ok_and(|metadata| metadata.is_file()) {
            found.file(&settings, repository_settings::FILE.to_owned());
        }
        found.folder(root, "")?;
    }
    found.files.sort_by(|a, b| a.path.cmp(&b.path));
    found.left_out.sort();
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
            } else if kind.is_file() && path != repository_settings::FILE {
                self.file(&entry.path(), path);
            } else if kind.is_symlink() {
                let target = fs::read_link(entry.path()).unwrap_or_default();
                self.left_out.push(LeftOut { path, why: Why::Link(target.to_string_lossy().into_owned()) });
            }
        }
        Ok(())
    }

    fn file(&mut self, at: &Path, path: String) {
        let size = at.metadata().map_or(0, |metadata| metadata.len());
        if size > NOT_LOOKED_AT {
            self.left_out.push(LeftOut { path, why: Why::LargerThan(LARGEST) });
            return;
        }
        match fs::read(at) {
            Ok(bytes) if !findings::wanted(&self.interest, &path, &bytes) => {}
            Ok(bytes) if bytes.len() > LARGEST => {
                self.left_out.push(LeftOut { path, why: Why::LargerThan(LARGEST) });
            }
            Ok(bytes) => self.files.push(File { path, bytes }),
            Err(error) if tag2pr::markers::counts_in(&path) => {
                self.problems.push(Problem::of(&path, format!("cannot be read: {error}")));
            }
            Err(_) => {}
        }
    }
}
