//! What tags are ranked by, kept so that a million of them are no burden.

use std::ops::Range;

use super::filter::{Exclusions, Filter};
use super::{Known, Verdict};

/// The values of a list of tags. None is a string of its own.
#[derive(Debug, Clone)]
pub(super) enum Values {
    /// They are the tags.
    Tags,
    /// They are parts of the tags.
    Parts(Vec<Range<u32>>),
    /// They are parts of one text, in which a template has composed them one after the other.
    Composed(Vec<Range<u32>>, String),
}

impl Values {
    /// Reads tags: a verdict on each of those that are dropped, and the values of the others, which count as outranked
    /// until they are ranked.
    pub(super) fn read(exclusions: &Exclusions, filter: Option<&Filter>, known: &[Known<'_>]) -> (Self, Vec<Verdict>) {
        let mut reader = filter.map(Filter::reader);
        let extracts = filter.is_some_and(Filter::extracts);
        let mut spans = Vec::with_capacity(if extracts { known.len() } else { 0 });
        let mut composed = String::new();
        let read = |known: &Known<'_>| {
            let (verdict, span) = match (exclusions.find(known.tag), &mut reader) {
                (Some(position), _) => (Verdict::Excluded(position), 0..0),
                (None, None) => (Verdict::Outranked, 0..0),
                (None, Some(reader)) => match reader.read(known.tag, &mut composed) {
                    Some(span) => (Verdict::Outranked, span),
                    None => (Verdict::Filtered, 0..0),
                },
            };
            if extracts {
                spans.push(span.start as u32..span.end as u32);
            }
            verdict
        };
        let verdicts = known.iter().map(read).collect();
        let values = match filter {
            Some(filter) if filter.composes() => Self::Composed(spans, composed),
            Some(filter) if filter.extracts() => Self::Parts(spans),
            _ => Self::Tags,
        };
        (values, verdicts)
    }

    /// The value of a tag, given its position in the list; empty for those that were dropped.
    pub(super) fn get<'v>(&'v self, index: usize, tag: &'v str) -> &'v str {
        let (spans, text) = match self {
            Self::Tags => return tag,
            Self::Parts(spans) => (spans, tag),
            Self::Composed(spans, text) => (spans, text.as_str()),
        };
        let span = spans.get(index).and_then(|span| text.get(span.start as usize..span.end as usize));
        span.unwrap_or_default()
    }
}
