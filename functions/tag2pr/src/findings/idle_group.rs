//! A group that takes part in no match.

use super::subject::Subject;
use super::{Finding, Rule, Severity};
use crate::policy::filter::references;
use crate::policy::{Filter, Order, Policy};

pub(super) const RULE: Rule =
    Rule { code: "T2P007", meaning: "a group that `extract` names takes part in the match of no tag" };

pub(super) fn find(subject: &Subject<'_>) -> Option<Finding> {
    let (pattern, extract) = (subject.pattern(), subject.extract());
    let considered = subject.considered().len();
    if extract.is_empty() || considered == 0 {
        return None;
    }
    let references = references(pattern, extract).ok()?;
    let idle = references.iter().find(|(name, known)| *known && is_idle(subject, name).unwrap_or(false))?;
    let alone = references.len() == 1;
    let severity = if alone { Severity::Warning } else { Severity::Note };
    let message =
        format!("the group `{}` takes part in the match of none of {considered} tags, so it is always empty", idle.0);
    let help = "name a group that every tag has a part for, or correct the pattern".to_owned();
    Some(Finding::new(&RULE, severity, subject.place_of(&subject.written.extract), message, help))
}

/// Whether a group is empty for all known tags.
fn is_idle(subject: &Subject<'_>, name: &str) -> Option<bool> {
    let policy = subject.policy?;
    let filter = Filter::new(subject.pattern(), &format!("${{{name}}}")).ok()?;
    let order = Order::Alphabetical(crate::policy::Direction::Ascending);
    let alone = Policy { filter: Some(filter), order, ..policy.clone() };
    let selection = alone.select(subject.known);
    Some((0..subject.known.len()).all(|index| selection.value(index).is_none_or(str::is_empty)))
}

#[cfg(test)]
mod tests {
    use crate::findings::trial::policy;

    #[test]
    fn an_alternative_that_never_matches() {
        let spec = "filterTags: { pattern: '^(?:v(?P<old>[0-9]+)|build-(?P<new>[0-9]+))$', extract: $old }\npolicy:\n  alphabetical: {}";
        insta::assert_snapshot!(policy(spec).tags(&["build-1", "build-2"]).shown("T2P007"), @"
        policy.yaml:6:83 warning: the group `old` takes part in the match of none of 2 tags, so it is always empty
        help: name a group that every tag has a part for, or correct the pattern
        ");
        assert!(policy(spec).tags(&["build-1", "v2"]).is_clean("T2P007"));
        assert!(policy(spec).is_clean("T2P007"));
    }
}
