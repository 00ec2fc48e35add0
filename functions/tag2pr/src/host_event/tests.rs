use serde_json::json;

use super::*;

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    lines.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap())).collect()
}

fn here(path: &str) -> RepositoryId {
    RepositoryId { host: "git.test".into(), path: path.into(), base: "main".into() }
}

/// What is said, and whether `acme/fleet` is worth a look then.
fn said(forge: Forge, lines: &[(&'static str, &str)], body: &Value, path: &str) -> String {
    let headers = headers(lines);
    let event = decode(forge, &headers, body.to_string().as_bytes()).unwrap();
    if !matches!(event.happened, Happened::Other { .. }) {
        assert_eq!(recognise(&headers, body.to_string().as_bytes()), Some((forge, event.clone())));
    }
    let ignored = event.ignored(&here(path)).map(|reason| format!(", ignored: {reason}")).unwrap_or_default();
    format!("{forge}: {event}{ignored}")
}

#[test]
fn every_host_says_what_happened_in_its_own_way() {
    let github = |name, body| said(Forge::Github, &[("x-github-event", name)], &body, "acme/fleet.git");
    let gitea =
        |name, body| said(Forge::Gitea, &[("x-gitea-event", name), ("x-github-event", name)], &body, "acme/fleet");
    let gitlab = |name, body| said(Forge::Gitlab, &[("x-gitlab-event", name)], &body, "acme/platform/fleet.git");
    let cloud = |name, body| said(Forge::Bitbucket, &[("x-event-key", name)], &body, "acme/fleet");
    let server = |name, body| said(Forge::BitbucketDataCenter, &[("x-event-key", name)], &body, "scm/ACME/fleet.git");
    let azure = |body| said(Forge::AzureDevops, &[], &body, "acme/Home%20Lab/_git/fleet");
    let fleet = json!({ "full_name": "acme/fleet" });
    let project = json!({ "path_with_namespace": "acme/platform/fleet" });
    let acme = json!({ "slug": "fleet", "project": { "key": "ACME" } });
    let lab = json!({ "name": "fleet", "project": { "name": "Home Lab" } });
    insta::assert_snapshot!([
        github("pull_request", json!({ "action": "closed", "number": 7, "repository": fleet })),
        github("pull_request", json!({ "action": "labeled", "number": 7, "repository": fleet })),
        github("issue_comment", json!({ "action": "created", "issue": { "number": 7, "pull_request": {} }, "repository": fleet })),
        github("push", json!({ "ref": "refs/heads/main", "repository": fleet })),
        github("push", json!({ "ref": "refs/heads/topic", "repository": fleet })),
        github("push", json!({ "ref": "refs/tags/v1", "repository": fleet })),
        github("push", json!({ "ref": "refs/heads/main", "repository": { "full_name": "mallory/fleet" } })),
        github("ping", json!({ "zen": "Keep it simple" })),
        gitea("pull_request", json!({ "action": "closed", "number": 7, "repository": fleet })),
        gitea("issue_comment", json!({ "action": "created", "is_pull": true, "issue": { "number": 7 }, "repository": fleet })),
        gitea("push", json!({ "ref": "refs/heads/tag2pr/apps.all", "repository": fleet })),
        gitlab("Merge Request Hook", json!({ "object_attributes": { "action": "merge", "iid": 7 }, "project": project })),
        gitlab("Note Hook", json!({ "object_attributes": { "noteable_type": "MergeRequest" }, "merge_request": { "iid": 7 }, "project": project })),
        gitlab("Push Hook", json!({ "ref": "refs/heads/main", "project": project })),
        cloud("pullrequest:rejected", json!({ "pullrequest": { "id": 7 }, "repository": fleet })),
        cloud("pullrequest:comment_created", json!({ "pullrequest": { "id": 7 }, "repository": fleet })),
        cloud("repo:push", json!({ "push": { "changes": [{ "new": { "type": "branch", "name": "main" } }, { "new": null }] }, "repository": fleet })),
        server("pr:merged", json!({ "pullRequest": { "id": 7, "toRef": { "repository": acme } } })),
        server("pr:comment:added", json!({ "pullRequest": { "id": 7, "toRef": { "repository": acme } } })),
        server("repo:refs_changed", json!({ "repository": acme, "changes": [{ "ref": { "id": "refs/heads/main" } }] })),
        azure(json!({ "publisherId": "tfs", "eventType": "git.pullrequest.updated", "resource": { "status": "abandoned", "pullRequestId": 7, "repository": lab } })),
        azure(json!({ "publisherId": "tfs", "eventType": "ms.vss-code.git-pullrequest-comment-event", "resource": { "pullRequest": { "pullRequestId": 7, "repository": lab } } })),
        azure(json!({ "publisherId": "tfs", "eventType": "git.push", "resource": { "refUpdates": [{ "name": "refs/heads/main" }], "repository": lab } })),
    ]
    .join("\n"));
}

#[test]
fn each_proves_itself_in_its_own_way() {
    let body = b"Hello, World!";
    let secrets = [Secret::new("the one before"), Secret::new("It's a Secret to Everybody")];
    // The vector from GitHub's documentation.
    let signature = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let prefixed = format!("sha256={signature}");
    let basic = format!("Basic {}", BASE64_STANDARD.encode("anybody:It's a Secret to Everybody"));
    for (forge, name, value) in [
        (Forge::Github, "x-hub-signature-256", prefixed.as_str()),
        (Forge::Gitea, "x-gitea-signature", signature),
        (Forge::Bitbucket, "x-hub-signature", &prefixed),
        (Forge::BitbucketDataCenter, "x-hub-signature", &prefixed),
        (Forge::Gitlab, "x-gitlab-token", "It's a Secret to Everybody"),
        (Forge::AzureDevops, "authorization", &basic),
    ] {
        let good = headers(&[(name, value)]);
        assert!(forge.authenticates(&good, body, &secrets), "{forge}");
        assert!(!forge.authenticates(&good, body, &secrets[..1]), "{forge}: another secret");
        assert!(!forge.authenticates(&good, body, &[]), "{forge}: no secret");
        assert!(!forge.authenticates(&good, body, &[Secret::new("")]), "{forge}: an empty secret");
        assert!(!forge.authenticates(&HeaderMap::new(), body, &secrets), "{forge}: no header");
        assert!(!forge.authenticates(&headers(&[(name, "sha256=zz")]), body, &secrets), "{forge}: nonsense");
        let mut twice = good.clone();
        twice.append(name, value.parse().unwrap());
        assert!(!forge.authenticates(&twice, body, &secrets), "{forge}: two headers");
        let signs = !matches!(forge, Forge::Gitlab | Forge::AzureDevops);
        assert_eq!(forge.authenticates(&good, b"Hello, Mallory!", &secrets), !signs, "{forge}: another body");
    }
}

#[test]
fn what_is_no_webhook_is_said() {
    let nothing = HeaderMap::new();
    assert_eq!(decode(Forge::Github, &nothing, b"{}"), Err("this is no webhook of github".to_owned()));
    assert!(decode(Forge::Github, &nothing, b"<").unwrap_err().starts_with("the body is no JSON"));
    assert_eq!(recognise(&nothing, b"{\"eventType\":\"tagCreate\"}"), None);
}

proptest::proptest! {
    #[test]
    fn any_body_is_read_or_refused(body in "\\PC{0,60}", name in "[a-z:_ ]{0,20}") {
        for forge in Forge::ALL {
            for header in ["x-github-event", "x-gitea-event", "x-gitlab-event", "x-event-key"] {
                let Ok(value) = name.parse() else { continue };
                let headers = HeaderMap::from_iter([(http::HeaderName::from_static(header), value)]);
                let _ = decode(forge, &headers, body.as_bytes());
            }
        }
    }
}
