//! A GitHub for one repository: pull requests and their comments, refused and failing as on GitHub.
//!
//! When `TAG2PR_GITHUB_OPENAPI` names GitHub's published description (`api.github.com.json`, which the npm package
//! `@octokit/openapi` has below `generated/`), every exchange is held against it, requests and answers alike, and a
//! test fails that leaves a violation behind.

mod answers;
mod objects;
mod pulls;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, LINK, LOCATION, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, Request, Response, StatusCode};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::{Value, json};
use url::Url;

use crate::forge::PERSON;
use crate::git::Bare;
use crate::openapi::{Description, Exchange};
use crate::parts;
use crate::server::{HangUp, Server};
use answers::{Places, number_of};

/// The environment variable that names GitHub's published description.
pub const OPENAPI: &str = "TAG2PR_GITHUB_OPENAPI";

static DESCRIPTION: LazyLock<Option<Description>> = LazyLock::new(|| {
    let path = parts::variable(OPENAPI, "GitHub's published description")?;
    Some(Description::read(Path::new(&path), "basic-error"))
});

/// A pull request, as somebody sees it who looks at GitHub from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pull {
    /// Its number.
    pub number: u64,
    /// Whether it waits for a person.
    pub open: bool,
    /// Whether it was merged.
    pub merged: bool,
    /// Owner and name of the repository that its branch is in.
    pub head_repository: (String, String),
    /// The branch it is made from.
    pub branch: String,
    /// The branch it is for.
    pub base: String,
    /// The commit of its branch; that of a closed one stays.
    pub head: String,
    /// Its title.
    pub title: String,
    /// Its body.
    pub body: String,
    /// What is written under it, oldest first.
    pub comments: Vec<String>,
    /// Who wrote the comments that people wrote, by their places in the list; the others are of the repository's owner.
    pub authors: BTreeMap<usize, &'static str>,
    /// Whether it is not ready yet.
    pub draft: bool,
    /// Its labels.
    pub labels: Vec<String>,
    /// Who shall review it: people, then teams.
    pub reviewers: Vec<String>,
    /// Who looks after it.
    pub assignees: Vec<String>,
    /// Whether it merges itself.
    pub auto_merge: bool,
    /// Who merged or closed it.
    pub ended_by: Option<String>,
}

/// How one request fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// 503 from in front of GitHub; nothing has happened.
    Down,
    /// It is done, and the connection breaks before the answer.
    AnswerLost,
    /// The hourly allowance is used up until this second since 1970.
    RateLimited(i64),
    /// Too much at once: come again after this many seconds.
    SecondaryRateLimited(u32),
    /// The token may read only.
    ReadOnly,
    /// What is sent is larger than it takes.
    TooLarge,
    /// The repository lives there now.
    Moved(String),
    /// A list whose next page is said to be there.
    NextPageAt(String),
    /// No answer for so long.
    Delayed(Duration),
}

/// A running GitHub. Its repository has a branch `main`.
pub struct GitHub {
    state: Arc<Mutex<State>>,
    server: Server,
}

struct State {
    places: Places,
    token: String,
    app: Option<App>,
    branches: BTreeMap<String, String>,
    /// The commits that last changed files, by branch and path.
    changes: BTreeMap<(String, String), String>,
    repository: Option<Bare>,
    commits: u64,
    verified: BTreeSet<String>,
    protected: BTreeMap<String, String>,
    pulls: Vec<Pull>,
    page_size: usize,
    faults: VecDeque<Option<Fault>>,
    exchanges: Vec<String>,
    violations: Vec<String>,
}

