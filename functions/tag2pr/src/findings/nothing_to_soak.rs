//! A policy of a staged automation that the stage before has no value of.

use super::tree::Tree;
use super::{Finding, Rule, Severity};
use crate::image::ImageName;
use crate::manifests::DeclaredPolicy;
use crate::policy::PolicyName;
use crate::proposal::name;

pub(super) const RULE: Rule =
    Rule { code: "T2P038", meaning: "nothing of the image stands in the stage before, so nothing is ever proposed" };

pub(super) fn find(tree: &Tree<'_>) -> Vec<Finding> {
    let manifests = tree.manifests;
    let image =
        |policy: &DeclaredPolicy| -> Option<ImageName> { policy.policy.as_ref().ok().map(|(image, _)| image.clone()) };
    let mut findings = Vec::new();
    for automation in &manifests.automations {
        let Some(after) = &automation.after else { continue };
        for policy in manifests.policies.iter().filter(|policy| automation.applies(policy)) {
            let own = |file: &str| automation.covers(file);
            let before = |file: &str| after.before.iter().any(|before| before.covers(file)) && !automation.covers(file);
            let counts = |name: &PolicyName| {
                let other = manifests.policies.iter().find(|other| other.name == *name);
                other.is_some_and(|other| {
                    image(other) == image(policy) && after.before.iter().any(|before| before.applies(other))
                })
            };
            let is_wanted = tree.markers_of(&policy.name).any(|(file, _)| own(file));
            let is_there = tree.markers().any(|(file, marker)| before(file) && counts(&marker.setter.policy));
            if policy.policy.is_ok() && is_wanted && !is_there {
                let message = format!(
                    "{} comes after {}, where no marked value is of the image of {}: it never gets a tag",
                    name::readable(&automation.whole),
                    after.name,
                    policy.name
                );
                let help = "mark the image there, or give it an automation without `after`".to_owned();
                findings.push(Finding {
                    policy: Some(policy.name.to_string()),
                    ..Finding::new(&RULE, Severity::Warning, &automation.place, message, help)
                });
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use crate::findings::trial::policy;

    #[test]
    fn the_stage_before_must_have_a_value_of_the_image() {
        let with = |path: &str| {
            policy("policy: { numerical: {} }")
                .file("production/web.yaml", "image: ghcr.io/acme/web:1 # {\"$imagepolicy\": \"apps:web\"}\n")
                .file("staging/web.yaml", "image: ghcr.io/acme/web:2 # {\"$imagepolicy\": \"apps:web\"}\n")
                .file(".tag2pr.yaml", &format!(
                    "proposals:\n  - {{ name: apps/staging, path: {path} }}\n  - {{ name: apps/production, path: production, \
                     after: {{ automation: apps/staging }} }}\n"
                ))
        };
        assert!(with("staging").is_clean("T2P038"));
        insta::assert_snapshot!(with("stagin").shown("T2P038"), @"
        .tag2pr.yaml:3:13 warning: apps/production comes after apps/staging, where no marked value is of the image of apps/web: it never gets a tag
        help: mark the image there, or give it an automation without `after`
        ");
    }
}
