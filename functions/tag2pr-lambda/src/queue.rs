//! [SQS batches](https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html): what failed is named in
//! the answer and comes again; the rest of the batch is done.

use std::future::Future;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use serde_json::json;
use tag2pr::flow::Error;
use tag2pr::seams::Poke;

use crate::log;

/// Works through a batch of pokes, one after the other.
///
/// A message that is no poke, or whose repository is not configured, fails as well: after the queue's limit it stands in
/// the dead-letter queue, where a person finds it.
pub async fn work<F>(event: SqsEvent, mut propose: impl FnMut(Poke) -> F) -> SqsBatchResponse
where
    F: Future<Output = Result<(), Error>>,
{
    let mut response = SqsBatchResponse::default();
    for message in event.records {
        let id = message.message_id.unwrap_or_default();
        let failure = match serde_json::from_str::<Poke>(message.body.as_deref().unwrap_or_default()) {
            Ok(poke) => propose(poke).await.err().map(|error| error.to_string()),
            Err(error) => Some(format!("the message is no poke: {error}")),
        };
        if let Some(failure) = failure {
            log::warn("A poke could not be served and goes back to the queue", json!({ "id": id, "reason": failure }));
            response.add_failure(id);
        }
    }
    response
}
