//! A file, read for its marked values: YAML by its events, every other format by its values.

use std::collections::HashMap;
use std::ops::Range;

use tag2pr_yaml::{Event, ScalarStyle, Span};

use super::fields::FieldRule;
use super::format::Format;
use super::scalar::{self, Refusal, Splices};
use super::values;
use super::{Marker, Setter, contains_token, fields, json, position, yaml};
use crate::problem::{Place, Problem};
use crate::yaml::{Syntax, events, text};

/// What was found in one file.
pub(super) struct Reading<'t> {
    pub(super) text: &'t str,
    /// In the order of the text.
    pub(super) markers: Vec<Marker>,
    /// Comments with the token that mark nothing: their position in bytes, and why.
    pub(super) stray: Vec<(usize, &'static str)>,
    /// A template engine has to write the file before it is what its name says: it was read line by line.
    pub(super) by_line: bool,
    body: Body<'t>,
}

enum Body<'t> {
    Yaml(yaml::Scan<'t>),
    Values(Format, values::Scan),
}

impl<'t> Reading<'t> {
    /// Reads a file; nothing if it can hold no marked value.
    pub(super) fn of(path: &str, bytes: &'t [u8], rules: &[FieldRule]) -> Result<Option<Self>, Problem> {
        let Some(format) = Format::of(path) else { return Ok(None) };
        let rules: Vec<&FieldRule> = match format {
            Format::Yaml | Format::Json => rules.iter().filter(|rule| rule.covers(path)).collect(),
            Format::Toml | Format::Hcl | Format::Lines(_) => Vec::new(),
        };
        if rules.is_empty() && !contains_token(bytes) {
            return Ok(None);
        }
        let read = || {
            let text = text(bytes)?;
            Self::read(text, format, &rules)
        };
        let reading = read().map_err(|error: Syntax| error.problem(path))?;
        match reading.markers.first() {
            Some(first) if is_encrypted(reading.text) => {
                let place = Place { file: path.to_owned(), line: first.line, column: first.column };
                Err(Problem::at(place, ENCRYPTED))
            }
            _ => Ok(Some(reading)),
        }
    }

    fn read(text: &'t str, format: Format, rules: &[&FieldRule]) -> Result<Self, Syntax> {
        let mut by_line = false;
        let body = match format {
            Format::Yaml => match yaml::scan(text, rules) {
                Ok(scan) => Body::Yaml(scan),
                // What is broken otherwise is left to a person: nothing could be compared after an edit.
                Err(error) if !is_template(text) || is_hostile(&error) => return Err(error),
                Err(_) => {
                    by_line = true;
                    Body::Values(format, values::scan(format, text)?)
                }
            },
            Format::Json if !rules.is_empty() => Body::Values(format, with_rules(text, rules)?),
            _ => Body::Values(format, values::scan(format, text)?),
        };
        let (markers, stray) = match &body {
            Body::Yaml(scan) => {
                (scan.marked.iter().map(|marked| in_yaml(text, scan, marked)).collect(), scan.stray.clone())
            }
            Body::Values(_, scan) => {
                let marker = |(value, setter): &(usize, Setter)| {
                    let value = &scan.values[*value];
                    let (line, column) = position(text, value.span.start);
                    Marker {
                        setter: setter.clone(),
                        line,
                        column,
                        value: value.text.clone(),
                        span: value.span.clone(),
                        object: None,
                        by_rule: scan.by_rule.contains(&value.span.start),
                    }
                };
                (scan.marked.iter().map(marker).collect(), scan.stray.clone())
            }
        };
        Ok(Self { text, markers, stray, by_line, body })
    }

    /// What must change in the text for a marked value to read `new`.
    pub(super) fn replace(&self, marker: usize, new: &str) -> Result<Splices, Refusal> {
        match &self.body {
            Body::Yaml(scan) => {
                let marked = &scan.marked[marker];
                scalar::replace(self.text, &scan.events[marked.event].0, marked, new)
            }
            Body::Values(_, scan) => scan.replace(scan.marked[marker].0, new),
        }
    }

