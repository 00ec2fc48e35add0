//! YAML as the parser sees it, event by event, comments included.
//!
//! The parser is generic, so it is compiled where it is first used, and every marked file that changes is parsed twice.
//! Here it is compiled for speed, and the core, which has much more code, for size.

pub use granit_parser::{ErrorKind, Event, ScalarStyle, ScanError, Span, StructureStyle};

use granit_parser::{Options, Parser, StrInput};

/// So many bytes of a manifest make one event, about: events are large, and to move them while their list grows costs more
/// than to read some of them.
const BYTES_PER_EVENT: usize = 8;

/// Everything in a text, in the order in which the parser sees it; it ends with the first error;
/// [`Self::go_on`] takes up the next document.
pub struct Events<'t>(Parser<'t, StrInput<'t>>);

impl<'t> Events<'t> {
    /// Of this text.
    pub fn new(text: &'t str) -> Self {
        // A long licence or table of contents above the first key is normal; memory stays linear in the file's size.
        let options: Options =
            granit_parser::options! { emit_anchor_events: true, max_buffered_comment_events: 1_000_000 };
        Self(Parser::new_from_str_with_options(text, options))
    }

    /// Goes on after an error with the document that follows it; whether there is one.
    pub fn go_on(&mut self) -> bool {
        self.0.proceed_next_document().unwrap_or(false)
    }
}

impl<'t> Iterator for Events<'t> {
    type Item = Result<(Event<'t>, Span), ScanError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

/// All of them at once.
///
/// # Errors
///
/// Where the text is no YAML.
pub fn events(text: &str) -> Result<Vec<(Event<'_>, Span)>, ScanError> {
    let mut events = Vec::with_capacity(text.len() / BYTES_PER_EVENT);
    for event in Events::new(text) {
        events.push(event?);
    }
    Ok(events)
}
