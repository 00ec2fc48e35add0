//! JFrog Artifactory's webhooks, domain *Docker*.
//!
//! One header carries the secret itself or, with *Use secret for payload signing*, an HMAC-SHA256 of the body. Which of
//! the two it is, is configuration, `jfrog` or `jfrog-token`: whoever tried both would take a signature for a secret.
//! An image is named as Artifactory's default access method has it, `<host>/<repository key>/<path>`; under the others,
//! with a subdomain or a port for each repository, it has a name that no event holds.
//!
//! Format: <https://jfrog.com/help/r/jfrog-platform-administration-documentation/domain-docker>

use http::HeaderMap;
use ring::hmac::HMAC_SHA256;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::authentication::{self, Signature};
use super::claim::{Claim, Reading, excerpt, ignored, subject};
use super::{Action, Face, Habits, Malformed, Sender, wire};

const HEADER: &str = "X-JFrog-Event-Auth";

pub(super) const SIGNED: Face = Face {
    name: "jfrog",
    recognise: |headers, body| is_ours(headers, body) && headers.get(HEADER).is_none_or(looks_signed),
    authenticate: |request, secrets| SIGNATURE.verify(request, secrets),
    decode: |_, body| decode(Sender::Jfrog, body),
    habits: Habits::PLAIN,
};

pub(super) const TOKEN: Face = Face {
    name: "jfrog-token",
    recognise: |headers, body| is_ours(headers, body) && headers.get(HEADER).is_some_and(|value| !looks_signed(value)),
    authenticate: |request, secrets| {
        authentication::header(request, secrets, HEADER, "enter a secret token for the webhook in Artifactory")
    },
    decode: |_, body| decode(Sender::JfrogToken, body),
    habits: Habits::PLAIN,
};

const SIGNATURE: Signature = Signature {
    header: HEADER,
    prefix: "",
    algorithm: HMAC_SHA256,
    form: "64 hexadecimal digits; tick Use secret for payload signing in Artifactory, or set `type: jfrog-token`",
    mend: "enter a secret token for the webhook in Artifactory, and tick Use secret for payload signing",
};

fn looks_signed(value: &http::HeaderValue) -> bool {
    value.len() == 64 && value.as_bytes().iter().all(u8::is_ascii_hexdigit)
}

fn is_ours(headers: &HeaderMap, body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Probe {
        #[serde(rename = "domain")]
        _domain: String,
        #[serde(rename = "event_type")]
        _event_type: String,
        data: Option<IgnoredAny>,
    }
    headers.contains_key(HEADER) || wire::probe::<Probe>(body).is_some_and(|probe| probe.data.is_some())
}

/// Enough to know what a body is about; `data` differs from domain to domain.
#[derive(Deserialize)]
struct Head {
    #[serde(default, deserialize_with = "wire::text")]
    domain: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    event_type: Option<String>,
}

#[derive(Deserialize)]
struct Payload {
    data: Data,
    #[serde(default, deserialize_with = "wire::text")]
    jpd_origin: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    source: Option<String>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(default, deserialize_with = "wire::text")]
    repo_key: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    path: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    image_name: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    image_type: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    tag: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    sha256: Option<String>,
}

impl Data {
    /// The repository key, and the folders above `<tag>/manifest.json`.
    fn repository(&self) -> Option<String> {
        let folders = self.path.as_deref().and_then(|path| path.rsplitn(3, '/').nth(2)).filter(|path| !path.is_empty());
        Some(format!("{}/{}", self.repo_key.as_deref()?, folders.or(self.image_name.as_deref())?))
    }
}

fn decode(sender: Sender, body: &[u8]) -> Result<Vec<Reading>, Malformed> {
    let head: Head = wire::parse(sender, body)?;
    let (domain, event) = (head.domain.as_deref(), head.event_type.as_deref());
    let action = match (domain, event) {
        (Some("docker"), Some("pushed")) => Action::Push,
        (Some("docker"), Some("deleted")) => Action::Delete,
        (Some("docker"), Some("promoted")) => {
            return Ok(vec![ignored("`promoted` does not say where to; the sweep finds what has arrived")]);
        }
        (None, _) => return Ok(vec![ignored("it names no domain; choose the events of the domain Docker")]),
        (Some(domain), event) => {
            let (domain, event) = (excerpt(domain, 40), excerpt(event.unwrap_or_default(), 40));
            return Ok(vec![ignored(format!(
                "the event `{event}` of the domain `{domain}` says nothing of images; choose Docker: pushed, deleted"
            ))]);
        }
    };
    let Payload { data, jpd_origin, source } = wire::parse(sender, body)?;
    let repository = data.repository();
    if let Some(kind) = data.image_type.as_deref()
        && !["docker", "oci"].iter().any(|image| kind.eq_ignore_ascii_case(image))
    {
        let subject = subject(repository.as_deref(), data.tag.as_deref());
        return Ok(vec![ignored(format!("{subject} is a `{}`, not an image", excerpt(kind, 40)))]);
    }
    let origin = jpd_origin.as_deref().map(|origin| origin.split_once("://").map_or(origin, |(_, rest)| rest));
    let claim = Claim {
        action,
        registry: origin.and_then(|origin| origin.split('/').next()).filter(|host| !host.is_empty()).map(str::to_owned),
        repository,
        // The folder of a manifest without a tag, as it is called in storage.
        tag: data.tag.map(|tag| tag.strip_prefix("sha256__").map_or(tag.clone(), |hex| format!("sha256:{hex}"))),
        digest: data.sha256.map(|hex| if hex.contains(':') { hex } else { format!("sha256:{hex}") }),
        media_type: None,
        parts: Vec::new(),
        pushed_at: None,
        actor: source.map(|source| source.strip_prefix("jfrog/").map_or(source.clone(), str::to_owned)),
        id: None,
    };
    Ok(vec![claim.judge()])
}
