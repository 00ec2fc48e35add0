//! What goes wrong in the life of a deployment: one line that says what to do, and it goes on as soon as that was done.

use std::fs;
use std::process::Command;

use insta::assert_snapshot;
use tag2pr_standins::aws::AwsServer;
use tag2pr_standins::git_http::GitHttp;
use tag2pr_standins::parts;
use tag2pr_standins::s3::S3Server;
use tag2pr_standins::signature::{ACCESS_KEY, SECRET_KEY};

use crate::environment::{HOME_LAB, TestEnvironment, home_lab, manifests_with};
use crate::serving::Serving;

/// Delivers what proves itself with `harbor-example-secret`.
fn deliver(serving: &Serving) -> u16 {
    serving.deliver("/hooks/harbor", "stories/2-frontend").0
}

#[test]
fn a_secret_in_a_file_is_rotated_without_a_restart() {
    let (environment, _) = home_lab();
    environment.write("harbor-secret", "the secret of last year\n");
    let mut serving = Serving::start(&environment, &["serve"]);
    serving.wait_for("backend: nothing selected");
    assert_eq!(deliver(&serving), 401);
    assert_snapshot!(environment.normal(&serving.wait_for("401")), @"HH:MM:SSZ ! 401 harbor: the `Authorization` header is not the secret of this source; make them the same on both sides (TIME-ID)");

    environment.write("harbor-secret", "harbor-example-secret\n");
    serving.hang_up();
    serving.wait_for("the secrets were read again");
    assert_eq!(deliver(&serving), 200);

    // Written anew by removing and renaming: for a moment there is none.
    fs::remove_file(environment.path("harbor-secret")).unwrap();
    serving.hang_up();
    assert_snapshot!(environment.normal(&serving.wait_for("harbor-secret")), @"HH:MM:SSZ ! the secret `file:harbor-secret` cannot be read: $ROOT/here/harbor-secret: No such file or directory (os error 2); what was read before is used until it can be");
    assert_eq!(deliver(&serving), 200);
    assert_eq!(serving.terminate().0, Some(0));
}

