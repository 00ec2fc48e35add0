//! The life of a proposal without a forge: a bare repository and a directory on this disk, the binary, and `git`.

use std::fs;
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use regex::Regex;
use serde_json::{Value, json};
use tag2pr_standins::git::{Bare, Entry};

use crate::environment::{HOME_LAB, TestEnvironment, home_lab, recorded};

const PROPOSAL: &str = "tag2pr/flux-system.flux-system";
const FRONTEND: &str = "flux/clusters/production/frontend/deployment.yaml";
const BEFORE: &str = "main-f9e1f0b-1707200000";

/// The home lab, and what people do to it with Git alone.
struct Life {
    environment: TestEnvironment,
    fleet: Bare,
}

fn tag(number: u32) -> String {
    format!("main-{number:07x}-17073{number:05}")
}

/// What a branch adds to the base: how many commits, and which values.
fn adds(fleet: &Bare, branch: &str) -> String {
    let commits = fleet.run(&["rev-list", "--count", &format!("main..{branch}")]);
    let diff = fleet.run(&["diff", "--unified=0", "main", branch]);
    let added = diff.lines().filter(|line| line.starts_with('+') && line.contains("$imagepolicy"));
    let values: Vec<&str> = added.filter_map(|line| line.split(" # ").next()?.rsplit('/').next()).collect();
    format!("{commits}: {}", values.join(", "))
}

impl Life {
    fn new() -> Self {
        let (environment, fleet) = home_lab();
        Self { environment, fleet }
    }

    /// The home lab with a `.tag2pr.yaml`.
    fn with(settings: &str) -> Self {
        let life = Self::new();
        life.says(settings);
        life
    }

    /// Somebody writes a `.tag2pr.yaml`.
    fn says(&self, settings: &str) {
        self.fleet.push("main", &[Entry::file(".tag2pr.yaml", settings)], "Tell tag2pr");
    }

    /// The registry tells of a push: what is done then about the frontend, a line for each thing.
    fn push(&self, image: &str, number: u32) -> String {
        let (body, _) = recorded("stories/2-frontend");
        let body = String::from_utf8(body).unwrap();
        let body = body.replace("frontend", image).replace("main-abc1234-1707300000", &tag(number));
        self.environment.write("push.json", body.replace("sha256:0532b007", &format!("sha256:{number:08x}")));
        self.done(&["replay", "push.json", "--source", "harbor"])
    }

    fn propose(&self) -> String {
        self.done(&["propose"])
    }

    fn done(&self, arguments: &[&str]) -> String {
        let run = self.environment.run(&[arguments, &["--output", "json"]].concat());
        assert_eq!(run.status, Some(0), "{run}");
        let json = run.json();
        let repositories = json["repositories"].as_array().unwrap().iter();
        let lines = repositories.flat_map(|repository| repository["done"].as_array().unwrap());
        let lines = lines.map(|line| line.as_str().unwrap());
        let text: Vec<&str> = lines.filter(|line| !line.starts_with("flux-system/backend: ")).collect();
        Regex::new(r"(at|pushed) [0-9a-f]{7}\b").unwrap().replace_all(&text.join("\n"), "$1 COMMIT").into_owned()
    }

    /// Somebody replaces text in a file of a branch.
    fn edit(&self, branch: &str, path: &str, one: &str, other: &str) {
        let before = self.file(branch, path);
        assert!(before.contains(one), "{before}");
        self.fleet.push(branch, &[Entry::file(path, before.replace(one, other))], "By hand");
    }

    fn file(&self, branch: &str, path: &str) -> String {
        self.fleet.run(&["show", &format!("{branch}:{path}")]) + "\n"
    }

    /// Somebody merges a branch, and removes it.
    fn merge(&self, branch: &str) {
        let tree = format!("{branch}^{{tree}}");
        let commit = self.fleet.run(&["commit-tree", &tree, "-p", "main", "-p", branch, "-m", "Merge"]);
        self.fleet.run(&["update-ref", "refs/heads/main", &commit]);
        self.remove(branch);
    }

    fn remove(&self, branch: &str) {
        self.fleet.run(&["update-ref", "-d", &format!("refs/heads/{branch}")]);
    }

