//! Pull requests in an object store.

use std::sync::Arc;

use async_trait::async_trait;
use insta::assert_snapshot;
use pollster::block_on;
use tag2pr::keys::Key;
use tag2pr::repository_url;
use tag2pr::seams::{Asks, CommitId, Draft, Expected, GitHost, HostError, Objects, RepositoryId, State};
use tag2pr::testing::conformance::host::{World, host};
use tag2pr::testing::host::Fault;
use tag2pr::testing::memory::{self, Memory};
use tag2pr::testing::repository::{Entry, FakeRepository};
use tag2pr_git::{Repository, Settings};
use tag2pr_hosts::{InvalidHost, Kind, Local, Means, connect};
use tag2pr_standins::git::{self, Bare};
use tag2pr_standins::git_http::{self, GitHttp};
use tempfile::TempDir;

struct Disk {
    store: Arc<Memory>,
    git: Arc<FakeRepository>,
    local: Local,
}

fn repository() -> RepositoryId {
    RepositoryId { host: "local".into(), path: "/srv/git/fleet".into(), base: "main".into() }
}

impl Disk {
    fn new() -> Self {
        let store = Arc::new(Memory::new());
        let git = Arc::new(FakeRepository::with("main", &[]));
        let local = Local::new(repository(), store.clone(), git.clone(), "test/1");
        Self { store, git, local }
    }

    /// A new commit on the branch that everything here is about.
    fn push(&self) -> CommitId {
        self.git.push_by_somebody_else("tag2pr/web", &[Entry::file("web.yaml", "image: web")], "Update web")
    }

    fn put(&self, bytes: &[u8]) {
        block_on(self.store.put(&first(), bytes.to_vec(), Expected::Anything)).unwrap();
    }

    fn titles(&self) -> Vec<String> {
        block_on(self.local.all()).unwrap().into_iter().map(|pull| pull.title).collect()
    }
}

async fn branch(local: &Local, number: u64) -> String {
    let all = local.all().await.unwrap();
    all.into_iter().find(|pull| pull.number == number).expect("there is such a pull request").branch
}

/// What people did with Git is seen.
async fn look(local: &Local) {
    for pull in local.all().await.unwrap() {
        local.note(&pull).await.unwrap();
    }
}

fn first() -> Key {
    Key::pull_request(&repository(), 1)
}

fn draft(title: &str) -> Draft {
    Draft {
        branch: "tag2pr/web".to_owned(),
        base: "main".to_owned(),
        title: title.to_owned(),
        body: "| a | b |".to_owned(),
        is_draft: false,
    }
}

/// The error, a line for each part.
fn said<T: std::fmt::Debug>(result: Result<T, HostError>) -> String {
    result.unwrap_err().to_string().replace("; ", ";\n").replace(": ", ":\n")
}

#[async_trait]
impl World for Disk {
    fn host(&self) -> &dyn GitHost {
        &self.local
    }
    async fn push(&self, branch: &str) -> CommitId {
        self.git.push_by_somebody_else(branch, &[Entry::file("web.yaml", branch)], "Update")
    }
    async fn merge(&self, number: u64) {
        self.git.point("main", &branch(&self.local, number).await);
        look(&self.local).await;
    }
    async fn close_by_person(&self, number: u64) {
        let branch = branch(&self.local, number).await;
        self.git.point("kept", &branch);
        self.git.delete_branch(&branch);
        look(&self.local).await;
        // Somebody may take it back, and has a branch then without a pull request.
        self.git.point(&branch, "kept");
    }
    fn person(&self) -> Option<String> {
        None
    }
    async fn comments(&self, number: u64) -> Vec<String> {
        self.local.comments(number).await.unwrap()
    }
    async fn is_draft(&self, number: u64) -> bool {
        self.local.asked(number).await.unwrap().0
    }
    async fn asked(&self, number: u64) -> Asks {
        self.local.asked(number).await.unwrap().1
    }
    async fn opened_from_fork(&self, _: &str, _: &str) -> bool {
        false
    }
    fn fails_once(&self, fault: Fault) -> bool {
        match fault {
            Fault::Down => self.store.fail_next(memory::Fault::Unavailable),
            // Nothing is lost here: a write is recognised when it is tried again.
            Fault::AnswerLost | Fault::RateLimited { .. } => return false,
        }
        true
    }
}

#[test]
fn it_does_what_every_forge_must() {
    block_on(host(&Disk::new()));
}

