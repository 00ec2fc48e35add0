//! A field rule that leads to nothing.

use super::tree::Tree;
use super::{Finding, Rule, Severity};
use crate::markers::{self, Pointer};

pub(super) const RULE: Rule = Rule { code: "T2P033", meaning: "a field rule matches no file, or leads to no value" };

pub(super) fn find(tree: &Tree<'_>) -> Vec<Finding> {
    (0..tree.manifests.rules.len()).filter_map(|index| of(tree, index)).collect()
}

fn of(tree: &Tree<'_>, index: usize) -> Option<Finding> {
    let rule = &tree.manifests.rules[index];
    let globs: Vec<String> = rule.files.iter().map(|glob| format!("`{glob}`")).collect();
    let globs = globs.join(", ");
    let place = tree.place_of_rule(index);
    let finding = |severity, message: String, help: &str| {
        let finding = Finding::new(&RULE, severity, &place, message, help.to_owned());
        Some(Finding { policy: Some(rule.policy.0.to_string()), ..finding })
    };
    let covered: Vec<_> = tree.manifests.files.iter().filter(|file| rule.covers(&file.path)).collect();
    if covered.is_empty() {
        let message = format!("no file matches {globs}, so this rule changes nothing");
        let help = "write the path from the root of the repository: `*` stays within a folder, `**` does not";
        return finding(Severity::Warning, message, help);
    }
    // What cannot be read is a finding of its own.
    let read: Vec<Vec<bool>> =
        covered.iter().filter_map(|file| markers::leads(&file.path, &file.bytes, rule)).collect();
    if read.is_empty() {
        let formats = covered.iter().all(|file| !markers::takes_rules(&file.path));
        let message = format!("the files that match {globs} are no JSON and no YAML by their names");
        let help = "put markers into files that have comments; rules are for JSON and for generated YAML";
        return if formats { finding(Severity::Warning, message, help) } else { None };
    }
    let idle: Vec<&Pointer> =
        rule.at.iter().enumerate().filter(|(at, _)| read.iter().all(|leads| !leads[*at])).map(|(_, one)| one).collect();
    let named = idle.iter().map(|pointer| format!("`{pointer}`")).collect::<Vec<_>>().join(", ");
    let help = "a value that is not there is never added: correct the pointer, or remove it";
    match idle.len() {
        0 => None,
        all if all == rule.at.len() => {
            finding(Severity::Warning, format!("{named} leads to no value in any file that matches {globs}"), help)
        }
        _ => finding(Severity::Note, format!("{named} leads to no value in any file that matches {globs}"), help),
    }
}

#[cfg(test)]
mod tests {
    use crate::findings::trial::{Trial, policy};

    fn with(rule: &str) -> Trial {
        policy("policy: { numerical: {} }")
            .file(".tag2pr.yaml", &format!("fields:\n  - {rule}\n"))
            .file("devices/a.json", "{\"image\": \"ghcr.io/acme/web:1\"}\n")
            .file("notes.txt", "image: x\n")
    }

    #[test]
    fn a_rule_must_lead_to_a_value() {
        assert!(with("{ files: devices/*.json, at: $.image, policy: apps/web }").is_clean("T2P033"));
        insta::assert_snapshot!(with("{ files: device/*.json, at: $.image, policy: apps/web }").shown("T2P033"), @"
        .tag2pr.yaml:2:5 warning: no file matches `device/*.json`, so this rule changes nothing
        help: write the path from the root of the repository: `*` stays within a folder, `**` does not
        ");
        insta::assert_snapshot!(with("{ files: devices/*.json, at: $.imageName, policy: apps/web }").shown("T2P033"), @"
        .tag2pr.yaml:2:5 warning: `$.imageName` leads to no value in any file that matches `devices/*.json`
        help: a value that is not there is never added: correct the pointer, or remove it
        ");
        insta::assert_snapshot!(with("{ files: devices/*.json, at: [$.image, $.imageName], policy: apps/web }").shown("T2P033"), @"
        .tag2pr.yaml:2:5 note: `$.imageName` leads to no value in any file that matches `devices/*.json`
        help: a value that is not there is never added: correct the pointer, or remove it
        ");
        insta::assert_snapshot!(with("{ files: '*.txt', at: $.image, policy: apps/web }").shown("T2P033"), @"
        .tag2pr.yaml:2:5 warning: the files that match `*.txt` are no JSON and no YAML by their names
        help: put markers into files that have comments; rules are for JSON and for generated YAML
        ");
    }
}
