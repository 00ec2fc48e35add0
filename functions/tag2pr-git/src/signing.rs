//! Signing commits: one file for each kind of key. A signature depends on nothing but the key and the commit, so the same
//! commit keeps its id.

mod openpgp;
mod ssh;

use std::fmt;

use jiff::Timestamp;
use tag2pr::secret::Secret;

/// Why a key cannot sign commits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// It is an SSH key of a kind whose signatures differ from time to time, or that nobody needs any more.
    #[error(
        "is a key of the kind {0}, and commits are signed with `ssh-ed25519`: make one with `ssh-keygen -t ed25519 -N ''`"
    )]
    Kind(String),
    /// It needs a passphrase.
    #[error(
        "is encrypted, and there is nobody to ask for the passphrase: give it without one, as the secret that it is"
    )]
    Encrypted,
    /// It is no key at all.
    #[error(
        "is no private SSH key of the kind `ssh-ed25519`, and no armored OpenPGP key: give the file that `ssh-keygen -t ed25519 -N ''` made, not the one with `.pub`"
    )]
    Unreadable,
    /// It is an OpenPGP key that cannot sign here.
    #[error(
        "is an OpenPGP key, and {0}: give what `gpg --armor --export-secret-keys ID` writes of an Ed25519 or RSA key (`gpg --quick-generate-key tag2pr@example.com ed25519 sign never`)"
    )]
    OpenPgp(&'static str),
}

/// A key that signs commits.
pub struct Signer(Key);

enum Key {
    Ssh(ssh::Key),
    OpenPgp(openpgp::Key),
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Key::Ssh(key) => write!(f, "Signer({})", key.fingerprint()),
            Key::OpenPgp(key) => write!(f, "Signer({})", key.fingerprint()),
        }
    }
}

impl Signer {
    /// Reads a private key: in OpenSSH's format, or of OpenPGP, armored.
    ///
    /// # Errors
    ///
    /// When it cannot sign commits.
    pub fn new(key: &Secret) -> Result<Self, InvalidKey> {
        if key.expose().contains("-----BEGIN PGP") {
            return openpgp::Key::read(key).map(|key| Self(Key::OpenPgp(key)));
        }
        ssh::Key::read(key).map(|key| Self(Key::Ssh(key)))
    }

    /// The signature of a commit as it stands in its header, made at the time of the commit; none if it cannot be made.
    pub(crate) fn sign(&self, commit: &str, at: Timestamp) -> Option<String> {
        match &self.0 {
            Key::Ssh(key) => key.sign(commit),
            Key::OpenPgp(key) => key.sign(commit, at),
        }
    }
}
