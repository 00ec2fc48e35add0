//! `tag2pr check`: what is wrong with policies, markers and automations, where, and the mend.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use jiff::Timestamp;
use serde::Serialize;
use tag2pr::findings::{self, CATALOGUE, Finding};
use tag2pr::image::ImageName;
use tag2pr::manifests::Manifests;

use crate::output::{CODE, CommandResult, DIM, During, Format, beside, count, json, line, styled};
use crate::tags::{self, TagsFile};
use crate::{report, worktree};

/// Find what is wrong with policies, markers and automations, and how to mend it.
#[derive(Debug, clap::Args)]
#[command(after_help = crate::help::CHECK)]
pub struct Args {
    /// The folder with the manifests, or one file.
    #[arg(value_name = "PATH", required_unless_present = "codes")]
    path: Option<PathBuf>,

    /// The tags of an image: more is found with them. One on each line, with digest and push time behind it where they
    /// are known, or what `skopeo list-tags` prints; `-` is standard input. With IMAGE= in front they are that image's
    /// alone.
    #[arg(long, value_name = "[IMAGE=]FILE")]
    tags: Vec<TagsFile>,

    /// List every code that a finding can have, and what it stands for.
    #[arg(long, conflicts_with_all = ["path", "tags"])]
    codes: bool,
}

#[derive(Serialize)]
struct Checked {
    findings: Vec<Finding>,
}

#[derive(Serialize)]
struct Codes {
    codes: Vec<Code>,
}

#[derive(Serialize)]
struct Code {
    code: &'static str,
    meaning: &'static str,
}

pub fn run(args: &Args, format: Format) -> CommandResult {
    let Some(path) = &args.path else { return codes(format) };
    let found = worktree::read(path).during(format!("reading {}", path.display()))?;
    let ledgers = tags::ledgers(&args.tags, Timestamp::now())?;
    let mut manifests = findings::read_with(found.files, found.left_out);
    manifests.problems.extend(found.problems);
    let tags = |image: &ImageName| ledgers.get(&Some(image.clone())).or_else(|| ledgers.get(&None));
    let checked = Checked { findings: findings::check(&manifests, &tags) };
    match format {
        Format::Json => json(&checked),
        Format::Text => print(&manifests, &checked.findings),
    }
    Ok(report::exit_code(&checked.findings))
}

/// Prints findings, and what was looked at.
pub fn print(manifests: &Manifests, findings: &[Finding]) {
    report::print(findings, &manifests.files);
    let automations: BTreeSet<&str> = manifests.automations.iter().map(|one| one.whole.as_str()).collect();
    let looked_at = format!(
        "{} in {}, {} and {}",
        report::summary(findings),
        count(manifests.policies.len(), "policy", "policies"),
        count(automations.len() + manifests.passed_over.len(), "automation", "automations"),
        count(manifests.markers.values().map(Vec::len).sum(), "marked value", "marked values"),
    );
    line(styled(DIM, looked_at));
}

fn codes(format: Format) -> CommandResult {
    match format {
        Format::Json => json(&Codes {
            codes: CATALOGUE.iter().map(|rule| Code { code: rule.code, meaning: rule.meaning }).collect(),
        }),
        Format::Text => {
            for rule in CATALOGUE {
                beside(&format!("{}  ", styled(CODE, rule.code)), anstyle::Style::new(), rule.meaning);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
