//! Stages: an automation that comes after another brings the tags that have stood there for long enough.
//!
//! What stands below a path is read off the base branch, whoever wrote it there. A tag that was replaced by one that
//! ranks higher has done its time; one that was taken back has not, and begins anew should it return.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::image::{Digest, ImageName, Tag};
use crate::ledger::Ledger;
use crate::manifests::{After, Automation, DeclaredPolicy, Manifests};
use crate::plan::{InGit, heard_of};
use crate::policy::{Known, PolicyName, Step};
use crate::store::Stored;

/// What has stood where, for each automation that comes after another: by the names of their proposals.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// In the order of the names.
    pub stages: BTreeMap<String, Stage>,
}

impl Stored for Standing {
    const FORMAT: u32 = 1;
}

/// What has stood in the stage before an automation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stage {
    /// What goes before: if that is another, everything begins anew.
    pub after: String,
    /// In the order of policies and times.
    pub tags: Vec<Stood>,
}

/// One tag that stands, or has stood, at all places of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stood {
    /// The policy that marks these places.
    pub policy: PolicyName,
    /// The tag.
    pub tag: Tag,
    /// The digest, where one stands beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// What the tag pointed at when it was first seen there, as far as was known: other tags of it count as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointed_at: Option<Digest>,
    /// When it was first seen there.
    pub since: Timestamp,
    /// When one that ranks higher was first seen in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Stood {
    /// For how long it has stood there.
    fn time(&self, now: Timestamp) -> SignedDuration {
        self.until.unwrap_or(now).duration_since(self.since)
    }
}

/// So many tags of a policy are remembered that others have replaced.
const REPLACED: usize = 10;

impl Standing {
    /// What is known when the base branch says this.
    #[must_use]
    pub fn observed(&self, manifests: &Manifests, ledgers: &BTreeMap<ImageName, Ledger>, now: Timestamp) -> Self {
        let staged = manifests.automations.iter().filter_map(|one| Some((one, one.after.as_ref()?)));
        let stages = staged.map(|(automation, after)| {
            let before = self.stages.get(&automation.name).filter(|stage| stage.after == after.name);
            let before = before.cloned().unwrap_or_else(|| Stage { after: after.name.clone(), tags: Vec::new() });
            let covers = |file: &str| covers(automation, after, file);
            // What cannot be read may say anything: what was seen before it counts.
            let stage = match manifests.problems.iter().any(|problem| covers(&problem.file)) {
                true => before,
                false => before.observed(after, manifests, ledgers, &covers, now),
            };
            (automation.name.clone(), stage)
        });
        Self { stages: stages.collect() }
    }
}

impl Stage {
    fn observed(
        &self,
        after: &After,
        manifests: &Manifests,
        ledgers: &BTreeMap<ImageName, Ledger>,
        covers: &dyn Fn(&str) -> bool,
        now: Timestamp,
    ) -> Self {
        let mut tags = Vec::new();
        let policies = manifests.policies.iter();
        for declared in policies.filter(|policy| after.before.iter().any(|before| before.applies(policy))) {
            let Some((tag, digest)) = InGit::of(manifests, &declared.name, covers).unanimous() else { continue };
            let own = || self.tags.iter().filter(|stood| stood.policy == declared.name);
            let mut replaced: Vec<Stood> = own()
                .filter(|stood| {
                    (&stood.tag, &stood.digest) != (&tag, &digest) && is_step(declared, ledgers, &stood.tag, &tag)
                })
                .map(|stood| Stood { until: stood.until.or(Some(now)), ..stood.clone() })
                .collect();
            let more = replaced.len().saturating_sub(REPLACED);
            tags.extend(replaced.drain(more..));
            let there = own().find(|stood| (&stood.tag, &stood.digest) == (&tag, &digest) && stood.until.is_none());
            let new = || {
                let ledger = declared.policy.as_ref().ok().and_then(|(image, _)| ledgers.get(image));
                let pointed_at = ledger.and_then(|ledger| ledger.get(tag.as_str())?.digest().cloned());
                Stood { policy: declared.name.clone(), tag: tag.clone(), digest, pointed_at, since: now, until: None }
            };
            tags.push(there.cloned().unwrap_or_else(new));
        }
        Self { after: self.after.clone(), tags }
    }
}

/// Whether a file belongs to what goes before an automation, and not to itself.
fn covers(automation: &Automation, after: &After, file: &str) -> bool {
    after.before.iter().any(|before| before.covers(file)) && !automation.covers(file)
}

/// Whether a policy ranks the tag that came higher than the one that stood there.
fn is_step(declared: &DeclaredPolicy, ledgers: &BTreeMap<ImageName, Ledger>, from: &Tag, to: &Tag) -> bool {
    let Ok((image, policy)) = &declared.policy else { return false };
    let ledger = ledgers.get(image);
    let known = |tag| heard_of(ledger, tag);
    from != to && policy.step(&known(from.as_str()), &known(to.as_str())) == Step::Forward
}

