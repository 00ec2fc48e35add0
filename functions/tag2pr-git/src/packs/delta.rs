//! Deltas: an object as pieces of another one, and bytes of its own between them.

use super::entry::LARGEST;

/// The object that a delta makes of its base; `None` if it does not fit that base, or is larger than what is read here.
pub(super) fn apply(base: &[u8], delta: &[u8]) -> Option<Vec<u8>> {
    let mut rest = delta;
    if size(&mut rest)? != base.len() {
        return None;
    }
    let length = size(&mut rest).filter(|length| *length <= LARGEST)?;
    let mut result = Vec::with_capacity(length);
    while let Some((instruction, after)) = rest.split_first() {
        rest = after;
        let piece = match instruction {
            0 => return None,
            own @ 1..0x80 => {
                let (piece, after) = rest.split_at_checked(usize::from(*own))?;
                rest = after;
                piece
            }
            copy => {
                let at = number(&mut rest, copy & 0x0f, 4)?;
                let length = match number(&mut rest, (copy >> 4) & 7, 3)? {
                    0 => 0x10000,
                    length => length,
                };
                base.get(at..at.checked_add(length)?)?
            }
        };
        if piece.len() > length - result.len() {
            return None;
        }
        result.extend_from_slice(piece);
    }
    (result.len() == length).then_some(result)
}

/// A size: seven bits in each byte, the lowest first.
fn size(rest: &mut &[u8]) -> Option<usize> {
    let (mut size, mut shift) = (0_usize, 0);
    loop {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        size |= usize::from(byte & 0x7f).checked_shl(shift)?;
        shift += 7;
        if byte & 0x80 == 0 {
            return Some(size);
        }
    }
}

/// A number of whose bytes, the lowest first, only those are written that a bit says are there.
fn number(rest: &mut &[u8], there: u8, bytes: u32) -> Option<usize> {
    let mut number = 0;
    for place in 0..bytes {
        if there & (1 << place) != 0 {
            let (byte, after) = rest.split_first()?;
            *rest = after;
            number |= usize::from(*byte) << (8 * place);
        }
    }
    Some(number)
}
