//! The pull request, complete, before anybody is asked to open it.
//!
//! A [`Proposal`] never depends on whether a pull request is already open: applying it is the business of
//! [`crate::flow`], which only adds what it takes the place of ([`Proposal::follow`]). The same bumps and changes make the
//! same proposal, byte for byte.

mod body;
pub mod markdown;
pub mod message;
pub mod name;

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::due::Settle;
use crate::frozen::Frozen;
use crate::image::{Digest, Tag};
use crate::markers::{Change, Part};
use crate::origin::SourceChange;
use crate::policy::PolicyName;
use crate::problem::Problem;
use crate::seams::{Asks, Author, File};
use markdown::plain;
use message::MessageTemplate;

/// One policy's new value, and everything that people want to know of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bump {
    /// The policy that selected it.
    pub policy: PolicyName,
    /// Where the policy stands: file and line.
    pub place: String,
    /// The image as the policy names it.
    pub image: String,
    /// The tags or values that stand in Git now.
    pub from: BTreeSet<String>,
    /// The tag that was selected.
    pub tag: String,
    /// Whether the tag stands in Git already, and only what it points at changes.
    pub moved: bool,
    /// What the registry says that it points at.
    pub digest: Option<Digest>,
    /// When it was pushed.
    pub pushed_at: Option<Timestamp>,
    /// Who pushed it, as the sender calls them.
    pub actor: Option<String>,
    /// The recorded delivery that brought it.
    pub delivery: Option<String>,
    /// Why this tag: one sentence each, in Markdown.
    pub why: Vec<String>,
    /// What the open pull request brought for this policy before, as people tell it from the new value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<String>,
    /// What changed in its source, as far as the images say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceChange>,
}

impl Bump {
    /// The new value as people tell it from the old one.
    fn to(&self) -> String {
        match &self.digest {
            Some(digest) if self.moved => format!("{}@{}", self.tag, digest.short()),
            _ => self.tag.clone(),
        }
    }

    /// What this value takes the place of in an open pull request that brings another one now.
    fn follows(&self, offered: &Value) -> Option<String> {
        let is_same = |digest: &Digest| self.digest.as_ref().is_none_or(|own| own == digest);
        match &offered.digest {
            _ if offered.tag.as_str() != self.tag => Some(offered.tag.to_string()),
            Some(digest) if !is_same(digest) => Some(format!("{}@{}", offered.tag, digest.short())),
            _ => offered.instead_of.clone(),
        }
    }
}

/// A change to the manifests repository as people will see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// `<namespace>.<automation>`, or `<namespace>.<automation>.<group>`
    pub name: String,
    /// `<namespace>.<automation>`
    pub automation: String,
    /// The branch that carries it.
    pub branch: String,
    /// Whether that is the base branch itself: there is no pull request then.
    pub is_direct: bool,
    /// One line.
    pub title: String,
    /// The commit's message, whole.
    pub message: String,
    /// The commit's author and committer.
    pub author: Author,
    /// The commit's time: that of the newest push in it, so that the same state makes the same commit.
    pub at: Timestamp,
    /// The files with their new bytes.
    pub files: Vec<File>,
    /// What changes, in the order of files and lines.
    pub changes: Vec<Change>,
    /// Why.
    pub bumps: Vec<Bump>,
    /// What is not in it although it was selected, because somebody does not want it.
    pub held: Vec<Held>,
    /// Whether the pull request is opened as one that is not ready yet.
    pub is_draft: bool,
    /// What the host is asked for when it is opened.
    pub asks: Asks,
    /// How long it waits for more pushes.
    pub settle: Option<Settle>,
    /// When it is opened as a draft that is marked ready afterwards.
    pub frozen: Vec<Frozen>,
    /// When the newest of its values was heard of.
    pub heard: Option<Timestamp>,
    /// What could not be done as the automation says.
    pub problems: Vec<Problem>,
}

impl Proposal {
    /// What people read under its title: Markdown.
    pub fn body(&self) -> String {
        body::body(self)
    }

    /// Lets it say what it takes the place of in a pull request that is open, and brings these values.
    pub fn follow(&mut self, offered: &[Value]) {
        for bump in &mut self.bumps {
            let before = offered.iter().find(|value| value.policy == bump.policy);
            bump.instead_of = before.and_then(|before| bump.follows(before));
        }
    }

    /// What it brings, as it is remembered.
    pub fn values(&self) -> Vec<Value> {
        self.bumps
            .iter()
            .filter_map(|bump| {
                let own = || self.changes.iter().filter(|change| change.setter.policy == bump.policy);
                Some(Value {
                    files: own().map(|change| change.file.clone()).collect(),
                    places: own().filter(|change| change.setter.part != Part::Name).count(),
                    policy: bump.policy.clone(),
                    image: bump.image.clone(),
                    tag: bump.tag.parse().ok()?,
                    digest: bump.digest.clone(),
                    instead_of: bump.instead_of.clone(),
                })
            })
            .collect()
    }
}

