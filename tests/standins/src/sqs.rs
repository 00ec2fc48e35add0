//! An SQS server with one FIFO queue: SendMessage over the JSON protocol, deduplicated over the whole queue as a queue
//! does by default, signatures checked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};

use crate::server::{HangUp, Server};
use crate::signature::verify;

/// How one request fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 503
    Unavailable,
    /// The message is taken, then the connection is closed without an answer.
    AnswerLost,
}

/// A message that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Messages of one group are handed out one after the other.
    pub group: String,
    /// What it was deduplicated by.
    pub deduplication: String,
    /// What was sent.
    pub body: String,
}

/// A running server.
pub struct SqsServer {
    server: Server,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    queue: String,
    messages: Vec<Message>,
    faults: VecDeque<Fault>,
}

impl SqsServer {
    /// A server with one queue, empty.
    pub fn start(queue: &str) -> Self {
        let state = Arc::new(Mutex::new(State { queue: queue.to_owned(), ..State::default() }));
        Self { server: Server::on(&state, State::answer), state }
    }

    /// `http://127.0.0.1:40123/000000000000/tag2pr.fifo`
    pub fn queue_url(&self) -> String {
        format!("{}/000000000000/{}", self.server.url(), self.state().queue)
    }

    /// The server below.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Lets the next request fail. Faults come in the order in which they were set.
    pub fn fail_next(&self, fault: Fault) {
        self.state().faults.push_back(fault);
    }

    /// The messages that wait, in order.
    pub fn messages(&self) -> Vec<Message> {
        self.state().messages.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn answer(&mut self, request: &Request<Bytes>) -> Response<Bytes> {
        if let Err(reason) = verify(request, "sqs") {
            return error(403, "InvalidSignatureException", &reason);
        }
        match self.faults.pop_front() {
            Some(Fault::Unavailable) => return error(503, "ServiceUnavailable", "come again"),
            Some(Fault::AnswerLost) => {
                self.send(request);
                return HangUp::response();
            }
            None => {}
        }
        self.send(request)
    }

    fn send(&mut self, request: &Request<Bytes>) -> Response<Bytes> {
        let target = request.headers().get("x-amz-target").and_then(|value| value.to_str().ok());
        if target != Some("AmazonSQS.SendMessage") {
            return error(400, "UnsupportedOperation", "this stand-in only takes messages");
        }
        let input: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        let text = |name: &str| input[name].as_str().unwrap_or_default().to_owned();
        if text("QueueUrl").rsplit('/').next() != Some(&self.queue) {
            return error(400, "QueueDoesNotExist", "The specified queue does not exist.");
        }
        let (group, deduplication, body) =
            (text("MessageGroupId"), text("MessageDeduplicationId"), text("MessageBody"));
        let valid = |id: &str| (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
        if !valid(&group) || !valid(&deduplication) || body.is_empty() {
            return error(400, "InvalidParameterValue", "a FIFO message needs a group, a deduplication id and a body");
        }
        if self.messages.iter().all(|message| message.deduplication != deduplication) {
            self.messages.push(Message { group, deduplication, body });
        }
        respond(200, &json!({ "MessageId": self.messages.len().to_string() }))
    }
}

fn error(status: u16, code: &str, message: &str) -> Response<Bytes> {
    respond(status, &json!({ "__type": format!("com.amazonaws.sqs#{code}"), "message": message }))
}

fn respond(status: u16, body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}
