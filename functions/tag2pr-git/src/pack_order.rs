//! In which order the objects of a pack are best read.
//!
//! A pack holds most objects as deltas of others, in chains of up to fifty. libgit2 keeps the bases that it unpacked until
//! they fill 16 MB, then forgets them all: whoever reads 10,000 files in the order of their paths unpacks each chain again
//! and again. Read along the chains, each base is at hand when it is needed.
//!
//! This is advice and no more: what cannot be understood here has no place, and libgit2 reads every object in any order.
//! The format of packs and their indexes is told in <https://git-scm.com/docs/pack-format>.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use git2::Oid;

const SIGNATURE_AND_VERSION: [u8; 8] = [0xff, b't', b'O', b'c', 0, 0, 0, 2];
const FANOUT: usize = 8;
const NAMES: usize = FANOUT + 256 * 4;
const NAME: usize = 20;

/// An index of more bytes belongs to a repository of some millions of objects: to read it costs more than it brings.
const LARGEST_INDEX: u64 = 64 << 20;

/// Objects by their place among the wanted ones of all packs of a repository. What lies in no pack has none.
pub(crate) fn places(repository: &Path, wanted: &[Oid]) -> HashMap<Oid, usize> {
    let mut places = HashMap::new();
    let Ok(entries) = fs::read_dir(repository.join("objects/pack")) else { return places };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "idx")
            && let Ok(Some(mut pack)) = Pack::open(&path)
        {
            pack.place(wanted, &mut places);
        }
    }
    places
}

struct Pack {
    index: Vec<u8>,
    objects: File,
}

impl Pack {
    /// `None`: an index in another format.
    fn open(index: &Path) -> io::Result<Option<Self>> {
        if fs::metadata(index)?.len() > LARGEST_INDEX {
            return Ok(None);
        }
        let objects = File::open(index.with_extension("pack"))?;
        let index = fs::read(index)?;
        Ok(index.starts_with(&SIGNATURE_AND_VERSION).then_some(Self { index, objects }))
    }

    /// Gives the wanted objects of this pack their places, behind those that have one.
    fn place(&mut self, wanted: &[Oid], places: &mut HashMap<Oid, usize>) {
        let offsets: HashMap<u64, Oid> =
            wanted.iter().filter_map(|id| Some((self.offset(id.as_bytes())?, *id))).collect();
        let mut children: HashMap<u64, Vec<u64>> = HashMap::new();
        let mut roots = Vec::new();
        let mut open: Vec<u64> = offsets.keys().copied().collect();
        // By offset, so that the disk is read in one direction.
        open.sort_unstable_by(|a, b| b.cmp(a));
        let mut seen = HashSet::with_capacity(open.len());
        while let Some(offset) = open.pop() {
            if !seen.insert(offset) {
                continue;
            }
            match self.base(offset) {
                Some(base) => {
                    children.entry(base).or_default().push(offset);
                    open.push(base);
                }
                None => roots.push(offset),
            }
        }
        roots.sort_unstable_by(|a, b| b.cmp(a));
        let mut next = roots;
        while let Some(offset) = next.pop() {
            if let Some(id) = offsets.get(&offset) {
                let place = places.len();
                places.entry(*id).or_insert(place);
            }
            next.extend(children.remove(&offset).unwrap_or_default().into_iter().rev());
        }
    }

