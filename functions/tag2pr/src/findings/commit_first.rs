//! Text that is ordered by a commit hash.

use super::shape::{Column, Kind, shapes};
use super::subject::Subject;
use super::{Finding, Rule, Severity, newest};

pub(super) const RULE: Rule =
    Rule { code: "T2P003", meaning: "`alphabetical` order is decided by a commit hash, so it is random" };

pub(super) fn find(subject: &Subject<'_>) -> Option<Finding> {
    subject.alphabetical()?;
    let selected = subject.selected();
    let values = if selected.is_some() { subject.candidates() } else { subject.candidates_in_git() };
    let all: Vec<&str> = values.iter().map(|valued| valued.value).collect();
    let shapes = shapes(&all);
    let shape = shapes.iter().find(|shape| {
        selected.is_none_or(|selected| shape.rows.iter().any(|(row, _)| values[*row].tag == selected.tag))
    })?;
    let first = shape.columns.iter().position(|column| column.varies || column.kind == Kind::Hash)?;
    let time_behind = shape.columns[first..].iter().any(Column::is_time);
    if shape.columns[first].kind != Kind::Hash || (shape.rows.len() == 1 && !time_behind) {
        return None;
    }
    let newest = newest::of_values(&values);
    let cause = match time_behind {
        true => "the commit hash stands before the time, so the order of the text says nothing about age",
        false => "the values are ordered by commit hash, which says nothing about age",
    };
    let message = match (selected, &newest) {
        (Some(selected), Some(newest)) if newest.tag != selected.tag => {
            format!("`{}` is selected although `{}` is newer: {cause}", selected.tag, newest.tag)
        }
        (Some(selected), _) if values.len() > 1 => format!("`{}` is selected by chance: {cause}", selected.tag),
        _ => format!("the order of values such as `{}` is random: {cause}", all.first()?),
    };
    let mended = newest.as_ref().and_then(|newest| newest::mend(subject, newest));
    let otherwise = match time_behind {
        true => "extract the time alone and compare it with `numerical`",
        false => {
            "go by push time, with `policy: { newest: {} }` for this policy in .tag2pr.yaml; or put a time or a build \
             number into the tag and extract it"
        }
    };
    let help = newest::advice(subject, mended.as_ref(), otherwise);
    let finding = Finding::new(&RULE, Severity::Warning, &subject.place_of_order(), message, help);
    Some(finding.with(mended.map(|mended| mended.patch)))
}

#[cfg(test)]
mod tests {
    use crate::findings::trial::policy;

    const WHOLE: &str = "filterTags:\n  pattern: '^main-[a-f0-9]{7}-[0-9]{10}$'\n  extract: '$0'\npolicy:\n  alphabetical:\n    order: asc";
    const TAGS: [&str; 3] = ["main-f9e1f0b-1707200000", "main-abc1234-1707300000", "main-0a1b2c3-1707100000"];

    #[test]
    fn the_hash_stands_before_the_time() {
        insta::assert_snapshot!(policy(WHOLE).tags(&TAGS).shown("T2P003"), @"
        policy.yaml:11:14 warning: `main-f9e1f0b-1707200000` is selected although `main-abc1234-1707300000` is newer: the commit hash stands before the time, so the order of the text says nothing about age
        help: write pattern `^main-[a-f0-9]{7}-(?P<ts>[0-9]{10})$`, extract `$ts` and `numerical` with order `asc`: then `main-abc1234-1707300000` is selected
        -    pattern: '^main-[a-f0-9]{7}-[0-9]{10}$'
        -    extract: '$0'
        +    pattern: '^main-[a-f0-9]{7}-(?P<ts>[0-9]{10})$'
        +    extract: '$ts'
        -    alphabetical:
        +    numerical:
        ");
        insta::assert_snapshot!(policy(WHOLE).in_git(TAGS[0]).shown("T2P003"), @"
        policy.yaml:11:14 warning: the order of values such as `main-f9e1f0b-1707200000` is random: the commit hash stands before the time, so the order of the text says nothing about age
        help: write pattern `^main-[a-f0-9]{7}-(?P<ts>[0-9]{10})$`, extract `$ts` and `numerical` with order `asc`
        -    pattern: '^main-[a-f0-9]{7}-[0-9]{10}$'
        -    extract: '$0'
        +    pattern: '^main-[a-f0-9]{7}-(?P<ts>[0-9]{10})$'
        +    extract: '$ts'
        -    alphabetical:
        +    numerical:
        ");
    }

    #[test]
    fn there_is_nothing_but_a_hash() {
        let trial = policy("policy:\n  alphabetical: {}").tags(&["sha-f9e1f0b", "sha-abc1234"]);
        insta::assert_snapshot!(trial.shown("T2P003"), @"
        policy.yaml:7:5 warning: `sha-f9e1f0b` is selected by chance: the values are ordered by commit hash, which says nothing about age
        help: go by push time, with `policy: { newest: {} }` for this policy in .tag2pr.yaml; or put a time or a build number into the tag and extract it
        ");
    }

    #[test]
    fn a_date_before_the_hash_orders_well() {
        let dated = ["20251111-0358-4c091d3", "20251203-0536-1972e38"];
        assert!(policy("policy:\n  alphabetical: {}").tags(&dated).is_clean("T2P003"));
        assert!(policy("policy:\n  alphabetical: {}").tags(&["blue", "green"]).is_clean("T2P003"));
        let extracted = "filterTags:\n  pattern: '-(?P<ts>[0-9]{10})$'\n  extract: $ts\npolicy:\n  alphabetical: {}";
        assert!(policy(extracted).tags(&TAGS).is_clean("T2P003"));
    }
}
