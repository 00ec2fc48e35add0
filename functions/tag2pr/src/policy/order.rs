//! How values are ranked: as versions, as text or as numbers; or whatever they are, by push time.

use std::cmp::Ordering;

use jiff::Timestamp;

use super::numerical;
use super::selection::Verdict;
use super::semver::{Constraint, Version};
use super::{Known, PolicyError};

/// By what a policy ranks values. Whatever the order, the greatest rank is selected.
#[derive(Debug, Clone)]
pub enum Order {
    /// The highest version in a range.
    Semver(Constraint),
    /// The last or the first in byte order: `Z` comes before `a`, and `build-10` before `build-9`.
    Alphabetical(Direction),
    /// The largest or the smallest number.
    Numerical(Direction),
    /// The tag that was pushed last, of those whose push a delivery told of.
    Newest,
}

/// Which end of an order is selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// `asc`, the default: the last, the largest.
    Ascending,
    /// `desc`: the first, the smallest; of timestamps, that is the oldest.
    Descending,
}

impl Direction {
    /// Reads `asc` or `desc`, in any case; empty means `asc`.
    ///
    /// # Errors
    ///
    /// When it is another word.
    pub fn parse(order: &str) -> Result<Self, PolicyError> {
        match order.to_uppercase().as_str() {
            "" | "ASC" => Ok(Self::Ascending),
            "DESC" => Ok(Self::Descending),
            other => Err(PolicyError::Direction(other.to_owned())),
        }
    }
}

/// A value, read as its order reads it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rank<'v> {
    Version(Version<'v>),
    Text(&'v str),
    Number(f64),
    Time(Timestamp),
}

impl Order {
    /// Reads the value of a tag, or says why it has no rank.
    pub(super) fn rank<'v>(&self, known: &Known<'_>, value: &'v str) -> Result<Rank<'v>, Verdict> {
        match self {
            Self::Semver(range) => match Version::parse(value) {
                Ok(version) if range.admits(version) => Ok(Rank::Version(version)),
                Ok(_) => Err(Verdict::OutOfRange),
                Err(_) => Err(Verdict::Invalid),
            },
            Self::Alphabetical(_) => Ok(Rank::Text(value)),
            Self::Numerical(_) => numerical::parse(value).map(Rank::Number).map_err(|_| Verdict::Invalid),
            Self::Newest => known.pushed_at.map(Rank::Time).ok_or(Verdict::Invalid),
        }
    }

    /// Compares ranks of this order; the greater one is preferred.
    pub(super) fn compare(&self, a: Rank<'_>, b: Rank<'_>) -> Ordering {
        match (self, a, b) {
            (Self::Alphabetical(Direction::Descending), Rank::Text(a), Rank::Text(b)) => b.cmp(a),
            // Negated, not swapped: NaN is the last resort in both directions.
            (Self::Numerical(Direction::Descending), Rank::Number(a), Rank::Number(b)) => numerical::compare(-a, -b),
            (_, Rank::Version(a), Rank::Version(b)) => a.cmp(&b),
            (_, Rank::Text(a), Rank::Text(b)) => a.cmp(b),
            (_, Rank::Number(a), Rank::Number(b)) => numerical::compare(a, b),
            (_, Rank::Time(a), Rank::Time(b)) => a.cmp(&b),
            // Ranks of different orders never meet.
            _ => Ordering::Equal,
        }
    }
}
