//! People close pull requests, open them again and release what is held.

use tag2pr::seams::State;
use tag2pr::testing::repository::Entry;

use super::people::{newer, proposed};
use super::stories::{FRONTEND, FRONTEND_FILE, PROPOSAL};
use super::world::{BASE, World};

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
