//! What every [`GitRepository`] must do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;

use crate::seams::{Author, CommitId, File, GitError, GitRepository, LeftOut, NewCommit, Seen, Snapshot, Wanted, Why};
use crate::testing::repository::{Entry, Logged, Mode};

/// A repository without branches, the client under test, and ways to look at it and to change it behind the client's
/// back.
pub trait RepositoryWorld: Send + Sync {
    /// The client under test; always the same one, so that what it remembers is tested too.
    fn repository(&self) -> &dyn GitRepository;

    /// A commit by somebody else on top of a branch, which is created if there is none.
    fn push_by_somebody_else(&self, branch: &str, entries: &[Entry], message: &str) -> CommitId;

    /// Everything on a branch, in the order of the paths; nothing if there is no such branch.
    fn entries(&self, branch: &str) -> Vec<Entry>;

    /// The commits of a branch, newest first; nothing if there is no such branch.
    fn log(&self, branch: &str) -> Vec<Logged>;

    /// Lets the server refuse every later push to this branch for this reason; `false` if nothing can.
    fn protect(&self, branch: &str, reason: &str) -> bool;

    /// Makes the client's credentials wrong for the calls that follow, or right again; `false` if there are none.
    fn wrong_credentials(&self, wrong: bool) -> bool;

    /// Lets the next call find no server; `false` if there is none.
    fn server_down_once(&self) -> bool;

    /// Whether the server makes the commits itself: then it is their author, and says when.
    fn signs_itself(&self) -> bool {
        false
    }
}

/// Runs the whole suite.
///
/// # Panics
///
/// Where the repository does something else than it must.
pub async fn repository(world: &dyn RepositoryWorld) {
    a_missing_branch_has_no_head_and_no_files(world).await;
    a_snapshot_holds_exactly_the_wanted_files(world).await;
    what_is_too_large_is_told_and_what_says_more_is_read_first(world).await;
    what_was_seen_is_not_read_again(world).await;
    the_same_change_makes_the_same_commit_and_nobody_sees_it(world).await;
    a_push_creates_a_branch_and_keeps_everything_else(world).await;
    a_push_that_expected_something_else_changes_nothing(world).await;
    a_push_replaces_what_it_expected(world).await;
    a_branch_contains_its_head_and_not_what_is_elsewhere(world).await;
    what_somebody_else_pushed_is_seen(world).await;
    a_protected_branch_is_refused_in_the_servers_words(world).await;
    wrong_credentials_are_refused_with_what_to_do(world).await;
    a_server_that_does_not_answer_is_unavailable(world).await;
}

const CRLF: &[u8] = b"image: web:1.0 # {\"$imagepolicy\": \"flux-system:web\"}\r\nport: 80\r\n";
const BOM: &[u8] = b"\xef\xbb\xbfimage: web:1.0\n";
const LATIN: &[u8] = b"caf\xe9\0\xff";

fn change(parent: &CommitId, path: &str, bytes: &[u8]) -> NewCommit {
    NewCommit {
        parent: parent.clone(),
        files: vec![File { path: path.to_owned(), bytes: bytes.to_vec() }],
        message: "Update web to 1.1\n\nPolicy: flux-system/web\n".to_owned(),
        author: Author { name: "tag2pr".to_owned(), email: "tag2pr@users.noreply.github.com".to_owned() },
        at: Timestamp::from_second(1_767_268_800).expect("a time in range"),
    }
}

fn paths(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.files.iter().map(|file| &*file.path).collect()
}

async fn head(world: &dyn RepositoryWorld, branch: &str) -> CommitId {
    let head = world.repository().head(branch).await.expect("the head of a branch");
    head.unwrap_or_else(|| panic!("`{branch}` has no head"))
}

async fn a_missing_branch_has_no_head_and_no_files(world: &dyn RepositoryWorld) {
    let git = world.repository();
    assert_eq!(git.head("main").await.expect("a repository without branches"), None);
    match git.snapshot("main", &Wanted::new(|_, _| true)).await {
        Err(GitError::MissingBranch { branch, .. }) => assert_eq!(branch, "main"),
        other => panic!("a missing branch gave {other:?}"),
    }
}

