//! Git's smart HTTP protocol, carried by reqwest: one GET for the refs, POSTs for everything else.
//!
//! What an answer's status means is said here, and where credentials go. The protocol is told in
//! <https://git-scm.com/docs/http-protocol>.

use std::error::Error as _;
use std::io::{self, Read};
use std::path::Path;

use bytes::{Buf, Bytes};
use jiff::{SignedDuration, Timestamp};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue, LOCATION};
use reqwest::{Certificate, Client, RequestBuilder, Response, StatusCode, Url, redirect};
use tag2pr::retry_after;
use tag2pr::seams::{GitError, HostError};
use tokio::runtime::Handle;

use crate::{Credentials, OpenError, Settings};

const MOST_REDIRECTS: usize = 5;

/// No server is left alone for longer, whatever it asks for.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(1);

/// What a Git server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    /// It gives objects.
    UploadPack,
    /// It takes objects, and moves branches.
    ReceivePack,
}

impl Service {
    fn name(self) -> &'static str {
        match self {
            Self::UploadPack => "git-upload-pack",
            Self::ReceivePack => "git-receive-pack",
        }
    }
}

/// The HTTP side of one repository.
pub(crate) struct Http {
    client: Client,
    url: Url,
    credentials: Option<Credentials>,
}

impl Http {
    pub(crate) fn new(url: &str, settings: &Settings) -> Result<Self, OpenError> {
        // An error means that the process has chosen one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            // Some forges tell Git from a browser by this.
            .user_agent(concat!("git/2.0 (tag2pr ", env!("CARGO_PKG_VERSION"), ")"))
            .redirect(redirect::Policy::none())
            .connect_timeout(settings.connect)
            .read_timeout(settings.idle);
        if let Some(path) = &settings.ca {
            builder = builder.tls_certs_merge(certificates(path)?);
        }
        let client = builder.build().map_err(OpenError::Client)?;
        let url = Url::parse(url).map_err(|_| tag2pr::repository_url::UrlError::Host)?;
        Ok(Self { client, url, credentials: settings.credentials.clone() })
    }

    fn send(&self, request: RequestBuilder) -> Result<Response, GitError> {
        let request = match &self.credentials {
            Some(credentials) => {
                let token = Handle::current().block_on(credentials.token.token(Timestamp::now()));
                let token = token.map_err(|error| match error {
                    HostError::Refused { host, reason } => GitError::Refused { url: host, reason },
                    HostError::Moved { host, reason } => GitError::Unavailable { url: host, reason, wait: None },
                    HostError::Unavailable { host, reason, wait } => GitError::Unavailable { url: host, reason, wait },
                })?;
                request.basic_auth(&credentials.user, Some(token.expose()))
            }
            None => request,
        };
        Handle::current().block_on(request.send()).map_err(|error| self.failed(&error))
    }

    /// Asks a service for the refs. Where the answer came from is where the service is: a repository that was renamed
    /// redirects this request, and a redirected POST would be sent as a GET.
    pub(crate) fn refs(&self, service: Service) -> Result<(Url, Body<'_>), GitError> {
        let service = service.name();
        let suffix = format!("/info/refs?service={service}");
        let mut url = self.parse(&format!("{}{suffix}", self.url.as_str().trim_end_matches('/')))?;
        for _ in 0..MOST_REDIRECTS {
            let response = self.send(self.client.get(url.clone()).header(ACCEPT, "*/*"))?;
            if response.status().is_redirection() {
                url = self.follow(&url, &response)?;
                continue;
            }
            let response = self.accept(response, service, &format!("application/x-{service}-advertisement"))?;
            let Some(base) = url.as_str().strip_suffix(&suffix) else {
                return Err(self.refused(format!("it redirects to {url}: configure the repository's new URL")));
            };
            return Ok((self.parse(base)?, Body { http: self, response, chunk: Bytes::new() }));
        }
        Err(self.refused(format!("more than {MOST_REDIRECTS} redirects: check the URL")))
    }

