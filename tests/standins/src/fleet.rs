//! A manifests repository as large companies have one: so many files of 8 kB each, every twentieth of them marked.

use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Stdio;

use crate::git::{Bare, Entry, command};

/// One of the marked files.
pub const ONE: &str = "apps/20/20.yaml";

/// Writes so many manifests to `main` of an empty bare repository, as one commit, and packs it; the bytes of all files.
///
/// # Panics
///
/// When `git` fails.
pub fn write(bare: &Path, files: usize) -> usize {
    let mut import = command(bare).args(["fast-import", "--quiet"]).stdin(Stdio::piped()).spawn().expect("git to run");
    let mut stream = BufWriter::new(import.stdin.take().expect("a pipe"));
    let mut bytes = 0;
    let mut say = |text: &str| stream.write_all(text.as_bytes()).expect("git to listen");
    say("commit refs/heads/main\ncommitter a <a@example.org> 0 +0000\ndata 5\nFleet\n");
    for number in 0..files {
        let text = manifest(number as u64);
        bytes += text.len();
        say(&format!("M 100644 inline apps/{:02}/{number}.yaml\ndata {}\n{text}\n", number % 100, text.len()));
    }
    drop(stream);
    assert!(import.wait().expect("git to end").success());
    let packed = command(bare).args(["repack", "--quiet", "-a", "-d"]).status().expect("git to run");
    assert!(packed.success());
    bytes
}

/// A branch on top of `main` on which [`ONE`] is another file.
pub fn change_one(bare: &Path, branch: &str) {
    let bare = Bare::at(bare);
    let main = bare.head("main").expect("a branch `main`");
    let reference = format!("refs/heads/{branch}");
    let status = command(bare.path()).args(["update-ref", &reference, &main]).status().expect("git to run");
    assert!(status.success());
    bare.push(branch, &[Entry::file(ONE, manifest(20).replace("1.0.20", "1.1.0"))], "Next");
}

/// A manifest of about 7.9 kB; each twentieth is marked.
fn manifest(number: u64) -> String {
    let marker = if number.is_multiple_of(20) { " # {\"$imagepolicy\": \"apps:web\"}" } else { "" };
    let mut text = format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web-{number}\n  namespace: apps\nspec:\n  template:\n    \
         spec:\n      containers:\n        - name: web\n          image: ghcr.io/acme/web:1.0.{number}{marker}\n          env:\n"
    );
    let mut mixed = number;
    for line in 0_u64..95 {
        mixed = (mixed ^ line).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mixed ^= mixed >> 29;
        let word = mixed >> 44;
        text.push_str(&format!(
            "            - name: SETTING_{line}_OF_THIS_SERVICE\n              value: \"value-{word:05x}-of-{line}\"\n"
        ));
    }
    text
}
