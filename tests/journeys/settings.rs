//! What `.tag2pr.yaml` says at the root of the manifests repository.

use tag2pr::testing::repository::Entry;

use super::stories::{FRONTEND, PROPOSAL, home_lab};
use super::world::{BASE, World};

const DAY: i64 = 24 * 60 * 60;

pub(crate) fn say(world: &World, settings: &str) {
    world.git.push_by_somebody_else(BASE, &[Entry::file(".tag2pr.yaml", settings)], "Tell tag2pr");
}

#[test]
fn a_tag_that_is_too_young_waits_and_is_proposed_when_it_is_old_enough() {
    let mut world = home_lab();
    say(&world, "policies:\n  - name: flux-system/frontend\n    minimumAge: 3d\n");
    world.deliver("stories/2-frontend");
    insta::assert_snapshot!(world.serve().join("\n"), @"flux-system/frontend: nothing selected: every tag is younger than the policy's minimum age; main-0000000-1700000000 is the first that will be old enough, at 2026-03-04 12:00 UTC");
    assert_eq!(world.git.branches(), [BASE]);

    world.wait(3 * DAY);
    world.propose();
    assert_eq!(world.open().title, "Update frontend to main-abc1234-1707300000");
}

#[test]
fn a_young_tag_is_named_under_the_one_that_is_old_enough() {
    let mut world = home_lab();
    world.wait(60);
    world.push(&format!("{FRONTEND}:main-1111111-1707250000"));
    say(&world, "policies:\n  - { name: flux-system/frontend, minimumAge: 3d }\n");
    world.wait(3 * DAY);
    world.deliver("stories/2-frontend");
    world.serve();
    let open = world.open();
    assert_eq!(open.title, "Update frontend to main-1111111-1707250000");
    let young = "`main-abc1234-1707300000` ranks higher and is too young: until ";
    assert!(open.body.contains(young), "{}", open.body);
}

#[test]
fn the_other_names_of_the_selected_image_are_told() {
    let mut world = home_lab();
    world.push(&format!("{FRONTEND}:main-2222222-1707400000 = the same"));
    world.push(&format!("{FRONTEND}:stable = the same"));
    world.serve();
    assert!(world.open().body.contains("The same image is also tagged `stable`."), "{}", world.open().body);
}

#[test]
fn a_repository_without_flux_has_its_policies_and_automations_here() {
    let mut world = World::of("5-devices");
    world.git.push_by_somebody_else(BASE, &[Entry::file("image-automation.yaml", "# moved\n")], "Leave Flux");
    say(
        &world,
        "policies:\n\
         \x20 - name: fleet/redis\n\
         \x20   image: redis\n\
         \x20   filterTags: { pattern: '^(?P<version>[0-9.]+)-alpine$', extract: '$version.0' }\n\
         \x20   policy: { semver: { range: ^7.0 } }\n\
         proposals:\n\
         \x20 - { name: fleet/gateway, path: gateway }\n",
    );
    world.build("docker.io/library/redis:7.5-alpine");
    world.propose();
    let open = world.open();
    assert_eq!((open.branch.as_str(), open.title.as_str()), ("tag2pr/fleet.gateway", "Update redis to 7.5-alpine"));
}

#[test]
fn settings_that_cannot_be_read_silence_everything_and_say_so() {
    let mut world = home_lab();
    say(&world, "policies:\n  - { name: flux-system/frontend, minimumage: 3d }\n");
    world.deliver("stories/2-frontend");
    let said = world.serve().join("\n");
    assert!(said.contains(".tag2pr.yaml:2:"), "{said}");
    assert!(said.contains("did you mean `minimumAge`?"), "{said}");
    assert_eq!(world.git.branches(), [BASE]);
    assert!(!world.git.branches().iter().any(|branch| branch == PROPOSAL));
}

#[test]
fn taking_over_follows_automations_that_flux_no_longer_does() {
    let mut world = home_lab();
    let path = "flux/clusters/production/image-automation/image-update-automation.yaml";
    world.edit(BASE, path, "spec:\n", "spec:\n  suspend: true\n");
    world.deliver("stories/2-frontend");
    let said = world.serve().join("\n");
    assert!(said.contains("passed over: it is suspended; `takeOver: true` in .tag2pr.yaml"), "{said}");
    assert_eq!(world.git.branches(), [BASE]);

    say(&world, "takeOver: true\n");
    world.propose();
    assert_eq!(world.open().title, "Update frontend to main-abc1234-1707300000");
}

#[test]
fn what_a_tag_points_at_must_be_old_enough_too() {
    let mut world = home_lab();
    let image = format!("{FRONTEND}:main-4444444-1707250000");
    world.push(&format!("{image} = the first"));
    say(&world, "policies:\n  - { name: flux-system/frontend, minimumAge: 3d }\n");
    world.wait(4 * DAY);
    // Pushed again, and no delivery came: only the registry knows.
    world.build(&format!("{image} = another image"));
    let said = world.propose().join("\n");
    assert!(said.contains("too young: what main-4444444-1707250000 points at now was first seen"), "{said}");
    assert_eq!(world.git.branches(), [BASE]);

    world.wait(3 * DAY);
    world.propose();
    assert_eq!(world.open().title, "Update frontend to main-4444444-1707250000");
}

#[test]
fn a_pull_request_is_as_the_settings_want_it_and_what_the_host_lacks_is_said_once() {
    let mut world = home_lab();
    let settings = "proposals:\n  - name: '*'\n    labels: [images]\n    draft: true\n  - name: flux-system/flux-system\n    \
                    labels: [home-lab]\n    reviewers: [alice]\n    assignees: [bob]\n    autoMerge: true\n    \
                    title: 'lab: {{ .Title | lower }}'\n";
    say(&world, settings);
    world.deliver("stories/2-frontend");
    let said = world.serve();
    let pull = world.open();
    assert_eq!(pull.title, "lab: update frontend to main-abc1234-1707300000");
    assert_eq!(pull.asks.labels, ["images", "home-lab"]);
    assert_eq!(pull.asks.reviewers, ["alice"]);
    assert_eq!(pull.asks.assignees, ["bob"]);
    assert!(pull.is_draft);
    let about = |said: &[String]| said.iter().filter(|line| line.contains("auto-merge")).count();
    assert_eq!(about(&said), 1, "{said:#?}");
    assert_eq!(about(&world.propose()), 0, "once is enough");
}
