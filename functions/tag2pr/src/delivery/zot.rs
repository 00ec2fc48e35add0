//! zot's events: CloudEvents in binary mode.
//!
//! They name no host, unless the `source` of the events is set to the registry's URL. `reference` is a tag or a digest.
//! zot tries once, and does not report a push that changes nothing.
//!
//! Format: <https://zotregistry.dev/v2.1.21/articles/events/>

use http::HeaderMap;
use serde::Deserialize;

use super::claim::{Claim, Reading, excerpt, ignored};
use super::{Action, Face, Habits, Malformed, Sender, authentication, cloudevents, wire};

pub(super) const FACE: Face = Face {
    name: "zot",
    recognise: |headers, body| cloudevents::kind(headers, body).is_some_and(|kind| kind.starts_with("zotregistry.")),
    authenticate: |request, secrets| {
        let mend = "set `\"credentials\": {\"token\": \"<secret>\"}` for the sink in zot's configuration";
        authentication::authorization(request, secrets, mend)
    },
    decode,
    habits: Habits::PLAIN,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    #[serde(default, deserialize_with = "wire::text")]
    name: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    reference: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    digest: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    media_type: Option<String>,
    /// The manifest itself, as a text.
    #[serde(default, deserialize_with = "wire::text")]
    manifest: Option<String>,
    actor: Option<Actor>,
}

#[derive(Deserialize)]
struct Actor {
    #[serde(default, deserialize_with = "wire::text")]
    name: Option<String>,
}

fn decode(headers: &HeaderMap, body: &[u8]) -> Result<Vec<Reading>, Malformed> {
    let event = cloudevents::attributes(Sender::Zot, headers, body)?;
    let Some(kind) = event.kind else {
        return Ok(vec![ignored("no `ce-type` says what happened")]);
    };
    // The beginning of the type can be configured.
    let what = kind.rsplitn(3, '.').take(2).collect::<Vec<_>>();
    let action = match what.as_slice() {
        ["updated", "image"] => Action::Push,
        ["deleted", "image"] => Action::Delete,
        what => {
            let why = match what {
                ["created", "repository"] => "about a repository; its first image is reported by itself",
                ["lint_failed", "image"] => "about an image that zot refused",
                ["scanned", "image"] => "about a scan",
                _ => "of a type that tag2pr does not know",
            };
            return Ok(vec![ignored(format!("`{}` is {why}", excerpt(&kind, 60)))]);
        }
    };
    let Some(data) = cloudevents::data::<Data>(Sender::Zot, headers, body)? else {
        return Ok(vec![ignored(format!("`{}` without data names no image", excerpt(&kind, 60)))]);
    };
    let claim = Claim {
        action,
        registry: event
            .source
            .filter(|source| source.contains("://"))
            .and_then(|url| wire::host(&format!("{url}/"), None)),
        repository: data.name,
        tag: data.reference,
        digest: data.digest,
        media_type: data.media_type,
        parts: data.manifest.as_deref().map(parts).unwrap_or_default(),
        pushed_at: event.time,
        actor: data.actor.and_then(|actor| actor.name),
        id: event.id,
    };
    Ok(vec![claim.judge()])
}

/// What the manifest says that it is made of.
fn parts(manifest: &str) -> Vec<String> {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Manifest {
        artifact_type: Option<String>,
        config: Option<Config>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Config {
        media_type: Option<String>,
    }
    let Manifest { artifact_type, config } = serde_json::from_str(manifest).unwrap_or_default();
    artifact_type.into_iter().chain(config.and_then(|config| config.media_type)).collect()
}
