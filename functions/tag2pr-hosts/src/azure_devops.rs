//! Pull requests on Azure DevOps: <https://learn.microsoft.com/rest/api/azure/devops/git/pull-requests>.

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::header::{AUTHORIZATION, HeaderMap, USER_AGENT};
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

/// The oldest version that the service and supported servers know.
const API_VERSION: &str = "7.0";

/// Lists cut descriptions to this many characters.
const LISTED: usize = 400;

/// How many pull requests a page of a list has.
const PAGE: usize = 100;

const RIGHT: &str = "the scope `Code: Read & write`";

/// One repository on dev.azure.com, on visualstudio.com, or on a server of one's own.
pub struct AzureDevops {
    rest: Rest,
    repository: String,
    /// Where people read it.
    web: String,
}

#[derive(Deserialize)]
struct Listed<T> {
    value: Vec<T>,
}

/// A pull request, as far as it matters.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pull {
    pull_request_id: u64,
    title: String,
    description: Option<String>,
    status: String,
    #[serde(default)]
    is_draft: bool,
    source_ref_name: String,
    target_ref_name: String,
    last_merge_source_commit: Option<Commit>,
    /// There when it is from a fork.
    fork_source: Option<Value>,
    created_by: Option<Person>,
    /// Who completed or abandoned it.
    closed_by: Option<Person>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Commit {
    commit_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Person {
    id: String,
    display_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    name: String,
    object_id: String,
}

#[derive(Deserialize)]
struct Thread {
    #[serde(default)]
    comments: Vec<Comment>,
}

#[derive(Deserialize)]
struct Comment {
    content: Option<String>,
}

impl AzureDevops {
    /// Nothing is asked of Azure DevOps yet. The API is below the project, which is what stands in front of `_git` in
    /// the repository's URL, unless that is given as `api`.
    ///
    /// # Errors
    ///
    /// When the repository's path has no `_git`, or the token cannot be sent.
    pub fn new(
        client: Client,
        repository: &RepositoryId,
        token: &Secret,
        at: &Address<'_>,
    ) -> Result<Self, InvalidHost> {
        let invalid = || address::no_repository(repository, Kind::AzureDevops);
        let segments: Option<Vec<String>> =
            repository.path.trim_matches('/').split('/').map(address::decoded).collect();
        let segments = segments.ok_or_else(invalid)?;
        let git = segments.iter().position(|segment| segment == "_git").ok_or_else(invalid)?;
        let (project, name) = match (&segments[..git], &segments[git + 1..]) {
            // A project's first repository may leave out the project.
            (project, [name]) if !project.is_empty() => (project, name),
            _ => return Err(invalid()),
        };
        let mut web = at.at(&repository.host, "")?;
        if let Ok(mut path) = web.path_segments_mut() {
            path.pop_if_empty().extend(project);
        }
        let api = at.api.cloned().unwrap_or_else(|| web.clone());
        if let Ok(mut path) = web.path_segments_mut() {
            path.extend(["_git", name]);
        }
        let basic = BASE64.encode(format!(":{}", token.expose()));
        let headers = HeaderMap::from_iter([
            (USER_AGENT, USER),
            (AUTHORIZATION, address::secret(&repository.host, &format!("Basic {basic}"))?),
        ]);
        Ok(Self { rest: Rest::new(client, api, headers), repository: name.clone(), web: web.to_string() })
    }

    fn url(&self, resource: &[&str]) -> Url {
        let mut url = self.rest.url(&[&["_apis", "git", "repositories", &self.repository], resource].concat());
        url.query_pairs_mut().append_pair("api-version", API_VERSION);
        url
    }

    fn reason(&self, answer: &Answer, about: &About<'_>) -> Refusal {
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let said = body["message"].as_str().unwrap_or_default();
        // In the language of the server, but for the number.
        if said.starts_with("TF401179") {
            return exists(said);
        }
        about.refused(answer.status, said, &self.repository, RIGHT)
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        url: Url,
        body: Option<Value>,
        about: About<'_>,
    ) -> Result<T, HostError> {
        let answer = self.rest.send(method, url, body.as_ref()).await?;
        // Who is not known is shown the page to sign in, as a success of a kind.
        let status = match answer.status {
            StatusCode::NON_AUTHORITATIVE_INFORMATION => StatusCode::UNAUTHORIZED,
            status => status,
        };
        if !status.is_success() {
            return Err(self.rest.denied(self.reason(&Answer { status, ..answer }, &about)));
        }
        serde_json::from_slice(&answer.body)
            .map_err(|error| self.rest.unavailable(format!("its answer cannot be read: {error}")))
    }

    async fn list(&self, branch: &str, base: &str) -> Result<Vec<Pull>, HostError> {
        let (from, to) = (format!("refs/heads/{branch}"), format!("refs/heads/{base}"));
        let mut all = Vec::new();
        loop {
            let mut url = self.url(&["pullrequests"]);
            url.query_pairs_mut()
                .append_pair("searchCriteria.sourceRefName", &from)
                .append_pair("searchCriteria.targetRefName", &to)
                .append_pair("searchCriteria.status", "all")
                .append_pair("$top", &PAGE.to_string())
                .append_pair("$skip", &all.len().to_string());
            let page: Listed<Pull> = self.call(Method::GET, url, None, About::Repository).await?;
            let is_last = page.value.len() < PAGE;
            all.extend(page.value);
            if is_last || all.len() >= 100 * PAGE {
                break;
            }
        }
        all.retain(|pull| pull.source_ref_name == from && pull.target_ref_name == to && pull.fork_source.is_none());
        all.sort_by_key(|pull| pull.pull_request_id);
        all.dedup_by_key(|pull| pull.pull_request_id);
        Ok(all)
    }

    async fn get(&self, number: u64) -> Result<Pull, HostError> {
        self.call(Method::GET, self.url(&["pullrequests", &number.to_string()]), None, About::Number(number)).await
    }

    async fn edit(&self, number: u64, body: Value) -> Result<Pull, HostError> {
        let url = self.url(&["pullrequests", &number.to_string()]);
        self.call(Method::PATCH, url, Some(body), About::Number(number)).await
    }

    /// Where a branch is; what a pull request says of it may be some seconds old.
    async fn head(&self, branch: &str) -> Result<Option<String>, HostError> {
        let mut url = self.url(&["refs"]);
        url.query_pairs_mut().append_pair("filter", &format!("heads/{branch}"));
        let found: Listed<Reference> = self.call(Method::GET, url, None, About::Repository).await?;
        let name = format!("refs/heads/{branch}");
        Ok(found.value.into_iter().find(|reference| reference.name == name).map(|reference| reference.object_id))
    }

    fn seen(&self, pull: Pull, head: Option<&String>) -> PullRequest {
        let state = match pull.status.as_str() {
            "active" => State::Open,
            "completed" => State::Merged,
            _ => State::Closed,
        };
        let branch = pull.source_ref_name;
        let remembered = pull.last_merge_source_commit.map(|commit| commit.commit_id).unwrap_or_default();
        let head = head.filter(|_| state == State::Open).cloned().unwrap_or(remembered);
        PullRequest {
            number: pull.pull_request_id,
            url: format!("{}/pullrequest/{}", self.web, pull.pull_request_id),
            state,
            branch: branch.strip_prefix("refs/heads/").unwrap_or(&branch).to_owned(),
            head: CommitId(head),
            title: pull.title,
            body: pull.description.unwrap_or_default(),
            is_draft: pull.is_draft,
        }
    }
}

#[async_trait]
impl GitHost for AzureDevops {
    async fn find(&self, branch: &str, base: &str) -> Result<Vec<PullRequest>, HostError> {
        let listed = self.list(branch, base).await?;
        let is_open = listed.iter().any(|pull| pull.status == "active");
        let head = if is_open { self.head(branch).await? } else { None };
        let mut found = Vec::new();
        for pull in listed {
            let is_cut = pull.description.as_ref().is_some_and(|text| text.chars().count() >= LISTED);
            let pull = if is_cut { self.get(pull.pull_request_id).await? } else { pull };
            found.push(self.seen(pull, head.as_ref()));
        }
        Ok(crate::newest_first(found))
    }

    async fn open(&self, draft: &Draft) -> Result<PullRequest, HostError> {
        let body = json!({
            "sourceRefName": format!("refs/heads/{}", draft.branch),
            "targetRefName": format!("refs/heads/{}", draft.base),
            "title": draft.title,
            "description": draft.body,
            "isDraft": draft.is_draft,
        });
        let url = self.url(&["pullrequests"]);
        let pull: Pull = self.call(Method::POST, url, Some(body), About::Draft(draft)).await?;
        let head = match pull.last_merge_source_commit {
            Some(_) => None,
            None => self.head(&draft.branch).await?,
        };
        Ok(self.seen(pull, head.as_ref()))
    }

    async fn update(&self, number: u64, draft: &Draft) -> Result<PullRequest, HostError> {
        let pull = self.edit(number, json!({ "title": draft.title, "description": draft.body })).await?;
        let head = self.head(&draft.branch).await?;
        Ok(self.seen(pull, head.as_ref()))
    }

    async fn close(&self, number: u64, comment: &str) -> Result<(), HostError> {
        if self.get(number).await?.status != "active" {
            return Ok(());
        }
        self.comment(number, comment).await?;
        self.edit(number, json!({ "status": "abandoned" })).await?;
        Ok(())
    }

    async fn ended_by(&self, number: u64) -> Result<Option<String>, HostError> {
        let by = Some(self.get(number).await?).filter(|pull| pull.status != "active").and_then(|pull| pull.closed_by);
        Ok(by.and_then(|person| person.display_name))
    }

    /// <https://learn.microsoft.com/rest/api/azure/devops/git/commits/get-commits>
    async fn last_change(&self, path: &str, branch: &str) -> Result<Option<CommitId>, HostError> {
        let mut url = self.url(&["commits"]);
        url.query_pairs_mut()
            .append_pair("searchCriteria.itemPath", &format!("/{path}"))
            .append_pair("searchCriteria.itemVersion.version", branch)
            .append_pair("searchCriteria.itemVersion.versionType", "branch")
            .append_pair("searchCriteria.$top", "1");
        let newest: Listed<Commit> = self.call(Method::GET, url, None, About::Repository).await?;
        Ok(newest.value.into_iter().next().map(|commit| CommitId(commit.commit_id)))
    }

    async fn comment(&self, number: u64, text: &str) -> Result<bool, HostError> {
        let threads = self.url(&["pullrequests", &number.to_string(), "threads"]);
        let said: Listed<Thread> = self.call(Method::GET, threads.clone(), None, About::Number(number)).await?;
        let mut said = said.value.iter().flat_map(|thread| &thread.comments);
        if !said.any(|said| said.content.as_deref() == Some(text)) {
            // Nobody is asked for an answer: the thread is closed as it is begun.
            let body = json!({
                "comments": [{ "parentCommentId": 0, "content": text, "commentType": "text" }],
                "status": "closed",
            });
            self.call::<Value>(Method::POST, threads, Some(body), About::Number(number)).await?;
        }
        Ok(true)
    }

    async fn ready(&self, number: u64) -> Result<(), HostError> {
        if self.get(number).await?.status == "active" {
            self.edit(number, json!({ "isDraft": false })).await?;
        }
        Ok(())
    }

    async fn ask(&self, number: u64, asks: &Asks) -> Result<Vec<String>, HostError> {
        let mut asked = Asked::default();
        asked.lacks("Azure DevOps", "assignees of pull requests", !asks.assignees.is_empty());
        let number_text = number.to_string();
        for label in &asks.labels {
            let url = self.url(&["pullrequests", &number_text, "labels"]);
            let body = Some(json!({ "name": label }));
            asked.tried("labels", self.call::<Value>(Method::POST, url, body, About::Number(number)).await);
        }
        for reviewer in &asks.reviewers {
            // The API knows people by the id of their identity.
            let url = self.url(&["pullrequests", &number_text, "reviewers", reviewer]);
            let body = Some(json!({ "vote": 0 }));
            asked.tried("reviewers", self.call::<Value>(Method::PUT, url, body, About::Number(number)).await);
        }
        if asks.auto_merge {
            match self.get(number).await?.created_by {
                Some(person) => {
                    let body = json!({ "autoCompleteSetBy": { "id": person.id } });
                    asked.tried("auto-merge", self.edit(number, body).await);
                }
                None => asked.remark("auto-merge: Azure DevOps does not say who opened it".to_owned()),
            }
        }
        Ok(asked.remarks())
    }

    fn longest_body(&self) -> usize {
        4_000
    }
}
