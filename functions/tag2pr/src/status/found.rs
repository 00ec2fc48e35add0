//! What sweeps found in the last day, and what they cannot list.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::{Event, Kind};
use super::pass::{REMEMBERED, short};
use crate::image::{ImageName, Tag};
use crate::store::Stored;

/// So many findings are remembered, and so many tags are named of each.
const MISSED: usize = 100;
const TAGS: usize = 3;

/// What sweeps found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Found {
    /// What no delivery had brought, oldest first.
    pub missed: Vec<Missed>,
    /// The images whose tags cannot be listed just now, or whose list is not believed.
    pub incomplete: BTreeMap<ImageName, Incomplete>,
}

impl Stored for Found {
    const FORMAT: u32 = 1;
}

/// Tags of one image that a delivery should have brought and none did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missed {
    /// When they were found.
    pub at: Timestamp,
    /// The image.
    pub image: ImageName,
    /// Some of them.
    pub tags: Vec<Tag>,
    /// How many there are.
    pub count: usize,
}

/// Why it is not known which tags an image has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incomplete {
    /// Since when.
    pub since: Timestamp,
    /// In words.
    pub reason: String,
    /// Who has been told.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub told: BTreeSet<String>,
}

impl Found {
    /// After a sweep: `missed` are the images whose list was accepted, with what was missed of each; `failed` those that
    /// could not be listed, or whose list is not believed. Images that are not `followed` any more are forgotten.
    #[must_use]
    pub fn and(
        mut self,
        missed: &[(ImageName, Vec<Tag>)],
        failed: &[(ImageName, String)],
        followed: &BTreeSet<ImageName>,
        now: Timestamp,
    ) -> Self {
        self.missed.retain(|missed| now.duration_since(missed.at) < REMEMBERED);
        for (image, tags) in missed {
            self.incomplete.remove(image);
            if !tags.is_empty() {
                let some = tags.iter().take(TAGS).cloned().collect();
                self.missed.push(Missed { at: now, image: image.clone(), tags: some, count: tags.len() });
            }
        }
        let many = self.missed.len().saturating_sub(MISSED);
        self.missed.drain(..many);
        for (image, reason) in failed {
            // The reason may hold a time that changes: that it goes on is no news.
            let known = self.incomplete.entry(image.clone());
            known.or_insert_with(|| Incomplete { since: now, reason: short(reason), told: BTreeSet::new() });
        }
        self.incomplete.retain(|image, _| followed.contains(image));
        self
    }

    /// What somebody should be told, once for each.
    pub fn news(&self) -> Vec<Event> {
        let event = |(image, incomplete): (&ImageName, &Incomplete)| {
            let text = incomplete.reason.clone();
            let event = Event::of(Kind::ListingIncomplete, &image.to_string(), text, incomplete.since);
            Event { told: incomplete.told.clone(), ..event }
        };
        self.incomplete.iter().map(event).collect()
    }

    /// After these were told, by the ids of events and targets.
    #[must_use]
    pub fn told(mut self, events: &[Event], told: &BTreeSet<(String, String)>) -> Self {
        for (image, incomplete) in &mut self.incomplete {
            let subject = image.to_string();
            let own = events.iter().filter(|event| event.subject == subject && event.at == incomplete.since);
            for event in own {
                let targets = told.iter().filter(|(id, _)| *id == event.id).map(|(_, target)| target.clone());
                incomplete.told.extend(targets);
            }
        }
        self
    }
}
