//! `desc` over values that grow.

use super::mend::{Change, first};
use super::newest::{self, Newest};
use super::shape::{Kind, Shape, shapes};
use super::subject::{Subject, Valued};
use super::{Finding, Rule, Severity};
use crate::policy::Direction;

pub(super) const RULE: Rule =
    Rule { code: "T2P001", meaning: "`desc` over dates or counting numbers selects the oldest tag, not the newest" };

pub(super) fn find(subject: &Subject<'_>) -> Option<Finding> {
    if subject.alphabetical().or(subject.numerical())? != Direction::Descending {
        return None;
    }
    let selected = subject.selected();
    let values = match (selected, subject.selection) {
        (Some(_), _) => subject.candidates(),
        (None, None) => subject.candidates_in_git(),
        // It fails: other findings say why.
        (None, Some(_)) => return None,
    };
    let all: Vec<&str> = values.iter().map(|valued| valued.value).collect();
    let shapes = shapes(&all);
    let of_selected = |shape: &&Shape<'_>| {
        selected.is_none_or(|selected| shape.rows.iter().any(|(row, _)| values[*row].tag == selected.tag))
    };
    let shape = shapes.iter().find(of_selected)?;
    let dated = match subject.numerical() {
        Some(_) => shape.columns.iter().any(super::shape::Column::is_time),
        None => orders_by_time(shape)?,
    };
    if subject.numerical().is_some() && shape.key().is_empty() {
        return None;
    }
    let oldest = match (dated, subject.numerical()) {
        (true, _) => "the oldest",
        (false, Some(_)) => "the smallest",
        (false, None) => "the first",
    };
    let newest = newest::of_values(&values).filter(|_| values.len() > 1);
    let message = match (selected, &newest) {
        (Some(selected), Some(newest)) if selected.tag == newest.tag => return None,
        (Some(Valued { tag, .. }), newest) if values.len() > 1 => {
            let other = newest.as_ref().map(|newest| format!(", not the newest, `{}`", newest.tag)).unwrap_or_default();
            format!(
                "`{tag}` is selected because it sorts first: `desc` selects {oldest} of {} tags{other}",
                values.len()
            )
        }
        _ => {
            let kind = if dated { "dated" } else { "counting" };
            let example = all.first()?;
            format!("`desc` selects the value that sorts first: of {kind} values such as `{example}` that is {oldest}")
        }
    };
    let mended = match &newest {
        Some(newest) => newest::mend(subject, newest),
        None => {
            let key = subject.key();
            first(subject, [Change { order: Some((key, "order", "asc")), ..Change::default() }], |_| true)
        }
    };
    let selects =
        |newest: &Option<Newest<'_>>| newest.as_ref().map(|newest| format!(": `{}`", newest.tag)).unwrap_or_default();
    let help = match mended.as_ref().map(|mended| newest::recipe(subject, mended)) {
        Some(recipe) if recipe != "order `asc`" => {
            format!("write {recipe}, which selects the newest{}", selects(&newest))
        }
        _ => format!("write `order: asc`, which selects the value that sorts last{}", selects(&newest)),
    };
    let finding = Finding::new(&RULE, Severity::Warning, &subject.place_of_order(), message, help);
    Some(finding.with(mended.map(|mended| mended.patch)))
}

/// Whether text of this form is ordered by a time; nothing if by no number at all.
fn orders_by_time(shape: &Shape<'_>) -> Option<bool> {
    match shape.deciding() {
        Some(column) => match column.kind {
            Kind::Date | Kind::Time | Kind::Unix => Some(true),
            Kind::Counter => Some(false),
            Kind::Word | Kind::Hash => None,
        },
        // One value says enough if it begins with a date.
        None => {
            let first = shape.columns.iter().find(|column| column.kind != Kind::Word)?;
            first.is_time().then_some(true)
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::findings::trial::policy;

    const DATED: [&str; 3] = ["20251111-0358-sha-4c091d3", "20251203-0536-sha-1972e38", "latest"];

    #[test]
    fn desc_over_dates_selects_the_oldest() {
        let trial =
            policy("filterTags:\n  pattern: ^[0-9]{8}-\npolicy:\n  alphabetical:\n    order: desc").tags(&DATED);
        insta::assert_snapshot!(trial.shown("T2P001"), @"
        policy.yaml:10:14 warning: `20251111-0358-sha-4c091d3` is selected because it sorts first: `desc` selects the oldest of 2 tags, not the newest, `20251203-0536-sha-1972e38`
        help: write `order: asc`, which selects the value that sorts last: `20251203-0536-sha-1972e38`
        -      order: desc
        +      order: asc
        ");
    }

    #[test]
    fn a_date_in_git_is_enough_to_see_it() {
        let trial = policy("policy:\n  alphabetical: { order: desc }").in_git("20251111-0358-sha-4c091d3");
        insta::assert_snapshot!(trial.shown("T2P001"), @"
        policy.yaml:7:28 warning: `desc` selects the value that sorts first: of dated values such as `20251111-0358-sha-4c091d3` that is the oldest
        help: write `order: asc`, which selects the value that sorts last
        -    alphabetical: { order: desc }
        +    alphabetical: { order: asc }
        ");
    }

    #[test]
    fn desc_over_numbers_selects_the_smallest() {
        let trial = policy("policy:\n  numerical: { order: desc }").tags(&["9", "10", "11"]);
        insta::assert_snapshot!(trial.shown("T2P001"), @"
        policy.yaml:7:25 warning: `9` is selected because it sorts first: `desc` selects the smallest of 3 tags, not the newest, `11`
        help: write `order: asc`, which selects the value that sorts last: `11`
        -    numerical: { order: desc }
        +    numerical: { order: asc }
        ");
        let text = policy("policy:\n  alphabetical: { order: DESC }").tags(&["build-9", "build-10", "build-11"]);
        insta::assert_snapshot!(text.shown("T2P001"), @"
        policy.yaml:7:28 warning: `build-10` is selected because it sorts first: `desc` selects the first of 3 tags, not the newest, `build-11`
        help: write pattern `^build-(?P<n>[0-9]+)$`, extract `$n` and `numerical` with order `asc`, which selects the newest: `build-11`
        -    alphabetical: { order: DESC }
        +    numerical: { order: asc }
        +  filterTags:
        +    pattern: '^build-(?P<n>[0-9]+)$'
        +    extract: $n
        ");
    }

    #[test]
    fn asc_and_words_are_as_they_seem() {
        assert!(policy("policy:\n  alphabetical: { order: asc }").tags(&DATED[..2]).is_clean("T2P001"));
        assert!(policy("policy:\n  alphabetical: { order: desc }").tags(&["blue", "green"]).is_clean("T2P001"));
        assert!(policy("policy:\n  alphabetical: { order: desc }").in_git("green").is_clean("T2P001"));
        assert!(policy("policy:\n  numerical: {}").tags(&["9", "10"]).is_clean("T2P001"));
    }
}
