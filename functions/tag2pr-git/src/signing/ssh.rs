//! With an SSH key, as `git -c gpg.format=ssh commit -S` does.
//!
//! The key is an Ed25519 key: its signatures depend on nothing but key and message, so the same commit keeps its id.
//! <https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.sshsig>

use ring::signature::{Ed25519KeyPair, KeyPair as _};
use ssh_key::private::KeypairData;
use ssh_key::{Algorithm, HashAlg, LineEnding, PrivateKey, Signature, SshSig};
use tag2pr::secret::Secret;

use super::InvalidKey;

/// What the signature is for; one that was made for anything else is none of a commit.
const NAMESPACE: &str = "git";

/// A private key.
pub(super) struct Key {
    key: Ed25519KeyPair,
    public: ssh_key::public::KeyData,
}

impl Key {
    /// Reads one in OpenSSH's format.
    pub(super) fn read(key: &Secret) -> Result<Self, InvalidKey> {
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

    /// `SHA256:…`
    pub(super) fn fingerprint(&self) -> String {
        self.public.fingerprint(HashAlg::Sha256).to_string()
    }

    /// None if it cannot be written, which no Ed25519 signature is known for.
    pub(super) fn sign(&self, commit: &str) -> Option<String> {
        let signed = SshSig::signed_data(NAMESPACE, HashAlg::Sha512, commit.as_bytes()).ok()?;
        let signature = Signature::new(Algorithm::Ed25519, self.key.sign(&signed).as_ref()).ok()?;
        let signature = SshSig::new(self.public.clone(), NAMESPACE, HashAlg::Sha512, signature).ok()?;
        Some(signature.to_pem(LineEnding::LF).ok()?.trim_end().to_owned())
    }
}
