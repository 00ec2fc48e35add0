//! Repositories to test with: the client, and somebody else's hands on the same repository.

use jiff::Timestamp;
use tag2pr::seams::{Author, CommitId, File, GitRepository, NewCommit, Wanted};
use tag2pr::secret::Secret;
use tag2pr::testing::conformance::repository::RepositoryWorld;
use tag2pr::testing::repository::{Entry, Logged, Mode};
use tag2pr_git::{Credentials, Repository, Settings};
use tag2pr_standins::git::{self, Bare};
use tag2pr_standins::git_http::{Fault, GitHttp};

const USER: &str = "bot";
const TOKEN: &str = "s3cret-token";

/// A repository at a path.
pub(crate) struct Path {
    bare: Bare,
    client: Repository,
    _directory: tempfile::TempDir,
}

impl Path {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let bare = Bare::create(&directory.path().join("fleet.git"));
        let url = format!("file://{}", bare.path().display());
        let client = Repository::open(Settings::new(url, directory.path().join("cache"))).unwrap();
        Self { bare, client, _directory: directory }
    }
}

/// A repository behind HTTP with a password.
pub(crate) struct Served {
    pub(crate) http: GitHttp,
    pub(crate) bare: Bare,
    pub(crate) client: Repository,
    pub(crate) directory: tempfile::TempDir,
}

impl Served {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// With other settings than the usual.
    pub(crate) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let http = GitHttp::start();
        let bare = http.create("acme/fleet.git");
        http.require(Some((USER, TOKEN)));
        let directory = tempfile::tempdir().unwrap();
        let mut settings = settings(&http, directory.path());
        change(&mut settings);
        let client = Repository::open(settings).unwrap();
        Self { http, bare, client, directory }
    }
}

/// What the client of [`Served`] is opened with.
pub(crate) fn settings(http: &GitHttp, directory: &std::path::Path) -> Settings {
    let mut settings = Settings::new(http.url("acme/fleet.git"), directory);
    settings.credentials = Some(Credentials { user: USER.to_owned(), token: std::sync::Arc::new(Secret::new(TOKEN)) });
    settings
}

fn push(bare: &Bare, branch: &str, entries: &[Entry], message: &str) -> CommitId {
    let entry = |entry: &Entry| git::Entry {
        path: entry.path.clone(),
        mode: entry.mode.digits().to_owned(),
        bytes: entry.bytes.clone(),
    };
    CommitId(bare.push(branch, &entries.iter().map(entry).collect::<Vec<_>>(), message))
}

fn entries(bare: &Bare, branch: &str) -> Vec<Entry> {
    let entries = bare.entries(branch).into_iter();
    entries.map(|entry| Entry { path: entry.path, mode: Mode::of(&entry.mode), bytes: entry.bytes }).collect()
}

fn log(bare: &Bare, branch: &str) -> Vec<Logged> {
    let logged = |commit: git::Logged| {
        assert_eq!((&commit.author, commit.authored), (&commit.committer, commit.committed));
        let (name, email) = commit.author;
        Logged {
            id: CommitId(commit.id),
            message: commit.message,
            author: Author { name, email },
            at: Timestamp::from_second(commit.authored).unwrap(),
        }
    };
    bare.log(branch).into_iter().map(logged).collect()
}

impl RepositoryWorld for Path {
    fn repository(&self) -> &dyn GitRepository {
        &self.client
    }

    fn push_by_somebody_else(&self, branch: &str, entries: &[Entry], message: &str) -> CommitId {
        push(&self.bare, branch, entries, message)
    }

    fn entries(&self, branch: &str) -> Vec<Entry> {
        entries(&self.bare, branch)
    }

    fn log(&self, branch: &str) -> Vec<Logged> {
        log(&self.bare, branch)
    }

    fn protect(&self, _: &str, _: &str) -> bool {
        false
    }

    fn wrong_credentials(&self, _: bool) -> bool {
        false
    }

    fn server_down_once(&self) -> bool {
        false
    }
}

impl RepositoryWorld for Served {
    fn repository(&self) -> &dyn GitRepository {
        &self.client
    }

    fn push_by_somebody_else(&self, branch: &str, entries: &[Entry], message: &str) -> CommitId {
        push(&self.bare, branch, entries, message)
    }

    fn entries(&self, branch: &str) -> Vec<Entry> {
        entries(&self.bare, branch)
    }

    fn log(&self, branch: &str) -> Vec<Logged> {
        log(&self.bare, branch)
    }

    fn protect(&self, branch: &str, reason: &str) -> bool {
        self.bare.protect(branch, reason);
        true
    }

    fn wrong_credentials(&self, wrong: bool) -> bool {
        self.http.require(Some((USER, if wrong { "another" } else { TOKEN })));
        true
    }

    fn server_down_once(&self) -> bool {
        self.http.fail_once(Fault::HangUp);
        true
    }
}

/// A change of one file.
pub(crate) fn change(parent: &CommitId, path: &str, bytes: &str) -> NewCommit {
    NewCommit {
        parent: parent.clone(),
        files: vec![File { path: path.to_owned(), bytes: bytes.as_bytes().to_vec() }],
        message: "Update web\n".to_owned(),
        author: Author { name: "tag2pr".to_owned(), email: "tag2pr@example.com".to_owned() },
        at: Timestamp::from_second(1_767_268_800).unwrap(),
    }
}

/// Every file is wanted.
pub(crate) fn all() -> Wanted {
    Wanted::new(|_, _| true)
}

/// The paths of a branch, by a snapshot.
pub(crate) async fn paths(git: &Repository, branch: &str) -> Vec<String> {
    git.snapshot(branch, &all()).await.unwrap().files.into_iter().map(|file| file.path).collect()
}
