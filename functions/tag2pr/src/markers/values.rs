//! Which comment belongs to which value, in every format but YAML; and how a value is written anew.
//!
//! There is one rule for all of them: a marker stands behind its value, on the same line, or alone on the line above a line
//! with exactly one value.

use std::collections::BTreeSet;
use std::ops::Range;

use super::format::Format;
use super::scalar::{Refusal, Splices};
use super::setter::{Setter, TOKEN};
use super::{hcl, json, toml};
use crate::yaml::Syntax;

/// A value that a marker can stand at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value {
    /// Its bytes, with the quotes.
    pub(super) span: Range<usize>,
    /// What it says, without quotes.
    pub(super) text: String,
    pub(super) style: Style,
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// `"…"`
    Double,
    /// `'…'`
    Single,
    /// No quotes, and the format needs none for text.
    Plain,
    /// No quotes in YAML: needed where a reader would take the value for another type.
    PlainYaml,
    /// A number or a truth value, in a format that writes text in quotes.
    Bare,
}

/// What a scan of a file found.
#[derive(Default)]
pub(super) struct Scan {
    /// In the order of the text: all of them where the format has a parser, else those at markers.
    pub(super) values: Vec<Value>,
    /// Which of the values are marked, in their order.
    pub(super) marked: Vec<(usize, Setter)>,
    /// Where the values begin that a rule of `.tag2pr.yaml` marks.
    pub(super) by_rule: BTreeSet<usize>,
    /// Comments with the token that mark nothing, or not well: their position in bytes, and why.
    pub(super) stray: Vec<(usize, &'static str)>,
}

impl Scan {
    /// What must change in the text for a value to read `new`.
    pub(super) fn replace(&self, value: usize, new: &str) -> Result<Splices, Refusal> {
        let value = &self.values[value];
        let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"._/:@+-".contains(&byte);
        if !new.bytes().all(harmless) {
            return Err(format!("`{new}` has a character that could mean something in this file"));
        }
        let written = match value.style {
            Style::Double | Style::Bare => format!("\"{new}\""),
            Style::Single => format!("'{new}'"),
            Style::Plain => new.to_owned(),
            Style::PlainYaml => super::scalar::plain(new, false, false),
        };
        Ok(vec![(value.span.clone(), written)])
    }

    /// Whether the new text says what this one said, but for the values that were meant to change.
    pub(super) fn verify(&self, new: &Self, meant: &[(usize, &str)]) -> Result<(), String> {
        if new.values.len() != self.values.len() || new.marked != self.marked {
            return Err("the result has another structure".to_owned());
        }
        let mut meant = meant.iter().peekable();
        let mut moved = 0_isize;
        for (at, (old, new)) in self.values.iter().zip(&new.values).enumerate() {
            let wanted = meant.next_if(|(value, _)| *value == at).map_or(old.text.as_str(), |(_, wanted)| wanted);
            let start = old.span.start.checked_add_signed(moved);
            if new.text != wanted || Some(new.span.start) != start {
                return Err(format!("something else at byte {}", new.span.start));
            }
            moved += new.span.len() as isize - old.span.len() as isize;
        }
        if meant.next().is_none() { Ok(()) } else { Err("a value is missing".to_owned()) }
    }
}

/// Finds the values and markers of a text in any format but YAML.
pub(super) fn scan(format: Format, text: &str) -> Result<Scan, Syntax> {
    match format {
        Format::Toml => Ok(attached(text, toml::values(text)?, &["#"])),
        Format::Hcl => Ok(attached(text, hcl::values(text)?, &["#", "//"])),
        Format::Json => Ok(attached(text, json::values(text)?.into_iter().map(|(value, _)| value).collect(), &["//"])),
        Format::Lines(lines) => Ok(lines.scan(text)),
        Format::Yaml => Ok(super::lines::TEMPLATE.scan(text)),
    }
}

pub(super) const NOWHERE: &str = "the comment belongs to no value: it must stand behind the value, on its line, or alone on the line above a line \
     with one value";
const TWICE: &str = "the value has another marker already";

/// Finds the value of each marker among the values that a parser found.
fn attached(text: &str, values: Vec<Value>, signs: &[&str]) -> Scan {
    let mut scan = Scan { values, ..Scan::default() };
    for line in lines_with_token(text) {
        let token = line.start + text[line.clone()].find(TOKEN).unwrap_or_default();
        if scan.values.iter().any(|value| value.span.contains(&token)) {
            continue;
        }
        let before = scan.values.partition_point(|value| value.span.end <= token);
        let behind = before.checked_sub(1).filter(|last| scan.values[*last].span.end > line.start);
        let from = behind.map_or(line.start, |value| scan.values[value].span.end);
        let comment = comment(&text[from..line.end], signs);
        let value = behind.or_else(|| {
            // Alone on its line: the one value of the line below.
            let below = line_at(text, after_break(text, line.end)?);
            let starts = |value: &Value| below.contains(&value.span.start) && value.span.end <= below.end;
            let first = scan.values.iter().position(starts)?;
            scan.values.get(first + 1).is_none_or(|second| !starts(second)).then_some(first)
        });
        match (comment, value) {
            (Some(comment), Some(value)) => scan.mark(value, Setter::from_comment(comment), token),
            _ => scan.stray.push((token, NOWHERE)),
        }
    }
    scan.marked.sort_by_key(|(value, _)| *value);
    scan
}

impl Scan {
    pub(super) fn mark(&mut self, value: usize, setter: Result<Setter, &'static str>, token: usize) {
        match setter {
            Ok(_) if self.marked.iter().any(|(marked, _)| *marked == value) => self.stray.push((token, TWICE)),
            Ok(setter) => self.marked.push((value, setter)),
            Err(reason) => self.stray.push((token, reason)),
        }
    }
}

/// What a comment says, without the signs around it, if nothing but one separator stands before it.
fn comment<'t>(rest: &'t str, signs: &[&str]) -> Option<&'t str> {
    let blanks = [' ', '\t'];
    let rest = rest.strip_prefix('\u{feff}').unwrap_or(rest).trim_start_matches(blanks);
    let rest = rest.strip_prefix([',', ';']).map_or(rest, |rest| rest.trim_start_matches(blanks));
    signs.iter().find_map(|sign| rest.strip_prefix(sign).map(|rest| rest.trim_start_matches(*sign)))
}

/// The lines that have the token in them, without their breaks.
pub(super) fn lines_with_token(text: &str) -> Vec<Range<usize>> {
    let mut lines: Vec<Range<usize>> = Vec::new();
    for (at, _) in text.match_indices(TOKEN) {
        if lines.last().is_none_or(|last| last.end <= at) {
            lines.push(line_at(text, at));
        }
    }
    lines
}

/// The line that holds this byte, without its break.
pub(super) fn line_at(text: &str, at: usize) -> Range<usize> {
    let start = text[..at].rfind(['\n', '\r']).map_or(0, |end| end + 1);
    start..text[at..].find(['\n', '\r']).map_or(text.len(), |end| at + end)
}

/// Where the next line begins, after a line that ends here.
pub(super) fn after_break(text: &str, end: usize) -> Option<usize> {
    let rest = &text[end..];
    let width = if rest.starts_with("\r\n") { 2 } else { 1 };
    (rest.len() > width).then_some(end + width)
}

/// The place of a byte, for problems.
pub(super) fn syntax(text: &str, at: usize, reason: String) -> Syntax {
    let at = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    let (line, column) = super::position(text, at);
    Syntax { line, column, reason }
}
