//! Hours of the week in which nothing is put forward: proposals wait as drafts.

use jiff::Timestamp;
use jiff::civil::{DateTime, Time, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Span, ToSpan};
use serde::Deserialize;

/// From one moment of the week to another, or every day from one time to another, in a time zone.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(with = "Written"))]
#[serde(try_from = "Written")]
pub struct Frozen {
    from: Moment,
    to: Moment,
    zone: TimeZone,
}

/// Hours in which pull requests are opened as drafts.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Frozen"))]
#[serde(deny_unknown_fields)]
struct Written {
    /// `Fri 15:00`, or `18:00` for every day.
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::schema::moment"))]
    from: String,
    /// `Mon 08:00`, likewise.
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::schema::moment"))]
    to: String,
    /// `Europe/Berlin`
    zone: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Moment {
    day: Option<Weekday>,
    time: Time,
}

impl TryFrom<Written> for Frozen {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let (from, to) = (moment(&written.from)?, moment(&written.to)?);
        if from.day.is_some() != to.day.is_some() {
            let Written { from, to, .. } = written;
            return Err(format!("`{from}` and `{to}`: write a day of the week with both, or with none for every day"));
        }
        if from == to {
            return Err(format!("`{}` is from and to: nothing would ever be ready", written.from));
        }
        // The one that is compiled in: what a machine has would make the answer depend on the machine.
        let zone = TimeZoneDatabase::bundled().get(&written.zone);
        let zone = zone.map_err(|_| {
            format!(
                "`{}` is no time zone: write for example `Europe/Berlin`, `America/New_York` or `UTC`",
                written.zone
            )
        })?;
        Ok(Self { from, to, zone })
    }
}

fn moment(text: &str) -> Result<Moment, String> {
    let wrong = || format!("`{text}` is no time: write for example `Fri 15:00`, or `18:00` for every day");
    let (day, time) = match text.trim().split_once(' ') {
        Some((day, time)) => (Some(weekday(day).ok_or_else(wrong)?), time.trim()),
        None => (None, text.trim()),
    };
    let (hour, minute) = time.split_once(':').ok_or_else(wrong)?;
    let number = |text: &str| text.parse::<i8>().ok().filter(|_| text.len() == 2);
    let time = number(hour).zip(number(minute)).and_then(|(hour, minute)| Time::new(hour, minute, 0, 0).ok());
    Ok(Moment { day, time: time.ok_or_else(wrong)? })
}

fn weekday(text: &str) -> Option<Weekday> {
    let names = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let position = names.iter().position(|name| name.eq_ignore_ascii_case(text))?;
    Weekday::from_monday_zero_offset(i8::try_from(position).ok()?).ok()
}

impl Frozen {
    /// Until when it is frozen, if it is.
    fn until(&self, now: Timestamp) -> Option<Timestamp> {
        let today = now.to_zoned(self.zone.clone()).date();
        // A week ago it may have begun at the earliest.
        (0..=7).find_map(|days| {
            let date = today.checked_sub(days.days()).ok()?;
            if self.from.day.is_some_and(|day| day != date.weekday()) {
                return None;
            }
            let later = match self.to.day {
                Some(day) => i64::from(date.weekday().until(day)),
                None => 0,
            };
            let mut end = date.to_datetime(self.to.time).checked_add(Span::new().days(later)).ok()?;
            if end <= date.to_datetime(self.from.time) {
                end = end.checked_add(Span::new().days(if self.to.day.is_some() { 7 } else { 1 })).ok()?;
            }
            let at = |time: DateTime| Some(self.zone.to_ambiguous_zoned(time).compatible().ok()?.timestamp());
            let (start, end) = (at(date.to_datetime(self.from.time))?, at(end)?);
            (start <= now && now < end).then_some(end)
        })
    }
}

/// So many times that follow each other are taken as one: more than a week has.
const IN_A_ROW: usize = 30;

/// Until when any of these is frozen, if one is; times that follow each other without a gap are one.
pub fn until(all: &[Frozen], now: Timestamp) -> Option<Timestamp> {
    let next = |at: &Timestamp| all.iter().filter_map(|frozen| frozen.until(*at)).max();
    std::iter::successors(next(&now), next).take(IN_A_ROW).last()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frozen(from: &str, to: &str, zone: &str) -> Result<Frozen, String> {
        Frozen::try_from(Written { from: from.into(), to: to.into(), zone: zone.into() })
    }

    fn at(all: &[Frozen], now: &str) -> String {
        until(all, now.parse().unwrap()).map_or("open".to_owned(), |until| until.to_string())
    }

    #[test]
    fn a_weekend_is_frozen_in_its_time_zone_also_when_clocks_change() {
        let weekend = [frozen("Fri 15:00", "Mon 08:00", "Europe/Berlin").unwrap()];
        assert_eq!(at(&weekend, "2026-03-06T13:59:59Z"), "open");
        assert_eq!(at(&weekend, "2026-03-06T14:00:00Z"), "2026-03-09T07:00:00Z");
        assert_eq!(at(&weekend, "2026-03-09T06:59:59Z"), "2026-03-09T07:00:00Z");
        assert_eq!(at(&weekend, "2026-03-09T07:00:00Z"), "open");
        // Clocks go forward on the 29th.
        assert_eq!(at(&weekend, "2026-03-28T12:00:00Z"), "2026-03-30T06:00:00Z");
    }

    #[test]
    fn nights_are_frozen_every_day_and_times_without_a_gap_are_one() {
        let night = frozen("18:00", "08:00", "UTC").unwrap();
        assert_eq!(at(std::slice::from_ref(&night), "2026-03-04T17:59:00Z"), "open");
        assert_eq!(at(std::slice::from_ref(&night), "2026-03-04T18:00:00Z"), "2026-03-05T08:00:00Z");
        assert_eq!(at(std::slice::from_ref(&night), "2026-03-05T07:00:00Z"), "2026-03-05T08:00:00Z");
        let lunch = frozen("12:00", "13:00", "UTC").unwrap();
        let weekend = frozen("Sat 00:00", "Mon 07:00", "UTC").unwrap();
        assert_eq!(at(&[night, lunch.clone(), weekend], "2026-03-06T20:00:00Z"), "2026-03-09T08:00:00Z");
        assert_eq!(at(&[lunch], "2026-03-06T12:30:00Z"), "2026-03-06T13:00:00Z");
    }

    #[test]
    fn what_cannot_be_meant_is_said() {
        let wrong = |from: &str, to: &str, zone: &str| frozen(from, to, zone).unwrap_err();
        insta::assert_snapshot!(wrong("Freitag 15:00", "Mon 08:00", "UTC"), @"`Freitag 15:00` is no time: write for example `Fri 15:00`, or `18:00` for every day");
        insta::assert_snapshot!(wrong("Fri 15:00", "Mon 24:00", "UTC"), @"`Mon 24:00` is no time: write for example `Fri 15:00`, or `18:00` for every day");
        insta::assert_snapshot!(wrong("Fri 15:00", "08:00", "UTC"), @"`Fri 15:00` and `08:00`: write a day of the week with both, or with none for every day");
        insta::assert_snapshot!(wrong("08:00", "08:00", "UTC"), @"`08:00` is from and to: nothing would ever be ready");
        insta::assert_snapshot!(wrong("18:00", "08:00", "Berlin"), @"`Berlin` is no time zone: write for example `Europe/Berlin`, `America/New_York` or `UTC`");
    }
}
