//! A GitLab for one project, written from its documentation: <https://docs.gitlab.com/api/merge_requests/>.

use http::HeaderMap;
use serde_json::{Value, json};

use crate::forge::{Call, Dialect, Forge, OURS, Pull, Reply, State, holds};

/// Speaks as GitLab does.
struct Gitlab {
    project: String,
    token: String,
}

/// Starts one with a project and a token that may do everything in it. There is one person, `alice`.
pub fn start(project: &str, token: &str) -> Forge {
    Forge::start(Gitlab { project: project.to_owned(), token: token.to_owned() })
}

impl Gitlab {
    fn shown(&self, pull: &Pull) -> Value {
        let who = |is_it: bool| pull.ended_by.filter(|_| is_it).map(|name| json!({ "id": 7, "username": name }));
        let (merged, closed) = (who(pull.merged), who(!pull.merged));
        let people =
            |names: &[String]| names.iter().map(|name| json!({ "id": 7, "username": name })).collect::<Vec<_>>();
        json!({
            "id": 1000 + pull.number,
            "iid": pull.number,
            "project_id": 1,
            "web_url": format!("https://gitlab.com/{}/-/merge_requests/{}", self.project, pull.number),
            "state": match (pull.merged, pull.open) { (true, _) => "merged", (_, true) => "opened", _ => "closed" },
            "title": pull.title,
            "draft": pull.title.starts_with("Draft: "),
            "description": pull.body,
            "source_branch": pull.branch,
            "target_branch": pull.base,
            "source_project_id": if pull.fork { 2 } else { 1 },
            "target_project_id": 1,
            "sha": pull.head,
            "merged_by": merged,
            "merge_user": merged.or_else(|| pull.auto_merge.then(|| json!({ "id": 9, "username": OURS }))),
            "closed_by": closed,
            "labels": pull.labels,
            "reviewers": people(&pull.reviewers),
            "assignees": people(&pull.assignees),
        })
    }

    fn create(&self, forge: &mut State, call: &Call) -> Reply {
        let text = |key: &str| call.text(&format!("/{key}")).unwrap_or_default();
        let (branch, base) = (text("source_branch"), text("target_branch"));
        if !forge.branches.contains_key(&base) {
            return Reply::new(400, json!({ "message": { "target_branch": ["does not exist"] } }));
        }
        let Some(head) = forge.branches.get(&branch).cloned() else {
            return Reply::new(400, json!({ "message": { "source_branch": ["does not exist"] } }));
        };
        if let Some(open) = forge.waiting(&branch, &base) {
            let message = format!("Another open merge request already exists for this source branch: !{}", open.number);
            return Reply::new(409, json!({ "message": [message] }));
        }
        let number = forge.open(&branch, &base, text("title"), text("description"), head);
        Reply::new(201, forge.pull(number).map(|pull| self.shown(pull)).unwrap_or_default())
    }

    fn update(&self, pull: &mut Pull, call: &Call) -> Reply {
        let text = |key: &str| call.text(&format!("/{key}"));
        pull.title = text("title").unwrap_or_else(|| pull.title.clone());
        pull.body = text("description").unwrap_or_else(|| pull.body.clone());
        if text("state_event").as_deref() == Some("close") && !pull.merged {
            pull.close();
        }
        let labels = text("add_labels").unwrap_or_default();
        pull.labels.extend(labels.split(',').filter(|label| !label.is_empty()).map(str::to_owned));
        let people = |key: &str| call.body.as_ref().and_then(|body| body.get(key)).map(|_| vec!["alice".to_owned()]);
        pull.reviewers = people("reviewer_ids").unwrap_or_else(|| pull.reviewers.clone());
        pull.assignees = people("assignee_ids").unwrap_or_else(|| pull.assignees.clone());
        Reply::new(200, self.shown(pull))
    }
}

impl Dialect for Gitlab {
    fn knows(&self, headers: &HeaderMap) -> bool {
        holds(headers, "private-token", &self.token)
    }

    fn refused(&self, status: u16, message: &str) -> Reply {
        Reply::new(status, json!({ "message": format!("{status} {message}") }))
    }

    fn route(&self, forge: &mut State, call: &Call) -> Reply {
        let (method, path) = call.parts();
        let path = match path.as_slice() {
            ["api", "v4", "users"] => {
                let known = call.query("username") == Some("alice");
                return Reply::new(200, if known { json!([{ "id": 7, "username": "alice" }]) } else { json!([]) });
            }
            ["api", "v4", "projects", project, "members", "all", person] if *project == self.project => {
                let level = if *person == "7" { 30 } else { 20 };
                return Reply::new(200, json!({ "id": 7, "access_level": level }));
            }
            ["api", "v4", "projects", project, "repository", "commits"] if *project == self.project => {
                let asked = |key: &str| call.query(key).unwrap_or_default();
                let changes = forge.changes(asked("ref_name"), asked("path")).into_iter();
                let all = changes.map(|id| json!({ "id": id, "short_id": &id[..8], "title": "Change a file" }));
                return forge.linked(call, all.collect(), "per_page");
            }
            ["api", "v4", "projects", project, "merge_requests", rest @ ..] if *project == self.project => {
                rest.to_vec()
            }
            _ => return self.refused(404, "Project Not Found"),
        };
        match (method, path.as_slice()) {
            ("GET", []) => {
                let fits = |pull: &&Pull| {
                    call.query("source_branch") == Some(pull.branch.as_str())
                        && call.query("target_branch") == Some(pull.base.as_str())
                };
                let all = forge.pulls.iter().rev().filter(fits).map(|pull| self.shown(pull)).collect();
                forge.linked(call, all, "per_page")
            }
            ("POST", []) => self.create(forge, call),
            (method, [number, rest @ ..]) => {
                let Some(pull) = forge.numbered(number) else { return self.refused(404, "Not found") };
                match (method, rest) {
                    ("GET", []) => Reply::new(200, self.shown(pull)),
                    ("PUT", []) => self.update(pull, call),
                    ("PUT", ["merge"]) => {
                        pull.auto_merge =
                            call.body.as_ref().is_some_and(|body| body["merge_when_pipeline_succeeds"] == true);
                        Reply::new(200, self.shown(pull))
                    }
                    ("POST", ["notes"]) => {
                        pull.comments.extend(call.text("/body"));
                        Reply::new(201, json!({ "id": 1, "body": call.text("/body") }))
                    }
                    ("GET", ["notes"]) => {
                        // The newest first.
                        let id = |author: &str| if author == "mallory" { 8 } else { 7 };
                        let said = pull.said("alice").rev();
                        let notes = said.map(
                            |(at, body, author)| json!({ "id": at, "body": body, "author": { "id": id(author) } }),
                        );
                        let notes = notes.collect();
                        forge.linked(call, notes, "per_page")
                    }
                    _ => self.refused(404, "Not Found"),
                }
            }
            _ => self.refused(404, "Not Found"),
        }
    }
}
