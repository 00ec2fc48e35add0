use std::io::Write;
use std::time::Duration;

use insta::assert_snapshot;
use tag2pr_standins::git_http::{Fault, GitHttp};

use crate::environment::{HOME_LAB, TestEnvironment, home_lab, manifests_with, recorded};
use crate::serving::{Serving, answer};

const SECRET: (&str, &str) = ("Authorization", "harbor-example-secret");

#[test]
fn it_says_what_to_enter_at_each_sender_and_no_secret() {
    let (mut environment, _) = home_lab();
    environment.variables.insert("GITHUB_HOOK", "hunter2-github".to_owned());
    let sources = "\
sources:
  harbor: { type: harbor, secret: file:harbor-secret }
  github: { type: ghcr, secret: env:GITHUB_HOOK }
  hub: { type: docker-hub, secret: [file:hub-secret, file:harbor-secret] }
  registry: { type: distribution, secret: file:registry-secret }
";
    environment.write("hub-secret", "hunter2-hub");
    environment.write("registry-secret", "hunter2-registry");
    let own = "sources:\n  harbor: { type: harbor, secret: file:harbor-secret }\n";
    environment.write("tag2pr.yaml", HOME_LAB.replace(own, sources));
    let mut serving = Serving::start(&environment, &["serve"]);
    serving.wait_for("backend: nothing selected");
    let (status, seen) = serving.terminate();
    assert_eq!(status, Some(0));
    let seen = environment.normal(&(seen.join("\n") + "\n"));
    assert!(!seen.contains("hunter2") && !seen.contains(SECRET.1), "{seen}");
    assert_snapshot!(seen);
}

#[test]
fn a_delivery_becomes_a_pull_request() {
    let (environment, fleet) = home_lab();
    let mut serving = Serving::start(&environment, &["serve"]);
    serving.wait_for("backend: nothing selected");

    let (status, answer) = serving.deliver("/hooks/harbor", "stories/2-frontend");
    assert_eq!(status, 200, "{answer}");
    serving.wait_for("opened");
    let pulls = environment.pull_requests("state");
    assert_eq!(pulls.len(), 1);
    assert_eq!(pulls[0]["title"], "Update frontend to main-abc1234-1707300000");
    assert_eq!(fleet.log("tag2pr/flux-system.flux-system").len(), 2);
    assert!(environment.everything("state/inbox").is_empty(), "the poke was served");

    // The same again is known; another image of the automation joins the same pull request.
    serving.deliver("/hooks/harbor", "stories/2-frontend");
    serving.wait_for("is up to date");
    serving.deliver("/hooks/harbor", "stories/2-backend");
    serving.wait_for("updated");
    assert_eq!(environment.pull_requests("state").len(), 1);
    assert_eq!(fleet.log("tag2pr/flux-system.flux-system").len(), 2, "one commit on top of main");
    let (status, seen) = serving.terminate();
    assert_eq!(status, Some(0));
    let mut logged = seen.join("\n");
    logged.replace_range(..logged.find("! ").or(logged.find("· ")).unwrap() - "HH:MM:SSZ ".len(), "");
    // Answers and what comes of them are told by different tasks.
    let mut logged: Vec<String> = environment.normal(&logged).lines().map(str::to_owned).collect();
    logged.sort();
    assert_snapshot!(logged.join("\n"));
}

#[test]
fn asked_to_end_it_answers_first_who_is_in_the_middle_of_a_delivery() {
    let (environment, _) = home_lab();
    let mut serving = Serving::start(&environment, &["serve"]);
    serving.wait_for("backend: nothing selected");
    let (body, _) = recorded("stories/2-frontend");
    let mut stream = serving.begin("/hooks/harbor", &[SECRET], body.len());
    stream.write_all(&body[..100]).unwrap();
    // Another request is answered, so the first one was taken.
    serving.request("GET", "/healthz", &[], b"");
    serving.ask_to_end();
    serving.wait_for("stopping");
    stream.write_all(&body[100..]).unwrap();
    assert_eq!(answer(stream).0, 200);
    let (status, seen) = serving.end();
    assert_eq!(status, Some(0));
    assert!(seen.iter().any(|line| line.contains("recorded push")), "{seen:?}");
}

#[test]
fn what_is_not_for_us_is_refused_in_words() {
    let (environment, _) = home_lab();
    let config = HOME_LAB.replace("repositories:", "limits: { body: 4KiB }\nrepositories:");
    environment.write("tag2pr.yaml", config);
    let mut serving = Serving::start(&environment, &["serve"]);
    serving.wait_for("backend: nothing selected");
    let (body, _) = recorded("stories/2-frontend");
    let json = ("Content-Type", "application/json");
    let answers = [
        serving.post("/hooks/harbor", &[json], &body),
        serving.post("/hooks/harbor", &[json, ("Authorization", "a guess")], &body),
        serving.post("/hooks/harbor", &[json, SECRET], b"<html>"),
        serving.post("/hooks/harbor", &[json, SECRET], &[b' '; 5000]),
        serving.post("/hooks/nobody", &[json, SECRET], &body),
        serving.request("GET", "/hooks/harbor", &[], b""),
        serving.request("GET", "/healthz", &[], b""),
        serving.deliver("/hooks/harbor", "harbor/push"),
    ];
    let lines: Vec<String> = answers.iter().map(|(status, body)| format!("{status} {}", body.trim_end())).collect();
    assert_snapshot!(environment.normal(&lines.join("\n")));
    assert!(environment.pull_requests("state").is_empty());
    serving.wait_for("of no interest");
    assert_eq!(serving.terminate().0, Some(0));
}

