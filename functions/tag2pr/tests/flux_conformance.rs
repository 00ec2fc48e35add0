//! The tests of Flux and of Masterminds/semver, as tables.
//!
//! `TAG2PR_CONFORMANCE` names the directory with the tables; without it nothing is run. Rows that have nothing to do
//! with a selection are counted and listed with the reason.

#![allow(clippy::print_stdout, reason = "the counts are what one runs this for")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Value, json};
use tag2pr::image::ImageName;
use tag2pr::manifests::{Manifests, Neighbours};
use tag2pr::markers::{Change, ObjectId, Part, Setter};
use tag2pr::policy::semver::{Constraint, Version};
use tag2pr::policy::{Known, OrderSpec, Policy, PolicyChoice, PolicyName, PolicySpec};
use tag2pr::proposal::{Bump, Parts, compose};
use tag2pr::seams::{CommitId, File, RepositoryId, Snapshot};

fn table<T: for<'de> Deserialize<'de>>(name: &str) -> Option<T> {
    let Some(directory) = std::env::var_os("TAG2PR_CONFORMANCE").map(PathBuf::from) else {
        println!("skipped: TAG2PR_CONFORMANCE is not set");
        return None;
    };
    let path = directory.join("flux").join(name);
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Some(serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// What was run, what was not and why, and what went wrong.
#[derive(Default)]
struct Report {
    run: usize,
    skipped: BTreeMap<String, usize>,
    wrong: Vec<String>,
}

impl Report {
    fn check(&mut self, row: &impl std::fmt::Debug, holds: bool, found: impl std::fmt::Display) {
        self.run += 1;
        if !holds {
            self.wrong.push(format!("{row:?}\n  found: {found}"));
        }
    }

    fn skip(&mut self, what: &str, reason: &str) {
        *self.skipped.entry(format!("{what}: {reason}")).or_default() += 1;
    }

    fn finish(self, name: &str) {
        println!("{name}: {} rows run", self.run);
        for (what, count) in &self.skipped {
            println!("{name}: not applicable: {count} × {what}");
        }
        assert!(self.wrong.is_empty(), "{} rows of {name} are wrong:\n{}", self.wrong.len(), self.wrong.join("\n"));
    }
}

/// Where a row comes from, down to the test function.
fn origin(source_test: &str) -> &str {
    let test = source_test.rsplit(':').next().unwrap_or(source_test);
    test.split('/').next().unwrap_or(test)
}

fn known(tags: &[String]) -> Vec<Known<'_>> {
    tags.iter().map(|tag| Known::tag(tag)).collect()
}

#[derive(Debug, Deserialize)]
struct PolicyRow {
    #[expect(dead_code, reason = "names the row when it is wrong")]
    source_test: String,
    policy: Option<PolicyChoice>,
    #[serde(rename = "filterTags")]
    filter_tags: Option<tag2pr::policy::FilterTags>,
    tags: Option<Vec<String>>,
    expected: Option<String>,
    expected_filtered_sorted: Option<Vec<String>>,
    error: Option<String>,
}

#[test]
fn policies_select_what_flux_selects() {
    let Some(rows) = table::<Vec<PolicyRow>>("policy.json") else { return };
    let mut report = Report::default();
    for row in &rows {
        let alphabetical = PolicyChoice { alphabetical: Some(OrderSpec::default()), ..PolicyChoice::default() };
        let spec = PolicySpec {
            policy: row.policy.clone().unwrap_or(alphabetical),
            filter_tags: row.filter_tags.clone(),
            ..PolicySpec::default()
        };
        let tags = row.tags.clone().unwrap_or_default();
        let known = known(&tags);
        let policy = Policy::from_spec(&spec);
        let selection = policy.as_ref().map(|policy| policy.select(&known));
        match (&selection, row) {
            (Ok(selection), PolicyRow { expected_filtered_sorted: Some(values), .. }) => {
                let mut found: Vec<_> = (0..known.len()).filter_map(|index| selection.value(index)).collect();
                // Flux keeps the values in a map.
                found.sort_unstable();
                found.dedup();
                report.check(row, found == *values, format!("{found:?}"));
            }
            (selection, PolicyRow { expected: Some(expected), tags: None, .. }) if expected == "valid policy" => {
                report.check(row, selection.is_ok(), "an invalid policy");
            }
            (Ok(selection), PolicyRow { expected: Some(expected), .. }) => {
                let found = selection.selected.map(|known| known.tag);
                report.check(row, found == Some(expected), selection.summary());
            }
            (selection, PolicyRow { error: Some(error), .. }) => {
                let found = match selection {
                    Ok(selection) => selection.error.as_ref().map(ToString::to_string),
                    Err(invalid) => Some(invalid.to_string()),
                };
                // Some rows only say that there is an error, or that it is one of the policy.
                let words = match error.as_str() {
                    "any" => "",
                    "invalid policy" | "InvalidPolicy" => {
                        report.check(row, policy.is_err(), "a valid policy");
                        continue;
                    }
                    words => words,
                };
                report.check(row, found.as_ref().is_some_and(|found| found.contains(words)), format!("{found:?}"));
            }
            (Err(error), _) => report.check(row, false, error),
            (Ok(_), _) => report.check(row, false, "a row that expects nothing"),
        }
    }
    report.finish("policy.json");
}

#[derive(Debug, Deserialize)]
struct ExclusionRow {
    source_test: String,
    tags: Vec<String>,
    #[serde(alias = "exclusionList")]
    patterns: Option<Vec<String>>,
    #[serde(alias = "expected_stored_tags", alias = "expected_set")]
    expected: Option<Vec<String>>,
    error: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ImageRow {
    image: String,
    expected: Option<String>,
}

#[derive(Deserialize)]
struct Extra {
    exclusion: Vec<ExclusionRow>,
    scan_order: Vec<ExclusionRow>,
    parse_image: Vec<ImageRow>,
    #[serde(flatten)]
    others: BTreeMap<String, Vec<Value>>,
}

#[test]
fn images_and_exclusions_are_those_of_flux() {
    let Some(extra) = table::<Extra>("policy-extra.json") else { return };
    let mut report = Report::default();
    for row in extra.exclusion.iter().chain(&extra.scan_order) {
        if row.error.as_deref() == Some("404 Not Found") {
            report.skip(&row.source_test, "the registry's answer, not a selection");
            continue;
        }
        let spec = PolicySpec {
            policy: PolicyChoice { alphabetical: Some(OrderSpec::default()), ..PolicyChoice::default() },
            exclusion_list: row.patterns.clone().unwrap_or_default(),
            ..PolicySpec::default()
        };
        match (Policy::from_spec(&spec), &row.expected) {
            (Ok(policy), Some(expected)) => {
                let known = known(&row.tags);
                let selection = policy.select(&known);
                let mut found: Vec<_> = (0..known.len()).filter_map(|index| selection.value(index)).collect();
                let mut expected: Vec<_> = expected.iter().map(String::as_str).collect();
                found.sort_unstable();
                expected.sort_unstable();
                report.check(row, found == expected, format!("{found:?}"));
            }
            (Err(error), None) => report.check(row, error.to_string().contains("failed to compile regex"), error),
            (Ok(_), None) => report.check(row, false, "no error"),
            (Err(error), Some(_)) => report.check(row, false, error),
        }
    }
    for row in &extra.parse_image {
        let found = row.image.parse::<ImageName>().map(|image| image.to_string()).ok();
        report.check(row, found == row.expected, format!("{found:?}"));
    }
    for (name, rows) in &extra.others {
        let reason = match name.as_str() {
            "ready_message" => "the wording of a condition in the cluster",
            "digest_reflection" => "which digest is written, decided where proposals are made",
            "latest_tags" => "a list for display that says nothing of the policy's choice",
            _ => "no rows",
        };
        rows.iter().for_each(|row| report.skip(row["source_test"].as_str().unwrap_or(name), reason));
    }
    report.finish("policy-extra.json");
}

#[derive(Debug, Deserialize)]
struct SemverRow {
    source_test: String,
    api: String,
    #[serde(default)]
    include_prerelease: bool,
    mode: Option<String>,
    constraint: Option<String>,
    version: Option<String>,
    other: Option<String>,
    expected: Value,
}

#[derive(Deserialize)]
struct Semver {
    rows: Vec<SemverRow>,
}

#[test]
fn versions_and_ranges_are_those_of_masterminds_semver() {
    let Some(Semver { rows }) = table("semver.json") else { return };
    let mut report = Report::default();
    for row in &rows {
        let (constraint, version) = (row.constraint.as_deref(), row.version.as_deref().unwrap_or_default());
        let parsed = |ok: bool| row.expected == if ok { "parse_ok" } else { "parse_error" };
        match row.api.as_str() {
            _ if row.include_prerelease => report.skip(origin(&row.source_test), "Flux never sets IncludePrerelease"),
            "StrictNewVersion" => report.skip(origin(&row.source_test), "Flux parses loosely"),
            "NewVersion" if row.mode.as_deref() == Some("no-coerce") => {
                report.skip(origin(&row.source_test), "Flux leaves CoerceNewVersion on");
            }
            "Version.String" | "Constraints.String" => {
                report.skip(origin(&row.source_test), "versions and ranges are shown as they were written");
            }
            "parseConstraint" | "parseConstraint.check" if constraint == Some("") => {
                report.skip(origin(&row.source_test), "Flux refuses an empty range before it gets there");
            }
            "NewConstraint" | "parseConstraint" => {
                let found = Constraint::parse(constraint.unwrap_or_default());
                report.check(row, parsed(found.is_ok()), format!("{found:?}"));
            }
            "parseConstraint.check" | "Constraints.Check" | "Constraints.Validate" => {
                let range = Constraint::parse(constraint.unwrap_or_default());
                let found = match (&range, Version::parse_loose(version)) {
                    (Ok(range), Ok(version)) => Some(range.admits(version)),
                    _ => None,
                };
                report.check(row, found.is_some() && found == row.expected.as_bool(), format!("{found:?}"));
            }
            "NewVersion" => report.check(row, parsed(Version::parse_loose(version).is_ok()), "the opposite"),
            "flux ParseVersion (tag accepted by SemVer policy)" => {
                report.check(row, parsed(Version::parse(version).is_ok()), "the opposite");
            }
            comparison => {
                let other = row.other.as_deref().unwrap_or_default();
                let order = match (Version::parse_loose(version), Version::parse_loose(other)) {
                    (Ok(version), Ok(other)) => version.cmp(&other),
                    _ => panic!("{row:?}: no version"),
                };
                let holds = match comparison {
                    "Version.compare" => row.expected == order as i8,
                    "Version.<" => row.expected == order.is_lt(),
                    "Version.<=" => row.expected == order.is_le(),
                    "Version.>" => row.expected == order.is_gt(),
                    "Version.>=" => row.expected == order.is_ge(),
                    "Version.==" => row.expected == order.is_eq(),
                    unknown => panic!("{row:?}: an unknown test, {unknown}"),
                };
                report.check(row, holds, format!("{order:?}"));
            }
        }
    }
    report.finish("semver.json");
}

#[derive(Debug, Deserialize)]
struct ChangeRow {
    file: String,
    #[serde(rename = "apiVersion")]
    api_version: String,
    kind: String,
    namespace: String,
    name: String,
    old: String,
    new: String,
    setter: String,
}

#[derive(Debug, Deserialize)]
struct MessageRow {
    source_test: String,
    automation: BTreeMap<String, String>,
    changes: Vec<ChangeRow>,
    template: String,
    values: BTreeMap<String, String>,
    expected: Option<String>,
    error: Option<String>,
}

#[derive(Debug, Deserialize)]
struct BranchRow {
    #[expect(dead_code, reason = "names the row when it is wrong")]
    source_test: String,
    #[serde(rename = "git.checkout.ref")]
    checkout: Option<BTreeMap<String, String>>,
    #[serde(rename = "git.push.branch")]
    push: Option<String>,
    #[serde(rename = "gitRepository.spec.ref")]
    source: Option<BTreeMap<String, String>>,
    expected_checkout_ref: Option<BTreeMap<String, String>>,
    expected_push_branch: String,
    expected_switch_branch: bool,
}

#[derive(Debug, Deserialize)]
struct PoliciesRow {
    #[expect(dead_code, reason = "names the row when it is wrong")]
    source_test: String,
    automation_namespace: String,
    #[serde(rename = "policySelector")]
    selector: Option<Value>,
    policies: Vec<Value>,
    expected: Vec<String>,
}

#[derive(Deserialize)]
struct Automation {
    commit_message: Vec<MessageRow>,
    git_config: Vec<BranchRow>,
    get_policies: Vec<PoliciesRow>,
    observed_policies_changed: Vec<Value>,
}

/// What the objects of one file mean for the repository `fleet` and this base.
fn manifests(base: &str, objects: &[Value]) -> Manifests {
    let text: Vec<String> = objects.iter().map(ToString::to_string).collect();
    let files = vec![File { path: "objects.yaml".into(), bytes: text.join("\n---\n").into_bytes() }];
    let here = RepositoryId { host: "local".into(), path: "/srv/fleet.git".into(), base: base.into() };
    Manifests::read(
        Neighbours::none(&here),
        Snapshot { commit: CommitId("0".repeat(40)), files, ..Snapshot::default() },
        None,
    )
}

fn image_object(kind: &str, namespace: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "image.toolkit.fluxcd.io/v1", "kind": kind,
        "metadata": { "namespace": namespace, "name": name }, "spec": spec,
    })
}

