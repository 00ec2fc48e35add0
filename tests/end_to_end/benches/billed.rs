//! What AWS bills the functions for: the time of an invocation, with everybody else at the distance that they have there.
//!
//! ```sh
//! TAG2PR_CARGO_LAMBDA=… TAG2PR_FUNCTIONS=… cargo bench -p tag2pr-end-to-end --bench billed
//! ```
//!
//! `TAG2PR_FUNCTIONS` is the folder of the functions that are shipped; without it they are built as benches are.
//!
//! The functions run in the home lab under the emulator of Lambda, everything is warm, and stand-ins answer as late as the
//! real ones do: `AWS` and `OTHERS` below. The emulator gives a function a whole processor. Lambda gives it a share, in
//! proportion to its memory, so what it needs of the processor counts as often as that share goes into one.
//!
//! With `TAG2PR_WRITE_MEASURED=1` it writes the rows of README.md.

#![allow(clippy::print_stdout, reason = "a table is what this program is for")]

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;
use tag2pr_end_to_end::emulator::Emulator;
use tag2pr_end_to_end::{home_lab, measured};
use tag2pr_standins::git_http::GitHttp;
use tag2pr_standins::github::GitHub;
use tag2pr_standins::registry::{Access, Listing, Registry};
use tag2pr_standins::s3::S3Server;
use tag2pr_standins::signature;
use tag2pr_standins::sqs::SqsServer;

/// S3 and SQS in the same region. Assumed, rather more than less.
const AWS: Duration = Duration::from_millis(50);
/// Registry, Git server and forge, elsewhere. Assumed, rather more than less.
const OTHERS: Duration = Duration::from_millis(200);
/// The memory, in MB, at which Lambda gives a function one whole processor:
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>
const ONE_PROCESSOR: f64 = 1769.0;

fn main() {
    // `cargo test --benches` runs this program too, as a test that it works.
    let rounds = if std::env::args().any(|argument| argument == "--bench") { 25 } else { 2 };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let Some(lab) = Lab::set_up() else { return };
    runtime.block_on(lab.measure(rounds));
}

struct Lab {
    lambda: Emulator,
    s3: S3Server,
    sqs: SqsServer,
    registry: Registry,
    git: GitHttp,
    github: GitHub,
    _folder: tempfile::TempDir,
}

impl Lab {
    /// `None` where the emulator is missing.
    fn set_up() -> Option<Self> {
        let (s3, sqs, git) = (S3Server::start("tag2pr"), SqsServer::start("tag2pr.fifo"), GitHttp::start());
        let registry = Registry::start(Listing::AllAtOnceUnsorted, Access::Open);
        let github = GitHub::start("acme", "fleet", "token of the robot");
        let fleet = git.create("acme/fleet.git");
        fleet.push("main", &home_lab::manifests(&registry), "The home lab");
        github.hosts(&fleet);

        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("tag2pr.yaml");
        let text = format!(
            "store: not this one\nsources: {{ harbor: {{ type: harbor, secret: 'env:WEBHOOK' }} }}\n\
             registries: [{{ host: '{}', insecure: true }}]\n\
             repositories: [{{ url: '{}', host: github, api: '{}', credentials: {{ token: 'env:TOKEN' }} }}]\n",
            registry.address(),
            git.url("acme/fleet.git"),
            github.api()
        );
        fs::write(&config, text).unwrap();
        let shown = |path: &std::path::Path| path.display().to_string();
        let variables = [
            ("TAG2PR_CONFIG", shown(&config)),
            ("TAG2PR_CACHE", shown(&folder.path().join("cache"))),
            ("TAG2PR_STORE", "s3://tag2pr".to_owned()),
            ("TAG2PR_QUEUE_URL", sqs.queue_url()),
            ("AWS_ENDPOINT_URL_S3", s3.url()),
            ("AWS_ENDPOINT_URL_SQS", sqs.server().url()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", signature::ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", signature::SECRET_KEY.to_owned()),
            ("WEBHOOK", "harbor-example-secret".to_owned()),
            ("TOKEN", "token of the robot".to_owned()),
        ];
        let lambda = Emulator::start(folder.path(), &variables)?;
        Some(Self { lambda, s3, sqs, registry, git, github, _folder: folder })
    }

