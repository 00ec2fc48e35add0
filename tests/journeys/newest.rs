//! Tags that cannot be sorted, ranked by when they were pushed: the fourth story, with full commit hashes.

use tag2pr::testing::repository::Entry;

use super::world::{BASE, World};

const WORKER: &str = "ghcr.io/example/pipeline/ingestion-worker";
const PROPOSAL: &str = "tag2pr/apps.cluster";
const FILE: &str = "cluster/Pulumi.prod.yaml";

/// Commits in the order in which they were built; nothing in their names tells it.
const BUILDS: [&str; 3] = [
    "f902768662060ce8f0e560c7f830613a45758a7c",
    "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567",
    "9c1d2e3f405162738495a6b7c8d9e0f1a2b3c4d5",
];

/// The repository asks for the commit that was pushed last, and the registry has one that no delivery told of.
fn commits() -> World {
    let mut world = World::of("4-moving-tag");
    let policy = "policies:\n  - name: apps/ingestion-worker\n    filterTags: { pattern: '^[0-9a-f]{40}$' }\n    \
                  policy: { newest: {} }\n";
    world.git.push_by_somebody_else(BASE, &[Entry::file(".tag2pr.yaml", policy)], "By push time");
    world.build(&format!("{WORKER}:{}", BUILDS[0]));
    let said = world.propose().join("\n");
    assert!(said.contains("no push time is known of any of the tags considered (1)"), "{said}");
    assert_eq!(world.forge.pulls(), [], "what is known from a listing alone never wins");
    world.wait(60);
    world
}

fn push(world: &mut World, build: &str) {
    world.push(&format!("{WORKER}:{build}"));
    world.serve();
    world.wait(60);
}

/// Somebody writes this tag into Git.
fn write(world: &World, tag: &str) {
    let text = world.file(BASE, FILE);
    let (before, rest) = text.split_once(&format!("{WORKER}:")).unwrap();
    let (_, after) = rest.split_once(" #").unwrap();
    let text = format!("{before}{WORKER}:{tag} #{after}");
    world.git.push_by_somebody_else(BASE, &[Entry::file(FILE, text)], "Write a tag by hand");
}