    /// Whether the new text says what this one says, but for the markers' values that were meant to change.
    pub(super) fn verify(
        &self,
        new: &str,
        meant: &[(usize, &str)],
        rules: &[FieldRule],
        path: &str,
    ) -> Result<(), String> {
        let place = |Syntax { line, column, reason }| format!("{line}:{column}: {reason}");
        match &self.body {
            Body::Yaml(scan) => {
                let meant: Vec<_> = meant.iter().map(|(marker, new)| (scan.marked[*marker].event, *new)).collect();
                super::verify(&scan.events, new, &meant)
            }
            Body::Values(format, scan) => {
                if self.by_line && events(new).is_ok() {
                    return Err("the result is valid YAML, which the file was not".to_owned());
                }
                let rules: Vec<&FieldRule> = rules.iter().filter(|rule| rule.covers(path)).collect();
                let again = match format {
                    Format::Json if !rules.is_empty() => with_rules(new, &rules),
                    _ => values::scan(*format, new),
                };
                let meant: Vec<_> = meant.iter().map(|(marker, new)| (scan.marked[*marker].0, *new)).collect();
                scan.verify(&again.map_err(place)?, &meant)
            }
        }
    }
}

/// Whether a template engine has to write the file before it is what its name says.
fn is_template(text: &str) -> bool {
    ["{{", "{%", "<%"].iter().any(|open| text.contains(open))
}

/// What is nested without end is no template.
fn is_hostile(error: &Syntax) -> bool {
    error.reason.contains("nested too deep")
}

/// The values of a JSON file that comments or rules mark.
fn with_rules(text: &str, rules: &[&FieldRule]) -> Result<values::Scan, Syntax> {
    let mut scan = values::scan(Format::Json, text)?;
    for (at, (value, path)) in json::values(text)?.into_iter().enumerate() {
        let rule = rules.iter().find(|rule| rule.leads_to(&path));
        if let Some(rule) = rule.filter(|_| scan.marked.iter().all(|(marked, _)| *marked != at)) {
            if value.text == "null" && value.style == values::Style::Bare {
                continue;
            }
            scan.by_rule.insert(value.span.start);
            scan.marked.push((at, rule.setter()));
        }
    }
    scan.marked.sort_by_key(|(value, _)| *value);
    Ok(scan)
}

fn in_yaml(text: &str, scan: &yaml::Scan<'_>, marked: &yaml::Marked) -> Marker {
    let (event, span) = &scan.events[marked.event];
    let (line, column) = match &marked.header {
        Some(Range { start, .. }) => position(text, *start),
        None => (span.start.line(), span.start.col() + 1),
    };
    let value = event.scalar().map(|(value, _)| value.to_owned()).unwrap_or_default();
    Marker {
        setter: marked.setter.clone(),
        line,
        column,
        value,
        span: marked.span.clone(),
        object: marked.object.clone(),
        by_rule: marked.by_rule,
    }
}

const ENCRYPTED: &str = "the file is encrypted with SOPS, and its checksum covers this value: another one would make the file \
     unreadable, so it is left alone; keep the image in a file that is not encrypted";

/// Whether [SOPS](https://getsops.io/docs/) would refuse the file after an edit.
fn is_encrypted(text: &str) -> bool {
    let is_metadata = |line: &str| {
        let line = line.trim_start();
        ["sops:", "\"sops\":", "[sops]", "sops_mac=", "sops_version="].iter().any(|start| line.starts_with(start))
            || line.contains("\"sops\":")
    };
    text.contains("ENC[AES256_GCM,") && text.lines().any(is_metadata)
}

/// The setters of the scalars that rules lead to, by the numbers of their events.
pub(super) fn ruled(events: &[(Event<'_>, Span)], rules: &[&FieldRule]) -> HashMap<usize, Setter> {
    if rules.is_empty() {
        return HashMap::new();
    }
    let of = |(at, path): (usize, Vec<fields::Step>)| {
        // What is null is not there.
        let is_null = |value: &str| value == "~" || value == "null";
        let there = !matches!(&events[at].0, Event::Scalar(value, ScalarStyle::Plain, ..) if is_null(value));
        let rule = rules.iter().find(|rule| rule.leads_to(&path)).filter(|_| there)?;
        Some((at, rule.setter()))
    };
    fields::paths(events).into_iter().filter_map(of).collect()
}
