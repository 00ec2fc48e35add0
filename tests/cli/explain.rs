use insta::{assert_json_snapshot, assert_snapshot};

use jiff::Timestamp;
use tag2pr::flow::ledgers;
use tag2pr::flow::propose::Holds;
use tag2pr::keys::Key;
use tag2pr::ledger::News;
use tag2pr::plan::Hold;
use tag2pr::policy::PolicyName;
use tag2pr::store;
use tag2pr_connect::Settings;
use tag2pr_standins::git::Entry;
use tag2pr_standins::registry::Registry;

use crate::environment::{Run, TestEnvironment, manifests_with, story};
use crate::passes::with_registry;

fn explain(story_name: &str, part: &str, tags: &str, more: &[&str]) -> Run {
    let environment = TestEnvironment::new();
    environment.copy(&story(story_name).join(part), part);
    environment.write("tags.txt", tags);
    environment.run(&[&["explain", "--tags", "tags.txt"], more].concat())
}

fn tags(story_name: &str) -> String {
    std::fs::read_to_string(story(story_name).join("tags.txt")).unwrap()
}

#[test]
fn dated_tags_as_they_were_found_and_mended() {
    let tags = tags("1-dated-tags");
    let found = explain("1-dated-tags", "as-found", &tags, &["--policy", "as-found/image-policy.yaml"]);
    assert_snapshot!("dated-tags-as-found", found);
    let policy = ["--policy", "as-found/image-policy.yaml", "--output", "json"];
    assert_json_snapshot!("dated-tags-as-found-json", explain("1-dated-tags", "as-found", &tags, &policy).json());
    assert_snapshot!("dated-tags-mended", explain("1-dated-tags", "manifests", &tags, &["--path", "manifests"]));
}

#[test]
fn the_home_lab_as_it_was_found_and_mended() {
    let tags = tags("2-home-lab");
    let found = explain("2-home-lab", "as-found", &tags, &["--policy", "as-found/image-policies.yaml"]);
    assert_snapshot!("home-lab-as-found", found);
    let mended = explain("2-home-lab", "manifests", &tags, &["flux-system/frontend", "--path", "manifests"]);
    assert_snapshot!("home-lab-mended", mended);
}

#[test]
fn three_environments_choose_from_the_same_tags() {
    let tags = "develop-v1.4.0-0a1b2c3-1770396000\nstaging-v1.3.0-0d4e5f6-1770300000\n\
                staging-v1.4.0-0a1b2c3-1770396123\nproduction-v1.3.0-0d4e5f6-1770200000\nlatest\n";
    assert_snapshot!(explain("3-environments", "manifests", tags, &["--path", "manifests"]));
}

#[test]
fn devices_with_digest_and_time_for_programs() {
    let digest = format!("sha256:{}", "a".repeat(64));
    let tags = format!("7.2-alpine\n7.4-alpine {digest} 2026-02-06T16:42:03Z\nlatest\n");
    let run = explain("5-devices", "manifests", &tags, &["--path", "manifests", "--output", "json"]);
    assert_eq!(run.status, Some(0), "{run}");
    assert_json_snapshot!(run.json());
}

#[test]
fn ten_thousand_tags_are_one_screen() {
    let tags: String = (0..10_000).map(|n| format!("main-{:07x}-{}\nsha-{n}\n", n * 7, 1_700_000_000 + n)).collect();
    let arguments = ["flux-system/frontend", "--path", "manifests"];
    let run = explain("2-home-lab", "manifests", &tags, &arguments);
    assert!(run.stdout.lines().count() <= 24, "{run}");
    assert_snapshot!(run);
    let all = explain("2-home-lab", "manifests", &tags, &[&arguments[..], &["--all"]].concat());
    assert!(all.stdout.lines().count() > 20_000);
}

