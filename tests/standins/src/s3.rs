//! An S3 server with one bucket: PUT, GET, HEAD, DELETE and ListObjectsV2, path style, conditional writes, signatures
//! checked. One lock round every request makes compare-and-swap atomic.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderName, Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use ring::digest::{SHA256, digest};

use crate::server::{HangUp, Server};
use crate::signature::{self, hex, verify};

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/Redirects.html>
const BUCKET_REGION: HeaderName = HeaderName::from_static("x-amz-bucket-region");

/// How one request fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The next PUT: 409, another conditional write of the same key is under way.
    Conflict,
    /// The next PUT: 412.
    PreconditionFailed,
    /// The next request: 500.
    InternalError,
    /// The next request: 503.
    SlowDown,
    /// The next request: 403.
    AccessDenied,
    /// The next PUT is done, then the connection is closed without an answer.
    AnswerLost,
}

/// A running server.
pub struct S3Server {
    server: Server,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    bucket: String,
    /// `None`: it takes signatures for any region.
    region: Option<String>,
    objects: BTreeMap<String, Bytes>,
    faults: VecDeque<Fault>,
    requests: Vec<String>,
}

impl S3Server {
    /// A server with one bucket, empty.
    pub fn start(bucket: &str) -> Self {
        let state = Arc::new(Mutex::new(State { bucket: bucket.to_owned(), ..State::default() }));
        Self { server: Server::on(&state, State::answer), state }
    }

    /// From now on the bucket is in this region, and whoever asks in another is sent there.
    pub fn move_to(&self, region: &str) {
        self.state().region = Some(region.to_owned());
    }

    /// `http://127.0.0.1:40123`
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The server below.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Lets one request fail: the next that the fault concerns. Faults come in the order in which they were set.
    pub fn fail_next(&self, fault: Fault) {
        self.state().faults.push_back(fault);
    }

    /// What is in the bucket.
    pub fn objects(&self) -> BTreeMap<String, Bytes> {
        self.state().objects.clone()
    }

    /// Removes every object whose key begins so.
    pub fn forget(&self, prefix: &str) {
        self.state().objects.retain(|key, _| !key.starts_with(prefix));
    }

    /// Changes every object whose key begins so, as if somebody had rewritten it.
    pub fn alter(&self, prefix: &str, change: impl Fn(&str) -> String) {
        for (_, object) in self.state().objects.iter_mut().filter(|(key, _)| key.starts_with(prefix)) {
            *object = change(&String::from_utf8_lossy(object)).into();
        }
    }

