//! What is wrong with a file of the manifests repository, and where.

use std::fmt;

use serde::Serialize;

/// A position in a file: where a finding points.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Place {
    /// From the root of the repository.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// A file, or one thing in it, that could not be used. It never stops the others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, thiserror::Error)]
#[error("{}{}{}: {reason}", file, colon(*line), colon(*column))]
pub struct Problem {
    /// From the root of the repository.
    pub file: String,
    /// From 1, where one line is to blame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// In characters, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// What is wrong and what to do about it.
    pub reason: String,
}

impl Problem {
    /// A problem at one place.
    pub fn at(place: Place, reason: impl Into<String>) -> Self {
        Self { file: place.file, line: Some(place.line), column: Some(place.column), reason: reason.into() }
    }

    /// A problem of the whole file.
    pub fn of(file: &str, reason: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: None, column: None, reason: reason.into() }
    }
}

fn colon(number: Option<usize>) -> String {
    number.map(|number| format!(":{number}")).unwrap_or_default()
}
