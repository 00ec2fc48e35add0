//! What would happen, and what did: diffs, pull requests and reasons on a terminal.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anstyle::Style;
use jiff::Timestamp;
use serde::Serialize;
use similar::TextDiff;
use tag2pr::flow::propose::{self, Outside, Prepared};
use tag2pr::image::ImageName;
use tag2pr::ledger::News;
use tag2pr::markers::Change;
use tag2pr::plan::{Line, Outcome};
use tag2pr::proposal::Proposal;
use tag2pr::seams::RepositoryId;
use tag2pr_connect::Deployment;
use textwrap::core::display_width;

use crate::inbox::{self, writer};
use crate::markdown;
use crate::output::{
    BAD, BOLD, CommandResult, DIM, During, Format, GOOD, PLAIN, TITLE, beside, is_terminal, json, line, note,
    patiently, raw, styled, visible, width, wrap,
};
use crate::readonly::ReadOnly;

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

/// What one pass did about one repository.
#[derive(Serialize)]
pub struct Passed {
    repository: String,
    done: Vec<String>,
    error: Option<String>,
}

impl Passed {
    /// Whether it has to be looked at again.
    pub fn failed(&self) -> bool {
        self.error.is_some()
    }

    /// A line for each thing that was done.
    pub fn print(&self) {
        let name = format!("{}: ", self.repository);
        match (&self.error, self.done.as_slice()) {
            (Some(error), _) => line(format!("{name}{} {}", styled(BAD, "error:"), visible(error))),
            (None, []) => line(format!("{name}up to date")),
            (None, done) => done.iter().for_each(|sentence| line(visible(format!("{name}{sentence}")))),
        }
    }
}

/// Looks at every repository; one that fails stops no other. What one says for another that was looked at before is
/// served, too.
pub async fn pass(deployment: &Deployment) -> Vec<Passed> {
    let mut passed = Vec::new();
    for repository in deployment.repositories() {
        passed.push(look(deployment, &repository.id).await);
    }
    for (repository, passed) in deployment.repositories().iter().zip(&mut passed) {
        if !passed.failed() && inbox::waiting(deployment, &repository.id).await.is_ok_and(|pokes| !pokes.is_empty()) {
            *passed = look(deployment, &repository.id).await;
        }
    }
    passed
}

async fn look(deployment: &Deployment, repository: &RepositoryId) -> Passed {
    let passing = inbox::pass(deployment, repository);
    let (done, error) = match patiently(format!("looking at {repository}"), passing).await {
        Ok(report) => (report.sentences(), None),
        Err(error) => (Vec::new(), Some(error.to_string())),
    };
    Passed { repository: repository.to_string(), done, error }
}

/// Writes the status page, and says who could not be told what happened. What was done stays done if that fails.
pub async fn publish(deployment: &Deployment) {
    deployment.not_told().iter().for_each(note);
    if let Err(error) = deployment.publish(BTreeMap::new(), &writer("status"), Timestamp::now()).await {
        note(format!("the status page is not written: {error}"));
    }
}