impl GitHub {
    /// Starts one with a repository `owner/name` and one token that may do everything in it.
    ///
    /// # Panics
    ///
    /// When there is no free loopback port, or GitHub's description cannot be read.
    pub fn start(owner: &str, name: &str, token: &str) -> Self {
        LazyLock::force(&DESCRIPTION);
        let places = Places { api: String::new(), owner: owner.to_owned(), name: name.to_owned() };
        let state = Arc::new(Mutex::new(State {
            places,
            token: token.to_owned(),
            app: None,
            branches: BTreeMap::new(),
            changes: BTreeMap::new(),
            repository: None,
            commits: 0,
            verified: BTreeSet::new(),
            protected: BTreeMap::new(),
            pulls: Vec::new(),
            page_size: 100,
            faults: VecDeque::new(),
            exchanges: Vec::new(),
            violations: Vec::new(),
        }));
        let shared = Arc::clone(&state);
        let server = Server::start(move |request| {
            let state = Arc::clone(&shared);
            async move {
                let fault = lock(&state).faults.pop_front().flatten();
                if let Some(Fault::Delayed(time)) = fault {
                    tokio::time::sleep(time).await;
                }
                lock(&state).respond(&request, fault.as_ref())
            }
        });
        lock(&state).places.api = server.url();
        let github = Self { state, server };
        github.push("main");
        github
    }

    /// Where its API is.
    pub fn api(&self) -> String {
        self.server.url()
    }

    /// The server below.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// An app with this id and public key (DER, PKCS#1) is installed on the repository; the tokens that it makes run out
    /// after so many seconds.
    pub fn installs(&self, id: &str, public: &[u8], lifetime: i64) {
        lock(&self.state).app =
            Some(App { id: id.to_owned(), public: public.to_vec(), lifetime, made: Vec::new(), revoked: 0 });
    }

    /// The tokens of the app that were made so far are good for nothing any more.
    pub fn revokes_tokens(&self) {
        if let Some(app) = &mut lock(&self.state).app {
            app.revoked = app.made.len();
        }
    }

    /// Puts a new commit on a branch, which begins to exist with the first. Open pull requests follow.
    pub fn push(&self, branch: &str) -> String {
        let mut state = lock(&self.state);
        state.commits += 1;
        let commit = format!("{:040x}", state.commits);
        state.branches.insert(branch.to_owned(), commit.clone());
        let ours = (state.places.owner.clone(), state.places.name.clone());
        let open = state.pulls.iter_mut().filter(|pull| pull.open && pull.branch == branch);
        open.filter(|pull| pull.head_repository == ours).for_each(|pull| pull.head.clone_from(&commit));
        commit
    }

    /// Puts a new commit on a branch that changes this file.
    pub fn change(&self, branch: &str, path: &str) -> String {
        let commit = self.push(branch);
        lock(&self.state).changes.insert((branch.to_owned(), path.to_owned()), commit.clone());
        commit
    }

    /// From now on its branches are those of this repository, and open pull requests follow.
    pub fn hosts(&self, repository: &Bare) {
        lock(&self.state).repository = Some(repository.clone());
    }

    /// From now on this is the token that may do everything. Commits are signed for one that begins with `ghs_`, as those
    /// of apps do, and for no other.
    pub fn changes_token(&self, token: &str) {
        token.clone_into(&mut lock(&self.state).token);
    }

    /// From now on a branch is not moved through the API, for this reason.
    pub fn protects(&self, branch: &str, reason: &str) {
        lock(&self.state).protected.insert(branch.to_owned(), reason.to_owned());
    }

    /// Whether it signed this commit.
    pub fn signed(&self, commit: &str) -> bool {
        lock(&self.state).verified.contains(commit)
    }

    /// [`PERSON`] merges it.
    ///
    /// # Panics
    ///
    /// When there is no such pull request.
    pub fn merge(&self, number: u64) {
        let mut state = lock(&self.state);
        let pull = state.pull(number).unwrap_or_else(|| panic!("there is no pull request #{number}"));
        (pull.open, pull.merged, pull.ended_by) = (false, true, Some(PERSON.to_owned()));
    }

