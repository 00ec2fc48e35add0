//! What a server does and says, and what becomes of it.

use std::time::Duration;

use tag2pr::seams::{CommitId, GitError, GitRepository};
use tag2pr::secret::Secret;
use tag2pr_git::{Credentials, OpenError, Repository, Settings};
use tag2pr_standins::git::{self, Entry};
use tag2pr_standins::git_http::{Fault, GitHttp, Requests};

use crate::world::{Served, all, change, paths, settings};

/// A server with one file on `main`, or nothing where there is no Git.
fn served() -> Option<Served> {
    git::is_installed().then(|| {
        let world = Served::new();
        world.bare.push("main", &[Entry::file("apps/web.yaml", "image: web:1.0\n")], "Begin");
        world
    })
}

/// An error without the port, which differs from run to run.
fn told<T: std::fmt::Debug>(world: &Served, result: Result<T, GitError>) -> String {
    result.unwrap_err().to_string().replace(&world.http.server().url(), "http://git.lan")
}

#[tokio::test]
async fn nothing_costs_more_requests_than_it_must() {
    let Some(world) = served() else { return };
    let git = &world.client;
    let snapshot = git.snapshot("main", &all()).await.unwrap();
    assert_eq!(world.http.requests(), Requests { lists: 1, fetches: 1, pushes: 0 });
    git.snapshot("main", &all()).await.unwrap();
    assert_eq!(world.http.requests(), Requests { lists: 1, fetches: 0, pushes: 0 });
    git.head("main").await.unwrap();
    assert_eq!(world.http.requests(), Requests { lists: 1, fetches: 0, pushes: 0 });
    let commit = git.commit(&change(&snapshot.commit, "apps/web.yaml", "image: web:1.1\n")).await.unwrap();
    assert_eq!(world.http.requests(), Requests::default());
    git.push("tag2pr/web", &commit, None).await.unwrap();
    assert_eq!(
        world.http.requests(),
        Requests { lists: 1, fetches: 0, pushes: 1 },
        "the first one asks what the server can do"
    );
    let next = git.commit(&change(&snapshot.commit, "apps/web.yaml", "image: web:1.2\n")).await.unwrap();
    git.push("tag2pr/web", &next, Some(&commit)).await.unwrap();
    assert_eq!(world.http.requests(), Requests { lists: 0, fetches: 0, pushes: 1 });
    git.push("tag2pr/web", &next, Some(&next)).await.unwrap();
    assert_eq!(world.http.requests(), Requests { lists: 1, fetches: 0, pushes: 0 });
}

