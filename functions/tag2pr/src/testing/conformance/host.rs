//! What every forge must do for tag2pr.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use crate::seams::{Asks, CommitId, Draft, GitHost, HostError, PullRequest, State};
use crate::testing::host::Fault;

/// A forge, and what people and other programs do to it from outside.
///
/// There is a branch `main`; the suite makes branches of its own below `tag2pr/`, which must not exist before.
#[async_trait]
pub trait World: Send + Sync {
    /// The forge, seen through the seam.
    fn host(&self) -> &dyn GitHost;

    /// Puts a new commit on a branch, which is made from `main` if it does not exist.
    async fn push(&self, branch: &str) -> CommitId;

    /// A person changes a file on a branch that there is, with a commit of its own; `None` where the forge does not say
    /// afterwards which that was.
    async fn change(&self, _branch: &str, _path: &str) -> Option<CommitId> {
        None
    }

    /// [`World::person`] merges a pull request.
    async fn merge(&self, number: u64);

    /// [`World::person`] closes a pull request.
    async fn close_by_person(&self, number: u64);

    /// A person opens a closed one again; `false` where nobody can.
    async fn reopen(&self, _number: u64) -> bool {
        false
    }

    /// Who merges and closes, as the forge names people; `None` where it does not say.
    fn person(&self) -> Option<String> {
        Some("alice".to_owned())
    }

    /// What is written under a pull request, oldest first.
    async fn comments(&self, number: u64) -> Vec<String>;

    /// Whether a pull request is one that is not ready yet.
    async fn is_draft(&self, number: u64) -> bool;

    /// A person writes under a pull request, who may or may not write to the repository.
    async fn said(&self, _number: u64, _may_write: bool, _text: &str) {}

    /// What a pull request has of that which was asked for.
    async fn asked(&self, number: u64) -> Asks;

    /// Somebody whom the forge knows, as it wants them named.
    fn reviewer(&self) -> String {
        "alice".to_owned()
    }

    /// Somebody opens a pull request from a branch of this name in a fork; `false` where there are no forks.
    async fn opened_from_fork(&self, branch: &str, base: &str) -> bool;

    /// Makes the next call fail; `false` where it can't.
    fn fails_once(&self, fault: Fault) -> bool;

    /// The same forge with credentials that it does not know; `None` where there are none.
    fn stranger(&self) -> Option<&dyn GitHost> {
        None
    }
}

/// Markdown that something on the way might be tempted to change.
const BODY: &str = "| image | from | to |\n|---|---|---|\n| `acme/web` | 1.3.0 | **1.4.0** |\n\n\
    > a < b && c > d; `` `ticks` ``, \"quotes\", \\backslash, 100%, <!-- tag2pr:1 -->, &amp;\n\n\
    - ünï, 漢字, 🚀, e\u{301}\n\n```yaml\nimage: acme/web:1.4.0 # {\"$imagepolicy\": \"apps:web\"}\n```";

/// The whole suite.
///
/// # Panics
///
/// Where the forge does something else.
pub async fn host(world: &dyn World) {
    an_open_pull_request_is_found_as_it_was_drafted(world).await;
    an_update_changes_title_and_body_in_place(world).await;
    a_pull_request_follows_its_branch(world).await;
    closing_says_why_once(world).await;
    merged_is_not_closed(world).await;
    what_was_closed_may_be_open_again(world).await;
    who_merged_or_closed_is_told(world).await;
    the_last_change_of_a_file_is_told(world).await;
    a_second_open_one_for_the_same_branch_comes_too_late(world).await;
    every_one_is_found_newest_first(world).await;
    other_branches_bases_and_forks_do_not_count(world).await;
    what_the_forge_does_not_have_is_refused(world).await;
    a_draft_is_found_and_updated_like_any_other(world).await;
    what_is_asked_beside_title_and_body_is_done_or_said(world).await;
    what_people_ask_for_is_read_with_whether_they_may(world).await;
    an_answer_that_was_lost_is_found_again(world).await;
    faults_that_pass_are_told_from_those_that_do_not(world).await;
}

