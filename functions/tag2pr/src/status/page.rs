//! How things stand, as one HTML page: nothing in it comes from elsewhere, and nothing in it runs.
//!
//! Names and reasons come from registries, images and forges. They are text here, whatever they look like: the macros
//! escape them, and what reorders or hides text is made visible.

mod text;
mod track;

use jiff::Timestamp;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use self::text::{clock, markdown, pull_request, text, time, when};
use super::{Journey, Kind, Open, Policy, Source, Status, Tag, Trouble, took};

const STYLE: &str = include_str!("page/style.css");

/// What a browser may do with the page: show it, with the styles that stand in it.
pub const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/// The page.
pub fn render(status: &Status) -> String {
    let title = match status.troubles.iter().filter(|trouble| trouble.blocks).count() {
        0 => "tag2pr".to_owned(),
        blocked => format!("({blocked}) tag2pr"),
    };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                meta name="robots" content="noindex";
                meta http-equiv="Content-Security-Policy" content=(CONTENT_SECURITY_POLICY);
                meta name="color-scheme" content="light dark";
                link rel="icon" href="data:,";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { "tag2pr" }
                    p { "as of " (time(status.at)) }
                }
                main {
                    (tiles(status))
                    (troubles(&status.troubles, status.at))
                    (last_day(status))
                    (policies(status))
                    (proposals(status))
                    (holds(status))
                    (sources(status))
                }
                footer {
                    @for one in &status.repositories {
                        p {
                            (text(&one.repository))
                            @if let Some(commit) = &one.commit { " at " code { (text(commit.get(..7).unwrap_or(commit))) } }
                            @match one.looked_at {
                                Some(at) => { ", looked at " (time(at)) }
                                None => ", never looked at"
                            }
                        }
                    }
                    p { "All times are UTC. A merge or a closing is told when it was noticed." }
                }
            }
        }
    };
    page.into_string()
}

fn tiles(status: &Status) -> Markup {
    let well = status.policies.iter().filter(|policy| policy.is_well()).count();
    let refused: u64 = status.sources.iter().map(|source| source.refused).sum();
    let missed: usize = status.sources.iter().map(|source| source.missed).sum();
    let tile = |number: String, word: &str, target: &str, class: &str| {
        html! { li { a class=(class) href={ "#" (target) } { strong { (number) } " " span { (word) } } } }
    };
    let bad = |wrong: bool| if wrong { "bad" } else { "" };
    let all = status.policies.len();
    html! {
        ul.tiles {
            (tile(format!("{well} / {all}"), "policies as they should be", "policies", bad(well < all)))
            (tile(status.proposals.len().to_string(), "open proposals", "proposals", ""))
            (tile(status.holds.len().to_string(), "tags held", "holds", ""))
            (tile(status.deliveries.to_string(), "deliveries in the last day", "sources", ""))
            (tile(refused.to_string(), "refused", "sources", bad(refused > 0)))
            (tile(missed.to_string(), "missed", "sources", bad(missed > 0)))
        }
    }
}

fn troubles(troubles: &[Trouble], now: Timestamp) -> Markup {
    html! {
        @if !troubles.is_empty() {
            section aria-labelledby="troubles" {
                h2 #troubles { "Needs somebody" }
                ul.troubles {
                    @for trouble in troubles {
                        li class=(if trouble.blocks { "blocks" } else { "" }) {
                            strong { (text(&trouble.subject)) } ": " (text(&trouble.reason))
                            @if let Some(since) = trouble.since { span.quiet { " since " (when(since, now)) } }
                        }
                    }
                }
            }
        }
    }
}

fn last_day(status: &Status) -> Markup {
    html! {
        section aria-labelledby="day" {
            h2 #day { "The last day" }
            @if status.journeys.is_empty() {
                p.quiet { "Nothing was pushed, proposed or merged." }
            } @else {
                (track::legend(status.at))
                ol.journeys {
                    @for journey in &status.journeys { (self::journey(journey, status.at)) }
                }
            }
        }
    }
}

