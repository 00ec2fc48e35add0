//! What must not come in, and what must not come out.

use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use tag2pr::endpoint::Answer;
use tag2pr::keys::Key;
use tag2pr::testing::memory::Fault;

use super::stories::{FRONTEND, PROPOSAL, home_lab};
use super::world::{Fixture, SECRETS, World};

fn told(answer: &Answer) -> (u16, Value) {
    (answer.response.status().as_u16(), serde_json::from_str(answer.response.body()).unwrap())
}

/// What the log says of a delivery that is not believed. It must leave nothing behind but a number, and its sender learn
/// nothing.
fn refused(delivery: &Fixture) -> String {
    let mut world = home_lab();
    let before = world.store.contents();
    let answer = world.post(delivery);
    let mut after = world.store.contents();
    let counted = after.remove(Key::refusals().as_str()).expect("it is counted");
    assert!(!counted.contains("guess") && counted.len() < 600, "{counted}");
    assert_eq!(after, before);
    assert_eq!(world.outbox.take(), []);
    let id = answer.refused.clone().unwrap();
    assert_eq!(
        told(&answer),
        (401, json!({ "error": "this is not believed; the log of tag2pr says why, under this id", "delivery": id }))
    );
    answer.to_string().replace(&id, "ID")
}

#[test]
fn what_is_not_signed_is_refused_and_not_stored() {
    let mut unsigned = Fixture::read("stories/2-frontend");
    unsigned.headers.remove("Authorization");
    insta::assert_snapshot!(refused(&unsigned), @"401 harbor: the request has no `Authorization` header; enter the secret as Auth Header of the webhook in Harbor (ID)");
    let mut wrong = Fixture::read("stories/2-frontend");
    wrong.headers.insert("Authorization", HeaderValue::from_static("guess"));
    insta::assert_snapshot!(refused(&wrong), @"401 harbor: the `Authorization` header is not the secret of this source; make them the same on both sides (ID)");
    let mut no_path_secret = Fixture::read("stories/5-redis");
    no_path_secret.path = "/hooks/docker-hub".to_owned();
    insta::assert_snapshot!(refused(&no_path_secret), @"401 docker-hub: the path has no secret; this sender signs nothing, so give it the address /hooks/<source>/<secret> (ID)");
    let mut wrong_path_secret = Fixture::read("stories/5-redis");
    wrong_path_secret.path = "/hooks/docker-hub/guess".to_owned();
    insta::assert_snapshot!(refused(&wrong_path_secret), @"401 docker-hub: the path does not end in the secret of this source; make them the same on both sides (ID)");
}

#[test]
fn what_was_tampered_with_is_refused_and_not_stored() {
    let mut tampered = Fixture::read("stories/1-field-theories");
    let text = String::from_utf8(tampered.body).unwrap();
    tampered.body = text.replace("1972e38", "0000000").into_bytes();
    insta::assert_snapshot!(refused(&tampered), @"401 ghcr: the signature in `X-Hub-Signature-256` does not fit; either the secrets on both sides differ, or something on the way changed the body (ID)");
    let mut old_signature_only = Fixture::read("stories/1-field-theories");
    old_signature_only.headers.remove("X-Hub-Signature-256");
    insta::assert_snapshot!(refused(&old_signature_only), @"401 ghcr: the request has no `X-Hub-Signature-256` header; enter a secret for the webhook on GitHub (ID)");
}

#[test]
fn a_source_without_a_secret_believes_nobody() {
    let mut world = home_lab();
    world.secrets.clear();
    let answer = world.post(&Fixture::read("stories/2-frontend")).to_string();
    let (said, _) = answer.split_once(" (").unwrap();
    insta::assert_snapshot!(said, @"401 harbor: this source has no secret, so nothing it is sent can be believed; set `secret` for it in tag2pr.yaml");
}

#[test]
fn authentic_garbage_is_refused_and_kept() {
    let mut world = home_lab();
    for body in [&b""[..], b"{", b"[]", b"\xff\xfe", br#"{"type": 7}"#] {
        world.wait(1);
        let mut garbage = Fixture::read("stories/2-frontend");
        garbage.body = body.to_vec();
        let answer = world.post(&garbage);
        assert_eq!(told(&answer).0, 400, "{answer}");
    }
    let kept = world.store.contents().into_iter().filter(|(key, _)| key.starts_with("deliveries/"));
    let kept: Vec<Value> = kept.map(|(_, text)| serde_json::from_str(&text).unwrap()).collect();
    assert_eq!(kept.len(), 5);
    assert!(kept.iter().all(|kept| kept["value"]["reading"]["malformed"].is_string()), "{kept:#?}");
    assert_eq!(world.outbox.take(), []);
}

#[test]
fn what_distribution_sends_and_nobody_can_read_does_not_hold_up_the_rest() {
    let mut world = home_lab();
    let mut garbage = world.delivery("192.168.0.40:5000/frontend:1.0", world.now);
    garbage.body = b"{".to_vec();
    let answer = world.post(&garbage);
    assert_eq!(told(&answer).0, 202, "{answer}");
    assert!(told(&answer).1["error"].is_string(), "{answer}");
}

#[test]
fn an_image_that_no_policy_names_is_recorded_and_of_no_interest() {
    let mut world = home_lab();
    let answer = world.post(&world.delivery("192.168.0.40:5000/stranger:1.0", world.now));
    insta::assert_snapshot!(answer, @"200 distribution: recorded push of 192.168.0.40:5000/stranger:1.0 (of no interest: no repository is known to follow it)");
    assert_eq!((told(&answer).0, told(&answer).1["poked"].as_u64()), (200, Some(0)));
    assert_eq!(world.outbox.take(), []);
    assert_eq!(world.tags("192.168.0.40:5000/stranger"), ["1.0"], "should a policy name it one day");
}

