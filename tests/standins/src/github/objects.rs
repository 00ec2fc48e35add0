//! GitHub's Git database: real objects in the repository that it hosts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::answers::Commit;
use super::{Reply, State};
use crate::forge::texts;
use crate::git::{Bare, command};

/// Where there is no commit.
const NONE: &str = "0000000000000000000000000000000000000000";

impl State {
    pub(super) fn objects(&mut self, method: &str, resource: &[&str], body: &Value, is_app: bool) -> Reply {
        let Some(repository) = self.repository.clone() else { return Reply::refused(409, "Git Repository is empty.") };
        match (method, resource) {
            ("GET", ["commits", sha]) if repository.has(&format!("{sha}^{{commit}}")) => {
                let read = |what: &str| repository.run(&["show", "--no-patch", &format!("--format={what}"), sha]);
                let parents = read("%P").split_whitespace().map(str::to_owned).collect();
                let is_verified = self.verified.contains(*sha);
                let (tree, message) = (read("%T"), read("%B"));
                Reply::new(
                    200,
                    self.places.commit(&Commit { sha: (*sha).to_owned(), tree, parents, message, is_verified }),
                )
            }
            ("GET", ["trees", sha]) if repository.has(&format!("{sha}^{{tree}}")) => {
                Reply::new(200, self.listed(&repository, sha))
            }
            ("POST", ["blobs"]) => {
                let content = body["content"].as_str().unwrap_or_default();
                let bytes = match body["encoding"].as_str() {
                    Some("base64") => BASE64.decode(content).unwrap_or_default(),
                    _ => content.as_bytes().to_vec(),
                };
                let sha = repository.blob(&bytes);
                let url = self.at("blobs", &sha);
                Reply::new(201, json!({ "sha": sha, "url": url }))
            }
            ("POST", ["trees"]) => self.make_tree(&repository, body),
            ("POST", ["commits"]) => self.make_commit(&repository, body, is_app),
            _ => Reply::refused(404, "Not Found"),
        }
    }

    /// The commits of a branch that changed a file: none, or the last one.
    pub(super) fn commits(&self, path: &str, query: &[(String, String)]) -> Reply {
        let asked =
            |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).unwrap_or_default();
        let (branch, file) = (asked("sha"), asked("path"));
        let Some(head) = self.branches.get(branch) else { return Reply::refused(404, "Not Found") };
        let change = match &self.repository {
            Some(repository) => {
                let log = repository.run(&["log", "--max-count=1", "--format=%H", head, "--", file]);
                log.lines().next().map(str::to_owned)
            }
            None => self.changes.get(&(branch.to_owned(), file.to_owned())).cloned(),
        };
        self.page(path, query, change.iter().map(|sha| self.places.listed_commit(sha)).collect())
    }

    fn at(&self, kind: &str, sha: &str) -> String {
        format!("{}/repos/{}/{}/git/{kind}/{sha}", self.places.api, self.places.owner, self.places.name)
    }

    fn listed(&self, repository: &Bare, sha: &str) -> Value {
        let listed = repository.run(&["ls-tree", sha]);
        let entries = listed.lines().filter_map(|line| line.split_once('\t')).filter_map(|(about, path)| {
            let [mode, kind, sha] = about.split(' ').collect::<Vec<_>>()[..] else { return None };
            Some(json!({ "path": path, "mode": mode, "type": kind, "sha": sha, "url": self.at(&format!("{kind}s"), sha) }))
        });
        let entries: Vec<Value> = entries.collect();
        json!({ "sha": sha, "url": self.at("trees", sha), "tree": entries, "truncated": false })
    }

    fn make_tree(&mut self, repository: &Bare, body: &Value) -> Reply {
        let base = body["base_tree"].as_str();
        if base.is_some_and(|base| !repository.has(&format!("{base}^{{tree}}"))) {
            return Reply::refused(422, "base_tree is not a valid tree oid");
        }
        let mut lines = String::new();
        for entry in body["tree"].as_array().into_iter().flatten() {
            let text = |key: &str| entry[key].as_str();
            let sha = match (text("sha"), text("content")) {
                (Some(sha), None) if repository.has(sha) => sha.to_owned(),
                (None, Some(content)) => repository.blob(content.as_bytes()),
                _ => return Reply::refused(422, "tree.sha does not exist"),
            };
            let (mode, path) = (text("mode").unwrap_or_default(), text("path").unwrap_or_default());
            lines.push_str(&format!("{mode} {sha}\t{path}\0"));
        }
        let sha = repository.tree(base, &lines);
        Reply::new(201, self.listed(repository, &sha))
    }

    /// It is the author, it says when, and it signs for apps that say nothing of both.
    fn make_commit(&mut self, repository: &Bare, body: &Value, is_app: bool) -> Reply {
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        let parents = texts(body.get("parents"));
        let (tree, message) = (text("tree"), text("message"));
        if !repository.has(&format!("{tree}^{{tree}}")) || !parents.iter().all(|parent| repository.has(parent)) {
            return Reply::refused(422, "Tree SHA does not exist");
        }
        self.commits += 1;
        let date = format!("{} +0000", 1_770_091_506 + self.commits);
        let mut git = command(repository.path());
        git.args(["commit-tree", &tree, "-m", &message]);
        git.args(parents.iter().flat_map(|parent| ["-p", parent]));
        for of in ["AUTHOR", "COMMITTER"] {
            git.env(format!("GIT_{of}_NAME"), "tag2pr[bot]")
                .env(format!("GIT_{of}_EMAIL"), "tag2pr[bot]@users.noreply.github.com")
                .env(format!("GIT_{of}_DATE"), &date);
        }
        let made = git.output().expect("git to run");
        assert!(made.status.success(), "{git:?}: {}", String::from_utf8_lossy(&made.stderr));
        let sha = String::from_utf8_lossy(&made.stdout).trim().to_owned();
        let is_verified = is_app && body.get("author").is_none() && body.get("committer").is_none();
        if is_verified {
            self.verified.insert(sha.clone());
        }
        Reply::new(201, self.places.commit(&Commit { sha, tree, parents, message, is_verified }))
    }

    /// Moves a branch that is where it is said to be.
    pub(super) fn update_ref(&mut self, variables: &Value) -> Result<(), String> {
        let update = &variables["update"];
        let text = |key: &str| update[key].as_str().unwrap_or_default();
        let repository = self.repository.clone().ok_or("Could not resolve to a node")?;
        if variables["repository"] != self.places.whole_repository()["node_id"] {
            return Err("Could not resolve to a node".to_owned());
        }
        let (name, before, after) = (text("name"), text("beforeOid"), text("afterOid"));
        if let Some(reason) = name.strip_prefix("refs/heads/").and_then(|branch| self.protected.get(branch)) {
            return Err(reason.clone());
        }
        let old = repository.head(name.trim_start_matches("refs/heads/")).unwrap_or_else(|| NONE.to_owned());
        let is_forward = old == NONE || repository.run(&["rev-list", "--max-count=1", &old, "--not", after]).is_empty();
        if !is_forward && update["force"] != true {
            return Err(format!("{name}: update is not a fast-forward"));
        }
        let moved = command(repository.path()).args(["update-ref", name, after, before]).output().expect("git to run");
        if moved.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&moved.stderr).trim().to_owned()) }
    }
}
