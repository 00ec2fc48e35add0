//! Who sends deliveries, and how that goes.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use super::{Refused, Remembered};
use crate::image::ImageName;
use crate::ledger::Push;

/// Who sends deliveries.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Source {
    /// Its name; none for images that no source ever told of.
    pub source: Option<String>,
    /// What it speaks.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The last delivery that was believed.
    pub last_delivery: Option<LastDelivery>,
    /// How many were believed in the last day, as far as was looked.
    pub deliveries: usize,
    /// Whether there may be more of them: of very many the newest are looked at.
    pub partial: bool,
    /// How many were refused in the last day.
    pub refused: u64,
    /// The last one that was.
    pub last_refusal: Option<Refused>,
    /// How many tags it should have told of in the last day and did not.
    pub missed: usize,
}

impl Source {
    /// How many deliveries were believed, for people: `12`, or `100+`.
    pub fn believed(&self) -> String {
        format!("{}{}", self.deliveries, if self.partial { "+" } else { "" })
    }
}

/// A delivery that was believed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LastDelivery {
    /// When it came in.
    pub at: Timestamp,
    /// Its id.
    pub delivery: String,
    /// What was made of it; nothing if it is too long ago.
    pub reading: Option<String>,
}

/// Which of two pushes came in later.
fn later<'a>(one: &'a Push, other: &'a Push) -> &'a Push {
    if (other.received_at, &other.tag) > (one.received_at, &one.tag) { other } else { one }
}

/// The configured sources, those that were refused something, and last whoever should have told of what was missed.
pub(super) fn sources(remembered: &Remembered, now: Timestamp) -> Vec<Source> {
    // Which source tells of an image: the one that did so last.
    let mut of_image: BTreeMap<&ImageName, &Push> = BTreeMap::new();
    let mut of_source: BTreeMap<&str, &Push> = BTreeMap::new();
    for (image, ledger) in &remembered.ledgers {
        for push in ledger.live().filter_map(|(_, entry)| entry.push.as_deref()) {
            let last = of_image.entry(image).or_insert(push);
            *last = later(last, push);
            let last = of_source.entry(push.source.as_str()).or_insert(push);
            *last = later(last, push);
        }
    }
    let mut missed: BTreeMap<Option<&str>, usize> = BTreeMap::new();
    for one in &remembered.found.missed {
        let source = of_image.get(&one.image).map(|push| push.source.as_str());
        *missed.entry(source).or_default() += one.count;
    }
    let named = remembered.sources.keys().map(String::as_str);
    let refused = remembered.refusals.sources.keys().map(String::as_str);
    let mut names: BTreeSet<Option<&str>> = named.chain(refused).map(Some).collect();
    names.extend(missed.keys());
    let source = |name: Option<&str>| {
        let own = remembered.deliveries.iter().filter(|delivery| Some(delivery.source.as_str()) == name);
        // They are there newest first.
        let last = own.clone().next().map(|delivery| LastDelivery {
            at: delivery.received_at,
            delivery: delivery.id.clone(),
            reading: Some(delivery.reading.to_string()),
        });
        let known = name.and_then(|name| of_source.get(name)).map(|push| LastDelivery {
            at: push.received_at,
            delivery: push.delivery.clone(),
            reading: None,
        });
        let refusals = name.and_then(|name| remembered.refusals.sources.get(name));
        Source {
            source: name.map(str::to_owned),
            kind: name.and_then(|name| remembered.sources.get(name)).cloned(),
            last_delivery: last.or(known),
            deliveries: own.count(),
            partial: remembered.deliveries.len() < remembered.deliveries_in_all,
            refused: refusals.map_or(0, |refusals| refusals.count(now)),
            last_refusal: refusals.and_then(|refusals| refusals.last.clone()),
            missed: missed.get(&name).copied().unwrap_or(0),
        }
    };
    // Named ones first.
    let (unnamed, named): (Vec<_>, Vec<_>) = names.into_iter().map(source).partition(|source| source.source.is_none());
    named.into_iter().chain(unnamed).collect()
}
