//! Lambda, scheduled: what registries have and the ledgers do not in, evidence and pokes out.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};
use tag2pr_connect::Deployment;
use tag2pr_lambda::{Failed, cannot_start, log};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let deployment = &Deployment::from_environment().await.unwrap_or_else(|error| cannot_start(&error));
    // Whatever wakes it up, it does the same: what is in the event does not matter.
    run(service_fn(async |event: LambdaEvent<Value>| {
        let writer = format!("sweep/{}", event.context.request_id);
        let report = deployment.sweep(&writer, jiff::Timestamp::now()).await.map_err(Failed::from)?;
        for sentence in report.sentences() {
            log::info(&sentence, json!({}));
        }
        Ok::<_, Failed>(json!({ "poked": report.poked.len(), "failed": report.failed.len() }))
    }))
    .await
}
