//! `tag2pr demo`: the whole way on this machine in seconds.
//!
//! Everything in it is real: the listener, the signature check, the store, Git, the pull request. Only the registry is
//! not there, so the deliveries are believed without asking it.

mod lab;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use tag2pr::flow::propose::{Did, Report};
use tag2pr_connect::Settings;
use tokio::time::timeout;

use crate::listener::{self, Happened, Listener};
use crate::output::{BOLD, CommandResult, DIM, During, Failure, GOOD, TITLE, line, note, styled};
use crate::show;
use lab::Lab;

/// The whole way on this machine in seconds.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Leave everything in this folder: the repository, the store, the configuration.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,

    /// Keep the listener up afterwards, to play with; Ctrl-C ends it.
    #[arg(long)]
    serve: bool,
}

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

pub async fn run(args: &Args) -> CommandResult {
    let start = Instant::now();
    let lab = Lab::build(args.keep.as_deref())?;
    heading(1, "A manifests repository, as people already have it");
    text(&format!("{} on branch main: Deployments, a docker-compose file, Flux objects", lab.shown("fleet.git")));
    for marked in lab::MARKED {
        text(&styled(DIM, marked));
    }

    let settings = Settings::read(Some(&lab.config())).await.during("reading the configuration")?;
    let mut listener = listener::start(&settings, "127.0.0.1:0").await.during("starting")?;
    let base = format!("http://{}", listener.address);
    heading(2, "The listener, with a directory as its store; it has heard of earlier pushes");
    text(&format!("{base}/hooks/harbor"));
    proposed(&mut listener).await?;
    let mut report = None;
    for delivery in &lab::BEFORE {
        lab::post(&base, delivery).await?;
        report = Some(after_delivery(&mut listener).await?);
    }
    line("");
    report.iter().for_each(|report| show::selections(&report.prepared));

    heading(3, "The registry says: an image was pushed");
    lab::post(&base, &lab::FRONTEND).await?;
    let report = after_delivery(&mut listener).await?;
    propose(&report);

    heading(4, "Another image of the same application: the pull request is updated in place");
    lab::post(&base, &lab::BACKEND).await?;
    let report = after_delivery(&mut listener).await?;
    propose(&report);

    heading(5, "The same delivery again: nothing happens");
    lab::post(&base, &lab::BACKEND).await?;
    let report = after_delivery(&mut listener).await?;
    for (_, did) in &report.done {
        text(&styled(GOOD, did));
    }

    heading(6, "A delivery with the wrong secret: nothing happens either");
    lab::post(&base, &lab::FORGED).await?;
    answered(&mut listener).await?;

    line("");
    note(styled(DIM, format!("{:.1} s from nothing to here.", start.elapsed().as_secs_f32())));
    if args.keep.is_some() {
        lab.what_is_there();
    }
    if args.serve {
        play(&base, &lab);
        return keep_serving(listener).await;
    }
    Ok(ExitCode::SUCCESS)
}

fn heading(number: u32, title: &str) {
    line("");
    line(format!("{} {}", styled(TITLE, number), styled(BOLD, title)));
}

fn text(text: &str) {
    line(format!("  {text}"));
}

/// Shows what a delivery led to: what was selected and why, the diff, the pull request.
fn propose(report: &Report) {
    line("");
    show::selections(&report.prepared);
    for proposal in &report.prepared.plan.proposals {
        line("");
        show::diff(&report.prepared, proposal);
        let state = report.done.iter().find(|(name, _)| *name == proposal.name).map(|(_, did)| match did {
            Did::Opened(pull) => format!("pull request {} was opened", pull.number),
            Did::Updated(pull) => format!("pull request {} was updated", pull.number),
            other => other.to_string(),
        });
        show::pull_request(proposal, &state.unwrap_or_default());
    }
}

/// Waits for the answer to a delivery and for what the worker makes of it.
async fn after_delivery(listener: &mut Listener) -> Result<Report, Failure> {
    answered(listener).await?;
    proposed(listener).await
}

async fn answered(listener: &mut Listener) -> Result<(), Failure> {
    loop {
        if let Happened::Answered(answer) = next(listener).await? {
            text(&format!("{} {answer}", styled(DIM, "answered")));
            return Ok(());
        }
    }
}

async fn proposed(listener: &mut Listener) -> Result<Report, Failure> {
    loop {
        if let Happened::Proposed(_, result) = next(listener).await? {
            return result.during("proposing");
        }
    }
}

async fn next(listener: &mut Listener) -> Result<Happened, Failure> {
    match timeout(PATIENCE, listener.happened.recv()).await {
        Ok(Some(happened)) => Ok(happened),
        Ok(None) => Err(Failure::new("the listener stopped")),
        Err(_) => Err(Failure::new(format!("nothing happened for {} s", PATIENCE.as_secs()))),
    }
}

fn play(base: &str, lab: &Lab) {
    line("");
    line(styled(BOLD, "The listener stays. In another terminal:"));
    line(format!(
        "  curl -i {base}/hooks/harbor -H 'Authorization: {}' -H 'Content-Type: application/json' --data @BODY",
        lab::SECRET
    ));
    line(format!("  git -C {} log --oneline --all", lab.shown("fleet.git")));
}

async fn keep_serving(mut listener: Listener) -> CommandResult {
    loop {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => return Ok(ExitCode::SUCCESS),
            happened = listener.happened.recv() => match happened {
                Some(happened) => super::serve::show(&happened),
                None => return Ok(ExitCode::FAILURE),
            },
        }
    }
}
