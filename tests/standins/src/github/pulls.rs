//! Pull requests and their comments: what is asked of them, and what is done.

use std::collections::BTreeMap;

use http::header::LINK;
use serde_json::{Value, json};
use url::Url;

use super::answers::{Places, number_of};
use super::{Pull, Reply, State};
use crate::forge::texts;

impl State {
    pub(super) fn list(&self, path: &str, query: &[(String, String)]) -> Reply {
        let asked = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let state = asked("state").unwrap_or("open");
        let head = asked("head").filter(|head| head.contains(':'));
        let mut found: Vec<&Pull> = self.pulls.iter().collect();
        found.retain(|pull| state == "all" || (state == "open") == pull.open);
        found.retain(|pull| head.is_none_or(|head| head == format!("{}:{}", pull.head_repository.0, pull.branch)));
        found.retain(|pull| asked("base").is_none_or(|base| base == pull.base));
        if asked("direction").unwrap_or("desc") == "desc" {
            found.reverse();
        }
        self.page(path, query, found.into_iter().map(|pull| self.places.pull(pull, false)).collect())
    }

    pub(super) fn create(&mut self, body: &Value) -> Reply {
        let text = |name: &str| body[name].as_str().unwrap_or_default();
        let Places { owner, name, .. } = &self.places;
        let (ours, base) = ((owner.clone(), name.clone()), text("base"));
        let branch = text("head").strip_prefix(&format!("{owner}:")).unwrap_or(text("head"));
        let invalid =
            |field: &str| Reply::invalid(json!({ "resource": "PullRequest", "field": field, "code": "invalid" }));
        let custom = |message: String| {
            Reply::invalid(json!({ "resource": "PullRequest", "code": "custom", "message": message }))
        };
        if text("title").is_empty() {
            return Reply::invalid(json!({ "resource": "Issue", "field": "title", "code": "missing_field" }));
        }
        let Some(onto) = self.branches.get(base) else { return invalid("base") };
        let Some(head) = self.branches.get(branch) else { return invalid("head") };
        if head == onto {
            return custom(format!("No commits between {base} and {branch}"));
        }
        let same =
            |pull: &Pull| pull.open && pull.head_repository == ours && pull.branch == branch && pull.base == base;
        if self.pulls.iter().any(same) {
            return custom(format!("A pull request already exists for {owner}:{branch}."));
        }
        let mut pull = self.open(ours, head.clone(), branch, base, text("title"), text("body"));
        pull.draft = body["draft"] == true;
        if let Some(opened) = self.pull(pull.number) {
            *opened = pull.clone();
        }
        Reply::new(201, self.places.pull(&pull, true))
    }

    pub(super) fn open(
        &mut self,
        head_repository: (String, String),
        head: String,
        branch: &str,
        base: &str,
        title: &str,
        body: &str,
    ) -> Pull {
        let pull = Pull {
            number: self.pulls.len() as u64 + 1,
            open: true,
            merged: false,
            head_repository,
            branch: branch.to_owned(),
            base: base.to_owned(),
            head,
            title: title.to_owned(),
            body: body.to_owned(),
            comments: Vec::new(),
            authors: BTreeMap::new(),
            draft: false,
            labels: Vec::new(),
            reviewers: Vec::new(),
            assignees: Vec::new(),
            auto_merge: false,
            ended_by: None,
        };
        self.pulls.push(pull.clone());
        pull
    }

    pub(super) fn update(&mut self, number: &str, body: &Value) -> Reply {
        let owner = self.places.owner.clone();
        let Some(pull) = number.parse().ok().and_then(|number| self.pull(number)) else {
            return Reply::refused(404, "Not Found");
        };
        let text = |name: &str| body[name].as_str().map(str::to_owned);
        if let Some(state) = text("state") {
            if pull.merged && state == "open" {
                return Reply::invalid(json!({ "resource": "PullRequest", "field": "state", "code": "invalid" }));
            }
            let is_open = state == "open";
            if is_open != pull.open {
                (pull.open, pull.ended_by) = (is_open, (!is_open).then_some(owner));
            }
        }
        pull.title = text("title").unwrap_or_else(|| pull.title.clone());
        pull.body = text("body").unwrap_or_else(|| pull.body.clone());
        let pull = pull.clone();
        Reply::new(200, self.places.pull(&pull, true))
    }

