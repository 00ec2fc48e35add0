//! Commits that GitHub makes itself, in front of a GitHub with a real repository.

use std::collections::BTreeSet;
use std::sync::Arc;

use insta::assert_snapshot;
use jiff::{SignedDuration, Timestamp};
use tag2pr::seams::{Author, CommitId, File, GitError, GitRepository, NewCommit, Objects, RepositoryId, Wanted};
use tag2pr::secret::Secret;
use tag2pr::testing::conformance::repository::{RepositoryWorld, repository};
use tag2pr::testing::memory::Memory;
use tag2pr::testing::repository::{Entry, Logged, Mode};
use tag2pr_hosts::{InvalidHost, Kind, Means, commits};
use tag2pr_standins::git::{self, Bare};
use tag2pr_standins::git_http::GitHttp;
use tag2pr_standins::github::{Fault, GitHub};

const USER: &str = "x-access-token";
const TOKEN: &str = "ghs_16C7e42F292c6912E7710c838347Ae178B4a";

struct World {
    http: GitHttp,
    bare: Bare,
    github: GitHub,
    objects: Arc<dyn Objects>,
    client: Arc<dyn GitRepository>,
    directory: tempfile::TempDir,
}

fn fleet() -> RepositoryId {
    RepositoryId { host: "github.com".into(), path: "acme/fleet".into(), base: "main".into() }
}

impl World {
    /// `None` where there is no `git`.
    fn start(token: &str) -> Option<Self> {
        if !git::is_installed() {
            return None;
        }
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = GitHttp::start();
        let bare = http.create("acme/fleet.git");
        http.require(Some((USER, token)));
        let github = GitHub::start("acme", "fleet", token);
        github.hosts(&bare);
        let directory = tempfile::tempdir().unwrap();
        let objects: Arc<dyn Objects> = Arc::new(Memory::default());
        let client =
            commits(Kind::Github, &fleet(), &means(&http, &github, &objects, directory.path(), token)).unwrap();
        Some(Self { http, bare, github, objects, client, directory })
    }

    /// What another process has of the same.
    fn another(&self) -> Arc<dyn GitRepository> {
        let cache = self.directory.path().join("another");
        commits(Kind::Github, &fleet(), &means(&self.http, &self.github, &self.objects, &cache, TOKEN)).unwrap()
    }

    fn commits_made(&self) -> usize {
        let made = |line: &&String| line.as_str() == "POST /repos/acme/fleet/git/commits 201";
        self.github.exchanges().iter().filter(made).count()
    }
}

fn means(http: &GitHttp, github: &GitHub, objects: &Arc<dyn Objects>, cache: &std::path::Path, token: &str) -> Means {
    let token = Secret::new(token);
    let mut settings = tag2pr_git::Settings::new(http.url("acme/fleet.git"), cache);
    settings.credentials = Some(tag2pr_git::Credentials { user: USER.to_owned(), token: Arc::new(token.clone()) });
    Means {
        client: reqwest::Client::builder().no_proxy().build().unwrap(),
        token: Some(token),
        tokens: None,
        user: None,
        api: Some(github.api().parse().unwrap()),
        plain_http: false,
        objects: Arc::clone(objects),
        git: Arc::new(tag2pr_git::Repository::open(settings).unwrap()),
        writer: "test".to_owned(),
    }
}

fn change(parent: &CommitId, files: &[(&str, &[u8])]) -> NewCommit {
    let file = |(path, bytes): &(&str, &[u8])| File { path: (*path).to_owned(), bytes: bytes.to_vec() };
    NewCommit {
        parent: parent.clone(),
        files: files.iter().map(file).collect(),
        message: "Update web to 1.1\n\nTag2pr-Policy: flux-system/web\n".to_owned(),
        author: Author { name: "Fleet".to_owned(), email: "fleet@example.com".to_owned() },
        at: Timestamp::from_second(1_767_268_800).unwrap(),
    }
}

async fn base(git: &dyn GitRepository) -> CommitId {
    git.snapshot("main", &Wanted::new(|_, _| true)).await.unwrap().commit
}

impl RepositoryWorld for World {
    fn repository(&self) -> &dyn GitRepository {
        &*self.client
    }

    fn push_by_somebody_else(&self, branch: &str, entries: &[Entry], message: &str) -> CommitId {
        let entry = |entry: &Entry| git::Entry {
            path: entry.path.clone(),
            mode: entry.mode.digits().to_owned(),
            bytes: entry.bytes.clone(),
        };
        CommitId(self.bare.push(branch, &entries.iter().map(entry).collect::<Vec<_>>(), message))
    }

    fn entries(&self, branch: &str) -> Vec<Entry> {
        let entries = self.bare.entries(branch).into_iter();
        entries.map(|entry| Entry { path: entry.path, mode: Mode::of(&entry.mode), bytes: entry.bytes }).collect()
    }

