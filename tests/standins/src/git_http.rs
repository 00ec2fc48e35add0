//! A Git server: smart HTTP by `git http-backend`, over a directory of bare repositories.

use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use http::{Request, Response, StatusCode};
use tokio::io::AsyncWriteExt;

use crate::git::{Bare, command};
use crate::server::{HangUp, Server};

/// A way to fail.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Answers this status, with a text.
    Status(u16, &'static str),
    /// Answers as it should, later.
    Delay(Duration),
    /// Closes the connection instead of answering.
    HangUp,
    /// Answers half of what it should.
    Half,
    /// Answers a page for people.
    Page,
    /// Sends the client to the same path below this URL.
    Redirect(String),
    /// Does what is asked, then closes the connection instead of answering.
    LoseAnswer,
}

/// How many requests of each kind were answered, whatever the answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Requests {
    /// For the refs.
    pub lists: usize,
    /// For objects.
    pub fetches: usize,
    /// To move branches.
    pub pushes: usize,
}

#[derive(Debug, Default)]
struct State {
    credentials: Option<String>,
    requests: Requests,
    authorizations: Vec<Option<String>>,
    faults: Vec<(&'static str, Fault)>,
    renamed: Vec<(String, String)>,
}

/// The server and its repositories, which end with it.
pub struct GitHttp {
    server: Server,
    root: tempfile::TempDir,
    state: Arc<Mutex<State>>,
}

impl GitHttp {
    /// A server without repositories, open to anybody.
    pub fn start() -> Self {
        let root = tempfile::tempdir().expect("a temporary directory");
        let state = Arc::new(Mutex::new(State::default()));
        let (path, shared) = (root.path().to_owned(), Arc::clone(&state));
        let server = Server::start(move |request| {
            let (path, shared) = (path.clone(), Arc::clone(&shared));
            async move { answer(&path, &shared, request).await }
        });
        Self { server, root, state }
    }

    /// Makes an empty repository: `acme/fleet.git`.
    pub fn create(&self, name: &str) -> Bare {
        Bare::create(&self.root.path().join(name))
    }

    /// `http://127.0.0.1:40123/acme/fleet.git`
    pub fn url(&self, name: &str) -> String {
        format!("{}/{name}", self.server.url())
    }

    /// The server below.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Lets in only who sends these as HTTP basic authentication; `None`: anybody.
    pub fn require(&self, credentials: Option<(&str, &str)>) {
        self.state().credentials = credentials
            .map(|(user, password)| format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}"))));
    }

    /// Fails the next request, once; several are used up in turn.
    pub fn fail_once(&self, fault: Fault) {
        self.fail_once_at("", fault);
    }

    /// Fails the next request whose path and query hold this text, once: `info/refs`, `git-upload-pack`.
    pub fn fail_once_at(&self, part: &'static str, fault: Fault) {
        self.state().faults.push((part, fault));
    }

    /// From now on a repository has another name, and requests for the refs under the old one are redirected.
    pub fn rename(&self, old: &str, new: &str) {
        let (from, to) = (self.root.path().join(old), self.root.path().join(new));
        std::fs::create_dir_all(to.parent().unwrap_or(&to)).expect("a directory");
        std::fs::rename(from, to).expect("the repository");
        self.state().renamed.push((format!("/{old}/"), format!("/{new}/")));
    }

    /// What was asked since the last call of this.
    pub fn requests(&self) -> Requests {
        std::mem::take(&mut self.state().requests)
    }

