//! An Azure DevOps for one repository, written from its documentation:
//! <https://learn.microsoft.com/rest/api/azure/devops/git/pull-requests>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::HeaderMap;
use serde_json::{Value, json};

use crate::forge::{Call, Dialect, Forge, Pull, Reply, State, display_name, holds};

/// Speaks as Azure DevOps does.
struct AzureDevops {
    /// Organisation, project and repository.
    place: [String; 3],
    token: String,
}

/// Starts one with a repository and a personal access token that may do everything in it.
pub fn start(organisation: &str, project: &str, name: &str, token: &str) -> Forge {
    let place = [organisation, project, name].map(str::to_owned);
    Forge::start(AzureDevops { place, token: token.to_owned() })
}

impl AzureDevops {
    fn shown(pull: &Pull, listed: bool) -> Value {
        // Lists cut long descriptions.
        let body: String = pull.body.chars().take(if listed { 400 } else { usize::MAX }).collect();
        let mut shown = json!({
            "pullRequestId": pull.number,
            "title": pull.title,
            "description": body,
            "status": match (pull.merged, pull.open) { (true, _) => "completed", (_, true) => "active", _ => "abandoned" },
            "isDraft": pull.draft,
            "sourceRefName": format!("refs/heads/{}", pull.branch),
            "targetRefName": format!("refs/heads/{}", pull.base),
            "createdBy": { "id": "0d4f1f2a-0000-4000-8000-000000000001", "displayName": "tag2pr" },
        });
        // It is looked at only later where it merges.
        if !pull.open || listed {
            shown["lastMergeSourceCommit"] = json!({ "commitId": pull.head });
        }
        if let Some(name) = pull.ended_by {
            shown["closedBy"] =
                json!({ "id": "0d4f1f2a-0000-4000-8000-000000000007", "displayName": display_name(name) });
        }
        if pull.fork {
            shown["forkSource"] = json!({ "repository": { "name": "fleet-of-mallory" } });
        }
        shown
    }

    fn create(&self, forge: &mut State, call: &Call) -> Reply {
        let text = |pointer: &str| call.text(pointer).unwrap_or_default();
        let side = |pointer: &str| text(pointer).trim_start_matches("refs/heads/").to_owned();
        let (branch, base) = (side("/sourceRefName"), side("/targetRefName"));
        if !forge.branches.contains_key(&base) || !forge.branches.contains_key(&branch) {
            let message = "TF401398: The pull request cannot be activated because the source and/or the target branch no \
                           longer exists, or the requested refs are not present.";
            return self.refused(400, message);
        }
        if forge.waiting(&branch, &base).is_some() {
            let message = "TF401179: An active pull request for the source and target branch already exists.";
            return self.refused(409, message);
        }
        let head = forge.branches[&branch].clone();
        let number = forge.open(&branch, &base, text("/title"), text("/description"), head);
        let draft = call.body.as_ref().is_some_and(|body| body["isDraft"] == true);
        match forge.pull(number) {
            Some(pull) => {
                pull.draft = draft;
                Reply::new(201, Self::shown(pull, false))
            }
            None => self.refused(404, "Not found"),
        }
    }

    fn under(&self, pull: &mut Pull, call: &Call, method: &str, rest: &[&str]) -> Reply {
        match (method, rest) {
            ("GET", []) => Reply::new(200, Self::shown(pull, false)),
            ("PATCH", []) => {
                pull.title = call.text("/title").unwrap_or_else(|| pull.title.clone());
                pull.body = call.text("/description").unwrap_or_else(|| pull.body.clone());
                pull.draft &= call.body.as_ref().is_none_or(|body| body["isDraft"] != false);
                pull.auto_merge |= call.text("/autoCompleteSetBy/id").is_some();
                if call.text("/status").as_deref() == Some("abandoned") {
                    pull.close();
                }
                Reply::new(200, Self::shown(pull, false))
            }
            ("GET", ["threads"]) => {
                let threads = pull.comments.iter().map(|content| json!({ "comments": [{ "content": content }] }));
                let all: Vec<Value> = threads.collect();
                Reply::new(200, json!({ "count": all.len(), "value": all }))
            }
            ("POST", ["threads"]) => {
                pull.comments.extend(call.text("/comments/0/content"));
                Reply::new(200, json!({ "id": 1 }))
            }
            ("POST", ["labels"]) => {
                pull.labels.extend(call.text("/name"));
                Reply::new(200, json!({ "name": call.text("/name") }))
            }
            ("PUT", ["reviewers", reviewer]) => {
                pull.reviewers.push((*reviewer).to_owned());
                Reply::new(200, json!({ "id": reviewer, "vote": 0 }))
            }
            _ => self.refused(404, "Not found"),
        }
    }
}

