//! GitHub's JSON, with everything that its description requires.

use serde_json::{Map, Value, json};

use super::Pull;

/// When everything happens here.
const NOW: &str = "2026-02-03T04:05:06Z";

/// A commit of the Git database.
pub(super) struct Commit {
    pub(super) sha: String,
    pub(super) tree: String,
    pub(super) parents: Vec<String>,
    pub(super) message: String,
    pub(super) is_verified: bool,
}

/// Where answers say that they come from.
#[derive(Clone)]
pub(super) struct Places {
    /// `http://127.0.0.1:40123`
    pub(super) api: String,
    /// `acme`
    pub(super) owner: String,
    /// `fleet`
    pub(super) name: String,
}

impl Places {
    /// A pull request in a list, or whole.
    pub(super) fn pull(&self, pull: &Pull, whole: bool) -> Value {
        let Self { api, owner, name } = self;
        let number = pull.number;
        let repository = format!("{api}/repos/{owner}/{name}");
        let at = format!("{repository}/pulls/{number}");
        let issue = format!("{repository}/issues/{number}");
        let html = format!("https://github.com/{owner}/{name}/pull/{number}");
        let comments = format!("{issue}/comments");
        let statuses = format!("{repository}/statuses/{}", pull.head);
        let link = |href: &str| json!({ "href": href });
        let mut answer = json!({
            "url": at,
            "id": 1_000_000 + number,
            "node_id": format!("PR_{number}"),
            "html_url": html,
            "diff_url": format!("{html}.diff"),
            "patch_url": format!("{html}.patch"),
            "issue_url": issue,
            "commits_url": format!("{at}/commits"),
            "review_comments_url": format!("{at}/comments"),
            "review_comment_url": format!("{repository}/pulls/comments{{/number}}"),
            "comments_url": comments,
            "statuses_url": statuses,
            "number": number,
            "state": if pull.open { "open" } else { "closed" },
            "locked": false,
            "title": pull.title,
            "user": self.user(owner),
            "body": pull.body,
            "labels": [],
            "milestone": null,
            "created_at": NOW,
            "updated_at": NOW,
            "closed_at": (!pull.open).then_some(NOW),
            "merged_at": pull.merged.then_some(NOW),
            "merge_commit_sha": null,
            "assignee": null,
            "head": self.side(&pull.head_repository, &pull.branch, &pull.head),
            "base": self.side(&(owner.clone(), name.clone()), &pull.base, &"0".repeat(40)),
            "_links": {
                "self": link(&at),
                "html": link(&html),
                "issue": link(&issue),
                "comments": link(&comments),
                "review_comments": link(&format!("{at}/comments")),
                "review_comment": link(&format!("{repository}/pulls/comments{{/number}}")),
                "commits": link(&format!("{at}/commits")),
                "statuses": link(&statuses),
            },
            "author_association": "CONTRIBUTOR",
            "auto_merge": null,
            "draft": pull.draft,
        });
        if whole {
            let more = json!({
                "merged": pull.merged,
                "mergeable": null,
                "mergeable_state": "unknown",
                "merged_by": pull.ended_by.as_ref().filter(|_| pull.merged).map(|login| self.user(login)),
                "comments": pull.comments.len(),
                "review_comments": 0,
                "maintainer_can_modify": false,
                "commits": 1,
                "additions": 1,
                "deletions": 1,
                "changed_files": 1,
            });
            if let (Value::Object(answer), Value::Object(more)) = (&mut answer, more) {
                answer.extend(more);
            }
        }
        answer
    }

    fn side(&self, (owner, name): &(String, String), branch: &str, sha: &str) -> Value {
        json!({
            "label": format!("{owner}:{branch}"),
            "ref": branch,
            "sha": sha,
            "user": self.user(owner),
            "repo": self.repository(owner, name),
        })
    }

    /// Where an app is installed.
    pub(super) fn installation(&self) -> Value {
        let Self { api, owner, .. } = self;
        json!({
            "id": 7,
            "account": self.user(owner),
            "repository_selection": "selected",
            "access_tokens_url": format!("{api}/app/installations/7/access_tokens"),
            "repositories_url": format!("{api}/installation/repositories"),
            "html_url": format!("https://github.com/organizations/{owner}/settings/installations/7"),
            "app_id": 12345,
            "app_slug": "tag2pr",
            "target_id": number_of(owner),
            "target_type": "Organization",
            "permissions": { "contents": "write", "pull_requests": "write" },
            "events": [],
            "created_at": NOW,
            "updated_at": NOW,
            "single_file_name": null,
            "suspended_by": null,
            "suspended_at": null,
        })
    }

    /// A label, as everything else names it.
    pub(super) fn label(&self, name: &str) -> Value {
        let Self { api, owner, name: repository } = self;
        json!({
            "id": number_of(name),
            "node_id": format!("LA_{name}"),
            "url": format!("{api}/repos/{owner}/{repository}/labels/{name}"),
            "name": name,
            "description": null,
            "color": "ededed",
            "default": false,
        })
    }

