//! One JSON object on a line of standard output: what CloudWatch reads fields from.

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

fn write(level: &str, message: &str, fields: Value) {
    let mut line = json!({ "level": level, "message": message });
    if let (Value::Object(line), Value::Object(fields)) = (&mut line, fields) {
        line.extend(fields);
    }
    // A log that cannot be written must not fail the invocation.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
