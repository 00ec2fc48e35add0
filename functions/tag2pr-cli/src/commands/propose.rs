//! `tag2pr propose`: one pass over the configured repositories.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;
use tag2pr_connect::{Deployment, Settings};

use crate::output::{CommandResult, During, Format, json};
use crate::show::{self, Passed};

/// One pass over the configured repositories, without a listener.
#[derive(Debug, clap::Args)]
#[command(after_help = crate::help::PROPOSE)]
pub struct Args {
    /// The configuration; by default $TAG2PR_CONFIG, ./tag2pr.yaml, or the object tag2pr.yaml in $TAG2PR_STORE.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Show the diff and the pull request, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

pub async fn run(args: &Args, format: Format) -> CommandResult {
    let settings = Settings::read(args.config.as_deref()).await.during("reading the configuration")?;
    let deployment = Deployment::connect(&settings).await.during("connecting")?;
    if args.dry_run {
        return show::dry_run(&deployment, &[], format).await;
    }
    let passed = show::pass(&deployment).await;
    show::publish(&deployment).await;
    match format {
        Format::Json => json(&json!({ "repositories": passed })),
        Format::Text => passed.iter().for_each(Passed::print),
    }
    Ok(if passed.iter().any(Passed::failed) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
