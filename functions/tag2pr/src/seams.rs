//! The systems outside, in this product's words: an object store, a Git server, a forge, registries, a queue.
//!
//! Each trait has one stand-in with state and one conformance suite in the feature `testing`, which the stand-in and the
//! real thing both pass. Errors are named by what the caller does next.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::image::{Digest, ImageName, Tag};
use crate::keys::Key;
use crate::origin::Origin;
use crate::platform::Platforms;
pub use crate::repository_url::RepositoryId;
use crate::secret::Secret;

// ------------------------------------------------------------------------------------------------ object store

/// What a store says of one state of an object: an etag. Opaque, compared only by the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(pub String);

/// An object as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// What was put.
    pub bytes: Vec<u8>,
    /// To put it back only if nobody else has.
    pub version: Version,
}

/// What must be true of an object for a write to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected<'a> {
    /// There is none (`If-None-Match: *`).
    Absent,
    /// It is still the one that was read (`If-Match`).
    Unchanged(&'a Version),
    /// Nothing: the last writer wins.
    Anything,
}

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody else wrote meanwhile: read again, decide again.
    #[error("`{0}` was changed by somebody else meanwhile")]
    Conflict(Key),
    /// The store did not answer, or answered that it is busy: the same call may succeed later.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// The store will not do it: credentials, a missing bucket, a full disk, an object that is not ours to read.
    #[error("the store refused: {0}")]
    Refused(String),
}

/// Object storage with compare-and-swap: S3, a directory, memory.
#[async_trait]
pub trait Objects: Send + Sync {
    /// Reads one object; `None` if there is none.
    async fn get(&self, key: &Key) -> Result<Option<Object>, StoreError>;

    /// Writes one object, whole, if what is expected of it holds; durable when it returns.
    async fn put(&self, key: &Key, bytes: Vec<u8>, expected: Expected<'_>) -> Result<Version, StoreError>;

    /// Removes one object; no error if there is none.
    async fn delete(&self, key: &Key) -> Result<(), StoreError>;

    /// All keys that start with this one, in byte order: complete, or an error.
    async fn list(&self, prefix: &Key) -> Result<Vec<Key>, StoreError>;

    /// Waits before a writer that lost a race tries again: longer for each attempt, and not in step with the others.
    async fn pause(&self, attempt: u32);
}

// ------------------------------------------------------------------------------------------------ issuers

/// Why the keys of an issuer could not be read. The same call may succeed later.
#[derive(Debug, thiserror::Error)]
#[error("the keys at {address} cannot be read: {reason}")]
pub struct KeysUnavailable {
    /// Where they should be.
    pub address: String,
    /// What came instead.
    pub reason: String,
}

/// Where those who issue identity tokens publish their keys.
#[async_trait]
pub trait KeySets: Send + Sync {
    /// Reads what is published at an address of the configuration, or in a `file:`.
    async fn read(&self, address: &str) -> Result<Vec<u8>, KeysUnavailable>;
}

// ------------------------------------------------------------------------------------------------ Git server

/// The id of a commit: 40 hexadecimal digits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CommitId(pub String);

impl CommitId {
    /// The first seven digits, as people quote commits.
    pub fn short(&self) -> &str {
        self.0.get(..7).unwrap_or(&self.0)
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One file of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// From the root of the repository, `/` between segments, no leading `/`.
    pub path: String,
    /// Its bytes, exactly.
    pub bytes: Vec<u8>,
}

/// The files of one commit that matter to the caller.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Where the branch was.
    pub commit: CommitId,
    /// Where each branch was, this one and all others.
    pub branches: BTreeMap<String, CommitId>,
    /// In the order of their paths.
    pub files: Vec<File>,
    /// What may matter as well and is not among them, in the order of the paths.
    pub left_out: Vec<LeftOut>,
    /// The files that are as they were seen, and whose bytes are not needed.
    pub known: BTreeSet<String>,
    /// What all of this can be known by again.
    pub ids: Ids,
}

/// Ids that Git gives to contents: what has the same id is the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ids {
    /// The folders, by path; that of the root is empty.
    pub folders: BTreeMap<String, String>,
    /// The files that are wanted, by path.
    pub files: BTreeMap<String, String>,
}

