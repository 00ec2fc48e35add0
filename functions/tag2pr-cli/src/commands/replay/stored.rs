//! Deliveries in the store, by date and image.

use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tag2pr::flow::receive::Delivery;
use tag2pr::image::ImageName;
use tag2pr::keys::Key;
use tag2pr::seams::Objects;
use tag2pr::store;

use super::Recorded;
use crate::output::{During, Failure};

/// Which ones.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Which {
    /// Also every delivery in the store since then: `2026-02-01`, or `2026-02-01T12:00:00Z`.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub since: Option<Timestamp>,

    /// Of those in the store, only what names this image: `ghcr.io/acme/web`.
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<ImageName>,
}

fn time(text: &str) -> Result<Timestamp, String> {
    let date = |date: Date| date.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp());
    let said = |_| format!("`{text}` is no time: write `2026-02-01` or `2026-02-01T12:00:00Z`");
    text.parse::<Timestamp>().or_else(|_| text.parse::<Date>().and_then(date)).map_err(said)
}

/// All that fit, in the order in which they came in.
pub async fn find(objects: &dyn Objects, which: &Which) -> Result<Vec<Recorded>, Failure> {
    let since = which.since.unwrap_or(Timestamp::UNIX_EPOCH);
    // Keys sort by day; the day itself is looked through.
    let first = Key::delivery(since, "");
    let first = first.as_str().rsplit_once('/').map_or("", |(day, _)| day);
    let keys = objects.list(&Key::deliveries()).await.during("listing the deliveries in the store")?;
    let mut found = Vec::new();
    for key in keys.iter().filter(|key| key.as_str() >= first) {
        let Some(stored) = load(objects, key).await? else { continue };
        let names = |image: &ImageName| stored.reading.recorded.iter().any(|recorded| recorded.image == *image);
        if stored.received_at >= since && which.image.as_ref().is_none_or(names) {
            found.push(stored);
        }
    }
    found.sort_by(|a, b| (a.received_at, &a.id).cmp(&(b.received_at, &b.id)));
    Ok(found.into_iter().map(recorded).collect())
}

/// The one of this id.
pub async fn one(objects: &dyn Objects, id: &str) -> Result<Recorded, Failure> {
    let keys = objects.list(&Key::deliveries()).await.during("looking for the delivery in the store")?;
    let key = keys
        .iter()
        .find(|key| key.stem() == id)
        .ok_or_else(|| Failure::new(format!("`{id}` is neither a file nor the id of a delivery in the store")))?;
    let stored = load(objects, key).await?.ok_or_else(|| Failure::new(format!("{key} is gone")))?;
    Ok(recorded(stored))
}

async fn load(objects: &dyn Objects, key: &Key) -> Result<Option<Delivery>, Failure> {
    let loaded = store::load::<Delivery>(objects, key).await.during(format!("reading {key}"))?;
    Ok(loaded.map(|loaded| loaded.value))
}

fn recorded(stored: Delivery) -> Recorded {
    let mut headers = HeaderMap::new();
    for (name, value) in &stored.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
            headers.append(name, value);
        }
    }
    Recorded {
        name: stored.id,
        headers,
        body: stored.body.bytes(),
        sender: stored.sender,
        source: stored.source,
        at: stored.received_at,
    }
}
