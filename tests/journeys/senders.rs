//! What each sender is answered, from the request to the store.

use http::HeaderMap;
use serde_json::{Value, json};
use tag2pr::config::Config;
use tag2pr::delivery::{Sender, read_headers};
use tag2pr::endpoint::Answer;
use tag2pr::secret::Secret;
use tag2pr::testing::memory::Fault;

use super::world::{Fixture, World};

const SOURCES: &str = "
store: ./state
sources:
  acr: { type: acr, secret: env:ACR }
  auto: { type: auto, secret: env:AUTO }
  distribution: { type: distribution, secret: env:DISTRIBUTION }
  docker-hub: { type: docker-hub, secret: env:HUB }
  ecr: { type: ecr, secret: env:ECR }
  gar:
    type: gar
    oidc:
      issuer: https://accounts.google.com
      audience: https://tag2pr.example.com/hooks/gar
      email: push@acme.iam.gserviceaccount.com
  generic: { type: generic, secret: env:GENERIC, registry: registry.lan }
  actions:
    type: generic
    oidc: { issuer: 'https://token.actions.githubusercontent.com', audience: tag2pr, claims: { repository: acme/web } }
  ghcr: { type: ghcr, secret: env:GHCR }
  harbor: { type: harbor, secret: env:HARBOR }
  aliyun-acr: { type: aliyun-acr, secret: env:OTHERS }
  cdevents: { type: cdevents, secret: env:OTHERS }
  forgejo: { type: forgejo, secret: env:OTHERS }
  gitea: { type: gitea, secret: env:OTHERS }
  gitlab: { type: gitlab, secret: env:OTHERS }
  jfrog: { type: jfrog, secret: env:OTHERS }
  jfrog-token: { type: jfrog-token, secret: env:OTHERS }
  msr: { type: msr, secret: env:OTHERS }
  nexus: { type: nexus, secret: env:OTHERS }
  quay: { type: quay, secret: env:OTHERS }
  zot: { type: zot, secret: env:OTHERS }
limits: { body: 64KiB }
";

const SECRETS: [(&str, &str); 8] = [
    ("acr", "acr-example-secret"),
    ("auto", "harbor-example-secret"),
    ("distribution", "distribution-example-secret"),
    ("docker-hub", "hub-example-path-secret"),
    ("ecr", "ecr-example-key"),
    ("generic", "generic example secret"),
    ("ghcr", "ghcr example secret"),
    ("harbor", "harbor-example-secret"),
];

const GOOGLE: &str = "https://www.googleapis.com/oauth2/v3/certs";
const GITHUB: &str = "https://token.actions.githubusercontent.com/.well-known/jwks";

/// A world with a source of each type, at the time that the recorded tokens are valid.
fn world() -> World {
    let mut world = World::of("2-home-lab");
    world.config = Config::parse("tag2pr.yaml", SOURCES).unwrap();
    world.secrets = SECRETS.into_iter().map(|(name, secret)| (name.to_owned(), vec![Secret::new(secret)])).collect();
    world.now = "2026-02-06T16:42:03Z".parse().unwrap();
    for address in [GOOGLE, GITHUB] {
        world.published.publish(address, include_str!("../../events/identity-keys.json"));
    }
    world
}

fn told(answer: &Answer) -> (u16, Value) {
    (answer.response.status().as_u16(), serde_json::from_str(answer.response.body()).unwrap())
}

fn pushes(world: &World) -> usize {
    world.store.contents().keys().filter(|key| key.contains("/pushes/")).count()
}

#[test]
fn every_senders_push_is_recorded_once_however_often_it_comes() {
    for name in [
        "acr/push",
        "acr/event-grid-push",
        "acr/cloud-event-push",
        "distribution/push",
        "docker-hub/push",
        "ecr/push",
        "ecr/sns",
        "gar/push",
        "gar/unwrapped",
        "generic/push",
        "ghcr/push",
        "harbor/push",
    ] {
        let mut world = world();
        let delivery = Fixture::read(name);
        let first = told(&world.post(&delivery));
        assert_eq!((first.0, &first.1["recorded"][0]["repeated"]), (200, &json!(false)), "{name}: {}", first.1);
        let before = pushes(&world);
        for wait in [0, 5, 600] {
            world.wait(wait);
            let again = told(&world.post(&delivery));
            assert_eq!((again.0, &again.1["recorded"][0]["repeated"]), (200, &json!(true)), "{name}: {}", again.1);
        }
        assert_eq!((before, pushes(&world)), (1, 1), "{name}");
    }
}

