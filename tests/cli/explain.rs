use insta::{assert_json_snapshot, assert_snapshot};

use crate::environment::{Run, TestEnvironment, story};

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
