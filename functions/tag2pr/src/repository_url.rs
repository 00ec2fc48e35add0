//! Where a Git repository is: the spellings that Git understands, brought to one.
//!
//! The forms are those of [git-clone](https://git-scm.com/docs/git-clone#_git_urls):
//! `https://`, `http://`, `ssh://`, `user@host:path` (scp-like), `file://`, and a path on this disk.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One base branch of one manifests repository.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RepositoryId {
    /// `github.com`; `local` for a repository on this disk.
    pub host: String,
    /// `acme/fleet`
    pub path: String,
    /// The branch that proposals are made against: `main`.
    pub base: String,
}

impl fmt::Display for RepositoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}", self.host, self.path.trim_start_matches('/'), self.base)
    }
}

/// How a repository is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `https://`
    Https,
    /// `http://`
    Http,
    /// `ssh://`, or the scp-like `git@host:path`.
    Ssh,
    /// `file://`, or a path: on this disk.
    Local,
}

/// The URL of a repository in parts, without credentials. Its `Display` is a URL (or a path) that Git accepts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RepositoryUrl {
    /// How it is reached.
    pub scheme: Scheme,
    /// Lower-case; empty for a local repository.
    pub host: String,
    /// Only if it is not the scheme's own.
    pub port: Option<u16>,
    /// Without leading and trailing `/`, `.git` kept: some servers need it. The whole path for a local repository.
    pub path: String,
}

/// Why a text is no URL of a repository. The text itself is not repeated: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Git knows it, this product does not.
    #[error("`{0}://` is not supported: use https://, http:// or a path")]
    Scheme(String),
    /// Nothing between the scheme and the path.
    #[error("the repository's URL names no host")]
    Host,
    /// Not a number.
    #[error("`{0}` is no port")]
    Port(String),
    /// Nothing behind the host.
    #[error("the repository's URL names no path")]
    Path,
}

impl RepositoryUrl {
    /// Takes a URL or path apart. A user and a password in it are dropped.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let text = text.trim();
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => match scheme.to_ascii_lowercase().as_str() {
                "https" | "git+https" => (Scheme::Https, rest),
                "http" | "git+http" => (Scheme::Http, rest),
                "ssh" | "git+ssh" => (Scheme::Ssh, rest),
                "file" => return Self::local(rest),
                _ => return Err(UrlError::Scheme(scheme.to_owned())),
            },
            None => match scp_like(text) {
                Some((host, path)) => return Self::remote(Scheme::Ssh, host, path),
                None => return Self::local(text),
            },
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let path = path.split(['?', '#']).next().unwrap_or_default();
        Self::remote(scheme, authority, path)
    }

    fn remote(scheme: Scheme, authority: &str, path: &str) -> Result<Self, UrlError> {
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let (host, port) = match authority.rsplit_once(':') {
            // `[::1]` has colons of its own.
            Some((host, port)) if !port.ends_with(']') => (host, port),
            _ => (authority, ""),
        };
        let port = match port {
            "" => None,
            port => Some(port.parse::<u16>().map_err(|_| UrlError::Port(port.to_owned()))?),
        };
        let own = match scheme {
            Scheme::Https => 443,
            Scheme::Http => 80,
            Scheme::Ssh => 22,
            Scheme::Local => 0,
        };
        let path = path.trim_matches(|c: char| c == '/' || c.is_whitespace());
        // Only an IPv6 address has colons of its own, and it stands in brackets.
        let bracketed = host.starts_with('[') && host.ends_with(']');
        if host.is_empty() || (host.contains(':') && !bracketed) {
            return Err(UrlError::Host);
        }
        if path.is_empty() {
            return Err(UrlError::Path);
        }
        let host = host.to_ascii_lowercase();
        Ok(Self { scheme, host, port: port.filter(|port| *port != own), path: path.to_owned() })
    }

    fn local(path: &str) -> Result<Self, UrlError> {
        if path.is_empty() {
            return Err(UrlError::Path);
        }
        let absolute = path.starts_with('/');
        let mut segments: Vec<&str> = Vec::new();
        for segment in path.split('/') {
            match segment {
                "" | "." => {}
                ".." if segments.last().is_some_and(|last| *last != "..") => drop(segments.pop()),
                ".." if absolute => {}
                segment => segments.push(segment),
            }
        }
        let path = format!("{}{}", if absolute { "/" } else { "" }, segments.join("/"));
        let path = if path.is_empty() { ".".to_owned() } else { path };
        Ok(Self { scheme: Scheme::Local, host: String::new(), port: None, path })
    }

    /// The same repository over HTTPS, where that is how it has to be reached: for [`Scheme::Ssh`]. The port of the SSH
    /// server says nothing of the web's and is dropped.
    pub fn over_https(&self) -> Self {
        match self.scheme {
            Scheme::Ssh => Self { scheme: Scheme::Https, port: None, ..self.clone() },
            Scheme::Https | Scheme::Http | Scheme::Local => self.clone(),
        }
    }

    /// Whether two URLs mean the same repository. Ports count only where both sides speak HTTP: the SSH server of a
    /// host has a port of its own.
    pub fn matches(&self, other: &Self) -> bool {
        let ssh = self.scheme == Scheme::Ssh || other.scheme == Scheme::Ssh;
        self.is_local() == other.is_local()
            && self.host == other.host
            && (ssh || self.port == other.port)
            && self.bare_path() == other.bare_path()
    }

    /// The identity of one of its branches as a base for proposals: `host` or `host:port`; `local` for this disk, where
    /// the path has to be absolute to identify anything.
    pub fn identify(&self, base: &str) -> RepositoryId {
        let host = match (self.scheme, self.port) {
            (Scheme::Local, _) => "local".to_owned(),
            (Scheme::Https | Scheme::Http, Some(port)) => format!("{}:{port}", self.host),
            (Scheme::Https | Scheme::Http, None) | (Scheme::Ssh, _) => self.host.clone(),
        };
        RepositoryId { host, path: self.bare_path().to_owned(), base: base.to_owned() }
    }

    fn is_local(&self) -> bool {
        self.scheme == Scheme::Local
    }

    /// `/srv/fleet.git` and `/srv/fleet/.git` are `/srv/fleet`.
    fn bare_path(&self) -> &str {
        let path = self.path.strip_suffix("/.git").or_else(|| self.path.strip_suffix(".git"));
        path.filter(|path| !path.is_empty()).unwrap_or(&self.path)
    }
}

