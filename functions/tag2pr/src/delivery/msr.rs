//! Mirantis Secure Registry 2 and 3, once Docker Trusted Registry. MSR 4 is a Harbor, and sends what Harbor sends.
//!
//! Nothing is signed. Newer versions name the host before the image, older ones do not.
//!
//! Format: <https://docs.mirantis.com/msr/2.9/ops/manage-webhooks/webhook-types/>

use http::HeaderMap;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::claim::{Claim, Reading, excerpt, ignored};
use super::{Action, Face, Habits, Malformed, Sender, authentication, wire};

pub(super) const FACE: Face =
    Face { name: "msr", recognise, authenticate: authentication::path, decode, habits: Habits::PLAIN };

fn recognise(_: &HeaderMap, body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Probe {
        #[serde(rename = "type")]
        _kind: String,
        #[serde(rename = "createdAt")]
        _created_at: IgnoredAny,
        contents: Option<IgnoredAny>,
    }
    wire::probe::<Probe>(body).is_some_and(|probe| probe.contents.is_some())
}

/// Enough to know what a body is about; `contents` differ from type to type.
#[derive(Deserialize)]
struct Head {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    #[serde(default, deserialize_with = "wire::time")]
    created_at: Option<Timestamp>,
    contents: Contents,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Contents {
    #[serde(default, deserialize_with = "wire::text")]
    namespace: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    repository: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    tag: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    digest: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    image_name: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    author: Option<String>,
}

fn decode(_: &HeaderMap, body: &[u8]) -> Result<Vec<Reading>, Malformed> {
    let head: Head = wire::parse(Sender::Msr, body)?;
    let action = match head.kind.as_str() {
        "TAG_PUSH" => Action::Push,
        "TAG_DELETE" => Action::Delete,
        other => return Ok(vec![ignored(uninteresting(other))]),
    };
    let Payload { created_at, contents } = wire::parse(Sender::Msr, body)?;
    let Contents { namespace, repository, tag, digest, image_name, author } = contents;
    let repository = namespace.zip(repository).map(|(namespace, repository)| format!("{namespace}/{repository}"));
    let claim = Claim {
        action,
        registry: image_name.as_deref().and_then(|name| wire::host(name, repository.as_deref())),
        repository,
        tag,
        digest,
        media_type: None,
        parts: Vec::new(),
        pushed_at: created_at,
        actor: author,
        id: None,
    };
    Ok(vec![claim.judge()])
}

fn uninteresting(kind: &str) -> String {
    let what = match kind {
        "TAG_PULL" | "MANIFEST_PULL" => "a pull, not a push",
        "MANIFEST_PUSH" | "MANIFEST_DELETE" => "about a manifest; its tags are reported by themselves",
        "PROMOTION" | "PUSH_MIRRORING" | "POLL_MIRRORING" => {
            "about a copy; what it pushes is reported by itself, where it arrives"
        }
        "REPO_CREATED" | "REPO_UPDATED" | "REPO_DELETED" => "about a repository",
        _ if kind.starts_with("SCAN") => "about a scan",
        _ => "of a type that tag2pr does not know",
    };
    format!("`{}` is {what}", excerpt(kind, 40))
}
