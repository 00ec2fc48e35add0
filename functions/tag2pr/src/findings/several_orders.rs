//! More than one kind of order in one policy.

use super::mend::{Change, first};
use super::subject::Subject;
use super::{Finding, Rule, Severity};

pub(super) const RULE: Rule =
    Rule { code: "T2P015", meaning: "several orders are set at once, of which Flux uses one" };

pub(super) fn find(subject: &Subject<'_>) -> Option<Finding> {
    let written = subject.written;
    let set = [
        ("semver", written.semver_range.is_some()),
        ("alphabetical", written.alphabetical.is_some()),
        ("numerical", written.numerical.is_some()),
    ];
    let counts = subject.key();
    let superfluous: Vec<&str> = set.iter().filter(|(key, set)| *set && *key != counts).map(|(key, _)| *key).collect();
    if superfluous.is_empty() {
        return None;
    }
    let names: Vec<String> = superfluous.iter().map(|key| format!("`{key}`")).collect();
    let names = names.join(" and ");
    let verb = if superfluous.len() == 1 { "is" } else { "are" };
    let message = format!("`{counts}` is set and counts, so {names} {verb} passed over");
    let help = format!("remove {names}, or `{counts}` if it is not what is meant");
    let before = subject.selected().map(|selected| selected.tag);
    let mended = first(subject, [Change { superfluous, ..Change::default() }], |after| {
        after.selected.map(|selected| selected.tag) == before
    });
    let finding = Finding::new(&RULE, Severity::Warning, &subject.place_of_order(), message, help);
    Some(finding.with(mended.map(|mended| mended.patch)))
}

#[cfg(test)]
mod tests {
    use crate::findings::trial::policy;

    #[test]
    fn one_counts_and_the_others_go() {
        let block = "policy:\n  numerical:\n    order: asc\n  semver:\n    range: 1.x\n  alphabetical: {}";
        insta::assert_snapshot!(policy(block).shown("T2P015"), @"
        policy.yaml:10:14 warning: `semver` is set and counts, so `alphabetical` and `numerical` are passed over
        help: remove `alphabetical` and `numerical`, or `semver` if it is not what is meant
        -    numerical:
        -      order: asc
        -    alphabetical: {}
        ");
        let flow = "policy: { alphabetical: { order: asc }, numerical: {} }";
        insta::assert_snapshot!(policy(flow).shown("T2P015"), @"
        policy.yaml:6:36 warning: `alphabetical` is set and counts, so `numerical` is passed over
        help: remove `numerical`, or `alphabetical` if it is not what is meant
        -  policy: { alphabetical: { order: asc }, numerical: {} }
        +  policy: { alphabetical: { order: asc } }
        ");
        assert!(policy("policy: { numerical: {} }").is_clean("T2P015"));
    }
}