#[test]
fn what_is_authentic_and_of_no_interest_is_welcome() {
    for name in [
        "acr/ping",
        "acr/chart",
        "acr/quarantine",
        "acr/push-digest-only",
        "acr/event-grid-empty",
        "ecr/scan",
        "ecr/untagged",
        "ecr/storage-class",
        "ecr/inspector",
        "ecr/sns-confirmation",
        "gar/digest-only",
        "gar/other-action",
        "generic/nothing",
        "ghcr/ping",
        "harbor/hostile",
        "acr/hostile",
        "ecr/hostile",
        "gar/hostile",
        "generic/hostile",
        "acr/long-names",
        "ecr/long-names",
        "gar/long-names",
        "generic/long-names",
    ] {
        let mut world = world();
        let (status, body) = told(&world.post(&Fixture::read(name)));
        assert_eq!((status, &body["recorded"]), (200, &json!([])), "{name}: {body}");
        assert!(!body["ignored"][0].as_str().unwrap().is_empty(), "{name} says why");
        assert_eq!(pushes(&world), 0);
    }
}

#[test]
fn what_is_authentic_and_cannot_be_read_is_kept_and_answered_as_its_sender_bears_it() {
    for (name, status) in [
        ("acr/truncated", 400),
        ("acr/twice", 400),
        ("ecr/latin-1", 400),
        ("ecr/wrong-type", 400),
        ("generic/deep", 400),
        ("generic/twice-deep", 400),
        ("distribution/truncated", 202),
        ("gar/bad-base64", 202),
        ("gar/bad-json", 202),
        ("gar/truncated", 202),
    ] {
        let mut world = world();
        let answer = told(&world.post(&Fixture::read(name)));
        assert_eq!(answer.0, status, "{name}: {}", answer.1);
        let kept = world.store.contents().keys().filter(|key| key.starts_with("deliveries/")).count();
        assert_eq!((kept, pushes(&world)), (1, 0), "{name}");
    }
}

#[test]
fn who_is_not_believed_leaves_nothing_behind() {
    for name in [
        "acr/no-secret",
        "acr/wrong-secret",
        "acr/event-grid-validation-unsigned",
        "ecr/no-secret",
        "ecr/wrong-secret",
        "gar/alg-hs256",
        "gar/alg-none",
        "gar/expired",
        "gar/no-expiry",
        "gar/no-token",
        "gar/unknown-key",
        "gar/unverified",
        "gar/wrong-account",
        "gar/wrong-audience",
        "gar/wrong-issuer",
        "generic/unsigned",
        "generic/wrong-secret",
        "generic/wrong-signature",
    ] {
        let mut world = world();
        let (status, body) = told(&world.post(&Fixture::read(name)));
        assert_eq!(status, 401, "{name}: {body}");
        assert_eq!(world.evidence(), 0, "{name}");
        let message = body["error"].as_str().unwrap();
        assert_eq!(message, "this is not believed; the log of tag2pr says why, under this id", "{name}");
        assert!(world.log.last().unwrap().contains(body["delivery"].as_str().unwrap()), "{name}");
    }
}

#[test]
fn event_grid_hears_what_it_asks_for() {
    let mut world = world();
    let answer = world.post(&Fixture::read("acr/event-grid-validation"));
    assert_eq!(told(&answer), (200, json!({ "validationResponse": "512d38b6-c7b8-40c8-89fe-f46f9e9622b6" })));

    let asking = read_headers("WebHook-Request-Origin: eventgrid.azure.net\nWebHook-Request-Rate: 120\n").unwrap();
    let answer = world.request("OPTIONS", "/hooks/acr/acr-example-secret", asking.clone(), Vec::new());
    assert_eq!(answer.response.status(), 200);
    assert_eq!(answer.response.headers()["webhook-allowed-origin"], "eventgrid.azure.net");
    assert_eq!(answer.response.headers()["webhook-allowed-rate"], "120");

    // Nobody is subscribed by a stranger, and nobody else is asked that way.
    assert_eq!(told(&world.request("OPTIONS", "/hooks/acr", asking.clone(), Vec::new())).0, 401);
    assert_eq!(told(&world.request("OPTIONS", "/hooks/acr/guess", asking.clone(), Vec::new())).0, 401);
    assert_eq!(told(&world.request("OPTIONS", "/hooks/docker-hub/hub-example-path-secret", asking, Vec::new())).0, 405);
    let strange = read_headers("WebHook-Request-Origin: evil.example, x\n").unwrap();
    assert_eq!(told(&world.request("OPTIONS", "/hooks/acr/acr-example-secret", strange, Vec::new())).0, 405);
    assert_eq!(world.evidence(), 0, "a question is no delivery");
}

