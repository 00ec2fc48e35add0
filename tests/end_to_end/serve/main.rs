//! The main job on real parts: an image pushed to a real registry by somebody else's program becomes a pull request.
//!
//! CNCF Distribution reports to `tag2pr serve`, whose Git server is `git http-backend` behind basic authentication, and
//! whose forge is a GitHub held against GitHub's description.

mod hosts;
mod killed;
mod outages;
mod world;

use std::process::Command;

use tag2pr_end_to_end::changes;
use tag2pr_standins::docker_registry::{DockerRegistry, Notify, Options};
use tag2pr_standins::git_http;
use tag2pr_standins::oci::Manifest;
use tag2pr_standins::parts;
use tag2pr_standins::registry::{Access, Fault, Listing, Registry};

use world::{HOOK, Lab, Listener, TOKEN, free_address};

/// Pushes an image as a person or a pipeline does.
fn skopeo(lab: &Lab, registry: &DockerRegistry, image: &str, manifest: &Manifest) {
    let layout = lab.folder().join(image.replace([':', '/'], "-"));
    manifest.write_layout(&layout, "image");
    let output = Command::new("skopeo")
        .args(["--insecure-policy", "copy", "--quiet", "--preserve-digests", "--dest-tls-verify=false"])
        .arg(format!("oci:{}:image", layout.display()))
        .arg(format!("docker://{}/{image}", registry.address()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn an_image_pushed_to_a_real_registry_becomes_a_pull_request() {
    let address = free_address();
    let hook = format!("http://{address}/hooks/registry");
    let notify = Notify { url: hook, authorization: format!("Bearer {HOOK}") };
    let options = Options { notify: Some(notify), ..Options::default() };
    let Some(registry) = DockerRegistry::start(&options) else { return };
    if parts::program("skopeo", "apt-get install skopeo").is_none() {
        return;
    }
    let Some(lab) = Lab::set_up(&registry.address().to_string()) else { return };
    lab.git.require(Some(("x-access-token", TOKEN)));
    let listener = Listener::start(&lab, address);
    listener.waits_for("no tag of the image is known yet");

    let first = Manifest::image("1.0.0", &[]);
    skopeo(&lab, &registry, "team/web:1.0.0", &first);
    listener.waits_for("opened ");
    let [pull] = &lab.github.pulls()[..] else { panic!("{:?}\n{}", lab.github.pulls(), listener.log()) };
    insta::assert_snapshot!(lab.told(&pull.title), @"Update web to 1.0.0");
    insta::assert_snapshot!(lab.told(&changes(&lab.fleet, &pull.branch).join("\n")), @r#"
apps/web.yaml:9
- image: registry.lan/team/web:0.9.0 # {"$imagepolicy": "flux-system:web"}
+ image: registry.lan/team/web:1.0.0 # {"$imagepolicy": "flux-system:web"}
"#);
    assert!(pull.body.contains(&first.digest()[..19]), "the digest that the registry confirmed: {}", pull.body);
    assert_eq!(Some(&pull.head), lab.fleet.head(&pull.branch).as_ref());

    // A newer one: the same pull request, still one commit on top of the base.
    skopeo(&lab, &registry, "team/web:1.1.0", &Manifest::image("1.1.0", &[]));
    listener.waits_for("updated ");
    let pulls = lab.github.pulls();
    assert_eq!((pulls.len(), lab.fleet.log(&pulls[0].branch).len()), (1, 2));
    let changed = changes(&lab.fleet, &pulls[0].branch);
    insta::assert_snapshot!(lab.told(&changed.join("\n")), @r#"
apps/web.yaml:9
- image: registry.lan/team/web:0.9.0 # {"$imagepolicy": "flux-system:web"}
+ image: registry.lan/team/web:1.1.0 # {"$imagepolicy": "flux-system:web"}
"#);

    // An older one, the same push again, one of another image: the values stay.
    skopeo(&lab, &registry, "team/web:0.9.1", &Manifest::image("0.9.1", &[]));
    registry.push_manifest("team/web", "1.1.0", &Manifest::image("1.1.0", &[]));
    skopeo(&lab, &registry, "team/other:1.0.0", &Manifest::image("other", &[]));
    listener.waits_for("team/other:1.0.0 (of no interest");
    listener.waits_until(|| lab.inbox().is_empty());
    let after = lab.github.pulls();
    assert_eq!((after.len(), &after[0].title), (1, &pulls[0].title));
    assert_eq!((lab.fleet.log("main").len(), lab.fleet.log(&after[0].branch).len()), (1, 2));
    assert_eq!(changes(&lab.fleet, &after[0].branch), changed);
    lab.holds_no_secret(&listener);
}

#[test]
fn github_makes_and_signs_the_commit_of_a_pull_request() {
    let registry = Registry::start(Listing::AllAtOnceUnsorted, Access::Open);
    let Some(lab) = Lab::set_up(&registry.address().to_string()) else { return };
    let token = "ghs_of_the_app";
    lab.leave_commits_to_github(token);
    lab.git.require(Some(("x-access-token", token)));
    let listener = Listener::start(&lab, free_address());
    listener.waits_for("no tag of the image is known yet");

    for (version, did) in [("1.0.0", "opened "), ("1.1.0", "updated ")] {
        let digest = registry.push_manifest("team/web", version, &Manifest::image(version, &[]));
        listener.deliver(&lab, version, &digest);
        listener.waits_for(did);
        listener.waits_until(|| lab.inbox().is_empty());
        let [pull] = &lab.github.pulls()[..] else { panic!("{:?}\n{}", lab.github.pulls(), listener.log()) };
        assert!(changes(&lab.fleet, &pull.branch).join("\n").contains(&format!("team/web:{version} ")));
        assert_eq!(Some(&pull.head), lab.fleet.head(&pull.branch).as_ref());
        assert!(lab.github.signed(&pull.head), "{version}");
        let log = lab.fleet.log(&pull.branch);
        assert_eq!((log.len(), log[0].author.0.as_str()), (2, "tag2pr[bot]"));
    }
    // The same again is another look, and no other commit.
    let digest = registry.push_manifest("team/web", "1.1.0", &Manifest::image("1.1.0", &[]));
    listener.deliver(&lab, "1.1.0", &digest);
    listener.waits_until(|| lab.inbox().is_empty());
    let made = |line: &&String| line.as_str() == "POST /repos/acme/fleet/git/commits 201";
    assert_eq!(lab.github.exchanges().iter().filter(made).count(), 2);
    assert_eq!((lab.fleet.log("main").len(), lab.github.pulls().len()), (1, 1));
}

#[test]
fn a_wrong_token_is_said_in_one_line_and_a_restart_goes_on_where_it_was() {
    let registry = Registry::start(Listing::AllAtOnceUnsorted, Access::Open);
    let Some(lab) = Lab::set_up(&registry.address().to_string()) else { return };
    lab.git.require(Some(("x-access-token", TOKEN)));
    let listener = Listener::start(&lab, free_address());
    listener.waits_for("no tag of the image is known yet");

    lab.git.require(Some(("x-access-token", "the token after that")));
    let digest = registry.push_manifest("team/web", "1.0.0", &Manifest::image("1.0.0", &[]));
    listener.deliver(&lab, "1.0.0", &digest);
    insta::assert_snapshot!(lab.told(&listener.waits_for("needs you")), @"! git.lan/acme/fleet@main: http://git.lan/acme/fleet.git refused: HTTP 401 Unauthorized: check the token: it is wrong, or it has expired, or the user name is not the one that belongs to it (no); it needs you, and is tried again");
    assert_eq!(lab.inbox().len(), 1);
    lab.holds_no_secret(&listener);
    listener.kill();

    lab.git.require(Some(("x-access-token", TOKEN)));
    let listener = Listener::start(&lab, free_address());
    listener.waits_for("opened ");
    listener.waits_until(|| lab.inbox().is_empty());
    assert_eq!(lab.github.pulls().len(), 1);
    lab.holds_no_secret(&listener);
}

#[test]
fn a_token_that_the_forge_refuses_is_said_in_one_line() {
    let registry = Registry::start(Listing::AllAtOnceUnsorted, Access::Open);
    let Some(lab) = Lab::set_up(&registry.address().to_string()) else { return };
    registry.push_manifest("team/web", "1.0.0", &Manifest::image("1.0.0", &[]));
    lab.change_token("ghp_a_token_of_nobody");
    let listener = Listener::start(&lab, free_address());
    insta::assert_snapshot!(lab.told(&listener.waits_for("needs you")), @"! git.lan/acme/fleet@main: http://api.github.lan refused: Bad credentials; the token is wrong, expired or revoked: give a new one in `credentials:`; it needs you, and is tried again");
    assert_eq!(lab.github.pulls(), []);
    lab.holds_no_secret(&listener);
}

#[test]
fn a_missing_branch_is_said_in_one_line_and_looked_for_again() {
    let registry = Registry::start(Listing::AllAtOnceUnsorted, Access::Open);
    let Some(lab) = Lab::set_up(&registry.address().to_string()) else { return };
    registry.push_manifest("team/web", "1.0.0", &Manifest::image("1.0.0", &[]));
    let main = lab.fleet.head("main").unwrap();
    lab.fleet.run(&["update-ref", "-d", "refs/heads/main"]);
    let listener = Listener::start(&lab, free_address());
    insta::assert_snapshot!(lab.told(&listener.waits_for("needs you")), @"! git.lan/acme/fleet@main: branch `main` does not exist in http://git.lan/acme/fleet.git; it needs you, and is tried again");
    lab.fleet.run(&["update-ref", "refs/heads/main", &main]);
    listener.waits_for("opened ");
    assert_eq!(lab.github.pulls().len(), 1);
}

#[test]
fn a_registry_that_is_away_keeps_the_delivery_until_it_answers() {
    let registry = Registry::start(Listing::AllAtOnceUnsorted, Access::Open);
    let Some(lab) = Lab::set_up(&registry.address().to_string()) else { return };
    let listener = Listener::start(&lab, free_address());
    listener.waits_for("no tag of the image is known yet");
    let digest = registry.push_manifest("team/web", "1.0.0", &Manifest::image("1.0.0", &[]));
    registry.fail(Fault::HangsUp);
    listener.deliver(&lab, "1.0.0", &digest);
    insta::assert_snapshot!(lab.told(&listener.waits_for("tried again")), @"! git.lan/acme/fleet@main: not finished: registry registry.lan is not available: connection closed before message completed; it will be tried again");
    assert_eq!((lab.github.pulls(), lab.inbox().len()), (vec![], 1));
    registry.heal();
    listener.waits_for("opened ");
    listener.waits_until(|| lab.inbox().is_empty());
    assert_eq!(lab.github.pulls().len(), 1);
}

#[test]
fn a_git_server_that_is_away_keeps_the_delivery_until_it_answers() {
    let registry = Registry::start(Listing::AllAtOnceUnsorted, Access::Open);
    let Some(lab) = Lab::set_up(&registry.address().to_string()) else { return };
    let listener = Listener::start(&lab, free_address());
    listener.waits_for("no tag of the image is known yet");
    lab.git.fail_once(git_http::Fault::HangUp);
    let digest = registry.push_manifest("team/web", "1.0.0", &Manifest::image("1.0.0", &[]));
    listener.deliver(&lab, "1.0.0", &digest);
    insta::assert_snapshot!(lab.told(&listener.waits_for("tried again")), @"! git.lan/acme/fleet@main: http://git.lan/acme/fleet.git is not available: the connection broke: connection closed before message completed; it will be tried again");
    assert_eq!((lab.github.pulls(), lab.inbox().len()), (vec![], 1));
    listener.waits_for("opened ");
    assert_eq!(lab.github.pulls().len(), 1);
}
