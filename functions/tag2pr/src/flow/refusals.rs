//! Counting what was refused: in memory, and in the store once a minute at most.

use jiff::Timestamp;

use super::Error;
use crate::endpoint::Answer;
use crate::keys::Key;
use crate::seams::Objects;
use crate::status::{Refusals, Refused, Tally};
use crate::store;

/// Counts an answer if it refused something, and writes what was counted if that is due. What is believed costs nothing.
pub async fn count(objects: &dyn Objects, tally: &Tally, answer: &Answer, writer: &str, now: Timestamp) {
    let (Some(source), Some(delivery)) = (&answer.source, &answer.refused) else { return };
    let reason = match &answer.outcome {
        // It could not be checked, and comes again.
        Err(Error::Issuer(_)) => return,
        Err(error) => error.to_string(),
        Ok(_) => "the host's webhook does not prove itself with the configured secret".to_owned(),
    };
    tally.count(source, Refused { at: now, reason, delivery: delivery.clone() });
    if let Some(due) = tally.due(now) {
        write(objects, tally, due, writer, now).await;
    }
}

/// Writes whatever was counted and not written yet.
pub async fn flush(objects: &dyn Objects, tally: &Tally, writer: &str, now: Timestamp) {
    if let Some(rest) = tally.rest() {
        write(objects, tally, rest, writer, now).await;
    }
}

async fn write(objects: &dyn Objects, tally: &Tally, counted: Refusals, writer: &str, now: Timestamp) {
    let written = store::update::<Refusals>(objects, &Key::refusals(), writer, |before| {
        Some(before.unwrap_or_default().and(&counted, now))
    })
    .await;
    if written.is_err() {
        tally.put_back(counted, now);
    }
}
