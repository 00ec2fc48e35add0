//! Which tag is the newest, as the tags themselves say, and the policies that would select it.

use std::sync::LazyLock;

use regex::Regex;

use super::mend::{Change, Mended, first};
use super::shape::{Column, Kind, Shape, shapes};
use super::subject::{Subject, Valued};
use super::tree::value;
use crate::flux::Order;
use crate::policy::Direction;

/// The newest of some tags: of those that have the most frequent form in which something grows.
pub(super) struct Newest<'t> {
    pub(super) tag: &'t str,
    pub(super) shape: Shape<'t>,
}

/// Finds the newest of some tags, if their form says which it is.
pub(super) fn of<'t>(tags: &[&'t str]) -> Option<Newest<'t>> {
    let shape = shapes(tags).into_iter().find(|shape| !shape.key().is_empty())?;
    Some(Newest { tag: tags[shape.newest()?], shape })
}

/// Finds the newest of some tags by their values, or if these do not say it, by the tags.
pub(super) fn of_values<'t>(values: &[Valued<'t>]) -> Option<Newest<'t>> {
    let tags: Vec<&str> = values.iter().map(|valued| valued.tag).collect();
    let shape = shapes(&values.iter().map(|valued| valued.value).collect::<Vec<_>>()).into_iter().next()?;
    let Some(index) = shape.newest() else { return of(&tags) };
    let form = |shape: &Shape<'_>| shape.rows.iter().any(|(row, _)| *row == index);
    Some(Newest { tag: tags[index], shape: shapes(&tags).into_iter().find(form)? })
}

/// The smallest change with which the policy selects the newest tag; of those in the range, if there is a range.
pub(super) fn mend(subject: &Subject<'_>, newest: &Newest<'_>) -> Option<Mended> {
    let ways = ways(subject, &newest.shape);
    let in_range = ways.iter().filter(|way| subject.key() == "semver" && way.order.is_none()).cloned();
    first(subject, in_range, |selection| selection.selected.is_some()).or_else(|| {
        first(subject, ways, |selection| selection.selected.is_some_and(|selected| selected.tag == newest.tag))
    })
}

/// What to do: the change, and the tag that is selected with it; something else if there is no change.
pub(super) fn advice(subject: &Subject<'_>, mended: Option<&Mended>, otherwise: &str) -> String {
    match mended.map(|mended| (recipe(subject, mended), &mended.selected)) {
        Some((recipe, Some(selected))) if subject.selection.is_some() => {
            format!("write {recipe}: then `{selected}` is selected")
        }
        Some((recipe, _)) => format!("write {recipe}"),
        None => otherwise.to_owned(),
    }
}