#[test]
fn an_unknown_policy_is_told_the_known_ones() {
    let run = explain("2-home-lab", "manifests", "latest\n", &["flux-system/front", "--path", "manifests"]);
    assert_snapshot!(run, @"
    ----- stderr
    error: there is no ImagePolicy flux-system/front in manifests; there are: flux-system/frontend, flux-system/backend
    ----- exit 1
    ");
}

#[test]
fn a_folder_without_policies_says_so() {
    let environment = TestEnvironment::new();
    environment.write("tags.txt", "1.0\n");
    assert_snapshot!(environment.run(&["explain", "--tags", "tags.txt"]), @"
    ----- stderr
    error: there is no ImagePolicy in .
    ----- exit 1
    ");
}

const POLICY: &str = "\
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata: { name: web, namespace: apps }
spec:
  imageRepositoryRef: { name: web }
  policy: { numerical: { order: asc } }
";

#[test]
fn a_policy_that_fails_names_the_tag_to_blame() {
    let environment = TestEnvironment::new();
    environment.write("policy.yaml", POLICY);
    let run = environment.run_with_input(&["explain", "--policy", "policy.yaml", "--tags", "-"], b"1\n2\nlatest\n");
    assert_snapshot!(run);
}

#[test]
fn a_broken_object_stops_no_other() {
    let environment = TestEnvironment::new();
    environment.write("good.yaml", POLICY);
    environment.write("broken.yaml", POLICY.replace("name: web,", "name: api,").replace("numerical", "numericl"));
    environment.write("torn.yaml", format!("{POLICY}  torn: [\n"));
    let image = POLICY.replace("ImagePolicy", "ImageRepository");
    let (head, _) = image.split_once("spec:").unwrap();
    environment.write("image.yaml", format!("{head}spec: {{ image: ghcr.io/acme/web }}\n"));
    environment.write("tags.txt", "1\n2\n");
    assert_snapshot!(environment.run(&["explain", "--tags", "tags.txt"]));
    assert_json_snapshot!(environment.run(&["explain", "--tags", "tags.txt", "--output", "json"]).json()["problems"]);
}

/// What deliveries and people would have left in the store: a tag that is held and one that was deleted.
fn remember(environment: &TestEnvironment, registry: &Registry) {
    let image = format!("{}/frontend", registry.address()).parse().unwrap();
    let hold = Hold {
        proposal: "flux-system.flux-system".to_owned(),
        policy: PolicyName { namespace: "flux-system".to_owned(), name: "frontend".to_owned() },
        tag: "main-abc1234-1707300000".parse().unwrap(),
        digest: None,
        reason: "pull request 1 was closed without merging".to_owned(),
        since: "2026-02-07T10:00:00Z".parse::<Timestamp>().unwrap(),
    };
    let deleted = News::Deleted {
        tag: Some("main-0e0e0e0-1707400000".parse().unwrap()),
        digest: None,
        at: "2100-01-01T00:00:00Z".parse::<Timestamp>().unwrap(),
        delivery: "delivery".to_owned(),
    };
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let settings = Settings::read(Some(&environment.path("tag2pr.yaml"))).await.unwrap();
        let objects = &*settings.objects;
        let key = Key::holds(&settings.repository_ids()[0]);
        store::update::<Holds>(objects, &key, "test", |_| {
            Some(Holds { holds: [hold.clone()].into(), ..Holds::default() })
        })
        .await
        .unwrap();
        ledgers::record(objects, &image, &deleted, "test").await.unwrap();
    });
}

#[test]
fn without_tags_the_configured_store_and_repositories_tell() {
    let (environment, registry) = with_registry();
    let unknown = environment.run(&["explain", "flux-system/backend"]);
    assert_eq!(unknown.status, Some(1), "{unknown}");
    assert!(unknown.stdout.contains("no tag of the image is known yet"), "{unknown}");

    registry.push("frontend", "main-0e0e0e0-1707400000", &format!("sha256:{}", "d".repeat(64)));
    environment.run(&["propose"]);
    remember(&environment, &registry);
    let before = environment.everything("state");
    let run = environment.run(&["explain", "flux-system/frontend"]);
    assert_snapshot!(run);
    let verdicts = |run: Run| -> Vec<String> {
        let tags = run.json()["policies"][0]["tags"].as_array().unwrap().clone();
        tags.iter().map(|tag| format!("{} {} {}", tag["tag"], tag["verdict"], tag["reason"])).collect()
    };
    let json = environment.run(&["explain", "flux-system/frontend", "--output", "json"]);
    assert_eq!(json.json()["policies"][0]["selected"], serde_json::Value::Null);
    assert_snapshot!(verdicts(json).join("\n"), @r#"
    "main-0e0e0e0-1707400000" "deleted" "was deleted 2100-01-01 00:00 UTC"
    "main-abc1234-1707300000" "held" "held in flux-system.flux-system: pull request 1 was closed without merging"
    "main-f9e1f0b-1707200000" "outranked" "outranked by main-abc1234-1707300000: 1707200000 is smaller than 1707300000"
    "#);
    assert_eq!(environment.everything("state"), before, "looking changes nothing");

    // The folder of a checkout, with what the store knows.
    let host = registry.address().to_string();
    for Entry { path, bytes, .. } in manifests_with("192.168.0.40:5000", &host) {
        environment.write(&format!("checkout/{path}"), bytes);
    }
    let settings = "policies:\n  - { name: flux-system/frontend, minimumAge: 400w }\n";
    environment.write("checkout/.tag2pr.yaml", settings);
    let young = environment.run(&["explain", "flux-system/frontend", "--path", "checkout", "--output", "json"]);
    let error = young.json()["policies"][0]["error"].as_str().unwrap().to_owned();
    assert!(
        error.starts_with("every tag is younger than the policy's minimum age; main-abc1234-1707300000"),
        "{error}"
    );
    let young: Vec<String> =
        verdicts(young).iter().map(|line| line.split(" until ").next().unwrap().to_owned()).collect();
    assert_snapshot!(young.join("\n"), @r#"
    "main-0e0e0e0-1707400000" "deleted" "was deleted 2100-01-01 00:00 UTC"
    "main-abc1234-1707300000" "too-young" "younger than the policy's minimum age
    "main-f9e1f0b-1707200000" "too-young" "younger than the policy's minimum age
    "#);
}

#[test]
fn the_newest_push_that_is_not_selected_is_told_first() {
    let tags = "main-f9e1f0b-1707200000\nmain-abc1234-1707300000 2026-02-07T10:00:00Z\nlatest 2026-02-07T11:00:00Z\n";
    assert_snapshot!(explain("2-home-lab", "manifests", tags, &["flux-system/frontend", "--path", "manifests"]));
}

#[test]
fn without_tags_and_configuration_it_says_what_is_missing() {
    let environment = TestEnvironment::new();
    assert_snapshot!(environment.run(&["explain"]), @"
    ----- stderr
    error: without --tags the configured store is asked: reading the configuration: there is no configuration: give --config, set TAG2PR_CONFIG or TAG2PR_STORE, or write ./tag2pr.yaml
    ----- exit 1
    ");
}
