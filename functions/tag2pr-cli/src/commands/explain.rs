//! `tag2pr explain`: why this tag, and why not the others.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use jiff::Timestamp;
use serde::Serialize;
use tag2pr::image::ImageName;
use tag2pr::ledger::Ledger;
use tag2pr::manifests::{DeclaredPolicy, Manifests};
use tag2pr::plan::known;
use tag2pr::policy::{Known, Policy, Selection, Verdict};
use tag2pr::seams::{CommitId, File, RepositoryId, Snapshot};

use crate::output::{BAD, BOLD, CommandResult, DIM, During, Failure, Format, GOOD, TITLE, json, line, styled};
use crate::tags::{self, TagsFile};
use crate::worktree;

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
    /// `skopeo list-tags` prints. With IMAGE= in front they are that image's alone.
    #[arg(long, value_name = "[IMAGE=]FILE", required = true)]
    tags: Vec<TagsFile>,

    /// Show every tag, however many there are.
    #[arg(long)]
    all: bool,
}

#[derive(Serialize)]
struct Explained {
    policies: Vec<ExplainedPolicy>,
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

/// Findings have codes and places; the checks that make them come with `check`.
#[derive(Serialize)]
struct Finding {}

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
    let mut explained = Explained { policies: Vec::new() };
    for declared in wanted {
        let policy = explain(declared, &ledgers, args.all, format);
        explained.policies.push(policy);
    }
    if format == Format::Json {
        json(&explained);
    } else {
        for problem in &manifests.problems {
            line(format!("{} {problem}", styled(BAD, "problem:")));
        }
    }
    let failed = explained.policies.iter().any(|policy| policy.error.is_some());
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn manifests(args: &Args) -> Result<Manifests, Failure> {
    let files = match &args.policy {
        Some(file) => {
            let bytes = fs::read(file).during(format!("reading {}", file.display()))?;
            vec![File { path: file.display().to_string(), bytes }]
        }
        None => worktree::read(&args.path).during(format!("reading {}", args.path.display()))?,
    };
    let here = RepositoryId { host: "local".to_owned(), path: String::new(), base: String::new() };
    let mut manifests = Manifests::read(&here, Snapshot { commit: CommitId(String::new()), files });
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
                line(format!("{}  {}", styled(TITLE, &name), styled(DIM, &declared.place)));
                line(format!("  {} {reason}\n", styled(BAD, "invalid")));
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
        value: selection.value(index).map(str::to_owned),
        reason: selection.reason(index).to_string(),
    }
}

/// So many tags of one verdict are shown unless all are asked for.
const SHOWN: usize = 5;

fn print(declared: &DeclaredPolicy, policy: &Policy, known: &[Known<'_>], selection: &Selection<'_>, all: bool) {
    line(format!("{}  {}  {}", styled(TITLE, &declared.name), policy.image, styled(DIM, &declared.place)));
    match selection.selected {
        Some(selected) => {
            let digest = selected.digest.map(|digest| format!("  {}", styled(DIM, digest.short()))).unwrap_or_default();
            line(format!("  {} {}{digest}", styled(GOOD.bold(), "selected"), styled(BOLD, selected.tag)));
        }
        None => line(format!("  {} nothing is selected", styled(BAD, "selected"))),
    }
    line(format!("  {}      {}\n", styled(DIM, "why"), selection.summary()));
    let width = known.iter().map(|known| known.tag.len()).max().unwrap_or(0).min(44);
    let limit = if all { usize::MAX } else { SHOWN };
    let next: Vec<&str> = selection.runners_up(limit).iter().map(|known| known.tag).collect();
    let candidates = selection.counts().candidates;
    for (verdict, indices) in by_verdict(selection, &next, known) {
        let style = if verdict == "selected" { GOOD } else { DIM };
        let count = match verdict {
            "outranked" => candidates.saturating_sub(usize::from(selection.selected.is_some())),
            _ => indices.len(),
        };
        for index in indices.iter().take(limit) {
            line(format!(
                "  {}  {:<width$}  {}",
                styled(style, format!("{verdict:<9}")),
                known[*index].tag,
                styled(DIM, selection.reason(*index))
            ));
        }
        if count > limit {
            line(styled(DIM, format!("  {verdict:<9}  … and {} more", count - limit)));
        }
    }
    line("");
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
