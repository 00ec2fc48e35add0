use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::json;

use super::*;

const KEYS: &str = include_str!("../../../../events/identity-keys.json");
const KEY: &str = include_str!("../../../../events/identity-key.pem");
const NOW: &str = "2026-02-06T16:42:03Z";

fn base64url(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// A token with this header and these claims, really signed.
fn signed(header: &Value, claims: &Value) -> String {
    let lines: String =
        KEY.lines().skip_while(|line| !line.starts_with("-----")).filter(|l| !l.starts_with('-')).collect();
    let key = RsaKeyPair::from_der(&base64::prelude::BASE64_STANDARD.decode(lines).unwrap()).unwrap();
    let text = format!("{}.{}", base64url(header.to_string()), base64url(claims.to_string()));
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
    format!("{text}.{}", base64url(signature))
}

fn header() -> Value {
    json!({ "alg": "RS256", "kid": "tag2pr-test-key", "typ": "JWT" })
}

/// The claims of a Pub/Sub push, in the form that Google documents.
fn claimed() -> Value {
    json!({
        "iss": "https://accounts.google.com",
        "aud": "https://tag2pr.example.com/hooks/gar",
        "azp": "113774264463038321964",
        "email": "push@acme.iam.gserviceaccount.com",
        "email_verified": true,
        "exp": seconds("2026-02-06T17:40:00Z"),
        "iat": seconds("2026-02-06T16:40:00Z"),
        "sub": "113774264463038321964",
    })
}

fn seconds(time: &str) -> i64 {
    time.parse::<Timestamp>().unwrap().as_second()
}

fn expected() -> Expectations {
    Expectations {
        issuer: "https://accounts.google.com".to_owned(),
        audience: "https://tag2pr.example.com/hooks/gar".to_owned(),
        claims: BTreeMap::from([("email".to_owned(), "push@acme.iam.gserviceaccount.com".to_owned())]),
    }
}

fn ask(token: &str) -> String {
    ask_at(token, &expected(), NOW)
}

fn ask_at(token: &str, expected: &Expectations, now: &str) -> String {
    let keys = Keys::read(KEYS.as_bytes()).unwrap();
    verify(token, &keys, expected, now.parse().unwrap()).map_or_else(|invalid| invalid.to_string(), |()| "fine".into())
}

/// The token with one claim set, or taken away.
fn with(claim: &str, value: Value) -> String {
    let mut claims = claimed();
    match value {
        Value::Null => claims.as_object_mut().unwrap().remove(claim),
        value => claims.as_object_mut().unwrap().insert(claim.to_owned(), value),
    };
    signed(&header(), &claims)
}

#[test]
fn a_token_for_us_from_whom_we_expect_is_believed() {
    assert_eq!(ask(&signed(&header(), &claimed())), "fine");
    assert_eq!(ask(&with("iss", json!("accounts.google.com"))), "fine", "Google writes both");
    assert_eq!(ask(&with("aud", json!(["other", "https://tag2pr.example.com/hooks/gar"]))), "fine");
    assert_eq!(ask(&with("email_verified", json!("true"))), "fine");
}

#[test]
fn issuer_audience_identity_and_time_are_each_checked() {
    insta::assert_snapshot!(ask(&with("iss", json!("https://evil.example"))), @"its `iss` is `https://evil.example`, not `https://accounts.google.com`");
    insta::assert_snapshot!(ask(&with("iss", Value::Null)), @"it has no usable `iss`");
    insta::assert_snapshot!(ask(&with("aud", json!("https://elsewhere.example"))), @"its `aud` is `https://elsewhere.example`, not `https://tag2pr.example.com/hooks/gar`");
    insta::assert_snapshot!(ask(&with("aud", Value::Null)), @"it has no usable `aud`");
    insta::assert_snapshot!(ask(&with("aud", json!([]))), @"its `aud` is ``, not `https://tag2pr.example.com/hooks/gar`");
    insta::assert_snapshot!(ask(&with("email", json!("other@acme.iam.gserviceaccount.com"))), @"its `email` is `other@acme.iam.gserviceaccount.com`, not `push@acme.iam.gserviceaccount.com`");
    insta::assert_snapshot!(ask(&with("email", Value::Null)), @"it has no usable `email`");
    for unverified in [json!(false), json!("false"), json!(1), Value::Null] {
        assert_eq!(ask(&with("email_verified", unverified)), "its issuer did not verify the address in `email`");
    }
    insta::assert_snapshot!(ask(&with("exp", json!(seconds("2026-02-06T16:41:00Z")))), @"it expired at 2026-02-06T16:41:00Z");
    insta::assert_snapshot!(ask(&with("exp", Value::Null)), @"it has no usable `exp`");
    for strange in [json!("1770396000"), json!([]), json!(1e300), json!(i64::MAX), json!({})] {
        assert_ne!(ask(&with("exp", strange.clone())), "fine", "{strange}");
    }
    insta::assert_snapshot!(ask(&with("nbf", json!(seconds("2026-02-06T16:44:00Z")))), @"it is not valid before 2026-02-06T16:44:00Z");
    insta::assert_snapshot!(ask(&with("iat", json!(seconds("2026-02-06T17:00:00Z")))), @"it is not valid before 2026-02-06T17:00:00Z");
}

#[test]
fn clocks_may_be_a_minute_apart_and_no_more() {
    let token = with("exp", json!(seconds(NOW)));
    assert_eq!(ask_at(&token, &expected(), "2026-02-06T16:43:02Z"), "fine");
    assert_eq!(ask_at(&token, &expected(), "2026-02-06T16:43:03Z"), "it expired at 2026-02-06T16:42:03Z");
}

/// `alg` is written by whoever made the token: it must not choose how it is checked.
#[test]
fn no_other_algorithm_is_believed() {
    for algorithm in ["none", "None", "HS256", "RS512", "ES256", "", "rs256"] {
        let forged = signed(&json!({ "alg": algorithm, "kid": "tag2pr-test-key" }), &claimed());
        assert_eq!(ask(&forged), format!("it says that it is signed with `{algorithm}`, and only RS256 is believed"));
    }
    let unsigned = |alg: &str| {
        let head = json!({ "alg": alg, "kid": "tag2pr-test-key" });
        format!("{}.{}.", base64url(head.to_string()), base64url(claimed().to_string()))
    };
    insta::assert_snapshot!(ask(&unsigned("none")), @"it says that it is signed with `none`, and only RS256 is believed");
    insta::assert_snapshot!(ask(&unsigned("RS256")), @"its signature does not fit");

    // The public key as a shared secret: whoever takes `alg` at its word believes this.
    let keys: Value = serde_json::from_str(KEYS).unwrap();
    for secret in [KEYS, KEY, keys["keys"][0]["n"].as_str().unwrap()] {
        for alg in ["HS256", "RS256"] {
            let head = json!({ "alg": alg, "kid": "tag2pr-test-key" });
            let text = format!("{}.{}", base64url(head.to_string()), base64url(claimed().to_string()));
            let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
            let forged = format!("{text}.{}", base64url(ring::hmac::sign(&key, text.as_bytes())));
            assert_ne!(ask(&forged), "fine", "{alg}");
        }
    }
}

#[test]
fn what_was_changed_is_refused_whichever_byte_it_was() {
    let token = signed(&header(), &claimed());
    for at in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert_ne!(ask(&changed), "fine", "byte {at}");
    }
    for strange in
        ["", ".", "..", "...", "a.b.c", &token[..token.len() - 2], &format!("{token}.x"), &format!("{token}=")]
    {
        assert_ne!(ask(strange), "fine", "{strange}");
    }
    insta::assert_snapshot!(ask(&"a".repeat(LONGEST + 1)), @"it is no identity token: it is too long");
}

