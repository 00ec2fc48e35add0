//! The sweep: what deliveries missed is found, what registries no longer have is let go, and nothing is concluded from
//! less than a whole list.

use jiff::SignedDuration;
use tag2pr::flow::sweep::What;
use tag2pr::image::{ImageName, Tag};
use tag2pr::seams::State;

use super::stories::{BACKEND, FRONTEND, FRONTEND_FILE, PROPOSAL, home_lab};
use super::world::{BASE, World, digest_of};

const HOST: &str = "192.168.0.40:5000";
const OLD: &str = "main-f9e1f0b-1707200000";
const NEW: &str = "main-abc1234-1707300000";

fn frontend() -> ImageName {
    FRONTEND.parse().unwrap()
}

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

/// The second story, after somebody merged the newest tags.
fn merged() -> World {
    let mut world = home_lab();
    (1..=4).for_each(|number| drop(world.build(&format!("{FRONTEND}:main-000000{number}-1700000000"))));
    world.deliver("stories/2-frontend");
    world.deliver("stories/2-backend");
    world.serve();
    world.merge(1);
    world.propose();
    world.wait(3600);
    world
}

/// Sweeps as often as the clock strikes in so many minutes, and serves what was poked; everything that was said.
fn minutes(world: &mut World, minutes: usize) -> Vec<String> {
    let mut said = Vec::new();
    for _ in 0..minutes {
        world.wait(60);
        said.extend(world.sweep().sentences());
        said.extend(world.serve());
    }
    said
}

#[test]
fn a_delivery_that_never_came_is_found_and_counted() {
    let mut world = home_lab();
    world.sweep();
    world.serve();
    assert_eq!(world.open().title, "Update backend and frontend", "both were pushed before the first listing ended");

    world.wait(60);
    world.build(&format!("{FRONTEND}:main-0000001-1707400000"));
    assert_eq!(world.sweep().missed(), 0, "an image is not listed every minute");
    world.wait(3600);
    let report = world.sweep();
    assert_eq!(report.missed(), 1);
    insta::assert_snapshot!(report.sentences().join("\n"), @"192.168.0.40:5000/frontend: no delivery had brought main-0000001-1707400000");
    world.serve();
    assert!(world.added(PROPOSAL).iter().any(|line| line.contains("main-0000001-1707400000")));
}

#[test]
fn a_pull_request_that_was_deleted_at_the_forge_is_found_and_opened_again() {
    let mut world = home_lab();
    world.sweep();
    world.serve();
    let proposed = world.open();
    world.forge.delete(proposed.number);
    assert_eq!(world.forge.pulls(), [], "nobody tells of it");

    let said = minutes(&mut world, 15).join("\n");
    let [again] = &world.forge.pulls()[..] else { panic!("{said}\n{:#?}", world.forge.pulls()) };
    assert_eq!((again.state, again.number), (State::Open, proposed.number + 1));
    assert_eq!((&again.branch, &again.title, &again.head), (&proposed.branch, &proposed.title, &proposed.head));
    assert_eq!(world.holds(), [], "to delete is not to decline");

    minutes(&mut world, 30);
    assert_eq!(world.forge.pulls().len(), 1, "once is enough");
}

