//! Registries that fail, and what they must not lead to: a step back, a value that nobody confirmed, a closed proposal.

use super::stories::{BACKEND, FRONTEND, FRONTEND_FILE, PROPOSAL, home_lab};
use super::world::{BASE, World};

const HOST: &str = "192.168.0.40:5000";

fn image() -> tag2pr::image::ImageName {
    FRONTEND.parse().unwrap()
}

#[test]
fn what_is_newer_in_git_than_anything_known_stays() {
    let mut world = World::of("2-home-lab");
    world.registry.refuse(HOST);
    world.propose();
    world.push(&format!("{FRONTEND}:main-0000000-1700000000"));
    world.registry.refuse(HOST);
    let said = world.serve();
    assert_eq!(world.git.branches(), [BASE]);
    insta::assert_snapshot!(said.join("\n"), @"
    flux-system/frontend (192.168.0.40:5000/frontend:main-0000000-1700000000): backwards: main-f9e1f0b-1707200000 stands in Git and ranks higher under the same policy; it stays, unless `tag2pr release flux-system/frontend --to main-0000000-1700000000` says otherwise
    flux-system/backend: nothing selected: no tags in database: no tag of the image is known yet; push one, or let the sweep list them
    192.168.0.40:5000/backend: known from deliveries alone, its tags cannot be listed: registry 192.168.0.40:5000 refused: it does not accept the credentials for backend (401); check `credentials` of this registry
    192.168.0.40:5000/frontend: known from deliveries alone, its tags cannot be listed: registry 192.168.0.40:5000 refused: it does not accept the credentials for frontend (401); check `credentials` of this registry
    ");
}

#[test]
fn what_is_newer_in_git_stays_when_the_listing_fails() {
    let mut world = World::of("2-home-lab");
    world.registry.stop();
    world.try_propose().unwrap_err();
    world.push(&format!("{FRONTEND}:main-0000000-1700000000"));
    let unfinished = world.try_propose().unwrap_err();
    assert!(unfinished.is_transient(), "{unfinished}");
    world.registry.start();
    let said = world.propose().join("\n");
    assert!(said.contains("backwards: main-f9e1f0b-1707200000 stands in Git"), "{said}");
    assert_eq!(world.git.branches(), [BASE]);
}

#[test]
fn a_registry_that_is_away_is_asked_again() {
    let mut world = home_lab();
    world.deliver("stories/2-frontend");
    world.registry.stop();
    let unfinished = world.try_propose().unwrap_err();
    insta::assert_snapshot!(unfinished, @"not finished: registry 192.168.0.40:5000 is not available: it does not answer");
    assert!(unfinished.is_transient());
    assert_eq!(world.git.branches(), [BASE]);
    assert_eq!(world.forge.pulls(), []);

    world.registry.start();
    world.propose();
    assert_eq!(world.open().title, "Update frontend to main-abc1234-1707300000");
}

#[test]
fn a_tag_that_the_registry_does_not_have_is_not_proposed_until_it_has() {
    let mut world = home_lab();
    world.registry.delete(&image(), &"main-abc1234-1707300000".parse().unwrap());
    world.deliver("stories/2-frontend");
    insta::assert_snapshot!(world.serve().join("\n"), @"flux-system/frontend (192.168.0.40:5000/frontend:main-abc1234-1707300000): gone: 192.168.0.40:5000 says that there is no tag main-abc1234-1707300000 (any more)");
    assert_eq!(world.git.branches(), [BASE]);

    world.build(&format!("{FRONTEND}:main-abc1234-1707300000"));
    world.propose();
    assert_eq!(world.open().title, "Update frontend to main-abc1234-1707300000");
}

#[test]
fn a_registry_that_refuses_confirms_nothing() {
    let mut world = home_lab();
    world.registry.refuse(HOST);
    world.deliver("stories/2-frontend");
    let said = world.serve().join("\n");
    assert!(said.contains("not confirmed: registry 192.168.0.40:5000 refused"), "{said}");
    assert_eq!(world.git.branches(), [BASE]);
    world.registry.admit(HOST);
    world.propose();
    assert_eq!(world.open().number, 1);
}

#[test]
fn an_open_pull_request_stays_while_its_registry_is_away() {
    let mut world = home_lab();
    world.deliver("stories/2-frontend");
    world.deliver("stories/2-backend");
    world.serve();
    let before = (world.open(), world.head(PROPOSAL));

    world.registry.stop();
    world.push(&format!("{BACKEND}:main-0000001-1707400000"));
    world.try_propose().unwrap_err();
    assert_eq!((world.open(), world.head(PROPOSAL)), before);
    world.registry.start();
    world.registry.refuse(HOST);
    world.propose();
    assert_eq!((world.open(), world.head(PROPOSAL)), before, "a 401 says nothing about a tag");
    world.registry.admit(HOST);
    world.propose();
    assert_eq!(world.open().number, 1);
    assert!(world.added(PROPOSAL)[0].contains("main-0000001-1707400000"));
}

#[test]
fn a_pull_request_for_a_tag_that_is_gone_is_closed_and_says_so() {
    let mut world = home_lab();
    world.deliver("stories/2-frontend");
    world.serve();
    world.registry.delete(&image(), &"main-abc1234-1707300000".parse().unwrap());
    world.propose();
    insta::assert_snapshot!(world.pull(1).comments.join("\n---\n"), @r#"
    Closed by tag2pr: there is nothing left in it to merge.

    - `flux-system/frontend`: gone: 192.168.0.40:5000 says that there is no tag main-abc1234-1707300000 (any more)
    "#);
    assert_eq!(world.forge.open_pulls(), []);
}

#[test]
fn a_pull_request_stays_while_a_newer_tag_is_not_there_yet() {
    let mut world = home_lab();
    world.deliver("stories/2-frontend");
    world.serve();
    let before = (world.open(), world.head(PROPOSAL));
    world.push(&format!("{FRONTEND}:main-0000001-1707400000"));
    world.registry.delete(&image(), &"main-0000001-1707400000".parse().unwrap());
    world.serve();
    assert_eq!((world.open(), world.head(PROPOSAL)), before);
}

#[test]
fn a_delivery_cannot_choose_the_digest() {
    let mut world = World::of("4-moving-tag");
    let worker = "ghcr.io/example/pipeline/ingestion-worker";
    let true_digest = world.build(&format!("{worker}:main = what the registry has"));
    world.propose();
    let lie = world.delivery(&format!("{worker}:main = what somebody says"), world.now);
    world.build(&format!("{worker}:main = what the registry has"));
    world.post(&lie);
    world.serve();
    assert!(world.added("tag2pr/apps.cluster")[0].contains(true_digest.as_str()));
}

#[test]
fn a_registry_that_is_not_to_be_asked_is_not() {
    let mut world = home_lab();
    world.unasked.insert(HOST.to_owned());
    let before = world.registry.calls();
    world.deliver("stories/2-frontend");
    world.serve();
    assert_eq!(world.registry.calls(), before);
    assert!(world.file(PROPOSAL, FRONTEND_FILE).contains("main-abc1234-1707300000"));
}

#[test]
fn a_push_that_came_before_its_image_was_followed_is_found() {
    let mut world = World::of("2-home-lab");
    world.unasked.insert(HOST.to_owned());
    world.deliver("stories/2-frontend");
    assert_eq!(world.outbox.take(), [], "nobody follows the image yet");
    world.propose();
    assert_eq!(world.open().title, "Update frontend to main-abc1234-1707300000");
}

#[test]
fn an_image_under_another_name_of_its_registry_is_known_and_keeps_that_name_in_git() {
    let mut world = home_lab();
    let repositories = "flux/clusters/production/image-automation/image-repositories.yaml";
    world.edit(BASE, repositories, FRONTEND, "harbor.lan/frontend");
    world.edit(BASE, FRONTEND_FILE, FRONTEND, "harbor.lan/frontend");
    world.propose();
    world.deliver("stories/2-frontend");
    world.serve();
    let added = world.added(PROPOSAL);
    assert_eq!(added.len(), 1);
    assert!(added[0].starts_with("image: harbor.lan/frontend:main-abc1234-1707300000 #"), "{added:?}");
}