/// An earlier snapshot, for one that reads only what is new.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// What it was known by.
    pub ids: Ids,
    /// What it left out.
    pub left_out: Vec<LeftOut>,
    /// The files whose bytes are not needed as long as they are the same.
    pub known: BTreeSet<String>,
}

/// An entry of a commit that no snapshot holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LeftOut {
    /// From the root of the repository.
    pub path: String,
    /// Why.
    pub why: Why,
}

/// Why a snapshot does not hold an entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Why {
    /// It is wanted, or too large to be looked at, and larger than so many bytes.
    LargerThan(usize),
    /// It is a symbolic link to this path.
    Link(String),
}

/// A commit to be made on top of its parent: these files replaced, every other entry and every mode kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCommit {
    /// The commit it changes.
    pub parent: CommitId,
    /// The files with other bytes than in the parent.
    pub files: Vec<File>,
    /// Whole, as it shall be stored.
    pub message: String,
    /// Author and committer.
    pub author: Author,
    /// Author's and committer's time, second precision, UTC: given, so that the same change makes the same commit.
    pub at: Timestamp,
}

/// Who makes a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// `tag2pr`
    pub name: String,
    /// `tag2pr@users.noreply.github.com`
    pub email: String,
}

/// Why the Git server did not do it.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The branch is not where it was said to be: fetch again, decide again.
    #[error("branch `{branch}` moved meanwhile: {reason}")]
    Moved {
        /// The branch that was to be pushed.
        branch: String,
        /// What the server said.
        reason: String,
    },
    /// There is no such branch.
    #[error("branch `{branch}` does not exist in {url}")]
    MissingBranch {
        /// The branch that was asked for.
        branch: String,
        /// Where, without credentials.
        url: String,
    },
    /// The server will not do it: credentials, rights, a protected branch, no such repository.
    #[error("{url} refused: {reason}")]
    Refused {
        /// Where, without credentials.
        url: String,
        /// What the server said, and what to do.
        reason: String,
    },
    /// No answer, or one that says to come again.
    #[error("{url} is not available: {reason}")]
    Unavailable {
        /// Where, without credentials.
        url: String,
        /// What went wrong.
        reason: String,
        /// How long it asks to be left alone, if it said so.
        wait: Option<SignedDuration>,
    },
}

/// Decides by path and bytes.
pub type Decides = dyn Fn(&str, &[u8]) -> bool + Send + Sync;

/// What a snapshot shall hold.
#[derive(Clone)]
pub struct Wanted {
    /// Which files: decided by path and bytes, on any thread. The same file always gets the same answer while
    /// `.tag2pr.yaml` is the same.
    pub files: Arc<Decides>,
    /// What was decided before. It counts only if `.tag2pr.yaml` is still the same.
    pub seen: Option<Arc<Seen>>,
}

impl Wanted {
    /// Every file that this says.
    pub fn new(files: impl Fn(&str, &[u8]) -> bool + Send + Sync + 'static) -> Self {
        Self { files: Arc::new(files), seen: None }
    }
}

/// One Git repository: branches and commits.
#[async_trait]
pub trait GitRepository: Send + Sync {
    /// The commit that a branch points at now, by asking the server; `None` if there is no such branch.
    async fn head(&self, branch: &str) -> Result<Option<CommitId>, GitError>;

    /// Whether a commit is the head of a branch or comes before it, by asking the server. Over HTTP only the head is known.
    async fn contains(&self, branch: &str, commit: &CommitId) -> Result<bool, GitError>;

    /// The files of the head of a branch that are wanted; symbolic links and submodules are no files. `.tag2pr.yaml` at
    /// the root is offered before all others, because it may name more.
    async fn snapshot(&self, branch: &str, wanted: &Wanted) -> Result<Snapshot, GitError>;

    /// The files of a commit that a snapshot was taken of: all of these, in this order, or an error.
    async fn read(&self, commit: &CommitId, paths: &BTreeSet<String>) -> Result<Vec<File>, GitError>;

    /// Makes a commit in the local object database; nobody sees it before [`GitRepository::push`]. The same input makes
    /// the same commit id.
    async fn commit(&self, commit: &NewCommit) -> Result<CommitId, GitError>;

    /// Points a branch at a commit, only if it is where `expected` says (`None`: it does not exist).
    async fn push(&self, branch: &str, commit: &CommitId, expected: Option<&CommitId>) -> Result<(), GitError>;
}

