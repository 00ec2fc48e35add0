//! `GET /status`: how things stand, for those who have the token.
//!
//! A browser asks for it (any user name, the token as the password), a program sends `Authorization: Bearer <token>`, and
//! where neither can be done it is the last segment of the path, as with deliveries. Nothing is shown without one.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderValue, Method, Request, Response, StatusCode};

use super::{Answer, error, plain};
use crate::secret::Secret;
use crate::status::page;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// `/`, `/status`: the page.
    Page,
    /// `/metrics`: numbers for Prometheus.
    Metrics,
}

impl Wanted {
    /// What a request is for, and the token in its path; nothing if it is for something else.
    pub fn of<T>(request: &Request<T>) -> Option<(Self, Option<&str>)> {
        let path = request.uri().path();
        let (first, rest) = path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_matches('/'), ""));
        let token = Some(rest).filter(|rest| !rest.is_empty());
        match (first, token) {
            ("", None) => Some((Self::Page, None)),
            ("status", token) => Some((Self::Page, token)),
            ("metrics", token) => Some((Self::Metrics, token)),
            _ => None,
        }
    }
}

/// Whether somebody may see it; else what they hear.
///
/// # Errors
///
/// The answer for whoever may not.
pub fn admit<T>(tokens: &[Secret], in_path: Option<&str>, request: &Request<T>) -> Result<(), Box<Answer>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return Err(Box::new(plain(StatusCode::METHOD_NOT_ALLOWED, &error("this is only to be looked at: use GET"))));
    }
    if tokens.is_empty() {
        let text = "this is shown to those who have a token: set `status: { token: env:NAME }` in tag2pr.yaml";
        return Err(Box::new(plain(StatusCode::NOT_FOUND, &error(text))));
    }
    let sent = request.headers().get(AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
    let given = [in_path.map(|token| token.as_bytes().to_vec()), bearer(sent), password(sent)];
    let is_known = |given: &Vec<u8>| tokens.iter().fold(false, |known, token| known | token.matches(given));
    if given.iter().flatten().any(is_known) {
        return Ok(());
    }
    let mut answer = plain(StatusCode::UNAUTHORIZED, &error("this is shown to those who have the token"));
    let ask = HeaderValue::from_static("Basic realm=\"tag2pr: any user name, the token as the password\"");
    answer.response.headers_mut().insert(WWW_AUTHENTICATE, ask);
    Err(Box::new(answer))
}

fn bearer(sent: &[u8]) -> Option<Vec<u8>> {
    sent.strip_prefix(b"Bearer ").map(<[u8]>::to_vec)
}

fn password(sent: &[u8]) -> Option<Vec<u8>> {
    let decoded = BASE64_STANDARD.decode(sent.strip_prefix(b"Basic ")?).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    Some(decoded[colon + 1..].to_vec())
}

/// The page. Nobody keeps it, and its address goes nowhere with the links in it.
pub fn page(html: String) -> Answer {
    shown(html, "text/html; charset=utf-8")
}

/// The numbers.
pub fn metrics(text: String) -> Answer {
    shown(text, "text/plain; version=0.0.4; charset=utf-8")
}

/// Nobody has written the page yet.
pub fn not_there_yet() -> Answer {
    let text = "there is no status page yet: the next look at a repository writes it, or `tag2pr sweep`";
    plain(StatusCode::NOT_FOUND, &error(text))
}

/// The store does not say how things stand.
pub fn unavailable(reason: &crate::seams::StoreError) -> Answer {
    plain(StatusCode::SERVICE_UNAVAILABLE, &error(&reason.to_string()))
}

fn shown(body: String, kind: &'static str) -> Answer {
    let mut answer = Answer { response: Response::new(body), ..Answer::nothing() };
    let headers: [(HeaderName, &'static str); 6] = [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, page::CONTENT_SECURITY_POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in headers {
        answer.response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(path: &str, authorization: &str) -> u16 {
        let request = Request::get(path).header(AUTHORIZATION, authorization).body(()).unwrap();
        let Some((_, in_path)) = Wanted::of(&request) else { return 404 };
        let tokens = [Secret::new("old"), Secret::new("s3cret")];
        admit(&tokens, in_path, &request).map_or_else(|answer| answer.response.status().as_u16(), |()| 200)
    }

    #[test]
    fn whoever_has_the_token_is_shown_it() {
        assert_eq!(status("/status", "Bearer s3cret"), 200);
        assert_eq!(status("/", "Bearer old"), 200);
        assert_eq!(status("/metrics", "Bearer s3cret"), 200);
        assert_eq!(status("/status", "Basic bWU6czNjcmV0"), 200, "me:s3cret");
        assert_eq!(status("/status/s3cret", ""), 200);
    }

    #[test]
    fn nobody_else_is() {
        for (path, authorization) in [
            ("/status", ""),
            ("/status/", "s3cret"),
            ("/status/s3cre", ""),
            ("/status", "Bearer "),
            ("/status", "Basic bWU6"),
            ("/status", "Basic s3cret"),
            ("/metrics", "Bearer S3CRET"),
        ] {
            assert_eq!(status(path, authorization), 401, "{path} {authorization}");
        }
        assert_eq!(status("/s3cret", "Bearer s3cret"), 404);
        let request = Request::get("/status").body(()).unwrap();
        assert_eq!(admit(&[], None, &request).unwrap_err().response.status(), 404);
        let request = Request::post("/status").body(()).unwrap();
        assert_eq!(admit(&[Secret::new("x")], None, &request).unwrap_err().response.status(), 405);
    }
}
