//! What is written down before anything is done that may fail: evidence, decisions, and when to look again.

use std::collections::BTreeSet;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;

use super::{AT_ONCE, Holds, Index, Known, Outside, Prepared, Proposed, Standings};
use crate::due::{Due, Rest};
use crate::flow::{Error, Watchers, ledgers};
use crate::image::ImageName;
use crate::keys::Key;
use crate::ledger::News;
use crate::manifests::{Elsewhere, ForOthers, Manifests};
use crate::plan::{Outcome, StepBack};
use crate::seams::{CommitId, GitError, HostError, Poke, RepositoryId, StoreError};
use crate::stages::Standing;
use crate::store;

/// Records first listings and tells `receive` and `sweep` which images this repository follows; whether it follows any
/// that it did not before.
pub(super) async fn take_note(outside: Outside<'_>, prepared: &Prepared) -> Result<bool, StoreError> {
    let learned = prepared.learned.iter().cloned();
    let recording = stream::iter(learned.map(|(image, news)| record(outside, image, news)));
    recording.buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    watch(outside, &prepared.manifests).await
}

async fn record(outside: Outside<'_>, image: ImageName, news: News) -> Result<(), StoreError> {
    ledgers::record(outside.objects, &image, &news, outside.writer).await.map(|_| ())
}

async fn watch(outside: Outside<'_>, manifests: &Manifests) -> Result<bool, StoreError> {
    let key = Key::index(outside.repository);
    let before = store::load::<Index>(outside.objects, &key).await?.map(|loaded| loaded.value);
    // Nothing is known of a repository that is looked at for the first time, or was not configured for a while.
    let others = || outside.repositories.iter().filter(|other| *other != outside.repository).cloned().collect();
    let formerly = before.as_ref().map_or_else(others, |before| before.handed_to.clone());
    let for_others = manifests.for_others.as_ref();
    let index = Index {
        repository: outside.repository.clone(),
        commit: manifests.commit.clone(),
        images: manifests.images(),
        reading: manifests.reading.clone(),
        handed_to: for_others.map_or_else(|| formerly.clone(), |it| it.repositories.clone()),
    };
    if before.as_ref() == Some(&index) {
        return Ok(false);
    }
    if let Some(for_others) = for_others {
        hand_over(outside, manifests, for_others, &formerly).await?;
    }
    let images = &index.images;
    let former = before.map(|before| before.images).unwrap_or_default();
    for image in images.union(&former) {
        store::update::<Watchers>(outside.objects, &Key::watchers(image), outside.writer, |watchers| {
            let before = watchers.unwrap_or_default();
            let mut after = before.clone();
            if images.contains(image) {
                after.repositories.insert(outside.repository.clone());
            } else {
                after.repositories.remove(outside.repository);
            }
            (after != before).then_some(after)
        })
        .await?;
    }
    let more = !images.is_subset(&former);
    store::update(outside.objects, &key, outside.writer, |_| Some(index.clone())).await?;
    Ok(more)
}

/// Hands other repositories what this one says for them, and pokes those for which that is new.
async fn hand_over(
    outside: Outside<'_>,
    manifests: &Manifests,
    for_others: &ForOthers,
    formerly: &BTreeSet<RepositoryId>,
) -> Result<(), StoreError> {
    for other in for_others.repositories.union(formerly) {
        let files = for_others.repositories.contains(other).then_some(&for_others.files);
        let handed = store::update::<Elsewhere>(outside.objects, &Key::elsewhere(other), outside.writer, |was| {
            let before = was.unwrap_or_default();
            let mut after = before.clone();
            after.take(outside.repository, files, &for_others.unread);
            (after != before).then_some(after)
        })
        .await?;
        // One that is no longer configured need not look.
        if matches!(handed, store::Updated::Written(_)) && outside.repositories.contains(other) {
            let cause = format!("{}-{}", outside.repository, manifests.commit.short());
            outside.pokes.send(&Poke { repository: other.clone(), cause }).await?;
        }
    }
    Ok(())
}

/// Writes down when the repository must be looked at next, before anything is done that may fail.
pub(super) async fn remember_due(outside: Outside<'_>, due: &Due) -> Result<(), StoreError> {
    store::update::<Due>(outside.objects, &Key::due(outside.repository), outside.writer, |was| {
        (was.unwrap_or_default() != *due).then(|| due.clone())
    })
    .await
    .map(|_| ())
}