    pub(super) fn ask(&mut self, number: &str, what: (&str, &str), body: &Value) -> Reply {
        let places = self.places.clone();
        let Some(pull) = number.parse().ok().and_then(|number| self.pull(number)) else {
            return Reply::refused(404, "Not Found");
        };
        match what {
            ("issues", "labels") => {
                pull.labels.extend(texts(body.get("labels")));
                Reply::new(200, pull.labels.iter().map(|name| places.label(name)).collect())
            }
            ("issues", "assignees") => {
                pull.assignees.extend(texts(body.get("assignees")));
                Reply::new(201, places.issue(pull))
            }
            ("pulls", "requested_reviewers") => {
                pull.reviewers.extend(texts(body.get("reviewers")));
                pull.reviewers.extend(texts(body.get("team_reviewers")));
                Reply::new(201, places.pull(pull, false))
            }
            _ => Reply::refused(404, "Not Found"),
        }
    }

    pub(super) fn graphql(&mut self, body: &Value) -> Reply {
        let wanted = body["variables"]["pull"].as_str().unwrap_or_default().to_owned();
        let query = body["query"].as_str().unwrap_or_default();
        if query.contains("updateRefs(") {
            return match self.update_ref(&body["variables"]) {
                Ok(()) => Reply::new(200, json!({ "data": { "updateRefs": { "clientMutationId": null } } })),
                Err(message) => Reply::new(
                    200,
                    json!({ "data": { "updateRefs": null }, "errors": [{ "message": message, "path": ["updateRefs"] }] }),
                ),
            };
        }
        let known = ["enablePullRequestAutoMerge", "markPullRequestReadyForReview"];
        let mutation = known.into_iter().find(|mutation| query.contains(&format!("{mutation}(")));
        let pull = self.pulls.iter_mut().find(|pull| format!("PR_{}", pull.number) == wanted);
        match (pull, mutation) {
            (Some(pull), Some(mutation)) => {
                pull.auto_merge |= mutation == known[0];
                pull.draft &= mutation != known[1];
                Reply::new(200, json!({ "data": { mutation: { "clientMutationId": null } } }))
            }
            _ => Reply::new(200, json!({ "data": null, "errors": [{ "message": "Could not resolve to a node" }] })),
        }
    }

    pub(super) fn comments(&mut self, path: &str, number: &str, query: &[(String, String)]) -> Reply {
        let Some(pull) = number.parse().ok().and_then(|number| self.pull(number)).cloned() else {
            return Reply::refused(404, "Not Found");
        };
        let comments = pull.comments.iter().enumerate();
        let author = |index| pull.authors.get(&index).copied().unwrap_or(&self.places.owner);
        let comments =
            comments.map(|(index, body)| self.places.comment(&pull, index + 1, body, author(index))).collect();
        self.page(path, query, comments)
    }

    pub(super) fn comment(&mut self, number: &str, body: &Value) -> Reply {
        let Some(pull) = number.parse().ok().and_then(|number| self.pull(number)) else {
            return Reply::refused(404, "Not Found");
        };
        let text = body["body"].as_str().unwrap_or_default().to_owned();
        pull.comments.push(text.clone());
        let pull = pull.clone();
        Reply::new(201, self.places.comment(&pull, pull.comments.len(), &text, &self.places.owner))
    }

    pub(super) fn pull(&mut self, number: u64) -> Option<&mut Pull> {
        self.pulls.iter_mut().find(|pull| pull.number == number)
    }

    /// One page of a list, with the address of the next, which names the repository by its number.
    pub(super) fn page(&self, path: &str, query: &[(String, String)], all: Vec<Value>) -> Reply {
        let number = |name: &str| query.iter().find(|(key, _)| key == name).and_then(|(_, value)| value.parse().ok());
        let size = number("per_page").unwrap_or(30).clamp(1, self.page_size);
        let page: usize = number("page").unwrap_or(1).max(1);
        let more = all.len() > page * size;
        let items: Vec<Value> = all.into_iter().skip((page - 1) * size).take(size).collect();
        let reply = Reply::new(200, Value::Array(items));
        if !more {
            return reply;
        }
        let Places { api, owner, name } = &self.places;
        let path = path.strip_prefix(&format!("/repos/{owner}/{name}")).unwrap_or_default();
        let mut next = Url::parse(&format!("{api}/repositories/{}{path}", number_of(&format!("{owner}/{name}"))))
            .expect("this server's own address");
        next.query_pairs_mut()
            .extend_pairs(query.iter().filter(|(key, _)| key != "page"))
            .append_pair("page", &(page + 1).to_string());
        reply.with(LINK, &format!("<{next}>; rel=\"next\", <{next}>; rel=\"last\""))
    }
}
