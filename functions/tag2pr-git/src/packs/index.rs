//! The index of a pack: where in it an object begins.

use std::cmp::Ordering;
use std::fs;
use std::path::Path;

const SIGNATURE_AND_VERSION: [u8; 8] = [0xff, b't', b'O', b'c', 0, 0, 0, 2];
const FANOUT: usize = 8;
const NAMES: usize = FANOUT + 256 * 4;

/// The bytes of an object's name, SHA-1.
pub(super) const NAME: usize = 20;

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
                    // Names, then a checksum of four bytes for each, then where each begins. Beyond 2 GiB it stands elsewhere.
                    let offset = self.number(NAMES + up_to(255)? * (NAME + 4) + middle * 4)?;
                    return (offset < 1 << 31).then_some(offset as u64);
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
