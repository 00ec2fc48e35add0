//! `tag2pr explain`: why this tag, and why not the others.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use jiff::Timestamp;
use serde::Serialize;
use tag2pr::findings::{self, Checks, Finding, Severity};
use tag2pr::image::ImageName;
use tag2pr::ledger::Ledger;
use tag2pr::manifests::{DeclaredPolicy, Manifests};
use tag2pr::plan::known;
use tag2pr::policy::{Known, Policy, Selection, Verdict};
use tag2pr::problem::Problem;
use tag2pr::seams::File;

use crate::output::{
    BAD, BOLD, CommandResult, DIM, During, Failure, Format, GOOD, PLAIN, TITLE, beside, json, line, styled, visible,
};
use crate::tags::{self, TagsFile};
use crate::{report, worktree};

/// Say why a policy selects this tag, and why not the others.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// One policy; all of them if none is named.
    #[arg(value_name = "NS/NAME")]
    name: Option<String>,

    /// The folder with the ImagePolicy and ImageRepository objects.
    #[arg(long, value_name = "DIR", default_value = ".")]
    path: PathBuf,

    /// One ImagePolicy in a file of its own; its ImageRepository may be missing.
    #[arg(long, value_name = "FILE", conflicts_with = "path")]
    policy: Option<PathBuf>,

    /// The image's tags: one on each line, with digest and push time behind it where they are known, or what
    /// `skopeo list-tags` prints; `-` is standard input. With IMAGE= in front they are that image's alone.
    #[arg(long, value_name = "[IMAGE=]FILE", required = true)]
    tags: Vec<TagsFile>,

    /// Show every tag, however many there are.
    #[arg(long)]
    all: bool,
}

#[derive(Serialize)]
struct Explained {
    policies: Vec<ExplainedPolicy>,
    /// Files, and things in them, that could not be used.
    problems: Vec<Problem>,
}

#[derive(Serialize)]
struct ExplainedPolicy {
    policy: String,
    image: String,
    selected: Option<SelectedTag>,
    error: Option<String>,
    tags: Vec<ExplainedTag>,
    findings: Vec<Finding>,
}

#[derive(Serialize)]
struct SelectedTag {
    tag: String,
    digest: Option<String>,
}

#[derive(Serialize)]
struct ExplainedTag {
    tag: String,
    verdict: &'static str,
    value: Option<String>,
    reason: String,
}

