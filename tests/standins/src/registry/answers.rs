//! What the registry answers over HTTP.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, LINK, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::json;

use super::{Access, Fault, Kind, Listing, PASSWORD, Seen, State, USER};
use crate::oci;
use crate::server::HangUp;

type Answer = Response<Bytes>;

/// What a path names.
enum What<'a> {
    Ping,
    Token,
    Tags { repository: &'a str },
    Manifest { repository: &'a str, reference: &'a str },
    Blob { repository: &'a str, digest: &'a str },
    Nothing,
}

pub(super) fn answer(state: &mut State, request: &Request<Bytes>) -> Answer {
    let what = what(request.uri().path());
    let kind = match (&what, request.method()) {
        (What::Manifest { .. }, &Method::HEAD) => Kind::Head,
        (What::Manifest { .. }, &Method::GET) => Kind::Get,
        (What::Manifest { .. }, _) => Kind::Change,
        (What::Blob { .. }, _) => Kind::Blob,
        (What::Tags { .. }, _) => Kind::Tags,
        (What::Token, _) => Kind::Token,
        (What::Ping | What::Nothing, _) => Kind::Other,
    };
    let target = request.uri().path_and_query().map_or_else(String::new, ToString::to_string);
    let authorization = header(request, &AUTHORIZATION).map(str::to_owned);
    state.seen.push(Seen { kind, target, authorization });

    if kind == Kind::Token {
        return token(state, request);
    }
    if let Some(broken) = broken(state) {
        return broken;
    }
    let repository = match what {
        What::Tags { repository } | What::Manifest { repository, .. } | What::Blob { repository, .. } => repository,
        _ => "",
    };
    if let Some(challenge) = challenge(state, request, repository) {
        return challenge;
    }
    match what {
        What::Ping => text(StatusCode::OK, "application/json", "{}"),
        What::Tags { repository } => tags(state, repository, request.uri().query().unwrap_or("")),
        What::Manifest { repository, reference } => manifest(state, request, repository, reference),
        What::Blob { repository, digest } => blob(state, repository, digest),
        What::Token | What::Nothing => text(StatusCode::NOT_FOUND, "text/plain", "404 page not found"),
    }
}

fn what(path: &str) -> What<'_> {
    match path {
        "/v2/" => return What::Ping,
        "/token" => return What::Token,
        _ => {}
    }
    let Some(rest) = path.strip_prefix("/v2/") else { return What::Nothing };
    if let Some(repository) = rest.strip_suffix("/tags/list") {
        return What::Tags { repository };
    }
    if let Some((repository, digest)) = rest.rsplit_once("/blobs/") {
        return What::Blob { repository, digest };
    }
    match rest.rsplit_once("/manifests/") {
        Some((repository, reference)) => What::Manifest { repository, reference },
        None => What::Nothing,
    }
}

