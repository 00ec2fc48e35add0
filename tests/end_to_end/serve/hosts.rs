//! GitHub's own webhook: what people do there is seen at once.

use serde_json::json;
use tag2pr_standins::oci::Manifest;
use tag2pr_standins::registry::{Access, Listing, Registry};

use crate::world::{Lab, Listener, free_address};

#[test]
fn what_people_do_at_the_host_is_seen_as_soon_as_it_says_so() {
    let registry = Registry::start(Listing::AllAtOnceUnsorted, Access::Open);
    let Some(lab) = Lab::set_up(&registry.address().to_string()) else { return };
    lab.lets_github_tell();
    let listener = Listener::start(&lab, free_address());
    listener.waits_for("no tag of the image is known yet");
    let digest = registry.push_manifest("team/web", "1.0.0", &Manifest::image("1.0.0", &[]));
    listener.deliver(&lab, "1.0.0", &digest);
    listener.waits_for("opened ");
    listener.waits_until(|| lab.inbox().is_empty());

    let repository = json!({ "full_name": "acme/fleet" });
    lab.github.close(1);
    listener.github_tells("pull_request", &json!({ "action": "closed", "number": 1, "repository": repository }));
    listener.waits_for("was closed without merging");
    listener.waits_until(|| lab.inbox().is_empty());
    assert_eq!(lab.github.pulls().len(), 1, "what somebody closed is held");

    let comment =
        json!({ "action": "created", "issue": { "number": 1, "pull_request": {} }, "repository": repository });
    lab.github.said(1, "mallory", "/tag2pr release");
    listener.github_tells("issue_comment", &comment);
    listener.waits_until(|| lab.inbox().is_empty());
    assert_eq!(lab.github.pulls().len(), 1, "she may not write");
    lab.github.said(1, "alice", "/tag2pr release");
    listener.github_tells("issue_comment", &comment);
    listener.waits_until(|| lab.github.pulls().len() == 2);
    assert!(lab.github.pulls().iter().any(|pull| pull.open && pull.title == "Update web to 1.0.0"));
    lab.holds_no_secret(&listener);
}