async fn a_snapshot_holds_exactly_the_wanted_files(world: &dyn RepositoryWorld) {
    let id = world.push_by_somebody_else(
        "main",
        &[
            Entry::file("README.md", "# Fleet\n"),
            Entry::file("apps/web/deploy.yaml", CRLF),
            Entry::file("apps/web.yaml", BOM),
            Entry::file("apps/web/deep/er/values.yaml", "tag: 1.0\n"),
            Entry::file("apps/latin.yaml", LATIN),
            Entry::file("apps/empty.yaml", ""),
            Entry::executable("bin/run.yaml", "#!/bin/sh\n"),
            Entry::link("apps/link.yaml", "web/deploy.yaml"),
        ],
        "Begin",
    );
    assert_eq!(head(world, "main").await, id);

    let git = world.repository();
    let all = git.snapshot("main", &Wanted::new(|_, _| true)).await.expect("a snapshot");
    assert_eq!(all.commit, id);
    assert_eq!(all.branches, BTreeMap::from([("main".to_owned(), id.clone())]));
    assert_eq!(
        paths(&all),
        [
            "README.md",
            "apps/empty.yaml",
            "apps/latin.yaml",
            "apps/web.yaml",
            "apps/web/deep/er/values.yaml",
            "apps/web/deploy.yaml",
            "bin/run.yaml"
        ],
        "in the order of the paths, links left out"
    );
    let bytes = |path: &str| all.files.iter().find(|file| file.path == path).map(|file| &*file.bytes);
    assert_eq!(bytes("apps/web/deploy.yaml"), Some(CRLF));
    assert_eq!(bytes("apps/web.yaml"), Some(BOM));
    assert_eq!(bytes("apps/latin.yaml"), Some(LATIN));

    let by_path =
        git.snapshot("main", &Wanted::new(|path, _| path.starts_with("apps/web/"))).await.expect("a snapshot");
    assert_eq!(paths(&by_path), ["apps/web/deep/er/values.yaml", "apps/web/deploy.yaml"]);
    let by_bytes = git.snapshot("main", &Wanted::new(|_, bytes| bytes.ends_with(b"\r\n"))).await.expect("a snapshot");
    assert_eq!(paths(&by_bytes), ["apps/web/deploy.yaml"]);
    let link = LeftOut { path: "apps/link.yaml".to_owned(), why: Why::Link("web/deploy.yaml".to_owned()) };
    assert_eq!(all.left_out, [link], "what is no file is told");
    let none = git.snapshot("main", &Wanted::new(|_, _| false)).await.expect("a snapshot");
    assert_eq!((none.commit, none.files), (id, Vec::new()));
}

async fn what_is_too_large_is_told_and_what_says_more_is_read_first(world: &dyn RepositoryWorld) {
    let large = format!("image: web:1 # wanted\n{}\n", "# x\n".repeat(300_000));
    world.push_by_somebody_else(
        "large",
        &[
            Entry::file("!first.yaml", "a: 1\n"),
            Entry::file(".tag2pr.yaml", "takeOver: true\n"),
            Entry::file("apps/large.yaml", &large),
            Entry::file("apps/large.txt", large.replace("wanted", "unwanted")),
        ],
        "Large files",
    );
    let offered = Arc::new(Mutex::new(Vec::new()));
    let offering = Arc::clone(&offered);
    let wanted = Wanted::new(move |path, bytes| {
        offering.lock().expect("no panic").push(path.to_owned());
        bytes.starts_with(b"image: web:1 # wanted")
    });
    let snapshot = world.repository().snapshot("large", &wanted).await.expect("a snapshot");
    assert_eq!(snapshot.files, []);
    let left_out: Vec<_> = snapshot.left_out.iter().filter(|one| one.path.starts_with("apps/large")).collect();
    assert_eq!(left_out, [&LeftOut { path: "apps/large.yaml".to_owned(), why: Why::LargerThan(1 << 20) }]);
    let offered = offered.lock().expect("no panic");
    assert_eq!(offered.first().map(String::as_str), Some(".tag2pr.yaml"));
    assert_eq!(offered.iter().filter(|path| *path == ".tag2pr.yaml").count(), 1, "and not again");
}

