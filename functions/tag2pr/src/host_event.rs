//! What a Git host's own webhook says: that a pull request ended, that somebody commented, that a branch moved.
//!
//! None of it is believed further than that the repository is worth a look: `propose` reads the truth from the host. The
//! body never chooses which repository that is. Each host has a file, with the document that it follows.

mod azure_devops;
mod bitbucket;
mod bitbucket_data_center;
mod gitea;
mod github;
mod gitlab;

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::HeaderMap;
use ring::hmac;
use serde::Serialize;
use serde_json::Value;

use crate::seams::RepositoryId;
use crate::secret::Secret;

/// What sends webhooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Forge {
    /// Azure DevOps.
    AzureDevops,
    /// Bitbucket Cloud.
    Bitbucket,
    /// Bitbucket Data Center.
    BitbucketDataCenter,
    /// Gitea and Forgejo.
    Gitea,
    /// GitHub.
    Github,
    /// GitLab.
    Gitlab,
}

impl Forge {
    const ALL: [Self; 6] =
        [Self::AzureDevops, Self::BitbucketDataCenter, Self::Bitbucket, Self::Gitea, Self::Github, Self::Gitlab];

    fn decode(self, headers: &HeaderMap, body: &Value) -> Option<HostEvent> {
        match self {
            Self::AzureDevops => azure_devops::decode(body),
            Self::Bitbucket => bitbucket::decode(headers, body),
            Self::BitbucketDataCenter => bitbucket_data_center::decode(headers, body),
            Self::Gitea => gitea::decode(headers, body),
            Self::Github => github::decode(headers, body),
            Self::Gitlab => gitlab::decode(headers, body),
        }
    }

    /// Whether a request proves to be from the host: with a signature of its body where the host makes one, else with the
    /// secret itself. Without a secret nothing does.
    pub fn authenticates(self, headers: &HeaderMap, body: &[u8], secrets: &[Secret]) -> bool {
        let fits: &dyn Fn(&Secret) -> bool = match self {
            Self::AzureDevops => &|secret| password(headers).is_some_and(|password| secret.matches(&password)),
            Self::Bitbucket | Self::BitbucketDataCenter => &|secret| signed(headers, "x-hub-signature", body, secret),
            Self::Gitea => &|secret| signed(headers, "x-gitea-signature", body, secret),
            Self::Github => &|secret| signed(headers, "x-hub-signature-256", body, secret),
            Self::Gitlab => &|secret| header(headers, "x-gitlab-token").is_some_and(|it| secret.matches(it.as_bytes())),
        };
        // Every secret is looked at, so that the time tells nothing of which one it was.
        secrets.iter().filter(|secret| !secret.is_empty()).fold(false, |known, secret| known | fits(secret))
    }
}

impl fmt::Display for Forge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AzureDevops => "azure-devops",
            Self::Bitbucket => "bitbucket",
            Self::BitbucketDataCenter => "bitbucket-data-center",
            Self::Gitea => "gitea",
            Self::Github => "github",
            Self::Gitlab => "gitlab",
        })
    }
}

/// What a webhook says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostEvent {
    /// The repository that it is about, as the host names it: `acme/fleet`.
    pub repository: Option<String>,
    /// What happened.
    #[serde(flatten)]
    pub happened: Happened,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Happened {
    /// A pull request was merged, closed or opened again.
    PullRequest {
        /// Its number.
        number: u64,
        /// What became of it, in the host's word.
        action: String,
    },
    /// Somebody wrote under a pull request.
    Comment {
        /// Its number.
        number: u64,
    },
    /// Branches moved.
    Push {
        /// Which.
        branches: Vec<String>,
    },
    /// Something that is of no interest here, in the host's word.
    Other {
        /// `ping`
        name: String,
    },
}

impl HostEvent {
    fn new(repository: Option<&str>, happened: Happened) -> Self {
        Self { repository: repository.map(str::to_owned), happened }
    }

