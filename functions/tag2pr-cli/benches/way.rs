//! The whole way on loopback: from a signed delivery to the pull request, in a repository of 10,000 files.
//!
//! ```sh
//! cargo bench -p tag2pr-cli --bench way
//! ```
//!
//! The listener is a process of its own; registry, forge and Git server (`git http-backend`) stand in for the real ones. Each
//! round is a new tag, a pull request for it, and its merge, so that each round begins with a base branch that moved.
//!
//! - *warm* is from sending the delivery to the pull request at the forge. Beside it, in turns: `git ls-remote` and `git push`
//!   of a prepared commit, to the same server.
//! - *cold* is `tag2pr replay` of a delivery that was stored, as a new process with an empty cache, to the pull request, with
//!   100,000 known tags; and the most memory that it had. Beside it: `git clone --depth 1 --bare`, and the warm way.
//! - *job* is `tag2pr propose` as a new process that knows nothing: it lists 1,000 tags, and one pull request changes 20
//!   manifests. Renovate 44 was measured to need 6.6 to 7.6 s for that, on a machine of this kind.
//! - *burst* is 200 deliveries at once, of 200 of the images that 500 policies follow, to one pull request of one commit with all 200
//!   of the tags in it; everything was proposed and merged before.
//! - *start* is from the start of a function to its first call of the Lambda Runtime API, and needs the folder of the built
//!   functions in `TAG2PR_FUNCTIONS`.
//!
//! What is expected stands in the last column; a machine that is busy with something else may miss it.

#![allow(clippy::print_stdout, reason = "a table is what this program is for")]

use std::fs;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ring::hmac;
use tag2pr::image::ImageName;
use tag2pr::keys::Key;
use tag2pr::ledger::{Ledger, News};
use tag2pr::origin::{REVISION, SOURCE};
use tag2pr::seams::Objects;
use tag2pr::store;
use tag2pr_standins::fleet;
use tag2pr_standins::git::{self, Bare};
use tag2pr_standins::git_http::GitHttp;
use tag2pr_standins::github::GitHub;
use tag2pr_standins::oci::Manifest;
use tag2pr_standins::registry::{Access, Listing, Registry};

const SECRET: &str = "bench secret";
/// Renovate's least.
const RENOVATE: Duration = Duration::from_millis(6600);

fn main() {
    // `cargo test --benches` runs this program too, as a test that it works.
    let measured = std::env::args().any(|argument| argument == "--bench");
    let (files, rounds, known, tags) = if measured { (10_000, 25, 100_000, 1_000) } else { (100, 2, 100, 50) };
    println!("                            ours       beside it             ratio  (at most)");
    let lab = Lab::set_up(files, "./apps/20/20.yaml");
    let warm = lab.warm(rounds);
    lab.cold(rounds.div_ceil(5), known, warm);
    drop(lab);
    let times = (0..rounds.div_ceil(5)).map(|_| Lab::set_up(20 * 20, "./apps").job(tags));
    row("job, p50", median(times.collect()), "Renovate 44", RENOVATE, 0.05);
    let (policies, moved) = if measured { (500, 200) } else { (5, 2) };
    let times = (0..rounds.div_ceil(5)).map(|_| Lab::of_policies(policies).burst(policies, moved));
    println!("burst of {moved}, p50 {:>15.1} ms  (at most 1000 ms)", milliseconds(median(times.collect())));
    match std::env::var_os("TAG2PR_FUNCTIONS") {
        Some(folder) => {
            for (function, most) in [("receive", 15), ("propose", 25)] {
                let times = (0..rounds).map(|_| start(&PathBuf::from(&folder).join(function))).collect();
                println!("start of {function:<18} {:>6.1} ms  (at most {most} ms)", milliseconds(median(times)));
            }
        }
        None => println!("start: not measured, TAG2PR_FUNCTIONS names no folder with the built functions"),
    }
}

/// A deployment and what is around it.
struct Lab {
    folder: tempfile::TempDir,
    git: GitHttp,
    fleet: Bare,
    github: GitHub,
    registry: Registry,
    image: String,
}

impl Lab {
    /// A repository of so many files, each twentieth marked, of which the automation's path decides how many are updated.
    fn set_up(files: usize, path: &str) -> Self {
        Self::with(|git, image| {
            fleet::write(git.path(), files);
            let flux = format!("{}---\n{}", policy("web", image), automation(path));
            git.push("main", &[git::Entry::file("flux.yaml", flux)], "What is wanted");
        })
    }

