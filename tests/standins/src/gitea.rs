//! A Gitea for one repository, which answers as recorded ones did: the same refusals, the same shapes.
//!
//! When `TAG2PR_GITEA_SWAGGER` names Gitea's published description (`swagger.json`, which the crate `gitea-sdk` has),
//! every exchange is held against it, requests and answers alike.

use std::path::Path;
use std::sync::LazyLock;

use http::HeaderMap;
use serde_json::{Value, json};

use crate::forge::{Call, Dialect, Forge, OURS, Pull, Reply, State, holds, texts};
use crate::openapi::{Description, Exchange};
use crate::parts;

/// The environment variable that names Gitea's published description.
pub const SWAGGER: &str = "TAG2PR_GITEA_SWAGGER";

static DESCRIPTION: LazyLock<Option<Description>> = LazyLock::new(|| {
    let path = parts::variable(SWAGGER, "Gitea's published description")?;
    Some(Description::read_swagger(Path::new(&path), "APIError"))
});

const LABELS: [&str; 2] = ["bot", "images"];

/// Speaks as Gitea does.
struct Gitea {
    owner: String,
    name: String,
    token: String,
}

/// Starts one with a repository and a token that may do everything in it. There are two labels, `bot` and `images`.
pub fn start(owner: &str, name: &str, token: &str) -> Forge {
    LazyLock::force(&DESCRIPTION);
    Forge::start(Gitea { owner: owner.to_owned(), name: name.to_owned(), token: token.to_owned() })
}

/// Whether exchanges are held against Gitea's description: whether it was found.
pub fn is_checked() -> bool {
    DESCRIPTION.is_some()
}

impl Gitea {
    fn shown(&self, pull: &Pull) -> Value {
        let people = |names: &[String]| names.iter().map(|name| json!({ "login": name })).collect::<Vec<_>>();
        let labels: Vec<Value> = pull.labels.iter().map(|name| json!({ "id": 1, "name": name })).collect();
        let merged_by = pull.ended_by.filter(|_| pull.merged).map(|name| json!({ "login": name }));
        let head = if pull.open { pull.branch.clone() } else { format!("refs/pull/{}/head", pull.number) };
        let mut shown = json!({
            "id": 1000 + pull.number,
            "number": pull.number,
            "html_url": format!("https://gitea.test/{}/{}/pulls/{}", self.owner, self.name, pull.number),
            "state": if pull.open { "open" } else { "closed" },
            "merged": pull.merged,
            "title": pull.title,
            "body": pull.body,
            "labels": labels,
            "assignees": people(&pull.assignees),
            "requested_reviewers": people(&pull.reviewers),
            "head": { "label": pull.branch, "ref": head, "sha": pull.head, "repo_id": if pull.fork { 3 } else { 2 } },
            "base": { "label": pull.base, "ref": pull.base, "sha": "0".repeat(40), "repo_id": 2 },
        });
        if let Some(merged_by) = merged_by {
            shown["merged_by"] = merged_by;
        }
        shown
    }

    /// What happened to a pull request, oldest first: whole, unless a page is asked for. No header says which is the last.
    fn timeline(call: &Call, pull: &Pull) -> Reply {
        let event = |id: usize, what: &str, who: &str| json!({ "id": id, "type": what, "user": { "login": who } });
        let mut all: Vec<Value> = pull
            .said(OURS)
            .map(|(id, body, author)| json!({ "id": id, "type": "comment", "body": body, "user": { "login": author } }))
            .collect();
        if let Some(name) = pull.ended_by {
            all.push(event(all.len() + 1, if pull.merged { "merge_pull" } else { "close" }, name));
        }
        if let Some(page) = call.number("page") {
            let size = call.number("limit").unwrap_or(30).clamp(1, 50);
            all = all.into_iter().skip(page.saturating_sub(1) * size).take(size).collect();
        }
        // As Go writes a list that nobody began.
        Reply::new(200, if all.is_empty() { Value::Null } else { Value::Array(all) })
    }

    fn create(&self, forge: &mut State, call: &Call) -> Reply {
        let text = |key: &str| call.text(&format!("/{key}")).unwrap_or_default();
        let (branch, base) = (text("head"), text("base"));
        let (Some(head), Some(onto)) = (forge.branches.get(&branch).cloned(), forge.branches.get(&base).cloned())
        else {
            return self.refused(404, "Not Found");
        };
        if text("title").is_empty() {
            return self.refused(422, "Required");
        }
        if head == onto {
            return self.refused(422, "Invalid PullRequest: There are no changes between the head and the base");
        }
        if let Some(open) = forge.waiting(&branch, &base) {
            let message = format!(
                "pull request already exists for these targets [id: {}, issue_id: {}, head_repo_id: 2, base_repo_id: 2, \
                 head_branch: {branch}, base_branch: {base}]",
                open.number, open.number
            );
            return self.refused(409, &message);
        }
        let number = forge.open(&branch, &base, text("title"), text("body"), head);
        Reply::new(201, forge.pull(number).map(|pull| self.shown(pull)).unwrap_or_default())
    }

