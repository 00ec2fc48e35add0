//! Commits signed with OpenPGP keys that GnuPG made, verified by Git with GnuPG.

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use tag2pr::secret::Secret;
use tag2pr_git::{InvalidKey, Signer};
use tag2pr_standins::git;
use tag2pr_standins::parts::program;

use crate::signing::signed;

/// A person's keys, younger than the commits that they sign; the agent that keeps them ends with this.
struct Ring(tempfile::TempDir);

impl Ring {
    /// `None` where GnuPG is missing.
    fn new() -> Option<Self> {
        let is_installed = git::is_installed() && program("gpg", "apt-get install gpg gpg-agent").is_some();
        // Nobody else may look into it, or GnuPG warns.
        let private = Permissions::from_mode(0o700);
        is_installed.then(|| Self(tempfile::Builder::new().permissions(private).tempdir().unwrap()))
    }

    fn gpg(&self, passphrase: &str, arguments: &[&str]) -> String {
        let mut gpg = Command::new("gpg");
        gpg.arg("--homedir").arg(self.0.path());
        gpg.args(["--quiet", "--batch", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", passphrase]);
        let output = gpg.args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Makes a key, for this use.
    fn make(&self, kind: &str, usage: &str, passphrase: &str) {
        self.gpg(passphrase, &["--quick-generate-key", "tag2pr <tag2pr@example.org>", kind, usage, "never"]);
    }

    /// As a person does it, question by question.
    fn revoke_subkey(&self, number: usize) {
        let mut gpg = Command::new("gpg");
        gpg.arg("--homedir").arg(self.0.path());
        gpg.args(["--quiet", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", "", "--command-fd", "0"]);
        gpg.args(["--edit-key", &self.fingerprint()]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = gpg.spawn().unwrap();
        let said = format!("key {number}\nrevkey\ny\n0\n\ny\nsave\n");
        process.stdin.take().unwrap().write_all(said.as_bytes()).unwrap();
        assert!(process.wait().unwrap().success());
    }

    fn fingerprint(&self) -> String {
        let listed = self.gpg("", &["--with-colons", "--list-secret-keys"]);
        let line = listed.lines().find(|line| line.starts_with("fpr:")).unwrap();
        line.split(':').nth(9).unwrap().to_owned()
    }

    fn exported(&self, how: &str, passphrase: &str) -> Secret {
        Secret::new(&self.gpg(passphrase, &["--armor", how, "tag2pr@example.org"]))
    }

    /// Fails if Git does not say that a commit with this key is signed by it.
    async fn verifies(&self, key: &Secret) {
        let directory = tempfile::tempdir().unwrap();
        let (bare, commit) = signed(directory.path(), key).await;
        let mut git = git::command(bare.path());
        let output = git.env("GNUPGHOME", self.0.path()).args(["verify-commit", "-v", &commit.0]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.success() && said.contains("Good signature from \"tag2pr <tag2pr@example.org>\""),
            "{said}"
        );
        let mut git = git::command(bare.path());
        let base = git.env("GNUPGHOME", self.0.path()).args(["verify-commit", "main"]).output().unwrap();
        assert!(!base.status.success(), "nobody signed what was there before");
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // Without an agent there is nothing to stop.
        let _ = Command::new("gpgconf").arg("--homedir").arg(self.0.path()).args(["--kill", "all"]).output();
    }
}

#[tokio::test]
async fn an_ed25519_key_signs() {
    let Some(ring) = Ring::new() else { return };
    ring.make("ed25519", "sign", "");
    let key = ring.exported("--export-secret-keys", "");
    assert_eq!(format!("{:?}", Signer::new(&key).unwrap()), format!("Signer({})", ring.fingerprint()));
    ring.verifies(&key).await;
}

#[tokio::test]
async fn an_rsa_key_signs() {
    let Some(ring) = Ring::new() else { return };
    ring.make("rsa3072", "sign", "");
    ring.verifies(&ring.exported("--export-secret-keys", "")).await;
}

/// The main key stays at home: only its subkeys are given away.
#[tokio::test]
async fn a_subkey_signs_where_the_main_key_may_not() {
    let Some(ring) = Ring::new() else { return };
    ring.make("ed25519", "cert", "");
    for (kind, usage) in [("cv25519", "encr"), ("ed25519", "sign")] {
        ring.gpg("", &["--quick-add-key", &ring.fingerprint(), kind, usage, "never"]);
    }
    let whole = ring.exported("--export-secret-keys", "");
    ring.verifies(&whole).await;
    let subkeys = ring.exported("--export-secret-subkeys", "");
    assert_ne!(subkeys.expose(), whole.expose());
    ring.verifies(&subkeys).await;
}

/// The last one would be taken; it is revoked, so it is the one before it.
#[tokio::test]
async fn a_subkey_that_is_revoked_does_not_sign() {
    let Some(ring) = Ring::new() else { return };
    ring.make("ed25519", "cert", "");
    for _ in 0..2 {
        ring.gpg("", &["--quick-add-key", &ring.fingerprint(), "ed25519", "sign", "never"]);
    }
    ring.revoke_subkey(2);
    ring.verifies(&ring.exported("--export-secret-keys", "")).await;
    ring.revoke_subkey(1);
    let refused = Signer::new(&ring.exported("--export-secret-keys", "")).err();
    assert_eq!(refused, Some(InvalidKey::OpenPgp("no key in it may sign")));
}

#[test]
fn a_key_that_cannot_sign_is_refused_with_why() {
    let refused = |key: &Secret| Signer::new(key).map(|signer| format!("{signer:?}")).unwrap_err();
    let why = |key: &Secret| match refused(key) {
        InvalidKey::OpenPgp(why) => why,
        other => panic!("{other}"),
    };
    let block = |text: &str| Secret::new(&text.replace('#', "-----"));
    insta::assert_snapshot!(refused(&block("#BEGIN PGP PUBLIC KEY BLOCK#\n\nlQ==\n#END PGP PUBLIC KEY BLOCK#")), @"is an OpenPGP key, and not the private one: give what `gpg --armor --export-secret-keys ID` writes of an Ed25519 or RSA key (`gpg --quick-generate-key tag2pr@example.com ed25519 sign never`)");
    assert_eq!(why(&block("#BEGIN PGP PRIVATE KEY BLOCK#\n\nlQ\n")), "cannot be read");
    assert_eq!(why(&block("#BEGIN PGP PRIVATE KEY BLOCK#\n\n\n#END PGP PRIVATE KEY BLOCK#")), "no key in it may sign");

    let Some(ring) = Ring::new() else { return };
    ring.make("nistp256", "sign", "");
    assert_eq!(why(&ring.exported("--export-secret-keys", "")), "neither Ed25519 nor RSA");
    let Some(ring) = Ring::new() else { return };
    ring.make("ed25519", "cert", "");
    assert_eq!(why(&ring.exported("--export-secret-keys", "")), "no key in it may sign");
    let Some(ring) = Ring::new() else { return };
    ring.make("ed25519", "sign", "a passphrase");
    assert_eq!(refused(&ring.exported("--export-secret-keys", "a passphrase")), InvalidKey::Encrypted);
}

/// Whatever was cut off or overwritten: it signs, or is refused.
#[test]
fn a_damaged_key_stops_nothing() {
    let Some(ring) = Ring::new() else { return };
    ring.make("rsa2048", "sign", "");
    let key = ring.exported("--export-secret-keys", "").expose().to_owned();
    for at in (60..key.len()).step_by(7) {
        let _ = Signer::new(&Secret::new(&format!("{}\n-----END PGP PRIVATE KEY BLOCK-----", &key[..at])));
        let mut other = key.clone().into_bytes();
        other[at] = if other[at] == b'A' { b'B' } else { b'A' };
        let _ = Signer::new(&Secret::new(&String::from_utf8(other).unwrap()));
    }
}