    /// A repository with so many policies, each with an image and a file of its own.
    fn of_policies(policies: usize) -> Self {
        Self::with(|git, image| {
            let mut entries = vec![git::Entry::file("flux.yaml", automation("./apps"))];
            for number in 0..policies {
                let (name, image) = (format!("web-{number}"), format!("{image}-{number}"));
                entries.push(git::Entry::file(&format!("policies/{name}.yaml"), policy(&name, &image)));
                let file = format!("image: {image}:1.0.0 # {{\"$imagepolicy\": \"apps:{name}\"}}\n");
                entries.push(git::Entry::file(&format!("apps/{name}.yaml"), file));
            }
            git.push("main", &entries, "What is wanted");
        })
    }

    fn with(write: impl FnOnce(&Bare, &str)) -> Self {
        let registry = Registry::start(Listing::LexicalPages { cap: 1000 }, Access::Open);
        let image = format!("{}/acme/web", registry.address());
        let git = GitHttp::start();
        let fleet = git.create("acme/fleet.git");
        write(&fleet, &image);
        let github = GitHub::start("acme", "fleet", "token of the robot");
        github.hosts(&fleet);
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "store: state\nlisten: 127.0.0.1:0\nsources: {{ ci: {{ type: generic, secret: 'file:secret' }} }}\n\
             registries: [{{ host: '{}', insecure: true }}]\n\
             repositories:\n  - {{ url: '{}', host: github, api: '{}', credentials: {{ token: 'file:token' }} }}\n",
            registry.address(),
            git.url("acme/fleet.git"),
            github.api()
        );
        for (name, text) in [("tag2pr.yaml", config.as_str()), ("secret", SECRET), ("token", "token of the robot")] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        Self { folder, git, fleet, github, registry, image }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tag2pr"));
        command.args(arguments).current_dir(self.folder.path()).env_clear().env("TAG2PR_CACHE", "cache");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Pushes a tag to the registry; what will be delivered of it.
    fn push(&self, tag: &str) -> String {
        self.push_to("", tag)
    }

    /// The same, to another image, by the end of its name. It says what it was built from.
    fn push_to(&self, end: &str, tag: &str) -> String {
        let revision = format!("{:040x}", tag.bytes().fold(7_u128, |sum, byte| sum * 31 + u128::from(byte)));
        let labels = [(SOURCE, "https://github.com/acme/web"), (REVISION, revision.as_str())];
        let digest = self.registry.push_manifest(&format!("acme/web{end}"), tag, &Manifest::image(tag, &labels));
        format!("{{\"image\":\"{}{end}:{tag}@{digest}\"}}", self.image)
    }

    /// Waits for one more open pull request, and merges it when everything is written down.
    fn merge_next(&self, listener: Option<&Serving>) {
        let number = self.github.pulls().iter().map(|pull| pull.number).max().unwrap();
        let branch = self.github.pulls().into_iter().find(|pull| pull.number == number).unwrap().branch;
        if listener.is_some() {
            std::thread::sleep(Duration::from_millis(300));
        }
        let head = self.fleet.head(&branch).unwrap();
        run(git::command(self.fleet.path()).args(["update-ref", "refs/heads/main", &head]));
        run(git::command(self.fleet.path()).args(["update-ref", "-d", &format!("refs/heads/{branch}")]));
        self.github.merge(number);
    }

    fn warm(&self, rounds: usize) -> Duration {
        let serving = Serving::start(self);
        let client = self.folder.path().join("client");
        let url = self.git.url("acme/fleet.git");
        let (mut ours, mut theirs, mut requests) = (Vec::new(), Vec::new(), String::new());
        for round in 0..=rounds {
            let body = self.push(&format!("1.1.{round}"));
            let _ = fs::remove_dir_all(&client);
            run(git::command(self.folder.path()).args(["clone", "--quiet", "--depth=1", "--bare", &url, "client"]));
            Bare::at(&client).push(
                "main",
                &[git::Entry::file("apps/20/20.yaml", format!("round: {round}\n"))],
                "Prepared",
            );
            let started = Instant::now();
            run(git::command(&client).args(["ls-remote", &url, "refs/heads/main"]).stdout(Stdio::null()));
            run(git::command(&client).args(["push", "--quiet", &url, &format!("main:beside-{round}")]));
            let beside = started.elapsed();

            let before = self.github.pulls().len();
            let (calls, asked) = (self.github.exchanges().len(), self.registry.seen().len());
            self.git.requests();
            let took = serving.deliver(&body, || self.github.pulls().len() > before);
            let (calls, asked) = (self.github.exchanges().len() - calls, self.registry.seen().len() - asked);
            let git = self.git.requests();
            requests = format!("{git:?}, {calls} calls of the host, {asked} of the registry");
            // The first round fetches everything, and the first push asks what the server can do. The registry is asked what
            // the tag points at, and once for each digest for the labels: two requests more.
            let is_most = git.lists <= 1 && git.fetches <= 1 && git.pushes == 1 && calls <= 2 && asked <= 3;
            assert!(round == 0 || is_most, "round {round}: {requests}");
            self.merge_next(Some(&serving));
            if round > 0 {
                ours.push(took);
                theirs.push(beside);
            }
        }
        let (p50, p99) = (median(ours.clone()), *ours.iter().max().unwrap());
        row("warm, p50", p50, "ls-remote + push", median(theirs.clone()), 1.2);
        row("warm, p99", p99, "ls-remote + push", *theirs.iter().max().unwrap(), 2.0);
        println!("  the last round: {requests}");
        p50
    }

