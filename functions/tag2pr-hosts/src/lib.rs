//! Pull requests, where they live: one file for each kind of forge, and [`Local`] for a repository without one.
//!
//! Each implements [`GitHost`] for one repository and passes `tag2pr::testing::conformance::host`. A further forge is
//! one more file, one more [`Kind`] and one more arm of [`connect`]; what they have in common is in `rest`, `about`,
//! `address` and `asked`.

mod about;
mod address;
mod asked;
mod azure_devops;
mod bitbucket;
mod bitbucket_data_center;
mod gitea;
mod github;
mod gitlab;
mod local;
mod rest;

use std::cmp::Reverse;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use reqwest::header::HeaderValue;
use tag2pr::host_event::Forge;
use tag2pr::seams::{GitHost, GitRepository, Objects, PullRequest, RepositoryId, Tokens};
use tag2pr::secret::Secret;
use url::Url;

pub use address::Address;
pub use azure_devops::AzureDevops;
pub use bitbucket::Bitbucket;
pub use bitbucket_data_center::BitbucketDataCenter;
pub use gitea::Gitea;
pub use github::{Github, GithubApp, GithubCommits};
pub use gitlab::Gitlab;
pub use local::Local;

/// Who we say that we are.
const USER: HeaderValue = HeaderValue::from_static(concat!("tag2pr/", env!("CARGO_PKG_VERSION")));

/// One that is opened while pages are read moves another to the next page, where it is seen again.
fn newest_first(mut pulls: Vec<PullRequest>) -> Vec<PullRequest> {
    pulls.sort_by_key(|pull| Reverse(pull.number));
    pulls.dedup_by_key(|pull| pull.number);
    pulls
}

/// Why there is no connection to a forge.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHost {
    /// The name of no forge.
    #[error(
        "`{0}` is no kind of host; set `host:` to azure-devops, bitbucket, bitbucket-data-center, forgejo, gitea, github, gitlab or local"
    )]
    Kind(String),
    /// An address that tells nothing of what runs there.
    #[error(
        "cannot tell what kind of host `{0}` is; set `host:` to azure-devops, bitbucket, bitbucket-data-center, forgejo, gitea, github, gitlab or local"
    )]
    Unknown(String),
    /// A path that cannot be a repository there.
    #[error("`{path}` is no repository at {host}; a path like {} is needed", kind.path())]
    Path {
        /// The forge.
        host: String,
        /// What should have been a repository.
        path: String,
        /// What runs there.
        kind: Kind,
    },
    /// A host name from which no address can be made.
    #[error("`{0}` is no host name")]
    Name(String),
    /// A forge that makes no commits for us.
    #[error("`commits: api` is for GitHub, and this is {0}: leave it out")]
    Commits(Kind),
    /// What should be the key of an app is none.
    #[error(
        "the `key` of the app for {host} is no RSA private key in PEM: give the file that GitHub gave when the key was made"
    )]
    Key {
        /// The forge.
        host: String,
    },
    /// There is no token, or one that no HTTP header can carry.
    #[error("{host} needs a token: set `credentials:` of this repository to one, without spaces or line breaks")]
    Token {
        /// The forge.
        host: String,
    },
}

/// What serves a repository's pull requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// dev.azure.com, visualstudio.com, and Azure DevOps Server.
    AzureDevops,
    /// bitbucket.org
    Bitbucket,
    /// A Bitbucket of one's own.
    BitbucketDataCenter,
    /// Gitea and Forgejo, which are the same as far as pull requests go.
    Gitea,
    /// github.com, GitHub Enterprise Cloud (`*.ghe.com`) and Server.
    Github,
    /// gitlab.com, and a GitLab of one's own.
    Gitlab,
    /// Nothing: they are objects in the store.
    Local,
}

impl Kind {
    /// Guesses from where a repository is.
    ///
    /// # Errors
    ///
    /// When the name of the host does not tell.
    pub fn of(repository: &RepositoryId) -> Result<Self, InvalidHost> {
        match repository.host.as_str() {
            "local" => Ok(Self::Local),
            "github.com" | "www.github.com" | "ssh.github.com" => Ok(Self::Github),
            "gitlab.com" | "altssh.gitlab.com" => Ok(Self::Gitlab),
            "codeberg.org" | "gitea.com" => Ok(Self::Gitea),
            "bitbucket.org" | "altssh.bitbucket.org" => Ok(Self::Bitbucket),
            "dev.azure.com" | "ssh.dev.azure.com" => Ok(Self::AzureDevops),
            host if host.ends_with(".ghe.com") => Ok(Self::Github),
            host if host.ends_with(".visualstudio.com") => Ok(Self::AzureDevops),
            host => Err(InvalidHost::Unknown(host.to_owned())),
        }
    }

