//! `tag2pr serve`: the functions behind one local listener.

use std::path::PathBuf;
use std::process::ExitCode;

use jiff::Timestamp;
use tag2pr_connect::Settings;

use crate::listener::{self, Happened};
use crate::output::{BAD, BOLD, CommandResult, DIM, During, GOOD, TITLE, line, note, styled};

/// Listen for deliveries and open pull requests.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration; by default $TAG2PR_CONFIG, ./tag2pr.yaml, or the object tag2pr.yaml in $TAG2PR_STORE.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Host and port, in place of `listen:` in the configuration; port 0 takes a free one.
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
}

pub async fn run(args: &Args) -> CommandResult {
    let settings = Settings::read(args.config.as_deref()).await.during("reading the configuration")?;
    let listen = args.listen.as_deref().unwrap_or(&settings.config.listen);
    let mut listener = listener::start(&settings, listen).await.during("starting")?;
    let base = format!("http://{}", listener.address);
    line(format!("{} {}", styled(TITLE, "tag2pr listens on"), styled(BOLD, &base)));
    for hook in listener::hooks(&settings) {
        line(format!("  point the sender at {base}{hook}"));
    }
    let mut stopped = std::pin::pin!(stop());
    loop {
        tokio::select! {
            () = &mut stopped => {
                note("stopped");
                return Ok(ExitCode::SUCCESS);
            }
            happened = listener.happened.recv() => match happened {
                Some(happened) => show(&happened),
                None => return Ok(ExitCode::FAILURE),
            },
        }
    }
}

async fn stop() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupted => {}
                _ = terminated.recv() => {}
            }
            return;
        }
    }
    let _ = interrupted.await;
}

/// One line of log for each thing that happened.
pub fn show(happened: &Happened) {
    let time = Timestamp::now().strftime("%H:%M:%S").to_string();
    let time = styled(DIM, time);
    let good = |text: &str| line(format!("{time} {} {text}", styled(GOOD, "·")));
    let bad = |text: &str| line(format!("{time} {} {text}", styled(BAD, "!")));
    match happened {
        Happened::Answered(answer) => match (&answer.outcome, answer.response.status().is_success()) {
            (Ok(_), true) => good(&answer.to_string()),
            _ => bad(&answer.to_string()),
        },
        Happened::Proposed(repository, Ok(report)) => {
            let sentences = report.sentences();
            if sentences.is_empty() {
                good(&format!("{repository}: up to date at {}", report.prepared.manifests.commit.short()));
            }
            sentences.iter().for_each(|sentence| good(&format!("{repository}: {sentence}")));
        }
        Happened::Proposed(repository, Err(error)) => {
            let next = if error.is_transient() { "it will be tried again" } else { "it needs you, and is tried again" };
            bad(&format!("{repository}: {error}; {next}"));
        }
        Happened::Swept(Ok(report)) => report.sentences().iter().for_each(|sentence| good(sentence)),
        Happened::Swept(Err(error)) => bad(&format!("sweep: {error}")),
    }
}
