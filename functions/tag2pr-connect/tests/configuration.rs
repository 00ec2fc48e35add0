//! A configuration in a folder, as a person writes it, and what becomes of it.

use std::fs;
use std::path::Path;

use tag2pr::keys::Key;
use tag2pr::seams::{Expected, RepositoryId};
use tag2pr_connect::{Deployment, Receiver, Settings};
use tag2pr_standins::git::{self, Bare, Entry};
use tempfile::TempDir;

/// A folder with `tag2pr.yaml` and whatever lies beside it.
struct Folder(TempDir);

impl Folder {
    fn with(config: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.file("tag2pr.yaml", config);
        folder
    }

    fn file(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).unwrap();
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    async fn settings(&self) -> Settings {
        Settings::read(Some(&self.path().join("tag2pr.yaml"))).await.unwrap()
    }

    /// Why nothing can be connected, or what can.
    async fn mistake(&self) -> String {
        let settings = match Settings::read(Some(&self.path().join("tag2pr.yaml"))).await {
            Ok(settings) => settings,
            Err(error) => return self.without_path(&error),
        };
        match (Receiver::connect(&settings).await, Deployment::connect(&settings).await) {
            (Err(error), _) | (_, Err(error)) => self.without_path(&error),
            (Ok(_), Ok(deployment)) => format!("{} repositories", deployment.repositories().len()),
        }
    }

    fn without_path(&self, error: &dyn std::error::Error) -> String {
        let text = error.to_string();
        assert!(!text.contains("hunter2"), "{text}");
        let real = fs::canonicalize(self.path()).unwrap();
        text.replace(self.path().to_str().unwrap(), "/srv").replace(real.to_str().unwrap(), "/srv")
    }
}

async fn mistake(config: &str) -> String {
    Folder::with(config).mistake().await
}

#[tokio::test]
async fn paths_are_relative_to_the_configuration_and_not_to_the_process() {
    if !git::is_installed() {
        return;
    }
    let folder = Folder::with(
        "store: ./state\n\
         sources: { harbor: { type: harbor, secret: 'file:secrets/harbor' } }\n\
         repositories: [{ url: ../lab/fleet.git }]\n",
    );
    let lab = Folder(tempfile::tempdir_in(folder.path().parent().unwrap()).unwrap());
    let name = lab.path().file_name().unwrap().to_str().unwrap();
    folder.file("tag2pr.yaml", &fs::read_to_string(folder.path().join("tag2pr.yaml")).unwrap().replace("lab", name));
    fs::create_dir(folder.path().join("secrets")).unwrap();
    folder.file("secrets/harbor", "hunter2\n");
    let fleet = Bare::create(&lab.path().join("fleet.git"));
    fleet.push("main", &[Entry::file("README.md", "# Fleet\n")], "First");

    let settings = folder.settings().await;
    let receiver = Receiver::connect(&settings).await.unwrap();
    assert!(receiver.secrets["harbor"][0].matches(b"hunter2"));
    receiver.objects.put(&Key::config(), b"x".to_vec(), Expected::Absent).await.unwrap();
    assert!(folder.path().join("state/tag2pr.yaml").is_file());
    let deployment = Deployment::connect(&settings).await.unwrap();
    let [repository] = deployment.repositories() else { panic!("one repository is configured") };
    assert_eq!(repository.id.path, fs::canonicalize(fleet.path()).unwrap().to_str().unwrap().trim_end_matches(".git"));
    let head = repository.git().head("main").await.unwrap();
    assert_eq!(head.map(|head| head.0), fleet.head("main"));
}

#[tokio::test]
async fn several_secrets_are_all_good_while_they_are_rotated() {
    let folder = Folder::with("store: x\nsources: { hub: { type: docker-hub, secret: [file:new, file:old] } }\n");
    folder.file("new", "one");
    folder.file("old", "two");
    let receiver = Receiver::connect(&folder.settings().await).await.unwrap();
    assert!([&b"one"[..], b"two"].iter().all(|sent| receiver.secrets["hub"].iter().any(|secret| secret.matches(sent))));
}

