//! Git's smart HTTP protocol, carried by reqwest.
//!
//! libgit2 speaks the protocol (<https://git-scm.com/docs/http-protocol>) and hands requests to this transport: one GET
//! for the refs, POSTs for everything else. It is registered under a scheme of our own, so that neither libgit2's own
//! HTTP nor anybody's `url.….insteadOf` gets in between.

use std::cell::RefCell;
use std::error::Error as _;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use git2::transport::{Service, SmartSubtransport, SmartSubtransportStream, Transport};
use jiff::Timestamp;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue, LOCATION};
use reqwest::{Certificate, Client, RequestBuilder, Response, StatusCode, Url, redirect};
use tag2pr::seams::{GitError, HostError};
use tokio::runtime::Handle;

use crate::{Credentials, OpenError, Settings};

/// What libgit2 is told to connect to: it picks this transport, which knows the URL.
pub(crate) const REMOTE: &str = "tag2pr://repository";

const MOST_REDIRECTS: usize = 5;

/// The HTTP side of one repository.
pub(crate) struct Http {
    client: Client,
    url: Url,
    credentials: Option<Credentials>,
}

impl Http {
    pub(crate) fn new(url: &str, settings: &Settings) -> Result<Arc<Self>, OpenError> {
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
        Ok(Arc::new(Self { client, url, credentials: settings.credentials.clone() }))
    }

    fn send(&self, request: RequestBuilder) -> Result<Response, GitError> {
        let request = match &self.credentials {
            Some(credentials) => {
                let token = Handle::current().block_on(credentials.token.token(Timestamp::now()));
                let token = token.map_err(|error| match error {
                    HostError::Refused { host, reason } => GitError::Refused { url: host, reason },
                    HostError::Unavailable { host, reason } => GitError::Unavailable { url: host, reason },
                })?;
                request.basic_auth(&credentials.user, Some(token.expose()))
            }
            None => request,
        };
        Handle::current().block_on(request.send()).map_err(|error| self.failed(&error))
    }

    /// Asks for the refs, and keeps to where the answer came from: a repository that was renamed redirects this request,
    /// and a redirected POST would be sent as a GET.
    fn discover(&self, service: &str) -> Result<(Url, Response), GitError> {
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
            return Ok((self.parse(base)?, response));
        }
        Err(self.refused(format!("more than {MOST_REDIRECTS} redirects: check the URL")))
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
            let words = words(response);
            return Err(self.meaning(status, service, &words));
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
        GitError::Unavailable { url: self.url.to_string(), reason }
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

thread_local! {
    /// Whose turn it is: libgit2 makes a transport on the thread that connects, and gives it nothing but the URL.
    static SESSION: RefCell<Option<Arc<Session>>> = const { RefCell::new(None) };
}

/// One connection: where the refs came from, and what went wrong, which libgit2 would tell as a text only.
struct Session {
    http: Arc<Http>,
    base: Mutex<Option<Url>>,
    failure: Mutex<Option<GitError>>,
}

/// Runs libgit2's network functions over this client; a failure of the network is told in the seam's words.
pub(crate) fn connected<T, E: From<GitError>>(http: &Arc<Http>, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    register().map_err(|reason| http.unavailable(reason))?;
    let session = Arc::new(Session { http: Arc::clone(http), base: Mutex::default(), failure: Mutex::default() });
    let before = SESSION.replace(Some(Arc::clone(&session)));
    let result = work();
    SESSION.set(before);
    match session.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(failure) if result.is_err() => Err(failure.into()),
        _ => result,
    }
}

fn register() -> Result<(), String> {
    static REGISTERED: OnceLock<Result<(), String>> = OnceLock::new();
    let register = || {
        // SAFETY: must not run beside the creation of another transport. All of them are created by `connected`, after
        // this has returned.
        #[expect(unsafe_code)]
        let registered = unsafe {
            git2::transport::register("tag2pr", |remote| {
                let session = SESSION.with_borrow(Clone::clone);
                let session = session.ok_or_else(|| git2::Error::from_str("no session on this thread"))?;
                Transport::smart(remote, true, Connection(session))
            })
        };
        registered.map_err(|error| error.message().to_owned())
    };
    REGISTERED.get_or_init(register).clone()
}

struct Connection(Arc<Session>);

impl SmartSubtransport for Connection {
    fn action(&self, _: &str, service: Service) -> Result<Box<dyn SmartSubtransportStream>, git2::Error> {
        let (service, lists) = match service {
            Service::UploadPackLs => ("git-upload-pack", true),
            Service::ReceivePackLs => ("git-receive-pack", true),
            Service::UploadPack => ("git-upload-pack", false),
            Service::ReceivePack => ("git-receive-pack", false),
        };
        let state = if lists { State::Lists } else { State::Asks(Vec::new()) };
        Ok(Box::new(Exchange { session: Arc::clone(&self.0), service, state }))
    }

    fn close(&self) -> Result<(), git2::Error> {
        Ok(())
    }
}

/// One request and its answer.
struct Exchange {
    session: Arc<Session>,
    service: &'static str,
    state: State,
}

enum State {
    Lists,
    Asks(Vec<u8>),
    /// What was received and not read yet.
    Hears(Response, Vec<u8>, usize),
}

impl Exchange {
    fn begin(&mut self) -> Result<Response, GitError> {
        let http = &self.session.http;
        let mut base = self.session.base.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut self.state, State::Lists) {
            State::Hears(response, ..) => Ok(response),
            State::Lists => {
                let (url, response) = http.discover(self.service)?;
                *base = Some(url);
                Ok(response)
            }
            State::Asks(body) => {
                let base = base.as_ref().unwrap_or(&http.url);
                let url = http.parse(&format!("{}/{}", base.as_str().trim_end_matches('/'), self.service))?;
                let request = http.client.post(url).body(body);
                let request = request.header(CONTENT_TYPE, format!("application/x-{}-request", self.service));
                let result = format!("application/x-{}-result", self.service);
                let response = http.send(request.header(ACCEPT, &result))?;
                http.accept(response, self.service, &result)
            }
        }
    }

    /// Remembers what went wrong, for [`connected`], and stops libgit2.
    fn fail(&self, error: GitError) -> io::Error {
        let told = io::Error::other(error.to_string().replace('\0', " "));
        *self.session.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        told
    }
}

impl Read for Exchange {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !matches!(self.state, State::Hears(..)) {
            let response = self.begin().map_err(|error| self.fail(error))?;
            self.state = State::Hears(response, Vec::new(), 0);
        }
        let State::Hears(response, chunk, read) = &mut self.state else {
            return Ok(0);
        };
        while *read == chunk.len() {
            match Handle::current().block_on(response.chunk()) {
                Ok(Some(next)) => (*chunk, *read) = (next.to_vec(), 0),
                Ok(None) => return Ok(0),
                Err(error) => {
                    let failed = self.session.http.failed(&error);
                    return Err(self.fail(failed));
                }
            }
        }
        let count = buffer.len().min(chunk.len() - *read);
        buffer[..count].copy_from_slice(&chunk[*read..*read + count]);
        *read += count;
        Ok(count)
    }
}

impl Write for Exchange {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.state {
            State::Asks(body) => body.extend_from_slice(bytes),
            State::Lists | State::Hears(..) => self.state = State::Asks(bytes.to_vec()),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
