//! People work on the same repository: what they decide stands, what they write stays.

use super::stories::{FRONTEND, FRONTEND_FILE, PROPOSAL, home_lab};
use super::world::{BASE, World};

/// The second story with a pull request for the frontend.
pub(super) fn proposed() -> World {
    let mut world = home_lab();
    world.deliver("stories/2-frontend");
    world.serve();
    world
}

pub(super) fn newer(world: &mut World) {
    world.push(&format!("{FRONTEND}:main-0000001-1707400000"));
    world.serve();
}

#[test]
fn the_base_may_move_while_it_is_proposed_to() {
    let mut world = home_lab();
    world.deliver("stories/2-frontend");
    world.git.branch_moves_once(BASE);
    world.serve();
    assert_eq!(world.open().title, "Update frontend to main-abc1234-1707300000");

    world.propose();
    assert_eq!(world.added(PROPOSAL).len(), 1, "one commit on top of where the base is now");
    assert!(world.git.files(PROPOSAL).contains_key("somebody-else.txt"));
    assert_eq!(world.forge.pulls().len(), 1);
}

#[test]
fn nothing_is_lost_when_the_policy_is_broken_for_a_while() {
    let mut world = proposed();
    let policies = "flux/clusters/production/image-automation/image-policies.yaml";
    let before = world.open();
    world.edit(BASE, policies, "extract: '$ts'", "extract: '$sha'");
    let said = world.propose().join("\n");
    assert_eq!(world.open(), before, "{said}");
    insta::assert_snapshot!(said, @r#"
    flux-system.flux-system: left alone: flux-system/frontend: nothing selected: failed to parse invalid numeric value '' of tag main-f9e1f0b-1707200000 (and 2 more like it); let filterTags.pattern match only tags with a number, or add '^main-f9e1f0b-1707200000$' to the exclusionList of the ImageRepository
    flux-system/frontend: nothing selected: failed to parse invalid numeric value '' of tag main-f9e1f0b-1707200000 (and 2 more like it); let filterTags.pattern match only tags with a number, or add '^main-f9e1f0b-1707200000$' to the exclusionList of the ImageRepository
    flux-system/backend: nothing selected: failed to parse invalid numeric value '' of tag main-c40ddee-1707210000; let filterTags.pattern match only tags with a number, or add '^main-c40ddee-1707210000$' to the exclusionList of the ImageRepository
    "#);

    world.edit(BASE, policies, "kind: ImagePolicy", "kind: [");
    let said = world.propose().join("\n");
    assert_eq!(world.open(), before, "{said}");
}

#[test]
fn a_manifest_that_cannot_be_read_for_a_while_closes_nothing() {
    let mut world = proposed();
    let before = world.open();
    world.edit(BASE, FRONTEND_FILE, "kind: Deployment", "kind: [");
    let said = world.propose().join("\n");
    assert!(said.contains(FRONTEND_FILE), "{said}");
    assert_eq!(world.open(), before);
}

#[test]
fn a_protected_branch_stops_no_other_proposal() {
    let mut world = World::watched("3-environments");
    world.git.protect("tag2pr/develop.shop", "protected branch hook declined");
    world.push("ghcr.io/example/shop:develop-v0.0.2-b2c3d4e-1738870000");
    world.push("ghcr.io/example/shop:staging-v0.0.2-b2c3d4e-1738870000");
    let refused = world.try_propose().unwrap_err();
    assert!(!refused.is_transient() && refused.to_string().contains("hook declined"), "{refused}");
    assert_eq!(world.open().branch, "tag2pr/staging.shop");
}

#[test]
fn a_value_without_a_tag_is_confirmed_and_closed_for_good() {
    let mut world = home_lab();
    let file = "flux/clusters/production/frontend/deployment.yaml";
    world.edit(BASE, file, ":main-f9e1f0b-1707200000", "");
    world.deliver("stories/2-frontend");
    world.serve();
    let open = world.open();
    assert_eq!(open.title, "Update frontend to main-abc1234-1707300000");
    world.forge.close_by_person(open.number);
    world.propose();
    world.propose();
    assert_eq!(world.forge.open_pulls(), []);
}

#[test]
fn a_digest_of_another_tag_is_never_kept() {
    let mut world = home_lab();
    let policies = "flux/clusters/production/image-automation/image-policies.yaml";
    world.edit(
        BASE,
        policies,
        "    numerical:\n      order: asc\n",
        "    numerical: {}\n  digestReflectionPolicy: IfNotPresent\n",
    );
    let file = "flux/clusters/production/frontend/deployment.yaml";
    let old = format!("@sha256:{}", "0".repeat(64));
    world.edit(BASE, file, ":main-f9e1f0b-1707200000", &old);
    world.deliver("stories/2-frontend");
    world.serve();
    let written = world.file(&world.open().branch, file);
    assert!(!written.contains(&old), "{written}");
    assert!(written.contains("frontend:main-abc1234-1707300000@sha256:"), "{written}");
}

#[test]
fn two_different_policies_of_one_name_decide_nothing() {
    let mut world = home_lab();
    let path = "flux/clusters/production/image-automation/image-policies.yaml";
    let other = world.file(BASE, path).replace("main-", "staging-");
    let entry = tag2pr::testing::repository::Entry::file("flux/clusters/staging/image-policies.yaml", other);
    world.git.push_by_somebody_else(BASE, &[entry], "Another cluster");
    world.deliver("stories/2-frontend");
    let said = world.serve().join("\n");
    assert!(said.contains("declared differently in flux/clusters/production/"), "{said}");
    assert_eq!(world.git.branches(), [BASE]);
}

#[test]
fn a_tag_that_is_held_by_hand_leaves_the_open_pull_request_and_newer_ones_come() {
    let mut world = proposed();
    assert!(world.hold("flux-system/frontend", "main-abc1234-1707300000", "waits for the database"));
    assert!(!world.hold("flux-system/frontend", "main-abc1234-1707300000", "waits for the database"));
    let said = world.propose().join("\n");
    assert!(said.contains("waits for the database"), "{said}");
    assert_eq!(world.forge.open_pulls(), []);
    assert_eq!(world.holds().len(), 1, "our own closing holds nothing");

    newer(&mut world);
    assert_eq!(world.open().title, "Update frontend to main-0000001-1707400000");
}
