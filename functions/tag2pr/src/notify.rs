//! Telling others what happened: one message for each event.
//!
//! Webhooks follow the [Standard Webhooks](https://www.standardwebhooks.com/): three headers name the message, its time and
//! its signature, so that receivers can check it with a library they have, and drop what comes twice.

use std::collections::BTreeSet;

use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::{SignedDuration, Timestamp};
use ring::hmac;
use serde_json::json;

use crate::secret::Secret;
use crate::status::{Event, Kind};

/// What is older is no news any more: whoever configures a target is not told of yesterday, and one that was away for long
/// is not flooded.
pub const FRESH: SignedDuration = SignedDuration::from_hours(1);

/// Why somebody could not be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{target} was not told: {reason}")]
pub struct NotTold {
    /// Who.
    pub target: String,
    /// What went wrong, and what to do.
    pub reason: String,
    /// Whether nothing was tried, because it went wrong a moment ago: no news for a log.
    pub was_spared: bool,
}

/// Somebody who wants to know.
#[async_trait]
pub trait Target: Send + Sync {
    /// What it is remembered by: the same after a restart, and nothing that is secret.
    fn id(&self) -> &str;

    /// What it wants to know.
    fn wants(&self) -> &BTreeSet<Kind>;

    /// Tells it of one event; the attempt ends within seconds.
    async fn tell(&self, event: &Event, now: Timestamp) -> Result<(), NotTold>;
}

/// The message about an event. Fields may be added, none renamed.
pub fn message(event: &Event) -> String {
    let values = event.values.iter().map(|value| {
        json!({
            "policy": value.policy.to_string(),
            "image": value.image,
            "tag": value.tag,
            "digest": value.digest,
            "delivery": value.delivery,
            "received_at": value.received_at,
        })
    });
    json!({
        "id": event.id,
        "type": event.kind.word(),
        "at": event.at,
        "subject": event.subject,
        "proposal": event.proposal,
        "text": event.text,
        "by": event.by,
        "url": event.url,
        "values": values.collect::<Vec<_>>(),
    })
    .to_string()
}

/// The value of the header `webhook-signature`: `v1,` and the HMAC-SHA256 of id, time and message, in base64.
///
/// A secret that begins with `whsec_` is base64 behind that, as the standard has it; any other is taken as it is.
pub fn signature(secret: &Secret, id: &str, at: Timestamp, message: &str) -> String {
    let text = secret.expose();
    let decoded = text.strip_prefix("whsec_").and_then(|encoded| BASE64_STANDARD.decode(encoded).ok());
    let key = hmac::Key::new(hmac::HMAC_SHA256, decoded.as_deref().unwrap_or(text.as_bytes()));
    let tag = hmac::sign(&key, format!("{id}.{}.{message}", at.as_second()).as_bytes());
    format!("v1,{}", BASE64_STANDARD.encode(tag))
}

/// What one target is still to be told of these, oldest first.
pub fn untold<'a>(
    events: impl IntoIterator<Item = &'a Event>,
    target: &dyn Target,
    now: Timestamp,
) -> impl Iterator<Item = &'a Event> {
    events.into_iter().filter(move |event| {
        target.wants().contains(&event.kind)
            && !event.told.contains(target.id())
            && now.duration_since(event.at) < FRESH
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_what_the_standard_has_for_an_example() {
        // https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let at = Timestamp::from_second(1_614_265_330).unwrap();
        let signature = signature(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, r#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_message_is_one_line_of_json() {
        let event =
            Event::of(Kind::Refused, "harbor", "the `Authorization` header\nis not".to_owned(), Timestamp::UNIX_EPOCH);
        let text = message(&event);
        assert!(!text.contains('\n'));
        insta::assert_snapshot!(text.replace(&event.id, "ID"), @r#"{"at":"1970-01-01T00:00:00Z","by":null,"id":"ID","proposal":null,"subject":"harbor","text":"the `Authorization` header\nis not","type":"refused","url":null,"values":[]}"#);
    }
}
