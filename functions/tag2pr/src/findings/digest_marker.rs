//! A marker for a digest, of a policy that has none.

use super::tree::Tree;
use super::{Finding, Rule, Severity};
use crate::markers::Part;
use crate::policy::DigestReflection;
use crate::problem::Place;

pub(super) const RULE: Rule =
    Rule { code: "T2P028", meaning: "a marker asks for a digest, but its policy follows none" };

pub(super) fn find(tree: &Tree<'_>) -> Vec<Finding> {
    let of = |(file, marker): (&str, &crate::markers::Marker)| {
        let declared = tree.manifests.policies.iter().find(|policy| policy.name == marker.setter.policy)?;
        let (_, policy) = declared.policy.as_ref().ok()?;
        if marker.setter.part != Part::Digest || policy.digest != DigestReflection::Never {
            return None;
        }
        let message = format!(
            "the marker asks for the digest of {}, which follows none: the values of this policy in this file are left alone",
            declared.name
        );
        let help =
            "write `digestReflectionPolicy: IfNotPresent` in the policy, or `Always` if its tag moves".to_owned();
        let place = Place { file: file.to_owned(), line: marker.line, column: marker.column };
        let patch = super::subject::with(tree, declared, &super::without_tags, |subject| {
            let change = super::mend::Change { digest: Some(("IfNotPresent", None)), ..Default::default() };
            super::mend::mend(subject, &change).map(|(mended, _)| mended.patch)
        });
        let finding = Finding::new(&RULE, Severity::Error, &place, message, help).with(patch);
        Some(Finding { policy: Some(declared.name.to_string()), ..finding })
    };
    tree.markers().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use crate::findings::trial::policy;

    #[test]
    fn a_digest_must_be_followed_to_be_written() {
        let digest = "digest: sha256:0 # {\"$imagepolicy\": \"apps:web:digest\"}\n";
        let never = "policy:\n  numerical: {}";
        insta::assert_snapshot!(policy(never).file("web.yaml", digest).shown("T2P028"), @"
        web.yaml:1:9 error: the marker asks for the digest of apps/web, which follows none: the values of this policy in this file are left alone
        help: write `digestReflectionPolicy: IfNotPresent` in the policy, or `Always` if its tag moves
        +  digestReflectionPolicy: IfNotPresent
        ");
        assert!(policy(never).is_clean("T2P028"));
        assert!(
            policy("policy: { numerical: {} }\ndigestReflectionPolicy: IfNotPresent")
                .file("web.yaml", digest)
                .is_clean("T2P028")
        );
    }
}