    /// Why it is of no interest to proposals against this base of this repository; nothing if it is.
    pub fn ignored(&self, here: &RepositoryId) -> Option<String> {
        if let Some(named) = &self.repository
            && !is_named(here, named)
        {
            return Some("it is about another repository".to_owned());
        }
        match &self.happened {
            Happened::PullRequest { .. } | Happened::Comment { .. } => None,
            Happened::Push { branches } if branches.contains(&here.base) => None,
            // Somebody may have committed to the branch of a proposal.
            Happened::Push { branches } if branches.iter().any(|branch| branch.starts_with("tag2pr/")) => None,
            Happened::Push { .. } => Some(format!("it is a push to another branch than `{}`", here.base)),
            Happened::Other { name } => Some(format!("`{}` is of no interest", shown(name))),
        }
    }
}

impl fmt::Display for HostEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.happened {
            Happened::PullRequest { number, action } => write!(f, "pull request #{number}: {}", shown(action)),
            Happened::Comment { number } => write!(f, "a comment under pull request #{number}"),
            Happened::Push { branches } if branches.is_empty() => f.write_str("a push to no branch"),
            Happened::Push { branches } => write!(f, "a push to {}", shown(&branches.join(", "))),
            Happened::Other { name } => write!(f, "{}", shown(name)),
        }
    }
}

/// Whether a repository's path ends with this name, segment by segment.
fn is_named(here: &RepositoryId, named: &str) -> bool {
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().to_lowercase();
    let here = decoded(&here.path);
    let here = here.strip_suffix(".git").unwrap_or(&here);
    let named = named.to_lowercase();
    here == named || here.strip_suffix(&named).is_some_and(|rest| rest.ends_with('/'))
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}

/// Reads what a host sent.
///
/// # Errors
///
/// What of it cannot be read.
pub fn decode(forge: Forge, headers: &HeaderMap, body: &[u8]) -> Result<HostEvent, String> {
    let body: Value = serde_json::from_slice(body).map_err(|error| format!("the body is no JSON: {error}"))?;
    forge.decode(headers, &body).ok_or_else(|| format!("this is no webhook of {forge}"))
}

/// Tells by headers and body which host sent something, and what; nothing if no host did.
pub fn recognise(headers: &HeaderMap, body: &[u8]) -> Option<(Forge, HostEvent)> {
    let body: Value = serde_json::from_slice(body).ok()?;
    Forge::ALL.into_iter().find_map(|forge| {
        let event = forge.decode(headers, &body)?;
        let is_known = !matches!(event.happened, Happened::Other { .. });
        is_known.then_some((forge, event))
    })
}

// ------------------------------------------------------------------------------------------------ what they share

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut all = headers.get_all(name).iter();
    let only = all.next()?;
    // Of several none proves anything.
    all.next().is_none().then(|| only.to_str().ok())?
}

fn text<'a>(body: &'a Value, pointer: &str) -> Option<&'a str> {
    body.pointer(pointer)?.as_str()
}

fn number(body: &Value, pointer: &str) -> Option<u64> {
    body.pointer(pointer)?.as_u64()
}

fn other(repository: Option<&str>, name: &str) -> HostEvent {
    HostEvent::new(repository, Happened::Other { name: name.to_owned() })
}

/// `refs/heads/main` as people say it.
fn branch(reference: &str) -> Option<String> {
    reference.strip_prefix("refs/heads/").map(str::to_owned)
}

/// HMAC-SHA256 of the body in hexadecimal digits, with or without `sha256=` before it.
fn signed(headers: &HeaderMap, name: &str, body: &[u8], secret: &Secret) -> bool {
    let Some(value) = header(headers, name) else { return false };
    let digits = value.strip_prefix("sha256=").unwrap_or(value);
    let bytes: Option<Vec<u8>> = (0..digits.len())
        .step_by(2)
        .map(|at| digits.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok()))
        .collect();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    bytes.is_some_and(|bytes| hmac::verify(&key, body, &bytes).is_ok())
}

/// What stands behind the colon of a basic authentication.
fn password(headers: &HeaderMap) -> Option<Vec<u8>> {
    let basic = header(headers, "authorization")?.strip_prefix("Basic ")?;
    let decoded = BASE64_STANDARD.decode(basic).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    Some(decoded[colon + 1..].to_vec())
}

#[cfg(test)]
mod tests;