    /// Where the object of this name begins.
    fn offset(&self, name: &[u8]) -> Option<u64> {
        let first = usize::from(*name.first()?);
        // So many names begin with this byte or a smaller one.
        let up_to = |byte: usize| self.number(FANOUT + byte * 4);
        let (mut low, mut high) = (first.checked_sub(1).map_or(Some(0), up_to)?, up_to(first)?);
        while low < high {
            let middle = low.midpoint(high);
            let at = NAMES + middle * NAME;
            match self.index.get(at..at + NAME)?.cmp(name) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => {
                    // Names, then a checksum of four bytes for each, then where each begins. Beyond 2 GiB it stands elsewhere.
                    let offset = self.number(NAMES + up_to(255)? * (NAME + 4) + middle * 4)?;
                    return (offset < 1 << 31).then_some(offset as u64);
                }
            }
        }
        None
    }

    fn number(&self, at: usize) -> Option<usize> {
        let bytes = self.index.get(at..)?.first_chunk::<4>()?;
        usize::try_from(u32::from_be_bytes(*bytes)).ok()
    }

    /// Where the base of a delta begins; `None` if this is no delta, or its base lies elsewhere.
    fn base(&mut self, offset: u64) -> Option<u64> {
        let mut header = [0; 48];
        self.objects.seek(SeekFrom::Start(offset)).ok()?;
        let length = self.objects.read(&mut header).ok()?;
        let header = &header[..length];
        // The type, and the size in as many bytes as have the highest bit, and one more.
        let kind = (header.first()? >> 4) & 7;
        let rest = &header[header.iter().position(|byte| byte & 0x80 == 0)? + 1..];
        match kind {
            // The distance to a base before this: seven bits in each byte, one added for each byte that follows.
            6 => {
                let mut distance = 0_u64;
                for (place, byte) in rest.iter().enumerate() {
                    distance = (distance.checked_add(u64::from(place > 0))? << 7) | u64::from(byte & 0x7f);
                    if byte & 0x80 == 0 {
                        return offset.checked_sub(distance);
                    }
                }
                None
            }
            7 => self.offset(rest.get(..NAME)?),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::process::Command;

    use git2::{Repository, Signature};

    use super::*;

    fn git(folder: &Path, arguments: &[&str]) -> String {
        let output = Command::new("git").arg("-C").arg(folder).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// A repository with files that differ little, and their ids.
    fn alike(folder: &Path, count: usize) -> Vec<Oid> {
        let repository = Repository::init_bare(folder).unwrap();
        let lines: String = (0..200).map(|line| format!("{line}: {}\n", line * 7919)).collect();
        let mut tree = repository.treebuilder(None).unwrap();
        let mut ids = Vec::new();
        for number in 0..count {
            let id = repository.blob(format!("{lines}file: {number}\n{lines}").as_bytes()).unwrap();
            tree.insert(format!("{number}.yaml"), id, 0o100644).unwrap();
            ids.push(id);
        }
        let tree = repository.find_tree(tree.write().unwrap()).unwrap();
        let somebody = Signature::new("a", "a@example.org", &git2::Time::new(0, 0)).unwrap();
        repository.commit(Some("HEAD"), &somebody, &somebody, "Files", &tree, &[]).unwrap();
        ids
    }

    #[test]
    fn every_object_of_a_pack_comes_after_the_one_it_is_a_delta_of() {
        let folder = tempfile::tempdir().unwrap();
        let ids = alike(folder.path(), 300);
        git(folder.path(), &["repack", "--quiet", "-a", "-d", "-f", "--depth=20"]);
        let places = places(folder.path(), &ids);

        assert_eq!(places.values().collect::<HashSet<_>>().len(), ids.len());
        let mut pack = fs::read_dir(folder.path().join("objects/pack")).unwrap().map(|entry| entry.unwrap().path());
        let index = pack.find(|path| path.extension().is_some_and(|extension| extension == "idx")).unwrap();
        // name, type, size, size in the pack, offset, and of a delta its depth and its base
        let told = git(folder.path(), &["verify-pack", "-v", &index.display().to_string()]);
        let mut deltas = 0;
        for line in told.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            if let [name, "blob", _, _, _, _, base] = words[..] {
                let place = |name: &str| places[&Oid::from_str(name).unwrap()];
                assert!(place(base) < place(name), "{line}");
                deltas += 1;
            }
        }
        assert!(deltas > 200, "{told}");
    }

    #[test]
    fn what_lies_in_no_pack_or_in_a_broken_one_has_no_place() {
        let folder = tempfile::tempdir().unwrap();
        let ids = alike(folder.path(), 20);
        assert_eq!(places(folder.path(), &ids), HashMap::new());
        git(folder.path(), &["repack", "--quiet", "-a", "-d"]);
        assert_eq!(places(folder.path(), &ids).len(), 20);

        for entry in fs::read_dir(folder.path().join("objects/pack")).unwrap() {
            let path = entry.unwrap().path();
            let whole = fs::read(&path).unwrap();
            let _ = fs::remove_file(&path);
            fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        }
        // Advice is all it gives: whatever it makes of this, it ends.
        assert!(places(folder.path(), &ids).len() <= 20);
    }
}