/// Writes down that the Git host asks to be left alone, if that is why a look failed: then nobody asks it before that is
/// over. If it cannot be written, the look failed as any other does.
pub(super) async fn leave_alone(outside: Outside<'_>, error: Error, now: Timestamp) -> Error {
    let (Error::Host(HostError::Unavailable { wait: Some(wait), .. })
    | Error::Git(GitError::Unavailable { wait: Some(wait), .. })) = &error
    else {
        let is_over = |due: &Due| due.rest.as_ref().is_some_and(|rest| rest.until <= now);
        // What keeps a look from its end now is something else; if this fails too, it is tried again.
        let _ = store::update::<Due>(outside.objects, &Key::due(outside.repository), outside.writer, |was| {
            was.filter(is_over).map(|before| Due { rest: None, ..before })
        })
        .await;
        return error;
    };
    let rest = Rest::asked(error.to_string(), *wait, now);
    let written = store::update::<Due>(outside.objects, &Key::due(outside.repository), outside.writer, |was| {
        let before = was.unwrap_or_default();
        (before.rest.as_ref() != Some(&rest)).then(|| Due { rest: Some(rest.clone()), ..before })
    })
    .await;
    if written.is_ok() { Error::LeftAlone(rest) } else { error }
}

/// Writes down what stands in the stages, unless another worker did: whoever read that before the base branch knows more.
pub(super) async fn remember_standing(outside: Outside<'_>, standing: &Standings) -> Result<(), StoreError> {
    if standing.now == standing.before {
        return Ok(());
    }
    store::update::<Standing>(outside.objects, &Key::standing(outside.repository), outside.writer, |was| {
        (was.unwrap_or_default() == standing.before).then(|| standing.now.clone())
    })
    .await
    .map(|_| ())
}

/// Writes down what people decided, and closes what two workers opened at once.
pub(super) async fn remember_decisions(outside: Outside<'_>, prepared: &Prepared) -> Result<(), Error> {
    // The holds first: a crash between the two asks the forge again, and finds the same.
    if !prepared.new_holds.is_empty() {
        store::update::<Holds>(outside.objects, &Key::holds(outside.repository), outside.writer, |holds| {
            let mut holds = holds.unwrap_or_default();
            let before = holds.holds.len();
            for hold in &prepared.new_holds {
                if !holds.holds.iter().any(|known| known.is_same(hold)) {
                    holds.holds.insert(hold.clone());
                }
            }
            (holds.holds.len() > before).then_some(holds)
        })
        .await?;
    }
    if !prepared.released.is_empty() {
        store::update::<Holds>(outside.objects, &Key::holds(outside.repository), outside.writer, |holds| {
            let mut holds = holds?;
            let before = holds.holds.len();
            holds.holds.retain(|hold| !prepared.released.iter().any(|released| released.is_same(hold)));
            (holds.holds.len() < before).then_some(holds)
        })
        .await?;
    }
    let stepped_back = |step: &StepBack| {
        let mut lines = prepared.plan.lines.iter().filter(|line| line.policy == step.policy).peekable();
        lines.peek().is_some()
            && lines.all(|line| line.tag.as_deref() == Some(step.to.as_str()) && line.outcome == Outcome::UpToDate)
    };
    if prepared.holds.steps_back.iter().any(&stepped_back) {
        store::update::<Holds>(outside.objects, &Key::holds(outside.repository), outside.writer, |holds| {
            let mut holds = holds?;
            let before = holds.steps_back.len();
            holds.steps_back.retain(|step| !stepped_back(step));
            (holds.steps_back.len() < before).then_some(holds)
        })
        .await?;
    }
    for known in prepared.proposed.values() {
        if let Some(pull) = &known.ended {
            outside.host.note(pull).await?;
        }
        if !known.formerly.is_empty() {
            take_over(outside, known).await?;
        }
        if known.proposed != known.before {
            replace(outside, known, &known.proposed).await?;
        }
        // Last: whoever dies before it finds both, and the new one counts.
        for name in &known.formerly {
            outside.objects.delete(&Key::proposal(outside.repository, name)).await?;
        }
        for pull in &known.duplicates {
            outside.host.close(pull.number, "Closed by tag2pr: an older pull request has the same change.").await?;
        }
    }
    Ok(())
}

/// Writes down what became of a proposal, unless another worker wrote meanwhile (`false`): then it is looked at again.
pub(super) async fn replace(outside: Outside<'_>, known: &Known, proposed: &Proposed) -> Result<bool, StoreError> {
    let key = Key::proposal(outside.repository, &proposed.name);
    store::update::<Proposed>(outside.objects, &key, outside.writer, |was| {
        (was.as_ref() == Some(&known.before)).then(|| proposed.clone())
    })
    .await
    .map(|updated| matches!(updated, store::Updated::Written(_)))
}

/// Writes a record under its new name. If another worker has, what is ours stays ours.
async fn take_over(outside: Outside<'_>, known: &Known) -> Result<(), StoreError> {
    let key = Key::proposal(outside.repository, &known.before.name);
    store::update::<Proposed>(outside.objects, &key, outside.writer, |was| {
        let Some(mut is) = was.filter(|was| was.branch == known.before.branch) else {
            return Some(known.before.clone());
        };
        let more: Vec<CommitId> = known.before.commits.iter().filter(|id| !is.commits.contains(id)).cloned().collect();
        is.commits.extend(more.iter().cloned());
        (!more.is_empty()).then_some(is)
    })
    .await
    .map(|_| ())
}
