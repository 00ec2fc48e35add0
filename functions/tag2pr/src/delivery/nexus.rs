//! Sonatype Nexus Repository 3: the repository webhook, event type *component*.
//!
//! Signed with HMAC-SHA1, the only one that Nexus has: weak as a hash, but nobody has forged its HMAC. There is no host
//! and no digest; which name an image has at a registry depends on connectors that only its administrator knows, so the
//! source says `registry:`. Nexus tries once.
//!
//! Format: <https://help.sonatype.com/en/webhooks.html>

use http::{HeaderMap, HeaderName};
use jiff::Timestamp;
use ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::authentication::Signature;
use super::claim::{Claim, Reading, excerpt, ignored, subject};
use super::{Action, Face, Habits, Malformed, Sender, wire};

pub(super) const FACE: Face = Face {
    name: "nexus",
    recognise,
    authenticate: |request, secrets| SIGNATURE.verify(request, secrets),
    decode,
    habits: Habits::PLAIN,
};

const SIGNATURE: Signature = Signature {
    header: "X-Nexus-Webhook-Signature",
    prefix: "",
    algorithm: HMAC_SHA1_FOR_LEGACY_USE_ONLY,
    form: "40 hexadecimal digits",
    mend: "enter a secret key for the webhook's capability in Nexus",
};

pub(super) const EVENT_HEADER: HeaderName = HeaderName::from_static("x-nexus-webhook-id");
pub(super) const DELIVERY_HEADER: HeaderName = HeaderName::from_static("x-nexus-webhook-delivery");

fn recognise(headers: &HeaderMap, body: &[u8]) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Probe {
        #[serde(rename = "repositoryName")]
        _repository_name: String,
        component: Option<IgnoredAny>,
        components: Option<IgnoredAny>,
        asset: Option<IgnoredAny>,
    }
    headers.contains_key(EVENT_HEADER)
        || wire::probe::<Probe>(body)
            .is_some_and(|probe| probe.component.or(probe.components).or(probe.asset).is_some())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    #[serde(default, deserialize_with = "wire::time")]
    timestamp: Option<Timestamp>,
    #[serde(default, deserialize_with = "wire::text")]
    initiator: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    repository_name: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    action: Option<String>,
    component: Option<Component>,
}

#[derive(Deserialize)]
struct Component {
    #[serde(default, deserialize_with = "wire::text")]
    format: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    name: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    version: Option<String>,
}

fn decode(headers: &HeaderMap, body: &[u8]) -> Result<Vec<Reading>, Malformed> {
    let header = |name| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    if let Some(event) = header(EVENT_HEADER).filter(|event| event != "rm:repository:component") {
        let event = excerpt(&event, 40);
        return Ok(vec![ignored(format!("`{event}` is not about a component; choose the event type component"))]);
    }
    let payload = wire::parse(Sender::Nexus, body)?;
    Ok(vec![read(payload, header(DELIVERY_HEADER))])
}

fn read(payload: Payload, id: Option<String>) -> Reading {
    let Payload { timestamp, initiator, repository_name, action, component } = payload;
    let Some(Component { format, name, version }) = component else {
        let repository = excerpt(repository_name.as_deref().unwrap_or("something"), 100);
        let action = excerpt(action.as_deref().unwrap_or("something"), 40);
        return ignored(format!(
            "`{action}` in the repository `{repository}` names no component; the sweep finds which tags are gone"
        ));
    };
    let subject = subject(name.as_deref(), version.as_deref());
    if format.as_deref() != Some("docker") {
        let format = excerpt(format.as_deref().unwrap_or("unknown"), 40);
        return ignored(format!("{subject} is a component of format `{format}`, not an image"));
    }
    let action = match action.as_deref() {
        // A tag that is pushed again is updated.
        Some("CREATED" | "UPDATED") => Action::Push,
        Some("DELETED") => Action::Delete,
        other => {
            let other = excerpt(other.unwrap_or_default(), 40);
            return ignored(format!("action `{other}` is neither the push nor the deletion of {subject}"));
        }
    };
    Claim {
        action,
        registry: None,
        repository: name,
        tag: version,
        digest: None,
        media_type: None,
        parts: Vec::new(),
        pushed_at: timestamp,
        // `admin/192.0.2.7`: where somebody sat is nobody's business.
        actor: initiator.map(|who| who.rsplit_once('/').map_or(who.clone(), |(user, _)| user.to_owned())),
        id,
    }
    .judge()
}