#[tokio::test]
async fn commits_are_left_to_github_alone_and_signed_once() {
    let mistake = async |repository: &str| {
        let folder = Folder::with(&format!("store: state\nrepositories:\n  - {{ commits: api, {repository} }}\n"));
        folder.file("token", "hunter2");
        let error = Deployment::connect(&folder.settings().await).await.err().unwrap().to_string();
        error.split_once("tag2pr.yaml: ").unwrap().1.to_owned()
    };
    insta::assert_snapshot!(mistake("url: 'https://gitlab.com/acme/fleet.git', credentials: { token: 'file:token' }").await, @"https://gitlab.com/acme/fleet.git: `commits: api` is for GitHub, and this is gitlab: leave it out");
    insta::assert_snapshot!(mistake("url: 'https://github.com/acme/fleet.git', credentials: { token: 'file:token' }, signing: { key: 'file:token' }").await, @"https://github.com/acme/fleet.git: with `commits: api` GitHub makes the commits and signs them itself: leave out `signing`");
}

#[tokio::test]
async fn a_poke_for_a_repository_that_nobody_configured_says_so() {
    let folder = Folder::with("store: state\n");
    let deployment = Deployment::connect(&folder.settings().await).await.unwrap();
    let id = RepositoryId { host: "github.com".into(), path: "acme/fleet".into(), base: "main".into() };
    let error = deployment.propose(&id, "test", "2026-02-06T00:00:00Z".parse().unwrap()).await.unwrap_err();
    insta::assert_snapshot!(error, @"github.com/acme/fleet@main refused: no repository of this name is configured; add it under `repositories:`");
}

#[tokio::test]
async fn a_mistake_in_the_file_is_named_with_its_place() {
    insta::assert_snapshot!(mistake("store: x\nrepositories:\n  - url: a\n    barnch: main\n").await, @"/srv/tag2pr.yaml:4:5: unknown key `barnch`; did you mean `branch`?");
    insta::assert_snapshot!(mistake("store: x\nsources: { h: { type: harbor, secret: hunter2 } }\n").await, @"/srv/tag2pr.yaml:2:39: this is not a reference to a secret: write `env:NAME`, `file:PATH` or `secretsmanager:ID#key`, so that the secret itself stays out of this file");
}

#[tokio::test]
async fn a_secret_that_is_not_there_is_named() {
    let source = "store: x\nsources: { harbor: { type: harbor, secret: 'file:secrets/harbor' } }\n";
    insta::assert_snapshot!(mistake(source).await, @"the secret `file:secrets/harbor` cannot be read: /srv/secrets/harbor: No such file or directory (os error 2)");
    let folder = Folder::with(source);
    fs::create_dir(folder.path().join("secrets")).unwrap();
    folder.file("secrets/harbor", "\n");
    insta::assert_snapshot!(folder.mistake().await, @"the secret `file:secrets/harbor` is empty");
    let token = "store: x\nrepositories: [{ url: 'https://github.com/acme/fleet', credentials: { token: file:t } }]\n";
    insta::assert_snapshot!(mistake(token).await, @"the secret `file:t` cannot be read: /srv/t: No such file or directory (os error 2)");
    let unset = "store: x\nsources: { harbor: { type: harbor, secret: 'env:TAG2PR_TEST_NOT_SET' } }\n";
    insta::assert_snapshot!(mistake(unset).await, @"the secret `env:TAG2PR_TEST_NOT_SET` is not there: set the environment variable TAG2PR_TEST_NOT_SET");
}

#[tokio::test]
async fn a_registry_with_the_password_of_ecr_must_be_one() {
    let config = "store: x\nregistries: [{ host: ghcr.io, credentials: ecr }]\n";
    insta::assert_snapshot!(mistake(config).await, @"/srv/tag2pr.yaml: `credentials: ecr` is for hosts like `123456789012.dkr.ecr.eu-central-1.amazonaws.com`, and `ghcr.io` is none: give it `env:NAME` with `user:password`");
}

#[tokio::test]
async fn a_store_that_is_none_is_named() {
    insta::assert_snapshot!(mistake("store: gs://bucket\n").await, @"the store refused: store `gs://bucket` has the scheme `gs`: write `s3://bucket/prefix` or the path of a directory");
    insta::assert_snapshot!(mistake("store: ''\n").await, @"the store refused: the store has no name: write `s3://bucket/prefix` or the path of a directory");
}

