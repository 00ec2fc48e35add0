//! A Git repository in memory: branches, commits, files; and somebody else who works on it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use ring::digest::{Context, Digest, SHA1_FOR_LEGACY_USE_ONLY, digest};

use crate::repository_settings;
use crate::seams::{
    Author, CommitId, File, GitError, GitRepository, Ids, LeftOut, NewCommit, Seen, Snapshot, Wanted, Why,
};

/// Larger files are left out of snapshots. Bytes.
const LARGEST: usize = 1 << 20;

/// What an entry of a tree is, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `100644`
    File,
    /// `100755`
    Executable,
    /// `120000`: the bytes are where it points to.
    Link,
}

impl Mode {
    const ALL: [(Self, &str); 3] = [(Self::File, "100644"), (Self::Executable, "100755"), (Self::Link, "120000")];

    /// As Git writes it: `100644`
    pub fn digits(self) -> &'static str {
        Self::ALL.into_iter().find(|(mode, _)| *mode == self).map_or("", |(_, digits)| digits)
    }

    /// What Git writes so.
    ///
    /// # Panics
    ///
    /// When it is none of these.
    pub fn of(digits: &str) -> Self {
        let found = Self::ALL.into_iter().find(|(_, written)| *written == digits);
        found.unwrap_or_else(|| panic!("mode {digits}")).0
    }
}

/// One entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// From the root of the repository, `/` between segments.
    pub path: String,
    /// What it is.
    pub mode: Mode,
    /// What is in it.
    pub bytes: Vec<u8>,
}

impl Entry {
    /// An ordinary file.
    pub fn file(path: &str, bytes: impl AsRef<[u8]>) -> Self {
        Self { path: path.to_owned(), mode: Mode::File, bytes: bytes.as_ref().to_vec() }
    }

    /// A file that may be run.
    pub fn executable(path: &str, bytes: impl AsRef<[u8]>) -> Self {
        Self { mode: Mode::Executable, ..Self::file(path, bytes) }
    }

    /// A symbolic link.
    pub fn link(path: &str, target: &str) -> Self {
        Self { mode: Mode::Link, ..Self::file(path, target) }
    }
}

/// One commit as `git log` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// Its id.
    pub id: CommitId,
    /// Whole.
    pub message: String,
    /// Author, who is the committer too.
    pub author: Author,
    /// Author's and committer's time.
    pub at: Timestamp,
}

#[derive(Debug, Clone)]
struct Commit {
    parent: Option<CommitId>,
    entries: BTreeMap<String, (Mode, Vec<u8>)>,
    logged: Logged,
}

#[derive(Debug, Default)]
struct World {
    branches: BTreeMap<String, CommitId>,
    commits: BTreeMap<String, Commit>,
    /// Seconds since the first commit of somebody else: there is no clock here.
    ticks: i64,
    moves: Vec<String>,
    protected: BTreeMap<String, String>,
    unavailable: u32,
    lost_answers: u32,
    refuses: Option<String>,
    looked_into: Vec<String>,
}

/// A [`GitRepository`] in memory. Ids are digests of what is committed, so the same change makes the same commit.
#[derive(Debug, Default)]
pub struct FakeRepository(Mutex<World>);

const URL: &str = "https://git.example/acme/fleet";

impl FakeRepository {
    /// One without branches.
    pub fn new() -> Self {
        Self::default()
    }

    /// One with these files on a branch.
    pub fn with(branch: &str, files: &[Entry]) -> Self {
        let repository = Self::new();
        repository.push_by_somebody_else(branch, files, "Begin");
        repository
    }

    /// A commit by somebody else on top of a branch: these entries replaced or added. The branch is created if there is
    /// none.
    pub fn push_by_somebody_else(&self, branch: &str, files: &[Entry], message: &str) -> CommitId {
        self.world().push_by_somebody_else(branch, files, message)
    }

    /// Somebody else removes a branch, as forges do after a merge. No branch: nothing happens.
    pub fn delete_branch(&self, branch: &str) {
        self.world().branches.remove(branch);
    }

