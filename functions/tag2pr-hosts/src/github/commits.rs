//! Commits that GitHub makes and signs itself, so that it shows them as verified.
//!
//! They are made through the Git database API, as nothing else keeps the modes of files and builds anew on any parent:
//! <https://docs.github.com/en/rest/git/trees>, <https://docs.github.com/en/rest/git/commits>. GitHub signs what an app
//! asks for, as long as nothing is said of author, committer and time. So no two of its commits have the same id: which
//! one was made of what is written down before anybody can see it.
//!
//! A branch is moved with the old value named: <https://docs.github.com/en/graphql/reference/mutations#updaterefs>. The
//! REST API cannot do that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tag2pr::keys::Key;
use tag2pr::seams::{
    CommitId, File, GitError, GitRepository, HostError, NewCommit, Objects, RepositoryId, Snapshot, StoreError, Wanted,
};
use tag2pr::store::{self, Stored};
use tokio::sync::OnceCell;

use super::Github;
use crate::about::About;

/// Where there is none.
const NONE: &str = "0000000000000000000000000000000000000000";

const MOVE: &str = "mutation($repository: ID!, $update: RefUpdate!) { \
    updateRefs(input: { repositoryId: $repository, refUpdates: [$update] }) { clientMutationId } }";

/// A Git repository at GitHub: read with Git, written through the API.
pub struct GithubCommits {
    github: Github,
    git: Arc<dyn GitRepository>,
    objects: Arc<dyn Objects>,
    repository: RepositoryId,
    writer: String,
    node: OnceCell<String>,
}

/// The commit that GitHub made of one of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Made {
    commit: CommitId,
}

impl Stored for Made {
    const FORMAT: u32 = 1;
}

#[derive(Deserialize)]
struct Named {
    sha: String,
}

#[derive(Deserialize)]
struct Commit {
    sha: String,
    tree: Named,
    verification: Verification,
}

#[derive(Deserialize)]
struct Verification {
    verified: bool,
    reason: String,
}

#[derive(Deserialize)]
struct Tree {
    tree: Vec<Entry>,
    truncated: bool,
}

#[derive(Deserialize)]
struct Entry {
    path: String,
    mode: String,
    r#type: String,
    sha: String,
}

#[derive(Deserialize)]
struct Node {
    node_id: String,
}

impl GithubCommits {
    /// `git` is the same repository, read with Git. What GitHub made is remembered in `objects`; `writer` names this
    /// process there.
    pub fn new(
        github: Github,
        git: Arc<dyn GitRepository>,
        objects: Arc<dyn Objects>,
        repository: &RepositoryId,
        writer: &str,
    ) -> Self {
        let (repository, writer) = (repository.clone(), writer.to_owned());
        Self { github, git, objects, repository, writer, node: OnceCell::new() }
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, resource: &[&str]) -> Result<T, HostError> {
        self.github.call(Method::GET, self.github.url(resource), None, &About::Commit).await
    }

    async fn post<T: serde::de::DeserializeOwned>(&self, resource: &[&str], body: Value) -> Result<T, HostError> {
        self.github.call(Method::POST, self.github.url(resource), Some(body), &About::Commit).await
    }

    /// Lets GitHub make a commit. No branch is at it yet.
    async fn make(&self, new: &NewCommit) -> Result<CommitId, HostError> {
        let parent: Commit = self.get(&["git", "commits", &new.parent.0]).await?;
        let modes = self.modes(&parent.tree.sha, &new.files).await?;
        let mut entries = Vec::new();
        for file in &new.files {
            let mode = modes.get(file.path.as_str()).map_or("100644", String::as_str);
            let mut entry = json!({ "path": file.path, "mode": mode, "type": "blob" });
            match std::str::from_utf8(&file.bytes) {
                // What JSON may lose is sent as it is.
                Ok(text) if !text.starts_with('\u{feff}') => entry["content"] = json!(text),
                _ => {
                    let blob = json!({ "content": BASE64.encode(&file.bytes), "encoding": "base64" });
                    entry["sha"] = json!(self.post::<Named>(&["git", "blobs"], blob).await?.sha);
                }
            }
            entries.push(entry);
        }
        let tree = json!({ "base_tree": parent.tree.sha, "tree": entries });
        let tree: Named = self.post(&["git", "trees"], tree).await?;
        let commit = json!({ "message": new.message, "tree": tree.sha, "parents": [new.parent.0] });
        let commit: Commit = self.post(&["git", "commits"], commit).await?;
        let Verification { verified, reason } = commit.verification;
        if !verified {
            return Err(self.github.rest.refused(format!(
                "GitHub made a commit and did not sign it ({reason}): it signs for apps, and not for the tokens of people; \
                 give an `app` and its `key` in `credentials:`, or leave out `commits: api`"
            )));
        }
        Ok(CommitId(commit.sha))
    }

