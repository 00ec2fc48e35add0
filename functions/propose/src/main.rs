//! Lambda: pokes in, pull requests out.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Mutex;

use aws_lambda_events::event::sqs::SqsEvent;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::json;
use tag2pr::status::metrics;
use tag2pr_connect::{Deployment, Renewed};
use tag2pr_lambda::{cannot_start, log, queue};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let deployment = &Renewed::start(Deployment::from_environment).await.unwrap_or_else(|error| cannot_start(&error));
    run(service_fn(async |event: LambdaEvent<SqsEvent>| {
        let deployment = &log::renewed(deployment.get().await);
        let writer = &format!("propose/{}", event.context.request_id);
        let read = Mutex::new(BTreeMap::new());
        let propose = async |poke: tag2pr::seams::Poke| {
            let (name, asked) = (poke.repository.to_string(), deployment.registry_calls());
            let result = deployment.propose(&poke.repository, writer, jiff::Timestamp::now()).await;
            let now = jiff::Timestamp::now();
            let fields = json!({ "cause": poke.cause });
            let conflicts = result.as_ref().err().is_some_and(metrics::is_conflict);
            let asked = deployment.registry_calls().saturating_sub(asked);
            let mut numbers =
                vec![("RegistryCalls", "Count", asked as f64), ("Conflicts", "Count", f64::from(u8::from(conflicts)))];
            if let Ok(report) = &result {
                numbers.push(("HeldTags", "Count", report.prepared.held() as f64));
            }
            log::metrics(now, &[("repository", &name)], &numbers, fields.clone());
            let mut report = result?;
            if let Ok(mut read) = read.lock() {
                read.append(&mut report.prepared.ledgers);
            }
            for latency in metrics::latencies(&report.events, now) {
                let number = ("PushToProposal", "Milliseconds", latency.as_secs_f64() * 1000.0);
                log::metrics(now, &[("repository", &name)], &[number], fields.clone());
            }
            for sentence in report.sentences() {
                log::info(&sentence, json!({ "repository": name, "cause": poke.cause }));
            }
            for event in &report.events {
                let carried = event.values.iter().filter_map(|value| value.delivery.as_ref());
                let fields = json!({
                    "repository": name, "cause": poke.cause, "event": event.kind, "url": event.url,
                    "deliveries": carried.collect::<Vec<_>>(),
                });
                log::info(&format!("{} {}", event.kind, event.text), fields);
            }
            Ok(())
        };
        let answer = queue::work(event.payload, propose).await;
        log::not_told(deployment.not_told());
        let ledgers = read.into_inner().unwrap_or_default();
        log::published(deployment.publish(ledgers, writer, jiff::Timestamp::now()).await);
        Ok::<_, Infallible>(answer)
    }))
    .await
}
