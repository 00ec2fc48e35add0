//! CloudEvents over HTTP, in which several senders wrap what they say.
//!
//! Binary mode has the attributes in `ce-*` headers and the data in the body; structured mode has one JSON object with
//! both. Batches are refused: none of our senders makes them.
//!
//! Format: <https://github.com/cloudevents/spec/blob/main/cloudevents/bindings/http-protocol-binding.md>

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Malformed, Sender, wire};

pub(super) const TYPE: HeaderName = HeaderName::from_static("ce-type");
pub(super) const ID: HeaderName = HeaderName::from_static("ce-id");
pub(super) const SOURCE: HeaderName = HeaderName::from_static("ce-source");
pub(super) const TIME: HeaderName = HeaderName::from_static("ce-time");

/// What an event says of itself; the data is a matter between sender and receiver.
#[derive(Default, Deserialize)]
pub(super) struct Attributes {
    #[serde(rename = "type", default, deserialize_with = "wire::text")]
    pub(super) kind: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub(super) id: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub(super) source: Option<String>,
    #[serde(default, deserialize_with = "wire::time")]
    pub(super) time: Option<Timestamp>,
}

/// The type of an event, if this looks like one.
pub(super) fn kind(headers: &HeaderMap, body: &[u8]) -> Option<String> {
    match header(headers, &TYPE) {
        Some(kind) => Some(kind),
        None => structured(body)?.kind,
    }
}

/// What the event says of itself.
pub(super) fn attributes(sender: Sender, headers: &HeaderMap, body: &[u8]) -> Result<Attributes, Malformed> {
    if is_structured(headers, body)? {
        return wire::parse(sender, body);
    }
    let time = header(headers, &TIME).and_then(|time| time.parse().ok());
    Ok(Attributes { kind: header(headers, &TYPE), id: header(headers, &ID), source: header(headers, &SOURCE), time })
}

/// The data of the event: none in a structured event without any.
pub(super) fn data<T: DeserializeOwned>(
    sender: Sender,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Option<T>, Malformed> {
    #[derive(Deserialize)]
    struct Envelope<T> {
        data: Option<T>,
    }
    if is_structured(headers, body)? {
        Ok(wire::parse::<Envelope<T>>(sender, body)?.data)
    } else {
        wire::parse(sender, body).map(Some)
    }
}

fn is_structured(headers: &HeaderMap, body: &[u8]) -> Result<bool, Malformed> {
    let content_type = header(headers, &CONTENT_TYPE).unwrap_or_default().to_ascii_lowercase();
    if content_type.starts_with("application/cloudevents-batch") {
        return Err(Malformed::Batch);
    }
    let by_headers = content_type.starts_with("application/cloudevents");
    Ok(by_headers || !headers.contains_key(TYPE) && structured(body).is_some())
}

fn structured(body: &[u8]) -> Option<Attributes> {
    #[derive(Deserialize)]
    struct Probe {
        #[serde(rename = "specversion")]
        _specversion: String,
        #[serde(flatten)]
        attributes: Attributes,
    }
    wire::probe::<Probe>(body).map(|probe| probe.attributes)
}

fn header(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().filter(|text| !text.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(text: &str) -> HeaderMap {
        super::super::read_headers(text).unwrap()
    }

    fn read(headers: &HeaderMap, body: &str) -> (Option<String>, Option<String>, u32) {
        let attributes = attributes(Sender::Harbor, headers, body.as_bytes()).unwrap();
        (attributes.kind, attributes.id, data::<u32>(Sender::Harbor, headers, body.as_bytes()).unwrap().unwrap())
    }

    #[test]
    fn both_modes_say_the_same() {
        let wanted = (Some("a.b".to_owned()), Some("1".to_owned()), 7);
        let structured = r#"{"specversion": "1.0", "type": "a.b", "id": "1", "data": 7}"#;
        assert_eq!(read(&headers("Ce-Type: a.b\nCe-Id: 1\nContent-Type: application/json"), "7"), wanted);
        assert_eq!(read(&headers("Content-Type: application/cloudevents+json; charset=utf-8"), structured), wanted);
        assert_eq!(read(&HeaderMap::new(), structured), wanted);
        assert_eq!(kind(&HeaderMap::new(), structured.as_bytes()), wanted.0);
        assert_eq!(kind(&HeaderMap::new(), b"7"), None);
    }

    #[test]
    fn an_event_without_data_and_a_batch_are_no_surprise() {
        let none = data::<u32>(Sender::Harbor, &HeaderMap::new(), br#"{"specversion": "1.0", "type": "a.b"}"#);
        assert_eq!(none, Ok(None));
        let batch = headers("Content-Type: application/cloudevents-batch+json");
        assert_eq!(data::<u32>(Sender::Harbor, &batch, b"[]"), Err(Malformed::Batch));
    }
}
