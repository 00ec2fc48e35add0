//! One JSON object on a line of standard output: what CloudWatch reads fields from.

use std::fmt::Display;
use std::io::Write as _;

use jiff::Timestamp;
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

/// Says who could not be told what happened.
pub fn not_told(reasons: impl IntoIterator<Item = String>) {
    reasons.into_iter().for_each(|reason| warn(&reason, json!({})));
}

/// Numbers, in the [embedded metric format](https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html):
/// CloudWatch makes metrics of them, in the namespace `tag2pr`, one for each set of `dimensions`.
pub fn metrics(at: Timestamp, dimensions: &[(&str, &str)], numbers: &[(&str, &str, f64)], fields: Value) {
    write("INFO", "Numbers.", embedded(at, dimensions, numbers, fields));
}

fn embedded(at: Timestamp, dimensions: &[(&str, &str)], numbers: &[(&str, &str, f64)], mut fields: Value) -> Value {
    let names: Vec<&str> = dimensions.iter().map(|(name, _)| *name).collect();
    let metrics = numbers.iter().map(|(name, unit, _)| json!({ "Name": name, "Unit": unit }));
    fields["_aws"] = json!({
        "Timestamp": at.as_millisecond(),
        "CloudWatchMetrics": [{
            "Namespace": "tag2pr",
            "Dimensions": [names],
            "Metrics": metrics.collect::<Vec<_>>(),
        }],
    });
    dimensions.iter().for_each(|(name, value)| fields[*name] = json!(value));
    numbers.iter().for_each(|(name, _, value)| fields[*name] = json!(value));
    fields
}

/// Says why the status page could not be written. Everything else is done all the same.
pub fn published<E: Display>(result: Result<(), E>) {
    if let Err(error) = result {
        warn(&format!("the status page is not written, the next change writes it: {error}"), json!({}));
    }
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
    fn numbers_are_fields_that_cloudwatch_knows() {
        let at = Timestamp::from_second(1_770_000_000).unwrap();
        let line = embedded(at, &[("source", "harbor")], &[("Deliveries", "Count", 1.0)], json!({ "delivery": "d1" }));
        insta::assert_snapshot!(line.to_string(), @r#"{"Deliveries":1.0,"_aws":{"CloudWatchMetrics":[{"Dimensions":[["source"]],"Metrics":[{"Name":"Deliveries","Unit":"Count"}],"Namespace":"tag2pr"}],"Timestamp":1770000000000},"delivery":"d1","source":"harbor"}"#);
    }

    #[test]
    fn what_is_no_object_adds_nothing() {
        insta::assert_snapshot!(line("WARN", "careful", json!(["x"])).to_string(), @r#"{"level":"WARN","message":"careful"}"#);
    }
}
