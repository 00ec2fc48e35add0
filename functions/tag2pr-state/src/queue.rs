//! What carries "this repository is stale" from one function to the next: objects in the store, or SQS.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use reqwest::Url;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use tag2pr::keys::Key;
use tag2pr::seams::{Objects, Poke, Pokes, StoreError};
use tag2pr::store;

use crate::aws::{Account, endpoint, variable};
use crate::connector::{chain, client};

/// Pokes as objects below `inbox/`, for a worker that looks there: the queue of one machine.
pub struct Inbox {
    objects: Arc<dyn Objects>,
    writer: String,
}

impl Inbox {
    /// An inbox in this store; `writer` is noted in the objects.
    pub fn new(objects: Arc<dyn Objects>, writer: impl Into<String>) -> Self {
        Self { objects, writer: writer.into() }
    }
}

#[async_trait]
impl Pokes for Inbox {
    async fn send(&self, poke: &Poke) -> Result<(), StoreError> {
        // One that still waits says the same.
        store::create(&*self.objects, &Key::poke(&poke.repository, &poke.cause), &self.writer, poke).await?;
        Ok(())
    }
}

/// Which queue, and how it is reached.
#[derive(Debug, Clone)]
pub struct SqsSettings {
    /// `https://sqs.eu-central-1.amazonaws.com/123456789012/tag2pr.fifo`
    pub queue_url: String,
    /// Credentials and region.
    pub account: Account,
    /// Another server than the one in the queue's URL.
    pub endpoint: Option<String>,
    /// How long one request may take, connecting included.
    pub time_limit: Duration,
}

impl SqsSettings {
    /// Takes the queue's URL, and the rest from the environment: see [`Account`], and `AWS_ENDPOINT_URL_SQS` or
    /// `AWS_ENDPOINT_URL` for another server than AWS.
    ///
    /// # Errors
    ///
    /// When a variable is missing or is no URL.
    pub fn from_environment(queue_url: &str) -> Result<Self, StoreError> {
        Ok(Self {
            queue_url: queue_url.to_owned(),
            account: Account::from_environment()?,
            endpoint: endpoint("SQS", &variable)?,
            time_limit: Duration::from_secs(10),
        })
    }
}

/// An SQS queue, first in first out: pokes of one repository are handed to one worker at a time, and the same poke
/// within five minutes is one.
#[derive(Debug, Clone)]
pub struct Sqs {
    client: reqwest::Client,
    settings: SqsSettings,
    url: Url,
}

impl Sqs {
    /// Makes a client; the first request connects.
    ///
    /// # Errors
    ///
    /// When the URL is not one of a FIFO queue, or this machine's certificates can't be read.
    pub fn connect(settings: SqsSettings) -> Result<Self, StoreError> {
        let queue = &settings.queue_url;
        if !queue.ends_with(".fifo") {
            return Err(StoreError::Refused(format!(
                "queue `{queue}` is no FIFO queue: create one whose name ends in `.fifo`"
            )));
        }
        let parsed = Url::parse(settings.endpoint.as_ref().unwrap_or(queue));
        let mut url = parsed.map_err(|error| StoreError::Refused(format!("queue `{queue}` is no URL: {error}")))?;
        url.set_path("/");
        Ok(Self { client: client(settings.time_limit)?, settings, url })
    }

    /// One call of the JSON protocol:
    /// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests-json.html>.
    async fn call(&self, action: &str, input: &Value) -> Result<Value, StoreError> {
        let body = input.to_string();
        let request = self.signed(action, &body)?;
        let unavailable = |error: reqwest::Error| {
            StoreError::Unavailable(format!("{action} at {}: {}", self.url, chain(&error.without_url())))
        };
        let response = self.client.execute(request).await.map_err(unavailable)?;
        let status = response.status();
        let answer = response.bytes().await.map_err(unavailable)?;
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        if status.is_success() {
            return Ok(answer);
        }
        let code = answer["__type"].as_str().unwrap_or("no code").rsplit('#').next().unwrap_or_default();
        let message = answer["message"].as_str().or(answer["Message"].as_str()).unwrap_or("no message");
        let text = format!("{action} at {}: {} {code}: {message}", self.url, status.as_u16());
        if status.is_server_error() || status.as_u16() == 429 || code.contains("Throttl") {
            return Err(StoreError::Unavailable(text));
        }
        let mend = match (code, status.as_u16()) {
            ("QueueDoesNotExist" | "AWS.SimpleQueueService.NonExistentQueue", _) => "create the queue, or name another",
            ("InvalidClientTokenId" | "UnrecognizedClientException" | "InvalidSignatureException", _)
            | ("SignatureDoesNotMatch" | "ExpiredTokenException", _) => {
                "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and AWS_REGION"
            }
            (_, 403) | ("AccessDeniedException", _) => "allow sqs:SendMessage on the queue",
            _ => return Err(StoreError::Refused(text)),
        };
        Err(StoreError::Refused(format!("{text}; {mend}")))
    }

    fn signed(&self, action: &str, body: &str) -> Result<reqwest::Request, StoreError> {
        let refused = |error: &dyn std::error::Error| StoreError::Refused(format!("{action}: {}", chain(error)));
        let target = format!("AmazonSQS.{action}");
        let headers = [("content-type", "application/x-amz-json-1.0"), ("x-amz-target", target.as_str())];
        let mut request = http::Request::post(self.url.as_str());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let mut request = request.body(body.to_owned()).map_err(|error| refused(&error))?;
        let identity = self.settings.account.credentials().into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.settings.account.region)
            .name("sqs")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| refused(&error))?
            .into();
        let signable =
            SignableRequest::new("POST", self.url.as_str(), headers.into_iter(), SignableBody::Bytes(body.as_bytes()))
                .map_err(|error| refused(&error))?;
        let (instructions, _) = sign(signable, &parameters).map_err(|error| refused(&error))?.into_parts();
        instructions.apply_to_request_http1x(&mut request);
        reqwest::Request::try_from(request).map_err(|error| refused(&error))
    }
}

/// How often a poke is sent before the sender hears that it was not: repeating is harmless.
const ATTEMPTS: u32 = 3;

#[async_trait]
impl Pokes for Sqs {
    async fn send(&self, poke: &Poke) -> Result<(), StoreError> {
        let message = serde_json::to_string(poke).map_err(|error| StoreError::Refused(error.to_string()))?;
        let input = json!({
            "QueueUrl": self.settings.queue_url,
            "MessageBody": message,
            "MessageGroupId": group(poke),
            "MessageDeduplicationId": deduplication(poke),
        });
        let mut attempt = 0;
        loop {
            match self.call("SendMessage", &input).await {
                Err(StoreError::Unavailable(_)) if attempt + 1 < ATTEMPTS => {}
                done => return done.map(|_| ()),
            }
            crate::backoff::wait(attempt, Duration::from_millis(100), Duration::from_secs(2)).await;
            attempt += 1;
        }
    }
}

/// Messages of one group are worked on one after the other. SQS allows 128 characters.
fn group(poke: &Poke) -> String {
    let name = poke.repository.to_string();
    if name.len() <= 128 && name.bytes().all(|byte| byte.is_ascii_graphic()) { name } else { hash(&name) }
}

/// Of repository and cause: a queue deduplicates over all its groups, and one delivery may concern several.
fn deduplication(poke: &Poke) -> String {
    hash(&format!("{}\n{}", poke.repository, poke.cause))
}

fn hash(text: &str) -> String {
    digest(&SHA256, text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