/// The words for what a mended policy says and the old one did not.
pub(super) fn recipe(subject: &Subject<'_>, mended: &Mended) -> String {
    let (old, new) = (subject.written, &mended.written);
    let mut words = Vec::new();
    if value(&old.pattern) != value(&new.pattern) {
        words.push(format!("pattern `{}`", value(&new.pattern)));
    }
    if value(&old.extract) != value(&new.extract) && new.extract.is_some() {
        words.push(format!("extract `{}`", value(&new.extract)));
    }
    if let Some(range) = new.semver_range.as_ref().filter(|range| value(&old.semver_range) != range.value) {
        words.push(format!("`semver` with range `{}`", range.value));
    }
    for (name, old, new) in
        [("alphabetical", &old.alphabetical, &new.alphabetical), ("numerical", &old.numerical, &new.numerical)]
    {
        let order = |order: &Option<Order>| order.as_ref().map(|order| value(&order.order).to_owned());
        match (order(old), order(new)) {
            (None, Some(order)) => words.push(format!("`{name}` with order `{order}`")),
            (Some(old), Some(new)) if old != new => words.push(format!("order `{new}`")),
            _ => {}
        }
    }
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

/// A key below `policy`, its field, and the value of that.
type Choice = (&'static str, &'static str, &'static str);

const ALPHABETICAL: Choice = ("alphabetical", "order", "asc");
const NUMERICAL: Choice = ("numerical", "order", "asc");
const ANY_RELEASE: Choice = ("semver", "range", ">=0.0.0");

/// Changes that may help, those first that keep most of what is written.
fn ways(subject: &Subject<'_>, shape: &Shape<'_>) -> Vec<Change> {
    let pattern = subject.pattern();
    let ascending =
        subject.alphabetical().or(subject.numerical()).is_none_or(|direction| direction == Direction::Ascending);
    // What is there already is not written again.
    let order = |order: Choice| Some(order).filter(|(key, ..)| *key != subject.key() || !ascending);
    let by = |choice| Change { order: order(choice), ..Change::default() };
    let mut ways = Vec::new();
    if subject.key() == "alphabetical" && shape.sorts_as_text() {
        ways.push(by(ALPHABETICAL));
    }
    ways.push(by(NUMERICAL));
    ways.push(by(ANY_RELEASE));
    let filtered = |pattern: String, extract: &str, choice| Change {
        pattern: Some(pattern),
        extract: Some(extract.to_owned()),
        order: order(choice),
        ..Change::default()
    };
    if !pattern.is_empty() {
        // Groups that are there, then groups around numbers that have none.
        let names = crate::policy::filter::group_names(pattern).unwrap_or_default();
        let named = names.iter().filter(|name| !name.is_empty());
        for extract in named.map(|name| format!("${name}")).chain((1..=names.len()).map(|group| format!("${group}"))) {
            ways.push(Change { extract: Some(extract), ..by(NUMERICAL) });
        }
        ways.extend(joined(pattern).map(|pattern| filtered(pattern, "$d$t", NUMERICAL)));
        ways.extend(grouped(pattern).into_iter().map(|pattern| filtered(pattern, "$ts", NUMERICAL)));
    }
    if let Some((pattern, extract, choice)) = anew(shape) {
        // Tags of this form and no others may be enough.
        let plain = GROUP.as_ref().map_or(pattern.clone(), |group| group.replace_all(&pattern, "$1").into_owned());
        if subject.key() == "alphabetical" && shape.sorts_as_text() {
            ways.push(filtered(plain, "", ALPHABETICAL));
        } else if subject.key() == "numerical" && shape.columns.len() == 1 && plain.starts_with("^[0-9]") {
            ways.push(filtered(plain, "", NUMERICAL));
        }
        // A range that is there says more than any.
        if (subject.key(), choice) == ("semver", ANY_RELEASE) {
            ways.push(Change { order: None, ..filtered(pattern.clone(), &extract, choice) });
        }
        ways.push(filtered(pattern, &extract, choice));
    }
    ways
}

static GROUP: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\(\?P<\w+>([^()]*)\)").ok());

/// `(?P<ts>[0-9]{8}-[0-9]{6})` as two groups, so that the hyphen is in neither.
fn joined(pattern: &str) -> Option<String> {
    static DATE_AND_TIME: LazyLock<Option<Regex>> = LazyLock::new(|| {
        let digits = r"((?:\\d|\[0-9\])\{\d+\})";
        Regex::new(&format!(r"\((?:\?P?<\w+>)?{digits}(-|\\\.|T|_){digits}\)")).ok()
    });
    let regex = DATE_AND_TIME.as_ref()?;
    regex.is_match(pattern).then(|| regex.replace(pattern, "(?P<d>$1)$2(?P<t>$3)").into_owned())
}

/// The pattern with a group around one of its numbers, from the last to the first.
fn grouped(pattern: &str) -> Vec<String> {
    static NUMBER: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"(?:\\d|\[0-9\])(?:\+|\{\d+(?:,\d*)?\})").ok());
    if pattern.contains('(') {
        return Vec::new();
    }
    let numbers: Vec<_> = NUMBER.as_ref().map(|number| number.find_iter(pattern).collect()).unwrap_or_default();
    let group = |number: &regex::Match<'_>| {
        format!("{}(?P<ts>{}){}", &pattern[..number.start()], number.as_str(), &pattern[number.end()..])
    };
    numbers.iter().rev().take(4).map(group).collect()
}

