//! Manifests on disk: the files below a folder that may matter, as the repository would hold them.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use git2::Repository;
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
    /// What all paths begin at: the root of the repository, if the folder is part of a checkout.
    pub root: PathBuf,
    /// The files that matter, in the order of their paths.
    pub files: Vec<File>,
    /// What may matter as well and was not read: links, and files that are too large.
    pub left_out: Vec<LeftOut>,
    /// The files that might, and could not be read.
    pub problems: Vec<Problem>,
    interest: Interest,
    checkout: Option<Checkout>,
}

/// The Git repository that the files are checked out from.
struct Checkout {
    git: Repository,
    tracked: BTreeSet<String>,
}

impl Checkout {
    /// The checkout that a path is in, its root, and the path below that.
    fn of(path: &Path) -> Option<(Self, PathBuf, String)> {
        let path = path.canonicalize().ok()?;
        let git = Repository::discover(&path).ok()?;
        let root = git.workdir()?.canonicalize().ok()?;
        let below = path.strip_prefix(&root).ok()?.to_str()?.to_owned();
        let tracked = git.index().ok()?.iter().filter_map(|entry| String::from_utf8(entry.path).ok()).collect();
        Some((Self { git, tracked }, root, below))
    }

    /// Whether Git ignores a file, or everything in a folder, and nobody added it all the same.
    fn ignores(&self, path: &str) -> bool {
        let below = format!("{path}/");
        let is_tracked = || {
            let next = self.tracked.range(below.clone()..).next();
            self.tracked.contains(path) || next.is_some_and(|next| next.starts_with(&below))
        };
        self.git.status_should_ignore(Path::new(path)).unwrap_or(false) && !is_tracked()
    }
}

/// Reads the files below a folder (or the one file) that matter, and the settings of the repository that the folder is
/// part of. Symbolic links are not followed; what Git ignores, its own files and other repositories are passed over.
///
/// # Errors
///
/// When the folder itself cannot be read.
pub fn read(path: &Path) -> io::Result<Worktree> {
    let mut found = Worktree { root: path.to_owned(), ..Worktree::default() };
    let mut below = String::new();
    if let Some((checkout, root, path)) = Checkout::of(path) {
        (found.checkout, found.root, below) = (Some(checkout), root, path);
    } else if path.is_file() {
        found.root = path.parent().unwrap_or(Path::new("")).to_owned();
        below = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    }
    let settings = found.root.join(repository_settings::FILE);
    let is_there = settings.symlink_metadata().is_ok_and(|metadata| metadata.is_file());
    if is_there && (found.checkout.is_some() || !path.is_file()) {
        found.file(&settings, repository_settings::FILE.to_owned());
    }
    if !path.is_file() {
        found.folder(&found.root.join(&below), &below)?;
    } else if below != repository_settings::FILE || found.files.is_empty() {
        found.files.push(File { path: below, bytes: fs::read(path)? });
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
            if name == ".git" || self.checkout.as_ref().is_some_and(|checkout| checkout.ignores(&path)) {
                continue;
            }
            if kind.is_dir() && !entry.path().join(".git").exists() {
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