    fn log(&self, branch: &str) -> Vec<Logged> {
        let logged = |commit: git::Logged| Logged {
            id: CommitId(commit.id),
            message: commit.message,
            author: Author { name: commit.author.0, email: commit.author.1 },
            at: Timestamp::from_second(commit.authored).unwrap(),
        };
        self.bare.log(branch).into_iter().map(logged).collect()
    }

    fn protect(&self, branch: &str, reason: &str) -> bool {
        self.github.protects(branch, reason);
        true
    }

    fn wrong_credentials(&self, wrong: bool) -> bool {
        let token = if wrong { "ghs_another" } else { TOKEN };
        self.http.require(Some((USER, token)));
        self.github.changes_token(token);
        true
    }

    fn server_down_once(&self) -> bool {
        // Which of the two is asked next depends on the call: see below.
        false
    }

    fn signs_itself(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn it_does_what_every_repository_must() {
    let Some(world) = World::start(TOKEN) else { return };
    repository(&world).await;
}

#[tokio::test]
async fn github_signs_what_it_makes_and_the_files_stay_as_they_are() {
    let Some(world) = World::start(TOKEN) else { return };
    let begin = [
        Entry::file("apps/web/deploy.yaml", "image: web:1.0\r\n"),
        Entry::executable("bin/run.yaml", "web:1.0\n"),
        Entry::file("bin/bom.yaml", "\u{feff}web:1.0\n"),
        Entry::file("README.md", "# Fleet\n"),
    ];
    world.push_by_somebody_else("main", &begin, "Begin");
    let parent = base(&*world.client).await;
    let new: [(&str, &[u8]); 4] = [
        ("apps/web/deploy.yaml", b"image: web:1.1\r\n"),
        ("bin/bom.yaml", b"\xef\xbb\xbfweb:1.1\n"),
        ("bin/latin.yaml", b"caf\xe9\n"),
        ("bin/run.yaml", b"web:1.1\n"),
    ];
    let commit = world.client.commit(&change(&parent, &new)).await.unwrap();
    world.client.push("tag2pr/web", &commit, None).await.unwrap();

    assert!(world.github.signed(&commit.0));
    let mut expected = vec![Entry::file("README.md", "# Fleet\n")];
    expected.extend(new.iter().map(|(path, bytes)| match *path {
        "bin/run.yaml" => Entry::executable(path, bytes),
        path => Entry::file(path, bytes),
    }));
    assert_eq!(world.entries("tag2pr/web"), expected);
    let is_id = |part: &str| part.len() == 40;
    let exchanges = world.github.exchanges();
    let parts = |line: &String| line.split(['/', ' ']).filter(|part| !is_id(part)).collect::<Vec<_>>().join(" ");
    assert_snapshot!(exchanges.iter().map(parts).collect::<Vec<_>>().join("\n"), @"
    GET  repos acme fleet git commits 200
    GET  repos acme fleet git trees 200
    GET  repos acme fleet git trees 200
    GET  repos acme fleet git trees 200
    GET  repos acme fleet git trees 200
    POST  repos acme fleet git blobs 201
    POST  repos acme fleet git blobs 201
    POST  repos acme fleet git trees 201
    POST  repos acme fleet git commits 201
    GET  repos acme fleet 200
    POST  graphql 200
    ");
}

#[tokio::test]
async fn whoever_comes_next_takes_the_commit_that_was_made() {
    let Some(world) = World::start(TOKEN) else { return };
    world.push_by_somebody_else("main", &[Entry::file("web.yaml", "web:1.0\n")], "Begin");
    let parent = base(&*world.client).await;
    let new = change(&parent, &[("web.yaml", b"web:1.1\n")]);
    let first = world.client.commit(&new).await.unwrap();

    // The worker dies here; another one goes on, elsewhere and without its memory.
    let another = world.another();
    assert_eq!(base(&*another).await, parent);
    assert_eq!(another.commit(&new).await.unwrap(), first);
    assert_eq!(world.commits_made(), 1);

    // Two at once: both make one, and one counts.
    let new = change(&parent, &[("web.yaml", b"web:1.2\n")]);
    let (one, two) = tokio::join!(world.client.commit(&new), another.commit(&new));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one, two);
    world.client.push("tag2pr/web", &one, None).await.unwrap();
    assert!(matches!(another.push("tag2pr/web", &two, None).await, Err(GitError::Moved { .. })));
    assert_eq!(world.bare.head("tag2pr/web"), Some(one.0));
}

#[tokio::test]
async fn a_token_of_a_person_is_refused_before_anybody_sees_a_commit() {
    let Some(world) = World::start("ghp_of_alice") else { return };
    world.push_by_somebody_else("main", &[Entry::file("web.yaml", "web:1.0\n")], "Begin");
    let parent = base(&*world.client).await;
    let refused = world.client.commit(&change(&parent, &[("web.yaml", b"web:1.1\n")])).await.unwrap_err().to_string();
    assert_snapshot!(refused.replace(&world.github.api(), "https://api.github.com"), @"https://api.github.com refused: GitHub made a commit and did not sign it (unsigned): it signs for apps, and not for the tokens of people; give an `app` and its `key` in `credentials:`, or leave out `commits: api`");
    let branches: BTreeSet<String> =
        world.bare.run(&["branch", "--format=%(refname:short)"]).lines().map(str::to_owned).collect();
    assert_eq!(branches, ["main".to_owned()].into());
}

#[tokio::test]
async fn an_api_that_does_not_answer_is_unavailable_and_nothing_is_moved() {
    let Some(world) = World::start(TOKEN) else { return };
    world.push_by_somebody_else("main", &[Entry::file("web.yaml", "web:1.0\n")], "Begin");
    let parent = base(&*world.client).await;
    let new = change(&parent, &[("web.yaml", b"web:1.1\n")]);
    for good in 0..4 {
        world.github.fails_after(good, Fault::Down);
        let failed = world.client.commit(&new).await;
        assert!(matches!(failed, Err(GitError::Unavailable { .. })), "after {good}: {failed:?}");
    }
    let commit = world.client.commit(&new).await.unwrap();
    for good in 0..2 {
        world.github.fails_after(good, Fault::Down);
        let failed = world.client.push("tag2pr/web", &commit, None).await;
        assert!(matches!(failed, Err(GitError::Unavailable { .. })), "after {good}: {failed:?}");
        assert_eq!(world.bare.head("tag2pr/web"), None);
    }
    world.client.push("tag2pr/web", &commit, None).await.unwrap();

    // What was done although nobody heard of it is seen by whoever looks again.
    let later = world.client.commit(&change(&parent, &[("web.yaml", b"web:1.2\n")])).await.unwrap();
    world.github.fails_once(Fault::AnswerLost);
    let lost = world.client.push("tag2pr/web", &later, Some(&commit)).await;
    assert!(matches!(lost, Err(GitError::Unavailable { .. })), "{lost:?}");
    assert_eq!(world.client.head("tag2pr/web").await.unwrap(), Some(later));
}

#[tokio::test]
async fn an_api_with_too_many_requests_says_for_how_long_to_leave_it_alone() {
    let Some(world) = World::start(TOKEN) else { return };
    world.push_by_somebody_else("main", &[Entry::file("web.yaml", "web:1.0\n")], "Begin");
    let parent = base(&*world.client).await;
    world.github.fails_once(Fault::SecondaryRateLimited(60));
    let limited = world.client.commit(&change(&parent, &[("web.yaml", b"web:1.1\n")])).await;
    let Err(GitError::Unavailable { wait, .. }) = limited else { panic!("{limited:?}") };
    assert_eq!(wait, Some(SignedDuration::from_secs(60)));
}

#[tokio::test]
async fn what_github_does_not_take_is_said_with_what_to_do() {
    let Some(world) = World::start(TOKEN) else { return };
    world.push_by_somebody_else("main", &[Entry::file("web.yaml", "web:1.0\n")], "Begin");
    let parent = base(&*world.client).await;
    let said = |error: GitError| error.to_string().replace(&world.github.api(), "https://api.github.com");
    let new = change(&parent, &[("web.yaml", b"web:1.1\n")]);
    world.github.fails_once(Fault::ReadOnly);
    assert_snapshot!(said(world.client.commit(&new).await.unwrap_err()), @"https://api.github.com refused: Resource not accessible by personal access token; give the token the right to write to acme/fleet (`Contents: write`)");
    world.github.fails_after(2, Fault::TooLarge);
    assert_snapshot!(said(world.client.commit(&new).await.unwrap_err()), @"https://api.github.com refused: Sorry, your input was too large to process; what its API does not take can be pushed: set `commits: git` for this repository");
    let commit = world.client.commit(&new).await.unwrap();
    world.github.protects("tag2pr/web", "Repository rule violations found: only owners may create it");
    assert_snapshot!(said(world.client.push("tag2pr/web", &commit, None).await.unwrap_err()), @"https://api.github.com refused: Repository rule violations found: only owners may create it; check what rules `tag2pr/web` has, and that the token may write to acme/fleet (`Contents: write`)");
}

#[test]
fn other_hosts_make_no_commits_for_us() {
    let Some(world) = World::start(TOKEN) else { return };
    let means = means(&world.http, &world.github, &world.objects, world.directory.path(), TOKEN);
    let refused = commits(Kind::Gitlab, &fleet(), &means).err();
    assert_eq!(refused, Some(InvalidHost::Commits(Kind::Gitlab)));
    assert_snapshot!(refused.unwrap(), @"`commits: api` is for GitHub, and this is gitlab: leave it out");
}
