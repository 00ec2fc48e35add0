//! The same deliveries, any number of times, in any order: the same bytes and one pull request.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::sample::subsequence;

use super::stories::{BACKEND, FRONTEND, PROPOSAL, home_lab};
use super::world::{Fixture, World};

/// Pushes of two images, out of order in more than one way: the newest tag of the backend is not its last push.
fn deliveries(world: &World) -> Vec<(Timestamp, Fixture)> {
    let pushes = [
        format!("{FRONTEND}:main-aaaaaaa-1707300000"),
        format!("{BACKEND}:main-bbbbbbb-1707400000"),
        format!("{FRONTEND}:main-0000001-1707310000"),
        format!("{BACKEND}:main-fffffff-1707390000"),
        format!("{FRONTEND}:main-ccccccc-1707305000"),
        format!("{FRONTEND}:latest"),
    ];
    let at = |index: usize| world.now + SignedDuration::from_secs(60 * index as i64);
    pushes.iter().enumerate().map(|(index, push)| (at(index), world.delivery(push, at(index)))).collect()
}

/// Lets deliveries come in at their own times, whatever their order; `served`: the pokes are served in between.
fn play(order: &[usize], served: &[bool]) -> World {
    let mut world = home_lab();
    let deliveries = deliveries(&world);
    let end = world.now + SignedDuration::from_hours(2);
    for (turn, index) in order.iter().enumerate() {
        let (at, delivery) = &deliveries[*index];
        world.now = *at;
        world.post(delivery);
        if served[turn % served.len()] {
            world.serve();
        }
    }
    world.now = end;
    world.propose();
    world
}

/// A body without what is true of one way alone: which values the pull request brought before.
fn without_its_past(body: &str) -> String {
    body.split_inclusive('\n').filter(|line| !line.starts_with("- It takes the place of")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn any_order_and_repetition_makes_the_same_commit(
        order in Just((0..6).collect::<Vec<usize>>()).prop_shuffle(),
        again in subsequence((0..6).collect::<Vec<usize>>(), 0..=6),
        served in prop::collection::vec(any::<bool>(), 1..6),
    ) {
        let straight = play(&[0, 1, 2, 3, 4, 5], &[false]);
        let other = play(&[order, again].concat(), &served);
        let (expected, open) = (straight.open(), other.open());
        prop_assert_eq!(other.head(PROPOSAL), straight.head(PROPOSAL), "the same commit, to the last byte");
        prop_assert_eq!(other.git.files(PROPOSAL), straight.git.files(PROPOSAL));
        prop_assert_eq!((open.title, without_its_past(&open.body), open.number), (expected.title, expected.body, 1));
        prop_assert_eq!(other.forge.pulls().len(), 1);
    }
}

#[test]
fn a_delivery_that_comes_ten_times_is_one_change() {
    let mut world = home_lab();
    for _ in 0..10 {
        world.wait(7);
        world.deliver("stories/2-frontend");
        world.serve();
    }
    assert_eq!(world.forge.pulls().len(), 1);
    assert_eq!(world.git.log(PROPOSAL).len(), world.git.log("main").len() + 1);
    let ours = world.store.operations().iter().filter(|operation| operation.starts_with("put images/")).count();
    assert!(ours > 0);
    let pushes = world.store.contents().keys().filter(|key| key.contains("/pushes/")).count();
    assert_eq!(pushes, 4, "two first listings, one push, and what it was built from");
}

#[test]
fn a_pass_without_news_writes_nothing() {
    let mut world = home_lab();
    world.deliver("stories/2-frontend");
    world.serve();
    let before = (world.store.contents(), world.open(), world.head(PROPOSAL));
    world.store.operations();
    world.wait(3600);
    world.propose();
    let writes: Vec<String> = world
        .store
        .operations()
        .into_iter()
        .filter(|operation| !operation.starts_with("get ") && !operation.starts_with("list "))
        .collect();
    assert_eq!(writes, Vec::<String>::new());
    assert_eq!((world.store.contents(), world.open(), world.head(PROPOSAL)), before);
}

#[test]
fn a_tag_that_goes_from_a_to_b_and_back_to_a_is_three_pushes() {
    let worker = "ghcr.io/example/pipeline/ingestion-worker";
    let mut world = World::of("4-moving-tag");
    world.build(&format!("{worker}:main = a"));
    world.propose();
    for content in ["a", "b", "a"] {
        world.wait(60);
        world.push(&format!("{worker}:main = {content}"));
        world.serve();
        let digest = super::world::digest_of(content);
        assert!(world.added("tag2pr/apps.cluster")[0].contains(digest.as_str()), "{content}");
    }
    assert_eq!(world.forge.pulls().len(), 1);
}

#[test]
fn pushing_the_same_image_again_leaves_the_pull_request_as_it_is() {
    let mut world = home_lab();
    world.push(&format!("{FRONTEND}:main-3333333-1707400000 = the same"));
    world.serve();
    let (before, open) = (world.head(PROPOSAL), world.open());
    world.wait(3600);
    world.push(&format!("{FRONTEND}:main-3333333-1707400000 = the same"));
    world.serve();
    assert_eq!(world.head(PROPOSAL), before);
    assert_eq!(world.open(), open);
}
