//! What was read of one commit is not read again of the next, and nobody could tell.

use pollster::block_on;
use proptest::prelude::*;
use tag2pr::flow::propose::{Prepared, prepare};
use tag2pr::keys::Key;
use tag2pr::seams::Objects as _;
use tag2pr::testing::repository::Entry;

use super::stories::{PROPOSAL, home_lab};
use super::world::World;

const PRODUCTION: &str = "flux/clusters/production";
const SETTINGS: &str = ".tag2pr.yaml";

/// What a look finds and plans, in full.
fn look(world: &mut World) -> String {
    let writer = world.writer("propose");
    let prepared: Prepared = block_on(prepare(world.outside(&writer), &[], world.now)).unwrap();
    let Prepared { manifests, plan, .. } = &prepared;
    let mut plan: Vec<String> = plan.proposals.iter().map(|proposal| format!("{proposal:#?}")).collect();
    plan.extend(prepared.remarks());
    format!("{:#?}\n{:#?}\n{}", manifests.markers, manifests.reading, plan.join("\n"))
}

#[test]
fn a_merge_lets_the_next_look_read_what_it_changed() {
    let mut world = home_lab();
    world.deliver("stories/2-frontend");
    world.serve();
    world.merge(1);
    world.git.looked_into();

    world.deliver("stories/2-backend");
    world.serve();
    let mut read = world.git.looked_into();
    read.sort();
    read.dedup();
    let again = |path: &&String| !path.contains("/image-automation/");
    let again: Vec<_> =
        read.iter().filter(again).map(|path| path.trim_start_matches("flux/clusters/production/")).collect();
    let expected = ["backend/deployment.yaml", "backend/docker-compose.backend.yml", "frontend/deployment.yaml"];
    assert_eq!(again, expected, "two that are edited, and the one that was merged");
    assert_eq!(world.added(PROPOSAL).len(), 2);
}

/// What somebody may do to the base branch between two looks.
fn deeds() -> impl Strategy<Value = (String, Entry)> {
    let marked = |tag: u32| {
        format!(
            "image: 192.168.0.40:5000/frontend:main-{tag:07x}-170720000{} # {{\"$imagepolicy\": \"flux-system:frontend\"}}\n",
            tag % 10
        )
    };
    let path = prop::sample::select(vec![
        "frontend/deployment.yaml",
        "frontend/other.yaml",
        "backend/deployment.yaml",
        "new/folder/app.yaml",
        "new/settings.toml",
    ]);
    let path = path.prop_map(|path| format!("{PRODUCTION}/{path}"));
    let text = prop_oneof![
        (0..30_u32).prop_map(marked),
        (0..30_u32).prop_map(move |tag| format!("a: 1\n{}---\n{}", marked(tag), marked(tag + 1))),
        Just("nothing: here\n".to_owned()),
        Just("broken: [ # {\"$imagepolicy\": \"flux-system:frontend\"}\n".to_owned()),
        Just("image: {{ .Values.image }} # {\"$imagepolicy\": \"flux-system:frontend\"}\n".to_owned()),
        Just("apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImagePolicy\n".to_owned()),
    ];
    let settings = prop::sample::select(vec![
        "takeOver: false\n",
        "fields:\n  - files: '**/*.yaml'\n    at: [$.image]\n    policy: flux-system/frontend\n",
        "broken: [\n",
    ]);
    prop_oneof![
        8 => (path.clone(), text).prop_map(|(path, text)| (path.clone(), Entry::file(&path, text))),
        1 => path.prop_map(|path| (path.clone(), Entry::link(&path, "../backend/deployment.yaml"))),
        1 => settings.prop_map(|text| (SETTINGS.to_owned(), Entry::file(SETTINGS, text))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn whoever_knows_the_last_commit_finds_what_a_newcomer_finds(
        deeds in prop::collection::vec((deeds(), any::<bool>()), 1..8),
    ) {
        let mut world = home_lab();
        world.deliver("stories/2-frontend");
        for ((path, entry), looked) in deeds {
            world.git.push_by_somebody_else("main", &[entry], &format!("Change {path}"));
            if looked {
                let _ = world.try_propose();
            }
        }
        let knowing = look(&mut world);
        block_on(world.store.delete(&Key::index(&world.repository))).unwrap();
        prop_assert_eq!(knowing, look(&mut world));
    }
}
