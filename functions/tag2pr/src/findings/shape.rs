//! What values are made of: `main-f9e1f0b-1707200000` is a word, a commit hash and a time.
//!
//! Values of the same form are looked at together, column by column. What a column holds follows from all of its cells:
//! eight digits are a date only if every cell is one.

use std::cmp::Ordering;
use std::collections::BTreeMap;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The same word in every value.
    Word,
    /// A date, or a part of one.
    Date,
    /// A time of day, after a date.
    Time,
    /// Seconds or milliseconds since 1970.
    Unix,
    /// Another number.
    Counter,
    /// A commit hash.
    Hash,
}

/// One part of all values of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) kind: Kind,
    /// What stands before it.
    pub(super) separator: String,
    /// The cell of the first value.
    pub(super) first: String,
    /// Not every cell is the same.
    pub(super) varies: bool,
    /// The shortest and the longest cell.
    pub(super) widths: (usize, usize),
}

impl Column {
    /// Whether it grows with time.
    pub(super) fn is_time(&self) -> bool {
        matches!(self.kind, Kind::Date | Kind::Time | Kind::Unix)
    }

    /// Whether all cells have the same width, so that text and numbers sort alike.
    pub(super) fn is_even(&self) -> bool {
        self.widths.0 == self.widths.1
    }
}

/// Values of one form.
#[derive(Debug, Clone)]
pub(super) struct Shape<'v> {
    pub(super) columns: Vec<Column>,
    /// What stands after the last column.
    pub(super) tail: String,
    /// For each value its place among all values, and its cells.
    pub(super) rows: Vec<(usize, Vec<&'v str>)>,
}

/// The forms of some values, the most frequent first.
pub(super) fn shapes<'v>(values: &[&'v str]) -> Vec<Shape<'v>> {
    let mut by_form: BTreeMap<String, Shape<'v>> = BTreeMap::new();
    for (index, value) in values.iter().enumerate() {
        let (tokens, tail) = tokens(value);
        let mut form = String::new();
        for (separator, cell) in &tokens {
            form.push_str(separator);
            form.push_str(if is_digits(cell) || is_hash(cell) { "\0" } else { cell });
            form.push('\u{1}');
        }
        form.push_str(tail);
        let shape = by_form.entry(form).or_insert_with(|| Shape {
            columns: tokens.iter().map(|(separator, cell)| column(separator, cell)).collect(),
            tail: tail.to_owned(),
            rows: Vec::new(),
        });
        shape.rows.push((index, tokens.iter().map(|(_, cell)| *cell).collect()));
    }
    let mut shapes: Vec<Shape<'v>> = by_form.into_values().collect();
    shapes.iter_mut().for_each(Shape::classify);
    shapes.sort_by_key(|shape| std::cmp::Reverse(shape.rows.len()));
    shapes
}

fn column(separator: &str, cell: &str) -> Column {
    Column {
        kind: Kind::Word,
        separator: separator.to_owned(),
        first: cell.to_owned(),
        varies: false,
        widths: (cell.len(), cell.len()),
    }
}

/// A value in its parts, each with what stands before it, and what stands after the last.
fn tokens(value: &str) -> (Vec<(&str, &str)>, &str) {
    let mut tokens = Vec::new();
    let mut rest = value;
    loop {
        let is_cell = |c: char| c.is_ascii_alphanumeric();
        let Some(start) = rest.find(is_cell) else { return (tokens, rest) };
        let end = rest[start..].find(|c| !is_cell(c)).map_or(rest.len(), |length| start + length);
        let mut separator = &rest[..start];
        for cell in cells(&rest[start..end]) {
            tokens.push((separator, cell));
            separator = "";
        }
        rest = &rest[end..];
    }
}

/// A word between separators, cut where letters and digits meet: `v1`, `rc2`, but not within a commit hash.
fn cells(word: &str) -> Vec<&str> {
    if is_hash(word) {
        return vec![word];
    }
    for prefix in ["sha", "g"] {
        if let Some(hash) = word.strip_prefix(prefix).filter(|hash| is_hash(hash)) {
            return vec![&word[..prefix.len()], hash];
        }
    }
    let mut cells = Vec::new();
    let mut start = 0;
    let bytes = word.as_bytes();
    for at in 1..bytes.len() {
        if bytes[at].is_ascii_digit() != bytes[at - 1].is_ascii_digit() {
            cells.push(&word[start..at]);
            start = at;
        }
    }
    cells.push(&word[start..]);
    cells
}

