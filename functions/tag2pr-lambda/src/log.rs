//! One JSON object on a line of standard output: what CloudWatch reads fields from.

use std::fmt::Display;
use std::io::Write as _;

use serde_json::{Value, json};

/// Something that is as it should be.
pub fn info(message: &str, fields: Value) {
    write("INFO", message, fields);
}

/// Something that a person should look at if it stays.
pub fn warn(message: &str, fields: Value) {
    write("WARN", message, fields);
}

/// Something that a person must look at.
pub fn error(message: &str, fields: Value) {
    write("ERROR", message, fields);
}

/// Connections to go on with, and in the log why they could not be made anew.
pub fn renewed<T, E: Display>((connections, failed): (T, Option<E>)) -> T {
    if let Some(error) = failed {
        warn(&format!("secrets are not read again, the old ones are used: {error}"), json!({}));
    }
    connections
}

fn write(level: &str, message: &str, fields: Value) {
    // A log that cannot be written must not fail the invocation.
    let _ = writeln!(std::io::stdout().lock(), "{}", line(level, message, fields));
}

fn line(level: &str, message: &str, fields: Value) -> Value {
    let mut line = json!({ "level": level, "message": message });
    if let (Value::Object(line), Value::Object(fields)) = (&mut line, fields) {
        line.extend(fields);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_object_whatever_is_said() {
        let said = "two\nlines, \"quotes\" and \u{1b}[31mcolour";
        let text = line("INFO", said, json!({ "repository": "github.com/acme/fleet@main", "status": 200 })).to_string();
        assert!(!text.chars().any(char::is_control), "{text}");
        insta::assert_snapshot!(text, @r#"{"level":"INFO","message":"two\nlines, \"quotes\" and \u001b[31mcolour","repository":"github.com/acme/fleet@main","status":200}"#);
    }

    #[test]
    fn what_is_no_object_adds_nothing() {
        insta::assert_snapshot!(line("WARN", "careful", json!(["x"])).to_string(), @r#"{"level":"WARN","message":"careful"}"#);
    }
}