    /// Somebody else merges a branch into another by making the other's files the same, in one commit.
    ///
    /// # Panics
    ///
    /// When there is no such branch.
    pub fn merge(&self, branch: &str, into: &str) -> CommitId {
        let entries = self.entries(branch);
        self.push_by_somebody_else(into, &entries, &format!("Merge {branch}"))
    }

    /// Somebody else points a branch, which may be new, at where another is.
    ///
    /// # Panics
    ///
    /// When there is no such other branch.
    pub fn point(&self, branch: &str, to: &str) {
        let mut world = self.world();
        let head = world.branches.get(to).cloned().unwrap_or_else(|| panic!("no branch {to}"));
        world.branches.insert(branch.to_owned(), head);
    }

    /// After the branch is next read, and before it is next pushed, somebody else commits to it.
    pub fn branch_moves_once(&self, branch: &str) {
        self.world().moves.push(branch.to_owned());
    }

    /// The next call finds no server.
    pub fn unavailable_once(&self) {
        self.world().unavailable += 1;
    }

    /// The next push happens, and its answer is lost.
    pub fn answer_lost_once(&self) {
        self.world().lost_answers += 1;
    }

    /// The server accepts no push to this branch any more, and says why.
    pub fn protect(&self, branch: &str, reason: &str) {
        self.world().protected.insert(branch.to_owned(), reason.to_owned());
    }

    /// From now on the server refuses everything and says why; `None`: it does not any more.
    pub fn refuse(&self, reason: Option<&str>) {
        self.world().refuses = reason.map(str::to_owned);
    }

    /// The files that snapshots looked into, and those that were read by themselves, since this was last asked.
    pub fn looked_into(&self) -> Vec<String> {
        std::mem::take(&mut self.world().looked_into)
    }

    /// The files of a branch by path, links left out; nothing if there is no such branch.
    pub fn files(&self, branch: &str) -> BTreeMap<String, Vec<u8>> {
        let entries = self.entries(branch).into_iter();
        entries.filter(|entry| entry.mode != Mode::Link).map(|entry| (entry.path, entry.bytes)).collect()
    }

    /// Everything on a branch, in the order of the paths; nothing if there is no such branch.
    pub fn entries(&self, branch: &str) -> Vec<Entry> {
        let world = self.world();
        let entries = world.at(branch).map(|commit| commit.entries.clone()).unwrap_or_default();
        entries.into_iter().map(|(path, (mode, bytes))| Entry { path, mode, bytes }).collect()
    }

    /// The commits of a branch, newest first; nothing if there is no such branch.
    pub fn log(&self, branch: &str) -> Vec<Logged> {
        let world = self.world();
        let mut next = world.at(branch);
        let mut log = Vec::new();
        while let Some(commit) = next {
            log.push(commit.logged.clone());
            next = commit.parent.as_ref().and_then(|parent| world.commits.get(&parent.0));
        }
        log
    }

    /// The newest commit of a branch that changed a file; nothing if there is none.
    pub fn last_change(&self, branch: &str, path: &str) -> Option<CommitId> {
        let world = self.world();
        let mut next = world.at(branch);
        while let Some(commit) = next {
            let before = commit.parent.as_ref().and_then(|parent| world.commits.get(&parent.0));
            if commit.entries.get(path) != before.and_then(|before| before.entries.get(path)) {
                return Some(commit.logged.id.clone());
            }
            next = before;
        }
        None
    }