    /// The user that goes with a token where Git asks for one.
    pub fn git_user(self) -> &'static str {
        match self {
            Self::Github => "x-access-token",
            Self::Gitlab | Self::Gitea => "oauth2",
            Self::Bitbucket | Self::BitbucketDataCenter => "x-token-auth",
            Self::AzureDevops | Self::Local => "git",
        }
    }

    /// What its webhooks speak; nothing where nobody sends any.
    pub fn forge(self) -> Option<Forge> {
        match self {
            Self::AzureDevops => Some(Forge::AzureDevops),
            Self::Bitbucket => Some(Forge::Bitbucket),
            Self::BitbucketDataCenter => Some(Forge::BitbucketDataCenter),
            Self::Gitea => Some(Forge::Gitea),
            Self::Github => Some(Forge::Github),
            Self::Gitlab => Some(Forge::Gitlab),
            Self::Local => None,
        }
    }

    /// What a path of a repository looks like there.
    fn path(self) -> &'static str {
        match self {
            Self::Github | Self::Gitea | Self::Local => "`owner/name`",
            Self::Gitlab => "`group/project`",
            Self::Bitbucket => "`workspace/name`",
            Self::BitbucketDataCenter => "`scm/PROJECT/name`",
            Self::AzureDevops => "`organisation/project/_git/name`",
        }
    }
}

impl FromStr for Kind {
    type Err = InvalidHost;

    /// Reads a `host:` of the configuration.
    fn from_str(text: &str) -> Result<Self, InvalidHost> {
        match text {
            "azure-devops" => Ok(Self::AzureDevops),
            "bitbucket" => Ok(Self::Bitbucket),
            "bitbucket-data-center" => Ok(Self::BitbucketDataCenter),
            "gitea" | "forgejo" => Ok(Self::Gitea),
            "github" => Ok(Self::Github),
            "gitlab" => Ok(Self::Gitlab),
            "local" => Ok(Self::Local),
            _ => Err(InvalidHost::Kind(text.to_owned())),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AzureDevops => "azure-devops",
            Self::Bitbucket => "bitbucket",
            Self::BitbucketDataCenter => "bitbucket-data-center",
            Self::Gitea => "gitea",
            Self::Github => "github",
            Self::Gitlab => "gitlab",
            Self::Local => "local",
        })
    }
}

/// What the adapters work with; each takes what it needs.
#[derive(Clone)]
pub struct Means {
    /// For all requests to forges. It should follow no redirects: forges are not meant to send us elsewhere, and an
    /// answer from elsewhere is refused.
    pub client: reqwest::Client,
    /// Authenticates at the forge.
    pub token: Option<Secret>,
    /// Does so in place of the token, where that is another from time to time.
    pub tokens: Option<Arc<dyn Tokens>>,
    /// Whose token it is, where the forge wants to know.
    pub user: Option<String>,
    /// Where the forge's API is, if not where it is by default.
    pub api: Option<Url>,
    /// Whether the repository's URL speaks plain HTTP.
    pub plain_http: bool,
    /// Holds the pull requests of a repository without a forge.
    pub objects: Arc<dyn Objects>,
    /// The repository itself.
    pub git: Arc<dyn GitRepository>,
    /// Names this process and what it does now, in what it writes to the store.
    pub writer: String,
}

