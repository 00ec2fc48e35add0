//! One automation after the other: a tag comes to the next stage when it has proved itself in the one before.

use tag2pr::seams::State;
use tag2pr::testing::repository::Entry;

use super::settings::say;
use super::world::{BASE, World};

const HOUR: i64 = 60 * 60;
const GATEWAY: &str = "tag2pr/fleet.gateway";
const KITCHEN: &str = "tag2pr/fleet.kitchen";
const STAGES: &str = "proposals:\n  - { name: fleet/gateway, path: gateway }\n  \
                      - { name: fleet/kitchen, path: kitchen, after: { automation: fleet/gateway, soak: 2h } }\n";

/// Redis in the gateway and in the kitchen, and nothing newer than what stands in Git.
fn fleet(settings: &str) -> World {
    let mut world = World::of("5-devices");
    let compose = world.file(BASE, "gateway/compose.yaml");
    world.edit(BASE, "image-automation.yaml", "update: { path: . }", "suspend: true\n  update: { path: . }");
    let kitchen = Entry::file("kitchen/compose.yaml", compose);
    world.git.push_by_somebody_else(BASE, &[kitchen], "Add the kitchen");
    say(&world, settings);
    world.build("redis:7.4-alpine");
    world.propose();
    world.wait(60);
    world
}

fn push(world: &mut World, version: &str) -> Vec<String> {
    world.push(&format!("docker.io/library/redis:{version}-alpine"));
    world.serve()
}

/// Somebody merges the pull request of a branch, and the forge tells of it.
fn merge(world: &mut World, branch: &str) -> Vec<String> {
    let number = titles(world, branch).last().unwrap().0;
    world.merge(number);
    world.propose()
}

/// The clock strikes, and what it poked is served.
fn strike(world: &mut World, seconds: i64) -> Vec<String> {
    world.wait(seconds);
    world.sweep();
    world.serve()
}

/// The open pull requests of a branch.
fn titles(world: &World, branch: &str) -> Vec<(u64, String)> {
    let open = world.forge.open_pulls().into_iter().filter(|pull| pull.branch == branch);
    open.map(|pull| (pull.number, pull.title)).collect()
}

fn title(world: &World, branch: &str) -> Option<String> {
    titles(world, branch).pop().map(|(_, title)| title)
}

#[test]
fn the_next_stage_waits_until_the_first_has_soaked() {
    let mut world = fleet(STAGES);
    let said = push(&mut world, "7.5");
    assert_eq!(world.open().branch, GATEWAY);
    insta::assert_snapshot!(said[1], @"fleet/redis: waits: 7.5-alpine does not stand in fleet/gateway yet");

    merge(&mut world, GATEWAY);
    world.wait(20 * 60);
    insta::assert_snapshot!(world.propose()[0], @"fleet/redis: waits until 2026-03-01 14:01 UTC: 7.5-alpine has stood in fleet/gateway for 20 min of 2 h");
    assert_eq!(world.forge.open_pulls(), [], "it soaks");
    strike(&mut world, 99 * 60);
    assert_eq!(world.forge.open_pulls(), [], "a minute is left");

    // Nobody pokes: the clock knows when it is due.
    strike(&mut world, 60);
    let open = world.open();
    assert_eq!((open.branch.as_str(), open.title.as_str()), (KITCHEN, "Update redis to 7.5-alpine"));
    let why: Vec<&str> = open.body.lines().filter(|line| line.contains("stood")).collect();
    insta::assert_snapshot!(why.join("\n"), @"- It has stood in `fleet/gateway` since 2026-03-01 12:01 UTC, for the 2 h that it soaks there.");
    assert_eq!(strike(&mut world, 60), [""; 0], "and then nothing is due");
}

#[test]
fn always_the_newest_tag_that_has_soaked_is_brought() {
    let mut world = fleet(STAGES);
    push(&mut world, "7.5");
    merge(&mut world, GATEWAY);
    strike(&mut world, 2 * HOUR);
    assert_eq!(title(&world, KITCHEN).as_deref(), Some("Update redis to 7.5-alpine"));

    // Replaced by a newer one where it soaked: it has done its time.
    push(&mut world, "7.6");
    merge(&mut world, GATEWAY);
    assert_eq!(title(&world, KITCHEN).as_deref(), Some("Update redis to 7.5-alpine"));
    let body = world.open().body;
    let soaks: Vec<&str> = body.lines().filter(|line| line.contains("soaks in")).collect();
    insta::assert_snapshot!(soaks.join("\n"), @"- `7.6-alpine` ranks higher, and soaks in `fleet/gateway` until 2026-03-01 16:01 UTC.");

    // Replaced before it had: never brought.
    world.wait(HOUR);
    push(&mut world, "7.7");
    merge(&mut world, GATEWAY);
    strike(&mut world, HOUR + 60);
    assert_eq!(title(&world, KITCHEN).as_deref(), Some("Update redis to 7.5-alpine"));
    strike(&mut world, HOUR);
    assert_eq!(title(&world, KITCHEN).as_deref(), Some("Update redis to 7.7-alpine"));
    assert_eq!(world.forge.open_pulls().len(), 1, "the same pull request");
}

