//! [`GitRepository`] over HTTP and HTTPS, or a repository on this disk; no work tree, no `git` binary. Objects are made and
//! kept by libgit2; what goes over the network is said here, in as few requests as the protocol allows.
//!
//! | module | what it holds |
//! |---|---|
//! | `objects` | files of a commit, and a new commit: the object database alone |
//! | `packs` | packs that are kept as they come in, and their blobs, read along their chains of deltas |
//! | `signing` | the signature of a commit |
//! | `local` | branches of a repository on this disk |
//! | `remote` | branches of a repository behind a URL: list, fetch, push |
//! | `refs` | what a server tells of its branches, and of what it can do |
//! | `upload_pack` | one commit asked for |
//! | `receive_pack` | one branch moved |
//! | `pkt_line` | the lines and bands that these are said in |
//! | `http` | requests and answers: credentials, redirects, what a status means |
//! | `cache` | the bare repository that is kept between calls, and dropped when it is broken or grows too large |
//!
//! A commit that was fetched once is not fetched again: a look at an unchanged branch costs one listing of refs.

mod cache;
mod http;
mod local;
mod objects;
mod packs;
mod pkt_line;
mod receive_pack;
mod refs;
mod remote;
mod signing;
mod upload_pack;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use git2::Oid;
use tag2pr::repository_url::{RepositoryUrl, Scheme, UrlError};
use tag2pr::seams::{CommitId, File, GitError, GitRepository, NewCommit, Snapshot, Tokens, Wanted};
use tokio::sync::Mutex;

pub use signing::{InvalidKey, Signer};

/// Who we are to the Git server: HTTP basic authentication, sent to the URL's own origin and nowhere else.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// What the forge wants beside a token: `x-access-token` for GitHub, `oauth2` for GitLab, any for Gitea.
    pub user: String,
    /// The token, asked for before each request.
    pub token: Arc<dyn Tokens>,
}

/// Which repository, and how it may be used.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `https://…`, `http://…`, `file://…`, a path; with a token also `ssh://…` and `git@host:path`, reached over HTTPS.
    pub url: String,
    /// A directory for what is fetched; each repository gets one of its own in it. Not used for paths.
    pub cache: PathBuf,
    /// `None`: as anybody.
    pub credentials: Option<Credentials>,
    /// A file of certificates (PEM) to trust in addition to the system's.
    pub ca: Option<PathBuf>,
    /// Signs the commits; `None`: they are not signed.
    pub signer: Option<Arc<Signer>>,
    /// How long a connection may take to be made.
    pub connect: Duration,
    /// How long the server may be silent.
    pub idle: Duration,
    /// Larger files are left out of snapshots. Bytes.
    pub largest_file: usize,
    /// A larger cache is dropped before the next fetch. Bytes.
    pub largest_cache: u64,
}

impl Settings {
    /// The usual limits: 10 s to connect, 60 s of silence, files of 1 MiB, a cache of 256 MiB.
    pub fn new(url: impl Into<String>, cache: impl Into<PathBuf>) -> Self {
        Self {
            url: url.into(),
            cache: cache.into(),
            credentials: None,
            ca: None,
            signer: None,
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            largest_file: 1 << 20,
            largest_cache: 256 << 20,
        }
    }
}

/// Why a repository can't be used at all: the configuration is wrong, or the disk.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is no URL.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// SSH is left out on purpose.
    #[error("{0} is reached by SSH, which is not supported: configure a token, then it is reached over HTTPS")]
    Ssh(String),
    /// Nothing at the path, or nothing that is a repository.
    #[error("no Git repository at `{path}`: {source}")]
    Local {
        /// The path.
        path: String,
        /// What libgit2 said.
        source: git2::Error,
    },
    /// The cache could not be made.
    #[error("no cache for Git repositories can be made in `{path}`: {source}")]
    Cache {
        /// The directory.
        path: PathBuf,
        /// What the disk said.
        source: std::io::Error,
    },
    /// The file of certificates can't be read.
    #[error("the certificates in `{path}` can't be read: {reason}")]
    Certificates {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The HTTP client could not be made: a proxy in the environment that is no URL, no system certificates.
    #[error("no HTTP client can be made: {0}")]
    Client(#[source] reqwest::Error),
}

/// Why something did not work.
#[derive(Debug)]
enum Failure {
    /// It is said in the seam's words already.
    Said(GitError),
    /// libgit2 said it of its own objects.
    Git(git2::Error),
    /// A server did not keep to the protocol, or its answer ended early.
    Exchange(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let reason = error.to_string();
        match error.into_inner().map(|inner| inner.downcast::<GitError>()) {
            Some(Ok(error)) => Self::Said(*error),
            _ => Self::Exchange(reason),
        }
    }
}

impl From<GitError> for Failure {
    fn from(error: GitError) -> Self {
        Self::Said(error)
    }
}

impl From<git2::Error> for Failure {
    fn from(error: git2::Error) -> Self {
        Self::Git(error)
    }
}

/// One repository. It is used by one call at a time; the others wait.
#[derive(Clone)]
pub struct Repository {
    url: String,
    signer: Option<Arc<Signer>>,
    backend: Arc<Mutex<Backend>>,
}

enum Backend {
    Local(local::Local),
    Remote(Box<remote::Remote>),
}

impl Repository {
    /// Checks the settings and makes the cache's directory; nobody is called.
    pub fn open(settings: Settings) -> Result<Self, OpenError> {
        // As Git itself, which checks names when objects come in and not each time they are read.
        git2::opts::strict_hash_verification(false);
        let url = RepositoryUrl::parse(&settings.url)?;
        if url.scheme == Scheme::Ssh && settings.credentials.is_none() {
            return Err(OpenError::Ssh(url.to_string()));
        }
        let url = url.over_https();
        let backend = match url.scheme {
            Scheme::Local => Backend::Local(local::Local::open(Path::new(&url.path), settings.largest_file)?),
            Scheme::Https | Scheme::Http | Scheme::Ssh => {
                Backend::Remote(Box::new(remote::Remote::open(&url, &settings)?))
            }
        };
        Ok(Self { url: url.to_string(), signer: settings.signer, backend: Arc::new(Mutex::new(backend)) })
    }

    /// Where it is, without credentials.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Runs blocking work where it may block. It goes on to its end even if nobody waits for it any more, and until then
    /// nobody else touches the repository.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Backend) -> Result<T, GitError> + Send + 'static,
    ) -> Result<T, GitError> {
        let mut backend = Arc::clone(&self.backend).lock_owned().await;
        match tokio::task::spawn_blocking(move || work(&mut backend)).await {
            Ok(result) => result,
            Err(stopped) => {
                let reason = format!("the work was stopped: {stopped}");
                Err(GitError::Unavailable { url: self.url.clone(), reason, wait: None })
            }
        }
    }

    fn oid(&self, commit: &CommitId) -> Result<Oid, GitError> {
        Oid::from_str(&commit.0).map_err(|_| GitError::Refused {
            url: self.url.clone(),
            reason: format!("`{commit}` is not the id of a commit: 40 hexadecimal digits"),
        })
    }

    /// `refs/heads/<branch>`, if that is a name Git allows: nothing else may become part of a refspec.
    fn reference(&self, branch: &str) -> Result<String, GitError> {
        let name = format!("refs/heads/{branch}");
        if git2::Reference::is_valid_name(&name) {
            return Ok(name);
        }
        Err(GitError::Refused { url: self.url.clone(), reason: format!("`{branch}` is no valid name of a branch") })
    }
}

