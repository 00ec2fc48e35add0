//! Azure Container Registry: its own webhook, and Event Grid in both of its schemas.
//!
//! The webhook sends one notification of CNCF Distribution's kind without an envelope. Event Grid sends the same as
//! `data` of an event, several in a list, and asks before it sends: with a code that it wants to see again, or, under
//! the CloudEvents schema, with `OPTIONS`. Both questions must be authentic like everything else, or anybody could
//! subscribe us to their events; `validationUrl` is never fetched. A registry in several regions reports each push once
//! for each region.
//!
//! Formats: <https://learn.microsoft.com/azure/container-registry/container-registry-webhook-reference>,
//! <https://learn.microsoft.com/azure/event-grid/event-schema-container-registry>; questions:
//! <https://learn.microsoft.com/azure/event-grid/end-point-validation-event-grid-events-schema>,
//! <https://github.com/cloudevents/spec/blob/main/cloudevents/http-webhook.md#4-abuse-protection>

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::claim::{Claim, Reading, excerpt, ignored, subject};
use super::{Action, Face, Habits, Handshake, Malformed, Sender, Trusted, authentication, wire};

pub(super) const FACE: Face = Face {
    name: "acr",
    recognise,
    authenticate: |request, secrets| {
        let mend = "set `--headers Authorization=<secret>` for the webhook, or end its address in /<secret>";
        authentication::path_or_authorization(request, secrets, mend)
    },
    decode,
    // Event Grid drops what is answered 400, and what cannot be read will not be readable later.
    habits: Habits { handshake, ..Habits::PLAIN },
};

const EVENT_TYPE: HeaderName = HeaderName::from_static("aeg-event-type");
const ORIGIN: HeaderName = HeaderName::from_static("webhook-request-origin");
const RATE: HeaderName = HeaderName::from_static("webhook-request-rate");
const ALLOWED_ORIGIN: HeaderName = HeaderName::from_static("webhook-allowed-origin");
const ALLOWED_RATE: HeaderName = HeaderName::from_static("webhook-allowed-rate");

/// What the types of Event Grid's events begin with; its documentation also shows them without.
const TYPES: &str = "Microsoft.ContainerRegistry.";
/// The type of the question.
const VALIDATION: &str = "Microsoft.EventGrid.SubscriptionValidationEvent";

fn recognise(headers: &HeaderMap, body: &[u8]) -> bool {
    let by_header = headers.contains_key(EVENT_TYPE) || headers.contains_key(ORIGIN);
    by_header
        || read_items(body).is_ok_and(|items| {
            items.first().is_some_and(|item| {
                let typed = item.kind().is_some_and(|kind| kind.starts_with(TYPES) || kind == VALIDATION);
                let own = &item.own;
                let ping = own.action.as_deref() == Some("ping") && own.id.is_some();
                typed || ping || (own.action.is_some() && own.target.is_some() && item.envelope.is_none())
            })
        })
}

fn handshake(method: &Method, request: &Trusted<'_>) -> Option<Handshake> {
    let headers = request.headers();
    if method == Method::OPTIONS {
        let origin = headers.get(ORIGIN).filter(|origin| is_host(origin))?;
        let any = HeaderValue::from_static("*");
        let rate = headers.get(RATE).filter(|rate| rate.as_bytes().iter().all(u8::is_ascii_digit));
        let allowed = vec![(ALLOWED_ORIGIN, origin.clone()), (ALLOWED_RATE, rate.cloned().unwrap_or(any))];
        return Some(Handshake { headers: allowed, body: json!({ "status": "welcome" }) });
    }
    if headers.get(EVENT_TYPE)?.as_bytes() != b"SubscriptionValidation" {
        return None;
    }
    let items = read_items(request.body()).ok()?;
    let code = items.into_iter().find_map(|item| item.own.validation_code)?;
    Some(Handshake { headers: Vec::new(), body: json!({ "validationResponse": code }) })
}

fn is_host(value: &HeaderValue) -> bool {
    let name = value.as_bytes();
    !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(byte))
}

/// One notification, or one event around it.
struct Item {
    envelope: Option<Envelope>,
    own: Notification,
}

impl Item {
    fn kind(&self) -> Option<&str> {
        self.envelope.as_ref().map(|envelope| envelope.kind.as_str())
    }
}

