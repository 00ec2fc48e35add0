//! GitHub Container Registry: GitHub's events `package` and `registry_package`.
//!
//! Both report the same push under different delivery ids. A multi-platform image is reported manifest by manifest, and
//! the parts have an empty tag: their version's name is a digest and never a tag. GitHub sends no deletions, and tells
//! of one tag only where several were pushed at once.
//!
//! Format: <https://docs.github.com/webhooks/webhook-events-and-payloads#registry_package>

use std::borrow::Cow;

use http::{HeaderMap, HeaderName};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::authentication::HUB_SIGNATURE;
use super::claim::{Claim, Reading, excerpt, ignored, subject};
use super::{Action, Face, Habits, Malformed, Sender, wire};

pub(super) const FACE: Face = Face {
    name: "ghcr",
    recognise,
    authenticate: |request, secrets| HUB_SIGNATURE.verify(request, secrets),
    decode,
    habits: Habits::PLAIN,
};

pub(super) const EVENT_HEADER: HeaderName = HeaderName::from_static("x-github-event");
pub(super) const DELIVERY_HEADER: HeaderName = HeaderName::from_static("x-github-delivery");

fn recognise(headers: &HeaderMap, body: &[u8]) -> bool {
    // Gitea and Forgejo send GitHub's headers beside their own.
    if headers.contains_key("x-gitea-event") || headers.contains_key("x-forgejo-event") {
        return false;
    }
    #[derive(Deserialize)]
    struct Probe {
        #[serde(alias = "registry_package")]
        package: PackageProbe,
    }
    #[derive(Deserialize)]
    struct PackageProbe {
        package_version: Option<IgnoredAny>,
    }
    headers.contains_key(EVENT_HEADER)
        || wire::payload(headers, body).ok().is_some_and(|body| {
            wire::probe::<Probe>(&body).is_some_and(|probe| probe.package.package_version.is_some())
        })
}

#[derive(Deserialize)]
struct Payload {
    #[serde(default, deserialize_with = "wire::text")]
    action: Option<String>,
    #[serde(alias = "registry_package")]
    package: Option<Package>,
    sender: Option<Account>,
    zen: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Account {
    #[serde(default, deserialize_with = "wire::text")]
    login: Option<String>,
}

#[derive(Deserialize)]
struct Package {
    #[serde(default, deserialize_with = "wire::text")]
    name: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    package_type: Option<String>,
    #[serde(default, deserialize_with = "wire::time")]
    updated_at: Option<Timestamp>,
    owner: Option<Account>,
    package_version: Option<Version>,
}

#[derive(Deserialize)]
struct Version {
    #[serde(default, deserialize_with = "wire::text")]
    package_url: Option<String>,
    container_metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Metadata {
    tag: Option<TagRecord>,
    manifest: Option<Manifest>,
}

#[derive(Deserialize)]
struct TagRecord {
    #[serde(default, deserialize_with = "wire::text")]
    name: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    digest: Option<String>,
}

#[derive(Deserialize)]
struct Manifest {
    #[serde(default, deserialize_with = "wire::text")]
    digest: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    media_type: Option<String>,
    config: Option<Config>,
}

#[derive(Deserialize)]
struct Config {
    #[serde(default, deserialize_with = "wire::text")]
    media_type: Option<String>,
}

fn decode(headers: &HeaderMap, body: &[u8]) -> Result<Vec<Reading>, Malformed> {
    let header = |name: &HeaderName| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
    match header(&EVENT_HEADER).as_deref() {
        None | Some("package" | "registry_package") => {}
        Some("ping") => return Ok(vec![ignored(PING)]),
        Some(other) => {
            let other = excerpt(other, 40);
            let reason = format!("GitHub's event `{other}` says nothing of images; subscribe to `registry_package`");
            return Ok(vec![ignored(reason)]);
        }
    }
    let body = wire::payload(headers, body)?;
    let payload: Payload = wire::parse(Sender::Ghcr, &body)?;
    Ok(vec![read(payload, header(&DELIVERY_HEADER).map(Cow::into_owned))])
}

const PING: &str = "GitHub's ping: the webhook is set up";

fn read(payload: Payload, id: Option<String>) -> Reading {
    let Some(package) = payload.package else {
        return ignored(if payload.zen.is_some() { PING } else { "the event names no package" });
    };
    let named = package.name.as_deref();
    match payload.action.as_deref() {
        Some("published") => {}
        Some("updated") => return ignored(format!("the description of {} changed", subject(named, None))),
        other => {
            let other = excerpt(other.unwrap_or_default(), 40);
            return ignored(format!("action `{other}` is not the publishing of a package"));
        }
    }
    if let Some(kind) = package.package_type.as_deref()
        && !["container", "docker"].iter().any(|image| kind.eq_ignore_ascii_case(image))
    {
        let kind = excerpt(kind, 40);
        return ignored(format!("{} is a package of type `{kind}`, not an image", subject(named, None)));
    }
    let Some(version) = package.package_version else {
        return ignored(format!("the event names no version of {}", subject(named, None)));
    };
    let Some(Metadata { tag, manifest }) = version.container_metadata else {
        return ignored(format!("{} is not from the container registry", subject(named, None)));
    };

    let (registry, repository) = match version.package_url.as_deref().and_then(split_url) {
        Some((registry, repository)) => (registry.to_owned(), Some(repository.to_lowercase())),
        None => {
            let owner = package.owner.and_then(|owner| owner.login);
            let repository = owner.zip(package.name).map(|(owner, name)| format!("{owner}/{name}").to_lowercase());
            ("ghcr.io".to_owned(), repository)
        }
    };
    let (tag, digest) = tag.map_or((None, None), |tag| (tag.name, tag.digest));
    let (manifest_digest, media_type, config) =
        manifest.map_or((None, None, None), |manifest| (manifest.digest, manifest.media_type, manifest.config));
    Claim {
        action: Action::Push,
        registry: Some(registry),
        repository,
        tag,
        digest: digest.or(manifest_digest),
        media_type,
        parts: config.and_then(|config| config.media_type).into_iter().collect(),
        pushed_at: package.updated_at,
        actor: payload.sender.and_then(|sender| sender.login),
        id,
    }
    .judge()
}

/// `ghcr.io/acme/web:1.0`; the parts of an index have `ghcr.io/acme/web:`, with nothing after the colon.
fn split_url(url: &str) -> Option<(&str, &str)> {
    let (registry, rest) = url.trim_start_matches("https://").split_once('/')?;
    let name = rest.split('@').next().unwrap_or(rest);
    let repository = match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => name,
    };
    (!registry.is_empty() && !repository.is_empty()).then_some((registry, repository))
}
