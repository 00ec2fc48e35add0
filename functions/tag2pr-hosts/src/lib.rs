//! Pull requests, where they live: [`Github`], and [`Local`] for a repository without a forge.
//!
//! Each implements [`GitHost`] for one repository and passes `tag2pr::testing::conformance::host`. A further forge is
//! one more file, one more [`Kind`] and one more arm of [`connect`]; what they have in common is in `rest`.

mod github;
mod local;
mod rest;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use tag2pr::seams::{GitHost, GitRepository, Objects, RepositoryId};
use tag2pr::secret::Secret;
use url::Url;

pub use github::Github;
pub use local::Local;

/// Why there is no connection to a forge.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHost {
    /// The name of no forge.
    #[error("`{0}` is no kind of host; set `host:` to github or local")]
    Kind(String),
    /// An address that tells nothing of what runs there.
    #[error("cannot tell what kind of host `{0}` is; set `host:` to github or local")]
    Unknown(String),
    /// A path that cannot be a repository there.
    #[error("`{path}` is no repository at {host}; a path like `owner/name` is needed")]
    Path {
        /// The forge.
        host: String,
        /// What should have been a repository.
        path: String,
    },
    /// A host name from which no address can be made.
    #[error("`{0}` is no host name")]
    Name(String),
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
    /// github.com, GitHub Enterprise Cloud (`*.ghe.com`) and Server.
    Github,
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
            host if host.ends_with(".ghe.com") => Ok(Self::Github),
            host => Err(InvalidHost::Unknown(host.to_owned())),
        }
    }
}

impl FromStr for Kind {
    type Err = InvalidHost;

    /// Reads a `host:` of the configuration.
    fn from_str(text: &str) -> Result<Self, InvalidHost> {
        match text {
            "github" => Ok(Self::Github),
            "local" => Ok(Self::Local),
            _ => Err(InvalidHost::Kind(text.to_owned())),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Github => "github",
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
    /// Authenticates at the forge: a personal access token, or the installation token of an app.
    pub token: Option<Secret>,
    /// Where the forge's API is, if not where it is by default.
    pub api: Option<Url>,
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
    let token = || {
        let token = means.token.as_ref().filter(|token| !token.is_empty());
        token.ok_or_else(|| InvalidHost::Token { host: repository.host.clone() })
    };
    Ok(match kind {
        Kind::Github => Arc::new(Github::new(means.client.clone(), repository, token()?, means.api.as_ref())?),
        Kind::Local => {
            let (objects, git) = (Arc::clone(&means.objects), Arc::clone(&means.git));
            Arc::new(Local::new(repository.clone(), objects, git, &means.writer))
        }
    })
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
        insta::assert_snapshot!(
            at("git.acme.example:8443").unwrap_err(),
            @"cannot tell what kind of host `git.acme.example:8443` is; set `host:` to github or local"
        );
        for host in ["github.com.evil.example", "notgithub.com", "ghe.com.evil.example", ""] {
            assert!(at(host).is_err(), "{host}");
        }
    }

    #[test]
    fn the_kind_is_read_from_the_configuration() {
        for kind in [Kind::Github, Kind::Local] {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        insta::assert_snapshot!(
            "gihub".parse::<Kind>().unwrap_err(),
            @"`gihub` is no kind of host; set `host:` to github or local"
        );
    }
}
