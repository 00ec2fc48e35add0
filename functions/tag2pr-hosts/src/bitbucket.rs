//! Pull requests on Bitbucket Cloud:
//! <https://developer.atlassian.com/cloud/bitbucket/rest/api-group-pullrequests/>.

use std::collections::BTreeMap;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::header::{AUTHORIZATION, HeaderMap, USER_AGENT};
use reqwest::{Client, Method};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tag2pr::seams::{Asks, CommitId, Draft, GitHost, HostError, PullRequest, RepositoryId, State};
use tag2pr::secret::Secret;
use url::Url;

use crate::about::About;
use crate::address::{self, Address};
use crate::asked::Asked;
use crate::rest::{Answer, Refusal, Rest};
use crate::{InvalidHost, Kind, USER};

const RIGHT: &str = "`Pull requests: Write`";

/// One repository on bitbucket.org.
pub struct Bitbucket {
    rest: Rest,
    workspace: String,
    name: String,
}

/// A page of a list.
#[derive(Deserialize)]
struct Page<T> {
    values: Vec<T>,
    next: Option<String>,
}

/// A pull request, as far as it matters.
#[derive(Deserialize)]
struct Pull {
    id: u64,
    title: String,
    description: Option<String>,
    state: String,
    source: Side,
    destination: Side,
    links: Links,
    #[serde(default)]
    draft: bool,
    #[serde(default)]
    reviewers: Vec<Value>,
    /// Who merged it, too.
    closed_by: Option<Account>,
}

/// Somebody, or an app; there are no user names any more.
#[derive(Deserialize)]
struct Account {
    display_name: Option<String>,
    nickname: Option<String>,
}

#[derive(Deserialize)]
struct Side {
    branch: Named,
    /// Null when there is none any more.
    commit: Option<Commit>,
    /// Null when it was a fork that is deleted by now.
    repository: Option<FullNamed>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct FullNamed {
    full_name: String,
}

#[derive(Deserialize)]
struct Commit {
    /// Of a pull request it is the first twelve digits of it.
    hash: String,
}

#[derive(Deserialize)]
struct Links {
    html: Link,
}

#[derive(Deserialize)]
struct Link {
    href: String,
}

#[derive(Deserialize)]
struct Comment {
    content: Content,
}

#[derive(Deserialize)]
struct Content {
    raw: Option<String>,
}

impl Bitbucket {
    /// Nothing is asked of Bitbucket yet. With a user the token is that user's API token; without one it is the access
    /// token of a repository, project or workspace.
    ///
    /// # Errors
    ///
    /// When the repository is no `workspace/name`, or the token cannot be sent.
    pub fn new(
        client: Client,
        repository: &RepositoryId,
        user: Option<&str>,
        token: &Secret,
        at: &Address<'_>,
    ) -> Result<Self, InvalidHost> {
        let api = match at.api {
            Some(api) => api.clone(),
            None => at.at("api.bitbucket.org", "2.0")?,
        };
        let path = repository.path.trim_matches('/');
        let (workspace, name) = match path.strip_suffix(".git").unwrap_or(path).split_once('/') {
            Some((workspace, name)) if address::is_name(workspace) && address::is_name(name) => (workspace, name),
            _ => return Err(address::no_repository(repository, Kind::Bitbucket)),
        };
        let authorization = match user {
            Some(user) => format!("Basic {}", BASE64.encode(format!("{user}:{}", token.expose()))),
            None => format!("Bearer {}", token.expose()),
        };
        let headers = HeaderMap::from_iter([
            (USER_AGENT, USER),
            (AUTHORIZATION, address::secret(&repository.host, &authorization)?),
        ]);
        Ok(Self { rest: Rest::new(client, api, headers), workspace: workspace.to_owned(), name: name.to_owned() })
    }

    fn url(&self, resource: &[&str]) -> Url {
        self.rest.url(&[&["repositories", &self.workspace, &self.name], resource].concat())
    }

