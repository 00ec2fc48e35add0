//! How many pull requests a repository gets: the rest waits its turn.

use tag2pr::limits::Limits;
use tag2pr::testing::repository::Entry;

use super::settings::say;
use super::stories::home_lab;
use super::world::World;

/// Both images have a newer tag, and each policy has a pull request of its own.
fn two_pushes(limits: Limits) -> World {
    let mut world = home_lab();
    world.limits = limits;
    say(&world, "proposals:\n  - { name: flux-system/flux-system, group: policy }\n");
    world.deliver("stories/2-frontend");
    world.deliver("stories/2-backend");
    world
}

fn open(world: &World) -> Vec<String> {
    world.forge.open_pulls().into_iter().map(|pull| pull.title).collect()
}

const OF_FRONTEND: &str = "tag2pr/flux-system.flux-system.frontend";
const BACKEND: &str = "Update backend to main-0e4d5f6-1707303600";
const FRONTEND: &str = "Update frontend to main-abc1234-1707300000";

#[test]
fn no_more_are_open_than_may_be_and_the_next_one_follows_a_merge() {
    let mut world = two_pushes(Limits { open: 1, ..Limits::NONE });
    insta::assert_snapshot!(world.serve().join("\n"), @"
    flux-system.flux-system.backend: opened https://forge.test/acme/fleet/pull/1
    flux-system.flux-system.frontend: not opened yet: as many pull requests are open here as `limits.openProposals` allows (1); it follows when one of them is merged or closed
    ");
    assert_eq!(open(&world), [BACKEND]);
    assert!(!world.git.branches().contains(&"tag2pr/flux-system.flux-system.frontend".to_owned()), "nor is its branch");
    let remarks: Vec<String> = world.status().troubles.into_iter().map(|trouble| trouble.reason).collect();
    insta::assert_snapshot!(remarks.join("\n"), @"flux-system.flux-system.frontend: not opened yet: as many pull requests are open here as `limits.openProposals` allows (1); it follows when one of them is merged or closed");

    world.merge(1);
    world.propose();
    assert_eq!(open(&world), [FRONTEND]);
}

#[test]
fn no_more_are_opened_within_an_hour_than_may_be_and_the_next_one_is_due() {
    let mut world = two_pushes(Limits { per_hour: 1, ..Limits::NONE });
    insta::assert_snapshot!(world.serve().join("\n"), @"
    flux-system.flux-system.backend: opened https://forge.test/acme/fleet/pull/1
    flux-system.flux-system.frontend: waits until 2026-03-01 13:01 UTC: as many pull requests were opened within the hour as `limits.proposalsPerHour` allows
    ");
    assert_eq!(open(&world), [BACKEND]);
    world.forge.close_by_person(1);
    world.wait(3599);
    world.propose();
    assert_eq!(open(&world), [""; 0], "one that is closed was opened all the same");

    world.wait(1);
    world.sweep();
    world.serve();
    assert_eq!(open(&world), [FRONTEND], "nobody pushed anything");
}

#[test]
fn each_opening_of_the_hour_counts_and_those_go_first_that_had_none() {
    let mut world = two_pushes(Limits { per_hour: 2, ..Limits::NONE });
    world.outbox.take();
    world.git.push_by_somebody_else(OF_FRONTEND, &[Entry::file("notes.md", "Mine.")], "Begin");
    world.propose();
    assert_eq!(open(&world), [BACKEND]);
    world.merge(1);
    world.push("192.168.0.40:5000/backend:main-0000001-1707400000");
    world.serve();
    assert_eq!(open(&world), ["Update backend to main-0000001-1707400000"], "the second of the same automation");
    world.merge(2);

    world.git.delete_branch(OF_FRONTEND);
    world.wait(1800);
    world.push("192.168.0.40:5000/backend:main-0000002-1707500000");
    world.serve();
    assert_eq!(open(&world), [""; 0]);
    world.wait(1801);
    world.propose();
    assert_eq!(open(&world), [FRONTEND, "Update backend to main-0000002-1707500000"]);
}

#[test]
fn a_branch_that_is_left_to_somebody_takes_no_room() {
    let mut world = two_pushes(Limits { open: 1, ..Limits::NONE });
    let of_backend = OF_FRONTEND.replace("frontend", "backend");
    world.git.push_by_somebody_else(&of_backend, &[Entry::file("notes.md", "Mine.")], "Begin");
    world.serve();
    assert_eq!(open(&world), [FRONTEND]);
}

#[test]
fn an_opening_that_failed_does_not_count() {
    let mut world = two_pushes(Limits { per_hour: 1, open: 1 });
    world.outbox.take();
    world.forge.unavailable_once();
    assert!(world.try_propose().is_err());
    world.propose();
    assert_eq!(open(&world), [BACKEND]);
}