#[test]
fn a_key_that_the_issuer_does_not_publish_is_named() {
    let other = signed(&json!({ "alg": "RS256", "kid": "another\u{1b}" }), &claimed());
    assert_eq!(key_id(&other).unwrap(), "another\u{1b}");
    insta::assert_snapshot!(ask(&other), @r"it is signed with the key `another\u{1b}`, which its issuer does not publish");
    insta::assert_snapshot!(ask(&signed(&json!({ "alg": "RS256" }), &claimed())), @"it has no usable `kid`");
    let head = json!({ "alg": "RS256", "kid": "tag2pr-test-key", "crit": ["exp"] });
    insta::assert_snapshot!(ask(&signed(&head, &claimed())), @"it is no identity token: its header demands an extension");
}

#[test]
fn without_an_expected_identity_or_audience_nobody_is_believed() {
    let token = with("aud", json!(""));
    let nobody = Expectations { claims: BTreeMap::new(), ..expected() };
    let everywhere = Expectations { audience: String::new(), ..expected() };
    for expected in [nobody, everywhere] {
        assert_eq!(ask_at(&token, &expected, NOW), "nothing is configured that says whom it must be about");
    }
}

/// GitHub Actions and GitLab CI say which repository a job runs for.
#[test]
fn any_claim_can_be_the_identity() {
    let expected = Expectations {
        issuer: "https://token.actions.githubusercontent.com".to_owned(),
        audience: "tag2pr".to_owned(),
        claims: BTreeMap::from([("repository".into(), "acme/web".into()), ("ref_protected".into(), "true".into())]),
    };
    let claims = |repository: &str, protected: Value| {
        let claims = json!({
            "iss": expected.issuer, "aud": "tag2pr", "exp": seconds(NOW) + 300, "repository": repository,
            "ref_protected": protected, "sub": format!("repo:{repository}:ref:refs/heads/main"),
        });
        ask_at(&signed(&header(), &claims), &expected, NOW)
    };
    assert_eq!(claims("acme/web", json!("true")), "fine");
    insta::assert_snapshot!(claims("mallory/web", json!("true")), @"its `repository` is `mallory/web`, not `acme/web`");
    insta::assert_snapshot!(claims("acme/web", json!(["true"])), @"it has no usable `ref_protected`");
}

