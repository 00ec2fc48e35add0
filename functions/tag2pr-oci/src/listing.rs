//! The pages of a tag list, until the last one or an error.

use std::collections::{BTreeSet, HashSet};

use reqwest::StatusCode;
use serde::{Deserialize, Deserializer};
use tag2pr::image::{ImageName, Tag};
use tag2pr::seams::RegistryError;
use url::Url;

use crate::auth::Memory;
use crate::host::Host;
use crate::link;
use crate::settings::Limits;

/// One page. An absent list is no page; `null` is an empty one, as Distribution 2 writes it.
#[derive(Deserialize)]
struct Page {
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
    let mut url = host.url(image.repository(), "tags/list?n=1000")?;
    let mut seen = HashSet::new();
    let mut found = BTreeSet::new();
    let mut left = limits.bytes;
    loop {
        seen.insert(url.clone());
        let response = memory.send(host, image, || host.http.get(url.clone())).await?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND if seen.len() == 1 => return host.unknown(response).await.map(|()| Vec::new()),
            StatusCode::NOT_FOUND => return Err(host.unavailable("a page of its tag list is missing (404)")),
            _ => return Err(host.denied(image, response).await),
        }
        let next = link::next(response.headers());
        let body = host.body(response, left).await?;
        left -= body.len();
        let page: Page = serde_json::from_slice(&body).map_err(|_| host.unavailable("its tag list can't be read"))?;
        // What is no tag can't have been pushed by any client, and can't be deployed.
        found.extend(page.tags.iter().filter_map(|name| name.parse::<Tag>().ok()));

        let Some(next) = next else { return Ok(found.into_iter().collect()) };
        url = follow(host, &url, &next)?;
        if seen.contains(&url) {
            return Err(host.unavailable(format!("its tag list goes round in circles after {} tags", found.len())));
        }
        if seen.len() >= limits.pages {
            return Err(host.unavailable(format!("its tag list has no end: {} pages were read", limits.pages)));
        }
    }
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
