//! Where an image was built from, as it says itself, and what changed there between two images.
//!
//! Images say it in [labels or annotations](https://github.com/opencontainers/image-spec/blob/v1.1.0/annotations.md).
//! Whoever builds an image writes there what they like: a link is made only from what is plain through and through.

mod repository;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use repository::Repository;

/// The label that names the source.
pub const SOURCE: &str = "org.opencontainers.image.source";
/// The label that names the revision of the source.
pub const REVISION: &str = "org.opencontainers.image.revision";

/// So many characters may a source have.
const LONGEST_SOURCE: usize = 300;
/// So many characters may a revision have.
const LONGEST_REVISION: usize = 100;

/// Where an image was built from, as it says itself: text from outside.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Origin {
    /// Where its source code is: `https://github.com/acme/web`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Which state of it: `1972e38a0b1c…`, the id of a commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}

impl Origin {
    /// What labels or annotations say. What is too long, not one line or not for everybody to see counts as not said.
    pub fn of(labels: &BTreeMap<String, String>) -> Self {
        Self {
            source: labels.get(SOURCE).and_then(|text| source(text)),
            revision: labels.get(REVISION).and_then(|text| line(text, LONGEST_REVISION)),
        }
    }

    /// What this says, and what the other one says where this says nothing.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { source: self.source.or(other.source), revision: self.revision.or(other.revision) }
    }

    /// What both say.
    #[must_use]
    pub fn and(self, other: &Self) -> Self {
        Self {
            source: self.source.filter(|source| other.source.as_ref() == Some(source)),
            revision: self.revision.filter(|revision| other.revision.as_ref() == Some(revision)),
        }
    }

    /// Whether it says both.
    pub fn is_whole(&self) -> bool {
        self.source.is_some() && self.revision.is_some()
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.source.is_none() && self.revision.is_none()
    }
}

/// What changed in the source from one image to the next, in pieces to show. All but the URL is text from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceChange {
    /// The repository as people read it, `acme/web` or `git.acme.com/team/web`; what is none, as it was written.
    pub source: Option<String>,
    /// What it was built from before and now.
    pub revisions: Revisions,
    /// Where a person sees the comparison, or the one commit if there is nothing to compare. Nothing in it is to be
    /// escaped, in Markdown neither.
    pub url: Option<String>,
}

/// What images were built from: commits with their first seven digits, everything else as it was said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Revisions {
    /// From one revision to another of the same source.
    Changed {
        /// What the image before was built from.
        from: String,
        /// What the new one is built from.
        to: String,
    },
    /// Both from this commit.
    Same(String),
    /// The new one from this: of the one before nothing is known that it could be compared with.
    New(String),
}

/// What changed in the source between an image and the one that follows it; `None` if the new one does not say what it
/// was built from.
pub fn compare(before: Option<&Origin>, after: &Origin) -> Option<SourceChange> {
    let new = Side::of(after);
    let revision = new.revision.as_ref()?;
    let old = before.map(Side::of);
    let commit = || Some(new.repository.as_ref()?.commit(revision.hash()?));
    let (revisions, url) = match old.as_ref().and_then(|old| Some((old, old.revision.as_ref()?))) {
        Some((_, known)) if known.is_same(revision) => (Revisions::Same(revision.short()), commit()),
        // A name that is still the same, such as `main` or `unknown`, says nothing of what it stands for.
        Some((old, known)) if known.text() != revision.text() && old.has_same_source(&new) => {
            let comparison = || Some(new.repository.as_ref()?.comparison(known.hash()?, revision.hash()?));
            (Revisions::Changed { from: known.short(), to: revision.short() }, comparison())
        }
        _ => (Revisions::New(revision.short()), commit()),
    };
    Some(SourceChange { source: new.name(), revisions, url })
}

/// One image's origin, read.
struct Side {
    source: Option<String>,
    repository: Option<Repository>,
    revision: Option<Revision>,
}

impl Side {
    fn of(origin: &Origin) -> Self {
        let source = origin.source.as_deref().and_then(source);
        let repository = source.as_deref().and_then(Repository::parse);
        let revision = origin.revision.as_deref().and_then(|text| line(text, LONGEST_REVISION)).map(Revision::of);
        Self { source, repository, revision }
    }

    fn has_same_source(&self, other: &Self) -> bool {
        match (&self.repository, &other.repository) {
            (Some(own), Some(other)) => own.is_same(other),
            _ => self.source == other.source,
        }
    }

    fn name(&self) -> Option<String> {
        self.repository.as_ref().map(Repository::name).or_else(|| self.source.clone())
    }
}

/// The id of a commit, whole or its first digits: 7 to 64 hexadecimal ones.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Hash(String);

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a revision is.
enum Revision {
    Commit(Hash),
    /// A tag, a branch, or whatever else. Tags move and names of branches even more so: a link would show something
    /// else tomorrow.
    Name(String),
}

impl Revision {
    fn of(text: String) -> Self {
        match (7..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            true => Self::Commit(Hash(text.to_ascii_lowercase())),
            false => Self::Name(text),
        }
    }

    /// Whether both are the same commit, one of them perhaps cut.
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Commit(Hash(own)), Self::Commit(Hash(other))) => own.starts_with(other) || other.starts_with(own),
            _ => false,
        }
    }

    fn hash(&self) -> Option<&Hash> {
        match self {
            Self::Commit(hash) => Some(hash),
            Self::Name(_) => None,
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Commit(Hash(text)) | Self::Name(text) => text,
        }
    }

    fn short(&self) -> String {
        match self {
            Self::Commit(Hash(text)) => text.get(..7).unwrap_or(text).to_owned(),
            Self::Name(text) => text.clone(),
        }
    }
}

/// A source that everybody may see: without whoever was logged in when it was cloned, and without a query, for a password
/// may stand there.
fn source(text: &str) -> Option<String> {
    let whole = line(text, LONGEST_SOURCE)?;
    let text = line(whole.split(['?', '#']).next()?, LONGEST_SOURCE)?;
    // Where nobody knows the pages, the query may be what names the repository.
    if whole.contains('?') && Repository::parse(&whole).is_none() {
        return None;
    }
    let (scheme, rest) = text.split_once("://").map_or((None, text.as_str()), |(scheme, rest)| (Some(scheme), rest));
    let Some((user, rest)) = rest.split_once('@') else { return Some(text) };
    let is_over_ssh = scheme.is_none_or(|scheme| scheme.to_ascii_lowercase().ends_with("ssh"));
    match scheme {
        _ if rest.contains('@') => None,
        _ if user == "git" && is_over_ssh => Some(text),
        // As Azure DevOps writes it: the organisation, who is nobody.
        Some("https") if rest.starts_with(&format!("dev.azure.com/{user}/")) => Some(format!("https://{rest}")),
        _ => None,
    }
}

/// One line of text that is no longer than this.
fn line(text: &str, longest: usize) -> Option<String> {
    let text = text.trim();
    let ends_lines = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let is_sane = !text.is_empty() && text.chars().count() <= longest && !text.chars().any(ends_lines);
    is_sane.then(|| text.to_owned())
}

#[cfg(test)]
mod tests;
