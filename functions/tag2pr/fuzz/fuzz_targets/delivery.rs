//! Any bytes as the body of a delivery, from the sender that the target is named after: nothing is trusted, all is read or
//! refused, and what is read has a name that a registry could serve.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tag2pr::delivery::{self, Request, Sender};
use tag2pr::image::ImageName;
use tag2pr::secret::Secret;

static SENDER: LazyLock<Sender> =
    LazyLock::new(|| env!("CARGO_BIN_NAME").parse().expect("targets are named after senders"));

/// What may stand around a body: nothing, the events that senders name, and the other forms that bodies have.
const HEADERS: [&str; 4] = [
    "",
    "X-GitHub-Event: package\nX-Gitea-Event: package\nX-Forgejo-Event: package\n\
     X-Nexus-Webhook-Id: rm:repository:component\nCe-Type: zotregistry.image.updated",
    "Content-Type: application/x-www-form-urlencoded",
    "Content-Type: application/cloudevents+json",
];

fuzz_target!(|body: &[u8]| {
    for headers in HEADERS {
        let headers = delivery::read_headers(headers).expect("these are headers");
        let _ = delivery::recognise(&headers, body);
        let request = Request { headers: &headers, path_secret: None, body };
        assert!(delivery::authenticate(*SENDER, &request, &[Secret::new("a secret")]).is_err());
        let Ok(decoded) = delivery::decode(&delivery::unchecked(*SENDER, &request)) else { continue };
        for event in decoded.events {
            let host = event.registry.as_deref().unwrap_or("localhost");
            assert!(ImageName::new(host, &event.repository).is_ok());
        }
    }
});