    fn reason(&self, answer: &Answer, about: &About<'_>) -> Refusal {
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let said = body["error"]["message"].as_str().unwrap_or_default();
        about.refused(answer.status, said, &format!("{}/{}", self.workspace, self.name), RIGHT)
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

    async fn all<T: DeserializeOwned>(&self, url: Url, about: About<'_>) -> Result<Vec<T>, HostError> {
        let read = |page: Page<T>, _: &Answer, _| {
            let next = page.next.map(|next| self.rest.same_host(&next)).transpose()?;
            Ok((page.values, next))
        };
        self.rest.pages(url, &|answer| self.reason(answer, &about), read).await
    }

    async fn list(&self, branch: &str, base: &str, states: &[&str]) -> Result<Vec<Pull>, HostError> {
        let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let query =
            format!("source.branch.name = \"{}\" AND destination.branch.name = \"{}\"", quoted(branch), quoted(base));
        let mut url = self.url(&["pullrequests"]);
        url.query_pairs_mut().append_pair("q", &query).append_pair("sort", "-created_on").append_pair("pagelen", "50");
        for state in states {
            url.query_pairs_mut().append_pair("state", state);
        }
        let here = format!("{}/{}", self.workspace, self.name);
        let all: Vec<Pull> = self.all(url, About::Repository).await?;
        let ours = all.into_iter().filter(|pull| {
            let from = pull.source.repository.as_ref().map(|repository| repository.full_name.as_str());
            pull.source.branch.name == branch
                && pull.destination.branch.name == base
                && from.is_some_and(|from| from.eq_ignore_ascii_case(&here))
        });
        Ok(ours.collect())
    }

    async fn get(&self, number: u64) -> Result<Pull, HostError> {
        self.call(Method::GET, self.url(&["pullrequests", &number.to_string()]), None, About::Number(number)).await
    }

    /// Pull requests hold the beginnings of commits' names only: each is looked up once.
    async fn seen(&self, pull: Pull, whole: &mut BTreeMap<String, String>) -> Result<PullRequest, HostError> {
        let short = pull.source.commit.map(|commit| commit.hash).unwrap_or_default();
        let head = match whole.get(&short) {
            Some(head) => head.clone(),
            None if short.is_empty() || short.len() >= 40 => short,
            None => {
                let url = self.url(&["commit", &short]);
                let commit: Commit = self.call(Method::GET, url, None, About::Repository).await?;
                whole.insert(short, commit.hash.clone());
                commit.hash
            }
        };
        Ok(PullRequest {
            number: pull.id,
            url: pull.links.html.href,
            state: match pull.state.as_str() {
                "OPEN" => State::Open,
                "MERGED" => State::Merged,
                _ => State::Closed,
            },
            branch: pull.source.branch.name,
            head: CommitId(head),
            title: pull.title,
            body: pull.description.unwrap_or_default(),
            is_draft: pull.draft,
        })
    }
}

#[async_trait]
impl GitHost for Bitbucket {
    async fn find(&self, branch: &str, base: &str) -> Result<Vec<PullRequest>, HostError> {
        let mut whole = BTreeMap::new();
        let mut found = Vec::new();
        for pull in self.list(branch, base, &["OPEN", "MERGED", "DECLINED", "SUPERSEDED"]).await? {
            found.push(self.seen(pull, &mut whole).await?);
        }
        Ok(crate::newest_first(found))
    }

    async fn open(&self, draft: &Draft) -> Result<PullRequest, HostError> {
        // A second one for the same branches would overwrite the first.
        if let Some(pull) = self.list(&draft.branch, &draft.base, &["OPEN"]).await?.first() {
            let reason = format!("a pull request already exists for `{}`: #{}", draft.branch, pull.id);
            return Err(self.rest.moved(reason));
        }
        let body = json!({
            "title": draft.title,
            "description": draft.body,
            "source": { "branch": { "name": draft.branch } },
            "destination": { "branch": { "name": draft.base } },
            "draft": draft.is_draft,
        });
        let url = self.url(&["pullrequests"]);
        let pull: Pull = self.call(Method::POST, url, Some(body), About::Draft(draft)).await?;
        self.seen(pull, &mut BTreeMap::new()).await
    }

