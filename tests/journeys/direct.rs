//! Commits that go to the base branch itself, for those who want no pull request.

use tag2pr::seams::State;
use tag2pr::status::{Journey, Kind, page, took};
use tag2pr::testing::repository::Entry;

use super::settings::say;
use super::stories::{FRONTEND, FRONTEND_FILE, PROPOSAL, home_lab};
use super::world::{BASE, World};

const DIRECT: &str = "proposals:\n  - { name: flux-system/flux-system, direct: true }\n";

fn direct() -> World {
    let world = home_lab();
    say(&world, DIRECT);
    world
}

fn push(world: &mut World, number: u32) -> Vec<String> {
    world.push(&format!("{FRONTEND}:main-{number:07x}-17073{number:05}"));
    world.serve()
}

#[test]
fn a_push_becomes_a_commit_on_the_base_branch_and_no_pull_request() {
    let mut world = direct();
    let before = world.git.log(BASE);
    world.deliver("stories/2-frontend");
    let said = world.serve();
    let commit = world.head(BASE);
    assert_eq!(world.git.log(BASE)[1..], before, "one commit on top");
    assert_eq!(said, [format!("flux-system.flux-system: pushed {} to `main`", &commit.id.0[..7])]);
    insta::assert_snapshot!(commit.message, @"
    Update frontend to main-abc1234-1707300000

    192.168.0.40:5000/frontend: main-f9e1f0b-1707200000 -> main-abc1234-1707300000

    Tag2pr-Policy: flux-system/frontend
    Tag2pr-Image: 192.168.0.40:5000/frontend:main-abc1234-1707300000@sha256:0532b007d3ea69bbe368d27574f7a52870c08830c4a108bbe3b7629d459bd7e7
    Tag2pr-Delivery: 019ca945f460-ee58a385d22a
    ");
    assert!(world.file(BASE, FRONTEND_FILE).contains("main-abc1234-1707300000"));
    assert_eq!((world.forge.pulls(), world.git.branches()), (Vec::new(), vec![BASE.to_owned()]));

    // The same news again, and nothing happens.
    world.deliver("stories/2-frontend");
    assert_eq!(world.serve(), [""; 0]);
    assert_eq!(world.head(BASE), commit);
}

#[test]
fn a_push_is_told_once_and_seen_on_its_way() {
    let mut world = direct();
    world.propose();
    let commit = |world: &World| format!("commit {}", &world.head(BASE).id.0[..7]);
    let mut told = Vec::new();
    for number in [1, 2] {
        world.push(&format!("{FRONTEND}:main-{number:07x}-17073{number:05}"));
        world.wait(2);
        told.extend(world.try_propose().unwrap().events);
        assert_eq!(told.last().map(|event| event.url.clone()), Some(Some(commit(&world))));
        assert_eq!(world.try_propose().unwrap().events, [], "it is no news any more");
        world.wait(60);
    }
    let kinds: Vec<Kind> = told.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [Kind::Pushed, Kind::Pushed]);
    assert_eq!(told[1].text, "Update frontend to main-0000002-1707300002");
    assert_eq!(told[1].values[0].tag.as_str(), "main-0000002-1707300002");

    let status = world.status();
    let step = |one: &Journey| {
        let (pushed, step) = (one.pushed.as_ref().unwrap(), one.proposed.as_ref().unwrap());
        (one.tag.clone(), took(pushed.at, step.at), step.how, step.url.clone(), one.ended.clone())
    };
    let steps: Vec<_> = status.journeys.iter().map(step).collect();
    assert_eq!(steps[0], ("main-0000002-1707300002".into(), "2 s".into(), Kind::Pushed, commit(&world), None));
    assert_eq!(
        (steps[1].0.as_str(), &steps[1].4),
        ("main-0000001-1707300001", &None),
        "it stood there, and is not undone"
    );
    assert_eq!(status.proposals, []);
    let page = page::render(&status);
    assert!(page.contains(&commit(&world)), "{page}");

    // What is not let in is no push.
    world.git.protect(BASE, "only by pull request");
    world.push(&format!("{FRONTEND}:main-0000003-1707300003"));
    let _ = world.try_propose();
    assert_eq!(world.status().journeys[0].proposed, None);
    assert_eq!(world.status().proposals, []);
}

#[test]
fn somebody_else_who_was_faster_is_not_overwritten() {
    let mut world = direct();
    world.git.branch_moves_once(BASE);
    world.deliver("stories/2-frontend");
    world.serve();
    assert!(world.git.files(BASE).contains_key("somebody-else.txt"));
    assert!(world.file(BASE, FRONTEND_FILE).contains("main-abc1234-1707300000"));
}

#[test]
fn what_was_rolled_back_is_held_and_the_newer_tag_still_comes() {
    let mut world = direct();
    let before = world.git.files(BASE);
    push(&mut world, 1);
    let commit = world.head(BASE);
    world.roll_back_to(&before);
    let said = world.propose().join("\n");
    assert!(said.contains(&format!("it was merged with commit {}, and then taken back", &commit.id.0[..7])), "{said}");
    assert!(world.file(BASE, FRONTEND_FILE).contains("main-f9e1f0b-1707200000"));

    push(&mut world, 2);
    assert!(world.file(BASE, FRONTEND_FILE).contains("main-0000002-1707300002"));
}

#[test]
fn in_frozen_hours_nothing_is_pushed() {
    let mut world = direct();
    say(
        &world,
        &DIRECT.replace("direct: true", "direct: true, frozen: [{ from: Sat 00:00, to: 'Mon 08:00', zone: UTC }]"),
    );
    let said = push(&mut world, 1).join("\n");
    assert!(said.contains("it is frozen, and nobody has to merge it"), "{said}");
    assert!(world.file(BASE, FRONTEND_FILE).contains("main-f9e1f0b-1707200000"));
    world.wait(24 * 60 * 60);
    world.sweep();
    world.serve();
    assert!(world.file(BASE, FRONTEND_FILE).contains("main-0000001-1707300001"));
}

#[test]
fn a_pull_request_that_is_open_gives_way_and_one_is_opened_again_when_it_is_wanted() {
    let mut world = home_lab();
    push(&mut world, 1);
    assert_eq!(world.open().branch, PROPOSAL);
    say(&world, DIRECT);
    world.propose();
    world.propose();
    let closed = world.pull(1);
    assert_eq!(closed.state, State::Closed);
    insta::assert_snapshot!(closed.comments.join("\n"), @"Closed by tag2pr: what it changes goes to `main` without a pull request now.");
    assert!(world.file(BASE, FRONTEND_FILE).contains("main-0000001-1707300001"), "our own closing holds nothing");

    say(&world, "proposals: []\n");
    push(&mut world, 2);
    assert_eq!(world.open().branch, PROPOSAL);
}

#[test]
fn several_automations_make_a_commit_each() {
    let mut world = home_lab();
    let second = world.file(BASE, FRONTEND_FILE);
    world.git.push_by_somebody_else(BASE, &[Entry::file("second/deployment.yaml", second)], "Add a second place");
    say(
        &world,
        "proposals:\n  - { name: '*', direct: true }\n  - { name: flux-system/second, path: second, after: { automation: \
         flux-system/flux-system } }\n",
    );
    let before = world.git.log(BASE).len();
    push(&mut world, 1);
    assert_eq!(world.git.log(BASE).len(), before + 2);
    assert!(world.file(BASE, "second/deployment.yaml").contains("main-0000001-1707300001"), "after the first");
}