#[test]
fn a_light_sweep_with_nothing_due_reads_three_objects_and_writes_none() {
    let mut world = home_lab();
    world.sweep();
    world.serve();
    world.wait(60);
    world.store.operations();
    let before = world.registry.calls();
    assert_eq!(world.sweep().poked, []);
    insta::assert_snapshot!(world.store.operations().join("\n"), @r"
    get sweep/schedule.json
    get repositories/git.example/acme%2Ffleet/main/due.json
    get repositories/git.example/acme%2Ffleet/main/index.json
    ");
    assert_eq!(world.registry.calls(), before);
}

#[test]
fn a_poke_that_was_lost_is_made_up_for_within_a_quarter_of_an_hour() {
    let mut world = home_lab();
    minutes(&mut world, 1);
    world.push(&format!("{FRONTEND}:main-0000001-1707400000"));
    world.outbox.take();
    minutes(&mut world, 15);
    assert!(world.added(PROPOSAL).iter().any(|line| line.contains("main-0000001-1707400000")));
}

#[test]
fn when_the_tag_in_git_is_gone_the_next_best_is_proposed_with_the_reason() {
    let mut world = merged();
    world.registry.delete(&frontend(), &tag(NEW));
    let report = world.sweep();
    assert_eq!(report.gone, [(frontend(), vec![tag(NEW)])]);
    world.serve();

    let open = world.open();
    assert_eq!(open.title, format!("Update frontend to {OLD}"));
    let why = open.body.lines().find(|line| line.contains("no longer at the registry")).unwrap_or(&open.body);
    insta::assert_snapshot!(why, @"- `main-abc1234-1707300000`, which stands in Git, is no longer at the registry: it answers that there is no such tag, and its complete list of 2026-03-01 13:01 UTC lacks it.");
    assert!(world.file(PROPOSAL, FRONTEND_FILE).contains(OLD));
}

#[test]
fn a_deletion_that_only_a_delivery_told_of_takes_nothing_back() {
    let mut world = merged();
    let deletion = world.deletion(&format!("{FRONTEND}:{NEW}"), world.now);
    world.post(&deletion);
    world.serve();
    assert!(!world.tags(FRONTEND).contains(&NEW.to_owned()), "it is not selected any more");
    assert_eq!(world.forge.open_pulls(), [], "the registry was not heard");

    // It is still there: whoever told of the deletion was wrong, and the next list says so.
    world.wait(60);
    world.sweep();
    world.serve();
    assert_eq!(world.forge.open_pulls(), []);
    assert!(world.tags(FRONTEND).contains(&NEW.to_owned()));
}

#[test]
fn a_tag_that_the_list_lacks_and_the_registry_has_is_not_gone() {
    let mut world = merged();
    world.registry.hide(&frontend(), &tag(NEW));
    let report = world.sweep();
    assert_eq!((report.gone.len(), report.failed.len()), (0, 0), "{report:?}");
    world.serve();
    assert_eq!(world.forge.open_pulls(), []);
    assert!(world.tags(FRONTEND).contains(&NEW.to_owned()));
}

#[test]
fn a_registry_that_refuses_or_is_away_deletes_nothing() {
    for refuses in [true, false] {
        let mut world = merged();
        world.pace.requests = 1;
        world.registry.delete(&frontend(), &tag(NEW));
        // Each image is listed, and before the missing tag is asked for, the registry changes its mind.
        for _ in 0..4 {
            world.wait(60);
            if world.sweep().sentences().iter().any(|said| said.contains("still to be asked for")) {
                break;
            }
        }
        if refuses {
            world.registry.refuse(HOST);
        } else {
            world.registry.stop();
        }
        world.pace.requests = 200;
        for _ in 0..30 {
            world.wait(600);
            assert_eq!(world.sweep().gone, []);
            let _ = world.try_propose();
        }
        assert_eq!(world.forge.open_pulls(), [], "refuses: {refuses}");
        assert!(world.tags(FRONTEND).contains(&NEW.to_owned()), "refuses: {refuses}");

        world.registry.admit(HOST);
        world.registry.start();
        world.wait(3600);
        world.sweep();
        world.serve();
        assert_eq!(world.open().title, format!("Update frontend to {OLD}"), "refuses: {refuses}");
    }
}

#[test]
fn a_tag_that_was_gone_and_comes_back_is_selected_again() {
    for delivered in [true, false] {
        let mut world = merged();
        world.registry.delete(&frontend(), &tag(NEW));
        world.sweep();
        world.serve();
        assert_eq!(world.forge.open_pulls().len(), 1);
        world.wait(7200);
        if delivered {
            world.push(&format!("{FRONTEND}:{NEW}"));
        } else {
            world.build(&format!("{FRONTEND}:{NEW}"));
            world.sweep();
        }
        world.serve();
        assert_eq!(world.forge.open_pulls(), [], "delivered: {delivered}");
        assert_eq!(world.pull(2).state, State::Closed);
        assert!(world.tags(FRONTEND).contains(&NEW.to_owned()));
    }
}

/// A world where the frontend has forty tags, all known, the highest of them in Git.
fn many() -> World {
    let mut world = merged();
    for number in 0..40 {
        world.build(&format!("{FRONTEND}:main-1111111-17071{number:05}"));
    }
    world.sweep();
    world.serve();
    world.wait(3600);
    world.sweep();
    world
}

#[test]
fn a_list_that_shrank_suddenly_is_not_acted_on_until_another_agrees_an_hour_later() {
    let mut world = many();
    for number in 0..12 {
        world.registry.delete(&frontend(), &tag(&format!("main-1111111-17071{number:05}")));
    }
    world.registry.delete(&frontend(), &tag(NEW));
    world.pace.listing = SignedDuration::from_mins(20);
    world.wait(3600);
    let report = world.sweep();
    insta::assert_snapshot!(report.sentences().join("\n"), @"192.168.0.40:5000/frontend: its list has 34 tags where 47 were known; nothing is concluded from it until another one lacks the same, an hour after 2026-03-01 15:01 UTC or later");
    for _ in 0..2 {
        world.wait(1200);
        let report = world.sweep();
        assert_eq!((report.doubted.len(), report.gone.len()), (1, 0));
    }
    world.wait(1200);
    let report = world.sweep();
    assert_eq!((report.doubted.len(), report.gone[0].1.len()), (0, 13), "{report:?}");
    world.serve();
    assert_eq!(world.open().title, format!("Update frontend to {OLD}"));
}

#[test]
fn lists_that_come_back_short_in_different_ways_never_agree() {
    let mut world = many();
    world.pace.listing = SignedDuration::from_mins(30);
    world.wait(3600);
    for round in 0..12 {
        world.registry.show_all();
        for number in 0..12 {
            world.registry.hide(&frontend(), &tag(&format!("main-1111111-17071{:05}", (number + 7 * round) % 40)));
        }
        world.wait(1800);
        let report = world.sweep();
        assert_eq!((report.doubted.len(), report.gone.len()), (1, 0), "round {round}");
    }
    world.registry.show_all();
    world.wait(1800);
    assert_eq!(world.sweep().sentences(), Vec::<String>::new());
    assert_eq!(world.tags(FRONTEND).len(), 47);
}

#[test]
fn a_long_list_is_read_over_several_sweeps_and_counts_only_when_it_is_whole() {
    let mut world = many();
    world.registry.pages_of(10);
    world.pace.requests = 2;
    world.registry.delete(&frontend(), &tag(NEW));
    world.build(&format!("{FRONTEND}:main-2222222-1707400000"));
    world.wait(3600);
    let mut said = Vec::new();
    for _ in 0..2 {
        said.extend(world.sweep().sentences());
        assert!(world.tags(FRONTEND).contains(&NEW.to_owned()));
        assert!(!world.tags(FRONTEND).contains(&"main-2222222-1707400000".to_owned()));
        world.wait(60);
    }
    insta::assert_snapshot!(said.join("\n"), @r#"
    192.168.0.40:5000/frontend: 10 tags were read so far; the next sweep goes on
    192.168.0.40:5000/frontend: 30 tags were read so far; the next sweep goes on
    "#);
    let before = world.registry.calls();
    said = minutes(&mut world, 5);
    assert!(said.iter().any(|said| said.contains("no delivery had brought main-2222222-1707400000")), "{said:?}");
    assert!(said.iter().any(|said| said.contains(&format!("no longer has {NEW}"))), "{said:?}");
    let calls = world.registry.calls();
    assert!(calls.tags - before.tags <= 10, "no page is read twice: {calls:?} after {before:?}");
}

#[test]
fn a_registry_that_asks_to_wait_is_left_alone_for_as_long() {
    let mut world = many();
    world.wait(3600);
    world.registry.busy_once(SignedDuration::from_secs(300));
    let report = world.sweep();
    assert_eq!(report.failed.len(), 1, "the second image is not even asked for: {report:?}");
    let before = world.registry.calls();
    for _ in 0..4 {
        world.wait(60);
        world.sweep();
        assert_eq!(world.registry.calls().tags, before.tags);
    }
    let report = world.try_sweep(What::Everything).unwrap();
    assert_eq!(world.registry.calls().tags, before.tags, "not even when a person asks");
    assert!(report.sentences()[0].contains("asks to be left alone until"), "{report:?}");
    world.wait(120);
    world.sweep();
    assert_eq!(world.registry.calls().tags, before.tags + 2);
}

#[test]
fn a_moving_tag_whose_push_nobody_told_of_is_found() {
    let worker = "ghcr.io/example/pipeline/ingestion-worker";
    let mut world = World::of("4-moving-tag");
    world.build(&format!("{worker}:main = a"));
    world.propose();
    world.push(&format!("{worker}:main = a"));
    world.serve();
    world.build(&format!("{worker}:main = b"));
    let said = minutes(&mut world, 16);
    assert!(world.added("tag2pr/apps.cluster")[0].contains(digest_of("b").as_str()), "{said:?}");
    let missed: Vec<&String> = said.iter().filter(|said| said.contains("no delivery")).collect();
    insta::assert_snapshot!(format!("{missed:#?}"), @r#"
    [
        "ghcr.io/example/pipeline/ingestion-worker:main: it was moved, and no delivery had told of it",
    ]
    "#);
}

#[test]
fn what_became_of_a_pull_request_unseen_is_found() {
    let mut world = home_lab();
    world.deliver("stories/2-frontend");
    world.serve();
    let before = world.git.files(BASE);
    world.merge(1);
    world.roll_back_to(&before);
    minutes(&mut world, 16);
    assert_eq!(world.forge.open_pulls().iter().filter(|pull| pull.title.contains("frontend")).count(), 0);
    assert_eq!(world.holds().len(), 1, "the rollback was seen, although no webhook told of it");
}

#[test]
fn an_index_that_is_older_than_the_base_is_made_anew() {
    let mut world = home_lab();
    minutes(&mut world, 1);
    let repositories = "flux/clusters/production/image-automation/image-repositories.yaml";
    world.edit(BASE, repositories, "192.168.0.40:5000/backend", "192.168.0.40:5000/backend-two");
    minutes(&mut world, 16);
    let next = world.delivery("192.168.0.40:5000/backend-two:main-0000001-1707400000", world.now);
    world.post(&next);
    assert_eq!(world.outbox.take().len(), 1, "the new image is followed");
    let former = world.delivery(&format!("{BACKEND}:main-0000001-1707400000"), world.now);
    world.post(&former);
    assert_eq!(world.outbox.take(), [], "the former one is not");
}

#[test]
fn a_repository_that_is_no_longer_configured_is_no_longer_poked() {
    let mut world = home_lab();
    let former = world.repository.clone();
    world.repository.path = "acme/other".to_owned();
    world.repositories = vec![world.repository.clone()];
    assert_eq!(world.sweep().forgotten, [former]);
    world.deliver("stories/2-frontend");
    assert!(world.outbox.take().iter().all(|poke| poke.repository == world.repository));
    world.wait(3600);
    assert_eq!(world.sweep().forgotten, []);
}