impl Dialect for AzureDevops {
    fn knows(&self, headers: &HeaderMap) -> bool {
        holds(headers, "authorization", &format!("Basic {}", BASE64.encode(format!(":{}", self.token))))
    }

    fn refused(&self, status: u16, message: &str) -> Reply {
        // Who is not known is shown the page to sign in.
        if status == 401 {
            Reply::new(203, json!("<html>Sign in</html>"))
        } else {
            Reply::new(status, json!({ "message": message }))
        }
    }

    fn route(&self, forge: &mut State, call: &Call) -> Reply {
        if call.query("api-version").is_none() {
            return self.refused(400, "No api-version was supplied.");
        }
        let (method, path) = call.parts();
        let path = match path.as_slice() {
            [organisation, project, "_apis", "git", "repositories", name, rest @ ..]
                if [*organisation, *project, *name] == self.place.each_ref().map(String::as_str) =>
            {
                rest.to_vec()
            }
            _ => return self.refused(404, "TF401019: The Git repository does not exist"),
        };
        match (method, path.as_slice()) {
            ("GET", ["refs"]) => {
                let filter = format!("refs/{}", call.query("filter").unwrap_or_default());
                let refs = forge.branches.iter().map(|(name, commit)| (format!("refs/heads/{name}"), commit));
                let all = refs.filter(|(name, _)| name.starts_with(&filter));
                let all: Vec<Value> = all.map(|(name, commit)| json!({ "name": name, "objectId": commit })).collect();
                Reply::new(200, json!({ "count": all.len(), "value": all }))
            }
            ("GET", ["commits"]) => {
                let asked = |key: &str| call.query(&format!("searchCriteria.{key}")).unwrap_or_default();
                let path = asked("itemPath").strip_prefix('/').unwrap_or_default();
                let is_branch = asked("itemVersion.versionType") == "branch";
                let changes = forge.changes(asked("itemVersion.version"), path).into_iter().filter(|_| is_branch);
                let all: Vec<Value> = changes.map(|id| json!({ "commitId": id, "comment": "Change a file" })).collect();
                Reply::new(200, json!({ "count": all.len(), "value": all }))
            }
            ("GET", ["pullrequests"]) => {
                let name = |key: &str| call.query(&format!("searchCriteria.{key}")).unwrap_or_default();
                let fits = |pull: &&Pull| {
                    name("sourceRefName") == format!("refs/heads/{}", pull.branch)
                        && name("targetRefName") == format!("refs/heads/{}", pull.base)
                };
                let all: Vec<Value> =
                    forge.pulls.iter().rev().filter(fits).map(|pull| Self::shown(pull, true)).collect();
                let (skip, top) = (call.number("$skip").unwrap_or(0), call.number("$top").unwrap_or(100));
                let page: Vec<Value> = all.into_iter().skip(skip).take(top).collect();
                Reply::new(200, json!({ "count": page.len(), "value": page }))
            }
            ("POST", ["pullrequests"]) => self.create(forge, call),
            (method, ["pullrequests", number, rest @ ..]) => match forge.numbered(number) {
                Some(pull) => self.under(pull, call, method, rest),
                None => self.refused(404, "TF401180: The requested pull request was not found."),
            },
            _ => self.refused(404, "Not found"),
        }
    }
}
