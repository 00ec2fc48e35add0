//! How things stand, on a terminal.

use anstyle::Style;
use jiff::Timestamp;
use tag2pr::status::{Journey, Kind, Policy, REMEMBERED, Source, Status, ago, number, took};

use crate::output::{BAD, BOLD, DIM, GOOD, PLAIN, count, styled, visible, wrap};
use crate::table::{self, NOTHING, Row};

/// So many of the last day's journeys are shown.
const JOURNEYS: usize = 8;

pub fn lines(status: &Status, width: usize) -> Vec<String> {
    let now = status.at;
    let mut lines = Vec::new();
    let mut section = |title: String, own: Vec<String>| {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.push(title);
        lines.extend(own);
    };
    let several = status.repositories.len() > 1;
    for one in &status.repositories {
        let rows: Vec<Row> = status
            .policies
            .iter()
            .filter(|policy| policy.repository == one.repository)
            .map(|policy| self::policy(policy, now))
            .collect();
        let commit = one.commit.as_deref().and_then(|commit| commit.get(..7));
        let commit = commit.map(|commit| format!("at {commit}, ")).unwrap_or_default();
        let looked =
            one.looked_at.map_or_else(|| "never looked at".to_owned(), |at| format!("looked at {}", ago(at, now)));
        let title = format!(
            "{} {}",
            table::heading(&visible(&one.repository)),
            styled(DIM, visible(format!("{commit}{looked}")))
        );
        let titles = ["POLICY", "IN GIT", "SELECTED", "PROPOSAL", "HELD", "LAST PUSH", "IMAGE"];
        section(
            title,
            if rows.is_empty() { vec![styled(DIM, "no policies")] } else { table::lines(&titles, &rows, width) },
        );
    }
    if !status.proposals.is_empty() {
        let own = status.proposals.iter().flat_map(|open| {
            let place = if several { format!(" in {}", open.repository) } else { String::new() };
            let draft = if open.frozen { ", a draft until frozen hours are over" } else { "" };
            let text = visible(format!("{}{place}, {}{draft}: {}", open.title, ago(open.since, now), open.url));
            listed("·", PLAIN, &text, width)
        });
        section(table::heading("Open proposals"), own.collect());
    }
    if !status.waits.is_empty() {
        let own = status
            .waits
            .iter()
            .flat_map(|wait| listed("·", PLAIN, &format!("{}: {}", wait.proposal, wait.reason), width));
        section(table::heading("Waiting"), own.collect());
    }
    if !status.holds.is_empty() {
        let own = status.holds.iter().flat_map(|held| {
            let text = format!("{} {}, since {}: {}", held.policy, held.tag, ago(held.since, now), held.reason);
            listed("·", PLAIN, &text, width)
        });
        section(table::heading("Held"), own.collect());
    }
    let titles = ["SOURCE", "TYPE", "DELIVERIES", "REFUSED", "MISSED", "LAST DELIVERY"];
    let rows: Vec<Row> = status.sources.iter().map(|source| self::source(source, now)).collect();
    let all = match status.deliveries {
        0 => "no delivery in the last day".to_owned(),
        all => format!("{} in the last day", count(all, "delivery", "deliveries")),
    };
    section(format!("{} {}", table::heading("Sources"), styled(DIM, all)), table::lines(&titles, &rows, width));
    if !status.journeys.is_empty() {
        let shown = status.journeys.iter().take(JOURNEYS);
        let mut own: Vec<String> = shown.flat_map(|one| journey(one, width)).collect();
        if status.journeys.len() > JOURNEYS {
            own.push(styled(DIM, format!("  and {} more: --output json has them", status.journeys.len() - JOURNEYS)));
        }
        section(table::heading("The last day"), own);
    }
    if !status.troubles.is_empty() {
        let own = status.troubles.iter().flat_map(|trouble| {
            let since = trouble.since.map(|since| format!(" (since {})", ago(since, now))).unwrap_or_default();
            let style = if trouble.blocks { BAD } else { PLAIN };
            listed("!", style, &format!("{}: {}{since}", trouble.subject, trouble.reason), width)
        });
        section(table::heading("Needs somebody"), own.collect());
    }
    lines
}