    fn update(&self, pull: &mut Pull, call: &Call) -> Reply {
        let text = |key: &str| call.text(&format!("/{key}"));
        if text("state").is_some() && pull.merged {
            return self.refused(412, "cannot change state of this pull request, it was already merged");
        }
        pull.title = text("title").unwrap_or_else(|| pull.title.clone());
        pull.body = text("body").unwrap_or_else(|| pull.body.clone());
        match text("state").as_deref() {
            Some("open") => (pull.open, pull.ended_by) = (true, None),
            Some(_) => pull.close(),
            None => {}
        }
        let assignees = call.body.as_ref().and_then(|body| body.get("assignees"));
        if assignees.is_some() {
            pull.assignees = texts(assignees);
        }
        Reply::new(201, self.shown(pull))
    }

    fn under(&self, forge: &mut State, call: &Call, number: &str, rest: (&str, &str, &str)) -> Reply {
        let Some(pull) = forge.numbered(number) else { return self.refused(404, "Not Found") };
        let body = call.body.clone().unwrap_or_default();
        match rest {
            ("GET", "issues", "comments") => {
                let said = pull.said("tag2pr");
                let comments =
                    said.map(|(id, body, author)| json!({ "id": id, "body": body, "user": { "login": author } }));
                Reply::new(200, comments.collect())
            }
            ("GET", "issues", "timeline") => Self::timeline(call, pull),
            ("POST", "issues", "comments") => {
                pull.comments.extend(call.text("/body"));
                Reply::new(
                    201,
                    json!({ "id": pull.comments.len(), "body": body["body"], "user": { "login": "tag2pr" } }),
                )
            }
            ("POST", "issues", "labels") => {
                let ids = body["labels"].as_array().into_iter().flatten().filter_map(Value::as_u64);
                pull.labels = ids.filter_map(|id| LABELS.get(id as usize - 1)).map(|&name| name.to_owned()).collect();
                pull.labels.sort_by_key(|name| std::cmp::Reverse(name.clone()));
                Reply::new(200, pull.labels.iter().map(|name| json!({ "id": 1, "name": name })).collect())
            }
            ("POST", "pulls", "requested_reviewers") => {
                pull.reviewers = texts(body.get("reviewers"));
                Reply::new(201, json!([]))
            }
            ("POST", "pulls", "merge") => {
                pull.auto_merge = body["merge_when_checks_succeed"] == true;
                Reply::new(200, Value::Null)
            }
            _ => self.refused(404, "Not Found"),
        }
    }
}

impl Dialect for Gitea {
    fn knows(&self, headers: &HeaderMap) -> bool {
        holds(headers, "authorization", &format!("token {}", self.token))
    }

    fn refused(&self, status: u16, message: &str) -> Reply {
        Reply::new(status, json!({ "message": message, "url": "https://gitea.test/api/swagger" }))
    }

    fn route(&self, forge: &mut State, call: &Call) -> Reply {
        let (method, path) = call.parts();
        let path = match path.as_slice() {
            ["api", "v1", "repos", owner, name, rest @ ..] if *owner == self.owner && *name == self.name => {
                rest.to_vec()
            }
            _ => return self.refused(404, "Not Found"),
        };
        match (method, path.as_slice()) {
            // There is no filter by branch: everything, the last changed first.
            ("GET", ["pulls"]) => {
                let all = forge.pulls.iter().rev().map(|pull| self.shown(pull)).collect();
                forge.linked(call, all, "limit")
            }
            ("GET", ["collaborators", login, "permission"]) => {
                let permission = if *login == "mallory" { "read" } else { "write" };
                Reply::new(
                    200,
                    json!({ "permission": permission, "role_name": permission, "user": { "login": login } }),
                )
            }
            ("GET", ["labels"]) => {
                let all = LABELS.iter().enumerate().map(|(index, name)| json!({ "id": index + 1, "name": name }));
                forge.linked(call, all.collect(), "limit")
            }
            // However small the page shall be: with a path it has its own size.
            ("GET", ["commits"]) => {
                let asked = |key: &str| call.query(key).unwrap_or_default();
                let changes = forge.changes(asked("sha"), asked("path")).into_iter();
                let all: Vec<Value> = changes
                    .map(|sha| json!({ "sha": sha, "commit": { "message": "Change a file" }, "parents": [] }))
                    .collect();
                match all.is_empty() {
                    true => self.refused(404, "The target couldn't be found."),
                    false => Reply::new(200, Value::Array(all)),
                }
            }
            ("POST", ["pulls"]) => self.create(forge, call),
            (method, ["pulls", number]) => match (method, forge.numbered(number)) {
                ("GET", Some(pull)) => Reply::new(200, self.shown(pull)),
                ("PATCH", Some(pull)) => self.update(pull, call),
                _ => self.refused(404, "Not Found"),
            },
            (method, [of, number, what]) => self.under(forge, call, number, (method, of, what)),
            _ => self.refused(404, "Not Found"),
        }
    }

    fn violations(&self, call: &Call, reply: &Reply) -> Vec<String> {
        let Some(description) = &*DESCRIPTION else { return Vec::new() };
        let path = call.path.join("/");
        description.violations(&Exchange {
            method: call.method.clone(),
            path: format!("/{}", path.strip_prefix("api/v1/").unwrap_or(&path)),
            query: call.query.clone(),
            request: call.body.clone(),
            status: reply.status,
            answer: reply.body.clone(),
        })
    }
}
