//! Pull requests on GitHub: <https://docs.github.com/en/rest/pulls/pulls>.

mod app;
mod commits;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use reqwest::{Client, Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tag2pr::commands::PREFIX;
use tag2pr::seams::{self, Asks, CommitId, Draft, GitHost, HostError, PullRequest, RepositoryId, State, Tokens};
use url::Url;

use crate::about::About;
use crate::address::{self, Address};
use crate::asked::Asked;
use crate::rest::{Answer, Refusal, Rest, quote};
use crate::{InvalidHost, Kind, USER};
pub use app::GithubApp;
pub use commits::GithubCommits;

/// The oldest version that all supported GitHub Enterprise Servers know.
const API_VERSION: &str = "2022-11-28";

/// One repository on github.com, on GitHub Enterprise Cloud or on an Enterprise Server.
pub struct Github {
    rest: Rest,
    owner: String,
    name: String,
}

impl Github {
    /// Nothing is asked of GitHub yet. The API is `https://api.github.com`, `https://api.NAME.ghe.com`, or
    /// `https://HOST/api/v3` of an Enterprise Server, unless it is given.
    ///
    /// # Errors
    ///
    /// When the repository is no `owner/name`, or the token cannot be sent.
    pub fn new(
        client: Client,
        repository: &RepositoryId,
        tokens: Arc<dyn Tokens>,
        at: &Address<'_>,
    ) -> Result<Self, InvalidHost> {
        let (owner, name) = owner_and_name(repository)?;
        let api = match at.api {
            Some(api) => api.clone(),
            None => api_of(&repository.host, at)?,
        };
        let headers = HeaderMap::from_iter([
            (ACCEPT, HeaderValue::from_static("application/vnd.github+json")),
            (USER_AGENT, USER),
            (HeaderName::from_static("x-github-api-version"), HeaderValue::from_static(API_VERSION)),
        ]);
        Ok(Self { rest: Rest::new(client, api, headers).with_tokens(tokens), owner, name })
    }

    /// Waits no longer than this for one request; half a minute by default.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.rest.set_patience(patience);
        self
    }

    fn url(&self, resource: &[&str]) -> Url {
        self.rest.url(&[&["repos", &self.owner, &self.name], resource].concat())
    }