/// Shows what every repository would get, and does nothing. `replayed` is evidence that is not in the store.
pub async fn dry_run(deployment: &Deployment, replayed: &[(ImageName, News)], format: Format) -> CommandResult {
    let mut all = DryRun { repositories: Vec::new() };
    for repository in deployment.repositories() {
        let writer = writer("dry-run");
        let host = repository.host(&writer);
        let objects = ReadOnly(deployment.objects());
        let outside = Outside { objects: &objects, ..deployment.outside(repository, &*host, &writer) };
        let preparing = propose::prepare(outside, replayed, Timestamp::now());
        let prepared = patiently(format!("reading {}", repository.id), preparing).await.during(&repository.id)?;
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
        body: proposal.body(),
        name: proposal.name,
        branch: proposal.branch,
        title: proposal.title,
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
    for remark in prepared.remarks().iter().chain(&prepared.waiting) {
        beside(&format!("  {} ", styled(BAD, "!")), PLAIN, remark);
    }
}

/// What each policy selects, and what becomes of it.
pub fn selections(prepared: &Prepared) {
    let lines = &prepared.plan.lines;
    let tag = |line: &Line| visible(line.tag.as_deref().unwrap_or("-"));
    let policies = lines.iter().map(|line| display_width(&visible(&line.policy))).max().unwrap_or(0);
    let tags = lines.iter().map(|line| display_width(&tag(line))).max().unwrap_or(0).min(40);
    for selection in lines {
        let style = match selection.outcome {
            Outcome::Changes => GOOD,
            Outcome::UpToDate => DIM,
            _ => BAD,
        };
        let tag = styled(BOLD, format!("{:<tags$}", tag(selection)));
        let prefix = format!("  {:<policies$}  {tag}  ", visible(&selection.policy));
        beside(&prefix, style, &selection.outcome.to_string());
    }
}

/// The changed lines, with their surroundings.
pub fn diff(prepared: &Prepared, proposal: &Proposal) {
    let old: BTreeMap<&str, &[u8]> =
        prepared.manifests.files.iter().map(|file| (file.path.as_str(), file.bytes.as_slice())).collect();
    for file in &proposal.files {
        for text in
            unified(&file.path, old.get(file.path.as_str()).copied().unwrap_or_default(), &file.bytes, 1).lines()
        {
            changed_line(diff_style(text), text);
        }
    }
}

/// What changes in one file, whole lines and without a margin, so that `patch -p1` takes it.
pub fn file_diff(path: &str, before: &[u8], after: &[u8]) {
    let diff = unified(path, before, after, 3);
    if !is_terminal() {
        raw(&diff);
        return;
    }
    for text in diff.lines() {
        line(styled(diff_style(text), visible(text.replace('\t', "    "))));
    }
}

fn unified(path: &str, before: &[u8], after: &[u8], context: usize) -> String {
    let (before, after) = (String::from_utf8_lossy(before), String::from_utf8_lossy(after));
    let (a, b) = (format!("a/{path}"), format!("b/{path}"));
    let diff = TextDiff::from_lines(before.as_ref(), after.as_ref());
    diff.unified_diff().context_radius(context).header(&a, &b).to_string()
}

fn diff_style(text: &str) -> Style {
    match text.as_bytes().first() {
        _ if text.starts_with("---") || text.starts_with("+++") => BOLD,
        Some(b'-') => BAD,
        Some(b'+') => GOOD,
        Some(b'@') => TITLE,
        _ => DIM,
    }
}

/// Wrapped on a terminal; whole in a file, where it may be used as a patch.
fn changed_line(style: Style, text: &str) {
    let text = visible(text.replace('\t', "    "));
    let pieces = if is_terminal() { wrap(&text, width() - 8) } else { vec![text] };
    for (number, piece) in pieces.iter().enumerate() {
        let margin = if number == 0 { "  " } else { "        " };
        line(format!("{margin}{}", styled(style, piece)).trim_end());
    }
}

/// A pull request as a reviewer sees it.
pub fn pull_request(proposal: &Proposal, state: &str) {
    let bar = styled(DIM, "│");
    line("");
    for (number, text) in wrap(&visible(&proposal.title), width() - 4).iter().enumerate() {
        let edge = if number == 0 { styled(DIM, "╭") } else { bar.clone() };
        line(format!("  {edge} {}", styled(BOLD, text)));
    }
    for text in wrap(&visible(format!("{state}, from {}", proposal.branch)), width() - 4) {
        line(format!("  {bar} {}", styled(DIM, text)));
    }
    line(format!("  {bar}"));
    for text in markdown::lines(&proposal.body(), width() - 4) {
        line(format!("  {bar} {text}").trim_end());
    }
    line(format!("  {}", styled(DIM, "╰")));
}
