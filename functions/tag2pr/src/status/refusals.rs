//! How many deliveries were refused.
//!
//! Whoever knows an address can send to it as often as they like, so what is kept of that is bounded: a number for each
//! configured source and hour of the last day, and the last reason. Each process counts in memory and writes once a minute
//! at most; what it counted since then goes with it when it ends. So a number is never too large, and may be too small.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::event::{Event, Kind};
use super::pass::{REMEMBERED, short};
use crate::store::Stored;

/// From one write of a process to the next.
const PACE: SignedDuration = SignedDuration::from_mins(1);

/// From one notification about a source to the next.
const AGAIN: SignedDuration = SignedDuration::from_hours(1);

/// What was refused in the last day, by source. The sources are configured ones: what goes elsewhere is not counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Refusals {
    /// By the name of the source: `harbor`, and `hosts/fleet` for the webhook of a repository's host.
    pub sources: BTreeMap<String, OfSource>,
}

impl Stored for Refusals {
    const FORMAT: u32 = 1;
}

/// What one source was refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OfSource {
    /// By the hour, in hours since 1970.
    pub hours: BTreeMap<i64, u64>,
    /// The last one.
    pub last: Option<Refused>,
    /// Who was told of it last, and when.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub told: BTreeMap<String, Timestamp>,
}

/// A delivery that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// When.
    pub at: Timestamp,
    /// Why, in our own words.
    pub reason: String,
    /// The id that its sender and the log know it by.
    pub delivery: String,
}

impl OfSource {
    /// How many in the last day.
    pub fn count(&self, now: Timestamp) -> u64 {
        self.hours.iter().filter(|(hour, _)| is_remembered(**hour, now)).map(|(_, count)| count).sum()
    }
}

impl Refusals {
    /// With what another process counted.
    #[must_use]
    pub fn and(mut self, more: &Self, now: Timestamp) -> Self {
        for (name, more) in &more.sources {
            let source = self.sources.entry(name.clone()).or_default();
            for (hour, count) in &more.hours {
                *source.hours.entry(*hour).or_default() += count;
            }
            if more.last.as_ref().map(|last| last.at) > source.last.as_ref().map(|last| last.at) {
                source.last.clone_from(&more.last);
            }
        }
        for source in self.sources.values_mut() {
            source.hours.retain(|hour, _| is_remembered(*hour, now));
        }
        self
    }

    /// What somebody should be told: once for each source while it goes on, and again after an hour.
    pub fn news(&self) -> Vec<Event> {
        let event = |(name, source): (&String, &OfSource)| {
            let last = source.last.as_ref()?;
            let mut event = Event::of(Kind::Refused, name, last.reason.clone(), last.at);
            let recently = source.told.iter().filter(|(_, told)| last.at.duration_since(**told) < AGAIN);
            event.told = recently.map(|(target, _)| target.clone()).collect();
            Some(event)
        };
        self.sources.iter().filter_map(event).collect()
    }

    /// After these were told, by the ids of events and targets.
    #[must_use]
    pub fn told(mut self, events: &[Event], told: &BTreeSet<(String, String)>) -> Self {
        for event in events {
            let Some(source) = self.sources.get_mut(&event.subject) else { continue };
            for (_, target) in told.iter().filter(|(id, _)| *id == event.id) {
                source.told.insert(target.clone(), event.at);
            }
        }
        self
    }
}

fn hour(at: Timestamp) -> i64 {
    at.as_second().div_euclid(3600)
}

fn is_remembered(of: i64, now: Timestamp) -> bool {
    hour(now) - of < REMEMBERED.as_hours()
}

/// What one process has counted and not written yet.
#[derive(Debug, Default)]
pub struct Tally(Mutex<(Refusals, Option<Timestamp>)>);

impl Tally {
    /// Counts one.
    pub fn count(&self, source: &str, refused: Refused) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = inner.0.sources.entry(source.to_owned()).or_default();
        *of.hours.entry(hour(refused.at)).or_default() += 1;
        of.last = Some(Refused { reason: short(&refused.reason), ..refused });
    }

    /// What is to be written now: nothing if there is nothing, or too little time has passed.
    pub fn due(&self, now: Timestamp) -> Option<Refusals> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let rested = inner.1.is_none_or(|written| now.duration_since(written) >= PACE || now < written);
        if inner.0.sources.is_empty() || !rested {
            return None;
        }
        inner.1 = Some(now);
        Some(std::mem::take(&mut inner.0))
    }

    /// Everything that was not written yet, however little time has passed.
    pub fn rest(&self) -> Option<Refusals> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (!inner.0.sources.is_empty()).then(|| std::mem::take(&mut inner.0))
    }

    /// Takes back what could not be written.
    pub fn put_back(&self, refusals: Refusals, now: Timestamp) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.0 = refusals.and(&inner.0, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_760_000_000 + second).unwrap()
    }

    fn refused(second: i64) -> Refused {
        Refused { at: at(second), reason: "no".to_owned(), delivery: format!("d{second}") }
    }

    #[test]
    fn a_flood_is_one_small_write_a_minute() {
        let (tally, mut writes, mut stored) = (Tally::default(), 0, Refusals::default());
        for second in 0..180 {
            for _ in 0..1_000 {
                tally.count("harbor", refused(second));
                if let Some(more) = tally.due(at(second)) {
                    stored = stored.and(&more, at(second));
                    writes += 1;
                }
            }
        }
        assert_eq!(writes, 3);
        stored = stored.and(&tally.rest().unwrap(), at(180));
        assert_eq!(stored.sources["harbor"].count(at(180)), 180_000);
        assert!(tally.rest().is_none());
        assert!(serde_json::to_string(&stored).unwrap().len() < 300);
    }

    #[test]
    fn what_is_older_than_a_day_is_forgotten() {
        let tally = Tally::default();
        tally.count("harbor", refused(0));
        let stored = Refusals::default().and(&tally.due(at(0)).unwrap(), at(0));
        assert_eq!(stored.sources["harbor"].count(at(86_000 - 3_600)), 1);
        assert_eq!(stored.sources["harbor"].count(at(90_000)), 0);
        let stored = stored.and(&Refusals::default(), at(90_000));
        assert!(stored.sources["harbor"].hours.is_empty());
    }

    #[test]
    fn somebody_is_told_once_an_hour_while_it_goes_on() {
        let with = |stored: Refusals, second| {
            let tally = Tally::default();
            tally.count("harbor", refused(second));
            stored.and(&tally.due(at(second)).unwrap(), at(second))
        };
        let untold =
            |stored: &Refusals| -> usize { stored.news().iter().filter(|event| event.told.is_empty()).count() };
        let stored = with(Refusals::default(), 0);
        let news = stored.news();
        assert_eq!((untold(&stored), news[0].kind, news[0].subject.as_str()), (1, Kind::Refused, "harbor"));
        let told = BTreeSet::from([(news[0].id.clone(), "chat".to_owned())]);
        let stored = with(stored.told(&news, &told), 600);
        assert_eq!(untold(&stored), 0);
        assert_eq!(untold(&with(stored, 3_600)), 1);
    }

    #[test]
    fn what_could_not_be_written_is_written_later() {
        let tally = Tally::default();
        tally.count("harbor", refused(0));
        let batch = tally.due(at(0)).unwrap();
        tally.count("harbor", refused(1));
        tally.put_back(batch, at(1));
        assert!(tally.due(at(1)).is_none());
        let later = tally.due(at(60)).unwrap();
        assert_eq!(later.sources["harbor"].count(at(60)), 2);
        assert_eq!(later.sources["harbor"].last.as_ref().unwrap().delivery, "d1");
    }
}
