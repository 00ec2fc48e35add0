//! What shares a pull request: everything of an automation, or what one policy changes.

use tag2pr::seams::State;
use tag2pr::testing::host::Pull;

use super::settings::say;
use super::stories::{FRONTEND, PROPOSAL, home_lab};
use super::world::World;

const BY_POLICY: &str = "proposals:\n  - { name: flux-system/flux-system, group: policy }\n";
const TOGETHER: &str = "takeOver: false\n";
const OF_FRONTEND: &str = "tag2pr/flux-system.flux-system.frontend";
const OF_BACKEND: &str = "tag2pr/flux-system.flux-system.backend";

/// Both images have a newer tag.
fn two_pushes(settings: &str) -> World {
    let mut world = home_lab();
    say(&world, settings);
    world.deliver("stories/2-frontend");
    world.deliver("stories/2-backend");
    world.serve();
    world
}

fn open(world: &World) -> Vec<(String, String)> {
    let shown = |pull: Pull| (pull.branch, pull.title);
    let mut open: Vec<_> = world.forge.open_pulls().into_iter().map(shown).collect();
    open.sort();
    open
}

#[test]
fn each_policy_has_a_branch_and_a_pull_request_of_its_own() {
    let mut world = two_pushes(BY_POLICY);
    let titles = ["Update backend to main-0e4d5f6-1707303600", "Update frontend to main-abc1234-1707300000"];
    assert_eq!(open(&world), [(OF_BACKEND.into(), titles[0].into()), (OF_FRONTEND.into(), titles[1].into())]);
    assert!(world.added(OF_FRONTEND).iter().all(|line| line.contains("main-abc1234-1707300000")));
    let footer = world.pull(1).body;
    let footer = footer.lines().find(|line| line.starts_with("<sub>")).unwrap().split(", after").next().unwrap();
    insta::assert_snapshot!(footer, @"<sub>By tag2pr, for the automation `flux-system/flux-system`, part `backend`");

    // A newer tag of one of them leaves the other alone; merging one rebuilds the other on what was merged.
    world.push(&format!("{FRONTEND}:main-0000001-1707400000"));
    let said = world.serve();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said.iter().any(|line| line.ends_with("/1 is up to date")), "{said:?}");
    world.merge(1);
    world.propose();
    assert_eq!(open(&world), [(OF_FRONTEND.into(), "Update frontend to main-0000001-1707400000".into())]);
    assert_eq!(world.forge.pulls().len(), 2);
    assert!(world.diff(OF_FRONTEND).contains("+++"), "one commit on the new base");
}

#[test]
fn what_was_grouped_otherwise_is_closed_with_a_sentence_and_is_not_held() {
    let mut world = two_pushes(TOGETHER);
    assert_eq!(open(&world), [(PROPOSAL.into(), "Update backend and frontend".into())]);

    say(&world, BY_POLICY);
    let said = world.propose();
    assert_eq!(open(&world).len(), 2, "{said:?}");
    assert_eq!(world.pull(1).state, State::Closed);
    insta::assert_snapshot!(world.pull(1).comments.join("\n"), @"Closed by tag2pr: each policy of flux-system/flux-system has a pull request of its own now.");
    assert_eq!(world.holds(), []);
    assert!(world.propose().iter().all(|line| line.ends_with("is up to date")));

    say(&world, TOGETHER);
    world.propose();
    assert_eq!(open(&world), [(PROPOSAL.into(), "Update backend and frontend".into())]);
    insta::assert_snapshot!(world.pull(2).comments.join("\n"), @"Closed by tag2pr: all policies of flux-system/flux-system share a pull request now.");
    assert_eq!(world.pull(3).comments, world.pull(2).comments);
    assert_eq!(world.holds(), []);
}

#[test]
fn a_branch_that_somebody_committed_to_is_left_alone_when_the_grouping_changes() {
    let mut world = two_pushes(TOGETHER);
    world.edit(PROPOSAL, ".tag2pr.yaml", "takeOver", "# mine\ntakeOver");
    say(&world, BY_POLICY);
    let said = world.propose().join("\n");
    assert!(said.contains("flux-system.flux-system: left alone"), "{said}");
    assert_eq!(world.pull(1).state, State::Open);
    assert_eq!(open(&world).len(), 3);
}

#[test]
fn nothing_is_closed_while_a_file_cannot_be_read() {
    let mut world = two_pushes(BY_POLICY);
    say(&world, "proposals: [\n");
    world.propose();
    assert_eq!(open(&world).len(), 2);
}

#[test]
fn a_closed_tag_and_a_rollback_count_whatever_shares_a_pull_request() {
    let mut world = home_lab();
    let before = world.git.files("main");
    world.deliver("stories/2-frontend");
    world.serve();
    world.merge(1);
    world.propose();
    // Merged as all of the automation, and taken back when each policy has its own.
    say(&world, BY_POLICY);
    world.propose();
    world.roll_back_to(&before);
    say(&world, BY_POLICY);
    world.propose();
    assert_eq!(open(&world).iter().filter(|(branch, _)| branch == OF_FRONTEND).count(), 0);
    assert_eq!(world.holds().len(), 1);

    // Closed as a part, and still closed when all share one.
    world.deliver("stories/2-backend");
    world.serve();
    let number = world.open().number;
    world.forge.close_by_person(number);
    world.propose();
    assert_eq!(world.holds().len(), 2);
    say(&world, TOGETHER);
    world.propose();
    assert_eq!(open(&world), [], "{:?}", world.holds());
}