#[tokio::test]
async fn a_registry_that_cannot_be_used_says_why() {
    let registry = |more: &str| format!("store: x\nregistries: [{{ host: 'harbor.lan:5000', {more} }}]\n");
    insta::assert_snapshot!(mistake(&registry("insecure: true")).await, @"0 repositories");
    insta::assert_snapshot!(mistake(&registry("ca: home-lab.pem")).await, @"/srv/tag2pr.yaml: the `ca` of harbor.lan:5000 cannot be read: /srv/home-lab.pem: No such file or directory (os error 2)");
    let folder = Folder::with(&registry("ca: home-lab.pem"));
    folder.file("home-lab.pem", "not a certificate");
    insta::assert_snapshot!(folder.mistake().await, @"/srv/tag2pr.yaml: the `ca` of registry `harbor.lan:5000` holds no PEM certificate; it begins with `-----BEGIN CERTIFICATE-----`");
    let folder = Folder::with(&registry("credentials: file:robot"));
    folder.file("robot", "hunter2");
    insta::assert_snapshot!(folder.mistake().await, @"the secret `file:robot` is not of the form `user:password`");
    folder.file("robot", "robot$ci:hunter2\n");
    insta::assert_snapshot!(folder.mistake().await, @"0 repositories");
}

#[tokio::test]
async fn a_repository_that_cannot_be_used_says_why() {
    let repository = |url: &str, more: &str| format!("store: x\nrepositories: [{{ url: '{url}' {more} }}]\n");
    insta::assert_snapshot!(mistake(&repository("fleet.git", "")).await, @"/srv/tag2pr.yaml: fleet.git: there is no repository at /srv/fleet.git: No such file or directory (os error 2)");
    insta::assert_snapshot!(mistake(&repository("https://git.lan/acme/fleet.git", "")).await, @"/srv/tag2pr.yaml: https://git.lan/acme/fleet.git: cannot tell what kind of host `git.lan` is; set `host:` to azure-devops, bitbucket, bitbucket-data-center, forgejo, gitea, github, gitlab or local");
    insta::assert_snapshot!(mistake(&repository("https://git.lan/acme/fleet.git", ", host: gitbub")).await, @"/srv/tag2pr.yaml: https://git.lan/acme/fleet.git: `gitbub` is no kind of host; set `host:` to azure-devops, bitbucket, bitbucket-data-center, forgejo, gitea, github, gitlab or local");
    insta::assert_snapshot!(mistake(&repository("https://github.com/acme/fleet.git", "")).await, @"/srv/tag2pr.yaml: https://github.com/acme/fleet.git: github.com needs a token: set `credentials:` of this repository to one, without spaces or line breaks");
    insta::assert_snapshot!(mistake(&repository("https://github.com/fleet", "")).await, @"/srv/tag2pr.yaml: https://github.com/fleet: github.com needs a token: set `credentials:` of this repository to one, without spaces or line breaks");
    insta::assert_snapshot!(mistake(&repository("ftp://me:hunter2@git.lan/fleet", "")).await, @"/srv/tag2pr.yaml: `repositories[0].url`: `ftp://` is not supported: use https://, http:// or a path");
    insta::assert_snapshot!(mistake(&repository("ssh://git@github.com/acme/fleet", "")).await, @"/srv/tag2pr.yaml: ssh://github.com/acme/fleet: ssh://github.com/acme/fleet is reached by SSH, which is not supported: configure a token, then it is reached over HTTPS");
    let folder =
        Folder::with(&repository("https://ghe.lan/a/b", ", host: github, credentials: { token: file:t }, api: x"));
    folder.file("t", "hunter2");
    insta::assert_snapshot!(folder.mistake().await, @"/srv/tag2pr.yaml: https://ghe.lan/a/b: `api` is no URL: relative URL without a base");
    let folder =
        Folder::with(&repository("https://github.com/a/b", ", credentials: { token: file:t }, ca: home-lab.pem"));
    folder.file("t", "hunter2");
    insta::assert_snapshot!(folder.mistake().await, @"/srv/tag2pr.yaml: https://github.com/a/b: the certificates in `/srv/home-lab.pem` can't be read: No such file or directory (os error 2)");
    folder.file("home-lab.pem", "not a certificate");
    insta::assert_snapshot!(folder.mistake().await, @"/srv/tag2pr.yaml: https://github.com/a/b: the certificates in `/srv/home-lab.pem` can't be read: there are none in it");
}
