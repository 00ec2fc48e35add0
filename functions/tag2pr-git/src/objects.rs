//! The object database: the files of a commit, and a new commit.

use std::sync::{Mutex, PoisonError, mpsc};

use git2::build::TreeUpdateBuilder;
use git2::{FileMode, ObjectType, Odb, Oid, Repository, Signature, Time, Tree};
use tag2pr::repository_settings;
use tag2pr::seams::{File, GitError, LeftOut, NewCommit, Why};

use crate::{Failure, Found, Sink, pack_order};

/// So many bytes, or one file more, are handed over at once.
const BATCH: usize = 256 << 10;

/// Files that are larger than the limit by this factor are not even looked at.
const NOT_LOOKED_AT: usize = 64;

/// The type bits of a tree entry's mode; <https://git-scm.com/docs/git-fast-import#_filemodify> lists the modes.
const TYPE: i32 = 0o170000;
const REGULAR: i32 = 0o100000;
const LINK: i32 = 0o120000;

/// With fewer entries than this, to put them in order and to share them costs more than it brings.
const WORTH_A_PLAN: usize = 256;

/// Hands over the files of a commit: the one that says more about what is wanted first, the others in any order.
/// Submodules and paths that are not UTF-8 are left out.
///
/// What costs time is to unpack the objects, so they are read by as many threads as there are processors.
pub(crate) fn files(git: &Repository, commit: Oid, largest: usize, sink: Sink<'_>) -> Result<(), git2::Error> {
    let mut entries = Vec::new();
    list(git, &git.find_commit(commit)?.tree()?, "", &mut entries)?;
    entries.sort_by_key(|entry| entry.path != repository_settings::FILE);
    let first = entries.first().is_some_and(|entry| entry.path == repository_settings::FILE);
    let (first, others) = entries.split_at_mut(usize::from(first));
    let odb = git.odb()?;
    if !read(&odb, first, largest, sink)? {
        return Ok(());
    }
    if others.len() < WORTH_A_PLAN {
        return read(&odb, others, largest, sink).map(drop);
    }
    let ids: Vec<Oid> = others.iter().map(|entry| entry.id).collect();
    let places = pack_order::places(git.path(), &ids);
    others.sort_by_key(|entry| places.get(&entry.id).copied().unwrap_or(usize::MAX));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (sender, receiver) = mpsc::sync_channel::<Vec<Found>>(2 * threads);
    // Several for each thread, for files are not all of one size; few, for each begins in the middle of a chain of deltas.
    let portions = Mutex::new(others.chunks(others.len().div_ceil(4 * threads).max(WORTH_A_PLAN)));
    let path = git.path().to_owned();
    let work = |sender: mpsc::SyncSender<Vec<Found>>| -> Result<(), git2::Error> {
        let own = Repository::open(&path)?;
        let odb = own.odb()?;
        let next = || portions.lock().unwrap_or_else(PoisonError::into_inner).next();
        while let Some(portion) = next() {
            if !read(&odb, portion, largest, &mut |found| sender.send(found).is_ok())? {
                break;
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                let (work, sender) = (&work, sender.clone());
                scope.spawn(move || work(sender))
            })
            .collect();
        drop(sender);
        // Who does not listen any more ends the workers by hanging up.
        let _ = receiver.into_iter().all(sink);
        workers.into_iter().try_for_each(|worker| match worker.join() {
            Ok(result) => result,
            Err(_) => Err(git2::Error::from_str("a thread that read objects stopped")),
        })
    })
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

/// Reads entries, and hands them over in portions. `false`: nobody listens any more.
fn read(odb: &Odb<'_>, entries: &[Entry], largest: usize, sink: Sink<'_>) -> Result<bool, git2::Error> {
    let (mut batch, mut size) = (Vec::new(), 0);
    for Entry { path, id, is_link } in entries {
        let path = path.clone();
        let length = odb.read_header(*id)?.0;
        batch.push(if length > largest.saturating_mul(NOT_LOOKED_AT) {
            Found::LeftOut(LeftOut { path, why: Why::LargerThan(largest) })
        } else {
            let object = odb.read(*id)?;
            let bytes = object.data();
            size += bytes.len();
            if *is_link {
                let target = String::from_utf8_lossy(bytes).into_owned();
                Found::LeftOut(LeftOut { path, why: Why::Link(target) })
            } else {
                let file = File { path, bytes: bytes.to_vec() };
                if length > largest { Found::TooLarge(file, largest) } else { Found::File(file) }
            }
        });
        if size >= BATCH {
            size = 0;
            if !sink(std::mem::take(&mut batch)) {
                return Ok(false);
            }
        }
    }
    Ok(batch.is_empty() || sink(batch))
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
