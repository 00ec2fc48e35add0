//! How long it takes to find every marker of a large repository and to make every edit, next to `git grep` over the same
//! commit, in one run.
//!
//! ```sh
//! cargo bench -p tag2pr-git --bench markers
//! ```
//!
//! The repository is bare and generated: 10,000 YAML files of 79 MB, 500 of them marked. Both sides take turns, and the
//! medians count. Ours opens the repository, takes the snapshot that `propose` takes, finds the markers, and edits each file.
//! What is expected is in the last column; a machine that is busy with something else may miss it.

#![allow(clippy::print_stdout, reason = "a table is what this program is for")]

use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tag2pr::manifests::{Interest, Manifests};
use tag2pr::markers::{self, NewImage};
use tag2pr::seams::{GitRepository as _, RepositoryId, Wanted};
use tag2pr_git::{Repository, Settings};

/// Our time over that of `git grep`, at most.
const EXPECTED: f64 = 1.2;

fn main() -> io::Result<()> {
    // `cargo test --benches` runs this program too, as a test that it works.
    let measured = std::env::args().any(|argument| argument == "--bench");
    let (files, rounds) = if measured { (10_000, 11) } else { (100, 1) };

    let folder = tempfile::tempdir()?;
    let bare = folder.path().join("fleet.git");
    let bytes = generate(&bare, files)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;

    let (mut ours, mut theirs, mut edits) = (Vec::new(), Vec::new(), 0);
    for _ in 0..rounds {
        theirs.push(timed(|| grep(&bare, files / 20))?);
        ours.push(timed(|| {
            edits = runtime.block_on(edit_all(&bare)).map_err(io::Error::other)?;
            Ok(())
        })?);
    }
    let (ours, theirs) = (median(ours), median(theirs));
    println!("files      MB  edits  ours        git grep    ratio  (at most)");
    println!(
        "{files:<6}  {:>5.1}  {edits:<5}  {:>7.1} ms  {:>7.1} ms  {:>6.3}  {EXPECTED:>9}",
        bytes as f64 / 1e6,
        ours.as_secs_f64() * 1e3,
        theirs.as_secs_f64() * 1e3,
        ours.as_secs_f64() / theirs.as_secs_f64(),
    );
    assert_eq!(edits, files / 20);
    Ok(())
}

/// What `propose` reads, and an edit of every marked file.
async fn edit_all(bare: &Path) -> Result<usize, String> {
    let told = |error: &dyn std::error::Error| error.to_string();
    let settings = Settings::new(bare.display().to_string(), bare);
    let git = Repository::open(settings).map_err(|error| told(&error))?;
    let interest = Interest::default();
    let wanted: Wanted = Arc::new(move |path, bytes| interest.wants(path, bytes));
    let snapshot = git.snapshot("main", &wanted).await.map_err(|error| told(&error))?;
    let here = RepositoryId { host: "local".to_owned(), path: String::new(), base: "main".to_owned() };
    let manifests = Manifests::read(&here, snapshot);
    let new = |_: &markers::Setter| {
        Some(NewImage { name: "ghcr.io/acme/web".to_owned(), tag: "2.0.0".to_owned(), digest: None })
    };
    let marked = manifests.files.iter().filter(|file| manifests.markers.contains_key(&file.path));
    let marked: Vec<_> = marked.map(|file| (file.path.as_str(), file.bytes.as_slice())).collect();
    let mut edits = 0;
    for edited in markers::edit_all(&marked, &manifests.rules, &new) {
        edits += edited.map_err(|error| told(&error))?.changes.len();
    }
    Ok(edits)
}

fn grep(bare: &Path, expected: usize) -> io::Result<()> {
    let output = Command::new("git").arg("-C").arg(bare).args(["grep", "-l", "imagepolicy", "HEAD"]).output()?;
    let found = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
    if found == expected { Ok(()) } else { Err(io::Error::other(format!("git grep found {found} files"))) }
}

/// A bare repository with one commit, packed; the bytes of its files.
fn generate(bare: &Path, files: usize) -> io::Result<usize> {
    git(Path::new("."), &["init", "--quiet", "--bare", "--initial-branch=main", &bare.display().to_string()])?;
    let mut import =
        Command::new("git").arg("-C").arg(bare).args(["fast-import", "--quiet"]).stdin(Stdio::piped()).spawn()?;
    let mut stream = io::BufWriter::new(import.stdin.take().ok_or_else(|| io::Error::other("no pipe"))?);
    let mut bytes = 0;
    write!(stream, "commit refs/heads/main\ncommitter a <a@example.org> 0 +0000\ndata 5\nFleet\n")?;
    for number in 0..files {
        let text = manifest(number as u64);
        bytes += text.len();
        write!(stream, "M 100644 inline apps/{:02}/{number}.yaml\ndata {}\n{text}\n", number % 100, text.len())?;
    }
    stream.flush()?;
    drop(stream);
    import.wait()?;
    git(bare, &["repack", "--quiet", "-a", "-d"])?;
    Ok(bytes)
}

fn git(folder: &Path, arguments: &[&str]) -> io::Result<()> {
    let status = Command::new("git").arg("-C").arg(folder).args(arguments).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("git {arguments:?}: {status}"))) }
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

fn timed(work: impl FnOnce() -> io::Result<()>) -> io::Result<Duration> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