// ------------------------------------------------------------------------------------------------ forge

/// What became of a pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It waits for a person.
    Open,
    /// It is part of the base branch.
    Merged,
    /// Somebody closed it without merging.
    Closed,
}

/// A pull request as the forge knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullRequest {
    /// Its number in the repository.
    pub number: u64,
    /// Where a person reads it.
    pub url: String,
    /// Open, merged or closed.
    pub state: State,
    /// The branch it is made from.
    pub branch: String,
    /// The commit that branch had when the forge last looked.
    pub head: CommitId,
    /// Its title.
    pub title: String,
    /// Its body, Markdown.
    pub body: String,
    /// Whether it is not ready yet, as its forge says now.
    #[serde(default)]
    pub is_draft: bool,
}

/// What people see of a proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The branch with the change.
    pub branch: String,
    /// The branch it is for.
    pub base: String,
    /// One line.
    pub title: String,
    /// Markdown.
    pub body: String,
    /// Whether it is opened as one that is not ready yet, where the forge has that.
    pub is_draft: bool,
}

/// What a proposal asks of its forge beside title and body. It is asked once, when the pull request is opened: what
/// people change later stays as they want it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asks {
    /// Labels, by name.
    pub labels: Vec<String>,
    /// Who shall review it, as the forge names people; GitHub's teams as `org/team`.
    pub reviewers: Vec<String>,
    /// Who shall look after it.
    pub assignees: Vec<String>,
    /// Whether the forge shall merge it as soon as its own rules allow.
    pub auto_merge: bool,
}

impl Asks {
    /// Whether nothing is asked.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.reviewers.is_empty() && self.assignees.is_empty() && !self.auto_merge
    }
}

/// A comment that begins with `/tag2pr`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// Its number; later ones have greater numbers.
    pub id: u64,
    /// What it says, whole.
    pub body: String,
    /// Whether who wrote it may write to the repository, as its forge says now.
    pub may_write: bool,
}

/// Why the forge did not do it.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The forge will not do it: credentials, rights, no such repository, an invalid request.
    #[error("{host} refused: {reason}")]
    Refused {
        /// The forge's address.
        host: String,
        /// What it said, and what to do.
        reason: String,
    },
    /// Somebody else was first: look again, decide again.
    #[error("{host} was asked by somebody else first: {reason}")]
    Moved {
        /// The forge's address.
        host: String,
        /// What it said.
        reason: String,
    },
    /// No answer, a rate limit, or an error that may pass.
    #[error("{host} is not available: {reason}")]
    Unavailable {
        /// The forge's address.
        host: String,
        /// What went wrong.
        reason: String,
        /// How long it asks to be left alone, if it said so.
        wait: Option<SignedDuration>,
    },
}

/// Gives the token of the moment: the one that was configured, or one that is made anew when it runs out.
#[async_trait]
pub trait Tokens: Send + Sync + fmt::Debug {
    /// A token that is good for some minutes from now.
    async fn token(&self, now: Timestamp) -> Result<Secret, HostError>;
}

#[async_trait]
impl Tokens for Secret {
    async fn token(&self, _: Timestamp) -> Result<Secret, HostError> {
        Ok(self.clone())
    }
}

/// The forge's side of one repository: its pull requests.
#[async_trait]
pub trait GitHost: Send + Sync {
    /// The pull requests made from this branch for this base, newest first, whatever their state.
    async fn find(&self, branch: &str, base: &str) -> Result<Vec<PullRequest>, HostError>;

    /// Opens one. Opening is no lock on any forge: look for ours first. [`HostError::Moved`] if one is open by now.
    async fn open(&self, draft: &Draft) -> Result<PullRequest, HostError>;

    /// Gives an open one this title and body.
    async fn update(&self, number: u64, draft: &Draft) -> Result<PullRequest, HostError>;

    /// Closes an open one and says why.
    async fn close(&self, number: u64, comment: &str) -> Result<(), HostError>;

    /// Who merged or closed one that is no longer open, as the forge names people; `None` where it does not say.
    async fn ended_by(&self, _number: u64) -> Result<Option<String>, HostError> {
        Ok(None)
    }

