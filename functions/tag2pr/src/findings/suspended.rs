//! A policy that is suspended.

use super::subject::Subject;
use super::{Finding, Rule, Severity};

pub(super) const RULE: Rule = Rule { code: "T2P031", meaning: "the policy is suspended: it selects nothing" };

pub(super) fn find(subject: &Subject<'_>) -> Option<Finding> {
    subject.written.suspend.then(|| {
        let message = format!("ImagePolicy {} is suspended, so it selects nothing", subject.declared.name);
        let help = "remove `suspend: true` to let it select again".to_owned();
        Finding::new(&RULE, Severity::Note, &subject.place_of_key("metadata.name"), message, help)
    })
}

#[cfg(test)]
mod tests {
    use crate::findings::trial::policy;

    #[test]
    fn suspended_policies_are_mentioned() {
        insta::assert_snapshot!(policy("policy:\n  numerical: {}\nsuspend: true").shown("T2P031"), @"
        policy.yaml:3:13 note: ImagePolicy apps/web is suspended, so it selects nothing
        help: remove `suspend: true` to let it select again
        ");
        assert!(policy("policy:\n  numerical: {}").is_clean("T2P031"));
    }
}
