//! `numerical` over values that are no numbers.

use super::subject::Subject;
use super::{Finding, Rule, Severity, newest};

pub(super) const RULE: Rule =
    Rule { code: "T2P002", meaning: "`numerical` over a value that is no number: the whole policy fails" };

pub(super) fn find(subject: &Subject<'_>) -> Option<Finding> {
    subject.numerical()?;
    let known = subject.selection.is_some();
    let (invalid, all) = match known {
        true => (subject.invalid(), subject.considered()),
        false => (subject.invalid_in_git(), subject.invalid_in_git()),
    };
    let first = invalid.first()?;
    // Then the group is to blame, not the tags.
    if all.iter().all(|valued| valued.value.is_empty()) {
        return None;
    }
    let from = if first.value == first.tag { String::new() } else { format!(" of tag `{}`", first.tag) };
    let others = match invalid.len() - 1 {
        0 => String::new(),
        others => format!(" (and {others} more like it)"),
    };
    let consequence = match known {
        true => "so the whole policy fails and selects nothing",
        false => "and one such value fails the whole policy",
    };
    let message = format!("`{}`{from} is no number{others}, {consequence}", first.value);
    let newest = newest::of(&all.iter().map(|valued| valued.tag).collect::<Vec<_>>());
    let mended = newest.as_ref().and_then(|newest| newest::mend(subject, newest));
    let otherwise = "let `filterTags.pattern` match only tags with a number in them, and `extract` that number";
    let help = newest::advice(subject, mended.as_ref(), otherwise);
    let place = match (&subject.written.extract, &subject.written.pattern) {
        (Some(at), _) | (None, Some(at)) => at.place.clone(),
        (None, None) => subject.place_of_order(),
    };
    let finding = Finding::new(&RULE, Severity::Error, &place, message, help);
    Some(finding.with(mended.map(|mended| mended.patch)))
}

#[cfg(test)]
mod tests {
    use crate::findings::trial::policy;

    const STAMPED: &str =
        "filterTags:\n  pattern: '^main-(?P<ts>\\d{8}-\\d{6})$'\n  extract: $ts\npolicy:\n  numerical: {}";

    #[test]
    fn a_hyphen_in_the_time() {
        let trial = policy(STAMPED).tags(&["main-20260528-153652", "main-20260601-080000", "latest"]);
        insta::assert_snapshot!(trial.shown("T2P002"), @r#"
        policy.yaml:8:14 error: `20260528-153652` of tag `main-20260528-153652` is no number (and 1 more like it), so the whole policy fails and selects nothing
        help: write pattern `^main-(?P<d>\d{8})-(?P<t>\d{6})$` and extract `$d$t`: then `main-20260601-080000` is selected
        -    pattern: '^main-(?P<ts>\d{8}-\d{6})$'
        -    extract: $ts
        +    pattern: '^main-(?P<d>\d{8})-(?P<t>\d{6})$'
        +    extract: $d$t
        "#);
        insta::assert_snapshot!(policy(STAMPED).in_git("main-20260528-153652").shown("T2P002"), @r#"
        policy.yaml:8:14 error: `20260528-153652` of tag `main-20260528-153652` is no number, and one such value fails the whole policy
        help: write pattern `^main-(?P<d>\d{8})-(?P<t>\d{6})$` and extract `$d$t`
        -    pattern: '^main-(?P<ts>\d{8}-\d{6})$'
        -    extract: $ts
        +    pattern: '^main-(?P<d>\d{8})-(?P<t>\d{6})$'
        +    extract: $d$t
        "#);
    }

    #[test]
    fn one_word_among_numbers() {
        let trial = policy("policy:\n  numerical:\n    order: asc").tags(&["101", "73", "latest"]);
        insta::assert_snapshot!(trial.shown("T2P002"), @"
        policy.yaml:8:14 error: `latest` is no number, so the whole policy fails and selects nothing
        help: write pattern `^[0-9]+$`: then `101` is selected
        +  filterTags:
        +    pattern: '^[0-9]+$'
        ");
    }

    #[test]
    fn nothing_but_words() {
        let trial = policy("policy:\n  numerical: {}").tags(&["blue", "green"]);
        insta::assert_snapshot!(trial.shown("T2P002"), @"
        policy.yaml:7:5 error: `blue` is no number (and 1 more like it), so the whole policy fails and selects nothing
        help: let `filterTags.pattern` match only tags with a number in them, and `extract` that number
        ");
    }

    #[test]
    fn numbers_are_numbers() {
        assert!(policy("policy:\n  numerical: {}").tags(&["1", "20260528_153652", "1.5"]).is_clean("T2P002"));
        assert!(policy("policy:\n  alphabetical: {}").tags(&["latest"]).is_clean("T2P002"));
        // What somebody wrote to begin with.
        assert!(policy("policy:\n  numerical: {}").in_git("latest").is_clean("T2P002"));
    }
}
