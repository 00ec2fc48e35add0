//! An object that does not say its namespace.

use super::tree::Tree;
use super::{Finding, Rule, Severity};
use crate::problem::Place;

pub(super) const RULE: Rule = Rule { code: "T2P026", meaning: "an object names no namespace" };

pub(super) fn find(tree: &Tree<'_>) -> Vec<Finding> {
    let finding = |note: &crate::problem::Problem| {
        let place = Place { file: note.file.clone(), line: note.line.unwrap_or(1), column: note.column.unwrap_or(1) };
        let place = tree.place_of_key(&place, "metadata.name");
        let help = "write `metadata.namespace`, so that it means the same wherever it is read".to_owned();
        let message = note.reason.strip_suffix(": add `metadata.namespace`").unwrap_or(&note.reason);
        Finding::new(&RULE, Severity::Note, &place, message.to_owned(), help)
    };
    tree.found.notes.iter().map(finding).collect()
}

#[cfg(test)]
mod tests {
    use crate::findings::trial::policy;

    #[test]
    fn a_namespace_is_missing() {
        let object = "apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImageRepository\nmetadata: { name: db }\n\
                      spec: { image: postgres }\n";
        let trial = policy("policy: { numerical: {} }");
        assert!(trial.is_clean("T2P026"));
        insta::assert_snapshot!(trial.file("db.yaml", object).shown("T2P026"), @"
        db.yaml:3:13 note: ImageRepository db names no namespace, and no kustomization above it sets one
        help: write `metadata.namespace`, so that it means the same wherever it is read
        ");
    }
}
