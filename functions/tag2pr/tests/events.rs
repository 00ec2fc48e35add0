//! What every delivery under `events/` means, and what no delivery can do.

mod damaged;
mod deliveries;

use std::fmt::Write as _;
use std::sync::LazyLock;

use deliveries::Delivery;
use http::HeaderMap;
use proptest::prelude::*;
use tag2pr::delivery::{
    Decoded, Event, HEADERS_READ, Request, Sender, authenticate, decode, handshake, recognise, recognised_by, unchecked,
};
use tag2pr::jwt::Keys;
use tag2pr::secret::Secret;

fn delivery(name: &str) -> Delivery {
    let (folder, case) = name.split_once('/').unwrap();
    deliveries::read(folder, case)
}

fn decoded(name: &str) -> Decoded {
    let delivery = delivery(name);
    let trusted = delivery.authenticate().unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
    decode(&trusted).unwrap_or_else(|malformed| panic!("{name}: {malformed}"))
}

#[test]
fn every_sender_has_its_deliveries() {
    let all = deliveries::all();
    assert!(all.len() > 80, "the deliveries are not where they were");
    for sender in Sender::ALL {
        let own = all.iter().filter(|delivery| delivery.sender == sender).count();
        assert!(own > 1, "events/{sender} holds {own} deliveries");
    }
}

/// One line for each event and each thing ignored, for every delivery there is.
#[test]
fn every_delivery_means_what_it_meant_before() {
    let mut readings = String::new();
    for delivery in deliveries::all() {
        writeln!(readings, "{}", delivery.name).unwrap();
        match delivery.authenticate() {
            Err(refusal) => writeln!(readings, "    refused: {refusal}").unwrap(),
            Ok(trusted) if handshake(&delivery.method, &trusted).is_some() => {
                let wanted = handshake(&delivery.method, &trusted).unwrap();
                wanted.headers.iter().for_each(|header| writeln!(readings, "    hears {header:?}").unwrap());
                writeln!(readings, "    hears {}", wanted.body).unwrap();
            }
            Ok(trusted) => match decode(&trusted) {
                Err(malformed) => writeln!(readings, "    malformed: {malformed}").unwrap(),
                Ok(decoded) => {
                    decoded.events.iter().for_each(|event| writeln!(readings, "    {}", line(event)).unwrap());
                    decoded.ignored.iter().for_each(|it| writeln!(readings, "    ignored: {}", it.reason).unwrap());
                }
            },
        }
    }
    insta::assert_snapshot!("readings", readings);
}

fn line(event: &Event) -> String {
    let action = serde_json::to_value(event.action).unwrap();
    let registry = event.registry.as_deref().unwrap_or("(no host)");
    let mut line = format!("{} {registry}/{}", action.as_str().unwrap(), event.repository);
    event.tag.iter().for_each(|tag| write!(line, ":{tag}").unwrap());
    event.digest.iter().for_each(|digest| write!(line, " {}", digest.short()).unwrap());
    event.pushed_at.iter().for_each(|at| write!(line, " at {at}").unwrap());
    event.actor.iter().for_each(|actor| write!(line, " by {actor}").unwrap());
    event.media_type.iter().for_each(|media_type| write!(line, " ({media_type})").unwrap());
    event.id.iter().for_each(|id| write!(line, " id {id}").unwrap());
    line
}

#[test]
fn the_five_stories_are_pushes() {
    for (story, image, tag) in [
        ("1-field-theories", "ghcr.io/example/field-theories", "20251203-0536-sha-1972e38"),
        ("2-frontend", "192.168.0.40:5000/frontend", "main-abc1234-1707300000"),
        ("2-backend", "192.168.0.40:5000/backend", "main-0e4d5f6-1707303600"),
        ("3-staging", "ghcr.io/example/shop", "staging-v0.0.1-a1b2c3d-1738860123"),
        ("4-main", "ghcr.io/example/pipeline/ingestion-worker", "main"),
        ("5-redis", "docker.io/library/redis", "7.5-alpine"),
    ] {
        let Decoded { events, ignored, .. } = decoded(&format!("stories/{story}"));
        let [event] = events.as_slice() else { panic!("{story} is {} events", events.len()) };
        assert_eq!(format!("{}/{}", event.registry.as_deref().unwrap(), event.repository), image);
        assert_eq!(event.tag.as_ref().unwrap().as_str(), tag);
        assert!(event.pushed_at.is_some() && ignored.is_empty(), "{story}");
    }
}