    /// Sends a request to a service of the repository at a URL.
    pub(crate) fn ask(&self, base: &Url, service: Service, request: Vec<u8>) -> Result<Body<'_>, GitError> {
        let service = service.name();
        let url = self.parse(&format!("{}/{service}", base.as_str().trim_end_matches('/')))?;
        let result = format!("application/x-{service}-result");
        let request = self.client.post(url).body(request).header(ACCEPT, &result);
        let response = self.send(request.header(CONTENT_TYPE, format!("application/x-{service}-request")))?;
        let response = self.accept(response, service, &result)?;
        Ok(Body { http: self, response, chunk: Bytes::new() })
    }

    /// Credentials go where the URL says: to the same origin, or to the same host with HTTPS instead of HTTP.
    fn follow(&self, from: &Url, response: &Response) -> Result<Url, GitError> {
        let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok()).unwrap_or_default();
        let Ok(to) = from.join(location) else {
            return Err(self.refused(format!("HTTP {}, to nowhere: check the URL", response.status())));
        };
        let upgrade = from.scheme() == "http" && to.scheme() == "https" && from.host() == to.host();
        if upgrade || from.origin() == to.origin() {
            return Ok(to);
        }
        let to = to.origin().ascii_serialization();
        Err(self.refused(format!("it redirects to {to}, which is not followed: configure the repository's new URL")))
    }

    fn accept(&self, response: Response, service: &str, content_type: &str) -> Result<Response, GitError> {
        let status = response.status();
        if !status.is_success() {
            let wait = retry_after::wait(response.headers(), Timestamp::now()).map(|wait| wait.min(LONGEST_WAIT));
            let words = words(response);
            return Err(match self.meaning(status, service, &words) {
                GitError::Unavailable { url, reason, .. } => GitError::Unavailable { url, reason, wait },
                other => other,
            });
        }
        match response.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes) {
            Some(found) if found.eq_ignore_ascii_case(content_type.as_bytes()) => Ok(response),
            found => {
                let found = found.map_or("no content type".into(), String::from_utf8_lossy);
                Err(self.refused(format!("it does not answer as a Git server ({found}): check the URL")))
            }
        }
    }

    /// What to do about an answer that is none.
    fn meaning(&self, status: StatusCode, service: &str, words: &str) -> GitError {
        let verb = if service == "git-receive-pack" { "write to" } else { "read" };
        let token = if self.credentials.is_some() { "check the token" } else { "configure a token" };
        let advice = match status {
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => "",
            status if status.is_server_error() => "",
            StatusCode::UNAUTHORIZED if self.credentials.is_some() => {
                ": check the token: it is wrong, or it has expired, or the user name is not the one that belongs to it"
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return self
                    .refused(format!("HTTP {status}: {token}: it must be allowed to {verb} this repository{words}"));
            }
            StatusCode::NOT_FOUND => {
                return self.refused(format!(
                    "HTTP {status}: check the URL, and {token}: there is no such repository, or it may not be seen{words}"
                ));
            }
            status if status.is_redirection() => ": the repository has moved: configure its new URL",
            _ => ": check the URL",
        };
        let reason = format!("HTTP {status}{advice}{words}");
        if advice.is_empty() { self.unavailable(reason) } else { self.refused(reason) }
    }

    /// No answer at all. The causes are told, innermost last: the first one says only that a request failed.
    fn failed(&self, error: &reqwest::Error) -> GitError {
        let mut reason = match () {
            () if error.is_timeout() => "no answer in time".to_owned(),
            () if error.is_connect() => "no connection".to_owned(),
            () => "the connection broke".to_owned(),
        };
        let mut cause = error.source();
        let mut innermost = None;
        while let Some(next) = cause {
            if !next.is::<reqwest::Error>() {
                innermost = Some(next);
            }
            cause = next.source();
        }
        if let Some(innermost) = innermost {
            reason = format!("{reason}: {innermost}");
        }
        if reason.contains("invalid peer certificate") {
            return self.refused(format!("{reason}: if the certificate is right, configure its authority as `ca`"));
        }
        self.unavailable(reason)
    }

    fn parse(&self, url: &str) -> Result<Url, GitError> {
        Url::parse(url).map_err(|error| self.refused(format!("it redirects to what is no URL: {error}")))
    }

    fn refused(&self, reason: String) -> GitError {
        GitError::Refused { url: self.url.to_string(), reason }
    }

    pub(crate) fn unavailable(&self, reason: String) -> GitError {
        GitError::Unavailable { url: self.url.to_string(), reason, wait: None }
    }
}

/// An answer, as it comes in. Its errors hold a [`GitError`].
pub(crate) struct Body<'a> {
    http: &'a Http,
    response: Response,
    chunk: Bytes,
}

impl Read for Body<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            match Handle::current().block_on(self.response.chunk()) {
                Ok(Some(next)) => self.chunk = next,
                Ok(None) => return Ok(0),
                Err(error) => return Err(io::Error::other(self.http.failed(&error))),
            }
        }
        let count = buffer.len().min(self.chunk.len());
        self.chunk.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, OpenError> {
    let told = |reason: String| OpenError::Certificates { path: path.to_owned(), reason };
    let pem = std::fs::read(path).map_err(|error| told(error.to_string()))?;
    let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| told(error.to_string()))?;
    if certificates.is_empty() { Err(told("there are none in it".to_owned())) } else { Ok(certificates) }
}

/// The beginning of a plain text answer, for people: ` (Repository is archived)`. Pages are left out.
fn words(mut response: Response) -> String {
    let plain = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if !plain {
        return String::new();
    }
    let chunk = Handle::current().block_on(response.chunk()).ok().flatten().unwrap_or_default();
    match printable(&chunk) {
        words if words.is_empty() => words,
        words => format!(" ({words})"),
    }
}

/// What a server says, on one line and not too long.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes.get(..2000).unwrap_or(bytes));
    let words: Vec<&str> =
        text.split(|c: char| c.is_control() || c.is_whitespace()).filter(|w| !w.is_empty()).collect();
    words.join(" ").chars().take(400).collect()
}
