//! What is not proposed at once: the clock picks it up when it is due, without anybody's poke.

use tag2pr::seams::State;
use tag2pr::testing::repository::Entry;

use super::settings::say;
use super::stories::{FRONTEND, PROPOSAL};
use super::world::{BASE, World};

const HOUR: i64 = 60 * 60;

/// The home lab with what stands in Git, all of it listed: what comes then comes with deliveries.
fn home_lab() -> World {
    let mut world = World::of("2-home-lab");
    world.build("192.168.0.40:5000/frontend:main-f9e1f0b-1707200000");
    world.build("192.168.0.40:5000/backend:main-c40ddee-1707210000");
    world.propose();
    world.sweep();
    world.serve();
    world.wait(60);
    world
}

/// The home lab whose pull requests wait a minute after each push, and ten minutes at most.
fn settling() -> World {
    let world = home_lab();
    say(&world, "proposals:\n  - { name: '*', settle: 60s }\n");
    world
}

fn push(world: &mut World, number: u32) -> Vec<String> {
    world.push(&format!("{FRONTEND}:main-{number:07x}-17073{number:05}"));
    world.serve()
}

/// The clock strikes, and what it poked is served.
fn strike(world: &mut World, seconds: i64) -> Vec<String> {
    world.wait(seconds);
    world.sweep();
    world.serve()
}

#[test]
fn pushes_within_the_settle_window_make_one_commit() {
    let mut world = settling();
    let said = push(&mut world, 1).join("\n");
    insta::assert_snapshot!(said, @"flux-system.flux-system: waits until 2026-03-01 12:02 UTC for more pushes, for one commit with all of them");
    world.wait(30);
    push(&mut world, 2);
    assert_eq!(strike(&mut world, 40), [] as [String; 0], "not yet: a minute after the last one");
    assert_eq!(world.git.branches(), [BASE]);

    strike(&mut world, 20);
    assert_eq!(world.open().title, "Update frontend to main-0000002-1707300002");
    assert_eq!(world.git.log(PROPOSAL).len(), world.git.log(BASE).len() + 1, "one commit");

    // While it is open, newer tags settle as well, and it stays as it is.
    world.wait(HOUR);
    push(&mut world, 3);
    assert_eq!(world.open().title, "Update frontend to main-0000002-1707300002");
    strike(&mut world, 61);
    assert_eq!(world.open().title, "Update frontend to main-0000003-1707300003");
    assert_eq!(world.forge.pulls().len(), 1);
}

#[test]
fn pushes_that_never_stop_do_not_wait_for_ever() {
    let mut world = settling();
    let mut proposed = Vec::new();
    for number in 1..=30 {
        push(&mut world, number);
        strike(&mut world, 45);
        proposed.extend(world.forge.open_pulls().into_iter().map(|pull| (number, pull.title)));
    }
    let (first, _) = proposed[0];
    assert_eq!(first, 14, "ten minutes after the first push: {proposed:?}");
    assert_eq!(world.forge.pulls().len(), 1);
}

#[test]
fn a_moved_base_and_a_push_that_is_known_for_long_need_not_settle() {
    let mut world = settling();
    push(&mut world, 1);
    strike(&mut world, 60);
    let before = world.head(PROPOSAL);
    world.git.push_by_somebody_else(BASE, &[Entry::file("README.md", "x")], "Write");
    world.propose();
    assert_ne!(world.head(PROPOSAL), before, "rebuilt on the new base at once");
    assert_eq!(world.diff(PROPOSAL).matches("\n+").count(), 2, "{}", world.diff(PROPOSAL));

    world.propose();

    // Closed by a person: held, and the next one settles again.
    world.forge.close_by_person(1);
    world.propose();
    push(&mut world, 2);
    assert_eq!(world.forge.open_pulls(), []);
    strike(&mut world, 60);
    assert_eq!(world.pull(2).state, State::Open);
}

#[test]
fn what_settles_is_not_lost_with_the_worker_nor_with_the_poke() {
    let mut world = settling();
    push(&mut world, 1);
    // It was due long ago: nobody was there.
    world.wait(HOUR);
    world.forge.unavailable_once();
    world.sweep();
    world.outbox.take();
    assert!(world.try_propose().is_err());
    strike(&mut world, 16 * 60);
    assert_eq!(world.open().title, "Update frontend to main-0000001-1707300001");
}

#[test]
fn a_tag_is_proposed_when_it_is_old_enough_and_not_only_with_the_next_sweep_of_all() {
    let mut world = home_lab();
    say(&world, "policies:\n  - { name: flux-system/frontend, minimumAge: 2h }\n");
    push(&mut world, 1);
    strike(&mut world, 2 * HOUR - 60);
    assert_eq!(world.git.branches(), [BASE]);
    strike(&mut world, 60);
    assert_eq!(world.open().title, "Update frontend to main-0000001-1707300001");

    // A second one, while an older one is open: it comes when it is old enough.
    push(&mut world, 2);
    strike(&mut world, 2 * HOUR);
    assert_eq!(world.open().title, "Update frontend to main-0000002-1707300002");
    assert_eq!(strike(&mut world, 60), [] as [String; 0], "and then nothing is due");
}
