//! With an OpenPGP key, as `git commit -S` does by GnuPG.
//!
//! Keys of version 4, RSA or Ed25519, without a passphrase: <https://www.rfc-editor.org/rfc/rfc9580>. Of several, the last
//! that may sign and is not revoked is taken; whether it has expired is not looked at.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA512, digest};
use ring::rand::SystemRandom;
use ring::rsa::{KeyPairComponents, PublicKeyComponents};
use ring::signature::{Ed25519KeyPair, RSA_PKCS1_SHA512, RsaKeyPair};
use tag2pr::secret::Secret;

use super::InvalidKey;

// Section 5: types of packets.
const SIGNATURE: u8 = 2;
const SECRET_KEY: u8 = 5;
const SECRET_SUBKEY: u8 = 7;
// Section 9.1: public-key algorithms.
const RSA: u8 = 1;
const RSA_SIGN_ONLY: u8 = 3;
const EDDSA_LEGACY: u8 = 22;
const ED25519: u8 = 27;
/// Section 9.2: the object identifier of Ed25519 as a curve.
const ED25519_CURVE: [u8; 9] = [0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01];
/// Section 9.5.
const SHA512_ID: u8 = 10;
/// Section 5.2.3.29: the key may sign data.
const MAY_SIGN: u8 = 0x02;
/// Of GnuPG: the secret part is elsewhere.
const GNU_DUMMY: u8 = 101;

/// A private key.
pub(super) struct Key {
    /// In seconds since 1970.
    created: u32,
    fingerprint: [u8; 20],
    algorithm: u8,
    pair: Pair,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// What stands in a file of one key of it.
struct Found<'a> {
    body: &'a [u8],
    is_subkey: bool,
    /// Of its last signature that says so.
    may_sign: Option<bool>,
    is_revoked: bool,
}

impl Key {
    /// Reads one that is armored.
    pub(super) fn read(key: &Secret) -> Result<Self, InvalidKey> {
        if !key.expose().contains("-----BEGIN PGP PRIVATE KEY BLOCK-----") {
            return Err(InvalidKey::OpenPgp("not the private one"));
        }
        let unreadable = InvalidKey::OpenPgp("cannot be read");
        let bytes = dearmored(key.expose()).ok_or(unreadable.clone())?;
        let keys = keys(&bytes).ok_or(unreadable)?;
        if keys.first().is_some_and(|key| key.is_revoked) {
            return Err(InvalidKey::OpenPgp("it is revoked"));
        }
        let sign = keys.iter().filter(|key| !key.is_revoked && key.may_sign.unwrap_or(!key.is_subkey));
        let mut refused = None;
        for key in sign.rev() {
            match Self::of(key.body) {
                Ok(key) => return Ok(key),
                Err(error) => {
                    refused.get_or_insert(error);
                }
            }
        }
        Err(refused.unwrap_or(InvalidKey::OpenPgp("no key in it may sign")))
    }

