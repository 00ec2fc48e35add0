//! What `tag2pr check` says of the policies that the stories began with.

use std::process::Command;

use serde_json::Value;

/// What `tag2pr check` finds in the policies of a story as they were found.
fn findings(story: &str, tags: &str) -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "-p", "tag2pr-cli", "--", "check", "--output", "json", "--tags", tags])
        .arg(format!("tests/stories/{story}/as-found"))
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    found["findings"].as_array().unwrap().clone()
}

/// The finding in these lines, with the words for its mend.
fn help_at(findings: &[Value], file: &str, lines: std::ops::RangeInclusive<u64>) -> String {
    let here = |finding: &&Value| {
        finding["line"].as_u64().is_some_and(|line| lines.contains(&line))
            && finding["file"].as_str().is_some_and(|found| found.ends_with(file))
    };
    let finding =
        findings.iter().find(here).unwrap_or_else(|| panic!("nothing in {file}, lines {lines:?}: {findings:#?}"));
    finding["help"].as_str().unwrap().to_owned()
}

#[test]
fn check_says_that_desc_selects_the_oldest() {
    let findings = findings("1-dated-tags", "tests/stories/1-dated-tags/tags.txt");
    let help = help_at(&findings, "image-policy.yaml", 11..=13);
    assert!(help.contains("asc"), "{help}");
}

#[test]
fn check_says_that_the_order_is_by_commit_hash() {
    let tags = std::env::temp_dir().join(format!("home-lab-tags-{}", std::process::id()));
    std::fs::write(&tags, "main-f9e1f0b-1707200000\nmain-abc1234-1707300000\nmain-0e4d5f6-1707303600\n").unwrap();
    let findings = findings("2-home-lab", tags.to_str().unwrap());
    std::fs::remove_file(&tags).unwrap();
    let help = help_at(&findings, "image-policies.yaml", 10..=15);
    assert!(help.contains("numerical"), "{help}");
}
