//! What carries "this repository is stale" from one function to the next: objects in the store, or SQS.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use tag2pr::keys::Key;
use tag2pr::seams::{Objects, Poke, Pokes, StoreError};
use tag2pr::store;

use crate::aws::{Account, CallError, Dialect, Service, endpoint, variable};

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
            endpoint: endpoint(SQS.variable, &variable)?,
            time_limit: Duration::from_secs(10),
        })
    }
}

/// An SQS queue, first in first out: pokes of one repository are handed to one worker at a time, and the same poke
/// within five minutes is one.
#[derive(Debug, Clone)]
pub struct Sqs {
    service: Service,
    settings: SqsSettings,
}

/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests-json.html>
const SQS: Dialect = Dialect { name: "sqs", variable: "SQS", target: "AmazonSQS", version: "1.0" };

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
        let url = settings.endpoint.as_ref().unwrap_or(queue);
        let service = Service::connect(SQS, settings.account.clone(), url, settings.time_limit)?;
        Ok(Self { service, settings })
    }

    async fn call(&self, action: &str, input: &Value) -> Result<Value, StoreError> {
        self.service.call(action, input).await.map_err(|error| match error {
            CallError::Unavailable(text) => StoreError::Unavailable(text),
            CallError::Refused { ref code, ref text } => StoreError::Refused(match code.as_str() {
                "QueueDoesNotExist" | "AWS.SimpleQueueService.NonExistentQueue" => {
                    format!("{text}; create the queue, or name another")
                }
                _ if error.is_denied() => format!("{text}; allow sqs:SendMessage on the queue"),
                _ => text.clone(),
            }),
        })
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
