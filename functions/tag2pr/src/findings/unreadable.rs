//! A file, or an object in it, that cannot be read.

use super::tree::Tree;
use super::{Finding, Rule, Severity};
use crate::problem::Place;

pub(super) const RULE: Rule = Rule { code: "T2P025", meaning: "a file or an object cannot be read and is left out" };

pub(super) fn find(tree: &Tree<'_>) -> Vec<Finding> {
    let finding = |problem: &crate::problem::Problem| {
        let place =
            Place { file: problem.file.clone(), line: problem.line.unwrap_or(1), column: problem.column.unwrap_or(1) };
        let (message, help) = match problem.reason.rsplit_once(": ") {
            Some((message, help)) if help.starts_with("write ") || help.starts_with("use ") => (message, help),
            _ => (problem.reason.as_str(), "correct it: until then everything in it is left out"),
        };
        Finding::new(&RULE, Severity::Error, &place, message.to_owned(), help.to_owned())
    };
    tree.manifests.problems.iter().map(finding).collect()
}

#[cfg(test)]
mod tests {
    use crate::findings::trial::policy;

    #[test]
    fn a_broken_file_does_not_stop_the_others() {
        let broken = policy("policy: { alphabetical: { order: desc } }")
            .in_git("20251111-0358")
            .file("broken.yaml", "image: x # {\"$imagepolicy\": \"apps:web\"}\n  y: [\n");
        insta::assert_snapshot!(broken.shown("T2P025"), @"
        broken.yaml:1:10 error: this is no valid YAML: comment intercepting the multiline text
        help: correct it: until then everything in it is left out
        ");
        assert_eq!(broken.found("T2P001").len(), 1);
    }

    #[test]
    fn an_object_that_the_api_would_refuse() {
        insta::assert_snapshot!(policy("policy: { semver: { range: 1.10 } }").shown("T2P025"), @r#"
        policy.yaml:6:30 error: ImagePolicy apps/web: `spec.policy.semver.range` must be text, but `1.10` without quotes is not
        help: write "1.10"
        "#);
        assert!(policy("policy: { semver: { range: '1.10' } }").is_clean("T2P025"));
    }
}