struct Envelope {
    id: Option<String>,
    kind: String,
    time: Option<Timestamp>,
}

/// Event Grid's events, CloudEvents and the registry's own notifications, field by field.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    #[serde(default, deserialize_with = "wire::text")]
    id: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    event_type: Option<String>,
    #[serde(rename = "type", default, deserialize_with = "wire::text")]
    cloud_event_type: Option<String>,
    #[serde(default, deserialize_with = "wire::time")]
    event_time: Option<Timestamp>,
    #[serde(default, deserialize_with = "wire::time")]
    time: Option<Timestamp>,
    data: Option<Notification>,
    #[serde(default, deserialize_with = "wire::time")]
    timestamp: Option<Timestamp>,
    #[serde(default, deserialize_with = "wire::text")]
    action: Option<String>,
    target: Option<Target>,
    request: Option<RequestRecord>,
    #[serde(rename = "events")]
    distribution: Option<serde::de::IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Notification {
    #[serde(default, deserialize_with = "wire::text")]
    id: Option<String>,
    #[serde(default, deserialize_with = "wire::time")]
    timestamp: Option<Timestamp>,
    #[serde(default, deserialize_with = "wire::text")]
    action: Option<String>,
    target: Option<Target>,
    request: Option<RequestRecord>,
    validation_code: Option<Value>,
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
}

#[derive(Deserialize)]
struct RequestRecord {
    #[serde(default, deserialize_with = "wire::text")]
    host: Option<String>,
}

fn read_items(body: &[u8]) -> Result<Vec<Item>, Malformed> {
    let several = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let written: Vec<Written> =
        if several { wire::parse(Sender::Acr, body)? } else { vec![wire::parse(Sender::Acr, body)?] };
    Ok(written.into_iter().filter(|one| one.distribution.is_none()).map(Item::from).collect())
}

impl From<Written> for Item {
    fn from(written: Written) -> Self {
        match (written.event_type.or(written.cloud_event_type), written.data) {
            (Some(kind), data) => Self {
                envelope: Some(Envelope { id: written.id, kind, time: written.event_time.or(written.time) }),
                own: data.unwrap_or_default(),
            },
            (None, _) => Self {
                envelope: None,
                own: Notification {
                    id: written.id,
                    timestamp: written.timestamp,
                    action: written.action,
                    target: written.target,
                    request: written.request,
                    validation_code: None,
                },
            },
        }
    }
}

fn decode(_: &HeaderMap, body: &[u8]) -> Result<Vec<Reading>, Malformed> {
    let items = read_items(body)?;
    if items.is_empty() {
        return Ok(vec![ignored("the list holds no events")]);
    }
    Ok(items.into_iter().map(read).collect())
}

fn read(Item { envelope, own }: Item) -> Reading {
    let target = own.target.unwrap_or_default();
    let subject = subject(target.repository.as_deref(), target.tag.as_deref());
    let typed = envelope.as_ref().map(|envelope| envelope.kind.strip_prefix(TYPES).unwrap_or(&envelope.kind));
    let action = match typed.or(own.action.as_deref()).unwrap_or_default() {
        "push" | "ImagePushed" => Action::Push,
        "delete" | "ImageDeleted" => Action::Delete,
        "chart_push" | "chart_delete" | "ChartPushed" | "ChartDeleted" => {
            return ignored(format!("{subject} is a Helm chart, not an image"));
        }
        "quarantine" => return ignored(format!("{subject} is in quarantine; its push is reported when it is out")),
        "ping" => return ignored("a test of the webhook"),
        VALIDATION => return ignored("a question whether deliveries are welcome"),
        other => return ignored(format!("`{}` is neither push nor delete", excerpt(other, 80))),
    };
    let (id, time) = envelope.map_or((None, None), |envelope| (envelope.id, envelope.time));
    Claim {
        action,
        registry: own.request.and_then(|request| request.host),
        repository: target.repository,
        tag: target.tag,
        digest: target.digest,
        media_type: target.media_type,
        parts: Vec::new(),
        pushed_at: own.timestamp.or(time),
        actor: None,
        // The registry's own, which is the same by way of its webhook and of Event Grid.
        id: own.id.or(id),
    }
    .judge()
}
