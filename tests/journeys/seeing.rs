//! What somebody sees who asks how things stand.

use http::HeaderMap;
use jiff::Timestamp;
use tag2pr::flow::propose::Report;
use tag2pr::keys::Key;
use tag2pr::seams::{Expected, Objects as _};
use tag2pr::status::{Event, Journey, Kind, Status, page, took};
use tag2pr::testing::repository::Entry;

use super::stories::{BACKEND, FRONTEND, PROPOSAL, home_lab};
use super::world::World;

/// The second story with a pull request for the frontend.
fn proposed() -> World {
    let mut world = home_lab();
    world.deliver("stories/2-frontend");
    world.wait(2);
    world.serve();
    world
}

/// A line for each policy.
fn policies(status: &Status) -> String {
    let lines = status.policies.iter().map(|policy| {
        let in_git: Vec<&str> = policy.in_git.iter().map(String::as_str).collect();
        let proposed = policy.proposed.as_ref().map_or("-", |open| open.url.as_str());
        let pushed = policy.last_push.as_ref().map_or("-", |push| push.tag.as_str());
        format!(
            "{}: in Git {}; selected {}; {}; proposed {proposed}; pushed {pushed}\n",
            policy.policy,
            in_git.join(", "),
            policy.selected.as_deref().unwrap_or("-"),
            policy.reason
        )
    });
    lines.collect()
}

/// A line for each tag on its way.
fn journeys(status: &Status) -> String {
    let line = |one: &Journey| {
        let mut steps = Vec::new();
        if let Some(pushed) = &one.pushed {
            steps.push(format!("pushed via {}", pushed.source));
        }
        if let Some(step) = &one.proposed {
            let after = one.pushed.as_ref().map_or_else(String::new, |pushed| took(pushed.at, step.at));
            steps.push(format!("{} after {after}", step.how));
        }
        if let Some(end) = &one.ended {
            let after = one.proposed.as_ref().map_or_else(String::new, |step| took(step.at, end.at));
            let by = end.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
            steps.push(format!("{}{by} after {after}", end.how));
        }
        steps.extend(one.note.clone());
        format!("{}:{}: {}\n", one.image, one.tag, steps.join(", "))
    };
    status.journeys.iter().map(line).collect()
}

/// A line for each source that was heard of.
fn sources(status: &Status) -> String {
    let heard_of = status.sources.iter().filter(|one| one.last_delivery.is_some() || one.refused > 0 || one.missed > 0);
    let line = heard_of.map(|one| {
        let last = one.last_delivery.as_ref().and_then(|last| last.reading.clone());
        format!(
            "{}: {} believed, {} refused, {} missed; last: {}\n",
            one.source.as_deref().unwrap_or("nobody"),
            one.deliveries,
            one.refused,
            one.missed,
            last.unwrap_or_else(|| "long ago".to_owned())
        )
    });
    line.collect()
}

fn kinds(report: &Report) -> Vec<Kind> {
    report.events.iter().map(|event: &Event| event.kind).collect()
}

#[test]
fn before_anybody_looked_that_is_what_it_says() {
    let status = World::of("2-home-lab").status();
    assert!(status.policies.is_empty() && status.troubles[0].blocks);
    assert_eq!(status.troubles[0].reason, "it was never looked at: `tag2pr propose` looks now");
}

