//! What is not proposed at once: the clock picks it up when it is due, without anybody's poke.

use tag2pr::seams::State;
use tag2pr::testing::repository::Entry;

use super::settings::say;
use super::stories::{FRONTEND, PROPOSAL};
use super::world::{BASE, World};

const HOUR: i64 = 60 * 60;

/// The home lab with what stands in Git, all of it listed: what comes then comes with deliveries.
pub(super) fn home_lab() -> World {
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

pub(super) fn push(world: &mut World, number: u32) -> Vec<String> {
    world.push(&format!("{FRONTEND}:main-{number:07x}-17073{number:05}"));
    world.serve()
}

/// The clock strikes, and what it poked is served.
pub(super) fn strike(world: &mut World, seconds: i64) -> Vec<String> {
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

const WEEKEND: &str = "proposals:\n  - name: '*'\n    labels: [images]\n    autoMerge: true\n    \
                       frozen: [{ from: Sat 00:00, to: 'Mon 08:00', zone: Europe/Berlin }]\n";

/// The 1st of March 2026 is a Sunday; it is frozen until the 2nd, 07:00 UTC.
fn frozen() -> World {
    let mut world = home_lab();
    say(&world, WEEKEND);
    push(&mut world, 1);
    world
}

#[test]
fn in_frozen_hours_a_proposal_waits_as_a_draft_and_is_ready_when_they_are_over() {
    let mut world = frozen();
    let draft = world.open();
    assert!(draft.is_draft);
    assert_eq!((draft.asks.labels, draft.asks.auto_merge), (vec!["images".to_owned()], false));
    insta::assert_snapshot!(draft.body.lines().next().unwrap(), @"> Frozen until 2026-03-02 07:00 UTC: it is a draft until then.");

    // It goes on as any other does, and stays a draft.
    world.wait(60);
    push(&mut world, 2);
    assert_eq!(world.open().title, "Update frontend to main-0000002-1707300002");
    strike(&mut world, 18 * HOUR);
    assert!(world.open().is_draft, "a minute is left");

    let said = strike(&mut world, HOUR).join("\n");
    assert!(said.contains("ready: the frozen hours are over"), "{said}");
    let ready = world.open();
    assert!(!ready.is_draft && !ready.body.contains("Frozen"), "{}", ready.body);
    assert!(said.contains("auto-merge"), "asked for when it can be merged: {said}");
    assert!(strike(&mut world, 60).is_empty(), "and then nothing is due");
}

#[test]
fn what_a_person_made_ready_in_frozen_hours_stays_ready() {
    let mut world = frozen();
    assert!(world.open().is_draft);
    world.forge.made_ready_by_person(1);

    // Still frozen: a newer tag changes it, and it is no draft again.
    world.wait(60);
    push(&mut world, 2);
    let changed = world.open();
    assert_eq!(changed.title, "Update frontend to main-0000002-1707300002");
    assert!(!changed.is_draft && !changed.body.contains("Frozen"), "{}", changed.body);

    strike(&mut world, 20 * HOUR);
    push(&mut world, 3);
    let after = world.open();
    assert_eq!(after.title, "Update frontend to main-0000003-1707300003");
    assert!(!after.is_draft);
    assert_eq!(world.forge.pulls().len(), 1);
}

#[test]
fn what_is_wanted_as_a_draft_at_any_time_stays_one_after_the_frozen_hours() {
    let mut world = home_lab();
    say(&world, &WEEKEND.replace("autoMerge: true", "draft: true"));
    push(&mut world, 1);
    strike(&mut world, 20 * HOUR);
    assert!(world.open().is_draft, "it would be one at any time");
}

#[test]
fn what_the_host_merges_by_itself_is_not_changed_in_frozen_hours() {
    let mut world = home_lab();
    // Thursday.
    world.wait(4 * 24 * HOUR);
    say(&world, WEEKEND);
    push(&mut world, 1);
    assert!(!world.open().is_draft);
    world.wait(2 * 24 * HOUR);
    let said = push(&mut world, 2).join("\n");
    insta::assert_snapshot!(said, @"flux-system.flux-system: waits until 2026-03-09 07:00 UTC: it is frozen, and nobody has to merge it");
    assert_eq!(world.open().title, "Update frontend to main-0000001-1707300001");
    strike(&mut world, 2 * 24 * HOUR);
    assert_eq!(world.open().title, "Update frontend to main-0000002-1707300002");
}

#[test]
fn a_draft_is_made_ready_and_labels_are_asked_for_whoever_dies_in_between() {
    let mut world = home_lab();
    say(&world, WEEKEND);
    world.push(&format!("{FRONTEND}:main-0000001-1707300001"));
    world.outbox.take();
    // The answer to the opening is lost; the worker is gone before it asks for labels.
    for lost in 0..3 {
        if lost == 1 {
            world.forge.answer_lost_once();
        } else {
            world.forge.unavailable_once();
        }
        let _ = world.try_propose();
        world.wait(300);
    }
    world.propose();
    assert_eq!(world.open().asks.labels, ["images"]);
    assert!(world.open().is_draft);

    world.wait(24 * HOUR);
    world.sweep();
    world.outbox.take();
    world.forge.unavailable_once();
    assert!(world.try_propose().is_err());
    world.propose();
    assert!(!world.open().is_draft);
    assert_eq!(world.forge.pulls().len(), 1);
}