    fn cold(&self, rounds: usize, known: usize, warm: Duration) {
        self.know(known);
        let (mut ours, mut theirs, mut most) = (Vec::new(), Vec::new(), 0);
        for round in 0..rounds {
            let body = self.push(&format!("1.2.{round}"));
            fs::write(self.folder.path().join("delivery.json"), body).unwrap();
            for cache in ["cache", "clone"] {
                let _ = fs::remove_dir_all(self.folder.path().join(cache));
            }
            let url = self.git.url("acme/fleet.git");
            let started = Instant::now();
            run(git::command(self.folder.path()).args(["clone", "--quiet", "--depth=1", "--bare", &url, "clone"]));
            theirs.push(started.elapsed() + warm);
            let before = self.github.pulls().len();
            let started = Instant::now();
            let mut process = self.command(&["replay", "delivery.json", "--source", "ci"]).spawn().unwrap();
            most = most.max(peak(&mut process));
            ours.push(started.elapsed());
            assert_eq!(self.github.pulls().len(), before + 1, "one pull request more");
            self.merge_next(None);
        }
        row("cold, p50", median(ours), "clone + warm", median(theirs), 1.2);
        println!("  peak memory with {known} tags: {most} MB  (at most 96 MB)");
    }

    /// Lets the ledger of the image know many tags.
    fn know(&self, tags: usize) {
        let objects = tag2pr_state::open(self.folder.path().join("state").to_str().unwrap()).unwrap();
        let image: ImageName = self.image.parse().unwrap();
        let tags: Vec<_> = (0..tags).map(|number| format!("build-{number}").parse().unwrap()).collect();
        let objects: &dyn Objects = &*objects;
        let key = Key::ledger(&image);
        let learn = store::update::<Ledger>(objects, &key, "bench", |ledger| {
            let mut ledger = ledger.unwrap_or_default();
            ledger.merge(&News::Listed { tags: tags.clone(), at: jiff::Timestamp::UNIX_EPOCH });
            Some(ledger)
        });
        runtime().block_on(learn).unwrap();
    }

    fn job(self, tags: usize) -> Duration {
        for tag in 0..tags {
            self.push(&format!("2.0.{tag}"));
        }
        let started = Instant::now();
        run(&mut self.command(&["propose"]));
        let took = started.elapsed();
        assert_eq!(self.github.pulls().len(), 1);
        took
    }
}

impl Lab {
    /// From the first of many deliveries at once until one pull request has all of them in one commit.
    fn burst(self, policies: usize, moved: usize) -> Duration {
        for number in 0..policies {
            self.push_to(&format!("-{number}"), "1.0.0");
        }
        let serving = Serving::start(&self);
        let bodies: Vec<String> = (0..moved).map(|number| self.push_to(&format!("-{number}"), "1.1.0")).collect();
        let mut seen = None;
        let all = || {
            let pull = self.github.pulls().into_iter().next()?;
            let head =
                self.fleet.head(&pull.branch).filter(|head| seen.replace(head.clone()).as_ref() != Some(head))?;
            let grep = git::command(self.fleet.path()).args(["grep", "-c", ":1.1.0", &head, "--", "apps"]).output();
            let count = String::from_utf8(grep.unwrap().stdout).unwrap().lines().count();
            (count == moved && pull.body.contains(&format!("web-{}", moved - 1))).then_some(pull.branch)
        };
        let (took, branch) = serving.deliver_at_once(bodies, all);
        assert_eq!(
            (self.github.pulls().len(), self.fleet.log(&branch).len()),
            (1, 2),
            "one pull request of one commit"
        );
        took
    }
}

