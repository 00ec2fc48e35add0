//! AWS Lambda's events and answers in this product's words: a function URL is HTTP, a queue's batch is pokes, an error
//! says whether it will pass, a log line is one JSON object.

pub mod function_url;
pub mod log;
pub mod queue;

use lambda_runtime::Diagnostic;

/// Why an invocation failed, in the words that alarms and the retry policy look at.
#[derive(Debug)]
pub struct Failed {
    transient: bool,
    message: String,
}

impl From<tag2pr::flow::Error> for Failed {
    fn from(error: tag2pr::flow::Error) -> Self {
        Self { transient: error.is_transient(), message: error.to_string() }
    }
}

impl From<Failed> for Diagnostic {
    fn from(failed: Failed) -> Self {
        let kind = if failed.transient { "Transient" } else { "Permanent" };
        Self { error_type: kind.to_owned(), error_message: failed.message }
    }
}
