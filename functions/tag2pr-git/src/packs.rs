//! The packs of a repository: kept as they come in, and their blobs read, along their chains of deltas.
//!
//! A pack holds most objects as deltas of others, in chains of up to fifty. libgit2 unpacks an inner object of a chain once for
//! itself and once more as a base, and forgets its bases when they fill 16 MB. Whoever wants nearly all blobs of a commit
//! unpacks each delta once by going from the whole objects to their deltas, and from those to theirs.
//!
//! | module | what it knows |
//! |---|---|
//! | `index` | where in its pack an object begins |
//! | `entry` | what stands there: an object, or a delta and of what |
//! | `delta` | how a delta is applied |
//! | `chains` | which entries lead to others, and in which order they are unpacked |
//! | `incoming` | how a pack that a server sends is kept, with an index of it |
//!
//! What is not understood here is left to libgit2, which reads every object and says what is wrong with a broken one. The format
//! is told in <https://git-scm.com/docs/gitformat-pack>.

mod chains;
mod delta;
mod entry;
mod incoming;
mod index;

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use git2::Oid;

use self::chains::Chains;
use self::entry::Kind;
pub(crate) use self::incoming::keep;
use self::index::Index;

/// Takes a blob, on any thread.
pub(crate) type Take<'a> = &'a (dyn Fn(Oid, &[u8]) + Sync);

/// Reads the wanted blobs that lie in packs, each once and in no order; returns those that were not read.
pub(crate) fn read(repository: &Path, mut wanted: HashSet<Oid>, threads: usize, take: Take<'_>) -> HashSet<Oid> {
    for path in indexes(repository) {
        let Some(index) = Index::open(&path) else { continue };
        let at = |id: &Oid| Some((index.offset(id.as_bytes())?, *id));
        let here: HashMap<u64, Oid> = wanted.iter().filter_map(at).collect();
        if here.is_empty() {
            continue;
        }
        let Ok(pack) = File::open(path.with_extension("pack")) else { continue };
        let chains = Chains::to(pack, &index, here.keys().copied().collect());
        let taken = chains.unpack(threads, &|offset, kind, bytes| {
            let id = here.get(&offset).filter(|_| kind == Kind::Blob)?;
            take(*id, bytes);
            Some(*id)
        });
        taken.iter().for_each(|id| {
            wanted.remove(id);
        });
    }
    wanted
}

/// The indexes of the packs, in the order of their names.
fn indexes(repository: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(repository.join("objects/pack")) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    let mut indexes: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|ending| ending == "idx")).collect();
    indexes.sort();
    indexes
}

#[cfg(test)]
mod tests;