fn policy(policy: &Policy, now: Timestamp) -> Row {
    let in_git: Vec<&str> = policy.in_git.iter().map(String::as_str).collect();
    let or_nothing = |text: String| if text.is_empty() { NOTHING.1.to_owned() } else { text };
    let style = match (policy.outcome.as_str(), policy.is_well()) {
        ("up-to-date", _) => DIM,
        (_, true) => GOOD,
        (_, false) => BAD,
    };
    let pushed = policy.last_push.as_ref().map(|push| match now.duration_since(push.at) < REMEMBERED {
        true => ago(push.at, now),
        false => push.at.strftime("%Y-%m-%d").to_string(),
    });
    let row = Row::new()
        .cell(BOLD, &policy.policy)
        .cell(PLAIN, or_nothing(in_git.join(", ")))
        .cell(style, policy.selected.as_deref().unwrap_or(NOTHING.1))
        .cell(PLAIN, policy.proposed.as_ref().map_or_else(|| NOTHING.1.to_owned(), |open| number(&open.url)))
        .cell(PLAIN, or_nothing(policy.held.join(", ")))
        .cell(PLAIN, or_nothing(pushed.unwrap_or_default()))
        .cell(DIM, or_nothing(policy.image.clone()));
    if policy.is_well() { row } else { row.note(BAD, &policy.reason) }
}

fn source(source: &Source, now: Timestamp) -> Row {
    let some = |number: u64, style: Style| if number > 0 { style } else { DIM };
    let last = source.last_delivery.as_ref().map(|last| match &last.reading {
        Some(reading) => format!("{}: {reading}", ago(last.at, now)),
        None => ago(last.at, now),
    });
    let row = Row::new()
        .cell(BOLD, source.source.as_deref().unwrap_or("(none known)"))
        .cell(PLAIN, source.kind.as_deref().unwrap_or(NOTHING.1))
        .cell(some(source.deliveries as u64, PLAIN), source.believed())
        .cell(some(source.refused, BAD), source.refused)
        .cell(some(source.missed as u64, BAD), source.missed)
        .cell(PLAIN, last.as_deref().unwrap_or(NOTHING.1));
    match &source.last_refusal {
        Some(refused) if source.refused > 0 => {
            row.note(BAD, format!("refused {}: {} ({})", ago(refused.at, now), refused.reason, refused.delivery))
        }
        _ => row,
    }
}

/// `14:02 web:1.4.0 pushed by ci (harbor) → 2 s → opened #12 → 39 min → merged`
fn journey(one: &Journey, width: usize) -> Vec<String> {
    let first =
        one.pushed.as_ref().map(|step| step.at).or(one.proposed.as_ref().map(|step| step.at)).unwrap_or(one.last());
    let mut text = format!("{} {}:{}", first.strftime("%H:%M"), one.image, one.tag);
    if let Some(pushed) = &one.pushed {
        let actor = pushed.actor.as_ref().map(|actor| format!(" by {actor}")).unwrap_or_default();
        text += &format!(" pushed{actor} ({})", pushed.source);
    }
    if let Some(step) = &one.proposed {
        let after = one.pushed.as_ref().map(|pushed| format!(" → {}", took(pushed.at, step.at))).unwrap_or_default();
        text += &format!("{after} → {} {}", step.how, number(&step.url));
    }
    if let Some(end) = &one.ended {
        let after = one.proposed.as_ref().map(|step| format!(" → {}", took(step.at, end.at))).unwrap_or_default();
        let by = end.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
        text += &format!("{after} → {}{by}", how(end.how));
    }
    text += &one.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
    let style = match &one.ended {
        Some(end) if end.how == Kind::Merged => GOOD,
        None if one.proposed.as_ref().is_some_and(|step| step.how == Kind::Pushed) => GOOD,
        _ if one.proposed.is_some() => PLAIN,
        _ => DIM,
    };
    listed("·", style, &text, width)
}

fn how(kind: Kind) -> &'static str {
    match kind {
        Kind::Updated => "replaced by a newer tag",
        other => other.word(),
    }
}

fn listed(mark: &str, style: Style, text: &str, width: usize) -> Vec<String> {
    let pieces = wrap(&visible(text), width.saturating_sub(4).max(30));
    let margin = |number: usize| if number == 0 { format!("  {mark} ") } else { "    ".to_owned() };
    pieces.iter().enumerate().map(|(number, piece)| format!("{}{}", margin(number), styled(style, piece))).collect()
}
