//! Pull requests on Gitea and Forgejo: <https://docs.gitea.com/api/>, <https://forgejo.org/docs/latest/user/api-usage/>.

use async_trait::async_trait;
use reqwest::header::{AUTHORIZATION, HeaderMap, USER_AGENT};
use reqwest::{Client, Method};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tag2pr::commands::PREFIX;
use tag2pr::seams::{self, Asks, CommitId, Draft, GitHost, HostError, PullRequest, RepositoryId, State};
use tag2pr::secret::Secret;
use url::Url;

use crate::about::About;
use crate::address::{self, Address};
use crate::asked::Asked;
use crate::rest::{Answer, Refusal, Rest};
use crate::{InvalidHost, Kind, USER};

/// A title that begins with it belongs to a draft: the first of the prefixes that both know unless told otherwise.
const DRAFT: &str = "WIP: ";

const RIGHT: &str = "the scope `write:repository`, and `write:issue` for comments";

/// One repository on a Gitea or a Forgejo.
pub struct Gitea {
    rest: Rest,
    owner: String,
    name: String,
}

/// A pull request, as far as it matters.
#[derive(Deserialize)]
struct Pull {
    number: u64,
    html_url: String,
    state: String,
    merged: bool,
    merged_by: Option<User>,
    title: String,
    body: Option<String>,
    head: Side,
    base: Side,
}

#[derive(Deserialize)]
struct Side {
    /// The name of the branch, even when it is deleted; `ref` is another then.
    #[serde(rename = "label")]
    branch: String,
    sha: String,
    /// -1 when it was a fork that is deleted by now.
    repo_id: i64,
}

#[derive(Deserialize)]
struct Comment {
    id: u64,
    body: String,
    user: Option<User>,
}

#[derive(Deserialize)]
struct User {
    login: String,
}

/// Something that happened to a pull request.
#[derive(Deserialize)]
struct Happened {
    id: u64,
    #[serde(rename = "type")]
    what: String,
    user: Option<User>,
}

#[derive(Deserialize)]
struct Commit {
    sha: String,
}

#[derive(Deserialize)]
struct Permission {
    permission: String,
}

#[derive(Deserialize)]
struct Label {
    id: u64,
    name: String,
}

impl Pull {
    fn state(&self) -> State {
        match (self.merged, self.state.as_str()) {
            (true, _) => State::Merged,
            (false, "open") => State::Open,
            (false, _) => State::Closed,
        }
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
            is_draft: pull.title.starts_with(DRAFT),
            title: pull.title.strip_prefix(DRAFT).unwrap_or(&pull.title).to_owned(),
            body: pull.body.unwrap_or_default(),
        }
    }
}

impl Gitea {
    /// Nothing is asked of the forge yet. The API is `https://HOST/api/v1` unless it is given; a path in front of
    /// `api/v1` is then none of the repository's.
    ///
    /// # Errors
    ///
    /// When the repository is no `owner/name`, or the token cannot be sent.
    pub fn new(
        client: Client,
        repository: &RepositoryId,
        token: &Secret,
        at: &Address<'_>,
    ) -> Result<Self, InvalidHost> {
        let api = at.api(&repository.host, "api/v1")?;
        let path = address::path_below(&api, "api/v1", &repository.path);
        let (owner, name) = match path.split_once('/') {
            Some((owner, name)) if address::is_name(owner) && address::is_name(name) => (owner, name),
            _ => return Err(address::no_repository(repository, Kind::Gitea)),
        };
        let headers = HeaderMap::from_iter([
            (USER_AGENT, USER),
            (AUTHORIZATION, address::secret(&repository.host, &format!("token {}", token.expose()))?),
        ]);
        Ok(Self { rest: Rest::new(client, api, headers), owner: owner.to_owned(), name: name.to_owned() })
    }

    fn url(&self, resource: &[&str]) -> Url {
        self.rest.url(&[&["repos", &self.owner, &self.name], resource].concat())
    }

