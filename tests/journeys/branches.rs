//! Somebody commits to a branch of ours: it is left to them until they say otherwise.

use tag2pr::testing::repository::Entry;

use super::people::{newer, proposed};
use super::stories::{FRONTEND, FRONTEND_FILE, PROPOSAL, home_lab};
use super::world::{BASE, World};

#[test]
fn a_branch_that_somebody_committed_to_is_left_alone() {
    let mut world = proposed();
    world.git.push_by_somebody_else(PROPOSAL, &[Entry::file("notes.md", "Wait for Alice.")], "Add notes");
    let before = (world.head(PROPOSAL), world.open());
    newer(&mut world);
    let said = world.propose().join("\n");

    assert!(said.contains("which tag2pr did not write"), "{said}");
    let after = world.open();
    assert_eq!((world.head(PROPOSAL), &after.title, &after.body), (before.0, &before.1.title, &before.1.body));
}

#[test]
fn a_branch_that_somebody_committed_to_is_not_closed_either() {
    let mut world = proposed();
    world.git.push_by_somebody_else(PROPOSAL, &[Entry::file("notes.md", "Wait for Alice.")], "Add notes");
    world.edit(BASE, FRONTEND_FILE, "main-f9e1f0b-1707200000", "main-abc1234-1707300000");
    world.propose();
    assert_eq!(world.open().comments, Vec::<String>::new());
}

#[test]
fn a_commit_between_looking_and_pushing_is_not_overwritten() {
    let mut world = proposed();
    world.push(&format!("{FRONTEND}:main-0000001-1707400000"));
    world.git.branch_moves_once(PROPOSAL);
    let said = world.serve().join("\n");
    assert!(said.contains("which tag2pr did not write"), "{said}");
    assert!(world.git.files(PROPOSAL).contains_key("somebody-else.txt"));
}

#[test]
fn a_branch_of_that_name_that_was_there_before_is_left_alone() {
    let mut world = home_lab();
    world.git.push_by_somebody_else(PROPOSAL, &[Entry::file("notes.md", "Mine.")], "Begin");
    world.deliver("stories/2-frontend");
    world.serve();
    assert_eq!(world.forge.pulls(), []);
    assert_eq!(world.git.files(PROPOSAL).len(), 1);
}

/// Somebody committed to the branch of the pull request.
fn with_a_strangers_commit() -> World {
    let world = proposed();
    world.git.push_by_somebody_else(PROPOSAL, &[Entry::file("notes.md", "Wait for Alice.")], "Add notes");
    world
}

#[test]
fn whoever_committed_to_the_branch_is_told_once_that_it_is_theirs() {
    let mut world = with_a_strangers_commit();
    world.forge.unavailable_once();
    let _ = world.try_propose();
    for _ in 0..3 {
        world.propose();
    }
    newer(&mut world);
    insta::assert_snapshot!(world.open().comments.join("\n---\n"), @"Somebody committed to this branch, which stands at 7e7b5e2 now, so tag2pr leaves it alone: newer tags are not brought here any more. Merge it as it is, close it, or write `/tag2pr rebase` to have the branch made anew without these commits.");
}

