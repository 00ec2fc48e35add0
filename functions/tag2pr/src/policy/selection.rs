//! What a policy selected, and the words for it.
//!
//! The terminal, the log and the pull request all say it in these words. Values and tags come from a registry: who
//! writes them into Markdown or HTML has to escape them.

use std::cmp::Ordering;
use std::fmt;

use jiff::Timestamp;

use super::numerical;
use super::order::Rank;
use super::semver::{NotAVersion, Version};
use super::values::Values;
use super::{Candidate, Direction, Known, Order, Policy, PolicyError};

/// What became of one tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It is the one.
    Selected,
    /// It could have been: another ranks higher, or the policy fails because of a third.
    Outranked,
    /// `filterTags.pattern` does not match it.
    Filtered,
    /// It is a version that the range does not admit.
    OutOfRange,
    /// The `exclusionList` has a pattern that matches it, at this position.
    Excluded(u32),
    /// It is no version or no number, or under `newest` it has no push time.
    Invalid,
}

impl Verdict {
    /// The word that `explain` prints in JSON. It is a stable interface.
    pub fn word(self) -> &'static str {
        match self {
            Self::Selected => "selected",
            Self::Outranked => "outranked",
            Self::Filtered | Self::OutOfRange => "filtered",
            Self::Excluded(_) => "excluded",
            Self::Invalid => "invalid",
        }
    }
}

/// How many tags have which verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// The selected tag and those that it outranks.
    pub candidates: usize,
    /// See [`Verdict::Filtered`].
    pub filtered: usize,
    /// See [`Verdict::OutOfRange`].
    pub out_of_range: usize,
    /// See [`Verdict::Excluded`].
    pub excluded: usize,
    /// See [`Verdict::Invalid`].
    pub invalid: usize,
}

/// What a policy makes of the tags of an image.
#[derive(Debug, Clone)]
pub struct Selection<'a> {
    /// The selected tag; nothing if the policy fails.
    pub selected: Option<&'a Known<'a>>,
    /// Why nothing is selected.
    pub error: Option<PolicyError>,
    /// What became of each tag, in the order in which they were given.
    pub verdicts: Vec<Verdict>,
    policy: &'a Policy,
    known: &'a [Known<'a>],
    values: Values,
    winner: Option<usize>,
}

