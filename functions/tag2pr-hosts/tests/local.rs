//! Pull requests in an object store.

mod world;

use std::sync::Arc;

use async_trait::async_trait;
use insta::assert_snapshot;
use pollster::block_on;
use tag2pr::keys::Key;
use tag2pr::seams::{CommitId, Draft, Expected, GitHost, HostError, Objects, RepositoryId, State};
use tag2pr::testing::conformance::host::{World, host};
use tag2pr::testing::host::Fault;
use tag2pr_hosts::{InvalidHost, Kind, Local, Means, connect};
use world::{Branches, Store};

struct Disk {
    store: Arc<Store>,
    branches: Arc<Branches>,
    local: Local,
}

fn repository() -> RepositoryId {
    RepositoryId { host: "local".into(), path: "/srv/git/fleet.git".into(), base: "main".into() }
}

impl Disk {
    fn new() -> Self {
        let (store, branches) = (Arc::new(Store::default()), Arc::new(Branches::default()));
        branches.push("main");
        let local = Local::new(repository(), store.clone(), branches.clone());
        Self { store, branches, local }
    }
}

/// The error, a line for each part.
fn said<T: std::fmt::Debug>(result: Result<T, HostError>) -> String {
    result.unwrap_err().to_string().replace("; ", ";\n").replacen(": ", ":\n", 1)
}

fn draft(title: &str) -> Draft {
    Draft {
        branch: "tag2pr/web".to_owned(),
        base: "main".to_owned(),
        title: title.to_owned(),
        body: "| a | b |".to_owned(),
    }
}

#[async_trait]
impl World for Disk {
    fn host(&self) -> &dyn GitHost {
        &self.local
    }
    async fn push(&self, branch: &str) -> CommitId {
        self.branches.push(branch)
    }
    async fn merge(&self, number: u64) {
        self.local.merge(number).await.unwrap();
    }
    async fn close_by_person(&self, number: u64) {
        self.local.close_by_person(number).await.unwrap();
    }
    async fn comments(&self, number: u64) -> Vec<String> {
        self.local.comments(number).await.unwrap()
    }
    async fn opened_from_fork(&self, _: &str, _: &str) -> bool {
        false
    }
    fn fails_once(&self, fault: Fault) -> bool {
        match fault {
            Fault::Down => self.store.down_once(),
            Fault::AnswerLost => self.store.put_answer_lost_once(),
            Fault::RateLimited { .. } => return false,
        }
        true
    }
}

#[test]
fn it_does_what_every_forge_must() {
    block_on(host(&Disk::new()));
}

