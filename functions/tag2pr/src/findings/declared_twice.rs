//! Two policies of one name that say different things.

use super::subject::Subject;
use super::{Finding, Rule, Severity};

pub(super) const RULE: Rule =
    Rule { code: "T2P036", meaning: "two policies of one name say different things, and neither counts" };

pub(super) fn find(subject: &Subject<'_>) -> Option<Finding> {
    let rival = subject.declared.rival.as_ref()?;
    let message = format!(
        "{} is declared a second time, and says something else than in {}: neither counts",
        subject.declared.name, subject.declared.place
    );
    let help = "give one of them another name or namespace, or make them say the same".to_owned();
    Some(Finding::new(&RULE, Severity::Error, rival, message, help))
}

#[cfg(test)]
mod tests {
    use crate::findings::trial::policy;

    const ONE: &str = "policy: { numerical: { order: asc } }";

    fn again(order: &str) -> String {
        format!(
            "apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImagePolicy\nmetadata: {{ name: web, namespace: apps }}\n\
             spec: {{ imageRepositoryRef: {{ name: web }}, policy: {{ numerical: {{ order: {order} }} }} }}\n"
        )
    }

    #[test]
    fn neither_of_two_that_differ_counts_and_nothing_else_is_blamed() {
        let trial = policy(ONE).file("second.yaml", &again("desc"));
        insta::assert_snapshot!(trial.shown("T2P036"), @"
        second.yaml:1:1 error: apps/web is declared a second time, and says something else than in policy.yaml:1:1: neither counts
        help: give one of them another name or namespace, or make them say the same
        ");
        assert!(trial.is_clean("T2P023"));
    }

    #[test]
    fn a_copy_that_says_the_same_is_fine() {
        assert!(policy(ONE).file("second.yaml", &again("asc")).is_clean("T2P036"));
    }
}
