//! The pages of a tag list, until the last one or an error.

use std::collections::{BTreeSet, HashSet};

use reqwest::StatusCode;
use serde::{Deserialize, Deserializer};
use tag2pr::image::{ImageName, Tag};
use tag2pr::seams::{Page, RegistryError};
use url::Url;

use crate::auth::Memory;
use crate::host::Host;
use crate::link;
use crate::settings::Limits;

/// The body of a page. An absent list is no page; `null` is an empty one, as Distribution 2 writes it.
#[derive(Deserialize)]
struct List {
    #[serde(deserialize_with = "list_or_null")]
    tags: Vec<String>,
}

fn list_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// All tags of an image, in byte order.
pub(crate) async fn tags(
    memory: &Memory,
    host: &Host,
    image: &ImageName,
    limits: &Limits,
) -> Result<Vec<Tag>, RegistryError> {
    tokio::time::timeout(limits.listing, pages(memory, host, image, limits)).await.unwrap_or_else(|_| {
        Err(host.unavailable(format!("its tag list was not complete after {} seconds", limits.listing.as_secs())))
    })
}

async fn pages(memory: &Memory, host: &Host, image: &ImageName, limits: &Limits) -> Result<Vec<Tag>, RegistryError> {
    let mut url = first(host, image)?;
    let mut seen = HashSet::new();
    let mut found = BTreeSet::new();
    let mut left = limits.bytes;
    loop {
        seen.insert(url.clone());
        let Some((tags, next)) = read(memory, host, image, &url, &mut left).await? else {
            if seen.len() == 1 {
                return Ok(Vec::new());
            }
            return Err(missing(host));
        };
        found.extend(tags);
        let Some(next) = next else { return Ok(found.into_iter().collect()) };
        url = next;
        if seen.contains(&url) {
            return Err(host.unavailable(format!("its tag list goes round in circles after {} tags", found.len())));
        }
        if seen.len() >= limits.pages {
            return Err(host.unavailable(format!("its tag list has no end: {} pages were read", limits.pages)));
        }
    }
}

/// One page: the first, or the one at a place that an earlier one named.
pub(crate) async fn page(
    memory: &Memory,
    host: &Host,
    image: &ImageName,
    from: Option<&str>,
    limits: &Limits,
) -> Result<Page, RegistryError> {
    let mut url = first(host, image)?;
    if let Some(from) = from {
        // Path and query alone: what was remembered cannot lead to another host either.
        let (path, query) = from.split_once('?').map_or((from, None), |(path, query)| (path, Some(query)));
        url.set_path(path);
        url.set_query(query);
    }
    match read(memory, host, image, &url, &mut limits.bytes.clone()).await? {
        Some((_, Some(next))) if next == url => Err(host.unavailable("its tag list goes round in circles")),
        Some((tags, next)) => Ok(Page { tags, next: next.map(|next| next[url::Position::BeforePath..].to_owned()) }),
        None if from.is_none() => Ok(Page { tags: Vec::new(), next: None }),
        None => Err(missing(host)),
    }
}

fn first(host: &Host, image: &ImageName) -> Result<Url, RegistryError> {
    host.url(image.repository(), "tags/list?n=1000")
}

fn missing(host: &Host) -> RegistryError {
    host.unavailable("a page of its tag list is missing (404)")
}

/// The tags at an address, and where the next page is; `None` if the registry knows no such thing.
async fn read(
    memory: &Memory,
    host: &Host,
    image: &ImageName,
    url: &Url,
    left: &mut usize,
) -> Result<Option<(Vec<Tag>, Option<Url>)>, RegistryError> {
    let response = memory.send(host, image, || host.http.get(url.clone())).await?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND => return host.unknown(response).await.map(|()| None),
        _ => return Err(host.denied(image, response).await),
    }
    let next = link::next(response.headers());
    let body = host.body(response, *left).await?;
    *left -= body.len();
    let list: List = serde_json::from_slice(&body).map_err(|_| host.unavailable("its tag list can't be read"))?;
    // What is no tag can't have been pushed by any client, and can't be deployed.
    let tags = list.tags.iter().filter_map(|name| name.parse::<Tag>().ok()).collect();
    Ok(Some((tags, next.map(|next| follow(host, url, &next)).transpose()?)))
}

/// The next page, at the address that we know the registry by: a link never leads anywhere else.
fn follow(host: &Host, url: &Url, next: &str) -> Result<Url, RegistryError> {
    let target = url.join(next).map_err(|error| {
        host.unavailable(format!("the link to the next page of its tag list can't be read: {error}"))
    })?;
    if !host.is_at(&target) {
        return Err(host.refused(format!(
            "its tag list continues at {}, which is another host: if it is the same registry, add it to the `aliases` \
             of {} under `registries`",
            target.host_str().unwrap_or("an address without a host"),
            host.name
        )));
    }
    let mut here = url.clone();
    here.set_path(target.path());
    here.set_query(target.query());
    Ok(here)
}
