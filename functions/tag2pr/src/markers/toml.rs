//! The values of a [TOML](https://toml.io/en/v1.1.0) document.

use std::borrow::Cow;

use toml_parser::decoder::{Encoding, ScalarKind};
use toml_parser::parser::{Event, EventKind, RecursionGuard, ValidateWhitespace, parse_document};
use toml_parser::{ParseError, Source};

use super::values::{Style, Value, syntax};
use crate::yaml::Syntax;

/// Deeper is no settings file, and would take a stack that is not there.
const DEEPEST: u32 = 80;

/// All of them but strings of several lines, in the order of the text.
pub(super) fn values(text: &str) -> Result<Vec<Value>, Syntax> {
    let source = Source::new(text);
    let tokens = source.lex().into_vec();
    let mut events: Vec<Event> = Vec::new();
    let mut errors: Vec<ParseError> = Vec::new();
    {
        let mut whole = ValidateWhitespace::new(&mut events, source);
        let mut bounded = RecursionGuard::new(&mut whole, DEEPEST);
        parse_document(&tokens, &mut bounded, &mut errors);
    }
    let mut values = Vec::new();
    for event in events.iter().filter(|event| event.kind() == EventKind::Scalar) {
        let Some(raw) = source.get(event) else { continue };
        let mut said = Cow::Borrowed("");
        let kind = raw.decode_scalar(&mut said, &mut errors);
        let style = match (kind, event.encoding()) {
            (ScalarKind::String, Some(Encoding::BasicString)) => Style::Double,
            (ScalarKind::String, Some(Encoding::LiteralString)) => Style::Single,
            (ScalarKind::String, _) => continue,
            _ => Style::Bare,
        };
        let text = if style == Style::Bare { raw.as_str().to_owned() } else { said.into_owned() };
        values.push(Value { span: event.span().start()..event.span().end(), text, style });
    }
    match errors.first() {
        None => Ok(values),
        Some(error) => {
            let at = error.unexpected().or(error.context()).map_or(0, |span| span.start());
            Err(syntax(text, at, format!("this is no valid TOML: {}", error.description())))
        }
    }
}
