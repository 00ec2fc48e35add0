//! Bare Git repositories in a directory, made, looked at and changed with the `git` binary: somebody else's hands.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::parts::program;

/// Whether the `git` binary is there; where it is not, says so, for the test that is skipped.
pub fn is_installed() -> bool {
    program("git", "a package of every system").is_some()
}

/// `git` without anything that this machine or its user configured; names and times are fixed.
pub fn command(directory: &Path) -> Command {
    let mut git = Command::new("git");
    git.env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", "")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_AUTHOR_NAME", "Somebody Else")
        .env("GIT_AUTHOR_EMAIL", "somebody@example.com")
        .env("GIT_AUTHOR_DATE", "1767225600 +0000")
        .env("GIT_COMMITTER_NAME", "Somebody Else")
        .env("GIT_COMMITTER_EMAIL", "somebody@example.com")
        .env("GIT_COMMITTER_DATE", "1767225600 +0000")
        .current_dir(directory);
    git
}

/// One entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// From the root of the repository.
    pub path: String,
    /// `100644`, `100755`, `120000` (a link; the bytes are where it points to), `160000` (a submodule).
    pub mode: String,
    /// What is in it; the id of the commit for a submodule.
    pub bytes: Vec<u8>,
}

impl Entry {
    /// An ordinary file.
    pub fn file(path: &str, bytes: impl AsRef<[u8]>) -> Self {
        Self { path: path.to_owned(), mode: "100644".to_owned(), bytes: bytes.as_ref().to_vec() }
    }
}

/// One commit as `git log` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// Its id.
    pub id: String,
    /// Whole.
    pub message: String,
    /// Name and address of the author.
    pub author: (String, String),
    /// The author's time, seconds since 1970.
    pub authored: i64,
    /// Name and address of the committer.
    pub committer: (String, String),
    /// The committer's time, seconds since 1970.
    pub committed: i64,
}

/// A bare repository. Functions panic where `git` fails.
#[derive(Debug, Clone)]
pub struct Bare(PathBuf);

impl Bare {
    /// Makes an empty one that may be pushed to over HTTP.
    pub fn create(path: &Path) -> Self {
        std::fs::create_dir_all(path).expect("a directory for the repository");
        let bare = Self(path.to_owned());
        bare.run(&["init", "--quiet", "--bare", "--initial-branch=main", "."]);
        bare.run(&["config", "http.receivepack", "true"]);
        bare
    }

    /// One that is there.
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A commit by somebody else on top of a branch: these entries replaced or added. The branch is created if there is
    /// none.
    pub fn push(&self, branch: &str, entries: &[Entry], message: &str) -> String {
        let parent = self.head(branch);
        let mut lines = String::new();
        for Entry { path, mode, bytes } in entries {
            let id = match mode.as_str() {
                "160000" => String::from_utf8_lossy(bytes).into_owned(),
                _ => self.blob(bytes),
            };
            lines.push_str(&format!("{mode} {id}\t{path}\0"));
        }
        let tree = self.tree(parent.as_deref(), &lines);
        let mut arguments = vec!["commit-tree", &tree, "-m", message];
        if let Some(parent) = &parent {
            arguments.extend(["-p", parent]);
        }
        let commit = self.run(&arguments);
        self.run(&["update-ref", &format!("refs/heads/{branch}"), &commit]);
        commit
    }

    /// Stores what is in a file.
    pub fn blob(&self, bytes: &[u8]) -> String {
        text(self.pipe(command(&self.0).args(["hash-object", "-w", "--stdin"]), bytes))
    }

    /// Stores a tree: another one with these entries replaced or added, each `mode id\tpath\0`.
    pub fn tree(&self, base: Option<&str>, entries: &str) -> String {
        let index = tempfile::NamedTempFile::new().expect("a temporary file");
        // An index must be whole or absent.
        std::fs::remove_file(index.path()).expect("the temporary file");
        let indexed = |arguments: &[&str], input: &[u8]| {
            self.pipe(command(&self.0).env("GIT_INDEX_FILE", index.path()).args(arguments), input)
        };
        if let Some(base) = base {
            indexed(&["read-tree", base], b"");
        }
        indexed(&["update-index", "-z", "--index-info"], entries.as_bytes());
        text(indexed(&["write-tree"], b""))
    }

