//! Doing what people ask for in comments: those who may write, each time once. Whoever opens a closed pull request again
//! asks for its tags without a word.
//!
//! Comments are read only where one could matter: under a pull request whose branch somebody committed to, and under one
//! that was closed and is held for it.
//!
//! A branch is made anew up to the commit that whoever asks could see. All comments are read each time, so one that is new
//! was written since the look before: if the branch has not moved since then, they saw what we see. If it has, nobody
//! knows, and it is left alone until they say it again.

use std::collections::BTreeMap;

use super::{Fate, Holds, Known, Outside, Proposed};
use crate::commands::Command;
use crate::plan::Hold;
use crate::seams::HostError;

/// Takes the branches that are to be made anew for ours, and says which holds are released.
pub(super) async fn hear(
    outside: Outside<'_>,
    proposed: &mut BTreeMap<String, Known>,
    holds: &Holds,
) -> Result<Vec<Hold>, HostError> {
    let mut released = Vec::new();
    for known in proposed.values_mut() {
        if known.is_reopened() {
            released.extend(holds.holds.iter().filter(|hold| is_closed_for(&known.before, hold)).cloned());
        }
        let record = &mut known.proposed;
        let stray = known.open.as_ref().filter(|pull| !record.commits.contains(&pull.head));
        let held: Vec<&Hold> = holds.holds.iter().filter(|hold| is_closed_for(record, hold)).collect();
        let number = match stray {
            Some(pull) => pull.number,
            None if held.is_empty() => continue,
            None => match record.pull_request {
                Some(number) => number,
                None => continue,
            },
        };
        let commands = match outside.host.commands(number, record.obeyed).await {
            Ok(commands) => commands,
            // It is asked for too much; nothing else depends on it.
            Err(HostError::Refused { .. }) => continue,
            Err(error) => return Err(error),
        };
        for comment in commands {
            record.obeyed = record.obeyed.max(comment.id);
            if !comment.may_write {
                continue;
            }
            match (Command::parse(&comment.body), stray) {
                (Some(Command::Rebase(commit)), Some(pull)) => {
                    record.is_told = false;
                    let is_meant = match commit {
                        Some(commit) => pull.head.0.starts_with(&commit.to_ascii_lowercase()),
                        None => record.left_at.as_ref() == Some(&pull.head),
                    };
                    if is_meant && !record.commits.contains(&pull.head) {
                        record.commits.push(pull.head.clone());
                    }
                }
                (Some(Command::Release), _) => released.extend(held.iter().map(|hold| (*hold).clone())),
                _ => {}
            }
        }
        if outside.host.reads_commands() {
            record.left_at = stray.map(|pull| pull.head.clone());
        }
    }
    Ok(released)
}

/// Whether a hold is there because somebody closed this proposal's last pull request.
fn is_closed_for(record: &Proposed, hold: &Hold) -> bool {
    record.fate == Fate::Closed
        && hold.proposal == record.name
        && record.values.iter().any(|value| hold.is_on(&value.policy, value.tag.as_str(), value.digest.as_ref()))
}