#[test]
fn killed_after_the_answer_and_before_the_proposal_it_goes_on_from_the_inbox() {
    let (environment, _) = home_lab();
    let mut serving = Serving::start(&environment, &["serve"]);
    serving.wait_for("backend: nothing selected");
    // Git is away, so nothing can be proposed.
    std::fs::rename(environment.path("fleet.git"), environment.path("away.git")).unwrap();
    assert_eq!(serving.deliver("/hooks/harbor", "stories/2-frontend").0, 200);
    serving.wait_for("tried again");
    serving.kill();
    assert_eq!(environment.everything("state/inbox").len(), 1, "the poke waits");
    assert!(environment.pull_requests("state").is_empty());

    std::fs::rename(environment.path("away.git"), environment.path("fleet.git")).unwrap();
    let mut serving = Serving::start(&environment, &["serve"]);
    serving.wait_for("opened");
    assert_eq!(serving.terminate().0, Some(0));
    assert_eq!(environment.pull_requests("state").len(), 1);
    assert!(environment.everything("state/inbox").is_empty());
}

#[test]
fn what_comes_in_while_a_proposal_is_made_is_proposed_after_it() {
    let (environment, _) = home_lab();
    let server = GitHttp::start();
    server.create("acme/fleet.git").push("main", &manifests_with("", ""), "The cluster as it runs");
    let repository = format!("{}\n    host: local", server.url("acme/fleet.git"));
    environment.write("tag2pr.yaml", HOME_LAB.replace("./fleet.git", &repository));
    let mut serving = Serving::start(&environment, &["serve"]);
    serving.wait_for("backend: nothing selected");
    // Everything was read when it pushes; what comes in then is not part of it.
    server.fail_once_at("/git-receive-pack", Fault::Delay(Duration::from_secs(2)));
    serving.deliver("/hooks/harbor", "stories/2-frontend");
    while server.requests().pushes == 0 {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(serving.deliver("/hooks/harbor", "stories/2-backend").0, 200);
    serving.wait_for("opened");
    serving.wait_for("updated");
    assert_eq!(environment.pull_requests("state")[0]["title"], "Update backend and frontend");
    assert_eq!(serving.terminate().0, Some(0));
    assert!(environment.everything("state/inbox").is_empty());
}

#[test]
fn a_sender_that_hangs_up_before_the_answer_is_served_all_the_same() {
    let (environment, _) = home_lab();
    let mut serving = Serving::start(&environment, &["serve"]);
    serving.wait_for("backend: nothing selected");
    let (body, _) = recorded("stories/2-frontend");
    let mut stream = serving.begin("/hooks/harbor", &[SECRET], body.len());
    stream.write_all(&body).unwrap();
    drop(stream);
    serving.wait_for("opened");
    assert_eq!(environment.pull_requests("state").len(), 1);
}

#[test]
fn two_repositories_follow_the_same_push() {
    let environment = TestEnvironment::new();
    environment.fleet("fleet.git", "2-home-lab");
    environment.fleet("second.git", "2-home-lab");
    // Configured twice, looked after once.
    environment.write("tag2pr.yaml", format!("{HOME_LAB}  - url: ./second.git\n  - url: ./second.git\n"));
    environment.write("harbor-secret", SECRET.1);
    let mut serving = Serving::start(&environment, &["serve"]);
    serving.wait_for("backend: nothing selected");
    serving.wait_for("backend: nothing selected");
    assert_eq!(serving.deliver("/hooks/harbor", "stories/2-frontend").0, 200);
    let opened = [serving.wait_for("opened"), serving.wait_for("opened")];
    assert!(opened.iter().any(|line| line.contains("fleet@main#1")), "{opened:?}");
    assert!(opened.iter().any(|line| line.contains("second@main#1")), "{opened:?}");
    assert_eq!(environment.pull_requests("state").len(), 2);
}

#[test]
fn for_programs_the_log_is_lines_of_json() {
    let (environment, _) = home_lab();
    let mut serving = Serving::start(&environment, &["serve", "--output", "json"]);
    serving.wait_for("nothing selected");
    serving.deliver("/hooks/harbor", "stories/2-frontend");
    let line = serving.wait_for("opened");
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["event"], "proposed");
    assert!(line["repository"].as_str().unwrap().ends_with("fleet@main"));
    assert_eq!(serving.terminate().0, Some(0));
}
