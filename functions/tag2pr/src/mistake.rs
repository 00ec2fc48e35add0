//! Mistakes in files that people write: what, where, why, what to do.

use std::fmt;

use serde::Serialize;

/// A place in a file, as editors count: from 1.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// As the reader would name it.
    pub file: String,
    /// From 1; 0 if only the file is known.
    pub line: usize,
    /// From 1, in characters; 0 if only the line is known.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (0, _) => write!(f, "{}", self.file),
            (line, 0) => write!(f, "{}:{line}", self.file),
            (line, column) => write!(f, "{}:{line}:{column}", self.file),
        }
    }
}

/// Something in a file that cannot be used as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}{}", help.as_ref().map(|help| format!("\n  help: {help}")).unwrap_or_default())]
pub struct Mistake {
    /// Where.
    pub place: Place,
    /// What, and why it is a mistake.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

/// Reads one YAML document into a value; unknown keys and wrong types are mistakes with their place.
///
/// # Errors
///
/// The first mistake; an unknown key or value comes with the nearest known one.
pub fn read_yaml<T: serde::de::DeserializeOwned>(file: &str, text: &str) -> Result<T, Mistake> {
    serde_saphyr::from_str(text).map_err(|error| explain(file, &error))
}

fn explain(file: &str, error: &serde_saphyr::Error) -> Mistake {
    let error = error.without_snippet();
    let (line, column) = error
        .location()
        .map_or((0, 0), |at| (usize::try_from(at.line()).unwrap_or(0), usize::try_from(at.column()).unwrap_or(0)));
    let place = Place { file: file.to_owned(), line, column };
    let (message, help) = match error {
        serde_saphyr::Error::SerdeUnknownField { field, expected, .. } => {
            (format!("unknown key `{field}`"), Some(suggest(field, expected)))
        }
        serde_saphyr::Error::SerdeUnknownVariant { variant, expected, .. } => {
            (format!("unknown value `{variant}`"), Some(suggest(variant, expected)))
        }
        serde_saphyr::Error::SerdeMissingField { field, .. } => (format!("the key `{field}` is missing"), None),
        other => {
            let message = other.render();
            let message = message.lines().next().unwrap_or_default();
            // The place stands in front of the message already.
            (message.trim_end_matches(&format!(" at line {line}, column {column}")).to_owned(), None)
        }
    };
    Mistake { place, message, help }
}

/// `did you mean …?`, or what there is to choose from.
pub fn suggest(word: &str, known: &[&str]) -> String {
    match nearest(word, known) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!("known here: {}", known.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")),
    }
}

/// The known word that a slip of the keyboard could have turned into this one.
fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let word = word.to_lowercase();
    let distance = |candidate: &&str| strsim::damerau_levenshtein(&word, &candidate.to_lowercase());
    let best = known.iter().copied().min_by_key(distance)?;
    (distance(&best) <= (word.chars().count() / 3).max(1)).then_some(best)
}