#[test]
fn a_tag_that_was_taken_back_begins_anew() {
    let mut world = fleet(STAGES);
    push(&mut world, "7.5");
    let before = world.git.files(BASE);
    merge(&mut world, GATEWAY);
    let merged = world.git.files(BASE);
    strike(&mut world, 2 * HOUR);
    assert_eq!(title(&world, KITCHEN).as_deref(), Some("Update redis to 7.5-alpine"));

    // What nobody wants any more in the first stage is not merged in the next one.
    world.roll_back_to(&before);
    world.propose();
    let closed = world.pull(2);
    assert_eq!((closed.state, world.forge.open_pulls()), (State::Closed, Vec::new()));
    insta::assert_snapshot!(closed.comments.join("\n"), @"
    Closed by tag2pr: there is nothing left in it to merge.

    - `fleet/redis`: waits: 7.5-alpine does not stand in fleet/gateway yet
    ");

    // Somebody puts it there again.
    world.roll_back_to(&merged);
    world.propose();
    strike(&mut world, 2 * HOUR - 60);
    assert_eq!(world.forge.open_pulls(), []);
    strike(&mut world, 60);
    assert_eq!(title(&world, KITCHEN).as_deref(), Some("Update redis to 7.5-alpine"));
}

#[test]
fn what_a_person_closed_or_rolled_back_in_the_next_stage_stays_so() {
    let mut world = fleet(STAGES);
    push(&mut world, "7.5");
    merge(&mut world, GATEWAY);
    strike(&mut world, 2 * HOUR);
    world.forge.close_by_person(2);
    world.propose();
    strike(&mut world, 24 * HOUR);
    assert_eq!(world.forge.open_pulls(), []);

    push(&mut world, "7.6");
    merge(&mut world, GATEWAY);
    let before = world.git.files(BASE);
    strike(&mut world, 2 * HOUR);
    merge(&mut world, KITCHEN);
    world.roll_back_to(&before);
    world.propose();
    strike(&mut world, 24 * HOUR);
    assert_eq!(world.forge.open_pulls(), []);
    assert!(world.file(BASE, "kitchen/compose.yaml").contains("7.4-alpine"));
}

#[test]
fn what_is_ahead_of_the_stage_before_is_not_put_back() {
    let mut world = fleet(STAGES);
    world.edit(BASE, "kitchen/compose.yaml", "7.4-alpine", "7.9-alpine");
    world.build("redis:7.9-alpine");
    push(&mut world, "7.5");
    world.edit(BASE, "gateway/compose.yaml", "7.4-alpine", "7.5-alpine");
    world.propose();
    strike(&mut world, 3 * HOUR);
    assert_eq!(title(&world, KITCHEN), None);
    assert!(world.file(BASE, "kitchen/compose.yaml").contains("7.9-alpine"));
}

#[test]
fn batches_of_one_automation_come_one_after_the_other() {
    let batches = "proposals:\n  - name: fleet/devices\n    batches: [{ path: gateway }, { path: kitchen, soak: 1h }, \
                   { path: cellar }]\n";
    let mut world = fleet(batches);
    let cellar = Entry::file("cellar/compose.yaml", world.file(BASE, "kitchen/compose.yaml"));
    world.git.push_by_somebody_else(BASE, &[cellar], "Add the cellar");
    push(&mut world, "7.5");
    assert_eq!(world.open().branch, "tag2pr/fleet.devices.gateway");
    assert!(world.open().body.contains("for the automation `fleet/devices`, part `gateway`"), "{}", world.open().body);

    merge(&mut world, "tag2pr/fleet.devices.gateway");
    strike(&mut world, HOUR - 60);
    assert_eq!(world.forge.open_pulls(), []);
    strike(&mut world, 60);
    assert_eq!(world.open().branch, "tag2pr/fleet.devices.kitchen");

    // Without a soak time it is enough that it is merged.
    merge(&mut world, "tag2pr/fleet.devices.kitchen");
    assert_eq!(world.open().branch, "tag2pr/fleet.devices.cellar");
    insta::assert_snapshot!(world.diff("tag2pr/fleet.devices.cellar"), @r#"
    --- cellar/compose.yaml
    +++ cellar/compose.yaml
    @@ -3 +3 @@
    -    image: redis:7.4-alpine # {"$imagepolicy": "fleet:redis"}
    +    image: redis:7.5-alpine # {"$imagepolicy": "fleet:redis"}
    "#);
}

#[test]
fn an_automation_goes_on_when_all_batches_of_the_one_before_are_there() {
    let settings = "proposals:\n  - { name: fleet/homes, batches: [{ path: gateway }, { path: kitchen }] }\n  \
                    - { name: fleet/cellar, path: cellar, group: policy, after: { automation: fleet/homes } }\n";
    let mut world = fleet(settings);
    let cellar = Entry::file("cellar/compose.yaml", world.file(BASE, "kitchen/compose.yaml"));
    world.git.push_by_somebody_else(BASE, &[cellar], "Add the cellar");
    push(&mut world, "7.5");
    merge(&mut world, "tag2pr/fleet.homes.gateway");
    assert_eq!(world.open().branch, "tag2pr/fleet.homes.kitchen");
    merge(&mut world, "tag2pr/fleet.homes.kitchen");
    assert_eq!(world.open().branch, "tag2pr/fleet.cellar.redis");
}

#[test]
fn stages_of_different_namespaces_go_by_the_image() {
    const SHOP: &str = "ghcr.io/example/shop";
    let mut world = World::of("3-environments");
    for environment in ["develop", "staging", "production"] {
        world.build(&format!("{SHOP}:{environment}-v0.0.1-0f0e0d0-1738850000"));
    }
    say(&world, "proposals:\n  - { name: production/shop, after: { automation: staging/shop, soak: 1d } }\n");
    world.propose();
    world.wait(60);
    // The same image, under the name of each environment, at once.
    world.push(&format!("{SHOP}:staging-v0.0.1-a1b2c3d-1738860123 = the shop"));
    world.push(&format!("{SHOP}:production-v0.0.1-a1b2c3d-1738860123 = the shop"));
    world.serve();
    assert_eq!(world.open().branch, "tag2pr/staging.shop");

    merge(&mut world, "tag2pr/staging.shop");
    strike(&mut world, 24 * HOUR);
    let open = world.open();
    assert_eq!(open.branch, "tag2pr/production.shop");
    assert_eq!(open.title, "Update shop to production-v0.0.1-a1b2c3d-1738860123");
    world.push(&format!("{SHOP}:production-v0.0.2-b2c3d4e-1738870000 = never tried"));
    world.serve();
    assert_eq!(world.open().title, open.title);
}

#[test]
fn stages_that_go_round_in_a_circle_propose_nothing_and_say_so() {
    let circle = STAGES.replace("path: gateway }", "path: gateway, after: { automation: fleet/kitchen } }");
    let mut world = fleet(&circle);
    insta::assert_snapshot!(push(&mut world, "7.5").join("\n"), @"
    image-automation.yaml:19:1: passed over: it is suspended; `takeOver: true` in .tag2pr.yaml lets tag2pr act in Flux's place
    .tag2pr.yaml:2:13: passed over: it comes after itself, by way of fleet/kitchen, so nothing could ever begin
    .tag2pr.yaml:3:13: passed over: it comes after itself, by way of fleet/gateway, so nothing could ever begin
    ");
    assert_eq!(world.forge.pulls(), []);

    say(&world, STAGES);
    world.propose();
    assert_eq!(world.open().branch, GATEWAY);
}

#[test]
fn what_cannot_be_read_says_nothing_about_what_stands() {
    let mut world = fleet(STAGES);
    push(&mut world, "7.5");
    merge(&mut world, GATEWAY);
    world.wait(HOUR);
    let good = world.file(BASE, "gateway/compose.yaml");
    world.git.push_by_somebody_else(BASE, &[Entry::file("gateway/compose.yaml", format!("{good}\n\t- ["))], "Slip");
    world.propose();
    world.git.push_by_somebody_else(BASE, &[Entry::file("gateway/compose.yaml", good)], "Mend");
    strike(&mut world, HOUR);
    assert_eq!(
        title(&world, KITCHEN).as_deref(),
        Some("Update redis to 7.5-alpine"),
        "it has stood there all the time"
    );
}
