//! YAML as the rest of this crate sees it: what it says of errors, bytes and plain values.

mod tree;

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;
use tag2pr_yaml::{ErrorKind, Event, Events, ScanError, Span};

use crate::problem::{Place, Problem};

pub(crate) use tree::{Node, NodeId, Tree, trees};

/// Why a text is no YAML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Syntax {
    /// From 1.
    pub(crate) line: usize,
    /// In characters, from 1.
    pub(crate) column: usize,
    /// What the parser says.
    pub(crate) reason: String,
}

impl Syntax {
    pub(crate) fn problem(self, file: &str) -> Problem {
        Problem::at(Place { file: file.to_owned(), line: self.line, column: self.column }, self.reason)
    }
}

impl From<ScanError> for Syntax {
    fn from(error: ScanError) -> Self {
        Self {
            line: error.marker().line(),
            column: error.marker().col() + 1,
            reason: match error.kind() {
                ErrorKind::RecursionLimitExceeded => "this YAML is nested too deep, more than 255 levels".to_owned(),
                _ => format!("this is no valid YAML: {}", error.info()),
            },
        }
    }
}

/// The bytes as text.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, Syntax> {
    std::str::from_utf8(bytes).map_err(|error| {
        let valid = &bytes[..error.valid_up_to()];
        let line_start = valid.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let line = valid[..line_start].iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = String::from_utf8_lossy(&valid[line_start..]).chars().count() + 1;
        Syntax { line, column, reason: format!("byte 0x{:02x} is no UTF-8 text", bytes[error.valid_up_to()]) }
    })
}

/// Everything the parser sees in the text, comments included, in the order in which it sees it.
pub(crate) fn events(text: &str) -> Result<Vec<(Event<'_>, Span)>, Syntax> {
    Ok(tag2pr_yaml::events(text)?)
}

/// The same, one after the other.
pub(crate) fn each_event(text: &str) -> impl Iterator<Item = Result<(Event<'_>, Span), Syntax>> {
    Events::new(text).map(|event| event.map_err(Syntax::from))
}

/// The bytes that an event stands for; empty for what the text only implies.
pub(crate) fn range(span: &Span) -> Range<usize> {
    span.byte_range().unwrap_or(0..0)
}

/// Whether a plain scalar is text for every parser, be it of [YAML 1.1](https://yaml.org/type/) or of the
/// [core schema of 1.2](https://yaml.org/spec/1.2.2/#103-core-schema): not a number, a date, a truth value or null.
pub(crate) fn plain_is_text(value: &str) -> bool {
    static OTHER: LazyLock<Option<Regex>> = LazyLock::new(|| {
        let kinds = [
            r"",
            r"~|null|Null|NULL",
            r"y|Y|yes|Yes|YES|n|N|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF",
            r"<<|=",
            r"[-+]?0b[0-1_]+|[-+]?0o?[0-7_]+|[-+]?[0-9][0-9_]*|[-+]?0x[0-9a-fA-F_]+",
            r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?",
            r"[-+]?(\.[0-9_]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?",
            r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
            r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?",
        ];
        Regex::new(&format!("^(?:{})$", kinds.join("|"))).ok()
    });
    OTHER.as_ref().is_some_and(|other| !other.is_match(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_some_parser_reads_as_a_number_a_date_or_a_truth_value_is_no_text() {
        for value in [
            "",
            "~",
            "null",
            "yes",
            "Off",
            "n",
            "TRUE",
            "1",
            "-7",
            "1_000",
            "0777",
            "0o17",
            "0x1f",
            "0b11",
            "1.10",
            "1.",
            ".5",
            "1e3",
            "123e4567",
            "20240102030405",
            "12:30:45",
            "190:20:30.15",
            ".inf",
            "-.INF",
            ".NaN",
            "2024-01-02",
            "2024-01-02T03:04:05Z",
            "<<",
            "=",
        ] {
            assert!(!plain_is_text(value), "{value:?} reads as something else somewhere");
        }
        for value in ["1.2.3", "abc1234", "v1", "1.10-rc.1", "nope", "truely", "main-1972e38-1738860000", "a:1", "1e3x"]
        {
            assert!(plain_is_text(value), "{value:?} is text everywhere");
        }
    }

    #[test]
    fn a_byte_that_is_no_text_has_a_place() {
        let error = text("a: é\nb: é\u{e9}\n".as_bytes()).map(str::len);
        assert_eq!(error, Ok(14));
        assert_eq!(
            text(b"a: x\nb: \xc3\xa9\xff\n"),
            Err(Syntax { line: 2, column: 5, reason: "byte 0xff is no UTF-8 text".to_owned() })
        );
    }
}
