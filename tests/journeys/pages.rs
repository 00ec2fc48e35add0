//! The page that a reviewer sees, for all kinds of changes: title and body, whole where that is short.

use tag2pr::origin::Origin;
use tag2pr::testing::repository::Entry;

use super::settings::say;
use super::world::{BASE, World};

const AUTOMATION: &str = "proposals:\n  - { name: apps/all }\n";

/// One service for each name, with a policy that takes the greatest version.
fn services(names: &[String]) -> World {
    let mut world = World::of("2-home-lab");
    let mut settings = String::from("policies:\n");
    for name in names {
        settings += &format!(
            "  - {{ name: apps/{name}, image: ghcr.io/acme/{name}, policy: {{ semver: {{ range: '>=1.0' }} }} }}\n"
        );
        let value = format!("image: ghcr.io/acme/{name}:1.0.0 # {{\"$imagepolicy\": \"apps:{name}\"}}\n");
        let file = Entry::file(&format!("apps/{name}.yaml"), value);
        world.git.push_by_somebody_else(BASE, &[file], "Add a service");
        world.build(&format!("ghcr.io/acme/{name}:1.0.0"));
    }
    say(&world, &(settings + AUTOMATION));
    world.propose();
    world.wait(60);
    world
}

#[test]
fn one_image_is_told_on_one_screen() {
    let mut world = services(&["web".to_owned()]);
    world.push("ghcr.io/acme/web:1.1.0");
    world.serve();
    let page = world.open();
    assert!(page.body.lines().count() < 40, "{}", page.body);
    insta::assert_snapshot!(format!("{}\n\n{}", page.title, page.body), @r"
    Update web to 1.1.0

    | Image | From | To | Pushed | Digest |
    |---|---|---|---|---|
    | `ghcr.io/acme/web` | `1.0.0` | `1.1.0` | 2026-03-01 12:01 UTC by `ci` | `sha256:e49fff4e919e` |

    ### Why this tag

    `apps/web`, in `.tag2pr.yaml:2`:

    - The policy compares all tags, as versions in the range `>=1.0`.
    - Chosen because 1.1.0 is the highest of 2 versions in the range \>=1.0.
    - Next in rank: `1.0.0`.
    - 2 tags are known; the registry's list was last read 2026-03-01 12:00 UTC.

    ### What changes

    - `apps/web.yaml:1`: `1.0.0` → `1.1.0`

    ### What you can do

    - **Merge** it. Until then, a newer tag updates it in place.
    - **Close** it: these tags are not proposed again, unless it is reopened or `tag2pr release` says so. A newer tag comes in a new pull request.
    - **Commit** to its branch: tag2pr leaves the branch to you.
    - **Roll back** later by putting the old value back: tag2pr does not propose the tag again.

    <sub>By tag2pr, for the automation `apps/all`, after delivery `019ca945f460-9ce2954e708e`</sub>
    ");
}

#[test]
fn forty_images_fit_into_what_forges_take() {
    let names: Vec<String> = (1..=40).map(|number| format!("service-{number:02}")).collect();
    let mut world = services(&names);
    for name in &names {
        world.build(&format!("ghcr.io/acme/{name}:1.1.0"));
        world.push(&format!("ghcr.io/acme/{name}:1.2.0"));
    }
    world.serve();
    let page = world.open();
    insta::assert_snapshot!(page.title, @"Update service-01, service-02 and 38 more images");
    assert!(page.body.chars().count() < 65_536, "{} characters", page.body.chars().count());
    for name in &names {
        assert!(page.body.contains(&format!("| `ghcr.io/acme/{name}` | `1.0.0` | `1.2.0` |")), "{name}: {}", page.body);
        assert!(page.body.contains(&format!("- `apps/{name}.yaml:1`: `1.0.0` → `1.2.0`")), "{name}: {}", page.body);
    }
    insta::assert_snapshot!("forty_images", format!("{}\n\n{}", page.title, page.body));
}

#[test]
fn a_tag_that_moved_is_told_by_its_digests() {
    let mut world = World::of("4-moving-tag");
    let image = moving(&world);
    world.build(&format!("{image} = first"));
    world.propose();
    if let Some(pull) = world.forge.open_pulls().first() {
        world.merge(pull.number);
    }
    world.propose();
    world.wait(60);
    world.push(&format!("{image} = second"));
    world.serve();
    let page = world.open();
    insta::assert_snapshot!(format!("{}\n\n{}", page.title, page.body), @"
    Update ingestion-worker to main@sha256:16367aacb67a

    | Image | From | To | Pushed | Digest |
    |---|---|---|---|---|
    | `ghcr.io/example/pipeline/ingestion-worker` | `main@sha256:a7937b64b8ca` | `main@sha256:16367aacb67a` | 2026-03-01 12:01 UTC by `ci` | `sha256:16367aacb67a` |

    ### Why this tag

    `apps/ingestion-worker`, in `cluster/image-automation.yaml:10`:

    - The policy compares tags that match `^main$`, in alphabetical order.
    - Chosen because main is the only value.
    - 1 tag is known; the registry's list was last read 2026-03-01 12:00 UTC.

    ### What changes

    - `cluster/Pulumi.prod.yaml:2`: `main@sha256:a7937b64b8ca` → `main@sha256:16367aacb67a`

    ### What you can do

    - **Merge** it. Until then, a newer tag updates it in place.
    - **Close** it: these tags are not proposed again, unless it is reopened or `tag2pr release` says so. A newer tag comes in a new pull request.
    - **Commit** to its branch: tag2pr leaves the branch to you.
    - **Roll back** later by putting the old value back: tag2pr does not propose the tag again.

    <sub>By tag2pr, for the automation `apps/cluster`, after delivery `019ca945f460-e4192c00cbde`</sub>
    ");
}

/// The image that stands in the fourth story's manifests, with its tag.
fn moving(world: &World) -> String {
    let files = world.git.files(BASE);
    let marked = files.values().filter_map(|bytes| std::str::from_utf8(bytes).ok());
    let line = marked.flat_map(str::lines).find(|line| line.contains("$imagepolicy")).unwrap();
    let value = line.split('#').next().unwrap().rsplit(": ").next().unwrap().trim().trim_matches('"');
    value.split('@').next().unwrap().to_owned()
}

#[test]
fn a_downgrade_that_the_policy_asks_for_says_why() {
    let mut world = services(&["web".to_owned()]);
    world.push("ghcr.io/acme/web:1.1.0");
    world.serve();
    world.merge(1);
    world.propose();
    // What stands in Git is outside of what the policy now allows.
    let settings = world.file(BASE, ".tag2pr.yaml").replace(">=1.0", "1.0.x");
    say(&world, &settings);
    world.propose();
    let page = world.open();
    insta::assert_snapshot!(format!("{}\n\n{}", page.title, page.body), @"
    Update web to 1.0.0

    | Image | From | To | Pushed | Digest |
    |---|---|---|---|---|
    | `ghcr.io/acme/web` | `1.1.0` | `1.0.0` | unknown: found in the registry's list | `sha256:8ac720777beb` |

    ### Why this tag

    `apps/web`, in `.tag2pr.yaml:2`:

    - The policy compares all tags, as versions in the range `1.0.x`.
    - Chosen because 1.0.0 is the only version in the range 1.0.x; 1 tag is outside the range.
    - 2 tags are known; the registry's list was last read 2026-03-01 12:00 UTC.

    ### What changes

    - `apps/web.yaml:1`: `1.1.0` → `1.0.0`

    ### What you can do

    - **Merge** it. Until then, a newer tag updates it in place.
    - **Close** it: these tags are not proposed again, unless it is reopened or `tag2pr release` says so. A newer tag comes in a new pull request.
    - **Commit** to its branch: tag2pr leaves the branch to you.
    - **Roll back** later by putting the old value back: tag2pr does not propose the tag again.

    <sub>By tag2pr, for the automation `apps/all`</sub>
    ");
}

#[test]
fn a_newer_tag_that_is_held_stays_out_and_is_said() {
    let mut world = services(&["api".to_owned(), "web".to_owned()]);
    world.push("ghcr.io/acme/api:1.1.0");
    world.push("ghcr.io/acme/web:1.1.0");
    world.hold("apps/web", "1.1.0", "waits for the database");
    let said = world.serve();
    let page = world.open();
    insta::assert_snapshot!(format!("{}\n\n{}", page.title, page.body), @r"
    Update api to 1.1.0

    | Image | From | To | Pushed | Digest |
    |---|---|---|---|---|
    | `ghcr.io/acme/api` | `1.0.0` | `1.1.0` | 2026-03-01 12:01 UTC by `ci` | `sha256:6f8db34dda0a` |

    ### Why this tag

    `apps/api`, in `.tag2pr.yaml:2`:

    - The policy compares all tags, as versions in the range `>=1.0`.
    - Chosen because 1.1.0 is the highest of 2 versions in the range \>=1.0.
    - Next in rank: `1.0.0`.
    - 2 tags are known; the registry's list was last read 2026-03-01 12:00 UTC.

    ### What changes

    - `apps/api.yaml:1`: `1.0.0` → `1.1.0`

    ### What is held

    - `ghcr.io/acme/web` stays as it is, `1.1.0` is held: waits for the database

    ### What you can do

    - **Merge** it. Until then, a newer tag updates it in place.
    - **Close** it: these tags are not proposed again, unless it is reopened or `tag2pr release` says so. A newer tag comes in a new pull request.
    - **Commit** to its branch: tag2pr leaves the branch to you.
    - **Roll back** later by putting the old value back: tag2pr does not propose the tag again.

    <sub>By tag2pr, for the automation `apps/all`, after delivery `019ca945f460-2f0c6eea7764`</sub>
    ");
    insta::assert_snapshot!(said[1], @"apps/web (ghcr.io/acme/web:1.1.0): held: waits for the database");
}

#[test]
fn names_from_outside_write_no_markdown_and_call_nobody() {
    let mut world = services(&["api".to_owned(), "web".to_owned()]);
    let settings = world.file(BASE, ".tag2pr.yaml");
    let settings = settings.replace("policy: { semver: { range: '>=1.0' } }", "policy: { alphabetical: {} }");
    let title = "proposals:\n  - { name: '*', title: '{{ .Title }} @bob <b>' }\n";
    say(&world, &settings.replace("proposals:\n", title));
    // A tag may hold little, whoever pushed it may be called anything, and so may what it was built from.
    let tag = "fixes___1__closes-acme.fleet-1";
    let digest = world.build(&format!("ghcr.io/acme/web:{tag}"));
    let origin = |source: &str, revision: &str| Origin { source: Some(source.into()), revision: Some(revision.into()) };
    world.registry.built(&digest, origin("https://evil.example/a/b)](x <img src=x> `@alice`", "#1 | @alice\u{202e}"));
    let delivery = world.delivery(&format!("ghcr.io/acme/web:{tag}"), world.now);
    let actor = "ci\\\"><img src=x> @alice [x](http://evil.example) | ` #1";
    let body = String::from_utf8(delivery.body.clone()).unwrap();
    let body = body.replace("\"name\":\"ci\"", &format!("\"name\":\"{actor}\""));
    world.post(&super::world::Fixture { body: body.into_bytes(), ..delivery });
    world.push("ghcr.io/acme/api:2.0.0");
    world.hold("apps/api", "2.0.0", "](https://evil.example) @alice <img src=x> fixes #1 | *a*");
    world.serve();
    let page = world.open();
    let shown = format!("{}\n\n{}", page.title, page.body).replace('\u{2060}', "(word joiner)");
    insta::assert_snapshot!(shown, @r#"
    Update web to fixes___1__closes-acme.fleet-1 @(word joiner)bob <b>

    | Image | From | To | Pushed | Digest |
    |---|---|---|---|---|
    | `ghcr.io/acme/web` | `1.0.0` | `fixes___1__closes-acme.fleet-1` | 2026-03-01 12:01 UTC by ``ci"><img src=x> @alice [x](http://evil.example) \| ` #1`` | `sha256:39cee125f585` |

    ### Why this tag

    `apps/web`, in `.tag2pr.yaml:3`:

    - The policy compares all tags, in alphabetical order.
    - Chosen because fixes\_\_\_1\_\_closes-acme.fleet-1 is the last of 2 values in alphabetical order.
    - Next in rank: `1.0.0`.
    - 2 tags are known; the registry's list was last read 2026-03-01 12:00 UTC.

    ### What changed in the source

    - `ghcr.io/acme/web`: built from `#1 | @alice `

    ### What changes

    - `apps/web.yaml:1`: `1.0.0` → `fixes___1__closes-acme.fleet-1`

    ### What is held

    - `ghcr.io/acme/api` stays as it is, `2.0.0` is held: \](https://evil.example) @(word joiner)alice \<img src=x\> fixes #(word joiner)1 \| \*a\*

    ### What you can do

    - **Merge** it. Until then, a newer tag updates it in place.
    - **Close** it: these tags are not proposed again, unless it is reopened or `tag2pr release` says so. A newer tag comes in a new pull request.
    - **Commit** to its branch: tag2pr leaves the branch to you.
    - **Roll back** later by putting the old value back: tag2pr does not propose the tag again.

    <sub>By tag2pr, for the automation `apps/all`, after delivery `019ca945f460-7094602913f1`</sub>
    "#);
}
