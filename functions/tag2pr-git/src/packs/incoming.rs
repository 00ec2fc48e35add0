//! A pack as it comes in: kept, and an index made of it.
//!
//! The bytes are gone through once while they come, for where each entry begins and which objects are whole. Then the deltas are
//! unpacked from their roots, each once. libgit2 unpacks the bases of each delta anew when they fill more than 16 MB, which takes ten
//! times as long for ten thousand manifests that are alike.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use flate2::{Crc, Decompress, FlushDecompress, Status};
use git2::Indexer;
use sha1::{Digest as _, Sha1};

use super::chains::Chains;
use super::entry::{Entry, Kind, Stored};
use super::index::{self, Line, Name};

/// `PACK`, the version, and how many entries there are.
const HEADER: usize = 12;

/// Bytes that are read at once.
const BUFFER: usize = 64 << 10;

/// Keeps a pack in a folder, under the name that its bytes give it.
pub(crate) fn keep(source: impl Read, folder: &Path, threads: usize) -> io::Result<()> {
    let pack = folder.join("incoming.pack");
    let mut incoming = Incoming::of(source, &pack)?;
    let (entries, checksum) = incoming.entries()?;
    drop(incoming);
    let index = lines(&pack, &entries, threads).and_then(|lines| index::of(lines, &checksum));
    match index {
        Some(index) => {
            let name: String = checksum.iter().map(|byte| format!("{byte:02x}")).collect();
            let kept = folder.join(format!("pack-{name}.pack"));
            fs::rename(&pack, &kept)?;
            // Whoever sees the index finds the pack.
            fs::write(kept.with_extension("idx"), index)
        }
        None => leave_to_libgit2(pack, folder),
    }
}

/// An entry, of which a delta's name is not known yet.
struct Found {
    offset: u64,
    crc: u32,
    entry: Entry,
    name: Option<Name>,
}

/// The lines of an index. `None`: this pack is not understood here, but by libgit2 perhaps.
fn lines(pack: &Path, found: &[Found], threads: usize) -> Option<Vec<Line>> {
    let chains = Chains::of_all(File::open(pack).ok()?, found.iter().map(|found| (found.offset, found.entry)))?;
    let names = chains.unpack(threads, &|offset, kind, bytes| {
        let mut hash = hash_of(kind, bytes.len());
        hash.update(bytes);
        Some((offset, Name::from(hash.finalize())))
    });
    let names: HashMap<u64, Name> = names.into_iter().collect();
    let line = |found: &Found| {
        let name = found.name.or_else(|| names.get(&found.offset).copied())?;
        Some(Line { name, crc: found.crc, offset: found.offset })
    };
    found.iter().map(line).collect()
}

fn leave_to_libgit2(pack: PathBuf, folder: &Path) -> io::Result<()> {
    let mut indexer = Indexer::new(None, folder, 0o444, false).map_err(io::Error::other)?;
    io::copy(&mut File::open(&pack)?, &mut indexer)?;
    indexer.commit().map_err(io::Error::other)?;
    fs::remove_file(pack)
}

/// The name of an object, in the making: <https://git-scm.com/book/en/v2/Git-Internals-Git-Objects>.
fn hash_of(kind: Kind, size: usize) -> Sha1 {
    Sha1::new_with_prefix(format!("{} {size}\0", kind.name()))
}

/// The bytes of a pack, written down as they come.
struct Incoming<R> {
    source: R,
    file: BufWriter<File>,
    buffer: Vec<u8>,
    /// What of the buffer was not gone through yet.
    rest: std::ops::Range<usize>,
    offset: u64,
    hash: Sha1,
    crc: Crc,
    unpacked: Vec<u8>,
}

impl<R: Read> Incoming<R> {
    fn of(source: R, path: &Path) -> io::Result<Self> {
        Ok(Self {
            source,
            file: BufWriter::with_capacity(BUFFER, File::create(path)?),
            buffer: vec![0; BUFFER],
            rest: 0..0,
            offset: 0,
            hash: Sha1::new(),
            crc: Crc::new(),
            unpacked: vec![0; BUFFER],
        })
    }

