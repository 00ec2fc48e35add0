//! What one more push costs: counted in operations of the store, which do not depend on the machine.

use pollster::block_on;
use tag2pr::image::{ImageName, Tag};
use tag2pr::keys::Key;
use tag2pr::ledger::{Ledger, News};
use tag2pr::store;

use super::stories::{FRONTEND, home_lab};
use super::world::World;

/// The home lab with a frontend of so many tags, all folded into its ledger.
fn with_tags(tags: usize) -> World {
    let world = home_lab();
    let image: ImageName = FRONTEND.parse().unwrap();
    let tags: Vec<Tag> = (0..tags).map(|number| format!("main-{number:07x}-1600000000").parse().unwrap()).collect();
    block_on(store::update::<Ledger>(&world.store, &Key::ledger(&image), "test", |ledger| {
        let mut ledger = ledger.unwrap_or_default();
        ledger.merge(&News::Listed { tags: tags.clone(), at: world.now });
        Some(ledger)
    }))
    .unwrap();
    world
}

/// What the store does for one push, and how many bytes it is given to keep.
fn one_more_push(tags: usize) -> (Vec<String>, usize) {
    let mut world = with_tags(tags);
    let before: usize = world.store.contents().values().map(String::len).sum();
    world.store.operations();
    world.push(&format!("{FRONTEND}:main-0000001-1707400000"));
    let operations = world.store.operations();
    let after: usize = world.store.contents().values().map(String::len).sum();
    (operations, after - before)
}

#[test]
fn one_more_push_costs_the_same_with_a_hundred_tags_and_with_a_hundred_thousand() {
    let (few, many) = (one_more_push(100), one_more_push(100_000));
    assert_eq!(few, many);
    let verbs: Vec<&str> = few.0.iter().map(|operation| operation.split(['/', ' ']).next().unwrap()).collect();
    assert_eq!(verbs, ["put", "get", "put"], "the push, the watchers, the delivery: {:?}", few.0);
}
