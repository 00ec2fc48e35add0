//! The object database: the files of a commit, and a new commit.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use git2::build::TreeUpdateBuilder;
use git2::{FileMode, ObjectType, Oid, Repository, Signature, Time, Tree};
use tag2pr::repository_settings;
use tag2pr::seams::{CommitId, File, GitError, LeftOut, NewCommit, Seen, Snapshot, Wanted, Why};

use crate::{Failure, Signer, packs};

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
    let root = git.find_commit(commit)?.tree()?;
    let settings = settings(&root);
    let id = settings.as_ref().map(|entry| entry.id.to_string());
    let seen = wanted.seen.as_deref().filter(|seen| seen.ids.files.get(repository_settings::FILE) == id.as_ref());
    let mut walk = Walk { git, seen, entries: Vec::new(), snapshot: Snapshot::default() };
    walk.folder(&root, "")?;
    let Walk { mut entries, mut snapshot, .. } = walk;
    snapshot.commit = CommitId(commit.to_string());

    let look = Look { wanted, largest, found: Mutex::new(snapshot) };
    // The one that says more about what is wanted comes first.
    look.read(git, settings.as_slice())?;
    if entries.len() >= WORTH_SHARING {
        let mut by_id: HashMap<Oid, Vec<Entry>> = HashMap::with_capacity(entries.len());
        entries.into_iter().for_each(|entry| by_id.entry(entry.id).or_default().push(entry));
        let unread = packs::read(git.path(), by_id.keys().copied().collect(), threads(), &|id, bytes| {
            by_id.get(&id).into_iter().flatten().for_each(|entry| look.judge(entry, bytes));
        });
        entries = unread.into_iter().filter_map(|id| by_id.remove(&id)).flatten().collect();
    }
    look.read(git, &entries)?;

    let mut snapshot = look.found.into_inner().unwrap_or_else(PoisonError::into_inner);
    snapshot.files.sort_by(|a, b| a.path.cmp(&b.path));
    snapshot.left_out.sort();
    Ok(snapshot)
}

/// As many as there are processors.
pub(crate) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A file or a link of a commit.
struct Entry {
    path: String,
    id: Oid,
    is_link: bool,
}

/// The entry of the settings, if they are a file.
fn settings(root: &Tree<'_>) -> Option<Entry> {
    let entry = root.get_name(repository_settings::FILE)?;
    let is_file = entry.kind() == Some(ObjectType::Blob) && entry.filemode() & TYPE == REGULAR;
    is_file.then(|| Entry { path: repository_settings::FILE.to_owned(), id: entry.id(), is_link: false })
}

/// Goes through the folders of a commit and notes what must be read.
struct Walk<'a> {
    git: &'a Repository,
    seen: Option<&'a Seen>,
    entries: Vec<Entry>,
    snapshot: Snapshot,
}

impl Walk<'_> {
    /// `path` ends with a `/`, or is empty for the root.
    fn folder(&mut self, tree: &Tree<'_>, path: &str) -> Result<(), git2::Error> {
        self.snapshot.ids.folders.insert(path.trim_end_matches('/').to_owned(), tree.id().to_string());
        for entry in tree {
            let Ok(name) = entry.name() else { continue };
            let below = format!("{path}{name}");
            let id = entry.id();
            match (entry.kind(), entry.filemode() & TYPE) {
                (Some(ObjectType::Tree), _) => match self.seen.filter(|seen| is(seen.ids.folders.get(&below), id)) {
                    Some(seen) => self.same(seen, &below)?,
                    None => self.folder(&self.git.find_tree(id)?, &format!("{below}/"))?,
                },
                (Some(ObjectType::Blob), REGULAR) if below != repository_settings::FILE => {
                    match self.seen.filter(|seen| is(seen.ids.files.get(&below), id)) {
                        Some(seen) => self.file(seen, below, id),
                        None => self.entries.push(Entry { path: below, id, is_link: false }),
                    }
                }
                (Some(ObjectType::Blob), LINK) => self.entries.push(Entry { path: below, id, is_link: true }),
                _ => {}
            }
        }
        Ok(())
    }

    /// A folder in which everything is as it was seen.
    fn same(&mut self, seen: &Seen, path: &str) -> Result<(), git2::Error> {
        let below = format!("{path}/");
        let is_below = |(other, _): &(&String, &String)| other.starts_with(&below);
        let folders = seen.ids.folders.range(below.clone()..).take_while(is_below);
        let folders = seen.ids.folders.get_key_value(path).into_iter().chain(folders);
        self.snapshot.ids.folders.extend(folders.map(|(path, id)| (path.clone(), id.clone())));
        for (file, id) in seen.ids.files.range(below.clone()..).take_while(is_below) {
            self.file(seen, file.clone(), Oid::from_str(id)?);
        }
        self.snapshot.left_out.extend(seen.left_out.iter().filter(|one| one.path.starts_with(&below)).cloned());
        Ok(())
    }

    /// A file that is as it was seen.
    fn file(&mut self, seen: &Seen, path: String, id: Oid) {
        if seen.known.contains(&path) {
            self.snapshot.ids.files.insert(path.clone(), id.to_string());
            self.snapshot.known.insert(path);
        } else {
            self.entries.push(Entry { path, id, is_link: false });
        }
    }
}