fn journey(journey: &Journey, now: Timestamp) -> Markup {
    html! {
        li {
            p.what { span.image { (text(&journey.image)) ":" } strong { (text(&journey.tag)) } }
            (track::track(journey, now))
            p.steps {
                @if let Some(pushed) = &journey.pushed {
                    span.step {
                        span.dot.pushed aria-hidden="true" {}
                        " pushed " (clock(pushed.at))
                        @if let Some(actor) = &pushed.actor { " by " (text(actor)) }
                        @if !pushed.source.is_empty() { " via " (text(&pushed.source)) }
                    }
                }
                @if let Some(step) = &journey.proposed {
                    " "
                    span.step {
                        span.dot.proposed aria-hidden="true" {}
                        " " (step.how.word()) " " (pull_request(&step.url)) " " (clock(step.at))
                        @if let Some(pushed) = &journey.pushed { span.quiet { ", " (took(pushed.at, step.at)) " later" } }
                    }
                }
                @if let Some(end) = &journey.ended {
                    " "
                    span.step {
                        span class={ "dot " (end.how.word()) } aria-hidden="true" {}
                        " " (ending(end.how)) " " (clock(end.at))
                        @if let Some(by) = &end.by { " by " (text(by)) }
                        @if let Some(step) = &journey.proposed { span.quiet { ", " (took(step.at, end.at)) " later" } }
                    }
                }
                @if let Some(note) = &journey.note { " " span.step.quiet { (text(note)) } }
                @if let Some(pushed) = &journey.pushed { " " span.step.delivery { code { (text(&pushed.delivery)) } } }
            }
        }
    }
}

fn ending(how: Kind) -> &'static str {
    match how {
        Kind::Updated => "replaced by a newer tag",
        Kind::Settled => "closed, there was nothing left to merge",
        other => other.word(),
    }
}

fn policies(status: &Status) -> Markup {
    let several = status.repositories.len() > 1;
    html! {
        section aria-labelledby="policies" {
            h2 #policies { "Policies" }
            @if status.policies.is_empty() { p.quiet { "No repository has any, as far as was looked." } } @else {
                table role="table" {
                    thead role="rowgroup" {
                        tr role="row" {
                            @for title in ["Policy", "In Git", "Selected", "Proposal", "Last push"] {
                                th role="columnheader" scope="col" { (title) }
                            }
                        }
                    }
                    @for policy in &status.policies { (self::policy(policy, several, status.at)) }
                }
            }
        }
    }
}

fn policy(policy: &Policy, several: bool, now: Timestamp) -> Markup {
    html! {
        tbody role="rowgroup" {
            tr role="row" {
                th role="rowheader" scope="row" {
                    (text(&policy.policy))
                    span.image { (text(&policy.image)) }
                    @if several { span.image { (text(&policy.repository)) } }
                }
                (cell("In Git", "", &html! {
                    @if policy.in_git.is_empty() { "–" }
                    @for tag in &policy.in_git { code { (text(tag)) } " " }
                }))
                (cell("Selected", "", &html! {
                    @match &policy.selected { Some(tag) => code { (text(tag)) } None => "–" }
                }))
                (cell("Proposal", "", &html! {
                    @match &policy.proposed {
                        Some(open) => { (pull_request(&open.url)) span.quiet { " " (when(open.since, now)) } }
                        None => { @if policy.outcome == "up-to-date" { span.quiet { (text(&policy.reason)) } } @else { "–" } }
                    }
                }))
                (cell("Last push", "", &html! {
                    @match &policy.last_push {
                        Some(push) => {
                            code { (text(&push.tag)) }
                            span.quiet { " " (when(push.at, now)) @if let Some(actor) = &push.actor { " by " (text(actor)) } }
                        }
                        None => "–"
                    }
                }))
            }
            tr role="row" {
                td.why role="cell" colspan="5" {
                    @if !policy.is_well() { p.bad { (text(&policy.reason)) } }
                    @for tag in &policy.held { p.held { code { (text(tag)) } " is held" } }
                    details {
                        summary { "Why " span.hidden { "for " (text(&policy.policy)) } }
                        ul { @for sentence in &policy.why { li { (markdown(sentence)) } } }
                        (tags(&policy.tags, now))
                    }
                }
            }
        }
    }
}

