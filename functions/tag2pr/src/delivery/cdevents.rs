//! CDEvents: *artifact published* and *artifact deleted*, from any tool, over CloudEvents.
//!
//! What was published is a package URL; images have the types `oci` and `docker`. Versions of the specification differ in
//! what is not read here. The specification knows no authentication: the secret is a bearer token where the tool can
//! send headers, else the last segment of the path.
//!
//! Format: <https://cdevents.dev/docs/continuous-integration-pipeline-events/#artifact-published>,
//! <https://github.com/package-url/purl-spec>

use http::HeaderMap;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde::Deserialize;

use super::claim::{Claim, Reading, excerpt, ignored};
use super::{Action, Face, Habits, Malformed, Sender, authentication, cloudevents, wire};
use crate::image::DOCKER_HUB;

pub(super) const FACE: Face = Face {
    name: "cdevents",
    recognise,
    authenticate: |request, secrets| {
        let mend = "send `Authorization: Bearer <secret>`, or to the address /hooks/<source>/<secret>";
        authentication::path_or_authorization(request, secrets, mend)
    },
    decode,
    habits: Habits::PLAIN,
};

const PREFIX: &str = "dev.cdevents.";

fn recognise(headers: &HeaderMap, body: &[u8]) -> bool {
    let of_envelope = || cloudevents::kind(headers, body);
    let of_body = || wire::probe::<CdEvent>(body).and_then(|event| event.context.kind);
    of_envelope().or_else(of_body).is_some_and(|kind| kind.starts_with(PREFIX))
}

#[derive(Deserialize)]
struct CdEvent {
    context: Context,
    subject: Option<Subject>,
}

#[derive(Deserialize)]
struct Context {
    #[serde(rename = "type", default, deserialize_with = "wire::text")]
    kind: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    id: Option<String>,
    #[serde(default, deserialize_with = "wire::time")]
    timestamp: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Subject {
    #[serde(default, deserialize_with = "wire::text")]
    id: Option<String>,
    content: Option<Content>,
}

#[derive(Deserialize)]
struct Content {
    #[serde(default, deserialize_with = "wire::text")]
    user: Option<String>,
}

fn decode(headers: &HeaderMap, body: &[u8]) -> Result<Vec<Reading>, Malformed> {
    let Some(CdEvent { context, subject }) = cloudevents::data(Sender::Cdevents, headers, body)? else {
        return Ok(vec![ignored("a CloudEvent without data is no CDEvent")]);
    };
    let kind = context.kind.unwrap_or_default();
    let action = match kind.strip_prefix(PREFIX) {
        Some(event) if event.starts_with("artifact.published.") => Action::Push,
        Some(event) if event.starts_with("artifact.deleted.") => Action::Delete,
        _ => {
            let why = match kind.strip_prefix("dev.cdevents.artifact.").and_then(|event| event.split('.').next()) {
                Some("packaged") => "said before an artifact is published",
                Some("signed") => "about a signature",
                Some("downloaded") => "about a download",
                _ => "about something else than the publishing of an artifact",
            };
            return Ok(vec![ignored(format!("`{}` is {why}", excerpt(&kind, 60)))]);
        }
    };
    let Some(Subject { id: Some(purl), content }) = subject else {
        return Ok(vec![ignored(format!("`{}` names no artifact", excerpt(&kind, 60)))]);
    };
    let Some(Image { registry, repository, tag, digest }) = image(&purl) else {
        return Ok(vec![ignored(format!("`{}` is no package URL of an image", excerpt(&purl, 100)))]);
    };
    let claim = Claim {
        action,
        registry,
        repository: Some(repository),
        tag,
        digest,
        media_type: None,
        parts: Vec::new(),
        pushed_at: context.timestamp,
        actor: content.and_then(|content| content.user),
        id: context.id,
    };
    Ok(vec![claim.judge()])
}

#[derive(Debug, PartialEq, Eq)]
struct Image {
    registry: Option<String>,
    repository: String,
    tag: Option<String>,
    digest: Option<String>,
}

/// Reads `pkg:oci/web@sha256%3A…?repository_url=ghcr.io/acme/web&tag=1.0`, whose name is the last segment of the
/// repository, and `pkg:docker/acme/web@1.0?repository_url=ghcr.io`, whose name is all of it.
fn image(purl: &str) -> Option<Image> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let purl = purl.strip_prefix("pkg:")?.split('#').next()?;
    let (path, qualifiers) = purl.split_once('?').unwrap_or((purl, ""));
    let (kind, name) = path.trim_start_matches('/').split_once('/')?;
    let (name, version) = match name.split_once('@') {
        Some((name, version)) => (decoded(name), Some(decoded(version))),
        None => (decoded(name), None),
    };
    let qualifier = |wanted: &str| {
        let found = qualifiers.split('&').filter_map(|pair| pair.split_once('=')).find(|(name, _)| *name == wanted);
        found.map(|(_, value)| decoded(value)).filter(|value| !value.is_empty())
    };
    let url = qualifier("repository_url");
    let url = url.as_deref().map(|url| url.split_once("://").map_or(url, |(_, rest)| rest).trim_end_matches('/'));
    let is_digest = version.as_deref().is_some_and(|version| version.contains(':'));
    let (digest, version) = if is_digest { (version, None) } else { (None, version) };
    let (registry, repository) = match (kind, url) {
        ("oci", Some(url)) => match url.split_once('/') {
            Some((host, path)) if path.rsplit('/').next() == Some(&name) => (Some(host.to_owned()), path.to_owned()),
            Some((host, path)) => (Some(host.to_owned()), format!("{path}/{name}")),
            None => (Some(url.to_owned()), name),
        },
        ("oci", None) => (None, name),
        ("docker", url) => (Some(url.unwrap_or(DOCKER_HUB).to_owned()), name),
        _ => return None,
    };
    Some(Image { registry, repository, tag: qualifier("tag").or(version), digest })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(purl: &str) -> Option<String> {
        let Image { registry, repository, tag, digest } = image(purl)?;
        let registry = registry.unwrap_or_else(|| "?".to_owned());
        Some(format!("{registry}/{repository}:{}@{}", tag.unwrap_or_default(), digest.unwrap_or_default()))
    }

    #[test]
    fn package_urls_of_images_are_read() {
        for (purl, wanted) in [
            ("pkg:oci/web@sha256%3Aab?repository_url=ghcr.io/acme/web&tag=1.0", "ghcr.io/acme/web:1.0@sha256:ab"),
            ("pkg:oci/web@sha256:ab?tag=1.0&repository_url=https://ghcr.io/acme/", "ghcr.io/acme/web:1.0@sha256:ab"),
            ("pkg:oci/web?repository_url=ghcr.io%2Facme%2Fweb&tag=1.0#x", "ghcr.io/acme/web:1.0@"),
            ("pkg:oci/web@sha256:ab?repository_url=lab:5000", "lab:5000/web:@sha256:ab"),
            ("pkg:oci/web@sha256:ab?tag=1.0", "?/web:1.0@sha256:ab"),
            ("pkg:docker/acme/web@1.0?repository_url=ghcr.io", "ghcr.io/acme/web:1.0@"),
            ("pkg:docker/redis@sha256:ab?tag=7", "docker.io/redis:7@sha256:ab"),
        ] {
            assert_eq!(read(purl).as_deref(), Some(wanted), "{purl}");
        }
        for other in ["pkg:golang/acme.example/web@1.0", "pkg:oci", "ghcr.io/acme/web:1.0", "", "pkg:"] {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
