use insta::{assert_json_snapshot, assert_snapshot};
use serde_json::Value;

use crate::environment::{Run, TestEnvironment, story};

/// A story's repository as it was found: the mended one, with the files that were wrong in place of their namesakes.
fn as_found(name: &str) -> TestEnvironment {
    let environment = mended(name);
    let wrong = story(name).join("as-found");
    for entry in std::fs::read_dir(&wrong).unwrap() {
        let entry = entry.unwrap();
        let file = entry.file_name().into_string().unwrap();
        let all = environment.everything("fleet");
        let path = all.keys().find(|path| path.ends_with(&file)).unwrap();
        environment.write(&format!("fleet/{path}"), std::fs::read(entry.path()).unwrap());
    }
    environment
}

fn mended(name: &str) -> TestEnvironment {
    let environment = TestEnvironment::new();
    environment.copy(&story(name).join("manifests"), "fleet");
    environment.write("tags.txt", std::fs::read(story(name).join("tags.txt")).unwrap());
    environment
}

fn check(environment: &TestEnvironment, more: &[&str]) -> Run {
    environment.run(&[&["check", "fleet", "--tags", "tags.txt"], more].concat())
}

fn applied(environment: &TestEnvironment, findings: &Value) {
    let repository = git2::Repository::init(environment.path("fleet")).unwrap();
    for patch in findings["findings"].as_array().unwrap().iter().filter_map(|finding| finding["patch"].as_str()) {
        // The library wants the line that the program can do without.
        let file = patch.lines().next().unwrap().strip_prefix("--- a/").unwrap();
        let diff = git2::Diff::from_buffer(format!("diff --git a/{file} b/{file}\n{patch}").as_bytes()).unwrap();
        repository.apply(&diff, git2::ApplyLocation::WorkDir, None).unwrap();
    }
}

#[test]
fn the_stories_as_they_were_found() {
    for name in ["1-dated-tags", "2-home-lab", "4-moving-tag", "5-devices"] {
        let environment = as_found(name);
        let run = check(&environment, &[]);
        assert_eq!(run.status, Some(1), "{run}");
        assert_snapshot!(format!("check-{name}"), run);
        let findings = check(&environment, &["--output", "json"]).json();
        assert_json_snapshot!(format!("check-{name}-json"), findings);

        // Git takes the patches as they are, and then there is nothing to say.
        applied(&environment, &findings);
        let again = check(&environment, &[]);
        assert_eq!(again.status, Some(0), "{again}");
    }
}

#[test]
fn the_stories_mended() {
    for name in ["1-dated-tags", "2-home-lab", "3-environments", "4-moving-tag", "5-devices"] {
        let environment = mended(name);
        let run = check(&environment, &[]);
        assert_eq!(run.status, Some(0), "{run}");
        assert_snapshot!(format!("check-{name}-mended"), run);
        let findings = check(&environment, &["--output", "json"]).json();
        assert_json_snapshot!(format!("check-{name}-mended-json"), findings);
        assert_eq!(environment.run(&["check", "fleet"]).status, Some(0));
    }
}

#[test]
fn explain_has_the_findings_of_its_policy() {
    let environment = as_found("2-home-lab");
    let arguments = ["explain", "flux-system/frontend", "--path", "fleet", "--tags", "tags.txt", "--output", "json"];
    let run = environment.run(&arguments);
    assert_eq!(run.status, Some(1));
    let findings = run.json()["policies"][0]["findings"].clone();
    assert_eq!(findings[0]["code"], "T2P003");
    assert_eq!(findings.as_array().unwrap().len(), 1);
}

#[test]
fn what_cannot_be_read_is_a_finding_and_stops_no_other() {
    let environment = as_found("1-dated-tags");
    environment.write("fleet/torn.yaml", "image: x # {\"$imagepolicy\": \"a:b\"}\n  y: [\n");
    environment.write("fleet/binary.yaml", b"image: \xff # {\"$imagepolicy\": \"a:b\"}\n");
    environment.write("fleet/wrong-case.yaml", "\u{1b}[31m: x # {\"$imagePolicy\": \"a:b\"}\n");
    environment.write("fleet/case.yaml", "tag: x # {\"$imagePolicy\": \"field-theories:field-theories:tag\"}\n");
    assert_snapshot!(environment.run(&["check", "fleet"]));
}

#[test]
fn every_code_is_listed() {
    let environment = TestEnvironment::new();
    assert_snapshot!(environment.run(&["check", "--codes"]));
    let codes = environment.run(&["check", "--codes", "--output", "json"]).json();
    assert_eq!(codes["codes"][0]["code"], "T2P001");
}

#[test]
fn a_folder_that_is_not_there_is_no_clean_one() {
    let environment = TestEnvironment::new();
    assert_snapshot!(environment.run(&["check", "nowhere"]), @"
    ----- stderr
    error: reading nowhere: No such file or directory (os error 2)
    ----- exit 1
    ");
    assert_eq!(environment.run(&["check"]).status, Some(2));
}
