//! A Bitbucket Data Center for one repository, written from its documentation:
//! <https://developer.atlassian.com/server/bitbucket/rest/latest/api-group-pull-requests/>.

use http::HeaderMap;
use serde_json::{Value, json};

use crate::forge::{Call, Dialect, Forge, OURS, Pull, Reply, State, display_name, holds};

/// Speaks as Bitbucket Data Center does.
struct Bitbucket {
    project: String,
    name: String,
    token: String,
}

/// Starts one with a repository and an HTTP access token that may do everything in it.
pub fn start(project: &str, name: &str, token: &str) -> Forge {
    Forge::start(Bitbucket { project: project.to_owned(), name: name.to_owned(), token: token.to_owned() })
}

impl Bitbucket {
    fn shown(&self, pull: &Pull) -> Value {
        let at = format!("https://bitbucket.test/projects/{}/repos/{}", self.project, self.name);
        let reviewers: Vec<Value> = pull.reviewers.iter().map(|name| json!({ "user": { "name": name } })).collect();
        json!({
            "id": pull.number,
            "version": pull.version,
            "title": pull.title,
            "description": pull.body,
            "state": match (pull.merged, pull.open) { (true, _) => "MERGED", (_, true) => "OPEN", _ => "DECLINED" },
            "draft": pull.draft,
            "fromRef": {
                "id": format!("refs/heads/{}", pull.branch),
                "displayId": pull.branch,
                "latestCommit": pull.head,
                "repository": { "id": if pull.fork { 2 } else { 1 } },
            },
            "toRef": {
                "id": format!("refs/heads/{}", pull.base),
                "displayId": pull.base,
                "latestCommit": "0".repeat(40),
                "repository": { "id": 1 },
            },
            "reviewers": reviewers,
            "links": { "self": [{ "href": format!("{at}/pull-requests/{}", pull.number) }] },
        })
    }

    fn paged(forge: &State, call: &Call, all: Vec<Value>) -> Reply {
        let (start, size) = (call.number("start").unwrap_or(0), call.number("limit").unwrap_or(25));
        let (values, more) = forge.page(all, start, size);
        let next = more.then_some(start + values.len());
        Reply::new(200, json!({ "values": values, "isLastPage": !more, "nextPageStart": next, "start": start }))
    }

    fn failed(status: u16, exception: &str, message: &str) -> Reply {
        let exception = format!("com.atlassian.bitbucket.{exception}");
        Reply::new(status, json!({ "errors": [{ "context": null, "message": message, "exceptionName": exception }] }))
    }

    fn create(&self, forge: &mut State, call: &Call) -> Reply {
        let text = |pointer: &str| call.text(pointer).unwrap_or_default();
        let side = |pointer: &str| text(pointer).trim_start_matches("refs/heads/").to_owned();
        let (branch, base) = (side("/fromRef/id"), side("/toRef/id"));
        for branch in [&base, &branch] {
            if !forge.branches.contains_key(branch) {
                let message = format!("Repository {} has no branch 'refs/heads/{branch}'", self.name);
                return Self::failed(404, "commit.NoSuchCommitException", &message);
            }
        }
        if forge.waiting(&branch, &base).is_some() {
            let message = "Only one pull request may be open for a given source and target branch";
            return Self::failed(409, "pull.DuplicatePullRequestException", message);
        }
        let head = forge.branches[&branch].clone();
        let number = forge.open(&branch, &base, text("/title"), text("/description"), head);
        let draft = call.body.as_ref().is_some_and(|body| body["draft"] == true);
        match forge.pull(number) {
            Some(pull) => {
                pull.draft = draft;
                Reply::new(201, self.shown(pull))
            }
            None => self.refused(404, "Not found"),
        }
    }

    /// What happened to a pull request, newest first.
    fn activities(pull: &Pull) -> Vec<Value> {
        let user = |name: &str| json!({ "name": name, "displayName": display_name(name) });
        let id = |at: usize| pull.number * 1_000 + at as u64;
        let mut all = vec![json!({ "id": id(0), "action": "OPENED", "user": user(OURS) })];
        all.extend(pull.said(OURS).map(|(at, text, author)| {
            json!({ "id": id(at), "action": "COMMENTED", "user": user(author), "comment": { "text": text } })
        }));
        if let Some(name) = pull.ended_by {
            let action = if pull.merged { "MERGED" } else { "DECLINED" };
            all.push(json!({ "id": id(all.len()), "action": action, "user": user(name) }));
        }
        all.reverse();
        all
    }

