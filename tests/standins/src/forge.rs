//! What the forges that stand in for real ones have in common: branches, pull requests, faults. How each of them speaks
//! is its own file's business.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderName, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use url::Url;

use crate::server::{HangUp, Server};

/// A pull request, as somebody sees it who looks at the forge from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pull {
    /// Its number.
    pub number: u64,
    /// Whether it waits for a person.
    pub open: bool,
    /// Whether it was merged.
    pub merged: bool,
    /// Whether its branch is in a fork.
    pub fork: bool,
    /// The branch it is made from.
    pub branch: String,
    /// The branch it is for.
    pub base: String,
    /// The commit of its branch; that of a closed one stays.
    pub head: String,
    /// Its title, as it was given.
    pub title: String,
    /// Its body.
    pub body: String,
    /// What is written under it, oldest first.
    pub comments: Vec<String>,
    /// Who wrote the comments that people wrote, by their places in the list; the others are of the token's owner.
    pub authors: BTreeMap<usize, &'static str>,
    /// Whether it is not ready yet, where that is no matter of the title.
    pub draft: bool,
    /// Its labels.
    pub labels: Vec<String>,
    /// Who shall review it.
    pub reviewers: Vec<String>,
    /// Who looks after it.
    pub assignees: Vec<String>,
    /// Whether it merges itself.
    pub auto_merge: bool,
    /// How often it was changed.
    pub version: u64,
    /// Who merged or closed it, by the name to sign in with.
    pub ended_by: Option<&'static str>,
}

/// The person who merges and closes.
pub const PERSON: &str = "alice";

/// Whose the token is.
pub const OURS: &str = "tag2pr";

/// The name that people see of somebody.
pub(crate) fn display_name(login: &str) -> &str {
    if login == PERSON { "Alice Adams" } else { login }
}

impl Pull {
    /// The token's owner closes it, if it is open.
    pub(crate) fn close(&mut self) {
        if self.open {
            (self.open, self.ended_by) = (false, Some(OURS));
        }
    }

    /// Everything that is written under it, oldest first, with its place and who wrote it; of us if that is nobody.
    pub(crate) fn said<'a>(&'a self, us: &'a str) -> impl DoubleEndedIterator<Item = (usize, &'a str, &'a str)> {
        let author = move |index| self.authors.get(&index).copied().unwrap_or(us);
        self.comments.iter().enumerate().map(move |(index, body)| (index + 1, body.as_str(), author(index)))
    }
}

/// How one request fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// 503 from in front of the forge; nothing has happened.
    Down,
    /// The next request that changes something is done, and the connection breaks before the answer.
    AnswerLost,
    /// Too much at once, until this second since 1970.
    RateLimited(i64),
}

/// How a forge speaks.
pub trait Dialect: Send + 'static {
    /// Whether these credentials are the right ones.
    fn knows(&self, headers: &HeaderMap) -> bool;

    /// How a refusal is worded.
    fn refused(&self, status: u16, message: &str) -> Reply;

    /// What one request does; `path` is decoded, below the API.
    fn route(&self, forge: &mut State, call: &Call) -> Reply;

    /// What was not as the forge describes it.
    fn violations(&self, _call: &Call, _reply: &Reply) -> Vec<String> {
        Vec::new()
    }
}

/// A request.
pub struct Call {
    /// `GET`
    pub method: String,
    /// Its segments, decoded.
    pub path: Vec<String>,
    /// Its query, decoded.
    pub query: Vec<(String, String)>,
    /// Its body, if it has one.
    pub body: Option<Value>,
    /// As it came.
    pub uri: String,
}

impl Call {
    /// The first value of this name in the query.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A number in the query.
    pub fn number(&self, name: &str) -> Option<usize> {
        self.query(name)?.parse().ok()
    }

    /// A text in the body.
    pub fn text(&self, pointer: &str) -> Option<String> {
        self.body.as_ref()?.pointer(pointer)?.as_str().map(str::to_owned)
    }

    /// The method and the segments, to match on.
    pub fn parts(&self) -> (&str, Vec<&str>) {
        (&self.method, self.path.iter().map(String::as_str).collect())
    }
}

/// What is answered: status, headers, body.
pub struct Reply {
    /// `200`
    pub status: u16,
    /// Beside the content type.
    pub headers: HeaderMap,
    /// Nothing if null.
    pub body: Value,
}

impl Reply {
    /// An answer.
    pub fn new(status: u16, body: Value) -> Self {
        Self { status, headers: HeaderMap::new(), body }
    }

    /// The same with a header.
    ///
    /// # Panics
    ///
    /// When the value cannot be in one.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.insert(name, value.parse().expect("a header's value"));
        self
    }
}

/// A running forge. Its repository has a branch `main`.
pub struct Forge {
    state: Arc<Mutex<State>>,
    server: Server,
}

/// What it knows.
pub struct State {
    /// Where it is.
    pub url: String,
    /// The branches and their commits.
    pub branches: BTreeMap<String, String>,
    /// The commits that last changed files, by branch and path.
    pub changes: BTreeMap<(String, String), String>,
    /// Every pull request there ever was, oldest first.
    pub pulls: Vec<Pull>,
    /// Lists have no more than this many items a page.
    pub page_size: usize,
    commits: u64,
    faults: VecDeque<Option<Fault>>,
    exchanges: Vec<String>,
    violations: Vec<String>,
}

