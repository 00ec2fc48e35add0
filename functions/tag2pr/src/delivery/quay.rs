//! Quay's webhooks, on quay.io and of Red Hat Quay.
//!
//! The body is the event and does not say which: a push is known by its `updated_tags`. Nothing is signed, and there is
//! no digest, time or id. Three failed attempts in a row disable the notification until a person enables it again.
//!
//! Format: <https://docs.quay.io/guides/notifications.html>

use http::HeaderMap;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::claim::{Claim, Reading, ignored, subject};
use super::{Action, Face, Habits, Malformed, Sender, authentication, wire};

pub(super) const FACE: Face = Face {
    name: "quay",
    recognise,
    authenticate: authentication::path,
    decode,
    // Whatever is no 2xx counts, and the third in a row disables the notification.
    habits: Habits { unforgiving: true, ..Habits::PLAIN },
};

fn recognise(_: &HeaderMap, body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Probe {
        #[serde(rename = "docker_url")]
        _docker_url: String,
        #[serde(rename = "repository")]
        _repository: String,
    }
    wire::probe::<Probe>(body).is_some()
}

#[derive(Deserialize)]
struct Payload {
    #[serde(default, deserialize_with = "wire::text")]
    repository: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    docker_url: Option<String>,
    updated_tags: Option<Vec<String>>,
    vulnerability: Option<IgnoredAny>,
    build_id: Option<IgnoredAny>,
}

fn decode(_: &HeaderMap, body: &[u8]) -> Result<Vec<Reading>, Malformed> {
    let payload: Payload = wire::parse(Sender::Quay, body)?;
    let Payload { repository, docker_url, updated_tags, vulnerability, build_id } = payload;
    let registry = docker_url.as_deref().and_then(|url| wire::host(url, repository.as_deref()));
    let subject = subject(repository.as_deref(), None);
    match updated_tags {
        Some(tags) if !tags.is_empty() => Ok(tags
            .into_iter()
            .map(|tag| {
                Claim {
                    action: Action::Push,
                    registry: registry.clone(),
                    repository: repository.clone(),
                    tag: Some(tag).filter(|tag| !tag.is_empty()),
                    digest: None,
                    media_type: None,
                    parts: Vec::new(),
                    pushed_at: None,
                    actor: None,
                    id: None,
                }
                .judge()
            })
            .collect()),
        Some(_) => Ok(vec![ignored(format!("the push to {subject} names no tag"))]),
        None if vulnerability.is_some() => Ok(vec![ignored(format!("a vulnerability was found in {subject}"))]),
        None if build_id.is_some() => {
            Ok(vec![ignored(format!("a build of {subject}; what it pushes is reported by itself"))])
        }
        None => Ok(vec![ignored(format!(
            "an event of {subject} without `updated_tags` is no push; choose the event Push to Repository"
        ))]),
    }
}