    /// The requests since the last call: `PUT images/…/ledger.json`.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.state().requests)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn answer(&mut self, request: &Request<Bytes>) -> Response<Bytes> {
        let path = request.uri().path().trim_start_matches('/');
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let key = percent_decode_str(key).decode_utf8_lossy().into_owned();
        self.requests.push(format!("{} {key}", request.method()));
        if let Err(reason) = verify(request, "s3") {
            return error(403, "SignatureDoesNotMatch", &reason);
        }
        if bucket != self.bucket {
            return error(404, "NoSuchBucket", "The specified bucket does not exist");
        }
        if let Some(region) = &self.region
            && signature::region(request) != Some(region)
        {
            let mut response = error(301, "PermanentRedirect", "The bucket must be addressed with another endpoint");
            response.headers_mut().extend(region.parse().ok().map(|region| (BUCKET_REGION, region)));
            return response;
        }
        let put = request.method() == Method::PUT;
        let due = self.faults.front().is_some_and(|fault| put || !fault.concerns_only_puts());
        let fault = if due { self.faults.pop_front() } else { None };
        match fault {
            Some(Fault::Conflict) => error(409, "ConditionalRequestConflict", "A conflicting operation is under way"),
            Some(Fault::PreconditionFailed) => precondition_failed(),
            Some(Fault::InternalError) => error(500, "InternalError", "We encountered an internal error"),
            Some(Fault::SlowDown) => error(503, "SlowDown", "Please reduce your request rate"),
            Some(Fault::AccessDenied) => error(403, "AccessDenied", "Access Denied"),
            Some(Fault::AnswerLost) => {
                self.perform(request, key);
                HangUp::response()
            }
            None => self.perform(request, key),
        }
    }

    fn perform(&mut self, request: &Request<Bytes>, key: String) -> Response<Bytes> {
        match (request.method().as_str(), key.as_str()) {
            ("GET", "") => self.list(request.uri().query().unwrap_or_default()),
            ("GET" | "HEAD", _) => match self.objects.get(&key) {
                Some(bytes) => {
                    let body = if request.method() == Method::HEAD { Bytes::new() } else { bytes.clone() };
                    respond(200, Some(&etag(bytes)), body)
                }
                None => error(404, "NoSuchKey", "The specified key does not exist."),
            },
            ("PUT", key) if !key.is_empty() => self.put(request, key),
            ("DELETE", key) if !key.is_empty() => {
                self.objects.remove(key);
                respond(204, None, Bytes::new())
            }
            _ => error(501, "NotImplemented", "This stand-in does not do that"),
        }
    }

    fn put(&mut self, request: &Request<Bytes>, key: &str) -> Response<Bytes> {
        let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap_or_default());
        let present = self.objects.get(key).map(etag);
        match (header("if-none-match"), header("if-match")) {
            (None, None) => {}
            (Some("*"), None) if present.is_none() => {}
            (Some("*"), None) => return precondition_failed(),
            (None, Some(expected)) => match present {
                None => return error(404, "NoSuchKey", "The specified key does not exist."),
                Some(present) if present == expected => {}
                Some(_) => return precondition_failed(),
            },
            _ => return error(501, "NotImplemented", "A header you provided implies functionality that is missing"),
        }
        let tag = etag(request.body());
        self.objects.insert(key.to_owned(), request.body().clone());
        respond(200, Some(&tag), Bytes::new())
    }

    fn list(&self, query: &str) -> Response<Bytes> {
        let parameters: BTreeMap<&str, String> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name, percent_decode_str(value).decode_utf8_lossy().into_owned()))
            .collect();
        if parameters.get("list-type").map(String::as_str) != Some("2") || parameters.contains_key("delimiter") {
            return error(501, "NotImplemented", "This stand-in lists with ListObjectsV2 and no delimiter");
        }
        let value = |name: &str| parameters.get(name).cloned().unwrap_or_default();
        let (prefix, after) = (value("prefix"), value("continuation-token"));
        let page = value("max-keys").parse().unwrap_or(1_000).min(1_000);
        let mut keys: Vec<&String> =
            self.objects.keys().filter(|key| key.starts_with(&prefix) && **key > after).take(page + 1).collect();
        let truncated = keys.len() > page;
        keys.truncate(page);
        let mut xml = format!(
            "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>{}</Name><Prefix>{}</Prefix>\
             <KeyCount>{}</KeyCount><MaxKeys>{page}</MaxKeys><IsTruncated>{truncated}</IsTruncated>",
            self.bucket,
            escape(&prefix),
            keys.len()
        );
        if let (true, Some(last)) = (truncated, keys.last()) {
            xml += &format!("<NextContinuationToken>{}</NextContinuationToken>", escape(last));
        }
        for key in keys {
            xml += &format!("<Contents><Key>{}</Key></Contents>", escape(key));
        }
        respond(200, None, Bytes::from(xml + "</ListBucketResult>"))
    }
}

impl Fault {
    fn concerns_only_puts(self) -> bool {
        match self {
            Self::Conflict | Self::PreconditionFailed | Self::AnswerLost => true,
            Self::InternalError | Self::SlowDown | Self::AccessDenied => false,
        }
    }
}

/// Like S3's, a hash of the contents: equal contents are one version.
fn etag(bytes: &Bytes) -> String {
    format!("\"{}\"", hex(&digest(&SHA256, bytes).as_ref()[..16]))
}

fn precondition_failed() -> Response<Bytes> {
    error(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
}

fn error(status: u16, code: &str, message: &str) -> Response<Bytes> {
    let xml = format!("<Error><Code>{code}</Code><Message>{}</Message></Error>", escape(message));
    respond(status, None, Bytes::from(xml))
}

fn respond(status: u16, etag: Option<&str>, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Some(value) = etag.and_then(|etag| etag.parse().ok()) {
        response.headers_mut().insert("etag", value);
    }
    response
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
