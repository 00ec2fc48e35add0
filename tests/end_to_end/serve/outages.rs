//! A real registry that is stopped in the middle, and a webhook that is dropped on purpose. What is not known is not
//! written; what was not told is found.
//!
//! The store is a bucket on an S3 server that was not written here.

use std::fs::{self, File};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tag2pr_end_to_end::changes;
use tag2pr_standins::docker_registry::{DockerRegistry, Notify, Options};
use tag2pr_standins::git_http;
use tag2pr_standins::oci::Manifest;
use tag2pr_standins::parts;

use super::skopeo;
use super::world::{HOOK, Lab, Listener, TOKEN, free_address};

/// An empty registry that reports to this address, and a deployment that follows an image in it; `None` where a part is
/// missing.
fn set_up(address: std::net::SocketAddr) -> Option<(DockerRegistry, Lab)> {
    let notify = Notify { url: format!("http://{address}/hooks/registry"), authorization: format!("Bearer {HOOK}") };
    let registry = DockerRegistry::start(&Options { notify: Some(notify), ..Options::default() })?;
    parts::program("skopeo", "apt-get install skopeo")?;
    let lab = Lab::set_up_in_a_bucket(&registry.address().to_string())?;
    lab.git.require(Some(("x-access-token", TOKEN)));
    Some((registry, lab))
}

fn push(lab: &Lab, registry: &DockerRegistry, version: &str) {
    skopeo(lab, registry, &format!("team/web:{version}"), &Manifest::image(version, &[]));
}

/// Runs a command to its end: whether it did everything, and what it said as JSON.
fn run(lab: &Lab, command: &str) -> (bool, Value) {
    let output = lab.command(&[command, "--output", "json"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = serde_json::from_str(&said);
    (output.status.success(), said.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr))))
}

/// The one pull request proposes this version, in one commit on top of the base.
fn proposes(lab: &Lab, version: &str) {
    let pulls = lab.github.pulls();
    let [pull] = &pulls[..] else { panic!("{pulls:#?}") };
    assert_eq!(pull.title, format!("Update web to {version}"));
    let changed = changes(&lab.fleet, &pull.branch).join("\n");
    assert_eq!(
        lab.told(&changed),
        format!(
            "apps/web.yaml:9\n- image: registry.lan/team/web:0.9.0 # {{\"$imagepolicy\": \"flux-system:web\"}}\n\
             + image: registry.lan/team/web:{version} # {{\"$imagepolicy\": \"flux-system:web\"}}"
        )
    );
    assert_eq!((lab.fleet.log("main").len(), lab.fleet.log(&pull.branch).len()), (1, 2));
}

#[test]
fn a_registry_that_is_stopped_between_its_webhook_and_our_question_is_waited_for() {
    let address = free_address();
    let Some((mut registry, lab)) = set_up(address) else { return };
    let listener = Listener::start(&lab, address);
    listener.waits_for("no tag of the image is known yet");

    // Git takes its time, so that the registry is gone when it is asked for the digest.
    lab.git.fail_once(git_http::Fault::Delay(Duration::from_secs(4)));
    push(&lab, &registry, "1.0.0");
    listener.waits_for("recorded push of");
    registry.stop();
    insta::assert_snapshot!(lab.told(&listener.waits_for("tried again")), @"! git.lan/acme/fleet@main: not finished: registry registry.lan is not available: Connection refused (os error 111); it will be tried again");
    assert_eq!((lab.github.pulls(), lab.inbox().len()), (vec![], 1), "{}", listener.log());
    assert_eq!(lab.fleet.run(&["branch", "--format", "%(refname:short)"]).trim(), "main");

    registry.restart();
    listener.waits_for("opened ");
    listener.waits_until(|| lab.inbox().is_empty());
    proposes(&lab, "1.0.0");
    lab.holds_no_secret(&listener);
}

#[test]
fn a_registry_that_is_stopped_during_a_sweep_is_not_taken_for_an_empty_one() {
    // Nobody listens there: what the registry reports is lost.
    let Some((mut registry, lab)) = set_up(free_address()) else { return };
    push(&lab, &registry, "1.0.0");
    assert!(run(&lab, "propose").0);
    proposes(&lab, "1.0.0");
    assert_eq!(run(&lab, "sweep").1["missed"][0]["tags"], json!([]));
    let (known, branches) = (lab.stored("images/"), lab.fleet.run(&["for-each-ref"]));

    push(&lab, &registry, "1.1.0");
    registry.freeze();
    let complaints = lab.folder().join("complaints");
    let mut sweeping = lab
        .command(&["sweep", "--output", "json"])
        .stdout(File::create(lab.folder().join("said")).unwrap())
        .stderr(File::create(&complaints).unwrap())
        .spawn()
        .unwrap();
    let patience = Instant::now() + Duration::from_secs(20);
    while !fs::read_to_string(&complaints).unwrap().contains("listing tags") {
        assert!(Instant::now() < patience, "it does not wait for the registry");
        std::thread::sleep(Duration::from_millis(10));
    }
    registry.stop();
    assert_eq!(sweeping.wait().unwrap().code(), Some(1));
    let said: Value = serde_json::from_str(&fs::read_to_string(lab.folder().join("said")).unwrap()).unwrap();
    let reason = lab.told(said["failed"][0]["reason"].as_str().unwrap());
    assert!(reason.starts_with("registry registry.lan is not available: "), "{reason}");
    assert_eq!((&said["missed"], &said["gone"], &said["doubted"]), (&json!([]), &json!([]), &json!([])));
    assert_eq!(lab.stored("images/"), known, "nothing is concluded");

    // Who looks at the repository meanwhile writes nothing either.
    run(&lab, "propose");
    proposes(&lab, "1.0.0");
    assert_eq!(lab.fleet.run(&["for-each-ref"]), branches);

    registry.restart();
    let (all, said) = run(&lab, "sweep");
    assert_eq!((all, &said["missed"][0]["tags"]), (true, &json!(["1.1.0"])), "{said:#}");
    assert!(run(&lab, "propose").0);
    proposes(&lab, "1.1.0");
}

#[test]
fn a_webhook_that_nobody_took_is_found_by_the_sweep_and_counted() {
    let address = free_address();
    let Some((mut registry, lab)) = set_up(address) else { return };
    push(&lab, &registry, "1.0.0");
    let listener = Listener::start(&lab, address);
    listener.waits_for("opened ");
    // The list of the registry may have told of it before its webhook did.
    listener.waits_until(|| lab.github.pulls()[0].body.contains("after delivery"));
    listener.waits_until(|| lab.inbox().is_empty());
    listener.kill();

    // Pushed while nobody listens; and what the registry would try again it forgets when it is restarted.
    push(&lab, &registry, "1.1.0");
    registry.stop();
    registry.restart();
    let listener = Listener::start(&lab, address);
    insta::assert_snapshot!(lab.told(&listener.waits_for("acme/fleet@main")), @"· git.lan/acme/fleet@main: flux-system.fleet: https://github.com/acme/fleet/pull/1 is up to date");
    proposes(&lab, "1.0.0");

    let (all, said) = run(&lab, "sweep");
    assert_eq!((all, &said["missed"][0]["tags"]), (true, &json!(["1.1.0"])), "{said:#}");
    assert_eq!(lab.inbox().len(), 1, "the sweep poked the repository");
    listener.kill();
    let listener = Listener::start(&lab, address);
    listener.waits_for("updated ");
    proposes(&lab, "1.1.0");

    // The next sweep has nothing to count.
    assert_eq!(run(&lab, "sweep").1["missed"][0]["tags"], json!([]));
    lab.holds_no_secret(&listener);
}
