//! People work on the same repository: what they decide stands, what they write stays.

use tag2pr::seams::State;
use tag2pr::testing::repository::Entry;

use super::stories::{FRONTEND, FRONTEND_FILE, PROPOSAL, home_lab};
use super::world::{BASE, World};

/// The second story with a pull request for the frontend.
fn proposed() -> World {
    let mut world = home_lab();
    world.deliver("stories/2-frontend");
    world.serve();
    world
}

fn newer(world: &mut World) {
    world.push(&format!("{FRONTEND}:main-0000001-1707400000"));
    world.serve();
}

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

#[test]
fn what_a_person_closed_is_not_proposed_again() {
    let mut world = proposed();
    world.forge.close_by_person(1);
    for _ in 0..3 {
        world.wait(86_400);
        world.deliver("stories/2-frontend");
        world.serve();
    }
    assert_eq!(world.forge.open_pulls(), []);
    assert_eq!(
        world.holds()[0].reason,
        "pull request https://forge.test/acme/fleet/pull/1 was closed without merging by alice"
    );

    newer(&mut world);
    let open = world.open();
    assert_eq!((open.number, open.title.as_str()), (2, "Update frontend to main-0000001-1707400000"));
    assert_eq!(world.pull(1).state, State::Closed);
}

#[test]
fn a_forge_that_does_not_say_who_loses_nothing() {
    let mut world = proposed();
    world.forge.discreet();
    world.forge.close_by_person(1);
    world.propose();
    assert_eq!(world.forge.open_pulls(), []);
    assert_eq!(world.holds()[0].reason, "pull request https://forge.test/acme/fleet/pull/1 was closed without merging");

    newer(&mut world);
    world.merge(2);
    world.propose();
    world.edit(BASE, FRONTEND_FILE, "main-0000001-1707400000", "main-f9e1f0b-1707200000");
    let said = world.propose().join("\n");
    assert!(said.contains("it was merged with https://forge.test/acme/fleet/pull/2, and then taken back"), "{said}");
}

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
fn a_name_that_would_be_more_than_a_name_is_text_wherever_it_goes() {
    let mut world = proposed();
    world.forge.close_by(1, "@acme/everyone](https://evil.example)\r\n\r\n# `Hi` <b>\u{202E}");
    newer(&mut world);
    assert_eq!(world.open().number, 2);
    let reason = "pull request https://forge.test/acme/fleet/pull/1 was closed without merging by ";
    let name = "@acme/everyone](https://evil.example)    # `Hi` <b>";
    assert_eq!(world.holds()[0].reason, format!("{reason}{name}"));

    // The policy goes back to what was closed, so the newer pull request is closed with the reason.
    let policies = "flux/clusters/production/image-automation/image-policies.yaml";
    let text = world.file(BASE, policies).replacen("main-[a-f0-9]{7}-", "main-(?:abc1234|f9e1f0b)-", 1);
    world.git.push_by_somebody_else(BASE, &[Entry::file(policies, text)], "Only these two");
    world.propose();
    let escaped = "@\u{2060}acme/everyone\\](https://evil.example)    #\u{2060} \\`Hi\\` \\<b\\>";
    let closing = "Closed by tag2pr: there is nothing left in it to merge.\n\n- `flux-system/frontend`: held: ";
    assert_eq!(world.pull(2).comments, [format!("{closing}{reason}{escaped}")]);
}

