//! What the forge says of the proposals that were open, or closed by a person, when we last looked.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::try_join;
use jiff::{SignedDuration, Timestamp};

use super::records::{Fate, Proposed};
use super::{Outside, remembered, whom};
use crate::due::Due;
use crate::flow::Error;
use crate::keys::Key;
use crate::plan::Hold;
use crate::seams::{HostError, PullRequest, State};
use crate::store;

/// For so long whoever opens a closed pull request again need not say anything else: each is asked for with every look.
const REOPENED: SignedDuration = SignedDuration::from_hours(14 * 24);

/// A proposal that was written before, and what the forge says of it now.
#[derive(Debug)]
pub(super) struct Known {
    /// As it was read.
    pub(super) before: Proposed,
    /// With what the forge says.
    pub(super) proposed: Proposed,
    /// Records of the same branch under other names, to be removed once this one is written.
    pub(super) formerly: BTreeSet<String>,
    pub(super) open: Option<PullRequest>,
    /// It was open before.
    pub(super) ended: Option<PullRequest>,
    /// Opened by two workers at once: the younger ones go.
    pub(super) duplicates: Vec<PullRequest>,
}

impl Known {
    /// Whether a person closed it, and opened it again.
    pub(super) fn is_reopened(&self) -> bool {
        self.before.fate == Fate::Closed && self.proposed.fate == Fate::Open
    }
}

/// What was waited for, and what became of the proposals that were open when we last looked: asked once for each, unless
/// the forge asked to be left alone.
pub(super) async fn ask_forge(
    outside: Outside<'_>,
    now: Timestamp,
) -> Result<(Due, BTreeMap<String, Known>, Vec<Hold>), Error> {
    let (keys, due) = try_join(
        async { Ok(outside.objects.list(&Key::proposals(outside.repository)).await?) },
        remembered::<Due>(outside, Key::due(outside.repository)),
    )
    .await?;
    let due = due.unwrap_or_default();
    if let Some(rest) = due.rest_at(now) {
        return Err(Error::LeftAlone(rest.clone()));
    }
    let mut all = BTreeMap::new();
    let mut holds = Vec::new();
    for key in keys {
        let Some(loaded) = store::load::<Proposed>(outside.objects, &key).await? else { continue };
        let before = loaded.value;
        let mut known = Known {
            proposed: before.clone(),
            before,
            formerly: BTreeSet::new(),
            open: None,
            ended: None,
            duplicates: Vec::new(),
        };
        let is_direct = known.proposed.branch == outside.repository.base;
        let record = &mut known.proposed;
        let may_be_open = match record.fate {
            Fate::Open | Fate::Settling => true,
            // Whoever opens it again wants its tags.
            Fate::Closed => record.pull_request.is_some() && now.duration_since(record.at) < REOPENED,
            Fate::Merged | Fate::Settled => false,
        };
        if !is_direct && may_be_open {
            let found = match outside.host.find(&record.branch, &outside.repository.base).await {
                Err(HostError::Refused { .. }) if record.fate == Fate::Closed => Vec::new(),
                found => found?,
            };
            if record.is_reopened(&found) {
                (record.fate, record.ended_by, record.at) = (Fate::Open, None, now);
            } else if record.fate == Fate::Closed {
                all.insert(record.name.clone(), known);
                continue;
            }
            let (mut open, ended): (Vec<_>, Vec<_>) = found.into_iter().partition(|pull| pull.state == State::Open);
            open.sort_by_key(|pull| pull.number);
            let mut open = open.into_iter();
            known.open = open.next();
            known.duplicates = open.collect();
            if let (None, Some(pull)) = (&known.open, known.before.ended(&ended)) {
                let by = whom::ended(outside, pull.number).await?;
                holds.extend(known.proposed.end(pull, by, now));
                known.ended = Some(pull.clone());
            }
        }
        all.insert(known.proposed.name.clone(), known);
    }
    Ok((due, all, holds))
}
