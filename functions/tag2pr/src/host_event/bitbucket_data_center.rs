//! <https://confluence.atlassian.com/bitbucketserver/event-payload-938025882.html>

use http::HeaderMap;
use serde_json::Value;

use super::{Happened, HostEvent, branch, header, number, other, text};

pub(super) fn decode(headers: &HeaderMap, body: &Value) -> Option<HostEvent> {
    let name = header(headers, "x-event-key")?;
    // Both Bitbuckets send this header; their events have other names.
    let is_ours = name.starts_with("pr:") || matches!(name, "repo:refs_changed" | "diagnostics:ping");
    if !is_ours {
        return None;
    }
    let of = body.pointer("/pullRequest/toRef/repository").or_else(|| body.get("repository"));
    let named = of.and_then(|of| Some(format!("{}/{}", text(of, "/project/key")?, text(of, "/slug")?)));
    let repository = named.as_deref();
    let happened = match name {
        "pr:merged" | "pr:declined" | "pr:reopened" => {
            let action = name.trim_start_matches("pr:").to_owned();
            Happened::PullRequest { number: number(body, "/pullRequest/id")?, action }
        }
        "pr:comment:added" => Happened::Comment { number: number(body, "/pullRequest/id")? },
        "repo:refs_changed" => {
            let changes = body.pointer("/changes").and_then(Value::as_array).into_iter().flatten();
            Happened::Push { branches: changes.filter_map(|change| branch(text(change, "/ref/id")?)).collect() }
        }
        name => return Some(other(repository, name)),
    };
    Some(HostEvent::new(repository, happened))
}