#[tokio::test]
async fn every_answer_says_what_to_do() {
    let Some(world) = served() else { return };
    let mut said = Vec::new();
    for (status, text) in [
        (401, "Bad credentials\n"),
        (403, ""),
        (404, "Repository not found.\n"),
        (410, ""),
        (429, "slow\ndown"),
        (503, ""),
    ] {
        world.http.fail_once(Fault::Status(status, text));
        said.push(told(&world, world.client.head("main").await));
    }
    for fault in [Fault::Page, Fault::Redirect("http://elsewhere.example".to_owned()), Fault::HangUp] {
        world.http.fail_once(fault);
        said.push(told(&world, world.client.head("main").await));
    }
    let ours = world.bare.head("main").map(CommitId).unwrap();
    world.client.snapshot("main", &all()).await.unwrap();
    world.http.fail_once_at("git-receive-pack", Fault::Status(403, "Write access to repository not granted.\n"));
    said.push(told(&world, world.client.push("tag2pr/web", &ours, None).await));
    said.push(told(&world, world.client.push("a b", &ours, None).await));
    said.push(told(&world, world.client.head("a:refs/heads/b").await));
    said.push(told(&world, world.client.snapshot("none", &all()).await));
    insta::assert_snapshot!(said.join("\n"), @r"
    http://git.lan/acme/fleet.git refused: HTTP 401 Unauthorized: check the token: it is wrong, or it has expired, or the user name is not the one that belongs to it (Bad credentials)
    http://git.lan/acme/fleet.git refused: HTTP 403 Forbidden: check the token: it must be allowed to read this repository
    http://git.lan/acme/fleet.git refused: HTTP 404 Not Found: check the URL, and check the token: there is no such repository, or it may not be seen (Repository not found.)
    http://git.lan/acme/fleet.git refused: HTTP 410 Gone: check the URL
    http://git.lan/acme/fleet.git is not available: HTTP 429 Too Many Requests (slow down)
    http://git.lan/acme/fleet.git is not available: HTTP 503 Service Unavailable
    http://git.lan/acme/fleet.git refused: it does not answer as a Git server (text/html): check the URL
    http://git.lan/acme/fleet.git refused: it redirects to http://elsewhere.example, which is not followed: configure the repository's new URL
    http://git.lan/acme/fleet.git is not available: the connection broke: connection closed before message completed
    http://git.lan/acme/fleet.git refused: HTTP 403 Forbidden: check the token: it must be allowed to write to this repository (Write access to repository not granted.)
    http://git.lan/acme/fleet.git refused: `a b` is no valid name of a branch
    http://git.lan/acme/fleet.git refused: `a:refs/heads/b` is no valid name of a branch
    branch `none` does not exist in http://git.lan/acme/fleet.git
    ");
}

#[tokio::test]
async fn without_a_token_the_advice_is_to_configure_one() {
    let Some(world) = served() else { return };
    let mut settings = settings(&world.http, &world.directory.path().join("anybody"));
    settings.credentials = None;
    let git = Repository::open(settings).unwrap();
    insta::assert_snapshot!(told(&world, git.head("main").await), @"http://git.lan/acme/fleet.git refused: HTTP 401 Unauthorized: configure a token: it must be allowed to read this repository (no)");
}

#[tokio::test]
async fn a_server_that_is_silent_or_gone_is_unavailable() {
    if !git::is_installed() {
        return;
    }
    let world = Served::with(|settings| settings.idle = Duration::from_millis(200));
    world.http.fail_once(Fault::Delay(Duration::from_secs(60)));
    insta::assert_snapshot!(told(&world, world.client.head("main").await), @"http://git.lan/acme/fleet.git is not available: no answer in time: operation timed out");

    let url = world.http.url("acme/fleet.git");
    drop(world);
    let directory = tempfile::tempdir().unwrap();
    let git = Repository::open(Settings::new(url, directory.path())).unwrap();
    assert!(matches!(git.head("main").await, Err(GitError::Unavailable { .. })));
}

#[tokio::test]
async fn half_an_answer_is_asked_for_once_more() {
    let Some(world) = served() else { return };
    world.http.fail_once_at("git-upload-pack", Fault::Half);
    assert_eq!(paths(&world.client, "main").await, ["apps/web.yaml"]);

    world.bare.push("main", &[Entry::file("apps/web.yaml", "image: web:2.0\n")], "Upgrade");
    for _ in 0..2 {
        world.http.fail_once_at("fleet.git/git-upload-pack", Fault::Half);
    }
    assert!(matches!(world.client.snapshot("main", &all()).await, Err(GitError::Unavailable { .. })));
    assert_eq!(paths(&world.client, "main").await, ["apps/web.yaml"]);
}

#[tokio::test]
async fn a_push_whose_answer_is_lost_is_found_by_looking() {
    let Some(world) = served() else { return };
    let git = &world.client;
    let base = git.snapshot("main", &all()).await.unwrap().commit;
    let commit = git.commit(&change(&base, "apps/web.yaml", "image: web:1.1\n")).await.unwrap();
    world.http.fail_once_at("fleet.git/git-receive-pack", Fault::LoseAnswer);
    assert!(matches!(git.push("tag2pr/web", &commit, None).await, Err(GitError::Unavailable { .. })));
    assert_eq!(git.head("tag2pr/web").await.unwrap(), Some(commit.clone()));
    assert!(matches!(git.push("tag2pr/web", &commit, None).await, Err(GitError::Moved { .. })));
}

#[tokio::test]
async fn of_many_who_push_at_once_exactly_one_is_first() {
    let Some(world) = served() else { return };
    let mut pushes = tokio::task::JoinSet::new();
    for worker in 0..6 {
        let git = Repository::open(settings(&world.http, world.directory.path())).unwrap();
        pushes.spawn(async move {
            let base = git.snapshot("main", &all()).await.unwrap().commit;
            let commit =
                git.commit(&change(&base, "apps/web.yaml", &format!("image: web:1.{worker}\n"))).await.unwrap();
            let pushed = git.push("tag2pr/web", &commit, None).await;
            (commit, pushed)
        });
    }
    let (first, others): (Vec<_>, Vec<_>) = pushes.join_all().await.into_iter().partition(|(_, pushed)| pushed.is_ok());
    assert_eq!(first.len(), 1);
    assert_eq!(world.client.head("tag2pr/web").await.unwrap().as_ref(), Some(&first[0].0));
    for (_, pushed) in others {
        assert!(matches!(pushed, Err(GitError::Moved { .. })), "{pushed:?}");
    }
}

#[tokio::test]
async fn a_change_of_an_older_commit_can_be_pushed() {
    let Some(world) = served() else { return };
    let git = &world.client;
    world.bare.push("main", &[Entry::file("apps/api.yaml", "image: api:1.0\n")], "Add the API");
    let base = git.snapshot("main", &all()).await.unwrap().commit;
    world.bare.push("main", &[Entry::file("apps/api.yaml", "image: api:2.0\n")], "Upgrade the API");
    let commit = git.commit(&change(&base, "apps/web.yaml", "image: web:1.1\n")).await.unwrap();
    git.push("tag2pr/web", &commit, None).await.unwrap();
    let messages: Vec<String> = world.bare.log("tag2pr/web").into_iter().map(|commit| commit.message).collect();
    assert_eq!(messages, ["Update web\n", "Add the API\n", "Begin\n"]);
    world.bare.run(&["fsck", "--strict"]);
}

#[tokio::test]
async fn a_branch_in_the_way_is_named() {
    let Some(world) = served() else { return };
    world.bare.push("tag2pr", &[Entry::file("a", "a")], "Take the name");
    let base = world.client.snapshot("main", &all()).await.unwrap().commit;
    insta::assert_snapshot!(told(&world, world.client.push("tag2pr/web", &base, None).await), @"http://git.lan/acme/fleet.git refused: branch `tag2pr/web` can't be beside branch `tag2pr`: delete `tag2pr` (failed to update ref)");
}

#[tokio::test]
async fn a_renamed_repository_is_followed() {
    let Some(world) = served() else { return };
    let git = &world.client;
    world.http.rename("acme/fleet.git", "acme/new/fleet.git");
    let base = git.snapshot("main", &all()).await.unwrap().commit;
    let commit = git.commit(&change(&base, "apps/web.yaml", "image: web:1.1\n")).await.unwrap();
    git.push("tag2pr/web", &commit, None).await.unwrap();
    assert_eq!(git.head("tag2pr/web").await.unwrap(), Some(commit));
}

#[tokio::test]
async fn credentials_go_to_no_other_host() {
    let Some(world) = served() else { return };
    let other = GitHttp::start();
    other.create("acme/fleet.git");
    world.http.fail_once(Fault::Redirect(other.server().url()));
    let error = told(&world, world.client.head("main").await);
    assert!(error.contains("which is not followed: configure the repository's new URL"), "{error}");
    world.http.fail_once_at("fleet.git/git-upload-pack", Fault::Redirect(other.server().url()));
    let error = told(&world, world.client.snapshot("main", &all()).await);
    assert!(error.contains("the repository has moved: configure its new URL"), "{error}");
    assert_eq!(other.requests(), Requests::default());
    assert_eq!(other.authorizations(), []);
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_leaves_the_repository_usable() {
    let Some(world) = served() else { return };
    let many: Vec<Entry> = (0..500).map(|n| Entry::file(&format!("apps/{n}.yaml"), "x".repeat(5000))).collect();
    world.bare.push("main", &many, "Add many");
    for milliseconds in [0, 1, 5, 20, 50] {
        let limit = Duration::from_millis(milliseconds);
        let _ = tokio::time::timeout(limit, world.client.snapshot("main", &all())).await;
    }
    assert_eq!(paths(&world.client, "main").await.len(), 501);
}

#[tokio::test]
async fn only_files_of_a_reasonable_size_are_in_a_snapshot() {
    if !git::is_installed() {
        return;
    }
    let world = Served::with(|settings| settings.largest_file = 10);
    let commit =
        world.bare.push("main", &[Entry::file("ten", "1234567890"), Entry::file("eleven", "12345678901")], "Begin");
    let submodule = Entry { path: "sub".to_owned(), mode: "160000".to_owned(), bytes: commit.into_bytes() };
    world.bare.push("main", &[submodule], "Add a submodule");
    assert_eq!(paths(&world.client, "main").await, ["ten"]);
}

#[test]
fn ssh_is_reached_over_https_with_a_token_and_refused_without() {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = Settings::new("git@github.com:acme/fleet.git", directory.path());
    let refused = Repository::open(settings.clone()).err().map(|error| error.to_string());
    insta::assert_snapshot!(refused.unwrap(), @"ssh://github.com/acme/fleet.git is reached by SSH, which is not supported: configure a token, then it is reached over HTTPS");
    settings.credentials =
        Some(Credentials { user: "x-access-token".to_owned(), token: std::sync::Arc::new(Secret::new("s3cret")) });
    assert_eq!(Repository::open(settings).unwrap().url(), "https://github.com/acme/fleet.git");
}

#[test]
fn a_url_that_is_none_is_refused_when_it_is_opened() {
    let directory = tempfile::tempdir().unwrap();
    let open = |url: &str| Repository::open(Settings::new(url, directory.path())).err();
    assert!(matches!(open("git://github.com/acme/fleet"), Some(OpenError::Url(_))));
    assert!(matches!(open("https://bot:s3cret@ho st/acme/fleet"), Some(OpenError::Url(_))));
    assert!(matches!(open("https://github.com"), Some(OpenError::Url(_))));
}
