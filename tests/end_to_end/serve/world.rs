//! `tag2pr serve` and what is around it: a Git server, a forge, a store, a folder with its configuration.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ring::hmac;
use serde_json::Value;
use tag2pr::keys::Key;
use tag2pr::seams::Objects;
use tag2pr_end_to_end::aws::{self, Aws};
use tag2pr_end_to_end::holds_no_secret;
use tag2pr_standins::git::{self, Bare, Entry};
use tag2pr_standins::git_http::GitHttp;
use tag2pr_standins::github::GitHub;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// What Git server and forge let in.
pub(crate) const TOKEN: &str = "ghp_of_the_robot";
/// What the registry proves itself with.
pub(crate) const HOOK: &str = "hook-of-the-registry";
/// What the forge proves itself with.
const WEBHOOK: &str = "hook-of-the-forge";

/// Longer than anything here takes, the listener's wait after two failures included.
const PATIENCE: Duration = Duration::from_secs(60);

/// A loopback address that was free just now: the registry must know it before anybody listens there.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap()
}

/// A deployment, and the outside systems that it is configured for.
pub(crate) struct Lab {
    folder: TempDir,
    registry: String,
    runtime: Runtime,
    objects: Arc<dyn Objects>,
    variables: Vec<(&'static str, String)>,
    pub(crate) git: GitHttp,
    pub(crate) fleet: Bare,
    pub(crate) github: GitHub,
}

impl Lab {
    /// One repository that follows one image, `team/web` in this registry. `None` where there is no `git`.
    pub(crate) fn set_up(registry: &str) -> Option<Self> {
        if !git::is_installed() {
            return None;
        }
        let git = GitHttp::start();
        let fleet = git.create("acme/fleet.git");
        fleet.push("main", &manifests(registry), "The fleet");
        let github = GitHub::start("acme", "fleet", TOKEN);
        github.hosts(&fleet);
        let folder = tempfile::tempdir().unwrap();
        let lab = Self {
            registry: registry.to_owned(),
            runtime: Runtime::new().unwrap(),
            objects: tag2pr_state::open(folder.path().join("state").to_str().unwrap()).unwrap(),
            variables: vec![("TAG2PR_CACHE", "cache".to_owned())],
            folder,
            git,
            fleet,
            github,
        };
        lab.write("hook", HOOK);
        lab.change_token(TOKEN);
        let config = format!(
            "store: state\n\
             sources: {{ registry: {{ type: distribution, secret: 'file:hook' }} }}\n\
             registries: [{{ host: '{registry}', insecure: true }}]\n\
             repositories:\n\
             \x20 - url: {}\n\
             \x20   host: github\n\
             \x20   api: {}\n\
             \x20   credentials: {{ token: 'file:token' }}\n",
            lab.git.url("acme/fleet.git"),
            lab.github.api()
        );
        lab.write("tag2pr.yaml", &config);
        Some(lab)
    }

    /// The same with its store in a bucket, on a server that was not written here, if there is one.
    pub(crate) fn set_up_in_a_bucket(registry: &str) -> Option<Self> {
        let mut lab = Self::set_up(registry)?;
        let bucket = lab.runtime.block_on(Aws::set_up())?;
        lab.objects = bucket.objects();
        lab.variables.extend(bucket.of_the_store());
        Some(lab)
    }

    /// The commits are left to the forge, which signs them for an app.
    pub(crate) fn leave_commits_to_github(&self, token: &str) {
        let config = fs::read_to_string(self.folder().join("tag2pr.yaml")).unwrap();
        self.write("tag2pr.yaml", &format!("{config}    commits: api\n"));
        self.change_token(token);
        self.github.changes_token(token);
    }

    /// GitHub's own webhook is set, for listeners that start from now on.
    pub(crate) fn lets_github_tell(&self) {
        let config = fs::read_to_string(self.folder().join("tag2pr.yaml")).unwrap();
        self.write("tag2pr.yaml", &format!("{config}    webhook: 'file:webhook'\n"));
        self.write("webhook", WEBHOOK);
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder().join(name), text).unwrap();
    }

    /// For listeners that start from now on.
    pub(crate) fn change_token(&self, token: &str) {
        self.write("token", token);
    }

    /// The pokes that wait.
    pub(crate) fn inbox(&self) -> Vec<Key> {
        self.runtime.block_on(self.objects.list(&Key::listed("inbox/".to_owned()))).unwrap()
    }

    /// What is stored: names and contents.
    pub(crate) fn stored(&self, below: &str) -> Vec<(Key, String)> {
        self.runtime.block_on(async {
            let mut stored = Vec::new();
            for key in self.objects.list(&Key::listed(below.to_owned())).await.unwrap() {
                // What was listed may be gone by now.
                let Some(object) = self.objects.get(&key).await.unwrap() else { continue };
                stored.push((key, String::from_utf8_lossy(&object.bytes).into_owned()));
            }
            stored
        })
    }

    /// A command of `tag2pr` in this deployment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tag2pr"));
        command
            .args(arguments)
            .args(["--config", "tag2pr.yaml"])
            .current_dir(self.folder())
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// A text with the addresses of this one run made constant.
    pub(crate) fn told(&self, text: &str) -> String {
        text.replace(&self.registry, "registry.lan")
            .replace(&self.git.url("").trim_end_matches('/').to_owned(), "http://git.lan")
            .replace(self.git.url("").trim_start_matches("http://").trim_end_matches('/'), "git.lan")
            .replace(&self.github.api(), "http://api.github.lan")
    }

