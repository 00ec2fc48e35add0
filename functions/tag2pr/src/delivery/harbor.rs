//! Harbor's webhooks, 1.x and 2.x, in both payload formats: *Default* and *CloudEvents*.
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
use super::{Action, Face, Habits, Malformed, Sender, authentication, cloudevents, wire};

pub(super) const FACE: Face = Face {
    name: "harbor",
    recognise,
    authenticate: |request, secrets| {
        authentication::authorization(request, secrets, "enter the secret as Auth Header of the webhook in Harbor")
    },
    decode,
    habits: Habits::PLAIN,
};

fn recognise(_: &HeaderMap, body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Probe {
        #[serde(rename = "type")]
        kind: String,
        event_data: Option<IgnoredAny>,
    }
    wire::probe::<Probe>(body).is_some_and(|probe| probe.event_data.is_some() || probe.kind.starts_with(CLOUD_EVENTS))
}

/// The names that Harbor's CloudEvents begin with.
const CLOUD_EVENTS: &str = "harbor.";

/// What stands around the data, in both formats.
#[derive(Deserialize)]
struct Head {
    #[serde(rename = "type")]
    kind: String,
    #[serde(alias = "time", default, deserialize_with = "wire::time")]
    occur_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "wire::text")]
    operator: Option<String>,
    /// CloudEvents alone have one.
    #[serde(default, deserialize_with = "wire::text")]
    id: Option<String>,
}

#[derive(Deserialize)]
struct Payload {
    event_data: EventData,
}

#[derive(Default, Deserialize)]
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

fn decode(headers: &HeaderMap, body: &[u8]) -> Result<Vec<Reading>, Malformed> {
    let Head { kind, occur_at, operator, id } = wire::parse(Sender::Harbor, body)?;
    let action = match kind.strip_prefix(CLOUD_EVENTS).unwrap_or(&kind) {
        "PUSH_ARTIFACT" | "pushImage" | "artifact.pushed" | "tag.created" => Action::Push,
        "DELETE_ARTIFACT" | "deleteImage" | "artifact.deleted" => Action::Delete,
        _ => return Ok(vec![ignored(uninteresting(&kind))]),
    };
    let data = if kind.starts_with(CLOUD_EVENTS) {
        cloudevents::data(Sender::Harbor, headers, body)?
    } else {
        Some(wire::parse::<Payload>(Sender::Harbor, body)?.event_data)
    };
    let EventData { resources, repository } = data.unwrap_or_default();
    let repository = repository.and_then(Repository::full_name);
    let resources = resources.unwrap_or_default();
    if resources.is_empty() {
        return Ok(vec![ignored(format!("{kind} without resources names no image"))]);
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
            pushed_at: occur_at,
            actor: operator.clone(),
            id: id.clone(),
        };
        claim.judge()
    };
    Ok(resources.into_iter().map(read).collect())
}

fn uninteresting(kind: &str) -> String {
    let what = match kind.strip_prefix(CLOUD_EVENTS).unwrap_or(kind) {
        "PULL_ARTIFACT" | "pullImage" | "artifact.pulled" => "a pull, not a push",
        "REPLICATION" | "replication.status.changed" => {
            "a replication's progress; what it pushes is reported by itself"
        }
        "TAG_RETENTION" | "tag_retention.finished" => "a retention's progress; what it deletes is reported by itself",
        "uploadChart" | "downloadChart" | "deleteChart" => "about a Helm chart, not an image",
        kind if ["SCANNING_", "scanning", "scan."].iter().any(|scan| kind.starts_with(scan)) => "about a scan",
        kind if ["QUOTA_", "quota"].iter().any(|quota| kind.starts_with(quota)) => "about a quota",
        _ => "of a type that tag2pr does not know",
    };
    format!("`{}` is {what}", excerpt(kind, 40))
}