    /// Section 5.5.3.
    fn of(body: &[u8]) -> Result<Self, InvalidKey> {
        let cut = || InvalidKey::OpenPgp("cannot be read");
        let mut rest = Bytes(body);
        if rest.byte().ok_or_else(cut)? != 4 {
            return Err(InvalidKey::OpenPgp("not of version 4"));
        }
        let created = rest.take(4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes).ok_or_else(cut)?;
        let algorithm = rest.byte().ok_or_else(cut)?;
        let public = match algorithm {
            RSA | RSA_SIGN_ONLY => vec![rest.number().ok_or_else(cut)?, rest.number().ok_or_else(cut)?],
            EDDSA_LEGACY => {
                let length = rest.byte().ok_or_else(cut)?;
                if rest.take(usize::from(length)).ok_or_else(cut)? != ED25519_CURVE {
                    return Err(InvalidKey::OpenPgp("its curve is not Ed25519"));
                }
                // The first byte says that it is in the curve's own format.
                vec![rest.number().and_then(|point| point.strip_prefix(&[0x40])).ok_or_else(cut)?]
            }
            ED25519 => vec![rest.take(32).ok_or_else(cut)?],
            _ => return Err(InvalidKey::OpenPgp("neither Ed25519 nor RSA")),
        };
        let public_length = body.len() - rest.0.len();
        match rest.byte().ok_or_else(cut)? {
            0 => {}
            // Usage, cipher, kind of the derivation.
            253..=255 if rest.0.get(1) == Some(&GNU_DUMMY) => {
                return Err(InvalidKey::OpenPgp("its secret part is not in the file"));
            }
            _ => return Err(InvalidKey::Encrypted),
        }
        let pair = match algorithm {
            RSA | RSA_SIGN_ONLY => Pair::Rsa(rsa(&public, &mut rest)?),
            EDDSA_LEGACY => Pair::Ed25519(ed25519(rest.number().ok_or_else(cut)?, public[0]).ok_or_else(cut)?),
            _ => Pair::Ed25519(ed25519(rest.take(32).ok_or_else(cut)?, public[0]).ok_or_else(cut)?),
        };
        let public = &body[..public_length];
        let mut hashed = vec![0x99];
        hashed.extend(u16::try_from(public_length).map_err(|_| cut())?.to_be_bytes());
        hashed.extend(public);
        let fingerprint = digest(&SHA1_FOR_LEGACY_USE_ONLY, &hashed);
        let fingerprint = fingerprint.as_ref().try_into().map_err(|_| cut())?;
        Ok(Self { created, fingerprint, algorithm, pair })
    }

    /// In hexadecimal digits.
    pub(super) fn fingerprint(&self) -> String {
        self.fingerprint.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02X}");
            text
        })
    }

    /// Section 5.2.3: of binary data, version 4. Nothing can be signed before there was a key: what was pushed earlier is
    /// signed as of then.
    pub(super) fn sign(&self, commit: &str, at: Timestamp) -> Option<String> {
        let at = u32::try_from(at.as_second()).unwrap_or(0).max(self.created);
        let mut known = vec![22, 33, 4];
        known.extend(self.fingerprint);
        known.extend([5, 2]);
        known.extend(at.to_be_bytes());
        let mut body = vec![4, 0, self.algorithm, SHA512_ID];
        body.extend(u16::try_from(known.len()).ok()?.to_be_bytes());
        body.extend(known);

        let mut signed = commit.as_bytes().to_vec();
        signed.extend(&body);
        signed.extend([4, 0xff]);
        signed.extend(u32::try_from(body.len()).ok()?.to_be_bytes());
        let hash = digest(&SHA512, &signed);

        body.extend([0, 10, 9, 16]);
        body.extend(&self.fingerprint[12..]);
        body.extend(&hash.as_ref()[..2]);
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA512, &SystemRandom::new(), &signed, &mut signature).ok()?;
                body.extend(written(&signature)?);
            }
            Pair::Ed25519(pair) if self.algorithm == EDDSA_LEGACY => {
                let signature = pair.sign(hash.as_ref());
                let (r, s) = signature.as_ref().split_at(32);
                body.extend(written(r)?);
                body.extend(written(s)?);
            }
            Pair::Ed25519(pair) => body.extend(pair.sign(hash.as_ref()).as_ref()),
        }
        let mut packet = vec![0xc0 | SIGNATURE, 0xff];
        packet.extend(u32::try_from(body.len()).ok()?.to_be_bytes());
        packet.extend(body);
        Some(armored(&packet))
    }
}

/// Section 6.2, with the checksum that GnuPG looks for where the text ends.
fn armored(packet: &[u8]) -> String {
    let base64 = STANDARD.encode(packet);
    let mut text = "-----BEGIN PGP SIGNATURE-----\n\n".to_owned();
    for line in base64.as_bytes().chunks(64) {
        text.extend(line.iter().map(|byte| char::from(*byte)));
        text.push('\n');
    }
    let checksum = STANDARD.encode(&checksum(packet).to_be_bytes()[1..]);
    text + "=" + &checksum + "\n-----END PGP SIGNATURE-----"
}

/// Section 6.1.1: a CRC of 24 bits.
fn checksum(bytes: &[u8]) -> u32 {
    let mut sum = 0x00b7_04ce;
    for byte in bytes {
        sum ^= u32::from(*byte) << 16;
        for _ in 0..8 {
            sum <<= 1;
            if sum & 0x0100_0000 != 0 {
                sum ^= 0x0186_4cfb;
            }
        }
    }
    sum
}