async fn an_open_pull_request_is_found_as_it_was_drafted(world: &dyn World) {
    let head = world.push("tag2pr/drafted").await;
    assert_eq!(find(world, "tag2pr/drafted").await, [], "before anything was opened");

    let opened = open(world, "tag2pr/drafted", "web: 1.3.0 → 1.4.0 <b> & `co`").await;
    assert_eq!(opened.state, State::Open);
    assert_eq!(opened.branch, "tag2pr/drafted");
    assert_eq!(opened.title, "web: 1.3.0 → 1.4.0 <b> & `co`");
    assert_eq!(opened.body, BODY, "the body, byte for byte");
    assert_eq!(opened.head, head);
    assert!(!opened.url.is_empty(), "a person wants to read it somewhere");
    assert_eq!(find(world, "tag2pr/drafted").await, [opened], "found as it was opened");
}

async fn an_update_changes_title_and_body_in_place(world: &dyn World) {
    world.push("tag2pr/updated").await;
    let opened = open(world, "tag2pr/updated", "web: 1.4.0").await;
    let draft = Draft { body: format!("{BODY}\n\nAnd more."), ..draft("tag2pr/updated", "web: 1.5.0") };
    let updated = world.host().update(opened.number, &draft).await.unwrap();
    assert_eq!(updated, PullRequest { title: draft.title, body: draft.body, ..opened });
    assert_eq!(find(world, "tag2pr/updated").await, [updated]);
}

async fn a_pull_request_follows_its_branch(world: &dyn World) {
    world.push("tag2pr/moved").await;
    let opened = open(world, "tag2pr/moved", "web: 1.4.0").await;
    let head = world.push("tag2pr/moved").await;
    assert_ne!(opened.head, head);
    assert_eq!(find(world, "tag2pr/moved").await, [PullRequest { head, ..opened }]);
}

async fn closing_says_why_once(world: &dyn World) {
    world.push("tag2pr/closed").await;
    let opened = open(world, "tag2pr/closed", "web: 1.4.0").await;
    world.host().close(opened.number, "`main` has it already.").await.unwrap();
    assert_eq!(find(world, "tag2pr/closed").await, [PullRequest { state: State::Closed, ..opened.clone() }]);
    assert_eq!(world.comments(opened.number).await, ["`main` has it already."]);

    world.host().close(opened.number, "`main` has it already.").await.unwrap();
    assert_eq!(world.comments(opened.number).await, ["`main` has it already."], "after the same call again");
}

async fn merged_is_not_closed(world: &dyn World) {
    world.push("tag2pr/fates").await;
    let merged = open(world, "tag2pr/fates", "merged").await;
    world.merge(merged.number).await;
    world.push("tag2pr/fates").await;
    let closed = open(world, "tag2pr/fates", "closed").await;
    world.close_by_person(closed.number).await;
    let fates: Vec<_> = find(world, "tag2pr/fates").await.into_iter().map(|pull| (pull.title, pull.state)).collect();
    assert_eq!(fates, [("closed".to_owned(), State::Closed), ("merged".to_owned(), State::Merged)]);

    world.host().close(merged.number, "too late").await.unwrap();
    let fate = find(world, "tag2pr/fates").await.into_iter().find(|pull| pull.number == merged.number);
    assert_eq!(fate.map(|pull| pull.state), Some(State::Merged), "what was merged stays merged");
}

async fn what_was_closed_may_be_open_again(world: &dyn World) {
    world.push("tag2pr/again").await;
    let opened = open(world, "tag2pr/again", "web: 1.4.0").await;
    world.close_by_person(opened.number).await;
    if world.reopen(opened.number).await {
        assert_eq!(ended_by(world, opened.number).await, None, "it has not ended");
        assert_eq!(find(world, "tag2pr/again").await, [opened]);
    }
}