    /// A pull request as the issue that it is, too.
    pub(super) fn issue(&self, pull: &Pull) -> Value {
        let Self { api, owner, name } = self;
        let number = pull.number;
        let at = format!("{api}/repos/{owner}/{name}/issues/{number}");
        let assignees: Vec<Value> = pull.assignees.iter().map(|login| self.user(login)).collect();
        json!({
            "id": 2_000_000 + number,
            "node_id": format!("I_{number}"),
            "url": at,
            "repository_url": format!("{api}/repos/{owner}/{name}"),
            "labels_url": format!("{at}/labels{{/name}}"),
            "comments_url": format!("{at}/comments"),
            "events_url": format!("{at}/events"),
            "html_url": format!("https://github.com/{owner}/{name}/pull/{number}"),
            "number": number,
            "state": if pull.open { "open" } else { "closed" },
            "title": pull.title,
            "body": pull.body,
            "user": self.user(owner),
            "labels": pull.labels.iter().map(|label| self.label(label)).collect::<Vec<_>>(),
            "assignee": assignees.first(),
            "assignees": assignees,
            "milestone": null,
            "locked": false,
            "comments": pull.comments.len(),
            "closed_at": (!pull.open).then_some(NOW),
            "closed_by": pull.ended_by.as_ref().map(|login| self.user(login)),
            "created_at": NOW,
            "updated_at": NOW,
            "author_association": "CONTRIBUTOR",
        })
    }

    /// A comment under a pull request, counted from one.
    pub(super) fn comment(&self, pull: &Pull, index: usize, body: &str, author: &str) -> Value {
        let Self { api, owner, name } = self;
        let number = pull.number;
        let id = number * 1_000 + index as u64;
        json!({
            "id": id,
            "node_id": format!("IC_{id}"),
            "url": format!("{api}/repos/{owner}/{name}/issues/comments/{id}"),
            "html_url": format!("https://github.com/{owner}/{name}/pull/{number}#issuecomment-{id}"),
            "issue_url": format!("{api}/repos/{owner}/{name}/issues/{number}"),
            "body": body,
            "user": self.user(author),
            "created_at": NOW,
            "updated_at": NOW,
            "author_association": "CONTRIBUTOR",
            "performed_via_github_app": null,
        })
    }

    /// A person or organisation, as everything else names it.
    pub(super) fn user(&self, login: &str) -> Value {
        let at = format!("{}/users/{login}", self.api);
        json!({
            "login": login,
            "id": number_of(login),
            "node_id": format!("U_{login}"),
            "avatar_url": format!("https://avatars.githubusercontent.com/u/{}", number_of(login)),
            "gravatar_id": "",
            "url": at,
            "html_url": format!("https://github.com/{login}"),
            "followers_url": format!("{at}/followers"),
            "following_url": format!("{at}/following{{/other_user}}"),
            "gists_url": format!("{at}/gists{{/gist_id}}"),
            "starred_url": format!("{at}/starred{{/owner}}{{/repo}}"),
            "subscriptions_url": format!("{at}/subscriptions"),
            "organizations_url": format!("{at}/orgs"),
            "repos_url": format!("{at}/repos"),
            "events_url": format!("{at}/events{{/privacy}}"),
            "received_events_url": format!("{at}/received_events"),
            "type": "User",
            "site_admin": false,
        })
    }

    /// Who a token belongs to.
    pub(super) fn authenticated(&self, login: &str) -> Value {
        let mut user = self.user(login);
        let more = json!({
            "name": null, "company": null, "blog": "", "location": null, "email": null, "hireable": null, "bio": null,
            "public_repos": 1, "public_gists": 0, "followers": 0, "following": 0,
            "created_at": NOW, "updated_at": NOW,
        });
        if let (Value::Object(user), Value::Object(more)) = (&mut user, more) {
            user.extend(more);
        }
        user
    }

    /// Its own repository, as only who asks for it alone sees it.
    pub(super) fn whole_repository(&self) -> Value {
        let mut repository = self.repository(&self.owner, &self.name);
        for (key, value) in
            [("has_discussions", json!(false)), ("network_count", json!(0)), ("subscribers_count", json!(0))]
        {
            repository[key] = value;
        }
        repository
    }

    /// A commit as the Git database has it.
    pub(super) fn commit(&self, commit: &Commit) -> Value {
        let Self { api, owner, name } = self;
        let at = |kind: &str, sha: &str| format!("{api}/repos/{owner}/{name}/git/{kind}/{sha}");
        let html = |sha: &str| format!("https://github.com/{owner}/{name}/commit/{sha}");
        let person = json!({ "name": "tag2pr[bot]", "email": "tag2pr[bot]@users.noreply.github.com", "date": NOW });
        let parents =
            commit.parents.iter().map(|sha| json!({ "sha": sha, "url": at("commits", sha), "html_url": html(sha) }));
        json!({
            "sha": commit.sha,
            "node_id": format!("C_{}", commit.sha),
            "url": at("commits", &commit.sha),
            "html_url": html(&commit.sha),
            "author": person,
            "committer": person,
            "tree": { "sha": commit.tree, "url": at("trees", &commit.tree) },
            "message": commit.message,
            "parents": parents.collect::<Vec<_>>(),
            "verification": {
                "verified": commit.is_verified,
                "reason": if commit.is_verified { "valid" } else { "unsigned" },
                "signature": null,
                "payload": null,
                "verified_at": null,
            },
        })
    }