    fn stale(pull: &Pull, version: Option<u64>) -> Option<Reply> {
        let message = "You are attempting to modify a pull request based on out-of-date information.";
        (version != Some(pull.version)).then(|| Self::failed(409, "pull.PullRequestOutOfDateException", message))
    }
}

impl Dialect for Bitbucket {
    fn knows(&self, headers: &HeaderMap) -> bool {
        holds(headers, "authorization", &format!("Bearer {}", self.token))
    }

    fn refused(&self, status: u16, message: &str) -> Reply {
        Self::failed(status, "AuthorisationException", message)
    }

    fn route(&self, forge: &mut State, call: &Call) -> Reply {
        let (method, path) = call.parts();
        let path = match path.as_slice() {
            ["rest", "api", "1.0", "projects", project, "repos", name, "commits"]
                if *project == self.project && *name == self.name =>
            {
                let asked = |key: &str| call.query(key).unwrap_or_default();
                let branch = asked("until").strip_prefix("refs/heads/").unwrap_or_default();
                let changes = forge.changes(branch, asked("path")).into_iter();
                let all = changes.map(|id| json!({ "id": id, "displayId": &id[..11] })).collect();
                return Self::paged(forge, call, all);
            }
            ["rest", "api", "1.0", "projects", project, "repos", name, "pull-requests", rest @ ..]
                if *project == self.project && *name == self.name =>
            {
                rest.to_vec()
            }
            _ => return self.refused(404, "Repository does not exist."),
        };
        match (method, path.as_slice()) {
            ("GET", []) => {
                let at = call.query("at").unwrap_or_default();
                // Outgoing ones are those whose branch is in this repository, or seems to be.
                let fits = |pull: &&Pull| at == format!("refs/heads/{}", pull.branch);
                let all = forge.pulls.iter().rev().filter(fits).map(|pull| self.shown(pull)).collect();
                Self::paged(forge, call, all)
            }
            ("POST", []) => self.create(forge, call),
            (method, [number, rest @ ..]) => {
                let message = format!("Pull request {number} does not exist.");
                let Some(pull) = forge.numbered(number) else { return self.refused(404, &message) };
                match (method, rest) {
                    ("GET", []) => Reply::new(200, self.shown(pull)),
                    ("PUT", []) => {
                        let version = call.body.as_ref().and_then(|body| body["version"].as_u64());
                        if let Some(stale) = Self::stale(pull, version) {
                            return stale;
                        }
                        pull.version += 1;
                        pull.title = call.text("/title").unwrap_or_default();
                        pull.body = call.text("/description").unwrap_or_default();
                        pull.draft &= call.body.as_ref().is_none_or(|body| body["draft"] != false);
                        let reviewers = call.body.as_ref().and_then(|body| body["reviewers"].as_array()).cloned();
                        let name = |one: &Value| one["user"]["name"].as_str().map(str::to_owned);
                        pull.reviewers = reviewers.unwrap_or_default().iter().filter_map(name).collect();
                        Reply::new(200, self.shown(pull))
                    }
                    ("POST", ["decline"]) => {
                        let version = call.number("version").map(|version| version as u64);
                        if let Some(stale) = Self::stale(pull, version) {
                            return stale;
                        }
                        pull.close();
                        pull.version += 1;
                        Reply::new(200, self.shown(pull))
                    }
                    ("POST", ["comments"]) => {
                        pull.comments.extend(call.text("/text"));
                        Reply::new(201, json!({ "id": 1, "text": call.text("/text") }))
                    }
                    ("GET", ["activities"]) => {
                        let all = Self::activities(pull);
                        Self::paged(forge, call, all)
                    }
                    _ => self.refused(404, "Not found"),
                }
            }
            _ => self.refused(404, "Not found"),
        }
    }
}
