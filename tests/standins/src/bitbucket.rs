//! A Bitbucket Cloud for one repository, written from its documentation:
//! <https://developer.atlassian.com/cloud/bitbucket/rest/api-group-pullrequests/>.

use http::HeaderMap;
use serde_json::{Value, json};
use url::Url;

use crate::forge::{Call, Dialect, Forge, Pull, Reply, State, display_name, holds};

/// Speaks as Bitbucket Cloud does.
struct Bitbucket {
    full_name: String,
    token: String,
}

/// Starts one with a repository and an access token that may do everything in it.
pub fn start(full_name: &str, token: &str) -> Forge {
    Forge::start(Bitbucket { full_name: full_name.to_owned(), token: token.to_owned() })
}

impl Bitbucket {
    fn shown(&self, pull: &Pull) -> Value {
        let stranger = "mallory/fleet";
        let closed_by = pull.ended_by.map(|name| json!({ "display_name": display_name(name), "nickname": name }));
        json!({
            "type": "pullrequest",
            "id": pull.number,
            "title": pull.title,
            "description": pull.body,
            "state": match (pull.merged, pull.open) { (true, _) => "MERGED", (_, true) => "OPEN", _ => "DECLINED" },
            "draft": pull.draft,
            "closed_by": closed_by,
            "source": {
                "branch": { "name": pull.branch },
                "commit": { "hash": &pull.head[..12] },
                "repository": { "full_name": if pull.fork { stranger } else { &self.full_name } },
            },
            "destination": { "branch": { "name": pull.base }, "repository": { "full_name": self.full_name } },
            "reviewers": pull.reviewers.iter().map(|uuid| json!({ "uuid": uuid })).collect::<Vec<_>>(),
            "links": { "html": { "href": format!("https://bitbucket.org/{}/pull-requests/{}", self.full_name, pull.number) } },
        })
    }

    /// One page, with the address of the next in the body.
    fn paged(forge: &State, call: &Call, all: Vec<Value>) -> Reply {
        let page = call.number("page").unwrap_or(1).max(1);
        let size = call.number("pagelen").unwrap_or(10).min(forge.page_size);
        let (values, more) = forge.page(all, (page - 1) * size, size);
        let mut body = json!({ "values": values, "page": page, "pagelen": size });
        if more {
            let mut next = Url::parse(&format!("{}{}", forge.url, call.uri)).expect("this server's own address");
            let others: Vec<_> = call.query.iter().filter(|(key, _)| key != "page").collect();
            next.query_pairs_mut().clear().extend_pairs(others).append_pair("page", &(page + 1).to_string());
            body["next"] = json!(next.to_string());
        }
        Reply::new(200, body)
    }

    fn create(&self, forge: &mut State, call: &Call) -> Reply {
        let text = |pointer: &str| call.text(pointer).unwrap_or_default();
        let (branch, base) = (text("/source/branch/name"), text("/destination/branch/name"));
        for (branch, field) in [(&base, "destination"), (&branch, "source")] {
            if !forge.branches.contains_key(branch) {
                let message = format!("{field}: Branch not found: {branch}");
                return self.refused(400, &message);
            }
        }
        // The one that is there is overwritten.
        let number = match forge.waiting(&branch, &base) {
            Some(open) => open.number,
            None => {
                let head = forge.branches[&branch].clone();
                forge.open(&branch, &base, String::new(), String::new(), head)
            }
        };
        let draft = call.body.as_ref().is_some_and(|body| body["draft"] == true);
        match forge.pull(number) {
            Some(pull) => {
                (pull.title, pull.body, pull.draft) = (text("/title"), text("/description"), draft);
                Reply::new(201, self.shown(pull))
            }
            None => self.refused(404, "Not found"),
        }
    }
}

impl Dialect for Bitbucket {
    fn knows(&self, headers: &HeaderMap) -> bool {
        holds(headers, "authorization", &format!("Bearer {}", self.token))
    }

    fn refused(&self, status: u16, message: &str) -> Reply {
        Reply::new(status, json!({ "type": "error", "error": { "message": message } }))
    }

    fn route(&self, forge: &mut State, call: &Call) -> Reply {
        let (method, path) = call.parts();
        let path = match path.as_slice() {
            ["2.0", "repositories", workspace, name, rest @ ..] if format!("{workspace}/{name}") == self.full_name => {
                rest.to_vec()
            }
            _ => return self.refused(404, "Repository not found"),
        };
        match (method, path.as_slice()) {
            ("GET", ["commit", short]) => {
                let known = forge.pulls.iter().map(|pull| &pull.head).chain(forge.branches.values());
                let whole = known.into_iter().find(|commit| commit.starts_with(short));
                whole.map_or_else(
                    || self.refused(404, "Commit not found"),
                    |hash| Reply::new(200, json!({ "hash": hash })),
                )
            }
            ("GET", ["commits"]) => {
                let asked = |key: &str| call.query(key).unwrap_or_default();
                let changes = forge.changes(asked("include"), asked("path")).into_iter();
                let all = changes.map(|hash| json!({ "type": "commit", "hash": hash })).collect();
                Self::paged(forge, call, all)
            }
            ("GET", ["pullrequests"]) => {
                let query = call.query("q").unwrap_or_default();
                let states: Vec<&str> =
                    call.query.iter().filter(|(key, _)| key == "state").map(|(_, state)| state.as_str()).collect();
                let fits = |pull: &&Pull| {
                    let wanted = format!(
                        "source.branch.name = \"{}\" AND destination.branch.name = \"{}\"",
                        pull.branch, pull.base
                    );
                    query == wanted && states.contains(&self.shown(pull)["state"].as_str().unwrap_or_default())
                };
                let all = forge.pulls.iter().rev().filter(fits).map(|pull| self.shown(pull)).collect();
                Self::paged(forge, call, all)
            }
            ("POST", ["pullrequests"]) => self.create(forge, call),
            (method, ["pullrequests", number, rest @ ..]) => {
                let Some(pull) = forge.numbered(number) else { return self.refused(404, "Not found") };
                match (method, rest) {
                    ("GET", []) => Reply::new(200, self.shown(pull)),
                    ("PUT", []) => {
                        pull.title = call.text("/title").unwrap_or_else(|| pull.title.clone());
                        pull.body = call.text("/description").unwrap_or_else(|| pull.body.clone());
                        pull.draft &= call.body.as_ref().is_none_or(|body| body["draft"] != false);
                        let reviewers = call.body.as_ref().and_then(|body| body["reviewers"].as_array()).cloned();
                        let uuid = |one: &Value| one["uuid"].as_str().map(str::to_owned);
                        pull.reviewers = reviewers.unwrap_or_default().iter().filter_map(uuid).collect();
                        Reply::new(200, self.shown(pull))
                    }
                    ("POST", ["decline"]) if pull.open => {
                        pull.close();
                        Reply::new(200, self.shown(pull))
                    }
                    ("POST", ["decline"]) => self.refused(400, "This pull request is already closed."),
                    ("POST", ["comments"]) => {
                        pull.comments.extend(call.text("/content/raw"));
                        Reply::new(201, json!({ "id": 1, "content": { "raw": call.text("/content/raw") } }))
                    }
                    ("GET", ["comments"]) => {
                        let all =
                            pull.comments.iter().map(|raw| json!({ "id": 1, "content": { "raw": raw } })).collect();
                        Self::paged(forge, call, all)
                    }
                    _ => self.refused(404, "Not found"),
                }
            }
            _ => self.refused(404, "Not found"),
        }
    }
}
