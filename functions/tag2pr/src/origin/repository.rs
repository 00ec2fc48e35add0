//! Where a repository is on the web: read from hostile text, and only where nothing is left to guess.

use super::Hash;

/// A repository that can be linked to: every part of it is plain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Repository {
    scheme: Scheme,
    /// With the port, if it is not the scheme's own; lower-case.
    host: String,
    /// From the root of the host, `/` between segments.
    path: String,
    forge: Forge,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Https,
    Http,
}

/// Whose pages they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Forge {
    /// Its repositories are two segments and its pages follow them: GitHub, Forgejo and Gitea.
    Pairs,
    /// Groups in groups, and pages behind `/-/`.
    GitLab,
    /// bitbucket.org
    Bitbucket,
    BitbucketDataCenter,
    AzureDevOps,
    /// Nobody knows: the pages are taken to be like GitHub's, as those of most are.
    Unknown,
}

/// A source as it was written, taken apart.
struct Address<'a> {
    scheme: Scheme,
    host: String,
    port: Option<u16>,
    path: &'a str,
}

/// Hosts whose name says nothing new to people.
const WELL_KNOWN: [&str; 5] = ["github.com", "gitlab.com", "bitbucket.org", "codeberg.org", "dev.azure.com"];

impl Repository {
    /// Reads a source; `None` if it is no repository, or one that is not safe to link.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.split('#').next()?;
        let (text, query) = text.split_once('?').map_or((text, None), |(text, query)| (text, Some(query)));
        let Address { scheme, host, port, path } = Address::parse(text)?;
        let mut segments: Vec<&str> = path.trim_end_matches('/').split('/').collect();
        if !segments.iter().all(|segment| is_plain(segment)) {
            return None;
        }
        let (host, forge) = place(host, &mut segments)?;
        // A query may be what names the repository where nobody knows the pages.
        if forge == Forge::Unknown && query.is_some() {
            return None;
        }
        if let Some(last) = segments.last_mut() {
            *last = last.strip_suffix(".git").unwrap_or(last);
        }
        if segments.len() < 2 || !segments.iter().all(|segment| is_plain(segment)) {
            return None;
        }
        let scheme = if is_well_known(&host) { Scheme::Https } else { scheme };
        let own = if scheme == Scheme::Https { 443 } else { 80 };
        let host = match port.filter(|port| *port != own && !is_well_known(&host)) {
            Some(port) => format!("{host}:{port}"),
            None => host,
        };
        Some(Self { scheme, host, path: segments.join("/"), forge })
    }

    /// As people read it: `acme/web`, `git.acme.com/team/web`.
    pub(super) fn name(&self) -> String {
        let is_marker = |segment: &&str| match self.forge {
            Forge::AzureDevOps => *segment == "_git",
            Forge::BitbucketDataCenter => matches!(*segment, "projects" | "repos"),
            _ => false,
        };
        let path: Vec<&str> = self.path.split('/').filter(|segment| !is_marker(segment)).collect();
        match is_well_known(&self.host) {
            true => path.join("/"),
            false => format!("{}/{}", self.host, path.join("/")),
        }
    }

    /// Whether both are the same repository, however it is reached and whichever way it is capitalised.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.host == other.host && self.path.eq_ignore_ascii_case(&other.path)
    }

    /// Where a person sees what is between two commits.
    pub(super) fn comparison(&self, old: &Hash, new: &Hash) -> String {
        let page = match self.forge {
            Forge::GitLab => format!("-/compare/{old}...{new}"),
            Forge::Bitbucket => format!("branches/compare/{new}%0D{old}"),
            Forge::BitbucketDataCenter => format!("compare/commits?targetBranch={old}&sourceBranch={new}"),
            Forge::AzureDevOps => format!("branchCompare?baseVersion=GC{old}&targetVersion=GC{new}"),
            Forge::Pairs | Forge::Unknown => format!("compare/{old}...{new}"),
        };
        self.page(&page)
    }

    /// Where a person sees one commit.
    pub(super) fn commit(&self, hash: &Hash) -> String {
        let page = match self.forge {
            Forge::GitLab => "-/commit",
            Forge::Bitbucket | Forge::BitbucketDataCenter => "commits",
            Forge::Pairs | Forge::AzureDevOps | Forge::Unknown => "commit",
        };
        self.page(&format!("{page}/{hash}"))
    }

    fn page(&self, page: &str) -> String {
        let scheme = match self.scheme {
            Scheme::Https => "https",
            Scheme::Http => "http",
        };
        format!("{scheme}://{}/{}/{page}", self.host, self.path)
    }
}

