//! Harbor's webhooks, payload format *Default*, 1.x and 2.x.
//!
//! Every manifest that is put reports itself. One that was put by digest (the parts of an index, a proxy cache, a
//! replication) repeats the digest where the tag should be. A host is named only in `resource_url`, and not by all.
//!
//! Format: <https://goharbor.io/docs/main/working-with-projects/project-configuration/configure-webhooks/>

use http::HeaderMap;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::claim::{Claim, Reading, excerpt, ignored};
use super::{Action, Face, Habits, Malformed, Sender, authentication, wire};

pub(super) const FACE: Face = Face {
    name: "harbor",
    recognise,
    authenticate: |request, secrets| {
        authentication::authorization(request, secrets, "enter the secret as Auth Header of the webhook in Harbor")
    },
    decode,
    habits: Habits::PLAIN,
};

/// Enough to know what a body is about, whatever else it holds.
#[derive(Deserialize)]
struct Head {
    #[serde(rename = "type")]
    kind: String,
    event_data: Option<IgnoredAny>,
}

/// The names that Harbor's CloudEvents begin with.
const CLOUD_EVENTS: &str = "harbor.";

fn recognise(_: &HeaderMap, body: &[u8]) -> bool {
    wire::probe::<Head>(body).is_some_and(|head| head.event_data.is_some() || head.kind.starts_with(CLOUD_EVENTS))
}

#[derive(Deserialize)]
struct Payload {
    #[serde(default, deserialize_with = "wire::time")]
    occur_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "wire::text")]
    operator: Option<String>,
    event_data: EventData,
}

#[derive(Deserialize)]
struct EventData {
    #[serde(default)]
    resources: Option<Vec<Resource>>,
    repository: Option<Repository>,
}

#[derive(Deserialize)]
struct Resource {
    #[serde(default, deserialize_with = "wire::text")]
    digest: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    tag: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    resource_url: Option<String>,
}

#[derive(Deserialize)]
struct Repository {
    #[serde(default, deserialize_with = "wire::text")]
    repo_full_name: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    namespace: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    name: Option<String>,
}

impl Repository {
    fn full_name(self) -> Option<String> {
        let Self { repo_full_name, namespace, name } = self;
        repo_full_name.or_else(|| namespace.zip(name).map(|(namespace, name)| format!("{namespace}/{name}")))
    }
}

fn decode(_: &HeaderMap, body: &[u8]) -> Result<Vec<Reading>, Malformed> {
    let head: Head = wire::parse(Sender::Harbor, body)?;
    let action = match head.kind.as_str() {
        "PUSH_ARTIFACT" | "pushImage" => Action::Push,
        "DELETE_ARTIFACT" | "deleteImage" => Action::Delete,
        other => return Ok(vec![ignored(uninteresting(other))]),
    };
    let payload: Payload = wire::parse(Sender::Harbor, body)?;
    let repository = payload.event_data.repository.and_then(Repository::full_name);
    let resources = payload.event_data.resources.unwrap_or_default();
    if resources.is_empty() {
        return Ok(vec![ignored(format!("{} without resources names no image", head.kind))]);
    }
    let read = |resource: Resource| {
        let claim = Claim {
            action,
            registry: resource.resource_url.as_deref().and_then(|url| wire::host(url, repository.as_deref())),
            repository: repository.clone(),
            tag: resource.tag,
            digest: resource.digest,
            media_type: None,
            parts: Vec::new(),
            pushed_at: payload.occur_at,
            actor: payload.operator.clone(),
            id: None,
        };
        claim.judge()
    };
    Ok(resources.into_iter().map(read).collect())
}

fn uninteresting(kind: &str) -> String {
    let what = match kind {
        "PULL_ARTIFACT" | "pullImage" => "a pull, not a push",
        "REPLICATION" => "a replication's progress; what it pushes is reported by itself",
        "TAG_RETENTION" => "a retention's progress; what it deletes is reported by itself",
        "uploadChart" | "downloadChart" | "deleteChart" => "about a Helm chart, not an image",
        _ if kind.starts_with("SCANNING_") || kind.starts_with("scanning") => "about a scan",
        _ if kind.starts_with("QUOTA_") || kind.starts_with("quota") => "about a quota",
        _ if kind.starts_with(CLOUD_EVENTS) => {
            "a CloudEvent, which tag2pr does not read from Harbor; choose the payload format Default for the webhook"
        }
        _ => "of a type that tag2pr does not know",
    };
    format!("`{}` is {what}", excerpt(kind, 40))
}