#[test]
fn a_body_that_is_too_long_or_packed_is_not_even_looked_at() {
    let mut world = world();
    for sender in Sender::ALL {
        let long = world.request("POST", &format!("/hooks/{sender}"), HeaderMap::new(), vec![b' '; 64 * 1024 + 1]);
        assert_eq!(told(&long).0, 413, "{sender}");
        let packed = read_headers("Content-Encoding: gzip\n").unwrap();
        let packed = world.request("POST", &format!("/hooks/{sender}"), packed, b"\x1f\x8b\x08".to_vec());
        assert_eq!(told(&packed).0, 415, "{sender}");
    }
    assert_eq!(world.store.contents().len(), 0);
}

#[test]
fn what_could_not_be_kept_is_asked_for_again() {
    for name in ["acr/push", "acr/event-grid-several", "ecr/push", "gar/push", "generic/push", "generic/several-tags"] {
        let mut world = world();
        // As often as a write is tried.
        for _ in 0..12 {
            world.store.fail_next(Fault::Unavailable);
        }
        assert_eq!(told(&world.post(&Fixture::read(name))).0, 503, "{name}");
        let (status, body) = told(&world.post(&Fixture::read(name)));
        assert_eq!(status, 200, "{name}: {body}");
        assert!(pushes(&world) > 0, "{name}");
    }
}

#[test]
fn while_the_issuer_is_away_the_sender_is_asked_to_come_again() {
    let mut world = world();
    world.published.publish(GOOGLE, "we are sorry");
    let (status, body) = told(&world.post(&Fixture::read("gar/push")));
    assert_eq!((status, &body["error"]), (503, &json!("this cannot be checked at the moment: send it again")));
    assert_eq!(world.store.contents().len(), 0);
    // What is no token of the right kind asks no issuer at all.
    let before = world.published.asked();
    for name in ["gar/alg-none", "gar/alg-hs256", "gar/no-token"] {
        assert_eq!(told(&world.post(&Fixture::read(name))).0, 401, "{name}");
    }
    assert_eq!(world.published.asked(), before);
    world.published.publish(GOOGLE, include_str!("../../events/identity-keys.json"));
    assert_eq!(told(&world.post(&Fixture::read("gar/push"))).0, 200);
}

#[test]
fn a_workflow_is_believed_for_its_own_repository_alone() {
    let mut world = world();
    for (name, status) in [("github-actions", 200), ("github-actions-fork", 401), ("github-actions-expired", 401)] {
        let mut delivery = Fixture::read(&format!("generic/{name}"));
        delivery.path = "/hooks/actions".to_owned();
        assert_eq!(told(&world.post(&delivery)).0, status, "{name}");
    }
    // A secret opens nothing where a token is expected.
    let mut with_secret = Fixture::read("generic/push");
    with_secret.path = "/hooks/actions".to_owned();
    assert_eq!(told(&world.post(&with_secret)).0, 401);
}

#[test]
fn auto_believes_whoever_knows_the_secret_in_the_way_they_have() {
    let mut world = world();
    let mut send = |name: &str, path: &str| {
        let mut delivery = Fixture::read(name);
        delivery.path = path.to_owned();
        let (status, body) = told(&world.post(&delivery));
        (status, body["recorded"][0]["image"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(send("harbor/push", "/hooks/auto").0, 200, "by the header that Harbor sends");
    for name in ["acr/push-path", "docker-hub/push", "ecr/push-path", "harbor/push", "distribution/push", "ghcr/push"] {
        assert_eq!(send(name, "/hooks/auto/harbor-example-secret").0, 200, "{name} by the path");
        assert_eq!(send(name, "/hooks/auto/guess").0, 401, "{name}");
    }
    assert_eq!(send("docker-hub/push", "/hooks/auto").0, 401, "a trusted network is no secret");
    assert_eq!(send("ghcr/push", "/hooks/auto").0, 401, "signed with another secret");
    assert_eq!(send("generic/push", "/hooks/auto").0, 401, "nobody knows who this is");
    assert_eq!(send("gar/push", "/hooks/auto").0, 401, "a token is for a source that says whose");
}

#[test]
fn a_source_without_a_registry_in_its_bodies_has_one_in_the_configuration() {
    let mut world = world();
    let answer = world.post(&Fixture::read("generic/no-registry"));
    insta::assert_snapshot!(answer, @"200 generic: recorded push of registry.lan/web:1.4.0 (of no interest: no repository is known to follow it)");
}