    /// The `Authorization` of every request so far, in order.
    pub fn authorizations(&self) -> Vec<Option<String>> {
        self.state().authorizations.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn answer(root: &Path, state: &Mutex<State>, request: Request<Bytes>) -> Response<Bytes> {
    let path = request.uri().path().to_owned();
    let whole = request.uri().to_string();
    let (fault, renamed, allowed) = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let allowed = state.credentials.is_none() || state.credentials == sent;
        state.authorizations.push(sent);
        if path.ends_with("/info/refs") {
            state.requests.lists += 1;
        } else if path.ends_with("/git-upload-pack") {
            state.requests.fetches += 1;
        } else if path.ends_with("/git-receive-pack") {
            state.requests.pushes += 1;
        }
        let index = state.faults.iter().position(|(part, _)| whole.contains(part));
        let fault = index.map(|index| state.faults.remove(index).1);
        let renamed = state.renamed.iter().find(|(old, _)| path.starts_with(old)).cloned();
        (fault, renamed, allowed)
    };
    match fault {
        Some(Fault::Status(status, text)) => return plain(status, text),
        Some(Fault::Delay(time)) => tokio::time::sleep(time).await,
        Some(Fault::HangUp) => return HangUp::response(),
        Some(Fault::Page) => {
            let page = Response::builder().header(CONTENT_TYPE, "text/html").body("<h1>Sign in</h1>".into());
            return page.expect("a response");
        }
        Some(Fault::Redirect(to)) => return redirect(&format!("{to}{whole}")),
        Some(Fault::Half) => {
            let (parts, body) = run(root, &request).await.into_parts();
            return Response::from_parts(parts, body.slice(..body.len() / 2));
        }
        Some(Fault::LoseAnswer) => {
            run(root, &request).await;
            return HangUp::response();
        }
        None => {}
    }
    if !allowed {
        let mut response = plain(401, "no\n");
        response.headers_mut().insert(WWW_AUTHENTICATE, http::HeaderValue::from_static("Basic realm=\"git\""));
        return response;
    }
    match renamed {
        Some((old, new)) if path.ends_with("/info/refs") => redirect(&whole.replacen(&old, &new, 1)),
        Some(_) => plain(404, "renamed\n"),
        None => run(root, &request).await,
    }
}

/// Runs the request as CGI (RFC 3875).
async fn run(root: &Path, request: &Request<Bytes>) -> Response<Bytes> {
    let header = |name: http::HeaderName| {
        request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    let mut backend: tokio::process::Command = {
        let mut git = command(root);
        git.arg("http-backend")
            .env("GIT_PROJECT_ROOT", root)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("PATH_INFO", request.uri().path())
            .env("QUERY_STRING", request.uri().query().unwrap_or_default())
            .env("REQUEST_METHOD", request.method().as_str())
            .env("CONTENT_TYPE", header(CONTENT_TYPE))
            .env("CONTENT_LENGTH", request.body().len().to_string())
            .env("HTTP_CONTENT_ENCODING", header(http::header::CONTENT_ENCODING))
            .env("HTTP_GIT_PROTOCOL", header(http::HeaderName::from_static("git-protocol")))
            .env("REMOTE_USER", "somebody")
            .env("REMOTE_ADDR", "127.0.0.1");
        git.into()
    };
    let child = backend.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn();
    let Ok(mut child) = child else { return plain(500, "git http-backend does not run\n") };
    let input = child.stdin.take();
    let feed = async {
        if let Some(mut input) = input {
            // It may end without reading everything.
            let _ = input.write_all(request.body()).await;
        }
    };
    let ((), output) = tokio::join!(feed, child.wait_with_output());
    let output = output.map(|output| output.stdout).unwrap_or_default();
    parse(&output).unwrap_or_else(|| plain(500, "git http-backend did not answer\n"))
}

fn parse(output: &[u8]) -> Option<Response<Bytes>> {
    let end = output.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    let mut response = Response::builder();
    for line in std::str::from_utf8(output.get(..end)?).ok()?.split("\r\n") {
        let (name, value) = line.split_once(": ")?;
        response = match name {
            "Status" => response.status(value.split(' ').next()?.parse::<u16>().ok()?),
            _ if name.eq_ignore_ascii_case(CONTENT_LENGTH.as_str()) => response,
            _ => response.header(name, value),
        };
    }
    response.body(Bytes::copy_from_slice(output.get(end + 4..)?)).ok()
}

fn plain(status: u16, text: &'static str) -> Response<Bytes> {
    let status = StatusCode::from_u16(status).unwrap_or_default();
    Response::builder().status(status).header(CONTENT_TYPE, "text/plain").body(text.into()).expect("a response")
}

fn redirect(to: &str) -> Response<Bytes> {
    Response::builder().status(301).header(LOCATION, to).body(Bytes::new()).expect("a response")
}