pub fn run(args: &Args, format: Format) -> CommandResult {
    let manifests = manifests(args)?;
    let ledgers = tags::ledgers(&args.tags, Timestamp::now())?;
    let wanted: Vec<&DeclaredPolicy> = manifests
        .policies
        .iter()
        .filter(|policy| args.name.as_ref().is_none_or(|name| *name == policy.name.to_string()))
        .collect();
    if wanted.is_empty() {
        return Err(nothing(args, &manifests));
    }
    let checks = Checks::of(&manifests);
    let tags = |image: &ImageName| ledgers.get(&Some(image.clone())).or_else(|| ledgers.get(&None));
    let explain = |declared: &DeclaredPolicy| {
        let mut explained = explain(declared, &ledgers, args.all, format);
        explained.findings = checks.of_policy(declared, &tags);
        if format == Format::Text {
            report::print(&explained.findings, &manifests.files);
        }
        explained
    };
    let policies: Vec<ExplainedPolicy> = wanted.into_iter().map(explain).collect();
    let explained = Explained { policies, problems: manifests.problems };
    match format {
        Format::Json => json(&explained),
        Format::Text => {
            for problem in &explained.problems {
                beside(&format!("{} ", styled(BAD, "problem:")), PLAIN, &problem.to_string());
            }
        }
    }
    let bad = |policy: &ExplainedPolicy| {
        policy.error.is_some() || policy.findings.iter().any(|finding| finding.severity != Severity::Note)
    };
    let failed = !explained.problems.is_empty() || explained.policies.iter().any(bad);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn manifests(args: &Args) -> Result<Manifests, Failure> {
    let mut problems = Vec::new();
    let mut left_out = Vec::new();
    let files = match &args.policy {
        Some(file) => {
            let bytes = fs::read(file).during(format!("reading {}", file.display()))?;
            vec![File { path: file.display().to_string(), bytes }]
        }
        None => {
            let found = worktree::read(&args.path).during(format!("reading {}", args.path.display()))?;
            problems = found.problems;
            left_out = found.left_out;
            found.files
        }
    };
    let mut manifests = findings::read_with(files, left_out);
    manifests.problems.extend(problems);
    if args.policy.is_some() {
        manifests.judge_without_images();
    }
    Ok(manifests)
}

fn nothing(args: &Args, manifests: &Manifests) -> Failure {
    let place = args.policy.as_ref().unwrap_or(&args.path).display();
    let problems: String = manifests.problems.iter().map(|problem| format!("\n  {problem}")).collect();
    match &args.name {
        None => Failure::new(format!("there is no ImagePolicy in {place}{problems}")),
        Some(name) => {
            let known: Vec<String> = manifests.policies.iter().map(|policy| policy.name.to_string()).collect();
            Failure::new(format!(
                "there is no ImagePolicy {name} in {place}; there are: {}{problems}",
                if known.is_empty() { "none".to_owned() } else { known.join(", ") }
            ))
        }
    }
}

fn explain(
    declared: &DeclaredPolicy,
    ledgers: &BTreeMap<Option<ImageName>, Ledger>,
    all: bool,
    format: Format,
) -> ExplainedPolicy {
    let name = declared.name.to_string();
    let (image, policy) = match &declared.policy {
        Ok((image, policy)) => (image, policy),
        Err(reason) => {
            if format == Format::Text {
                line(format!("{}  {}", styled(TITLE, visible(&name)), styled(DIM, visible(&declared.place))));
                beside(&format!("  {}    ", styled(BAD, "error")), PLAIN, reason);
                line("");
            }
            return ExplainedPolicy {
                policy: name,
                image: String::new(),
                selected: None,
                error: Some(reason.clone()),
                tags: Vec::new(),
                findings: Vec::new(),
            };
        }
    };
    let empty = Ledger::default();
    let ledger = ledgers.get(&Some(image.clone())).or_else(|| ledgers.get(&None)).unwrap_or(&empty);
    let known = known(ledger);
    let selection = policy.select(&known);
    if format == Format::Text {
        print(declared, policy, &known, &selection, all);
    }
    ExplainedPolicy {
        policy: name,
        image: policy.image.clone(),
        selected: selection
            .selected
            .map(|known| SelectedTag { tag: known.tag.to_owned(), digest: known.digest.map(ToString::to_string) }),
        error: selection.error.as_ref().map(ToString::to_string),
        tags: match format {
            Format::Json => (0..known.len()).map(|index| tag(&known, &selection, index)).collect(),
            Format::Text => Vec::new(),
        },
        findings: Vec::new(),
    }
}

fn tag(known: &[Known<'_>], selection: &Selection<'_>, index: usize) -> ExplainedTag {
    ExplainedTag {
        tag: known[index].tag.to_owned(),
        verdict: selection.verdicts[index].word(),
        value: selection.ranked_by(index),
        reason: selection.reason(index).to_string(),
    }
}

/// So many tags of one verdict are shown unless all are asked for.
const SHOWN: usize = 5;

fn print(declared: &DeclaredPolicy, policy: &Policy, known: &[Known<'_>], selection: &Selection<'_>, all: bool) {
    line(format!(
        "{}  {}  {}",
        styled(TITLE, visible(&declared.name)),
        visible(&policy.image),
        styled(DIM, visible(&declared.place))
    ));
    match selection.selected {
        Some(selected) => {
            let digest = selected.digest.map(|digest| format!("  {}", styled(DIM, digest.short()))).unwrap_or_default();
            line(format!("  {} {}{digest}", styled(GOOD.bold(), "selected"), styled(BOLD, selected.tag)));
        }
        None => line(format!("  {} nothing", styled(BAD, "selected"))),
    }
    let summary = selection.summary().to_string();
    let why = summary.strip_prefix("nothing is selected: ").unwrap_or(&summary);
    beside(&format!("  {}      ", styled(DIM, "why")), PLAIN, why);
    line("");
    let limit = if all { usize::MAX } else { SHOWN };
    let next: Vec<&str> = selection.runners_up(limit).iter().map(|known| known.tag).collect();
    let candidates = selection.counts().candidates;
    let groups = by_verdict(selection, &next, known);
    let shown = groups.iter().flat_map(|(_, indices)| indices.iter().take(limit));
    let width = shown.map(|index| shortened(known[*index].tag).chars().count()).max().unwrap_or(0);
    for (verdict, indices) in groups {
        let style = if verdict == "selected" { GOOD } else { DIM };
        let count = match verdict {
            "outranked" => candidates.saturating_sub(usize::from(selection.selected.is_some())),
            _ => indices.len(),
        };
        let mut above = String::new();
        for index in indices.iter().take(limit) {
            let tag = format!("{:<width$}", shortened(known[*index].tag));
            let prefix = format!("  {}  {tag}  ", styled(style, format!("{verdict:<9}")));
            let reason = reason_beside_verdict(selection, *index, known[*index].tag);
            beside(&prefix, DIM, if reason == above { "likewise" } else { &reason });
            above = reason;
        }
        if count > limit {
            line(styled(DIM, format!("  {verdict:<9}  … and {} more; --all shows them", count - limit)));
        }
    }
    line("");
}

/// Longer tags are those of signatures and the like: beginning and end tell them apart.
const LONGEST_TAG: usize = 40;

fn shortened(tag: &str) -> String {
    match (tag.get(..LONGEST_TAG - 12), tag.get(tag.len().saturating_sub(11)..)) {
        (Some(start), Some(end)) if tag.len() > LONGEST_TAG => format!("{start}…{end}"),
        _ => tag.to_owned(),
    }
}

/// The reason without what the verdict and the first line say already.
fn reason_beside_verdict(selection: &Selection<'_>, index: usize, tag: &str) -> String {
    let reason = selection.reason(index).to_string();
    let winner = selection.selected.map(|known| format!("outranked by {}: ", known.tag));
    let known = [winner.unwrap_or_default(), "excluded ".to_owned(), format!("{tag} ")];
    let shorter = known.iter().fold(reason.as_str(), |reason, known| reason.strip_prefix(known).unwrap_or(reason));
    shorter.to_owned()
}

/// The tags by their verdicts, the selected one first, the outranked in rank order.
fn by_verdict(selection: &Selection<'_>, next: &[&str], known: &[Known<'_>]) -> Vec<(&'static str, Vec<usize>)> {
    let position: BTreeMap<&str, usize> = known.iter().enumerate().map(|(index, known)| (known.tag, index)).collect();
    let mut groups = vec![("selected", Vec::new()), ("outranked", next.iter().map(|tag| position[tag]).collect())];
    for word in ["filtered", "excluded", "invalid"] {
        groups.push((word, Vec::new()));
    }
    for (index, verdict) in selection.verdicts.iter().enumerate().filter(|(_, verdict)| **verdict != Verdict::Outranked)
    {
        if let Some((_, group)) = groups.iter_mut().find(|(word, _)| *word == verdict.word()) {
            group.push(index);
        }
    }
    groups.retain(|(_, indices)| !indices.is_empty());
    groups
}
