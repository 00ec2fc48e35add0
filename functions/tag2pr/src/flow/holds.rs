//! A person says what must not be proposed, and what may be again.

use jiff::Timestamp;

use super::propose::{Holds, Proposed};
use crate::image::Tag;
use crate::keys::Key;
use crate::plan::{Hold, StepBack};
use crate::policy::PolicyName;
use crate::seams::{Objects, RepositoryId, StoreError};
use crate::store;

/// Holds a tag of a policy in one repository, whichever automation would propose it; `false`: it is held already.
///
/// # Errors
///
/// Those of the store.
pub async fn hold(
    objects: &dyn Objects,
    repository: &RepositoryId,
    policy: &PolicyName,
    tag: &Tag,
    reason: &str,
    writer: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let hold = Hold {
        proposal: Hold::EVERY.to_owned(),
        policy: policy.clone(),
        tag: tag.clone(),
        digest: None,
        reason: reason.to_owned(),
        since: now,
    };
    let mut is_new = false;
    store::update::<Holds>(objects, &Key::holds(repository), writer, |holds| {
        let mut holds = holds.unwrap_or_default();
        is_new = !holds.holds.iter().any(|known| known.is_same(&hold));
        is_new.then(|| {
            holds.holds.insert(hold.clone());
            holds
        })
    })
    .await?;
    Ok(is_new)
}

/// Releases what is held of a policy in one repository, one tag or all of them: what was held.
///
/// A tag that was taken back on the base branch may be proposed again, too: that it was merged is forgotten.
///
/// # Errors
///
/// Those of the store.
pub async fn release(
    objects: &dyn Objects,
    repository: &RepositoryId,
    policy: &PolicyName,
    tag: Option<&Tag>,
    writer: &str,
) -> Result<Vec<Hold>, StoreError> {
    let is_meant = |of: &PolicyName, held: &Tag| of == policy && tag.is_none_or(|tag| tag == held);
    let holds = store::load::<Holds>(objects, &Key::holds(repository)).await?;
    let released: Vec<Hold> = holds.into_iter().flat_map(|loaded| loaded.value.holds).collect();
    let released: Vec<Hold> = released.into_iter().filter(|hold| is_meant(&hold.policy, &hold.tag)).collect();
    if released.is_empty() {
        return Ok(released);
    }
    // First: else the next look at the base branch holds it once more.
    for key in objects.list(&Key::proposals(repository)).await? {
        store::update::<Proposed>(objects, &key, writer, |proposed| {
            let mut proposed = proposed?;
            let before = proposed.merged.len();
            proposed.merged.retain(|merged| {
                !released.iter().any(|hold| hold.policy == merged.value.policy && hold.tag == merged.value.tag)
            });
            (proposed.merged.len() < before).then_some(proposed)
        })
        .await?;
    }
    store::update::<Holds>(objects, &Key::holds(repository), writer, |holds| {
        let mut holds = holds?;
        let before = holds.holds.len();
        holds.holds.retain(|hold| !is_meant(&hold.policy, &hold.tag));
        (holds.holds.len() < before).then_some(holds)
    })
    .await?;
    Ok(released)
}

/// Lets a policy of one repository go back to a tag, once, although a tag that ranks higher stands in Git.
///
/// # Errors
///
/// Those of the store.
pub async fn step_back(
    objects: &dyn Objects,
    repository: &RepositoryId,
    policy: &PolicyName,
    to: &Tag,
    writer: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let step = StepBack { policy: policy.clone(), to: to.clone(), since: now };
    store::update::<Holds>(objects, &Key::holds(repository), writer, |holds| {
        let mut holds = holds.unwrap_or_default();
        // One at a time: the last word counts.
        holds.steps_back.retain(|known| known.policy != *policy);
        holds.steps_back.insert(step.clone());
        Some(holds)
    })
    .await
    .map(|_| ())
}
