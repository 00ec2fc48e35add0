//! A delivery comes in: its pushes become evidence, and the repositories that watch their images are poked.
//!
//! Its cost does not grow with the number of tags or policies: one small object for each push, one for the delivery,
//! one read of `watchers.json` for each image.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::issuers::Issuers;
use super::{Error, Watchers, ledgers};
use crate::config::Config;
use crate::delivery::{self, Action, Decoded, Event, Malformed, Request, Sender, Trusted};
use crate::image::{ImageName, Tag};
use crate::keys::Key;
use crate::ledger::{News, Push};
use crate::seams::{Objects, Poke, Pokes, RepositoryId, StoreError};
use crate::secret::Secret;
use crate::store::{self, Stored};

/// What `receive` needs of the world outside.
#[derive(Clone, Copy)]
pub struct Outside<'a> {
    /// Where evidence is kept.
    pub objects: &'a dyn Objects,
    /// Where pokes go.
    pub pokes: &'a dyn Pokes,
    /// Who issues identity tokens.
    pub issuers: &'a Issuers,
    /// How the deployment is made.
    pub config: &'a Config,
    /// Names this call in what it writes.
    pub writer: &'a str,
}

/// What is remembered of a delivery: enough to audit and to replay it, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// Sorts by time.
    pub id: String,
    /// The configured source it came by.
    pub source: String,
    /// What that source speaks.
    pub sender: Sender,
    /// By our clock.
    pub received_at: Timestamp,
    /// The headers that hold no secret.
    pub headers: BTreeMap<String, String>,
    /// The body, exactly.
    pub body: Body,
    /// What was made of it.
    pub reading: Reading,
}

impl Stored for Delivery {
    const FORMAT: u32 = 1;
}

/// The bytes of a delivery, readable where they are text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Body {
    /// UTF-8.
    Text(String),
    /// Anything else, in base64.
    Base64(String),
}

impl Body {
    fn new(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Base64(BASE64_STANDARD.encode(bytes)),
        }
    }

    /// The bytes that came in.
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.clone().into_bytes(),
            Self::Base64(text) => BASE64_STANDARD.decode(text).unwrap_or_default(),
        }
    }
}

/// What was made of a delivery.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Reading {
    /// What was written to the ledgers.
    pub recorded: Vec<Recorded>,
    /// What was not, and why.
    pub ignored: Vec<String>,
    /// Why it could not be read at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub malformed: Option<String>,
    /// The repositories that were poked.
    pub poked: BTreeSet<RepositoryId>,
}

/// One push or deletion, as it was written to a ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Recorded {
    /// `push` or `delete`.
    pub action: Action,
    /// The image.
    pub image: ImageName,
    /// The tag, if one was named.
    pub tag: Option<Tag>,
    /// Whether this very event was known already.
    pub repeated: bool,
    /// Whether any repository has a policy on the image.
    pub watched: bool,
}

/// Checks that a request comes from the configured source of this name.
///
/// # Errors
///
/// [`Error::Refused`] if it is not authentic, [`Error::UnknownSource`] if nothing of that name is configured,
/// [`Error::Issuer`] if the keys to check an identity token with could not be read.
pub async fn believe<'a>(
    outside: Outside<'_>,
    source: &str,
    secrets: &[Secret],
    request: &Request<'a>,
    now: Timestamp,
) -> Result<Trusted<'a>, Error> {
    let source = outside.config.sources.get(source).ok_or(Error::UnknownSource)?;
    Ok(match (source.sender, &source.oidc) {
        (None, _) => delivery::authenticate_any(request, secrets)?,
        (Some(sender), None) => delivery::authenticate(sender, request, secrets)?,
        (Some(sender), Some(oidc)) => {
            let key = delivery::key_id(request)?;
            let keys = outside.issuers.keys(&oidc.keys, &key, now).await?;
            delivery::identify(sender, request, &keys, &oidc.expected, now)?
        }
    })
}

impl Delivery {
    /// A delivery that came in just now and is not read yet.
    pub fn new(source: &str, trusted: &Trusted<'_>, now: Timestamp) -> Self {
        Self {
            id: delivery_id(source, trusted.body(), now),
            source: source.to_owned(),
            sender: trusted.sender(),
            received_at: now,
            headers: headers_read(trusted),
            body: Body::new(trusted.body()),
            reading: Reading::default(),
        }
    }
}

impl Reading {
    /// One word for it, for those who count.
    pub fn word(&self) -> &'static str {
        match self.recorded.iter().map(|recorded| recorded.repeated).min() {
            _ if self.malformed.is_some() => "malformed",
            None => "ignored",
            Some(true) => "repeated",
            Some(false) => "recorded",
        }
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<String> = self.recorded.iter().map(ToString::to_string).collect();
        match self.ignored.as_slice() {
            [] => {}
            [one] => parts.push(format!("ignored: {one}")),
            several => parts.push(format!("ignored {}: {}", several.len(), several.join("; "))),
        }
        parts.extend(self.malformed.clone());
        f.write_str(&if parts.is_empty() { "nothing in it".to_owned() } else { parts.join(", ") })
    }
}

impl fmt::Display for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.action {
            Action::Push => "recorded push of ",
            Action::Delete => "recorded deletion of ",
        })?;
        write!(f, "{}", self.image)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match (self.repeated, self.watched) {
            (true, _) => f.write_str(" (known already)"),
            (false, false) => f.write_str(" (of no interest: no repository is known to follow it)"),
            (false, true) => Ok(()),
        }
    }
}

