//! The home lab, the second story, with a registry that is asked: what `receive` and `sweep` are told in it.

use std::fs;

use serde_json::{Value, json};
use tag2pr::delivery::read_headers;
use tag2pr::origin::{REVISION, SOURCE};
use tag2pr_standins::git::Entry;
use tag2pr_standins::oci::Manifest;
use tag2pr_standins::registry::Registry;

use crate::emulator::{Emulator, event};
use crate::{project, story};

/// The registry of the story.
const REGISTRY: &str = "192.168.0.40:5000";

/// Its manifests, with images of this registry.
pub fn manifests(registry: &Registry) -> Vec<Entry> {
    let mut manifests = story("2-home-lab");
    for entry in &mut manifests {
        let text = String::from_utf8_lossy(&entry.bytes).into_owned();
        entry.bytes = text.replace(REGISTRY, &registry.address().to_string()).into_bytes();
    }
    manifests
}

/// A push of the frontend: the registry has the image, which says what it was built from, and Harbor tells of it.
///
/// # Panics
///
/// When `receive` does not take it, or pokes nobody.
pub async fn push(lambda: &Emulator, registry: &Registry, tag: &str) {
    let read = |extension| fs::read_to_string(project().join(format!("events/stories/2-frontend.{extension}")));
    let headers = read_headers(&read("headers").unwrap()).unwrap();
    let recorded: Value = serde_json::from_str(&read("json").unwrap()).unwrap();
    let resource = &recorded["event_data"]["resources"][0];
    let labels = [(SOURCE, "https://github.com/acme/frontend"), (REVISION, "1972e38a0b1c1972e38a0b1c1972e38a0b1c1972")];
    let digest = registry.push_manifest("frontend", tag, &Manifest::image(tag, &labels));
    let body = recorded.to_string().replace(resource["tag"].as_str().unwrap(), tag);
    let body = body.replace(resource["digest"].as_str().unwrap(), &digest);
    let body = body.replace(REGISTRY, &registry.address().to_string());
    let (status, answer) = lambda.deliver("/hooks/harbor", headers, body.into_bytes()).await;
    assert_eq!((status, &answer["poked"]), (200, &json!(1)), "{answer}\n{}", lambda.log());
}

/// The clock wakes `sweep` up.
///
/// # Panics
///
/// When anything of it fails.
pub async fn tick(lambda: &Emulator) {
    let (status, answer) = lambda.invoke("sweep", &event("sweep-schedule")).await;
    assert_eq!((status, &answer["failed"]), (200, &json!(0)), "{answer}\n{}", lambda.log());
}
