//! A pattern that matches in the middle of tags.

use super::mend::{Change, first};
use super::subject::Subject;
use super::{Finding, Rule, Severity};
use crate::policy::{Filter, Policy, Verdict};

pub(super) const RULE: Rule =
    Rule { code: "T2P009", meaning: "the pattern is not anchored and matches more than whole tags" };

pub(super) fn find(subject: &Subject<'_>) -> Option<Finding> {
    let (policy, pattern, selection) = (subject.policy?, subject.pattern(), subject.selection?);
    if pattern.is_empty() || (pattern.starts_with('^') && pattern.ends_with('$') && !pattern.contains('|')) {
        return None;
    }
    let filter = Filter::new(&format!("^(?:{pattern})$"), subject.extract()).ok()?;
    let strict = Policy { filter: Some(filter), ..policy.clone() };
    let whole = strict.select(subject.known);
    let matters = |verdict: Verdict| match verdict {
        Verdict::Selected | Verdict::Outranked => true,
        // One that is no number fails the others too.
        Verdict::Invalid => subject.numerical().is_some(),
        _ => false,
    };
    let more: Vec<&str> = (0..subject.known.len())
        .filter(|index| matters(selection.verdicts[*index]) && whole.verdicts[*index] == Verdict::Filtered)
        .map(|index| subject.known[index].tag)
        .collect();
    let selected = subject.selected().map(|selected| selected.tag);
    let example = selected.filter(|selected| more.contains(selected)).or(more.first().copied())?;
    let harmful = whole.error.is_none() && whole.selected.map(|selected| selected.tag) != selected;
    if whole.counts().candidates == 0 {
        return None;
    }
    let severity = if harmful { Severity::Warning } else { Severity::Note };
    let others = match more.len() {
        1 => String::new(),
        many => format!(" and {} more", many - 1),
    };
    let consequence = match (harmful, selected) {
        (true, Some(selected)) if selected == example => ", which is selected",
        (true, None) => ", and the policy fails because of it",
        _ => "",
    };
    let message =
        format!("the pattern `{pattern}` is not anchored: it also matches within `{example}`{others}{consequence}");
    let anchored = anchored(pattern);
    let good = |selection: &crate::policy::Selection<'_>| {
        selection.selected.map(|selected| selected.tag) == whole.selected.map(|selected| selected.tag)
    };
    let mended = first(subject, [Change { pattern: Some(anchored.clone()), ..Change::default() }], good);
    let help = format!("write `{anchored}`, or a pattern that names what else is wanted");
    let place = subject.place_of(&subject.written.pattern);
    Some(Finding::new(&RULE, severity, place, message, help).with(mended.map(|mended| mended.patch)))
}

fn anchored(pattern: &str) -> String {
    if pattern.contains('|') {
        return format!("^(?:{pattern})$");
    }
    let start = if pattern.starts_with('^') { "" } else { "^" };
    let end = if pattern.ends_with('$') && !pattern.ends_with(r"\$") { "" } else { "$" };
    format!("{start}{pattern}{end}")
}

#[cfg(test)]
mod tests {
    use crate::findings::trial::policy;

    fn with(pattern: &str) -> String {
        format!("filterTags:\n  pattern: '{pattern}'\npolicy:\n  alphabetical: {{}}")
    }

    #[test]
    fn the_end_is_open() {
        insta::assert_snapshot!(policy(&with("^[0-9]+")).tags(&["12", "13", "13-debug"]).shown("T2P009"), @"
        policy.yaml:7:14 warning: the pattern `^[0-9]+` is not anchored: it also matches within `13-debug`, which is selected
        help: write `^[0-9]+$`, or a pattern that names what else is wanted
        -    pattern: '^[0-9]+'
        +    pattern: '^[0-9]+$'
        ");
        insta::assert_snapshot!(policy(&with("[0-9]+$")).tags(&["12", "13", "0-13"]).shown("T2P009"), @"
        policy.yaml:7:14 note: the pattern `[0-9]+$` is not anchored: it also matches within `0-13`
        help: write `^[0-9]+$`, or a pattern that names what else is wanted
        -    pattern: '[0-9]+$'
        +    pattern: '^[0-9]+$'
        ");
        let number = "filterTags: { pattern: 'v(?P<n>[0-9]+.*)', extract: $n }\npolicy:\n  numerical: {}";
        assert!(policy(number).tags(&["v1", "v2"]).is_clean("T2P009"));
    }

    #[test]
    fn a_prefix_alone_is_meant() {
        assert!(policy(&with("^main-")).tags(&["main-1", "main-2", "x"]).is_clean("T2P009"));
        assert!(policy(&with("^[0-9]+$")).tags(&["12", "13-debug"]).is_clean("T2P009"));
        assert!(policy(&with("[0-9]+")).tags(&["12", "13"]).is_clean("T2P009"));
        assert!(policy(&with("[0-9]+")).is_clean("T2P009"));
    }
}