fn is(known: Option<&String>, id: Oid) -> bool {
    known.is_some_and(|known| *known == id.to_string())
}

/// Looks into files, and keeps those that are wanted.
struct Look<'a> {
    wanted: &'a Wanted,
    largest: usize,
    found: Mutex<Snapshot>,
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
        } else if (self.wanted.files)(&entry.path, bytes) {
            if bytes.len() > self.largest {
                self.leave_out(entry, Why::LargerThan(self.largest));
            } else {
                let file = File { path: entry.path.clone(), bytes: bytes.to_vec() };
                let mut found = self.found();
                found.ids.files.insert(entry.path.clone(), entry.id.to_string());
                found.files.push(file);
            }
        }
    }

    fn leave_out(&self, entry: &Entry, why: Why) {
        self.found().left_out.push(LeftOut { path: entry.path.clone(), why });
    }

    fn found(&self) -> MutexGuard<'_, Snapshot> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Some files of a commit.
pub(crate) fn read(git: &Repository, url: &str, commit: Oid, paths: &BTreeSet<String>) -> Result<Vec<File>, Failure> {
    let tree = git.find_commit(commit).and_then(|commit| commit.tree());
    let file = |path: &String| {
        let entry = tree.as_ref().ok().and_then(|tree| tree.get_path(path.as_ref()).ok());
        let Some(entry) = entry.filter(|entry| entry.filemode() & TYPE == REGULAR) else {
            let reason = format!("`{path}` in commit {commit} is not known here: take a snapshot first");
            return Err(Failure::Said(GitError::Unavailable { url: url.to_owned(), reason, wait: None }));
        };
        Ok(File { path: path.clone(), bytes: git.find_blob(entry.id())?.content().to_vec() })
    };
    paths.iter().map(file).collect()
}

/// Makes a commit on top of its parent: nothing but its files differs from it, and every mode stays.
pub(crate) fn commit(
    git: &Repository,
    url: &str,
    parent: Oid,
    new: &NewCommit,
    signer: Option<&Signer>,
) -> Result<Oid, Failure> {
    let refused = |reason| Failure::Said(GitError::Refused { url: url.to_owned(), reason });
    let Ok(parent) = git.find_commit(parent) else {
        let reason = format!("commit {} is not known here: take a snapshot first", new.parent);
        return Err(Failure::Said(GitError::Unavailable { url: url.to_owned(), reason, wait: None }));
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
    let tree = git.find_tree(tree)?;
    let Some(signer) = signer else {
        return Ok(git.commit(None, &author, &author, &new.message, &tree, &[&parent])?);
    };
    let unsigned = git.commit_create_buffer(&author, &author, &new.message, &tree, &[&parent])?;
    let text = std::str::from_utf8(&unsigned).map_err(|_| refused("the commit is not UTF-8".to_owned()))?;
    let signature = signer.sign(text, new.at).ok_or_else(|| refused("the commit cannot be signed".to_owned()))?;
    Ok(git.commit_signed(text, &signature, None)?)
}
