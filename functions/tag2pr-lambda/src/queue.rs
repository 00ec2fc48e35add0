//! [SQS batches](https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html): what failed is named in
//! the answer and comes again; the rest of the batch is done.

use std::future::Future;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use serde_json::json;
use tag2pr::flow::Error;
use tag2pr::seams::Poke;

use crate::{Failed, log};

/// After so many attempts the queue of `infra/` gives up: its `maxReceiveCount`.
const ATTEMPTS: u32 = 5;

/// Works through a batch of pokes, one after the other.
///
/// A message that is no poke, or whose repository is not configured, fails as well: after the queue's limit it stands in
/// the dead-letter queue, where a person finds it. A poke whose Git host asks to be left alone is done with.
pub async fn work<F>(event: SqsEvent, mut propose: impl FnMut(Poke) -> F) -> SqsBatchResponse
where
    F: Future<Output = Result<(), Error>>,
{
    each(event, "A poke", |message| {
        let poke = serde_json::from_str::<Poke>(&message).map(&mut propose);
        async {
            let poke = poke.map_err(|error| Failed::permanent(format!("the message is no poke: {error}")))?;
            served(poke.await)
        }
    })
    .await
}

/// The clock pokes when a host may be asked again. Until then the poke would come again for nothing, keep others of its
/// repository waiting, and end among the dead letters.
fn served(result: Result<(), Error>) -> Result<(), Failed> {
    match result {
        Err(Error::LeftAlone(rest)) => {
            log::warn(&format!("A poke waits for the clock: {rest}"), json!({ "until": rest.until }));
            Ok(())
        }
        result => Ok(result?),
    }
}

/// Works through a batch of whatever it is, one after the other; what fails is named in the answer, and in the log.
pub async fn each<F>(event: SqsEvent, what: &str, mut serve: impl FnMut(String) -> F) -> SqsBatchResponse
where
    F: Future<Output = Result<(), Failed>>,
{
    let mut response = SqsBatchResponse::default();
    for message in event.records {
        let id = message.message_id.unwrap_or_default();
        let attempt = message.attributes.get("ApproximateReceiveCount").and_then(|count| count.parse().ok());
        if let Err(Failed { kind, message }) = serve(message.body.unwrap_or_default()).await {
            let fields = json!({ "id": id, "kind": kind, "attempt": attempt });
            let say = if attempt.is_some_and(is_last) { log::error } else { log::warn };
            say(&told(what, &message, attempt), fields);
            response.add_failure(id);
        }
    }
    response
}

fn is_last(attempt: u32) -> bool {
    attempt >= ATTEMPTS
}

/// What failed, and what becomes of it.
fn told(what: &str, message: &str, attempt: Option<u32>) -> String {
    if attempt.is_some_and(is_last) {
        return format!(
            "{what} could not be served {ATTEMPTS} times and goes to the dead-letter queue: {message}; mend this, then \
             redrive that queue"
        );
    }
    format!("{what} could not be served and goes back to the queue: {message}")
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use tag2pr::due::Rest;
    use tag2pr::seams::{GitError, RepositoryId};

    use super::*;

    const BATCH: &str = include_str!("../../../events/invoke/propose-batch.json");

    /// The ids that come again, and the repositories that were asked for.
    fn worked(batch: &str, propose: impl Fn(&Poke) -> Result<(), Error>) -> (Vec<String>, Vec<RepositoryId>) {
        let asked = RefCell::new(Vec::new());
        let answer = pollster::block_on(work(serde_json::from_str(batch).unwrap(), async |poke: Poke| {
            asked.borrow_mut().push(poke.repository.clone());
            propose(&poke)
        }));
        (answer.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect(), asked.into_inner())
    }

    #[test]
    fn a_poisoned_message_comes_again_and_stops_no_other() {
        let (again, asked) = worked(BATCH, |_| Ok(()));
        assert_eq!(again, ["2e1424d4-f796-459a-8184-9c92662be6da"]);
        assert_eq!(asked.iter().map(ToString::to_string).collect::<Vec<_>>(), ["github.com/acme/fleet@main"]);
    }

    #[test]
    fn a_poke_that_fails_comes_again_and_the_next_one_is_served() {
        let second = BATCH.replace(r#"{\"repository\":\"acme/fleet\"}"#, &poke("acme/other"));
        let (again, asked) = worked(&second, |poke| match poke.repository.path.as_str() {
            "acme/fleet" => Err(GitError::Unavailable {
                url: "https://github.com/acme/fleet".to_owned(),
                reason: "connection refused".to_owned(),
                wait: None,
            }
            .into()),
            _ => Ok(()),
        });
        assert_eq!(again, ["059f36b4-87a3-44ab-83d2-661975830a7d"]);
        assert_eq!(asked.len(), 2);
    }

    #[test]
    fn a_poke_whose_host_asks_to_be_left_alone_does_not_come_again() {
        let good = BATCH.replace(r#"{\"repository\":\"acme/fleet\"}"#, &poke("acme/other"));
        let (again, asked) = worked(&good, |_| {
            let reason = "https://api.github.com is not available: rate limit exceeded".to_owned();
            Err(Error::LeftAlone(Rest { until: jiff::Timestamp::UNIX_EPOCH, reason }))
        });
        assert_eq!((again, asked.len()), (vec![], 2));
    }

    #[test]
    fn the_last_attempt_says_what_to_do() {
        insta::assert_snapshot!(told("A poke", "https://git.lan is not available", Some(4)), @"A poke could not be served and goes back to the queue: https://git.lan is not available");
        insta::assert_snapshot!(told("A poke", "https://git.lan is not available", Some(5)), @"A poke could not be served 5 times and goes to the dead-letter queue: https://git.lan is not available; mend this, then redrive that queue");
        assert_eq!(told("A poke", "no", None), told("A poke", "no", Some(1)));
    }

    #[test]
    fn a_batch_that_is_done_has_no_failures() {
        let good = BATCH.replace(r#"{\"repository\":\"acme/fleet\"}"#, &poke("acme/other"));
        let answer = pollster::block_on(work(serde_json::from_str(&good).unwrap(), async |_| Ok(())));
        insta::assert_snapshot!(serde_json::to_string(&answer).unwrap(), @r#"{"batchItemFailures":[]}"#);
    }

    fn poke(path: &str) -> String {
        let repository = RepositoryId { host: "github.com".into(), path: path.into(), base: "main".into() };
        let poke = serde_json::to_string(&Poke { repository, cause: "01J".into() }).unwrap();
        poke.replace('"', "\\\"")
    }
}
