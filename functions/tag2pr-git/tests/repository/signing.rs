//! Signed commits, verified by Git itself.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use tag2pr::seams::{CommitId, GitRepository};
use tag2pr::secret::Secret;
use tag2pr_git::{InvalidKey, Repository, Settings, Signer};
use tag2pr_standins::git::{self, Bare, Entry};
use tag2pr_standins::parts::program;

use crate::world::{all, change};

fn is_installed() -> bool {
    git::is_installed() && program("ssh-keygen", "apt-get install openssh-client").is_some()
}

/// Makes a key of a kind, and tells what stands in its file.
fn key(directory: &Path, name: &str, arguments: &[&str]) -> Secret {
    let file = directory.join(name);
    let mut command = Command::new("ssh-keygen");
    let output = command.args(["-q", "-C", "tag2pr", "-f"]).arg(&file).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Secret::new(&fs::read_to_string(file).unwrap())
}

/// What Git says of a commit, if it trusts this key alone.
fn verified(bare: &Bare, commit: &CommitId, trusted: &Path) -> Result<String, String> {
    let public = fs::read_to_string(trusted.with_extension("pub")).unwrap();
    let allowed = trusted.with_extension("allowed");
    fs::write(&allowed, format!("tag2pr@example.org {public}")).unwrap();
    let mut git = git::command(bare.path());
    git.arg("-c").arg(format!("gpg.ssh.allowedSignersFile={}", allowed.display()));
    let output = git.args(["verify-commit", "-v", &commit.0]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(said) } else { Err(said) }
}

/// A repository with one commit; and a change on top of it, signed with a key, twice: it is the same commit.
pub(crate) async fn signed(directory: &Path, key: &Secret) -> (Bare, CommitId) {
    let bare = Bare::create(&directory.join("fleet.git"));
    bare.push("main", &[Entry::file("apps/web.yaml", "image: web:1.0\n")], "Begin");
    let signing = |signer: Option<Signer>| {
        let settings = Settings::new(format!("file://{}", bare.path().display()), directory.join("cache"));
        Repository::open(Settings { signer: signer.map(Arc::new), ..settings }).unwrap()
    };
    let git = signing(Some(Signer::new(key).unwrap()));
    let base = git.snapshot("main", &all()).await.unwrap().commit;
    let new = change(&base, "apps/web.yaml", "image: web:1.1\n");
    let commit = git.commit(&new).await.unwrap();
    assert_eq!(git.commit(&new).await.unwrap(), commit, "the same input, the same commit");
    let unsigned = signing(None);
    unsigned.snapshot("main", &all()).await.unwrap();
    assert_ne!(unsigned.commit(&new).await.unwrap(), commit);
    git.push("tag2pr/web", &commit, None).await.unwrap();
    assert_eq!(bare.run(&["show", "--format=", "--name-only", &commit.0]).trim(), "apps/web.yaml");
    (bare, commit)
}

#[tokio::test]
async fn git_verifies_what_an_ssh_key_signed() {
    if !is_installed() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let ours = key(directory.path(), "ours", &["-t", "ed25519", "-N", ""]);
    key(directory.path(), "theirs", &["-t", "ed25519", "-N", ""]);
    let (bare, commit) = signed(directory.path(), &ours).await;

    let said = verified(&bare, &commit, &directory.path().join("ours")).unwrap();
    assert!(said.contains("Good \"git\" signature for tag2pr@example.org"), "{said}");
    verified(&bare, &commit, &directory.path().join("theirs")).unwrap_err();
    let base = CommitId(bare.head("main").unwrap());
    verified(&bare, &base, &directory.path().join("ours")).unwrap_err();
}

#[test]
fn a_key_that_cannot_sign_is_refused_with_what_to_do() {
    if !is_installed() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let refused = |secret: &Secret| Signer::new(secret).map(|signer| format!("{signer:?}")).unwrap_err();
    let make = |name: &str, arguments: &[&str]| key(directory.path(), name, arguments);
    assert_eq!(refused(&make("locked", &["-t", "ed25519", "-N", "a passphrase"])), InvalidKey::Encrypted);
    insta::assert_snapshot!(refused(&make("rsa", &["-t", "rsa", "-b", "2048", "-N", ""])), @"is a key of the kind ssh-rsa, and commits are signed with `ssh-ed25519`: make one with `ssh-keygen -t ed25519 -N ''`");
    insta::assert_snapshot!(refused(&make("ecdsa", &["-t", "ecdsa", "-N", ""])), @"is no private SSH key of the kind `ssh-ed25519`, and no armored OpenPGP key: give the file that `ssh-keygen -t ed25519 -N ''` made, not the one with `.pub`");
    insta::assert_snapshot!(refused(&Secret::new("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 tag2pr")), @"is no private SSH key of the kind `ssh-ed25519`, and no armored OpenPGP key: give the file that `ssh-keygen -t ed25519 -N ''` made, not the one with `.pub`");
}