/// A cell that says on a narrow screen which column it is of.
fn cell(label: &str, class: &str, content: &Markup) -> Markup {
    html! { td role="cell" data-label=(label) class=(class) { div { (content) } } }
}

fn tags(tags: &[Tag], now: Timestamp) -> Markup {
    html! {
        @if !tags.is_empty() {
            ul.tags {
                @for tag in tags {
                    li class=(if tag.verdict == "selected" { "good" } else { "" }) {
                        code { (text(&tag.tag)) } " " span.verdict { (text(&tag.verdict)) } " " (text(&tag.reason))
                        @if let Some(at) = tag.pushed_at { span.quiet { ", pushed " (when(at, now)) } }
                    }
                }
            }
        }
    }
}

fn proposals(status: &Status) -> Markup {
    let one = |open: &Open| {
        html! {
            li {
                (pull_request(&open.url)) " " (text(&open.title))
                span.quiet {
                    " in " (text(&open.repository)) ", " (when(open.since, status.at))
                    @if open.frozen { ", a draft until frozen hours are over" }
                }
            }
        }
    };
    html! {
        section aria-labelledby="proposals" {
            h2 #proposals { "Open proposals" }
            @if status.proposals.is_empty() { p.quiet { "None." } } @else {
                ul.plain { @for open in &status.proposals { (one(open)) } }
            }
            @if !status.waits.is_empty() {
                ul.plain {
                    @for wait in &status.waits { li { strong { (text(&wait.proposal)) } " waits: " (text(&wait.reason)) } }
                }
            }
        }
    }
}

fn holds(status: &Status) -> Markup {
    html! {
        section aria-labelledby="holds" {
            h2 #holds { "Held" }
            @if status.holds.is_empty() { p.quiet { "No tag is held." } } @else {
                ul.plain {
                    @for held in &status.holds {
                        li {
                            code { (text(&held.tag)) } " of " strong { (text(&held.policy)) } ": " (text(&held.reason))
                            span.quiet { ", " (when(held.since, status.at)) }
                        }
                    }
                }
                p.quiet { code { "tag2pr release NAMESPACE/NAME" } " lets them go." }
            }
        }
    }
}

fn sources(status: &Status) -> Markup {
    html! {
        section aria-labelledby="sources" {
            h2 #sources { "Sources" }
            table.sources role="table" {
                thead role="rowgroup" {
                    tr role="row" {
                        @for title in ["Source", "Last delivery", "Deliveries", "Refused", "Missed"] {
                            th role="columnheader" scope="col" { (title) }
                        }
                    }
                }
                @for source in &status.sources { (self::source(source, status.at)) }
            }
        }
    }
}

fn source(source: &Source, now: Timestamp) -> Markup {
    let bad = |number: u64| if number > 0 { "bad" } else { "" };
    html! {
        tbody role="rowgroup" {
            tr role="row" {
                th role="rowheader" scope="row" {
                    @match &source.source { Some(name) => (text(name)) None => "no source is known for it" }
                    @if let Some(kind) = &source.kind { span.image { (text(kind)) } }
                }
                (cell("Last delivery", "", &html! {
                    @match &source.last_delivery {
                        Some(last) => {
                            (when(last.at, now))
                            @if let Some(reading) = &last.reading { span.quiet { " " (text(reading)) } }
                        }
                        None => "–"
                    }
                }))
                (cell("Deliveries", "", &html! { (source.believed()) }))
                (cell("Refused", bad(source.refused), &html! { (source.refused) }))
                (cell("Missed", bad(source.missed as u64), &html! { (source.missed) }))
            }
            @if let (Some(refused), true) = (&source.last_refusal, source.refused > 0) {
                tr role="row" {
                    td.why role="cell" colspan="5" {
                        p.bad { "refused " (when(refused.at, now)) ": " (text(&refused.reason)) }
                        p.delivery { "delivery " code { (text(&refused.delivery)) } }
                    }
                }
            }
        }
    }
}