    /// [`PERSON`] closes it without merging.
    ///
    /// # Panics
    ///
    /// When there is no such pull request.
    pub fn close(&self, number: u64) {
        let mut state = lock(&self.state);
        let pull = state.pull(number).unwrap_or_else(|| panic!("there is no pull request #{number}"));
        (pull.open, pull.ended_by) = (false, Some(PERSON.to_owned()));
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
    pub fn opened_from_fork(&self, owner: &str, name: &str, branch: &str, base: &str) -> u64 {
        let mut state = lock(&self.state);
        let fork = (owner.to_owned(), name.to_owned());
        state.open(fork, "f".repeat(40), branch, base, "A stranger's change", "").number
    }

    /// Every pull request there ever was, oldest first.
    pub fn pulls(&self) -> Vec<Pull> {
        lock(&self.state).pulls.clone()
    }

    /// Lists have no more than this many items a page; a hundred by default, as on GitHub.
    pub fn set_page_size(&self, size: usize) {
        lock(&self.state).page_size = size.max(1);
    }

    /// The next request that has no fault yet fails like this.
    pub fn fails_once(&self, fault: Fault) {
        self.fails_after(0, fault);
    }

    /// The next request fails like this that comes after so many good ones.
    pub fn fails_after(&self, good: usize, fault: Fault) {
        let faults = &mut lock(&self.state).faults;
        faults.extend(std::iter::repeat_n(None, good));
        faults.push_back(Some(fault));
    }

    /// What was asked, in order: `POST /repos/acme/fleet/pulls 201`.
    pub fn exchanges(&self) -> Vec<String> {
        lock(&self.state).exchanges.clone()
    }

    /// Whether exchanges are held against GitHub's description: whether it was found.
    pub fn is_checked(&self) -> bool {
        DESCRIPTION.is_some()
    }

    /// What was said against GitHub's description so far; it fails no test any more.
    pub fn take_violations(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.state).violations)
    }
}

impl Drop for GitHub {
    /// A violation of GitHub's description fails the test that caused it.
    fn drop(&mut self) {
        let violations = self.take_violations();
        assert!(
            violations.is_empty() || std::thread::panicking(),
            "not as GitHub describes it:\n{}",
            violations.join("\n")
        );
    }
}

/// An app that is installed on the repository.
struct App {
    id: String,
    public: Vec<u8>,
    lifetime: i64,
    made: Vec<String>,
    revoked: usize,
}

impl App {
    /// Whether this is a JWT of the app that is good now.
    fn signed(&self, bearer: &str) -> bool {
        let Some((signed, signature)) = bearer.rsplit_once('.') else { return false };
        let Some((header, claims)) = signed.split_once('.') else { return false };
        let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap_or_default();
        let json = |part: &str| serde_json::from_slice::<Value>(&decoded(part)).unwrap_or_default();
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.public);
        let (claims, now) = (json(claims), now());
        let (issued, expires) = (claims["iat"].as_i64().unwrap_or(now + 1), claims["exp"].as_i64().unwrap_or(0));
        json(header)["alg"] == "RS256"
            && claims["iss"] == self.id.as_str()
            && issued <= now
            && expires > now
            && expires - issued <= 600
            && key.verify(signed.as_bytes(), &decoded(signature)).is_ok()
    }

    fn knows(&self, token: &str) -> bool {
        self.made.iter().skip(self.revoked).any(|made| made == token)
    }
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs() as i64)
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is answered: status, headers, body.
struct Reply {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Reply {
    fn new(status: u16, body: Value) -> Self {
        Self { status, headers: HeaderMap::new(), body }
    }

    /// As GitHub words it.
    fn refused(status: u16, message: &str) -> Self {
        let documentation_url = "https://docs.github.com/rest/pulls/pulls";
        Self::new(
            status,
            json!({ "message": message, "documentation_url": documentation_url, "status": status.to_string() }),
        )
    }

    fn invalid(error: Value) -> Self {
        let mut reply = Self::refused(422, "Validation Failed");
        reply.body["errors"] = json!([error]);
        reply
    }

    fn with(mut self, name: http::HeaderName, value: &str) -> Self {
        self.headers.insert(name, value.parse().expect("a header's value"));
        self
    }
}

impl State {
    /// Looks where the branches of the repository are now.
    fn look(&mut self) {
        let Some(repository) = &self.repository else { return };
        let heads = repository.run(&["for-each-ref", "--format=%(refname:strip=2) %(objectname)", "refs/heads"]);
        let heads = heads.lines().filter_map(|line| line.split_once(' '));
        self.branches = heads.map(|(branch, commit)| (branch.to_owned(), commit.to_owned())).collect();
        let ours = (self.places.owner.clone(), self.places.name.clone());
        for pull in self.pulls.iter_mut().filter(|pull| pull.open && pull.head_repository == ours) {
            if let Some(commit) = self.branches.get(&pull.branch) {
                pull.head.clone_from(commit);
            }
        }
    }