#[test]
fn a_pull_request_can_be_read_and_changed_by_hand() {
    let disk = Disk::new();
    disk.branches.push("tag2pr/web");
    let opened = block_on(disk.local.open(&draft("web: 1.4.0"))).unwrap();
    assert_snapshot!(opened.url, @"local:/srv/git/fleet.git@main#1");
    block_on(disk.local.close(1, "No.")).unwrap();
    let key = Key::pull_request(&repository(), 1);
    let text = String::from_utf8(block_on(disk.store.get(&key)).unwrap().unwrap().bytes).unwrap();
    assert_snapshot!(text, @r#"
    {
      "format": 1,
      "generation": 1,
      "number": 1,
      "state": "closed",
      "branch": "tag2pr/web",
      "base": "main",
      "head": "0000000000000000000000000000000000000002",
      "title": "web: 1.4.0",
      "body": "| a | b |",
      "comments": [
        "No."
      ]
    }
    "#);

    let edited = text.replace("\"closed\"", "\"open\"");
    block_on(disk.store.put(&key, edited.into_bytes(), Expected::Anything)).unwrap();
    assert_eq!(block_on(disk.local.all()).unwrap()[0].state, State::Open);

    block_on(disk.store.put(&key, b"{}".to_vec(), Expected::Anything)).unwrap();
    assert_snapshot!(said(block_on(disk.local.all())), @"
    local:/srv/git/fleet.git@main refused:
    `repositories/local/%2Fsrv%2Fgit%2Ffleet.git/main/pull-requests/00000001.json` is no pull request: missing field `format` at line 1 column 2;
    mend or remove it
    ");
    let newer = text.replace("\"format\": 1", "\"format\": 2");
    block_on(disk.store.put(&key, newer.into_bytes(), Expected::Anything)).unwrap();
    assert_snapshot!(said(block_on(disk.local.all())), @"
    local:/srv/git/fleet.git@main refused:
    `repositories/local/%2Fsrv%2Fgit%2Ffleet.git/main/pull-requests/00000001.json` has format 2, newer than 1;
    use a newer tag2pr
    ");
}

#[test]
fn of_two_that_open_at_once_one_wins() {
    let disk = Disk::new();
    disk.branches.push("tag2pr/web");
    let rival = Local::new(repository(), disk.store.clone(), disk.branches.clone());
    disk.store.before_next_put(move || {
        block_on(rival.open(&draft("the rival's"))).unwrap();
    });
    assert_snapshot!(said(block_on(disk.local.open(&draft("ours")))), @"
    local:/srv/git/fleet.git@main refused:
    a pull request already exists for `tag2pr/web`: #1
    ");
    let all = block_on(disk.local.all()).unwrap();
    assert_eq!(all.iter().map(|pull| pull.title.as_str()).collect::<Vec<_>>(), ["the rival's"]);
}

#[test]
fn two_changes_at_once_are_both_made() {
    let disk = Disk::new();
    disk.branches.push("tag2pr/web");
    block_on(disk.local.open(&draft("web: 1.4.0"))).unwrap();
    let person = Local::new(repository(), disk.store.clone(), disk.branches.clone());
    disk.store.before_next_put(move || block_on(person.close_by_person(1)).unwrap());
    let updated = block_on(disk.local.update(1, &draft("web: 1.5.0"))).unwrap();
    assert_eq!((updated.title.as_str(), updated.state), ("web: 1.5.0", State::Closed));
}

#[test]
fn what_happens_to_the_branch_later_does_not_change_a_closed_one() {
    let disk = Disk::new();
    let head = disk.branches.push("tag2pr/web");
    block_on(disk.local.open(&draft("web: 1.4.0"))).unwrap();
    block_on(disk.local.merge(1)).unwrap();
    disk.branches.push("tag2pr/web");
    assert_eq!(block_on(disk.local.all()).unwrap()[0].head, head);
}

#[test]
fn a_git_server_that_is_down_is_unavailable() {
    let disk = Disk::new();
    disk.branches.push("tag2pr/web");
    disk.branches.down_once();
    let error = block_on(disk.local.open(&draft("web: 1.4.0"))).unwrap_err();
    assert!(matches!(error, HostError::Unavailable { .. }));
    assert_snapshot!(error, @"file:///srv/git/fleet.git is not available: the disk is gone");
    assert_eq!(block_on(disk.local.all()).unwrap(), []);
}

#[test]
fn a_connection_is_made_by_kind() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let disk = Disk::new();
    disk.branches.push("tag2pr/web");
    let means = Means {
        client: reqwest::Client::new(),
        token: None,
        api: None,
        objects: disk.store.clone(),
        git: disk.branches.clone(),
    };
    let local = connect(Kind::Local, &repository(), &means).unwrap();
    block_on(local.open(&draft("web: 1.4.0"))).unwrap();
    assert_eq!(block_on(disk.local.all()).unwrap().len(), 1);

    let repository = RepositoryId { host: "github.com".into(), path: "acme/fleet".into(), base: "main".into() };
    let error = connect(Kind::Github, &repository, &means).err().unwrap();
    assert_eq!(error, InvalidHost::Token { host: "github.com".to_owned() });
}
