//! One entry of a pack: a whole object, or a delta of another.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use flate2::{Decompress, FlushDecompress, Status};

use super::index::Name;

/// A larger object, or delta, is left to libgit2.
pub(super) const LARGEST: usize = 4 << 20;

/// More bytes than any header has.
const HEADER: usize = 48;

const DELTA_BY_DISTANCE: u8 = 6;
const DELTA_BY_NAME: u8 = 7;

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Commit,
    Tree,
    Blob,
    Tag,
}

impl Kind {
    fn of(number: u8) -> Option<Self> {
        [Self::Commit, Self::Tree, Self::Blob, Self::Tag].get(usize::from(number).checked_sub(1)?).copied()
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Tree => "tree",
            Self::Blob => "blob",
            Self::Tag => "tag",
        }
    }
}

/// What stands in a pack.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stored {
    /// An object.
    Whole(Kind),
    /// A delta of the entry that begins there.
    DeltaAt(u64),
    /// A delta of the object of this name.
    DeltaOf(Name),
}

/// What the header of an entry says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) stored: Stored,
    /// How many bytes are unpacked.
    pub(super) size: usize,
    /// Where the packed ones begin.
    pub(super) data: u64,
}

impl Entry {
    /// Reads the header at an offset, a byte after the other; `None` if it is none.
    pub(super) fn parse(offset: u64, mut next: impl FnMut() -> Option<u8>) -> Option<Self> {
        let mut read = 0;
        let mut byte = || {
            read += 1;
            next()
        };
        let first = byte()?;
        // Four bits of the size, then seven in each byte that follows, the lowest first.
        let (mut size, mut shift, mut last) = (u64::from(first & 0x0f), 4, first);
        while last & 0x80 != 0 {
            last = byte()?;
            size |= u64::from(last & 0x7f).checked_shl(shift).filter(|_| shift < 60)?;
            shift += 7;
        }
        let stored = match (first >> 4) & 7 {
            DELTA_BY_DISTANCE => {
                // Seven bits in each byte, the highest first, and one added for each byte that follows.
                let mut distance = 0_u64;
                loop {
                    let byte = byte()?;
                    distance |= u64::from(byte & 0x7f);
                    if byte & 0x80 == 0 {
                        break Stored::DeltaAt(offset.checked_sub(distance).filter(|_| distance > 0)?);
                    }
                    distance = distance.checked_add(1)?.checked_mul(1 << 7)?;
                }
            }
            DELTA_BY_NAME => {
                let mut name = Name::default();
                for place in &mut name {
                    *place = byte()?;
                }
                Stored::DeltaOf(name)
            }
            kind => Stored::Whole(Kind::of(kind)?),
        };
        Some(Self { stored, size: usize::try_from(size).ok()?, data: offset + read })
    }

    /// Reads the header at an offset of a pack.
    pub(super) fn read(pack: &File, offset: u64) -> Option<Self> {
        let mut header = [0; HEADER];
        let length = pack.read_at(&mut header, offset).ok()?;
        let mut bytes = header[..length].iter().copied();
        Self::parse(offset, || bytes.next())
    }
}

/// Unpacks entries, one after the other, with the same memory.
pub(super) struct Inflater {
    zlib: Decompress,
    packed: Vec<u8>,
}

impl Inflater {
    pub(super) fn new() -> Self {
        Self { zlib: Decompress::new(true), packed: Vec::new() }
    }

    /// The unpacked bytes of an entry, if they are as many as its header says, and not too many.
    pub(super) fn inflate(&mut self, pack: &File, entry: Entry) -> Option<Vec<u8>> {
        if entry.size > LARGEST {
            return None;
        }
        // How many bytes are packed is not said. What does not shrink grows by a few bytes for every 16 kB.
        let most = entry.size + entry.size / 1024 + 64;
        self.packed.resize(most, 0);
        let mut length = 0;
        while length < most {
            match pack.read_at(&mut self.packed[length..most], entry.data + length as u64).ok()? {
                0 => break,
                read => length += read,
            }
        }
        self.zlib.reset(true);
        let mut bytes = Vec::with_capacity(entry.size + 1);
        let status = self.zlib.decompress_vec(&self.packed[..length], &mut bytes, FlushDecompress::Finish).ok()?;
        (status == Status::StreamEnd && bytes.len() == entry.size).then_some(bytes)
    }
}