    /// Goes through everything; the checksum at the end is that of the bytes before it.
    fn entries(&mut self) -> io::Result<(Vec<Found>, Name)> {
        let mut header = [0; HEADER];
        self.take(&mut header)?;
        let [b'P', b'A', b'C', b'K', 0, 0, 0, 2 | 3, count @ ..] = header else { return Err(broken()) };
        let count = u32::from_be_bytes(count);
        let mut zlib = Decompress::new(true);
        let mut entries = Vec::new();
        for _ in 0..count {
            entries.push(self.entry(&mut zlib)?);
        }
        let made: Name = self.hash.clone().finalize().into();
        let mut told = Name::default();
        self.take(&mut told)?;
        self.file.flush()?;
        if told == made { Ok((entries, made)) } else { Err(broken()) }
    }

    fn entry(&mut self, zlib: &mut Decompress) -> io::Result<Found> {
        let offset = self.offset;
        self.crc = Crc::new();
        let mut failure = None;
        let entry = Entry::parse(offset, || self.byte().map_err(|error| failure = Some(error)).ok());
        let entry = entry.ok_or_else(|| failure.unwrap_or_else(broken))?;
        let mut hash = match entry.stored {
            Stored::Whole(kind) => Some(hash_of(kind, entry.size)),
            Stored::DeltaAt(_) | Stored::DeltaOf(_) => None,
        };
        self.inflate(zlib, entry.size, hash.as_mut())?;
        Ok(Found { offset, crc: self.crc.sum(), entry, name: hash.map(|hash| hash.finalize().into()) })
    }

    /// Goes through one packed stream of bytes; nothing is kept of it but a hash.
    fn inflate(&mut self, zlib: &mut Decompress, size: usize, mut hash: Option<&mut Sha1>) -> io::Result<()> {
        zlib.reset(true);
        loop {
            self.fill()?;
            let (read, written) = (zlib.total_in(), zlib.total_out());
            let status = zlib
                .decompress(&self.buffer[self.rest.clone()], &mut self.unpacked, FlushDecompress::None)
                .map_err(|_| broken())?;
            let length = usize::try_from(zlib.total_out() - written).map_err(|_| broken())?;
            if let Some(hash) = hash.as_deref_mut() {
                hash.update(&self.unpacked[..length]);
            }
            let used = usize::try_from(zlib.total_in() - read).map_err(|_| broken())?;
            self.pass(used);
            match status {
                Status::StreamEnd if zlib.total_out() == size as u64 => return Ok(()),
                Status::Ok | Status::BufError if (used > 0 || length > 0) && zlib.total_out() <= size as u64 => {}
                _ => return Err(broken()),
            }
        }
    }

    fn byte(&mut self) -> io::Result<u8> {
        let mut byte = [0];
        self.take(&mut byte)?;
        Ok(byte[0])
    }

    fn take(&mut self, to: &mut [u8]) -> io::Result<()> {
        let mut done = 0;
        while done < to.len() {
            self.fill()?;
            let count = self.rest.len().min(to.len() - done);
            to[done..done + count].copy_from_slice(&self.buffer[self.rest.start..self.rest.start + count]);
            self.pass(count);
            done += count;
        }
        Ok(())
    }

    /// Leaves some bytes behind.
    fn pass(&mut self, count: usize) {
        let passed = &self.buffer[self.rest.start..self.rest.start + count];
        self.hash.update(passed);
        self.crc.update(passed);
        self.rest.start += count;
        self.offset += count as u64;
    }

    /// Sees to it that there are bytes to go through.
    fn fill(&mut self) -> io::Result<()> {
        if self.rest.is_empty() {
            let count = self.source.read(&mut self.buffer)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.file.write_all(&self.buffer[..count])?;
            self.rest = 0..count;
        }
        Ok(())
    }
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the pack is broken")
}