/// Nothing is made up: a bare repository, and a directory as the store.
struct Real {
    bare: Bare,
    /// The server that the repository is behind, if it is not reached by its path.
    http: Option<GitHttp>,
    local: Local,
    _folder: TempDir,
}

impl Real {
    /// `None` where there is no `git`.
    fn set_up(http: Option<GitHttp>) -> Option<Self> {
        if !git::is_installed() {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let bare = match &http {
            Some(http) => http.create("fleet.git"),
            None => Bare::create(&folder.path().join("fleet.git")),
        };
        bare.push("main", &[git::Entry::file("web.yaml", "image: web")], "Begin");
        let url = match &http {
            Some(http) => http.url("fleet.git"),
            None => bare.path().display().to_string(),
        };
        let client = Repository::open(Settings::new(&url, folder.path().join("cache"))).unwrap();
        let objects = tag2pr_state::open(folder.path().join("state").to_str().unwrap()).unwrap();
        let local = Local::new(repository_url::identify(&url, "main").unwrap(), objects, Arc::new(client), "test/1");
        Some(Self { bare, http, local, _folder: folder })
    }

    fn point(&self, branch: &str, to: &str) {
        self.bare.run(&["update-ref", &format!("refs/heads/{branch}"), &format!("refs/heads/{to}")]);
    }
}

#[async_trait]
impl World for Real {
    fn host(&self) -> &dyn GitHost {
        &self.local
    }
    async fn push(&self, branch: &str) -> CommitId {
        if self.bare.head(branch).is_none() {
            self.point(branch, "main");
        }
        CommitId(self.bare.push(branch, &[git::Entry::file("web.yaml", branch)], "Update"))
    }
    async fn merge(&self, number: u64) {
        self.point("main", &branch(&self.local, number).await);
        look(&self.local).await;
    }
    async fn close_by_person(&self, number: u64) {
        let branch = branch(&self.local, number).await;
        self.point("kept", &branch);
        self.bare.run(&["update-ref", "-d", &format!("refs/heads/{branch}")]);
        look(&self.local).await;
        self.point(&branch, "kept");
    }
    fn person(&self) -> Option<String> {
        None
    }
    async fn comments(&self, number: u64) -> Vec<String> {
        self.local.comments(number).await.unwrap()
    }
    async fn is_draft(&self, number: u64) -> bool {
        self.local.asked(number).await.unwrap().0
    }
    async fn asked(&self, number: u64) -> Asks {
        self.local.asked(number).await.unwrap().1
    }
    async fn opened_from_fork(&self, _: &str, _: &str) -> bool {
        false
    }
    fn fails_once(&self, fault: Fault) -> bool {
        let down = self.http.as_ref().filter(|_| matches!(fault, Fault::Down));
        down.inspect(|http| http.fail_once(git_http::Fault::HangUp)).is_some()
    }
}

#[tokio::test]
async fn it_does_so_on_a_repository_and_a_store_on_this_disk() {
    if let Some(real) = Real::set_up(None) {
        host(&real).await;
    }
}

#[tokio::test]
async fn it_does_so_on_a_git_server_without_a_forge() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    if let Some(real) = Real::set_up(Some(GitHttp::start())) {
        host(&real).await;
    }
}

