//! By whom a pull request was merged or closed, as far as its forge says.

use super::Outside;
use crate::proposal::markdown;
use crate::seams::HostError;

/// The longest name that is remembered, in characters.
const LONGEST: usize = 100;

/// Asks the forge, and nothing depends on the answer: without one, nobody is named. Only one that asks to be left alone
/// is not asked on, and gives the name later.
pub(super) async fn ended(outside: Outside<'_>, number: u64) -> Result<Option<String>, HostError> {
    match outside.host.ended_by(number).await {
        Ok(name) => Ok(name.and_then(|name| named(&name))),
        Err(error @ HostError::Unavailable { wait: Some(_), .. }) => Err(error),
        Err(_) => Ok(None),
    }
}

/// A name from outside as it is remembered: one line, and not a long one. None if there is nothing to see of it.
fn named(name: &str) -> Option<String> {
    let line = markdown::line(name, LONGEST);
    Some(line.trim().to_owned()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_line_and_not_a_long_one() {
        assert_eq!(named("alice").as_deref(), Some("alice"));
        assert_eq!(named(" Alice\r\nAdams\u{1b}[31m\u{202E} ").as_deref(), Some("Alice  Adams [31m"));
        assert_eq!(named("漢字 & ünï").as_deref(), Some("漢字 & ünï"));
        assert_eq!(named(" \u{200B}\n"), None);
        assert_eq!(named(""), None);
        assert_eq!(named(&"a".repeat(1_000)), Some(format!("{}…", "a".repeat(LONGEST))));
    }
}