async fn who_merged_or_closed_is_told(world: &dyn World) {
    world.push("tag2pr/answered").await;
    let merged = open(world, "tag2pr/answered", "merged").await.number;
    assert_eq!(ended_by(world, merged).await, None, "nobody has yet");
    world.merge(merged).await;
    world.push("tag2pr/answered").await;
    let closed = open(world, "tag2pr/answered", "closed").await.number;
    for word in ["What is it?", "Who needs it?", "Why now?"] {
        world.host().comment(closed, word).await.unwrap();
    }
    assert_eq!(ended_by(world, closed).await, None, "words alone end nothing");
    world.close_by_person(closed).await;
    for word in ["It was not needed.", "It may be later.", "Somebody will ask."] {
        world.host().comment(closed, word).await.unwrap();
    }
    assert_eq!([ended_by(world, merged).await, ended_by(world, closed).await], [world.person(), world.person()]);
}

async fn the_last_change_of_a_file_is_told(world: &dyn World) {
    let (branch, path) = ("tag2pr/changed", "apps/web & co/#1 +50%/ünï.yaml");
    world.push(branch).await;
    world.push("tag2pr/unchanged").await;
    assert_eq!(last_change(world, path, branch).await, None, "a file that is not there");
    let Some(first) = world.change(branch, path).await else { return };
    assert_eq!(last_change(world, path, branch).await, Some(first));
    let second = world.change(branch, path).await;
    world.change(branch, "apps/db.yaml").await;
    world.push(branch).await;
    assert_eq!(last_change(world, path, branch).await, second, "other files do not count");
    assert_eq!(last_change(world, "apps/cache.yaml", branch).await, None, "a file that is not there");
    assert_eq!(last_change(world, path, "tag2pr/unchanged").await, None, "other branches do not count");
}

async fn a_second_open_one_for_the_same_branch_comes_too_late(world: &dyn World) {
    world.push("tag2pr/once").await;
    let first = open(world, "tag2pr/once", "first").await;
    let second = world.host().open(&draft("tag2pr/once", "second")).await;
    moved(second, "a second open pull request for one branch", "already exists");
    assert_eq!(find(world, "tag2pr/once").await, std::slice::from_ref(&first));

    world.close_by_person(first.number).await;
    let second = open(world, "tag2pr/once", "second").await;
    assert_ne!(second.number, first.number, "a closed one is not opened again");
}

async fn every_one_is_found_newest_first(world: &dyn World) {
    let mut opened = Vec::new();
    for round in 0..7 {
        world.push("tag2pr/many").await;
        let pull = open(world, "tag2pr/many", &format!("round {round}")).await;
        if round < 6 {
            world.close_by_person(pull.number).await;
        }
        opened.insert(0, pull.number);
    }
    let found = find(world, "tag2pr/many").await;
    assert_eq!(found.iter().map(|pull| pull.number).collect::<Vec<_>>(), opened, "page after page, newest first");
    assert_eq!(found.iter().filter(|pull| pull.state == State::Open).count(), 1);
}

async fn other_branches_bases_and_forks_do_not_count(world: &dyn World) {
    for branch in ["tag2pr/web", "tag2pr/web-canary", "tag2pr/staging"] {
        world.push(branch).await;
    }
    let ours = open(world, "tag2pr/web", "ours").await;
    open(world, "tag2pr/web-canary", "a longer name").await;
    let elsewhere = Draft { base: "tag2pr/staging".to_owned(), ..draft("tag2pr/web", "for another base") };
    let elsewhere = world.host().open(&elsewhere).await.unwrap();
    if world.opened_from_fork("tag2pr/web", "main").await {
        assert_eq!(find(world, "tag2pr/web").await.len(), 1, "a fork's branch of the same name is not ours");
    }
    assert_eq!(find(world, "tag2pr/web").await, [ours]);
    assert_eq!(world.host().find("tag2pr/web", "tag2pr/staging").await.unwrap(), [elsewhere]);
    assert_eq!(find(world, "tag2pr/we").await, []);
}