/// A policy's selected tag that is held.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Held {
    /// The policy.
    pub policy: PolicyName,
    /// The image as the policy names it.
    pub image: String,
    /// The tag.
    pub tag: String,
    /// Why it is held.
    pub reason: String,
}

/// One policy's proposed value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Value {
    /// The policy.
    pub policy: PolicyName,
    /// The image as the policy names it.
    pub image: String,
    /// The tag.
    pub tag: Tag,
    /// What it pointed at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The files that it is written to.
    #[serde(default)]
    pub files: BTreeSet<String>,
    /// In how many places of these files.
    #[serde(default)]
    pub places: usize,
    /// What its pull request brought in its place before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<String>,
}

/// How a pull request shall be, beside what is in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Its title, if it is not our own.
    pub title: Option<MessageTemplate>,
    /// Whether it is opened as one that is not ready yet.
    pub is_draft: bool,
    /// What the host is asked for.
    pub asks: Asks,
    /// How long it waits for more pushes; not at all if none.
    pub settle: Option<Settle>,
    /// When it is opened as a draft that is marked ready afterwards.
    pub frozen: Vec<Frozen>,
}

/// What a proposal is composed of.
#[derive(Debug)]
pub struct Parts {
    /// `<namespace>.<automation>`, or `<namespace>.<automation>.<group>`
    pub name: String,
    /// `<namespace>.<automation>`
    pub automation: String,
    /// The branch that carries it.
    pub branch: String,
    /// Whether that is the base branch itself.
    pub is_direct: bool,
    /// The commit's author and committer.
    pub author: Author,
    /// The commit's message, if the automation says how it shall be.
    pub message: Option<MessageTemplate>,
    /// How the pull request shall be.
    pub wishes: Wishes,
    /// One for each policy whose value changes.
    pub bumps: Vec<Bump>,
    /// What was selected and is held.
    pub held: Vec<Held>,
    /// What changes.
    pub changes: Vec<Change>,
    /// The files with their new bytes.
    pub files: Vec<File>,
    /// When the newest of its values was heard of.
    pub heard: Option<Timestamp>,
    /// The commit's time if no push has one.
    pub otherwise_at: Timestamp,
}

/// Writes the pull request; `None` if nothing changes.
pub fn compose(mut parts: Parts) -> Option<Proposal> {
    if parts.changes.is_empty() {
        return None;
    }
    parts.bumps.sort_by(|a, b| a.policy.cmp(&b.policy));
    parts.changes.sort();
    parts.held.sort();
    parts.held.dedup();
    let own = title(&parts);
    let (title, wrong) = message::title(&own, &parts);
    let (message, problem) = message::message(&own, &parts);
    Some(Proposal {
        message,
        at: parts.bumps.iter().filter_map(|bump| bump.pushed_at).max().unwrap_or(parts.otherwise_at),
        title,
        name: parts.name,
        automation: parts.automation,
        branch: parts.branch,
        is_direct: parts.is_direct,
        author: parts.author,
        files: parts.files,
        changes: parts.changes,
        bumps: parts.bumps,
        held: parts.held,
        is_draft: parts.wishes.is_draft,
        asks: parts.wishes.asks,
        settle: parts.wishes.settle,
        frozen: parts.wishes.frozen,
        heard: parts.heard,
        problems: problem.into_iter().chain(wrong).collect(),
    })
}

fn short(image: &str) -> &str {
    image.rsplit('/').next().unwrap_or(image)
}

fn title(parts: &Parts) -> String {
    let names: BTreeSet<&str> = parts.bumps.iter().map(|bump| short(&bump.image)).collect();
    let values: BTreeSet<String> = parts.bumps.iter().map(Bump::to).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    plain(&match (names.as_slice(), values.as_slice()) {
        ([one], [to]) => format!("Update {one} to {to}"),
        ([one], [first, second]) => format!("Update {one} to {first} and {second}"),
        ([one], values) => format!("Update {one} to {} tags", values.len()),
        ([one, two], _) => format!("Update {one} and {two}"),
        ([one, two, three], _) => format!("Update {one}, {two} and {three}"),
        ([one, two, rest @ ..], _) => format!("Update {one}, {two} and {} more images", rest.len()),
        ([], _) => "Update images".to_owned(),
    })
}

