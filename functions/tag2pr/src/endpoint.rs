//! Which path is which source, and which outcome is which HTTP status.
//!
//! | path | |
//! |---|---|
//! | `POST /hooks/<source>` | a delivery from a sender that signs or authenticates |
//! | `POST /hooks/<source>/<secret>` | a delivery from a sender that does neither |
//! | `GET /healthz` | 200 while the process runs |
//!
//! Statuses are chosen for what senders do with them: what is authentic gets 2xx even if it is of no interest (a 4xx
//! disables hooks or blocks queues), what could not be made durable gets 503 so that it comes again.

use std::collections::BTreeMap;
use std::fmt;

use http::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::delivery::{self, Sender};
use crate::flow::Error;
use crate::flow::receive::{Delivery, Outside, receive};
use crate::secret::Secret;

/// An answer, and what the log shall say of it.
#[derive(Debug)]
pub struct Answer {
    /// For the sender.
    pub response: Response<String>,
    /// The source in the path, if there is such a source.
    pub source: Option<String>,
    /// What was made of the delivery.
    pub outcome: Result<Option<Delivery>, Error>,
}

impl Answer {
    /// For what is no HTTP request at all.
    pub fn bad_request(reason: &str) -> Self {
        plain(StatusCode::BAD_REQUEST, &error(reason))
    }

    /// For a body that was not even read to its end.
    pub fn too_large(limit: usize) -> Self {
        plain(StatusCode::PAYLOAD_TOO_LARGE, &error(&format!("the body is longer than {limit} bytes")))
    }
}

impl fmt::Display for Answer {
    /// One line for the log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.response.status().as_u16();
        let source = self.source.as_deref().unwrap_or("nobody");
        match &self.outcome {
            Ok(Some(delivery)) => write!(f, "{status} {source}: {}", delivery.reading),
            Ok(None) => write!(f, "{status} {source}"),
            Err(error) => write!(f, "{status} {source}: {error}"),
        }
    }
}

/// Answers one request. The body must not be read further than `limits.body`: a longer one is refused unread.
pub async fn answer(
    outside: Outside<'_>,
    secrets: &BTreeMap<String, Vec<Secret>>,
    request: &Request<Vec<u8>>,
    now: Timestamp,
) -> Answer {
    let path = request.uri().path();
    let mut segments = path.trim_matches('/').splitn(3, '/');
    let (first, source, path_secret) = (segments.next().unwrap_or_default(), segments.next(), segments.next());
    match (first, source) {
        ("healthz", None) => plain(StatusCode::OK, &json!({ "status": "ok" })),
        ("hooks", Some(source)) if outside.config.sources.contains_key(source) => {
            if request.method() != Method::POST {
                return plain(StatusCode::METHOD_NOT_ALLOWED, &error("deliveries are sent with POST"));
            }
            let limit = outside.config.limits.body.0;
            let sender = outside.config.sources[source].sender;
            if request.body().len() > limit {
                return Answer::too_large(limit);
            }
            let request = delivery::Request { headers: request.headers(), path_secret, body: request.body() };
            let known = secrets.get(source).map(Vec::as_slice).unwrap_or_default();
            let outcome = receive(outside, source, known, &request, now).await;
            let (status, body) = match &outcome {
                Ok(delivery) => (StatusCode::OK, told(delivery)),
                // Distribution sends its events in order, and again until it is content: one that cannot be read would
                // hold up all later ones. It is stored, so nothing is lost.
                Err(failure @ Error::Malformed(_)) if sender == Sender::Distribution => {
                    (StatusCode::ACCEPTED, error(&failure.to_string()))
                }
                Err(failure) => (status(failure), error(&failure.to_string())),
            };
            Answer { response: json(status, &body), source: Some(source.to_owned()), outcome: outcome.map(Some) }
        }
        _ => plain(StatusCode::NOT_FOUND, &error("there is nothing here: deliveries go to /hooks/<source>")),
    }
}

fn status(failure: &Error) -> StatusCode {
    match failure {
        Error::Refused(_) => StatusCode::UNAUTHORIZED,
        Error::Malformed(_) => StatusCode::BAD_REQUEST,
        Error::UnknownSource => StatusCode::NOT_FOUND,
        Error::Store(_) | Error::Git(_) | Error::Host(_) | Error::Registry(_) | Error::Unfinished(_) => {
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}

fn told(delivery: &Delivery) -> Value {
    json!({
        "delivery": delivery.id,
        "recorded": delivery.reading.recorded,
        "ignored": delivery.reading.ignored,
        "poked": delivery.reading.poked.len(),
    })
}

fn error(message: &str) -> Value {
    json!({ "error": message })
}

fn plain(status: StatusCode, body: &Value) -> Answer {
    Answer { response: json(status, body), source: None, outcome: Ok(None) }
}

fn json(status: StatusCode, body: &Value) -> Response<String> {
    let mut response = Response::new(format!("{body}\n"));
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}