/// What is answered while the registry as a whole is not well.
fn broken(state: &mut State) -> Option<Answer> {
    use Fault::{Forbidden, HangsUp, NoRegistry, TooManyRequests, Unauthorized, Unavailable};
    let whole = |fault: &Fault| {
        matches!(fault, Forbidden | HangsUp | NoRegistry | TooManyRequests { .. } | Unauthorized | Unavailable)
    };
    Some(match state.fails(whole)? {
        Forbidden => error(StatusCode::FORBIDDEN, "DENIED", "requested access to the resource is denied"),
        HangsUp => HangUp::response(),
        NoRegistry => text(StatusCode::NOT_FOUND, "text/html; charset=utf-8", "<h1>Not Found</h1>"),
        TooManyRequests { retry_after } => {
            let response = error(StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS", "too many requests");
            match retry_after {
                Some(value) => with(response, &RETRY_AFTER, &value),
                None => response,
            }
        }
        Unauthorized => error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "authentication required"),
        _ => error(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", "try later"),
    })
}

fn knows_password(request: &Request<Bytes>) -> bool {
    let expected = format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")));
    header(request, &AUTHORIZATION) == Some(expected.as_str())
}

/// The 401 for whoever may not do this.
fn challenge(state: &State, request: &Request<Bytes>, repository: &str) -> Option<Answer> {
    let (allowed, challenge) = match &state.access {
        Access::Open => return None,
        Access::Basic => (knows_password(request), "Basic realm=\"stand-in\"".to_owned()),
        Access::Token { realm, .. } => {
            let scope = format!("repository:{repository}:pull");
            let shown = header(request, &AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
            let allowed = shown.and_then(|token| state.tokens.get(token)) == Some(&scope);
            let host = header(request, &HOST).unwrap_or("localhost");
            let realm = realm.clone().unwrap_or_else(|| format!("http://{host}/token"));
            let error = if shown.is_some() { ",error=\"invalid_token\"" } else { "" };
            (allowed, format!("Bearer realm=\"{realm}\",service=\"stand-in\",scope=\"{scope}\"{error}"))
        }
    };
    let unauthorized = || error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "authentication required");
    (!allowed).then(|| with(unauthorized(), &WWW_AUTHENTICATE, &challenge))
}

fn token(state: &mut State, request: &Request<Bytes>) -> Answer {
    let Access::Token { public, lifetime, .. } = state.access else {
        return text(StatusCode::NOT_FOUND, "text/plain", "404 page not found");
    };
    let anonymous = header(request, &AUTHORIZATION).is_none();
    if !(knows_password(request) || public && anonymous) {
        return error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "incorrect username or password");
    }
    if state.fails(|fault| *fault == Fault::NoToken).is_some() {
        return text(StatusCode::OK, "application/json", "{\"token\":\"\"}");
    }
    let query = request.uri().query().unwrap_or("");
    if parameter(query, "service").as_deref() != Some("stand-in") {
        return error(StatusCode::BAD_REQUEST, "UNSUPPORTED", "unknown service");
    }
    let token = format!("token-{}", state.seen.len());
    state.tokens.insert(token.clone(), parameter(query, "scope").unwrap_or_default());
    text(StatusCode::OK, "application/json", &json!({ "token": token, "expires_in": lifetime }).to_string())
}

