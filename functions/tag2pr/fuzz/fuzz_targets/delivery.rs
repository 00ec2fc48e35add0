//! Any bytes as the body of a webhook, from each sender: nothing is trusted, and all is read or refused.
#![no_main]

use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use tag2pr::delivery::{self, Request, Sender};
use tag2pr::secret::Secret;

fuzz_target!(|body: &[u8]| {
    let secrets = [Secret::new("a secret")];
    for event in [None, Some("package"), Some("registry_package")] {
        let mut headers = HeaderMap::new();
        if let Some(event) = event {
            headers.insert("x-github-event", HeaderValue::from_static(event));
        }
        let _ = delivery::recognise(&headers, body);
        for sender in Sender::ALL {
            let request = Request { headers: &headers, path_secret: None, body };
            assert!(delivery::authenticate(sender, &request, &secrets).is_err());
            let _ = delivery::decode(&delivery::unchecked(sender, &request));
        }
    }
    if let Ok(text) = std::str::from_utf8(body) {
        let _ = delivery::read_headers(text);
    }
});
