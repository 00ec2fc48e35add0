//! Which tags a policy looks at, and by which part of them it ranks them: `exclusionList` and `filterTags`.
//!
//! Patterns match anywhere in a tag unless they are anchored: `1.0.2` also matches `11.0.25`.

use std::ops::Range;

use regex::CaptureLocations;

use super::pattern::{InvalidPattern, Pattern};

/// What an ImageRepository excludes if its `exclusionList` is empty: signatures in cosign's old scheme.
pub const DEFAULT_EXCLUSION: &str = r"^.*\.sig$";

/// Tags that count as if they did not exist: the `exclusionList` of an ImageRepository.
#[derive(Debug, Clone)]
pub struct Exclusions(Vec<Pattern>);

impl Exclusions {
    /// Reads a list; an empty one means [`DEFAULT_EXCLUSION`], any other replaces it.
    ///
    /// # Errors
    ///
    /// The first pattern that is no Go regular expression, and why.
    pub fn new(list: &[String]) -> Result<Self, (String, InvalidPattern)> {
        let pattern = |text: &str| Pattern::new(text).map_err(|invalid| (text.to_owned(), invalid));
        if list.is_empty() {
            return Ok(Self(vec![pattern(DEFAULT_EXCLUSION)?]));
        }
        list.iter().map(|text| pattern(text)).collect::<Result<_, _>>().map(Self)
    }

    /// The position of the first pattern that matches a tag.
    pub fn find(&self, tag: &str) -> Option<u32> {
        (0..).zip(&self.0).find(|(_, pattern)| pattern.is_match(tag)).map(|(position, _)| position)
    }

    /// A pattern as it was written.
    pub fn pattern(&self, position: u32) -> &str {
        self.0.get(position as usize).map_or("", |pattern| &pattern.text)
    }
}

/// The `filterTags` of an ImagePolicy: a pattern that tags must match and, with `extract`, the value to rank by.
#[derive(Debug, Clone)]
pub struct Filter {
    pattern: Pattern,
    value: Value,
}

/// What a tag is ranked by.
#[derive(Debug, Clone)]
enum Value {
    /// The whole tag, not the match: no `extract`.
    Tag,
    /// One group: `$ts`.
    Group(Groups),
    /// Anything else: `$d$t`, `$major.0`.
    Template(Vec<Piece>),
}

#[derive(Debug, Clone)]
enum Piece {
    Text(String),
    Group(Groups),
}

/// The groups that a reference may mean, since Go allows one name twice: the first that takes part in the match counts.
type Groups = Vec<usize>;

impl Filter {
    /// Reads a pattern and a template, either of which may be empty.
    ///
    /// # Errors
    ///
    /// When the pattern is no Go regular expression.
    pub fn new(pattern: &str, extract: &str) -> Result<Self, InvalidPattern> {
        let pattern = Pattern::new(pattern)?;
        let mut pieces = template(extract, &pattern.names);
        let value = match pieces.as_mut_slice() {
            _ if extract.is_empty() => Value::Tag,
            [Piece::Group(groups)] => Value::Group(std::mem::take(groups)),
            _ => Value::Template(pieces),
        };
        Ok(Self { pattern, value })
    }

    /// The pattern as it was written.
    pub fn pattern(&self) -> &str {
        &self.pattern.text
    }

    /// Whether tags are ranked by a part of them.
    pub fn extracts(&self) -> bool {
        !matches!(self.value, Value::Tag)
    }

    /// Whether values are put together from several parts of a tag, so that they do not stand in it.
    pub(super) fn composes(&self) -> bool {
        matches!(self.value, Value::Template(_))
    }

    /// Prepares to read tags.
    pub(super) fn reader(&self) -> Reader<'_> {
        Reader { filter: self, groups: self.pattern.regex.capture_locations() }
    }
}

/// Reads tags one after the other, without allocating for each.
pub(super) struct Reader<'f> {
    filter: &'f Filter,
    groups: CaptureLocations,
}

impl Reader<'_> {
    /// Where the value of a tag stands: in the tag or, if the filter [composes](Filter::composes) it, in `composed`,
    /// which it is added to. Nothing if the tag does not match. A group that takes no part in the match is empty.
    pub(super) fn read(&mut self, tag: &str, composed: &mut String) -> Option<Range<usize>> {
        let pattern = &self.filter.pattern;
        if let Value::Tag = self.filter.value {
            return pattern.is_match(tag).then_some(0..tag.len());
        }
        pattern.regex.captures_read(&mut self.groups, tag)?;
        let part = |groups: &Groups| {
            let span = groups.iter().find_map(|group| self.groups.get(*group));
            span.map_or(0..0, |(start, end)| start..end)
        };
        Some(match &self.filter.value {
            Value::Tag => 0..tag.len(),
            Value::Group(groups) => part(groups),
            Value::Template(pieces) => {
                let start = composed.len();
                composed.extend(pieces.iter().map(|piece| match piece {
                    Piece::Text(text) => text,
                    Piece::Group(groups) => &tag[part(groups)],
                }));
                start..composed.len()
            }
        })
    }
}

