//! Lambda, scheduled: what registries have and the ledgers do not in, evidence and pokes out.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tag2pr::flow::sweep::What;
use tag2pr_connect::{Deployment, Renewed};
use tag2pr_lambda::{Failed, cannot_start, log};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let deployment = &Renewed::start(Deployment::from_environment).await.unwrap_or_else(|error| cannot_start(&error));
    // Whatever wakes it up, it does what is due; what a person sends may ask for everything.
    run(service_fn(async |event: LambdaEvent<Value>| {
        let deployment = log::renewed(deployment.get().await);
        let writer = format!("sweep/{}", event.context.request_id);
        let what = if event.payload["everything"] == json!(true) { What::Everything } else { What::Due };
        let report = deployment.sweep(what, &writer, jiff::Timestamp::now()).await.map_err(Failed::from)?;
        for sentence in report.sentences() {
            log::info(&sentence, json!({}));
        }
        log::not_told(deployment.not_told());
        log::published(deployment.publish(BTreeMap::new(), &writer, jiff::Timestamp::now()).await);
        let numbers = json!({ "missed": report.missed(), "poked": report.poked.len(), "failed": report.failed.len() });
        let missed = [("Missed", "Count", report.missed() as f64)];
        log::metrics(jiff::Timestamp::now(), &[], &missed, json!({}));
        if report.missed() > 0 {
            // What a metric filter counts.
            log::warn("Deliveries were missed, and found by the sweep.", numbers.clone());
        }
        Ok::<_, Failed>(numbers)
    }))
    .await
}
