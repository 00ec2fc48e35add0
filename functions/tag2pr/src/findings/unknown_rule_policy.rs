//! A field rule that names no policy.

use super::tree::{Tree, nearest};
use super::{Finding, Rule, Severity};

pub(super) const RULE: Rule = Rule { code: "T2P034", meaning: "a field rule names a policy that does not exist" };

pub(super) fn find(tree: &Tree<'_>) -> Vec<Finding> {
    let policies = &tree.manifests.policies;
    let known: Vec<String> = policies.iter().map(|policy| policy.name.to_string()).collect();
    let of = |(index, rule): (usize, &crate::markers::FieldRule)| {
        let wanted = rule.policy.0.to_string();
        let broken = tree.is_broken("ImagePolicy", &rule.policy.0.namespace, &rule.policy.0.name);
        if known.contains(&wanted) || broken {
            return None;
        }
        let message = format!("the rule names the policy {wanted}, which is not there: its values never change");
        let help = match nearest(&wanted, known.iter().map(String::as_str)) {
            Some(meant) => format!("write `policy: {meant}`, if that is what is meant"),
            None => format!("add the ImagePolicy {wanted}, or remove the rule"),
        };
        // The policies may all be somewhere else, or in a file that cannot be read.
        let sure = !policies.is_empty() && tree.found.problems.is_empty();
        let severity = if sure { Severity::Warning } else { Severity::Note };
        Some(Finding::new(&RULE, severity, &tree.place_of_rule(index), message, help))
    };
    tree.manifests.rules.iter().enumerate().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use crate::findings::trial::policy;

    #[test]
    fn a_rule_needs_a_policy() {
        let with = |name: &str| {
            policy("policy: { numerical: {} }")
                .file(".tag2pr.yaml", &format!("fields:\n  - files: a.json\n    at: $.image\n    policy: {name}\n"))
                .file("a.json", "{\"image\": \"x\"}")
        };
        assert!(with("apps/web").is_clean("T2P034"));
        insta::assert_snapshot!(with("apps/wep").shown("T2P034"), @"
        .tag2pr.yaml:2:5 warning: the rule names the policy apps/wep, which is not there: its values never change
        help: write `policy: apps/web`, if that is what is meant
        ");
        insta::assert_snapshot!(with("fleet/database").shown("T2P034"), @"
        .tag2pr.yaml:2:5 warning: the rule names the policy fleet/database, which is not there: its values never change
        help: add the ImagePolicy fleet/database, or remove the rule
        ");
    }
}
