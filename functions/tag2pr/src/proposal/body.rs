//! What a reviewer reads under the title: Markdown. Everything that came from outside is escaped.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::markdown::{cell, code, prose};
use super::{Bump, Proposal, minute, name};
use crate::origin::{Revisions, SourceChange};

/// So many changes are listed in a body: forges refuse long ones (GitHub: 65,536 characters).
const CHANGES: usize = 100;

pub(super) fn body(of: &Proposal) -> String {
    let mut text = String::from("| Image | From | To | Pushed | Digest |\n|---|---|---|---|---|\n");
    for bump in &of.bumps {
        let from: Vec<String> = bump.from.iter().map(|from| cell(from)).collect();
        let pushed = match (&bump.pushed_at, &bump.actor) {
            (Some(at), Some(actor)) => format!("{} by {}", minute(*at), cell(actor)),
            (Some(at), None) => minute(*at),
            (None, _) => "unknown: found in the registry's list".to_owned(),
        };
        let digest = bump.digest.as_ref().map_or("not confirmed".to_owned(), |digest| cell(digest.short()));
        let _ = writeln!(
            text,
            "| {} | {} | {} | {pushed} | {digest} |",
            cell(&bump.image),
            from.join(", "),
            cell(&bump.to())
        );
    }
    text.push_str(if of.bumps.len() == 1 { "\n### Why this tag\n" } else { "\n### Why these tags\n" });
    for bump in &of.bumps {
        let _ = writeln!(text, "\n{}, in {}:\n", code(&bump.policy.to_string()), code(&bump.place));
        for sentence in &bump.why {
            let _ = writeln!(text, "- {sentence}");
        }
        if let Some(former) = &bump.instead_of {
            let _ = writeln!(text, "- It takes the place of {}, which this pull request offered before.", code(former));
        }
    }
    let sources = sources(&of.bumps);
    if !sources.is_empty() {
        let _ = write!(text, "\n### What changed in the source\n\n{}", Vec::from_iter(sources).concat());
    }
    text.push_str("\n### What changes\n\n");
    for change in of.changes.iter().take(CHANGES) {
        let (old, new) = change.shown();
        let object = change.object.as_ref().filter(|object| !object.kind.is_empty()).map_or(String::new(), |object| {
            let name = [object.namespace.as_str(), object.name.as_str()];
            let name: Vec<&str> = name.into_iter().filter(|part| !part.is_empty()).collect();
            format!(" in {}", code(&format!("{} {}", object.kind, name.join("/"))))
        });
        let place = code(&format!("{}:{}", change.file, change.line));
        let _ = writeln!(text, "- {place}{object}: {} → {}", code(&old), code(&new));
    }
    if of.changes.len() > CHANGES {
        let _ = writeln!(text, "- and {} more, in the diff", of.changes.len() - CHANGES);
    }
    if !of.held.is_empty() {
        text.push_str("\n### What is held\n\n");
    }
    for held in of.held.iter().take(CHANGES) {
        let (image, tag) = (code(&held.image), code(&held.tag));
        let _ = writeln!(text, "- {image} stays as it is, {tag} is held: {}", prose(&held.reason));
    }
    let _ = write!(
        text,
        "\n### What you can do\n\n\
         - **Merge** it. Until then, a newer tag updates it in place.\n\
         - **Close** it: these tags are not proposed again, unless it is reopened or `tag2pr release` says so. A newer tag \
         comes in a new pull request.\n\
         - **Commit** to its branch: tag2pr leaves the branch to you.\n\
         - **Roll back** later by putting the old value back: tag2pr does not propose the tag again.\n\n\
         <sub>By tag2pr, for the automation {}{}{}</sub>\n",
        code(&name::readable(&of.automation)),
        part(of),
        deliveries(&of.bumps)
    );
    text
}

/// A line for each image that says what it was built from. Policies of one image may say the same.
fn sources(bumps: &[Bump]) -> BTreeSet<String> {
    let line = |bump: &Bump| {
        let SourceChange { source, revisions, url } = bump.source.as_ref()?;
        let at = |word: &str| source.as_ref().map_or(String::new(), |source| format!("{} {word} ", code(source)));
        let text = match revisions {
            Revisions::Changed { from, to } => format!("{}{} to {}", at("from"), code(from), code(to)),
            Revisions::Same(revision) | Revisions::New(revision) => format!("{}{}", at("at"), code(revision)),
        };
        let link = url.as_ref().map_or(text.clone(), |url| format!("[{text}]({url})"));
        let (before, after) = match revisions {
            Revisions::Changed { .. } => ("", ""),
            Revisions::Same(_) => ("built from ", ", as before"),
            Revisions::New(_) => ("built from ", ""),
        };
        Some(format!("- {}: {before}{link}{after}\n", code(&bump.image)))
    };
    bumps.iter().filter_map(line).collect()
}

/// Which part of its automation it is, if it is not all of it.
fn part(of: &Proposal) -> String {
    let part = of.name.strip_prefix(of.automation.as_str()).and_then(|rest| rest.strip_prefix('.'));
    part.map(|part| format!(", part {}", code(&name::readable(part)))).unwrap_or_default()
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