#[test]
fn what_is_no_delivery_is_told_so() {
    let mut world = home_lab();
    let before = world.store.contents();
    let delivery = Fixture::read("stories/2-frontend");
    let mut ask = |method: &str, path: &str, body: &[u8]| {
        let answer = world.request(method, path, delivery.headers.clone(), body.to_vec());
        format!("{method} {path}: {} {}", answer.response.status().as_u16(), answer.response.body().trim())
    };
    let answers = [
        ask("POST", "/hooks/quay", &delivery.body),
        ask("POST", "/hooks", &delivery.body),
        ask("POST", "/", &delivery.body),
        ask("GET", "/hooks/harbor", &delivery.body),
        ask("PUT", "/hooks/harbor", &delivery.body),
        ask("POST", "/hooks/harbor", &vec![b' '; 16 * 1024 + 1]),
        ask("GET", "/healthz", b""),
    ];
    insta::assert_snapshot!(answers.join("\n"), @r#"
    POST /hooks/quay: 404 {"error":"there is nothing here: deliveries go to /hooks/<source>"}
    POST /hooks: 404 {"error":"there is nothing here: deliveries go to /hooks/<source>"}
    POST /: 404 {"error":"there is nothing here: deliveries go to /hooks/<source>"}
    GET /hooks/harbor: 405 {"error":"deliveries are sent with POST"}
    PUT /hooks/harbor: 405 {"error":"deliveries are sent with POST"}
    POST /hooks/harbor: 413 {"error":"the body is longer than 16384 bytes"}
    GET /healthz: 200 {"status":"ok"}
    "#);
    assert_eq!(world.store.contents(), before);
}

#[test]
fn while_the_store_is_down_the_sender_is_asked_to_come_again() {
    let mut world = home_lab();
    // As often as a write is tried.
    for _ in 0..12 {
        world.store.fail_next(Fault::Unavailable);
    }
    let answer = world.post(&Fixture::read("stories/2-frontend"));
    insta::assert_snapshot!(answer, @"503 harbor: the store is not available: 503 Slow Down");
    world.deliver("stories/2-frontend");
    world.serve();
    assert_eq!(world.open().title, "Update frontend to main-abc1234-1707300000");
}

#[test]
fn what_outsiders_write_stays_text() {
    let mut world = home_lab();
    let reference = format!("{FRONTEND}:main-abc1234-1707300000");
    let mut delivery = world.delivery(&reference, world.now);
    let text = String::from_utf8(delivery.body).unwrap();
    let actor = r#"mallory` @alice closes #1 | <img src=x> [x](javascript:y)\n\n# Approved"#;
    delivery.body = text.replace(r#""name":"ci""#, &format!(r#""name":"{actor}""#)).into_bytes();
    world.post(&delivery);
    world.serve();
    let body = world.open().body;
    let row = body.lines().nth(2).unwrap();
    insta::assert_snapshot!(row, @r#"| `192.168.0.40:5000/frontend` | `main-f9e1f0b-1707200000` | `main-abc1234-1707300000` | 2026-03-01 12:01 UTC by ``mallory` @alice closes #1 \| <img src=x> [x](javascript:y)\n\n# Approved`` | `sha256:2f709ffe1663` |"#);
    assert!(!body.contains("\n# Approved"), "{body}");
    assert!(!world.head(PROPOSAL).message.contains("mallory"), "who pushed does not get into the commit");
}

#[test]
fn secrets_come_out_nowhere() {
    let mut world = World::of("5-devices");
    world.build("redis:7.4-alpine");
    world.propose();
    world.build("redis:7.5-alpine");
    world.deliver("stories/5-redis");
    world.serve();
    everything_but_secrets(&world);

    let mut world = home_lab();
    world.deliver("stories/2-frontend");
    world.push("192.168.0.40:5000/backend:main-0000001-1707400000");
    world.serve();
    for (name, secret) in SECRETS {
        // Almost right, sent to the wrong place, and garbage from somebody who knows the secret.
        let mut headers = HeaderMap::new();
        headers.insert("Authorization", format!("Bearer {secret}").parse().unwrap());
        headers.insert("X-Hub-Signature-256", format!("sha256={secret}").parse().unwrap());
        let path = format!("/hooks/{name}/{}", secret.replace(' ', "%20"));
        world.request("POST", &path, headers.clone(), b"{".to_vec());
        world.request("POST", &format!("{path}x"), HeaderMap::new(), b"{}".to_vec());
        world.request("GET", &path, headers, Vec::new());
    }
    let mut ghcr = Fixture::read("stories/1-field-theories");
    ghcr.body.push(b' ');
    world.post(&ghcr);
    everything_but_secrets(&world);
}

fn everything_but_secrets(world: &World) {
    let objects = world.store.contents().into_iter().map(|(key, text)| format!("{key}\n{text}"));
    let pulls = world.forge.pulls().into_iter().map(|pull| format!("{pull:?}"));
    let branches = world.git.branches();
    let commits = branches.iter().flat_map(|branch| world.git.log(branch)).map(|commit| commit.message);
    let files = branches.iter().flat_map(|branch| world.git.files(branch));
    let files = files.map(|(path, bytes)| format!("{path}\n{}", String::from_utf8_lossy(&bytes)));
    let everything: Vec<String> =
        objects.chain(pulls).chain(commits).chain(files).chain(world.log.iter().cloned()).collect();
    assert!(everything.len() > 10 && world.forge.pulls().len() == 1);
    for (_, secret) in SECRETS {
        for form in [secret.to_owned(), secret.replace(' ', "%20")] {
            let found = everything.iter().find(|text| text.contains(&form));
            assert!(found.is_none(), "`{form}` stands in {found:?}");
        }
    }
}
