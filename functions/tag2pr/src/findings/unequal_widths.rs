//! Numbers of different widths, compared as text.

use std::cmp::Ordering;

use super::shape::{Kind, Shape, number, shapes};
use super::subject::Subject;
use super::{Finding, Rule, Severity, newest};
use crate::policy::Direction;

pub(super) const RULE: Rule =
    Rule { code: "T2P004", meaning: "`alphabetical` order over numbers of different widths: 9 sorts after 63" };

pub(super) fn find(subject: &Subject<'_>) -> Option<Finding> {
    let selected = subject.selected().filter(|_| subject.alphabetical() == Some(Direction::Ascending))?;
    let values = subject.candidates();
    let all: Vec<&str> = values.iter().map(|valued| valued.value).collect();
    let shapes = shapes(&all);
    let shape = shapes.iter().find(|shape| shape.rows.iter().any(|(row, _)| values[*row].tag == selected.tag))?;
    let mut rows: Vec<_> = shape.rows.iter().collect();
    rows.sort_by(|(a, x), (b, y)| as_numbers(shape, x, y).then_with(|| all[*a].cmp(all[*b])));
    let wrong = |pair: &&[&(usize, Vec<&str>)]| {
        all[pair[0].0] > all[pair[1].0] && decided_by_width(shape, &pair[0].1, &pair[1].1)
    };
    let pair = rows.windows(2).rev().find(wrong)?;
    let highest = rows.last()?.0;
    let newest = newest::of_values(&values);
    let message = if values[highest].tag == selected.tag {
        format!(
            "as text, `{}` sorts after `{}`: numbers of different widths do not sort by value",
            all[pair[0].0], all[pair[1].0]
        )
    } else {
        format!(
            "`{}` is selected although `{}` is higher: as text, numbers of different widths do not sort by value",
            selected.tag, values[highest].tag
        )
    };
    let mended = newest.as_ref().and_then(|newest| newest::mend(subject, newest));
    let otherwise = "compare them as versions with `semver`, or extract one number and compare it with `numerical`";
    let help = newest::advice(subject, mended.as_ref(), otherwise);
    let finding = Finding::new(&RULE, Severity::Warning, &subject.place_of_order(), message, help);
    Some(finding.with(mended.map(|mended| mended.patch)))
}

fn as_numbers(shape: &Shape<'_>, a: &[&str], b: &[&str]) -> Ordering {
    let compare = |at: usize| match shape.columns[at].kind {
        Kind::Word | Kind::Hash => a[at].cmp(b[at]),
        Kind::Date | Kind::Time | Kind::Unix | Kind::Counter => number(a[at]).cmp(&number(b[at])),
    };
    (0..shape.columns.len()).map(compare).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// Whether the first difference is one between numbers of different widths.
fn decided_by_width(shape: &Shape<'_>, a: &[&str], b: &[&str]) -> bool {
    let first = (0..shape.columns.len()).find(|at| a[*at] != b[*at]);
    first.is_some_and(|at| shape.columns[at].kind == Kind::Counter && a[at].len() != b[at].len())
}

#[cfg(test)]
mod tests {
    use crate::findings::trial::policy;

    const TEXT: &str = "policy:\n  alphabetical:\n    order: asc";

    #[test]
    fn nine_sorts_after_sixty_three() {
        insta::assert_snapshot!(policy(TEXT).tags(&["1.0.9", "1.0.63", "1.0.8"]).shown("T2P004"), @"
        policy.yaml:8:14 warning: `1.0.9` is selected although `1.0.63` is higher: as text, numbers of different widths do not sort by value
        help: write `semver` with range `>=0.0.0`: then `1.0.63` is selected
        -    alphabetical:
        -      order: asc
        +    semver:
        +      range: '>=0.0.0'
        ");
        insta::assert_snapshot!(policy(TEXT).tags(&["build-9", "build-10"]).shown("T2P004"), @"
        policy.yaml:8:14 warning: `build-9` is selected although `build-10` is higher: as text, numbers of different widths do not sort by value
        help: write pattern `^build-(?P<n>[0-9]+)$`, extract `$n` and `numerical` with order `asc`: then `build-10` is selected
        -    alphabetical:
        +    numerical:
        +  filterTags:
        +    pattern: '^build-(?P<n>[0-9]+)$'
        +    extract: $n
        ");
        insta::assert_snapshot!(policy(TEXT).tags(&["20220209-22", "20220210-4", "20220210-14"]).shown("T2P004"), @"
        policy.yaml:8:14 warning: `20220210-4` is selected although `20220210-14` is higher: as text, numbers of different widths do not sort by value
        help: write pattern `^(?P<d>[0-9]{8})-(?P<n>[0-9]+)$`, extract `$d.$n.0` and `semver` with range `>=0.0.0`: then `20220210-14` is selected
        -    alphabetical:
        -      order: asc
        +    semver:
        +      range: '>=0.0.0'
        +  filterTags:
        +    pattern: '^(?P<d>[0-9]{8})-(?P<n>[0-9]+)$'
        +    extract: $d.$n.0
        ");
    }

    #[test]
    fn it_will_be_wrong_although_it_is_right_today() {
        insta::assert_snapshot!(policy(TEXT).tags(&["9", "10", "95"]).shown("T2P004"), @"
        policy.yaml:8:14 warning: as text, `9` sorts after `10`: numbers of different widths do not sort by value
        help: write `numerical` with order `asc`: then `95` is selected
        -    alphabetical:
        +    numerical:
        ");
    }

    #[test]
    fn equal_widths_sort_as_they_should() {
        assert!(policy(TEXT).tags(&["1.0.09", "1.0.63"]).is_clean("T2P004"));
        assert!(policy(TEXT).tags(&["20251111-0358-4c091d3", "20251203-0536-1972e38"]).is_clean("T2P004"));
        assert!(policy(TEXT).tags(&["2025.1", "2026.10"]).is_clean("T2P004"));
        assert!(policy("policy:\n  semver: { range: 1.x }").tags(&["1.0.9", "1.0.63"]).is_clean("T2P004"));
    }
}
