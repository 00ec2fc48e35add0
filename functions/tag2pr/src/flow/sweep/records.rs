//! What is remembered between two sweeps.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::image::{ImageName, Tag};
use crate::store::Stored;

/// What is due when: one small object, so that a sweep with nothing to do costs next to nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Schedule {
    /// When each image is listed next; one that is not here is due.
    pub next: BTreeMap<ImageName, Timestamp>,
    /// Registries that asked to be left alone, and until when.
    pub rest: BTreeMap<String, Timestamp>,
    /// When every repository was last poked.
    pub poked: Option<Timestamp>,
}

impl Stored for Schedule {
    const FORMAT: u32 = 1;
}

impl Schedule {
    /// Whether an image is to be listed now.
    pub fn is_due(&self, image: &ImageName, now: Timestamp) -> bool {
        self.next.get(image).is_none_or(|next| *next <= now)
    }
}

/// What is known of the listings of one image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Listing {
    /// The last one that was complete and believed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Accepted>,
    /// The one that is being read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reading: Option<Reading>,
    /// One that was complete and too short to be believed at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doubted: Option<Doubted>,
    /// The tags that the last accepted one lacked and that are still to be asked for, one by one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asking: Option<Asking>,
}

impl Stored for Listing {
    const FORMAT: u32 = 1;
}

/// A listing that was complete and believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// When its reading began.
    pub since: Timestamp,
    /// How many tags it had.
    pub tags: usize,
}

/// A listing of which some pages were read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// When its reading began.
    pub since: Timestamp,
    /// Where its next page is; none before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// So many pages were read.
    pub pages: usize,
    /// The tags so far.
    pub tags: BTreeSet<Tag>,
}

/// A complete listing that lacked too much.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubted {
    /// When its reading began.
    pub since: Timestamp,
    /// Its tags.
    pub tags: BTreeSet<Tag>,
}

/// Tags that a listing lacked, until the registry was asked for each of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asking {
    /// When the reading of the listing began.
    pub since: Timestamp,
    /// Those that were not asked for yet.
    pub tags: BTreeSet<Tag>,
}
