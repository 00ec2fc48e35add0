//! How long it takes to find every marker of a large repository and to make every edit, next to `git grep` over the same
//! commit, in one run.
//!
//! ```sh
//! cargo bench -p tag2pr-git --bench markers
//! ```
//!
//! The repository is bare and generated: 10,000 YAML files of 79 MB, 500 of them marked. All sides take turns, and the
//! medians count.
//!
//! - *all* opens the repository, takes the snapshot that `propose` takes, finds the markers, and edits each file.
//! - *one* does so at the next commit, in which one file is another, with what was read of the last one, as it is stored: it
//!   finds every marker, and edits the file that differs.
//!
//! What is expected is in the last column; a machine that is busy with something else may miss it.

#![allow(clippy::print_stdout, reason = "a table is what this program is for")]

use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tag2pr::manifests::{Interest, Manifests, Neighbours, Reading};
use tag2pr::markers::{self, NewImage, Setter};
use tag2pr::seams::{GitRepository as _, RepositoryId, Wanted};
use tag2pr_git::{Repository, Settings};
use tag2pr_standins::fleet;
use tag2pr_standins::git::Bare;

fn main() -> io::Result<()> {
    // `cargo test --benches` runs this program too, as a test that it works.
    let measured = std::env::args().any(|argument| argument == "--bench");
    let (files, rounds) = if measured { (10_000, 11) } else { (100, 1) };

    let folder = tempfile::tempdir()?;
    let bare = folder.path().join("fleet.git");
    let bytes = fleet::write(Bare::create(&bare).path(), files);
    fleet::change_one(&bare, "next");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
    let last = runtime.block_on(read(&bare, "main", None)).map_err(io::Error::other)?.1;
    let last = serde_json::to_vec(&last.reading)?;

    let (mut all, mut one, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        theirs.push(timed(|| grep(&bare, files / 20))?);
        all.push(timed(|| {
            let edits = runtime.block_on(edit_all(&bare)).map_err(io::Error::other)?;
            same(edits, files / 20)
        })?);
        one.push(timed(|| {
            let found = runtime.block_on(edit_one(&bare, &last)).map_err(io::Error::other)?;
            same(found, files / 20)
        })?);
    }
    let theirs = median(theirs);
    println!(
        "{files} files, {:.1} MB, {} marked; the stored reading: {} kB",
        bytes as f64 / 1e6,
        files / 20,
        last.len() / 1000
    );
    println!("      ours        git grep    ratio  (at most)");
    for (name, ours, expected) in [("all", median(all), 1.2), ("one", median(one), 0.05)] {
        println!(
            "{name}  {:>7.1} ms  {:>7.1} ms  {:>6.3}  {expected:>9}",
            ours.as_secs_f64() * 1e3,
            theirs.as_secs_f64() * 1e3,
            ours.as_secs_f64() / theirs.as_secs_f64(),
        );
    }
    Ok(())
}

/// What `propose` reads.
async fn read(bare: &Path, branch: &str, before: Option<&Reading>) -> Result<(Repository, Manifests), String> {
    let settings = Settings::new(bare.display().to_string(), bare);
    let git = Repository::open(settings).map_err(|error| error.to_string())?;
    let interest = Interest::default();
    let seen = before.and_then(Reading::seen).map(Arc::new);
    let wanted = Wanted { seen, ..Wanted::new(move |path, bytes| interest.wants(path, bytes)) };
    let snapshot = git.snapshot(branch, &wanted).await.map_err(|error| error.to_string())?;
    let here = RepositoryId { host: "local".to_owned(), path: String::new(), base: "main".to_owned() };
    Ok((git, Manifests::read(Neighbours::none(&here), snapshot, before)))
}

fn new(_: &Setter) -> Option<NewImage> {
    Some(NewImage { name: "ghcr.io/acme/web".to_owned(), tag: "2.0.0".to_owned(), digest: None })
}

/// An edit of every marked file; how many there were.
async fn edit_all(bare: &Path) -> Result<usize, String> {
    let (_, manifests) = read(bare, "main", None).await?;
    let marked = manifests.files.iter().filter(|file| manifests.markers.contains_key(&file.path));
    let marked: Vec<_> = marked.map(|file| (file.path.as_str(), file.bytes.as_slice())).collect();
    let mut edits = 0;
    for edited in markers::edit_all(&marked, &manifests.rules, &new) {
        edits += edited.map_err(|error| error.to_string())?.changes.len();
    }
    Ok(edits)
}

/// The markers of a commit in which one file is another, by what is stored of the one before, and an edit of that file; how
/// many there were.
async fn edit_one(bare: &Path, last: &[u8]) -> Result<usize, String> {
    let last: Reading = serde_json::from_slice(last).map_err(|error| error.to_string())?;
    let (git, manifests) = read(bare, "next", Some(&last)).await?;
    let wanted = [fleet::ONE.to_owned()].into();
    let files = git.read(&manifests.commit, &wanted).await.map_err(|error| error.to_string())?;
    let edited = markers::edit(&files[0].path, &files[0].bytes, &manifests.rules, &new);
    let edits = edited.map_err(|error| error.to_string())?.changes.len();
    Ok(manifests.markers.len() + edits - 1)
}

fn same(found: usize, expected: usize) -> io::Result<()> {
    if found == expected { Ok(()) } else { Err(io::Error::other(format!("{found} instead of {expected}"))) }
}

fn grep(bare: &Path, expected: usize) -> io::Result<()> {
    let output = Command::new("git").arg("-C").arg(bare).args(["grep", "-l", "imagepolicy", "HEAD"]).output()?;
    same(output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count(), expected)
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
