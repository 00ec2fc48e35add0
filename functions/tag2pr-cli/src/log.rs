//! What happens behind the listener, one line for each thing.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};
use tag2pr::flow::propose::Report;

use crate::listener::Happened;
use crate::output::{BAD, DIM, Format, GOOD, line, styled, visible};

/// Prints what happened.
pub fn show(happened: &Happened, format: Format) {
    match format {
        Format::Json => line(entry(happened)),
        Format::Text => text(happened),
    }
}

/// A line of JSON that is no [`Happened`].
pub fn event(name: &str, mut fields: Value) -> Value {
    fields["at"] = json!(Timestamp::now());
    fields["event"] = json!(name);
    fields
}

fn entry(happened: &Happened) -> Value {
    match happened {
        Happened::Answered(answer) => {
            let delivery = answer.outcome.as_ref().ok().and_then(Option::as_ref);
            let fields = json!({
                "status": answer.response.status().as_u16(),
                "source": answer.source,
                "delivery": delivery.map(|delivery| &delivery.id).or(answer.refused.as_ref()),
                "recorded": delivery.map(|delivery| &delivery.reading.recorded),
                "ignored": delivery.map(|delivery| &delivery.reading.ignored),
                "error": answer.outcome.as_ref().err().map(ToString::to_string),
            });
            event("answered", fields)
        }
        Happened::Proposed(repository, causes, Ok(report)) => event(
            "proposed",
            json!({
                "repository": repository.to_string(),
                "causes": causes,
                "deliveries": deliveries(report),
                "commit": report.prepared.manifests.commit,
                "done": report.sentences(),
                "error": null,
            }),
        ),
        Happened::Proposed(repository, causes, Err(error)) => event(
            "proposed",
            json!({ "repository": repository.to_string(), "causes": causes, "done": [], "error": error.to_string(), "transient": error.is_transient() }),
        ),
        Happened::NotTold(reason) => event("not told", json!({ "error": reason })),
        Happened::Swept(Ok(report)) => {
            event("swept", json!({ "found": report.sentences(), "missed": report.missed(), "error": null }))
        }
        Happened::Swept(Err(error)) => event("swept", json!({ "found": [], "error": error.to_string() })),
        Happened::Renewed(renewed) => {
            event("renewed", json!({ "error": renewed.result.as_ref().err().map(ToString::to_string) }))
        }
    }
}

/// The deliveries that brought what is in the pull requests that were opened or updated.
fn deliveries(report: &Report) -> BTreeSet<&str> {
    let values = report.events.iter().flat_map(|event| &event.values);
    values.filter_map(|value| value.delivery.as_deref()).collect()
}

fn text(happened: &Happened) {
    match happened {
        Happened::Answered(answer) => match (&answer.outcome, answer.response.status().is_success()) {
            (Ok(_), true) => good(&answer.to_string()),
            _ => bad(&answer.to_string()),
        },
        Happened::Proposed(repository, _, Ok(report)) => {
            let sentences = report.sentences();
            if sentences.is_empty() {
                good(&format!("{repository}: up to date at {}", report.prepared.manifests.commit.short()));
            }
            sentences.iter().for_each(|sentence| good(&format!("{repository}: {sentence}")));
        }
        Happened::Proposed(repository, _, Err(error)) => {
            let next = if error.is_transient() { "it will be tried again" } else { "it needs you, and is tried again" };
            bad(&format!("{repository}: {error}; {next}"));
        }
        Happened::NotTold(reason) => bad(reason),
        Happened::Swept(Ok(report)) => report.sentences().iter().for_each(|sentence| good(sentence)),
        Happened::Swept(Err(error)) => bad(&format!("sweep: {error}; it will be tried again")),
        Happened::Renewed(renewed) => match &renewed.result {
            Ok(()) => good("the secrets were read again"),
            Err(error) => bad(&format!("{error}; what was read before is used until it can be")),
        },
    }
}

fn good(text: &str) {
    line(format!("{} {} {}", now(), styled(GOOD, "·"), visible(text)));
}

fn bad(text: &str) {
    line(format!("{} {} {}", now(), styled(BAD, "!"), visible(text)));
}

fn now() -> String {
    styled(DIM, Timestamp::now().strftime("%H:%M:%SZ"))
}
