//! A machine of its own for each test: an empty home, no variables, nothing of the real one.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use regex::Regex;
use serde_json::Value;
use tag2pr_standins::git::{Bare, Entry};

pub struct TestEnvironment {
    root: tempfile::TempDir,
    pub variables: BTreeMap<&'static str, String>,
}

/// What a command printed, and what it ended with.
pub struct Run {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.stdout)?;
        if !self.stderr.is_empty() {
            write!(f, "----- stderr\n{}", self.stderr)?;
        }
        match self.status {
            Some(status) => write!(f, "----- exit {status}"),
            None => f.write_str("----- killed"),
        }
    }
}

impl Run {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in:\n{self}"))
    }
}

impl TestEnvironment {
    pub fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for name in ["home", "tmp", "here"] {
            fs::create_dir(root.path().join(name)).unwrap();
        }
        Self { root, variables: BTreeMap::new() }
    }

    /// A path in the working directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join("here").join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Copies a folder of the project here.
    pub fn copy(&self, from: &Path, to: &str) {
        for (path, bytes) in files(from) {
            self.write(&format!("{to}/{path}"), bytes);
        }
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tag2pr"));
        command
            .args(arguments)
            .current_dir(self.path(""))
            .env_clear()
            .env("HOME", self.root.path().join("home"))
            .env("TMPDIR", self.root.path().join("tmp"))
            .envs(&self.variables);
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Run {
        self.run_with_input(arguments, b"")
    }

    pub fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Run {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A command that fails early does not read it.
        let _ = child.stdin.take().unwrap().write_all(input);
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| self.normal(&String::from_utf8(bytes).unwrap());
        Run { status: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// The text without what differs from run to run.
    pub fn normal(&self, text: &str) -> String {
        let root = self.root.path().display().to_string();
        let mut text = text.replace(&root, "$ROOT").replace(root.trim_start_matches('/'), "$ROOT");
        for (pattern, replacement) in [
            (r"\.tmp[A-Za-z0-9]{6}", ".tmpRANDOM"),
            (r"127\.0\.0\.1:\d{4,5}", "127.0.0.1:PORT"),
            (r"\b[0-9a-f]{12}-[0-9a-f]{12}\b", "TIME-ID"),
            (r"\b\d+\.\d s\b", "N.N s"),
            (r"(?m)^\d\d:\d\d:\d\dZ", "HH:MM:SSZ"),
            // Said by whatever takes longer than a second here.
            (r"(?m)^.* …\n", ""),
        ] {
            text = Regex::new(pattern).unwrap().replace_all(&text, replacement).into_owned();
        }
        text
    }

    /// A bare repository with the manifests of a story on `main`.
    pub fn fleet(&self, name: &str, story: &str) -> Bare {
        let bare = Bare::create(&self.path(name));
        bare.push("main", &entries(&self::story(story).join("manifests")), "The cluster as it runs");
        bare
    }

    /// Everything below a folder, by path.
    pub fn everything(&self, name: &str) -> BTreeMap<String, Vec<u8>> {
        let folder = self.path(name);
        if folder.exists() { files(&folder).into_iter().collect() } else { BTreeMap::new() }
    }

    /// The pull requests in a store.
    pub fn pull_requests(&self, store: &str) -> Vec<Value> {
        let files = self.everything(store).into_iter().filter(|(path, _)| path.contains("/pull-requests/"));
        files.map(|(_, bytes)| serde_json::from_slice::<Value>(&bytes).unwrap()["value"].clone()).collect()
    }
}

/// The home lab's configuration, with the registry that is not there.
pub const HOME_LAB: &str = "\
store: ./state
listen: 127.0.0.1:0
sources:
  harbor: { type: harbor, secret: file:harbor-secret }
registries:
  - host: 192.168.0.40:5000
    insecure: true
    confirm: false
repositories:
  - url: ./fleet.git
";

/// A home lab: the second story's repository, a configuration, the secret that the recorded deliveries have.
pub fn home_lab() -> (TestEnvironment, Bare) {
    let environment = TestEnvironment::new();
    let fleet = environment.fleet("fleet.git", "2-home-lab");
    environment.write("tag2pr.yaml", HOME_LAB);
    environment.write("harbor-secret", "harbor-example-secret\n");
    (environment, fleet)
}

/// A file or folder of the project.
pub fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

pub fn story(name: &str) -> PathBuf {
    project("tests/stories").join(name)
}

/// A recorded delivery's body and headers.
pub fn recorded(name: &str) -> (Vec<u8>, Vec<(String, String)>) {
    let body = fs::read(project("events").join(format!("{name}.json"))).unwrap();
    let headers = fs::read_to_string(project("events").join(format!("{name}.headers"))).unwrap();
    let headers = headers.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(": "));
    (body, headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// The home lab's manifests with one thing for another in every file.
pub fn manifests_with(one: &str, other: &str) -> Vec<Entry> {
    let mut manifests = entries(&story("2-home-lab").join("manifests"));
    for entry in manifests.iter_mut().filter(|_| !one.is_empty()) {
        entry.bytes = String::from_utf8_lossy(&entry.bytes).replace(one, other).into_bytes();
    }
    manifests
}

fn entries(folder: &Path) -> Vec<Entry> {
    files(folder).into_iter().map(|(path, bytes)| Entry::file(&path, bytes)).collect()
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap_or_else(|error| panic!("{}: {error}", next.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                found.push((name, fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}
