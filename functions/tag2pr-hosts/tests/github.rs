//! GitHub's adapter in front of a GitHub with state.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use insta::assert_snapshot;
use reqwest::redirect::Policy;
use ring::signature::RsaKeyPair;
use tag2pr::seams::{Asks, CommitId, Draft, GitHost, HostError, PullRequest, RepositoryId, Tokens as _};
use tag2pr::secret::Secret;
use tag2pr::testing::conformance::host::{World, host};
use tag2pr::testing::host::Fault as HostFault;
use tag2pr_hosts::{Address, Github, GithubApp, InvalidHost};
use tag2pr_standins::github::{Fault, GitHub};
use tag2pr_standins::server::Server;

const TOKEN: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";

struct Forge {
    server: GitHub,
    github: Github,
    stranger: Github,
}

impl Forge {
    fn start() -> Self {
        let server = GitHub::start("acme", "fleet", TOKEN);
        let github = adapter(&server.api(), TOKEN, Policy::none());
        let stranger = adapter(&server.api(), "ghp_somebody_elses", Policy::none());
        Self { server, github, stranger }
    }

    /// The error, a line for each part, with this server's own address made a constant.
    fn said<T: std::fmt::Debug>(&self, result: Result<T, HostError>) -> String {
        lines(&result.unwrap_err().to_string().replace(&self.server.api(), "https://api.github.com"))
    }
}

fn lines(text: &str) -> String {
    text.replace("; ", ";\n").replacen(": ", ":\n", 1)
}