    fn respond(&mut self, request: &Request<Bytes>, fault: Option<&Fault>) -> Response<Bytes> {
        let unavailable = |body: &'static str| {
            let mut response = Response::new(Bytes::from_static(body.as_bytes()));
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            response
        };
        // These do not come from GitHub's API, so its description says nothing of them.
        match fault {
            Some(Fault::Down) => return unavailable("<html><title>Unicorn! · GitHub</title></html>"),
            Some(Fault::Delayed(_)) => return unavailable("too late"),
            _ => {}
        }
        self.look();
        let url = Url::parse(&format!("http://github{}", request.uri())).expect("a request's own URI");
        let query: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let body: Option<Value> = serde_json::from_slice(request.body()).ok();
        let Places { owner, name, .. } = &self.places;
        let repository = format!("/repos/{owner}/{name}");
        // The address that GitHub gives to next pages.
        let by_number = format!("/repositories/{}", number_of(&format!("{owner}/{name}")));
        let path = match url.path().strip_prefix(&by_number) {
            Some(rest) => format!("{repository}{rest}"),
            None => url.path().to_owned(),
        };
        let signed_in = self.sign_in(request.headers(), request.method().as_str(), &path);
        let mut reply = match signed_in.or_else(|| self.forbidden(request.headers(), fault)) {
            Some(reply) => reply,
            None => {
                let bearer = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
                let is_app = bearer.is_some_and(|bearer| bearer.starts_with("Bearer ghs_"));
                self.route(request.method().as_str(), &path, &query, body.as_ref(), is_app)
            }
        };
        if let Some(Fault::NextPageAt(elsewhere)) = fault {
            reply = reply.with(LINK, &format!("<{elsewhere}>; rel=\"next\""));
        }
        self.exchanges.push(format!("{} {path} {}", request.method(), reply.status));
        if request.headers().get("x-github-api-version").is_none_or(|version| version != "2022-11-28") {
            self.violations.push(format!("{} {path}: X-GitHub-Api-Version is not 2022-11-28", request.method()));
        }
        if !request.body().is_empty() && body.is_none() {
            self.violations.push(format!("{} {path}: the body is no JSON", request.method()));
        }
        // GraphQL has no description of this kind.
        if let Some(description) = DESCRIPTION.as_ref().filter(|_| path != "/graphql") {
            let (method, status, answer) = (request.method().to_string(), reply.status, reply.body.clone());
            let exchange = Exchange { method, path, query, request: body, status, answer };
            self.violations.extend(description.violations(&exchange));
        }
        if fault == Some(&Fault::AnswerLost) { HangUp::response() } else { response(reply) }
    }

