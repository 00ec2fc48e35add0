//! The index of a pack: where in it an object begins.

use std::cmp::Ordering;
use std::fs;
use std::path::Path;

use sha1::{Digest as _, Sha1};

const SIGNATURE_AND_VERSION: [u8; 8] = [0xff, b't', b'O', b'c', 0, 0, 0, 2];
const FANOUT: usize = 8;
const NAMES: usize = FANOUT + 256 * 4;

/// The name of an object, SHA-1.
pub(super) type Name = [u8; NAME];

const NAME: usize = 20;

/// Where an entry begins is a number below this one; beyond, it stands elsewhere.
const OFFSETS: u64 = 1 << 31;

/// An index of more bytes belongs to a repository of some millions of objects: to read it costs more than it brings.
const LARGEST: u64 = 64 << 20;

pub(super) struct Index(Vec<u8>);

impl Index {
    /// `None`: it is in another format, or cannot be read.
    pub(super) fn open(path: &Path) -> Option<Self> {
        if fs::metadata(path).ok()?.len() > LARGEST {
            return None;
        }
        let bytes = fs::read(path).ok()?;
        bytes.starts_with(&SIGNATURE_AND_VERSION).then_some(Self(bytes))
    }

    /// Where the object of this name begins.
    pub(super) fn offset(&self, name: &[u8]) -> Option<u64> {
        let first = usize::from(*name.first()?);
        // So many names begin with this byte or a smaller one.
        let up_to = |byte: usize| self.number(FANOUT + byte * 4);
        let (mut low, mut high) = (first.checked_sub(1).map_or(Some(0), up_to)?, up_to(first)?);
        while low < high {
            let middle = low.midpoint(high);
            let at = NAMES + middle * NAME;
            match self.0.get(at..at + NAME)?.cmp(name) {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => {
                    // Names, then a checksum of four bytes for each, then where each begins.
                    let offset = self.number(NAMES + up_to(255)? * (NAME + 4) + middle * 4)?;
                    return Some(offset as u64).filter(|offset| *offset < OFFSETS);
                }
            }
        }
        None
    }

    fn number(&self, at: usize) -> Option<usize> {
        let bytes = self.0.get(at..)?.first_chunk::<4>()?;
        usize::try_from(u32::from_be_bytes(*bytes)).ok()
    }
}

/// What an index says of an entry.
pub(super) struct Line {
    pub(super) name: Name,
    /// Of the packed bytes.
    pub(super) crc: u32,
    pub(super) offset: u64,
}

/// The index of a pack that ends with a checksum. `None`: the pack is too large.
pub(super) fn of(mut lines: Vec<Line>, pack: &Name) -> Option<Vec<u8>> {
    lines.sort_unstable_by_key(|line| line.name);
    let mut index = SIGNATURE_AND_VERSION.to_vec();
    for byte in 0..=u8::MAX {
        let up_to = lines.partition_point(|line| line.name[0] <= byte);
        index.extend(u32::try_from(up_to).ok()?.to_be_bytes());
    }
    lines.iter().for_each(|line| index.extend(line.name));
    lines.iter().for_each(|line| index.extend(line.crc.to_be_bytes()));
    for line in &lines {
        let offset = u32::try_from(line.offset).ok().filter(|_| line.offset < OFFSETS)?;
        index.extend(offset.to_be_bytes());
    }
    index.extend(pack);
    let checksum = Sha1::digest(&index);
    index.extend(checksum);
    Some(index)
}
