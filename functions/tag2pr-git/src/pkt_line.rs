//! The lines that Git's protocol is made of, and the bands that a server sends several streams in.
//!
//! <https://git-scm.com/docs/gitprotocol-common#_pkt_line_format>, <https://git-scm.com/docs/gitprotocol-pack>

use std::io::{self, Read};

/// What stands between lists of lines.
pub(crate) const FLUSH: &[u8] = b"0000";

/// Four hexadecimal digits say how long a line is, themselves included.
const LENGTH: usize = 4;

/// Appends a line.
pub(crate) fn write(to: &mut Vec<u8>, line: &str) {
    to.extend_from_slice(format!("{:04x}", line.len() + LENGTH).as_bytes());
    to.extend_from_slice(line.as_bytes());
}

/// Lines as they come in.
pub(crate) struct Lines<R> {
    source: R,
    line: Vec<u8>,
    /// The last line is given once more.
    again: bool,
}

impl<R: Read> Lines<R> {
    pub(crate) fn of(source: R) -> Self {
        Self { source, line: Vec::new(), again: false }
    }

    /// The next line, without the newline at its end. `None`: the end of a list.
    ///
    /// # Errors
    ///
    /// What the source says, `UnexpectedEof` if it ends, and `InvalidData` with the words of a server that gives up.
    pub(crate) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        if !std::mem::take(&mut self.again) {
            let mut length = [0; LENGTH];
            self.source.read_exact(&mut length)?;
            let length = std::str::from_utf8(&length).ok().and_then(|digits| usize::from_str_radix(digits, 16).ok());
            match length {
                Some(0) => return Ok(None),
                Some(length @ LENGTH..) => self.line.resize(length - LENGTH, 0),
                _ => return Err(invalid("a line has no length")),
            }
            self.source.read_exact(&mut self.line)?;
        }
        if let Some(words) = self.line.strip_prefix(b"ERR ") {
            return Err(invalid(&format!("the server says: {}", String::from_utf8_lossy(words).trim_end())));
        }
        Ok(Some(self.line.strip_suffix(b"\n").unwrap_or(&self.line)))
    }

    /// Gives the last line once more.
    pub(crate) fn put_back(&mut self) {
        self.again = true;
    }
}

/// The first of the bands: what was asked for. The second one is for people.
pub(crate) struct Bands<R> {
    lines: Lines<R>,
    /// How much of the line was read.
    read: usize,
    is_over: bool,
    /// What the server says to people.
    pub(crate) said: Vec<u8>,
}

/// More words than that nobody reads.
const SAID: usize = 4096;

impl<R: Read> Bands<R> {
    pub(crate) fn of(lines: Lines<R>) -> Self {
        Self { lines, read: 0, is_over: false, said: Vec::new() }
    }

    /// Fills the line with what belongs to the first band, and is not empty. `false`: there is no more.
    fn fill(&mut self) -> io::Result<bool> {
        loop {
            if self.lines.next()?.is_none() {
                return Ok(false);
            }
            // As it came: in a band a newline is a byte as any other.
            match self.lines.line.split_first() {
                Some((1, rest)) if !rest.is_empty() => {
                    self.read = 1;
                    return Ok(true);
                }
                Some((2, words)) => self.said.extend(words.iter().take(SAID.saturating_sub(self.said.len()))),
                Some((3, words)) => {
                    return Err(invalid(&format!("the server says: {}", String::from_utf8_lossy(words).trim_end())));
                }
                Some((1, _)) | None => {}
                Some(_) => return Err(invalid("a line belongs to no band")),
            }
        }
    }
}

impl<R: Read> Read for Bands<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read == self.lines.line.len() || self.read == 0 {
            self.is_over = self.is_over || !self.fill()?;
            if self.is_over {
                return Ok(0);
            }
        }
        let rest = &self.lines.line[self.read..];
        let count = buffer.len().min(rest.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.read += count;
        Ok(count)
    }
}

pub(crate) fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of a list, and its end.
    fn list(lines: &[&[u8]]) -> Vec<u8> {
        let line = |line: &&[u8]| [format!("{:04x}", line.len() + LENGTH).as_bytes(), line].concat();
        [lines.iter().flat_map(line).collect(), FLUSH.to_vec()].concat()
    }

    fn first_band(bytes: &[u8]) -> (io::Result<Vec<u8>>, String) {
        let mut bands = Bands::of(Lines::of(bytes));
        let mut read = Vec::new();
        let result = bands.read_to_end(&mut read).map(|_| read);
        (result, String::from_utf8(bands.said).unwrap())
    }

    #[test]
    fn what_is_written_is_read() {
        let mut bytes = Vec::new();
        write(&mut bytes, "want 1\n");
        write(&mut bytes, "");
        bytes.extend_from_slice(FLUSH);
        let mut lines = Lines::of(&*bytes);
        assert_eq!(lines.next().unwrap(), Some(&b"want 1"[..]));
        lines.put_back();
        assert_eq!(lines.next().unwrap(), Some(&b"want 1"[..]));
        assert_eq!(lines.next().unwrap(), Some(&b""[..]));
        assert_eq!(lines.next().unwrap(), None);
        assert_eq!(lines.next().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn the_first_band_is_read_and_the_second_is_for_people() {
        let bytes = list(&[b"\x01PA", b"\x02Counting\n", b"\x01", b"\x01CK\n", b"", b"\x02done\n"]);
        let (read, said) = first_band(&bytes);
        assert_eq!((read.unwrap(), &*said), (b"PACK\n".to_vec(), "Counting\ndone\n"));
    }

    #[test]
    fn a_server_that_gives_up_says_why() {
        let said = |bytes: &[u8]| first_band(bytes).0.unwrap_err().to_string();
        assert_eq!(said(&list(&[b"\x01PA", b"\x03out of memory\n"])), "the server says: out of memory");
        assert_eq!(said(&list(&[b"ERR access denied\n"])), "the server says: access denied");
        assert_eq!(said(&list(&[b"\x07what"])), "a line belongs to no band");
        assert_eq!(said(b"zzzz"), "a line has no length");
        assert_eq!(said(b"0003"), "a line has no length");
        assert_eq!(first_band(b"0009\x01PA").0.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