#[test]
fn a_pull_request_can_be_read_and_changed_by_hand() {
    let disk = Disk::new();
    disk.push();
    let opened = block_on(disk.local.open(&draft("web: 1.4.0"))).unwrap();
    assert_snapshot!(opened.url, @"local:/srv/git/fleet@main#1");
    block_on(disk.local.close(1, "No.")).unwrap();
    let text = String::from_utf8(disk.store.look(&first()).unwrap()).unwrap();
    let lines = text.replace(&opened.head.0, "COMMIT").replace(",\"", ",\n\"");
    assert_snapshot!(lines, @r#"
    {"format":1,
    "generation":2,
    "writer":"test/1",
    "value":{"number":1,
    "state":"closed",
    "branch":"tag2pr/web",
    "base":"main",
    "head":"COMMIT",
    "title":"web: 1.4.0",
    "body":"| a | b |",
    "comments":["No."]}}
    "#);

    disk.put(text.replace("\"closed\"", "\"open\"").as_bytes());
    assert_eq!(block_on(disk.local.all()).unwrap()[0].state, State::Open);
    disk.put(b"{}");
    assert_snapshot!(said(block_on(disk.local.all())), @"
    local:/srv/git/fleet@main refused:
    the store refused:
    `repositories/local/%2Fsrv%2Fgit%2Ffleet/main/pull-requests/00000001.json` can't be read:
    missing field `format` at line 1 column 2;
    restore it, or remove it so that it is made again
    ");
}

#[test]
fn of_two_that_open_at_once_one_wins() {
    let rival = Disk::new();
    rival.push();
    block_on(rival.local.open(&draft("the rival's"))).unwrap();
    let disk = Disk::new();
    disk.push();
    disk.store.fail_next(memory::Fault::Overtaken(rival.store.look(&first()).unwrap()));
    assert_snapshot!(said(block_on(disk.local.open(&draft("ours")))), @"
    local:/srv/git/fleet@main was asked by somebody else first:
    a pull request already exists for `tag2pr/web`:
    #1
    ");
    assert_eq!(disk.titles(), ["the rival's"]);
}

#[test]
fn two_changes_at_once_are_both_made() {
    let disk = Disk::new();
    disk.push();
    block_on(disk.local.open(&draft("web: 1.4.0"))).unwrap();
    let opened = disk.store.look(&first()).unwrap();
    disk.git.delete_branch("tag2pr/web");
    block_on(look(&disk.local));
    let closed = disk.store.look(&first()).unwrap();
    disk.put(&opened);
    disk.store.fail_next(memory::Fault::Overtaken(closed));
    let updated = block_on(disk.local.update(1, &draft("web: 1.5.0"))).unwrap();
    assert_eq!((updated.title.as_str(), updated.state), ("web: 1.5.0", State::Closed));
}

#[test]
fn a_write_whose_answer_was_lost_is_not_made_again() {
    let disk = Disk::new();
    disk.push();
    disk.store.fail_next(memory::Fault::AnswerLost);
    block_on(disk.local.open(&draft("web: 1.4.0"))).unwrap();
    disk.store.fail_next(memory::Fault::AnswerLost);
    block_on(disk.local.close(1, "`main` has it already.")).unwrap();
    assert_eq!(disk.titles(), ["web: 1.4.0"]);
    assert_eq!(block_on(disk.local.comments(1)).unwrap(), ["`main` has it already."]);
}

#[test]
fn what_happens_to_the_branch_later_does_not_change_a_closed_one() {
    let disk = Disk::new();
    let head = disk.push();
    block_on(disk.local.open(&draft("web: 1.4.0"))).unwrap();
    disk.git.point("main", "tag2pr/web");
    assert_ne!(disk.push(), head, "before anybody looked");
    assert_eq!(block_on(disk.local.all()).unwrap()[0].state, State::Merged);
    assert_eq!(block_on(disk.local.all()).unwrap()[0].head, head);
}

/// Nobody needs more than Git to answer one.
#[test]
fn what_people_do_with_git_is_what_becomes_of_it() {
    let disk = Disk::new();
    let head = disk.push();
    block_on(disk.local.open(&draft("merged, and its branch removed"))).unwrap();
    disk.git.point("main", "tag2pr/web");
    disk.git.delete_branch("tag2pr/web");
    let merged = &block_on(disk.local.all()).unwrap()[0];
    assert_eq!((merged.state, &merged.head), (State::Merged, &head));

    disk.push();
    block_on(disk.local.open(&draft("only removed"))).unwrap();
    disk.git.delete_branch("tag2pr/web");
    assert_eq!(block_on(disk.local.all()).unwrap()[0].state, State::Closed);
}

#[test]
fn a_git_server_that_is_down_is_unavailable() {
    let disk = Disk::new();
    disk.push();
    disk.git.unavailable_once();
    let error = block_on(disk.local.open(&draft("web: 1.4.0"))).unwrap_err();
    assert!(matches!(error, HostError::Unavailable { .. }), "{error}");
    assert_eq!(disk.titles(), [""; 0]);
}

#[test]
fn a_connection_is_made_by_kind() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let disk = Disk::new();
    disk.push();
    let means = Means {
        client: reqwest::Client::new(),
        token: None,
        tokens: None,
        user: None,
        plain_http: false,
        api: None,
        objects: disk.store.clone(),
        git: disk.git.clone(),
        writer: "test/2".to_owned(),
    };
    let local = connect(Kind::of(&repository()).unwrap(), &repository(), &means).unwrap();
    block_on(local.open(&draft("web: 1.4.0"))).unwrap();
    assert_eq!(disk.titles(), ["web: 1.4.0"]);

    let repository = RepositoryId { host: "github.com".into(), path: "acme/fleet".into(), base: "main".into() };
    let error = connect(Kind::of(&repository).unwrap(), &repository, &means).err().unwrap();
    assert_eq!(error, InvalidHost::Token { host: "github.com".to_owned() });
}
