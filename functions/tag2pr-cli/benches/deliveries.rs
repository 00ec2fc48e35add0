//! How `tag2pr serve` bears a burst: 2,000 signed deliveries, 100 in flight, on a directory store.
//!
//! ```sh
//! cargo bench -p tag2pr-cli --bench deliveries
//! ```
//!
//! The listener is a process of its own, with a bare repository to look after. Every delivery is signed as GitHub does,
//! and half of them are sent a second time, as a sender does that did not see the answer. Afterwards the store is looked
//! at: each push must be there once, whatever the times were. What is expected stands beside what was measured; a
//! machine that is busy with something else may miss it, so missing it is no failure. A lost or doubled push is one.

#![allow(clippy::print_stdout, reason = "a table is what this program is for")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Instant;

use support::{IN_FLIGHT, Push, Sender, Serving, percentile};
use tag2pr_standins::git::Bare;

fn main() {
    // `cargo test --benches` runs this program too, as a test that it works.
    let measured = std::env::args().any(|argument| argument == "--bench");
    let count = if measured { 2_000 } else { 100 };
    let folder = tempfile::tempdir().unwrap();
    Bare::create(&folder.path().join("fleet.git"));
    let serving = Serving::start(folder.path());

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let started = Instant::now();
    let push = |number| Push {
        image: format!("web-{}", number % 20),
        tag: format!("build-{number}"),
        number,
        times: 1 + number % 2,
    };
    let times = runtime.block_on(Sender::to(&serving).burst(count, push));
    let took = started.elapsed();

    let stored = stored(&folder.path().join("state"));
    let tags: BTreeSet<&str> = stored.iter().map(String::as_str).collect();
    assert_eq!(tags.len(), count, "some were lost");
    assert_eq!(stored.len(), count, "some were recorded twice");

    println!("deliveries  distinct  in flight  lost  twice   p50 ms   p99 ms (expected)   per second");
    println!(
        "{:>10}  {:>8}  {:>9}  {:>4}  {:>5}  {:>7.1}  {:>7.1}      < 100  {:>11.0}",
        times.len(),
        count,
        IN_FLIGHT,
        count - tags.len(),
        stored.len() - tags.len(),
        percentile(&times, 50),
        percentile(&times, 99),
        times.len() as f64 / took.as_secs_f64()
    );
}

/// The tags of all pushes in the store, one for each object.
fn stored(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.join("images")];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.parent().is_some_and(|parent| parent.ends_with("pushes")) {
                let object: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
                found.extend(object.pointer("/value/tag").and_then(|tag| tag.as_str()).map(str::to_owned));
            }
        }
    }
    found
}
