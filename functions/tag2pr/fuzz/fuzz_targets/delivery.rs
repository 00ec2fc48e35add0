//! Any bytes as the body of a webhook, from each sender: nothing is trusted, and all is read or refused.
//!
//! `TAG2PR_SENDER=harbor` makes it a target for that sender alone; without it, every sender reads everything.
#![no_main]

use std::sync::LazyLock;

use http::{HeaderMap, HeaderValue, Method};
use libfuzzer_sys::fuzz_target;
use tag2pr::delivery::{self, Request, Sender};
use tag2pr::image::ImageName;
use tag2pr::keys::Key;
use tag2pr::secret::Secret;

static SENDERS: LazyLock<Vec<Sender>> = LazyLock::new(|| match std::env::var("TAG2PR_SENDER") {
    Ok(name) => vec![name.parse().expect("TAG2PR_SENDER names no sender")],
    Err(_) => Sender::ALL.to_vec(),
});

/// What makes some sender read a body otherwise.
const HEADERS: [&[(&str, &str)]; 5] = [
    &[],
    &[("x-github-event", "package")],
    &[("x-github-event", "registry_package"), ("content-type", "application/x-www-form-urlencoded")],
    &[("content-type", "application/cloudevents+json")],
    &[("aeg-event-type", "SubscriptionValidation"), ("webhook-request-origin", "eventgrid.azure.net")],
];

fuzz_target!(|body: &[u8]| {
    let secrets = [Secret::new("a secret")];
    for pairs in HEADERS {
        let mut headers = HeaderMap::new();
        for &(name, value) in pairs {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let _ = delivery::recognise(&headers, body);
        for &sender in &*SENDERS {
            let request = Request { headers: &headers, path_secret: None, body };
            assert!(delivery::authenticate(sender, &request, &secrets).is_err());
            let trusted = delivery::unchecked(sender, &request);
            for method in [Method::POST, Method::OPTIONS] {
                let _ = delivery::handshake(&method, &trusted);
            }
            let Ok(decoded) = delivery::decode(&trusted) else { continue };
            for event in &decoded.events {
                let host = event.registry.as_deref().unwrap_or("localhost");
                let image = ImageName::new(host, &event.repository).expect("a decoded name is valid");
                let key = Key::push(&image, event.id.as_deref().unwrap_or_default());
                assert_eq!(key.as_str().split('/').count(), 5, "{key}");
            }
        }
    }
    if let Ok(text) = std::str::from_utf8(body) {
        let _ = delivery::read_headers(text);
    }
});
