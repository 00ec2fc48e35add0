//! HTTPS with an authority that only this network knows.

use tag2pr::seams::{GitError, GitRepository};
use tag2pr_git::{OpenError, Repository, Settings};
use tag2pr_standins::git::{self, Entry};
use tag2pr_standins::git_http::{Fault, GitHttp};
use tag2pr_standins::tls::Tls;

use crate::world::{all, change};

#[tokio::test]
async fn a_server_of_a_private_authority_is_trusted_only_if_it_is_configured() {
    if !git::is_installed() {
        return;
    }
    let http = GitHttp::start();
    let bare = http.create("fleet.git");
    bare.push("main", &[Entry::file("apps/web.yaml", "image: web:1.0\n")], "Begin");
    let tls = Tls::in_front_of(http.server().address());
    let directory = tempfile::tempdir().unwrap();
    let mut settings = Settings::new(format!("{}/fleet.git", tls.url()), directory.path());

    let stranger = Repository::open(settings.clone()).unwrap();
    match stranger.head("main").await {
        Err(GitError::Refused { reason, .. }) => assert!(reason.contains("configure its authority"), "{reason}"),
        other => panic!("an unknown authority gave {other:?}"),
    }

    let ca = directory.path().join("ca.pem");
    std::fs::write(&ca, tls.authority()).unwrap();
    settings.ca = Some(ca.clone());
    let git = Repository::open(settings.clone()).unwrap();
    let base = git.snapshot("main", &all()).await.unwrap().commit;
    let commit = git.commit(&change(&base, "apps/web.yaml", "image: web:1.1\n")).await.unwrap();
    git.push("tag2pr/web", &commit, None).await.unwrap();
    assert_eq!(bare.head("tag2pr/web"), Some(commit.0));

    std::fs::write(&ca, "no certificate").unwrap();
    assert!(matches!(Repository::open(settings), Err(OpenError::Certificates { .. })));
}

#[tokio::test]
async fn a_server_that_sends_us_to_its_https_side_is_followed() {
    if !git::is_installed() {
        return;
    }
    let http = GitHttp::start();
    let bare = http.create("fleet.git");
    bare.push("main", &[Entry::file("apps/web.yaml", "image: web:1.0\n")], "Begin");
    let tls = Tls::in_front_of(http.server().address());
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    std::fs::write(&ca, tls.authority()).unwrap();
    let mut settings = Settings::new(http.url("fleet.git"), directory.path());
    settings.ca = Some(ca);
    let git = Repository::open(settings).unwrap();

    http.fail_once(Fault::Redirect(tls.url()));
    let snapshot = git.snapshot("main", &all()).await.unwrap();
    assert_eq!(snapshot.files.len(), 1);
    assert_eq!(http.requests().lists, 2, "one that was redirected, one through TLS");
}