fn dearmored(text: &str) -> Option<Vec<u8>> {
    let (_, text) = text.split_once("-----BEGIN PGP PRIVATE KEY BLOCK-----")?;
    let (text, _) = text.split_once("-----END PGP PRIVATE KEY BLOCK-----")?;
    let lines = text.lines().map(str::trim).skip(1);
    // Headers end with an empty line, and a checksum begins with `=`.
    let lines = lines.skip_while(|line| line.contains(':')).filter(|line| !line.starts_with('='));
    STANDARD.decode(lines.collect::<String>()).ok()
}

/// The keys of a file, with what their signatures say that they are for. Nobody's signatures are verified: whoever can
/// write this file can sign anyway.
fn keys(bytes: &[u8]) -> Option<Vec<Found<'_>>> {
    let mut keys: Vec<Found<'_>> = Vec::new();
    let mut rest = Bytes(bytes);
    while !rest.0.is_empty() {
        let (kind, body) = rest.packet()?;
        match kind {
            SECRET_KEY | SECRET_SUBKEY => {
                keys.push(Found { body, is_subkey: kind == SECRET_SUBKEY, may_sign: None, is_revoked: false });
            }
            SIGNATURE => {
                let Some(key) = keys.last_mut() else { continue };
                if is_revocation(body) {
                    key.is_revoked = true;
                } else if let Some(flags) = flags(body) {
                    key.may_sign = Some(flags & MAY_SIGN != 0);
                }
            }
            _ => {}
        }
    }
    Some(keys)
}

/// Section 5.2.1: of a key, or of a subkey.
fn is_revocation(body: &[u8]) -> bool {
    matches!(body, [4, 0x20 | 0x28, ..])
}

/// What a signature of version 4 says that its key is for: section 5.2.3.
fn flags(body: &[u8]) -> Option<u8> {
    let mut rest = Bytes(body);
    if rest.byte()? != 4 {
        return None;
    }
    rest.take(3)?;
    let length = rest.short()?;
    let mut hashed = Bytes(rest.take(length)?);
    while !hashed.0.is_empty() {
        let length = hashed.subpacket_length()?;
        let (kind, content) = hashed.take(length)?.split_first()?;
        if kind & 0x7f == 27 {
            return content.first().copied();
        }
    }
    None
}

/// Bytes that are read from the front; nothing if there are too few.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn short(&mut self) -> Option<usize> {
        self.take(2).map(|bytes| usize::from(u16::from_be_bytes([bytes[0], bytes[1]])))
    }

    fn long(&mut self) -> Option<usize> {
        let bytes = self.take(4)?.try_into().ok()?;
        usize::try_from(u32::from_be_bytes(bytes)).ok()
    }

    /// Section 3.2: a number, after its length in bits.
    fn number(&mut self) -> Option<&'a [u8]> {
        let bits = self.short()?;
        self.take(bits.div_ceil(8))
    }

    /// Section 4.2.1: the length of what follows, in one, two or five bytes.
    fn length(&mut self) -> Option<usize> {
        match self.byte()? {
            first @ 0..192 => Some(usize::from(first)),
            first @ 192..224 => Some(((usize::from(first) - 192) << 8) + usize::from(self.byte()?) + 192),
            // A part of something, which keys and their signatures never are.
            224..255 => None,
            255 => self.long(),
        }
    }

    /// Section 5.2.3.7: there are no parts of a subpacket.
    fn subpacket_length(&mut self) -> Option<usize> {
        match *self.0.first()? {
            192..=254 => {
                let (first, second) = (usize::from(self.byte()?), usize::from(self.byte()?));
                Some(((first - 192) << 8) + second + 192)
            }
            _ => self.length(),
        }
    }

    /// Section 4.2: the kind of a packet, and what is in it.
    fn packet(&mut self) -> Option<(u8, &'a [u8])> {
        let first = self.byte().filter(|first| first & 0x80 != 0)?;
        if first & 0x40 != 0 {
            let length = self.length()?;
            return Some((first & 0x3f, self.take(length)?));
        }
        let length = match first & 0x03 {
            0 => usize::from(self.byte()?),
            1 => self.short()?,
            2 => self.long()?,
            _ => self.0.len(),
        };
        Some((first >> 2 & 0x0f, self.take(length)?))
    }
}

