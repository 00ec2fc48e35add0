//! Where a forge's API is, and what a repository is called there.

use percent_encoding::percent_decode_str;
use reqwest::header::HeaderValue;
use tag2pr::seams::RepositoryId;
use url::Url;

use crate::{InvalidHost, Kind};

/// Where a forge is, beside its name.
#[derive(Debug, Clone, Copy, Default)]
pub struct Address<'a> {
    /// Its API, if that is not where it is by default.
    pub api: Option<&'a Url>,
    /// Whether the repository's URL speaks plain HTTP: then the API does, too.
    pub plain_http: bool,
}

impl Address<'_> {
    /// The API that is given, or the one at this path of the host.
    pub(crate) fn api(&self, host: &str, path: &str) -> Result<Url, InvalidHost> {
        match self.api {
            Some(api) => Ok(api.clone()),
            None => self.at(host, path),
        }
    }

    /// An address at a host. A host with more in it than a name and a port must not lead elsewhere.
    pub(crate) fn at(&self, host: &str, path: &str) -> Result<Url, InvalidHost> {
        let invalid = || InvalidHost::Name(host.to_owned());
        if host.is_empty() || !host.chars().all(|c| c.is_ascii_alphanumeric() || "-._:[]".contains(c)) {
            return Err(invalid());
        }
        let scheme = if self.plain_http { "http" } else { "https" };
        Url::parse(&format!("{scheme}://{host}/{path}")).map_err(|_| invalid())
    }
}

/// A repository's path without `.git`, and without the path below which the whole forge is: the one in front of `end`
/// in the address of its API.
pub(crate) fn path_below(api: &Url, end: &str, path: &str) -> String {
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    let root = api.path().trim_matches('/');
    let root = root.strip_suffix(end).unwrap_or_default().trim_matches('/');
    let below = path.strip_prefix(root).and_then(|rest| rest.strip_prefix('/'));
    below.filter(|_| !root.is_empty()).unwrap_or(path).to_owned()
}

pub(crate) fn no_repository(repository: &RepositoryId, kind: Kind) -> InvalidHost {
    InvalidHost::Path { host: repository.host.clone(), path: repository.path.clone(), kind }
}

/// Whether every segment is a name.
pub(crate) fn is_path(path: &str) -> bool {
    path.split('/').all(is_name)
}

/// Whether this can be the name of an owner or a repository.
pub(crate) fn is_name(text: &str) -> bool {
    !matches!(text, "" | "." | "..") && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// A segment as it was before it became part of a URL, if it is still one segment then.
pub(crate) fn decoded(segment: &str) -> Option<String> {
    let text = percent_decode_str(segment).decode_utf8().ok()?.into_owned();
    let is_fine =
        !matches!(text.as_str(), "" | "." | "..") && !text.contains(['/', '\\']) && !text.contains(char::is_control);
    is_fine.then_some(text)
}

/// A header's value that no log shows.
pub(crate) fn secret(host: &str, text: &str) -> Result<HeaderValue, InvalidHost> {
    let mut value = HeaderValue::from_str(text).map_err(|_| InvalidHost::Token { host: host.to_owned() })?;
    value.set_sensitive(true);
    Ok(value)
}
