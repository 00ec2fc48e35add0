use insta::{assert_json_snapshot, assert_snapshot};

use crate::environment::{TestEnvironment, project};

fn decode(name: &str, more: &[&str]) -> crate::environment::Run {
    let body = project("events").join(format!("{name}.json")).display().to_string();
    let headers = project("events").join(format!("{name}.headers")).display().to_string();
    TestEnvironment::new().run(&[&["decode", &body, "--headers", &headers], more].concat())
}

#[test]
fn each_sender_for_people() {
    for sender in ["distribution", "docker-hub", "ghcr", "harbor"] {
        assert_snapshot!(format!("decode-{sender}"), decode(&format!("{sender}/push"), &[]));
    }
    assert_snapshot!("decode-several", decode("distribution/several", &[]));
}

#[test]
fn each_sender_for_programs() {
    for sender in ["distribution", "docker-hub", "ghcr", "harbor"] {
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
    The signature was not checked: `decode` takes no secret.
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