/// What `tag2pr decode --output json` prints: fields may be added, none renamed.
#[test]
fn the_json_of_a_delivery_is_a_stable_interface() {
    let decoded = decoded("harbor/several");
    let json = serde_json::to_string(&decoded).unwrap();
    assert_eq!(serde_json::from_str::<Decoded>(&json).unwrap(), decoded);
    insta::assert_json_snapshot!(decoded, @r#"
    {
      "sender": "harbor",
      "events": [
        {
          "action": "push",
          "registry": "harbor.example.com",
          "repository": "team/web",
          "tag": "1.6.0",
          "digest": "sha256:ef81cef677bc152f6e73337f2e7b2d4d150e7bcf0fee249cabc26b9fe170d6eb",
          "media_type": null,
          "pushed_at": "2026-02-06T16:42:03Z",
          "actor": "robot$ci",
          "id": null
        },
        {
          "action": "push",
          "registry": "harbor.example.com",
          "repository": "team/web",
          "tag": "stable",
          "digest": "sha256:ef81cef677bc152f6e73337f2e7b2d4d150e7bcf0fee249cabc26b9fe170d6eb",
          "media_type": null,
          "pushed_at": "2026-02-06T16:42:03Z",
          "actor": "robot$ci",
          "id": null
        }
      ],
      "ignored": [
        {
          "reason": "`team/web@sha256:ef81cef677bc…` was pushed without a tag: one platform of an image, an attestation or a copy"
        }
      ]
    }
    "#);
}

#[test]
fn a_sender_is_recognised_by_its_own_deliveries() {
    for delivery in deliveries::all() {
        let recognised = recognise(&delivery.headers, &delivery.body);
        // Nothing but a whole body tells some from others, and nothing at all tells a generic one.
        let whole = decode(&delivery.unchecked()).is_ok() || delivery.sender == Sender::Distribution;
        if whole || recognised.is_some() {
            let wanted = match delivery.sender {
                Sender::Generic => None,
                // The same body, byte for byte.
                Sender::Gitlab => Some(Sender::Distribution),
                // The header of these two carries a signature or else the secret.
                Sender::Jfrog if delivery.name == "jfrog/plain-secret" => Some(Sender::JfrogToken),
                Sender::JfrogToken if delivery.name == "jfrog-token/no-header" => Some(Sender::Jfrog),
                sender => Some(sender),
            };
            assert_eq!(recognised, wanted, "{}", delivery.name);
        }
    }
}

/// The order in which senders are asked decides nothing.
#[test]
fn no_delivery_looks_like_two_senders() {
    for delivery in deliveries::all() {
        let alone = delivery.body.clone();
        for (headers, body) in [(&delivery.headers, &b""[..]), (&HeaderMap::new(), &alone)] {
            let looks_like = recognised_by(headers, body);
            assert!(looks_like.len() <= 1, "{} looks like {looks_like:?}", delivery.name);
        }
    }
}

#[test]
fn a_body_is_recognised_without_its_headers() {
    for name in [
        "acr/push",
        "acr/event-grid-push",
        "acr/cloud-event-push",
        "ecr/push",
        "ecr/sns",
        "ecr/cloud-event",
        "gar/push",
        "gar/unwrapped",
        "distribution/push",
        "docker-hub/push",
        "ghcr/push",
        "ghcr/push-registry-package",
        "ghcr/push-form",
        "harbor/push",
    ] {
        let delivery = delivery(name);
        assert_eq!(recognise(&HeaderMap::new(), &delivery.body), Some(delivery.sender), "{name}");
    }
    for strange in
        ["", "{}", "[]", "null", r#"{"events": 1}"#, r#"{"type": 1, "event_data": {}}"#, r#"{"push_data": {}}"#]
    {
        assert_eq!(recognise(&HeaderMap::new(), strange.as_bytes()), None, "{strange}");
    }
}

/// Gitea and Forgejo send GitHub's headers too, over a body of their own.
#[test]
fn gitea_is_not_taken_for_github() {
    let mut headers = delivery("ghcr/push").headers;
    headers.insert("x-gitea-event", "package".parse().unwrap());
    let body = br#"{"action": "created", "package": {"type": "container", "name": "web", "version": "1.0"}}"#;
    assert_eq!(recognise(&headers, body), Some(Sender::Gitea));
    assert_eq!(recognise(&HeaderMap::new(), body), None);
}

/// What is recorded of a delivery holds no secret, and is enough to read it again.
#[test]
fn the_headers_that_matter_are_enough_to_decode() {
    for delivery in deliveries::all() {
        let mut kept = HeaderMap::new();
        for name in HEADERS_READ {
            if let Some(value) = delivery.headers.get(&name) {
                kept.insert(name, value.clone());
            }
        }
        let recorded = Request { headers: &kept, path_secret: None, body: &delivery.body };
        let again = decode(&unchecked(delivery.sender, &recorded).reading(&delivery.fields));
        assert_eq!(again, decode(&delivery.unchecked()), "{}", delivery.name);
    }
}

#[test]
fn a_deep_or_strange_body_is_malformed_and_nothing_worse() {
    let deep = "[".repeat(200_000);
    let bodies = [
        deep.clone(),
        format!(r#"{{"events": {deep}"#),
        format!(r#"{{"unknown": {deep}"#),
        format!(r#"{{"push_data": {{"tag": {deep}"#),
        String::new(),
        "null".into(),
        "[]".into(),
        r#""text""#.into(),
        "{\"type\": \"PUSH_ARTIFACT\"}".into(),
        format!(r#"{{"events": "{}"}}"#, "x".repeat(1 << 20)),
    ];
    for sender in Sender::ALL {
        for body in &bodies {
            let headers = HeaderMap::new();
            let request = Request { headers: &headers, path_secret: None, body: body.as_bytes() };
            let shown = match decode(&unchecked(sender, &request)) {
                Ok(decoded) => {
                    assert!(decoded.events.is_empty(), "{sender}");
                    serde_json::to_string(&decoded).unwrap()
                }
                Err(malformed) => malformed.to_string(),
            };
            assert!(shown.len() < 1000, "{sender}: {} bytes to say what is wrong", shown.len());
        }
    }
}

/// Every delivery that is believed has a twin that is not, for each thing that proves it.
#[test]
fn nothing_that_proves_a_delivery_can_be_changed_or_left_out() {
    for mut delivery in deliveries::all() {
        if delivery.authenticate().is_err() {
            continue;
        }
        let name = delivery.name.clone();
        let refused = |delivery: &Delivery| delivery.authenticate().is_err();

        let secrets = std::mem::replace(&mut delivery.secrets, vec![Secret::new("another secret")]);
        let keys = std::mem::replace(&mut delivery.keys, other_keys());
        assert!(refused(&delivery), "{name} with another secret");
        delivery.secrets = vec![Secret::new("")];
        assert!(refused(&delivery), "{name} without a secret");
        (delivery.secrets, delivery.keys) = (secrets, keys);

        let mut proofs = 0;
        let headers = delivery.headers.clone();
        for (header, value) in &headers {
            delivery.headers.remove(header);
            if refused(&delivery) {
                proofs += 1;
                for at in 0..value.len() {
                    let mut bytes = value.as_bytes().to_vec();
                    bytes[at] ^= 1;
                    delivery.headers.insert(header, http::HeaderValue::from_bytes(&bytes).unwrap());
                    assert!(refused(&delivery), "{name} with byte {at} of {header} changed");
                }
                delivery.headers.insert(header, http::HeaderValue::from_static(""));
                assert!(refused(&delivery), "{name} with an empty {header}");
            }
            delivery.headers = headers.clone();
        }
        if let Some(secret) = delivery.path_secret.take()
            && refused(&delivery)
        {
            proofs += 1;
            for at in 0..secret.len() {
                let mut bytes = secret.clone().into_bytes();
                bytes[at] ^= 1;
                delivery.path_secret = Some(String::from_utf8(bytes).unwrap());
                assert!(refused(&delivery), "{name} with byte {at} of its path changed");
            }
            delivery.path_secret = Some(secret);
        }
        assert_eq!(proofs, 1, "{name}");

        // Who signs the body signs all of it.
        let signs =
            delivery.sender == Sender::Jfrog || headers.keys().any(|header| header.as_str().contains("signature"));
        let signed = signs && !delivery.body.is_empty();
        for at in 0..if signed { delivery.body.len() } else { 0 } {
            delivery.body[at] ^= 1;
            assert!(refused(&delivery), "{name} with byte {at} of its body changed");
            delivery.body[at] ^= 1;
        }
    }
}

/// A key set with the right name for the wrong key.
fn other_keys() -> Keys {
    let text = std::fs::read_to_string(deliveries::events().join("identity-keys.json")).unwrap();
    Keys::read(text.replacen("\"y8Z5", "\"y8Z6", 1).as_bytes()).unwrap()
}

// ------------------------------------------------------------------------------------------------ whatever is sent

/// Every field that any decoder reads, so that chance gets past the first lookup.
const FIELDS: [&str; 28] = [
    "events",
    "action",
    "target",
    "repository",
    "tag",
    "digest",
    "mediaType",
    "request",
    "host",
    "references",
    "timestamp",
    "type",
    "event_data",
    "resources",
    "resource_url",
    "occur_at",
    "push_data",
    "pushed_at",
    "repo_name",
    "package",
    "registry_package",
    "package_version",
    "container_metadata",
    "package_url",
    "updated_at",
    "name",
    "manifest",
    "payload",
];

fn text() -> impl Strategy<Value = String> {
    let telling = prop::sample::select(vec![
        "push",
        "delete",
        "published",
        "PUSH_ARTIFACT",
        "DELETE_ARTIFACT",
        "container",
        "1.0.0",
        "acme/web",
        "../../x",
        "",
        "ghcr.io/acme/web:1.0",
        "sha256:",
        "sha256-",
        ":",
        "/",
        "@",
        "https://",
        "2026-02-06T16:42:03Z",
        "\u{1b}[2J",
        "é:é/é",
    ]);
    prop_oneof![telling.prop_map(str::to_owned), any::<String>()]
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        text().prop_map(Into::into),
    ];
    leaf.prop_recursive(6, 60, 8, |inner| {
        let field = prop::sample::select(FIELDS.to_vec()).prop_map(str::to_owned);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::hash_map(field, inner, 0..8).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

fn headers() -> impl Strategy<Value = HeaderMap> {
    let name = prop::sample::select(vec![
        "authorization",
        "content-type",
        "x-github-event",
        "x-github-delivery",
        "x-hub-signature-256",
        "x-gitea-event",
    ]);
    let telling = prop::sample::select(vec![
        "package",
        "ping",
        "application/x-www-form-urlencoded",
        "application/json",
        "sha256=",
        "Bearer ",
        "",
    ]);
    let value =
        prop_oneof![telling.prop_map(|text| text.as_bytes().to_vec()), prop::collection::vec(any::<u8>(), 0..80)];
    prop::collection::vec((name, value), 0..5).prop_map(|pairs| {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            if let Ok(value) = http::HeaderValue::from_bytes(&value) {
                headers.append(name, value);
            }
        }
        headers
    })
}

/// A body of noise, of random JSON, or a real one cut and overwritten somewhere.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let real: Vec<Vec<u8>> =
        deliveries::all().into_iter().map(|delivery| delivery.body).filter(|body| !body.is_empty()).collect();
    let damaged = (
        prop::sample::select(real),
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        prop_oneof![any::<[u8; 3]>(), prop::array::uniform3(b' '..=b'~')],
    )
        .prop_map(|(mut body, end, at, bytes)| {
            let at = at.index(body.len());
            let end_of_change = (at + bytes.len()).min(body.len());
            body.splice(at..end_of_change, bytes);
            if end.index(3) == 0 {
                body.truncate(end.index(body.len()));
            }
            body
        });
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        json().prop_map(|json| json.to_string().into_bytes()),
        json().prop_map(|json| format!("payload={json}").into_bytes()),
        damaged,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn nothing_that_is_sent_makes_a_panic_or_an_invalid_name(
        headers in headers(),
        body in body(),
        path in any::<Option<String>>(),
    ) {
        let secrets = [tag2pr::secret::Secret::new("no delivery knows this")];
        let request = Request { headers: &headers, path_secret: path.as_deref(), body: &body };
        let _ = recognise(&headers, &body);
        for sender in Sender::ALL {
            prop_assert!(authenticate(sender, &request, &secrets).is_err());
            let Ok(decoded) = decode(&unchecked(sender, &request)) else { continue };
            for event in &decoded.events {
                let host = event.registry.as_deref().unwrap_or("localhost");
                let image = tag2pr::image::ImageName::new(host, &event.repository).unwrap();
                prop_assert_eq!(image.repository(), &event.repository);
                prop_assert!(event.tag.is_some() || event.digest.is_some());
            }
            let shown = serde_json::to_string(&decoded).unwrap();
            let escape = char::from(27);
            prop_assert!(!shown.contains(escape) && !shown.contains("\\u001b"));
            prop_assert_eq!(serde_json::from_str::<Decoded>(&shown).unwrap(), decoded);
        }
    }

    #[test]
    fn another_body_never_passes_with_the_signature_of_this_one(body in body()) {
        static SIGNED: LazyLock<Delivery> = LazyLock::new(|| delivery("ghcr/push"));
        let delivery = &*SIGNED;
        let request = Request { body: &body, ..delivery.request() };
        let passed = authenticate(Sender::Ghcr, &request, &delivery.secrets).is_ok();
        prop_assert_eq!(passed, body == delivery.body);
    }
}
