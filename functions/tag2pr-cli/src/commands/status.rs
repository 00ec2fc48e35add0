//! `tag2pr status`: how things stand.

mod screen;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use jiff::Timestamp;
use tag2pr::flow::status;
use tag2pr::seams::StoreError;
use tag2pr::status::Status;
use tag2pr_connect::Settings;
use tokio::time::sleep;

use crate::inbox::writer;
use crate::output::{CommandResult, During, Format, is_terminal, json, line, note, raw, width};
use crate::readonly::ReadOnly;

/// Say how things stand: from what the store remembers, and nothing else is asked.
#[derive(Debug, clap::Args)]
#[command(after_help = crate::help::STATUS)]
pub struct Args {
    /// Say it again whenever it has changed.
    #[arg(long)]
    watch: bool,

    /// The configuration; by default $TAG2PR_CONFIG, ./tag2pr.yaml, or the object tag2pr.yaml in $TAG2PR_STORE.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// From one look at the store to the next.
const LOOK: Duration = Duration::from_secs(2);

/// The beginning of an empty screen.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J\u{1b}[3J";

pub async fn run(args: &Args, format: Format) -> CommandResult {
    let settings = Settings::read(args.config.as_deref()).await.during("reading the configuration")?;
    if !args.watch {
        let status = read(&settings).await.during("reading the store")?;
        match format {
            Format::Json => json(&status),
            Format::Text => screen::lines(&status, width()).iter().for_each(line),
        }
        let blocked = status.troubles.iter().any(|trouble| trouble.blocks);
        return Ok(if blocked { ExitCode::FAILURE } else { ExitCode::SUCCESS });
    }
    let mut last: Option<Status> = None;
    loop {
        match read(&settings).await {
            Ok(status) => {
                // Times go on by themselves: on a terminal they are drawn anew, in a file that is no news.
                let same = last.as_ref().is_some_and(|last| Status { at: status.at, ..last.clone() } == status);
                match format {
                    Format::Json if !same => line(serde_json::json!(status)),
                    Format::Text if is_terminal() => {
                        raw(CLEAR);
                        screen::lines(&status, width()).iter().for_each(line);
                    }
                    Format::Text if !same => {
                        screen::lines(&status, width()).iter().for_each(line);
                        line("");
                    }
                    Format::Json | Format::Text => {}
                }
                last = Some(status);
            }
            Err(error) => note(format!("reading the store: {error}; it is tried again")),
        }
        sleep(LOOK).await;
    }
}

async fn read(settings: &Settings) -> Result<Status, StoreError> {
    let (objects, now) = (ReadOnly(&*settings.objects), Timestamp::now());
    let repositories = settings.repository_ids();
    let remembered =
        status::read(&objects, &settings.config, &repositories, BTreeMap::new(), &writer("status"), now).await?;
    Ok(Status::of(&remembered, now))
}
