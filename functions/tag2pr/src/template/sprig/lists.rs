//! Lists and dictionaries: <https://masterminds.github.io/sprig/lists.html>,
//! <https://masterminds.github.io/sprig/dicts.html>.

use super::super::LONGEST;
use super::super::format::shown;
use super::{Call, list, text, value};
use crate::template::Value;

pub(super) const FUNCTIONS: &[(&str, Call)] = &[
    ("append", |a, _| Ok(Value::list(list(a, 0)?.iter().chain([value(a, 1)?]).cloned()))),
    ("compact", |a, _| Ok(Value::list(list(a, 0)?.iter().filter(|item| item.is_true()).cloned()))),
    ("concat", |a, _| {
        let lists: Result<Vec<&[Value]>, String> = (0..a.len()).map(|at| list(a, at)).collect();
        Ok(Value::list(lists?.concat()))
    }),
    ("dict", |a, _| {
        let mut entries: Vec<(Value, Value)> = Vec::new();
        for pair in a.chunks(2) {
            let key = Value::text(shown(&pair[0])?);
            entries.retain(|(known, _)| *known != key);
            entries.push((key, pair.get(1).cloned().unwrap_or_else(|| Value::text(""))));
        }
        Ok(sorted(entries))
    }),
    ("first", |a, _| Ok(list(a, 0)?.first().cloned().unwrap_or(Value::Nil))),
    ("get", |a, _| Ok(value(a, 0)?.get(text(a, 1)?).cloned().unwrap_or_else(|| Value::text("")))),
    ("has", |a, budget| {
        budget.spend(list(a, 1)?.len())?;
        let needle = flat(value(a, 0)?)?;
        Ok(Value::Bool(list(a, 1)?.iter().any(|item| flat(item) == Ok(needle.clone()))))
    }),
    ("hasKey", |a, _| Ok(Value::Bool(value(a, 0)?.get(text(a, 1)?).is_some()))),
    ("initial", |a, _| Ok(Value::list(list(a, 0)?.split_last().map_or(&[][..], |(_, rest)| rest).iter().cloned()))),
    ("keys", |a, _| {
        let maps: Vec<Value> = a.iter().flat_map(entries).map(|(key, _)| key.clone()).collect();
        Ok(Value::list(maps))
    }),
    ("last", |a, _| Ok(list(a, 0)?.last().cloned().unwrap_or(Value::Nil))),
    ("list", |a, _| Ok(Value::list(a.iter().cloned()))),
    ("omit", |a, _| {
        let names: Result<Vec<&str>, String> = (1..a.len()).map(|at| text(a, at)).collect();
        let names = names?;
        let kept = entries(value(a, 0)?).iter().filter(|(key, _)| !is_one_of(key, &names));
        Ok(Value::map(kept.cloned()))
    }),
    ("pick", |a, _| {
        let names: Result<Vec<&str>, String> = (1..a.len()).map(|at| text(a, at)).collect();
        let names = names?;
        Ok(Value::map(entries(value(a, 0)?).iter().filter(|(key, _)| is_one_of(key, &names)).cloned()))
    }),
    ("pluck", |a, _| {
        let name = text(a, 0)?;
        Ok(Value::list(a[1..].iter().filter_map(|map| map.get(name)).cloned()))
    }),
    ("prepend", |a, _| Ok(Value::list([value(a, 1)?].into_iter().chain(list(a, 0)?).cloned()))),
    ("push", |a, _| Ok(Value::list(list(a, 0)?.iter().chain([value(a, 1)?]).cloned()))),
    ("rest", |a, _| Ok(Value::list(list(a, 0)?.iter().skip(1).cloned()))),
    ("reverse", |a, _| Ok(Value::list(list(a, 0)?.iter().rev().cloned()))),
    ("sortAlpha", |a, _| {
        let words: Result<Vec<String>, String> = list(a, 0)?.iter().map(shown).collect();
        let mut words = words?;
        words.sort();
        Ok(Value::list(words.into_iter().map(Value::text)))
    }),
    ("toJson", |a, _| json(value(a, 0)?, false)),
    ("toPrettyJson", |a, _| json(value(a, 0)?, true)),
    ("toRawJson", |a, _| json(value(a, 0)?, false)),
    ("tuple", |a, _| Ok(Value::list(a.iter().cloned()))),
    ("uniq", |a, budget| {
        let items = list(a, 0)?;
        budget.spend(items.len().saturating_mul(items.len()) / 16)?;
        let mut kept: Vec<(String, Value)> = Vec::new();
        for item in items {
            let text = flat(item)?;
            if !kept.iter().any(|(known, _)| *known == text) {
                kept.push((text, item.clone()));
            }
        }
        Ok(Value::list(kept.into_iter().map(|(_, item)| item)))
    }),
    ("values", |a, _| Ok(Value::list(entries(value(a, 0)?).iter().map(|(_, value)| value.clone())))),
    ("without", |a, _| {
        let unwanted: Result<Vec<String>, String> = a[1..].iter().map(flat).collect();
        let unwanted = unwanted?;
        let mut kept = Vec::new();
        for item in list(a, 0)? {
            if !unwanted.contains(&flat(item)?) {
                kept.push(item.clone());
            }
        }
        Ok(Value::list(kept))
    }),
];

fn entries(value: &Value) -> &[(Value, Value)] {
    match value {
        Value::Map(map) => map,
        _ => &[],
    }
}

fn is_one_of(key: &Value, names: &[&str]) -> bool {
    matches!(key, Value::Text(key) if names.contains(&&**key))
}

fn sorted(mut entries: Vec<(Value, Value)>) -> Value {
    entries.sort_by(|(a, _), (b, _)| match (a, b) {
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        _ => std::cmp::Ordering::Equal,
    });
    Value::map(entries)
}

/// What tells a value from others: its type and its text. Comparing lists that hold each other has no end otherwise.
fn flat(value: &Value) -> Result<String, String> {
    Ok(format!("{} {}", value.kind(), shown(value)?))
}

fn json(value: &Value, pretty: bool) -> Result<Value, String> {
    // Whatever can be shown is small enough to be written once more.
    shown(value)?;
    let value = as_json(value);
    let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
    match text {
        Ok(text) if text.len() <= LONGEST => Ok(Value::text(text)),
        Ok(_) => Err(format!("the text gets longer than {LONGEST} bytes")),
        Err(error) => Err(error.to_string()),
    }
}

fn as_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Nil | Value::Missing => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Int(number) => (*number).into(),
        Value::Float(number) => (*number).into(),
        Value::Text(text) => (**text).into(),
        Value::List(list) => list.iter().map(as_json).collect(),
        Value::Map(map) => map.iter().map(|(key, value)| (shown(key).unwrap_or_default(), as_json(value))).collect(),
        Value::Object(object) => {
            object.fields.iter().map(|(name, value)| ((*name).to_owned(), as_json(value))).collect()
        }
    }
}