fn adapter(api: &str, token: &str, redirects: Policy) -> Github {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().redirect(redirects).no_proxy().build().unwrap();
    let repository = RepositoryId { host: "github.com".into(), path: "acme/fleet".into(), base: "main".into() };
    Github::new(
        client,
        &repository,
        Arc::new(Secret::new(token)),
        &Address { api: Some(&api.parse().unwrap()), plain_http: false },
    )
    .unwrap()
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

#[async_trait]
impl World for Forge {
    fn host(&self) -> &dyn GitHost {
        &self.github
    }
    async fn push(&self, branch: &str) -> CommitId {
        CommitId(self.server.push(branch))
    }
    async fn change(&self, branch: &str, path: &str) -> Option<CommitId> {
        Some(CommitId(self.server.change(branch, path)))
    }
    async fn merge(&self, number: u64) {
        self.server.merge(number);
    }
    async fn close_by_person(&self, number: u64) {
        self.server.close(number);
    }
    async fn reopen(&self, number: u64) -> bool {
        self.server.reopen(number);
        true
    }
    async fn comments(&self, number: u64) -> Vec<String> {
        let pulls = self.server.pulls();
        pulls.into_iter().find(|pull| pull.number == number).map(|pull| pull.comments).unwrap_or_default()
    }
    async fn said(&self, number: u64, may_write: bool, text: &str) {
        self.server.said(number, if may_write { "alice" } else { "mallory" }, text);
    }
    async fn is_draft(&self, number: u64) -> bool {
        self.server.pulls().iter().any(|pull| pull.number == number && pull.draft)
    }
    async fn asked(&self, number: u64) -> Asks {
        let pull = self.server.pulls().into_iter().find(|pull| pull.number == number);
        pull.map_or_else(Asks::default, |pull| Asks {
            labels: pull.labels,
            reviewers: pull.reviewers,
            assignees: pull.assignees,
            auto_merge: pull.auto_merge,
        })
    }
    async fn opened_from_fork(&self, branch: &str, base: &str) -> bool {
        self.server.opened_from_fork("mallory", "fleet", branch, base);
        // A fork in the same organisation has the label that the list is filtered by.
        self.server.opened_from_fork("acme", "fleet-of-mallory", branch, base);
        true
    }
    fn fails_once(&self, fault: HostFault) -> bool {
        self.server.fails_once(match fault {
            HostFault::Down => Fault::Down,
            HostFault::AnswerLost => Fault::AnswerLost,
            HostFault::RateLimited { until, .. } => Fault::RateLimited(until.as_second()),
        });
        true
    }
    fn stranger(&self) -> Option<&dyn GitHost> {
        Some(&self.stranger)
    }
}

#[tokio::test]
async fn it_does_what_every_forge_must() {
    host(&Forge::start()).await;
}

#[tokio::test]
async fn it_does_so_when_everything_comes_in_small_pages() {
    let forge = Forge::start();
    forge.server.set_page_size(2);
    host(&forge).await;
    let pages = |line: &&String| line.as_str() == "GET /repos/acme/fleet/pulls 200";
    assert!(forge.server.exchanges().iter().filter(pages).count() > 10);
}

#[tokio::test]
async fn what_github_does_not_describe_is_noticed() {
    let forge = Forge::start();
    if !forge.server.is_checked() {
        return; // The stand-in has said that it lacks the description.
    }
    for path in ["/user", "/repos/acme/fleet/pulls?state=all", "/repos/acme/fleet/pulls?state=any&stat=all"] {
        let url = format!("{}{path}", forge.server.api());
        let request = reqwest::Client::new().get(url).bearer_auth(TOKEN).header("user-agent", "test");
        let answer = request.header("x-github-api-version", "2022-11-28").send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
    }
    assert_snapshot!(forge.server.take_violations().join("\n"), @r#"
    GET /repos/{owner}/{repo}/pulls: query state: at ``: "any" is not one of "open", "closed" or "all"
    GET /repos/{owner}/{repo}/pulls: query: no parameter `stat`
    "#);
}

#[tokio::test]
async fn opening_costs_two_calls() {
    let forge = Forge::start();
    forge.server.push("tag2pr/web");
    assert_eq!(forge.github.find("tag2pr/web", "main").await.unwrap(), []);
    forge.github.open(&draft("tag2pr/web")).await.unwrap();
    assert_eq!(forge.server.exchanges(), ["GET /repos/acme/fleet/pulls 200", "POST /repos/acme/fleet/pulls 201"]);
}

#[tokio::test]
async fn refusals_say_what_github_said_and_what_to_do() {
    let forge = Forge::start();
    let Forge { server, github, stranger } = &forge;
    server.push("tag2pr/web");
    let web = draft("tag2pr/web");

    assert_snapshot!(forge.said(stranger.open(&web).await), @"
    https://api.github.com refused:
    Bad credentials;
    the token is wrong, expired or revoked: give a new one in `credentials:`
    ");
    server.fails_once(Fault::ReadOnly);
    assert_snapshot!(forge.said(github.open(&web).await), @"
    https://api.github.com refused:
    Resource not accessible by personal access token;
    give the token the right to write pull requests in acme/fleet (`Pull requests: write`)
    ");
    assert_snapshot!(forge.said(github.open(&draft("tag2pr/gone")).await), @"
    https://api.github.com refused:
    Validation Failed: head invalid;
    there is no branch `tag2pr/gone` in acme/fleet: push it first
    ");
    let gone = Draft { base: "develop".to_owned(), ..web.clone() };
    assert_snapshot!(forge.said(github.open(&gone).await), @"
    https://api.github.com refused:
    Validation Failed: base invalid;
    there is no branch `develop` in acme/fleet: check `branch:`
    ");
    let same = Draft { base: "tag2pr/web".to_owned(), ..web.clone() };
    assert_snapshot!(forge.said(github.open(&same).await), @"
    https://api.github.com refused:
    Validation Failed: No commits between tag2pr/web and tag2pr/web;
    `tag2pr/web` has nothing that `tag2pr/web` does not have
    ");
    github.open(&web).await.unwrap();
    assert_snapshot!(forge.said(github.open(&web).await), @"
    https://api.github.com was asked by somebody else first:
    Validation Failed: A pull request already exists for acme:tag2pr/web;
    look for it before opening another
    ");
    assert_snapshot!(forge.said(github.update(7, &web).await), @"
    https://api.github.com refused:
    Not Found;
    there is no pull request #7 in acme/fleet, or the token may not write it (`Pull requests: write`)
    ");
    assert_snapshot!(forge.said(github.open(&Draft { title: String::new(), ..web }).await), @"
    https://api.github.com refused:
    Validation Failed: title missing_field
    ");
    assert_eq!(server.pulls().len(), 1);
}

#[tokio::test]
async fn a_repository_that_the_token_may_not_see_is_named() {
    let forge = Forge::start();
    let repository = RepositoryId { host: "github.com".into(), path: "acme/other".into(), base: "main".into() };
    let api = forge.server.api().parse().unwrap();
    let at = Address { api: Some(&api), plain_http: false };
    let other = Github::new(reqwest::Client::new(), &repository, Arc::new(Secret::new(TOKEN)), &at).unwrap();
    assert_snapshot!(forge.said(other.find("tag2pr/web", "main").await), @"
    https://api.github.com refused:
    Not Found;
    there is no repository acme/other, or the token may not see it: check `url:`, and give the token access to it
    ");
}

#[tokio::test]
async fn what_may_pass_says_when_to_come_again() {
    let forge = Forge::start();
    forge.server.fails_once(Fault::RateLimited(2_000_000_000));
    assert_snapshot!(forge.said(forge.github.find("x", "main").await), @"
    https://api.github.com is not available:
    rate limit exceeded (403 Forbidden);
    come again at 2033-05-18T03:33:20Z
    ");
    forge.server.fails_once(Fault::SecondaryRateLimited(60));
    assert_snapshot!(forge.said(forge.github.find("x", "main").await), @"
    https://api.github.com is not available:
    rate limit exceeded (403 Forbidden);
    come again in 60 seconds
    ");
    forge.server.fails_once(Fault::Down);
    assert_snapshot!(forge.said(forge.github.find("x", "main").await), @"
    https://api.github.com is not available:
    it answered 503 Service Unavailable
    ");
    forge.server.fails_once(Fault::AnswerLost);
    let lost = forge.github.find("x", "main").await;
    assert!(matches!(lost, Err(HostError::Unavailable { .. })), "{lost:?}");

    forge.server.fails_once(Fault::Delayed(Duration::from_secs(60)));
    let hasty = adapter(&forge.server.api(), TOKEN, Policy::none()).with_patience(Duration::from_millis(50));
    assert_snapshot!(forge.said(hasty.find("x", "main").await), @"
    https://api.github.com is not available:
    no answer within 50ms
    ");
    assert_eq!(forge.github.find("x", "main").await.unwrap(), []);
}

#[tokio::test]
async fn a_forge_that_is_not_there_is_unavailable() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gone = adapter(&format!("http://{free}"), TOKEN, Policy::none()).find("x", "main").await;
    let Err(HostError::Unavailable { reason, .. }) = gone else { panic!("{gone:?}") };
    assert!(reason.contains("refused"), "{reason}");
}

#[tokio::test]
async fn closing_again_after_a_lost_answer_says_nothing_twice() {
    let forge = Forge::start();
    forge.server.push("tag2pr/web");
    let number = forge.github.open(&draft("tag2pr/web")).await.unwrap().number;
    // The list of comments and the comment itself arrive; the answer to closing does not.
    forge.server.fails_after(2, Fault::AnswerLost);
    forge.github.close(number, "`main` has it already.").await.unwrap_err();
    forge.github.close(number, "`main` has it already.").await.unwrap();
    let pull = &forge.server.pulls()[0];
    assert_eq!(pull.comments, ["`main` has it already."]);
    assert!(!pull.open && !pull.merged);
}

#[tokio::test]
async fn the_token_is_sent_nowhere_else() {
    let (heard, others) = std::sync::mpsc::channel();
    let elsewhere = Server::start(move |request| {
        heard.send(request.headers().get("authorization").cloned()).unwrap();
        std::future::ready(http::Response::new("[]".into()))
    });
    let forge = Forge::start();
    let said = |result: Result<Vec<PullRequest>, HostError>| {
        forge.said(result).replace(&elsewhere.url(), "https://elsewhere.example")
    };
    // By redirect, whether or not the client follows it …
    let follows = adapter(&forge.server.api(), TOKEN, Policy::default());
    let moved = Fault::Moved(format!("{}/repositories/1/pulls?page=1", elsewhere.url()));
    forge.server.fails_once(moved.clone());
    let error = said(forge.github.find("x", "main").await);
    assert_snapshot!(error, @"
    https://api.github.com refused:
    the repository was renamed or moved (sent on to https://elsewhere.example/repositories/1/pulls);
    give its present URL
    ");
    forge.server.fails_once(moved);
    assert_eq!(said(follows.find("x", "main").await), error);
    let heard: Vec<_> = others.try_iter().collect();
    assert_eq!(heard, [None], "only the client that follows was there, without a token");
    // … or as the next page of a list.
    forge.server.fails_once(Fault::NextPageAt(format!("{}/repositories/1/pulls?page=2", elsewhere.url())));
    assert_snapshot!(said(forge.github.find("x", "main").await), @"
    https://api.github.com refused:
    the next page is at another host: https://elsewhere.example/repositories/1/pulls?page=2
    ");
    assert_eq!(others.try_iter().count(), 0);
}

#[test]
fn what_cannot_be_a_repository_is_said_before_anything_is_sent() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let new = |path: &str| {
        let repository = RepositoryId { host: "github.com".into(), path: path.into(), base: "main".into() };
        let tokens = Arc::new(Secret::new(TOKEN));
        Github::new(reqwest::Client::new(), &repository, tokens, &Address::default()).err().unwrap().to_string()
    };
    assert_snapshot!(lines(&new("fleet")), @"
    `fleet` is no repository at github.com;
    a path like `owner/name` is needed
    ");
    assert_snapshot!(lines(&new("acme/../user")), @"
    `acme/../user` is no repository at github.com;
    a path like `owner/name` is needed
    ");
}

const PKCS1: &str = include_str!("keys/app-pkcs1.pem");
const PKCS8: &str = include_str!("keys/app-pkcs8.pem");

/// A forge on which the app 12345 is installed, and the app with this key.
fn app(forge: &Forge, key: &str, lifetime: i64) -> Result<GithubApp, InvalidHost> {
    let pem: String = PKCS8.lines().filter(|line| !line.starts_with("-----")).collect();
    let pair = RsaKeyPair::from_pkcs8(&BASE64.decode(pem).unwrap()).unwrap();
    forge.server.installs("12345", pair.public().as_ref(), lifetime);
    let repository = RepositoryId { host: "github.com".into(), path: "acme/fleet".into(), base: "main".into() };
    let api = forge.server.api().parse().unwrap();
    let at = Address { api: Some(&api), plain_http: false };
    GithubApp::new(reqwest::Client::new(), &repository, "12345", &Secret::new(key), None, &at)
}

fn adapter_of(forge: &Forge, tokens: Arc<GithubApp>) -> Github {
    let repository = RepositoryId { host: "github.com".into(), path: "acme/fleet".into(), base: "main".into() };
    let api = forge.server.api().parse().unwrap();
    Github::new(reqwest::Client::new(), &repository, tokens, &Address { api: Some(&api), plain_http: false }).unwrap()
}

#[tokio::test]
async fn an_app_makes_one_token_and_keeps_it_until_it_runs_out() {
    for key in [PKCS1, PKCS8] {
        let forge = Forge::start();
        let app = Arc::new(app(&forge, key, 3600).unwrap());
        let github = adapter_of(&forge, Arc::clone(&app));
        let (first, second) = tokio::join!(github.find("x", "main"), github.find("y", "main"));
        assert_eq!((first.unwrap(), second.unwrap()), (vec![], vec![]));
        let made = |line: &&String| line.as_str() == "POST /app/installations/7/access_tokens 201";
        assert_eq!(forge.server.exchanges().iter().filter(made).count(), 1, "{:?}", forge.server.exchanges());

        // One that is good for four minutes might run out in the middle of a push.
        let hasty = self::app(&forge, key, 240).unwrap();
        let now = jiff::Timestamp::now();
        assert_eq!(hasty.token(now).await.unwrap().expose(), "ghs_1");
        assert_eq!(hasty.token(now).await.unwrap().expose(), "ghs_2");
    }
}

#[tokio::test]
async fn an_app_that_is_not_let_in_says_why() {
    let forge = Forge::start();
    let app = app(&forge, PKCS1, 3600).unwrap();
    let far = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(2);
    assert_snapshot!(forge.said(app.token(far).await), @"
    https://api.github.com refused:
    A JSON web token could not be decoded;
    the key does not belong to the app 12345, or this machine's clock is wrong: check `app:` and `key:`
    ");
    let other = Forge::start();
    let at = other.server.api().parse().unwrap();
    let repository = RepositoryId { host: "github.com".into(), path: "acme/fleet".into(), base: "main".into() };
    let at = Address { api: Some(&at), plain_http: false };
    let nowhere = GithubApp::new(reqwest::Client::new(), &repository, "12345", &Secret::new(PKCS1), None, &at).unwrap();
    assert_snapshot!(other.said(nowhere.token(jiff::Timestamp::now()).await), @"
    https://api.github.com refused:
    Not Found;
    the app 12345 is not installed on acme/fleet: install it there, with the rights to write contents and pull requests
    ");
}

#[test]
fn what_is_no_key_is_said_before_anything_is_sent() {
    let forge = Forge::start();
    let error = app(&forge, "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n", 60).err().unwrap().to_string();
    assert_snapshot!(error, @"the `key` of the app for github.com is no RSA private key in PEM: give the file that GitHub gave when the key was made");
}
