//! Repositories on this disk.

use tag2pr::seams::{CommitId, GitError, GitRepository};
use tag2pr_git::{Repository, Settings};
use tag2pr_standins::git::{self, Bare, Entry};

use crate::world::{all, change, paths};

#[tokio::test]
async fn a_checked_out_branch_is_left_alone_and_others_are_not() {
    if !git::is_installed() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let bare = Bare::create(&directory.path().join("fleet.git"));
    bare.push("main", &[Entry::file("apps/web.yaml", "image: web:1.0\n")], "Begin");
    let tree = directory.path().join("fleet");
    bare.run(&["clone", "--quiet", ".", &tree.display().to_string()]);

    let git = Repository::open(Settings::new(tree.display().to_string(), directory.path())).unwrap();
    let base = git.snapshot("main", &all()).await.unwrap().commit;
    let commit = git.commit(&change(&base, "apps/web.yaml", "image: web:1.1\n")).await.unwrap();
    let refused = git.push("main", &commit, Some(&base)).await;
    assert!(matches!(&refused, Err(GitError::Refused { reason, .. }) if reason.contains("checked out")), "{refused:?}");
    git.push("tag2pr/web", &commit, None).await.unwrap();
    assert_eq!(git.head("tag2pr/web").await.unwrap(), Some(commit));
    assert_eq!(git.head("main").await.unwrap(), Some(base));
    assert_eq!(std::fs::read(tree.join("apps/web.yaml")).unwrap(), b"image: web:1.0\n");
    assert_eq!(paths(&git, "tag2pr/web").await, ["apps/web.yaml"]);
}

#[tokio::test]
async fn a_branch_contains_what_was_merged_into_it() {
    if !git::is_installed() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let bare = Bare::create(&directory.path().join("fleet.git"));
    let first = bare.push("main", &[Entry::file("a", "a")], "Begin");
    bare.run(&["branch", "change", "main"]);
    let change = CommitId(bare.push("change", &[Entry::file("a", "b")], "Change"));
    bare.push("main", &[Entry::file("c", "c")], "Meanwhile");
    let git = Repository::open(Settings::new(bare.path().display().to_string(), directory.path())).unwrap();
    assert!(!git.contains("main", &change).await.unwrap());

    let tree = bare.run(&["merge-tree", "main", "change"]);
    let merge = bare.run(&["commit-tree", tree.trim(), "-p", "main", "-p", "change", "-m", "Merge"]);
    bare.run(&["update-ref", "refs/heads/main", merge.trim()]);
    assert!(git.contains("main", &change).await.unwrap());
    assert!(git.contains("main", &CommitId(first)).await.unwrap());
}

#[tokio::test]
async fn a_branch_in_the_way_is_refused() {
    if !git::is_installed() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let bare = Bare::create(&directory.path().join("fleet.git"));
    bare.push("tag2pr", &[Entry::file("a", "a")], "Take the name");
    let git = Repository::open(Settings::new(bare.path().display().to_string(), directory.path())).unwrap();
    let head = git.head("tag2pr").await.unwrap().unwrap();
    assert!(matches!(git.push("tag2pr/web", &head, None).await, Err(GitError::Refused { .. })));
}

#[test]
fn where_there_is_no_repository_the_path_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("none");
    let refused = Repository::open(Settings::new(path.display().to_string(), directory.path())).err();
    let refused = refused.unwrap().to_string();
    assert!(refused.starts_with(&format!("no Git repository at `{}`: ", path.display())), "{refused}");
}

#[tokio::test]
async fn a_snapshot_of_many_files_has_each_of_them_once() {
    if !git::is_installed() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let bare = Bare::create(&directory.path().join("fleet.git"));
    let path = |number: usize| format!("apps/{:02}/{number:04}.yaml", number % 40);
    let entries: Vec<Entry> =
        (0..600).map(|number| Entry::file(&path(number), format!("image: web:1.{number}\n"))).collect();
    bare.push("main", &entries, "Begin");

    let git = Repository::open(Settings::new(bare.path().display().to_string(), directory.path())).unwrap();
    let snapshot = git.snapshot("main", &all()).await.unwrap();
    let mut expected: Vec<String> = (0..600).map(path).collect();
    expected.sort();
    assert_eq!(snapshot.files.iter().map(|file| file.path.clone()).collect::<Vec<_>>(), expected);
    let said = |path: &str| format!("image: web:1.{}\n", path[8..12].parse::<usize>().unwrap());
    assert!(snapshot.files.iter().all(|file| file.bytes == said(&file.path).as_bytes()));
}
