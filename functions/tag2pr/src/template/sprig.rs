//! The functions of [sprig](https://masterminds.github.io/sprig/) that make text, as Flux offers them to templates.
//!
//! Those that tell the time, roll dice or read the environment are not among them, neither there nor here: the same
//! change makes the same message. Those that make keys and certificates have no place in a message.

mod lists;
mod numbers;
mod strings;

use super::run::Budget;
use super::value::Value;
use crate::problem::suggest;

type Call = fn(&[Value], &mut Budget) -> Result<Value, String>;

fn find(name: &str) -> Option<Call> {
    // The same functions under their other names: those that fail where the others do not.
    let name = match name.strip_prefix("must").and_then(|rest| rest.chars().next().map(|first| (first, rest))) {
        Some((first, rest)) => &format!("{}{}", first.to_lowercase(), &rest[first.len_utf8()..]),
        None => name,
    };
    let tables = [strings::FUNCTIONS, numbers::FUNCTIONS, lists::FUNCTIONS];
    tables.into_iter().flatten().find(|(known, _)| *known == name).map(|(_, call)| *call)
}

pub(super) fn is_known(name: &str) -> bool {
    find(name).is_some()
}

/// Why a word means nothing.
pub(super) fn unknown(name: &str) -> String {
    let tables = [strings::FUNCTIONS, numbers::FUNCTIONS, lists::FUNCTIONS];
    let names: Vec<&str> = tables.into_iter().flatten().map(|(known, _)| *known).collect();
    match suggest(name, &names) {
        nearest if nearest.starts_with("did you mean") => format!("there is no function `{name}`; {nearest}"),
        _ => format!("there is no function `{name}` for commit messages"),
    }
}

pub(super) fn call(name: &str, arguments: &[Value], budget: &mut Budget) -> Result<Value, String> {
    let call = find(name).ok_or_else(|| unknown(name))?;
    call(arguments, budget)
}

fn text(arguments: &[Value], at: usize) -> Result<&str, String> {
    match arguments.get(at) {
        Some(Value::Text(text)) => Ok(text),
        Some(other) => Err(format!("argument {} must be a string and is {}", at + 1, other.kind())),
        None => Err(format!("argument {} is missing", at + 1)),
    }
}

fn value(arguments: &[Value], at: usize) -> Result<&Value, String> {
    arguments.get(at).ok_or_else(|| format!("argument {} is missing", at + 1))
}

fn list(arguments: &[Value], at: usize) -> Result<&[Value], String> {
    match value(arguments, at)? {
        Value::List(list) => Ok(list),
        Value::Nil | Value::Missing => Ok(&[]),
        other => Err(format!("argument {} must be a list and is {}", at + 1, other.kind())),
    }
}

fn integer(arguments: &[Value], at: usize) -> Result<i64, String> {
    Ok(numbers::integer(value(arguments, at)?))
}

/// A number of characters or items: none where it is negative.
fn count(arguments: &[Value], at: usize) -> Result<usize, String> {
    Ok(usize::try_from(integer(arguments, at)?).unwrap_or(0))
}