    /// The names of all branches, in order.
    pub fn branches(&self) -> Vec<String> {
        self.world().branches.keys().cloned().collect()
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Commit {
    /// The ids of all its folders, and of all its files that are no links.
    fn ids(&self) -> Ids {
        let mut ids = Ids::default();
        let mut contents: BTreeMap<&str, Context> = BTreeMap::from([("", Context::new(&SHA1_FOR_LEGACY_USE_ONLY))]);
        for (path, (mode, bytes)) in &self.entries {
            let id = hex(&digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes));
            for folder in folders(path) {
                let context = contents.entry(folder).or_insert_with(|| Context::new(&SHA1_FOR_LEGACY_USE_ONLY));
                context.update(format!("{path}\0{mode:?}\0{id}\0").as_bytes());
            }
            if *mode != Mode::Link {
                ids.files.insert(path.clone(), id);
            }
        }
        let contents = contents.into_iter();
        ids.folders = contents.map(|(folder, context)| (folder.to_owned(), hex(&context.finish()))).collect();
        ids
    }
}

/// The folders that a path is in, the root among them.
fn folders(path: &str) -> impl Iterator<Item = &str> {
    let below_root = path.match_indices('/').map(|(at, _)| &path[..at]);
    std::iter::once("").chain(below_root)
}

fn hex(digest: &Digest) -> String {
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

impl World {
    fn at(&self, branch: &str) -> Option<&Commit> {
        self.commits.get(&self.branches.get(branch)?.0)
    }

    fn push_by_somebody_else(&mut self, branch: &str, files: &[Entry], message: &str) -> CommitId {
        self.ticks += 1;
        let mut entries = self.at(branch).map(|commit| commit.entries.clone()).unwrap_or_default();
        entries.extend(files.iter().map(|entry| (entry.path.clone(), (entry.mode, entry.bytes.clone()))));
        let author = Author { name: "Somebody Else".to_owned(), email: "somebody@example.com".to_owned() };
        let at = Timestamp::from_second(1_767_225_600 + self.ticks).unwrap_or_default();
        let id = self.store(self.branches.get(branch).cloned(), entries, message, &author, at);
        self.branches.insert(branch.to_owned(), id.clone());
        id
    }

    fn store(
        &mut self,
        parent: Option<CommitId>,
        entries: BTreeMap<String, (Mode, Vec<u8>)>,
        message: &str,
        author: &Author,
        at: Timestamp,
    ) -> CommitId {
        let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
        let mut part = |bytes: &[u8]| {
            context.update(&bytes.len().to_be_bytes());
            context.update(bytes);
        };
        part(parent.as_ref().map_or("", |parent| &parent.0).as_bytes());
        for (path, (mode, bytes)) in &entries {
            part(path.as_bytes());
            part(&[*mode as u8]);
            part(bytes);
        }
        for text in [message, &author.name, &author.email, &at.as_second().to_string()] {
            part(text.as_bytes());
        }
        let id = CommitId(hex(&context.finish()));
        let at = Timestamp::from_second(at.as_second()).unwrap_or_default();
        let logged = Logged { id: id.clone(), message: message.to_owned(), author: author.clone(), at };
        self.commits.insert(id.0.clone(), Commit { parent, entries, logged });
        id
    }

    /// The faults that meet every call to the server.
    fn answer(&mut self) -> Result<(), GitError> {
        let url = URL.to_owned();
        if self.unavailable > 0 {
            self.unavailable -= 1;
            let reason = "HTTP 503 Service Unavailable".to_owned();
            return Err(GitError::Unavailable { url, reason, wait: None });
        }
        self.refuses.clone().map_or(Ok(()), |reason| Err(GitError::Refused { url, reason }))
    }

    fn moves(&mut self, branch: &str) {
        if let Some(index) = self.moves.iter().position(|name| name == branch) {
            self.moves.remove(index);
            let entry = Entry::file("somebody-else.txt", self.ticks.to_string());
            self.push_by_somebody_else(branch, &[entry], "Be faster");
        }
    }
}

#[async_trait]
impl GitRepository for FakeRepository {
    async fn head(&self, branch: &str) -> Result<Option<CommitId>, GitError> {
        let mut world = self.world();
        world.answer()?;
        let head = world.branches.get(branch).cloned();
        world.moves(branch);
        Ok(head)
    }

    async fn contains(&self, branch: &str, commit: &CommitId) -> Result<bool, GitError> {
        let mut world = self.world();
        world.answer()?;
        let mut next = world.branches.get(branch);
        while let Some(id) = next.filter(|id| *id != commit) {
            next = world.commits.get(&id.0).and_then(|found| found.parent.as_ref());
        }
        Ok(next.is_some())
    }

    async fn snapshot(&self, branch: &str, wanted: &Wanted) -> Result<Snapshot, GitError> {
        let mut world = self.world();
        world.answer()?;
        let Some(commit) = world.at(branch) else {
            return Err(GitError::MissingBranch { branch: branch.to_owned(), url: URL.to_owned() });
        };
        let mut entries: Vec<_> = commit.entries.iter().collect();
        entries.sort_by_key(|(path, _)| (*path != repository_settings::FILE, *path));
        let mut snapshot = Snapshot {
            commit: commit.logged.id.clone(),
            branches: world.branches.clone(),
            ids: commit.ids(),
            ..Snapshot::default()
        };
        let ids = std::mem::take(&mut snapshot.ids.files);
        let settings = ids.get(repository_settings::FILE);
        let seen = wanted.seen.as_deref().filter(|seen| seen.ids.files.get(repository_settings::FILE) == settings);
        let mut looked_into = Vec::new();
        for (path, (mode, bytes)) in entries {
            let is_same = |seen: &&Seen| {
                let mut folders = folders(path);
                folders.any(|folder| seen.ids.folders.get(folder) == snapshot.ids.folders.get(folder))
            };
            if let Some(seen) = seen.filter(is_same) {
                snapshot.left_out.extend(seen.left_out.iter().filter(|left_out| left_out.path == *path).cloned());
                if !seen.ids.files.contains_key(path) {
                    continue;
                }
            }
            let is_seen = |seen: &&Seen| seen.ids.files.get(path).is_some_and(|id| Some(id) == ids.get(path));
            if seen.filter(is_seen).is_some_and(|seen| seen.known.contains(path)) {
                snapshot.ids.files.insert(path.clone(), ids[path].clone());
                snapshot.known.insert(path.clone());
                continue;
            }
            if *mode == Mode::Link {
                let target = String::from_utf8_lossy(bytes).into_owned();
                snapshot.left_out.push(LeftOut { path: path.clone(), why: Why::Link(target) });
                continue;
            }
            looked_into.push(path.clone());
            if (wanted.files)(path, bytes) {
                if bytes.len() > LARGEST {
                    snapshot.left_out.push(LeftOut { path: path.clone(), why: Why::LargerThan(LARGEST) });
                } else {
                    snapshot.ids.files.insert(path.clone(), ids[path].clone());
                    snapshot.files.push(File { path: path.clone(), bytes: bytes.clone() });
                }
            }
        }
        snapshot.files.sort_by(|a, b| a.path.cmp(&b.path));
        snapshot.left_out.sort();
        world.looked_into.extend(looked_into);
        world.moves(branch);
        Ok(snapshot)
    }

    async fn read(&self, commit: &CommitId, paths: &BTreeSet<String>) -> Result<Vec<File>, GitError> {
        let mut world = self.world();
        world.looked_into.extend(paths.iter().cloned());
        let entries = world.commits.get(&commit.0).map(|commit| &commit.entries);
        let file = |path: &String| match entries.and_then(|entries| entries.get(path)) {
            Some((Mode::File | Mode::Executable, bytes)) => Ok(File { path: path.clone(), bytes: bytes.clone() }),
            Some((Mode::Link, _)) | None => {
                let reason = format!("`{path}` in commit {commit} is not known here: take a snapshot first");
                Err(GitError::Unavailable { url: URL.to_owned(), reason, wait: None })
            }
        };
        paths.iter().map(file).collect()
    }

    async fn commit(&self, commit: &NewCommit) -> Result<CommitId, GitError> {
        let mut world = self.world();
        let Some(parent) = world.commits.get(&commit.parent.0) else {
            let reason = format!("commit {} is not known here: take a snapshot first", commit.parent);
            return Err(GitError::Unavailable { url: URL.to_owned(), reason, wait: None });
        };
        let mut entries = parent.entries.clone();
        for file in &commit.files {
            let mode = entries.get(&file.path).map_or(Mode::File, |(mode, _)| *mode);
            if mode == Mode::Link {
                let reason = format!("`{}` in commit {} is not a file", file.path, commit.parent);
                return Err(GitError::Refused { url: URL.to_owned(), reason });
            }
            entries.insert(file.path.clone(), (mode, file.bytes.clone()));
        }
        Ok(world.store(Some(commit.parent.clone()), entries, &commit.message, &commit.author, commit.at))
    }

    async fn push(&self, branch: &str, commit: &CommitId, expected: Option<&CommitId>) -> Result<(), GitError> {
        let mut world = self.world();
        world.answer()?;
        world.moves(branch);
        let found = world.branches.get(branch);
        if found != expected {
            let reason = found.map_or_else(|| "it does not exist".to_owned(), |found| format!("it is at {found}"));
            return Err(GitError::Moved { branch: branch.to_owned(), reason });
        }
        if let Some(reason) = world.protected.get(branch) {
            return Err(GitError::Refused { url: URL.to_owned(), reason: reason.clone() });
        }
        if !world.commits.contains_key(&commit.0) {
            let reason = format!("commit {commit} is not known here: make it again");
            return Err(GitError::Unavailable { url: URL.to_owned(), reason, wait: None });
        }
        world.branches.insert(branch.to_owned(), commit.clone());
        if world.lost_answers > 0 {
            world.lost_answers -= 1;
            let reason = "the connection was closed before an answer came".to_owned();
            return Err(GitError::Unavailable { url: URL.to_owned(), reason, wait: None });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::conformance::repository::{RepositoryWorld, repository};

    struct Fake(FakeRepository);

    impl RepositoryWorld for Fake {
        fn repository(&self) -> &dyn GitRepository {
            &self.0
        }

        fn push_by_somebody_else(&self, branch: &str, entries: &[Entry], message: &str) -> CommitId {
            self.0.push_by_somebody_else(branch, entries, message)
        }

        fn entries(&self, branch: &str) -> Vec<Entry> {
            self.0.entries(branch)
        }

        fn log(&self, branch: &str) -> Vec<Logged> {
            self.0.log(branch)
        }

        fn protect(&self, branch: &str, reason: &str) -> bool {
            self.0.protect(branch, reason);
            true
        }

        fn wrong_credentials(&self, wrong: bool) -> bool {
            self.0.refuse(wrong.then_some("HTTP 401: check the token: it is wrong"));
            true
        }

        fn server_down_once(&self) -> bool {
            self.0.unavailable_once();
            true
        }
    }

    #[test]
    fn the_repository_in_memory_does_what_every_repository_does() {
        pollster::block_on(repository(&Fake(FakeRepository::new())));
    }

    #[test]
    fn a_branch_that_moves_is_seen_by_whoever_pushes_next() {
        pollster::block_on(async {
            let git = FakeRepository::with("main", &[Entry::file("a", "1")]);
            git.branch_moves_once("main");
            let before = git.head("main").await.unwrap();
            let after = git.head("main").await.unwrap();
            assert_ne!(before, after);
            let pushed = git.push("main", before.as_ref().unwrap(), before.as_ref()).await;
            assert!(matches!(pushed, Err(GitError::Moved { .. })));
            assert_eq!(
                git.log("main").iter().map(|commit| &*commit.message).collect::<Vec<_>>(),
                ["Be faster", "Begin"]
            );
        });
    }

    #[test]
    fn a_push_whose_answer_is_lost_has_happened() {
        pollster::block_on(async {
            let git = FakeRepository::with("main", &[Entry::file("a", "1")]);
            let head = git.head("main").await.unwrap().unwrap();
            git.answer_lost_once();
            assert!(matches!(git.push("new", &head, None).await, Err(GitError::Unavailable { .. })));
            assert_eq!(git.branches(), ["main", "new"]);
        });
    }

    #[test]
    fn the_last_change_of_a_file_is_not_that_of_another() {
        let git = FakeRepository::with("main", &[Entry::file("a", "1"), Entry::file("b", "1")]);
        let first = git.last_change("main", "b");
        let second = git.push_by_somebody_else("main", &[Entry::file("a", "2"), Entry::file("b", "1")], "Change");
        assert_eq!(git.last_change("main", "a"), Some(second));
        assert_eq!(git.last_change("main", "b"), first);
        assert_eq!([git.last_change("main", "c"), git.last_change("gone", "a")], [None, None]);
    }

    #[test]
    fn what_is_merged_is_on_the_base() {
        let git = FakeRepository::with("main", &[Entry::file("a", "1")]);
        git.push_by_somebody_else("change", &[Entry::file("a", "2")], "Change");
        git.merge("change", "main");
        git.delete_branch("change");
        assert_eq!(git.files("main")["a"], b"2");
        assert!(git.files("change").is_empty());
    }
}
