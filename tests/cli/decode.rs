use insta::{assert_json_snapshot, assert_snapshot};
use serde_json::{Value, json};

use crate::environment::{TestEnvironment, project};

fn decode(name: &str, more: &[&str]) -> crate::environment::Run {
    let body = project("events").join(format!("{name}.json")).display().to_string();
    let headers = project("events").join(format!("{name}.headers")).display().to_string();
    TestEnvironment::new().run(&[&["decode", &body, "--headers", &headers], more].concat())
}

#[test]
fn each_sender_for_people() {
    for sender in ["acr", "distribution", "docker-hub", "ecr", "gar", "ghcr", "harbor"] {
        assert_snapshot!(format!("decode-{sender}"), decode(&format!("{sender}/push"), &[]));
    }
    assert_snapshot!("decode-several", decode("distribution/several", &[]));
}

#[test]
fn each_sender_for_programs() {
    for sender in ["acr", "distribution", "docker-hub", "ecr", "gar", "ghcr", "harbor"] {
        let decoded = decode(&format!("{sender}/push"), &["--output", "json"]).json();
        assert_eq!(decoded["sender"], sender);
        let event = decoded["events"][0].as_object().unwrap();
        for key in ["action", "registry", "repository", "tag", "digest", "media_type", "pushed_at", "actor"] {
            assert!(event.contains_key(key), "{sender} has no `{key}`");
        }
    }
    assert_json_snapshot!(decode("harbor/cosign", &["--output", "json"]).json()["ignored"]);
}

