//! Pokes that wait in the store, and what serves them.

use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use tag2pr::flow::Error;
use tag2pr::flow::propose::Report;
use tag2pr::keys::Key;
use tag2pr::seams::{RepositoryId, StoreError};
use tag2pr_connect::Deployment;

/// So many pokes are removed at the same time.
const AT_ONCE: usize = 64;

static CALLS: AtomicU64 = AtomicU64::new(0);

/// A name for one call, for what it writes: unlike every other call's.
pub fn writer(function: &str) -> String {
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    format!("{function}/{}-{}-{call}", Timestamp::now().as_millisecond(), process::id())
}

/// The pokes that wait for a repository.
pub async fn waiting(deployment: &Deployment, repository: &RepositoryId) -> Result<Vec<Key>, StoreError> {
    deployment.objects().list(&Key::pokes(repository)).await
}

/// Looks at a repository, and takes away these pokes when everything is done.
///
/// They must have been listed before: a poke that comes in meanwhile may know more than what was read, and stays.
pub async fn serve(deployment: &Deployment, repository: &RepositoryId, pokes: &[Key]) -> Result<Report, Error> {
    let report = deployment.propose(repository, &writer("propose"), Timestamp::now()).await?;
    // Side by side: the store puts what is removed at the same time on disk in one go.
    let removing = stream::iter(pokes).for_each_concurrent(AT_ONCE, |poke| async move {
        // One that stays is served again, and then there is nothing to do.
        let _ = deployment.objects().delete(poke).await;
    });
    removing.await;
    Ok(report)
}

/// Looks at a repository and serves whatever waits for it.
pub async fn pass(deployment: &Deployment, repository: &RepositoryId) -> Result<Report, Error> {
    let pokes = waiting(deployment, repository).await?;
    serve(deployment, repository, &pokes).await
}
