//! Signing commits with an SSH key, as `git -c gpg.format=ssh commit -S` does.
//!
//! The key is an Ed25519 key: its signatures depend on nothing but key and message, so the same commit keeps its id.
//! <https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.sshsig>

use std::fmt;

use ring::signature::{Ed25519KeyPair, KeyPair as _};
use ssh_key::private::KeypairData;
use ssh_key::{Algorithm, HashAlg, LineEnding, PrivateKey, Signature, SshSig};
use tag2pr::secret::Secret;

/// What the signature is for; one that was made for anything else is none of a commit.
const NAMESPACE: &str = "git";

/// Why a key cannot sign commits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// It is for OpenPGP.
    #[error("is an OpenPGP key, and commits are signed with SSH keys: make one with `ssh-keygen -t ed25519 -N ''`")]
    OpenPgp,
    /// It is of a kind whose signatures differ from time to time, or that nobody needs any more.
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
        "is no private SSH key of the kind `ssh-ed25519`: give the file that `ssh-keygen -t ed25519 -N ''` made, not the one with `.pub`"
    )]
    Unreadable,
}

/// A key that signs commits.
pub struct Signer {
    key: Ed25519KeyPair,
    public: ssh_key::public::KeyData,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.public.fingerprint(HashAlg::Sha256))
    }
}

impl Signer {
    /// Reads a private key in OpenSSH's format.
    ///
    /// # Errors
    ///
    /// When it cannot sign commits.
    pub fn new(key: &Secret) -> Result<Self, InvalidKey> {
        if key.expose().contains("BEGIN PGP") {
            return Err(InvalidKey::OpenPgp);
        }
        // Secrets are kept without the line break at their end.
        let text = format!("{}\n", key.expose().trim());
        let key = PrivateKey::from_openssh(text).map_err(|_| InvalidKey::Unreadable)?;
        if key.is_encrypted() {
            return Err(InvalidKey::Encrypted);
        }
        let KeypairData::Ed25519(pair) = key.key_data() else {
            return Err(InvalidKey::Kind(key.algorithm().to_string()));
        };
        let signing = Ed25519KeyPair::from_seed_and_public_key(pair.private.as_ref(), pair.public.as_ref());
        let signing = signing.map_err(|_| InvalidKey::Unreadable)?;
        debug_assert_eq!(signing.public_key().as_ref(), pair.public.as_ref());
        Ok(Self { key: signing, public: key.public_key().key_data().clone() })
    }

    /// The signature of a commit as it stands in its header; none if it cannot be written, which no Ed25519 signature
    /// is known for.
    pub(crate) fn sign(&self, commit: &str) -> Option<String> {
        let signed = SshSig::signed_data(NAMESPACE, HashAlg::Sha512, commit.as_bytes()).ok()?;
        let signature = Signature::new(Algorithm::Ed25519, self.key.sign(&signed).as_ref()).ok()?;
        let signature = SshSig::new(self.public.clone(), NAMESPACE, HashAlg::Sha512, signature).ok()?;
        Some(signature.to_pem(LineEnding::LF).ok()?.trim_end().to_owned())
    }
}