    async fn measure(&self, rounds: usize) {
        // The first look at the repository, and the pull request that later pushes change.
        home_lab::tick(&self.lambda).await;
        self.propose().await;
        self.push(0).await;
        self.propose().await;
        self.s3.server().answers_after(AWS);
        self.sqs.server().answers_after(AWS);
        for server in [self.registry.server(), self.git.server(), self.github.server()] {
            server.answers_after(OTHERS);
        }

        let mut push = Measure::of("receive", "a push", 256);
        let mut change = Measure::of("propose", "a push that changes a pull request", 1024);
        let mut written = 0;
        for round in 1..=rounds {
            push.add(&self.lambda, self.push(round)).await;
            let before = self.s3.objects();
            change.add(&self.lambda, self.propose()).await;
            let after = self.s3.objects();
            let anew = after.iter().filter(|(key, bytes)| before.get(*key) != Some(bytes));
            written += anew.map(|(_, bytes)| bytes.len()).sum::<usize>();
        }
        assert_eq!(self.github.pulls().len(), 1, "each of them changed the same pull request");
        let mut nothing = Measure::of("propose", "a poke with nothing to do", 1024);
        let mut tick = Measure::of("sweep", "a tick with nothing due", 512);
        for _ in 0..rounds {
            nothing.add(&self.lambda, self.propose()).await;
            tick.add(&self.lambda, home_lab::tick(&self.lambda)).await;
        }
        for measure in [push, change, nothing, tick] {
            measure.tell();
        }
        for (function, most) in [("receive", 32), ("propose", 96)] {
            let memory = self.lambda.peak_memory(function) as f64 / 1000.0;
            println!("{:<80} {memory:.0} MB (at most {most} MB)", format!("peak memory of `{function}`"));
        }
        let objects = self.s3.objects();
        let deliveries: Vec<usize> =
            objects.iter().filter(|(key, _)| key.starts_with("deliveries/")).map(|(_, bytes)| bytes.len()).collect();
        assert_eq!(deliveries.len(), rounds + 1);
        tell("bytes of a delivery in the store", &thousands(deliveries.iter().sum::<usize>() / deliveries.len()));
        tell("bytes that `propose` writes for a push that changes a pull request", &thousands(written / rounds));
    }

    /// The next push of the frontend.
    async fn push(&self, round: usize) {
        home_lab::push(&self.lambda, &self.registry, &format!("main-f9e1f0b-17072000{round:02}")).await;
    }

    /// Hands over the newest poke, alone.
    async fn propose(&self) {
        let poke = self.sqs.messages().last().expect("a poke").body.clone();
        let batch = json!({ "Records": [{ "messageId": "1", "body": poke }] });
        let answer = self.lambda.invoke("propose", &batch).await;
        assert_eq!(answer, (200, json!({ "batchItemFailures": [] })), "{}", self.lambda.log());
    }
}

/// How long one function takes for one thing.
struct Measure {
    function: &'static str,
    what: &'static str,
    /// In MB, as in the template.
    memory: u32,
    took: Vec<Duration>,
    processor: Duration,
    /// Bytes of its log.
    logged: usize,
}

impl Measure {
    fn of(function: &'static str, what: &'static str, memory: u32) -> Self {
        Self { function, what, memory, took: Vec::new(), processor: Duration::ZERO, logged: 0 }
    }

    async fn add(&mut self, lambda: &Emulator, invocation: impl Future<Output = ()>) {
        let (processor, log, started) = (lambda.processor_time(self.function), lambda.log().len(), Instant::now());
        invocation.await;
        self.took.push(started.elapsed());
        self.processor += lambda.processor_time(self.function) - processor;
        self.logged += lambda.log().len() - log;
    }

    fn tell(mut self) {
        self.took.sort_unstable();
        let median = self.took[(self.took.len() - 1) / 2].as_secs_f64() * 1000.0;
        let processor = self.processor.as_secs_f64() * 1000.0 / self.took.len() as f64;
        let own = processor * (ONE_PROCESSOR / f64::from(self.memory)).max(1.0);
        let billed = (median - processor).max(0.0) + own;
        let quantity = format!("billed time of `{}`: {}, at {} MB", self.function, self.what, self.memory);
        let log = thousands(self.logged / self.took.len());
        tell(&quantity, &format!("{billed:.0} ms, {own:.0} ms of them its own, and {log} bytes of log"));
    }
}

fn tell(quantity: &str, value: &str) {
    println!("{quantity:<80} {value}");
    if std::env::var_os("TAG2PR_WRITE_MEASURED").is_some() {
        measured::write(quantity, value);
    }
}

/// `1,234`
fn thousands(number: usize) -> String {
    match number {
        0..1000 => number.to_string(),
        _ => format!("{},{:03}", number / 1000, number % 1000),
    }
}
