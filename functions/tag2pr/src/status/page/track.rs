//! The last day as an axis: where on it a push came in, was proposed, and was merged.

use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

use super::super::pass::REMEMBERED;
use super::super::{Journey, Kind};

/// The axis's own marks.
const MARKS: [i64; 5] = [24, 18, 12, 6, 0];

/// Where a moment is on the axis, in percent from the left.
fn place(at: Timestamp, now: Timestamp) -> f64 {
    let ago = now.duration_since(at).as_secs_f64().clamp(0.0, REMEMBERED.as_secs_f64());
    100.0 - 100.0 * ago / REMEMBERED.as_secs_f64()
}

/// The marks of the axis, by the clock.
pub(super) fn legend(now: Timestamp) -> Markup {
    let at = |hours: i64| now.checked_sub(SignedDuration::from_hours(hours)).unwrap_or(now);
    html! {
        div.axis aria-hidden="true" {
            @for hours in MARKS {
                span { (at(hours).strftime("%H:%M").to_string()) }
            }
        }
    }
}

/// One journey on the axis. The steps below it say the same in words.
pub(super) fn track(journey: &Journey, now: Timestamp) -> Markup {
    let pushed = journey.pushed.as_ref().map(|step| place(step.at, now));
    let proposed = journey.proposed.as_ref().map(|step| place(step.at, now));
    let ended = journey.ended.as_ref().map(|end| (place(end.at, now), end.how));
    let span = |class: &str, from: f64, to: f64| {
        html! { span class={ "span " (class) } style=(format!("left:{from:.2}%;width:{:.2}%", (to - from).max(0.0))) {} }
    };
    let dot = |class: &str, at: f64| html! { span class={ "dot " (class) } style=(format!("left:{at:.2}%")) {} };
    html! {
        div.track aria-hidden="true" {
            @if let (Some(from), Some(to)) = (pushed, proposed) { (span("pushed", from, to)) }
            @match (proposed, ended) {
                (Some(from), Some((to, how))) => (span(how.word(), from, to)),
                // It is open still.
                (Some(from), None) => (span(Kind::Opened.word(), from, 100.0)),
                _ => {}
            }
            @if let Some(at) = pushed { (dot("pushed", at)) }
            @if let Some(at) = proposed { (dot("proposed", at)) }
            @if let Some((at, how)) = ended { (dot(how.word(), at)) }
        }
    }
}
