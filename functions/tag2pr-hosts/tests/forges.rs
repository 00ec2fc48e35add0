//! The adapters of all forges but GitHub, each in front of a stand-in with state.

use async_trait::async_trait;
use insta::assert_snapshot;
use reqwest::Client;
use reqwest::redirect::Policy;
use tag2pr::seams::{Asks, CommitId, Draft, GitHost, HostError, RepositoryId};
use tag2pr::secret::Secret;
use tag2pr::testing::conformance::host::{World, host};
use tag2pr::testing::host::Fault as HostFault;
use tag2pr_hosts::{Address, AzureDevops, Bitbucket, BitbucketDataCenter, Gitea, Gitlab, InvalidHost};
use tag2pr_standins::forge::{Fault, Forge, PERSON};
use tag2pr_standins::{azure_devops, bitbucket, bitbucket_data_center, gitea, gitlab};

const TOKEN: &str = "a-token-that-may-do-it";

/// A forge, its adapter, and the same adapter with somebody else's token.
struct Tried {
    forge: Forge,
    host: Box<dyn GitHost>,
    stranger: Box<dyn GitHost>,
    reviewer: &'static str,
    /// Who merges and closes, as the forge names people.
    person: &'static str,
    /// How the title of a draft begins, where that makes it one.
    mark: Option<&'static str>,
    /// Whether a closed one can be opened again.
    can_reopen: bool,
}

type New = fn(Client, &RepositoryId, &Secret, &Address<'_>) -> Result<Box<dyn GitHost>, InvalidHost>;

impl Tried {
    fn new(forge: Forge, path: &str, api: &str, new: New, reviewer: &'static str, mark: Option<&'static str>) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let repository = RepositoryId { host: "forge.test".into(), path: path.into(), base: "main".into() };
        let api = format!("{}{api}", forge.url()).parse().unwrap();
        let connect = |token: &str| {
            let client = Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
            let at = Address { api: Some(&api), plain_http: false };
            new(client, &repository, &Secret::new(token), &at).unwrap()
        };
        Self {
            host: connect(TOKEN),
            stranger: connect("somebody-elses"),
            forge,
            reviewer,
            person: PERSON,
            mark,
            can_reopen: true,
        }
    }

    /// The same forge, which names people as they want to be seen.
    fn with_display_names(self) -> Self {
        Self { person: "Alice Adams", ..self }
    }

    fn gitlab() -> Self {
        let forge = gitlab::start("acme/platform/fleet", TOKEN);
        let new: New = |client, repository, token, at| Ok(Box::new(Gitlab::new(client, repository, token, at)?));
        Self::new(forge, "acme/platform/fleet.git", "/api/v4", new, "alice", Some("Draft: "))
    }

    fn gitea() -> Self {
        let forge = gitea::start("acme", "fleet", TOKEN);
        let new: New = |client, repository, token, at| Ok(Box::new(Gitea::new(client, repository, token, at)?));
        Self::new(forge, "acme/fleet.git", "/api/v1", new, "alice", Some("WIP: "))
    }

    fn bitbucket() -> Self {
        let forge = bitbucket::start("acme/fleet", TOKEN);
        let new: New =
            |client, repository, token, at| Ok(Box::new(Bitbucket::new(client, repository, None, token, at)?));
        // What was declined stays so.
        let tried = Self::new(forge, "acme/fleet.git", "/2.0", new, "{1b3f}", None).with_display_names();
        Self { can_reopen: false, ..tried }
    }

    fn bitbucket_data_center() -> Self {
        let forge = bitbucket_data_center::start("ACME", "fleet", TOKEN);
        let new: New =
            |client, repository, token, at| Ok(Box::new(BitbucketDataCenter::new(client, repository, token, at)?));
        Self::new(forge, "scm/ACME/fleet.git", "/rest/api/1.0", new, "alice", None)
    }

    fn azure_devops() -> Self {
        let forge = azure_devops::start("acme", "Home Lab", "fleet", TOKEN);
        let new: New = |client, repository, token, at| Ok(Box::new(AzureDevops::new(client, repository, token, at)?));
        let reviewer = "9e1c7b5a-0000-4000-8000-000000000002";
        Self::new(forge, "acme/Home%20Lab/_git/fleet", "/acme/Home%20Lab", new, reviewer, None).with_display_names()
    }

    fn all() -> [Self; 5] {
        [Self::gitlab(), Self::gitea(), Self::bitbucket(), Self::bitbucket_data_center(), Self::azure_devops()]
    }

    /// The error, with this server's own address made a constant.
    fn said<T: std::fmt::Debug>(&self, result: Result<T, HostError>) -> String {
        result.unwrap_err().to_string().replace(&self.forge.url(), "https://forge.test")
    }
}

