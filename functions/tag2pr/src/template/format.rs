//! How Go's [fmt](https://pkg.go.dev/fmt) writes values.

use std::fmt::Write as _;

use super::value::Value;
use super::{DEEPEST, LONGEST};

/// A text that cannot get too long.
#[derive(Default)]
pub(super) struct Bounded(String);

impl Bounded {
    pub(super) fn push(&mut self, text: &str) -> Result<(), String> {
        if self.0.len() + text.len() > LONGEST {
            return Err(format!("the text gets longer than {LONGEST} bytes"));
        }
        self.0.push_str(text);
        Ok(())
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }

    /// As `%v` does.
    pub(super) fn value(&mut self, value: &Value) -> Result<(), String> {
        self.nested(value, 0)
    }

    fn nested(&mut self, value: &Value, depth: usize) -> Result<(), String> {
        if depth > DEEPEST {
            return Err(format!("a value nests deeper than {DEEPEST}"));
        }
        match value {
            Value::Nil => self.push("<nil>"),
            Value::Missing => self.push("<no value>"),
            Value::Bool(value) => self.push(if *value { "true" } else { "false" }),
            Value::Int(number) => self.push(&number.to_string()),
            Value::Float(number) => self.push(&float(*number)),
            Value::Text(text) => self.push(text),
            Value::List(list) => {
                self.push("[")?;
                for (index, item) in list.iter().enumerate() {
                    self.push(if index > 0 { " " } else { "" })?;
                    self.nested(item, depth + 1)?;
                }
                self.push("]")
            }
            Value::Map(map) => {
                self.push("map[")?;
                for (index, (key, item)) in map.iter().enumerate() {
                    self.push(if index > 0 { " " } else { "" })?;
                    self.nested(key, depth + 1)?;
                    self.push(":")?;
                    self.nested(item, depth + 1)?;
                }
                self.push("]")
            }
            Value::Object(object) => self.push(&object.shown),
        }
    }
}

/// A value as it stands in the text.
pub(super) fn shown(value: &Value) -> Result<String, String> {
    let mut text = Bounded::default();
    text.value(value)?;
    Ok(text.into_string())
}

/// The shortest digits that mean this number, as `%v` writes them.
fn float(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() };
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    match exponent.parse::<i32>().unwrap_or(0) {
        exponent if (-4..21).contains(&exponent) => number.to_string(),
        exponent => format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs()),
    }
}

/// As `fmt.Sprint`: a space between two values of which neither is a text.
pub(super) fn print(values: &[Value]) -> Result<String, String> {
    let mut text = Bounded::default();
    for (index, value) in values.iter().enumerate() {
        let is_text = |value: &Value| matches!(value, Value::Text(_));
        if index > 0 && !is_text(value) && !is_text(&values[index - 1]) {
            text.push(" ")?;
        }
        text.value(value)?;
    }
    Ok(text.into_string())
}

/// As `fmt.Sprintln`.
pub(super) fn println(values: &[Value]) -> Result<String, String> {
    let mut text = Bounded::default();
    for (index, value) in values.iter().enumerate() {
        text.push(if index > 0 { " " } else { "" })?;
        text.value(value)?;
    }
    text.push("\n")?;
    Ok(text.into_string())
}

/// As `fmt.Sprintf`.
pub(super) fn printf(format: &str, values: &[Value]) -> Result<String, String> {
    let mut text = Bounded::default();
    let mut values = values.iter();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('%') {
        text.push(before)?;
        let flags = after.len() - after.trim_start_matches(|c: char| "+-# 0".contains(c)).len();
        let (flags, after) = after.split_at(flags);
        let (width, after) = digits(after);
        let (precision, after) = match after.strip_prefix('.') {
            Some(after) => {
                let (precision, after) = digits(after);
                (Some(precision.unwrap_or(0)), after)
            }
            None => (None, after),
        };
        let mut chars = after.chars();
        let Some(verb) = chars.next() else {
            text.push("%!(NOVERB)")?;
            return Ok(text.into_string());
        };
        rest = chars.as_str();
        if verb == '%' {
            text.push("%")?;
            continue;
        }
        let Some(value) = values.next() else {
            text.push(&format!("%!{verb}(MISSING)"))?;
            continue;
        };
        let one = verb_of(verb, flags, precision, value)?;
        let width = width.unwrap_or(0).min(LONGEST);
        let missing = width.saturating_sub(one.chars().count());
        let zeros = flags.contains('0') && !flags.contains('-') && !matches!(value, Value::Text(_));
        let padding = if zeros { "0" } else { " " }.repeat(missing);
        if flags.contains('-') {
            text.push(&one)?;
            text.push(&padding)?;
        } else if let Some(digits) = one.strip_prefix('-').filter(|_| zeros) {
            text.push("-")?;
            text.push(&padding)?;
            text.push(digits)?;
        } else {
            text.push(&padding)?;
            text.push(&one)?;
        }
    }
    text.push(rest)?;
    let mut extra = values.peekable();
    if extra.peek().is_some() {
        text.push("%!(EXTRA ")?;
        for (index, value) in extra.enumerate() {
            text.push(if index > 0 { ", " } else { "" })?;
            text.push(value.kind())?;
            text.push("=")?;
            text.value(value)?;
        }
        text.push(")")?;
    }
    Ok(text.into_string())
}

fn digits(text: &str) -> (Option<usize>, &str) {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    (text[..text.len() - rest.len()].parse().ok(), rest)
}

fn verb_of(verb: char, flags: &str, precision: Option<usize>, value: &Value) -> Result<String, String> {
    let precision = precision.map(|digits| digits.min(100));
    let mut one = match (verb, value) {
        ('v', value) => shown(value)?,
        ('d', Value::Int(number)) => number.to_string(),
        ('x' | 'X', Value::Text(text)) => text.bytes().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        }),
        ('x' | 'X', Value::Int(number)) => signed(*number, |number| format!("{number:x}")),
        ('o', Value::Int(number)) => signed(*number, |number| format!("{number:o}")),
        ('b', Value::Int(number)) => signed(*number, |number| format!("{number:b}")),
        ('c', Value::Int(number)) => {
            u32::try_from(*number).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER).to_string()
        }
        ('t', Value::Bool(value)) => value.to_string(),
        ('f' | 'F', Value::Float(number)) => format!("{number:.*}", precision.unwrap_or(6)),
        ('g', Value::Float(number)) => float(*number),
        ('s', value @ (Value::Text(_) | Value::Object(_))) => {
            shown(value)?.chars().take(precision.unwrap_or(usize::MAX)).collect()
        }
        ('s', Value::List(list)) if list.iter().all(|item| matches!(item, Value::Text(_))) => shown(value)?,
        ('q', Value::Text(text)) => quote(text),
        ('T', value) => value.kind().to_owned(),
        (verb, value) => format!("%!{verb}({}={})", value.kind(), shown(value)?),
    };
    if verb == 'X' {
        one.make_ascii_uppercase();
    }
    if flags.contains('+') && matches!(value, Value::Int(0..)) && "dv".contains(verb) {
        one.insert(0, '+');
    }
    Ok(one)
}

fn signed(number: i64, digits: impl Fn(u64) -> String) -> String {
    format!("{}{}", if number < 0 { "-" } else { "" }, digits(number.unsigned_abs()))
}

/// As Go quotes a string.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if c.is_control() => {
                let _ = write!(quoted, "\\x{:02x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
