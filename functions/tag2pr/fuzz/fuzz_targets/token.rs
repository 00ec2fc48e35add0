//! Any text as an identity token, and any bytes as the keys of its issuer: nobody is believed.
#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tag2pr::jwt::{self, Expectations, Keys};

static KEYS: LazyLock<Keys> =
    LazyLock::new(|| Keys::read(include_bytes!("../../../../events/identity-keys.json")).expect("the test keys"));

static EXPECTED: LazyLock<Expectations> = LazyLock::new(|| Expectations {
    issuer: "https://issuer.example".to_owned(),
    audience: "nobody who is in a fixture".to_owned(),
    claims: BTreeMap::from([("sub".to_owned(), "nobody".to_owned())]),
});

fuzz_target!(|data: &[u8]| {
    let _ = Keys::read(data);
    if let Ok(token) = std::str::from_utf8(data) {
        let _ = jwt::key_id(token);
        assert!(jwt::verify(token, &KEYS, &EXPECTED, "2026-02-06T16:42:03Z".parse().expect("a time")).is_err());
    }
});
