//! What was fetched is kept, and is never worth more than a fetch.

use tag2pr::seams::GitRepository;
use tag2pr_git::Repository;
use tag2pr_standins::git::{self, Entry};
use tag2pr_standins::git_http::Requests;

use crate::world::{Served, all, change, paths, settings};

const COLD: Requests = Requests { lists: 1, fetches: 1, pushes: 0 };
const WARM: Requests = Requests { lists: 1, fetches: 0, pushes: 0 };

fn served(world: Served) -> Served {
    world.bare.push("main", &[Entry::file("apps/web.yaml", "image: web:1.0\n")], "Begin");
    world
}

#[tokio::test]
async fn the_next_process_finds_what_the_last_one_fetched() {
    if !git::is_installed() {
        return;
    }
    let Served { http, client, directory, .. } = served(Served::new());
    client.snapshot("main", &all()).await.unwrap();
    assert_eq!(http.requests(), COLD);
    drop(client);
    let next = Repository::open(settings(&http, directory.path())).unwrap();
    assert_eq!(paths(&next, "main").await, ["apps/web.yaml"]);
    assert_eq!(http.requests(), WARM);
}

#[tokio::test]
async fn two_at_once_do_not_share() {
    if !git::is_installed() {
        return;
    }
    let world = served(Served::new());
    let second = Repository::open(settings(&world.http, world.directory.path())).unwrap();
    world.client.snapshot("main", &all()).await.unwrap();
    world.http.requests();
    second.snapshot("main", &all()).await.unwrap();
    assert_eq!(world.http.requests(), COLD);
}

#[tokio::test]
async fn a_broken_cache_is_made_anew() {
    if !git::is_installed() {
        return;
    }
    let Served { http, bare, client, directory } = served(Served::new());
    let base = client.snapshot("main", &all()).await.unwrap().commit;
    drop(client);
    for damage in [b"".as_slice(), b"not a pack"] {
        let mut damaged = 0;
        for file in files(directory.path()) {
            if file.components().any(|part| part.as_os_str() == "objects") {
                let mut permissions = std::fs::metadata(&file).unwrap().permissions();
                #[allow(clippy::permissions_set_readonly_false)]
                permissions.set_readonly(false);
                std::fs::set_permissions(&file, permissions).unwrap();
                std::fs::write(&file, damage).unwrap();
                damaged += 1;
            }
        }
        assert!(damaged > 1);
        let git = Repository::open(settings(&http, directory.path())).unwrap();
        assert_eq!(paths(&git, "main").await, ["apps/web.yaml"]);
        let commit = git.commit(&change(&base, "apps/web.yaml", "image: web:1.1\n")).await.unwrap();
        let found = git.head("tag2pr/web").await.unwrap();
        git.push("tag2pr/web", &commit, found.as_ref()).await.unwrap();
    }
    assert_eq!(bare.log("tag2pr/web").len(), 2);
}

#[tokio::test]
async fn a_directory_full_of_something_else_is_no_obstacle() {
    if !git::is_installed() {
        return;
    }
    let world = served(Served::new());
    world.client.snapshot("main", &all()).await.unwrap();
    let Served { http, client, directory, .. } = world;
    drop(client);
    for file in files(directory.path()) {
        if file.file_name().is_some_and(|name| name == "HEAD") {
            std::fs::remove_file(file).unwrap();
        }
    }
    let next = Repository::open(settings(&http, directory.path())).unwrap();
    assert_eq!(paths(&next, "main").await, ["apps/web.yaml"]);
}

#[tokio::test]
async fn a_cache_that_grew_too_large_is_dropped() {
    if !git::is_installed() {
        return;
    }
    let world = served(Served::with(|settings| settings.largest_cache = 1000));
    world.client.snapshot("main", &all()).await.unwrap();
    assert_eq!(world.http.requests(), COLD);
    world.bare.push("main", &[Entry::file("random.bin", noise())], "Grow");
    world.client.snapshot("main", &all()).await.unwrap();
    assert_eq!(world.http.requests(), COLD);
    assert_eq!(paths(&world.client, "main").await, ["apps/web.yaml", "random.bin"]);
    assert_eq!(world.http.requests(), COLD, "dropped, and fetched again");
    let base = world.client.head("main").await.unwrap().unwrap();
    let commit = world.client.commit(&change(&base, "apps/web.yaml", "image: web:1.1\n")).await.unwrap();
    world.client.push("tag2pr/web", &commit, None).await.unwrap();
}

/// Bytes that do not compress, the same each time.
fn noise() -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..4000).map(|_| next()).collect()
}

fn files(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}
