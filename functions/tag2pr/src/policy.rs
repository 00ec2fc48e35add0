//! Which tag a policy selects, and why it is no other.
//!
//! The answers are those of Flux's [image-reflector-controller] 1.x, with [`filter`]'s patterns as Go matches them,
//! [`semver`]'s ranges as Masterminds/semver reads them and [`numerical`]'s numbers as `strconv.ParseFloat` does:
//!
//! 1. What the image's `exclusionList` matches does not exist.
//! 2. `filterTags` drops what its pattern does not match, and may extract the value to rank by.
//! 3. The values are ranked; the highest version in the range, the last text or the largest number is selected.
//!
//! One value that is no number fails a `numerical` policy as a whole. A failure selects nothing; what was selected
//! before stays.
//!
//! One order is ours alone: [`Order::Newest`] goes by push time, for tags that say nothing about their age. A tag that
//! only a listing told of has no push time, so it is no candidate, and it fails nothing.
//!
//! # Ties
//!
//! Where several tags rank equally, because they have the same value or because `v1.0.0` and `1.0.0` are one version,
//! these decide in turn:
//!
//! 1. The tag that was **pushed last**. A tag without a push time counts as pushed before all that have one. Flux
//!    knows no push times, so here it may select another.
//! 2. The **greater value** in byte order, `v1.0.0` before `1.0.0`; under `numerical` without `filterTags` the smaller
//!    one, `01` before `1`. Without `filterTags` this is what Flux selects; with them it selects one at random.
//! 3. The **smaller tag** in byte order: of two tags with the same value this is what Flux selects.
//!
//! So without push times the answer is Flux's wherever Flux has one. The rules are one order of all tags: the selection
//! does not depend on the order in which they are listed, and a tag that loses changes nothing.
//!
//! [image-reflector-controller]: https://github.com/fluxcd/image-reflector-controller/tree/main/internal/policy

pub mod filter;
pub mod numerical;
pub mod order;
pub mod selection;
pub mod semver;
pub mod spec;

mod error;
mod pattern;
mod values;

use std::cmp::Ordering;

use jiff::Timestamp;

pub use self::error::PolicyError;
pub use self::filter::{Exclusions, Filter};
use self::order::Rank;
pub use self::order::{Direction, Order};
pub use self::pattern::InvalidPattern;
pub use self::selection::{Counts, Selection, Verdict};
pub use self::spec::{
    DigestReflection, FilterTags, NewestSpec, OrderSpec, PolicyChoice, PolicyName, PolicySpec, SemverSpec,
};
use self::values::Values;
use crate::image::Digest;

/// What is known of one tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known<'a> {
    /// The tag.
    pub tag: &'a str,
    /// What it points at.
    pub digest: Option<&'a Digest>,
    /// When it was pushed, if a delivery said so.
    pub pushed_at: Option<Timestamp>,
    /// When we first heard of it.
    pub first_seen: Option<Timestamp>,
}

impl<'a> Known<'a> {
    /// A tag of which nothing is known but its name.
    pub fn tag(tag: &'a str) -> Self {
        Self { tag, digest: None, pushed_at: None, first_seen: None }
    }
}

/// An ImagePolicy, checked.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Its name.
    pub name: PolicyName,
    /// `spec.image` of its ImageRepository, verbatim: this is what Flux writes.
    pub image: String,
    /// Tags that count as if they did not exist.
    pub exclusions: Exclusions,
    /// Which tags to look at, and what to rank them by; all, by the whole tag, if there is none.
    pub filter: Option<Filter>,
    /// By what to rank.
    pub order: Order,
    /// Whether the digest is written next to the tag.
    pub digest: DigestReflection,
}

/// What writing one tag in place of another would be, as a policy sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Not back: the policy ranks the new tag at least as high, or would not consider the old one at all.
    Forward,
    /// The policy ranks the old tag higher.
    Backwards,
    /// What is known does not tell which of them it ranks higher.
    Unknown,
}

/// A tag that could be selected.
#[derive(Clone, Copy)]
struct Candidate<'a> {
    index: usize,
    known: &'a Known<'a>,
    value: &'a str,
    rank: Rank<'a>,
}

impl Policy {
    /// Selects a tag, with a verdict on every other; in linear time, without allocating for each.
    pub fn select<'a>(&'a self, known: &'a [Known<'a>]) -> Selection<'a> {
        let (values, mut verdicts) = Values::read(&self.exclusions, self.filter.as_ref(), known);
        let mut best: Option<Candidate<'_>> = None;
        for (index, (known, verdict)) in known.iter().zip(&mut verdicts).enumerate() {
            if *verdict != Verdict::Outranked {
                continue;
            }
            let value = values.get(index, known.tag);
            match self.order.rank(known, value) {
                Ok(rank) => {
                    let candidate = Candidate { index, known, value, rank };
                    if best.is_none_or(|best| self.preference(&candidate, &best).is_gt()) {
                        best = Some(candidate);
                    }
                }
                Err(reason) => *verdict = reason,
            }
        }
        let best = best.map(|best| best.index);
        Selection::new(self, known, values, verdicts, best)
    }

    /// How this policy ranks two tags: `Greater` if it prefers the first. Ties are equal, whatever decides them.
    ///
    /// Nothing if it would not consider one of them: excluded, dropped by the pattern, outside of the range, no number,
    /// no push time where that decides.
    pub fn compare(&self, a: &Known<'_>, b: &Known<'_>) -> Option<Ordering> {
        let (values, verdicts) = Values::read(&self.exclusions, self.filter.as_ref(), &[*a, *b]);
        if verdicts != [Verdict::Outranked; 2] {
            return None;
        }
        let rank_a = self.order.rank(a, values.get(0, a.tag)).ok()?;
        let rank_b = self.order.rank(b, values.get(1, b.tag)).ok()?;
        Some(self.order.compare(rank_a, rank_b))
    }

    /// What it would be to write the tag `to` where `from` stands.
    ///
    /// Under [`Order::Newest`] a tag without a push time was there when it was first seen, so whatever was pushed after
    /// that is newer; of anything else it cannot be said.
    pub fn step(&self, from: &Known<'_>, to: &Known<'_>) -> Step {
        let timeless = matches!(self.order, Order::Newest) && from.pushed_at.is_none();
        if !timeless || from.tag == to.tag || !self.considers(from) {
            return match self.compare(from, to) {
                Some(Ordering::Greater) => Step::Backwards,
                _ => Step::Forward,
            };
        }
        match (from.first_seen, to.pushed_at) {
            (Some(seen), Some(pushed)) if pushed > seen => Step::Forward,
            _ => Step::Unknown,
        }
    }

    /// Whether a tag is neither excluded nor dropped by the pattern.
    fn considers(&self, known: &Known<'_>) -> bool {
        let (_, verdicts) = Values::read(&self.exclusions, self.filter.as_ref(), &[*known]);
        verdicts == [Verdict::Outranked]
    }

    /// The order of all candidates, in which no two are equal; the greater one is preferred. See [Ties](self#ties).
    fn preference(&self, a: &Candidate<'_>, b: &Candidate<'_>) -> Ordering {
        let by_value = || match (&self.order, &self.filter) {
            (Order::Numerical(_), None) => b.value.cmp(a.value),
            _ => a.value.cmp(b.value),
        };
        self.order
            .compare(a.rank, b.rank)
            .then_with(|| a.known.pushed_at.cmp(&b.known.pushed_at))
            .then_with(by_value)
            .then_with(|| b.known.tag.cmp(a.known.tag))
    }
}

#[cfg(test)]
mod tests;