/// A pattern for tags of this form, what to extract, and how to compare it.
fn anew(shape: &Shape<'_>) -> Option<(String, String, Choice)> {
    let key = shape.key();
    let columns: Vec<&Column> = key.iter().map(|at| &shape.columns[*at]).collect();
    let adjacent = key.windows(2).all(|pair| pair[0] + 1 == pair[1]);
    let dotted = columns.iter().skip(1).all(|column| column.separator == ".") && adjacent;
    let width: usize = columns.iter().map(|column| column.widths.1).sum();
    let names = ["d", "t", "u", "v", "w", "x"];
    let (names, extract, order): (Vec<&str>, String, _) = match columns[..] {
        [_] => (vec!["n"], "$n".to_owned(), NUMERICAL),
        // One number out of a date and a time, exact up to 2^53.
        _ if columns.iter().all(|column| column.is_time() && column.is_even())
            && width <= 15
            && columns.len() <= names.len() =>
        {
            let names = names[..columns.len()].to_vec();
            let extract = names.iter().map(|name| format!("${name}")).collect();
            (names, extract, NUMERICAL)
        }
        // Numbers of different widths cannot be put together, but versions can.
        [first, _] if first.is_time() => (vec!["d", "n"], "$d.$n.0".to_owned(), ANY_RELEASE),
        [_, _] => (vec!["major", "minor"], "$major.$minor.0".to_owned(), ANY_RELEASE),
        [_, _, _] if dotted => (vec!["version"], "$version".to_owned(), ANY_RELEASE),
        [_, _, _] => (vec!["a", "b", "c"], "$a.$b.$c".to_owned(), ANY_RELEASE),
        _ => return None,
    };
    let mut pattern = "^".to_owned();
    let one_group = columns.len() == 3 && names.len() == 1;
    for (at, column) in shape.columns.iter().enumerate() {
        pattern.push_str(&regex::escape(&column.separator).replace(r"\-", "-"));
        let cell = match column.kind {
            Kind::Word => regex::escape(&column.first),
            Kind::Hash => "[a-f0-9]+".to_owned(),
            Kind::Date | Kind::Time | Kind::Unix => format!("[0-9]{{{}}}", column.widths.0),
            Kind::Counter => "[0-9]+".to_owned(),
        };
        let position = key.iter().position(|column| *column == at);
        match position {
            // One group around all three.
            Some(0) if one_group => pattern.push_str(&format!("(?P<version>{cell}")),
            Some(2) if one_group => pattern.push_str(&format!("{cell})")),
            Some(position) if !one_group => {
                pattern.push_str(&format!("(?P<{}>{cell})", names.get(position).unwrap_or(&"")));
            }
            _ => pattern.push_str(&cell),
        }
    }
    pattern.push_str(&regex::escape(&shape.tail).replace(r"\-", "-"));
    pattern.push('$');
    Some((pattern, extract, order))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_for_tags_of_many_forms() {
        let table = [
            (
                &["main-f9e1f0b-1707200000", "main-abc1234-1707300000"][..],
                r"^main-[a-f0-9]+-(?P<n>[0-9]{10})$ $n numerical",
            ),
            (
                &["20251203-0536-a1b2c3d", "20251204-0001-a1b2c3e"],
                r"^(?P<d>[0-9]{8})-(?P<t>[0-9]{4})-[a-f0-9]+$ $d$t numerical",
            ),
            (&["20220209-22", "20220210-4"], r"^(?P<d>[0-9]{8})-(?P<n>[0-9]+)$ $d.$n.0 semver"),
            (&["web-1.0.9", "web-1.0.63"], r"^web-(?P<version>[0-9]+\.[0-9]+\.[0-9]+)$ $version semver"),
            (&["7.2-alpine", "7.10-alpine"], r"^(?P<major>[0-9]+)\.(?P<minor>[0-9]+)-alpine$ $major.$minor.0 semver"),
        ];
        for (tags, expected) in table {
            let newest = of(tags).unwrap();
            assert_eq!(newest.tag, tags[1]);
            let (pattern, extract, (key, ..)) = anew(&newest.shape).unwrap();
            assert_eq!(format!("{pattern} {extract} {key}"), expected);
        }
    }

    #[test]
    fn a_pattern_is_kept_where_a_group_is_enough() {
        assert_eq!(grouped("^main-[a-f0-9]{7}-[0-9]{10}$"), ["^main-[a-f0-9]{7}-(?P<ts>[0-9]{10})$"]);
        assert_eq!(joined(r"^(?P<ts>\d{8}-\d{6})-x$").as_deref(), Some(r"^(?P<d>\d{8})-(?P<t>\d{6})-x$"));
        assert_eq!(joined(r"^(\d{8})-x$"), None);
    }
}