fn tags(state: &mut State, repository: &str, query: &str) -> Answer {
    if state.fails(|fault| *fault == Fault::NoTagList).is_some() {
        return text(StatusCode::OK, "application/json", "{\"name\":\"who knows\"}");
    }
    let Some(known) = state.repositories.get(repository) else {
        return error(StatusCode::NOT_FOUND, "NAME_UNKNOWN", "repository name not known to registry");
    };
    let mut names: Vec<String> = known.tags.keys().cloned().collect();
    let page = |names: &[String]| {
        let body = json!({ "name": repository, "tags": names });
        text(StatusCode::OK, "application/json", &body.to_string())
    };
    let Listing::LexicalPages { cap } = state.listing else {
        names.sort_by_cached_key(|name| oci::digest(name.as_bytes()));
        return if names.is_empty() {
            let body = json!({ "name": repository, "tags": null });
            text(StatusCode::OK, "application/json", &body.to_string())
        } else {
            page(&names)
        };
    };

    let asked = match parameter(query, "n").map(|n| n.parse::<usize>()) {
        Some(Err(_)) => return error(StatusCode::BAD_REQUEST, "PAGINATION_NUMBER_INVALID", "invalid number"),
        Some(Ok(n)) => n.min(cap),
        None => names.len(),
    };
    let last = parameter(query, "last");
    if let Some(last) = &last {
        names.retain(|name| name > last);
    }
    names.truncate(asked);
    let paging = |fault: &Fault| {
        let first = matches!(fault, Fault::LinkTo(_));
        let second = matches!(fault, Fault::PageFails | Fault::PageMissing);
        first && last.is_none()
            || second && last.is_some()
            || matches!(fault, Fault::PageRepeats | Fault::PagesWithoutEnd)
    };
    let path = format!("/v2/{repository}/tags/list");
    let next = match state.fails(paging) {
        Some(Fault::PageFails) => {
            return error(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", "unknown error");
        }
        Some(Fault::PageMissing) => return error(StatusCode::NOT_FOUND, "NAME_UNKNOWN", "gone meanwhile"),
        Some(Fault::PageRepeats) => Some(format!("{path}?{query}")),
        Some(Fault::PagesWithoutEnd) => Some(format!("{path}?n={asked}&last={}", state.seen.len())),
        Some(Fault::LinkTo(url)) => Some(url),
        _ => names.last().filter(|_| names.len() == asked).map(|last| format!("{path}?last={last}&n={asked}")),
    };
    match next {
        Some(next) => with(page(&names), &LINK, &format!("<{next}>; rel=\"next\"")),
        None => page(&names),
    }
}

fn manifest(state: &mut State, request: &Request<Bytes>, repository: &str, reference: &str) -> Answer {
    if let Some(Fault::RedirectTo(url)) = state.fails(|fault| matches!(fault, Fault::RedirectTo(_))) {
        return with(text(StatusCode::TEMPORARY_REDIRECT, "text/plain", ""), &LOCATION, &url);
    }
    let unknown = || error(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", "manifest unknown");
    match *request.method() {
        Method::PUT => {
            let media_type = header(request, &CONTENT_TYPE).unwrap_or(oci::MANIFEST).to_owned();
            let repository = state.repositories.entry(repository.to_owned()).or_default();
            let tag = Some(reference).filter(|reference| !reference.contains(':'));
            let digest = repository.store(tag, &media_type, request.body());
            return with_digest(text(StatusCode::CREATED, "text/plain", ""), &digest);
        }
        Method::DELETE => {
            let known = state.repositories.get_mut(repository).is_some_and(|known| known.delete(reference));
            return if known { text(StatusCode::ACCEPTED, "text/plain", "") } else { unknown() };
        }
        _ => {}
    }
    let Some(known) = state.repositories.get(repository) else {
        return error(StatusCode::NOT_FOUND, "NAME_UNKNOWN", "repository name not known to registry");
    };
    let digest = known.tags.get(reference).cloned().unwrap_or_else(|| reference.to_owned());
    let Some(stored) = known.manifests.get(&digest).cloned() else { return unknown() };
    if !header(request, &ACCEPT).unwrap_or("").contains(&stored.media_type) {
        return error(
            StatusCode::NOT_FOUND,
            "MANIFEST_UNKNOWN",
            "manifest found, but accept header does not support it",
        );
    }
    let mut response = text(StatusCode::OK, &stored.media_type, "");
    *response.body_mut() = match state.fails(|fault| *fault == Fault::OtherBytes) {
        Some(_) => "{}".into(),
        None => stored.bytes.into(),
    };
    match state.fails(|fault| matches!(fault, Fault::NoDigestHeader | Fault::BadDigestHeader)) {
        Some(Fault::NoDigestHeader) => response,
        Some(_) => with_digest(response, "sha256:none"),
        None => with_digest(response, &digest),
    }
}

fn blob(state: &mut State, repository: &str, digest: &str) -> Answer {
    if let Some(Fault::BlobsAt(url)) = state.fails(|fault| matches!(fault, Fault::BlobsAt(_))) {
        return with(text(StatusCode::TEMPORARY_REDIRECT, "text/plain", ""), &LOCATION, &url);
    }
    let known = state.repositories.get(repository).and_then(|repository| repository.blobs.get(digest)).cloned();
    let Some(bytes) = known else { return error(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", "blob unknown to registry") };
    let mut response = text(StatusCode::OK, "application/octet-stream", "");
    *response.body_mut() = bytes.into();
    response
}

fn header<'a>(request: &'a Request<Bytes>, name: &HeaderName) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok()
}

fn parameter(query: &str, name: &str) -> Option<String> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    Some(percent_decode_str(value).decode_utf8_lossy().into_owned())
}

fn text(status: StatusCode, media_type: &str, body: &str) -> Answer {
    let mut response = Response::new(Bytes::copy_from_slice(body.as_bytes()));
    *response.status_mut() = status;
    with(response, &CONTENT_TYPE, media_type)
}

fn error(status: StatusCode, code: &str, message: &str) -> Answer {
    let body = json!({ "errors": [{ "code": code, "message": message, "detail": {} }] });
    text(status, "application/json", &body.to_string())
}

fn with(mut response: Answer, name: &HeaderName, value: &str) -> Answer {
    response.headers_mut().insert(name, value.parse().unwrap());
    response
}

fn with_digest(response: Answer, digest: &str) -> Answer {
    with(response, &HeaderName::from_static("docker-content-digest"), digest)
}
