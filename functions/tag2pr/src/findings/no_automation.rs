//! A policy that no automation applies.

use super::subject::Subject;
use super::tree::namespace;
use super::{Finding, Rule, Severity};

pub(super) const RULE: Rule =
    Rule { code: "T2P016", meaning: "no automation applies the policy: wrong namespace or labels" };

pub(super) fn find(subject: &Subject<'_>) -> Option<Finding> {
    let (tree, declared) = (subject.tree, subject.declared);
    let automations = &tree.found.automations;
    // Without any, this is not where policies are applied; one that is passed over has a finding of its own.
    if automations.is_empty() || tree.manifests.automations.iter().any(|automation| automation.applies(declared)) {
        return None;
    }
    let passed_over = |place| tree.manifests.passed_over.iter().any(|(passed, _)| passed == place);
    let beside = || automations.iter().filter(|one| namespace(&one.object) == declared.name.namespace);
    if beside().any(|one| passed_over(&one.object.place)) {
        return None;
    }
    let (message, help) = match beside().next() {
        Some(automation) => {
            let labels = automation.policies.as_ref().map(|selector| &selector.match_labels);
            let labels: Vec<String> =
                labels.into_iter().flatten().map(|(key, value)| format!("`{key}: {value}`")).collect();
            let wanted = if labels.is_empty() { String::new() } else { format!(": {}", labels.join(", ")) };
            (
                format!(
                    "the labels of {} match the `policySelector` of no automation, so nothing applies it",
                    declared.name
                ),
                format!("give the policy the labels that {} selects{wanted}", automation.object.name),
            )
        }
        None => (
            format!(
                "no automation is in the namespace `{}`: an automation applies the policies of its own only",
                declared.name.namespace
            ),
            format!(
                "add an ImageUpdateAutomation in `{}`, or move the policy to `{}`",
                declared.name.namespace,
                automations.first().map_or("", |one| namespace(&one.object))
            ),
        ),
    };
    Some(Finding::new(&RULE, Severity::Warning, &subject.place_of_key("metadata.name"), message, help))
}

#[cfg(test)]
mod tests {
    use crate::findings::trial::{Trial, policy};

    fn automation(namespace: &str, rest: &str) -> Trial {
        let object = format!(
            "apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImageUpdateAutomation\n\
             metadata: {{ name: all, namespace: {namespace} }}\n\
             spec:\n  sourceRef: {{ kind: GitRepository, name: fleet }}\n{rest}"
        );
        policy("policy: { numerical: {} }").file("automation.yaml", &object)
    }

    #[test]
    fn namespace_and_labels_must_fit() {
        insta::assert_snapshot!(automation("flux-system", "").shown("T2P016"), @"
        policy.yaml:3:13 warning: no automation is in the namespace `apps`: an automation applies the policies of its own only
        help: add an ImageUpdateAutomation in `apps`, or move the policy to `flux-system`
        ");
        let selecting = automation("apps", "  policySelector: { matchLabels: { team: web } }\n");
        insta::assert_snapshot!(selecting.shown("T2P016"), @"
        policy.yaml:3:13 warning: the labels of apps/web match the `policySelector` of no automation, so nothing applies it
        help: give the policy the labels that all selects: `team: web`
        ");
    }

    #[test]
    fn an_automation_that_is_passed_over_has_its_own_finding() {
        assert!(automation("apps", "  suspend: true\n").is_clean("T2P016"));
        assert!(automation("apps", "").is_clean("T2P016"));
        assert!(policy("policy: { numerical: {} }").without("automation.yaml").is_clean("T2P016"));
    }
}
