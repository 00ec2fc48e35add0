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

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ring::hmac;

const SECRET: &str = "bench secret";
const IN_FLIGHT: usize = 100;

/// Ends the listener whatever happens here.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() {
    // `cargo test --benches` runs this program too, as a test that it works.
    let measured = std::env::args().any(|argument| argument == "--bench");
    let count = if measured { 2_000 } else { 100 };
    let folder = tempfile::tempdir().unwrap();
    let (_serving, address) = start(folder.path());

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let started = Instant::now();
    let mut times = runtime.block_on(send(&address, count));
    let took = started.elapsed();
    times.sort();

    let stored = stored(&folder.path().join("state"));
    let tags: BTreeSet<&str> = stored.iter().map(String::as_str).collect();
    assert_eq!(tags.len(), count, "some were lost");
    assert_eq!(stored.len(), count, "some were recorded twice");

    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)].as_secs_f64() * 1000.0;
    println!("deliveries  distinct  in flight  lost  twice   p50 ms   p99 ms (expected)   per second");
    println!(
        "{:>10}  {:>8}  {:>9}  {:>4}  {:>5}  {:>7.1}  {:>7.1}      < 100  {:>11.0}",
        times.len(),
        count,
        IN_FLIGHT,
        count - tags.len(),
        stored.len() - tags.len(),
        at(50),
        at(99),
        times.len() as f64 / took.as_secs_f64()
    );
}

/// Starts the listener, and waits for its address.
fn start(folder: &Path) -> (Serving, String) {
    let mut git = Command::new("git");
    let git =
        git.args(["init", "--quiet", "--bare", "--initial-branch", "main", "fleet.git"]).current_dir(folder).status();
    assert!(git.is_ok_and(|status| status.success()), "this needs git");
    fs::write(folder.join("secret"), SECRET).unwrap();
    let config = "store: ./state\nlisten: 127.0.0.1:0\nsources:\n  ghcr: { type: ghcr, secret: 'file:secret' }\n\
                  repositories:\n  - url: ./fleet.git\n";
    fs::write(folder.join("tag2pr.yaml"), config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tag2pr"));
    command.args(["serve", "--output", "json"]).current_dir(folder).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let url = loop {
        let line: serde_json::Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        if let Some(url) = line["url"].as_str() {
            break url.to_owned();
        }
    };
    // Somebody has to read what it says, or it would wait.
    std::thread::spawn(move || lines.for_each(drop));
    (Serving(child), url)
}

/// Sends everything, each second delivery twice; how long each answer took.
async fn send(address: &str, count: usize) -> Vec<Duration> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let next = Arc::new(AtomicUsize::new(0));
    let senders = (0..IN_FLIGHT).map(|_| {
        let (client, next, url) = (client.clone(), Arc::clone(&next), format!("{address}/hooks/ghcr"));
        tokio::spawn(async move {
            let mut times = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return times;
                }
                for _ in 0..=number % 2 {
                    times.push(deliver(&client, &url, number).await);
                }
            }
        })
    });
    let mut times = Vec::new();
    for sender in senders.collect::<Vec<_>>() {
        times.extend(sender.await.unwrap());
    }
    times
}

async fn deliver(client: &reqwest::Client, url: &str, number: usize) -> Duration {
    let body = serde_json::json!({
        "action": "published",
        "package": {
            "name": format!("web-{}", number % 20),
            "package_type": "CONTAINER",
            "updated_at": "2026-02-06T16:42:03Z",
            "owner": { "login": "acme" },
            "package_version": {
                "package_url": format!("ghcr.io/acme/web-{}:build-{number}", number % 20),
                "container_metadata": {
                    "tag": { "name": format!("build-{number}"), "digest": format!("sha256:{number:064x}") },
                },
            },
        },
        "sender": { "login": "ci" },
    })
    .to_string();
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), body.as_bytes());
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let request = client
        .post(url)
        .header("Content-Type", "application/json")
        .header("X-GitHub-Event", "package")
        .header("X-GitHub-Delivery", format!("delivery-{number}"))
        .header("X-Hub-Signature-256", format!("sha256={hex}"))
        .body(body);
    let started = Instant::now();
    let response = request.send().await.unwrap();
    let status = response.status();
    let answer = response.text().await.unwrap();
    assert_eq!(status, 200, "{answer}");
    started.elapsed()
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