fn policy(name: &str, image: &str) -> String {
    format!(
        "apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImageRepository\nmetadata: {{ name: {name}, namespace: apps }}\n\
         spec: {{ image: '{image}', interval: 1m }}\n---\n\
         apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImagePolicy\nmetadata: {{ name: {name}, namespace: apps }}\n\
         spec: {{ imageRepositoryRef: {{ name: {name} }}, policy: {{ semver: {{ range: '>=1.0.0' }} }} }}\n"
    )
}

fn automation(path: &str) -> String {
    format!(
        "apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImageUpdateAutomation\nmetadata: {{ name: fleet, namespace: apps }}\n\
         spec:\n  interval: 1m\n  sourceRef: {{ kind: GitRepository, name: fleet }}\n  git:\n\
         \x20   checkout: {{ ref: {{ branch: main }} }}\n\
         \x20   commit: {{ author: {{ name: robot, email: robot@example.com }} }}\n\
         \x20 update: {{ path: {path}, strategy: Setters }}\n"
    )
}

/// A running listener; it ends with this value.
struct Serving {
    process: Child,
    client: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    url: String,
}

impl Serving {
    fn start(lab: &Lab) -> Self {
        let mut process = lab.command(&["serve", "--output", "json"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut url = None;
        // It looks at the repository once when it starts.
        loop {
            let line: serde_json::Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
            url = line["url"].as_str().map(str::to_owned).or(url);
            if line["event"] == "proposed" {
                break;
            }
        }
        let url = url.unwrap();
        // Somebody has to read what it says, or it would wait.
        std::thread::spawn(move || lines.for_each(drop));
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { process, client, runtime: runtime(), url }
    }

    /// Sends one delivery; how long it takes until something is so.
    fn deliver(&self, body: &str, until: impl Fn() -> bool) -> Duration {
        self.deliver_at_once(vec![body.to_owned()], || until().then_some(())).0
    }

    /// Sends deliveries, all at the same time; how long it takes until something is so.
    fn deliver_at_once<T>(&self, bodies: Vec<String>, mut until: impl FnMut() -> Option<T>) -> (Duration, T) {
        let request = |body: String| {
            let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), body.as_bytes());
            let hex: String = signature.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            let request = self.client.post(format!("{}/hooks/ci", self.url)).body(body);
            request.header("Content-Type", "application/json").header("X-Hub-Signature-256", format!("sha256={hex}"))
        };
        let requests: Vec<_> = bodies.into_iter().map(request).collect();
        let started = Instant::now();
        self.runtime.block_on(async {
            let answers: Vec<_> = requests.into_iter().map(|request| tokio::spawn(request.send())).collect();
            for answer in answers {
                let answer = answer.await.unwrap().unwrap();
                assert!(answer.status().is_success(), "{}", answer.status());
            }
        });
        loop {
            if let Some(found) = until() {
                return (started.elapsed(), found);
            }
            assert!(started.elapsed() < Duration::from_secs(30), "no pull request came");
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Waits for a process to succeed; the most memory that it had, MB.
fn peak(process: &mut Child) -> u64 {
    let mut most = 0;
    loop {
        if let Ok(status) = fs::read_to_string(format!("/proc/{}/status", process.id())) {
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            most = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0).max(most);
        }
        if let Some(status) = process.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            return most / 1024;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// How long it takes a function to ask the Lambda Runtime API for its first event.
fn start(program: &Path) -> Duration {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("tag2pr.yaml");
    fs::write(&config, "store: state\nsources: {}\nregistries: []\nrepositories: []\n").unwrap();
    let started = Instant::now();
    let mut process = Command::new(program)
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", listener.local_addr().unwrap().to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", "function")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .env("TAG2PR_CONFIG", &config)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    let mut asked = [0; 64];
    let length = stream.read(&mut asked).unwrap();
    let took = started.elapsed();
    assert!(asked[..length].starts_with(b"GET /2018-06-01/runtime/invocation/next"));
    let _ = stream.flush();
    let _ = process.kill();
    let _ = process.wait();
    took
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn run(command: &mut Command) {
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}

fn row(what: &str, ours: Duration, beside: &str, theirs: Duration, most: f64) {
    let (ours, theirs) = (milliseconds(ours), milliseconds(theirs));
    println!("{what:<24} {ours:>7.1} ms  {beside:<17} {theirs:>7.1} ms  {:>6.3}  {most:>9}", ours / theirs);
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