impl<'a> Selection<'a> {
    /// Completes a selection: `best` ranks highest, but what is not a number may fail the policy all the same.
    pub(super) fn new(
        policy: &'a Policy,
        known: &'a [Known<'a>],
        values: Values,
        verdicts: Vec<Verdict>,
        best: Option<usize>,
    ) -> Self {
        let mut selection = Self { selected: None, error: None, verdicts, policy, known, values, winner: None };
        selection.error = selection.failure();
        if let (None, Some(best)) = (&selection.error, best) {
            selection.selected = Some(&known[best]);
            selection.verdicts[best] = Verdict::Selected;
            selection.winner = Some(best);
        }
        selection
    }

    fn failure(&self) -> Option<PolicyError> {
        let counts = self.counts();
        let tags = self.known.len() - counts.excluded;
        if tags == 0 {
            return Some(PolicyError::NoTags { excluded: counts.excluded });
        }
        if let (Some(filter), true) = (&self.policy.filter, counts.filtered == tags) {
            return Some(PolicyError::NothingMatches { tags, pattern: filter.pattern().to_owned() });
        }
        match &self.policy.order {
            Order::Semver(range) if counts.candidates == 0 => Some(PolicyError::NoVersion {
                tags: tags - counts.filtered,
                range: range.as_str().to_owned(),
                prereleases: (0..self.known.len()).filter(|index| self.is_unwanted_prerelease(*index)).count(),
            }),
            Order::Numerical(_) if counts.invalid > 0 => {
                let invalid = (0..self.known.len()).filter(|index| self.verdicts[*index] == Verdict::Invalid);
                invalid.max_by_key(|index| self.known[*index].tag).map(|index| PolicyError::NotANumber {
                    value: self.value(index).unwrap_or_default().to_owned(),
                    tag: self.known[index].tag.to_owned(),
                    others: counts.invalid - 1,
                })
            }
            Order::Newest if counts.candidates == 0 => Some(PolicyError::NoPushTime { tags: counts.invalid }),
            Order::Semver(_) | Order::Alphabetical(_) | Order::Numerical(_) | Order::Newest => None,
        }
    }

    /// What a tag is ranked by: what `filterTags` extracts, or the tag. Nothing for tags that are dropped before that.
    pub fn value(&self, index: usize) -> Option<&str> {
        match self.verdicts.get(index)? {
            Verdict::Filtered | Verdict::Excluded(_) => None,
            _ => Some(self.values.get(index, self.known[index].tag)),
        }
    }

    /// What decides a tag's rank, in words: its value, or under `newest` its push time.
    pub fn ranked_by(&self, index: usize) -> Option<String> {
        let value = self.value(index)?;
        match self.policy.order {
            Order::Newest => self.known[index].pushed_at.map(|at| at.to_string()),
            _ => Some(value.to_owned()),
        }
    }

    /// How many tags have which verdict.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for verdict in &self.verdicts {
            match verdict {
                Verdict::Selected | Verdict::Outranked => counts.candidates += 1,
                Verdict::Filtered => counts.filtered += 1,
                Verdict::OutOfRange => counts.out_of_range += 1,
                Verdict::Excluded(_) => counts.excluded += 1,
                Verdict::Invalid => counts.invalid += 1,
            }
        }
        counts
    }

    /// What came next: up to `limit` of the outranked tags, the best first. If the policy fails, what it would have
    /// chosen from.
    pub fn runners_up(&self, limit: usize) -> Vec<&'a Known<'a>> {
        let mut rest: Vec<_> = self.candidates().filter(|next| Some(next.index) != self.winner).collect();
        let best_first = |a: &Candidate<'_>, b: &Candidate<'_>| self.policy.preference(b, a);
        if limit < rest.len() {
            rest.select_nth_unstable_by(limit, best_first);
            rest.truncate(limit);
        }
        rest.sort_unstable_by(best_first);
        rest.iter().map(|next| &self.known[next.index]).collect()
    }

    /// Why a tag has its verdict, in half a sentence; nothing if there are not as many tags.
    pub fn reason(&self, index: usize) -> impl fmt::Display {
        fmt::from_fn(move |f| self.write_reason(index, f))
    }

    /// Why this tag, in one sentence; or why none.
    pub fn summary(&self) -> impl fmt::Display {
        fmt::from_fn(|f| self.write_summary(f))
    }

    fn candidates(&self) -> impl Iterator<Item = Candidate<'_>> {
        (0..self.known.len()).filter_map(|index| self.candidate(index))
    }

    fn candidate(&self, index: usize) -> Option<Candidate<'_>> {
        let value = self.value(index)?;
        let rank = self.policy.order.rank(&self.known[index], value).ok()?;
        Some(Candidate { index, known: &self.known[index], value, rank })
    }

    fn winner(&self) -> Option<Candidate<'_>> {
        self.candidate(self.winner?)
    }

    fn is_unwanted_prerelease(&self, index: usize) -> bool {
        match (&self.policy.order, self.value(index).map(Version::parse)) {
            (Order::Semver(range), Some(Ok(version))) => range.admits_but_for_prerelease(version),
            _ => false,
        }
    }

    fn write_reason(&self, index: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(&verdict) = self.verdicts.get(index) else { return Ok(()) };
        let value = self.value(index).unwrap_or_default();
        match (verdict, &self.policy.order) {
            (Verdict::Selected, _) => self.write_rank(&self.known[index], value, f),
            (Verdict::Outranked, _) => self.write_outranked(index, f),
            (Verdict::Filtered, _) => {
                let pattern = self.policy.filter.as_ref().map_or("", |filter| filter.pattern());
                write!(f, "does not match the pattern {pattern}")
            }
            (Verdict::Excluded(position), _) => {
                let pattern = self.policy.exclusions.pattern(position);
                write!(f, "excluded by pattern {}, {pattern}", position + 1)
            }
            (Verdict::OutOfRange, Order::Semver(range)) if self.is_unwanted_prerelease(index) => {
                write!(f, "{value} is a prerelease, which the range {} admits only with `-0`", range.as_str())
            }
            (Verdict::OutOfRange, Order::Semver(range)) => {
                write!(f, "{value} is outside the range {}", range.as_str())
            }
            (Verdict::Invalid, Order::Semver(_)) => {
                let why = Version::parse(value).err().unwrap_or(NotAVersion::Form);
                write!(f, "{} is not a version: {why}", Shown(value))
            }
            (Verdict::Invalid, Order::Newest) => {
                f.write_str("when it was pushed is not known: only a listing told of it")
            }
            (Verdict::Invalid | Verdict::OutOfRange, _) => match numerical::parse(value) {
                Err(numerical::NotANumber::Range) => write!(f, "{} is too large for a number", Shown(value)),
                _ => write!(f, "{} is not a number", Shown(value)),
            },
        }
    }

    fn write_outranked(&self, index: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(own), Some(winner)) = (self.candidate(index), self.winner()) else {
            return f.write_str("could be selected, if the policy did not fail");
        };
        write!(f, "outranked by {}: ", winner.known.tag)?;
        let order = &self.policy.order;
        if let (Rank::Time(own), Rank::Time(last)) = (own.rank, winner.rank) {
            return match own == last {
                true => f.write_str("was pushed at the same time, and goes after it by name"),
                false => write!(f, "was pushed {}, before {}", second(own), second(last)),
            };
        }
        if order.compare(own.rank, winner.rank).is_ne() {
            let relation = match order {
                Order::Semver(_) => "is lower than",
                Order::Alphabetical(Direction::Ascending) | Order::Newest => "comes before",
                Order::Alphabetical(Direction::Descending) => "comes after",
                Order::Numerical(Direction::Ascending) => "is smaller than",
                Order::Numerical(Direction::Descending) => "is larger than",
            };
            return write!(f, "{} {relation} {}", Shown(own.value), Shown(winner.value));
        }
        match own.known.pushed_at.cmp(&winner.known.pushed_at) {
            Ordering::Less => write!(f, "{} equals {}, which was pushed later", Shown(own.value), Shown(winner.value)),
            _ => write!(f, "{} equals {}, which goes first by name", Shown(own.value), Shown(winner.value)),
        }
    }

    /// Where the selected value stands among the candidates.
    fn write_rank(&self, known: &Known<'_>, value: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (superlative, noun, place) = match &self.policy.order {
            Order::Semver(range) => ("highest", "version", format!(" in the range {}", range.as_str())),
            Order::Alphabetical(Direction::Ascending) => ("last", "value", " in alphabetical order".to_owned()),
            Order::Alphabetical(Direction::Descending) => ("first", "value", " in alphabetical order".to_owned()),
            Order::Numerical(Direction::Ascending) => ("largest", "value", String::new()),
            Order::Numerical(Direction::Descending) => ("smallest", "value", String::new()),
            Order::Newest => {
                ("newest", "tag", known.pushed_at.map(|at| format!(", pushed {}", second(at))).unwrap_or_default())
            }
        };
        let value = if matches!(self.policy.order, Order::Newest) { known.tag } else { value };
        match (self.counts().candidates, &self.policy.order) {
            (1, Order::Newest) => write!(f, "{} is the only {noun} whose push is known{place}", Shown(value)),
            (1, Order::Semver(_)) => write!(f, "{} is the only {noun}{place}", Shown(value)),
            (1, _) => write!(f, "{} is the only {noun}", Shown(value)),
            (count, _) => write!(f, "{} is the {superlative} of {count} {noun}s{place}", Shown(value)),
        }
    }

    fn write_summary(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(winner) = self.winner() else {
            return match &self.error {
                Some(error) => write!(f, "nothing is selected: {error}"),
                None => f.write_str("nothing is selected"),
            };
        };
        f.write_str("chosen because ")?;
        self.write_rank(winner.known, winner.value, f)?;

        let ties = || self.candidates().filter(|next| self.policy.order.compare(next.rank, winner.rank).is_eq());
        let last_push = ties().filter(|next| next.index != winner.index).map(|next| next.known.pushed_at).max();
        match (ties().count(), last_push) {
            (_, None) => {}
            (count, Some(next)) if winner.known.pushed_at > next => {
                write!(f, ", and of the {count} tags that share it the one pushed last")?;
            }
            (count, Some(_)) => write!(f, ", and of the {count} tags that share it the first by name")?,
        }

        let counts = self.counts();
        let (no_value, no_values) = match self.policy.order {
            Order::Newest => ("has no known push time", "have no known push time"),
            _ => ("is not a version", "are not versions"),
        };
        let rejected = [
            (counts.filtered, "does not match the pattern", "do not match the pattern"),
            (counts.out_of_range, "is outside the range", "are outside the range"),
            (counts.invalid, no_value, no_values),
            (counts.excluded, "is excluded", "are excluded"),
        ];
        let mut separator = "; ";
        for (count, one, many) in rejected {
            match count {
                0 => continue,
                1 => write!(f, "{separator}1 tag {one}")?,
                _ => write!(f, "{separator}{count} tags {many}")?,
            }
            separator = ", ";
        }
        Ok(())
    }
}

/// `2026-02-03 10:00:00 UTC`
fn second(at: Timestamp) -> impl fmt::Display {
    at.strftime("%Y-%m-%d %H:%M:%S UTC")
}

/// A value in a sentence: one that is empty or has blanks is quoted.
struct Shown<'v>(&'v str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() || self.0.contains(char::is_whitespace) {
            return write!(f, "'{}'", self.0.escape_debug());
        }
        f.write_str(self.0)
    }
}
