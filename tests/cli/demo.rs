use std::fs;

use insta::{assert_json_snapshot, assert_snapshot};
use tag2pr_standins::git::command;

use crate::environment::TestEnvironment;
use crate::serving::Serving;

#[test]
fn the_whole_way_on_one_screen_or_two() {
    assert_snapshot!(TestEnvironment::new().run(&["demo"]));
}

#[test]
fn it_leaves_nothing_behind() {
    let environment = TestEnvironment::new();
    environment.run(&["demo"]);
    assert!(environment.everything("").is_empty());
    assert!(environment.everything("../home").is_empty());
    assert!(environment.everything("../tmp").is_empty());
}

#[test]
fn what_the_environment_says_of_a_store_and_a_proxy_is_not_for_the_demo() {
    let mut environment = TestEnvironment::new();
    environment.variables.insert("TAG2PR_STORE", "./precious".to_owned());
    environment.variables.insert("TAG2PR_QUEUE_URL", "https://sqs.example.com/1/precious.fifo".to_owned());
    environment.variables.insert("HTTP_PROXY", "http://127.0.0.1:1".to_owned());
    environment.variables.insert("http_proxy", "http://127.0.0.1:1".to_owned());
    let run = environment.run(&["demo"]);
    assert_eq!(run.status, Some(0), "{run}");
    assert!(!environment.path("precious").exists());
}

#[test]
fn kept_it_is_a_repository_with_a_branch_and_a_store_with_a_pull_request() {
    let environment = TestEnvironment::new();
    let run = environment.run(&["demo", "--keep", "lab"]);
    let (_, left) = run.stdout.split_once("Left in").unwrap();
    assert_snapshot!(left, @r"
     lab:
      fleet.git    the manifests repository; the proposal is on branch tag2pr/flux-system.flux-system
      state/       the store: deliveries, ledgers, proposals, the pull request
      tag2pr.yaml  the configuration
    ");
    let log = command(&environment.path("lab/fleet.git"))
        .args(["log", "--format=%s", "main..tag2pr/flux-system.flux-system"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(log.stdout).unwrap(), "Update backend and frontend\n");
    let pulls = environment.pull_requests("lab/state");
    assert_eq!(pulls.len(), 1);
    assert_eq!(pulls[0]["state"], "open");
    assert_eq!(pulls[0]["title"], "Update backend and frontend");

    // And `serve` goes on from there.
    let mut serving =
        Serving::start(&environment, &["serve", "--config", "lab/tag2pr.yaml", "--listen", "127.0.0.1:0"]);
    serving.wait_for("is up to date");
    assert_eq!(serving.terminate().0, Some(0));
}

#[test]
fn a_folder_with_something_in_the_way_stays_as_it_is() {
    let environment = TestEnvironment::new();
    environment.write("lab/tag2pr.yaml", "mine");
    assert_snapshot!(environment.run(&["demo", "--keep", "lab"]), @r"
    ----- stderr
    error: there is a tag2pr.yaml in lab already: name another folder
    ----- exit 1
    ");
    assert_eq!(environment.read("lab/tag2pr.yaml"), "mine");
    assert_eq!(fs::read_dir(environment.path("lab")).unwrap().count(), 1);
}

#[test]
fn it_stays_to_play_with_when_asked() {
    let environment = TestEnvironment::new();
    let mut serving = Serving::start(&environment, &["demo", "--serve"]);
    serving.wait_for("The listener stays until Ctrl-C");
    assert_eq!(serving.deliver("/hooks/harbor", "stories/2-frontend").0, 200);
    serving.wait_for("(known already)");
    serving.wait_for("is up to date");
    assert_eq!(serving.interrupt().0, Some(0));
    assert!(environment.everything("../tmp").is_empty());
}

#[test]
fn for_programs_it_is_a_line_for_each_thing_that_happens() {
    let run = TestEnvironment::new().run(&["demo", "--output", "json"]);
    let lines = run.stdout.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let events: Vec<_> = lines.map(|line| [line["event"].clone(), line["status"].clone()]).collect();
    assert_json_snapshot!(events.last(), @r#"
    [
      "answered",
      401
    ]
    "#);
    assert_eq!(events.iter().filter(|event| event[0] == "proposed").count(), 6);
}
