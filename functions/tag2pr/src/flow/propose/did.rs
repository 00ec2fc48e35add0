//! What was done about a proposal, in the words of logs and terminals.

use std::fmt;

use crate::due::{Wait, Why};
use crate::proposal::minute;
use crate::seams::{CommitId, PullRequest};

/// What was done about one proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Did {
    /// A pull request was opened.
    Opened(PullRequest),
    /// The open pull request was brought up to date.
    Updated(PullRequest),
    /// The open pull request is up to date.
    Unchanged(PullRequest),
    /// The open pull request was closed: the base branch has its values.
    Settled(PullRequest),
    /// The open pull request was closed: what it changes belongs to others now, for this reason.
    Replaced(PullRequest, String),
    /// A commit was pushed to the base branch itself.
    Pushed(CommitId, String),
    /// The draft was marked ready: the frozen hours are over.
    Ready(PullRequest),
    /// Nothing yet: more pushes may follow, or it is frozen.
    Waits(Wait),
    /// Nothing yet: so many pull requests are open, and no more may be.
    Crowded(usize),
    /// Nothing, for this reason.
    LeftAlone(String),
    /// It was opened, and something that was asked for beside it was not done.
    Remarked(String),
}

impl fmt::Display for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opened(pull) => write!(f, "opened {}", pull.url),
            Self::Updated(pull) => write!(f, "updated {}", pull.url),
            Self::Unchanged(pull) => write!(f, "{} is up to date", pull.url),
            Self::Settled(pull) => write!(f, "closed {}: {SETTLED}", pull.url),
            Self::Replaced(pull, reason) => write!(f, "closed {}: {reason}", pull.url),
            Self::Pushed(commit, branch) => write!(f, "pushed {} to `{branch}`", commit.short()),
            Self::Ready(pull) => write!(f, "marked {} ready: the frozen hours are over", pull.url),
            Self::Waits(wait) => {
                let until = minute(wait.until);
                match wait.why {
                    Why::Settling => write!(f, "waits until {until} for more pushes, for one commit with all of them"),
                    Why::Frozen => write!(f, "waits until {until}: it is frozen, and nobody has to merge it"),
                    Why::Soaking => write!(f, "waits until {until} for a tag that soaks in the stage before"),
                    Why::TooYoung => write!(f, "waits until {until} for a tag that is too young"),
                    Why::Crowded => write!(
                        f,
                        "waits until {until}: as many pull requests were opened within the hour as \
                         `limits.proposalsPerHour` allows"
                    ),
                }
            }
            Self::Crowded(limit) => write!(
                f,
                "not opened yet: as many pull requests are open here as `limits.openProposals` allows ({limit}); it follows \
                 when one of them is merged or closed"
            ),
            Self::LeftAlone(reason) => write!(f, "left alone: {reason}"),
            Self::Remarked(remark) => write!(f, "not done: {remark}"),
        }
    }
}

pub(super) const SETTLED: &str = "there is nothing left in it to merge";
