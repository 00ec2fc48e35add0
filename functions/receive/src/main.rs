//! Lambda: a registry's delivery in, evidence and pokes out.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};
use tag2pr::endpoint;
use tag2pr_connect::{Receiver, Renewed};
use tag2pr_lambda::invocation::Invocation;
use tag2pr_lambda::{Failed, cannot_start, function_url, log, queue};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let receiver = &Renewed::start(Receiver::from_environment).await.unwrap_or_else(|error| cannot_start(&error));
    run(service_fn(async |event: LambdaEvent<Value>| {
        let receiver = &*log::renewed(receiver.get().await);
        let writer = format!("receive/{}", event.context.request_id);
        match Invocation::read(event.payload).map_err(Failed::permanent)? {
            Invocation::Http(request) => Ok(answer(receiver, function_url::request(*request), &writer).await),
            Invocation::Queue(batch) => {
                let take = async |message: String| take(receiver, &message, &writer).await;
                Ok(json!(queue::each(batch, "An event", take).await))
            }
            Invocation::Topic(messages) => {
                for message in messages {
                    take(receiver, &message, &writer).await?;
                }
                Ok(Value::Null)
            }
            Invocation::Event(event) => take(receiver, &event, &writer).await.map(|()| Value::Null),
        }
    }))
    .await
}

async fn answer(receiver: &Receiver, request: Result<http::Request<Vec<u8>>, String>, writer: &str) -> Value {
    let answer = match request {
        Ok(request) => receiver.answer(&request, writer, jiff::Timestamp::now()).await,
        Err(reason) => endpoint::Answer::bad_request(&reason),
    };
    let stored = answer.outcome.as_ref().ok().and_then(Option::as_ref).map(|delivery| &delivery.id);
    let fields = json!({
        "status": answer.response.status().as_u16(),
        "source": answer.source,
        "delivery": stored.or(answer.refused.as_ref()),
        "refused": answer.refused.is_some(),
    });
    log::info(&answer.to_string(), fields);
    if let (Some(source), Some(outcome)) = (&answer.source, answer.word()) {
        count(source, outcome);
    }
    json!(function_url::response(answer.response))
}

fn count(source: &str, outcome: &str) {
    let dimensions = [("source", source), ("outcome", outcome)];
    log::metrics(jiff::Timestamp::now(), &dimensions, &[("Deliveries", "Count", 1.0)], json!({}));
}

/// Takes an event that AWS hands over. What cannot be read is stored, and would not be readable the next time.
async fn take(receiver: &Receiver, event: &str, writer: &str) -> Result<(), Failed> {
    match receiver.take(event.as_bytes(), writer, jiff::Timestamp::now()).await {
        Ok(delivery) => {
            let fields = json!({ "source": delivery.source, "delivery": delivery.id });
            log::info(&format!("{}: {}", delivery.source, delivery.reading), fields);
            count(&delivery.source, delivery.reading.word());
            Ok(())
        }
        Err(malformed @ tag2pr::flow::Error::Malformed(_)) => {
            log::warn(&format!("an event is kept and cannot be read: {malformed}"), json!({}));
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}
