//! The object database: the files of a commit, and a new commit.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use git2::build::TreeUpdateBuilder;
use git2::{FileMode, ObjectType, Oid, Repository, Signature, Time, Tree};
use tag2pr::repository_settings;
use tag2pr::seams::{CommitId, File, GitError, LeftOut, NewCommit, Snapshot, Wanted, Why};

use crate::{Failure, packs};

/// Files that are larger than the limit by this factor are not even looked at.
const NOT_LOOKED_AT: usize = 64;

/// The type bits of a tree entry's mode; <https://git-scm.com/docs/git-fast-import#_filemodify> lists the modes.
const TYPE: i32 = 0o170000;
const REGULAR: i32 = 0o100000;
const LINK: i32 = 0o120000;

/// Fewer files than this are read one after the other: to share them costs more than it brings.
const WORTH_SHARING: usize = 256;

/// The wanted files of a commit. Submodules and paths that are not UTF-8 are left out.
///
/// What costs time is to unpack the objects and to look into them, so as many threads do it as there are processors.
pub(crate) fn snapshot(
    git: &Repository,
    commit: Oid,
    wanted: &Wanted,
    largest: usize,
) -> Result<Snapshot, git2::Error> {
    let mut entries = Vec::new();
    list(git, &git.find_commit(commit)?.tree()?, "", &mut entries)?;
    // The one that says more about what is wanted comes first.
    let settings = entries.iter().position(|entry| entry.path == repository_settings::FILE);
    let settings = settings.map(|at| entries.swap_remove(at));
    let look = Look { wanted, largest, found: Mutex::default() };
    look.read(git, settings.as_slice())?;
    let mut left = entries;
    if left.len() >= WORTH_SHARING {
        let mut by_id: HashMap<Oid, Vec<Entry>> = HashMap::with_capacity(left.len());
        left.into_iter().for_each(|entry| by_id.entry(entry.id).or_default().push(entry));
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let unread = packs::read(git.path(), by_id.keys().copied().collect(), threads, &|id, bytes| {
            by_id.get(&id).into_iter().flatten().for_each(|entry| look.judge(entry, bytes));
        });
        left = unread.into_iter().filter_map(|id| by_id.remove(&id)).flatten().collect();
    }
    look.read(git, &left)?;

    let (mut files, mut left_out) = look.found.into_inner().unwrap_or_else(PoisonError::into_inner);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    left_out.sort();
    Ok(Snapshot { commit: CommitId(commit.to_string()), files, left_out })
}

/// Looks into files, and keeps those that are wanted.
struct Look<'a> {
    wanted: &'a Wanted,
    largest: usize,
    found: Mutex<(Vec<File>, Vec<LeftOut>)>,
}

impl Look<'_> {
    /// Reads entries one after the other.
    fn read(&self, git: &Repository, entries: &[Entry]) -> Result<(), git2::Error> {
        let odb = git.odb()?;
        for entry in entries {
            if odb.read_header(entry.id)?.0 > self.largest.saturating_mul(NOT_LOOKED_AT) {
                self.leave_out(entry, Why::LargerThan(self.largest));
            } else {
                self.judge(entry, odb.read(entry.id)?.data());
            }
        }
        Ok(())
    }

    fn judge(&self, entry: &Entry, bytes: &[u8]) {
        if entry.is_link {
            self.leave_out(entry, Why::Link(String::from_utf8_lossy(bytes).into_owned()));
        } else if (self.wanted)(&entry.path, bytes) {
            if bytes.len() > self.largest {
                self.leave_out(entry, Why::LargerThan(self.largest));
            } else {
                let file = File { path: entry.path.clone(), bytes: bytes.to_vec() };
                self.found.lock().unwrap_or_else(PoisonError::into_inner).0.push(file);
            }
        }
    }

    fn leave_out(&self, entry: &Entry, why: Why) {
        let left_out = LeftOut { path: entry.path.clone(), why };
        self.found.lock().unwrap_or_else(PoisonError::into_inner).1.push(left_out);
    }
}

/// A file or a link of a commit.
struct Entry {
    path: String,
    id: Oid,
    is_link: bool,
}

fn list(git: &Repository, tree: &Tree<'_>, prefix: &str, entries: &mut Vec<Entry>) -> Result<(), git2::Error> {
    for entry in tree {
        let Ok(name) = entry.name() else { continue };
        let path = format!("{prefix}{name}");
        match (entry.kind(), entry.filemode() & TYPE) {
            (Some(ObjectType::Tree), _) => list(git, &git.find_tree(entry.id())?, &format!("{path}/"), entries)?,
            (Some(ObjectType::Blob), kind @ (REGULAR | LINK)) => {
                entries.push(Entry { path, id: entry.id(), is_link: kind == LINK });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Makes a commit on top of its parent: nothing but its files differs from it, and every mode stays.
pub(crate) fn commit(git: &Repository, url: &str, parent: Oid, new: &NewCommit) -> Result<Oid, Failure> {
    let refused = |reason| Failure::Said(GitError::Refused { url: url.to_owned(), reason });
    let Ok(parent) = git.find_commit(parent) else {
        let reason = format!("commit {} is not known here: take a snapshot first", new.parent);
        return Err(Failure::Said(GitError::Unavailable { url: url.to_owned(), reason }));
    };
    let base = parent.tree()?;
    let mut update = TreeUpdateBuilder::new();
    for file in &new.files {
        let mode = match base.get_path(file.path.as_ref()) {
            Ok(entry) if entry.filemode() & TYPE != REGULAR => {
                return Err(refused(format!("`{}` in commit {} is not a file", file.path, new.parent)));
            }
            Ok(entry) if entry.filemode() & 0o111 != 0 => FileMode::BlobExecutable,
            _ => FileMode::Blob,
        };
        update.upsert(file.path.as_str(), git.blob(&file.bytes)?, mode);
    }
    let tree = update.create_updated(git, &base).map_err(|error| refused(error.message().to_owned()))?;
    let author = Signature::new(&new.author.name, &new.author.email, &Time::new(new.at.as_second(), 0))
        .map_err(|error| refused(format!("`{}` <{}>: {}", new.author.name, new.author.email, error.message())))?;
    Ok(git.commit(None, &author, &author, &new.message, &git.find_tree(tree)?, &[&parent])?)
}
