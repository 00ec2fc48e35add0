//! Pull requests on Bitbucket Data Center:
//! <https://developer.atlassian.com/server/bitbucket/rest/latest/api-group-pull-requests/>.

use async_trait::async_trait;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use reqwest::{Client, Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tag2pr::seams::{Asks, CommitId, Draft, GitHost, HostError, PullRequest, RepositoryId, State};
use tag2pr::secret::Secret;
use url::Url;

use crate::about::{About, exists};
use crate::address::{self, Address};
use crate::asked::Asked;
use crate::rest::{Answer, Refusal, Rest};
use crate::{InvalidHost, Kind, USER};

const API: &str = "rest/api/1.0";

const RIGHT: &str = "the permission `Repository write`";

/// One repository on a Bitbucket of one's own.
pub struct BitbucketDataCenter {
    rest: Rest,
    project: String,
    name: String,
}

/// A page of a list.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<T> {
    values: Vec<T>,
    is_last_page: bool,
    next_page_start: Option<u64>,
}

/// A pull request, as far as it matters.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pull {
    id: u64,
    version: u64,
    title: String,
    description: Option<String>,
    state: String,
    #[serde(default)]
    draft: bool,
    from_ref: Side,
    to_ref: Side,
    links: Links,
    #[serde(default)]
    reviewers: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Side {
    /// `refs/heads/main`
    id: String,
    latest_commit: String,
    repository: Repository,
}

#[derive(Deserialize, PartialEq)]
struct Repository {
    id: u64,
}

#[derive(Deserialize)]
struct Links {
    #[serde(rename = "self")]
    own: Vec<Link>,
}

#[derive(Deserialize)]
struct Link {
    href: String,
}

#[derive(Deserialize)]
struct Commit {
    id: String,
}

#[derive(Deserialize)]
struct Activity {
    id: u64,
    action: String,
    user: Option<User>,
    comment: Option<Comment>,
}

#[derive(Deserialize)]
struct User {
    name: String,
}

#[derive(Deserialize)]
struct Comment {
    text: String,
}

impl From<Pull> for PullRequest {
    fn from(pull: Pull) -> Self {
        Self {
            number: pull.id,
            url: pull.links.own.into_iter().next().map(|link| link.href).unwrap_or_default(),
            state: match pull.state.as_str() {
                "OPEN" => State::Open,
                "MERGED" => State::Merged,
                _ => State::Closed,
            },
            branch: pull.from_ref.id.strip_prefix("refs/heads/").unwrap_or(&pull.from_ref.id).to_owned(),
            head: CommitId(pull.from_ref.latest_commit),
            title: pull.title,
            body: pull.description.unwrap_or_default(),
            is_draft: pull.draft,
        }
    }
}

impl BitbucketDataCenter {
    /// Nothing is asked of Bitbucket yet. The API is `https://HOST/rest/api/1.0` unless it is given; a path in front of
    /// `rest/` is then none of the repository's.
    ///
    /// # Errors
    ///
    /// When the repository is no `scm/PROJECT/name`, or the token cannot be sent.
    pub fn new(
        client: Client,
        repository: &RepositoryId,
        token: &Secret,
        at: &Address<'_>,
    ) -> Result<Self, InvalidHost> {
        let api = at.api(&repository.host, API)?;
        let path = address::path_below(&api, API, &repository.path);
        let path = path.strip_prefix("scm/").unwrap_or(&path);
        let (project, name) = match path.split_once('/') {
            // A person's own repositories are in `~name`.
            Some((project, name)) if address::is_name(project.trim_start_matches('~')) && address::is_name(name) => {
                (project, name)
            }
            _ => return Err(address::no_repository(repository, Kind::BitbucketDataCenter)),
        };
        let headers = HeaderMap::from_iter([
            (USER_AGENT, USER),
            (AUTHORIZATION, address::secret(&repository.host, &format!("Bearer {}", token.expose()))?),
            // Requests that change something could come from a page in a browser; this says that they do not.
            (HeaderName::from_static("x-atlassian-token"), HeaderValue::from_static("no-check")),
        ]);
        Ok(Self { rest: Rest::new(client, api, headers), project: project.to_owned(), name: name.to_owned() })
    }

