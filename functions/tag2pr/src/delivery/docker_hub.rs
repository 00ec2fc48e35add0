//! Docker Hub's webhooks.
//!
//! They carry no signature, no event type and no digest, and one push of a multi-platform image may be reported several
//! times. `callback_url` is never called: it is not supported any more, and anybody could write anything into it.
//!
//! Format: <https://docs.docker.com/docker-hub/repos/manage/webhooks/#example-webhook-payload>

use http::HeaderMap;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::claim::{Claim, Reading, ignored, subject};
use super::{Action, Face, Habits, Malformed, Sender, authentication, wire};
use crate::image::DOCKER_HUB;

pub(super) const FACE: Face =
    Face { name: "docker-hub", recognise, authenticate: authentication::path, decode, habits: Habits::PLAIN };

fn recognise(_: &HeaderMap, body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Probe {
        push_data: PushProbe,
        repository: RepositoryProbe,
    }
    // Alibaba Cloud's registry sends the same and more, and its images are not on Docker Hub.
    #[derive(Deserialize)]
    struct PushProbe {
        digest: Option<IgnoredAny>,
    }
    #[derive(Deserialize)]
    struct RepositoryProbe {
        repo_full_name: Option<IgnoredAny>,
    }
    wire::probe::<Probe>(body)
        .is_some_and(|probe| probe.push_data.digest.is_none() && probe.repository.repo_full_name.is_none())
}

#[derive(Deserialize)]
struct Payload {
    push_data: PushData,
    repository: Repository,
}

#[derive(Deserialize)]
struct PushData {
    #[serde(default, deserialize_with = "wire::text")]
    tag: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pusher: Option<String>,
    #[serde(default, deserialize_with = "wire::time")]
    pushed_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "wire::text")]
    media_type: Option<String>,
}

#[derive(Deserialize)]
struct Repository {
    #[serde(default, deserialize_with = "wire::text")]
    repo_name: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    namespace: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    name: Option<String>,
}

fn decode(_: &HeaderMap, body: &[u8]) -> Result<Vec<Reading>, Malformed> {
    let Payload { push_data, repository } = wire::parse(Sender::DockerHub, body)?;
    let Repository { repo_name, namespace, name } = repository;
    let repository = repo_name.or_else(|| namespace.zip(name).map(|(namespace, name)| format!("{namespace}/{name}")));
    if push_data.tag.is_none() {
        return Ok(vec![ignored(format!("the push to {} names no tag", subject(repository.as_deref(), None)))]);
    }
    let claim = Claim {
        action: Action::Push,
        registry: Some(DOCKER_HUB.to_owned()),
        repository,
        tag: push_data.tag,
        digest: None,
        media_type: push_data.media_type,
        parts: Vec::new(),
        pushed_at: push_data.pushed_at,
        actor: push_data.pusher,
        id: None,
    };
    Ok(vec![claim.judge()])
}
