//! Lambda: pokes in, pull requests out.

use std::convert::Infallible;

use aws_lambda_events::event::sqs::SqsEvent;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::json;
use tag2pr_connect::{Deployment, Renewed};
use tag2pr_lambda::{cannot_start, log, queue};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let deployment = &Renewed::start(Deployment::from_environment).await.unwrap_or_else(|error| cannot_start(&error));
    run(service_fn(async |event: LambdaEvent<SqsEvent>| {
        let deployment = &log::renewed(deployment.get().await);
        let writer = &format!("propose/{}", event.context.request_id);
        let propose = async |poke: tag2pr::seams::Poke| {
            let report = deployment.propose(&poke.repository, writer, jiff::Timestamp::now()).await?;
            for sentence in report.sentences() {
                log::info(&sentence, json!({ "repository": poke.repository.to_string(), "cause": poke.cause }));
            }
            Ok(())
        };
        Ok::<_, Infallible>(queue::work(event.payload, propose).await)
    }))
    .await
}
