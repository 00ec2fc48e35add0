//! <https://learn.microsoft.com/azure/devops/service-hooks/events>

use serde_json::Value;

use super::{Happened, HostEvent, branch, number, other, text};

pub(super) fn decode(body: &Value) -> Option<HostEvent> {
    let name = text(body, "/eventType")?;
    body.get("publisherId")?;
    let of = body.pointer("/resource/repository").or_else(|| body.pointer("/resource/pullRequest/repository"));
    let named = of.and_then(|of| Some(format!("{}/_git/{}", text(of, "/project/name")?, text(of, "/name")?)));
    let repository = named.as_deref();
    let happened = match name {
        "git.pullrequest.updated" | "git.pullrequest.merged" => match text(body, "/resource/status")? {
            action @ ("completed" | "abandoned") => {
                Happened::PullRequest { number: number(body, "/resource/pullRequestId")?, action: action.to_owned() }
            }
            _ => return Some(other(repository, name)),
        },
        "ms.vss-code.git-pullrequest-comment-event" => {
            Happened::Comment { number: number(body, "/resource/pullRequest/pullRequestId")? }
        }
        "git.push" => {
            let updates = body.pointer("/resource/refUpdates").and_then(Value::as_array).into_iter().flatten();
            Happened::Push { branches: updates.filter_map(|update| branch(text(update, "/name")?)).collect() }
        }
        name => return Some(other(repository, name)),
    };
    Some(HostEvent::new(repository, happened))
}