#[test]
fn a_body_from_standard_input_with_its_sender_named() {
    let body = std::fs::read(project("events/docker-hub/push.json")).unwrap();
    let run = TestEnvironment::new().run_with_input(&["decode", "-", "--source", "docker-hub"], &body);
    assert_snapshot!(run, @"
    docker-hub · 1 event, 0 ignored
      push    docker.io/example/web:1.4.0
              pushed at  2026-02-06T16:42:03Z
              by         examplebot
    ----- stderr
    The signature was not checked: give the secret with --secret-file.
    ----- exit 0
    ");
}

#[test]
fn an_unknown_sender_is_named_with_the_nearest_known_one() {
    assert_snapshot!(decode("harbor/push", &["--source", "habor"]), @"
    ----- stderr
    error: invalid value 'habor' for '--source <TYPE>': `habor` is no sender; did you mean `harbor`?

    For more information, try '--help'.
    ----- exit 2
    ");
}

#[test]
fn garbage_is_refused_in_words() {
    let environment = TestEnvironment::new();
    environment.write("garbage", "<html>no</html>");
    assert_snapshot!(environment.run(&["decode", "garbage"]), @"
    ----- stderr
    error: neither headers nor body tell who sent this: name the sender with --source
    ----- exit 1
    ");
    assert_snapshot!(environment.run(&["decode", "garbage", "--source", "harbor"]));
    assert_snapshot!(environment.run(&["decode", "not-there"]), @"
    ----- stderr
    error: reading not-there: No such file or directory (os error 2)
    ----- exit 1
    ");
    environment.write("garbage.headers", "X-Fine: 1\nno colon\n");
    assert_snapshot!(environment.run(&["decode", "garbage", "--headers", "garbage.headers"]));
}

#[test]
fn what_a_sender_writes_does_not_rule_the_terminal() {
    let run = decode("harbor/hostile-actor", &[]);
    assert!(!run.stdout.contains('\u{1b}'));
    assert_snapshot!(run);
}

#[test]
fn with_its_secret_it_says_whether_a_delivery_would_be_believed() {
    let environment = TestEnvironment::new();
    let ask = |name: &str, secret: &str, more: &[&str]| {
        environment.write("secret", secret);
        let file = |extension: &str| project("events").join(format!("{name}.{extension}")).display().to_string();
        let (body, headers) = (file("json"), file("headers"));
        let arguments = [&["decode", &body, "--headers", &headers, "--secret-file", "secret"], more].concat();
        environment.run(&arguments)
    };
    let said = |name: &str, secret: &str| {
        let run = ask(name, secret, &[]);
        format!("{name}: exit {} {}", run.status.unwrap(), run.stderr.trim())
    };
    let keys = std::fs::read_to_string(project("events/identity-keys.json")).unwrap();
    let answers = [
        said("ghcr/push", "ghcr example secret\n"),
        said("ghcr/push", "another"),
        said("ghcr/unsigned", "ghcr example secret"),
        said("docker-hub/push", "hub-example-path-secret"),
        said("docker-hub/no-path-secret", "hub-example-path-secret"),
        said("gar/push", &keys),
        said("gar/alg-hs256", &keys),
        said("gar/push", "a secret"),
        said("gar/push", ""),
    ];
    assert_snapshot!(answers.join("\n"));
    let signature = |secret: &str| ask("ghcr/push", secret, &["--output", "json"]).json()["signature"].clone();
    assert_eq!(signature("ghcr example secret")["state"], "holds");
    assert_eq!(signature("another")["state"], "refused");
}

#[test]
fn the_webhook_of_a_git_host_is_no_delivery_and_says_what_it_tells() {
    let environment = TestEnvironment::new();
    let fleet = json!({ "full_name": "acme/fleet" });
    let project = json!({ "path_with_namespace": "acme/platform/fleet" });
    let acme = json!({ "slug": "fleet", "project": { "key": "ACME" } });
    let lab = json!({ "name": "fleet", "project": { "name": "Home Lab" } });
    let note = json!({ "noteable_type": "MergeRequest" });
    let moved = json!({ "refUpdates": [{ "name": "refs/heads/main" }], "repository": lab });
    let told = [
        ("X-GitHub-Event: pull_request", json!({ "action": "closed", "number": 7, "repository": fleet })),
        (
            "X-Gitlab-Event: Note Hook",
            json!({ "object_attributes": note, "merge_request": { "iid": 7 }, "project": project }),
        ),
        ("X-Gitea-Event: push\nX-GitHub-Event: push", json!({ "ref": "refs/heads/main", "repository": fleet })),
        ("X-Event-Key: pullrequest:rejected", json!({ "pullrequest": { "id": 7 }, "repository": fleet })),
        ("X-Event-Key: pr:merged", json!({ "pullRequest": { "id": 7, "toRef": { "repository": acme } } })),
        ("# no header tells", json!({ "publisherId": "tfs", "eventType": "git.push", "resource": moved })),
    ];
    let decode = |(headers, body): &(&str, Value), more: &[&str]| {
        environment.write("headers", format!("{headers}\n"));
        let arguments = [&["decode", "-", "--headers", "headers"], more].concat();
        environment.run_with_input(&arguments, body.to_string().as_bytes())
    };
    assert_snapshot!(told.each_ref().map(|one| decode(one, &[]).to_string()).join("\n\n"));
    let json = told.each_ref().map(|one| decode(one, &["--output", "json"]).json());
    let senders = json.each_ref().map(|one| one["sender"].as_str().unwrap()).join(" ");
    assert_snapshot!(senders, @"github gitlab gitea bitbucket bitbucket-data-center azure-devops");
    assert_json_snapshot!(json[0], @r#"
    {
      "host": {
        "action": "closed",
        "event": "pull-request",
        "number": 7,
        "repository": "acme/fleet"
      },
      "proven": null,
      "sender": "github"
    }
    "#);

    // A host proves itself as its webhook says it does.
    environment.write("secret", "hook-of-the-lab");
    for (token, status) in [("hook-of-the-lab", 0), ("guessed", 1)] {
        let one = (&*format!("{}\nX-Gitlab-Token: {token}", told[1].0), told[1].1.clone());
        assert_eq!(decode(&one, &["--secret-file", "secret"]).status, Some(status), "{token}");
    }
    // Whoever says that it came from a registry is told that it did not.
    assert_snapshot!(decode(&told[0], &["--source", "ghcr"]), @"
    ghcr · 0 events, 1 ignored
      ignored GitHub's event `pull_request` says nothing of images; subscribe to `registry_package`
    ----- stderr
    The signature was not checked: give the secret with --secret-file.
    ----- exit 0
    ");
}