    /// Sends one request and reads its answer; what GitHub refuses is put in words by `about`.
    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        url: Url,
        body: Option<Value>,
        about: &About<'_>,
    ) -> Result<T, HostError> {
        let (value, _) = self.rest.ask(method, url, body, &|answer| self.reason(answer, about)).await?;
        Ok(value)
    }

    /// All pages of a list.
    async fn list<T: DeserializeOwned>(&self, url: Url, about: &About<'_>) -> Result<Vec<T>, HostError> {
        self.rest.list(url, &|answer| self.reason(answer, about)).await
    }

    /// Everything that is written under a pull request, oldest first.
    async fn comments(&self, number: u64) -> Result<Vec<Comment>, HostError> {
        let mut url = self.url(&["issues", &number.to_string(), "comments"]);
        url.query_pairs_mut().append_pair("per_page", "100");
        self.list(url, &About::Number(number)).await
    }

    /// Being somebody in the organisation is not enough:
    /// <https://docs.github.com/en/rest/collaborators/collaborators#get-repository-permissions-for-a-user>.
    async fn may_write(&self, login: &str) -> Result<bool, HostError> {
        let url = self.url(&["collaborators", login, "permission"]);
        match self.call::<Permission>(Method::GET, url, None, &About::Repository).await {
            Ok(Permission { permission }) => Ok(matches!(permission.as_str(), "admin" | "maintain" | "write")),
            Err(HostError::Refused { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Only GraphQL knows it: <https://docs.github.com/en/graphql/reference/mutations#enablepullrequestautomerge>.
    async fn auto_merge(&self, number: &str, about: &About<'_>) -> Result<(), HostError> {
        let pull: Value = self.call(Method::GET, self.url(&["pulls", number]), None, about).await?;
        self.mutate("enablePullRequestAutoMerge", &pull, about).await
    }

    /// What only the GraphQL API does to a pull request: <https://docs.github.com/en/graphql/reference/mutations>
    async fn mutate(&self, mutation: &str, pull: &Value, about: &About<'_>) -> Result<(), HostError> {
        let query =
            format!("mutation($pull: ID!) {{ {mutation}(input: {{ pullRequestId: $pull }}) {{ clientMutationId }} }}");
        match self.graphql(&query, &json!({ "pull": pull["node_id"] }), about).await? {
            Some(said) => Err(self.rest.refused(said)),
            None => Ok(()),
        }
    }

    /// Asks the GraphQL API, and returns why it did not do it.
    async fn graphql(&self, query: &str, variables: &Value, about: &About<'_>) -> Result<Option<String>, HostError> {
        let body = json!({ "query": query, "variables": variables });
        let answer: Value = self.call(Method::POST, self.rest.beside("graphql")?, Some(body), about).await?;
        let error = answer["errors"].as_array().and_then(|errors| errors.first());
        Ok(error.map(|error| quote(error["message"].as_str().unwrap_or("it gave no reason"))))
    }

    /// GitHub's own words, and what to do.
    fn reason(&self, answer: &Answer, about: &About<'_>) -> Refusal {
        let said = message(&answer.body);
        let said = if said.is_empty() { answer.status.to_string() } else { said };
        let Self { owner, name, .. } = self;
        Refusal::Refused(match (answer.status, about) {
            (StatusCode::UNAUTHORIZED, _) => {
                format!("{said}; the token is wrong, expired or revoked: give a new one in `credentials:`")
            }
            (StatusCode::FORBIDDEN, About::Commit) => {
                format!("{said}; give the token the right to write to {owner}/{name} (`Contents: write`)")
            }
            (StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY, About::Commit) => {
                format!("{said}; what its API does not take can be pushed: set `commits: git` for this repository")
            }
            (StatusCode::FORBIDDEN, _) => format!(
                "{said}; give the token the right to write pull requests in {owner}/{name} (`Pull requests: write`)"
            ),
            (StatusCode::NOT_FOUND, About::Number(number)) => format!(
                "{said}; there is no pull request #{number} in {owner}/{name}, or the token may not write it \
                 (`Pull requests: write`)"
            ),
            (StatusCode::NOT_FOUND, _) => format!(
                "{said}; there is no repository {owner}/{name}, or the token may not see it: check `url:`, and give \
                 the token access to it"
            ),
            (StatusCode::UNPROCESSABLE_ENTITY, About::Draft(_)) if said.contains("already exists") => {
                return Refusal::Moved(format!("{said}; look for it before opening another"));
            }
            (StatusCode::UNPROCESSABLE_ENTITY, About::Draft(Draft { branch, base, .. })) => {
                if said.contains("No commits between") {
                    format!("{said}; `{branch}` has nothing that `{base}` does not have")
                } else if said.contains("head invalid") {
                    format!("{said}; there is no branch `{branch}` in {owner}/{name}: push it first")
                } else if said.contains("base invalid") {
                    format!("{said}; there is no branch `{base}` in {owner}/{name}: check `branch:`")
                } else {
                    said
                }
            }
            _ => format!("{said} ({})", answer.status),
        })
    }
}

/// A pull request, as far as it matters.
#[derive(Deserialize)]
struct Pull {
    number: u64,
    html_url: String,
    state: String,
    merged_at: Option<String>,
    /// In lists it is left out.
    merged_by: Option<User>,
    #[serde(default)]
    draft: bool,
    title: String,
    body: Option<String>,
    head: Side,
    base: Side,
}

#[derive(Deserialize)]
struct Side {
    #[serde(rename = "ref")]
    branch: String,
    sha: String,
    /// Null when it was a fork that is deleted by now.
    repo: Option<Repo>,
}

#[derive(Deserialize, PartialEq)]
struct Repo {
    id: u64,
}

#[derive(Deserialize)]
struct Comment {
    id: u64,
    body: Option<String>,
    /// Null when there is no such account any more.
    user: Option<User>,
}

#[derive(Deserialize)]
struct User {
    login: String,
}

/// A pull request as the issue that it is, too: only there GitHub says who closed it.
#[derive(Deserialize)]
struct Issue {
    closed_by: Option<User>,
}

#[derive(Deserialize)]
struct Commit {
    sha: String,
}

#[derive(Deserialize)]
struct Permission {
    permission: String,
}

impl Pull {
    fn state(&self) -> State {
        match (&self.merged_at, self.state.as_str()) {
            (Some(_), _) => State::Merged,
            (None, "open") => State::Open,
            (None, _) => State::Closed,
        }
    }

    /// Whether it is made from this branch of the repository itself, for this base.
    fn is_from(&self, branch: &str, base: &str) -> bool {
        self.head.branch == branch
            && self.base.branch == base
            && self.head.repo.is_some()
            && self.head.repo == self.base.repo
    }
}

impl From<Pull> for PullRequest {
    fn from(pull: Pull) -> Self {
        Self {
            number: pull.number,
            state: pull.state(),
            url: pull.html_url,
            branch: pull.head.branch,
            head: CommitId(pull.head.sha),
            title: pull.title,
            body: pull.body.unwrap_or_default(),
            is_draft: pull.draft,
        }
    }
}

#[async_trait]
impl GitHost for Github {
    async fn find(&self, branch: &str, base: &str) -> Result<Vec<PullRequest>, HostError> {
        let mut url = self.url(&["pulls"]);
        url.query_pairs_mut()
            .append_pair("head", &format!("{}:{branch}", self.owner))
            .append_pair("base", base)
            .append_pair("state", "all")
            .append_pair("sort", "created")
            .append_pair("direction", "desc")
            .append_pair("per_page", "100");
        let pulls: Vec<Pull> = self.list(url, &About::Repository).await?;
        // The filter knows owners, not repositories: a fork in the same organisation passes it.
        let ours = pulls.into_iter().filter(|pull| pull.is_from(branch, base));
        Ok(crate::newest_first(ours.map(PullRequest::from).collect()))
    }

    async fn open(&self, draft: &Draft) -> Result<PullRequest, HostError> {
        let mut body = json!({ "title": draft.title, "body": draft.body, "head": draft.branch, "base": draft.base });
        if draft.is_draft {
            body["draft"] = json!(true);
        }
        let about = About::Draft(draft);
        let pull = self.call::<Pull>(Method::POST, self.url(&["pulls"]), Some(body), &about).await?;
        Ok(pull.into())
    }

    async fn update(&self, number: u64, draft: &Draft) -> Result<PullRequest, HostError> {
        let url = self.url(&["pulls", &number.to_string()]);
        let body = json!({ "title": draft.title, "body": draft.body });
        let pull = self.call::<Pull>(Method::PATCH, url, Some(body), &About::Number(number)).await?;
        Ok(pull.into())
    }

    async fn close(&self, number: u64, comment: &str) -> Result<(), HostError> {
        // The reason first: should the next call fail, the pull request is still open, and this is done again.
        self.comment(number, comment).await?;
        let about = About::Number(number);
        let number = number.to_string();
        let state = json!({ "state": "closed" });
        self.call::<Pull>(Method::PATCH, self.url(&["pulls", &number]), Some(state), &about).await?;
        Ok(())
    }

    async fn ended_by(&self, number: u64) -> Result<Option<String>, HostError> {
        let about = About::Number(number);
        let number = number.to_string();
        let pull: Pull = self.call(Method::GET, self.url(&["pulls", &number]), None, &about).await?;
        let by = match pull.state() {
            State::Open => None,
            State::Merged => pull.merged_by,
            State::Closed => {
                self.call::<Issue>(Method::GET, self.url(&["issues", &number]), None, &about).await?.closed_by
            }
        };
        Ok(by.map(|user| user.login))
    }

    /// <https://docs.github.com/en/rest/commits/commits#list-commits>
    async fn last_change(&self, path: &str, branch: &str) -> Result<Option<CommitId>, HostError> {
        let mut url = self.url(&["commits"]);
        url.query_pairs_mut().append_pair("sha", branch).append_pair("path", path).append_pair("per_page", "1");
        let newest: Vec<Commit> = self.call(Method::GET, url, None, &About::Repository).await?;
        Ok(newest.into_iter().next().map(|commit| CommitId(commit.sha)))
    }

    async fn comment(&self, number: u64, text: &str) -> Result<bool, HostError> {
        let said = self.comments(number).await?;
        if !said.iter().any(|said| said.body.as_deref() == Some(text)) {
            let (url, body) = (self.url(&["issues", &number.to_string(), "comments"]), json!({ "body": text }));
            self.call::<Comment>(Method::POST, url, Some(body), &About::Number(number)).await?;
        }
        Ok(true)
    }

    async fn commands(&self, number: u64, after: u64) -> Result<Vec<seams::Comment>, HostError> {
        let mut commands = Vec::new();
        for comment in self.comments(number).await? {
            let body = comment.body.unwrap_or_default();
            let Some(user) = comment.user.filter(|_| comment.id > after && body.starts_with(PREFIX)) else { continue };
            let may_write = self.may_write(&user.login).await?;
            commands.push(seams::Comment { id: comment.id, body, may_write });
        }
        Ok(commands)
    }

    fn reads_commands(&self) -> bool {
        true
    }

    async fn ready(&self, number: u64) -> Result<(), HostError> {
        let about = About::Number(number);
        let pull: Value = self.call(Method::GET, self.url(&["pulls", &number.to_string()]), None, &about).await?;
        if pull["draft"] == json!(true) && pull["state"] == json!("open") {
            self.mutate("markPullRequestReadyForReview", &pull, &about).await?;
        }
        Ok(())
    }

    async fn ask(&self, number: u64, asks: &Asks) -> Result<Vec<String>, HostError> {
        let mut asked = Asked::default();
        let about = About::Number(number);
        let number = number.to_string();
        if !asks.labels.is_empty() {
            let (url, body) = (self.url(&["issues", &number, "labels"]), json!({ "labels": asks.labels }));
            asked.tried("labels", self.call::<Value>(Method::POST, url, Some(body), &about).await);
        }
        if !asks.reviewers.is_empty() {
            let (teams, people): (Vec<_>, Vec<_>) = asks.reviewers.iter().partition(|name| name.contains('/'));
            // Teams are those of the organisation that owns the repository.
            let teams: Vec<_> = teams.iter().filter_map(|team| team.split('/').next_back()).collect();
            let url = self.url(&["pulls", &number, "requested_reviewers"]);
            let body = json!({ "reviewers": people, "team_reviewers": teams });
            asked.tried("reviewers", self.call::<Value>(Method::POST, url, Some(body), &about).await);
        }
        if !asks.assignees.is_empty() {
            let (url, body) = (self.url(&["issues", &number, "assignees"]), json!({ "assignees": asks.assignees }));
            asked.tried("assignees", self.call::<Value>(Method::POST, url, Some(body), &about).await);
        }
        if asks.auto_merge {
            asked.tried("auto-merge", self.auto_merge(&number, &about).await);
        }
        Ok(asked.remarks())
    }
}

fn owner_and_name(repository: &RepositoryId) -> Result<(String, String), InvalidHost> {
    let path = repository.path.trim_matches('/');
    match path.strip_suffix(".git").unwrap_or(path).split_once('/') {
        Some((owner, name)) if [owner, name].into_iter().all(address::is_name) => {
            Ok((owner.to_owned(), name.to_owned()))
        }
        _ => Err(address::no_repository(repository, Kind::Github)),
    }
}

fn api_of(host: &str, at: &Address<'_>) -> Result<Url, InvalidHost> {
    match host {
        "github.com" | "www.github.com" | "ssh.github.com" => at.at("api.github.com", ""),
        host if host.ends_with(".ghe.com") => at.at(&format!("api.{host}"), ""),
        host => at.at(host, "api/v3"),
    }
}

/// `message` and the `errors` of an answer that refuses:
/// <https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api#validation-failed>
fn message(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        message: String,
        #[serde(default)]
        errors: Vec<Value>,
    }
    let Ok(refusal) = serde_json::from_slice::<Refusal>(body) else { return String::new() };
    let details = refusal.errors.iter().filter_map(|error| {
        let text = |key: &str| error.get(key).and_then(Value::as_str);
        match (error.as_str().or_else(|| text("message")), text("field"), text("code")) {
            (Some(message), _, _) => Some(message.to_owned()),
            (None, Some(field), Some(code)) => Some(format!("{field} {code}")),
            _ => None,
        }
    });
    let details = details.collect::<Vec<_>>().join(", ");
    if details.is_empty() { quote(&refusal.message) } else { quote(&format!("{}: {details}", refusal.message)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_is_where_github_keeps_it() {
        let api = |host: &str| api_of(host, &Address::default()).map(|url| url.to_string());
        assert_eq!(api("github.com").unwrap(), "https://api.github.com/");
        assert_eq!(api("octocorp.ghe.com").unwrap(), "https://api.octocorp.ghe.com/");
        assert_eq!(api("github.acme.example:8443").unwrap(), "https://github.acme.example:8443/api/v3");
        for host in ["", "evil.example/x", "github.com@evil.example", "evil.example?", "evil.example#"] {
            assert!(api(host).is_err(), "{host}");
        }
    }

    #[test]
    fn a_refusal_is_told_in_githubs_own_words() {
        assert_eq!(message(br#"{"message":"Bad credentials","status":"401"}"#), "Bad credentials");
        let invalid =
            br#"{"message":"Validation Failed","errors":[{"resource":"PullRequest","field":"head","code":"invalid"}]}"#;
        assert_eq!(message(invalid), "Validation Failed: head invalid");
        let custom =
            br#"{"message":"Validation Failed","errors":[{"code":"custom","message":"No commits between a and b"}]}"#;
        assert_eq!(message(custom), "Validation Failed: No commits between a and b");
        assert_eq!(
            message(br#"{"message":"Validation Failed","errors":["body is too long"]}"#),
            "Validation Failed: body is too long"
        );
        assert_eq!(message(b"<html>"), "");
    }
}
