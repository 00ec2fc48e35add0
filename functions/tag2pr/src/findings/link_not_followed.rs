//! A symbolic link that Flux would write through.

use super::tree::Tree;
use super::{Finding, Rule, Severity};
use crate::problem::Place;

pub(super) const RULE: Rule =
    Rule { code: "T2P035", meaning: "a symbolic link to marked values, or out of the repository, is not followed" };

pub(super) fn find(tree: &Tree<'_>) -> Vec<Finding> {
    let finding = |problem: &crate::problem::Problem| {
        let place = Place { file: problem.file.clone(), line: 1, column: 1 };
        let help = "see that the file itself lies below the path of the automation".to_owned();
        Finding::new(&RULE, Severity::Note, &place, problem.reason.clone(), help)
    };
    tree.manifests.links.iter().map(finding).collect()
}

#[cfg(test)]
mod tests {
    use crate::findings::trial::policy;
    use crate::seams::Why;

    #[test]
    fn links_are_told_where_an_update_could_be_missed() {
        let linked = |path: &str, target: &str| {
            policy("policy: { numerical: {} }").left_out(path, Why::Link(target.to_owned())).shown("T2P035")
        };
        insta::assert_snapshot!(linked("apps/web.yaml", "../web.yaml"), @"
        apps/web.yaml:1:1 note: a symbolic link to `web.yaml`: it is not followed, the file is updated where it lies
        help: see that the file itself lies below the path of the automation
        ");
        for target in ["/etc/web.yaml", "../../web.yaml"] {
            assert!(linked("apps/web.yaml", target).contains("out of the repository"), "{target}");
        }
        assert_eq!(linked("apps/policy.yaml", "../policy.yaml"), "", "nothing is marked there");
        assert_eq!(linked("apps/current", "../clusters"), "", "a folder");
        assert_eq!(linked("README", "/usr/share/doc"), "", "no file that markers count in");
    }
}
