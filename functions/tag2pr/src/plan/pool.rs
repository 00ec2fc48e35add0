//! The tags that a policy gets to see, and those that are set aside for reasons that stand outside of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;

use crate::ledger::{Entry, Ledger};
use crate::manifests::DeclaredPolicy;
use crate::platform::{Platforms, listed};
use crate::policy::{Known, PolicyError, Verdict};
use crate::proposal::minute;

/// What is known of an image's tags, sorted out for one policy.
#[derive(Debug)]
pub struct Pool<'a> {
    /// What the policy selects from.
    pub considered: Vec<Known<'a>>,
    /// What it does not get to see.
    pub aside: Vec<Aside<'a>>,
}

/// A tag that a policy does not get to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aside<'a> {
    /// What is known of it.
    pub known: Known<'a>,
    /// Why.
    pub why: Why,
}

/// Why a policy does not get to see a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// It has not been known for as long as the policy wants; until when, if since when it is there is known.
    TooYoung(Option<Timestamp>),
    /// It does not hold these platforms.
    Lacks(Platforms),
    /// It is gone from the registry; since when, if that was said.
    Deleted(Option<Timestamp>),
}

impl Why {
    /// The word that `explain` prints in JSON. It is a stable interface.
    pub fn word(&self) -> &'static str {
        match self {
            Self::TooYoung(_) => "too-young",
            Self::Lacks(_) => "platform",
            Self::Deleted(_) => "deleted",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooYoung(Some(until)) => write!(f, "younger than the policy's minimum age until {}", minute(*until)),
            Self::TooYoung(None) => {
                f.write_str("since when it is there is not known, and the policy has a minimum age")
            }
            Self::Lacks(missing) => write!(f, "does not hold {}", listed(missing)),
            Self::Deleted(Some(at)) => write!(f, "was deleted {}", minute(*at)),
            Self::Deleted(None) => f.write_str("was deleted"),
        }
    }
}

impl<'a> Pool<'a> {
    /// The tags that exist, without those that are too young for the policy.
    ///
    /// A tag of which nobody knows since when it is there is not old enough.
    pub fn of(declared: &DeclaredPolicy, ledger: &'a Ledger, now: Timestamp) -> Self {
        let mut pool = Self { considered: known(ledger), aside: Vec::new() };
        if let Some(age) = declared.minimum_age {
            pool.set_aside(|known| match known.first_seen {
                Some(seen) if now.duration_since(seen) >= age => None,
                Some(seen) => Some(Why::TooYoung(seen.checked_add(age).ok())),
                None => Some(Why::TooYoung(None)),
            });
        }
        pool
    }

