use insta::{assert_json_snapshot, assert_snapshot};
use serde_json::{Value, json};

use crate::environment::{HOME_LAB, home_lab, project};
use crate::serving::Serving;

fn delivery(name: &str) -> String {
    project("events").join(format!("{name}.json")).display().to_string()
}

#[test]
fn a_dry_run_shows_the_pull_request_and_changes_nothing_at_all() {
    let (environment, _) = home_lab();
    environment.run(&["replay", &delivery("stories/2-frontend-before"), &delivery("stories/2-backend-before")]);
    // So much news that a reader who may write would fold it into the ledger.
    let mut serving = Serving::start(&environment, &["serve"]);
    serving.wait_for("up to date");
    std::fs::rename(environment.path("fleet.git"), environment.path("away.git")).unwrap();
    let resources: Vec<Value> = (0..40)
        .map(
            |n| json!({ "tag": format!("other-{n}"), "resource_url": format!("192.168.0.40:5000/frontend:other-{n}") }),
        )
        .collect();
    let body = json!({
        "type": "PUSH_ARTIFACT",
        "occur_at": 1_707_290_000,
        "operator": "ci",
        "event_data": { "resources": resources, "repository": { "name": "frontend", "repo_full_name": "frontend" } },
    });
    let secret = ("Authorization", "harbor-example-secret");
    assert_eq!(serving.post("/hooks/harbor", &[secret], body.to_string().as_bytes()).0, 200);
    serving.wait_for("tried again");
    serving.kill();
    std::fs::rename(environment.path("away.git"), environment.path("fleet.git")).unwrap();
    let before = (environment.everything("state"), environment.everything("fleet.git"));
    let run = environment.run(&["replay", "--dry-run", &delivery("stories/2-frontend")]);
    assert_snapshot!(run);
    assert!((environment.everything("state"), environment.everything("fleet.git")) == before);
}

#[test]
fn a_dry_run_for_programs_has_the_proposal_whole() {
    let (environment, _) = home_lab();
    environment.run(&["replay", &delivery("stories/2-backend-before")]);
    let run = environment.run(&["replay", "--dry-run", "--output", "json", &delivery("stories/2-frontend")]);
    assert_eq!(run.status, Some(0), "{run}");
    let repositories = &run.json()["repositories"];
    assert_json_snapshot!(repositories[0]["proposals"][0]["changes"]);
    assert_eq!(repositories[0]["proposals"][0]["title"], "Update frontend to main-abc1234-1707300000");
}

#[test]
fn a_file_goes_the_whole_way_and_again_by_its_stored_id() {
    let (environment, fleet) = home_lab();
    let run = environment.run(&["replay", &delivery("stories/2-frontend")]);
    assert_snapshot!(run);
    assert_eq!(environment.pull_requests("state").len(), 1);
    let branch = fleet.head("tag2pr/flux-system.flux-system");
    assert!(branch.is_some());
    assert!(environment.everything("state/inbox").is_empty(), "no poke is left behind");

    let deliveries = environment.everything("state/deliveries");
    let path = deliveries.keys().next().unwrap();
    let id = path.rsplit('/').next().unwrap().trim_end_matches(".json");
    let again = environment.run(&["replay", id]);
    assert_snapshot!(again);
    assert_eq!(environment.everything("state/deliveries").len(), 1);
    assert_eq!(fleet.head("tag2pr/flux-system.flux-system"), branch);
    assert_eq!(environment.run(&["replay", id, "--dry-run"]).status, Some(0));
}

#[test]
fn for_programs_the_deliveries_and_the_repositories() {
    let (environment, _) = home_lab();
    let run = environment.run(&["replay", "--output", "json", &delivery("stories/2-frontend")]);
    assert_json_snapshot!(run.json());
}

#[test]
fn what_cannot_be_replayed_says_why() {
    let (environment, _) = home_lab();
    environment.write("garbage.json", "<html>");
    let mut runs = vec![
        environment.run(&["replay", "0123"]),
        environment.run(&["replay", "garbage.json"]),
        environment.run(&["replay", "garbage.json", "--source", "harbour"]),
        environment.run(&["replay", "garbage.json", "--source", "harbor"]),
        environment.run(&["replay", &delivery("docker-hub/push")]),
    ];
    let two = HOME_LAB
        .replace("repositories:", "limits: {}\nrepositories:")
        .replace("registries:", "  other: { type: harbor, secret: file:harbor-secret }\nregistries:");
    environment.write("tag2pr.yaml", two);
    runs.push(environment.run(&["replay", &delivery("harbor/push")]));
    assert!(runs.iter().all(|run| run.status == Some(1) && run.stdout.is_empty()));
    let said: Vec<String> = runs.into_iter().map(|run| run.stderr).collect();
    let project = project("").display().to_string();
    assert_snapshot!(said.concat().replace(&project, "$PROJECT/"));
}

#[test]
fn stored_deliveries_are_found_by_their_time_and_image_and_judged_by_another_policy() {
    let (environment, _) = home_lab();
    for name in ["2-frontend-before", "2-backend-before", "2-frontend", "2-backend"] {
        environment.run(&["replay", &delivery(&format!("stories/{name}"))]);
    }
    let stored = environment.everything("state/deliveries").len();
    let policy = "apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImagePolicy\nmetadata: { name: frontend, namespace: lab }\n\
                  spec:\n  imageRepositoryRef: { name: frontend }\n  policy: { alphabetical: { order: asc } }\n";
    environment.write("policy.yaml", policy);
    let image = "192.168.0.40:5000/frontend";
    let hindsight = ["replay", "--since", "2024-01-01", "--image", image, "--policy", "policy.yaml"];
    let run = environment.run(&hindsight);
    let days = regex::Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ").unwrap();
    assert_snapshot!(days.replace_all(&run.to_string(), "TIME"));
    let json = environment.run(&[&hindsight[..], &["--output", "json"]].concat()).json();
    assert_eq!(json["policies"][0]["events"], 5, "four pushes in the one, one in the other");
    assert_eq!(environment.everything("state/deliveries").len(), stored, "nothing is written");

    let again = environment.run(&["replay", "--image", image, "--output", "json"]).json();
    assert_eq!(again["deliveries"].as_array().unwrap().len(), 2);
    let none = environment.run(&["replay", "--since", "2999-01-01T00:00:00Z", "--output", "json"]).json();
    assert_eq!(none["deliveries"], json!([]));
    let wrong = environment.run(&["replay", "--since", "yesterday"]);
    assert_eq!(wrong.status, Some(2));
    assert!(wrong.stderr.contains("`yesterday` is no time: write `2026-02-01`"), "{wrong}");
}
