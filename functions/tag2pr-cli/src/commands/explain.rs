//! `tag2pr explain`: why this tag, and why not the others.

mod judged;
mod screen;
mod sources;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use jiff::Timestamp;
use serde::Serialize;
use tag2pr::findings::{Checks, Finding, Severity};
use tag2pr::image::ImageName;
use tag2pr::ledger::Ledger;
use tag2pr::manifests::DeclaredPolicy;
use tag2pr::plan::Pool;
use tag2pr::problem::Problem;

use self::judged::Judged;
use self::sources::Source;
use crate::output::{BAD, CommandResult, Failure, Format, PLAIN, TITLE, beside, json, line, styled, visible};
use crate::report;
use crate::tags::TagsFile;

/// Say why a policy selects this tag, and why not the others.
#[derive(Debug, clap::Args)]
#[command(after_help = crate::help::EXPLAIN)]
pub struct Args {
    /// One policy; all of them if none is named.
    #[arg(value_name = "NS/NAME")]
    name: Option<String>,

    /// The folder with the ImagePolicy and ImageRepository objects. By default the working directory if --tags are
    /// given, and else the base branches of the configured repositories.
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,

    /// One ImagePolicy in a file of its own; its ImageRepository may be missing.
    #[arg(long, value_name = "FILE", conflicts_with = "path")]
    policy: Option<PathBuf>,

    /// The image's tags: one on each line, with digest and push time behind it where they are known, or what
    /// `skopeo list-tags` prints; `-` is standard input. With IMAGE= in front they are that image's alone. Without
    /// this, what the configured store knows: the tags, since when they are there, what was deleted, what is held.
    #[arg(long, value_name = "[IMAGE=]FILE")]
    tags: Vec<TagsFile>,

    /// The configuration, where it is needed; by default $TAG2PR_CONFIG, ./tag2pr.yaml, or the object tag2pr.yaml in
    /// $TAG2PR_STORE.
    #[arg(long, value_name = "FILE", conflicts_with = "tags")]
    config: Option<PathBuf>,

    /// Show every tag, however many there are.
    #[arg(long)]
    all: bool,
}

impl Args {
    fn folder(&self) -> &Path {
        self.path.as_deref().unwrap_or(Path::new("."))
    }
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
    /// The configured repository that it stands in.
    #[serde(skip_serializing_if = "Option::is_none")]
    repository: Option<String>,
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

pub async fn run(args: &Args, format: Format) -> CommandResult {
    let now = Timestamp::now();
    let mut sources = sources::read(args, now).await?;
    let is_wanted = |policy: &&DeclaredPolicy| args.name.as_ref().is_none_or(|name| *name == policy.name.to_string());
    if !sources.iter().any(|source| source.manifests.policies.iter().any(|policy| is_wanted(&policy))) {
        return Err(nothing(args, &sources));
    }
    let mut explained = Explained { policies: Vec::new(), problems: Vec::new() };
    for source in &mut sources {
        let wanted: Vec<&DeclaredPolicy> = source.manifests.policies.iter().filter(is_wanted).collect();
        if let (Format::Text, Some(repository), false) = (format, &source.repository, wanted.is_empty()) {
            line(format!("{}\n", styled(TITLE, visible(repository))));
        }
        let checks = Checks::of(&source.manifests);
        for declared in wanted {
            let mut policy = explain(declared, source, args.all, now, format);
            policy.findings = checks.of_policy(declared, &|image: &ImageName| source.ledger(image));
            if format == Format::Text {
                report::print(&policy.findings, &source.manifests.files);
            }
            explained.policies.push(policy);
        }
        drop(checks);
        explained.problems.append(&mut source.manifests.problems);
    }
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

fn nothing(args: &Args, sources: &[Source]) -> Failure {
    let place = match sources {
        [Source { repository: None, .. }] => args.policy.as_deref().unwrap_or(args.folder()).display().to_string(),
        _ => {
            let names: Vec<String> =
                sources.iter().filter_map(|source| source.repository.as_ref()).map(ToString::to_string).collect();
            if names.is_empty() { "the configuration: it has no `repositories`".to_owned() } else { names.join(", ") }
        }
    };
    let problems = sources.iter().flat_map(|source| &source.manifests.problems);
    let problems: String = problems.map(|problem| format!("\n  {problem}")).collect();
    match &args.name {
        None => Failure::new(format!("there is no ImagePolicy in {place}{problems}")),
        Some(name) => {
            let policies = sources.iter().flat_map(|source| &source.manifests.policies);
            let known: Vec<String> = policies.map(|policy| policy.name.to_string()).collect();
            Failure::new(format!(
                "there is no ImagePolicy {name} in {place}; there are: {}{problems}",
                if known.is_empty() { "none".to_owned() } else { known.join(", ") }
            ))
        }
    }
}

fn explain(declared: &DeclaredPolicy, source: &Source, all: bool, now: Timestamp, format: Format) -> ExplainedPolicy {
    let mut explained = ExplainedPolicy {
        policy: declared.name.to_string(),
        repository: source.repository.as_ref().map(ToString::to_string),
        image: String::new(),
        selected: None,
        error: None,
        tags: Vec::new(),
        findings: Vec::new(),
    };
    let (image, policy) = match &declared.policy {
        Ok((image, policy)) => (image, policy),
        Err(reason) => {
            if format == Format::Text {
                screen::invalid(declared, reason);
            }
            explained.error = Some(reason.clone());
            return explained;
        }
    };
    let empty = Ledger::default();
    let ledger = source.ledger(image).unwrap_or(&empty);
    let pool = Pool::of(declared, ledger, now).as_far_as_known(declared, ledger);
    let selection = policy.select(&pool.considered);
    let judged = Judged::new(declared, &pool, &selection, source.holds.iter());
    explained.image.clone_from(&policy.image);
    explained.error.clone_from(&judged.error);
    explained.selected = judged.winner().filter(|(_, hold)| hold.is_none()).map(|(index, _)| {
        let known = judged.known(index);
        SelectedTag { tag: known.tag.to_owned(), digest: known.digest.map(ToString::to_string) }
    });
    match format {
        Format::Text => screen::print(declared, policy, &judged, all),
        Format::Json => {
            explained.tags = (0..judged.len()).map(|index| tag(&judged, index)).collect();
            explained.tags.sort_by(|a, b| a.tag.cmp(&b.tag));
        }
    }
    explained
}

fn tag(judged: &Judged<'_>, index: usize) -> ExplainedTag {
    ExplainedTag {
        tag: judged.known(index).tag.to_owned(),
        verdict: judged.word(index),
        value: judged.value(index),
        reason: judged.reason(index),
    }
}
