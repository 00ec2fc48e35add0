//! The pull request of the second story, as a reviewer sees it.

use tag2pr::origin::{Origin, REVISION, SOURCE};

use super::stories::{FRONTEND, home_lab};
use super::world::World;

fn second_story() -> World {
    let mut world = home_lab();
    world.deliver("stories/2-frontend");
    world.wait(3600);
    world.deliver("stories/2-backend");
    world.serve();
    world
}

#[test]
fn its_title_and_body() {
    let open = second_story().open();
    insta::assert_snapshot!(open.title, @"Update backend and frontend");
    insta::assert_snapshot!(open.body, @r#"
    | Image | From | To | Pushed | Digest |
    |---|---|---|---|---|
    | `192.168.0.40:5000/backend` | `main-c40ddee-1707210000` | `main-0e4d5f6-1707303600` | 2024-02-07 11:00 UTC by `robot$ci` | `sha256:8af6cb2cd16e` |
    | `192.168.0.40:5000/frontend` | `main-f9e1f0b-1707200000` | `main-abc1234-1707300000` | 2024-02-07 10:00 UTC by `robot$ci` | `sha256:0532b007d3ea` |

    ### Why these tags

    `flux-system/backend`, in `flux/clusters/production/image-automation/image-policies.yaml:17`:

    - The policy compares what `^main-[a-f0-9]{7}-(?P<ts>[0-9]{10})$` extracts, as numbers.
    - Chosen because 1707303600 is the largest of 2 values.
    - Next in rank: `main-c40ddee-1707210000`.
    - 2 tags are known; the registry's list was last read 2026-03-01 12:00 UTC.

    `flux-system/frontend`, in `flux/clusters/production/image-automation/image-policies.yaml:2`:

    - The policy compares what `^main-[a-f0-9]{7}-(?P<ts>[0-9]{10})$` extracts, as numbers.
    - Chosen because 1707300000 is the largest of 3 values.
    - Next in rank: `main-f9e1f0b-1707200000`, `main-0000000-1700000000`.
    - 3 tags are known; the registry's list was last read 2026-03-01 12:00 UTC.

    ### What changes

    - `flux/clusters/production/backend/deployment.yaml:18` in `Deployment shop/backend`: `main-c40ddee-1707210000` → `main-0e4d5f6-1707303600`
    - `flux/clusters/production/backend/docker-compose.backend.yml:4`: `main-c40ddee-1707210000` → `main-0e4d5f6-1707303600`
    - `flux/clusters/production/frontend/deployment.yaml:19` in `Deployment shop/frontend`: `main-f9e1f0b-1707200000` → `main-abc1234-1707300000`

    ### What you can do

    - **Merge** it. Until then, a newer tag updates it in place.
    - **Close** it: these tags are not proposed again, unless it is reopened or `tag2pr release` says so. A newer tag comes in a new pull request.
    - **Commit** to its branch: tag2pr leaves the branch to you.
    - **Roll back** later by putting the old value back: tag2pr does not propose the tag again.

    <sub>By tag2pr, for the automation `flux-system/flux-system`, after deliveries `019ca945f460-ee58a385d22a`, `019ca97ce2e0-fd08e169a77f`</sub>
    "#);
}

#[test]
fn it_says_what_it_brought_before() {
    let mut world = second_story();
    let place = |world: &World| -> Vec<String> {
        let body = world.open().body;
        body.lines().filter(|line| line.contains("takes the place")).map(str::to_owned).collect()
    };
    assert_eq!(place(&world), Vec::<String>::new(), "nothing was there before");

    world.push(&format!("{FRONTEND}:main-0000001-1707400000"));
    world.serve();
    let newer = ["- It takes the place of `main-abc1234-1707300000`, which this pull request offered before."];
    assert_eq!(place(&world), newer, "the backend is what it was");
    world.propose();
    assert_eq!(place(&world), newer, "a look without news changes nothing");

    world.push(&format!("{FRONTEND}:main-0000002-1707500000"));
    world.serve();
    assert_eq!(place(&world).join(""), newer[0].replace("main-abc1234-1707300000", "main-0000001-1707400000"));

    // The next pull request has a past of its own.
    world.forge.close_by_person(1);
    world.push(&format!("{FRONTEND}:main-0000003-1707600000"));
    world.serve();
    assert_eq!((world.open().number, place(&world)), (2, Vec::new()));
}

/// Where an image was built from.
fn built(source: &str, revision: &str) -> Origin {
    let labels = [(SOURCE, source), (REVISION, revision)].map(|(label, text)| (label.to_owned(), text.to_owned()));
    Origin::of(&labels.into())
}

fn source_of(world: &World) -> Vec<String> {
    let body = world.open().body;
    let section = body.split("\n### ").find_map(|section| section.strip_prefix("What changed in the source\n\n"));
    section.unwrap_or_default().lines().map(str::to_owned).collect()
}

const REVISIONS: [&str; 2] = ["1972e38a0b1c1972e38a0b1c1972e38a0b1c1972", "6cb7203d1281da957789c92e3d90f8228a030b38"];

#[test]
fn it_links_to_what_changed_in_the_source() {
    let mut world = home_lab();
    let next = |world: &mut World, tag: &str, origin: Origin| {
        let digest = world.build(&format!("{FRONTEND}:{tag}"));
        world.registry.built(&digest, origin);
        world.push(&format!("{FRONTEND}:{tag}"));
        world.serve();
    };
    let source = "https://github.com/acme/frontend";
    next(&mut world, "main-0000001-1707400000", built(source, REVISIONS[0]));
    insta::assert_snapshot!(source_of(&world).join("\n"), @"- `192.168.0.40:5000/frontend`: built from [`acme/frontend` at `1972e38`](https://github.com/acme/frontend/commit/1972e38a0b1c1972e38a0b1c1972e38a0b1c1972)");
    world.merge(1);
    next(&mut world, "main-0000002-1707500000", built(source, REVISIONS[1]));
    insta::assert_snapshot!(source_of(&world).join("\n"), @"- `192.168.0.40:5000/frontend`: [`acme/frontend` from `1972e38` to `6cb7203`](https://github.com/acme/frontend/compare/1972e38a0b1c1972e38a0b1c1972e38a0b1c1972...6cb7203d1281da957789c92e3d90f8228a030b38)");

    // Each is asked once, however often it is looked at.
    let asked = world.registry.calls().origin;
    world.propose();
    assert_eq!(world.registry.calls().origin, asked);
    world.merge(2);
    next(&mut world, "main-0000003-1707600000", built("javascript:alert(1)", "](https://evil.example)"));
    insta::assert_snapshot!(source_of(&world).join("\n"), @"- `192.168.0.40:5000/frontend`: built from `javascript:alert(1)` at `](https://evil.example)`");
    world.merge(3);
    next(&mut world, "main-0000004-1707700000", Origin::default());
    assert_eq!(source_of(&world), [""; 0], "an image need not say anything");
}

#[test]
fn nothing_waits_for_where_an_image_was_built_from() {
    let mut world = home_lab();
    let digest = world.build(&format!("{FRONTEND}:main-0000001-1707400000"));
    world.registry.built(&digest, built("https://github.com/acme/frontend", REVISIONS[0]));
    world.registry.without_blobs(true);
    world.push(&format!("{FRONTEND}:main-0000001-1707400000"));
    world.serve();
    let before = (world.head(&world.open().branch), source_of(&world));
    assert_eq!(before.1, [""; 0]);

    world.registry.without_blobs(false);
    world.propose();
    assert_eq!(source_of(&world).len(), 1, "it is asked again with the next look");
    assert_eq!(world.head(&world.open().branch), before.0, "the commit is the same");
}

#[test]
fn its_commit() {
    let world = second_story();
    let commit = world.head(&world.open().branch);
    insta::assert_snapshot!(format!("{} <{}> {}", commit.author.name, commit.author.email, commit.at), @"fluxcdbot <fluxcdbot@users.noreply.github.com> 2024-02-07T11:00:51Z");
    insta::assert_snapshot!(commit.message, @r#"
    Update backend and frontend

    192.168.0.40:5000/backend: main-c40ddee-1707210000 -> main-0e4d5f6-1707303600
    192.168.0.40:5000/frontend: main-f9e1f0b-1707200000 -> main-abc1234-1707300000

    Tag2pr-Policy: flux-system/backend
    Tag2pr-Image: 192.168.0.40:5000/backend:main-0e4d5f6-1707303600@sha256:8af6cb2cd16e00c3cd6fc99ad46420b6ec3ae0313b4a18e6a0b13c071f32c112
    Tag2pr-Delivery: 019ca97ce2e0-fd08e169a77f
    Tag2pr-Policy: flux-system/frontend
    Tag2pr-Image: 192.168.0.40:5000/frontend:main-abc1234-1707300000@sha256:0532b007d3ea69bbe368d27574f7a52870c08830c4a108bbe3b7629d459bd7e7
    Tag2pr-Delivery: 019ca945f460-ee58a385d22a
    "#);
}

#[test]
fn its_diff() {
    let world = second_story();
    insta::assert_snapshot!(world.diff(&world.open().branch), @r#"
    --- flux/clusters/production/backend/deployment.yaml
    +++ flux/clusters/production/backend/deployment.yaml
    @@ -18 +18 @@
    -          image: 192.168.0.40:5000/backend:main-c40ddee-1707210000 # {"$imagepolicy": "flux-system:backend"}
    +          image: 192.168.0.40:5000/backend:main-0e4d5f6-1707303600 # {"$imagepolicy": "flux-system:backend"}
    --- flux/clusters/production/backend/docker-compose.backend.yml
    +++ flux/clusters/production/backend/docker-compose.backend.yml
    @@ -4 +4 @@
    -    image: "192.168.0.40:5000/backend:main-c40ddee-1707210000"   # {"$imagepolicy": "flux-system:backend"}
    +    image: "192.168.0.40:5000/backend:main-0e4d5f6-1707303600"   # {"$imagepolicy": "flux-system:backend"}
    --- flux/clusters/production/frontend/deployment.yaml
    +++ flux/clusters/production/frontend/deployment.yaml
    @@ -19 +19 @@
    -          image: 192.168.0.40:5000/frontend:main-f9e1f0b-1707200000 # {"$imagepolicy": "flux-system:frontend"}
    +          image: 192.168.0.40:5000/frontend:main-abc1234-1707300000 # {"$imagepolicy": "flux-system:frontend"}
    "#);
}
