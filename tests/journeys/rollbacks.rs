//! People write values to the base branch by hand, and take merged ones back.

use tag2pr::seams::State;
use tag2pr::testing::repository::Entry;

use super::people::{newer, proposed};
use super::stories::{FRONTEND_FILE, home_lab};
use super::world::BASE;

#[test]
fn whoever_merged_what_was_taken_back_is_named_when_that_is_seen_later() {
    let mut world = proposed();
    world.merge(1);
    world.propose();
    world.forge.discreet();
    world.edit(BASE, FRONTEND_FILE, "main-abc1234-1707300000", "main-f9e1f0b-1707200000");
    let seen = world.head(BASE).id;
    let said = world.propose().join("\n");
    let reason =
        "it was merged by alice with https://forge.test/acme/fleet/pull/1, and then taken back on the base branch";
    assert_eq!(world.holds()[0].reason, format!("{reason} (seen at {})", seen.short()));
    assert!(said.contains(reason), "{said}");
}

#[test]
fn the_commit_that_took_something_back_is_named_although_others_came_after_it() {
    let mut world = home_lab();
    world.deliver("stories/2-backend");
    world.serve();
    world.merge(1);
    world.propose();
    // In one of its two files: the last change of the other is the merge.
    let compose = "flux/clusters/production/backend/docker-compose.backend.yml";
    world.edit(BASE, compose, "main-0e4d5f6-1707303600", "main-c40ddee-1707210000");
    let commit = world.head(BASE).id;
    world.git.push_by_somebody_else(BASE, &[Entry::file("notes.md", "Wait for Alice.")], "Add notes");
    world.propose();
    let named = format!("taken back on the base branch with {}, the last change of {compose}", commit.short());
    assert!(world.holds()[0].reason.ends_with(&named), "{:?}", world.holds());

    // It is asked for once.
    let asked = world.forge.calls();
    world.propose();
    assert_eq!((world.forge.calls(), world.holds().len()), (asked, 1));
}

