//! How long a selection takes next to GNU `sort -V` over the same tags, in one run, and how much it allocates.
//!
//! ```sh
//! cargo bench -p tag2pr --bench selection
//! ```
//!
//! Both sides take turns, and the medians count. `sort` reads a file that is in the page cache and writes to nowhere;
//! ours gets the tags as a ledger holds them, and gives each a verdict. What is expected is in the last column; a
//! machine that is busy with something else may miss it, so missing it is no failure.

#![allow(clippy::print_stdout, reason = "a table is what this program is for")]

use std::fs;
use std::hint::black_box;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tag2pr::policy::{FilterTags, Known, OrderSpec, Policy, PolicyChoice, PolicySpec, SemverSpec};

struct Case {
    name: &'static str,
    policy: PolicySpec,
    tag: fn(u64) -> String,
    /// Our time over that of `sort -V`, at most.
    expected: f64,
}

fn main() -> io::Result<()> {
    // `cargo test --benches` runs this program too, as a test that it works.
    let measured = std::env::args().any(|argument| argument == "--bench");
    let sizes: &[(u64, usize)] = if measured { &[(100_000, 21), (1_000_000, 5)] } else { &[(1_000, 1)] };

    println!("order      tags       select     sort -V    ratio  (at most)  memory / tags' bytes  allocations");
    for case in [numerical(), semver()] {
        for &(count, rounds) in sizes {
            measure(&case, count, rounds)?;
        }
    }
    Ok(())
}

fn numerical() -> Case {
    let filter_tags = FilterTags { pattern: "^main-[a-f0-9]{7}-(?P<ts>[0-9]+)$".to_owned(), extract: "$ts".to_owned() };
    Case {
        name: "numerical",
        policy: PolicySpec {
            policy: PolicyChoice { numerical: Some(OrderSpec::default()), ..PolicyChoice::default() },
            filter_tags: Some(filter_tags),
            ..PolicySpec::default()
        },
        tag: |n| format!("main-{:07x}-{}", scattered(n) >> 36, 1_600_000_000 + scattered(n) % 100_000_000),
        expected: 0.15,
    }
}

fn semver() -> Case {
    let range = SemverSpec { range: ">=1.2.0".to_owned() };
    Case {
        name: "semver",
        policy: PolicySpec {
            policy: PolicyChoice { semver: Some(range), ..PolicyChoice::default() },
            ..PolicySpec::default()
        },
        tag: |n| format!("{}.{}.{}", scattered(n) % 10, scattered(n) / 10 % 1000, n),
        expected: 0.3,
    }
}

/// The same numbers in every run, in no order.
fn scattered(n: u64) -> u64 {
    let mixed = (n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ mixed >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9)
}

fn measure(case: &Case, count: u64, rounds: usize) -> io::Result<()> {
    let policy = Policy::from_spec(&case.policy).map_err(io::Error::other)?;
    let tags: Vec<String> = (0..count).map(case.tag).collect();
    let known: Vec<Known<'_>> = tags.iter().map(|tag| Known::tag(tag)).collect();
    let bytes: usize = tags.iter().map(String::len).sum();

    let folder = tempfile::tempdir()?;
    let list = folder.path().join("tags");
    fs::write(&list, tags.join("\n"))?;

    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        theirs.push(timed(|| sort(&list))?);
        ours.push(timed(|| {
            black_box(policy.select(black_box(&known)));
            Ok(())
        })?);
    }
    let memory = allocation_counter::measure(|| drop(black_box(policy.select(&known))));

    let (ours, theirs) = (median(ours), median(theirs));
    println!(
        "{:<9}  {count:<9}  {:>7.2} ms  {:>7.2} ms  {:>6.3}  {:>9}  {:>20.2}  {:>11}",
        case.name,
        ours.as_secs_f64() * 1e3,
        theirs.as_secs_f64() * 1e3,
        ours.as_secs_f64() / theirs.as_secs_f64(),
        case.expected,
        memory.bytes_max as f64 / bytes as f64,
        memory.count_total,
    );
    Ok(())
}

fn sort(list: &Path) -> io::Result<()> {
    let status = Command::new("sort").arg("-V").arg(list).env("LC_ALL", "C").stdout(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("sort -V: {status}"))) }
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
