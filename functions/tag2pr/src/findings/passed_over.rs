//! An automation that proposes nothing here.

use super::tree::Tree;
use super::{Finding, Rule, Severity};

pub(super) const RULE: Rule = Rule { code: "T2P017", meaning: "an automation is passed over" };

pub(super) fn find(tree: &Tree<'_>) -> Vec<Finding> {
    let finding = |(place, reason): &(crate::problem::Place, String)| {
        let automation = tree.found.automations.iter().find(|one| one.object.place == *place)?;
        // That has a finding of its own.
        if tree.manifests.broken_stages.iter().any(|broken| broken.to_string() == *reason) {
            return None;
        }
        let unusable = automation.checkout.as_ref().is_some_and(|reference| {
            reference.tag.is_some() || reference.semver.is_some() || reference.commit.is_some()
        }) || automation.strategy.as_ref().is_some_and(|strategy| strategy.value != "Setters");
        let (severity, help) = if automation.suspend {
            (Severity::Note, "remove `suspend: true` to let it propose again")
        } else if unusable {
            (Severity::Warning, "check out a branch, and use the strategy `Setters`")
        } else {
            (Severity::Note, "nothing has to be done if that is meant")
        };
        let (reason, mend) = reason.rsplit_once("; ").map_or((reason.as_str(), None), |(a, b)| (a, Some(b)));
        let help = mend.filter(|_| automation.suspend).unwrap_or(help);
        let message = format!("the automation {} is passed over: {reason}", automation.object.name);
        Some(Finding::new(&RULE, severity, &tree.place_of_key(place, "metadata.name"), message, help.to_owned()))
    };
    tree.manifests.passed_over.iter().filter_map(finding).collect()
}

#[cfg(test)]
mod tests {
    use crate::findings::trial::policy;

    #[test]
    fn why_an_automation_is_passed_over() {
        let with = |spec: &str| {
            let object = format!(
                "apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImageUpdateAutomation\n\
                 metadata: {{ name: all, namespace: apps }}\n\
                 spec: {{ sourceRef: {{ kind: GitRepository, name: fleet }}{spec} }}\n"
            );
            policy("policy: { numerical: {} }").file("automation.yaml", &object)
        };
        insta::assert_snapshot!(with(", suspend: true").shown("T2P017"), @"
        automation.yaml:3:13 note: the automation all is passed over: it is suspended
        help: `takeOver: true` in .tag2pr.yaml lets tag2pr act in Flux's place
        ");
        insta::assert_snapshot!(with(", git: { checkout: { ref: { tag: v1 } } }").shown("T2P017"), @"
        automation.yaml:3:13 warning: the automation all is passed over: it checks out a tag or a commit, which nothing can be proposed to
        help: check out a branch, and use the strategy `Setters`
        ");
        insta::assert_snapshot!(with(", update: { strategy: Magic }").shown("T2P017"), @"
        automation.yaml:3:13 warning: the automation all is passed over: `Magic` is no update strategy: Flux knows `Setters` only
        help: check out a branch, and use the strategy `Setters`
        ");
        assert!(with("").is_clean("T2P017"));
    }
}
