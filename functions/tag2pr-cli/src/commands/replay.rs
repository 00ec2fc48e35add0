//! `tag2pr replay`: recorded deliveries through the real pipeline once more.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use serde_json::json;
use tag2pr::config::Config;
use tag2pr::delivery::{self, Request, Sender};
use tag2pr::flow::receive::{self, Delivery};
use tag2pr::image::ImageName;
use tag2pr::keys::Key;
use tag2pr::ledger::News;
use tag2pr::seams::Objects;
use tag2pr::store;
use tag2pr_connect::{Deployment, Receiver, Settings};

use super::decode::read_headers;
use crate::inbox::writer;
use crate::output::{CommandResult, DIM, During, Failure, Format, PLAIN, beside, json, line, styled, visible};
use crate::show::{self, Passed};

/// Send recorded deliveries through the real pipeline once more.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A body in a file, its headers beside it in `<name>.headers`; or the id of a delivery in the store.
    #[arg(required = true, value_name = "DELIVERY")]
    deliveries: Vec<String>,

    /// The configuration; by default $TAG2PR_CONFIG, ./tag2pr.yaml, or the object tag2pr.yaml in $TAG2PR_STORE.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// The source in the configuration that the delivery counts as; by default the one of its type.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,

    /// Show the diff and the pull request, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

/// A delivery that is to be replayed.
struct Recorded {
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
    let receiver = Receiver::connect(&settings).during("connecting")?;
    let deployment = Deployment::connect(&settings).during("connecting")?;
    let mut recorded = Vec::new();
    for delivery in &args.deliveries {
        recorded.push(find(&*settings.objects, &settings.config, delivery, args.source.as_deref()).await?);
    }
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
    let keys = objects.list(&Key::deliveries()).await.during("looking for the delivery in the store")?;
    let key = keys
        .iter()
        .find(|key| key.stem() == delivery)
        .ok_or_else(|| Failure::new(format!("`{delivery}` is neither a file nor the id of a delivery in the store")))?;
    let loaded = store::load::<Delivery>(objects, key).await.during(format!("reading {key}"))?;
    let stored = loaded.ok_or_else(|| Failure::new(format!("{key} is gone")))?.value;
    let mut headers = HeaderMap::new();
    for (name, value) in &stored.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
            headers.append(name, value);
        }
    }
    Ok(Recorded {
        name: delivery.to_owned(),
        headers,
        body: stored.body.bytes(),
        sender: stored.sender,
        source: stored.source,
        at: stored.received_at,
    })
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