#[test]
fn a_day_from_push_to_merge() {
    let mut world = proposed();
    insta::assert_snapshot!(policies(&world.status()), @"
    flux-system/frontend: in Git main-f9e1f0b-1707200000; selected main-abc1234-1707300000; changes; proposed https://forge.test/acme/fleet/pull/1; pushed main-abc1234-1707300000
    flux-system/backend: in Git main-c40ddee-1707210000; selected main-c40ddee-1707210000; up to date; proposed -; pushed -
    ");
    world.wait(2_400);
    world.merge(1);
    assert_eq!(kinds(&world.try_propose().unwrap()), [Kind::Merged]);
    world.wait(600);
    world.push(&format!("{BACKEND}:main-0e4d5f6-1707303600"));
    world.wait(3);
    world.serve();
    world.wait(60);
    world.push(&format!("{BACKEND}:main-7777777-1707303700"));
    world.wait(3);
    world.serve();
    world.push(&format!("{FRONTEND}:main-0000001-1707200001"));
    world.serve();
    world.push("ghcr.io/somebody/else:1.0");

    let status = world.status();
    insta::assert_snapshot!(policies(&status), @"
    flux-system/frontend: in Git main-abc1234-1707300000; selected main-abc1234-1707300000; up to date; proposed -; pushed main-0000001-1707200001
    flux-system/backend: in Git main-c40ddee-1707210000; selected main-7777777-1707303700; changes; proposed https://forge.test/acme/fleet/pull/2; pushed main-7777777-1707303700
    ");
    insta::assert_snapshot!(journeys(&status), @"
    192.168.0.40:5000/backend:main-0e4d5f6-1707303600: pushed via distribution, opened after 3 s, updated after 1 min
    192.168.0.40:5000/backend:main-7777777-1707303700: pushed via distribution, updated after 3 s
    192.168.0.40:5000/frontend:main-0000001-1707200001: pushed via distribution, flux-system/frontend: outranked by main-abc1234-1707300000: 1707200001 is smaller than 1707300000
    ghcr.io/somebody/else:1.0: pushed via distribution, no repository was known to follow it
    192.168.0.40:5000/frontend:main-abc1234-1707300000: pushed via harbor, opened after 2 s, merged by alice after 40 min
    ");
    insta::assert_snapshot!(sources(&status), @"
    distribution: 4 believed, 0 refused, 0 missed; last: recorded push of ghcr.io/somebody/else:1.0 (of no interest: no repository is known to follow it)
    harbor: 1 believed, 0 refused, 0 missed; last: recorded push of 192.168.0.40:5000/frontend:main-abc1234-1707300000
    ");
    assert_eq!(status.proposals.len(), 1);
    assert!(status.troubles.is_empty(), "{:?}", status.troubles);

    world.wait(86_400);
    world.propose();
    assert!(world.status().journeys.is_empty(), "a day later nobody asks any more");
    assert_eq!(world.status().sources.iter().filter(|source| source.last_delivery.is_some()).count(), 2);
}

#[test]
fn the_words_for_a_tag_and_why_are_kept() {
    let status = proposed().status();
    let frontend = status.policies.iter().find(|policy| policy.policy == "flux-system/frontend").unwrap();
    insta::assert_snapshot!(frontend.why.join("\n"), @"
    The policy compares what `^main-[a-f0-9]{7}-(?P<ts>[0-9]{10})$` extracts, as numbers.
    Chosen because 1707300000 is the largest of 3 values.
    Next in rank: `main-f9e1f0b-1707200000`, `main-0000000-1700000000`.
    3 tags are known; the registry's list was last read 2026-03-01 12:00 UTC.
    ");
    let tags: Vec<String> =
        frontend.tags.iter().map(|tag| format!("{} {}: {}", tag.tag, tag.verdict, tag.reason)).collect();
    insta::assert_snapshot!(tags.join("\n"), @"
    main-abc1234-1707300000 selected: 1707300000 is the largest of 3 values
    main-f9e1f0b-1707200000 outranked: outranked by main-abc1234-1707300000: 1707200000 is smaller than 1707300000
    main-0000000-1700000000 outranked: outranked by main-abc1234-1707300000: 1700000000 is smaller than 1707300000
    ");
}

#[test]
fn what_a_person_closed_is_held_and_told_once() {
    let mut world = proposed();
    world.forge.close_by_person(1);
    assert_eq!(kinds(&world.try_propose().unwrap()), [Kind::Closed, Kind::Held]);
    assert_eq!(kinds(&world.try_propose().unwrap()), []);
    let status = world.status();
    let frontend = status.policies.iter().find(|policy| policy.policy == "flux-system/frontend").unwrap();
    assert_eq!((frontend.outcome.as_str(), frontend.held.len(), status.holds.len()), ("held", 1, 1));

    world.release("flux-system/frontend", None);
    assert_eq!(kinds(&world.try_propose().unwrap()), [Kind::Opened, Kind::Released]);
}

#[test]
fn a_pull_request_that_is_not_found_for_a_while_is_not_news_twice() {
    let mut world = proposed();
    let pass = Key::pass(&world.repository);
    let before = world.store.look(&pass).unwrap();
    // Somebody works on the branch, so nothing is opened anew; and the forge forgets the pull request.
    world.git.push_by_somebody_else(PROPOSAL, &[Entry::file("notes.md", "Wait for Alice.")], "Add notes");
    world.forge.delete(1);
    assert_eq!(kinds(&world.try_propose().unwrap()), []);
    assert_eq!(world.store.look(&pass).unwrap(), before);
}

#[test]
fn a_worker_who_dies_before_telling_leaves_it_to_the_next() {
    let mut world = home_lab();
    world.propose();
    let pass = Key::pass(&world.repository);
    let before = world.store.look(&pass).unwrap();
    world.deliver("stories/2-frontend");
    world.serve();
    assert_eq!(world.forge.open_pulls().len(), 1);
    // Everything was done, and nothing of it written down.
    pollster::block_on(world.store.put(&pass, before, Expected::Anything)).unwrap();
    assert_eq!(kinds(&world.try_propose().unwrap()), [Kind::Opened]);
    assert_eq!(kinds(&world.try_propose().unwrap()), []);
}

#[test]
fn refused_deliveries_are_counted_and_not_stored() {
    let mut world = proposed();
    let before = world.store.contents().len();
    for second in 0..200 {
        let answer = world.request("POST", "/hooks/harbor", HeaderMap::new(), format!("{second}").into_bytes());
        assert_eq!(answer.response.status(), 401);
        world.wait(1);
    }
    assert_eq!(world.store.contents().len(), before + 1, "one object, however many come");
    let status = world.status();
    let harbor = status.sources.iter().find(|source| source.source.as_deref() == Some("harbor")).unwrap();
    assert!(
        (140..=200).contains(&harbor.refused),
        "{}: what was counted last is written within a minute",
        harbor.refused
    );
    insta::assert_snapshot!(harbor.last_refusal.as_ref().unwrap().reason, @"the request has no `Authorization` header; enter the secret as Auth Header of the webhook in Harbor");
    world.wait(90_000);
    let status = world.status();
    assert!(status.sources.iter().all(|source| source.refused == 0), "a day later it is forgotten");
}

#[test]
fn of_very_many_deliveries_the_newest_are_looked_at() {
    let mut world = proposed();
    for build in 0..120 {
        world.wait(1);
        world.push(&format!("ghcr.io/somebody/else:{build}"));
    }
    let status = world.status();
    let shown = |name: &str| {
        let source = status.sources.iter().find(|source| source.source.as_deref() == Some(name)).unwrap();
        (source.believed(), source.last_delivery.is_some())
    };
    assert_eq!((status.deliveries, shown("distribution")), (121, ("100+".to_owned(), true)));
    assert_eq!(shown("harbor"), ("0+".to_owned(), true), "the ledger knows of the last one");
    assert_eq!(status.journeys.len(), 60);
}

#[test]
fn what_no_delivery_told_of_is_missed_by_the_source_that_tells_of_the_image() {
    let mut world = proposed();
    world.wait(7_200);
    world.sweep();
    world.wait(7_200);
    world.build(&format!("{FRONTEND}:main-2222222-1707400000"));
    world.sweep();
    insta::assert_snapshot!(sources(&world.status()), @"
    harbor: 1 believed, 0 refused, 1 missed; last: recorded push of 192.168.0.40:5000/frontend:main-abc1234-1707300000
    nobody: 0 believed, 0 refused, 1 missed; last: long ago
    ");
}

#[test]
fn a_registry_that_cannot_be_listed_needs_somebody_until_it_can() {
    let mut world = proposed();
    world.wait(7_200);
    world.registry.refuse("192.168.0.40:5000");
    world.sweep();
    let told =
        |world: &World| -> Vec<String> { world.status().troubles.iter().map(|one| one.subject.clone()).collect() };
    assert_eq!(told(&world), [BACKEND, FRONTEND]);
    world.wait(7_200);
    world.registry.admit("192.168.0.40:5000");
    world.sweep();
    assert_eq!(told(&world), [""; 0]);
}

#[test]
fn a_repository_that_cannot_be_read_says_since_when() {
    let mut world = proposed();
    world.git.refuse(Some("the token was revoked"));
    world.wait(60);
    let since: Timestamp = world.now;
    world.try_propose().unwrap_err();
    world.wait(600);
    world.try_propose().unwrap_err();
    let status = world.status();
    assert!(status.troubles[0].blocks);
    assert_eq!(status.troubles[0].since, Some(since));
    assert_eq!(status.policies.len(), 2, "what was known is still told");
    world.git.refuse(None);
    world.propose();
    assert!(world.status().troubles.is_empty());
}

#[test]
fn looking_again_writes_nothing() {
    let mut world = proposed();
    world.propose();
    let before = world.store.contents();
    world.wait(60);
    world.propose();
    assert_eq!(world.store.contents(), before);
}

#[test]
fn hostile_names_stay_text_on_the_page() {
    let mut world = home_lab();
    world.propose();
    let mut hostile = world.delivery(&format!("{FRONTEND}:main-abc1234-1707300000"), world.now);
    let body = String::from_utf8(hostile.body).unwrap();
    hostile.body = body.replace("\"name\":\"ci\"", "\"name\":\"<script>alert(1)</script>\\u202egnp\"").into_bytes();
    world.post(&hostile);
    world.serve();
    let page = page::render(&world.status());
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{page}");
    assert!(!page.contains("<script") && !page.contains('\u{202E}'));
    assert!(!page.contains("src=") && page.matches("http-equiv").count() == 1, "nothing comes from elsewhere");
}