fn is_digits(cell: &str) -> bool {
    !cell.is_empty() && cell.bytes().all(|byte| byte.is_ascii_digit())
}

/// A short or a long commit hash that does not happen to be a number.
fn is_hash(cell: &str) -> bool {
    (7..=64).contains(&cell.len())
        && cell.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && !is_digits(cell)
}

impl<'v> Shape<'v> {
    fn classify(&mut self) {
        for (at, column) in self.columns.iter_mut().enumerate() {
            let cells = self.rows.iter().map(|(_, cells)| cells[at]);
            column.varies = cells.clone().any(|cell| cell != column.first);
            column.widths = cells
                .clone()
                .fold((usize::MAX, 0), |(least, most), cell| (least.min(cell.len()), most.max(cell.len())));
            column.kind = if cells.clone().any(is_hash) {
                Kind::Hash
            } else if is_digits(&column.first) {
                Kind::Counter
            } else {
                Kind::Word
            };
        }
        let mut after_date = false;
        for at in 0..self.columns.len() {
            if self.columns[at].kind == Kind::Counter {
                after_date = self.classify_number(at, after_date);
            } else if self.columns[at].kind == Kind::Hash || self.columns[at].first != "T" {
                after_date = false;
            }
        }
    }

    /// Finds dates and times among the numbers; says whether a time of day may come next.
    fn classify_number(&mut self, at: usize, after_date: bool) -> bool {
        if self.columns[at].kind != Kind::Counter {
            return true;
        }
        let three_parts = self.columns.get(at + 1..at + 3).is_some_and(|next| {
            next.iter().all(|column| column.kind == Kind::Counter && column.separator == next[0].separator)
        });
        let kind = if self.all(at, is_date) {
            Some(Kind::Date)
        } else if self.all(at, is_unix) {
            Some(Kind::Unix)
        } else if after_date && self.all(at, is_time_of_day) {
            Some(Kind::Time)
        } else if three_parts
            && self.all(at, |year| year.len() == 4 && within(year, 1990, 2100))
            && self.all(at + 1, |month| month.len() == 2 && within(month, 1, 12))
            && self.all(at + 2, |day| day.len() == 2 && within(day, 1, 31))
        {
            self.columns[at + 1].kind = Kind::Date;
            self.columns[at + 2].kind = Kind::Date;
            Some(Kind::Date)
        } else {
            None
        };
        self.columns[at].kind = kind.unwrap_or(Kind::Counter);
        matches!(kind, Some(Kind::Date | Kind::Time))
    }

    fn all(&self, at: usize, holds: impl Fn(&str) -> bool) -> bool {
        self.columns[at].is_even() && self.rows.iter().all(|(_, cells)| holds(cells[at]))
    }

    /// The first column that is not the same everywhere: where text is compared, it decides.
    pub(super) fn deciding(&self) -> Option<&Column> {
        self.columns.iter().find(|column| column.varies)
    }

    /// Whether the key sorts as text like by value, today and tomorrow.
    pub(super) fn sorts_as_text(&self) -> bool {
        let padded = |at: usize| self.rows.iter().any(|(_, cells)| cells[at].starts_with('0'));
        let even = |at: &usize| self.columns[*at].is_even() && (self.columns[*at].is_time() || padded(*at));
        let key = self.key();
        let before = key.first().map_or(&[][..], |first| &self.columns[..*first]);
        key.iter().all(even) && before.iter().all(|column| column.kind == Kind::Word)
    }

    /// The columns that say which value is newer: times and the number behind them, or where there are none, numbers.
    pub(super) fn key(&self) -> Vec<usize> {
        let of = |wanted: &dyn Fn(&Column) -> bool| -> Vec<usize> {
            (0..self.columns.len()).filter(|at| wanted(&self.columns[*at])).collect()
        };
        let mut times = of(&Column::is_time);
        let Some(last) = times.last() else { return of(&|column| column.kind == Kind::Counter) };
        if self.columns.get(last + 1).is_some_and(|next| next.kind == Kind::Counter && next.varies) {
            times.push(last + 1);
        }
        times
    }

