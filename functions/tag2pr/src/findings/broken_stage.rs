//! An `after` that leads nowhere, or back.

use super::tree::Tree;
use super::{Finding, Rule, Severity};
use crate::manifests::Broken;

pub(super) const RULE: Rule =
    Rule { code: "T2P037", meaning: "`after` names no automation that proposes here, or leads back to itself" };

pub(super) fn find(tree: &Tree<'_>) -> Vec<Finding> {
    let broken = tree.manifests.broken_stages.iter();
    let finding = broken.map(|broken| {
        let message = format!("the automation {} proposes nothing: {broken}", broken.automation);
        let help = match &broken.why {
            Broken::Missing(Some(nearest)) => format!("did you mean `{nearest}`?"),
            Broken::Missing(None) => {
                "name an ImageUpdateAutomation or one of `proposals:` that is for this repository and branch".to_owned()
            }
            Broken::PassedOver => format!("see what is said about {}", broken.after),
            Broken::Circle(_) => "take `after` away from the one that shall begin".to_owned(),
        };
        Finding::new(&RULE, Severity::Error, &broken.place, message, help)
    });
    finding.collect()
}

#[cfg(test)]
mod tests {
    use crate::findings::trial::{Trial, policy};

    fn with(stages: &str) -> Trial {
        policy("policy: { numerical: {} }").file(".tag2pr.yaml", &format!("proposals:\n{stages}"))
    }

    #[test]
    fn an_automation_comes_after_one_that_there_is() {
        let stage = "  - { name: apps/last, path: last, after: { automation: apps/first } }\n";
        assert!(with(&format!("  - {{ name: apps/first }}\n{stage}")).is_clean("T2P037"));
        insta::assert_snapshot!(with(&format!("  - {{ name: apps/frist }}\n{stage}")).shown("T2P037"), @"
        .tag2pr.yaml:3:57 error: the automation apps/last proposes nothing: it comes after apps/first, and there is no automation of that name that proposes here
        help: did you mean `apps/frist`?
        ");
        insta::assert_snapshot!(with(&stage.replace("apps/first", "web/one")).shown("T2P037"), @"
        .tag2pr.yaml:2:57 error: the automation apps/last proposes nothing: it comes after web/one, and there is no automation of that name that proposes here
        help: name an ImageUpdateAutomation or one of `proposals:` that is for this repository and branch
        ");
    }

    #[test]
    fn nothing_comes_after_itself() {
        let circle = "  - { name: apps/a, after: { automation: apps/c } }\n  - { name: apps/b, after: { automation: apps/a } }\n  - { name: apps/c, after: { automation: apps/b } }\n  - { name: apps/d, after: { automation: apps/a } }\n  - { name: apps/all, after: { automation: apps/all } }\n";
        insta::assert_snapshot!(with(circle).shown("T2P037"), @"
        .tag2pr.yaml:2:42 error: the automation apps/a proposes nothing: it comes after itself, by way of apps/c and apps/b, so nothing could ever begin
        help: take `after` away from the one that shall begin
        .tag2pr.yaml:3:42 error: the automation apps/b proposes nothing: it comes after itself, by way of apps/a and apps/c, so nothing could ever begin
        help: take `after` away from the one that shall begin
        .tag2pr.yaml:4:42 error: the automation apps/c proposes nothing: it comes after itself, by way of apps/b and apps/a, so nothing could ever begin
        help: take `after` away from the one that shall begin
        .tag2pr.yaml:5:42 error: the automation apps/d proposes nothing: it comes after apps/a, which is passed over itself
        help: see what is said about apps/a
        .tag2pr.yaml:6:44 error: the automation apps/all proposes nothing: it comes after itself, so nothing could ever begin
        help: take `after` away from the one that shall begin
        ");
    }
}
