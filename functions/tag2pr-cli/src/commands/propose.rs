//! `tag2pr propose`: one pass over the configured repositories.

use std::path::PathBuf;
use std::process::ExitCode;

use jiff::Timestamp;
use serde::Serialize;
use tag2pr_connect::{Deployment, Settings};

use crate::listener::writer;
use crate::output::{BAD, CommandResult, During, Format, json, line, styled};
use crate::show;

/// One pass over the configured repositories, without a listener.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration; by default $TAG2PR_CONFIG, ./tag2pr.yaml, or the object tag2pr.yaml in $TAG2PR_STORE.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Show the diff and the pull request, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Serialize)]
struct Passed {
    repositories: Vec<One>,
}

#[derive(Serialize)]
struct One {
    repository: String,
    done: Vec<String>,
    error: Option<String>,
}

pub async fn run(args: &Args, format: Format) -> CommandResult {
    let settings = Settings::read(args.config.as_deref()).await.during("reading the configuration")?;
    let deployment = Deployment::connect(&settings).during("connecting")?;
    if args.dry_run {
        return show::dry_run(&deployment, &[], format).await;
    }
    let mut passed = Passed { repositories: Vec::new() };
    for repository in deployment.repositories() {
        let result = deployment.propose(&repository.id, &writer("propose"), Timestamp::now()).await;
        let (done, error) = match result {
            Ok(report) => (report.sentences(), None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        passed.repositories.push(One { repository: repository.id.to_string(), done, error });
    }
    if format == Format::Json {
        json(&passed);
    } else {
        for one in &passed.repositories {
            match (&one.error, one.done.as_slice()) {
                (Some(error), _) => line(format!("{}: {} {error}", one.repository, styled(BAD, "error:"))),
                (None, []) => line(format!("{}: up to date", one.repository)),
                (None, done) => done.iter().for_each(|sentence| line(format!("{}: {sentence}", one.repository))),
            }
        }
    }
    let failed = passed.repositories.iter().any(|one| one.error.is_some());
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
