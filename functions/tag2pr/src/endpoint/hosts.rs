//! `POST /hosts/<name>`: the Git hosts' own webhooks. They only poke.
//!
//! `<name>` is the name of the repository: the last segment of its URL, without `.git`. Several that share it are told
//! apart by their secrets, and by what the body says that it is about.

use std::collections::BTreeSet;

use http::{Method, Request, StatusCode};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::json;

use super::{Answer, error, plain};
use crate::flow::receive::delivery_id;
use crate::host_event::{self, Forge};
use crate::seams::{Poke, Pokes, RepositoryId};
use crate::secret::Secret;

/// A repository whose host sends webhooks.
#[derive(Debug, Clone)]
pub struct Hook {
    /// The repository, and the base branch that proposals are made against.
    pub repository: RepositoryId,
    /// What its host speaks.
    pub forge: Forge,
    /// What the host proves itself with; one, or several while they are being rotated.
    pub secrets: Vec<Secret>,
}

impl Hook {
    /// What stands behind `/hosts/`.
    pub fn name(&self) -> String {
        let path = self.repository.path.trim_end_matches('/');
        let name = path.rsplit('/').next().unwrap_or(path);
        percent_decode_str(name.strip_suffix(".git").unwrap_or(name)).decode_utf8_lossy().into_owned()
    }
}

/// What was heard of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// What happened, or why it is of no interest.
    pub event: String,
    /// The repositories that were poked.
    pub poked: BTreeSet<RepositoryId>,
}

/// Answers a request to `/hosts/…`; nothing if it is to somewhere else.
pub async fn answer(
    hooks: &[Hook],
    pokes: &dyn Pokes,
    limit: usize,
    request: &Request<Vec<u8>>,
    now: Timestamp,
) -> Option<Answer> {
    let name = request.uri().path().trim_matches('/').strip_prefix("hosts/")?;
    let name = percent_decode_str(name).decode_utf8_lossy().into_owned();
    let hooks: Vec<&Hook> = hooks.iter().filter(|hook| hook.name() == name && !hook.secrets.is_empty()).collect();
    if hooks.is_empty() {
        let nothing =
            "there is nothing here: the webhook of a repository goes to /hosts/<its name>, and needs `webhook:`";
        return Some(plain(StatusCode::NOT_FOUND, &error(nothing)));
    }
    if request.method() != Method::POST {
        return Some(plain(StatusCode::METHOD_NOT_ALLOWED, &error("webhooks are sent with POST")));
    }
    if request.body().len() > limit {
        return Some(Answer::too_large(limit));
    }
    let (headers, body) = (request.headers(), request.body());
    let believed = hooks.into_iter().filter(|hook| hook.forge.authenticates(headers, body, &hook.secrets));
    let believed: Vec<&Hook> = believed.collect();
    let source = format!("hosts/{name}");
    let cause = delivery_id(&source, body, now);
    if believed.is_empty() {
        let body =
            json!({ "error": "this is not believed; the log of tag2pr says so under this id", "delivery": cause });
        let answer = plain(StatusCode::UNAUTHORIZED, &body);
        return Some(Answer { source: Some(source), refused: Some(cause), ..answer });
    }
    let mut poked = BTreeSet::new();
    let mut events = BTreeSet::new();
    for hook in believed {
        let ignored = match host_event::decode(hook.forge, headers, body) {
            Ok(event) => {
                events.insert(event.to_string());
                event.ignored(&hook.repository)
            }
            // What is authentic gets 2xx, or the host stops sending.
            Err(reason) => Some(reason),
        };
        match ignored {
            Some(reason) => {
                events.insert(format!("ignored: {reason}"));
            }
            None => {
                let poke = Poke { repository: hook.repository.clone(), cause: cause.clone() };
                if let Err(failure) = pokes.send(&poke).await {
                    let answer = plain(StatusCode::SERVICE_UNAVAILABLE, &error("come again: it could not be kept"));
                    return Some(Answer { source: Some(source), outcome: Err(failure.into()), ..answer });
                }
                poked.insert(hook.repository.clone());
            }
        }
    }
    let event: Vec<String> = events.into_iter().collect();
    let heard = Heard { event: event.join("; "), poked };
    let body = json!({ "delivery": cause, "event": heard.event, "poked": heard.poked.len() });
    Some(Answer {
        response: super::json(StatusCode::OK, &body),
        source: Some(source),
        heard: Some(heard),
        ..Answer::nothing()
    })
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::testing::memory::Outbox;

    fn hook(path: &str, base: &str, secret: &str) -> Hook {
        let repository = RepositoryId { host: "git.test".into(), path: path.into(), base: base.into() };
        Hook { repository, forge: Forge::Gitlab, secrets: vec![Secret::new(secret)] }
    }

    /// The status, and which repositories were poked.
    fn post(hooks: &[Hook], path: &str, token: &str, body: &str) -> (u16, Vec<String>) {
        let request = Request::post(path).header("x-gitlab-token", token).header("x-gitlab-event", "Push Hook");
        let request = request.body(body.as_bytes().to_vec()).unwrap();
        let outbox = Outbox::default();
        let answer = answer(hooks, &outbox, 1 << 20, &request, Timestamp::UNIX_EPOCH);
        let answer = pollster::block_on(answer).expect("it is for a host");
        let poked = outbox.take().into_iter().map(|poke| poke.repository.to_string()).collect();
        (answer.response.status().as_u16(), poked)
    }

    const PUSH: &str = r#"{"ref":"refs/heads/main","project":{"path_with_namespace":"acme/fleet"}}"#;

    #[test]
    fn a_push_to_the_base_pokes_the_configured_repository_and_no_other() {
        let hooks = [hook("acme/fleet.git", "main", "s3cret"), hook("acme/fleet.git", "staging", "s3cret")];
        assert_eq!(
            post(&hooks, "/hosts/fleet", "s3cret", PUSH),
            (200, vec!["git.test/acme/fleet.git@main".to_owned()])
        );
        let mallorys = PUSH.replace("acme", "mallory");
        assert_eq!(post(&hooks, "/hosts/fleet", "s3cret", &mallorys), (200, vec![]), "the body does not choose");
        assert_eq!(post(&hooks, "/hosts/fleet", "s3cret", "{}"), (200, vec![]), "authentic, and of no interest");
    }

    #[test]
    fn who_is_not_known_is_told_nothing() {
        let hooks = [hook("acme/fleet.git", "main", "s3cret"), hook("other/fleet.git", "main", "another")];
        assert_eq!(post(&hooks, "/hosts/fleet", "wrong", PUSH), (401, vec![]));
        assert_eq!(post(&hooks, "/hosts/other", "s3cret", PUSH), (404, vec![]));
        assert_eq!(post(&[hook("acme/fleet", "main", "")], "/hosts/fleet", "", PUSH), (401, vec![]));
        assert_eq!(
            post(&hooks, "/hosts/fleet", "another", PUSH),
            (200, vec![]),
            "its secret is good for its own alone"
        );
    }

    #[test]
    fn other_paths_are_none_of_its_business() {
        let request = Request::post("/hooks/harbor").body(Vec::new()).unwrap();
        let none = pollster::block_on(answer(&[], &Outbox::default(), 1, &request, Timestamp::UNIX_EPOCH));
        assert!(none.is_none());
    }
}
