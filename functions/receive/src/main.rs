//! Lambda: a registry's delivery in, evidence and pokes out.

use std::convert::Infallible;

use aws_lambda_events::event::lambda_function_urls::LambdaFunctionUrlRequest;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::json;
use tag2pr::endpoint;
use tag2pr_connect::Receiver;
use tag2pr_lambda::{cannot_start, function_url, log};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let receiver = &Receiver::from_environment().await.unwrap_or_else(|error| cannot_start(&error));
    run(service_fn(async |event: LambdaEvent<LambdaFunctionUrlRequest>| {
        let writer = format!("receive/{}", event.context.request_id);
        let answer = match function_url::request(event.payload) {
            Ok(request) => receiver.answer(&request, &writer, jiff::Timestamp::now()).await,
            Err(reason) => endpoint::Answer::bad_request(&reason),
        };
        log::info(&answer.to_string(), json!({ "status": answer.response.status().as_u16(), "source": answer.source }));
        Ok::<_, Infallible>(function_url::response(answer.response))
    }))
    .await
}
