//! Google Artifact Registry and Container Registry, by a push subscription of Pub/Sub.
//!
//! The notification is a reference with its tag, one with its digest, or both, in base64 inside a message, or bare where
//! the subscription unwraps it. It carries no time of its own and nobody's name. What is not answered 2xx comes again
//! for a week, so that what cannot be read is taken as well.
//!
//! Formats: <https://cloud.google.com/artifact-registry/docs/configure-notifications>,
//! <https://cloud.google.com/pubsub/docs/push>, <https://cloud.google.com/pubsub/docs/payload-unwrapping>

use http::{HeaderMap, HeaderName};
use jiff::Timestamp;
use serde::Deserialize;

use super::claim::{Claim, Reading, excerpt, ignored};
use super::{Action, Face, Habits, Malformed, Refusal, Sender, wire};

pub(super) const FACE: Face = Face {
    name: "gar",
    recognise,
    authenticate: |_, _| Err(Refusal::TokenWanted),
    decode,
    habits: Habits { unforgiving: true, ..Habits::PLAIN },
};

/// Where an unwrapping subscription says what the message around the notification did.
pub(super) const MESSAGE_ID: HeaderName = HeaderName::from_static("x-goog-pubsub-message-id");
pub(super) const PUBLISH_TIME: HeaderName = HeaderName::from_static("x-goog-pubsub-publish-time");

/// A message, or the notification itself.
#[derive(Deserialize)]
struct Body {
    message: Option<Message>,
    #[serde(default, deserialize_with = "wire::text")]
    action: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    tag: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    digest: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    #[serde(default, deserialize_with = "wire::text")]
    data: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    message_id: Option<String>,
    #[serde(default, deserialize_with = "wire::time")]
    publish_time: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Notification {
    #[serde(default, deserialize_with = "wire::text")]
    action: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    tag: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    digest: Option<String>,
}

fn recognise(headers: &HeaderMap, body: &[u8]) -> bool {
    headers.contains_key(MESSAGE_ID)
        || wire::probe::<Body>(body).is_some_and(|body| {
            let bare = matches!(body.action.as_deref(), Some("INSERT" | "DELETE"));
            body.message.is_some_and(|message| message.data.is_some()) || bare
        })
}

fn decode(headers: &HeaderMap, body: &[u8]) -> Result<Vec<Reading>, Malformed> {
    let Body { message, action, tag, digest } = wire::parse(Sender::Gar, body)?;
    let header = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (notification, id, time) = match message {
        None => (
            Notification { action, tag, digest },
            header(MESSAGE_ID),
            header(PUBLISH_TIME).and_then(|time| time.parse().ok()),
        ),
        Some(message) => {
            let data = wire::base64(Sender::Gar, message.data.as_deref().unwrap_or_default())?;
            (wire::parse(Sender::Gar, &data)?, message.message_id, message.publish_time)
        }
    };
    Ok(vec![read(notification, id, time)])
}

fn read(notification: Notification, id: Option<String>, pushed_at: Option<Timestamp>) -> Reading {
    let action = match notification.action.as_deref().unwrap_or_default() {
        "INSERT" => Action::Push,
        "DELETE" => Action::Delete,
        other => return ignored(format!("action `{}` is neither INSERT nor DELETE", excerpt(other, 40))),
    };
    let by_tag = notification.tag.as_deref().map(wire::reference);
    let by_digest = notification.digest.as_deref().map(wire::reference);
    let name = by_tag.as_ref().or(by_digest.as_ref()).map(|reference| (reference.registry, reference.repository));
    let (registry, repository) = name.unwrap_or_default();
    Claim {
        action,
        registry: registry.map(str::to_owned),
        repository: Some(repository.to_owned()).filter(|repository| !repository.is_empty()),
        tag: by_tag.and_then(|reference| reference.tag).map(str::to_owned),
        digest: by_digest.and_then(|reference| reference.digest).map(str::to_owned),
        media_type: None,
        parts: Vec::new(),
        pushed_at,
        actor: None,
        id,
    }
    .judge()
}