/// A snapshot of `seen` for whoever wants YAML and knows what was in two files; and what was offered.
async fn yaml_again(world: &dyn RepositoryWorld, before: Option<&Snapshot>) -> (Snapshot, Vec<String>) {
    let offered = Arc::new(Mutex::new(Vec::new()));
    let offering = Arc::clone(&offered);
    let seen = before.map(|before| {
        let known = ["apps/api/api.yaml", "apps/web/web.yaml"].map(str::to_owned);
        Arc::new(Seen { ids: before.ids.clone(), left_out: before.left_out.clone(), known: known.into() })
    });
    let wanted = Wanted::new(move |path, _| {
        offering.lock().expect("no panic").push(path.to_owned());
        path.ends_with(".yaml")
    });
    let snapshot = world.repository().snapshot("seen", &Wanted { seen, ..wanted }).await.expect("a snapshot");
    let mut offered = offered.lock().expect("no panic").clone();
    offered.sort();
    (snapshot, offered)
}

async fn what_was_seen_is_not_read_again(world: &dyn RepositoryWorld) {
    let change = |path: &str, bytes: &str| {
        world.push_by_somebody_else("seen", &[Entry::file(path, bytes)], "Change something");
    };
    world.push_by_somebody_else(
        "seen",
        &[
            Entry::file(".tag2pr.yaml", "takeOver: true\n"),
            Entry::file("apps/api/api.yaml", "api: 1\n"),
            Entry::link("apps/api/link.yaml", "api.yaml"),
            Entry::file("apps/api/notes.txt", "one\n"),
            Entry::file("apps/web/notes.txt", "one\n"),
            Entry::file("apps/web/web.yaml", "web: 1\n"),
            Entry::file("apps/webs/web.yaml", "webs: 1\n"),
            Entry::file("root.yaml", "root: 1\n"),
        ],
        "Begin",
    );
    let (first, _) = yaml_again(world, None).await;
    let all = [".tag2pr.yaml", "apps/api/api.yaml", "apps/web/web.yaml", "apps/webs/web.yaml", "root.yaml"];
    assert_eq!(paths(&first), all);
    assert_eq!(first.ids.files.keys().map(String::as_str).collect::<Vec<_>>(), all);
    let folders: Vec<_> = first.ids.folders.keys().map(String::as_str).collect();
    assert_eq!(folders, ["", "apps", "apps/api", "apps/web", "apps/webs"]);
    assert_eq!(first.left_out.len(), 1);

    // Nothing changed: the bytes that are needed come all the same, and everything is known by the same ids.
    let (same, offered) = yaml_again(world, Some(&first)).await;
    assert_eq!(paths(&same), [".tag2pr.yaml", "apps/webs/web.yaml", "root.yaml"]);
    assert_eq!(Vec::from_iter(&same.known), ["apps/api/api.yaml", "apps/web/web.yaml"]);
    assert_eq!((&same.ids, &same.left_out), (&first.ids, &first.left_out));
    assert!(!offered.iter().any(|path| path.ends_with(".txt")), "{offered:?}");

    // A neighbour changed: that folder is looked through, the file that is known stays so.
    change("apps/web/notes.txt", "two\n");
    let (neighbour, offered) = yaml_again(world, Some(&first)).await;
    assert_eq!(Vec::from_iter(&neighbour.known), ["apps/api/api.yaml", "apps/web/web.yaml"]);
    assert!(offered.contains(&"apps/web/notes.txt".to_owned()), "{offered:?}");
    assert!(!offered.contains(&"apps/api/notes.txt".to_owned()), "{offered:?}");
    assert_eq!(neighbour.ids.files, first.ids.files);

    // It changed itself, to something that is new or was there before.
    change("apps/web/web.yaml", "api: 1\n");
    let (changed, _) = yaml_again(world, Some(&neighbour)).await;
    assert_eq!(Vec::from_iter(&changed.known), ["apps/api/api.yaml"]);
    let bytes = |path: &str| changed.files.iter().find(|file| file.path == path).map(|file| &*file.bytes);
    assert_eq!(bytes("apps/web/web.yaml"), Some(b"api: 1\n".as_slice()));

    // What is known and needed after all is read by itself, and only from a commit that is here.
    let git = world.repository();
    let wanted = ["apps/api/api.yaml", "apps/web/web.yaml"].map(str::to_owned).into();
    let read = git.read(&changed.commit, &wanted).await.expect("files");
    assert_eq!(read.iter().map(|file| &*file.bytes).collect::<Vec<_>>(), [b"api: 1\n", b"api: 1\n"]);
    for missing in ["apps/none.yaml", "apps", "apps/api/link.yaml"] {
        let error = git.read(&changed.commit, &[missing.to_owned()].into()).await;
        assert!(matches!(error, Err(GitError::Unavailable { .. })), "{missing}: {error:?}");
    }

    // A link has the bytes of a file, and is none.
    world.push_by_somebody_else("seen", &[Entry::link("apps/api/api.yaml", "api: 1\n")], "Link");
    let (link, _) = yaml_again(world, Some(&changed)).await;
    assert_eq!(Vec::from_iter(&link.known), ["apps/web/web.yaml"]);
    assert!(link.left_out.iter().any(|left_out| left_out.path == "apps/api/api.yaml"), "{:?}", link.left_out);
    assert!(!link.ids.files.contains_key("apps/api/api.yaml"));

    // What decides what is wanted changed: nothing that was seen counts.
    change(".tag2pr.yaml", "takeOver: false\n");
    let (anew, offered) = yaml_again(world, Some(&link)).await;
    assert_eq!((anew.known.len(), offered.first().map(String::as_str)), (0, Some(".tag2pr.yaml")));
    assert!(offered.contains(&"apps/api/notes.txt".to_owned()), "{offered:?}");
}

