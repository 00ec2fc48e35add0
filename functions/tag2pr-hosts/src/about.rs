//! What a request was about, to say more than the forge does when it refuses.

use reqwest::StatusCode;
use tag2pr::seams::Draft;

use crate::rest::{Refusal, quote};

/// What a request was about.
pub(crate) enum About<'a> {
    Repository,
    Draft(&'a Draft),
    Number(u64),
    Commit,
}

impl About<'_> {
    /// A refusal in words: what the forge said, what that means here, what to do. `repository` is its name there, `right`
    /// what a token must be allowed to do.
    pub(crate) fn refused(&self, status: StatusCode, said: &str, repository: &str, right: &str) -> Refusal {
        let said = quote(said);
        let said = if said.is_empty() { status.to_string() } else { said };
        let lower = said.to_lowercase();
        Refusal::Refused(match (status, self) {
            (StatusCode::CONFLICT, Self::Draft(_)) if lower.contains("already exists") => return exists(&said),
            (StatusCode::UNAUTHORIZED, _) => {
                format!("{said}; the token is wrong, expired or revoked: give a new one in `credentials:`")
            }
            (StatusCode::FORBIDDEN, _) => {
                format!("{said}; give the token the right to write pull requests in {repository} ({right})")
            }
            (_, Self::Draft(Draft { branch, base, .. }))
                if lower.contains("no changes") || lower.contains("up-to-date") =>
            {
                format!("{said}; `{branch}` has nothing that `{base}` does not have")
            }
            (StatusCode::NOT_FOUND, Self::Number(number)) => format!(
                "{said}; there is no pull request #{number} in {repository}, or the token may not write it ({right})"
            ),
            (_, Self::Draft(Draft { branch, base, .. })) => format!(
                "{said}; check that the branch `{branch}` was pushed, that the base branch `{base}` is there, and that the \
                 token may see {repository}"
            ),
            (StatusCode::NOT_FOUND, _) => format!(
                "{said}; there is no repository {repository}, or the token may not see it: check `url:`, and give the \
                 token access to it"
            ),
            _ => format!("{said} ({status})"),
        })
    }
}

/// The refusal of a forge where somebody else has just opened a pull request from the same branch.
pub(crate) fn exists(said: &str) -> Refusal {
    Refusal::Moved(format!("{}; a pull request already exists: look for it before opening another", quote(said)))
}