/// `2026-02-03 04:05 UTC`
pub fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markers::{Part, Setter};

    fn bump(policy: &str, image: &str, from: &str, tag: &str) -> Bump {
        Bump {
            policy: PolicyName { namespace: "apps".into(), name: policy.into() },
            place: "policies.yaml:1".into(),
            image: image.into(),
            from: BTreeSet::from([from.to_owned()]),
            tag: tag.into(),
            moved: false,
            digest: None,
            pushed_at: None,
            actor: None,
            delivery: None,
            why: Vec::new(),
            instead_of: None,
            source: None,
        }
    }

    fn proposal(bumps: Vec<Bump>) -> Proposal {
        let change = |bump: &Bump| Change {
            file: "web.yaml".into(),
            line: 7,
            old: format!("{}:{}", bump.image, bump.from.first().unwrap()),
            new: format!("{}:{}", bump.image, bump.tag),
            setter: Setter { policy: bump.policy.clone(), part: Part::Reference },
            object: None,
        };
        let parts = Parts {
            name: "apps.apps".into(),
            automation: "apps.apps".into(),
            branch: "tag2pr/apps.apps".into(),
            is_direct: false,
            author: Author { name: "tag2pr".into(), email: "tag2pr@example.org".into() },
            message: None,
            wishes: Wishes::default(),
            held: Vec::new(),
            changes: bumps.iter().map(change).collect(),
            bumps,
            files: Vec::new(),
            heard: None,
            otherwise_at: Timestamp::UNIX_EPOCH,
        };
        compose(parts).unwrap()
    }

    #[test]
    fn titles_name_images_and_not_too_many() {
        let web = || bump("web", "ghcr.io/acme/web", "1.0", "1.1");
        let other = |name: &str| bump(name, &format!("ghcr.io/acme/{name}"), "1", "2");
        let title = |bumps: Vec<Bump>| proposal(bumps).title;
        assert_eq!(title(vec![web()]), "Update web to 1.1");
        assert_eq!(title(vec![other("b"), web(), other("a")]), "Update a, b and web");
        assert_eq!(title(vec![other("d"), other("c"), other("b"), other("a")]), "Update a, b and 2 more images");
        let canary = bump("canary", "ghcr.io/acme/web", "1.1", "1.2-rc");
        assert_eq!(title(vec![web(), canary.clone()]), "Update web to 1.1 and 1.2-rc", "one image, two policies");
        assert_eq!(title(vec![canary, bump("edge", "quay.io/acme/web", "1.0", "1.1")]), "Update web to 1.1 and 1.2-rc");
    }

    #[test]
    fn a_tag_that_stays_is_told_by_its_digest() {
        let digest: Digest = format!("sha256:{}", "6cb7".repeat(16)).parse().unwrap();
        let moved =
            Bump { moved: true, digest: Some(digest), ..bump("web", "web", "main@sha256:8f54f5f991cd", "main") };
        let proposal = proposal(vec![moved]);
        assert_eq!(proposal.title, "Update web to main@sha256:6cb76cb76cb7");
        assert!(proposal.message.contains("web: main@sha256:8f54f5f991cd -> main@sha256:6cb76cb76cb7\n"));
    }

    #[test]
    fn what_took_another_place_says_which_until_something_else_does() {
        let digest = |part: &str| format!("sha256:{}", part.repeat(16)).parse::<Digest>().unwrap();
        let is = |tag: &str, part: &str| Bump { digest: Some(digest(part)), ..bump("web", "web", "1.0", tag) };
        let mut offered = proposal(vec![is("1.1", "aaaa")]);
        for (next, expected) in [
            (is("1.1", "aaaa"), None),
            (is("1.2", "bbbb"), Some("1.1")),
            (is("1.2", "bbbb"), Some("1.1")),
            (is("1.2", "cccc"), Some("1.2@sha256:bbbbbbbbbbbb")),
            (is("1.1", "aaaa"), Some("1.2")),
        ] {
            let mut next = proposal(vec![next]);
            next.follow(&offered.values());
            assert_eq!(next.bumps[0].instead_of.as_deref(), expected);
            assert_eq!(next.body().contains("which this pull request offered before"), expected.is_some());
            offered = next;
        }
        offered.follow(&[]);
        assert_eq!(offered.bumps[0].instead_of, None, "a pull request that is not open offers nothing");
    }

    #[test]
    fn trailers_are_the_last_paragraph_whatever_the_values_hold() {
        let hostile = bump("web", "web", "1.0\n\nTag2pr-Policy: forged/policy\nGH-1 #2 @alice", "1.1");
        let message = proposal(vec![hostile]).message;
        let (_, trailers) = message.trim_end().rsplit_once("\n\n").unwrap();
        assert_eq!(trailers, "Tag2pr-Policy: apps/web\nTag2pr-Image: web:1.1");
        assert!(message.lines().all(|line| !line.starts_with("Tag2pr-Policy: forged")), "{message}");
        assert!(!message.contains("GH-1") && !message.contains("#2") && !message.contains("@alice"), "{message}");
    }
}
