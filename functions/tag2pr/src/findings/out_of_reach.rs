//! A marker in a file that no automation updates.

use super::tree::Tree;
use super::{Finding, Rule, Severity};
use crate::markers::Marker;
use crate::problem::Place;

pub(super) const RULE: Rule =
    Rule { code: "T2P027", meaning: "a marked value is not below the path of any automation that applies its policy" };

pub(super) fn find(tree: &Tree<'_>) -> Vec<Finding> {
    let of = |(file, marker): (&str, &Marker)| {
        let declared = tree.manifests.policies.iter().find(|policy| policy.name == marker.setter.policy)?;
        let applying: Vec<_> =
            tree.manifests.automations.iter().filter(|automation| automation.applies(declared)).collect();
        let first = applying.first()?;
        let reached = |file: &str| applying.iter().any(|automation| automation.covers(file));
        if reached(file) {
            return None;
        }
        // Where other values of the policy are updated, this one may be left out on purpose.
        let on_purpose = tree.markers_of(&declared.name).any(|(file, _)| reached(file));
        let severity = if on_purpose { Severity::Note } else { Severity::Warning };
        let message = format!(
            "this value is not below `{}`, the path of the automation {}, so it never changes",
            first.path, first.whole
        );
        let help = "widen `spec.update.path`, or move the file below it".to_owned();
        let place = Place { file: file.to_owned(), line: marker.line, column: marker.column };
        let finding = Finding::new(&RULE, severity, &place, message, help);
        Some(Finding { policy: Some(declared.name.to_string()), ..finding })
    };
    tree.markers().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use crate::findings::trial::policy;

    const MARKED: &str = "tag: x # {\"$imagepolicy\": \"apps:web:tag\"}\n";
    const BELOW: &str = "apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageUpdateAutomation
metadata: { name: all, namespace: apps }
spec: { sourceRef: { kind: GitRepository, name: fleet }, update: { path: ./clusters } }
";

    #[test]
    fn a_value_must_be_below_the_path() {
        let trial = policy("policy: { numerical: {} }").file("automation.yaml", BELOW);
        insta::assert_snapshot!(trial.shown("T2P027"), @"
        web.yaml:1:8 warning: this value is not below `clusters`, the path of the automation apps.all, so it never changes
        help: widen `spec.update.path`, or move the file below it
        ");
        let both = trial.file("clusters/web.yaml", MARKED);
        insta::assert_snapshot!(both.shown("T2P027"), @"
        web.yaml:1:8 note: this value is not below `clusters`, the path of the automation apps.all, so it never changes
        help: widen `spec.update.path`, or move the file below it
        ");
        assert!(both.without("web.yaml").is_clean("T2P027"));
    }
}