async fn the_same_change_makes_the_same_commit_and_nobody_sees_it(world: &dyn RepositoryWorld) {
    let git = world.repository();
    let base = head(world, "main").await;
    let before = world.entries("main");
    let new = change(&base, "apps/web.yaml", b"image: web:1.1\n");

    let first = git.commit(&new).await.expect("a commit");
    assert_eq!(first.0.len(), 40);
    assert_eq!(git.commit(&new).await.expect("the same commit again"), first);
    let mut later = new.clone();
    later.at = Timestamp::from_second(1_767_268_801).expect("a time in range");
    assert_ne!(git.commit(&later).await.expect("a later commit"), first);
    let mut other = new.clone();
    other.files[0].bytes.push(b' ');
    assert_ne!(git.commit(&other).await.expect("another commit"), first);

    assert_eq!(head(world, "main").await, base);
    assert_eq!(world.entries("main"), before);

    let link = git.commit(&change(&base, "apps/link.yaml", b"no link any more")).await;
    assert!(matches!(link, Err(GitError::Refused { .. })), "a link was replaced by a file: {link:?}");
    let unknown = git.commit(&change(&CommitId("0123456789".repeat(4)), "a", b"")).await;
    assert!(matches!(unknown, Err(GitError::Unavailable { .. })), "a commit on an unknown parent: {unknown:?}");
}

