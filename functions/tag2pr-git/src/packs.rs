//! The blobs of a repository's packs, read along their chains of deltas.
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
//! | `chains` | which entries lead to the wanted blobs, and in which order they are unpacked |
//!
//! What is not understood here is left to libgit2, which reads every object and says what is wrong with a broken one. The format
//! is told in <https://git-scm.com/docs/gitformat-pack>.

mod chains;
mod delta;
mod entry;
mod index;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use git2::Oid;

use self::chains::Chains;

/// Takes a blob, on any thread.
pub(crate) type Take<'a> = &'a (dyn Fn(Oid, &[u8]) + Sync);

/// Reads the wanted blobs that lie in packs, each once and in no order; returns those that were not read.
pub(crate) fn read(repository: &Path, mut wanted: HashSet<Oid>, threads: usize, take: Take<'_>) -> HashSet<Oid> {
    for index in indexes(repository) {
        let Some(chains) = Chains::of(&index, &wanted) else { continue };
        for id in chains.unpack(threads, take) {
            wanted.remove(&id);
        }
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
