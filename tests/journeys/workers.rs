//! Two workers at the same time, in any interleaving.

use futures_util::future::join;
use pollster::block_on;
use proptest::prelude::*;
use tag2pr::flow::propose::propose;

use super::stories::{FRONTEND, PROPOSAL, home_lab};
use super::wire::Wire;
use super::world::World;

/// Passes one after the other until one has nothing to complain of.
fn until_done(world: &mut World) {
    for _ in 0..10 {
        world.wait(60);
        match world.try_propose() {
            Ok(_) => return,
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
    }
    panic!("ten passes were not enough: {:#?}", world.log);
}

fn delays() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(0..8_u8, 1..60)
}

#[test]
fn two_workers_in_step_open_one_pull_request() {
    let mut world = home_lab();
    world.forge.racing();
    world.deliver("stories/2-frontend");
    let (first, second) =
        block_on(join(propose(world.outside("propose/a"), world.now), propose(world.outside("propose/b"), world.now)));
    for result in [first, second] {
        assert!(result.as_ref().err().is_none_or(tag2pr::flow::Error::is_transient), "{result:?}");
    }
    until_done(&mut world);
    assert_eq!(world.open().title, "Update frontend to main-abc1234-1707300000");
}

#[test]
fn what_another_worker_opened_a_moment_before_is_taken_for_ours() {
    let mut world = home_lab();
    world.deliver("stories/2-frontend");
    world.forge.overtaken_once();
    let said = world.serve();
    assert_eq!(said, ["flux-system.flux-system: https://forge.test/acme/fleet/pull/1 is up to date"]);
    assert_eq!((world.forge.pulls().len(), world.open().number), (1, 1));
    assert_eq!(world.added(PROPOSAL).len(), 1);
    // It is ours in every respect: what is closed and opened again is released.
    world.forge.close_by_person(1);
    world.propose();
    assert_eq!(world.holds().len(), 1);
    world.forge.reopen(1);
    world.propose();
    assert_eq!(world.holds(), []);

    world.push(&format!("{FRONTEND}:main-0000001-1707400000"));
    world.serve();
    assert_eq!((world.forge.pulls().len(), world.open().number), (1, 1));
    assert_eq!(world.open().title, "Update frontend to main-0000001-1707400000");

    world.forge.close_by_person(1);
    world.propose();
    assert_eq!((world.forge.open_pulls(), world.holds().len()), (Vec::new(), 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// The second worker comes later and knows more; the first may still be at it.
    #[test]
    fn two_workers_in_any_interleaving_end_with_one_pull_request_and_the_newest_tag(
        slow in delays(), fast in delays(), late in 0..120_u8, known in any::<bool>(),
    ) {
        let mut world = home_lab();
        world.forge.racing();
        if known {
            world.push(&format!("{FRONTEND}:main-0000001-1707250000"));
            world.serve();
        }
        world.deliver("stories/2-frontend");
        let newest = world.delivery(&format!("{FRONTEND}:main-0000002-1707400000"), world.now);

        let (first, second) = (Wire::slow(&world, slow), Wire::slow(&world, [&[late][..], &fast].concat()));
        let later = async {
            first_turns(late).await;
            world.record(&newest, "receive/x").await;
            propose(second.outside("propose/b"), world.now).await
        };
        let (first, second) = block_on(join(propose(first.outside("propose/a"), world.now), later));
        for result in [first, second] {
            prop_assert!(result.as_ref().err().is_none_or(tag2pr::flow::Error::is_transient), "{result:?}");
        }
        let without_another_poke = world.forge.open_pulls();
        until_done(&mut world);

        let open = world.open();
        prop_assert_eq!(&open.title, "Update frontend to main-0000002-1707400000");
        prop_assert_eq!(world.added(PROPOSAL).len(), 1);
        prop_assert!(without_another_poke.len() <= 1, "{without_another_poke:#?}");
        prop_assert!(world.holds().is_empty());
    }

    /// If both say that they are done, nobody has to come again.
    #[test]
    fn what_two_workers_call_done_is_done(slow in delays(), fast in delays(), late in 0..120_u8) {
        let mut world = home_lab();
        world.deliver("stories/2-frontend");
        let newest = world.delivery(&format!("{FRONTEND}:main-0000002-1707400000"), world.now);
        let (first, second) = (Wire::slow(&world, slow), Wire::slow(&world, fast));
        let later = async {
            first_turns(late).await;
            world.record(&newest, "receive/x").await;
            propose(second.outside("propose/b"), world.now).await
        };
        let (first, second) = block_on(join(propose(first.outside("propose/a"), world.now), later));
        if first.is_ok() && second.is_ok() {
            prop_assert_eq!(world.open().title, "Update frontend to main-0000002-1707400000");
            prop_assert!(world.added(PROPOSAL)[0].contains("main-0000002-1707400000"));
            world.wait(60);
            let before = (world.open(), world.head(PROPOSAL));
            world.propose();
            prop_assert_eq!((world.open(), world.head(PROPOSAL)), before);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Whoever looks for watchers before they are written pokes nobody: the first pass must find the push itself.
    #[test]
    fn a_push_during_the_very_first_pass_is_proposed(slow in delays(), late in 0..250_u8) {
        let mut world = World::of("2-home-lab");
        world.unasked.insert("192.168.0.40:5000".to_owned());
        let push = world.delivery(&format!("{FRONTEND}:main-0000002-1707400000"), world.now);
        let wire = Wire::slow(&world, slow);
        let later = async {
            first_turns(late).await;
            world.record(&push, "receive/x").await;
        };
        let (first, ()) = block_on(join(propose(wire.outside("propose/a"), world.now), later));
        first.unwrap();
        world.serve();
        prop_assert_eq!(world.open().title, "Update frontend to main-0000002-1707400000");
    }
}

/// Lets the other go first so many times.
async fn first_turns(mut turns: u8) {
    std::future::poll_fn(|context| {
        if turns == 0 {
            return std::task::Poll::Ready(());
        }
        turns -= 1;
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

/// A worker stops at each of its steps in turn, while another comes, who knows of one more tag that is not selected: both
/// make the same commit, and the body is that of the one who knew more.
#[test]
fn a_worker_that_stops_on_the_way_leaves_no_older_body() {
    for is_open in [false, true] {
        for step in 0..80 {
            let mut world = home_lab();
            world.push(&format!("{FRONTEND}:main-0000001-1707400000"));
            if is_open {
                world.serve();
                world.push(&format!("{FRONTEND}:main-0000002-1707250000"));
            }
            world.outbox.take();
            let more = world.delivery(&format!("{FRONTEND}:main-0000003-1707260000"), world.now);
            let stops = Wire::slow(&world, [vec![0; step], vec![250], vec![0; 200]].concat());
            let other = async {
                stops.reached(step).await;
                world.record(&more, "receive/x").await;
                propose(world.outside("propose/b"), world.now).await
            };
            let (first, second) = block_on(join(propose(stops.outside("propose/a"), world.now), other));
            let at = format!("open: {is_open}, step {step}");
            let is_done = first.is_ok() && second.is_ok();
            for result in [first, second] {
                assert!(result.as_ref().err().is_none_or(tag2pr::flow::Error::is_transient), "{at}: {result:?}");
            }
            // If both say that they are done, nobody has to come again.
            if !is_done {
                until_done(&mut world);
            }
            let known = world.tags(FRONTEND).len();
            let open = world.open();
            assert_eq!(open.title, "Update frontend to main-0000001-1707400000", "{at}");
            assert!(open.body.contains(&format!("{known} tags are known")), "{at}: {known}\n{}", open.body);
        }
    }
}
