//! Merge requests on GitLab: <https://docs.gitlab.com/api/merge_requests/>.

use async_trait::async_trait;
use reqwest::header::{HeaderMap, HeaderName, USER_AGENT};
use reqwest::{Client, Method};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tag2pr::commands::PREFIX;
use tag2pr::seams::{self, Asks, CommitId, Draft, GitHost, HostError, PullRequest, RepositoryId, State};
use tag2pr::secret::Secret;
use url::Url;

use crate::about::About;
use crate::address::{self, Address};
use crate::asked::Asked;
use crate::rest::{Answer, Refusal, Rest};
use crate::{InvalidHost, Kind, USER};

/// A title that begins with it belongs to a draft; GitLab has no other switch.
const DRAFT: &str = "Draft: ";

/// <https://docs.gitlab.com/api/access_requests/#valid-access-levels>
const DEVELOPER: u64 = 30;

const RIGHT: &str = "the scope `api`, and the role Developer";

/// One project on gitlab.com, or on a GitLab of one's own.
pub struct Gitlab {
    rest: Rest,
    /// `group/subgroup/project`
    project: String,
}

/// A merge request, as far as it matters.
#[derive(Deserialize)]
struct MergeRequest {
    iid: u64,
    web_url: String,
    state: String,
    title: String,
    description: Option<String>,
    source_branch: String,
    target_branch: String,
    source_project_id: Option<u64>,
    target_project_id: u64,
    sha: Option<String>,
    /// Since 14.7, and also who wants it merged as soon as that is possible.
    merge_user: Option<User>,
    merged_by: Option<User>,
    closed_by: Option<User>,
}

#[derive(Deserialize)]
struct User {
    username: String,
}

#[derive(Deserialize)]
struct Commit {
    id: String,
}

#[derive(Deserialize)]
struct Note {
    id: u64,
    body: String,
    author: Option<Person>,
}

#[derive(Deserialize)]
struct Member {
    access_level: u64,
}

#[derive(Deserialize)]
struct Person {
    id: u64,
}

impl MergeRequest {
    fn state(&self) -> State {
        match self.state.as_str() {
            // Locked: it is being merged just now.
            "opened" | "locked" => State::Open,
            "merged" => State::Merged,
            _ => State::Closed,
        }
    }
}

impl From<MergeRequest> for PullRequest {
    fn from(one: MergeRequest) -> Self {
        Self {
            number: one.iid,
            state: one.state(),
            url: one.web_url,
            branch: one.source_branch,
            head: CommitId(one.sha.unwrap_or_default()),
            is_draft: one.title.starts_with(DRAFT),
            title: one.title.strip_prefix(DRAFT).unwrap_or(&one.title).to_owned(),
            body: one.description.unwrap_or_default(),
        }
    }
}

impl Gitlab {
    /// Nothing is asked of GitLab yet. The API is `https://HOST/api/v4` unless it is given; a path in front of `api/v4`
    /// is then none of the project's.
    ///
    /// # Errors
    ///
    /// When the repository is no `group/project`, or the token cannot be sent.
    pub fn new(
        client: Client,
        repository: &RepositoryId,
        token: &Secret,
        at: &Address<'_>,
    ) -> Result<Self, InvalidHost> {
        let api = at.api(&repository.host, "api/v4")?;
        let project = address::path_below(&api, "api/v4", &repository.path);
        if !project.contains('/') || !address::is_path(&project) {
            return Err(address::no_repository(repository, Kind::Gitlab));
        }
        let headers = HeaderMap::from_iter([
            (USER_AGENT, USER),
            (HeaderName::from_static("private-token"), address::secret(&repository.host, token.expose())?),
        ]);
        Ok(Self { rest: Rest::new(client, api, headers), project })
    }

    fn url(&self, resource: &[&str]) -> Url {
        self.rest.url(&[&["projects", &self.project, "merge_requests"], resource].concat())
    }

    fn reason(&self, answer: &Answer, about: &About<'_>) -> Refusal {
        about.refused(answer.status, &message(&answer.body), &self.project, RIGHT)
    }

    async fn get(&self, number: u64) -> Result<MergeRequest, HostError> {
        let about = About::Number(number);
        let url = self.url(&[&number.to_string()]);
        Ok(self.rest.ask(Method::GET, url, None, &|answer| self.reason(answer, &about)).await?.0)
    }