    /// Looks through everything that came about.
    pub(crate) fn holds_no_secret(&self, listener: &Listener) {
        let mut text = listener.log();
        for (key, object) in self.stored("") {
            text += &format!("{key} {object}\n");
        }
        for file in files(&self.folder().join("cache")) {
            text += &String::from_utf8_lossy(&fs::read(file).unwrap());
        }
        text += &self.fleet.run(&["log", "--all", "--patch"]);
        text += &format!("{:?}", self.github.pulls());
        holds_no_secret(&text, &[TOKEN, HOOK, WEBHOOK, aws::SECRET_KEY]);
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn manifests(registry: &str) -> Vec<Entry> {
    let flux = format!(
        "apiVersion: image.toolkit.fluxcd.io/v1beta2\n\
         kind: ImageRepository\n\
         metadata: {{ name: web, namespace: flux-system }}\n\
         spec: {{ image: '{registry}/team/web', interval: 1m, insecure: true }}\n\
         ---\n\
         apiVersion: image.toolkit.fluxcd.io/v1beta2\n\
         kind: ImagePolicy\n\
         metadata: {{ name: web, namespace: flux-system }}\n\
         spec:\n\
         \x20 imageRepositoryRef: {{ name: web }}\n\
         \x20 policy: {{ semver: {{ range: '>=0.9.0' }} }}\n\
         ---\n\
         apiVersion: image.toolkit.fluxcd.io/v1beta2\n\
         kind: ImageUpdateAutomation\n\
         metadata: {{ name: fleet, namespace: flux-system }}\n\
         spec:\n\
         \x20 interval: 1m\n\
         \x20 sourceRef: {{ kind: GitRepository, name: flux-system }}\n\
         \x20 git:\n\
         \x20   checkout: {{ ref: {{ branch: main }} }}\n\
         \x20   commit: {{ author: {{ name: robot, email: robot@example.com }} }}\n\
         \x20   push: {{ branch: main }}\n\
         \x20 update: {{ path: ./apps, strategy: Setters }}\n"
    );
    let deployment = format!(
        "apiVersion: apps/v1\n\
         kind: Deployment\n\
         metadata: {{ name: web, namespace: shop }}\n\
         spec:\n\
         \x20 template:\n\
         \x20   spec:\n\
         \x20     containers:\n\
         \x20       - name: web\n\
         \x20         image: {registry}/team/web:0.9.0 # {{\"$imagepolicy\": \"flux-system:web\"}}\n"
    );
    vec![Entry::file("apps/web.yaml", deployment), Entry::file("flux/automation.yaml", flux)]
}

/// What CNCF Distribution reports of a push.
pub(crate) fn push_event(registry: &str, tag: &str, digest: &str) -> String {
    format!(
        r#"{{"events":[{{"id":"{tag}","timestamp":"2026-02-06T16:42:01Z","action":"push","target":{{"mediaType":
        "application/vnd.oci.image.manifest.v1+json","digest":"{digest}","repository":"team/web","tag":"{tag}"}},
        "request":{{"host":"{registry}"}}}}]}}"#
    )
}

/// A running `tag2pr serve`; killed when it is dropped.
pub(crate) struct Listener {
    process: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl Listener {
    pub(crate) fn start(lab: &Lab, address: SocketAddr) -> Self {
        let log = lab.folder().join(format!("listener-{}.log", address.port()));
        let output = File::create(&log).unwrap();
        let process = lab
            .command(&["serve", "--listen", &address.to_string()])
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        let listener = Self { process, address, log };
        listener.waits_for("tag2pr listens on");
        listener
    }

    /// As a power cut does it.
    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits for the first line with this in it, and returns that line without its time.
    pub(crate) fn waits_for(&self, part: &str) -> String {
        let find = || {
            let log = self.log();
            // Only whole lines.
            let whole = &log[..log.rfind('\n').map_or(0, |end| end + 1)];
            whole.lines().find(|line| line.contains(part)).map(str::to_owned)
        };
        self.waits_until(|| find().is_some());
        let line = find().unwrap();
        line.split_once(' ').map_or(line.clone(), |(_, said)| said.to_owned())
    }

    pub(crate) fn waits_until(&self, done: impl Fn() -> bool) {
        let patience = Instant::now() + PATIENCE;
        while !done() {
            assert!(Instant::now() < patience, "this is all that happened:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Reports a push to it as CNCF Distribution does.
    pub(crate) fn deliver(&self, lab: &Lab, tag: &str, digest: &str) {
        let headers =
            format!("Authorization: Bearer {HOOK}\r\nContent-Type: application/vnd.docker.distribution.events.v1+json");
        self.post("/hooks/registry", &headers, &push_event(&lab.registry, tag, digest));
    }

    /// Tells it of an event as GitHub does.
    pub(crate) fn github_tells(&self, event: &str, body: &Value) {
        let body = body.to_string();
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, WEBHOOK.as_bytes()), body.as_bytes());
        let hex: String = signature.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let headers =
            format!("Content-Type: application/json\r\nX-GitHub-Event: {event}\r\nX-Hub-Signature-256: sha256={hex}");
        self.post("/hosts/fleet", &headers, &body);
    }

    fn post(&self, path: &str, headers: &str, body: &str) {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{headers}\r\nContent-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}\n{}", self.log());
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // It may have been killed before.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