    /// The place of the newest value, if one is newer than all others.
    pub(super) fn newest(&self) -> Option<usize> {
        let key = self.key();
        let (index, cells) = self.rows.iter().max_by(|(_, a), (_, b)| compare(&key, a, b))?;
        let equals = self.rows.iter().filter(|(_, other)| compare(&key, other, cells).is_eq()).count();
        (!key.is_empty() && equals == 1).then_some(*index)
    }
}

fn compare(key: &[usize], a: &[&str], b: &[&str]) -> Ordering {
    key.iter().map(|at| number(a[*at]).cmp(&number(b[*at]))).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// A number of any size, as something that can be compared.
pub(super) fn number(digits: &str) -> (usize, &str) {
    let digits = digits.trim_start_matches('0');
    (digits.len(), digits)
}

fn within(digits: &str, least: u64, most: u64) -> bool {
    digits.parse().is_ok_and(|number: u64| (least..=most).contains(&number))
}

/// `YYYYMMDD`, with `HHMM` or `HHMMSS` behind it or not; `YYMMDD`.
fn is_date(cell: &str) -> bool {
    let (year, rest) = match cell.len() {
        8 | 12 | 14 => (within(&cell[..4], 1990, 2100), &cell[4..]),
        6 => (within(&cell[..2], 15, 49), &cell[2..]),
        _ => return false,
    };
    let time = &rest[4..];
    year && within(&rest[..2], 1, 12) && within(&rest[2..4], 1, 31) && (time.is_empty() || is_time_of_day(time))
}

/// `HH`, `HHMM` or `HHMMSS`, or minutes or seconds alone.
fn is_time_of_day(cell: &str) -> bool {
    match cell.len() {
        2 => within(cell, 0, 59),
        4 => within(&cell[..2], 0, 23) && within(&cell[2..], 0, 59),
        6 => within(&cell[..2], 0, 23) && within(&cell[2..4], 0, 59) && within(&cell[4..], 0, 60),
        _ => false,
    }
}

/// Seconds or milliseconds from 2001 to 2039.
fn is_unix(cell: &str) -> bool {
    match cell.len() {
        10 => within(cell, 1_000_000_000, 2_200_000_000),
        13 => within(cell, 1_000_000_000_000, 2_200_000_000_000),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(values: &[&str]) -> Vec<Kind> {
        shapes(values)[0].columns.iter().map(|column| column.kind).collect()
    }

    #[test]
    fn what_values_are_made_of() {
        use Kind::{Counter, Date, Hash, Time, Unix, Word};
        assert_eq!(kinds(&["20251203-0536-sha-1972e38", "20251111-0358-sha-4c091d3"]), [Date, Time, Word, Hash]);
        assert_eq!(kinds(&["main-f9e1f0b-1707200000", "main-1234567-1707200001"]), [Word, Hash, Unix]);
        assert_eq!(kinds(&["2025-11-03", "2025-12-01"]), [Date, Date, Date]);
        assert_eq!(kinds(&["20250102T030405Z"]), [Date, Word, Time, Word]);
        assert_eq!(kinds(&["v1.2.3-rc4"]), [Word, Counter, Counter, Counter, Word, Counter]);
        assert_eq!(kinds(&["251130", "250223"]), [Date]);
        assert_eq!(kinds(&["251130", "256223"]), [Counter]);
        assert_eq!(kinds(&["sha4c091d3"]), [Word, Hash]);
        assert_eq!(kinds(&["develop"]), [Word]);
    }

    #[test]
    fn forms_are_told_apart_and_the_newest_of_each_is_known() {
        let values = ["latest", "build-9", "build-10", "sha256-1234abcd", "", "-"];
        let shapes = shapes(&values);
        assert_eq!(shapes[0].newest(), Some(2));
        assert!(shapes[1..].iter().all(|shape| shape.rows.len() == 1));
    }

    #[test]
    fn no_value_is_newest_where_two_are_equal() {
        assert_eq!(shapes(&["20251203-a1b2c3d", "20251203-a1b2c3e"])[0].newest(), None);
        assert_eq!(shapes(&["a1b2c3d", "a1b2c3e"])[0].newest(), None);
    }
}
