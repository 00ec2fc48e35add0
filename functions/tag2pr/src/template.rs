//! Go's [text/template](https://pkg.go.dev/text/template), as far as commit messages need it: the language whole, its
//! functions, and the text functions of [sprig](https://masterminds.github.io/sprig/) that Flux allows.
//!
//! Pure and bounded: what a template may write, how long it may run and how deep it may nest is limited, because it
//! comes from a repository and runs where everybody's proposals are made.

mod builtins;
mod format;
mod lex;
mod parse;
mod run;
mod sprig;
mod value;

use std::collections::BTreeMap;
use std::fmt;

use parse::Node;
pub use value::{Object, Value};

/// The longest text that a template may write, and the longest that it may make on the way, in bytes.
pub const LONGEST: usize = 64 * 1024;

/// The longest template, in bytes.
const LONGEST_SOURCE: usize = 64 * 1024;

/// So many steps may be made: an action, a call, an item of a list, sixty-four bytes of text.
const STEPS: usize = 200_000;

/// How deep actions, parentheses and calls of other templates may nest.
const DEEPEST: usize = 50;

/// What is wrong with a template, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Counted from 1, in the template's own text.
    pub line: usize,
    /// In words.
    pub reason: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

/// A template that was read.
#[derive(Debug)]
pub struct Template {
    main: Vec<Node>,
    others: BTreeMap<String, Vec<Node>>,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    ///
    /// The first mistake, with its line.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > LONGEST_SOURCE {
            return Err(Error { line: 1, reason: format!("it is longer than {LONGEST_SOURCE} bytes") });
        }
        let (main, others) = parse::parse(text)?;
        Ok(Self { main, others })
    }

    /// Writes the text for this value, which is the dot.
    ///
    /// # Errors
    ///
    /// A field or value that is not there, a function that refuses what it gets, or a limit that was reached.
    pub fn render(&self, dot: &Value) -> Result<String, Error> {
        run::run(&self.main, &self.others, dot)
    }
}

#[cfg(test)]
mod tests;
