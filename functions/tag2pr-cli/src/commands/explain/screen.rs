//! One policy on one screen.

use tag2pr::manifests::DeclaredPolicy;
use tag2pr::policy::{Policy, Selection};
use tag2pr::proposal::minute;

use super::judged::Judged;
use crate::output::{BAD, BOLD, DIM, GOOD, PLAIN, TITLE, beside, line, styled, visible};

/// So many tags of one verdict are shown unless all are asked for.
const SHOWN: usize = 5;

/// A policy that cannot be used.
pub fn invalid(declared: &DeclaredPolicy, reason: &str) {
    line(format!("{}  {}", styled(TITLE, visible(&declared.name)), styled(DIM, visible(&declared.place))));
    beside(&format!("  {}    ", styled(BAD, "error")), PLAIN, reason);
    line("");
}

/// What is selected and why, and what became of the others.
pub fn print(declared: &DeclaredPolicy, policy: &Policy, judged: &Judged<'_>, all: bool) {
    line(format!(
        "{}  {}  {}",
        styled(TITLE, visible(&declared.name)),
        visible(&policy.image),
        styled(DIM, visible(&declared.place))
    ));
    let selection = judged.selection;
    match judged.winner() {
        Some((index, None)) => {
            let selected = judged.known(index);
            let digest = selected.digest.map(|digest| format!("  {}", styled(DIM, digest.short()))).unwrap_or_default();
            line(format!("  {} {}{digest}", styled(GOOD.bold(), "selected"), styled(BOLD, selected.tag)));
        }
        Some((index, Some(hold))) => {
            line(format!("  {} nothing: {} is held", styled(BAD, "selected"), styled(BOLD, judged.known(index).tag)));
            let since = format!("in {} since {}: {}", hold.proposal, minute(hold.since), hold.reason);
            beside(&format!("  {}     ", styled(DIM, "held")), PLAIN, &since);
        }
        None => line(format!("  {} nothing", styled(BAD, "selected"))),
    }
    let mut why = judged.error.clone().unwrap_or_else(|| selection.summary().to_string());
    if matches!(judged.winner(), Some((_, Some(_)))) {
        why = why.replacen("chosen because", "it would be selected because", 1);
    }
    beside(&format!("  {}      ", styled(DIM, "why")), PLAIN, &why);
    newest(judged);
    line("");
    let limit = if all { usize::MAX } else { SHOWN };
    let groups = judged.by_verdict(limit);
    let shown = groups.iter().flat_map(|(_, indices, _)| indices);
    let width = shown.map(|index| shortened(judged.known(*index).tag).chars().count()).max().unwrap_or(0);
    for (verdict, indices, count) in groups {
        let style = if verdict == "selected" { GOOD } else { DIM };
        let mut above = String::new();
        for index in indices {
            let tag = judged.known(index).tag;
            let prefix = format!("  {}  {:<width$}  ", styled(style, format!("{verdict:<9}")), shortened(tag));
            let reason = beside_verdict(selection, &judged.reason(index), tag);
            beside(&prefix, DIM, if reason == above { "likewise" } else { &reason });
            above = reason;
        }
        if count > limit {
            line(styled(DIM, format!("  {verdict:<9}  … and {} more; --all shows them", count - limit)));
        }
    }
    line("");
}

/// The tag that was pushed last, if it is not the selected one.
fn newest(judged: &Judged<'_>) {
    let Some(index) = judged.newest().filter(|index| judged.word(*index) != "selected") else { return };
    let known = judged.known(index);
    let pushed = known.pushed_at.map(minute).unwrap_or_default();
    let text = format!("{} was pushed last, {pushed}, and is not selected: {}", known.tag, judged.reason(index));
    beside(&format!("  {}   ", styled(DIM, "newest")), PLAIN, &text);
}

/// Longer tags are those of signatures and the like: beginning and end tell them apart.
const LONGEST_TAG: usize = 40;

fn shortened(tag: &str) -> String {
    match (tag.get(..LONGEST_TAG - 12), tag.get(tag.len().saturating_sub(11)..)) {
        (Some(start), Some(end)) if tag.len() > LONGEST_TAG => format!("{start}…{end}"),
        _ => tag.to_owned(),
    }
}

/// The reason without what the verdict and the first line say already.
fn beside_verdict(selection: &Selection<'_>, reason: &str, tag: &str) -> String {
    let winner = selection.selected.map(|known| format!("outranked by {}: ", known.tag));
    let known = [winner.unwrap_or_default(), "excluded ".to_owned(), "held ".to_owned(), format!("{tag} ")];
    known.iter().fold(reason, |reason, known| reason.strip_prefix(known).unwrap_or(reason)).to_owned()
}
