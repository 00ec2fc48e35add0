//! What the end-to-end tests share: manifests repositories to start from, the Lambda emulator, and a look at what was
//! left behind.

pub mod aws;
pub mod browser;
pub mod emulator;
pub mod home_lab;
pub mod measured;
pub mod proxy;
pub mod recorder;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tag2pr::keys::Key;
use tag2pr::seams::{Objects, Poke, RepositoryId};
use tag2pr::store;
use tag2pr_standins::git::{Bare, Entry};

/// The root of the project.
pub fn project() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// The manifests of a story: `2-home-lab`.
///
/// # Panics
///
/// When there is no such story.
pub fn story(name: &str) -> Vec<Entry> {
    let root = project().join("tests/stories").join(name).join("manifests");
    let mut entries = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for file in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = file.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(&root).unwrap().to_str().expect("file names are UTF-8");
                entries.push(Entry::file(name, fs::read(&path).unwrap()));
            }
        }
    }
    entries
}

/// What a branch changes, as a reviewer sees it.
pub fn changes(repository: &Bare, branch: &str) -> Vec<String> {
    let lines = |branch: &str| -> BTreeMap<(String, usize), String> {
        let entries = repository.entries(branch);
        let all = entries.iter().flat_map(|entry| {
            let text = String::from_utf8_lossy(&entry.bytes).into_owned();
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.into_iter().enumerate().map(|(line, text)| ((entry.path.clone(), line + 1), text))
        });
        all.collect()
    };
    let (before, after) = (lines("main"), lines(branch));
    let mut places: Vec<_> = before.keys().chain(after.keys()).collect();
    places.sort();
    places.dedup();
    let line = |of: &BTreeMap<_, String>, place| of.get(place).map_or("", |line| line.trim()).to_owned();
    let changed = places.into_iter().filter(|place| before.get(place) != after.get(place));
    changed
        .map(|place| format!("{}:{}\n- {}\n+ {}", place.0, place.1, line(&before, place), line(&after, place)))
        .collect()
}

/// The pokes that wait in a store, oldest first, each with its key.
///
/// # Panics
///
/// When the store fails.
pub async fn pokes(objects: &dyn Objects) -> Vec<(Key, Poke)> {
    let mut pokes = Vec::new();
    for key in objects.list(&Key::listed("inbox/".to_owned())).await.unwrap() {
        let poke = store::load::<Poke>(objects, &key).await.unwrap().expect("what was listed is there");
        pokes.push((key, poke.value));
    }
    pokes
}

/// The pull requests of a repository without a forge, as they are stored.
///
/// # Panics
///
/// When the store fails.
pub async fn pull_requests(objects: &dyn Objects, repository: &RepositoryId) -> Vec<Value> {
    let mut pulls = Vec::new();
    for key in objects.list(&Key::pull_requests(repository)).await.unwrap() {
        let object = objects.get(&key).await.unwrap().expect("what was listed is there");
        let envelope: Value = serde_json::from_slice(&object.bytes).unwrap();
        pulls.push(envelope["value"].clone());
    }
    pulls
}

/// Fails if one of these is in a text: a log line, an object, a pull request.
///
/// # Panics
///
/// When one is.
pub fn holds_no_secret(text: &str, secrets: &[&str]) {
    for secret in secrets {
        if let Some(line) = text.lines().find(|line| line.contains(secret)) {
            panic!("this holds the secret `{secret}`: {line}");
        }
    }
}
