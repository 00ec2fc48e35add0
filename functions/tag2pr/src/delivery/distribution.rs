//! CNCF Distribution's notifications; the GitLab container registry sends the same.
//!
//! One envelope holds any number of events, of manifests and of layers, pushes and pulls mixed. A multi-platform push
//! is reported piece by piece; only the index has the tag. A deletion by digest comes with one more event for each tag
//! it had; the deletion of a layer looks the same, so that it is no more than a hint.
//!
//! Format: <https://distribution.github.io/distribution/about/notifications/#events>

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::claim::{Claim, Reading, excerpt, ignored, subject};
use super::{Action, Face, Habits, Malformed, Sender, authentication, wire};

pub(super) const FACE: Face = Face {
    name: "distribution",
    recognise,
    authenticate: |request, secrets| {
        let mend =
            "set `headers: { Authorization: [Bearer <secret>] }` for the endpoint in the registry's configuration";
        authentication::authorization(request, secrets, mend)
    },
    decode: |_, body| read_envelope(Sender::Distribution, body),
    // It sends its events in order, each until it is content: one that cannot be read would hold up all later ones.
    habits: Habits { unforgiving: true, ..Habits::PLAIN },
};

fn recognise(headers: &HeaderMap, body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Probe {
        #[serde(rename = "events")]
        _events: Vec<IgnoredAny>,
    }
    let by_type = headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/vnd.docker.distribution.events."));
    by_type || wire::probe::<Probe>(body).is_some()
}

#[derive(Deserialize)]
struct Envelope {
    events: Vec<Notification>,
}

#[derive(Deserialize)]
struct Notification {
    #[serde(default, deserialize_with = "wire::text")]
    id: Option<String>,
    #[serde(default, deserialize_with = "wire::time")]
    timestamp: Option<Timestamp>,
    action: String,
    target: Option<Target>,
    request: Option<RequestRecord>,
    actor: Option<Actor>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    #[serde(default, deserialize_with = "wire::text")]
    media_type: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    digest: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    repository: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    tag: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    url: Option<String>,
    references: Option<Vec<Reference>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    #[serde(default, deserialize_with = "wire::text")]
    media_type: Option<String>,
}

#[derive(Deserialize)]
struct RequestRecord {
    #[serde(default, deserialize_with = "wire::text")]
    host: Option<String>,
}

#[derive(Deserialize)]
struct Actor {
    #[serde(default, deserialize_with = "wire::text")]
    name: Option<String>,
}

/// Reads an envelope of whoever sends such.
pub(super) fn read_envelope(sender: Sender, body: &[u8]) -> Result<Vec<Reading>, Malformed> {
    let envelope: Envelope = wire::parse(sender, body)?;
    if envelope.events.is_empty() {
        return Ok(vec![ignored("the envelope holds no events")]);
    }
    Ok(envelope.events.into_iter().map(read).collect())
}

fn read(notification: Notification) -> Reading {
    let target = notification.target.unwrap_or_default();
    let subject = subject(target.repository.as_deref(), target.tag.as_deref());
    let action = match notification.action.as_str() {
        "push" => Action::Push,
        "delete" => Action::Delete,
        "pull" => return ignored(format!("{subject} was pulled, not pushed")),
        "mount" => return ignored(format!("a layer of another repository was linked into {subject}")),
        other => return ignored(format!("action `{}` is neither push nor delete", excerpt(other, 40))),
    };
    if let Some(media_type) = target.media_type.as_deref()
        && !is_manifest(media_type)
    {
        return ignored(format!("a layer or configuration of {subject}: {}", excerpt(media_type, 100)));
    }
    let host_of_url = || {
        let (_, rest) = target.url.as_deref()?.split_once("://")?;
        rest.split('/').next().filter(|host| !host.is_empty()).map(str::to_owned)
    };
    Claim {
        action,
        registry: notification.request.and_then(|request| request.host).or_else(host_of_url),
        repository: target.repository,
        tag: target.tag,
        digest: target.digest,
        media_type: target.media_type,
        parts: target.references.into_iter().flatten().filter_map(|part| part.media_type).collect(),
        pushed_at: notification.timestamp,
        actor: notification.actor.and_then(|actor| actor.name),
        id: notification.id,
    }
    .judge()
}

/// Media types that a registry gives manifests, with or without parameters; everything else is a blob.
fn is_manifest(media_type: &str) -> bool {
    let name = media_type.split(';').next().unwrap_or_default().trim();
    let oci = name.strip_prefix("application/vnd.oci.");
    oci.is_some_and(|rest| {
        matches!(rest, "image.manifest.v1+json" | "image.index.v1+json" | "artifact.manifest.v1+json")
    }) || name.starts_with("application/vnd.docker.distribution.manifest.")
}
