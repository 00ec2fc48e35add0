//! <https://support.atlassian.com/bitbucket-cloud/docs/event-payloads/>

use http::HeaderMap;
use serde_json::Value;

use super::{Happened, HostEvent, header, number, other, text};

pub(super) fn decode(headers: &HeaderMap, body: &Value) -> Option<HostEvent> {
    let name = header(headers, "x-event-key")?;
    let repository = Some(text(body, "/repository/full_name")?);
    let happened = match name {
        "pullrequest:fulfilled" | "pullrequest:rejected" => {
            let action = name.trim_start_matches("pullrequest:").to_owned();
            Happened::PullRequest { number: number(body, "/pullrequest/id")?, action }
        }
        "pullrequest:comment_created" => Happened::Comment { number: number(body, "/pullrequest/id")? },
        "repo:push" => {
            let changes = body.pointer("/push/changes").and_then(Value::as_array).into_iter().flatten();
            let branches = changes.filter(|change| text(change, "/new/type") == Some("branch"));
            let names = branches.filter_map(|change| text(change, "/new/name")).map(str::to_owned);
            Happened::Push { branches: names.collect() }
        }
        name => return Some(other(repository, name)),
    };
    Some(HostEvent::new(repository, happened))
}
