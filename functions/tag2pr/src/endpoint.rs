//! Which path is which source, and which outcome is which HTTP status.
//!
//! | path | |
//! |---|---|
//! | `POST /hooks/<source>` | a delivery from a sender that signs or authenticates |
//! | `POST /hooks/<source>/<secret>` | a delivery from a sender that does neither |
//! | the same with `OPTIONS` | a sender that asks first whether its deliveries are welcome |
//! | `POST /hosts/<repository>` | the webhook of a repository's own host: see [`hosts`] |
//! | `GET /status`, `GET /status/<token>` | how things stand: see [`status`] |
//! | `GET /healthz` | 200 while the process runs |
//!
//! Whoever is not believed is told so and no more; the log says why, under the id that the answer names. Statuses are chosen for what senders do with them: what is authentic gets 2xx even if it is of no interest (a 4xx
//! disables hooks or blocks queues), what could not be made durable gets 503 so that it comes again.

pub mod hosts;
pub mod status;

use std::collections::BTreeMap;
use std::fmt;

use http::header::CONTENT_ENCODING;
use http::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::delivery::{self, Handshake};
use crate::flow::Error;
use crate::flow::receive::{Delivery, Outside, believe, delivery_id, record};
use crate::secret::Secret;

/// An answer, and what the log shall say of it.
#[derive(Debug)]
pub struct Answer {
    /// For the sender.
    pub response: Response<String>,
    /// The source in the path, if there is such a source.
    pub source: Option<String>,
    /// The id that the log names a request by which was not believed. Nothing else is kept of it.
    pub refused: Option<String>,
    /// What was made of the delivery.
    pub outcome: Result<Option<Delivery>, Error>,
    /// What a Git host said.
    pub heard: Option<hosts::Heard>,
}

impl Answer {
    /// For what is no HTTP request at all.
    pub fn bad_request(reason: &str) -> Self {
        plain(StatusCode::BAD_REQUEST, &error(reason))
    }

    fn nothing() -> Self {
        Self { response: Response::default(), source: None, refused: None, outcome: Ok(None), heard: None }
    }

    /// One word for what was made of it, for those who count; nothing for what is no delivery.
    pub fn word(&self) -> Option<&'static str> {
        self.source.as_ref()?;
        Some(match &self.outcome {
            Err(Error::Refused(_)) => "refused",
            Err(Error::Malformed(_)) => "malformed",
            Err(_) => "unavailable",
            Ok(None) if self.refused.is_some() => "refused",
            Ok(None) => match &self.heard {
                Some(heard) if heard.poked.is_empty() => "ignored",
                Some(_) => "heard",
                None => "handshake",
            },
            Ok(Some(delivery)) => delivery.reading.word(),
        })
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
            Ok(None) => match &self.heard {
                Some(heard) => write!(f, "{status} {source}: {}", heard.event),
                None => write!(f, "{status} {source}"),
            },
            Err(error) => write!(f, "{status} {source}: {error}"),
        }?;
        self.refused.iter().try_for_each(|id| write!(f, " ({id})"))
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
            let method = request.method();
            if ![Method::POST, Method::OPTIONS].contains(method) {
                return plain(StatusCode::METHOD_NOT_ALLOWED, &error("deliveries are sent with POST"));
            }
            let limit = outside.config.limits.body.0;
            if request.body().len() > limit {
                return Answer::too_large(limit);
            }
            // No sender compresses, and a few bytes could unfold to more than fits anywhere.
            if request.headers().contains_key(CONTENT_ENCODING) {
                return plain(
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    &error("deliveries are sent without Content-Encoding"),
                );
            }
            let request = delivery::Request { headers: request.headers(), path_secret, body: request.body() };
            let known = secrets.get(source).map(Vec::as_slice).unwrap_or_default();
            let mut refused = None;
            let (response, outcome) = match believe(outside, source, known, &request, now).await {
                Err(failure) => {
                    let id = delivery_id(source, request.body, now);
                    let body = json!({ "error": disbelief(&failure), "delivery": id });
                    refused = Some(id);
                    (json(status(&failure), &body), Err(failure))
                }
                Ok(trusted) => match delivery::handshake(method, &trusted) {
                    Some(wanted) => (welcome(wanted), Ok(None)),
                    None if method == Method::OPTIONS => {
                        return plain(StatusCode::METHOD_NOT_ALLOWED, &error("deliveries are sent with POST"));
                    }
                    None => {
                        let outcome = record(outside, source, &trusted, now).await;
                        let unforgiving = trusted.sender().is_unforgiving();
                        (answered(&outcome, unforgiving), outcome.map(Some))
                    }
                },
            };
            Answer { response, source: Some(source.to_owned()), refused, outcome, heard: None }
        }
        _ => plain(StatusCode::NOT_FOUND, &error("there is nothing here: deliveries go to /hooks/<source>")),
    }
}

/// What somebody hears who is not believed: nothing that helps to do better.
fn disbelief(failure: &Error) -> &'static str {
    match failure {
        Error::Issuer(_) => "this cannot be checked at the moment: send it again",
        _ => "this is not believed; the log of tag2pr says why, under this id",
    }
}

fn answered(outcome: &Result<Delivery, Error>, unforgiving: bool) -> Response<String> {
    match outcome {
        Ok(delivery) => json(StatusCode::OK, &told(delivery)),
        // It is stored, so nothing is lost.
        Err(failure @ Error::Malformed(_)) if unforgiving => json(StatusCode::ACCEPTED, &error(&failure.to_string())),
        Err(failure) => json(status(failure), &error(&failure.to_string())),
    }
}

fn welcome(wanted: Handshake) -> Response<String> {
    let mut response = json(StatusCode::OK, &wanted.body);
    response.headers_mut().extend(wanted.headers);
    response
}

fn status(failure: &Error) -> StatusCode {
    match failure {
        Error::Refused(_) => StatusCode::UNAUTHORIZED,
        Error::Malformed(_) => StatusCode::BAD_REQUEST,
        Error::UnknownSource | Error::NotConfigured(_) => StatusCode::NOT_FOUND,
        Error::Issuer(_)
        | Error::Store(_)
        | Error::Git(_)
        | Error::Host(_)
        | Error::Registry(_)
        | Error::Unfinished(_)
        | Error::LeftAlone(_) => StatusCode::SERVICE_UNAVAILABLE,
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
    Answer { response: json(status, body), ..Answer::nothing() }
}

fn json(status: StatusCode, body: &Value) -> Response<String> {
    let mut response = Response::new(format!("{body}\n"));
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}
