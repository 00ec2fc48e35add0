//! A policy that no value is marked with.

use super::subject::Subject;
use super::{Finding, Rule, Severity};

pub(super) const RULE: Rule =
    Rule { code: "T2P019", meaning: "no value is marked with the policy, so it changes nothing" };

pub(super) fn find(subject: &Subject<'_>) -> Option<Finding> {
    let (tree, declared) = (subject.tree, subject.declared);
    let applied = tree.manifests.automations.iter().any(|automation| automation.applies(declared));
    if !applied || tree.markers_of(&declared.name).next().is_some() {
        return None;
    }
    let message = format!("no value is marked with {}, so what it selects is written nowhere", declared.name);
    let help = format!("put `# {{\"$imagepolicy\": \"{}\"}}` behind the value, on its line", declared.name.setter());
    // With files that cannot be read, nobody knows.
    let sure = tree.manifests.problems.is_empty();
    let severity = if sure { Severity::Warning } else { Severity::Note };
    Some(Finding::new(&RULE, severity, &subject.place_of_key("metadata.name"), message, help))
}

#[cfg(test)]
mod tests {
    use crate::findings::trial::policy;

    #[test]
    fn a_policy_needs_a_marker() {
        let trial = policy("policy: { numerical: {} }");
        assert!(trial.is_clean("T2P019"));
        insta::assert_snapshot!(trial.without("web.yaml").shown("T2P019"), @r#"
        policy.yaml:3:13 warning: no value is marked with apps/web, so what it selects is written nowhere
        help: put `# {"$imagepolicy": "apps:web"}` behind the value, on its line
        "#);
    }

    #[test]
    fn policies_that_nothing_applies_need_none() {
        let trial = policy("policy: { numerical: {} }").without("web.yaml").without("automation.yaml");
        assert!(trial.is_clean("T2P019"));
    }
}
