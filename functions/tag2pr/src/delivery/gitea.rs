//! Gitea's and Forgejo's package registries: the event `package`, signed as each calls it.
//!
//! Both send their own headers beside GitHub's and Gogs's; the signature is the same in all, bare hexadecimal digits
//! here. A tag is written in lower case, without its digest; a manifest that was pushed by digest has the digest where
//! the tag should be. They try once, and a webhook without a secret has an empty signature.
//!
//! Format: <https://docs.gitea.com/usage/repository/webhooks>, <https://forgejo.org/docs/latest/user/webhooks/>

use http::{HeaderMap, HeaderName};
use jiff::Timestamp;
use ring::hmac::HMAC_SHA256;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::authentication::{SHA256_DIGITS, Signature};
use super::claim::{Claim, Reading, excerpt, ignored, subject};
use super::{Action, Face, Habits, Malformed, Sender, wire};

pub(super) const GITEA: Face = Face {
    name: "gitea",
    recognise: |headers, body| {
        !headers.contains_key(FORGEJO_EVENT) && (headers.contains_key(GITEA_EVENT) || is_package(headers, body))
    },
    authenticate: |request, secrets| {
        Signature { header: "X-Gitea-Signature", mend: "enter a secret for the webhook in Gitea", ..SIGNATURE }
            .verify(request, secrets)
    },
    decode: |headers, body| decode(Sender::Gitea, (&GITEA_EVENT, &GITEA_DELIVERY), headers, body),
    habits: Habits::PLAIN,
};

pub(super) const FORGEJO: Face = Face {
    name: "forgejo",
    recognise: |headers, _| headers.contains_key(FORGEJO_EVENT),
    authenticate: |request, secrets| {
        Signature { header: "X-Forgejo-Signature", mend: "enter a secret for the webhook in Forgejo", ..SIGNATURE }
            .verify(request, secrets)
    },
    decode: |headers, body| decode(Sender::Forgejo, (&FORGEJO_EVENT, &FORGEJO_DELIVERY), headers, body),
    habits: Habits::PLAIN,
};

const SIGNATURE: Signature =
    Signature { header: "", prefix: "", algorithm: HMAC_SHA256, form: SHA256_DIGITS, mend: "" };

pub(super) const GITEA_EVENT: HeaderName = HeaderName::from_static("x-gitea-event");
pub(super) const GITEA_DELIVERY: HeaderName = HeaderName::from_static("x-gitea-delivery");
pub(super) const FORGEJO_EVENT: HeaderName = HeaderName::from_static("x-forgejo-event");
pub(super) const FORGEJO_DELIVERY: HeaderName = HeaderName::from_static("x-forgejo-delivery");

/// Whether the body alone could be theirs; GitHub's packages look different.
fn is_package(headers: &HeaderMap, body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Probe {
        package: PackageProbe,
    }
    #[derive(Deserialize)]
    struct PackageProbe {
        #[serde(rename = "version")]
        _version: String,
        html_url: Option<IgnoredAny>,
    }
    wire::payload(headers, body)
        .ok()
        .and_then(|body| wire::probe::<Probe>(&body))
        .is_some_and(|probe| probe.package.html_url.is_some())
}

#[derive(Deserialize)]
struct Payload {
    #[serde(default, deserialize_with = "wire::text")]
    action: Option<String>,
    package: Option<Package>,
    sender: Option<Account>,
}

#[derive(Deserialize)]
struct Package {
    owner: Option<Account>,
    #[serde(rename = "type", default, deserialize_with = "wire::text")]
    kind: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    name: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    version: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    html_url: Option<String>,
    #[serde(default, deserialize_with = "wire::time")]
    created_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Account {
    #[serde(default, deserialize_with = "wire::text")]
    login: Option<String>,
}

fn decode(
    sender: Sender,
    (event, delivery): (&HeaderName, &HeaderName),
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Vec<Reading>, Malformed> {
    let header = |name| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    if let Some(event) = header(event).filter(|event| event != "package") {
        let event = excerpt(&event, 40);
        return Ok(vec![ignored(format!("{sender}'s event `{event}` says nothing of images; choose Package"))]);
    }
    let payload: Payload = wire::parse(sender, &wire::payload(headers, body)?)?;
    Ok(vec![read(payload, header(delivery))])
}

fn read(payload: Payload, id: Option<String>) -> Reading {
    let Some(package) = payload.package else { return ignored("the event holds no package") };
    let Package { owner, kind, name, version, html_url, created_at } = package;
    let repository =
        owner.and_then(|owner| owner.login).zip(name).map(|(owner, name)| format!("{owner}/{name}").to_lowercase());
    let subject = subject(repository.as_deref(), version.as_deref());
    if kind.as_deref() != Some("container") {
        let kind = excerpt(kind.as_deref().unwrap_or("unknown"), 40);
        return ignored(format!("{subject} is a package of type `{kind}`, not an image"));
    }
    let action = match payload.action.as_deref() {
        Some("created") => Action::Push,
        Some("deleted") => Action::Delete,
        other => {
            let other = excerpt(other.unwrap_or_default(), 40);
            return ignored(format!("action `{other}` is neither the creation nor the deletion of {subject}"));
        }
    };
    Claim {
        action,
        registry: html_url.as_deref().and_then(|url| wire::host(url, None)),
        repository,
        tag: version,
        digest: None,
        media_type: None,
        parts: Vec::new(),
        pushed_at: created_at.filter(|_| action == Action::Push),
        actor: payload.sender.and_then(|sender| sender.login),
        id,
    }
    .judge()
}
