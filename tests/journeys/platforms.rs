//! Tags that do not hold every platform that a policy wants: the next best is proposed, and nothing on a guess.

use tag2pr::image::Digest;
use tag2pr::testing::repository::Entry;

use super::stories::{FRONTEND, PROPOSAL, home_lab};
use super::world::{BASE, World};

const HOST: &str = "192.168.0.40:5000";
const BOTH: [&str; 2] = ["linux/amd64", "linux/arm64"];

/// The second story, whose frontend must run on both kinds of machines.
fn both_platforms() -> World {
    let world = home_lab();
    let settings = "policies:\n  - { name: flux-system/frontend, platforms: [linux/arm64, linux/amd64] }\n";
    world.git.push_by_somebody_else(BASE, &[Entry::file(".tag2pr.yaml", settings)], "Two kinds of machines");
    world
}

/// Somebody pushes an image for these platforms, and its delivery comes in.
fn push(world: &mut World, tag: &str, platforms: &[&str]) -> Digest {
    let reference = format!("{FRONTEND}:{tag}");
    world.push(&reference);
    let digest = world.build(&reference);
    world.registry.holds(&digest, platforms.iter().map(|platform| platform.parse().unwrap()).collect());
    world.wait(60);
    digest
}

#[test]
fn the_best_tag_that_holds_every_platform_is_proposed() {
    let mut world = both_platforms();
    push(&mut world, "main-1111111-1707300000", &BOTH);
    push(&mut world, "main-2222222-1707400000", &["linux/amd64"]);
    push(&mut world, "main-3333333-1707500000", &["linux/amd64", "linux/arm/v7"]);
    world.serve();
    let open = world.open();
    assert_eq!(open.title, "Update frontend to main-1111111-1707300000");
    let passed_over = open.body.lines().find(|line| line.contains("Passed over for")).unwrap_or(&open.body);
    insta::assert_snapshot!(passed_over, @"- Passed over for a platform that they lack: main-3333333-1707500000 does not hold linux/arm64, main-2222222-1707400000 does not hold linux/arm64.");

    push(&mut world, "main-4444444-1707600000", &BOTH);
    world.serve();
    assert_eq!(world.open().title, "Update frontend to main-4444444-1707600000");
}

#[test]
fn what_a_digest_holds_is_asked_once() {
    let mut world = both_platforms();
    push(&mut world, "main-1111111-1707300000", &BOTH);
    push(&mut world, "main-2222222-1707400000", &["linux/amd64"]);
    world.serve();
    let asked = world.registry.calls().platforms;
    assert_eq!(asked, 2);
    world.merge(1);
    for _ in 0..3 {
        world.wait(600);
        world.propose();
    }
    assert_eq!(world.registry.calls().platforms, asked);
    assert_eq!(world.forge.open_pulls(), []);
}

#[test]
fn a_tag_that_is_completed_later_is_proposed_then() {
    let mut world = both_platforms();
    push(&mut world, "main-2222222-1707400000", &["linux/amd64"]);
    insta::assert_snapshot!(world.serve().join("\n"), @"flux-system/frontend: passed over for a platform that they lack: main-2222222-1707400000 does not hold linux/arm64");
    assert_eq!(world.forge.pulls(), []);

    // The second build joins the index, and no delivery tells of it.
    let digest = world.build(&format!("{FRONTEND}:main-2222222-1707400000 = the whole index"));
    world.registry.holds(&digest, BOTH.iter().map(|platform| platform.parse().unwrap()).collect());
    world.propose();
    assert_eq!(world.open().title, "Update frontend to main-2222222-1707400000");
}

#[test]
fn without_any_tag_that_holds_them_nothing_is_selected() {
    let mut world = both_platforms();
    let settings = "policies:\n  - { name: flux-system/frontend, platforms: [windows/amd64] }\n";
    world.git.push_by_somebody_else(BASE, &[Entry::file(".tag2pr.yaml", settings)], "Windows");
    push(&mut world, "main-1111111-1707300000", &BOTH);
    // What stands in Git is asked for nothing.
    insta::assert_snapshot!(world.serve().join("\n"), @"flux-system/frontend: passed over for a platform that they lack: main-1111111-1707300000 does not hold windows/amd64");
    assert_eq!(world.git.branches(), [BASE]);
}

#[test]
fn a_registry_that_is_away_or_refuses_lets_nothing_through() {
    let mut world = both_platforms();
    push(&mut world, "main-1111111-1707300000", &BOTH);
    world.registry.stop();
    let unfinished = world.try_propose().unwrap_err();
    assert!(unfinished.is_transient(), "{unfinished}");
    assert_eq!(world.git.branches(), [BASE]);
    world.registry.start();
    world.registry.refuse(HOST);
    let said = world.propose().join("\n");
    assert!(said.contains("not confirmed: registry 192.168.0.40:5000 refused"), "{said}");
    world.registry.admit(HOST);
    world.propose();
    assert_eq!(world.open().number, 1);
}

#[test]
fn a_registry_that_must_not_be_asked_confirms_no_platform() {
    let mut world = both_platforms();
    world.unasked.insert(HOST.to_owned());
    push(&mut world, "main-1111111-1707300000", &BOTH);
    insta::assert_snapshot!(world.serve().join("\n"), @"flux-system/frontend (192.168.0.40:5000/frontend:main-1111111-1707300000): not confirmed: the policy wants certain platforms, and 192.168.0.40:5000 is configured not to be asked what main-1111111-1707300000 holds");
    assert_eq!(world.git.branches(), [BASE]);
}

#[test]
fn many_that_lack_a_platform_are_looked_at_ten_in_a_pass() {
    let mut world = both_platforms();
    push(&mut world, "main-1111111-1707300000", &BOTH);
    for number in 0..12 {
        push(&mut world, &format!("main-2222222-17074000{number:02}"), &["linux/amd64"]);
    }
    let unfinished = world.try_propose().unwrap_err();
    assert!(unfinished.is_transient());
    insta::assert_snapshot!(unfinished, @"not finished: 192.168.0.40:5000/frontend: what 10 of its tags hold was looked at, and the others are next");
    assert_eq!((world.registry.calls().platforms, world.git.branches()), (10, vec![BASE.to_owned()]));

    world.propose();
    assert_eq!(world.open().title, "Update frontend to main-1111111-1707300000");
    assert!(world.git.branches().contains(&PROPOSAL.to_owned()));
}