async fn what_the_forge_does_not_have_is_refused(world: &dyn World) {
    let missing = world.host().open(&draft("tag2pr/missing", "no branch")).await;
    refused(missing, "a branch that does not exist", "tag2pr/missing");
    world.push("tag2pr/baseless").await;
    let baseless = Draft { base: "gone".to_owned(), ..draft("tag2pr/baseless", "no base") };
    refused(world.host().open(&baseless).await, "a base that does not exist", "gone");
    let updated = world.host().update(987_654, &draft("tag2pr/missing", "no number")).await;
    refused(updated, "a pull request that does not exist", "987654");
    refused(world.host().close(987_654, "no number").await, "a pull request that does not exist", "987654");
}

async fn a_draft_is_found_and_updated_like_any_other(world: &dyn World) {
    world.push("tag2pr/frozen").await;
    let frozen = Draft { is_draft: true, ..draft("tag2pr/frozen", "web: 1.4.0") };
    let opened = world.host().open(&frozen).await.unwrap();
    assert_eq!(opened.title, "web: 1.4.0", "however the forge marks it");
    assert!(opened.is_draft);
    let updated = world.host().update(opened.number, &Draft { title: "web: 1.5.0".to_owned(), ..frozen }).await;
    assert_eq!(updated.unwrap(), PullRequest { title: "web: 1.5.0".to_owned(), ..opened.clone() });
    assert_eq!(find(world, "tag2pr/frozen").await[0].title, "web: 1.5.0");
    assert!(world.is_draft(opened.number).await, "an update leaves it a draft");

    world.host().ready(opened.number).await.unwrap();
    assert!(!world.is_draft(opened.number).await, "it is ready");
    let ready = PullRequest { title: "web: 1.5.0".to_owned(), is_draft: false, ..opened.clone() };
    assert_eq!(find(world, "tag2pr/frozen").await, [ready]);
    world.host().ready(opened.number).await.unwrap();
    assert!(!world.is_draft(opened.number).await, "once is enough");
}

async fn what_is_asked_beside_title_and_body_is_done_or_said(world: &dyn World) {
    world.push("tag2pr/asked").await;
    let opened = open(world, "tag2pr/asked", "web: 1.4.0").await;
    let asks = Asks {
        labels: vec!["images".to_owned(), "bot".to_owned()],
        reviewers: vec![world.reviewer()],
        assignees: vec![world.reviewer()],
        auto_merge: true,
    };
    let remarks = world.host().ask(opened.number, &asks).await.unwrap();
    let is_said = |what: &str| remarks.iter().any(|remark| remark.contains(what));
    let there = world.asked(opened.number).await;
    assert!(there.labels == asks.labels || is_said("label"), "{there:?}, {remarks:?}");
    assert!(there.reviewers == asks.reviewers || is_said("reviewer"), "{there:?}, {remarks:?}");
    assert!(there.assignees == asks.assignees || is_said("assignee"), "{there:?}, {remarks:?}");
    assert!(there.auto_merge || is_said("auto-merge"), "{there:?}, {remarks:?}");
    assert_eq!(find(world, "tag2pr/asked").await, [opened], "title, body and state are as they were");
}

async fn what_people_ask_for_is_read_with_whether_they_may(world: &dyn World) {
    world.push("tag2pr/commanded").await;
    let opened = open(world, "tag2pr/commanded", "web: 1.4.0").await;
    if world.host().comment(opened.number, "It is left to you.").await.unwrap() {
        world.host().comment(opened.number, "It is left to you.").await.unwrap();
        assert_eq!(world.comments(opened.number).await, ["It is left to you."], "once");
    }
    if !world.host().reads_commands() {
        assert_eq!(world.host().commands(opened.number, 0).await.unwrap(), []);
        return;
    }
    world.said(opened.number, false, "/tag2pr rebase").await;
    world.said(opened.number, true, "Let us wait.").await;
    world.said(opened.number, true, "/tag2pr rebase\nIt was a mistake.").await;
    let commands = world.host().commands(opened.number, 0).await.unwrap();
    let told: Vec<_> = commands.iter().map(|one| (one.body.as_str(), one.may_write)).collect();
    assert_eq!(told, [("/tag2pr rebase", false), ("/tag2pr rebase\nIt was a mistake.", true)], "oldest first");
    assert!(commands[0].id < commands[1].id);
    assert_eq!(world.host().commands(opened.number, commands[0].id).await.unwrap(), commands[1..]);
    assert_eq!(world.host().commands(opened.number, commands[1].id).await.unwrap(), []);
}