/// The identity of the repository at this URL, for proposals against this branch: see [`RepositoryUrl::identify`].
pub fn identify(url: &str, base: &str) -> Result<RepositoryId, UrlError> {
    Ok(RepositoryUrl::parse(url)?.identify(base))
}

impl fmt::Display for RepositoryUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Https => "https",
            Scheme::Http => "http",
            Scheme::Ssh => "ssh",
            Scheme::Local => return f.write_str(&self.path),
        };
        match self.port {
            Some(port) => write!(f, "{scheme}://{}:{port}/{}", self.host, self.path),
            None => write!(f, "{scheme}://{}/{}", self.host, self.path),
        }
    }
}

/// `git@host:path`: a colon before the first slash. A single letter before it is a drive, as Git has it on Windows.
fn scp_like(text: &str) -> Option<(&str, &str)> {
    // `[::1]:path`
    let from = text.find(']').unwrap_or(0);
    let colon = from + text.get(from..)?.find(':')?;
    let (host, path) = (text.get(..colon)?, text.get(colon + 1..)?);
    (host.len() > 1 && !host.contains('/') && !path.is_empty()).then_some((host, path))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(url: &str) -> String {
        identify(url, "main").map_or_else(|error| error.to_string(), |id| id.to_string())
    }

    #[test]
    fn every_spelling_of_a_repository_is_one_identity() {
        for url in [
            "https://github.com/acme/fleet",
            "https://github.com/acme/fleet.git",
            "https://github.com/acme/fleet.git/",
            "https://GitHub.com:443/acme/fleet/",
            "http://github.com:80/acme/fleet",
            "https://bot:s3cret@github.com/acme/fleet",
            "https://bot@github.com/acme/fleet?x#y",
            "ssh://git@github.com/acme/fleet.git",
            "ssh://git@github.com:22/acme/fleet",
            "ssh://git@github.com:2222/acme/fleet",
            "git@github.com:acme/fleet.git",
            "git@github.com:/acme/fleet",
            "github.com:acme/fleet",
            "  https://github.com/acme/fleet\n",
        ] {
            assert_eq!(id(url), "github.com/acme/fleet@main", "{url}");
        }
    }

    #[test]
    fn a_port_of_the_web_is_part_of_the_identity() {
        assert_eq!(id("http://gitea.lan:3000/acme/fleet.git"), "gitea.lan:3000/acme/fleet@main");
        assert_eq!(id("http://[::1]:3000/acme/fleet.git"), "[::1]:3000/acme/fleet@main");
        assert_eq!(id("http://[::1]/acme/fleet.git"), "[::1]/acme/fleet@main");
    }

    #[test]
    fn paths_on_this_disk_are_local() {
        for path in
            ["/srv/git/fleet.git", "file:///srv/git/fleet.git", "/srv//git/./x/../fleet", "/srv/git/fleet/.git/"]
        {
            assert_eq!(identify(path, "main").unwrap().host, "local");
            assert_eq!(identify(path, "main").unwrap().path, "/srv/git/fleet", "{path}");
        }
        assert_eq!(RepositoryUrl::parse("../fleet").unwrap().to_string(), "../fleet");
        assert_eq!(RepositoryUrl::parse("/../etc").unwrap().to_string(), "/etc");
        assert_eq!(RepositoryUrl::parse("./").unwrap().to_string(), ".");
    }

    #[test]
    fn what_cannot_be_a_repository_is_refused_without_repeating_the_password() {
        insta::assert_snapshot!(
            ["git://github.com/acme/fleet", "https://", "https://bot:s3cret@host:port/x", "https://github.com/", ""]
                .map(id)
                .join("\n"),
            @r"
        `git://` is not supported: use https://, http:// or a path
        the repository's URL names no host
        `port` is no port
        the repository's URL names no path
        the repository's URL names no path
        "
        );
    }

    #[test]
    fn an_ssh_url_matches_the_web_address_whatever_its_port() {
        let parse = |url| RepositoryUrl::parse(url).unwrap();
        let web = parse("http://gitea.lan:3000/acme/fleet.git");
        assert!(web.matches(&parse("ssh://git@gitea.lan:2222/acme/fleet")));
        assert!(web.matches(&parse("git@gitea.lan:acme/fleet.git")));
        assert!(!web.matches(&parse("http://gitea.lan:4000/acme/fleet")));
        assert!(!web.matches(&parse("git@gitea.lan:acme/fleet-2.git")));
        assert!(!web.matches(&parse("/acme/fleet")));
    }

    #[test]
    fn ssh_becomes_https_and_everything_else_stays() {
        let over_https = |url| RepositoryUrl::parse(url).unwrap().over_https().to_string();
        assert_eq!(over_https("git@github.com:acme/fleet.git"), "https://github.com/acme/fleet.git");
        assert_eq!(over_https("ssh://git@git.example.com:2222/acme/fleet"), "https://git.example.com/acme/fleet");
        assert_eq!(over_https("http://gitea.lan:3000/acme/fleet"), "http://gitea.lan:3000/acme/fleet");
        assert_eq!(over_https("/srv/fleet.git"), "/srv/fleet.git");
    }

    #[test]
    fn colons_alone_are_no_host() {
        assert_eq!(RepositoryUrl::parse("http://::/acme"), Err(UrlError::Host));
        assert!(RepositoryUrl::parse("http://[::1]:3000/acme/fleet").is_ok());
    }

    proptest! {
        #[test]
        fn any_text_is_taken_or_refused_and_what_is_taken_says_the_same_again(text in "(https?|ssh)://\\PC{0,40}") {
            if let Ok(url) = RepositoryUrl::parse(&text) && url.scheme != Scheme::Local {
                prop_assert_eq!(RepositoryUrl::parse(&url.to_string()), Ok(url));
            }
        }

        #[test]
        fn a_password_is_never_part_of_what_is_shown(password in "[a-z0-9:/]{8,20}") {
            let password = format!("pw{password}wp").replace('/', "%2F");
            let url = RepositoryUrl::parse(&format!("https://bot:{password}@github.com/acme/fleet")).unwrap();
            prop_assert_eq!(url.to_string(), "https://github.com/acme/fleet");
        }
    }
}