    fn branches(&self) -> String {
        self.fleet.run(&["for-each-ref", "--format=%(refname:short)", "refs/heads/tag2pr/"])
    }

    fn adds(&self, branch: &str) -> String {
        adds(&self.fleet, branch)
    }

    fn pulls(&self) -> Vec<Value> {
        self.environment.pull_requests("state")
    }

    /// The title and state of each pull request.
    fn told(&self) -> String {
        let told = self.pulls().into_iter().map(|pull| {
            let text = |key: &str| pull[key].as_str().unwrap().to_owned();
            format!("#{} {}: {}", pull["number"], text("state"), text("title"))
        });
        told.collect::<Vec<_>>().join("\n")
    }

    fn body(&self, number: usize) -> String {
        self.pulls()[number - 1]["body"].as_str().unwrap().to_owned()
    }

    fn comments(&self, number: usize) -> String {
        let comments = self.pulls()[number - 1]["comments"].as_array().unwrap().clone();
        comments.iter().map(|comment| comment.as_str().unwrap()).collect::<Vec<_>>().join("\n---\n")
    }

    fn status(&self) -> Value {
        self.environment.run(&["status", "--output", "json"]).json()
    }

    /// What became of the frontend's policy.
    fn outcome(&self) -> String {
        let status = self.status();
        let policies = status["policies"].as_array().unwrap();
        let policy = policies.iter().find(|policy| policy["policy"] == "flux-system/frontend").unwrap();
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let proposed = text(&policy["proposed"]["tag"]);
        format!(
            "{}, in git {}, proposed {proposed}, held {}",
            text(&policy["outcome"]),
            policy["in_git"],
            policy["held"]
        )
    }
}

