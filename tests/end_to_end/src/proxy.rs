//! A proxy between one process and the world: it sees every write, and kills the process before or after one of them.

use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use tag2pr_standins::server::{HangUp, Server};

/// When a process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strike {
    /// This write is never seen by whoever it was for.
    Before(usize),
    /// This write is done, and its answer reaches nobody.
    After(usize),
}

/// A forward proxy for plain HTTP.
pub struct Proxy {
    server: Server,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    process: Option<Child>,
    strike: Option<Strike>,
    writes: Vec<String>,
}

impl State {
    /// As a power cut does it: SIGKILL.
    fn kill(&mut self) {
        if let Some(process) = &mut self.process {
            process.kill().expect("a process to kill");
        }
    }
}

impl Proxy {
    /// Listens; nobody is killed yet.
    pub fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        let server = Server::start(move |request| {
            let (client, shared) = (client.clone(), Arc::clone(&shared));
            async move { pass(&client, &shared, request).await }
        });
        Self { server, state }
    }

    /// Runs a process whose way into the world is this proxy, to its end; how it ended, and the writes that were seen.
    pub fn run(&self, command: &mut Command, strike: Option<Strike>) -> (ExitStatus, Vec<String>) {
        let proxy = self.server.url();
        {
            let mut state = locked(&self.state);
            let process = command.env("http_proxy", proxy).spawn().expect("a process");
            *state = State { process: Some(process), strike, writes: Vec::new() };
        }
        loop {
            let mut state = locked(&self.state);
            if let Some(status) = state.process.as_mut().and_then(|process| process.try_wait().unwrap()) {
                state.process = None;
                return (status, std::mem::take(&mut state.writes));
            }
            drop(state);
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(process) = &mut locked(&self.state).process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn pass(client: &reqwest::Client, state: &Mutex<State>, request: Request<Bytes>) -> Response<Bytes> {
    let path = request.uri().path();
    // Git asks for objects with POST.
    let reads = [Method::GET, Method::HEAD].contains(request.method()) || path.ends_with("/git-upload-pack");
    let (mut before, mut after) = (false, false);
    if !reads {
        let mut state = locked(state);
        let number = state.writes.len();
        state.writes.push(format!("{} {path}", request.method()));
        before = state.strike == Some(Strike::Before(number));
        after = state.strike == Some(Strike::After(number));
        if before {
            state.kill();
        }
    }
    if before {
        return HangUp::response();
    }
    let answer = forward(client, request).await;
    if after {
        locked(state).kill();
        return HangUp::response();
    }
    answer.unwrap_or_else(|_| HangUp::response())
}

/// Sends a request on to the address that it names, and brings back the answer.
pub(crate) async fn forward(
    client: &reqwest::Client,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, reqwest::Error> {
    let (mut parts, body) = request.into_parts();
    parts.headers.remove(http::header::CONTENT_LENGTH);
    let mut onward = client.request(parts.method, parts.uri.to_string()).headers(parts.headers);
    if !body.is_empty() {
        onward = onward.body(body);
    }
    let answer = onward.send().await?;
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = answer.status();
    *response.headers_mut() = answer.headers().clone();
    response.headers_mut().remove(http::header::TRANSFER_ENCODING);
    let body = answer.bytes().await?;
    if !body.is_empty() {
        response.headers_mut().remove(http::header::CONTENT_LENGTH);
    }
    *response.body_mut() = body;
    Ok(response)
}