#[test]
fn of_full_commit_hashes_the_one_pushed_last_is_proposed() {
    let mut world = commits();
    for build in BUILDS {
        push(&mut world, build);
        assert!(world.added(PROPOSAL)[0].contains(build), "{build}");
    }
    let open = world.open();
    assert_eq!(open.number, 1, "one pull request, brought up to date");
    let why = open.body.split("Why this tag").nth(1).unwrap();
    let why: Vec<&str> = why.lines().filter(|line| line.starts_with("- ")).take(4).collect();
    insta::assert_snapshot!(why.join("\n"), @"
    - The policy takes the newest of tags that match `^[0-9a-f]{40}$`, by when deliveries said that they were pushed.
    - Chosen because 9c1d2e3f405162738495a6b7c8d9e0f1a2b3c4d5 is the newest of 3 tags, pushed 2026-03-01 12:03:00 UTC.
    - Next in rank: `0a1b2c3d4e5f60718293a4b5c6d7e8f901234567`, `f902768662060ce8f0e560c7f830613a45758a7c`.
    - 3 tags are known; the registry's list was last read 2026-03-01 12:00 UTC.
    ");
}

#[test]
fn deliveries_out_of_order_and_twice_end_at_the_same_commit() {
    let mut world = commits();
    let deliveries = BUILDS.map(|build| {
        let delivery = world.delivery(&format!("{WORKER}:{build}"), world.now);
        world.wait(60);
        delivery
    });
    for index in [2, 0, 1, 0, 2] {
        world.post(&deliveries[index]);
        world.serve();
        world.wait(60);
        assert!(world.added(PROPOSAL)[0].contains(BUILDS[2]), "after delivery {index}");
    }
    assert_eq!(world.forge.pulls().len(), 1);
}

#[test]
fn an_older_push_never_replaces_the_one_in_git() {
    let mut world = commits();
    push(&mut world, BUILDS[0]);
    push(&mut world, BUILDS[1]);
    world.merge(1);
    world.propose();

    // It is gone from the registry, and the registry says so: what is left is older.
    world.registry.delete(&WORKER.parse().unwrap(), &BUILDS[1].parse().unwrap());
    let body = serde_json::json!({ "events": [{
        "id": "deletion", "timestamp": world.now.to_string(), "action": "delete",
        "target": { "repository": "example/pipeline/ingestion-worker", "tag": BUILDS[1] },
        "request": { "host": "ghcr.io" },
    }]});
    let mut deletion =
        world.delivery(&format!("{WORKER}:{}", BUILDS[0]), world.now - jiff::SignedDuration::from_secs(120));
    deletion.body = body.to_string().into_bytes();
    world.post(&deletion);
    assert!(!world.tags(WORKER).contains(&BUILDS[1].to_owned()), "{:?}", world.tags(WORKER));
    let said = world.propose().join("\n");
    insta::assert_snapshot!(said, @"apps/ingestion-worker (ghcr.io/example/pipeline/ingestion-worker:f902768662060ce8f0e560c7f830613a45758a7c): backwards: 0a1b2c3d4e5f60718293a4b5c6d7e8f901234567 stands in Git and ranks higher under the same policy; it stays, unless `tag2pr release apps/ingestion-worker --to f902768662060ce8f0e560c7f830613a45758a7c` says otherwise");
    assert_eq!(world.forge.open_pulls(), []);
    assert!(world.file(BASE, FILE).contains(BUILDS[1]));

    push(&mut world, BUILDS[2]);
    assert!(world.added(PROPOSAL)[0].contains(BUILDS[2]), "a newer push goes on");
}

#[test]
fn a_tag_in_git_that_only_a_listing_told_of_gives_way_to_what_was_pushed_since() {
    let mut world = commits();
    write(&world, BUILDS[0]);
    // Pushed long before the listing, and delivered only now: it may be older than the one in Git.
    let late = world.delivery(&format!("{WORKER}:{}", BUILDS[1]), world.now - jiff::SignedDuration::from_hours(24));
    world.post(&late);
    insta::assert_snapshot!(world.serve().join("\n"), @"apps/ingestion-worker (ghcr.io/example/pipeline/ingestion-worker:0a1b2c3d4e5f60718293a4b5c6d7e8f901234567): not comparable: f902768662060ce8f0e560c7f830613a45758a7c stands in Git, and when it was pushed is not known: only a listing told of it, first 2026-03-01 12:00 UTC. 0a1b2c3d4e5f60718293a4b5c6d7e8f901234567 was not pushed after that, so it may be older; f902768662060ce8f0e560c7f830613a45758a7c stays until a newer push");
    assert_eq!(world.forge.pulls(), []);

    push(&mut world, BUILDS[2]);
    assert!(world.added(PROPOSAL)[0].contains(BUILDS[2]));
}

#[test]
fn a_tag_in_git_that_nobody_has_told_of_stays() {
    let mut world = commits();
    write(&world, "3f0e0d0c9b8a7f6e5d4c3b2a19080706050403ff");
    world.push(&format!("{WORKER}:{}", BUILDS[1]));
    insta::assert_snapshot!(world.serve().join("\n"), @"apps/ingestion-worker (ghcr.io/example/pipeline/ingestion-worker:0a1b2c3d4e5f60718293a4b5c6d7e8f901234567): not comparable: 3f0e0d0c9b8a7f6e5d4c3b2a19080706050403ff stands in Git, and no delivery or listing has told of it, so 0a1b2c3d4e5f60718293a4b5c6d7e8f901234567 may be older; 3f0e0d0c9b8a7f6e5d4c3b2a19080706050403ff stays until somebody writes another");
    assert_eq!(world.forge.pulls(), []);
}

#[test]
fn an_order_beside_newest_is_refused_in_words() {
    let mut world = commits();
    let both = "policies:\n  - name: apps/ingestion-worker\n    policy: { newest: {}, numerical: {} }\n";
    world.git.push_by_somebody_else(BASE, &[Entry::file(".tag2pr.yaml", both)], "Both");
    world.push(&format!("{WORKER}:{}", BUILDS[1]));
    let said = world.serve().join("\n");
    assert!(
        said.contains("`newest` and `numerical` are both set, and each ranks every tag; remove one of them"),
        "{said}"
    );
    assert_eq!(world.git.branches(), [BASE]);
}
