//! What a process asks of AWS: a server before the real one that passes everything on, and writes down each action with
//! what it was about.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Method, Request};
use serde_json::Value;
use tag2pr_standins::server::{HangUp, Server};

use crate::proxy::forward;

/// An action as a policy names it, and what it is about: `s3:GetObject` of a key, `sqs:SendMessage` to a queue.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// `s3:GetObject`
    pub action: String,
    /// A key, a prefix, the URL of a queue, the name of a secret.
    pub subject: String,
}

/// A running server.
pub struct Recorder {
    server: Server,
    calls: Arc<Mutex<BTreeMap<Call, usize>>>,
}

impl Recorder {
    /// Stands before the server at an address.
    pub fn start(address: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let calls = Arc::<Mutex<BTreeMap<Call, usize>>>::default();
        let (seen, address) = (Arc::clone(&calls), address.trim_end_matches('/').to_owned());
        let server = Server::start(move |mut request| {
            let call = read(&request);
            *seen.lock().unwrap_or_else(PoisonError::into_inner).entry(call).or_default() += 1;
            let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
            let onward = format!("{address}{path}").parse().expect("an address and a path are an address");
            *request.uri_mut() = onward;
            let client = client.clone();
            async move { forward(&client, request).await.unwrap_or_else(|_| HangUp::response()) }
        });
        Self { server, calls }
    }

    /// `http://127.0.0.1:40123`
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// What was asked since the last call of this, and how often.
    pub fn take(&self) -> BTreeMap<Call, usize> {
        std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html>: a HEAD needs what a GET needs.
fn read(request: &Request<Bytes>) -> Call {
    if let Some(target) = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok()) {
        let (service, action) = target.split_once('.').unwrap_or((target, ""));
        let service = match service {
            "AmazonSQS" => "sqs",
            "AmazonEC2ContainerRegistry_V20150921" => "ecr",
            other => other,
        };
        let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        let subject = ["QueueUrl", "SecretId"].iter().find_map(|name| body[name].as_str()).unwrap_or_default();
        return Call { action: format!("{service}:{action}"), subject: subject.to_owned() };
    }
    let path = request.uri().path().trim_start_matches('/');
    let (_bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let action = match (request.method(), key) {
        (&Method::GET, "") => "ListBucket",
        (&Method::GET | &Method::HEAD, _) => "GetObject",
        (&Method::PUT, _) => "PutObject",
        (&Method::DELETE, _) => "DeleteObject",
        (method, _) => panic!("no action is known for {method} {path}"),
    };
    Call { action: format!("s3:{action}"), subject: key.to_owned() }
}
