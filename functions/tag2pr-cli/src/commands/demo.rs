//! `tag2pr demo`: the whole way on this machine in seconds.
//!
//! Everything in it is real: the listener, the signature check, the store, Git, the pull request. Only the registry is
//! not there, so the deliveries are believed without asking it.

mod lab;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use tag2pr::endpoint::Answer;
use tag2pr::flow::propose::{Did, Report};
use tokio::time::timeout;

use crate::listener::{self, Happened, Listener};
use crate::log;
use crate::output::{
    BAD, BOLD, CommandResult, DIM, During, Failure, Format, GOOD, PLAIN, TITLE, beside, line, note, styled,
};
use crate::show;
use crate::signals::Stop;
use lab::{Lab, Recorded};

/// The whole way on this machine in seconds.
#[derive(Debug, clap::Args)]
#[command(after_help = crate::help::DEMO)]
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

pub async fn run(args: &Args, format: Format) -> CommandResult {
    let start = Instant::now();
    let mut stop = Stop::listen().during("listening for signals")?;
    let lab = Lab::build(args.keep.as_deref())?;
    let mut demo =
        Demo { listener: listener::start(&lab.settings()?, "127.0.0.1:0").await.during("starting")?, format };
    tokio::select! {
        () = stop.wanted() => return Err(Failure::new("stopped before the end")),
        done = demo.play(&lab) => done?,
    }
    note(styled(DIM, format!("\n{:.1} s from nothing to here.", start.elapsed().as_secs_f32())));
    if args.keep.is_some() && format == Format::Text {
        lab.what_is_there();
    }
    if args.serve {
        demo.say(|| to_play_with(&demo.base(), &lab));
        loop {
            tokio::select! {
                () = stop.wanted() => break,
                Some(happened) = demo.listener.happened.recv() => log::show(&happened, format),
                else => return Err(Failure::new("the listener stopped")),
            }
        }
    }
    demo.listener.stop(|happened| log::show(happened, format)).await;
    Ok(ExitCode::SUCCESS)
}

struct Demo {
    listener: Listener,
    format: Format,
}

impl Demo {
    /// The six steps. JSON has what happened, one line for each thing, as `serve` prints it.
    async fn play(&mut self, lab: &Lab) -> Result<(), Failure> {
        self.say(|| {
            heading(1, "A manifests repository, as people already have it");
            line(format!("  {}", lab.shown("fleet.git")));
            text("Deployments, a docker-compose file, Flux objects; the values that may change are marked:");
            beside("  ", DIM, lab::MARKED);
            heading(2, "The listener, with a directory as its store; it has heard of earlier pushes");
            text(&format!("{}/hooks/harbor", self.base()));
        });
        self.proposed().await?;
        let mut report = None;
        for delivery in &lab::BEFORE {
            report = Some(self.deliver(delivery).await?);
        }
        self.say(|| {
            line("");
            report.iter().for_each(|report| show::selections(&report.prepared));
            heading(3, "The registry says: an image was pushed");
        });
        let report = self.deliver(&lab::FRONTEND).await?;
        self.say(|| {
            propose(&report);
            heading(4, "Another image of the same application: the pull request is updated in place");
        });
        let report = self.deliver(&lab::BACKEND).await?;
        self.say(|| {
            propose(&report);
            heading(5, "The same delivery again: nothing happens");
        });
        let report = self.deliver(&lab::BACKEND).await?;
        self.say(|| {
            report.done.iter().for_each(|(_, did)| beside("  ", GOOD, &words(did)));
            heading(6, "A delivery with the wrong secret: nothing happens either");
        });
        self.post(&lab::FORGED).await
    }

    fn say(&self, words: impl FnOnce()) {
        if self.format == Format::Text {
            words();
        }
    }

    fn base(&self) -> String {
        format!("http://{}", self.listener.address)
    }

    /// Posts a delivery, and waits for what the worker makes of it.
    async fn deliver(&mut self, delivery: &Recorded) -> Result<Report, Failure> {
        self.post(delivery).await?;
        self.proposed().await
    }

    /// Posts a delivery, and shows the answer.
    async fn post(&mut self, delivery: &Recorded) -> Result<(), Failure> {
        self.say(|| delivery.announce());
        delivery.post(&self.base()).await?;
        loop {
            let happened = self.next().await?;
            if let Happened::Answered(answer) = &happened {
                self.say(|| answered(answer));
                return Ok(());
            }
        }
    }

    async fn proposed(&mut self) -> Result<Report, Failure> {
        loop {
            if let Happened::Proposed(_, _, result) = self.next().await? {
                return result.map(|report| *report).during("proposing");
            }
        }
    }

    async fn next(&mut self) -> Result<Happened, Failure> {
        let happened = match timeout(PATIENCE, self.listener.happened.recv()).await {
            Ok(Some(happened)) => happened,
            Ok(None) => return Err(Failure::new("the listener stopped")),
            Err(_) => return Err(Failure::new(format!("nothing happened for {} s", PATIENCE.as_secs()))),
        };
        if self.format == Format::Json {
            log::show(&happened, self.format);
        }
        Ok(happened)
    }
}

fn heading(number: u32, title: &str) {
    line("");
    beside(&format!("{} ", styled(TITLE, number)), BOLD, title);
}

fn text(text: &str) {
    beside("  ", PLAIN, text);
}

/// The status, and beside it what was made of the delivery.
fn answered(answer: &Answer) {
    let status = answer.response.status();
    let style = if status.is_success() { GOOD } else { BAD };
    let parts = match &answer.outcome {
        Ok(delivery) => {
            let reading = delivery.iter().map(|delivery| &delivery.reading);
            reading.flat_map(|reading| reading.recorded.iter().map(ToString::to_string)).collect()
        }
        Err(error) => vec![error.to_string()],
    };
    for (number, part) in parts.iter().enumerate() {
        let status = if number == 0 { styled(style, status.as_u16()) } else { "   ".to_owned() };
        beside(&format!("  {status}  "), PLAIN, part);
    }
}

/// Shows what a delivery led to: what was selected and why, the diff, the pull request.
fn propose(report: &Report) {
    line("");
    show::selections(&report.prepared);
    for proposal in &report.prepared.plan.proposals {
        line("");
        show::diff(&report.prepared, proposal);
        let state = report.done.iter().find(|(name, _)| *name == proposal.name).map(|(_, did)| words(did));
        show::pull_request(proposal, &state.unwrap_or_default());
    }
}

fn words(did: &Did) -> String {
    match did {
        Did::Opened(pull) => format!("pull request {} was opened", pull.number),
        Did::Updated(pull) => format!("pull request {} was updated", pull.number),
        Did::Unchanged(pull) => format!("pull request {} is up to date", pull.number),
        Did::Settled(_)
        | Did::Replaced(..)
        | Did::Pushed(..)
        | Did::Ready(_)
        | Did::Waits(_)
        | Did::Crowded(_)
        | Did::LeftAlone(_)
        | Did::Remarked(_) => did.to_string(),
    }
}

fn to_play_with(base: &str, lab: &Lab) {
    line("");
    line(styled(BOLD, "The listener stays until Ctrl-C. In another terminal:"));
    line(format!(
        "  curl -i {base}/hooks/harbor -H 'Authorization: {}' -H 'Content-Type: application/json' \\\n    --data @events/stories/2-frontend.json",
        lab::SECRET
    ));
    line(format!("  git -C {} log --oneline --all", lab.shown("fleet.git")));
    line("");
}