impl Forge {
    /// Starts one that speaks like this.
    ///
    /// # Panics
    ///
    /// When there is no free loopback port.
    pub fn start(dialect: impl Dialect) -> Self {
        let state = Arc::new(Mutex::new(State {
            url: String::new(),
            branches: BTreeMap::new(),
            changes: BTreeMap::new(),
            pulls: Vec::new(),
            page_size: 100,
            commits: 0,
            faults: VecDeque::new(),
            exchanges: Vec::new(),
            violations: Vec::new(),
        }));
        let shared = Arc::clone(&state);
        let dialect = Mutex::new(dialect);
        let server = Server::start(move |request| {
            let mut state = lock(&shared);
            // An answer is worth losing where something was done.
            let waits = state.faults.front() == Some(&Some(Fault::AnswerLost)) && request.method() == http::Method::GET;
            let fault = if waits { None } else { state.faults.pop_front().flatten() };
            let dialect = dialect.lock().unwrap_or_else(PoisonError::into_inner);
            std::future::ready(state.respond(&*dialect, &request, fault.as_ref()))
        });
        lock(&state).url = server.url();
        let forge = Self { state, server };
        forge.push("main");
        forge
    }

    /// Where it is.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Puts a new commit on a branch, which begins to exist with the first. Open pull requests follow.
    pub fn push(&self, branch: &str) -> String {
        let mut state = lock(&self.state);
        state.commits += 1;
        let commit = format!("{:012x}{:028x}", state.commits, state.commits);
        state.branches.insert(branch.to_owned(), commit.clone());
        let open = state.pulls.iter_mut().filter(|pull| pull.open && pull.branch == branch && !pull.fork);
        open.for_each(|pull| pull.head.clone_from(&commit));
        commit
    }

    /// Puts a new commit on a branch that changes this file.
    pub fn change(&self, branch: &str, path: &str) -> String {
        let commit = self.push(branch);
        lock(&self.state).changes.insert((branch.to_owned(), path.to_owned()), commit.clone());
        commit
    }

    /// [`PERSON`] merges or closes it.
    ///
    /// # Panics
    ///
    /// When there is no such pull request.
    pub fn end(&self, number: u64, merged: bool) {
        let mut state = lock(&self.state);
        let pull = state.pull(number).unwrap_or_else(|| panic!("there is no pull request #{number}"));
        (pull.open, pull.merged, pull.ended_by) = (false, merged, Some(PERSON));
        pull.version += 1;
    }

    /// [`PERSON`] opens a closed one again.
    ///
    /// # Panics
    ///
    /// When there is no such pull request.
    pub fn reopen(&self, number: u64) {
        let mut state = lock(&self.state);
        let pull = state.pull(number).unwrap_or_else(|| panic!("there is no pull request #{number}"));
        (pull.open, pull.ended_by) = (true, None);
        pull.version += 1;
    }

    /// A person writes under a pull request; `mallory` may only read the repository.
    pub fn said(&self, number: u64, author: &'static str, text: &str) {
        let mut state = lock(&self.state);
        if let Some(pull) = state.pull(number) {
            pull.authors.insert(pull.comments.len(), author);
            pull.comments.push(text.to_owned());
        }
    }

    /// Somebody opens one from a branch in a fork.
    pub fn opened_from_fork(&self, branch: &str, base: &str) {
        let mut state = lock(&self.state);
        let number = state.open(branch, base, "A stranger's change".to_owned(), String::new(), "f".repeat(40));
        if let Some(pull) = state.pull(number) {
            pull.fork = true;
        }
    }

    /// One pull request.
    pub fn pull(&self, number: u64) -> Option<Pull> {
        lock(&self.state).pull(number).cloned()
    }

    /// Lists have no more than this many items a page; a hundred by default.
    pub fn set_page_size(&self, size: usize) {
        lock(&self.state).page_size = size.max(1);
    }

    /// The next request that has no fault yet fails like this.
    pub fn fails_once(&self, fault: Fault) {
        lock(&self.state).faults.push_back(Some(fault));
    }

    /// What was asked, in order: `POST /repos/acme/fleet/pulls 201`.
    pub fn exchanges(&self) -> Vec<String> {
        lock(&self.state).exchanges.clone()
    }

    /// What was said against the forge's description so far; it fails no test any more.
    pub fn take_violations(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.state).violations)
    }
}

