//! `status`, the page and the numbers: how things stand, seen from outside.

use insta::{assert_json_snapshot, assert_snapshot};
use serde_json::Value;

use crate::environment::{HOME_LAB, TestEnvironment, home_lab};
use crate::serving::Serving;

const HARBOR: (&str, &str) = ("Authorization", "harbor-example-secret");

/// A home lab that serves, and in which the frontend was pushed.
fn serving() -> (TestEnvironment, Serving) {
    let (mut environment, _) = home_lab();
    environment.variables.insert("STATUS_TOKEN", "hunter2-status".to_owned());
    environment.write("tag2pr.yaml", format!("{HOME_LAB}status: {{ token: env:STATUS_TOKEN }}\n"));
    let mut serving = Serving::start(&environment, &["serve"]);
    serving.wait_for("backend: nothing selected");
    assert_eq!(serving.deliver("/hooks/harbor", "stories/2-frontend").0, 200);
    serving.wait_for("opened");
    (environment, serving)
}

/// Without the times of day and what they are counted from.
fn timeless(text: &str) -> String {
    let text = regex::Regex::new(r"\b\d+ (s|min|h) ago").unwrap().replace_all(text, "N s ago").into_owned();
    let text = regex::Regex::new(r"→ \d+ s →").unwrap().replace_all(&text, "→ N s →").into_owned();
    let text = regex::Regex::new(r"\b\d\d:\d\d\b").unwrap().replace_all(&text, "HH:MM").into_owned();
    let text = regex::Regex::new(r"\b\d{4}-\d\d-\d\d\b").unwrap().replace_all(&text, "YYYY-MM-DD").into_owned();
    regex::Regex::new(r"\bat [0-9a-f]{7},").unwrap().replace_all(&text, "at COMMIT,").into_owned()
}

#[test]
fn before_anything_happened_it_says_what_to_do() {
    let (environment, _) = home_lab();
    let run = environment.run(&["status"]);
    assert_eq!(run.status, Some(1));
    assert_snapshot!(run);
    assert!(!environment.path("state").exists(), "looking leaves nothing behind");
}

#[test]
fn a_push_on_its_way_is_seen_from_every_side() {
    let (environment, mut serving) = serving();
    let (status, _) = serving.post("/hooks/harbor", &[("Authorization", "guessed")], b"{}");
    assert_eq!(status, 401);
    let run = environment.run(&["status"]);
    assert_eq!(run.status, Some(0), "{run}");
    assert_snapshot!(timeless(&run.to_string()));

    let json = environment.run(&["status", "--output", "json"]).json();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    assert_snapshot!(keys(&json), @"at deliveries holds journeys policies proposals repositories sources troubles waits");
    assert_snapshot!(keys(&json["policies"][0]), @"held image in_git last_push outcome policy proposal proposed reason repository selected tags why");
    assert_snapshot!(keys(&json["sources"][0]), @"deliveries last_delivery last_refusal missed partial refused source type");
    assert_snapshot!(keys(&json["journeys"][0]), @"ended image note proposed pushed tag");
    assert_json_snapshot!(json["sources"][0]["refused"], @"1");

    serving.deliver("/hooks/harbor", "stories/2-backend");
    serving.wait_for("updated");
    let json = environment.run(&["status", "--output", "json"]).json();
    assert_eq!(json["journeys"].as_array().unwrap().len(), 2);
    assert_eq!(serving.terminate().0, Some(0));
}