fn commit_message(row: &MessageRow) -> Result<String, String> {
    let (namespace, name) = (&row.automation["namespace"], &row.automation["name"]);
    let spec = json!({
        "sourceRef": { "kind": "GitRepository", "name": "fleet" },
        "git": { "commit": { "messageTemplate": row.template, "messageTemplateValues": row.values } },
    });
    let manifests = manifests("main", &[image_object("ImageUpdateAutomation", namespace, name, &spec)]);
    let changes: Vec<Change> = row
        .changes
        .iter()
        .map(|change| {
            let (namespace, name) = change.setter.split_once(':').unwrap();
            Change {
                file: change.file.clone(),
                line: 1,
                old: change.old.clone(),
                new: change.new.clone(),
                setter: Setter {
                    policy: PolicyName { namespace: namespace.into(), name: name.into() },
                    part: Part::Reference,
                },
                object: Some(ObjectId {
                    api_version: change.api_version.clone(),
                    kind: change.kind.clone(),
                    name: change.name.clone(),
                    namespace: change.namespace.clone(),
                }),
            }
        })
        .collect();
    let bumps = changes.iter().map(|change| {
        let (image, tag) = change.new.split_once(':').unwrap();
        Bump {
            policy: change.setter.policy.clone(),
            place: String::new(),
            image: image.into(),
            from: [change.old.clone()].into(),
            tag: tag.into(),
            moved: false,
            digest: None,
            pushed_at: None,
            actor: None,
            delivery: None,
            why: Vec::new(),
            instead_of: None,
            source: None,
        }
    });
    let [automation] = manifests.automations.as_slice() else { return Err(format!("{:?}", manifests.passed_over)) };
    let parts = Parts {
        heard: None,
        held: Vec::new(),
        automation: automation.whole.clone(),
        name: automation.name.clone(),
        branch: automation.branch.clone(),
        is_direct: automation.is_direct,
        author: automation.author.clone(),
        message: automation.message.clone(),
        wishes: automation.wishes.clone(),
        bumps: bumps.collect(),
        changes,
        files: Vec::new(),
        otherwise_at: jiff::Timestamp::UNIX_EPOCH,
    };
    let proposal = compose(parts).ok_or("nothing to propose")?;
    if let Some(problem) = proposal.problems.first() {
        return Err(problem.to_string());
    }
    let (text, trailers) = proposal.message.rsplit_once("\n\n").ok_or("no trailers")?;
    if trailers.starts_with("Tag2pr-Policy: ") { Ok(text.to_owned()) } else { Err(proposal.message.clone()) }
}