impl<'a> Address<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let Some((scheme, rest)) = text.split_once("://") else {
            // `git@host:path`
            let (host, path) = text.strip_prefix("git@")?.split_once(':')?;
            return Self::new(Scheme::Https, host, None, path.trim_start_matches('/'));
        };
        let (scheme, rest) = match scheme.to_ascii_lowercase().as_str() {
            "https" | "git+https" => (Scheme::Https, rest),
            "http" | "git+http" => (Scheme::Http, rest),
            "ssh" | "git+ssh" => {
                let (host, path) = rest.strip_prefix("git@").unwrap_or(rest).split_once('/')?;
                // The port of the SSH server says nothing of the web's.
                let host = host.split_once(':').map_or(Some(host), |(host, port)| number(port).map(|_| host))?;
                return Self::new(Scheme::Https, host, None, path);
            }
            _ => return None,
        };
        let (authority, path) = rest.split_once('/')?;
        match authority.split_once(':') {
            Some((host, port)) => Self::new(scheme, host, Some(number(port)?), path),
            None => Self::new(scheme, authority, None, path),
        }
    }

    fn new(scheme: Scheme, host: &str, port: Option<u16>, path: &'a str) -> Option<Self> {
        is_host(host).then(|| Self { scheme, host: host.to_ascii_lowercase(), port, path })
    }
}

/// Whose pages a host has, under which name, and what of a path is the repository; `None` if that is not clear.
fn place(host: String, segments: &mut Vec<&str>) -> Option<(String, Forge)> {
    if let Some(repository) = in_azure_devops(&host, segments) {
        let host = if host == "ssh.dev.azure.com" { "dev.azure.com".to_owned() } else { host };
        *segments = repository;
        return Some((host, Forge::AzureDevOps));
    }
    if let Some(repository) = in_bitbucket_data_center(&host, segments) {
        *segments = repository;
        return Some((host, Forge::BitbucketDataCenter));
    }
    let forge = match host.as_str() {
        "bitbucket.org" => Forge::Bitbucket,
        "github.com" | "codeberg.org" | "gitea.com" => Forge::Pairs,
        "gitlab.com" => Forge::GitLab,
        "dev.azure.com" | "ssh.dev.azure.com" => return None,
        host if host.starts_with("gitlab.") => Forge::GitLab,
        host if host.starts_with("github.") => Forge::Pairs,
        _ if segments.contains(&"-") => Forge::GitLab,
        _ => Forge::Unknown,
    };
    match forge {
        Forge::GitLab => segments.truncate(segments.iter().position(|segment| *segment == "-").unwrap_or(usize::MAX)),
        Forge::Pairs | Forge::Bitbucket => segments.truncate(2),
        _ => {}
    }
    Some((host, forge))
}

/// `org/project/_git/repository`, on any host; over SSH it is written as `v3/org/project/repository`.
fn in_azure_devops<'a>(host: &str, segments: &[&'a str]) -> Option<Vec<&'a str>> {
    if let ("ssh.dev.azure.com", ["v3", organisation, project, repository]) = (host, segments) {
        return Some(vec![organisation, project, "_git", repository]);
    }
    let marker = segments.iter().position(|segment| *segment == "_git")?;
    (marker > 0).then(|| segments.get(..=marker + 1).map(<[&str]>::to_vec))?
}

/// `projects/key/repos/repository`, on any host, below any path; in the URL to clone it is `scm/key/repository`, over
/// SSH `key/repository`.
fn in_bitbucket_data_center<'a>(host: &str, segments: &[&'a str]) -> Option<Vec<&'a str>> {
    let is_marked = |four: &[&str]| matches!(four, ["projects", _, "repos", _]);
    if let Some(at) = segments.windows(4).position(is_marked) {
        return segments.get(..at + 4).map(<[&str]>::to_vec);
    }
    match segments {
        ["scm", key, repository] | [key, repository] if host.starts_with("bitbucket.") && host != "bitbucket.org" => {
            Some(vec!["projects", key, "repos", repository])
        }
        _ => None,
    }
}

fn is_well_known(host: &str) -> bool {
    WELL_KNOWN.contains(&host)
}

fn is_host(text: &str) -> bool {
    let is_label = |label: &str| {
        let plain = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        plain && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

/// A segment that is itself in any URL.
fn is_plain(segment: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._~-".contains(&b);
    !matches!(segment, "" | "." | "..") && segment.bytes().all(plain)
}

/// A port; `parse` alone would take `+80`.
fn number(text: &str) -> Option<u16> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?.filter(|port| *port != 0)
}
