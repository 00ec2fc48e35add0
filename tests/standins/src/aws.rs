//! AWS's services that hand out secrets, over the JSON protocol, signatures checked: ECR's authorization tokens and
//! Secrets Manager.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};

use crate::server::Server;
use crate::signature::{region, verify};

/// A running server.
pub struct AwsServer {
    server: Server,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    calls: Vec<String>,
    faults: VecDeque<(u16, &'static str)>,
    /// Password and the second it runs out in, since 1970.
    registry: (String, i64),
    secrets: BTreeMap<String, String>,
}

impl AwsServer {
    /// A server with nothing to hand out.
    pub fn start() -> Self {
        let state = Arc::<Mutex<State>>::default();
        Self { server: Server::on(&state, State::answer), state }
    }

    /// `http://127.0.0.1:40123`
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// From now on ECR's password is this one, until that second since 1970.
    pub fn change_registry_password(&self, password: &str, until: i64) {
        self.state().registry = (password.to_owned(), until);
    }

    /// Keeps a secret in Secrets Manager, under its name or its ARN.
    pub fn keep(&self, id: &str, secret: &str) {
        self.state().secrets.insert(id.to_owned(), secret.to_owned());
    }

    /// Lets the next call fail with this status and code. Faults come in the order in which they were set.
    pub fn fail_next(&self, status: u16, code: &'static str) {
        self.state().faults.push_back((status, code));
    }

    /// What was called since the last call of this: region and action.
    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.state().calls)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn answer(&mut self, request: &Request<Bytes>) -> Response<Bytes> {
        let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (service, action) = match header("x-amz-target").split_once('.') {
            Some(("AmazonEC2ContainerRegistry_V20150921", action)) => ("ecr", action),
            Some(("secretsmanager", action)) => ("secretsmanager", action),
            _ => return error(400, "UnknownOperationException", "this stand-in does not know it"),
        };
        if header("content-type") != "application/x-amz-json-1.1" {
            return error(400, "SerializationException", "this is another protocol");
        }
        if let Err(reason) = verify(request, service) {
            return error(403, "InvalidSignatureException", &reason);
        }
        let region = region(request).unwrap_or_default();
        self.calls.push(format!("{region} {action}"));
        if let Some((status, code)) = self.faults.pop_front() {
            return error(status, code, "as it was told");
        }
        let input: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        match action {
            "GetAuthorizationToken" => {
                let (password, until) = &self.registry;
                let token = STANDARD.encode(format!("AWS:{password}"));
                respond(200, &json!({ "authorizationData": [{ "authorizationToken": token, "expiresAt": until }] }))
            }
            "GetSecretValue" => match self.secrets.get(input["SecretId"].as_str().unwrap_or_default()) {
                Some(secret) => respond(200, &json!({ "SecretString": secret })),
                None => error(400, "ResourceNotFoundException", "Secrets Manager can't find the specified secret."),
            },
            _ => error(400, "UnknownOperationException", "this stand-in does not know it"),
        }
    }
}

fn error(status: u16, code: &str, message: &str) -> Response<Bytes> {
    respond(status, &json!({ "__type": code, "message": message }))
}

fn respond(status: u16, body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}
