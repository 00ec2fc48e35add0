//! What `receive` is invoked with: HTTP by way of a function URL, or events that AWS itself hands over.

use aws_lambda_events::event::lambda_function_urls::LambdaFunctionUrlRequest;
use aws_lambda_events::event::sqs::SqsEvent;
use serde_json::Value;

/// One invocation, told apart by its shape. Whoever may invoke the function may choose it; the public may not, and gets
/// no further than the function URL, which always makes the first of these.
#[derive(Debug)]
pub enum Invocation {
    /// A request to the function URL.
    Http(Box<LambdaFunctionUrlRequest>),
    /// A batch of a queue; each message is an event, or an SNS notification around one.
    Queue(SqsEvent),
    /// What a topic sent: the message of each record.
    Topic(Vec<String>),
    /// An event of EventBridge's, as JSON.
    Event(String),
}

impl Invocation {
    /// Reads an invocation's payload.
    ///
    /// # Errors
    ///
    /// When it is none of these.
    pub fn read(payload: Value) -> Result<Self, String> {
        // https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads
        if payload.pointer("/requestContext/http").is_some() {
            let request = serde_json::from_value(payload);
            return request.map(Box::new).map(Self::Http).map_err(|error| format!("this is no request: {error}"));
        }
        let first = |field: &str| payload.pointer(&format!("/Records/0/{field}")).and_then(Value::as_str);
        // https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html#example-standard-queue-message-event
        if first("eventSource") == Some("aws:sqs") {
            return serde_json::from_value(payload)
                .map(Self::Queue)
                .map_err(|error| format!("this is no batch: {error}"));
        }
        // https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html#sns-sample-event
        if first("EventSource") == Some("aws:sns") {
            let records = payload["Records"].as_array().map(Vec::as_slice).unwrap_or_default();
            let message = |record: &Value| record.pointer("/Sns/Message").and_then(Value::as_str).map(str::to_owned);
            let messages: Option<Vec<String>> = records.iter().map(message).collect();
            return messages.map(Self::Topic).ok_or_else(|| "a record of the topic has no message".to_owned());
        }
        // https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html
        if payload["source"].is_string() && payload["detail-type"].is_string() {
            return Ok(Self::Event(payload.to_string()));
        }
        Err("this is neither a request to the function URL nor an event of EventBridge, SQS or SNS".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str) -> Invocation {
        let path = format!("{}/../../events/invoke/{name}.json", env!("CARGO_MANIFEST_DIR"));
        Invocation::read(serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()).unwrap()
    }

    #[test]
    fn an_invocation_is_known_by_its_shape() {
        assert!(matches!(read("receive-harbor"), Invocation::Http(_)));
        assert!(matches!(read("receive-ecr-queue"), Invocation::Queue(batch) if batch.records.len() == 4));
        assert!(matches!(read("receive-ecr-topic"), Invocation::Topic(messages) if messages.len() == 1));
        let Invocation::Event(event) = read("receive-ecr") else { panic!("EventBridge's event is not known") };
        let event: Value = serde_json::from_str(&event).unwrap();
        assert_eq!(event["detail"]["repository-name"], "team/web");
    }

    /// Whatever the public writes comes in as a body: it cannot make another kind of invocation of it.
    #[test]
    fn a_request_stays_a_request_whatever_it_carries() {
        let Invocation::Http(request) = read("receive-harbor") else { panic!() };
        let mut payload = serde_json::to_value(*request).unwrap();
        payload["body"] = include_str!("../../../events/ecr/push.json").into();
        assert!(matches!(Invocation::read(payload), Ok(Invocation::Http(_))));
    }

    #[test]
    fn what_is_nothing_known_is_said_so() {
        for strange in [
            "null",
            "{}",
            "[]",
            r#"{"Records": []}"#,
            r#"{"Records": [{"eventSource": "aws:s3"}]}"#,
            r#"{"source": "aws.ecr"}"#,
        ] {
            assert!(Invocation::read(serde_json::from_str(strange).unwrap()).is_err(), "{strange}");
        }
        let no_message = r#"{"Records": [{"EventSource": "aws:sns", "Sns": {}}]}"#;
        assert!(Invocation::read(serde_json::from_str(no_message).unwrap()).is_err());
    }
}
