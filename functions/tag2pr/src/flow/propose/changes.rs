//! With which commit something was taken back on the base branch, as far as its forge says.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::Outside;
use super::records::TakenBack;
use crate::plan::Hold;
use crate::seams::{CommitId, HostError};

/// For no more files than this the forge is asked: whoever takes back more at once does it with one commit.
const MOST: usize = 20;

/// Why what was taken back is not proposed again, with the commit that did it where the forge names one.
pub(super) async fn holds(
    outside: Outside<'_>,
    taken_back: &[TakenBack],
    seen: &CommitId,
    now: Timestamp,
) -> Result<Vec<Hold>, HostError> {
    let files: BTreeSet<&String> = taken_back.iter().filter_map(|one| one.file.as_ref()).collect();
    let mut changes = BTreeMap::new();
    for file in files.into_iter().take(MOST) {
        let change = last(outside, file).await?;
        changes.extend(change.map(|commit| (file.clone(), commit)));
    }
    Ok(taken_back.iter().map(|one| one.hold(seen, &changes, now)).collect())
}

/// Asks the forge, and nothing depends on the answer: without one, no commit is named. Only one that asks to be left alone
/// is not asked on, and names it later.
async fn last(outside: Outside<'_>, file: &str) -> Result<Option<CommitId>, HostError> {
    match outside.host.last_change(file, &outside.repository.base).await {
        Ok(commit) => Ok(commit.filter(is_id)),
        Err(error @ HostError::Unavailable { wait: Some(_), .. }) => Err(error),
        Err(_) => Ok(None),
    }
}

/// Whether this can be the name of a commit: it comes from outside.
fn is_id(commit: &CommitId) -> bool {
    commit.0.len() >= 7 && commit.0.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_commit_is_not_named() {
        let is_id = |text: &str| is_id(&CommitId(text.to_owned()));
        assert!(is_id("0123456") && is_id(&"9f".repeat(20)) && is_id(&"9f".repeat(32)));
        assert!(!is_id("") && !is_id("012345") && !is_id("main123") && !is_id("01234567 @everyone"));
    }
}
