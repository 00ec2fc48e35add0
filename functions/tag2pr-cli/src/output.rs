//! What people and programs see: results on stdout, everything else on stderr, colour only on a terminal.

use std::fmt::Display;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use serde::Serialize;

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Something that a command could not do, in words for the person at the terminal.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Failure(String);

impl Failure {
    /// A failure in these words.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// Turns any error into a [`Failure`] with what was being done.
pub trait During<T> {
    /// `while doing this: error`
    fn during(self, doing: impl Display) -> Result<T, Failure>;
}

impl<T, E: Display> During<T> for Result<T, E> {
    fn during(self, doing: impl Display) -> Result<T, Failure> {
        self.map_err(|error| Failure(format!("{doing}: {error}")))
    }
}

/// What a command ends with.
pub type CommandResult = Result<ExitCode, Failure>;

/// Bold.
pub const BOLD: Style = Style::new().bold();
/// For what is there for completeness.
pub const DIM: Style = Style::new().dimmed();
/// For what happened as wished.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// For what needs a person.
pub const BAD: Style = AnsiColor::Red.on_default();
/// For headings.
pub const TITLE: Style = AnsiColor::Cyan.on_default().bold();

/// A text in a style.
pub fn styled(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// One line on stdout.
pub fn line(text: impl Display) {
    anstream::println!("{text}");
}

/// One line on stderr: progress and notes.
pub fn note(text: impl Display) {
    anstream::eprintln!("{text}");
}

/// A value as JSON on stdout.
pub fn json(value: &impl Serialize) {
    match serde_json::to_string_pretty(value) {
        Ok(text) => line(text),
        Err(error) => note(format!("the result cannot be written as JSON: {error}")),
    }
}

/// Says what went wrong, and ends with 1.
pub fn failure(message: &str) -> ExitCode {
    note(format!("{} {message}", styled(BAD.bold(), "error:")));
    ExitCode::FAILURE
}

/// `3 pushes`, `1 push`
pub fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