    /// Sets aside what is known to lack a platform that the policy wants, and tells what was deleted. Tags that the
    /// policy drops by itself it gets to see, so that it can say why.
    #[must_use]
    pub fn as_far_as_known(mut self, declared: &DeclaredPolicy, ledger: &'a Ledger) -> Self {
        if let Ok((_, policy)) = &declared.policy {
            let all = known(ledger);
            let selection = policy.select(&all);
            let dropped = [Verdict::Filtered, Verdict::OutOfRange, Verdict::Invalid];
            let is_dropped = |verdict: &Verdict| dropped.contains(verdict) || matches!(verdict, Verdict::Excluded(_));
            let dropped = all.iter().zip(&selection.verdicts).filter(|(_, verdict)| is_dropped(verdict));
            let dropped: BTreeSet<&str> = dropped.map(|(known, _)| known.tag).collect();
            self.set_aside(|known| {
                let entry = ledger.get(known.tag).filter(|_| !dropped.contains(known.tag))?;
                lacks(declared, ledger, entry).map(Why::Lacks)
            });
            let (seen, aside) = self.aside.into_iter().partition(|aside| dropped.contains(aside.known.tag));
            self.aside = aside;
            self.considered.extend(Vec::<Aside<'a>>::into_iter(seen).map(|aside| aside.known));
        }
        let deleted = ledger
            .deleted()
            .map(|(tag, entry, at)| Aside { known: of_entry(tag.as_str(), entry), why: Why::Deleted(at) });
        self.aside.extend(deleted);
        self
    }

    /// Sets aside the tags for which there is a reason.
    pub(super) fn set_aside(&mut self, reason: impl Fn(&Known<'a>) -> Option<Why>) {
        let aside = &mut self.aside;
        self.considered.retain(|known| match reason(known) {
            Some(why) => {
                aside.push(Aside { known: *known, why });
                false
            }
            None => true,
        });
    }

    /// What an error of the policy comes from, if it comes from what was set aside.
    pub fn in_place_of(&self, error: &PolicyError, declared: &DeclaredPolicy) -> Option<String> {
        let lacking = self.lacking();
        let young = || self.aside.iter().filter(|aside| matches!(aside.why, Why::TooYoung(_)));
        if matches!(error, PolicyError::NotANumber { .. }) {
            return None;
        }
        if let Some((tag, missing)) = lacking.iter().next_back() {
            return Some(format!(
                "none of the tags that the policy could select ({}) holds {}; {tag} does not hold {}: push an index that \
                 does, or correct `platforms`",
                lacking.len(),
                listed(&declared.platforms),
                listed(*missing)
            ));
        }
        if !self.considered.is_empty() || young().next().is_none() {
            return None;
        }
        let of_age = |aside: &Aside<'_>| match aside.why {
            Why::TooYoung(until) => Some((until?, aside.known.tag.to_owned())),
            _ => None,
        };
        let first = young().filter_map(of_age).min();
        let first = first.map(|(at, tag)| format!("; {tag} is the first that will be old enough, at {}", minute(at)));
        Some(format!("every tag is younger than the policy's minimum age{}", first.unwrap_or_default()))
    }

    /// The tags that are too young.
    pub(super) fn young(&self) -> Vec<Known<'a>> {
        self.aside.iter().filter(|aside| matches!(aside.why, Why::TooYoung(_))).map(|aside| aside.known).collect()
    }

    /// The tags that lack platforms, with what they lack.
    pub(super) fn lacking(&self) -> BTreeMap<&'a str, &Platforms> {
        let lacking = self.aside.iter().filter_map(|aside| match &aside.why {
            Why::Lacks(missing) => Some((aside.known.tag, missing)),
            _ => None,
        });
        lacking.collect()
    }
}

/// What a tag lacks of what a policy wants, whichever of its digests it points at: nothing if that is not known.
pub(super) fn lacks(declared: &DeclaredPolicy, ledger: &Ledger, entry: &Entry) -> Option<Platforms> {
    let digests = entry.digests.keys().chain(entry.digest());
    let missing = digests.map(|digest| ledger.platforms(digest).map(|held| &declared.platforms - held));
    let all: Vec<Platforms> = missing.collect::<Option<_>>()?;
    all.iter().all(|missing| !missing.is_empty()).then(|| all.into_iter().last()).flatten()
}

/// What a policy may select from: the tags that exist, as far as is known.
pub fn known(ledger: &Ledger) -> Vec<Known<'_>> {
    ledger.live().map(|(tag, entry)| of_entry(tag.as_str(), entry)).collect()
}

/// What was ever heard of a tag, whether or not it still exists.
pub(crate) fn heard_of<'a>(ledger: Option<&'a Ledger>, tag: &'a str) -> Known<'a> {
    ledger.and_then(|ledger| ledger.heard_of(tag)).map_or(Known::tag(tag), |entry| of_entry(tag, entry))
}

fn of_entry<'a>(tag: &'a str, entry: &'a Entry) -> Known<'a> {
    Known { tag, digest: entry.digest(), pushed_at: entry.pushed_at(), first_seen: entry.first_seen() }
}
