//! `tag2pr replay`: recorded deliveries through the real pipeline once more.

mod hindsight;
mod stored;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use http::HeaderMap;
use jiff::Timestamp;
use serde_json::json;
use tag2pr::config::Config;
use tag2pr::delivery::{self, Request, Sender};
use tag2pr::flow::receive::{self, Delivery};
use tag2pr::image::ImageName;
use tag2pr::ledger::News;
use tag2pr::seams::Objects;
use tag2pr_connect::{Deployment, Receiver, Settings};

use self::stored::Which;
use super::decode::read_headers;
use crate::inbox::writer;
use crate::output::{CommandResult, DIM, During, Failure, Format, PLAIN, beside, json, line, styled, visible};
use crate::show::{self, Passed};

/// Send recorded deliveries through the real pipeline once more.
#[derive(Debug, clap::Args)]
#[command(after_help = crate::help::REPLAY)]
pub struct Args {
    /// A body in a file, its headers beside it in `<name>.headers`; or the id of a delivery in the store.
    #[arg(required_unless_present_any = ["since", "image"], value_name = "DELIVERY")]
    deliveries: Vec<String>,

    #[command(flatten)]
    which: Which,

    /// The configuration; by default $TAG2PR_CONFIG, ./tag2pr.yaml, or the object tag2pr.yaml in $TAG2PR_STORE.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// The source in the configuration that the delivery counts as; by default the one of its type.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,

    /// Show the diff and the pull request, and do nothing.
    #[arg(long)]
    dry_run: bool,

    /// Show what the policies in this file would have selected, and when, and do nothing. Nothing but these deliveries
    /// counts: no minimum age, no hold, no registry.
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    policy: Option<PathBuf>,
}

/// A delivery that is to be replayed.
pub struct Recorded {
    /// As it was named.
    name: String,
    headers: HeaderMap,
    body: Vec<u8>,
    sender: Sender,
    source: String,
    /// A recorded delivery counts from when it came in, a file from now.
    at: Timestamp,
}

pub async fn run(args: &Args, format: Format) -> CommandResult {
    let settings = Settings::read(args.config.as_deref()).await.during("reading the configuration")?;
    let mut recorded = Vec::new();
    for delivery in &args.deliveries {
        recorded.push(find(&*settings.objects, &settings.config, delivery, args.source.as_deref()).await?);
    }
    if args.which.since.is_some() || args.which.image.is_some() {
        recorded.extend(stored::find(&*settings.objects, &args.which).await?);
    }
    if let Some(policy) = &args.policy {
        let mut replayed = Vec::new();
        // What could not be read when it came in says nothing now.
        let quiet = recorded.iter().filter_map(|one| evidence(&settings.config, one, Format::Json).ok());
        quiet.for_each(|news| replayed.extend(news));
        return hindsight::show(policy, args.which.image.as_ref(), &replayed, format);
    }
    let receiver = Receiver::connect(&settings).await.during("connecting")?;
    let deployment = Deployment::connect(&settings).await.during("connecting")?;
    if args.dry_run {
        let mut replayed = Vec::new();
        for one in &recorded {
            replayed.extend(evidence(&settings.config, one, format)?);
        }
        return show::dry_run(&deployment, &replayed, format).await;
    }
    let mut deliveries = Vec::new();
    for one in &recorded {
        let writer = writer("replay");
        let request = one.request();
        let trusted = delivery::unchecked(one.sender, &request);
        let recording = receive::record(receiver.outside(&writer), &one.source, &trusted, one.at);
        let delivery = recording.await.during(format!("recording {}", one.name))?;
        if format == Format::Text {
            line(visible(format!("{}: {}", delivery.id, delivery.reading)));
        }
        deliveries.push(json!({ "delivery": delivery.id, "reading": delivery.reading }));
    }
    let passed = show::pass(&deployment).await;
    match format {
        Format::Json => json(&json!({ "deliveries": deliveries, "repositories": passed })),
        Format::Text => passed.iter().for_each(Passed::print),
    }
    Ok(if passed.iter().any(Passed::failed) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

impl Recorded {
    fn request(&self) -> Request<'_> {
        Request { headers: &self.headers, path_secret: None, body: &self.body }
    }
}

/// What a delivery is evidence of, without writing it anywhere.
fn evidence(config: &Config, one: &Recorded, format: Format) -> Result<Vec<(ImageName, News)>, Failure> {
    let request = one.request();
    let trusted = delivery::unchecked(one.sender, &request);
    let decoded = receive::read(config, &one.source, &trusted).during(format!("reading {}", one.name))?;
    let delivery = Delivery::new(&one.source, &trusted, one.at);
    let evidence = receive::evidence(config, &delivery, decoded);
    if format == Format::Text {
        evidence.ignored.iter().for_each(|reason| beside(&format!("{} ", styled(DIM, "ignored")), PLAIN, reason));
    }
    Ok(evidence.news)
}

async fn find(
    objects: &dyn Objects,
    config: &Config,
    delivery: &str,
    source: Option<&str>,
) -> Result<Recorded, Failure> {
    if Path::new(delivery).is_file() {
        return from_file(config, Path::new(delivery), source);
    }
    stored::one(objects, delivery).await
}

fn from_file(config: &Config, file: &Path, source: Option<&str>) -> Result<Recorded, Failure> {
    let body = fs::read(file).during(format!("reading {}", file.display()))?;
    let beside = file.with_extension("headers");
    let headers = if beside.is_file() { read_headers(&beside)? } else { HeaderMap::new() };
    let source = match source {
        Some(name) => name.to_owned(),
        None => {
            let sender = delivery::recognise(&headers, &body).ok_or_else(|| {
                Failure::new(format!("{}: neither headers nor body tell who sent this: use --source", file.display()))
            })?;
            let mut of_this_type = config.sources.iter().filter(|(_, source)| source.sender == Some(sender));
            match (of_this_type.next(), of_this_type.next()) {
                (Some((name, _)), None) => name.clone(),
                (None, _) => return Err(Failure::new(format!("no source of the type {sender} is configured"))),
                _ => return Err(Failure::new(format!("several sources are of the type {sender}: use --source"))),
            }
        }
    };
    let configured =
        config.sources.get(&source).ok_or_else(|| Failure::new(format!("no source `{source}` is configured")))?;
    let sender = configured
        .sender
        .or_else(|| delivery::recognise(&headers, &body))
        .ok_or_else(|| Failure::new(format!("{}: neither headers nor body tell who sent this", file.display())))?;
    Ok(Recorded { name: file.display().to_string(), headers, body, sender, source, at: Timestamp::now() })
}