    /// Below the pull requests.
    fn url(&self, resource: &[&str]) -> Url {
        self.rest.url(&[&["projects", &self.project, "repos", &self.name, "pull-requests"], resource].concat())
    }

    fn reason(&self, answer: &Answer, about: &About<'_>) -> Refusal {
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let error = &body["errors"][0];
        let said = error["message"].as_str().unwrap_or_default();
        // The message is in the language of the account.
        if error["exceptionName"].as_str().is_some_and(|name| name.ends_with(".DuplicatePullRequestException")) {
            return exists(said);
        }
        about.refused(answer.status, said, &format!("{}/{}", self.project, self.name), RIGHT)
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        url: Url,
        body: Option<Value>,
        about: About<'_>,
    ) -> Result<T, HostError> {
        Ok(self.rest.ask(method, url, body, &|answer| self.reason(answer, &about)).await?.0)
    }

    /// The same for what names the version that it changes: somebody else's change in between passes.
    async fn change<T: DeserializeOwned>(
        &self,
        method: Method,
        url: Url,
        body: Value,
        number: u64,
    ) -> Result<T, HostError> {
        let answer = self.rest.send(method, url, Some(&body)).await?;
        let about = About::Number(number);
        match (answer.status, serde_json::from_slice(&answer.body)) {
            (StatusCode::CONFLICT, _) => {
                Err(self.rest.unavailable(format!("#{number} was changed by somebody else at the same time")))
            }
            (status, _) if !status.is_success() => Err(self.rest.denied(self.reason(&answer, &about))),
            (_, Ok(value)) => Ok(value),
            (_, Err(error)) => Err(self.rest.unavailable(format!("its answer cannot be read: {error}"))),
        }
    }

    async fn all<T: DeserializeOwned>(&self, url: Url, about: About<'_>) -> Result<Vec<T>, HostError> {
        let read = |page: Page<T>, _: &Answer, _| {
            let next = page.next_page_start.filter(|_| !page.is_last_page).map(|start| {
                let mut next = url.clone();
                next.query_pairs_mut().append_pair("start", &start.to_string());
                next
            });
            Ok((page.values, next))
        };
        self.rest.pages(url.clone(), &|answer| self.reason(answer, &about), read).await
    }

    /// What happened to a pull request, comments among it.
    async fn activities(&self, number: u64) -> Result<Vec<Activity>, HostError> {
        let mut url = self.url(&[&number.to_string(), "activities"]);
        url.query_pairs_mut().append_pair("limit", "100");
        self.all(url, About::Number(number)).await
    }

    async fn get(&self, number: u64) -> Result<Pull, HostError> {
        self.call(Method::GET, self.url(&[&number.to_string()]), None, About::Number(number)).await
    }

    /// What is left out of the body is taken away, so everything is said again.
    async fn put(&self, before: &Pull, title: &str, body: &str, reviewers: &[Value]) -> Result<Pull, HostError> {
        self.replace(before, title, body, reviewers, false).await
    }

    /// `is_ready`: it is no draft any more.
    async fn replace(
        &self,
        before: &Pull,
        title: &str,
        body: &str,
        reviewers: &[Value],
        is_ready: bool,
    ) -> Result<Pull, HostError> {
        let reviewers: Vec<Value> =
            reviewers.iter().map(|one| json!({ "user": { "name": one["user"]["name"] } })).collect();
        let mut new = json!({ "version": before.version, "title": title, "description": body, "reviewers": reviewers });
        if is_ready {
            new["draft"] = json!(false);
        }
        self.change(Method::PUT, self.url(&[&before.id.to_string()]), new, before.id).await
    }
}

#[async_trait]
impl GitHost for BitbucketDataCenter {
    async fn find(&self, branch: &str, base: &str) -> Result<Vec<PullRequest>, HostError> {
        let (from, to) = (format!("refs/heads/{branch}"), format!("refs/heads/{base}"));
        let mut url = self.url(&[]);
        url.query_pairs_mut()
            .append_pair("state", "ALL")
            .append_pair("direction", "OUTGOING")
            .append_pair("at", &from)
            .append_pair("order", "NEWEST")
            .append_pair("limit", "100");
        let all: Vec<Pull> = self.all(url, About::Repository).await?;
        let ours = all.into_iter().filter(|pull| {
            pull.from_ref.id == from && pull.to_ref.id == to && pull.from_ref.repository == pull.to_ref.repository
        });
        Ok(crate::newest_first(ours.map(PullRequest::from).collect()))
    }