    /// A commit in a list.
    pub(super) fn listed_commit(&self, sha: &str) -> Value {
        let Self { api, owner, name } = self;
        let at = format!("{api}/repos/{owner}/{name}");
        let person = json!({ "name": "Alice Adams", "email": "alice@example.com", "date": NOW });
        json!({
            "sha": sha,
            "node_id": format!("C_{sha}"),
            "url": format!("{at}/commits/{sha}"),
            "html_url": format!("https://github.com/{owner}/{name}/commit/{sha}"),
            "comments_url": format!("{at}/commits/{sha}/comments"),
            "commit": {
                "url": format!("{at}/git/commits/{sha}"),
                "author": person,
                "committer": person,
                "message": "Change a file",
                "tree": { "sha": sha, "url": format!("{at}/git/trees/{sha}") },
                "comment_count": 0,
            },
            "author": self.user("alice"),
            "committer": self.user("alice"),
            "parents": [],
        })
    }

    fn repository(&self, owner: &str, name: &str) -> Value {
        let at = format!("{}/repos/{owner}/{name}", self.api);
        let html = format!("https://github.com/{owner}/{name}");
        let mut repository = Map::new();
        for (key, path) in RESOURCES {
            repository.insert(format!("{key}_url"), json!(format!("{at}/{path}")));
        }
        for key in ["has_issues", "has_projects", "has_wiki", "has_pages", "has_downloads", "archived", "disabled"] {
            repository.insert(key.to_owned(), json!(key == "has_issues"));
        }
        for key in [
            "forks",
            "forks_count",
            "stargazers_count",
            "watchers",
            "watchers_count",
            "size",
            "open_issues",
            "open_issues_count",
        ] {
            repository.insert(key.to_owned(), json!(0));
        }
        for key in ["created_at", "updated_at", "pushed_at"] {
            repository.insert(key.to_owned(), json!(NOW));
        }
        for key in ["license", "description", "mirror_url", "homepage", "language"] {
            repository.insert(key.to_owned(), Value::Null);
        }
        let rest = json!({
            "id": number_of(&format!("{owner}/{name}")),
            "node_id": format!("R_{owner}_{name}"),
            "name": name,
            "full_name": format!("{owner}/{name}"),
            "owner": self.user(owner),
            "private": true,
            "fork": owner != self.owner || name != self.name,
            "html_url": html,
            "url": at,
            "git_url": format!("git://github.com/{owner}/{name}.git"),
            "ssh_url": format!("git@github.com:{owner}/{name}.git"),
            "clone_url": format!("{html}.git"),
            "svn_url": html,
            "default_branch": "main",
        });
        if let Value::Object(rest) = rest {
            repository.extend(rest);
        }
        Value::Object(repository)
    }
}

/// A second since 1970, as GitHub writes it.
pub(super) fn moment(second: i64) -> String {
    // Days to a date: <https://howardhinnant.github.io/date_algorithms.html#civil_from_days>
    let (days, rest) = (second.div_euclid(86_400) + 719_468, second.rem_euclid(86_400));
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3_600, rest / 60 % 60, rest % 60)
}

/// The number that something has everywhere.
pub(super) fn number_of(name: &str) -> u64 {
    name.bytes().fold(7, |number, byte| (number * 31 + u64::from(byte)) % 1_000_003)
}

const RESOURCES: [(&str, &str); 36] = [
    ("archive", "{archive_format}{/ref}"),
    ("assignees", "assignees{/user}"),
    ("blobs", "git/blobs{/sha}"),
    ("branches", "branches{/branch}"),
    ("collaborators", "collaborators{/collaborator}"),
    ("comments", "comments{/number}"),
    ("commits", "commits{/sha}"),
    ("compare", "compare/{base}...{head}"),
    ("contents", "contents/{+path}"),
    ("contributors", "contributors"),
    ("deployments", "deployments"),
    ("downloads", "downloads"),
    ("events", "events"),
    ("forks", "forks"),
    ("git_commits", "git/commits{/sha}"),
    ("git_refs", "git/refs{/sha}"),
    ("git_tags", "git/tags{/sha}"),
    ("hooks", "hooks"),
    ("issue_comment", "issues/comments{/number}"),
    ("issue_events", "issues/events{/number}"),
    ("issues", "issues{/number}"),
    ("keys", "keys{/key_id}"),
    ("labels", "labels{/name}"),
    ("languages", "languages"),
    ("merges", "merges"),
    ("milestones", "milestones{/number}"),
    ("notifications", "notifications{?since,all,participating}"),
    ("pulls", "pulls{/number}"),
    ("releases", "releases{/id}"),
    ("stargazers", "stargazers"),
    ("statuses", "statuses/{sha}"),
    ("subscribers", "subscribers"),
    ("subscription", "subscription"),
    ("tags", "tags"),
    ("teams", "teams"),
    ("trees", "git/trees{/sha}"),
];