/// Takes a delivery that somebody has vouched for: [`believe`] by its signature, `replay` by asking for it.
///
/// # Errors
///
/// [`Error::Malformed`] if it cannot be read: it is stored all the same. [`Error::Store`] if it could not be made
/// durable: the sender should come again.
pub async fn record(
    outside: Outside<'_>,
    source: &str,
    trusted: &Trusted<'_>,
    now: Timestamp,
) -> Result<Delivery, Error> {
    let mut delivery = Delivery::new(source, trusted, now);
    match read(outside.config, source, trusted) {
        Ok(decoded) => {
            delivery.reading = write(outside, &delivery, decoded).await?;
            keep(outside, &delivery).await?;
            for repository in &delivery.reading.poked {
                let poke = Poke { repository: repository.clone(), cause: delivery.id.clone() };
                outside.pokes.send(&poke).await?;
            }
            Ok(delivery)
        }
        Err(malformed) => {
            delivery.reading.malformed = Some(malformed.to_string());
            keep(outside, &delivery).await?;
            Err(malformed.into())
        }
    }
}

/// What a delivery says, by the fields that are configured for its source if there are any.
///
/// # Errors
///
/// When it cannot be read.
pub fn read(config: &Config, source: &str, trusted: &Trusted<'_>) -> Result<Decoded, Malformed> {
    match config.sources.get(source) {
        Some(source) => delivery::decode(&trusted.reading(&source.fields)),
        None => delivery::decode(trusted),
    }
}

async fn keep(outside: Outside<'_>, delivery: &Delivery) -> Result<(), StoreError> {
    let key = Key::delivery(delivery.received_at, &delivery.id);
    store::create(outside.objects, &key, outside.writer, delivery).await.map(|_| ())
}

/// What a delivery is evidence of, and what of it is none.
#[derive(Debug, Default)]
pub struct Evidence {
    /// What goes to the ledgers.
    pub news: Vec<(ImageName, News)>,
    /// What does not, and why.
    pub ignored: Vec<String>,
}

/// What a decoded delivery is evidence of, under the names that the configuration gives to registries.
pub fn evidence(config: &Config, delivery: &Delivery, decoded: Decoded) -> Evidence {
    let mut evidence = Evidence {
        ignored: decoded.ignored.into_iter().map(|ignored| ignored.reason).collect(),
        ..Evidence::default()
    };
    for event in decoded.events {
        match image(config, &delivery.source, &event) {
            Ok(image) => evidence.news.extend(news(event, delivery).map(|news| (image, news))),
            Err(reason) => evidence.ignored.push(reason),
        }
    }
    evidence
}

/// Writes what a delivery says to the ledgers of the images it names.
async fn write(outside: Outside<'_>, delivery: &Delivery, decoded: Decoded) -> Result<Reading, StoreError> {
    let Evidence { news, ignored } = evidence(outside.config, delivery, decoded);
    let mut reading = Reading { ignored, ..Reading::default() };
    let mut watchers: BTreeMap<ImageName, BTreeSet<RepositoryId>> = BTreeMap::new();
    for (image, news) in news {
        let new = ledgers::record(outside.objects, &image, &news, outside.writer).await?;
        if !watchers.contains_key(&image) {
            let loaded = store::load::<Watchers>(outside.objects, &Key::watchers(&image)).await?;
            watchers.insert(image.clone(), loaded.map(|loaded| loaded.value.repositories).unwrap_or_default());
        }
        let watching = &watchers[&image];
        reading.poked.extend(watching.iter().cloned());
        let (action, tag) = match news {
            News::Pushed(push) => (Action::Push, Some(push.tag)),
            News::Deleted { tag, .. } => (Action::Delete, tag),
            News::Listed { .. }
            | News::Gone { .. }
            | News::Confirmed { .. }
            | News::Holds { .. }
            | News::Built { .. } => continue,
        };
        reading.recorded.push(Recorded { action, image, tag, repeated: !new, watched: !watching.is_empty() });
    }
    Ok(reading)
}

/// The image that an event is about: the source's registry, else the one that the body names, by its configured name.
fn image(config: &Config, source: &str, event: &Event) -> Result<ImageName, String> {
    let configured = config.sources.get(source).and_then(|source| source.registry.as_deref());
    let registry = configured.or(event.registry.as_deref()).ok_or_else(|| {
        format!("`{}` names no registry: set `registry:` for the source `{source}`", event.repository.escape_debug())
    })?;
    ImageName::new(&config.registry_named(registry), &event.repository).map_err(|error| error.to_string())
}

fn news(event: Event, delivery: &Delivery) -> Option<News> {
    let received_at = delivery.received_at;
    let pushed_at = event.pushed_at.map(|at| at.min(received_at));
    match event.action {
        Action::Push => Some(News::Pushed(Push {
            tag: event.tag?,
            digest: event.digest,
            pushed_at,
            received_at,
            delivery: delivery.id.clone(),
            event: event.id,
            source: delivery.source.clone(),
            actor: event.actor,
        })),
        Action::Delete => Some(News::Deleted {
            tag: event.tag,
            digest: event.digest,
            at: pushed_at.unwrap_or(received_at),
            delivery: delivery.id.clone(),
        }),
    }
}

/// Sorts by time, and names what came in: milliseconds since 1970 and a hash, both in hexadecimal digits.
pub(crate) fn delivery_id(source: &str, body: &[u8], now: Timestamp) -> String {
    let mut content = format!("{source}\n").into_bytes();
    content.extend_from_slice(body);
    let hash: String = digest(&SHA256, &content).as_ref()[..6].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{:012x}-{hash}", now.as_millisecond())
}

/// The headers that decoding reads: none of them holds a secret, and a replay needs no other.
fn headers_read(trusted: &Trusted<'_>) -> BTreeMap<String, String> {
    delivery::HEADERS_READ
        .iter()
        .filter_map(|name| Some((name.as_str().to_owned(), trusted.headers().get(name)?.to_str().ok()?.to_owned())))
        .collect()
}
