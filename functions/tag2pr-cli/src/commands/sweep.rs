//! `tag2pr sweep`: find what deliveries missed.

use std::path::PathBuf;
use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::{Value, json};
use tag2pr::flow::sweep::What;
use tag2pr::image::{ImageName, Tag};
use tag2pr_connect::{Deployment, Settings};

use crate::inbox::writer;
use crate::output::{CommandResult, During, Format, count, json, line, patiently, visible};
use crate::show;

/// List the tags of every image that a policy names, and find what deliveries missed.
#[derive(Debug, clap::Args)]
#[command(after_help = crate::help::SWEEP)]
pub struct Args {
    /// The configuration; by default $TAG2PR_CONFIG, ./tag2pr.yaml, or the object tag2pr.yaml in $TAG2PR_STORE.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub async fn run(args: &Args, format: Format) -> CommandResult {
    let settings = Settings::read(args.config.as_deref()).await.during("reading the configuration")?;
    let deployment = Deployment::connect(&settings).await.during("connecting")?;
    let writer = writer("sweep");
    let sweeping = deployment.sweep(What::Everything, &writer, Timestamp::now());
    let report = patiently("listing tags", sweeping).await.during("sweeping")?;
    show::publish(&deployment).await;
    match format {
        Format::Json => json(&json!({
            "missed": tags(&report.missed),
            "gone": tags(&report.gone),
            "doubted": reasons(&report.doubted),
            "unfinished": reasons(&report.unfinished),
            "failed": reasons(&report.failed),
            "poked": report.poked,
            "forgotten": report.forgotten,
        })),
        Format::Text => {
            report.sentences().iter().for_each(|sentence| line(visible(sentence)));
            line(format!(
                "{} listed, {} could not be; {} poked",
                count(report.missed.len(), "image", "images"),
                report.failed.len(),
                count(report.poked.len(), "repository", "repositories")
            ));
        }
    }
    Ok(if report.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn tags(found: &[(ImageName, Vec<Tag>)]) -> Vec<Value> {
    found.iter().map(|(image, tags)| json!({ "image": image, "tags": tags })).collect()
}

fn reasons(said: &[(ImageName, String)]) -> Vec<Value> {
    said.iter().map(|(image, reason)| json!({ "image": image, "reason": reason })).collect()
}
