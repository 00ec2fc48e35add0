//! <https://docs.github.com/en/webhooks/webhook-events-and-payloads>

use http::HeaderMap;
use serde_json::Value;

use super::{Happened, HostEvent, branch, header, number, other, text};

pub(super) fn decode(headers: &HeaderMap, body: &Value) -> Option<HostEvent> {
    // Gitea sends this header, too, to be understood by what knows GitHub only.
    let name = header(headers, "x-github-event").filter(|_| !headers.contains_key("x-gitea-event"))?;
    let repository = text(body, "/repository/full_name");
    let happened = match (name, text(body, "/action")) {
        ("pull_request", Some(action @ ("closed" | "reopened"))) => {
            Happened::PullRequest { number: number(body, "/number")?, action: action.to_owned() }
        }
        ("issue_comment", Some("created")) if body.pointer("/issue/pull_request").is_some() => {
            Happened::Comment { number: number(body, "/issue/number")? }
        }
        ("push", _) => Happened::Push { branches: branch(text(body, "/ref")?).into_iter().collect() },
        (name, _) => return Some(other(repository, name)),
    };
    Some(HostEvent::new(repository, happened))
}