#[test]
fn keys_that_are_for_something_else_are_left_out() {
    let set = |key: Value| Keys::read(json!({ "keys": [key] }).to_string().as_bytes());
    let keys: Value = serde_json::from_str(KEYS).unwrap();
    let changed = |field: &str, value: Value| {
        let mut key = keys["keys"][0].clone();
        key[field] = value;
        set(key)
    };
    assert!(changed("extra", json!(1)).unwrap().has("tag2pr-test-key"));
    for (field, value) in [
        ("kty", json!("oct")),
        ("use", json!("enc")),
        ("alg", json!("HS256")),
        ("kid", Value::Null),
        ("n", json!("***")),
        ("e", Value::Null),
    ] {
        insta::allow_duplicates!(
            insta::assert_snapshot!(changed(field, value).unwrap_err(), @"this key set holds no RSA key for signatures")
        );
    }
    assert!(Keys::read(b"<html>").unwrap_err().starts_with("this is no key set: "));
}

/// A key shorter than 2048 bits may be published, and proves nothing.
#[test]
fn a_short_key_is_not_believed() {
    let keys: Value = serde_json::from_str(KEYS).unwrap();
    let mut key = keys["keys"][0].clone();
    key["n"] = json!(base64url([0xC1; 128]));
    let keys = Keys::read(json!({ "keys": [key] }).to_string().as_bytes()).unwrap();
    let token = signed(&header(), &claimed());
    assert_eq!(verify(&token, &keys, &expected(), NOW.parse().unwrap()), Err(Invalid::Signature));
}
