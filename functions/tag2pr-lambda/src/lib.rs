//! AWS Lambda's events and answers in this product's words: a function URL is HTTP, a queue's batch is pokes, an error
//! says whether it will pass, a log line is one JSON object.

pub mod function_url;
pub mod invocation;
pub mod log;
pub mod queue;

use std::fmt;

use lambda_runtime::Diagnostic;
use serde_json::json;

/// Why an invocation failed, in the words that alarms and the retry policy look at.
#[derive(Debug)]
pub struct Failed {
    kind: &'static str,
    message: String,
}

impl Failed {
    /// What will fail the next time as well.
    pub fn permanent(message: String) -> Self {
        Self { kind: "Permanent", message }
    }
}

impl From<tag2pr::flow::Error> for Failed {
    fn from(error: tag2pr::flow::Error) -> Self {
        let kind = if error.is_transient() { "Transient" } else { "Permanent" };
        Self { kind, message: error.to_string() }
    }
}

impl From<Failed> for Diagnostic {
    fn from(failed: Failed) -> Self {
        Self { error_type: failed.kind.to_owned(), error_message: failed.message }
    }
}

/// Ends a process that cannot start, and says why in the log.
pub fn cannot_start(reason: &dyn fmt::Display) -> ! {
    log::error(&format!("cannot start: {reason}"), json!({}));
    std::process::exit(1);
}

#[cfg(test)]
mod tests {
    use tag2pr::flow::Error;
    use tag2pr::seams::{GitError, StoreError};

    use super::*;

    fn diagnostic(error: Error) -> (String, String) {
        let Diagnostic { error_type, error_message } = Failed::from(error).into();
        (error_type, error_message)
    }

    #[test]
    fn an_error_says_whether_it_will_pass() {
        let busy = diagnostic(StoreError::Unavailable("PUT s3://state/x: 503 SlowDown".to_owned()).into());
        assert_eq!(busy.0, "Transient");
        insta::assert_snapshot!(busy.1, @"the store is not available: PUT s3://state/x: 503 SlowDown");
        let missing = GitError::MissingBranch { branch: "main".to_owned(), url: "https://git.lan/fleet".to_owned() };
        let missing = diagnostic(missing.into());
        assert_eq!(missing.0, "Permanent");
        insta::assert_snapshot!(missing.1, @"branch `main` does not exist in https://git.lan/fleet");
    }
}
