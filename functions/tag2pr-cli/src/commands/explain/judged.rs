//! One verdict for each tag: the policy's own, or what goes before it or after it.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use tag2pr::manifests::DeclaredPolicy;
use tag2pr::plan::{Hold, Pool};
use tag2pr::policy::{Known, Selection, Verdict};

/// What a policy makes of its image's tags, with those that it did not get to see and those that are held.
pub struct Judged<'a> {
    /// What the policy makes of what it got to see.
    pub selection: &'a Selection<'a>,
    /// Why nothing is selected.
    pub error: Option<String>,
    pool: &'a Pool<'a>,
    held: Vec<Option<&'a Hold>>,
}

/// The verdicts in the order in which people want to read them.
pub const WORDS: [&str; 9] =
    ["selected", "held", "outranked", "too-young", "platform", "filtered", "excluded", "invalid", "deleted"];

impl<'a> Judged<'a> {
    /// Looks for the holds among `holds` that are on these tags.
    pub fn new(
        declared: &DeclaredPolicy,
        pool: &'a Pool<'a>,
        selection: &'a Selection<'a>,
        holds: impl Iterator<Item = &'a Hold> + Clone,
    ) -> Self {
        let hold = |known: &Known<'_>| holds.clone().find(|hold| hold.is_on(&declared.name, known.tag, known.digest));
        let held = pool.considered.iter().map(hold).collect();
        let error = selection.error.as_ref();
        let error = error.map(|error| pool.in_place_of(error, declared).unwrap_or_else(|| error.to_string()));
        Self { selection, error, pool, held }
    }

    /// How many tags there are.
    pub fn len(&self) -> usize {
        self.pool.considered.len() + self.pool.aside.len()
    }

    /// What is known of a tag.
    pub fn known(&self, index: usize) -> &'a Known<'a> {
        let seen = self.pool.considered.len();
        if index < seen { &self.pool.considered[index] } else { &self.pool.aside[index - seen].known }
    }

    /// The word for what became of a tag.
    pub fn word(&self, index: usize) -> &'static str {
        match (self.pool.considered.len(), self.held.get(index)) {
            (_, Some(Some(_))) => "held",
            (seen, None) => self.pool.aside[index - seen].why.word(),
            (_, Some(None)) => self.selection.verdicts[index].word(),
        }
    }

    /// What a tag is ranked by.
    pub fn value(&self, index: usize) -> Option<String> {
        self.selection.ranked_by(index)
    }

    /// Why it became of it.
    pub fn reason(&self, index: usize) -> String {
        match (self.pool.considered.len(), self.held.get(index)) {
            (_, Some(Some(hold))) => format!("held in {}: {}", hold.proposal, hold.reason),
            (seen, None) => self.pool.aside[index - seen].why.to_string(),
            (_, Some(None)) => self.selection.reason(index).to_string(),
        }
    }

    /// The tag that the policy selects, and the hold on it.
    pub fn winner(&self) -> Option<(usize, Option<&'a Hold>)> {
        let index = self.selection.verdicts.iter().position(|verdict| *verdict == Verdict::Selected)?;
        Some((index, self.held[index]))
    }

    /// The tag that was pushed last, of those whose push is known: the one that people ask about.
    pub fn newest(&self) -> Option<usize> {
        (0..self.len()).filter(|index| self.known(*index).pushed_at.is_some()).max_by_key(|index| {
            let known = self.known(*index);
            (known.pushed_at, known.tag)
        })
    }

    /// The tags by their verdicts, in the order of [`WORDS`]: the outranked by rank, the others newest first.
    pub fn by_verdict(&self, limit: usize) -> Vec<(&'static str, Vec<usize>, usize)> {
        let mut groups: Vec<(&'static str, Vec<usize>, usize)> = WORDS.map(|word| (word, Vec::new(), 0)).into();
        for index in 0..self.len() {
            let word = self.word(index);
            if let Some((_, group, count)) = groups.iter_mut().find(|(known, ..)| *known == word) {
                *count += 1;
                if word != "outranked" {
                    group.push(index);
                }
            }
        }
        for (word, group, _) in &mut groups {
            match *word {
                "outranked" => *group = self.next(limit),
                _ => group.sort_by_key(|index| Reverse(self.known(*index).pushed_at)),
            }
            group.truncate(limit);
        }
        groups.retain(|(.., count)| *count > 0);
        groups
    }

    /// What the policy would select next, the best first, without what is held.
    fn next(&self, limit: usize) -> Vec<usize> {
        let held = self.held.iter().flatten().count();
        let ranked = self.selection.runners_up(limit.saturating_add(held));
        let index: BTreeMap<&str, usize> =
            self.pool.considered.iter().enumerate().map(|(index, known)| (known.tag, index)).collect();
        let all = ranked.iter().filter_map(|known| index.get(known.tag).copied());
        all.filter(|index| self.held[*index].is_none()).take(limit).collect()
    }
}
