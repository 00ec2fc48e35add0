//! `propose` and `sweep`: one pass, for a CI job or cron.

use insta::{assert_json_snapshot, assert_snapshot};
use tag2pr_standins::registry::{Access, Listing, Registry};

use crate::environment::{HOME_LAB, TestEnvironment, home_lab, manifests_with};

#[test]
fn without_a_configuration_they_say_where_it_is_looked_for() {
    let environment = TestEnvironment::new();
    assert_snapshot!(environment.run(&["propose"]), @"
    ----- stderr
    error: reading the configuration: there is no configuration: give --config, set TAG2PR_CONFIG or TAG2PR_STORE, or write ./tag2pr.yaml
    ----- exit 1
    ");
    assert_eq!(environment.run(&["sweep"]).status, Some(1));
}

/// The home lab with a registry that is there and knows newer tags, although no delivery ever came.
pub fn with_registry() -> (TestEnvironment, Registry) {
    let (environment, fleet) = home_lab();
    let registry = Registry::start(Listing::AllAtOnceUnsorted, Access::Open);
    let host = registry.address().to_string();
    fleet.push("main", &manifests_with("192.168.0.40:5000", &host), "The registry that is there");
    let digest = |c: &str| format!("sha256:{}", c.repeat(64));
    registry.push("frontend", "main-f9e1f0b-1707200000", &digest("a"));
    registry.push("frontend", "main-abc1234-1707300000", &digest("b"));
    registry.push("backend", "main-c40ddee-1707210000", &digest("c"));
    let config = HOME_LAB.replace("192.168.0.40:5000", &host).replace("    confirm: false\n", "");
    environment.write("tag2pr.yaml", config);
    (environment, registry)
}

#[test]
fn one_pass_proposes_what_the_registry_has() {
    let (environment, _registry) = with_registry();
    let dry = environment.run(&["propose", "--dry-run"]);
    assert!(dry.stdout.contains("Update frontend to main-abc1234-1707300000"), "{dry}");
    assert!(!environment.path("state/images").exists(), "a dry run writes nothing");

    assert_snapshot!(environment.run(&["propose"]));
    assert_eq!(environment.pull_requests("state").len(), 1);
    assert_json_snapshot!(environment.run(&["propose", "--output", "json"]).json());
    assert_eq!(environment.pull_requests("state").len(), 1);
}

#[test]
fn a_sweep_finds_what_deliveries_missed() {
    let (environment, registry) = with_registry();
    environment.run(&["propose"]);
    registry.push("backend", "main-0e4d5f6-1707303600", &format!("sha256:{}", "d".repeat(64)));
    assert_snapshot!(environment.run(&["sweep"]));
    assert_snapshot!(environment.run(&["propose"]));
    assert_json_snapshot!(environment.pull_requests("state")[0]["title"], @r#""Update backend and frontend""#);
    assert!(environment.everything("state/inbox").is_empty(), "cron does not fill the inbox");
    assert_json_snapshot!(environment.run(&["sweep", "--output", "json"]).json()["failed"], @"[]");
}

#[test]
fn a_registry_that_fails_is_reported() {
    let (environment, registry) = with_registry();
    environment.run(&["propose"]);
    drop(registry);
    let run = environment.run(&["sweep"]);
    assert_eq!(run.status, Some(1), "{run}");
    assert!(run.stdout.contains("not listed"), "{run}");
}

#[test]
fn one_repository_that_fails_stops_no_other() {
    let (environment, _) = home_lab();
    environment.fleet("second.git", "2-home-lab");
    let config = HOME_LAB.replace("./fleet.git", "./fleet.git\n    branch: nowhere");
    environment.write("tag2pr.yaml", format!("{config}  - url: ./second.git\n"));
    assert_snapshot!(environment.run(&["propose"]));
}

#[test]
fn a_tag_is_held_by_hand_and_released() {
    let (environment, _registry) = with_registry();
    let tag = "main-abc1234-1707300000";
    assert_snapshot!(environment.run(&["hold", "flux-system/frontend", tag, "--reason", "waits for the database"]));
    assert!(environment.run(&["hold", "flux-system/frontend", tag]).stdout.contains("held already"));
    let passed = environment.run(&["propose"]);
    assert!(passed.stdout.contains("waits for the database"), "{passed}");
    assert_eq!(environment.pull_requests("state").len(), 0);

    assert_snapshot!(environment.run(&["release", "flux-system/frontend", "main-0000000-1"]));
    assert_snapshot!(environment.run(&["release", "flux-system/frontend"]));
    environment.run(&["propose"]);
    assert_json_snapshot!(environment.pull_requests("state")[0]["title"], @r#""Update frontend to main-abc1234-1707300000""#);
    assert_json_snapshot!(environment.run(&["hold", "flux-system/frontend", tag, "--output", "json"]).json());
    let released = environment.run(&["release", "flux-system/frontend", tag, "--output", "json"]).json();
    assert_json_snapshot!(released["released"][0]["hold"]["reason"], @r#""held by hand""#);
    assert_snapshot!(environment.run(&["release", "flux-system/frontend", "--to", "main-f9e1f0b-1707200000"]));
}