impl Drop for Forge {
    /// A violation of the forge's description fails the test that caused it.
    fn drop(&mut self) {
        let violations = self.take_violations();
        let fine = violations.is_empty() || std::thread::panicking();
        assert!(fine, "not as the forge describes it:\n{}", violations.join("\n"));
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn respond(&mut self, dialect: &impl Dialect, request: &Request<Bytes>, fault: Option<&Fault>) -> Response<Bytes> {
        if fault == Some(&Fault::Down) {
            let mut response = Response::new(Bytes::from_static(b"<html>down for a moment</html>"));
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            return response;
        }
        let url = Url::parse(&format!("http://forge{}", request.uri())).expect("a request's own URI");
        let segments = url.path().trim_matches('/').split('/');
        let call = Call {
            method: request.method().to_string(),
            path: segments.map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned()).collect(),
            query: url.query_pairs().into_owned().collect(),
            body: serde_json::from_slice(request.body()).ok(),
            uri: request.uri().to_string(),
        };
        let reply = match fault {
            Some(Fault::RateLimited(until)) => {
                let reply = dialect.refused(429, "Too many requests");
                let reply = reply.with(HeaderName::from_static("ratelimit-remaining"), "0");
                reply.with(HeaderName::from_static("ratelimit-reset"), &until.to_string())
            }
            _ if request.headers().get(USER_AGENT).is_none() => dialect.refused(400, "who are you?"),
            _ if !request.body().is_empty() && call.body.is_none() => dialect.refused(400, "the body is no JSON"),
            _ if !dialect.knows(request.headers()) => dialect.refused(401, "Unauthorized"),
            _ => {
                let reply = dialect.route(self, &call);
                self.violations.extend(dialect.violations(&call, &reply));
                reply
            }
        };
        self.exchanges.push(format!("{} {} {}", call.method, url.path(), reply.status));
        if fault == Some(&Fault::AnswerLost) { HangUp::response() } else { response(reply) }
    }

    /// One pull request.
    pub fn pull(&mut self, number: u64) -> Option<&mut Pull> {
        self.pulls.iter_mut().find(|pull| pull.number == number)
    }

    /// The pull request whose number stands in a path.
    pub fn numbered(&mut self, number: &str) -> Option<&mut Pull> {
        self.pull(number.parse().ok()?)
    }

    /// The commits of a branch that changed a file: none, or the last one.
    pub fn changes(&self, branch: &str, path: &str) -> Vec<&String> {
        self.changes.get(&(branch.to_owned(), path.to_owned())).into_iter().collect()
    }

    /// Whether one waits for a person that is from this branch of the repository itself.
    pub fn waiting(&self, branch: &str, base: &str) -> Option<&Pull> {
        self.pulls.iter().find(|pull| pull.open && !pull.fork && pull.branch == branch && pull.base == base)
    }

    /// Opens one, and says its number.
    pub fn open(&mut self, branch: &str, base: &str, title: String, body: String, head: String) -> u64 {
        let number = self.pulls.len() as u64 + 1;
        self.pulls.push(Pull {
            number,
            open: true,
            merged: false,
            fork: false,
            branch: branch.to_owned(),
            base: base.to_owned(),
            head,
            title,
            body,
            comments: Vec::new(),
            authors: BTreeMap::new(),
            draft: false,
            labels: Vec::new(),
            reviewers: Vec::new(),
            assignees: Vec::new(),
            auto_merge: false,
            version: 0,
            ended_by: None,
        });
        number
    }

    /// One page of a list, and whether there are more.
    pub fn page<T>(&self, all: Vec<T>, start: usize, size: usize) -> (Vec<T>, bool) {
        let size = size.clamp(1, self.page_size);
        let more = all.len() > start + size;
        (all.into_iter().skip(start).take(size).collect(), more)
    }

    /// One page of a list, counted from one, with the address of the next in a `Link` header.
    pub fn linked(&self, call: &Call, all: Vec<Value>, size: &str) -> Reply {
        let page = call.number("page").unwrap_or(1).max(1);
        let wanted = call.number(size).unwrap_or(30).min(self.page_size);
        let (items, more) = self.page(all, (page - 1) * wanted, wanted);
        let reply = Reply::new(200, Value::Array(items));
        if !more {
            return reply;
        }
        let mut next = Url::parse(&format!("{}{}", self.url, call.uri)).expect("this server's own address");
        let others: Vec<_> = call.query.iter().filter(|(key, _)| key != "page").collect();
        next.query_pairs_mut().clear().extend_pairs(others).append_pair("page", &(page + 1).to_string());
        reply.with(http::header::LINK, &format!("<{next}>; rel=\"next\""))
    }
}

fn response(reply: Reply) -> Response<Bytes> {
    let text = if reply.body.is_null() { String::new() } else { reply.body.to_string() };
    let mut response = Response::new(Bytes::from(text));
    *response.headers_mut() = reply.headers;
    *response.status_mut() = StatusCode::from_u16(reply.status).expect("a status of ours");
    if reply.status == 429 && !response.headers().contains_key("ratelimit-reset") {
        response.headers_mut().insert(RETRY_AFTER, "60".parse().expect("a header's value"));
    }
    response.headers_mut().insert(CONTENT_TYPE, "application/json; charset=utf-8".parse().expect("a header's value"));
    response
}

/// The texts in a list of a body.
pub fn texts(value: Option<&Value>) -> Vec<String> {
    let list = value.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Whether a header holds exactly this.
pub fn holds(headers: &HeaderMap, name: &str, expected: &str) -> bool {
    headers.get(name).and_then(|value| value.to_str().ok()) == Some(expected)
}