    async fn put(&self, number: u64, body: Value) -> Result<MergeRequest, HostError> {
        let about = About::Number(number);
        let url = self.url(&[&number.to_string()]);
        Ok(self.rest.ask(Method::PUT, url, Some(body), &|answer| self.reason(answer, &about)).await?.0)
    }

    async fn notes(&self, number: u64) -> Result<Vec<Note>, HostError> {
        let about = About::Number(number);
        let mut url = self.url(&[&number.to_string(), "notes"]);
        url.query_pairs_mut().append_pair("per_page", "100");
        self.rest.list(url, &|answer| self.reason(answer, &about)).await
    }

    /// Whether somebody is a Developer or more, in the project or in one of its groups.
    async fn may_write(&self, person: u64) -> Result<bool, HostError> {
        let url = self.rest.url(&["projects", &self.project, "members", "all", &person.to_string()]);
        let reason = |answer: &Answer| self.reason(answer, &About::Repository);
        match self.rest.ask::<Member>(Method::GET, url, None, &reason).await {
            Ok((member, _)) => Ok(member.access_level >= DEVELOPER),
            Err(HostError::Refused { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The numbers of people, and the names of which there is nobody.
    async fn people(&self, names: &[String], asked: &mut Asked) -> Result<Vec<u64>, HostError> {
        let mut ids = Vec::new();
        for name in names {
            let mut url = self.rest.url(&["users"]);
            url.query_pairs_mut().append_pair("username", name);
            let reason = |answer: &Answer| self.reason(answer, &About::Repository);
            let found: Vec<Person> = self.rest.ask(Method::GET, url, None, &reason).await?.0;
            match found.first() {
                Some(person) => ids.push(person.id),
                None => asked.remark(format!("there is no `{name}` to ask on GitLab")),
            }
        }
        Ok(ids)
    }
}

#[async_trait]
impl GitHost for Gitlab {
    async fn find(&self, branch: &str, base: &str) -> Result<Vec<PullRequest>, HostError> {
        let mut url = self.url(&[]);
        url.query_pairs_mut()
            .append_pair("source_branch", branch)
            .append_pair("target_branch", base)
            .append_pair("state", "all")
            .append_pair("order_by", "created_at")
            .append_pair("sort", "desc")
            .append_pair("per_page", "100");
        let reason = |answer: &Answer| self.reason(answer, &About::Repository);
        let all: Vec<MergeRequest> = self.rest.list(url, &reason).await?;
        let ours = all.into_iter().filter(|one| {
            one.source_branch == branch
                && one.target_branch == base
                && one.source_project_id == Some(one.target_project_id)
        });
        Ok(crate::newest_first(ours.map(PullRequest::from).collect()))
    }

    async fn open(&self, draft: &Draft) -> Result<PullRequest, HostError> {
        let body = json!({
            "source_branch": draft.branch,
            "target_branch": draft.base,
            "title": format!("{}{}", if draft.is_draft { DRAFT } else { "" }, draft.title),
            "description": draft.body,
        });
        let about = About::Draft(draft);
        let reason = |answer: &Answer| self.reason(answer, &about);
        let opened: MergeRequest = self.rest.ask(Method::POST, self.url(&[]), Some(body), &reason).await?.0;
        // GitLab learns of a push a moment after Git does.
        let head = opened.sha.is_some();
        let mut opened = PullRequest::from(opened);
        if !head {
            opened = self.get(opened.number).await?.into();
        }
        Ok(opened)
    }

    async fn update(&self, number: u64, draft: &Draft) -> Result<PullRequest, HostError> {
        // Whether it is a draft is in the title, and is whatever people made of it.
        let before = self.get(number).await?;
        let prefix = if before.title.starts_with(DRAFT) { DRAFT } else { "" };
        let body = json!({ "title": format!("{prefix}{}", draft.title), "description": draft.body });
        Ok(self.put(number, body).await?.into())
    }

    async fn close(&self, number: u64, comment: &str) -> Result<(), HostError> {
        if self.get(number).await?.state != "opened" {
            return Ok(());
        }
        self.comment(number, comment).await?;
        self.put(number, json!({ "state_event": "close" })).await?;
        Ok(())
    }

    async fn ended_by(&self, number: u64) -> Result<Option<String>, HostError> {
        let one = self.get(number).await?;
        let by = match one.state() {
            State::Open => None,
            State::Merged => one.merge_user.or(one.merged_by),
            State::Closed => one.closed_by,
        };
        Ok(by.map(|user| user.username))
    }

    /// <https://docs.gitlab.com/api/commits/#list-repository-commits>
    async fn last_change(&self, path: &str, branch: &str) -> Result<Option<CommitId>, HostError> {
        let mut url = self.rest.url(&["projects", &self.project, "repository", "commits"]);
        url.query_pairs_mut().append_pair("ref_name", branch).append_pair("path", path).append_pair("per_page", "1");
        let reason = |answer: &Answer| self.reason(answer, &About::Repository);
        let newest: Vec<Commit> = self.rest.ask(Method::GET, url, None, &reason).await?.0;
        Ok(newest.into_iter().next().map(|commit| CommitId(commit.id)))
    }

    async fn comment(&self, number: u64, text: &str) -> Result<bool, HostError> {
        if !self.notes(number).await?.iter().any(|note| note.body == text) {
            let about = About::Number(number);
            let (url, body) = (self.url(&[&number.to_string(), "notes"]), json!({ "body": text }));
            self.rest.ask::<Value>(Method::POST, url, Some(body), &|answer| self.reason(answer, &about)).await?;
        }
        Ok(true)
    }

    async fn commands(&self, number: u64, after: u64) -> Result<Vec<seams::Comment>, HostError> {
        let mut notes = self.notes(number).await?;
        notes.sort_by_key(|note| note.id);
        let mut commands = Vec::new();
        for note in notes.into_iter().filter(|note| note.id > after && note.body.starts_with(PREFIX)) {
            let may_write = match &note.author {
                Some(author) => self.may_write(author.id).await?,
                None => false,
            };
            commands.push(seams::Comment { id: note.id, body: note.body, may_write });
        }
        Ok(commands)
    }

    fn reads_commands(&self) -> bool {
        true
    }

    async fn ready(&self, number: u64) -> Result<(), HostError> {
        let before = self.get(number).await?;
        if let Some(title) = before.title.strip_prefix(DRAFT).filter(|_| before.state == "opened") {
            self.put(number, json!({ "title": title })).await?;
        }
        Ok(())
    }

    async fn ask(&self, number: u64, asks: &Asks) -> Result<Vec<String>, HostError> {
        let mut asked = Asked::default();
        let mut body = Map::new();
        if !asks.labels.is_empty() {
            body.insert("add_labels".to_owned(), json!(asks.labels.join(",")));
        }
        for (key, names) in [("reviewer_ids", &asks.reviewers), ("assignee_ids", &asks.assignees)] {
            let ids = self.people(names, &mut asked).await?;
            if !ids.is_empty() {
                body.insert(key.to_owned(), json!(ids));
            }
        }
        if !body.is_empty() {
            asked.tried("labels, reviewers and assignees", self.put(number, Value::Object(body)).await);
        }
        if asks.auto_merge {
            let about = About::Number(number);
            let url = self.url(&[&number.to_string(), "merge"]);
            // The name until 17.10, which later ones still know.
            let body = json!({ "merge_when_pipeline_succeeds": true });
            let reason = |answer: &Answer| self.reason(answer, &about);
            asked.tried("auto-merge", self.rest.ask::<Value>(Method::PUT, url, Some(body), &reason).await);
        }
        Ok(asked.remarks())
    }

    fn longest_body(&self) -> usize {
        // A million are allowed; nobody reads them.
        65_536
    }
}

/// `message` or `error`, whatever shape it has: <https://docs.gitlab.com/api/rest/troubleshooting/>.
fn message(body: &[u8]) -> String {
    fn flat(value: &Value) -> String {
        match value {
            Value::String(text) => text.clone(),
            Value::Array(all) => all.iter().map(flat).collect::<Vec<_>>().join(", "),
            Value::Object(all) => {
                all.iter().map(|(key, value)| format!("{key} {}", flat(value))).collect::<Vec<_>>().join(", ")
            }
            other => other.to_string(),
        }
    }
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return String::new() };
    ["message", "error_description", "error"].iter().find_map(|key| body.get(key)).map(flat).unwrap_or_default()
}
