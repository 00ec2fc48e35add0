//! GitHub's own webhook: what people do there is seen at once.

use serde_json::json;
use tag2pr_end_to_end::changes;
use tag2pr_standins::git::Entry;
use tag2pr_standins::oci::Manifest;
use tag2pr_standins::registry::{Access, Listing, Registry};

use crate::world::{Lab, Listener, free_address};

/// A listener that GitHub tells what happens, with a pull request for the first version; nothing without the real parts.
fn proposed() -> Option<(Registry, Lab, Listener)> {
    let registry = Registry::start(Listing::AllAtOnceUnsorted, Access::Open);
    let lab = Lab::set_up(&registry.address().to_string())?;
    lab.lets_github_tell();
    let listener = Listener::start(&lab, free_address());
    listener.waits_for("no tag of the image is known yet");
    let digest = registry.push_manifest("team/web", "1.0.0", &Manifest::image("1.0.0", &[]));
    listener.deliver(&lab, "1.0.0", &digest);
    listener.waits_for("opened ");
    listener.waits_until(|| lab.inbox().is_empty());
    Some((registry, lab, listener))
}

#[test]
fn what_people_do_at_the_host_is_seen_as_soon_as_it_says_so() {
    let Some((_registry, lab, listener)) = proposed() else { return };

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

#[test]
fn a_branch_that_somebody_committed_to_is_made_anew_when_they_ask_for_it() {
    let Some((registry, lab, listener)) = proposed() else { return };
    let repository = json!({ "full_name": "acme/fleet" });
    let pushed = |branch: &str| json!({ "ref": format!("refs/heads/{branch}"), "repository": repository });
    let branch = lab.github.pulls()[0].branch.clone();
    let ours = lab.fleet.head(&branch);

    // A colleague's commit to the base: the branch follows it.
    lab.fleet.push("main", &[Entry::file("README.md", "A fleet.")], "Describe it");
    listener.github_tells("push", &pushed("main"));
    listener.waits_until(|| lab.fleet.head(&branch) != ours && lab.inbox().is_empty());
    assert_eq!(lab.fleet.log(&branch).len(), 3, "one commit on top of the base");

    // Another one to the branch: it is theirs, and that is said once, however often it is looked at.
    let theirs = lab.fleet.push(&branch, &[Entry::file("notes.md", "Wait for Alice.")], "Add notes");
    listener.github_tells("push", &pushed(&branch));
    listener.waits_until(|| lab.github.pulls()[0].comments.len() == 1 && lab.inbox().is_empty());
    let digest = registry.push_manifest("team/web", "1.1.0", &Manifest::image("1.1.0", &[]));
    listener.deliver(&lab, "1.1.0", &digest);
    listener.waits_until(|| lab.inbox().is_empty());
    assert_eq!((lab.fleet.head(&branch).as_ref(), lab.github.pulls()[0].comments.len()), (Some(&theirs), 1));
    assert!(lab.github.pulls()[0].comments[0].contains("`/tag2pr rebase`"), "{:?}", lab.github.pulls());

    lab.github.said(1, "alice", "/tag2pr rebase");
    let comment =
        json!({ "action": "created", "issue": { "number": 1, "pull_request": {} }, "repository": repository });
    listener.github_tells("issue_comment", &comment);
    listener.waits_until(|| lab.github.pulls()[0].title == "Update web to 1.1.0" && lab.inbox().is_empty());
    let changed = changes(&lab.fleet, &branch).join("\n");
    assert!(changed.contains("team/web:1.1.0") && !changed.contains("notes.md"), "{changed}");
    assert_eq!((lab.fleet.log(&branch).len(), lab.github.pulls().len()), (3, 1));
    lab.holds_no_secret(&listener);
}
