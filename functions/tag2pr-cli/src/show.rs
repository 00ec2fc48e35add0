//! What would happen, and what did: diffs, pull requests and reasons on a terminal.

use std::collections::BTreeMap;
use std::process::ExitCode;

use jiff::Timestamp;
use serde::Serialize;
use similar::TextDiff;
use tag2pr::flow::propose::{self, Prepared};
use tag2pr::image::ImageName;
use tag2pr::ledger::News;
use tag2pr::markers::Change;
use tag2pr::plan::{Line, Outcome};
use tag2pr::proposal::Proposal;
use tag2pr_connect::Deployment;

use crate::listener::writer;
use crate::output::{BAD, BOLD, CommandResult, DIM, During, Format, GOOD, TITLE, json, line, styled};

#[derive(Serialize)]
struct DryRun {
    repositories: Vec<Planned>,
}

#[derive(Serialize)]
struct Planned {
    repository: String,
    proposals: Vec<PlannedProposal>,
    remarks: Vec<String>,
}

#[derive(Serialize)]
struct PlannedProposal {
    name: String,
    branch: String,
    title: String,
    body: String,
    message: String,
    changes: Vec<Change>,
}

/// Shows what every repository would get, and does nothing. `replayed` is evidence that is not in the store.
pub async fn dry_run(deployment: &Deployment, replayed: &[(ImageName, News)], format: Format) -> CommandResult {
    let mut all = DryRun { repositories: Vec::new() };
    for repository in deployment.repositories() {
        let writer = writer("dry-run");
        let host = repository.host(&writer);
        let outside = deployment.outside(repository, &*host, &writer);
        let prepared = propose::prepare(outside, replayed, Timestamp::now()).await.during(&repository.id)?;
        if format == Format::Text {
            line(styled(TITLE, format!("{} at {}", repository.id, prepared.manifests.commit.short())));
            plan(&prepared);
        }
        all.repositories.push(Planned {
            repository: repository.id.to_string(),
            remarks: prepared.remarks().into_iter().chain(prepared.waiting.clone()).collect(),
            proposals: prepared.plan.proposals.into_iter().map(planned).collect(),
        });
    }
    if format == Format::Json {
        json(&all);
    }
    Ok(ExitCode::SUCCESS)
}

fn planned(proposal: Proposal) -> PlannedProposal {
    PlannedProposal {
        name: proposal.name,
        branch: proposal.branch,
        title: proposal.title,
        body: proposal.body,
        message: proposal.message,
        changes: proposal.changes,
    }
}

/// A whole plan: what each policy selects, the diff and the pull request.
pub fn plan(prepared: &Prepared) {
    selections(prepared);
    for proposal in &prepared.plan.proposals {
        line("");
        diff(prepared, proposal);
        pull_request(proposal, &format!("would be opened for `{}`", proposal.name));
    }
    if prepared.plan.proposals.is_empty() {
        line(styled(DIM, "  nothing to propose"));
    }
    for remark in prepared.remarks() {
        line(format!("  {} {remark}", styled(BAD, "!")));
    }
}

/// What each policy selects, and what becomes of it.
pub fn selections(prepared: &Prepared) {
    let widest = prepared.plan.lines.iter().map(|line| line.policy.to_string().len()).max().unwrap_or(0);
    for selection in &prepared.plan.lines {
        let Line { policy, tag, outcome, .. } = selection;
        let style = match outcome {
            Outcome::Changes => GOOD,
            Outcome::UpToDate => DIM,
            _ => BAD,
        };
        line(format!(
            "  {:<widest$}  {}  {}",
            policy.to_string(),
            styled(BOLD, tag.as_deref().unwrap_or("-")),
            styled(style, outcome)
        ));
    }
}

/// The changed lines, with their surroundings.
pub fn diff(prepared: &Prepared, proposal: &Proposal) {
    let old: BTreeMap<&str, &[u8]> =
        prepared.manifests.files.iter().map(|file| (file.path.as_str(), file.bytes.as_slice())).collect();
    for file in &proposal.files {
        let before = String::from_utf8_lossy(old.get(file.path.as_str()).copied().unwrap_or_default());
        let after = String::from_utf8_lossy(&file.bytes);
        let diff = TextDiff::from_lines(before.as_ref(), after.as_ref());
        let (a, b) = (format!("a/{}", file.path), format!("b/{}", file.path));
        for text in diff.unified_diff().context_radius(1).header(&a, &b).to_string().lines() {
            let style = match text.as_bytes().first() {
                _ if text.starts_with("---") || text.starts_with("+++") => BOLD,
                Some(b'-') => BAD,
                Some(b'+') => GOOD,
                Some(b'@') => TITLE,
                _ => DIM,
            };
            line(format!("  {}", styled(style, text)));
        }
    }
}

/// A pull request as a reviewer sees it.
pub fn pull_request(proposal: &Proposal, state: &str) {
    let bar = styled(DIM, "│");
    line("");
    line(format!("  {} {}", styled(DIM, "╭"), styled(BOLD, &proposal.title)));
    line(format!("  {bar} {}", styled(DIM, format!("{state}, from `{}`", proposal.branch))));
    line(format!("  {bar}"));
    for text in proposal.body.lines() {
        line(format!("  {bar} {text}"));
    }
    line(format!("  {}", styled(DIM, "╰")));
}