    async fn update(&self, number: u64, draft: &Draft) -> Result<PullRequest, HostError> {
        // What is left out of the body is taken away.
        let before = self.get(number).await?;
        let reviewers: Vec<Value> = before.reviewers.iter().map(|one| json!({ "uuid": one["uuid"] })).collect();
        let body = json!({ "title": draft.title, "description": draft.body, "reviewers": reviewers });
        let url = self.url(&["pullrequests", &number.to_string()]);
        let pull: Pull = self.call(Method::PUT, url, Some(body), About::Number(number)).await?;
        self.seen(pull, &mut BTreeMap::new()).await
    }

    async fn close(&self, number: u64, comment: &str) -> Result<(), HostError> {
        if self.get(number).await?.state != "OPEN" {
            return Ok(());
        }
        self.comment(number, comment).await?;
        let url = self.url(&["pullrequests", &number.to_string(), "decline"]);
        self.call::<Pull>(Method::POST, url, None, About::Number(number)).await?;
        Ok(())
    }

    async fn ended_by(&self, number: u64) -> Result<Option<String>, HostError> {
        let by = Some(self.get(number).await?).filter(|pull| pull.state != "OPEN").and_then(|pull| pull.closed_by);
        Ok(by.and_then(|account| account.display_name.or(account.nickname)))
    }

    /// <https://developer.atlassian.com/cloud/bitbucket/rest/api-group-commits/>; the branch is no part of the address,
    /// because its name may have slashes.
    async fn last_change(&self, path: &str, branch: &str) -> Result<Option<CommitId>, HostError> {
        let mut url = self.url(&["commits"]);
        url.query_pairs_mut().append_pair("include", branch).append_pair("path", path).append_pair("pagelen", "1");
        let newest: Page<Commit> = self.call(Method::GET, url, None, About::Repository).await?;
        Ok(newest.values.into_iter().next().map(|commit| CommitId(commit.hash)))
    }

    async fn comment(&self, number: u64, text: &str) -> Result<bool, HostError> {
        let comments = self.url(&["pullrequests", &number.to_string(), "comments"]);
        let mut all = comments.clone();
        all.query_pairs_mut().append_pair("pagelen", "100");
        let said: Vec<Comment> = self.all(all, About::Number(number)).await?;
        if !said.iter().any(|said| said.content.raw.as_deref() == Some(text)) {
            let body = Some(json!({ "content": { "raw": text } }));
            self.call::<Comment>(Method::POST, comments, body, About::Number(number)).await?;
        }
        Ok(true)
    }

    async fn ready(&self, number: u64) -> Result<(), HostError> {
        let before = self.get(number).await?;
        if before.draft && before.state == "OPEN" {
            // What is left out of the body is taken away.
            let reviewers: Vec<Value> = before.reviewers.iter().map(|one| json!({ "uuid": one["uuid"] })).collect();
            let body = json!({
                "title": before.title,
                "description": before.description.clone().unwrap_or_default(),
                "reviewers": reviewers,
                "draft": false,
            });
            let url = self.url(&["pullrequests", &number.to_string()]);
            self.call::<Pull>(Method::PUT, url, Some(body), About::Number(number)).await?;
        }
        Ok(())
    }

    async fn ask(&self, number: u64, asks: &Asks) -> Result<Vec<String>, HostError> {
        let mut asked = Asked::default();
        asked.lacks("Bitbucket", "labels for pull requests", !asks.labels.is_empty());
        asked.lacks("Bitbucket", "assignees of pull requests", !asks.assignees.is_empty());
        asked.lacks("Bitbucket Cloud", "auto-merge that can be asked for", asks.auto_merge);
        if !asks.reviewers.is_empty() {
            // Names of people are none of the API's business: it knows `{uuid}` and account ids.
            let reviewers = asks.reviewers.iter().map(|reviewer| match reviewer.starts_with('{') {
                true => json!({ "uuid": reviewer }),
                false => json!({ "account_id": reviewer }),
            });
            let before = self.get(number).await?;
            let body = json!({ "title": before.title, "reviewers": reviewers.collect::<Vec<_>>() });
            let url = self.url(&["pullrequests", &number.to_string()]);
            asked.tried("reviewers", self.call::<Pull>(Method::PUT, url, Some(body), About::Number(number)).await);
        }
        Ok(asked.remarks())
    }
}