#[async_trait]
impl World for Tried {
    fn host(&self) -> &dyn GitHost {
        &*self.host
    }
    async fn push(&self, branch: &str) -> CommitId {
        CommitId(self.forge.push(branch))
    }
    async fn change(&self, branch: &str, path: &str) -> Option<CommitId> {
        Some(CommitId(self.forge.change(branch, path)))
    }
    async fn merge(&self, number: u64) {
        self.forge.end(number, true);
    }
    async fn close_by_person(&self, number: u64) {
        self.forge.end(number, false);
    }
    async fn reopen(&self, number: u64) -> bool {
        if self.can_reopen {
            self.forge.reopen(number);
        }
        self.can_reopen
    }
    fn person(&self) -> Option<String> {
        Some(self.person.to_owned())
    }
    async fn comments(&self, number: u64) -> Vec<String> {
        self.forge.pull(number).map(|pull| pull.comments).unwrap_or_default()
    }
    async fn said(&self, number: u64, may_write: bool, text: &str) {
        self.forge.said(number, if may_write { "alice" } else { "mallory" }, text);
    }
    async fn is_draft(&self, number: u64) -> bool {
        self.forge.pull(number).is_some_and(|pull| match self.mark {
            Some(mark) => pull.title.starts_with(mark),
            None => pull.draft,
        })
    }
    async fn asked(&self, number: u64) -> Asks {
        let pull = self.forge.pull(number);
        pull.map_or_else(Asks::default, |pull| Asks {
            labels: pull.labels,
            reviewers: pull.reviewers,
            assignees: pull.assignees,
            auto_merge: pull.auto_merge,
        })
    }
    fn reviewer(&self) -> String {
        self.reviewer.to_owned()
    }
    async fn opened_from_fork(&self, branch: &str, base: &str) -> bool {
        self.forge.opened_from_fork(branch, base);
        true
    }
    fn fails_once(&self, fault: HostFault) -> bool {
        self.forge.fails_once(match fault {
            HostFault::Down => Fault::Down,
            HostFault::AnswerLost => Fault::AnswerLost,
            HostFault::RateLimited { until, .. } => Fault::RateLimited(until.as_second()),
        });
        true
    }
    fn stranger(&self) -> Option<&dyn GitHost> {
        Some(&*self.stranger)
    }
}

async fn does_what_every_forge_must(start: fn() -> Tried) {
    host(&start()).await;
    let paged = start();
    paged.forge.set_page_size(2);
    host(&paged).await;
}

#[tokio::test]
async fn gitlab_does_what_every_forge_must() {
    does_what_every_forge_must(Tried::gitlab).await;
}

#[tokio::test]
async fn gitea_does_what_every_forge_must() {
    does_what_every_forge_must(Tried::gitea).await;
}

#[tokio::test]
async fn bitbucket_cloud_does_what_every_forge_must() {
    does_what_every_forge_must(Tried::bitbucket).await;
}

#[tokio::test]
async fn bitbucket_data_center_does_what_every_forge_must() {
    does_what_every_forge_must(Tried::bitbucket_data_center).await;
}

