//! How a new value is written in place of an old scalar.

use std::ops::Range;

use tag2pr_yaml::{Event, ScalarStyle};

use super::yaml::Marked;
use crate::yaml::plain_is_text;

/// The bytes to replace, and by what: in the order of the text.
pub(super) type Splices = Vec<(Range<usize>, String)>;

/// Why a value cannot be written where it is marked.
pub(super) type Refusal = String;

/// What must change in the text for the marked scalar to read `new`.
///
/// `new` is printable ASCII without blanks. Quotes stay. A plain scalar gets double quotes where the new value would
/// otherwise be read as something else than text. A block scalar keeps its header, but for the line break at its end.
pub(super) fn replace(text: &str, event: &Event<'_>, marked: &Marked, new: &str) -> Result<Splices, Refusal> {
    let Event::Scalar(_, style, _, tag) = event else { return Ok(Vec::new()) };
    let explicit = tag.as_deref().filter(|tag| tag.handle() == "tag:yaml.org,2002:");
    if let Some(tag) = explicit.filter(|tag| tag.suffix() != "str") {
        return Err(format!(
            "the value has the explicit type `!!{}`, but `{new}` is text: remove the type",
            tag.suffix()
        ));
    }
    let written = match style {
        ScalarStyle::SingleQuoted => format!("'{}'", new.replace('\'', "''")),
        ScalarStyle::DoubleQuoted => double_quoted(new),
        ScalarStyle::Plain => plain(new, marked.flow, explicit.is_some()),
        ScalarStyle::Literal | ScalarStyle::Folded => return block(text, marked, new),
    };
    Ok(vec![(marked.span.clone(), written)])
}

fn double_quoted(new: &str) -> String {
    format!("\"{}\"", new.replace('\\', "\\\\").replace('"', "\\\""))
}

pub(super) fn plain(new: &str, flow: bool, is_text: bool) -> String {
    let looks_like_syntax = new.starts_with(|c: char| "-?:,[]{}#&*!|>'\"%@`.".contains(c))
        || new.ends_with(':')
        || (flow && new.contains([',', '[', ']', '{', '}']));
    if !looks_like_syntax && (is_text || plain_is_text(new)) { new.to_owned() } else { double_quoted(new) }
}

fn block(text: &str, marked: &Marked, new: &str) -> Result<Splices, Refusal> {
    let Some(header) = marked.header.clone() else {
        return Err("the header of the block scalar was not found; write the value on one line".to_owned());
    };
    // From the line under the header to the last line with content; the value's first line may be a blank one.
    let lines = text[header.end..].find('\n').map_or(text.len(), |end| header.end + end + 1);
    let indent_start = text[..marked.span.start].rfind(['\n', '\r']).map_or(0, |end| end + 1);
    let indent = &text[indent_start..marked.span.start];
    let body = text.get(lines..marked.span.end).unwrap_or_default();
    let mut end = None;
    let mut at = lines;
    for line in body.split_inclusive('\n') {
        let content = line.trim_end_matches(['\n', '\r']);
        if !content.trim_matches([' ', '\t']).is_empty() || content.len() > indent.len() {
            end = Some(at + content.len());
        }
        at += line.len();
    }
    let Some(end) = end else {
        // Nothing in it: there is no line to replace, so the value takes the header's place.
        return Ok(vec![(header, plain(new, false, false))]);
    };
    let indicators = &text[header.clone()];
    let header = match indicators.find(['+', '-']) {
        Some(at) => (header.start + at..header.start + at + 1, "-".to_owned()),
        None => (header.end..header.end, "-".to_owned()),
    };
    Ok(vec![header, (lines..end, format!("{indent}{new}"))])
}
