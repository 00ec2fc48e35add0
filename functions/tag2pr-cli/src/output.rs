//! What people and programs see: results on stdout, everything else on stderr, colour only on a terminal.

use std::fmt::Display;
use std::process::ExitCode;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use textwrap::core::display_width;
use textwrap::{Options, WordSeparator, WordSplitter};

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

/// Like the text around it.
pub const PLAIN: Style = Style::new();
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
/// For names and values in running text.
pub const CODE: Style = AnsiColor::Cyan.on_default();

/// A text in a style.
pub fn styled(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// One line of text from outside: control characters, which could rule the terminal, are written out.
pub fn visible(text: impl Display) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.to_string().chars().map(escaped).collect()
}

/// How many columns there are: the terminal's, or 100 where there is none.
pub fn width() -> usize {
    let columns = terminal_size::terminal_size_of(std::io::stdout()).map(|(columns, _)| usize::from(columns.0));
    columns.filter(|columns| *columns > 0).unwrap_or(100).max(40)
}

/// Whether a person looks at stdout, not a file or another program.
pub fn is_terminal() -> bool {
    std::io::IsTerminal::is_terminal(&std::io::stdout())
}

/// A text in lines of at most so many columns, broken at blanks where there are any.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let options = Options::new(columns)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(textwrap::WrapAlgorithm::FirstFit);
    textwrap::wrap(text, options).into_iter().map(std::borrow::Cow::into_owned).collect()
}

/// Lines on stdout: the prefix, and beside it the text, however many lines that takes.
pub fn beside(prefix: &str, style: Style, text: &str) {
    let indent = display_width(prefix);
    for (number, piece) in wrap(&visible(text), width().saturating_sub(indent).max(30)).iter().enumerate() {
        let margin = if number == 0 { prefix.to_owned() } else { " ".repeat(indent) };
        line(format!("{margin}{}", styled(style, piece)));
    }
}

/// One line on stdout.
pub fn line(text: impl Display) {
    anstream::println!("{text}");
}

/// A text as it is, for a file or another program: a patch has line ends of its own.
pub fn raw(text: &str) {
    anstream::print!("{text}");
}

/// One line on stderr: progress and notes.
pub fn note(text: impl Display) {
    anstream::eprintln!("{text}");
}

/// Says on stderr what is being done if it takes longer than a second.
pub async fn patiently<T>(doing: impl Display, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    match tokio::time::timeout(Duration::from_secs(1), &mut work).await {
        Ok(done) => done,
        Err(_) => {
            note(styled(DIM, format!("{doing} …")));
            work.await
        }
    }
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
