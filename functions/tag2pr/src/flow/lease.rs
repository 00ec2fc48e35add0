//! Who works on a repository: others leave it alone for a while, so that nothing is done twice for nothing.
//!
//! That is all it is for. Whoever works without it, or believes to have it still, does no harm: what must not happen
//! twice is guarded where it happens.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Error;
use crate::keys::Key;
use crate::seams::{Objects, RepositoryId, StoreError};
use crate::store::{self, AtHand, Loaded, Stored, Updated};

/// How long a lease is good for: a killed worker keeps others away for no longer.
pub const LENGTH: SignedDuration = SignedDuration::from_secs(30);

/// One worker's word that it is at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lease {
    /// Whose.
    pub writer: String,
    /// Until when.
    pub until: Timestamp,
    /// When somebody worked on it last and came to an end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worked_at: Option<Timestamp>,
}

impl Stored for Lease {
    const FORMAT: u32 = 1;
}

impl Lease {
    /// A clock that runs ahead must not keep everybody away for as long.
    fn keeps_away(&self, writer: &str, now: Timestamp) -> bool {
        self.writer != writer && self.until > now && self.until.duration_since(now) <= LENGTH
    }
}

/// Works on a repository while nobody else does.
///
/// # Errors
///
/// Those of the work; [`Error::Unfinished`] if somebody else is at it: what has to be done is to be looked for again.
pub async fn under<T>(
    objects: &dyn Objects,
    repository: &RepositoryId,
    writer: &str,
    now: Timestamp,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let lease = match take(objects, repository, writer, now).await? {
        Taken::Ours(lease) => lease,
        Taken::Held(held) => {
            let until = held.until.duration_since(now).as_secs();
            return Err(Error::Unfinished(format!(
                "`{}` works on {repository} and says so for {until} more seconds",
                held.writer
            )));
        }
    };
    let result = work.await;
    // If this fails, the lease runs out.
    let _ = release(objects, repository, writer, lease).await;
    result
}

/// Who has a lease that somebody tried to take.
#[derive(Debug)]
pub enum Taken {
    /// Whoever tried.
    Ours(Loaded<Lease>),
    /// Somebody else.
    Held(Lease),
}

/// Takes the lease, or takes it for longer.
///
/// # Errors
///
/// Those of the store.
pub async fn take(
    objects: &dyn Objects,
    repository: &RepositoryId,
    writer: &str,
    now: Timestamp,
) -> Result<Taken, StoreError> {
    let mut held = None;
    let until = now.checked_add(LENGTH).unwrap_or(now);
    let taken = store::update::<Lease>(objects, &Key::lease(repository), writer, |lease| {
        let worked_at = lease.as_ref().and_then(|lease| lease.worked_at);
        held = lease.filter(|lease| lease.keeps_away(writer, now));
        held.is_none().then(|| Lease { writer: writer.to_owned(), until, worked_at })
    })
    .await?;
    match (taken, held) {
        (Updated::Written(lease), _) => Ok(Taken::Ours(lease)),
        (Updated::Unchanged, Some(held)) => Ok(Taken::Held(held)),
        (Updated::Unchanged, None) => Err(StoreError::Conflict(Key::lease(repository))),
    }
}

async fn release(
    objects: &dyn Objects,
    repository: &RepositoryId,
    writer: &str,
    lease: Loaded<Lease>,
) -> Result<(), StoreError> {
    store::update_from::<Lease>(objects, &Key::lease(repository), writer, AtHand::Value(lease), |lease| {
        let ours = lease.filter(|lease| lease.writer == writer)?;
        let worked_at = ours.until.checked_sub(LENGTH).ok();
        Some(Lease { until: Timestamp::UNIX_EPOCH, worked_at, ..ours })
    })
    .await
    .map(|_| ())
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use pollster::block_on;

    use super::*;
    use crate::testing::memory::{Fault, Memory};

    fn repository() -> RepositoryId {
        RepositoryId { host: "git.example".into(), path: "acme/fleet".into(), base: "main".into() }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_760_000_000 + second).unwrap()
    }

    async fn work(store: &Memory, writer: &str, now: Timestamp) -> Result<(), Error> {
        under(store, &repository(), writer, now, async { Ok(()) }).await
    }

    #[test]
    fn one_works_while_the_other_waits() {
        let (store, repository) = (Memory::new(), repository());
        let both = under(&store, &repository, "propose/a", at(0), async {
            let other = work(&store, "propose/b", at(10)).await.unwrap_err();
            assert!(other.is_transient());
            insta::assert_snapshot!(other, @"not finished: `propose/a` works on git.example/acme/fleet@main and says so for 20 more seconds");
            Ok(())
        });
        block_on(both).unwrap();
        block_on(work(&store, "propose/b", at(11))).unwrap();
    }

    #[test]
    fn whoever_was_killed_keeps_others_away_for_half_a_minute() {
        let store = Memory::new();
        block_on(async {
            take(&store, &repository(), "propose/killed", at(0)).await.unwrap();
            work(&store, "propose/b", at(29)).await.unwrap_err();
            work(&store, "propose/b", at(30)).await.unwrap();
        });
    }

    #[test]
    fn whoever_takes_long_takes_it_again() {
        let store = Memory::new();
        block_on(async {
            take(&store, &repository(), "propose/a", at(0)).await.unwrap();
            assert!(matches!(take(&store, &repository(), "propose/a", at(20)).await.unwrap(), Taken::Ours(_)));
            work(&store, "propose/b", at(40)).await.unwrap_err();
        });
    }

    #[test]
    fn a_clock_that_runs_ahead_keeps_nobody_away() {
        let store = Memory::new();
        block_on(async {
            take(&store, &repository(), "propose/ahead", at(86_400)).await.unwrap();
            work(&store, "propose/b", at(0)).await.unwrap();
        });
    }

    #[test]
    fn a_lease_whose_answer_was_lost_is_ours() {
        let store = Memory::new();
        store.fail_next(Fault::AnswerLost);
        block_on(work(&store, "propose/a", at(0))).unwrap();
    }
}