    fn reason(&self, answer: &Answer, about: &About<'_>) -> Refusal {
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let said = body["message"].as_str().unwrap_or_default();
        about.refused(answer.status, said, &format!("{}/{}", self.owner, self.name), RIGHT)
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

    async fn get(&self, number: u64) -> Result<Pull, HostError> {
        self.call(Method::GET, self.url(&["pulls", &number.to_string()]), None, About::Number(number)).await
    }

    async fn edit(&self, number: u64, body: Value) -> Result<Pull, HostError> {
        self.call(Method::PATCH, self.url(&["pulls", &number.to_string()]), Some(body), About::Number(number)).await
    }

    /// Everything that is written under a pull request, oldest first: never in pages.
    async fn comments(&self, number: u64) -> Result<Vec<Comment>, HostError> {
        let url = self.url(&["issues", &number.to_string(), "comments"]);
        self.call(Method::GET, url, None, About::Number(number)).await
    }

    /// Whoever closed it last. Without a number of a page the timeline comes whole; with one, nothing says which is the last.
    async fn closed_by(&self, number: u64) -> Result<Option<User>, HostError> {
        let url = self.url(&["issues", &number.to_string(), "timeline"]);
        // An empty one is null.
        let all: Option<Vec<Happened>> = self.call(Method::GET, url, None, About::Number(number)).await?;
        let closings = all.into_iter().flatten().filter(|happened| happened.what == "close");
        Ok(closings.max_by_key(|happened| happened.id).and_then(|happened| happened.user))
    }

    /// A token that may not ask counts nobody in.
    async fn may_write(&self, login: &str) -> Result<bool, HostError> {
        let url = self.url(&["collaborators", login, "permission"]);
        match self.call::<Permission>(Method::GET, url, None, About::Repository).await {
            Ok(Permission { permission }) => Ok(matches!(permission.as_str(), "owner" | "admin" | "write")),
            Err(HostError::Refused { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Labels are set by number.
    async fn label(&self, number: u64, names: &[String], asked: &mut Asked) -> Result<(), HostError> {
        let mut url = self.url(&["labels"]);
        url.query_pairs_mut().append_pair("limit", "50");
        let reason = |answer: &Answer| self.reason(answer, &About::Repository);
        let known: Vec<Label> = self.rest.list(url, &reason).await?;
        let mut ids = Vec::new();
        for name in names {
            match known.iter().find(|label| label.name == *name) {
                Some(label) => ids.push(label.id),
                None => asked.remark(format!("there is no label `{name}` in {}/{}", self.owner, self.name)),
            }
        }
        if !ids.is_empty() {
            let url = self.url(&["issues", &number.to_string(), "labels"]);
            let about = About::Number(number);
            asked.tried("labels", self.call::<Value>(Method::POST, url, Some(json!({ "labels": ids })), about).await);
        }
        Ok(())
    }
}

#[async_trait]
impl GitHost for Gitea {
    /// Neither knows a filter by branch: all pull requests are read, fifty at a time.
    async fn find(&self, branch: &str, base: &str) -> Result<Vec<PullRequest>, HostError> {
        let mut url = self.url(&["pulls"]);
        url.query_pairs_mut()
            .append_pair("state", "all")
            .append_pair("sort", "recentupdate")
            .append_pair("limit", "50");
        let reason = |answer: &Answer| self.reason(answer, &About::Repository);
        let all: Vec<Pull> = self.rest.list(url, &reason).await?;
        let ours = all.into_iter().filter(|pull| {
            pull.head.branch == branch && pull.base.branch == base && pull.head.repo_id == pull.base.repo_id
        });
        Ok(crate::newest_first(ours.map(PullRequest::from).collect()))
    }

    async fn open(&self, draft: &Draft) -> Result<PullRequest, HostError> {
        let title = format!("{}{}", if draft.is_draft { DRAFT } else { "" }, draft.title);
        let body = json!({ "title": title, "body": draft.body, "head": draft.branch, "base": draft.base });
        let pull: Pull = self.call(Method::POST, self.url(&["pulls"]), Some(body), About::Draft(draft)).await?;
        Ok(pull.into())
    }

    async fn update(&self, number: u64, draft: &Draft) -> Result<PullRequest, HostError> {
        // Whether it is a draft is in the title, and is whatever people made of it.
        let before = self.get(number).await?;
        let prefix = if before.title.starts_with(DRAFT) { DRAFT } else { "" };
        let body = json!({ "title": format!("{prefix}{}", draft.title), "body": draft.body });
        Ok(self.edit(number, body).await?.into())
    }

    async fn close(&self, number: u64, comment: &str) -> Result<(), HostError> {
        if self.get(number).await?.state != "open" {
            return Ok(());
        }
        self.comment(number, comment).await?;
        self.edit(number, json!({ "state": "closed" })).await?;
        Ok(())
    }

    async fn ended_by(&self, number: u64) -> Result<Option<String>, HostError> {
        let pull = self.get(number).await?;
        let by = match pull.state() {
            State::Open => None,
            State::Merged => pull.merged_by,
            State::Closed => self.closed_by(number).await?,
        };
        Ok(by.map(|user| user.login))
    }

    /// With a path a page has as many commits as the server likes; a file that no commit changed is not found.
    async fn last_change(&self, path: &str, branch: &str) -> Result<Option<CommitId>, HostError> {
        let mut url = self.url(&["commits"]);
        url.query_pairs_mut().append_pair("sha", branch).append_pair("path", path).append_pair("limit", "1");
        // What costs the server time and is not needed.
        for part in ["stat", "verification", "files"] {
            url.query_pairs_mut().append_pair(part, "false");
        }
        let reason = |answer: &Answer| self.reason(answer, &About::Repository);
        let commits: Option<Vec<Commit>> = self.rest.look_up(url, &reason).await?;
        Ok(commits.into_iter().flatten().next().map(|commit| CommitId(commit.sha)))
    }

    async fn comment(&self, number: u64, text: &str) -> Result<bool, HostError> {
        if !self.comments(number).await?.iter().any(|said| said.body == text) {
            let (url, body) = (self.url(&["issues", &number.to_string(), "comments"]), json!({ "body": text }));
            self.call::<Comment>(Method::POST, url, Some(body), About::Number(number)).await?;
        }
        Ok(true)
    }

    async fn commands(&self, number: u64, after: u64) -> Result<Vec<seams::Comment>, HostError> {
        let mut commands = Vec::new();
        for comment in self.comments(number).await? {
            let Some(user) = comment.user.filter(|_| comment.id > after && comment.body.starts_with(PREFIX)) else {
                continue;
            };
            let may_write = self.may_write(&user.login).await?;
            commands.push(seams::Comment { id: comment.id, body: comment.body, may_write });
        }
        Ok(commands)
    }

    fn reads_commands(&self) -> bool {
        true
    }

    async fn ready(&self, number: u64) -> Result<(), HostError> {
        let before = self.get(number).await?;
        if let Some(title) = before.title.strip_prefix(DRAFT).filter(|_| before.state == "open") {
            self.edit(number, json!({ "title": title })).await?;
        }
        Ok(())
    }

    async fn ask(&self, number: u64, asks: &Asks) -> Result<Vec<String>, HostError> {
        let mut asked = Asked::default();
        if !asks.labels.is_empty() {
            self.label(number, &asks.labels, &mut asked).await?;
        }
        if !asks.reviewers.is_empty() {
            let url = self.url(&["pulls", &number.to_string(), "requested_reviewers"]);
            let body = Some(json!({ "reviewers": asks.reviewers }));
            asked.tried("reviewers", self.call::<Value>(Method::POST, url, body, About::Number(number)).await);
        }
        if !asks.assignees.is_empty() {
            asked.tried("assignees", self.edit(number, json!({ "assignees": asks.assignees })).await);
        }
        if asks.auto_merge {
            let url = self.url(&["pulls", &number.to_string(), "merge"]);
            let body = Some(json!({ "Do": "merge", "merge_when_checks_succeed": true }));
            asked.tried("auto-merge", self.call::<Value>(Method::POST, url, body, About::Number(number)).await);
        }
        Ok(asked.remarks())
    }
}
