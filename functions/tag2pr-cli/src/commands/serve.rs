//! `tag2pr serve`: the functions behind one local listener.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;
use tag2pr_connect::Settings;

use crate::listener;
use crate::log;
use crate::output::{BAD, BOLD, CommandResult, DIM, During, Failure, Format, TITLE, line, note, styled};
use crate::senders;
use crate::signals::{Reload, Stop};

/// Listen for deliveries and open pull requests.
#[derive(Debug, clap::Args)]
#[command(after_help = crate::help::SERVE)]
pub struct Args {
    /// The configuration; by default $TAG2PR_CONFIG, ./tag2pr.yaml, or the object tag2pr.yaml in $TAG2PR_STORE.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Where to listen, in place of `listen:` in the configuration; port 0 takes a free one.
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
}

pub async fn run(args: &Args, format: Format) -> CommandResult {
    let settings = Settings::read(args.config.as_deref()).await.during("reading the configuration")?;
    if settings.queue.is_some() {
        return Err(Failure::new(
            "TAG2PR_QUEUE_URL is set, and nothing here would see what is sent to that queue; unset it to use `serve`",
        ));
    }
    let mut stop = Stop::listen().during("listening for signals")?;
    let mut reload = Reload::listen().during("listening for signals")?;
    let listen = args.listen.as_deref().unwrap_or(&settings.config.listen);
    let mut listener = listener::start(&settings, listen).await.during("starting")?;
    match format {
        Format::Json => line(log::event("listening", json!({ "url": senders::base_at(listener.address) }))),
        Format::Text => banner(&settings, listener.address),
    }
    loop {
        tokio::select! {
            () = stop.wanted() => break,
            () = reload.wanted() => listener.renew(),
            Some(happened) = listener.happened.recv() => log::show(&happened, format),
            else => return Err(Failure::new("the listener stopped")),
        }
    }
    note(styled(DIM, "stopping as soon as what is under way has ended"));
    listener.stop(|happened| log::show(happened, format)).await;
    Ok(ExitCode::SUCCESS)
}

/// Where it listens, and for each source what to enter at its sender; secrets by reference.
fn banner(settings: &Settings, address: SocketAddr) {
    let base = senders::base_at(address);
    line(format!("{} {}", styled(TITLE, "tag2pr listens on"), styled(BOLD, &base)));
    let config = &settings.config;
    senders::print(config, &base);
    if let Some(token) = config.status.as_ref().and_then(|viewers| viewers.token.first()) {
        line("");
        line(format!("  {}  {}", styled(BOLD, "status"), styled(DIM, "how things stand, and /metrics for Prometheus")));
        line(format!("    {base}/status, with any user name and the value of {token} as the password"));
    }
    if config.sources.is_empty() {
        line(format!("  {} `sources:` is empty, so nobody can send anything", styled(BAD, "!")));
    }
    if config.repositories.is_empty() {
        line(format!("  {} `repositories:` is empty, so nothing can be proposed", styled(BAD, "!")));
    }
    line("");
}
