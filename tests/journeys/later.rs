//! What the stories need and the product does not do yet. Take the `#[ignore]` away with the work that it names.

use std::process::Command;

use serde_json::Value;
use tag2pr::testing::repository::Entry;

use super::world::{BASE, World};

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

#[test]
#[ignore = "needs staged proposals in `.tag2pr.yaml`"]
fn the_next_batch_waits_until_the_first_has_soaked() {
    let mut world = World::of("5-devices");
    let automation = |name: &str| {
        format!(
            "---\napiVersion: image.toolkit.fluxcd.io/v1\nkind: ImageUpdateAutomation\n\
             metadata: {{ name: {name}, namespace: fleet }}\nspec:\n  sourceRef: {{ kind: GitRepository, name: fleet }}\n  \
             git: {{ checkout: {{ ref: {{ branch: main }} }}, commit: {{ author: {{ email: bot@example.org }} }} }}\n  \
             update: {{ path: ./{name} }}\n"
        )
    };
    let stages = "proposals:\n  - name: fleet/kitchen\n    after: { automation: fleet/gateway, soak: 2h }\n";
    let compose = world.file(BASE, "gateway/compose.yaml");
    world.edit(BASE, "image-automation.yaml", "update: { path: . }", "suspend: true\n  update: { path: . }");
    let files = [
        Entry::file("automations.yaml", automation("gateway") + &automation("kitchen")),
        Entry::file("kitchen/compose.yaml", compose),
        Entry::file(".tag2pr.yaml", stages),
    ];
    world.git.push_by_somebody_else(BASE, &files, "In batches");
    world.build("redis:7.4-alpine");
    world.propose();
    world.build("redis:7.5-alpine");
    world.deliver("stories/5-redis");
    world.serve();
    assert_eq!(world.open().branch, "tag2pr/fleet.gateway");

    world.merge(1);
    world.propose();
    world.wait(3600);
    world.propose();
    assert_eq!(world.forge.open_pulls(), [], "it soaks");
    world.wait(3601);
    world.propose();
    assert_eq!(world.open().branch, "tag2pr/fleet.kitchen");
}