#[test]
fn when_the_base_gets_the_values_by_hand_the_pull_request_is_closed_with_a_word() {
    let mut world = proposed();
    world.edit(BASE, FRONTEND_FILE, "main-f9e1f0b-1707200000", "main-abc1234-1707300000");
    world.propose();

    let closed = world.pull(1);
    assert_eq!(closed.state, State::Closed);
    insta::assert_snapshot!(closed.comments.join("\n---\n"), @r#"
    Closed by tag2pr: there is nothing left in it to merge.

    - `flux-system/frontend`: up to date
    "#);
    assert_eq!(world.holds(), [], "our own closing holds nothing");

    // Whoever takes it back by hand takes it back, as after a merge.
    world.edit(BASE, FRONTEND_FILE, "main-abc1234-1707300000", "main-f9e1f0b-1707200000");
    let commit = world.head(BASE).id;
    insta::assert_snapshot!(world.propose().join("\n").replace(commit.short(), "COMMIT"), @"flux-system/frontend (192.168.0.40:5000/frontend:main-abc1234-1707300000): held: it came to the base branch beside https://forge.test/acme/fleet/pull/1, and was then taken back there with COMMIT, the last change of flux/clusters/production/frontend/deployment.yaml");
    assert_eq!(world.forge.open_pulls(), []);
    newer(&mut world);
    assert_eq!(world.open().title, "Update frontend to main-0000001-1707400000");
}

#[test]
fn one_of_two_values_that_came_by_hand_and_was_taken_back_by_hand_is_held_too() {
    let mut world = home_lab();
    world.deliver("stories/2-frontend");
    world.deliver("stories/2-backend");
    world.serve();
    assert_eq!(world.open().title, "Update backend and frontend");

    world.edit(BASE, FRONTEND_FILE, "main-f9e1f0b-1707200000", "main-abc1234-1707300000");
    world.propose();
    assert_eq!(world.open().title, "Update backend to main-0e4d5f6-1707303600", "the rest of it stays open");
    world.edit(BASE, FRONTEND_FILE, "main-abc1234-1707300000", "main-f9e1f0b-1707200000");
    world.propose();

    assert_eq!(world.open().title, "Update backend to main-0e4d5f6-1707303600");
    let held = world.holds();
    assert_eq!(held.len(), 1);
    let beside =
        "it came to the base branch beside https://forge.test/acme/fleet/pull/1, and was then taken back there";
    assert!(held[0].reason.starts_with(beside), "{}", held[0].reason);
    newer(&mut world);
    assert_eq!(world.open().title, "Update backend and frontend");
}

#[test]
fn a_newer_value_by_hand_is_not_taken_back() {
    let mut world = proposed();
    world.edit(BASE, FRONTEND_FILE, "main-f9e1f0b-1707200000", "main-fffffff-1709999999");
    let said = world.propose().join("\n");
    assert_eq!(world.forge.open_pulls(), []);
    insta::assert_snapshot!(said, @"
    flux-system.flux-system: closed https://forge.test/acme/fleet/pull/1: there is nothing left in it to merge
    flux-system/frontend (192.168.0.40:5000/frontend:main-abc1234-1707300000): backwards: main-fffffff-1709999999 stands in Git and ranks higher under the same policy; it stays, unless `tag2pr release flux-system/frontend --to main-abc1234-1707300000` says otherwise
    ");
    insta::assert_snapshot!(world.pull(1).comments.join("\n---\n"), @r"
    Closed by tag2pr: there is nothing left in it to merge.

    - `flux-system/frontend`: backwards: main-fffffff-1709999999 stands in Git and ranks higher under the same policy; it stays, unless \`tag2pr release flux-system/frontend --to main-abc1234-1707300000\` says otherwise
    ");
}

#[test]
fn a_rollback_right_after_the_merge_stands() {
    let mut world = proposed();
    let before = world.git.files(BASE);
    world.merge(1);
    world.roll_back_to(&before);
    world.propose();
    assert_eq!(world.forge.open_pulls(), [], "although nobody looked between the two");
    assert_eq!(world.holds().len(), 1);
}

#[test]
fn a_rollback_stands_although_another_image_was_proposed_meanwhile() {
    let mut world = proposed();
    world.merge(1);
    world.propose();
    world.deliver("stories/2-backend");
    world.serve();
    assert_eq!(world.open().number, 2);
    world.edit(BASE, FRONTEND_FILE, "main-abc1234-1707300000", "main-f9e1f0b-1707200000");
    world.propose();

    assert_eq!(world.open().title, "Update backend to main-0e4d5f6-1707303600");
    world.merge(2);
    world.propose();
    assert_eq!(world.forge.open_pulls(), []);
}

#[test]
fn a_new_manifest_with_an_older_tag_is_no_rollback() {
    let mut world = proposed();
    let old = world.file(BASE, FRONTEND_FILE);
    world.merge(1);
    world.propose();
    let canary = "flux/clusters/production/frontend/canary.yaml";
    world.git.push_by_somebody_else(BASE, &[Entry::file(canary, old)], "Add a canary");
    world.propose();
    assert_eq!(world.open().title, "Update frontend to main-abc1234-1707300000");
    assert_eq!(world.holds(), []);
}

#[test]
fn a_new_marker_in_a_file_that_was_merged_is_no_rollback() {
    let mut world = proposed();
    let old = world.file(BASE, FRONTEND_FILE);
    world.merge(1);
    world.propose();
    let merged = world.file(BASE, FRONTEND_FILE);
    let marked = |text: &str| text.lines().find(|line| line.contains("$imagepolicy")).unwrap().to_owned();
    let more = format!(
        "{merged}---\napiVersion: v1\nkind: Pod\nmetadata: {{ name: debug }}\nspec:\n  containers:\n    - name: debug\n      {}\n",
        marked(&old).trim().trim_start_matches("- ")
    );
    world.git.push_by_somebody_else(BASE, &[Entry::file(FRONTEND_FILE, more)], "Debug with the frontend");
    world.propose();
    assert_eq!(world.holds(), [], "{:#?}", world.log);
    assert_eq!(world.open().title, "Update frontend to main-abc1234-1707300000");

    // Whereas this is one, in either place.
    world.merge(2);
    world.propose();
    let text = world.file(BASE, FRONTEND_FILE);
    world.git.push_by_somebody_else(
        BASE,
        &[Entry::file(FRONTEND_FILE, text.replace("main-abc1234-1707300000", "main-f9e1f0b-1707200000"))],
        "Back",
    );
    world.propose();
    assert_eq!(world.forge.open_pulls(), []);
    assert_eq!(world.holds().len(), 1);
}

#[test]
fn a_rollback_that_was_released_is_proposed_again_and_held_if_it_is_taken_back_once_more() {
    let mut world = home_lab();
    let before = world.git.files(BASE);
    world.deliver("stories/2-frontend");
    world.serve();
    for number in [1, 2] {
        world.merge(number);
        world.propose();
        world.roll_back_to(&before);
        world.propose();
        assert_eq!(world.forge.open_pulls(), []);
        assert_eq!(world.holds().len(), 1);

        assert_eq!(world.release("flux-system/frontend", Some("main-abc1234-1707300000")).len(), 1);
        world.propose();
        world.propose();
        assert_eq!((world.open().number, world.holds()), (number + 1, vec![]));
    }
}

#[test]
fn a_step_back_that_was_asked_for_is_taken_once() {
    let mut world = proposed();
    let newer = "main-fffffff-1709999999";
    world.edit(BASE, FRONTEND_FILE, "main-f9e1f0b-1707200000", newer);
    world.propose();
    assert_eq!(world.forge.open_pulls(), []);

    world.step_back("flux-system/frontend", "main-0000000-1");
    world.propose();
    assert_eq!(world.forge.open_pulls(), [], "the policy does not select that one");

    world.step_back("flux-system/frontend", "main-abc1234-1707300000");
    world.propose();
    world.propose();
    let open = world.open();
    assert_eq!((open.number, open.title.as_str()), (2, "Update frontend to main-abc1234-1707300000"));
    world.merge(2);
    world.propose();

    // Whoever goes forward again by hand is not taken back again.
    world.edit(BASE, FRONTEND_FILE, "main-abc1234-1707300000", newer);
    let said = world.propose().join("\n");
    assert!(said.contains("backwards") || said.contains("held"), "{said}");
    assert_eq!(world.forge.open_pulls(), []);
}