#[test]
fn a_newer_tag_takes_the_place_of_the_one_that_is_open() {
    let life = Life::new();
    life.push("frontend", 1);
    life.push("frontend", 2);
    assert_snapshot!(life.told(), @"#1 open: Update frontend to main-0000002-1707300002");
    assert_eq!(life.branches(), PROPOSAL);
    assert_snapshot!(life.adds(PROPOSAL), @"1: frontend:main-0000002-1707300002");
    let place = "It takes the place of `main-0000001-1707300001`, which this pull request offered before.";
    assert!(life.body(1).contains(place), "{}", life.body(1));
    assert_snapshot!(life.outcome(), @r#"changes, in git ["main-f9e1f0b-1707200000"], proposed main-0000002-1707300002, held []"#);

    let before = (life.environment.everything("fleet.git"), life.pulls());
    assert_snapshot!(life.propose(), @"flux-system.flux-system: local:$ROOT/here/fleet@main#1 is up to date");
    assert_snapshot!(life.push("frontend", 1), @"flux-system.flux-system: local:$ROOT/here/fleet@main#1 is up to date");
    assert!((life.environment.everything("fleet.git"), life.pulls()) == before, "nothing is new");
}

#[test]
fn it_is_made_anew_when_the_base_moves_and_closed_when_the_base_has_it() {
    let life = Life::new();
    life.push("frontend", 1);
    life.fleet.push("main", &[Entry::file("README.md", "A fleet.\n")], "Describe it");
    life.propose();
    assert_snapshot!(life.adds(PROPOSAL), @"1: frontend:main-0000001-1707300001");
    assert_eq!(life.file(PROPOSAL, "README.md"), "A fleet.\n");

    life.edit("main", FRONTEND, BEFORE, &tag(1));
    assert_snapshot!(life.propose(), @"flux-system.flux-system: closed local:$ROOT/here/fleet@main#1: there is nothing left in it to merge");
    assert_snapshot!(life.told(), @"#1 closed: Update frontend to main-0000001-1707300001");
    assert_snapshot!(life.comments(1), @"
    Closed by tag2pr: there is nothing left in it to merge.

    - `flux-system/frontend`: up to date
    ");
    assert_snapshot!(life.outcome(), @r#"up-to-date, in git ["main-0000001-1707300001"], proposed -, held []"#);
}

#[test]
fn a_branch_that_somebody_committed_to_is_theirs_until_they_remove_it() {
    let life = Life::new();
    life.push("frontend", 1);
    let theirs = life.fleet.push(PROPOSAL, &[Entry::file("notes.md", "Wait for Alice.")], "Add notes");
    assert_snapshot!(life.propose(), @"flux-system.flux-system: left alone: `tag2pr/flux-system.flux-system` stands at COMMIT, which tag2pr did not write: it is left to whoever did; once it is deleted, it is proposed again, what was closed with it after `tag2pr release`");
    life.push("frontend", 2);
    assert_eq!(life.fleet.head(PROPOSAL).as_ref(), Some(&theirs));
    assert_snapshot!(life.told(), @"#1 open: Update frontend to main-0000001-1707300001");
    assert_snapshot!(life.comments(1).replace(&theirs[..7], "COMMIT"), @"Somebody committed to this branch, which stands at COMMIT now, so tag2pr leaves it alone: newer tags are not brought here any more. Merge it as it is, close it, or delete its branch to have it made anew, if that closes it after `tag2pr release`.");

    life.remove(PROPOSAL);
    life.propose();
    assert_snapshot!(life.told(), @"
    #1 closed: Update frontend to main-0000001-1707300001
    #2 open: Update frontend to main-0000002-1707300002
    ");
    assert_snapshot!(life.adds(PROPOSAL), @"1: frontend:main-0000002-1707300002");
}

#[test]
fn what_somebody_closed_by_removing_its_branch_is_held_until_it_is_released() {
    let life = Life::new();
    life.push("frontend", 1);
    life.remove(PROPOSAL);
    assert_snapshot!(life.propose(), @"flux-system/frontend (192.168.0.40:5000/frontend:main-0000001-1707300001): held: pull request local:$ROOT/here/fleet@main#1 was closed without merging");
    assert_eq!(life.branches(), "");
    assert_snapshot!(life.outcome(), @r#"held, in git ["main-f9e1f0b-1707200000"], proposed -, held ["main-0000001-1707300001"]"#);

    life.environment.run(&["release", "flux-system/frontend"]);
    life.propose();
    assert_snapshot!(life.outcome(), @r#"changes, in git ["main-f9e1f0b-1707200000"], proposed main-0000001-1707300001, held []"#);

    life.remove(PROPOSAL);
    life.propose();
    life.push("frontend", 2);
    assert_snapshot!(life.told(), @"
    #1 closed: Update frontend to main-0000001-1707300001
    #2 closed: Update frontend to main-0000001-1707300001
    #3 open: Update frontend to main-0000002-1707300002
    ");
    assert_snapshot!(life.outcome(), @r#"changes, in git ["main-f9e1f0b-1707200000"], proposed main-0000002-1707300002, held ["main-0000001-1707300001"]"#);
}

#[test]
fn what_was_merged_with_git_and_taken_back_by_hand_is_held() {
    let life = Life::new();
    life.push("frontend", 1);
    life.merge(PROPOSAL);
    life.propose();
    assert_snapshot!(life.outcome(), @r#"up-to-date, in git ["main-0000001-1707300001"], proposed -, held []"#);
    life.edit("main", FRONTEND, &tag(1), BEFORE);
    assert_snapshot!(life.propose(), @"flux-system/frontend (192.168.0.40:5000/frontend:main-0000001-1707300001): held: it was merged with local:$ROOT/here/fleet@main#1, and then taken back on the base branch (seen at COMMIT)");
    assert_eq!(life.branches(), "");

    // The next one is merged without a commit of its own.
    life.push("frontend", 2);
    life.fleet.run(&["update-ref", "refs/heads/main", PROPOSAL]);
    life.propose();
    assert_snapshot!(life.told(), @"
    #1 merged: Update frontend to main-0000001-1707300001
    #2 merged: Update frontend to main-0000002-1707300002
    ");
    assert_snapshot!(life.outcome(), @r#"up-to-date, in git ["main-0000002-1707300002"], proposed -, held ["main-0000001-1707300001"]"#);
    assert_eq!(life.status()["holds"].as_array().unwrap().len(), 1);
}

#[test]
fn each_policy_may_have_a_branch_of_its_own() {
    let life = Life::with("proposals: [{ name: flux-system/flux-system, group: policy }]\n");
    life.push("frontend", 1);
    life.push("backend", 2);
    assert_snapshot!(life.told(), @"
    #1 open: Update frontend to main-0000001-1707300001
    #2 open: Update backend to main-0000002-1707300002
    ");
    assert_snapshot!(life.branches(), @"
    tag2pr/flux-system.flux-system.backend
    tag2pr/flux-system.flux-system.frontend
    ");
    life.merge("tag2pr/flux-system.flux-system.backend");
    life.propose();
    assert_snapshot!(life.adds("tag2pr/flux-system.flux-system.frontend"), @"1: frontend:main-0000001-1707300001");
}

/// A second place for the frontend, and what is said of its automation beside its folder.
fn second_place(settings: &str) -> Life {
    let life = Life::with(&format!("proposals:\n  - {{ name: flux-system/second, path: second{settings} }}\n"));
    let second = life.file("main", FRONTEND);
    life.fleet.push("main", &[Entry::file("second/deployment.yaml", second)], "Add a second place");
    life
}

#[test]
fn each_automation_has_a_branch_of_its_own() {
    let life = second_place("");
    life.push("frontend", 1);
    assert_eq!(life.pulls().len(), 2);
    for branch in [PROPOSAL, "tag2pr/flux-system.second"] {
        assert_eq!(life.adds(branch), "1: frontend:main-0000001-1707300001", "{branch}");
    }
    life.merge(PROPOSAL);
    life.propose();
    assert_eq!(life.branches(), "tag2pr/flux-system.second");
}

#[test]
fn a_stage_comes_after_the_one_before_it_was_merged() {
    let life = second_place(", after: { automation: flux-system/flux-system, soak: 0s }");
    assert_snapshot!(life.push("frontend", 1), @"
    flux-system.flux-system: opened local:$ROOT/here/fleet@main#1
    flux-system/frontend: waits: main-0000001-1707300001 does not stand in flux-system/flux-system yet
    ");
    assert_eq!(life.branches(), PROPOSAL);
    life.merge(PROPOSAL);
    life.propose();
    assert_snapshot!(life.told(), @"
    #1 merged: Update frontend to main-0000001-1707300001
    #2 open: Update frontend to main-0000001-1707300001
    ");
    assert_eq!(life.branches(), "tag2pr/flux-system.second");
}

/// What the repository of the cluster says of that of the applications.
const FOR_APPS: &str = "\
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: { name: apps, namespace: flux-system }
spec: { url: URL, ref: { branch: main } }
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageUpdateAutomation
metadata: { name: apps, namespace: flux-system }
spec:
  sourceRef: { kind: GitRepository, name: apps }
  git: { commit: { author: { name: bot, email: bot@example.org } } }
  update: { path: ./web, strategy: Setters }
";

#[test]
fn one_policy_is_written_to_two_repositories() {
    let life = Life::new();
    let apps = Bare::create(&life.environment.path("apps.git"));
    apps.push("main", &[Entry::file("web/deployment.yaml", life.file("main", FRONTEND))], "The applications");
    // The one that is told is looked at first.
    let both = HOME_LAB.replace("  - url: ./fleet.git", "  - url: ./apps.git\n  - url: ./fleet.git");
    life.environment.write("tag2pr.yaml", both);
    let place = fs::canonicalize(apps.path()).unwrap();
    let automation = FOR_APPS.replace("URL", &format!("file://{}", place.display()));
    life.fleet.push(
        "main",
        &[Entry::file("flux/clusters/production/apps.yaml", automation)],
        "Follow the applications",
    );
    life.push("frontend", 1);

    assert_snapshot!(adds(&apps, "tag2pr/flux-system.apps"), @"1: frontend:main-0000001-1707300001");
    assert_snapshot!(life.adds(PROPOSAL), @"1: frontend:main-0000001-1707300001");
    let status = life.status();
    let open = status["proposals"].as_array().unwrap().iter();
    let open: Vec<String> = open.map(|open| format!("{} {}", open["repository"], open["title"])).collect();
    assert_snapshot!(life.environment.normal(&open.join("\n")), @r#"
    "local$ROOT/here/apps@main" "Update frontend to main-0000001-1707300001"
    "local$ROOT/here/fleet@main" "Update frontend to main-0000001-1707300001"
    "#);
}

#[test]
fn without_a_pull_request_it_is_a_commit_on_the_base() {
    let life = Life::with("proposals: [{ name: '*', direct: true }]\n");
    let before = life.fleet.log("main").len();
    assert_snapshot!(life.push("frontend", 1), @"flux-system.flux-system: pushed COMMIT to `main`");
    let log = life.fleet.log("main");
    assert_eq!((log.len(), life.branches(), life.pulls().len()), (before + 1, String::new(), 0));
    assert_snapshot!(log[0].message.lines().next().unwrap(), @"Update frontend to main-0000001-1707300001");
    assert!(life.file("main", FRONTEND).contains(&tag(1)));
    assert_snapshot!(life.outcome(), @r#"up-to-date, in git ["main-0000001-1707300001"], proposed -, held []"#);

    life.edit("main", FRONTEND, &tag(1), BEFORE);
    life.propose();
    assert_snapshot!(life.outcome(), @r#"held, in git ["main-f9e1f0b-1707200000"], proposed -, held ["main-0000001-1707300001"]"#);
}

#[test]
fn a_draft_keeps_what_was_asked_for_beside_it() {
    let settings = "draft: true, labels: [images], reviewers: [alice], assignees: [bob]";
    let life = Life::with(&format!("proposals: [{{ name: '*', {settings} }}]\n"));
    life.push("frontend", 1);
    let pull = &life.pulls()[0];
    assert_eq!(pull["isDraft"], true);
    let asked = [&pull["labels"], &pull["reviewers"], &pull["assignees"]];
    assert_eq!(json!(asked), json!([["images"], ["alice"], ["bob"]]));
}

#[test]
fn in_frozen_hours_it_is_a_draft_that_says_until_when() {
    let always = "[{ from: '00:00', to: '12:00', zone: UTC }, { from: '12:00', to: '00:00', zone: UTC }]";
    let life = Life::with(&format!("proposals: [{{ name: '*', frozen: {always} }}]\n"));
    life.push("frontend", 1);
    assert_eq!(life.pulls()[0]["isDraft"], true);
    let until = Regex::new(r"^> Frozen until \d{4}-\d\d-\d\d \d\d:00 UTC: it is a draft until then\.\n").unwrap();
    assert!(until.is_match(&life.body(1)), "{}", life.body(1));
    assert_eq!(life.status()["proposals"][0]["frozen"], true);

    life.says("proposals: []\n");
    assert_snapshot!(life.propose(), @"
    flux-system.flux-system: updated local:$ROOT/here/fleet@main#1
    flux-system.flux-system: marked local:$ROOT/here/fleet@main#1 ready: the frozen hours are over
    ");
    assert_eq!(life.pulls()[0]["isDraft"], Value::Null);
    assert!(!life.body(1).contains("Frozen"), "{}", life.body(1));
}

#[test]
fn what_settles_waits_for_more_and_then_comes_by_itself() {
    let life = Life::with("proposals: [{ name: '*', settle: 1h }]\n");
    life.push("frontend", 1);
    assert_eq!((life.branches(), life.pulls().len()), (String::new(), 0));
    let waits = life.status()["waits"].clone();
    let reason = Regex::new(r"\d{4}-\d\d-\d\d \d\d:\d\d").unwrap();
    assert_snapshot!(reason.replace_all(waits[0]["reason"].as_str().unwrap(), "TIME"), @"more pushes may follow: one commit with all of them comes TIME UTC");

    life.says("proposals: [{ name: '*', settle: 1s }]\n");
    let patience = Instant::now() + Duration::from_secs(30);
    while life.pulls().is_empty() {
        assert!(Instant::now() < patience, "{}", life.status());
        life.propose();
    }
    assert_snapshot!(life.told(), @"#1 open: Update frontend to main-0000001-1707300001");
}
