//! `serve` where something is wrong: what it says, and that it lives on where it can.

use std::net::TcpListener;

use insta::assert_snapshot;
use tag2pr_standins::git_http::GitHttp;

use crate::environment::{HOME_LAB, Run, TestEnvironment, home_lab, manifests_with};
use crate::serving::Serving;

fn serve(environment: &TestEnvironment, config: &str) -> Run {
    environment.write("tag2pr.yaml", config);
    environment.run(&["serve"])
}

#[test]
fn a_wrong_configuration_is_named_by_file_line_and_column() {
    let (environment, _) = home_lab();
    assert_snapshot!(serve(&environment, &HOME_LAB.replace("insecure:", "insecur:")), @"
    ----- stderr
    error: reading the configuration: tag2pr.yaml:7:5: unknown key `insecur`; did you mean `insecure`?
    ----- exit 1
    ");
    let runs = [
        serve(&environment, &HOME_LAB.replace("type: harbor", "type: harbour")),
        serve(&environment, &HOME_LAB.replace("file:harbor-secret", "hunter2")),
        serve(&environment, "store: [\n"),
        serve(&environment, "listen: x\n"),
    ];
    assert!(runs.iter().all(|run| run.status == Some(1) && run.stdout.is_empty() && !run.stderr.contains("hunter2")));
    assert_snapshot!(runs.map(|run| run.stderr).concat());
}

#[test]
fn what_is_missing_is_named() {
    let (environment, _) = home_lab();
    let missing = [
        serve(&environment, &HOME_LAB.replace("file:harbor-secret", "env:HARBOR_HOOK")),
        serve(&environment, &HOME_LAB.replace("file:harbor-secret", "file:not-there")),
        serve(&environment, &HOME_LAB.replace("./fleet.git", "./not-there.git")),
        environment.run(&["serve", "--config", "not-there.yaml"]),
        TestEnvironment::new().run(&["serve"]),
    ];
    assert!(missing.iter().all(|run| run.status == Some(1)));
    assert_snapshot!(missing.map(|run| run.stderr).concat());
}

#[test]
fn a_port_in_use_is_named_with_the_way_out() {
    let (environment, _) = home_lab();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    assert_snapshot!(environment.run(&["serve", "--listen", &address]), @"
    ----- stderr
    error: starting: tag2pr.yaml: cannot listen on 127.0.0.1:PORT: Address already in use (os error 98); choose another with `listen:` or --listen HOST:PORT
    ----- exit 1
    ");
}

#[test]
fn a_queue_that_nothing_here_reads_is_refused() {
    let (mut environment, _) = home_lab();
    environment.variables.insert("TAG2PR_QUEUE_URL", "https://sqs.example.com/1/tag2pr.fifo".to_owned());
    assert_snapshot!(environment.run(&["serve"]), @"
    ----- stderr
    error: TAG2PR_QUEUE_URL is set, and nothing here would see what is sent to that queue; unset it to use `serve`
    ----- exit 1
    ");
}

/// The one line that says what is wrong, after a delivery was taken all the same.
fn one_line(environment: &TestEnvironment, serving: &mut Serving) -> String {
    let line = serving.wait_for("tried again");
    assert_eq!(serving.request("GET", "/healthz", &[], b"").0, 200);
    assert_eq!(serving.deliver("/hooks/harbor", "stories/2-frontend").0, 200);
    environment.normal(&line)
}

#[test]
fn a_missing_branch_is_waited_for() {
    let (environment, fleet) = home_lab();
    environment.write("tag2pr.yaml", format!("{HOME_LAB}    branch: production\n"));
    let mut serving = Serving::start(&environment, &["serve"]);
    assert_snapshot!(one_line(&environment, &mut serving));
    fleet.push("production", &manifests_with("branch: main", "branch: production"), "Here it is");
    serving.wait_for("opened");
    assert_eq!(environment.pull_requests("state").len(), 1);
}

#[test]
fn a_wrong_token_is_said_once_for_each_try_and_never_shown() {
    let (environment, _) = home_lab();
    let server = GitHttp::start();
    server.create("acme/fleet.git").push("main", &manifests_with("", ""), "x");
    server.require(Some(("git", "right-token")));
    environment.write("token", "wrong-token");
    let url = server.url("acme/fleet.git");
    let repository = format!("{url}\n    host: local\n    credentials: {{ token: file:token }}");
    environment.write("tag2pr.yaml", HOME_LAB.replace("./fleet.git", &repository));
    let mut serving = Serving::start(&environment, &["serve"]);
    assert_snapshot!(one_line(&environment, &mut serving));
    server.require(Some(("git", "wrong-token")));
    serving.wait_for("opened");
    assert_eq!(environment.pull_requests("state").len(), 1);
    let (status, seen) = serving.terminate();
    assert_eq!(status, Some(0));
    assert!(!seen.iter().any(|line| line.contains("wrong-token")));
}

#[test]
fn git_that_is_not_reachable_is_tried_again() {
    let (environment, _) = home_lab();
    let repository = "http://127.0.0.1:1/acme/fleet.git\n    host: local";
    environment.write("tag2pr.yaml", HOME_LAB.replace("./fleet.git", repository));
    let mut serving = Serving::start(&environment, &["serve"]);
    assert_snapshot!(one_line(&environment, &mut serving));
    serving.wait_for("tried again");
    assert_eq!(serving.terminate().0, Some(0));
}

#[test]
fn a_registry_that_is_not_reachable_is_tried_again() {
    let (environment, fleet) = home_lab();
    fleet.push("main", &manifests_with("192.168.0.40:5000", "127.0.0.1:1"), "Another registry");
    let config = HOME_LAB.replace("192.168.0.40:5000", "127.0.0.1:1").replace("    confirm: false\n", "");
    environment.write("tag2pr.yaml", config);
    let mut serving = Serving::start(&environment, &["serve"]);
    assert_snapshot!(one_line(&environment, &mut serving));
    serving.wait_for("tried again");
    assert!(environment.pull_requests("state").is_empty());
    assert_eq!(serving.terminate().0, Some(0));
}

#[test]
fn a_store_that_cannot_be_written_answers_503() {
    let (environment, _) = home_lab();
    environment.write("state", "a file in the way");
    let mut serving = Serving::start(&environment, &["serve"]);
    assert_snapshot!(environment.normal(&serving.wait_for("tried again")));
    assert_eq!(serving.deliver("/hooks/harbor", "stories/2-frontend").0, 503);
    serving.wait_for("503");
    std::fs::remove_file(environment.path("state")).unwrap();
    assert_eq!(serving.deliver("/hooks/harbor", "stories/2-frontend").0, 200);
    serving.wait_for("opened");
}