#[test]
fn the_page_and_the_numbers_are_for_those_who_have_the_token() {
    let (environment, serving) = serving();
    let token = [("Authorization", "Bearer hunter2-status")];
    for path in ["/", "/status", "/metrics"] {
        assert_eq!(serving.request("GET", path, &[], b"").0, 401, "{path}");
        assert_eq!(serving.request("GET", path, &[("Authorization", HARBOR.1)], b"").0, 401, "{path}");
        let (status, text) = serving.request("GET", path, &token, b"");
        assert_eq!(status, 200, "{path}: {text}");
    }
    let (_, page) = serving.request("GET", "/status/hunter2-status", &[], b"");
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("main-abc1234-1707300000"), "{page}");
    assert_eq!(serving.request("GET", "/healthz", &[], b"").0, 200);

    serving.post("/hooks/harbor", &[], b"{}");
    serving.post("/hooks/harbor", &[], b"{}");
    let (_, page) = serving.request("GET", "/status", &token, b"");
    assert!(page.contains("class=\"bad\"><div>2</div>"), "both are there at once: {page}");
    let (_, numbers) = serving.request("GET", "/metrics", &token, b"");
    for line in [
        "tag2pr_deliveries_total{source=\"harbor\",outcome=\"recorded\"} 1",
        "tag2pr_deliveries_total{source=\"harbor\",outcome=\"refused\"} 2",
        "tag2pr_pushes_total 1",
        "tag2pr_push_to_proposal_seconds_count 1",
        "tag2pr_registry_calls_total 0",
        "tag2pr_missed_total 0",
        "tag2pr_conflicts_total 0",
    ] {
        assert!(numbers.lines().any(|have| have == line), "{line} is not in:\n{numbers}");
    }
    let (_, seen) = serving.terminate();
    let told = "/status, with any user name and the value of env:STATUS_TOKEN as the password";
    assert!(seen.iter().any(|line| line.contains(told)), "{seen:#?}");
    let everything = seen.join("\n") + &page + &numbers;
    assert!(!everything.contains("hunter2"), "a token is shown");
    let stored = environment.everything("state");
    assert!(stored.values().all(|bytes| !String::from_utf8_lossy(bytes).contains("hunter2")));
    assert!(stored.contains_key("refusals.json"), "what was refused is written down at the end");
}

#[test]
fn without_a_token_nobody_sees_anything() {
    let (environment, _) = home_lab();
    let serving = Serving::start(&environment, &["serve"]);
    for path in ["/", "/status", "/metrics"] {
        let (status, text) = serving.request("GET", path, &[], b"");
        assert_eq!(status, 404, "{path}");
        assert!(text.contains("status: { token: env:NAME }"), "{text}");
    }
}

#[test]
fn one_pass_writes_the_page() {
    let (environment, _) = home_lab();
    environment.run(&["propose"]);
    assert!(environment.read("state/status.html").contains("flux-system/frontend"));
    let first = environment.everything("state");
    environment.run(&["propose"]);
    assert_eq!(environment.everything("state")["status.html"], first["status.html"], "nothing has changed");
}

#[test]
fn watching_says_it_again_when_it_has_changed() {
    let (environment, _) = home_lab();
    let mut serving = Serving::start(&environment, &["serve"]);
    serving.wait_for("backend: nothing selected");
    let mut watching = Serving::started(&environment, &["status", "--watch"]);
    watching.wait_for("flux-system/frontend");
    serving.deliver("/hooks/harbor", "stories/2-frontend");
    watching.wait_for("pushed by");
}

#[test]
fn one_line_of_the_log_leads_from_the_delivery_to_the_pull_request() {
    let (environment, _) = home_lab();
    let mut serving = Serving::start(&environment, &["serve", "--output", "json"]);
    serving.wait_for("\"event\":\"proposed\"");
    let (_, answer) = serving.deliver("/hooks/harbor", "stories/2-frontend");
    let id = serde_json::from_str::<Value>(&answer).unwrap()["delivery"].as_str().unwrap().to_owned();
    let line = |line: &str| serde_json::from_str::<Value>(line).unwrap();
    let answered = line(&serving.wait_for("\"event\":\"answered\""));
    assert_eq!(answered["delivery"], id.as_str());
    let proposed = line(&serving.wait_for("opened"));
    assert_eq!(proposed["causes"], serde_json::json!([id]));
    assert_eq!(proposed["deliveries"], serde_json::json!([id]));
    let body = &environment.pull_requests("state")[0]["body"];
    assert!(body.as_str().unwrap().contains(&id), "{body}");
}
