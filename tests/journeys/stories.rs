//! The five stories that tag2pr grew out of, from the delivery to the pull request.

use tag2pr::testing::repository::Entry;

use super::world::{BASE, World, story_file};

// ------------------------------------------------------------------------------------------------ 1: dated tags

const FIELD_THEORIES: &str = "ghcr.io/example/field-theories";

fn dated_tags() -> World {
    let world = World::of("1-dated-tags");
    for tag in story_file("1-dated-tags/tags.txt").lines().filter(|tag| *tag != "20251203-0536-sha-1972e38") {
        world.build(&format!("{FIELD_THEORIES}:{tag}"));
    }
    world
}

const PUSHED: &str =
    "20251203-0536-sha-1972e38@sha256:33653c4db43ac738dc6220d4acb8699c2146381c7fa2c7104e978e9a86fd5f20";

#[test]
fn the_newest_of_the_dated_tags_becomes_a_pull_request_with_one_line_changed() {
    let mut world = dated_tags();
    world.propose();
    let open = world.open();
    assert_eq!(open.title, "Update field-theories to 20251202-1650-sha-f9b7c89", "what the listing found");

    world.build(&format!("{FIELD_THEORIES}:{PUSHED}"));
    world.deliver("stories/1-field-theories");
    world.serve();

    let open = world.open();
    assert_eq!((open.number, open.title.as_str()), (1, "Update field-theories to 20251203-0536-sha-1972e38"));
    insta::assert_snapshot!(world.diff(&open.branch), @r#"
    --- apps/field-theories/deployment.yaml
    +++ apps/field-theories/deployment.yaml
    @@ -16 +16 @@
    -          image: ghcr.io/example/field-theories:20251111-0358-sha-4c091d3 # {"$imagepolicy": "field-theories:field-theories"}
    +          image: ghcr.io/example/field-theories:20251203-0536-sha-1972e38 # {"$imagepolicy": "field-theories:field-theories"}
    "#);
}

#[test]
fn under_the_policy_as_it_was_found_nothing_goes_forward() {
    let mut world = dated_tags();
    let policy = story_file("1-dated-tags/as-found/image-policy.yaml");
    world.git.push_by_somebody_else(BASE, &[Entry::file("apps/field-theories/image-policy.yaml", policy)], "As found");
    world.propose();
    world.build(&format!("{FIELD_THEORIES}:{PUSHED}"));
    world.deliver("stories/1-field-theories");
    let said = world.serve();

    assert_eq!(world.forge.pulls(), [], "{said:#?}");
    assert_eq!(world.git.branches(), [BASE]);
    let report = world.try_propose().unwrap();
    let line = &report.prepared.plan.lines[0];
    assert_eq!(
        (line.tag.as_deref(), line.outcome.to_string().as_str()),
        (Some("20251111-0358-sha-4c091d3"), "up to date"),
        "`desc` selects what sorts first, which is the oldest"
    );
}

// ------------------------------------------------------------------------------------------------ 2: home lab

#[test]
fn two_pushes_in_the_home_lab_become_one_pull_request() {
    let mut world = home_lab();

    world.deliver("stories/2-frontend");
    world.serve();
    assert_eq!(world.open().title, "Update frontend to main-abc1234-1707300000");
    world.wait(3600);
    world.deliver("stories/2-backend");
    world.serve();

    let open = world.open();
    assert_eq!(open.title, "Update backend and frontend");
    assert_eq!(world.forge.pulls().len(), 1);
    assert_eq!(
        world.added(&open.branch),
        [
            r#"image: 192.168.0.40:5000/backend:main-0e4d5f6-1707303600 # {"$imagepolicy": "flux-system:backend"}"#,
            r#"image: "192.168.0.40:5000/backend:main-0e4d5f6-1707303600"   # {"$imagepolicy": "flux-system:backend"}"#,
            r#"image: 192.168.0.40:5000/frontend:main-abc1234-1707300000 # {"$imagepolicy": "flux-system:frontend"}"#,
        ]
    );
    let base = "flux/base/deployment.yaml";
    assert_eq!(world.file(&open.branch, base), world.file(BASE, base), "it is not below the automation's path");
}

pub(super) const FRONTEND: &str = "192.168.0.40:5000/frontend";
pub(super) const BACKEND: &str = "192.168.0.40:5000/backend";
pub(super) const FRONTEND_FILE: &str = "flux/clusters/production/frontend/deployment.yaml";
/// The branch of the second story's proposal.
pub(super) const PROPOSAL: &str = "tag2pr/flux-system.flux-system";

/// The second story: what stands in Git and what is about to be pushed is in the registry, and one older tag of each.
pub(super) fn home_lab() -> World {
    let world = World::of("2-home-lab");
    world.build("192.168.0.40:5000/frontend:main-f9e1f0b-1707200000");
    world.build("192.168.0.40:5000/frontend:main-0000000-1700000000");
    world.build("192.168.0.40:5000/backend:main-c40ddee-1707210000");
    let mut world = world;
    assert_eq!(world.propose(), Vec::<String>::new());
    world.wait(60);
    world.build(
        "192.168.0.40:5000/frontend:main-abc1234-1707300000@sha256:\
         0532b007d3ea69bbe368d27574f7a52870c08830c4a108bbe3b7629d459bd7e7",
    );
    world.build(
        "192.168.0.40:5000/backend:main-0e4d5f6-1707303600@sha256:\
         8af6cb2cd16e00c3cd6fc99ad46420b6ec3ae0313b4a18e6a0b13c071f32c112",
    );
    world
}

// ------------------------------------------------------------------------------------------------ 3: environments

const SHOP: &str = "ghcr.io/example/shop";

fn values(environment: &str) -> String {
    format!("flux/apps/shop/{environment}/values.yaml")
}

fn environments() -> World {
    let world = World::of("3-environments");
    for environment in ["develop", "staging", "production"] {
        world.build(&format!("{SHOP}:{environment}-v0.0.1-0f0e0d0-1738850000"));
    }
    let mut world = world;
    assert_eq!(world.propose(), Vec::<String>::new());
    world.wait(60);
    world.build(&format!(
        "{SHOP}:staging-v0.0.1-a1b2c3d-1738860123@sha256:\
         907a7fd98484a407e09363754516e56d23ac9d49c8ea117990031dcfa083a209"
    ));
    world
}

#[test]
fn a_push_for_staging_changes_staging_alone() {
    let mut world = environments();
    world.deliver("stories/3-staging");
    world.serve();

    let open = world.open();
    assert_eq!(open.branch, "tag2pr/staging.shop");
    insta::assert_snapshot!(world.diff(&open.branch), @r#"
    --- flux/apps/shop/staging/values.yaml
    +++ flux/apps/shop/staging/values.yaml
    @@ -3 +3 @@
    -  tag: staging-v0.0.1-0f0e0d0-1738850000 # {"$imagepolicy": "staging:shop:tag"}
    +  tag: staging-v0.0.1-a1b2c3d-1738860123 # {"$imagepolicy": "staging:shop:tag"}
    "#);
}

#[test]
fn a_promotion_by_retag_changes_production_with_the_same_digest() {
    let mut world = environments();
    world.deliver("stories/3-staging");
    world.serve();
    world.merge(1);
    world.push(&format!(
        "{SHOP}:production-v0.0.1-a1b2c3d-1738860123@sha256:\
         907a7fd98484a407e09363754516e56d23ac9d49c8ea117990031dcfa083a209"
    ));
    world.serve();

    let open = world.open();
    assert_eq!((open.number, open.branch.as_str()), (2, "tag2pr/production.shop"));
    assert_eq!(
        world.added(&open.branch),
        [r#"tag: production-v0.0.1-a1b2c3d-1738860123 # {"$imagepolicy": "production:shop:tag"}"#]
    );
}

#[test]
fn a_rollback_stands_until_there_is_a_newer_tag() {
    let mut world = environments();
    let before = world.git.files(BASE);
    world.deliver("stories/3-staging");
    world.serve();
    world.merge(1);
    assert_eq!(world.propose(), Vec::<String>::new(), "the merge is noted");

    world.roll_back_to(&before);
    let commit = world.head(BASE).id;
    insta::assert_snapshot!(world.propose().join("\n").replace(commit.short(), "COMMIT"), @"staging/shop (ghcr.io/example/shop:staging-v0.0.1-a1b2c3d-1738860123): held: it was merged by alice with https://forge.test/acme/fleet/pull/1, and then taken back on the base branch with COMMIT, the last change of flux/apps/shop/staging/values.yaml");
    assert_eq!(world.forge.open_pulls(), []);
    world.wait(86_400);
    world.propose();
    assert_eq!(world.forge.open_pulls(), [], "nor tomorrow");

    world.push(&format!("{SHOP}:staging-v0.0.2-b2c3d4e-1738870000"));
    world.serve();
    let open = world.open();
    assert_eq!((open.number, open.title.as_str()), (2, "Update shop to staging-v0.0.2-b2c3d4e-1738870000"));
    assert!(world.file(BASE, &values("staging")).contains("0f0e0d0"), "Git is as the person left it");
}

// ------------------------------------------------------------------------------------------------ 4: moving tag

const WORKER: &str = "ghcr.io/example/pipeline/ingestion-worker";

fn moving_tag() -> World {
    let world = World::of("4-moving-tag");
    world.build(&format!("{WORKER}:main@sha256:8f54f5f991cd00000000000000000000000000000000000000000000000008f5"));
    let mut world = world;
    assert_eq!(world.propose(), Vec::<String>::new());
    world.wait(60);
    world
}

/// The build that the recorded delivery tells of.
fn build_of_main(world: &World) {
    world.build(&format!("{WORKER}:main@sha256:6cb720309d12816da957789c92e3d90f8228a030b388edf5abcef34e1421ae68"));
}

#[test]
fn a_moving_tag_is_a_pull_request_for_each_new_digest() {
    let mut world = moving_tag();
    build_of_main(&world);
    world.deliver("stories/4-main");
    world.serve();

    let open = world.open();
    assert_eq!(open.title, "Update ingestion-worker to main@sha256:6cb720309d12");
    insta::assert_snapshot!(world.diff(&open.branch), @r#"
    --- cluster/Pulumi.prod.yaml
    +++ cluster/Pulumi.prod.yaml
    @@ -2 +2 @@
    -  pipeline:workerImage: ghcr.io/example/pipeline/ingestion-worker:main@sha256:8f54f5f991cd00000000000000000000000000000000000000000000000008f5 # {"$imagepolicy": "apps:ingestion-worker"}
    +  pipeline:workerImage: ghcr.io/example/pipeline/ingestion-worker:main@sha256:6cb720309d12816da957789c92e3d90f8228a030b388edf5abcef34e1421ae68 # {"$imagepolicy": "apps:ingestion-worker"}
    "#);

    let before = world.head(&open.branch);
    world.wait(60);
    world.deliver("stories/4-main");
    world.serve();
    assert_eq!(world.head(&open.branch), before, "the same digest again changes nothing");
    assert_eq!(world.open(), open);

    world.merge(1);
    world.wait(60);
    world.deliver("stories/4-main");
    world.serve();
    assert_eq!(world.forge.pulls().len(), 1, "nor does it after the merge");
}

#[test]
fn the_rollback_of_a_moving_tag_stands_until_it_moves_again() {
    let mut world = moving_tag();
    let before = world.git.files(BASE);
    build_of_main(&world);
    world.deliver("stories/4-main");
    world.serve();
    world.merge(1);
    world.propose();
    world.roll_back_to(&before);
    world.propose();
    assert_eq!(world.forge.open_pulls(), []);

    world.push(&format!("{WORKER}:main = the next build"));
    world.serve();
    assert_eq!(world.open().number, 2);
}

// ------------------------------------------------------------------------------------------------ 5: devices

fn devices() -> World {
    let world = World::of("5-devices");
    world.build("redis:7.4-alpine");
    let mut world = world;
    assert_eq!(world.propose(), Vec::<String>::new());
    world.wait(60);
    world.build("redis:7.5-alpine");
    world
}

#[test]
fn a_push_to_docker_hub_changes_the_compose_file_and_both_shapes_of_a_device_file() {
    let mut world = devices();
    world.deliver("stories/5-redis");
    world.serve();
    let open = world.open();
    insta::assert_snapshot!(world.diff(&open.branch), @r#"
    --- devices/8479359e.json
    +++ devices/8479359e.json
    @@ -3,2 +3,2 @@
    -    { "serviceName": "redis", "imageName": "redis:7.4-alpine", "config": { "ports": ["6356:6379"] } },
    -    { "serviceName": "cache", "config": { "image": "redis:7.4-alpine" } }
    +    { "serviceName": "redis", "imageName": "redis:7.5-alpine", "config": { "ports": ["6356:6379"] } },
    +    { "serviceName": "cache", "config": { "image": "redis:7.5-alpine" } }
    --- gateway/compose.yaml
    +++ gateway/compose.yaml
    @@ -3 +3 @@
    -    image: redis:7.4-alpine # {"$imagepolicy": "fleet:redis"}
    +    image: redis:7.5-alpine # {"$imagepolicy": "fleet:redis"}
    "#);
}

#[test]
fn a_device_file_keeps_its_shape_and_a_service_without_an_image_gets_none() {
    let mut world = devices();
    let device = "\u{feff}{\"services\": [\r\n\t{\"imageName\" :\"redis:7.4-alpine\", \"config\": {}},\r\n\t{\"name\": \"caf\\u00e9 \\ud83d\\ude00 \\/\"},\r\n\t{\"config\": {\"image\": null}}, 1e3 ]}";
    world.git.push_by_somebody_else(BASE, &[Entry::file("devices/odd.json", device)], "Another device");
    world.deliver("stories/5-redis");
    world.serve();
    let branch = world.open().branch;
    assert_eq!(world.file(&branch, "devices/odd.json"), device.replace("7.4", "7.5"));

    // Merged, there is nothing left to do.
    world.merge(1);
    world.propose();
    assert_eq!(world.forge.open_pulls(), []);
}

#[test]
fn the_same_delivery_twice_is_one_change() {
    let mut world = devices();
    world.deliver("stories/5-redis");
    world.wait(3);
    world.deliver("stories/5-redis");
    world.serve();
    let (open, head) = (world.open(), world.head("tag2pr/fleet.fleet"));
    world.wait(600);
    world.deliver("stories/5-redis");
    world.serve();

    assert_eq!(world.open(), open);
    assert_eq!(world.forge.pulls().len(), 1);
    assert_eq!(world.head(&open.branch), head);
}