    /// What an app asks for itself, with a signature of its own in place of a token.
    fn sign_in(&mut self, headers: &HeaderMap, method: &str, path: &str) -> Option<Reply> {
        let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))?;
        let Places { owner, name, .. } = self.places.clone();
        let (is_lookup, is_token) = (
            (method, path) == ("GET", format!("/repos/{owner}/{name}/installation").as_str()),
            (method, path) == ("POST", "/app/installations/7/access_tokens"),
        );
        if !is_lookup && !is_token {
            return None;
        }
        let Some(app) = self.app.as_mut() else { return Some(Reply::refused(404, "Not Found")) };
        if !app.signed(bearer) {
            return Some(Reply::refused(401, "A JSON web token could not be decoded"));
        }
        if is_lookup {
            return Some(Reply::new(200, self.places.installation()));
        }
        let token = format!("ghs_{}", app.made.len() + 1);
        app.made.push(token.clone());
        let until = answers::moment(now() + app.lifetime);
        Some(Reply::new(201, json!({ "token": token, "expires_at": until })))
    }

    /// What is refused whatever is asked for.
    fn forbidden(&self, headers: &HeaderMap, fault: Option<&Fault>) -> Option<Reply> {
        let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        if headers.get(USER_AGENT).is_none() {
            let message =
                "Request forbidden by administrative rules. Please make sure your request has a User-Agent header";
            return Some(Reply::refused(403, message));
        }
        match fault {
            Some(Fault::RateLimited(reset)) => {
                let reply = Reply::refused(403, "API rate limit exceeded for user ID 583231.");
                let reply = reply.with(http::HeaderName::from_static("x-ratelimit-remaining"), "0");
                Some(reply.with(http::HeaderName::from_static("x-ratelimit-reset"), &reset.to_string()))
            }
            Some(Fault::SecondaryRateLimited(seconds)) => {
                let message =
                    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
                Some(Reply::refused(403, message).with(RETRY_AFTER, &seconds.to_string()))
            }
            Some(Fault::TooLarge) => Some(Reply::refused(422, "Sorry, your input was too large to process.")),
            Some(Fault::ReadOnly) => Some(Reply::refused(403, "Resource not accessible by personal access token")),
            Some(Fault::Moved(location)) => Some(Reply::refused(301, "Moved Permanently").with(LOCATION, location)),
            _ if bearer.is_some_and(|bearer| self.app.as_ref().is_some_and(|app| app.knows(bearer))) => None,
            _ if bearer != Some(&self.token) => Some(Reply::refused(401, "Bad credentials")),
            _ => None,
        }
    }

    fn route(
        &mut self,
        method: &str,
        path: &str,
        query: &[(String, String)],
        body: Option<&Value>,
        is_app: bool,
    ) -> Reply {
        let Places { owner, name, .. } = &self.places;
        if (method, path) == ("GET", &format!("/repos/{owner}/{name}")) {
            return Reply::new(200, self.places.whole_repository());
        }
        if (method, path) == ("GET", "/user") {
            return Reply::new(200, self.places.authenticated(&self.places.owner));
        }
        if let ("POST", "/graphql", Some(body)) = (method, path, body) {
            return self.graphql(body);
        }
        let prefix = format!("/repos/{}/{}/", self.places.owner, self.places.name);
        let resource: Vec<&str> = path.strip_prefix(&prefix).unwrap_or_default().split('/').collect();
        match (method, resource.as_slice(), body) {
            (_, ["git", rest @ ..], body) => self.objects(method, rest, body.unwrap_or(&Value::Null), is_app),
            ("GET", ["commits"], _) => self.commits(path, query),
            ("GET", ["pulls"], _) => self.list(path, query),
            ("POST", ["pulls"], Some(body)) => self.create(body),
            ("PATCH", ["pulls", number], Some(body)) => self.update(number, body),
            ("GET", ["pulls", number], _) => match number.parse().ok().and_then(|number| self.pull(number)).cloned() {
                Some(pull) => Reply::new(200, self.places.pull(&pull, true)),
                None => Reply::refused(404, "Not Found"),
            },
            ("GET", ["issues", number], _) => match number.parse().ok().and_then(|number| self.pull(number)).cloned() {
                Some(pull) => Reply::new(200, self.places.issue(&pull)),
                None => Reply::refused(404, "Not Found"),
            },
            ("POST", [of, number, what], Some(body)) if *what != "comments" => self.ask(number, (of, what), body),
            ("GET", ["issues", number, "comments"], _) => self.comments(path, number, query),
            ("POST", ["issues", number, "comments"], Some(body)) => self.comment(number, body),
            ("GET", ["collaborators", login, "permission"], _) => {
                let permission = if *login == "mallory" { "read" } else { "write" };
                Reply::new(200, json!({ "permission": permission, "role_name": permission, "user": null }))
            }
            ("POST" | "PATCH", _, None) => Reply::refused(400, "Problems parsing JSON"),
            _ => Reply::refused(404, "Not Found"),
        }
    }
}

fn response(reply: Reply) -> Response<Bytes> {
    let text = reply.body.to_string();
    let mut response = Response::new(Bytes::from(text));
    *response.headers_mut() = reply.headers;
    *response.status_mut() = StatusCode::from_u16(reply.status).expect("a status of ours");
    response.headers_mut().insert(CONTENT_TYPE, "application/json; charset=utf-8".parse().expect("a header's value"));
    response
}