/// The forge's side of one repository. Nothing is asked of it yet.
///
/// # Errors
///
/// When the repository's name or the token cannot be right.
pub fn connect(kind: Kind, repository: &RepositoryId, means: &Means) -> Result<Arc<dyn GitHost>, InvalidHost> {
    let token = || token(repository, means);
    let client = || means.client.clone();
    let at = Address { api: means.api.as_ref(), plain_http: means.plain_http };
    Ok(match kind {
        Kind::AzureDevops => Arc::new(AzureDevops::new(client(), repository, token()?, &at)?),
        Kind::Bitbucket => Arc::new(Bitbucket::new(client(), repository, means.user.as_deref(), token()?, &at)?),
        Kind::BitbucketDataCenter => Arc::new(BitbucketDataCenter::new(client(), repository, token()?, &at)?),
        Kind::Gitea => Arc::new(Gitea::new(client(), repository, token()?, &at)?),
        Kind::Github => Arc::new(github(repository, means)?),
        Kind::Gitlab => Arc::new(Gitlab::new(client(), repository, token()?, &at)?),
        Kind::Local => {
            let (objects, git) = (Arc::clone(&means.objects), Arc::clone(&means.git));
            Arc::new(Local::new(repository.clone(), objects, git, &means.writer))
        }
    })
}

/// The repository of `means`, with its commits made by the forge itself. Nothing is asked of it yet.
///
/// # Errors
///
/// When the forge makes no commits for us, or those of [`connect`].
pub fn commits(kind: Kind, repository: &RepositoryId, means: &Means) -> Result<Arc<dyn GitRepository>, InvalidHost> {
    if kind != Kind::Github {
        return Err(InvalidHost::Commits(kind));
    }
    let (git, objects) = (Arc::clone(&means.git), Arc::clone(&means.objects));
    Ok(Arc::new(GithubCommits::new(github(repository, means)?, git, objects, repository, &means.writer)))
}

fn github(repository: &RepositoryId, means: &Means) -> Result<Github, InvalidHost> {
    let tokens: Arc<dyn Tokens> = match &means.tokens {
        Some(tokens) => Arc::clone(tokens),
        None => {
            let token = token(repository, means)?;
            address::secret(&repository.host, token.expose())?;
            Arc::new(token.clone())
        }
    };
    let at = Address { api: means.api.as_ref(), plain_http: means.plain_http };
    Github::new(means.client.clone(), repository, tokens, &at)
}

fn token<'a>(repository: &RepositoryId, means: &'a Means) -> Result<&'a Secret, InvalidHost> {
    let token = means.token.as_ref().filter(|token| !token.is_empty());
    token.ok_or_else(|| InvalidHost::Token { host: repository.host.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(host: &str) -> Result<Kind, InvalidHost> {
        Kind::of(&RepositoryId { host: host.to_owned(), path: "acme/fleet".to_owned(), base: "main".to_owned() })
    }

    #[test]
    fn the_kind_is_known_from_the_host_where_it_can_be() {
        assert_eq!(at("local"), Ok(Kind::Local));
        assert_eq!(at("github.com"), Ok(Kind::Github));
        assert_eq!(at("octocorp.ghe.com"), Ok(Kind::Github));
        assert_eq!(at("gitlab.com"), Ok(Kind::Gitlab));
        assert_eq!(at("codeberg.org"), Ok(Kind::Gitea));
        assert_eq!(at("bitbucket.org"), Ok(Kind::Bitbucket));
        assert_eq!(at("dev.azure.com"), Ok(Kind::AzureDevops));
        assert_eq!(at("acme.visualstudio.com"), Ok(Kind::AzureDevops));
        insta::assert_snapshot!(
            at("git.acme.example:8443").unwrap_err(),
            @"cannot tell what kind of host `git.acme.example:8443` is; set `host:` to azure-devops, bitbucket, bitbucket-data-center, forgejo, gitea, github, gitlab or local"
        );
        for host in ["github.com.evil.example", "notgithub.com", "ghe.com.evil.example", ""] {
            assert!(at(host).is_err(), "{host}");
        }
    }

    #[test]
    fn the_kind_is_read_from_the_configuration() {
        let all = [
            Kind::AzureDevops,
            Kind::Bitbucket,
            Kind::BitbucketDataCenter,
            Kind::Gitea,
            Kind::Github,
            Kind::Gitlab,
            Kind::Local,
        ];
        for kind in all {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        assert_eq!("forgejo".parse(), Ok(Kind::Gitea));
        insta::assert_snapshot!(
            "gihub".parse::<Kind>().unwrap_err(),
            @"`gihub` is no kind of host; set `host:` to azure-devops, bitbucket, bitbucket-data-center, forgejo, gitea, github, gitlab or local"
        );
    }
}