async fn an_answer_that_was_lost_is_found_again(world: &dyn World) {
    world.push("tag2pr/lost").await;
    if world.fails_once(Fault::AnswerLost) {
        unavailable(world.host().open(&draft("tag2pr/lost", "heard by nobody")).await, "a lost answer", "");
        let found = find(world, "tag2pr/lost").await;
        assert_eq!(found.iter().map(|pull| &pull.title).collect::<Vec<_>>(), ["heard by nobody"]);
    }
}

async fn faults_that_pass_are_told_from_those_that_do_not(world: &dyn World) {
    world.push("tag2pr/faults").await;
    if world.fails_once(Fault::Down) {
        unavailable(world.host().open(&draft("tag2pr/faults", "down")).await, "a forge that is down", "");
        assert_eq!(find(world, "tag2pr/faults").await, [], "nothing was opened");
    }
    let until: Timestamp = "2033-05-18T03:33:20Z".parse().unwrap();
    // Nobody is left alone for longer, however far that is from now.
    let wait = SignedDuration::from_hours(1);
    if world.fails_once(Fault::RateLimited { until, wait }) {
        let found = world.host().find("tag2pr/faults", "main").await;
        let told = matches!(&found, Err(HostError::Unavailable { wait: told, .. }) if *told == Some(wait));
        assert!(told, "how long it asks to be left alone is told: {found:?}");
        unavailable(found, "a rate limit", "2033-05-18T03:33:20Z");
    }
    if let Some(stranger) = world.stranger() {
        refused(stranger.find("tag2pr/faults", "main").await, "an unknown token", "token");
        refused(stranger.open(&draft("tag2pr/faults", "stranger")).await, "an unknown token", "token");
    }
    assert_eq!(find(world, "tag2pr/faults").await, [], "nothing was opened");
}

fn draft(branch: &str, title: &str) -> Draft {
    Draft {
        branch: branch.to_owned(),
        base: "main".to_owned(),
        title: title.to_owned(),
        body: BODY.to_owned(),
        is_draft: false,
    }
}

async fn open(world: &dyn World, branch: &str, title: &str) -> PullRequest {
    world.host().open(&draft(branch, title)).await.unwrap_or_else(|error| panic!("opening from {branch}: {error}"))
}

async fn find(world: &dyn World, branch: &str) -> Vec<PullRequest> {
    world.host().find(branch, "main").await.unwrap_or_else(|error| panic!("finding {branch}: {error}"))
}

async fn ended_by(world: &dyn World, number: u64) -> Option<String> {
    world.host().ended_by(number).await.unwrap_or_else(|error| panic!("asking who ended #{number}: {error}"))
}

async fn last_change(world: &dyn World, path: &str, branch: &str) -> Option<CommitId> {
    let change = world.host().last_change(path, branch).await;
    change.unwrap_or_else(|error| panic!("asking for the last change of {path} on {branch}: {error}"))
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, HostError>, what: &str, words: &str) {
    match result {
        Err(HostError::Refused { reason, .. }) => {
            assert!(reason.contains(words), "{what}: the reason `{reason}` does not name `{words}`");
        }
        other => panic!("{what} must be refused, not {other:?}"),
    }
}

#[track_caller]
fn moved<T: std::fmt::Debug>(result: Result<T, HostError>, what: &str, words: &str) {
    match result {
        Err(HostError::Moved { reason, .. }) => {
            assert!(reason.contains(words), "{what}: the reason `{reason}` does not name `{words}`");
        }
        other => panic!("{what} must be a lost race, not {other:?}"),
    }
}

#[track_caller]
fn unavailable<T: std::fmt::Debug>(result: Result<T, HostError>, what: &str, words: &str) {
    match result {
        Err(HostError::Unavailable { reason, .. }) => {
            assert!(reason.contains(words), "{what}: the reason `{reason}` does not name `{words}`");
        }
        other => panic!("{what} must be unavailable, not {other:?}"),
    }
}