#[async_trait]
impl GitRepository for Repository {
    async fn head(&self, branch: &str) -> Result<Option<CommitId>, GitError> {
        let name = self.reference(branch)?;
        let head = self.run(move |backend| match backend {
            Backend::Local(local) => local.head(&name),
            Backend::Remote(remote) => remote.head(&name),
        });
        Ok(head.await?.map(|id| CommitId(id.to_string())))
    }

    async fn contains(&self, branch: &str, commit: &CommitId) -> Result<bool, GitError> {
        let (name, commit) = (self.reference(branch)?, self.oid(commit)?);
        self.run(move |backend| match backend {
            Backend::Local(local) => local.contains(&name, commit),
            Backend::Remote(remote) => Ok(remote.head(&name)? == Some(commit)),
        })
        .await
    }

    async fn snapshot(&self, branch: &str, wanted: &Wanted) -> Result<Snapshot, GitError> {
        let name = self.reference(branch)?;
        let wanted = wanted.clone();
        let found = self.run(move |backend| match backend {
            Backend::Local(local) => local.snapshot(&name, &wanted),
            Backend::Remote(remote) => remote.snapshot(&name, &wanted),
        });
        found.await?.ok_or_else(|| GitError::MissingBranch { branch: branch.into(), url: self.url.clone() })
    }

    async fn read(&self, commit: &CommitId, paths: &BTreeSet<String>) -> Result<Vec<File>, GitError> {
        let commit = self.oid(commit)?;
        let paths = paths.clone();
        self.run(move |backend| match backend {
            Backend::Local(local) => local.read(commit, &paths),
            Backend::Remote(remote) => remote.read(commit, &paths),
        })
        .await
    }

    async fn commit(&self, commit: &NewCommit) -> Result<CommitId, GitError> {
        let parent = self.oid(&commit.parent)?;
        let (commit, signer) = (commit.clone(), self.signer.clone());
        let made = self.run(move |backend| match backend {
            Backend::Local(local) => local.commit(parent, &commit, signer.as_deref()),
            Backend::Remote(remote) => remote.commit(parent, &commit, signer.as_deref()),
        });
        Ok(CommitId(made.await?.to_string()))
    }

    async fn push(&self, branch: &str, commit: &CommitId, expected: Option<&CommitId>) -> Result<(), GitError> {
        let name = self.reference(branch)?;
        let commit = self.oid(commit)?;
        let expected = expected.map(|expected| self.oid(expected)).transpose()?;
        self.run(move |backend| match backend {
            Backend::Local(local) => local.push(&name, commit, expected),
            Backend::Remote(remote) => remote.push(&name, commit, expected),
        })
        .await
    }
}

/// `refs/heads/main` as people say it.
fn branch_of(name: &str) -> &str {
    name.strip_prefix("refs/heads/").unwrap_or(name)
}

/// The branch is somewhere else.
fn moved(name: &str, found: Option<Oid>, expected: Option<Oid>) -> GitError {
    let short = |id: Oid| id.to_string().chars().take(7).collect::<String>();
    let found = found.map_or_else(|| "it does not exist".to_owned(), |id| format!("it is at {}", short(id)));
    let expected = expected.map_or_else(|| "expected none".to_owned(), |id| format!("expected it at {}", short(id)));
    GitError::Moved { branch: branch_of(name).to_owned(), reason: format!("{found}, {expected}") }
}
