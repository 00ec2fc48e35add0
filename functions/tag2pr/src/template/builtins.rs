//! The functions of the language itself: <https://pkg.go.dev/text/template#hdr-Functions>.

use std::cmp::Ordering;

use super::format::{print, printf, println};
use super::value::Value;

const NAMES: [&str; 18] = [
    "and", "eq", "ge", "gt", "html", "index", "js", "le", "len", "lt", "ne", "not", "or", "print", "printf", "println",
    "slice", "urlquery",
];

pub(super) fn is_known(name: &str) -> bool {
    NAMES.contains(&name)
}

/// `None` if it is none of these.
pub(super) fn call(name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
    Some(match name {
        "not" => one(arguments).map(|value| Value::Bool(!value.is_true())),
        "eq" => match arguments {
            [first, rest @ ..] if !rest.is_empty() => {
                let same: Result<Vec<bool>, String> = rest.iter().map(|other| equal(first, other)).collect();
                same.map(|same| Value::Bool(same.contains(&true)))
            }
            _ => Err("it compares two values or more".to_owned()),
        },
        "ne" => two(arguments).and_then(|(a, b)| equal(a, b)).map(|same| Value::Bool(!same)),
        "lt" => compared(arguments, |order| order.is_lt()),
        "le" => compared(arguments, |order| order.is_le()),
        "gt" => compared(arguments, |order| order.is_gt()),
        "ge" => compared(arguments, |order| order.is_ge()),
        "len" => one(arguments).and_then(|value| match value {
            Value::Text(text) => Ok(Value::Int(text.len() as i64)),
            Value::List(list) => Ok(Value::Int(list.len() as i64)),
            Value::Map(map) => Ok(Value::Int(map.len() as i64)),
            other => Err(format!("a {} has no length", other.kind())),
        }),
        "index" => match arguments {
            [first, keys @ ..] => keys.iter().try_fold(first.clone(), |value, key| index(&value, key)),
            [] => Err("it wants a list or a map".to_owned()),
        },
        "slice" => match arguments {
            [of, bounds @ ..] => slice(of, bounds),
            [] => Err("it wants a text or a list".to_owned()),
        },
        "print" => print(arguments).map(Value::text),
        "println" => println(arguments).map(Value::text),
        "printf" => match arguments {
            [Value::Text(format), values @ ..] => printf(format, values).map(Value::text),
            _ => Err("it wants a format first".to_owned()),
        },
        "html" => print(arguments).map(|text| Value::text(html(&text))),
        "js" => print(arguments).map(|text| Value::text(js(&text))),
        "urlquery" => print(arguments).map(|text| Value::text(urlquery(&text))),
        _ => return None,
    })
}

pub(super) fn one(arguments: &[Value]) -> Result<&Value, String> {
    match arguments {
        [one] => Ok(one),
        _ => Err(format!("it wants 1 argument and got {}", arguments.len())),
    }
}

pub(super) fn two(arguments: &[Value]) -> Result<(&Value, &Value), String> {
    match arguments {
        [first, second] => Ok((first, second)),
        _ => Err(format!("it wants 2 arguments and got {}", arguments.len())),
    }
}

fn equal(a: &Value, b: &Value) -> Result<bool, String> {
    match (a, b) {
        (Value::Nil | Value::Missing, Value::Nil | Value::Missing) => Ok(true),
        (Value::Nil | Value::Missing, _) | (_, Value::Nil | Value::Missing) => Ok(false),
        (Value::List(_) | Value::Map(_), _) | (_, Value::List(_) | Value::Map(_)) => {
            Err("lists and maps cannot be compared".to_owned())
        }
        (a, b) if std::mem::discriminant(a) == std::mem::discriminant(b) => Ok(a == b),
        (a, b) => Err(format!("a {} cannot be compared with a {}", a.kind(), b.kind())),
    }
}

fn compared(arguments: &[Value], holds: impl Fn(Ordering) -> bool) -> Result<Value, String> {
    let (a, b) = two(arguments)?;
    let order = match (a, b) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
        (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
        (a, b) => return Err(format!("a {} has no order with a {}", a.kind(), b.kind())),
    };
    Ok(Value::Bool(order.is_some_and(holds)))
}

/// What a list or map holds there. A map of texts gives an empty text for what it does not have.
pub(super) fn index(value: &Value, key: &Value) -> Result<Value, String> {
    match (value, key) {
        (Value::List(list), Value::Int(at)) => {
            let there = usize::try_from(*at).ok().and_then(|at| list.get(at)).cloned();
            there.ok_or_else(|| format!("there is no item {at} in a list of {}", list.len()))
        }
        (Value::Text(text), Value::Int(at)) => {
            let there = usize::try_from(*at).ok().and_then(|at| text.as_bytes().get(at));
            let there = there.map(|byte| Value::Int(i64::from(*byte)));
            there.ok_or_else(|| format!("there is no byte {at} in a text of {}", text.len()))
        }
        (Value::Map(map), key) => {
            let of_texts = map.is_empty() || map.iter().all(|(_, value)| matches!(value, Value::Text(_)));
            let there = map.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone());
            Ok(there.unwrap_or_else(|| if of_texts { Value::text("") } else { Value::Nil }))
        }
        (value, key) => Err(format!("a {} has nothing at a {}", value.kind(), key.kind())),
    }
}

fn slice(of: &Value, bounds: &[Value]) -> Result<Value, String> {
    let length = match of {
        Value::Text(text) => text.len(),
        Value::List(list) => list.len(),
        other => return Err(format!("a {} has no parts", other.kind())),
    };
    let bound = |at: usize, otherwise: usize| match bounds.get(at) {
        None => Ok(otherwise),
        Some(Value::Int(bound)) => usize::try_from(*bound)
            .ok()
            .filter(|bound| *bound <= length)
            .ok_or_else(|| format!("{bound} is out of range")),
        Some(other) => Err(format!("a {} is no position", other.kind())),
    };
    let (from, to) = (bound(0, 0)?, bound(1, length)?);
    if from > to {
        return Err(format!("{from} is behind {to}"));
    }
    match of {
        Value::Text(text) => {
            text.get(from..to).map(Value::text).ok_or_else(|| format!("{from} to {to} cuts a character"))
        }
        Value::List(list) => Ok(Value::list(list[from..to].iter().cloned())),
        _ => Ok(Value::Nil),
    }
}

fn html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => escaped.push_str("&#34;"),
            '\'' => escaped.push_str("&#39;"),
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\0' => escaped.push('\u{FFFD}'),
            c => escaped.push(c),
        }
    }
    escaped
}

fn js(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '\'' | '"' => escaped.extend(['\\', c]),
            '<' | '>' | '&' | '=' => escaped.push_str(&format!("\\u{:04X}", u32::from(c))),
            c if c.is_control() => escaped.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => escaped.push(c),
        }
    }
    escaped
}

fn urlquery(text: &str) -> String {
    const KEPT: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b' ');
    percent_encoding::utf8_percent_encode(text, KEPT).to_string().replace(' ', "+")
}