/// What a process is told that asks the stand-ins for AWS.
fn aws(environment: &mut TestEnvironment, region: &str, more: &[(&'static str, String)]) {
    let account = [("AWS_REGION", region), ("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY)];
    environment.variables.extend(account.map(|(name, value)| (name, value.to_owned())));
    environment.variables.extend(more.iter().cloned());
}

#[test]
fn a_secret_at_aws_is_rotated_without_a_restart() {
    let (mut environment, _) = home_lab();
    let server = AwsServer::start();
    server.keep("tag2pr/webhooks", r#"{"harbor":"the secret of last year"}"#);
    aws(&mut environment, "eu-central-1", &[("AWS_ENDPOINT_URL_SECRETS_MANAGER", server.url())]);
    let reference = "'secretsmanager:tag2pr/webhooks#harbor'";
    environment.write("tag2pr.yaml", HOME_LAB.replace("file:harbor-secret", reference));
    let mut serving = Serving::start(&environment, &["serve"]);
    assert_eq!(deliver(&serving), 401);

    server.keep("tag2pr/webhooks", r#"{"harbor":"harbor-example-secret"}"#);
    serving.hang_up();
    serving.wait_for("the secrets were read again");
    assert_eq!(deliver(&serving), 200);

    server.fail_next(400, "AccessDeniedException");
    serving.hang_up();
    assert_snapshot!(environment.normal(&serving.wait_for("tag2pr/webhooks")), @"HH:MM:SSZ ! the secret `secretsmanager:tag2pr/webhooks#harbor` is not given: GetSecretValue at http://127.0.0.1:PORT/: 400 AccessDeniedException: as it was told; allow secretsmanager:GetSecretValue on it; what was read before is used until it can be");
    assert_eq!(deliver(&serving), 200);
    let (status, seen) = serving.terminate();
    assert_eq!(status, Some(0));
    assert!(!seen.iter().any(|line| line.contains("harbor-example-secret")));
}

#[test]
fn a_revoked_token_is_said_and_its_successor_taken_up() {
    let (environment, _) = home_lab();
    let server = GitHttp::start();
    server.create("acme/fleet.git").push("main", &manifests_with("", ""), "The cluster as it runs");
    server.require(Some(("git", "first-token")));
    environment.write("token", "first-token");
    let url = server.url("acme/fleet.git");
    let repository = format!("{url}\n    host: local\n    credentials: {{ token: file:token }}");
    environment.write("tag2pr.yaml", HOME_LAB.replace("./fleet.git", &repository));
    let mut serving = Serving::start(&environment, &["serve"]);
    serving.wait_for("backend: nothing selected");

    server.require(Some(("git", "second-token")));
    assert_eq!(deliver(&serving), 200, "what was pushed is recorded all the same");
    assert_snapshot!(environment.normal(&serving.wait_for("needs you")), @"HH:MM:SSZ ! 127.0.0.1:PORT/acme/fleet@main: http://127.0.0.1:PORT/acme/fleet.git refused: HTTP 401 Unauthorized: check the token: it is wrong, or it has expired, or the user name is not the one that belongs to it (no); it needs you, and is tried again");

    environment.write("token", "second-token");
    serving.hang_up();
    serving.wait_for("opened");
    assert_eq!(environment.pull_requests("state").len(), 1);
    let (_, seen) = serving.terminate();
    assert!(!seen.iter().any(|line| line.contains("-token")));
}

/// A command with a file system of its own as the store's directory: `None` where this user may not have one.
fn on_a_disk(environment: &TestEnvironment, options: &str) -> Option<Command> {
    fs::create_dir(environment.path("state")).unwrap();
    let unshare = ["--user", "--map-root-user", "--mount"];
    let able = Command::new("unshare").args(unshare).args(["mount", "-t", "tmpfs", "none", "/mnt"]).output();
    if !able.is_ok_and(|output| output.status.success()) {
        parts::missing("a mount namespace for this user", "allow unprivileged user namespaces");
        return None;
    }
    let served = environment.command(&["serve"]);
    let mut command = Command::new("/usr/bin/env");
    command.arg("unshare").args(unshare).args(["sh", "-c"]);
    command.arg(format!("mount -t tmpfs -o {options} none state && exec \"$0\" \"$@\""));
    command.arg(served.get_program()).args(served.get_args()).current_dir(environment.path("")).env_clear();
    command.envs(served.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    Some(command)
}

#[test]
fn a_full_disk_is_said_and_left_behind_as_soon_as_there_is_room() {
    let (environment, _) = home_lab();
    let Some(command) = on_a_disk(&environment, "size=100k") else { return };
    let mut serving = Serving::start_with(command);
    serving.wait_for("backend: nothing selected");
    let state = serving.seen_at(&environment.path("state"));
    // As much as there is room for.
    fs::write(state.join("ballast"), vec![0; 100 << 10]).unwrap_err();
    assert_eq!(deliver(&serving), 503, "it is not taken, so the sender keeps it");
    assert_snapshot!(environment.normal(&serving.wait_for("503")), @"HH:MM:SSZ ! 503 harbor: the store refused: $ROOT/here/state/.tag2pr/next-0: No space left on device (os error 28); make room on the disk of the store");

    fs::remove_file(state.join("ballast")).unwrap();
    assert_eq!(deliver(&serving), 200);
    assert_eq!(serving.terminate().0, Some(0));
}

#[test]
fn a_store_that_may_only_be_read_is_said() {
    let (environment, _) = home_lab();
    let Some(command) = on_a_disk(&environment, "ro") else { return };
    let mut serving = Serving::start_with(command);
    assert_snapshot!(environment.normal(&serving.wait_for("needs you")), @"HH:MM:SSZ ! local$ROOT/here/fleet@main: the store refused: $ROOT/here/state/.tag2pr/lock: Read-only file system (os error 30); choose a directory that can be written; it needs you, and is tried again");
    assert_eq!(deliver(&serving), 503);
    assert_snapshot!(environment.normal(&serving.wait_for("503")), @"HH:MM:SSZ ! 503 harbor: the store refused: $ROOT/here/state/.tag2pr/lock: Read-only file system (os error 30); choose a directory that can be written");
    assert_eq!(serving.terminate().0, Some(0));
}

#[test]
fn a_bucket_in_another_region_is_said_with_the_region() {
    let (mut environment, _) = home_lab();
    let server = S3Server::start("tag2pr-state");
    server.move_to("eu-central-1");
    aws(&mut environment, "us-east-1", &[("AWS_ENDPOINT_URL_S3", server.url())]);
    environment.write("tag2pr.yaml", HOME_LAB.replace("./state", "s3://tag2pr-state/lab"));
    let mut serving = Serving::start(&environment, &["serve"]);
    assert_snapshot!(environment.normal(&serving.wait_for("needs you")), @"HH:MM:SSZ ! local$ROOT/here/fleet@main: the store refused: LIST s3://tag2pr-state/lab/inbox/local%2Ftmp%2F.tmpRANDOM%2Fhere%2Ffleet%40main/: 301 PermanentRedirect: The bucket must be addressed with another endpoint; set AWS_REGION to `eu-central-1`, where the bucket `tag2pr-state` is; it needs you, and is tried again");
    assert_eq!(deliver(&serving), 503);
    assert_snapshot!(environment.normal(&serving.wait_for("503")), @"HH:MM:SSZ ! 503 harbor: the store refused: PUT s3://tag2pr-state/lab/images/192.168.0.40%3A5000/frontend/pushes/344709ac1781bc53d8b2e944de04eafc.json: 301 PermanentRedirect: The bucket must be addressed with another endpoint; set AWS_REGION to `eu-central-1`, where the bucket `tag2pr-state` is");
    assert_eq!(serving.terminate().0, Some(0));
    assert_snapshot!(environment.run(&["propose"]), @"
    local$ROOT/here/fleet@main: error: the store refused: LIST s3://tag2pr-state/lab/inbox/local%2Ftmp%2F.tmpRANDOM%2Fhere%2Ffleet%40main/: 301 PermanentRedirect: The bucket must be addressed with another endpoint; set AWS_REGION to `eu-central-1`, where the bucket `tag2pr-state` is
    ----- exit 1
    ");

    environment.variables.insert("AWS_REGION", "eu-central-1".to_owned());
    assert_eq!(environment.run(&["propose"]).status, Some(0));
}

/// Against a server that was not written here: see `tests/servers/`.
#[test]
fn a_bucket_that_is_not_there_is_said() {
    let Some(endpoint) = parts::variable("TAG2PR_S3_ENDPOINT", "a real S3 server") else { return };
    let (mut environment, _) = home_lab();
    aws(&mut environment, "eu-central-1", &[("AWS_ENDPOINT_URL_S3", endpoint)]);
    let bucket = format!("tag2pr-nobodys-{}", std::process::id());
    environment.write("tag2pr.yaml", HOME_LAB.replace("./state", &format!("s3://{bucket}")));
    let normal = |text: String| text.replace(&bucket, "tag2pr-nobodys");
    let run = environment.run(&["propose"]);
    assert_snapshot!(normal(run.to_string()), @"
    local$ROOT/here/fleet@main: error: the store refused: LIST s3://tag2pr-nobodys/inbox/local%2Ftmp%2F.tmpRANDOM%2Fhere%2Ffleet%40main/: 404 NoSuchBucket: The specified bucket does not exist; create the bucket `tag2pr-nobodys`, or name another one as the store
    ----- exit 1
    ");
    let mut serving = Serving::start(&environment, &["serve"]);
    assert_snapshot!(normal(environment.normal(&serving.wait_for("needs you"))), @"HH:MM:SSZ ! local$ROOT/here/fleet@main: the store refused: LIST s3://tag2pr-nobodys/inbox/local%2Ftmp%2F.tmpRANDOM%2Fhere%2Ffleet%40main/: 404 NoSuchBucket: The specified bucket does not exist; create the bucket `tag2pr-nobodys`, or name another one as the store; it needs you, and is tried again");
    assert_eq!(deliver(&serving), 503);
    assert_eq!(serving.terminate().0, Some(0));

    // Where the configuration itself should be in it.
    environment.variables.insert("TAG2PR_STORE", format!("s3://{bucket}"));
    fs::remove_file(environment.path("tag2pr.yaml")).unwrap();
    assert_snapshot!(normal(environment.run(&["propose"]).to_string()), @"
    ----- stderr
    error: reading the configuration: the store refused: GET s3://tag2pr-nobodys/tag2pr.yaml: 404 NoSuchBucket: The specified bucket does not exist; create the bucket `tag2pr-nobodys`, or name another one as the store
    ----- exit 1
    ");
}
