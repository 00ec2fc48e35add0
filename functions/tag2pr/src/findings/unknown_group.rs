//! `extract` without a group, or with one that the pattern does not have.

use super::mend::{Change, first};
use super::subject::Subject;
use super::{Finding, Rule, Severity};
use crate::policy::filter::{group_names, references};

pub(super) const RULE: Rule = Rule {
    code: "T2P006",
    meaning: "`extract` names no group of the pattern, so that part of the value is always the same",
};

pub(super) fn find(subject: &Subject<'_>) -> Option<Finding> {
    let extract = subject.extract();
    if extract.is_empty() {
        return None;
    }
    let (pattern, names) = (subject.pattern(), group_names(subject.pattern()).ok()?);
    let references = references(pattern, extract).ok()?;
    let message = match references.iter().find(|(_, known)| !known) {
        Some((name, _)) => format!(
            "`extract: {extract}` names the group `{name}`, which the pattern does not have: it is always empty"
        ),
        None if references.is_empty() => {
            format!("`extract: {extract}` names no group: every tag has the value `{extract}`")
        }
        None => return None,
    };
    let changes = guesses(extract, &names, &references);
    let changes = changes.into_iter().filter(|guess| {
        crate::policy::filter::references(pattern, guess)
            .is_ok_and(|all| !all.is_empty() && all.iter().all(|(_, known)| *known))
    });
    let mended =
        first(subject, changes.map(|extract| Change { extract: Some(extract), ..Change::default() }), |_| true);
    let help = match &mended {
        Some(mended) => format!("write `extract: {}`", super::tree::value(&mended.written.extract)),
        None if names.is_empty() => {
            "put the part to compare in a group, `(?P<ts>[0-9]+)`, and write `extract: $ts`".to_owned()
        }
        None => {
            let numbered = |(at, name): (usize, &String)| match name.as_str() {
                "" => format!("`${}`", at + 1),
                name => format!("`${name}`"),
            };
            let known: Vec<String> = names.iter().enumerate().map(numbered).collect();
            format!("name a group of the pattern: {}", known.join(", "))
        }
    };
    let finding = Finding::new(&RULE, Severity::Warning, subject.place_of(&subject.written.extract), message, help);
    Some(finding.with(mended.map(|mended| mended.patch)))
}

/// What may have been meant, the likeliest first.
fn guesses(extract: &str, names: &[String], references: &[(String, bool)]) -> Vec<String> {
    let mut guesses = Vec::new();
    let named: Vec<&str> = names.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
    if references.is_empty() {
        guesses.extend(named.iter().filter(|name| **name == extract).map(|name| format!("${name}")));
    }
    let mut corrected = extract.to_owned();
    for (name, _) in references.iter().filter(|(_, known)| !known) {
        // `$1_$2` means the group `1_`; `${1}_$2` was meant.
        let group = |prefix: &str| {
            named.contains(&prefix) || prefix.parse().is_ok_and(|number: usize| (1..=names.len()).contains(&number))
        };
        let prefix = (1..name.len()).rev().filter_map(|end| name.get(..end)).find(|prefix| group(prefix));
        let nearest = named.iter().find(|known| known.eq_ignore_ascii_case(name)).copied();
        let nearest = nearest.or_else(|| super::tree::nearest(name, named.iter().copied()));
        let replacement = match (nearest, prefix) {
            (Some(nearest), _) => format!("${{{nearest}}}"),
            (None, Some(prefix)) => format!("${{{prefix}}}{}", &name[prefix.len()..]),
            (None, None) => continue,
        };
        let (bare, braced) = (format!("${name}"), format!("${{{name}}}"));
        let written = if corrected.contains(&braced) { braced } else { bare };
        corrected = corrected.replacen(&written, &replacement, 1);
    }
    // Braces only where they are needed.
    if let Some(name) = corrected.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'))
        && !name.contains('$')
    {
        corrected = format!("${name}");
    }
    guesses.push(corrected);
    if let [only] = names {
        guesses.push(if only.is_empty() { "$1".to_owned() } else { format!("${only}") });
    }
    guesses
}

#[cfg(test)]
mod tests {
    use crate::findings::trial::{Trial, policy};

    fn extracting(extract: &str) -> Trial {
        let filter = format!("filterTags:\n  pattern: '^v(?P<ts>[0-9]+)-([a-z]+)$'\n  extract: '{extract}'");
        policy(&format!("{filter}\npolicy:\n  alphabetical: {{}}"))
    }

    #[test]
    fn what_was_meant_is_offered() {
        insta::assert_snapshot!(extracting("$TS").shown("T2P006"), @"
        policy.yaml:8:14 warning: `extract: $TS` names the group `TS`, which the pattern does not have: it is always empty
        help: write `extract: $ts`
        -    extract: '$TS'
        +    extract: '$ts'
        ");
        insta::assert_snapshot!(extracting("ts").shown("T2P006"), @"
        policy.yaml:8:14 warning: `extract: ts` names no group: every tag has the value `ts`
        help: write `extract: $ts`
        -    extract: 'ts'
        +    extract: '$ts'
        ");
        insta::assert_snapshot!(extracting("$1_$2").shown("T2P006"), @"
        policy.yaml:8:14 warning: `extract: $1_$2` names the group `1_`, which the pattern does not have: it is always empty
        help: write `extract: ${1}_$2`
        -    extract: '$1_$2'
        +    extract: '${1}_$2'
        ");
        insta::assert_snapshot!(extracting("$number").shown("T2P006"), @"
        policy.yaml:8:14 warning: `extract: $number` names the group `number`, which the pattern does not have: it is always empty
        help: name a group of the pattern: `$ts`, `$2`
        ");
    }

    #[test]
    fn a_pattern_without_groups_needs_one() {
        let trial = policy("filterTags: { pattern: '^v[0-9]+$', extract: $ts }\npolicy:\n  alphabetical: {}");
        insta::assert_snapshot!(trial.shown("T2P006"), @"
        policy.yaml:6:48 warning: `extract: $ts` names the group `ts`, which the pattern does not have: it is always empty
        help: put the part to compare in a group, `(?P<ts>[0-9]+)`, and write `extract: $ts`
        ");
    }

    #[test]
    fn groups_that_are_there_are_fine() {
        for extract in ["$ts", "${ts}", "$1", "$0", "$ts.$2", "${1}_$2", ""] {
            assert!(extracting(extract).is_clean("T2P006"), "{extract}");
        }
    }
}
