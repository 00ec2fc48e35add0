//! The suite that every Git repository passes, on libgit2: a path, and a server.

use tag2pr::testing::conformance::repository::repository;
use tag2pr_standins::git;

use crate::world::{Path, Served};

#[tokio::test]
async fn a_repository_on_this_disk_does_what_every_repository_does() {
    if git::is_installed() {
        repository(&Path::new()).await;
    }
}

#[tokio::test]
async fn a_repository_behind_http_does_what_every_repository_does() {
    if git::is_installed() {
        repository(&Served::new()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_does_so_on_a_runtime_with_many_threads() {
    if git::is_installed() {
        repository(&Served::new()).await;
    }
}
