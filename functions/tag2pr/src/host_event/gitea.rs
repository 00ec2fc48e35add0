//! <https://docs.gitea.com/usage/webhooks>, <https://forgejo.org/docs/latest/user/webhooks/>

use http::HeaderMap;
use serde_json::Value;

use super::{Happened, HostEvent, branch, header, number, other, text};

pub(super) fn decode(headers: &HeaderMap, body: &Value) -> Option<HostEvent> {
    let name = header(headers, "x-gitea-event")?;
    let repository = text(body, "/repository/full_name");
    let happened = match (name, text(body, "/action")) {
        ("pull_request", Some(action @ ("closed" | "reopened"))) => {
            Happened::PullRequest { number: number(body, "/number")?, action: action.to_owned() }
        }
        ("issue_comment" | "pull_request_comment", Some("created")) if body["is_pull"] == true => {
            Happened::Comment { number: number(body, "/issue/number")? }
        }
        ("push", _) => Happened::Push { branches: branch(text(body, "/ref")?).into_iter().collect() },
        (name, _) => return Some(other(repository, name)),
    };
    Some(HostEvent::new(repository, happened))
}