#[test]
fn a_branch_is_made_anew_when_somebody_who_may_asks_for_it_and_only_then() {
    let mut world = with_a_strangers_commit();
    let theirs = world.head(PROPOSAL);
    newer(&mut world);
    world.forge.said(1, false, "/tag2pr rebase");
    world.forge.said(1, true, "We could say /tag2pr rebase.");
    world.propose();
    assert_eq!(world.head(PROPOSAL), theirs, "a stranger's word, and a word in passing, do not count");

    world.forge.said(1, true, "/tag2pr rebase");
    world.propose();
    assert_eq!(
        world.added(PROPOSAL),
        [r#"image: 192.168.0.40:5000/frontend:main-0000001-1707400000 # {"$imagepolicy": "flux-system:frontend"}"#]
    );
    assert_eq!((world.open().number, world.open().title.as_str()), (1, "Update frontend to main-0000001-1707400000"));

    // What was asked for once is done once.
    world.git.push_by_somebody_else(PROPOSAL, &[Entry::file("notes.md", "Wait for Bob.")], "Add notes again");
    let theirs = world.head(PROPOSAL);
    world.propose();
    world.propose();
    assert_eq!(world.head(PROPOSAL), theirs);
}

#[test]
fn a_commit_that_whoever_asked_could_not_see_is_not_overwritten() {
    let mut world = with_a_strangers_commit();
    newer(&mut world);
    world.forge.said(1, true, "/tag2pr rebase");
    world.git.push_by_somebody_else(PROPOSAL, &[Entry::file("fix.md", "Bob was here.")], "Fix it");
    let theirs = world.head(PROPOSAL);
    world.propose();
    world.propose();
    assert_eq!(world.head(PROPOSAL), theirs, "Bob's commit came after the comment");
    let comments = world.open().comments;
    let told = comments.iter().filter(|comment| comment.contains(&theirs.id.0[..7])).count();
    assert_eq!(told, 1, "it is said where the branch stands now: {comments:?}");

    // Whoever has seen it says it again; who says it before we have looked names the commit.
    world.forge.said(1, true, "/tag2pr rebase");
    world.propose();
    assert!(!world.git.files(PROPOSAL).contains_key("fix.md"));
    for (id, is_meant) in [("0a1b2c3d", false), ("", true)] {
        world.git.push_by_somebody_else(PROPOSAL, &[Entry::file("fix.md", "Bob was here.")], "Fix it again");
        let theirs = world.head(PROPOSAL).id.0;
        let named = if is_meant { &theirs[..9] } else { id };
        world.forge.said(1, true, &format!("/tag2pr rebase {named}"));
        world.propose();
        assert_eq!(world.git.files(PROPOSAL).contains_key("fix.md"), !is_meant);
    }
}

#[test]
fn what_was_merged_with_a_strangers_commit_and_taken_back_is_held() {
    let mut world = with_a_strangers_commit();
    world.propose();
    let theirs = world.head(PROPOSAL);
    world.git.merge(PROPOSAL, BASE);
    world.forge.merge(1);
    world.propose();
    world.edit(BASE, FRONTEND_FILE, "main-abc1234-1707300000", "main-f9e1f0b-1707200000");
    world.propose();
    assert_eq!(world.forge.open_pulls(), []);
    let reason =
        "it was merged by alice with https://forge.test/acme/fleet/pull/1, and then taken back on the base branch";
    assert!(world.holds()[0].reason.starts_with(reason), "{:?}", world.holds());

    // Their branch is theirs until it is deleted, as most forges do with what was merged.
    newer(&mut world);
    assert_eq!((world.forge.open_pulls(), world.head(PROPOSAL)), (Vec::new(), theirs));
    world.git.delete_branch(PROPOSAL);
    world.propose();
    let open = world.open();
    assert_eq!((open.number, open.title.as_str()), (2, "Update frontend to main-0000001-1707400000"));
    assert!(world.git.files(BASE).contains_key("notes.md"));
}

#[test]
fn a_value_that_a_stranger_changed_before_the_merge_was_not_merged() {
    let mut world = proposed();
    world.edit(PROPOSAL, FRONTEND_FILE, "main-abc1234-1707300000", "main-f9e1f0b-1707200000");
    world.propose();
    world.merge(1);
    world.propose();
    assert_eq!(world.holds(), [], "nobody took it back");
}

#[test]
fn what_was_closed_with_a_strangers_commit_is_held_and_their_branch_is_left() {
    let mut world = with_a_strangers_commit();
    world.propose();
    let theirs = world.head(PROPOSAL);
    world.forge.close_by_person(1);
    world.propose();
    assert_eq!(world.holds().len(), 1);
    newer(&mut world);
    assert_eq!((world.forge.open_pulls(), world.head(PROPOSAL)), (Vec::new(), theirs));

    world.git.delete_branch(PROPOSAL);
    world.propose();
    assert_eq!(world.open().title, "Update frontend to main-0000001-1707400000");
}