    /// The modes of the files that are in a tree. Only the folders on the way to them are listed, because a list of
    /// everything is cut off in large repositories.
    async fn modes<'a>(&self, root: &str, files: &'a [File]) -> Result<BTreeMap<&'a str, String>, HostError> {
        let mut folders = BTreeMap::from([("", self.folder(root).await?)]);
        let mut modes = BTreeMap::new();
        for path in files.iter().map(|file| file.path.as_str()) {
            let (mut folder, mut from) = ("", 0);
            loop {
                let end = path[from..].find('/').map_or(path.len(), |length| from + length);
                let name = &path[from..end];
                let entry = folders.get(folder).and_then(|entries| entries.iter().find(|entry| entry.path == name));
                let Some(entry) = entry else { break };
                if end == path.len() {
                    modes.insert(path, entry.mode.clone());
                    break;
                }
                if entry.r#type != "tree" {
                    break;
                }
                let below = &path[..end];
                if !folders.contains_key(below) {
                    let listed = self.folder(&entry.sha.clone()).await?;
                    folders.insert(below, listed);
                }
                (folder, from) = (below, end + 1);
            }
        }
        Ok(modes)
    }

    async fn folder(&self, sha: &str) -> Result<Vec<Entry>, HostError> {
        let tree: Tree = self.get(&["git", "trees", sha]).await?;
        if tree.truncated {
            let reason = "a folder is too large for its API: set `commits: git` for this repository";
            return Err(self.github.rest.refused(reason.to_owned()));
        }
        Ok(tree.tree)
    }

    /// What GraphQL calls the repository.
    async fn node(&self) -> Result<&str, HostError> {
        let node = async { Ok(self.get::<Node>(&[]).await?.node_id) };
        self.node.get_or_try_init(|| node).await.map(String::as_str)
    }

    fn remembered(&self, error: &StoreError) -> GitError {
        let (url, reason) = (self.repository.to_string(), error.to_string());
        match error {
            StoreError::Refused(_) => GitError::Refused { url, reason },
            StoreError::Conflict(_) | StoreError::Unavailable(_) => GitError::Unavailable { url, reason, wait: None },
        }
    }
}

fn failed(error: HostError) -> GitError {
    match error {
        HostError::Refused { host, reason } => GitError::Refused { url: host, reason },
        HostError::Moved { host, reason } => GitError::Unavailable { url: host, reason, wait: None },
        HostError::Unavailable { host, reason, wait } => GitError::Unavailable { url: host, reason, wait },
    }
}

#[async_trait]
impl GitRepository for GithubCommits {
    async fn head(&self, branch: &str) -> Result<Option<CommitId>, GitError> {
        self.git.head(branch).await
    }

    async fn contains(&self, branch: &str, commit: &CommitId) -> Result<bool, GitError> {
        self.git.contains(branch, commit).await
    }

    async fn snapshot(&self, branch: &str, wanted: &Wanted) -> Result<Snapshot, GitError> {
        self.git.snapshot(branch, wanted).await
    }

    async fn read(&self, commit: &CommitId, paths: &BTreeSet<String>) -> Result<Vec<File>, GitError> {
        self.git.read(commit, paths).await
    }

    /// The commit that would be made without GitHub stands for all that goes into it.
    async fn commit(&self, commit: &NewCommit) -> Result<CommitId, GitError> {
        let ours = self.git.commit(commit).await?;
        let key = Key::made_commit(&self.repository, &ours);
        let load = async || store::load::<Made>(&*self.objects, &key).await.map_err(|error| self.remembered(&error));
        if let Some(made) = load().await? {
            return Ok(made.value.commit);
        }
        let made = Made { commit: self.make(commit).await.map_err(failed)? };
        let created = store::create(&*self.objects, &key, &self.writer, &made).await;
        if created.map_err(|error| self.remembered(&error))? {
            return Ok(made.commit);
        }
        // Another worker was faster: there is one commit for all.
        Ok(load().await?.map_or(made.commit, |first| first.value.commit))
    }

    async fn push(&self, branch: &str, commit: &CommitId, expected: Option<&CommitId>) -> Result<(), GitError> {
        let repository = self.node().await.map_err(failed)?;
        let update = json!({
            "name": format!("refs/heads/{branch}"),
            "beforeOid": expected.map_or(NONE, |expected| &expected.0),
            "afterOid": commit.0,
            "force": true,
        });
        let variables = json!({ "repository": repository, "update": update });
        let Some(said) = self.github.graphql(MOVE, &variables, &About::Commit).await.map_err(failed)? else {
            return Ok(());
        };
        let head = self.git.head(branch).await?;
        if head.as_ref() == expected {
            let Github { owner, name, .. } = &self.github;
            return Err(failed(self.github.rest.refused(format!(
                "{said}; check what rules `{branch}` has, and that the token may write to {owner}/{name} (`Contents: write`)"
            ))));
        }
        let place = |at: Option<&CommitId>| at.map_or("nowhere".to_owned(), |at| format!("at {}", at.short()));
        let reason = format!("it is {}, expected it {}", place(head.as_ref()), place(expected));
        Err(GitError::Moved { branch: branch.to_owned(), reason })
    }
}