    /// Whether there is such an object.
    pub fn has(&self, object: &str) -> bool {
        command(&self.0).args(["cat-file", "-e", object]).output().expect("git to run").status.success()
    }

    /// The commit of a branch.
    pub fn head(&self, branch: &str) -> Option<String> {
        let reference = format!("refs/heads/{branch}");
        let output = command(&self.0).args(["rev-parse", "--verify", "--quiet", &reference]).output();
        let output = output.expect("git to run");
        output.status.success().then(|| text(output.stdout))
    }

    /// Everything on a branch, in the order of the paths; nothing if there is no such branch.
    pub fn entries(&self, branch: &str) -> Vec<Entry> {
        if self.head(branch).is_none() {
            return Vec::new();
        }
        let tree = self.pipe(command(&self.0).args(["ls-tree", "-r", "-z", &format!("refs/heads/{branch}")]), b"");
        let tree = String::from_utf8_lossy(&tree).into_owned();
        let lines = tree.split_terminator('\0').filter_map(|line| line.split_once('\t'));
        let entry = |(about, path): (&str, &str)| {
            let mut about = about.split(' ');
            let (mode, id) = (about.next().unwrap_or_default(), about.nth(1).unwrap_or_default());
            let bytes = match mode {
                "160000" => id.as_bytes().to_vec(),
                _ => self.pipe(command(&self.0).args(["cat-file", "blob", id]), b""),
            };
            Entry { path: path.to_owned(), mode: mode.to_owned(), bytes }
        };
        lines.map(entry).collect()
    }

    /// The commits of a branch, newest first; nothing if there is no such branch.
    pub fn log(&self, branch: &str) -> Vec<Logged> {
        if self.head(branch).is_none() {
            return Vec::new();
        }
        let format = "--format=tformat:%H%n%an%n%ae%n%at%n%cn%n%ce%n%ct%n%B";
        let log = self.pipe(command(&self.0).args(["log", "-z", format, &format!("refs/heads/{branch}")]), b"");
        let log = String::from_utf8_lossy(&log).into_owned();
        let logged = |commit: &str| {
            let mut parts = commit.splitn(8, '\n').map(str::to_owned);
            let mut next = || parts.next().unwrap_or_default();
            Logged {
                id: next(),
                author: (next(), next()),
                authored: next().parse().unwrap_or_default(),
                committer: (next(), next()),
                committed: next().parse().unwrap_or_default(),
                message: next(),
            }
        };
        log.split_terminator('\0').map(logged).collect()
    }

    /// Refuses every later push to this branch, as a forge does for a protected one, and says why.
    pub fn protect(&self, branch: &str, reason: &str) {
        let hook = format!(
            "#!/bin/sh\nif [ \"$1\" = 'refs/heads/{branch}' ]; then echo '{}' >&2; exit 1; fi\n",
            reason.replace('\'', "")
        );
        self.hook("update", &hook);
    }

    /// Installs a hook: a shell script.
    pub fn hook(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.0.join("hooks").join(name);
        std::fs::create_dir_all(self.0.join("hooks")).expect("a directory for hooks");
        std::fs::write(&path, script).expect("a hook");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("a hook that may run");
    }

    /// Runs `git` in the repository and returns what it prints, trimmed.
    pub fn run(&self, arguments: &[&str]) -> String {
        text(self.pipe(command(&self.0).args(arguments), b""))
    }

    fn pipe(&self, command: &mut Command, input: &[u8]) -> Vec<u8> {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("git to run");
        // Inputs are small or read whole before anything is printed, so that neither side waits for the other.
        child.stdin.take().expect("a pipe").write_all(input).expect("git to read its input");
        let output = child.wait_with_output().expect("git to end");
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).trim().to_owned()
}