/// What one policy of an automation that comes after another may bring.
pub(crate) struct Gate<'a> {
    pub(crate) after: &'a After,
    stood: Vec<&'a Stood>,
    /// What stands in the automation's own files already, if that is one tag.
    here: Option<String>,
    now: Timestamp,
}

/// How far a tag has come in the stage before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trial {
    /// It has stood there for long enough, since then.
    Proved(Timestamp),
    /// It stands there since this time, and will have done so for long enough at that one.
    Soaking(Timestamp, Timestamp),
    /// It does not stand there.
    Absent,
}

impl<'a> Gate<'a> {
    /// Nothing for an automation that comes after none.
    pub(crate) fn of(
        automation: &'a Automation,
        declared: &DeclaredPolicy,
        manifests: &'a Manifests,
        standing: &'a Standing,
        now: Timestamp,
    ) -> Option<Self> {
        let after = automation.after.as_ref()?;
        let tags = standing.stages.get(&automation.name).into_iter().flat_map(|stage| &stage.tags);
        // The policy itself if both have it; else whatever is about the same image.
        let is_shared = after.before.iter().any(|before| before.applies(declared));
        let image = |policy: &DeclaredPolicy| policy.policy.as_ref().ok().map(|(image, _)| image.clone());
        let (own, name) = (image(declared), &declared.name);
        let same_image =
            |other: &PolicyName| manifests.policies.iter().any(|policy| policy.name == *other && image(policy) == own);
        let counts = |stood: &&Stood| if is_shared { stood.policy == *name } else { same_image(&stood.policy) };
        let mut here = InGit::of(manifests, name, &|file| automation.covers(file)).tags;
        let here = here.pop_first().filter(|_| here.is_empty());
        Some(Self { after, stood: tags.filter(counts).collect(), here, now })
    }

    /// Whether anything of the image stands in the stage before, or has stood there.
    pub(crate) fn is_empty(&self) -> bool {
        self.stood.is_empty()
    }

    /// Whether a tag may be selected: what stands there already changes nothing.
    pub(crate) fn lets_through(&self, tag: &Known<'_>) -> bool {
        self.here.as_deref() == Some(tag.tag) || matches!(self.trial(tag.tag, tag.digest), Trial::Proved(_))
    }

    /// How far a tag has come, or another tag of the same image; where one of the digests is not known, the tag decides.
    pub(crate) fn trial(&self, tag: &str, digest: Option<&Digest>) -> Trial {
        let same = |stood: &&&Stood| {
            let is_known = |other: &Option<Digest>| digest.is_some() && other.as_ref() == digest;
            let may_be = digest.is_none() || stood.digest.is_none() || stood.digest.as_ref() == digest;
            (stood.tag.as_str() == tag && may_be) || is_known(&stood.digest) || is_known(&stood.pointed_at)
        };
        let mut trial = Trial::Absent;
        for stood in self.stood.iter().filter(same) {
            if stood.time(self.now) >= self.after.soak {
                return Trial::Proved(stood.since);
            }
            if let (None, Ok(until)) = (stood.until, stood.since.checked_add(self.after.soak)) {
                trial = Trial::Soaking(stood.since, until);
            }
        }
        trial
    }

    /// `1.4.0 has stood in flux-system/staging for 20 min of 2 h`
    pub(crate) fn progress(&self, tag: &str, since: Timestamp) -> String {
        let stood = self.now.duration_since(since);
        format!("{tag} has stood in {} for {} of {}", self.after.name, rough(stood), rough(self.after.soak))
    }
}

/// A time that passes, in the two greatest units that matter: `2 d 3 h`, `1 h 20 min`, `45 s`.
pub(crate) fn rough(time: SignedDuration) -> String {
    let seconds = time.as_secs().max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let parts = match (days, hours, minutes) {
        (0, 0, 0) => [(seconds, "s"), (0, "")],
        (0, 0, minutes) => [(minutes, "min"), (0, "")],
        (0, hours, minutes) => [(hours, "h"), (minutes, "min")],
        (days, hours, _) => [(days, "d"), (hours, "h")],
    };
    let shown = parts.iter().enumerate().filter(|(at, (number, _))| *at == 0 || *number > 0);
    shown.map(|(_, (number, unit))| format!("{number} {unit}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_roughly() {
        let told = |seconds| rough(SignedDuration::from_secs(seconds));
        assert_eq!(told(0), "0 s");
        assert_eq!(told(59), "59 s");
        assert_eq!(told(20 * 60 + 59), "20 min");
        assert_eq!(told(2 * 3_600), "2 h");
        assert_eq!(told(80 * 60), "1 h 20 min");
        assert_eq!(told(50 * 3_600), "2 d 2 h");
        assert_eq!(told(-5), "0 s");
    }
}
