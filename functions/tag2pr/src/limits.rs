//! How many pull requests a repository gets: what is over a limit waits its turn, and nothing of it is lost.

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

/// For how long an opening counts.
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Whether what was opened then still counts now.
pub fn counts(opened: Timestamp, now: Timestamp) -> bool {
    now.duration_since(opened) < HOUR
}

/// How many pull requests may be opened yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    open: usize,
    hour: usize,
    until: Timestamp,
}

impl Room {
    /// Beside so many that are open, and those that were opened at these times.
    pub fn beside(open: usize, opened: &[Timestamp], limits: Limits, now: Timestamp) -> Self {
        let within: Vec<Timestamp> = opened.iter().filter(|at| counts(**at, now)).copied().collect();
        let first = within.iter().min().copied().unwrap_or(now);
        Self {
            open: limits.open.saturating_sub(open),
            hour: limits.per_hour.saturating_sub(within.len()),
            until: first.checked_add(HOUR).unwrap_or(first),
        }
    }

    /// Why there is none; nothing if there is.
    pub fn over(&self) -> Option<Over> {
        match (self.open, self.hour) {
            (0, _) => Some(Over::Open),
            (_, 0) => Some(Over::Hour(self.until)),
            _ => None,
        }
    }

    /// One more was opened.
    pub fn take(&mut self) {
        self.open = self.open.saturating_sub(1);
        self.hour = self.hour.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_up_to_both_limits() {
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let ago = |minutes| now - SignedDuration::from_mins(minutes);
        let limits = Limits { open: 3, per_hour: 2 };
        let over = |open, opened: &[Timestamp], taken| {
            let mut room = Room::beside(open, opened, limits, now);
            (0..taken).for_each(|_| room.take());
            room.over()
        };
        assert_eq!(over(0, &[], 1), None);
        assert_eq!(over(0, &[], 2), Some(Over::Hour(now + HOUR)));
        assert_eq!(over(2, &[], 1), Some(Over::Open));
        assert_eq!(over(7, &[], 0), Some(Over::Open), "the limit may have been lowered");
        assert_eq!(over(1, &[ago(60), ago(59)], 0), None);
        assert_eq!(over(1, &[ago(60), ago(59)], 1), Some(Over::Hour(ago(59) + HOUR)));
        assert_eq!(Room::beside(90, &[now; 9], Limits::NONE, now).over(), None);
    }
}