    /// The last commit on a branch that changed a file; `None` where the forge does not say.
    async fn last_change(&self, _path: &str, _branch: &str) -> Result<Option<CommitId>, HostError> {
        Ok(None)
    }

    /// Marks a draft as ready. One that is no draft, or no longer open, stays as it is.
    async fn ready(&self, number: u64) -> Result<(), HostError>;

    /// Asks for labels, reviewers and the like. What the forge does not offer or does not accept is returned, a sentence
    /// for each: none of it is worth failing for.
    async fn ask(&self, number: u64, asks: &Asks) -> Result<Vec<String>, HostError>;

    /// Takes note of what [`Self::find`] told, or of where its branch was pushed: for hosts that see only what they are
    /// told. Others do nothing.
    async fn note(&self, _pull: &PullRequest) -> Result<(), HostError> {
        Ok(())
    }

    /// Writes a comment under one, unless the same is there. `false` where that is not done.
    async fn comment(&self, _number: u64, _text: &str) -> Result<bool, HostError> {
        Ok(false)
    }

    /// What was asked of us under one, after the comment of this number: oldest first.
    async fn commands(&self, _number: u64, _after: u64) -> Result<Vec<Comment>, HostError> {
        Ok(Vec::new())
    }

    /// Whether [`Self::commands`] are read.
    fn reads_commands(&self) -> bool {
        false
    }

    /// The longest body it takes, in characters.
    fn longest_body(&self) -> usize {
        65_536
    }
}

// ------------------------------------------------------------------------------------------------ registries

/// Why a registry gave no answer to rely on.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// Credentials, rights, or a host that is not configured. Never means that an image is gone.
    #[error("registry {registry} refused: {reason}")]
    Refused {
        /// Its host.
        registry: String,
        /// What it said, and what to do.
        reason: String,
    },
    /// No answer, a rate limit, or an answer that is not complete.
    #[error("registry {registry} is not available: {reason}")]
    Unavailable {
        /// Its host.
        registry: String,
        /// What went wrong.
        reason: String,
        /// How long it asks to be left alone, if it said so.
        wait: Option<SignedDuration>,
    },
}

/// A part of the tags of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Its tags, in any order.
    pub tags: Vec<Tag>,
    /// Where the next page is: opaque, and only for the registry that gave it. `None`: this was the last one.
    pub next: Option<String>,
}

/// Registries, as far as they are configured.
#[async_trait]
pub trait Registry: Send + Sync {
    /// What a tag points at now; `None` only if the registry says that there is no such tag (404).
    async fn digest(&self, image: &ImageName, tag: &Tag) -> Result<Option<Digest>, RegistryError>;

    /// What a manifest or an index runs on; `None` only if the registry says that there is no such digest (404). What is
    /// no image, or says of no platform that it is for it, holds none. The answer is always the same.
    async fn platforms(&self, image: &ImageName, digest: &Digest) -> Result<Option<Platforms>, RegistryError>;

    /// Where a manifest or an index says that it was built from; `None` only if the registry says that there is no such
    /// digest (404). What says nothing of it has an empty one. The answer is always the same.
    ///
    /// Annotations count if those of an index and of the first image in it say both, the image's being preferred. Else
    /// the labels of that image count, and annotations where a label is missing.
    async fn origin(&self, image: &ImageName, digest: &Digest) -> Result<Option<Origin>, RegistryError>;

    /// All tags, in byte order: complete, or an error. An image that the registry does not know has none.
    async fn tags(&self, image: &ImageName) -> Result<Vec<Tag>, RegistryError>;

    /// One page of the tags, at [`Page::next`] of the page before; `None` asks for the first. [`Self::tags`] for those
    /// who cannot read them all at once.
    async fn page(&self, image: &ImageName, from: Option<&str>) -> Result<Page, RegistryError>;
}

// ------------------------------------------------------------------------------------------------ queue

/// "This repository is stale": nothing else, so that losing or repeating it does no harm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Poke {
    /// Which repository to look at.
    pub repository: RepositoryId,
    /// What made it stale: the delivery's id. Also what a queue deduplicates by.
    pub cause: String,
}

/// Carries pokes from `receive` and `sweep` to `propose`.
#[async_trait]
pub trait Pokes: Send + Sync {
    /// Hands one over; durable when it returns.
    async fn send(&self, poke: &Poke) -> Result<(), StoreError>;
}
