//! What the benches of the listener share: a listener in a process of its own, senders that sign, a look at its memory.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ring::hmac;

const SECRET: &str = "bench secret";
/// Deliveries that wait for their answer at the same time.
pub(crate) const IN_FLIGHT: usize = 100;

/// A running listener; it ends with this value, whatever happens.
pub(crate) struct Serving {
    process: Child,
    /// `http://127.0.0.1:40123`
    pub(crate) url: String,
}

impl Serving {
    /// Starts it in a folder that has a repository `fleet.git`, with a directory store, and waits for its address.
    pub(crate) fn start(folder: &Path) -> Self {
        fs::write(folder.join("secret"), SECRET).unwrap();
        let config = "store: ./state\nlisten: 127.0.0.1:0\nsources:\n  ghcr: { type: ghcr, secret: 'file:secret' }\n\
                      registries:\n  - { host: ghcr.io, confirm: false }\nrepositories:\n  - url: ./fleet.git\n";
        fs::write(folder.join("tag2pr.yaml"), config).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tag2pr"));
        command.args(["serve", "--output", "json"]).current_dir(folder).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let url = loop {
            let line: serde_json::Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
            if let Some(url) = line["url"].as_str() {
                break url.to_owned();
            }
        };
        // Somebody has to read what it says, or it would wait.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, url }
    }

    /// Its process.
    #[allow(dead_code, reason = "not every bench looks at the process")]
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One push, as it is delivered: how often it is sent, one after the other, is up to the bench.
pub(crate) struct Push {
    /// Below `ghcr.io/acme`.
    pub(crate) image: String,
    pub(crate) tag: String,
    /// Makes its digest.
    pub(crate) number: usize,
    pub(crate) times: usize,
}

/// Who sends deliveries.
#[derive(Clone)]
pub(crate) struct Sender {
    client: reqwest::Client,
    url: String,
}

impl Sender {
    pub(crate) fn to(serving: &Serving) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { client, url: format!("{}/hooks/ghcr", serving.url) }
    }

    /// Sends so many pushes, [`IN_FLIGHT`] at a time; how long each answer took, sorted.
    pub(crate) async fn burst(
        &self,
        count: usize,
        push: impl Fn(usize) -> Push + Send + Sync + 'static,
    ) -> Vec<Duration> {
        let (next, push) = (Arc::new(AtomicUsize::new(0)), Arc::new(push));
        let senders = (0..IN_FLIGHT).map(|_| {
            let (sender, next, push) = (self.clone(), Arc::clone(&next), Arc::clone(&push));
            tokio::spawn(async move {
                let mut times = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return times;
                    }
                    let push = push(number);
                    for _ in 0..push.times {
                        times.push(sender.deliver(&push).await);
                    }
                }
            })
        });
        let mut times = Vec::new();
        for sender in senders.collect::<Vec<_>>() {
            times.extend(sender.await.unwrap());
        }
        times.sort();
        times
    }

    /// Sends one delivery, signed as GitHub does it; how long the answer took.
    pub(crate) async fn deliver(&self, push: &Push) -> Duration {
        let Push { image, tag, number, .. } = push;
        let body = serde_json::json!({
            "action": "published",
            "package": {
                "name": image,
                "package_type": "CONTAINER",
                "updated_at": "2026-02-06T16:42:03Z",
                "owner": { "login": "acme" },
                "package_version": {
                    "package_url": format!("ghcr.io/acme/{image}:{tag}"),
                    "container_metadata": {
                        "tag": { "name": tag, "digest": format!("sha256:{number:064x}") },
                    },
                },
            },
            "sender": { "login": "ci" },
        })
        .to_string();
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), body.as_bytes());
        let hex: String = signature.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let request = self
            .client
            .post(&self.url)
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
}

/// The time that so many of a hundred did not exceed, in milliseconds.
pub(crate) fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)].as_secs_f64() * 1000.0
}