#[tokio::test]
async fn azure_devops_does_what_every_forge_must() {
    does_what_every_forge_must(Tried::azure_devops).await;
}

fn draft(branch: &str) -> Draft {
    Draft {
        branch: branch.to_owned(),
        base: "main".to_owned(),
        title: "web: 1.4.0".to_owned(),
        body: "| a | b |".to_owned(),
        is_draft: false,
    }
}

#[tokio::test]
async fn opening_costs_few_calls() {
    let mut calls = Vec::new();
    for tried in Tried::all() {
        tried.forge.push("tag2pr/web");
        tried.host.find("tag2pr/web", "main").await.unwrap();
        tried.host.open(&draft("tag2pr/web")).await.unwrap();
        calls.extend(tried.forge.exchanges());
        calls.push(String::new());
    }
    assert_snapshot!(calls.join("\n"), @"
    GET /api/v4/projects/acme%2Fplatform%2Ffleet/merge_requests 200
    POST /api/v4/projects/acme%2Fplatform%2Ffleet/merge_requests 201

    GET /api/v1/repos/acme/fleet/pulls 200
    POST /api/v1/repos/acme/fleet/pulls 201

    GET /2.0/repositories/acme/fleet/pullrequests 200
    GET /2.0/repositories/acme/fleet/pullrequests 200
    POST /2.0/repositories/acme/fleet/pullrequests 201
    GET /2.0/repositories/acme/fleet/commit/000000000002 200

    GET /rest/api/1.0/projects/ACME/repos/fleet/pull-requests 200
    POST /rest/api/1.0/projects/ACME/repos/fleet/pull-requests 201

    GET /acme/Home%20Lab/_apis/git/repositories/fleet/pullrequests 200
    POST /acme/Home%20Lab/_apis/git/repositories/fleet/pullrequests 201
    GET /acme/Home%20Lab/_apis/git/repositories/fleet/refs 200
    ");
}

#[tokio::test]
async fn whoever_wanted_it_merged_by_itself_did_not_end_it() {
    let asks = Asks { auto_merge: true, ..Asks::default() };
    for tried in Tried::all() {
        tried.forge.push("tag2pr/web");
        let number = tried.host.open(&draft("tag2pr/web")).await.unwrap().number;
        tried.host.ask(number, &asks).await.unwrap();
        assert_eq!(tried.host.ended_by(number).await.unwrap(), None);
        tried.forge.end(number, false);
        let before = tried.forge.exchanges().len();
        assert_eq!(tried.host.ended_by(number).await.unwrap().as_deref(), Some(tried.person));
        assert!(tried.forge.exchanges().len() - before <= 2, "it costs one or two calls");
        tried.host.close(number, "Too late.").await.unwrap();
        assert_eq!(tried.host.ended_by(number).await.unwrap().as_deref(), Some(tried.person), "it stays theirs");
    }
}

#[tokio::test]
async fn a_refusal_says_what_the_forge_said_and_what_to_do() {
    let mut said = Vec::new();
    for tried in Tried::all() {
        tried.forge.push("tag2pr/web");
        said.push(tried.said(tried.stranger.open(&draft("tag2pr/web")).await));
        said.push(tried.said(tried.host.open(&draft("tag2pr/gone")).await));
        tried.host.open(&draft("tag2pr/web")).await.unwrap();
        said.push(tried.said(tried.host.open(&draft("tag2pr/web")).await));
        said.push(tried.said(tried.host.update(7, &draft("tag2pr/web")).await));
        tried.forge.fails_once(Fault::RateLimited(2_000_000_000));
        said.push(tried.said(tried.host.find("tag2pr/web", "main").await));
        said.push(String::new());
    }
    assert_snapshot!(said.join("\n").replace("; ", ";\n    "));
}

#[tokio::test]
async fn what_a_forge_does_not_have_is_said_and_does_not_fail() {
    let asks = Asks {
        labels: vec!["unknown".to_owned()],
        reviewers: vec!["nobody".to_owned()],
        assignees: vec!["nobody".to_owned()],
        auto_merge: true,
    };
    let mut said = Vec::new();
    for tried in Tried::all() {
        tried.forge.push("tag2pr/web");
        let number = tried.host.open(&draft("tag2pr/web")).await.unwrap().number;
        said.extend(tried.host.ask(number, &asks).await.unwrap());
        said.push(String::new());
    }
    assert_snapshot!(said.join("\n"), @"
    there is no `nobody` to ask on GitLab
    there is no `nobody` to ask on GitLab

    there is no label `unknown` in acme/fleet

    Bitbucket has no labels for pull requests
    Bitbucket has no assignees of pull requests
    Bitbucket Cloud has no auto-merge that can be asked for

    Bitbucket has no labels for pull requests
    Bitbucket has no assignees of pull requests
    tag2pr has no way to ask Bitbucket Data Center for auto-merge yet

    Azure DevOps has no assignees of pull requests
    ");
}

#[tokio::test]
async fn what_gitea_does_not_describe_is_noticed() {
    let tried = Tried::gitea();
    if !gitea::is_checked() {
        return; // The stand-in has said that it lacks the description.
    }
    let url = format!("{}/api/v1/repos/acme/fleet/pulls?state=any&stat=all", tried.forge.url());
    let request = Client::new().get(url).header("authorization", format!("token {TOKEN}")).header("user-agent", "test");
    assert_eq!(request.send().await.unwrap().status(), 200);
    assert_snapshot!(tried.forge.take_violations().join("\n"), @r#"
    GET /repos/{owner}/{repo}/pulls: query state: at ``: "any" is not one of "closed", "open" or "all"
    GET /repos/{owner}/{repo}/pulls: query: no parameter `stat`
    "#);
}

#[test]
fn a_path_that_is_no_repository_is_said_before_anything_is_sent() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let token = Secret::new(TOKEN);
    let at = Address::default();
    let id = |path: &str| RepositoryId { host: "git.example.com".into(), path: path.into(), base: "main".into() };
    let client = Client::new;
    let errors = [
        Gitlab::new(client(), &id("fleet"), &token, &at).err(),
        Gitlab::new(client(), &id("acme/../fleet"), &token, &at).err(),
        Gitea::new(client(), &id("acme/fleet/more"), &token, &at).err(),
        Bitbucket::new(client(), &id("acme"), None, &token, &at).err(),
        BitbucketDataCenter::new(client(), &id("scm/ACME"), &token, &at).err(),
        AzureDevops::new(client(), &id("acme/project/fleet"), &token, &at).err(),
        AzureDevops::new(client(), &id("acme/..%2F..%2Fother/_git/fleet"), &token, &at).err(),
        Gitlab::new(client(), &id("acme/fleet"), &Secret::new("two\nlines"), &at).err(),
    ];
    let said: Vec<String> = errors.into_iter().map(|error| error.unwrap().to_string()).collect();
    assert_snapshot!(said.join("\n"), @"
    `fleet` is no repository at git.example.com; a path like `group/project` is needed
    `acme/../fleet` is no repository at git.example.com; a path like `group/project` is needed
    `acme/fleet/more` is no repository at git.example.com; a path like `owner/name` is needed
    `acme` is no repository at git.example.com; a path like `workspace/name` is needed
    `scm/ACME` is no repository at git.example.com; a path like `scm/PROJECT/name` is needed
    `acme/project/fleet` is no repository at git.example.com; a path like `organisation/project/_git/name` is needed
    `acme/..%2F..%2Fother/_git/fleet` is no repository at git.example.com; a path like `organisation/project/_git/name` is needed
    git.example.com needs a token: set `credentials:` of this repository to one, without spaces or line breaks
    ");
}
