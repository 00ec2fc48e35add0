//! The object database: the files of a commit, and a new commit.

use git2::build::TreeUpdateBuilder;
use git2::{FileMode, ObjectType, Oid, Repository, Signature, Time, Tree};
use tag2pr::repository_settings;
use tag2pr::seams::{File, GitError, LeftOut, NewCommit, Why};

use crate::{Failure, Found, Sink};

/// So many bytes, or one file more, are handed over at once.
const BATCH: usize = 256 << 10;

/// Files that are larger than the limit by this factor are not even looked at.
const NOT_LOOKED_AT: usize = 64;

/// The type bits of a tree entry's mode; <https://git-scm.com/docs/git-fast-import#_filemodify> lists the modes.
const TYPE: i32 = 0o170000;
const REGULAR: i32 = 0o100000;
const LINK: i32 = 0o120000;

/// Hands over the files of a commit: the one that says more about what is wanted first, the others in any order.
/// Submodules and paths that are not UTF-8 are left out.
pub(crate) fn files(git: &Repository, commit: Oid, largest: usize, sink: Sink<'_>) -> Result<(), git2::Error> {
    let mut walk = Walk { git, odb: git.odb()?, largest, sink, batch: Vec::new(), size: 0 };
    let root = git.find_commit(commit)?.tree()?;
    let settings = root.get_name(repository_settings::FILE).filter(|entry| entry.filemode() & TYPE == REGULAR);
    if let Some(settings) = settings
        && !walk.file(repository_settings::FILE.to_owned(), settings.id())?
    {
        return Ok(());
    }
    if walk.tree(&root, "")? {
        walk.hand_over();
    }
    Ok(())
}

struct Walk<'a> {
    git: &'a Repository,
    odb: git2::Odb<'a>,
    largest: usize,
    sink: Sink<'a>,
    batch: Vec<Found>,
    size: usize,
}

impl Walk<'_> {
    /// `false`: nobody listens any more.
    fn tree(&mut self, tree: &Tree<'_>, prefix: &str) -> Result<bool, git2::Error> {
        for entry in tree {
            let Ok(name) = entry.name() else { continue };
            let path = format!("{prefix}{name}");
            let goes_on = match entry.kind() {
                Some(ObjectType::Tree) => self.tree(&self.git.find_tree(entry.id())?, &format!("{path}/"))?,
                Some(ObjectType::Blob) if path == repository_settings::FILE => true,
                Some(ObjectType::Blob) if entry.filemode() & TYPE == REGULAR => self.file(path, entry.id())?,
                Some(ObjectType::Blob) if entry.filemode() & TYPE == LINK => self.link(path, entry.id())?,
                _ => true,
            };
            if !goes_on {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn file(&mut self, path: String, id: Oid) -> Result<bool, git2::Error> {
        let size = self.odb.read_header(id)?.0;
        if size > self.largest.saturating_mul(NOT_LOOKED_AT) {
            return Ok(self.found(0, Found::LeftOut(LeftOut { path, why: Why::LargerThan(self.largest) })));
        }
        let bytes = self.odb.read(id)?.data().to_vec();
        let file = File { path, bytes };
        Ok(self.found(size, if size > self.largest { Found::TooLarge(file, self.largest) } else { Found::File(file) }))
    }

    fn link(&mut self, path: String, id: Oid) -> Result<bool, git2::Error> {
        let target = String::from_utf8_lossy(self.odb.read(id)?.data()).into_owned();
        Ok(self.found(target.len(), Found::LeftOut(LeftOut { path, why: Why::Link(target) })))
    }

    fn found(&mut self, size: usize, found: Found) -> bool {
        self.size += size;
        self.batch.push(found);
        self.size < BATCH || self.hand_over()
    }

    fn hand_over(&mut self) -> bool {
        self.size = 0;
        let batch = std::mem::take(&mut self.batch);
        batch.is_empty() || (self.sink)(batch)
    }
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