/// Reads a template as Go's [`Regexp.Expand`] does: `$name`, `${name}`, `$1`, `$$`. Names are as long as possible, so
/// `$1x` is the group named `1x`; one that does not exist is empty. What is malformed stands for itself.
///
/// [`Regexp.Expand`]: https://pkg.go.dev/regexp#Regexp.Expand
fn template(text: &str, names: &[String]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        plain.push_str(before);
        let reference = reference(after);
        rest = match reference {
            Some((_, rest)) => rest,
            None => after.strip_prefix('$').unwrap_or(after),
        };
        match reference {
            Some((name, _)) => {
                if !plain.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut plain)));
                }
                pieces.push(Piece::Group(groups(name, names)));
            }
            None => plain.push('$'),
        }
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    pieces
}

/// The name at the beginning of what follows a `$`, and the rest.
fn reference(text: &str) -> Option<(&str, &str)> {
    let (inside, braced) = text.strip_prefix('{').map_or((text, false), |inside| (inside, true));
    let end = inside.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(inside.len());
    let (name, rest) = inside.split_at(end);
    let rest = if braced { rest.strip_prefix('}')? } else { rest };
    (!name.is_empty()).then_some((name, rest))
}

/// What a template refers to: each reference by its name, and whether the pattern has such a group.
///
/// # Errors
///
/// When the pattern is no Go regular expression.
pub fn references(pattern: &str, extract: &str) -> Result<Vec<(String, bool)>, InvalidPattern> {
    let pattern = Pattern::new(pattern)?;
    let mut found = Vec::new();
    let mut rest = extract;
    while let Some((_, after)) = rest.split_once('$') {
        rest = match reference(after) {
            Some((name, rest)) => {
                let known = groups(name, &pattern.names).iter().any(|group| *group <= pattern.names.len());
                found.push((name.to_owned(), known));
                rest
            }
            None => after.strip_prefix('$').unwrap_or(after),
        };
    }
    Ok(found)
}

/// The names of a pattern's groups, from the first group on; empty for those without.
///
/// # Errors
///
/// When the pattern is no Go regular expression.
pub fn group_names(pattern: &str) -> Result<Vec<String>, InvalidPattern> {
    Pattern::new(pattern).map(|pattern| pattern.names)
}

fn groups(name: &str, names: &[String]) -> Groups {
    // Like Go: no leading zeros, and nine digits at most; all else is a name.
    let numeric =
        name.len() < 10 && name.bytes().all(|b| b.is_ascii_digit()) && (name == "0" || !name.starts_with('0'));
    match name.parse() {
        Ok(number) if numeric => vec![number],
        _ => (1..).zip(names).filter(|(_, candidate)| *candidate == name).map(|(group, _)| group).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(pattern: &str, extract: &str, tag: &str) -> Option<String> {
        let filter = Filter::new(pattern, extract).unwrap();
        let mut composed = String::new();
        let span = filter.reader().read(tag, &mut composed)?;
        Some(if filter.composes() { &composed[span] } else { &tag[span] }.to_owned())
    }

    #[test]
    fn templates_expand_as_in_go() {
        let pattern = "^(?P<env>[a-z]+)-(?P<d>[0-9]+)-(?P<n>[0-9]+)(?P<rest>x)?$";
        let table = [
            ("", "prod-0203-7"),
            ("$d", "0203"),
            ("${d}", "0203"),
            ("$2", "0203"),
            ("$0", "prod-0203-7"),
            ("$d$n", "02037"),
            ("$2.$3", "0203.7"),
            ("$1-$2", "prod-0203"),
            // Names are as long as they can be, and unknown ones are empty.
            ("$1_$2", "0203"),
            ("${1}_$2", "prod_0203"),
            ("$1x", ""),
            ("$D", ""),
            ("$02", ""),
            ("$9", ""),
            ("$12345678901", ""),
            ("$rest", ""),
            // A template without a group is a constant, and what is malformed stands for itself.
            ("d", "d"),
            ("$$d", "$d"),
            ("$", "$"),
            ("$-", "$-"),
            ("$d-$", "0203-$"),
            ("${d", "${d"),
            ("${}", "${}"),
            ("${a-b}", "${a-b}"),
        ];
        for (extract, expected) in table {
            assert_eq!(value(pattern, extract, "prod-0203-7").as_deref(), Some(expected), "{extract}");
        }
        assert_eq!(value(pattern, "$d", "prod-0203"), None);
    }

    #[test]
    fn a_name_that_is_used_twice_means_the_group_that_takes_part() {
        let pattern = "^(?:v(?<n>[0-9]+)|build-(?P<n>[0-9]+))$";
        assert_eq!(value(pattern, "$n", "v12").as_deref(), Some("12"));
        assert_eq!(value(pattern, "$n", "build-34").as_deref(), Some("34"));
    }

    #[test]
    fn an_empty_list_excludes_signatures_and_any_other_replaces_it() {
        let default = Exclusions::new(&[]).unwrap();
        assert_eq!(default.find("sha256-1972e38.sig"), Some(0));
        assert_eq!(default.find("sha256-1972e38.att"), None);

        let own = Exclusions::new(&["^latest$".to_owned(), "1.0.2".to_owned()]).unwrap();
        assert_eq!(own.find("sha256-1972e38.sig"), None);
        assert_eq!(own.find("11.0.25"), Some(1));
        assert_eq!(own.find("1x0y2"), Some(1));

        let (pattern, reason) = Exclusions::new(&["ok".to_owned(), "[=".to_owned()]).unwrap_err();
        assert_eq!(format!("{pattern}: {reason}"), "[=: missing closing ]: `[=`");
    }
}
