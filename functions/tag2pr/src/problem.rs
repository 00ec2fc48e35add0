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

/// Reads one YAML document into a value; unknown keys and wrong types are problems with their place.
///
/// # Errors
///
/// The first problem; an unknown key or value comes with the nearest known one.
pub fn read_yaml<T: serde::de::DeserializeOwned>(file: &str, text: &str) -> Result<T, Problem> {
    serde_saphyr::from_str(text).map_err(|error| explain(file, &error))
}

fn explain(file: &str, error: &serde_saphyr::Error) -> Problem {
    let error = error.without_snippet();
    let place = error.location().map(|at| (usize::try_from(at.line()), usize::try_from(at.column())));
    let (line, column) = match place {
        Some((Ok(line), Ok(column))) => (Some(line), Some(column)),
        _ => (None, None),
    };
    let reason = match error {
        serde_saphyr::Error::SerdeUnknownField { field, expected, .. } => {
            format!("unknown key `{field}`; {}", suggest(field, expected))
        }
        serde_saphyr::Error::SerdeUnknownVariant { variant, expected, .. } => {
            format!("unknown value `{variant}`; {}", suggest(variant, expected))
        }
        serde_saphyr::Error::SerdeMissingField { field, .. } => format!("the key `{field}` is missing"),
        other => {
            let message = other.render();
            let message = message.lines().next().unwrap_or_default();
            // The place stands in front of the message already.
            let again = format!(" at line {}, column {}", line.unwrap_or_default(), column.unwrap_or_default());
            message.trim_end_matches(&again).to_owned()
        }
    };
    Problem { file: file.to_owned(), line, column, reason }
}

/// `did you mean …?`, or what there is to choose from.
pub fn suggest(word: &str, known: &[&str]) -> String {
    match nearest(word, known) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!("known here: {}", known.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")),
    }
}

/// The known word that a slip of the keyboard could have turned into this one.
pub(crate) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let word = word.to_lowercase();
    let distance = |candidate: &&str| strsim::damerau_levenshtein(&word, &candidate.to_lowercase());
    let best = known.iter().copied().min_by_key(distance)?;
    (distance(&best) <= (word.chars().count() / 3).max(1)).then_some(best)
}

fn colon(number: Option<usize>) -> String {
    number.map(|number| format!(":{number}")).unwrap_or_default()
}