async fn a_push_creates_a_branch_and_keeps_everything_else(world: &dyn RepositoryWorld) {
    let git = world.repository();
    let base = head(world, "main").await;
    let mut new = change(&base, "apps/web/deploy.yaml", b"image: web:1.1\r\n");
    new.files.push(File { path: "bin/run.yaml".to_owned(), bytes: b"#!/bin/bash\n".to_vec() });
    new.files.push(File { path: "apps/new/file.yaml".to_owned(), bytes: b"new\n".to_vec() });
    let commit = git.commit(&new).await.expect("a commit");
    git.push("tag2pr/web", &commit, None).await.expect("a new branch");

    assert_eq!(head(world, "tag2pr/web").await, commit);
    let mut entries = world.entries("main");
    for entry in &mut entries {
        match &*entry.path {
            "apps/web/deploy.yaml" => entry.bytes = b"image: web:1.1\r\n".to_vec(),
            "bin/run.yaml" => entry.bytes = b"#!/bin/bash\n".to_vec(),
            _ => {}
        }
    }
    entries.push(Entry::file("apps/new/file.yaml", "new\n"));
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    assert_eq!(world.entries("tag2pr/web"), entries);
    let modes = |mode| entries.iter().filter(move |entry| entry.mode == mode).count();
    assert_eq!((modes(Mode::Executable), modes(Mode::Link)), (1, 1));

    let log = world.log("tag2pr/web");
    assert_eq!(log.len(), 2);
    assert_eq!((&log[0].id, log[0].message.trim_end()), (&commit, new.message.trim_end()));
    if !world.signs_itself() {
        assert_eq!(log[0], Logged { id: commit, message: new.message, author: new.author, at: new.at });
    }
    assert_eq!(log[1].id, base);
}

async fn a_push_that_expected_something_else_changes_nothing(world: &dyn RepositoryWorld) {
    let git = world.repository();
    let base = head(world, "main").await;
    let ours = head(world, "tag2pr/web").await;
    let new = git.commit(&change(&base, "apps/web.yaml", b"image: web:1.2\n")).await.expect("a commit");
    let stale = git.commit(&change(&base, "apps/web.yaml", b"image: web:0.9\n")).await.expect("a commit");

    for (branch, expected) in [
        ("tag2pr/web", None),
        ("tag2pr/web", Some(&base)),
        ("tag2pr/web", Some(&stale)),
        ("tag2pr/other", Some(&base)),
        ("main", Some(&ours)),
    ] {
        match git.push(branch, &new, expected).await {
            Err(GitError::Moved { branch: named, .. }) => assert_eq!(named, branch),
            other => panic!("pushing {branch} where it was not at {expected:?} gave {other:?}"),
        }
    }
    assert_eq!(head(world, "tag2pr/web").await, ours);
    assert_eq!(head(world, "main").await, base);
    assert_eq!(git.head("tag2pr/other").await.expect("a missing branch"), None);
}

async fn a_push_replaces_what_it_expected(world: &dyn RepositoryWorld) {
    let git = world.repository();
    let base = head(world, "main").await;
    let old = head(world, "tag2pr/web").await;
    let new = git.commit(&change(&base, "apps/web.yaml", b"image: web:1.2\n")).await.expect("a commit");
    git.push("tag2pr/web", &new, Some(&old)).await.expect("a rebuilt branch");

    assert_eq!(head(world, "tag2pr/web").await, new);
    let log: Vec<CommitId> = world.log("tag2pr/web").into_iter().map(|commit| commit.id).collect();
    assert_eq!(log, [new.clone(), base], "one commit on top of base");
    git.push("tag2pr/web", &new, Some(&new)).await.expect("the same again");
    assert_eq!(head(world, "tag2pr/web").await, new);
}

async fn a_branch_contains_its_head_and_not_what_is_elsewhere(world: &dyn RepositoryWorld) {
    let base = world.push_by_somebody_else("contains", &[Entry::file("a.yaml", "a: 1")], "First");
    let other = world.push_by_somebody_else("contains-not", &[Entry::file("b.yaml", "b: 1")], "Elsewhere");
    let contains = async |commit: &CommitId| world.repository().contains("contains", commit).await.unwrap();
    assert!(contains(&base).await);
    assert!(!contains(&other).await);
    let nowhere = CommitId("0123456789012345678901234567890123456789".to_owned());
    assert!(!contains(&nowhere).await);
    assert!(!world.repository().contains("no-such-branch", &base).await.unwrap());
}

