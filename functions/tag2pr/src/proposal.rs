//! The pull request, complete, before anybody is asked to open it.
//!
//! A [`Proposal`] never depends on whether a pull request is already open: applying it is the business of
//! [`crate::flow`]. The same bumps and changes make the same proposal, byte for byte.

pub mod markdown;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::image::{Digest, Tag};
use crate::markers::Change;
use crate::policy::PolicyName;
use crate::seams::{Author, File};
use markdown::{cell, code, plain};

/// One policy's new value, and everything that people want to know of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bump {
    /// The policy that selected it.
    pub policy: PolicyName,
    /// The image as the policy names it.
    pub image: String,
    /// The tags or values that stand in Git now, without repetition.
    pub from: Vec<String>,
    /// The tag that was selected.
    pub tag: String,
    /// What the registry says that it points at.
    pub digest: Option<Digest>,
    /// When it was pushed.
    pub pushed_at: Option<Timestamp>,
    /// Who pushed it, as the sender calls them.
    pub actor: Option<String>,
    /// The recorded delivery that brought it.
    pub delivery: Option<String>,
    /// Why this tag: one sentence each.
    pub why: Vec<String>,
}

/// A change to the manifests repository as people will see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// `<namespace>.<automation>`
    pub name: String,
    /// The branch that carries it.
    pub branch: String,
    /// One line.
    pub title: String,
    /// Markdown.
    pub body: String,
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
}

impl Proposal {
    /// What it brings, as it is remembered.
    pub fn values(&self) -> Vec<Value> {
        self.bumps
            .iter()
            .filter_map(|bump| {
                Some(Value {
                    policy: bump.policy.clone(),
                    image: bump.image.clone(),
                    tag: bump.tag.parse().ok()?,
                    digest: bump.digest.clone(),
                })
            })
            .collect()
    }
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
}

/// What a proposal is composed of.
#[derive(Debug)]
pub struct Parts {
    /// `<namespace>.<automation>`
    pub name: String,
    /// The branch that carries it.
    pub branch: String,
    /// The commit's author and committer.
    pub author: Author,
    /// One for each policy whose value changes.
    pub bumps: Vec<Bump>,
    /// What changes.
    pub changes: Vec<Change>,
    /// The files with their new bytes.
    pub files: Vec<File>,
    /// The commit's time if no push has one.
    pub otherwise_at: Timestamp,
}

/// Writes the pull request; `None` if nothing changes.
pub fn compose(mut parts: Parts) -> Option<Proposal> {
    if parts.changes.is_empty() {
        return None;
    }
    parts.bumps.sort_by(|a, b| a.policy.cmp(&b.policy));
    let title = title(&parts);
    Some(Proposal {
        body: body(&parts),
        message: message(&title, &parts.bumps),
        at: parts.bumps.iter().filter_map(|bump| bump.pushed_at).max().unwrap_or(parts.otherwise_at),
        title,
        name: parts.name,
        branch: parts.branch,
        author: parts.author,
        files: parts.files,
        changes: parts.changes,
        bumps: parts.bumps,
    })
}

fn short(image: &str) -> &str {
    image.rsplit('/').next().unwrap_or(image)
}

fn title(parts: &Parts) -> String {
    let images: BTreeMap<&str, &Bump> = parts.bumps.iter().map(|bump| (short(&bump.image), bump)).collect();
    let names: Vec<&str> = images.keys().copied().collect();
    let text = match names.as_slice() {
        [one] => format!("Update {one} to {}", images[one].tag),
        [one, two] => format!("Update {one} and {two}"),
        [one, two, three] => format!("Update {one}, {two} and {three}"),
        [one, two, rest @ ..] => format!("Update {one}, {two} and {} more images", rest.len()),
        [] => "Update images".to_owned(),
    };
    plain(&text)
}

fn message(title: &str, bumps: &[Bump]) -> String {
    let mut text = format!("{title}\n\n");
    for bump in bumps {
        for from in &bump.from {
            let _ = writeln!(text, "{}: {} -> {}", plain(&bump.image), plain(from), plain(&bump.tag));
        }
    }
    text.push('\n');
    for bump in bumps {
        let _ = writeln!(text, "Tag2pr-Policy: {}", bump.policy);
        let _ = write!(text, "Tag2pr-Image: {}:{}", bump.image, bump.tag);
        let _ = match &bump.digest {
            Some(digest) => writeln!(text, "@{digest}"),
            None => writeln!(text),
        };
        if let Some(delivery) = &bump.delivery {
            let _ = writeln!(text, "Tag2pr-Delivery: {delivery}");
        }
    }
    text
}

fn body(parts: &Parts) -> String {
    let mut text = String::from("| image | from | to | pushed | digest |\n|---|---|---|---|---|\n");
    for bump in &parts.bumps {
        let from: Vec<String> = bump.from.iter().map(|from| cell(from)).collect();
        let pushed = match (&bump.pushed_at, &bump.actor) {
            (Some(at), Some(actor)) => format!("{} by {}", minute(*at), cell(actor)),
            (Some(at), None) => minute(*at),
            (None, _) => "not known: the tag comes from a listing".to_owned(),
        };
        let digest = bump.digest.as_ref().map_or("not asked for".to_owned(), |digest| cell(digest.short()));
        let _ = writeln!(
            text,
            "| {} | {} | {} | {pushed} | {digest} |",
            cell(&bump.image),
            from.join(", "),
            cell(&bump.tag)
        );
    }
    text.push_str("\n### Why this tag\n\n");
    for bump in &parts.bumps {
        let _ = writeln!(text, "**{}**\n", code(&bump.policy.to_string()));
        for sentence in &bump.why {
            let _ = writeln!(text, "- {sentence}");
        }
        text.push('\n');
    }
    text.push_str("### What changes\n\n");
    for change in &parts.changes {
        let _ = writeln!(
            text,
            "- {}: {} → {}",
            code(&format!("{}:{}", change.file, change.line)),
            code(&change.old),
            code(&change.new)
        );
    }
    let _ = write!(
        text,
        "\nClose this pull request and these tags are not proposed again; a newer tag is, in a pull request of its own. \
         Until it is merged, a newer tag updates it in place. Commit to its branch and it is left to you.\n\n\
         <sub>tag2pr, for the automation {}{}</sub>\n",
        code(&parts.name.replacen('.', "/", 1)),
        deliveries(&parts.bumps)
    );
    text
}

fn deliveries(bumps: &[Bump]) -> String {
    let mut ids: Vec<String> = bumps.iter().filter_map(|bump| bump.delivery.as_deref()).map(code).collect();
    ids.sort();
    ids.dedup();
    match ids.as_slice() {
        [] => String::new(),
        [one] => format!(", after delivery {one}"),
        several => format!(", after deliveries {}", several.join(", ")),
    }
}

/// `2026-02-03 04:05 UTC`
pub fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}
