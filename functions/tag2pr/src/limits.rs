//! How many pull requests a repository gets: what is over a limit waits its turn, and nothing of it is lost.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

/// How many pull requests one repository gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Open at the same time.
    pub open: usize,
    /// Opened within an hour.
    pub per_hour: usize,
}

impl Limits {
    /// As many as there are proposals.
    pub const NONE: Self = Self { open: usize::MAX, per_hour: usize::MAX };
}

/// Why a pull request is not opened now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// As many are open as may be.
    Open,
    /// As many were opened within the hour as may be; until then.
    Hour(Timestamp),
}

/// Which pull requests are not opened now. `wanted` are the names of their proposals, `open` is how many there are, and
/// `opened` says when those were opened that there are or were.
pub fn over(
    wanted: &[String],
    open: usize,
    opened: &[Timestamp],
    limits: Limits,
    now: Timestamp,
) -> BTreeMap<String, Over> {
    const HOUR: SignedDuration = SignedDuration::from_hours(1);
    let within: Vec<&Timestamp> = opened.iter().filter(|at| now.duration_since(**at) < HOUR).collect();
    let (open, hour) = (limits.open.saturating_sub(open), limits.per_hour.saturating_sub(within.len()));
    let until = within.iter().min().map_or(now, |first| **first).checked_add(HOUR).unwrap_or(now);
    let why = if open <= hour { Over::Open } else { Over::Hour(until) };
    wanted.iter().skip(open.min(hour)).map(|name| (name.clone(), why)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("apps.{number}")).collect()
    }

    #[test]
    fn what_is_over_a_limit_waits_for_the_one_that_is_nearest() {
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let ago = |minutes| now - SignedDuration::from_mins(minutes);
        let limits = Limits { open: 3, per_hour: 2 };
        let waiting = |wanted, open, opened: &[Timestamp]| -> Vec<(String, Over)> {
            over(&names(wanted), open, opened, limits, now).into_iter().collect()
        };
        assert_eq!(waiting(2, 0, &[]), []);
        let hour = Over::Hour(now + SignedDuration::from_hours(1));
        assert_eq!(waiting(3, 0, &[]), [("apps.2".into(), hour)]);
        assert_eq!(waiting(2, 2, &[]), [("apps.1".into(), Over::Open)]);
        assert_eq!(waiting(1, 7, &[]), [("apps.0".into(), Over::Open)], "the limit may have been lowered");
        let until = Over::Hour(ago(59) + SignedDuration::from_hours(1));
        assert_eq!(waiting(2, 1, &[ago(60), ago(59)]), [("apps.1".into(), until)]);
        assert_eq!(over(&names(9), 90, &[now; 9], Limits::NONE, now), BTreeMap::new());
    }
}