#[test]
fn closing_one_does_not_hold_the_other_images_of_the_automation() {
    let mut world = proposed();
    world.forge.close_by_person(1);
    world.deliver("stories/2-backend");
    world.serve();
    assert_eq!(world.open().title, "Update backend to main-0e4d5f6-1707303600");
    assert_eq!(world.added(PROPOSAL).len(), 2, "the Deployment and the compose file");
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
fn the_base_may_move_while_it_is_proposed_to() {
    let mut world = home_lab();
    world.deliver("stories/2-frontend");
    world.git.branch_moves_once(BASE);
    world.serve();
    assert_eq!(world.open().title, "Update frontend to main-abc1234-1707300000");

    world.propose();
    assert_eq!(world.added(PROPOSAL).len(), 1, "one commit on top of where the base is now");
    assert!(world.git.files(PROPOSAL).contains_key("somebody-else.txt"));
    assert_eq!(world.forge.pulls().len(), 1);
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
fn nothing_is_lost_when_the_policy_is_broken_for_a_while() {
    let mut world = proposed();
    let policies = "flux/clusters/production/image-automation/image-policies.yaml";
    let before = world.open();
    world.edit(BASE, policies, "extract: '$ts'", "extract: '$sha'");
    let said = world.propose().join("\n");
    assert_eq!(world.open(), before, "{said}");
    insta::assert_snapshot!(said, @r#"
    flux-system.flux-system: left alone: flux-system/frontend: nothing selected: failed to parse invalid numeric value '' of tag main-f9e1f0b-1707200000 (and 2 more like it); let filterTags.pattern match only tags with a number, or add '^main-f9e1f0b-1707200000$' to the exclusionList of the ImageRepository
    flux-system/frontend: nothing selected: failed to parse invalid numeric value '' of tag main-f9e1f0b-1707200000 (and 2 more like it); let filterTags.pattern match only tags with a number, or add '^main-f9e1f0b-1707200000$' to the exclusionList of the ImageRepository
    flux-system/backend: nothing selected: failed to parse invalid numeric value '' of tag main-c40ddee-1707210000; let filterTags.pattern match only tags with a number, or add '^main-c40ddee-1707210000$' to the exclusionList of the ImageRepository
    "#);

    world.edit(BASE, policies, "kind: ImagePolicy", "kind: [");
    let said = world.propose().join("\n");
    assert_eq!(world.open(), before, "{said}");
}

#[test]
fn a_manifest_that_cannot_be_read_for_a_while_closes_nothing() {
    let mut world = proposed();
    let before = world.open();
    world.edit(BASE, FRONTEND_FILE, "kind: Deployment", "kind: [");
    let said = world.propose().join("\n");
    assert!(said.contains(FRONTEND_FILE), "{said}");
    assert_eq!(world.open(), before);
}

#[test]
fn a_protected_branch_stops_no_other_proposal() {
    let mut world = World::watched("3-environments");
    world.git.protect("tag2pr/develop.shop", "protected branch hook declined");
    world.push("ghcr.io/example/shop:develop-v0.0.2-b2c3d4e-1738870000");
    world.push("ghcr.io/example/shop:staging-v0.0.2-b2c3d4e-1738870000");
    let refused = world.try_propose().unwrap_err();
    assert!(!refused.is_transient() && refused.to_string().contains("hook declined"), "{refused}");
    assert_eq!(world.open().branch, "tag2pr/staging.shop");
}

#[test]
fn a_value_without_a_tag_is_confirmed_and_closed_for_good() {
    let mut world = home_lab();
    let file = "flux/clusters/production/frontend/deployment.yaml";
    world.edit(BASE, file, ":main-f9e1f0b-1707200000", "");
    world.deliver("stories/2-frontend");
    world.serve();
    let open = world.open();
    assert_eq!(open.title, "Update frontend to main-abc1234-1707300000");
    world.forge.close_by_person(open.number);
    world.propose();
    world.propose();
    assert_eq!(world.forge.open_pulls(), []);
}

#[test]
fn a_digest_of_another_tag_is_never_kept() {
    let mut world = home_lab();
    let policies = "flux/clusters/production/image-automation/image-policies.yaml";
    world.edit(
        BASE,
        policies,
        "    numerical:\n      order: asc\n",
        "    numerical: {}\n  digestReflectionPolicy: IfNotPresent\n",
    );
    let file = "flux/clusters/production/frontend/deployment.yaml";
    let old = format!("@sha256:{}", "0".repeat(64));
    world.edit(BASE, file, ":main-f9e1f0b-1707200000", &old);
    world.deliver("stories/2-frontend");
    world.serve();
    let written = world.file(&world.open().branch, file);
    assert!(!written.contains(&old), "{written}");
    assert!(written.contains("frontend:main-abc1234-1707300000@sha256:"), "{written}");
}

#[test]
fn two_different_policies_of_one_name_decide_nothing() {
    let mut world = home_lab();
    let path = "flux/clusters/production/image-automation/image-policies.yaml";
    let other = world.file(BASE, path).replace("main-", "staging-");
    let entry = tag2pr::testing::repository::Entry::file("flux/clusters/staging/image-policies.yaml", other);
    world.git.push_by_somebody_else(BASE, &[entry], "Another cluster");
    world.deliver("stories/2-frontend");
    let said = world.serve().join("\n");
    assert!(said.contains("declared differently in flux/clusters/production/"), "{said}");
    assert_eq!(world.git.branches(), [BASE]);
}

/// Adds an automation of another name for the same branch.
fn add_automation(world: &World, name: &str) {
    let path = "flux/clusters/production/image-automation/image-update-automation.yaml";
    let own = world.file(BASE, path);
    let other = own.replacen("name: flux-system\n", &format!("name: {name}\n"), 1);
    assert_ne!(other, own);
    let branch = format!("push:\n      branch: {PROPOSAL}\n");
    let with_branch = |text: &str| text.replace("push:\n      branch: main\n", &branch);
    let files = [
        Entry::file(path, with_branch(&own)),
        Entry::file("flux/clusters/production/image-automation/another.yaml", with_branch(&other)),
    ];
    assert_ne!(with_branch(&own), own);
    world.git.push_by_somebody_else(BASE, &files, "Another automation for the same branch");
}

#[test]
fn an_automation_that_comes_to_share_a_branch_takes_its_pull_request_over() {
    let mut world = proposed();
    add_automation(&world, "aaa");
    let said = world.propose().join("\n");
    assert_eq!(world.open().number, 1, "{said}");
    newer(&mut world);
    assert_eq!(world.open().title, "Update frontend to main-0000001-1707400000", "{:#?}", world.log);
    assert_eq!(world.added(PROPOSAL).len(), 1);

    // And back.
    let path = "flux/clusters/production/image-automation/another.yaml";
    world.git.push_by_somebody_else(BASE, &[Entry::file(path, "")], "One is enough");
    world.push(&format!("{FRONTEND}:main-0000002-1707500000"));
    world.serve();
    assert_eq!(world.open().title, "Update frontend to main-0000002-1707500000", "{:#?}", world.log);
    assert_eq!(world.forge.pulls().len(), 1);
    let records = world.store.contents().keys().filter(|key| key.contains("/proposals/")).count();
    assert_eq!(records, 1);
}

#[test]
fn what_was_closed_stays_closed_when_another_automation_shares_its_branch() {
    let mut world = proposed();
    world.forge.close_by_person(1);
    world.propose();
    add_automation(&world, "aaa");
    world.propose();
    assert_eq!(world.forge.open_pulls(), []);
}

#[test]
fn a_proposal_that_is_pointless_by_the_time_its_branch_is_shared_is_closed() {
    let mut world = proposed();
    add_automation(&world, "aaa");
    world.edit(BASE, FRONTEND_FILE, "main-f9e1f0b-1707200000", "main-abc1234-1707300000");
    world.propose();
    assert_eq!(world.pull(1).state, State::Closed, "{:#?}", world.log);
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
fn a_tag_that_was_closed_and_released_is_proposed_again() {
    let mut world = proposed();
    world.forge.close_by_person(1);
    world.propose();
    assert_eq!(world.forge.open_pulls(), []);

    assert_eq!(world.release("flux-system/frontend", Some("main-0000000-1")), [] as [&str; 0]);
    world.propose();
    assert_eq!(world.forge.open_pulls(), [], "another tag was released");

    assert_eq!(world.release("flux-system/frontend", None), ["main-abc1234-1707300000"]);
    world.propose();
    assert_eq!((world.open().number, world.open().title.as_str()), (2, "Update frontend to main-abc1234-1707300000"));
    assert_eq!(world.holds(), []);
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
fn a_tag_that_is_held_by_hand_leaves_the_open_pull_request_and_newer_ones_come() {
    let mut world = proposed();
    assert!(world.hold("flux-system/frontend", "main-abc1234-1707300000", "waits for the database"));
    assert!(!world.hold("flux-system/frontend", "main-abc1234-1707300000", "waits for the database"));
    let said = world.propose().join("\n");
    assert!(said.contains("waits for the database"), "{said}");
    assert_eq!(world.forge.open_pulls(), []);
    assert_eq!(world.holds().len(), 1, "our own closing holds nothing");

    newer(&mut world);
    assert_eq!(world.open().title, "Update frontend to main-0000001-1707400000");
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

#[test]
fn what_is_opened_again_is_released_and_kept_alive() {
    let mut world = proposed();
    world.forge.close_by_person(1);
    world.propose();
    assert_eq!(world.holds().len(), 1);

    world.forge.reopen(1);
    world.propose();
    assert_eq!(world.holds(), []);
    newer(&mut world);
    let open = world.open();
    assert_eq!((open.number, open.title.as_str()), (1, "Update frontend to main-0000001-1707400000"));

    // Closed once more, it is held once more, and newer ones come in a new one.
    world.forge.close_by_person(1);
    world.propose();
    assert_eq!(world.holds().len(), 1);
    // Nobody asks for ever whether it is open again, only whether somebody asks for it in a comment.
    let asked_by_a_look = |world: &mut World| {
        let before = world.forge.calls();
        world.propose();
        world.forge.calls() - before
    };
    assert_eq!(asked_by_a_look(&mut world), 2);
    world.wait(15 * 86_400);
    assert_eq!(asked_by_a_look(&mut world), 1);
    world.push(&format!("{FRONTEND}:main-0000002-1707500000"));
    world.serve();
    assert_eq!(world.open().number, 2);
}

#[test]
fn what_was_closed_is_proposed_again_when_somebody_who_may_asks_for_it() {
    let mut world = proposed();
    world.forge.close_by_person(1);
    world.propose();
    world.forge.said(1, false, "/tag2pr release");
    world.propose();
    assert_eq!((world.forge.open_pulls().len(), world.holds().len()), (0, 1));

    world.forge.said(1, true, "/tag2pr release");
    world.propose();
    assert_eq!(world.open().title, "Update frontend to main-abc1234-1707300000");
    assert_eq!(world.holds(), []);

    // Closed once more, it is held once more.
    world.forge.close_by_person(2);
    world.propose();
    world.propose();
    assert_eq!((world.forge.open_pulls().len(), world.holds().len()), (0, 1));
}
