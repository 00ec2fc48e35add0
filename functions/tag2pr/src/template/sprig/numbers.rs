//! Numbers and what depends on a condition: <https://masterminds.github.io/sprig/math.html>,
//! <https://masterminds.github.io/sprig/defaults.html>.

use super::{Call, integer as int, text, value};
use crate::policy::semver::{Constraint, Version};
use crate::template::Value;

/// The longest list of numbers that is counted out.
const LONGEST_COUNT: i64 = 10_000;

pub(super) const FUNCTIONS: &[(&str, Call)] = &[
    ("add", |a, _| Ok(Value::Int(a.iter().map(integer).fold(0, i64::wrapping_add)))),
    ("add1", |a, _| Ok(Value::Int(int(a, 0)?.wrapping_add(1)))),
    ("all", |a, _| Ok(Value::Bool(a.iter().all(Value::is_true)))),
    ("any", |a, _| Ok(Value::Bool(a.iter().any(Value::is_true)))),
    ("atoi", |a, _| Ok(Value::Int(text(a, 0)?.parse().unwrap_or(0)))),
    ("biggest", greatest),
    ("ceil", |a, _| Ok(Value::Float(float(value(a, 0)?).ceil()))),
    ("coalesce", |a, _| Ok(a.iter().find(|value| value.is_true()).cloned().unwrap_or(Value::Nil))),
    ("default", |a, _| {
        let given = a.get(1).filter(|given| given.is_true());
        given.map_or_else(|| value(a, 0).cloned(), |given| Ok(given.clone()))
    }),
    ("div", |a, _| match int(a, 1)? {
        0 => Err("by zero".to_owned()),
        by => Ok(Value::Int(int(a, 0)?.wrapping_div(by))),
    }),
    ("empty", |a, _| Ok(Value::Bool(!value(a, 0)?.is_true()))),
    ("float64", |a, _| Ok(Value::Float(float(value(a, 0)?)))),
    ("floor", |a, _| Ok(Value::Float(float(value(a, 0)?).floor()))),
    ("int", |a, _| Ok(Value::Int(int(a, 0)?))),
    ("int64", |a, _| Ok(Value::Int(int(a, 0)?))),
    ("kindIs", |a, _| Ok(Value::Bool(kind(value(a, 1)?) == text(a, 0)?))),
    ("kindOf", |a, _| Ok(Value::text(kind(value(a, 0)?)))),
    ("max", greatest),
    ("min", |a, _| a.iter().map(integer).min().map(Value::Int).ok_or_else(|| "of nothing".to_owned())),
    ("mod", |a, _| match int(a, 1)? {
        0 => Err("by zero".to_owned()),
        by => Ok(Value::Int(int(a, 0)?.wrapping_rem(by))),
    }),
    ("mul", |a, _| Ok(Value::Int(a.iter().map(integer).fold(1, i64::wrapping_mul)))),
    ("round", |a, _| {
        let scale = 10_f64.powi(i32::try_from(int(a, 1)?).unwrap_or(0).clamp(0, 15));
        Ok(Value::Float((float(value(a, 0)?) * scale).round() / scale))
    }),
    ("semverCompare", |a, _| {
        let range = Constraint::parse(text(a, 0)?).map_err(|error| error.to_string())?;
        let version = Version::parse_loose(text(a, 1)?).map_err(|error| error.to_string())?;
        Ok(Value::Bool(range.admits(version)))
    }),
    ("sub", |a, _| Ok(Value::Int(int(a, 0)?.wrapping_sub(int(a, 1)?)))),
    ("ternary", |a, _| Ok(if value(a, 2)?.is_true() { value(a, 0)?.clone() } else { value(a, 1)?.clone() })),
    ("typeOf", |a, _| Ok(Value::text(kind(value(a, 0)?)))),
    ("until", |a, _| counted(0, int(a, 0)?, if int(a, 0)? < 0 { -1 } else { 1 })),
    ("untilStep", |a, _| counted(int(a, 0)?, int(a, 1)?, int(a, 2)?)),
];

fn greatest(a: &[Value], _: &mut crate::template::run::Budget) -> Result<Value, String> {
    a.iter().map(integer).max().map(Value::Int).ok_or_else(|| "of nothing".to_owned())
}

fn counted(from: i64, to: i64, step: i64) -> Result<Value, String> {
    let mut numbers = Vec::new();
    let mut next = from;
    while (step > 0 && next < to) || (step < 0 && next > to) {
        if numbers.len() as i64 >= LONGEST_COUNT {
            return Err(format!("that is a list of more than {LONGEST_COUNT} numbers"));
        }
        numbers.push(Value::Int(next));
        next = next.saturating_add(step);
    }
    Ok(Value::list(numbers))
}

/// As sprig casts: what is no number is zero.
pub(super) fn integer(value: &Value) -> i64 {
    match value {
        Value::Int(number) => *number,
        Value::Float(number) => *number as i64,
        Value::Bool(value) => i64::from(*value),
        Value::Text(text) => text.parse().unwrap_or_else(|_| text.parse::<f64>().unwrap_or(0.0) as i64),
        Value::Nil | Value::Missing | Value::List(_) | Value::Map(_) | Value::Object(_) => 0,
    }
}

fn float(value: &Value) -> f64 {
    match value {
        Value::Float(number) => *number,
        Value::Text(text) => text.parse().unwrap_or(0.0),
        other => integer(other) as f64,
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Nil | Value::Missing => "invalid",
        Value::List(_) => "slice",
        Value::Object(_) => "struct",
        other => other.kind(),
    }
}