async fn what_somebody_else_pushed_is_seen(world: &dyn RepositoryWorld) {
    let git = world.repository();
    let before = head(world, "main").await;
    let pushed = world.push_by_somebody_else("main", &[Entry::file("apps/web.yaml", "image: web:2.0\n")], "Upgrade");
    assert_ne!(pushed, before);

    let wanted = Wanted::new(|path, _| path == "apps/web.yaml");
    let snapshot = git.snapshot("main", &wanted).await.expect("a snapshot");
    assert_eq!(snapshot.commit, pushed);
    assert_eq!(snapshot.files, [File { path: "apps/web.yaml".to_owned(), bytes: b"image: web:2.0\n".to_vec() }]);

    let ours = head(world, "tag2pr/web").await;
    let theirs = world.push_by_somebody_else("tag2pr/web", &[Entry::file("fix.txt", "fix\n")], "Fix it by hand");
    let new = git.commit(&change(&pushed, "apps/web.yaml", b"image: web:2.1\n")).await.expect("a commit");
    assert!(matches!(git.push("tag2pr/web", &new, Some(&ours)).await, Err(GitError::Moved { .. })));
    assert_eq!(head(world, "tag2pr/web").await, theirs, "somebody else's commit stays");
    git.push("main", &new, Some(&pushed)).await.expect("a commit on the base itself");
    assert_eq!(git.snapshot("main", &wanted).await.expect("a snapshot").commit, new);
}

async fn a_protected_branch_is_refused_in_the_servers_words(world: &dyn RepositoryWorld) {
    let git = world.repository();
    let base = head(world, "main").await;
    let new = git.commit(&change(&base, "apps/web.yaml", b"image: web:2.2\n")).await.expect("a commit");
    git.push("tag2pr/protected", &new, None).await.expect("a new branch");
    if !world.protect("tag2pr/protected", "only owners may push here") {
        return;
    }
    match git.push("tag2pr/protected", &base, Some(&new)).await {
        Err(GitError::Refused { reason, .. }) => assert!(reason.contains("only owners may push here"), "{reason}"),
        other => panic!("pushing a protected branch gave {other:?}"),
    }
    assert_eq!(head(world, "tag2pr/protected").await, new);
}

async fn wrong_credentials_are_refused_with_what_to_do(world: &dyn RepositoryWorld) {
    let git = world.repository();
    let base = head(world, "main").await;
    if !world.wrong_credentials(true) {
        return;
    }
    for refused in [
        git.head("main").await.map(drop),
        git.snapshot("main", &Wanted::new(|_, _| true)).await.map(drop),
        git.push("tag2pr/refused", &base, None).await,
    ] {
        match refused {
            Err(GitError::Refused { reason, .. }) => assert!(reason.contains("the token"), "{reason}"),
            other => panic!("wrong credentials gave {other:?}"),
        }
    }
    world.wrong_credentials(false);
    assert_eq!(git.head("tag2pr/refused").await.expect("a missing branch"), None);
}

async fn a_server_that_does_not_answer_is_unavailable(world: &dyn RepositoryWorld) {
    let git = world.repository();
    let before = head(world, "main").await;
    if !world.server_down_once() {
        return;
    }
    assert!(matches!(git.head("main").await, Err(GitError::Unavailable { .. })));
    world.server_down_once();
    assert!(matches!(git.snapshot("main", &Wanted::new(|_, _| true)).await, Err(GitError::Unavailable { .. })));
    world.server_down_once();
    assert!(matches!(git.push("tag2pr/down", &before, None).await, Err(GitError::Unavailable { .. })));
    assert_eq!(head(world, "main").await, before);
    assert_eq!(git.head("tag2pr/down").await.expect("a missing branch"), None);
}
