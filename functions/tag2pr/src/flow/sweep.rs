//! The clock strikes: what registries have and the ledgers do not is evidence that a delivery should have brought.
//!
//! A listing is acted on only when it is complete. It never says that a tag is gone: that needs more than one witness.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::propose::Index;
use super::{Error, ledgers};
use crate::image::{ImageName, Tag};
use crate::keys::Key;
use crate::ledger::News;
use crate::seams::{Objects, Poke, Pokes, Registry, RepositoryId, StoreError};
use crate::store;

/// What `sweep` needs of the world outside.
#[derive(Clone, Copy)]
pub struct Outside<'a> {
    /// Where evidence is kept.
    pub objects: &'a dyn Objects,
    /// Where pokes go.
    pub pokes: &'a dyn Pokes,
    /// The registries.
    pub registry: &'a dyn Registry,
    /// Every configured repository.
    pub repositories: &'a [RepositoryId],
    /// Registries that are configured not to be asked.
    pub unasked: &'a BTreeSet<String>,
    /// Names this call in what it writes.
    pub writer: &'a str,
}

/// What a sweep found and did.
#[derive(Debug, Default)]
pub struct Report {
    /// The images that were listed, with the tags that no delivery had brought.
    pub missed: Vec<(ImageName, Vec<Tag>)>,
    /// The images that could not be listed, and why; nothing was concluded about them.
    pub failed: Vec<(ImageName, String)>,
    /// The repositories that were poked: all, because a poke may be lost after its push was stored.
    pub poked: Vec<RepositoryId>,
}

impl Report {
    /// What happened, a sentence for each thing that a person may want to know: for logs and terminals.
    pub fn sentences(&self) -> Vec<String> {
        let missed = self.missed.iter().filter(|(_, tags)| !tags.is_empty()).map(|(image, tags)| {
            let some: Vec<&str> = tags.iter().take(3).map(Tag::as_str).collect();
            let more = if tags.len() > 3 { format!(" and {} more", tags.len() - 3) } else { String::new() };
            format!("{image}: no delivery had brought {}{more}", some.join(", "))
        });
        let failed = self.failed.iter().map(|(image, reason)| format!("{image}: not listed: {reason}"));
        missed.chain(failed).collect()
    }
}

/// Lists the tags of every image that a policy names, records what was missed, and pokes every repository.
///
/// # Errors
///
/// Those of the store and the queue. What fails for one image is in the report, and stops no other.
pub async fn sweep(outside: Outside<'_>, now: Timestamp) -> Result<Report, Error> {
    let mut report = Report::default();
    let mut images = BTreeSet::new();
    for repository in outside.repositories {
        // A repository without an index was never proposed to: its first poke reads it, and lists its images.
        if let Some(index) = store::load::<Index>(outside.objects, &Key::index(repository)).await? {
            images.extend(index.value.images);
        }
    }
    for image in images.into_iter().filter(|image| !outside.unasked.contains(image.registry())) {
        match outside.registry.tags(&image).await {
            Err(error) => report.failed.push((image, error.to_string())),
            Ok(tags) => match take_note(outside, &image, tags, now).await {
                Ok(missed) => report.missed.push((image, missed)),
                Err(error) => report.failed.push((image, error.to_string())),
            },
        }
    }
    for repository in outside.repositories {
        let cause = format!("sweep-{:012x}", now.as_millisecond());
        outside.pokes.send(&Poke { repository: repository.clone(), cause }).await?;
        report.poked.push(repository.clone());
    }
    Ok(report)
}

/// Records what a listing brought; the tags that no delivery had.
async fn take_note(
    outside: Outside<'_>,
    image: &ImageName,
    tags: Vec<Tag>,
    now: Timestamp,
) -> Result<Vec<Tag>, StoreError> {
    let ledger = ledgers::read(outside.objects, image, outside.writer).await?;
    let news = News::listed(tags, &ledger, now);
    let News::Listed { tags: missed, .. } = &news else { return Ok(Vec::new()) };
    if !missed.is_empty() || ledger.listed().is_none() {
        ledgers::record(outside.objects, image, &news, outside.writer).await?;
    }
    Ok(missed.clone())
}