/// Section 3.2: without zeros before it.
fn written(number: &[u8]) -> Option<Vec<u8>> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let digits = &number[zeros..];
    let bits = digits.first().map_or(0, |first| digits.len() * 8 - first.leading_zeros() as usize);
    let mut written = u16::try_from(bits).ok()?.to_be_bytes().to_vec();
    written.extend(digits);
    Some(written)
}

fn ed25519(seed: &[u8], public: &[u8]) -> Option<Ed25519KeyPair> {
    // As a number it has lost the zeros before it.
    let mut whole = [0; 32];
    whole[32_usize.checked_sub(seed.len())?..].copy_from_slice(seed);
    Ed25519KeyPair::from_seed_and_public_key(&whole, public).ok()
}

/// Section 5.5.5.1. OpenPGP's second prime is the greater one, and its inverse that of the first: ring has it the other
/// way round.
fn rsa(public: &[&[u8]], rest: &mut Bytes<'_>) -> Result<RsaKeyPair, InvalidKey> {
    let mut number = || rest.number().ok_or(InvalidKey::OpenPgp("cannot be read"));
    let (d, q, p, inverse) = (number()?, number()?, number()?, number()?);
    let components = KeyPairComponents {
        public_key: PublicKeyComponents { n: public[0], e: public[1] },
        d,
        p,
        q,
        dP: &remainder(d, &less_one(p)),
        dQ: &remainder(d, &less_one(q)),
        qInv: inverse,
    };
    let refused = InvalidKey::OpenPgp("its RSA key is not one of 2048, 3072 or 4096 bits");
    RsaKeyPair::from_components(&components).map_err(|_| refused)
}

/// Of an odd number, which primes are.
fn less_one(prime: &[u8]) -> Vec<u8> {
    let mut number = prime.to_vec();
    if let Some(last) = number.last_mut() {
        *last &= 0xfe;
    }
    number
}

/// What is left of a number when it is divided by another, bit by bit: it is done once for a key.
fn remainder(number: &[u8], by: &[u8]) -> Vec<u8> {
    // One byte more than the divisor, for the bit that is shifted out before it is taken away.
    let mut by = by.to_vec();
    by.insert(0, 0);
    let mut left = vec![0_u8; by.len()];
    for bit in number.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)) {
        let mut carry = bit;
        for byte in left.iter_mut().rev() {
            (*byte, carry) = (*byte << 1 | carry, *byte >> 7);
        }
        if left >= by {
            let mut borrow = false;
            for (byte, less) in left.iter_mut().zip(&by).rev() {
                let (once, first) = byte.overflowing_sub(*less);
                let (twice, second) = once.overflowing_sub(u8::from(borrow));
                (*byte, borrow) = (twice, first || second);
            }
        }
    }
    let zeros = left.iter().take_while(|byte| **byte == 0).count();
    left.split_off(zeros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remainder_is_what_arithmetic_says() {
        for (number, by) in
            [(0_u64, 7_u64), (6, 7), (7, 7), (1_000_000_007, 255), (u64::MAX, 65_537), (u64::MAX, u64::MAX - 1)]
        {
            let bytes = |number: u64| {
                let bytes = number.to_be_bytes();
                bytes.into_iter().skip_while(|byte| *byte == 0).collect::<Vec<_>>()
            };
            assert_eq!(remainder(&number.to_be_bytes(), &bytes(by)), bytes(number % by), "{number} % {by}");
        }
    }

    #[test]
    fn a_number_is_written_after_its_length_in_bits() {
        assert_eq!(written(&[0, 0x01, 0xff]).unwrap(), [0, 9, 0x01, 0xff]);
        assert_eq!(written(&[0x80]).unwrap(), [0, 8, 0x80]);
        assert_eq!(written(&[]).unwrap(), [0, 0]);
    }
}
