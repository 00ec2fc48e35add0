//! <https://docs.gitlab.com/user/project/integrations/webhook_events/>

use http::HeaderMap;
use serde_json::Value;

use super::{Happened, HostEvent, branch, header, number, other, text};

pub(super) fn decode(headers: &HeaderMap, body: &Value) -> Option<HostEvent> {
    let name = header(headers, "x-gitlab-event")?;
    let repository = text(body, "/project/path_with_namespace");
    let happened = match (name, text(body, "/object_attributes/action")) {
        ("Merge Request Hook", Some(action @ ("close" | "merge" | "reopen"))) => {
            Happened::PullRequest { number: number(body, "/object_attributes/iid")?, action: action.to_owned() }
        }
        ("Note Hook", _) if text(body, "/object_attributes/noteable_type") == Some("MergeRequest") => {
            Happened::Comment { number: number(body, "/merge_request/iid")? }
        }
        ("Push Hook", _) => Happened::Push { branches: branch(text(body, "/ref")?).into_iter().collect() },
        (name, _) => return Some(other(repository, name)),
    };
    Some(HostEvent::new(repository, happened))
}
