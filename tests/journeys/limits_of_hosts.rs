//! A Git host that asks to be left alone is, and nothing is lost by it.

use jiff::SignedDuration;
use tag2pr::testing::host::Fault;

use super::stories::{FRONTEND, FRONTEND_FILE, PROPOSAL};
use super::waiting::{home_lab, push, strike};
use super::world::{BASE, World};

/// A host that had too many requests, and will have had for five minutes.
fn limit(world: &World) -> Fault {
    let wait = SignedDuration::from_mins(5);
    Fault::RateLimited { until: world.now + wait, wait }
}

/// What was pushed is told of, and nobody looks yet.
fn deliver(world: &mut World, number: u32) {
    world.push(&format!("{FRONTEND}:main-{number:07x}-17073{number:05}"));
}

/// Whoever is poked looks, and does not come to an end.
fn put_off(world: &mut World) -> String {
    world.outbox.take();
    let error = world.try_propose().unwrap_err();
    assert!(error.is_transient(), "{error}");
    error.to_string()
}

#[test]
fn a_host_with_too_many_requests_is_asked_nothing_however_often_there_is_something_new() {
    let mut world = home_lab();
    deliver(&mut world, 1);
    world.forge.fails_once(limit(&world));
    let said = put_off(&mut world);
    insta::assert_snapshot!(said, @"https://forge.test is not available: rate limit exceeded until 2026-03-01T12:06:00Z; it is left alone until 2026-03-01 12:07 UTC");

    let asked = world.forge.calls();
    world.git.refuse(Some("nobody may ask now"));
    for number in 2..=6 {
        world.wait(60);
        deliver(&mut world, number);
        assert_eq!(world.sweep().poked, [], "not due yet");
        assert_eq!(put_off(&mut world), said);
    }
    assert_eq!(world.forge.calls(), asked);
    world.git.refuse(None);

    strike(&mut world, 60);
    assert_eq!(world.open().title, "Update frontend to main-0000006-1707300006");
    assert_eq!(world.git.log(PROPOSAL).len(), world.git.log(BASE).len() + 1, "one commit");
    assert_eq!(world.forge.pulls().len(), 1);
    assert!(strike(&mut world, 60).is_empty(), "and then nothing is due");
}

#[test]
fn what_fails_for_another_reason_afterwards_is_not_waited_for_any_more() {
    let mut world = home_lab();
    deliver(&mut world, 1);
    world.forge.fails_once(limit(&world));
    put_off(&mut world);
    world.git.refuse(Some("the token was revoked"));
    let pokes: Vec<usize> = (0..12).map(|_| strike_and_fail(&mut world)).collect();
    assert_eq!(pokes.iter().sum::<usize>(), 1, "it is due once, and then with the next sweep: {pokes:?}");
}

/// A minute later: how many were poked, none of whom comes to an end.
fn strike_and_fail(world: &mut World) -> usize {
    world.wait(60);
    let poked = world.sweep().poked.len();
    if poked > 0 {
        world.try_propose().unwrap_err();
    }
    poked
}

#[test]
fn how_things_stand_says_until_when_a_host_is_left_alone() {
    let mut world = home_lab();
    deliver(&mut world, 1);
    world.forge.fails_once(limit(&world));
    put_off(&mut world);
    let status = world.status();
    let waits: Vec<String> = status.waits.iter().map(|wait| format!("{}: {}", wait.proposal, wait.reason)).collect();
    insta::assert_snapshot!(waits.join("\n"), @"git.example/acme/fleet@main: https://forge.test is not available: rate limit exceeded until 2026-03-01T12:06:00Z; it is left alone until 2026-03-01 12:07 UTC");
    let troubles: Vec<String> = status.troubles.into_iter().map(|trouble| trouble.reason).collect();
    insta::assert_snapshot!(troubles.join("\n"), @"https://forge.test is not available: rate limit exceeded until 2026-03-01T12:06:00Z; it is left alone until 2026-03-01 12:07 UTC");

    strike(&mut world, 6 * 60);
    let status = world.status();
    assert!(status.waits.is_empty() && status.troubles.is_empty(), "{status:?}");
}

/// A pull request was closed, and a newer tag was pushed: the host is asked how that one ended, by whom, what was said
/// under it, and to open another.
#[test]
fn whichever_request_is_one_too_many_nothing_is_lost_and_nothing_done_twice() {
    for good in 0.. {
        let mut world = home_lab();
        push(&mut world, 1);
        world.forge.close_by_person(1);
        deliver(&mut world, 2);
        world.outbox.take();
        world.forge.fails_after(good, limit(&world));
        let asked = world.forge.calls();
        let is_limited = world.try_propose().is_err();
        if is_limited {
            assert_eq!(world.forge.calls(), asked + good + 1, "and not one more");
            strike(&mut world, 6 * 60);
        }
        let at = format!("after {good} requests");
        assert_eq!(world.open().title, "Update frontend to main-0000002-1707300002", "{at}");
        assert_eq!(world.forge.pulls().len(), 2, "{at}");
        let reasons: Vec<String> = world.holds().into_iter().map(|hold| hold.reason).collect();
        assert!(reasons.iter().any(|reason| reason.contains("alice")), "{at}: {reasons:?}");
        if !is_limited {
            assert!(good >= 4, "{at}");
            break;
        }
    }
}

#[test]
fn with_which_commit_something_was_taken_back_is_asked_for_when_the_host_may_be_asked_again() {
    let mut world = home_lab();
    push(&mut world, 1);
    world.merge(1);
    world.propose();
    world.edit(BASE, FRONTEND_FILE, "main-0000001-1707300001", "main-f9e1f0b-1707200000");
    world.forge.fails_once(limit(&world));
    put_off(&mut world);
    assert_eq!(world.holds(), []);

    strike(&mut world, 6 * 60);
    let named = format!("with {}, the last change of {FRONTEND_FILE}", world.head(BASE).id.short());
    assert!(world.holds()[0].reason.ends_with(&named), "{:?}", world.holds());
}