#[test]
fn automations_mean_what_they_mean_to_flux() {
    let Some(tables) = table::<Automation>("automation.json") else { return };
    let mut report = Report::default();
    for row in &tables.commit_message {
        if row.template.is_empty() {
            report.skip(origin(&row.source_test), "without a template the message is tag2pr's own, not Flux's");
            continue;
        }
        let found = commit_message(row);
        let expected = match (&row.expected, &row.error) {
            (Some(expected), _) => found.as_deref() == Ok(expected.trim_end()),
            // Flux stalls since 2.7; tag2pr still writes what Flux wrote before, and says so in a finding.
            (None, Some(error)) => {
                let (_, policy) = row.changes[0].setter.split_once(':').unwrap();
                let image = format!("Images:\n- {} ({policy})", row.changes[0].new);
                let text = found.as_deref().unwrap_or_default();
                error.contains("removed") && text.contains("- deploy.yaml\n") && text.ends_with(&image)
            }
            (None, None) => false,
        };
        report.check(row, expected, format!("{found:?}"));
    }
    for row in &tables.git_config {
        let reference = |reference: &Option<BTreeMap<String, String>>| json!(reference);
        let base = row.expected_checkout_ref.as_ref().map_or("main", |reference| reference["branch"].as_str());
        let mut spec = json!({ "sourceRef": { "kind": "GitRepository", "name": "fleet" }, "git": {} });
        if row.checkout.is_some() {
            spec["git"]["checkout"]["ref"] = reference(&row.checkout);
        }
        if let Some(push) = &row.push {
            spec["git"]["push"]["branch"] = json!(push);
        }
        let mut source = json!({
            "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository",
            "metadata": { "namespace": "apps", "name": "fleet" }, "spec": { "url": "https://git.example/fleet" },
        });
        if row.source.is_some() {
            source["spec"]["ref"] = reference(&row.source);
        }
        let manifests = manifests(base, &[source, image_object("ImageUpdateAutomation", "apps", "all", &spec)]);
        let found = manifests.automations.first().map(|automation| automation.branch.as_str());
        // Where Flux would push to the base branch itself, there is a pull request of our own name.
        let expected = if row.expected_switch_branch { &row.expected_push_branch } else { "tag2pr/apps.all" };
        report.check(row, found == Some(expected), format!("{found:?}, {:?}", manifests.passed_over));
    }
    for row in &tables.get_policies {
        let mut spec = json!({ "sourceRef": { "kind": "GitRepository", "name": "fleet" } });
        if let Some(selector) = &row.selector {
            spec["policySelector"] = selector.clone();
        }
        let mut objects = vec![image_object("ImageUpdateAutomation", &row.automation_namespace, "all", &spec)];
        for policy in &row.policies {
            let text = |key: &str| policy[key].as_str().unwrap_or_default();
            let spec = json!({ "imageRepositoryRef": { "name": text("name") }, "policy": { "alphabetical": {} } });
            let mut object = image_object("ImagePolicy", text("namespace"), text("name"), &spec);
            object["metadata"]["labels"] = policy["labels"].clone();
            if policy["labels"].is_null() {
                object["metadata"].as_object_mut().unwrap().remove("labels");
            }
            objects.push(object);
        }
        let manifests = manifests("main", &objects);
        let automation = &manifests.automations[0];
        let applied = manifests.policies.iter().filter(|policy| automation.applies(policy));
        // A policy that has selected nothing changes nothing: whether it is among them is not seen.
        let has_selected =
            |name: &str| row.policies.iter().any(|policy| policy["name"] == name && policy["latestImage"] != "");
        let found: Vec<&str> =
            applied.map(|policy| policy.name.name.as_str()).filter(|name| has_selected(name)).collect();
        report.check(row, found == row.expected, format!("{found:?}"));
    }
    for row in &tables.observed_policies_changed {
        report.skip(
            origin(row["source_test"].as_str().unwrap_or_default()),
            "what Flux remembers in its status; the whole is planned anew here each time",
        );
    }
    report.finish("automation.json");
}
