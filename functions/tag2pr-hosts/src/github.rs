//! Pull requests on GitHub: <https://docs.github.com/en/rest/pulls/pulls>.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use reqwest::{Client, Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tag2pr::seams::{CommitId, Draft, GitHost, HostError, PullRequest, RepositoryId, State};
use tag2pr::secret::Secret;
use url::Url;

use crate::InvalidHost;
use crate::rest::{Answer, Rest, quote};

/// The oldest version that all supported GitHub Enterprise Servers know.
const API_VERSION: &str = "2022-11-28";

/// Ten thousand pull requests from one branch. More is no repository but a loop of pages.
const MOST_PAGES: usize = 100;

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
        token: &Secret,
        api: Option<&Url>,
    ) -> Result<Self, InvalidHost> {
        let path = repository.path.trim_matches('/');
        let (owner, name) = match path.strip_suffix(".git").unwrap_or(path).split_once('/') {
            Some((owner, name)) if [owner, name].into_iter().all(is_name) => (owner.to_owned(), name.to_owned()),
            _ => {
                return Err(InvalidHost::Path { host: repository.host.clone(), path: repository.path.clone() });
            }
        };
        let api = match api {
            Some(api) => api.clone(),
            None => api_of(&repository.host)?,
        };
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
            .map_err(|_| InvalidHost::Token { host: repository.host.clone() })?;
        bearer.set_sensitive(true);
        let headers = HeaderMap::from_iter([
            (ACCEPT, HeaderValue::from_static("application/vnd.github+json")),
            (AUTHORIZATION, bearer),
            (USER_AGENT, HeaderValue::from_static(concat!("tag2pr/", env!("CARGO_PKG_VERSION")))),
            (HeaderName::from_static("x-github-api-version"), HeaderValue::from_static(API_VERSION)),
        ]);
        Ok(Self { rest: Rest::new(client, api, headers), owner, name })
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
    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        url: Url,
        body: Option<Value>,
        about: &About<'_>,
    ) -> Result<(T, Answer), HostError> {
        let answer = self.rest.send(method, url, body.as_ref()).await?;
        if !answer.status.is_success() {
            return Err(self.rest.refused(self.reason(&answer, about)));
        }
        match serde_json::from_slice(&answer.body) {
            Ok(value) => Ok((value, answer)),
            // A success that is no JSON comes from something between GitHub and us.
            Err(error) => Err(self.rest.unavailable(format!("its answer cannot be read: {error}"))),
        }
    }

    /// All pages of a list.
    async fn list<T: DeserializeOwned>(&self, mut url: Url, about: &About<'_>) -> Result<Vec<T>, HostError> {
        let mut all = Vec::new();
        for _ in 0..MOST_PAGES {
            let (page, answer) = self.ask::<Vec<T>>(Method::GET, url, None, about).await?;
            all.extend(page);
            match self.rest.next_page(&answer.headers)? {
                Some(next) => url = next,
                None => return Ok(all),
            }
        }
        Err(self.rest.refused(format!("a list has more than {MOST_PAGES} pages")))
    }

    /// GitHub's own words, and what to do.
    fn reason(&self, answer: &Answer, about: &About<'_>) -> String {
        let said = message(&answer.body);
        let said = if said.is_empty() { answer.status.to_string() } else { said };
        let Self { owner, name, .. } = self;
        match (answer.status, about) {
            (StatusCode::UNAUTHORIZED, _) => {
                format!("{said}; the token is wrong, expired or revoked: give a new one in `credentials:`")
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
            (StatusCode::UNPROCESSABLE_ENTITY, About::Draft(Draft { branch, base, .. })) => {
                if said.contains("already exists") {
                    format!("{said}; look for it before opening another")
                } else if said.contains("No commits between") {
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
        }
    }
}

/// What a request was about, to say more than GitHub does when it refuses.
enum About<'a> {
    Repository,
    Draft(&'a Draft),
    Number(u64),
}

/// A pull request, as far as it matters.
#[derive(Deserialize)]
struct Pull {
    number: u64,
    html_url: String,
    state: String,
    merged_at: Option<String>,
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
    body: Option<String>,
}

impl Pull {
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
        let state = match (pull.merged_at, pull.state.as_str()) {
            (Some(_), _) => State::Merged,
            (None, "open") => State::Open,
            (None, _) => State::Closed,
        };
        Self {
            number: pull.number,
            url: pull.html_url,
            state,
            branch: pull.head.branch,
            head: CommitId(pull.head.sha),
            title: pull.title,
            body: pull.body.unwrap_or_default(),
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
        let mut ours: Vec<_> = pulls.into_iter().filter(|pull| pull.is_from(branch, base)).collect();
        // One that is opened while pages are read moves another to the next page, where it is seen again.
        ours.sort_by_key(|pull| std::cmp::Reverse(pull.number));
        ours.dedup_by_key(|pull| pull.number);
        Ok(ours.into_iter().map(PullRequest::from).collect())
    }

    async fn open(&self, draft: &Draft) -> Result<PullRequest, HostError> {
        let body = json!({ "title": draft.title, "body": draft.body, "head": draft.branch, "base": draft.base });
        let about = About::Draft(draft);
        let (pull, _) = self.ask::<Pull>(Method::POST, self.url(&["pulls"]), Some(body), &about).await?;
        Ok(pull.into())
    }

    async fn update(&self, number: u64, draft: &Draft) -> Result<PullRequest, HostError> {
        let url = self.url(&["pulls", &number.to_string()]);
        let body = json!({ "title": draft.title, "body": draft.body });
        let (pull, _) = self.ask::<Pull>(Method::PATCH, url, Some(body), &About::Number(number)).await?;
        Ok(pull.into())
    }

    async fn close(&self, number: u64, comment: &str) -> Result<(), HostError> {
        let about = About::Number(number);
        let number = number.to_string();
        // The reason first: should the next call fail, the pull request is still open, and this is done again.
        let comments = self.url(&["issues", &number, "comments"]);
        let mut all = comments.clone();
        all.query_pairs_mut().append_pair("per_page", "100");
        let said: Vec<Comment> = self.list(all, &about).await?;
        if !said.iter().any(|said| said.body.as_deref() == Some(comment)) {
            self.ask::<Comment>(Method::POST, comments, Some(json!({ "body": comment })), &about).await?;
        }
        let state = json!({ "state": "closed" });
        self.ask::<Pull>(Method::PATCH, self.url(&["pulls", &number]), Some(state), &about).await?;
        Ok(())
    }
}

fn api_of(host: &str) -> Result<Url, InvalidHost> {
    let invalid = || InvalidHost::Name(host.to_owned());
    // A `host` with more in it than a name and a port must not lead elsewhere.
    if host.is_empty() || !host.chars().all(|c| c.is_ascii_alphanumeric() || "-._:[]".contains(c)) {
        return Err(invalid());
    }
    let api = match host {
        "github.com" | "www.github.com" | "ssh.github.com" => "https://api.github.com".to_owned(),
        host if host.ends_with(".ghe.com") => format!("https://api.{host}"),
        host => format!("https://{host}/api/v3"),
    };
    Url::parse(&api).map_err(|_| invalid())
}

fn is_name(text: &str) -> bool {
    !matches!(text, "" | "." | "..") && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
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
        let api = |host: &str| api_of(host).map(|url| url.to_string());
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
