//! One entry of a pack: a whole object, or a delta of another.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use flate2::{Decompress, FlushDecompress, Status};

use super::index::{Index, NAME};

/// A larger blob, or delta, is left to libgit2.
pub(super) const LARGEST: usize = 4 << 20;

/// More bytes than any header has.
const HEADER: usize = 48;

const BLOB: u8 = 3;
const DELTA_BY_DISTANCE: u8 = 6;
const DELTA_BY_NAME: u8 = 7;

/// What the header of an entry says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// Where its base begins, if it is a delta.
    pub(super) base: Option<u64>,
    /// How many bytes are unpacked.
    size: usize,
    /// Where the packed ones begin.
    data: u64,
}

impl Entry {
    /// Reads the header at an offset; `None` if it is no blob, too large, or a delta of something in another pack.
    pub(super) fn read(pack: &File, index: &Index, offset: u64) -> Option<Self> {
        let mut header = [0; HEADER];
        let length = pack.read_at(&mut header, offset).ok()?;
        let header = &header[..length];
        let (first, mut rest) = header.split_first()?;
        let kind = (first >> 4) & 7;
        // Four bits of the size, then seven in each byte that follows, the lowest first.
        let (mut size, mut shift, mut last) = (usize::from(first & 0x0f), 4, *first);
        while last & 0x80 != 0 {
            (last, rest) = rest.split_first().map(|(byte, rest)| (*byte, rest))?;
            size |= usize::from(last & 0x7f).checked_shl(shift)?;
            shift += 7;
            if size > LARGEST {
                return None;
            }
        }
        let base = match kind {
            BLOB => None,
            DELTA_BY_DISTANCE => {
                // Seven bits in each byte, the highest first, and one added for each byte that follows.
                let mut distance = 0_u64;
                loop {
                    let (byte, after) = rest.split_first()?;
                    rest = after;
                    distance |= u64::from(byte & 0x7f);
                    if byte & 0x80 == 0 {
                        break Some(offset.checked_sub(distance)?);
                    }
                    distance = distance.checked_add(1)?.checked_mul(1 << 7)?;
                }
            }
            DELTA_BY_NAME => {
                let (name, after) = rest.split_at_checked(NAME)?;
                rest = after;
                Some(index.offset(name)?)
            }
            _ => return None,
        };
        Some(Self { base, size, data: offset + (length - rest.len()) as u64 })
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

    /// The unpacked bytes of an entry, if they are as many as its header says.
    pub(super) fn inflate(&mut self, pack: &File, entry: Entry) -> Option<Vec<u8>> {
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