    async fn open(&self, draft: &Draft) -> Result<PullRequest, HostError> {
        let repository = json!({ "slug": self.name, "project": { "key": self.project } });
        let side = |branch: &str| json!({ "id": format!("refs/heads/{branch}"), "repository": repository });
        let body = json!({
            "title": draft.title,
            "description": draft.body,
            "fromRef": side(&draft.branch),
            "toRef": side(&draft.base),
            "draft": draft.is_draft,
        });
        let pull: Pull = self.call(Method::POST, self.url(&[]), Some(body), About::Draft(draft)).await?;
        Ok(pull.into())
    }

    async fn update(&self, number: u64, draft: &Draft) -> Result<PullRequest, HostError> {
        let before = self.get(number).await?;
        Ok(self.put(&before, &draft.title, &draft.body, &before.reviewers).await?.into())
    }

    async fn close(&self, number: u64, comment: &str) -> Result<(), HostError> {
        let before = self.get(number).await?;
        if before.state != "OPEN" {
            return Ok(());
        }
        self.comment(number, comment).await?;
        let mut url = self.url(&[&number.to_string(), "decline"]);
        url.query_pairs_mut().append_pair("version", &before.version.to_string());
        self.change::<Pull>(Method::POST, url, json!({}), number).await?;
        Ok(())
    }

    async fn ended_by(&self, number: u64) -> Result<Option<String>, HostError> {
        // What was declined can be opened again.
        let decides = |one: &Activity| matches!(one.action.as_str(), "MERGED" | "DECLINED" | "REOPENED");
        let last = self.activities(number).await?.into_iter().filter(decides).max_by_key(|one| one.id);
        Ok(last.filter(|one| one.action != "REOPENED").and_then(|one| one.user).map(|user| user.name))
    }

    /// <https://developer.atlassian.com/server/bitbucket/rest/latest/api-group-repository/>
    async fn last_change(&self, path: &str, branch: &str) -> Result<Option<CommitId>, HostError> {
        let mut url = self.rest.url(&["projects", &self.project, "repos", &self.name, "commits"]);
        url.query_pairs_mut()
            .append_pair("until", &format!("refs/heads/{branch}"))
            .append_pair("path", path)
            .append_pair("limit", "1");
        let newest: Page<Commit> = self.call(Method::GET, url, None, About::Repository).await?;
        Ok(newest.values.into_iter().next().map(|commit| CommitId(commit.id)))
    }

    async fn comment(&self, number: u64, text: &str) -> Result<bool, HostError> {
        let said = self.activities(number).await?;
        if !said.iter().filter_map(|activity| activity.comment.as_ref()).any(|said| said.text == text) {
            let url = self.url(&[&number.to_string(), "comments"]);
            self.call::<Comment>(Method::POST, url, Some(json!({ "text": text })), About::Number(number)).await?;
        }
        Ok(true)
    }

    async fn ready(&self, number: u64) -> Result<(), HostError> {
        let before = self.get(number).await?;
        if before.draft && before.state == "OPEN" {
            let body = before.description.clone().unwrap_or_default();
            self.replace(&before, &before.title, &body, &before.reviewers, true).await?;
        }
        Ok(())
    }

    async fn ask(&self, number: u64, asks: &Asks) -> Result<Vec<String>, HostError> {
        let mut asked = Asked::default();
        asked.lacks("Bitbucket", "labels for pull requests", !asks.labels.is_empty());
        asked.lacks("Bitbucket", "assignees of pull requests", !asks.assignees.is_empty());
        if !asks.reviewers.is_empty() {
            let before = self.get(number).await?;
            let mut reviewers = before.reviewers.clone();
            reviewers.extend(asks.reviewers.iter().map(|name| json!({ "user": { "name": name } })));
            let body = before.description.clone().unwrap_or_default();
            asked.tried("reviewers", self.put(&before, &before.title, &body, &reviewers).await);
        }
        asked.lacks("tag2pr", "way to ask Bitbucket Data Center for auto-merge yet", asks.auto_merge);
        Ok(asked.remarks())
    }

    fn longest_body(&self) -> usize {
        32_768
    }
}
