//! What each policy selects from what is known, and the sentences that say why.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::image::{ImageName, Tag};
use crate::ledger::{Entry, Ledger, Push};
use crate::manifests::DeclaredPolicy;
use crate::policy::{Known, Order, Policy};
use crate::proposal::{markdown, minute};

/// One policy's answer, whatever automations make of it.
pub(super) struct Choice<'a> {
    /// The image and the policy, or why there is none.
    pub(super) policy: Result<(&'a ImageName, &'a Policy), String>,
    /// The tag, or why there is none.
    pub(super) chosen: Result<Chosen, String>,
    /// Why this tag: one sentence each, in Markdown.
    pub(super) why: Vec<String>,
}

pub(super) struct Chosen {
    pub(super) tag: Tag,
    pub(super) pushed_at: Option<Timestamp>,
    pub(super) first_seen: Option<Timestamp>,
    pub(super) actor: Option<String>,
    pub(super) delivery: Option<String>,
}

/// So many of the outranked tags are named under *why this tag*.
const RUNNERS_UP: usize = 3;

/// So many of the other names of the selected tag's digest are named.
const ALIASES: usize = 5;

pub(super) fn choose<'a>(
    declared: &'a DeclaredPolicy,
    ledgers: &BTreeMap<ImageName, Ledger>,
    now: Timestamp,
) -> Choice<'a> {
    let (image, policy) = match &declared.policy {
        Ok((image, policy)) => (image, policy),
        Err(reason) => {
            return Choice { policy: Err(reason.clone()), chosen: Err(reason.clone()), why: Vec::new() };
        }
    };
    let empty = Ledger::default();
    let ledger = ledgers.get(image).unwrap_or(&empty);
    let all = known(ledger);
    let (known, young) = match declared.minimum_age {
        Some(age) => all.into_iter().partition(|known| is_old_enough(known, age, now)),
        None => (all, Vec::new()),
    };
    let selection = policy.select(&known);
    let mut why = vec![rule(policy), sentence(&selection.summary().to_string())];
    why.extend(declared.minimum_age.and_then(|age| too_young(policy, &young, selection.selected, age)));
    why.extend(selection.selected.and_then(|selected| also_known_as(selected, &known)));
    let next: Vec<String> = selection.runners_up(RUNNERS_UP).iter().map(|known| markdown::code(known.tag)).collect();
    if !next.is_empty() {
        why.push(format!("Next in rank: {}.", next.join(", ")));
    }
    let count = if known.len() == 1 { "1 tag is known".to_owned() } else { format!("{} tags are known", known.len()) };
    why.push(match ledger.listed() {
        Some(at) => format!("{count}; the registry's list was last read {}.", minute(at)),
        None => format!("{count}, from deliveries alone: the registry's list was never read."),
    });
    let tag = selection.selected.and_then(|selected| Some((selected, selected.tag.parse().ok()?)));
    let chosen = match (tag, &selection.error) {
        (Some((selected, tag)), _) => {
            let push = ledger.get(selected.tag).and_then(Entry::brought_by);
            Ok(Chosen {
                tag,
                pushed_at: push.map(Push::at),
                first_seen: selected.first_seen,
                actor: push.and_then(|push| push.actor.clone()),
                delivery: push.map(|push| push.delivery.clone()),
            })
        }
        (None, _) if known.is_empty() && !young.is_empty() => {
            Err(all_too_young(&young, declared.minimum_age.unwrap_or_default()))
        }
        (None, Some(error)) => Err(error.to_string()),
        (None, None) => Err("there are no tags".to_owned()),
    };
    Choice { policy: Ok((image, policy)), chosen, why }
}

/// A tag of which nobody knows since when it is there is not old enough.
fn is_old_enough(known: &Known<'_>, age: SignedDuration, now: Timestamp) -> bool {
    known.first_seen.is_some_and(|seen| now.duration_since(seen) >= age)
}

/// The best of the tags that are too young, if it would have been selected.
fn too_young(
    policy: &Policy,
    young: &[Known<'_>],
    selected: Option<&Known<'_>>,
    age: SignedDuration,
) -> Option<String> {
    let selection = policy.select(young);
    let best = selection.selected?;
    if selected.is_some_and(|selected| policy.compare(selected, best).is_some_and(|order| order.is_ge())) {
        return None;
    }
    Some(format!("{} ranks higher and is too young: {}.", markdown::code(best.tag), until(best, age)))
}

fn until(known: &Known<'_>, age: SignedDuration) -> String {
    let until = known.first_seen.and_then(|seen| seen.checked_add(age).ok());
    until.map_or_else(|| "since when it is there is not known".to_owned(), |until| format!("until {}", minute(until)))
}

fn all_too_young(young: &[Known<'_>], age: SignedDuration) -> String {
    let of_age = |known: &Known<'_>| Some((known.first_seen?.checked_add(age).ok()?, known.tag.to_owned()));
    let first = young.iter().filter_map(of_age).min();
    let first = first.map(|(at, tag)| format!("; {tag} is the first that will be old enough, at {}", minute(at)));
    format!("every tag is younger than the policy's minimum age{}", first.unwrap_or_default())
}

/// Which other tags point at the same digest, so that `latest` can be read as the version it stands for.
fn also_known_as(selected: &Known<'_>, known: &[Known<'_>]) -> Option<String> {
    let digest = selected.digest?;
    let mut aliases: Vec<&str> = known
        .iter()
        .filter(|other| other.digest == Some(digest) && other.tag != selected.tag)
        .map(|other| other.tag)
        .collect();
    let more = aliases.len().saturating_sub(ALIASES);
    aliases.truncate(ALIASES);
    let names: Vec<String> = aliases.into_iter().map(markdown::code).collect();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!names.is_empty()).then(|| format!("The same image is also tagged {}{more}.", names.join(", ")))
}

/// What a policy goes by, in one sentence.
fn rule(policy: &Policy) -> String {
    let looked_at = match &policy.filter {
        Some(filter) => format!("tags that match {}", markdown::code(filter.pattern())),
        None => "all tags".to_owned(),
    };
    let how = match &policy.order {
        Order::Semver(range) => format!("as versions in the range {}", markdown::code(range.as_str())),
        Order::Alphabetical(_) => "in alphabetical order".to_owned(),
        Order::Numerical(_) => "as numbers".to_owned(),
        Order::Newest => {
            return format!(
                "The policy takes the newest of {looked_at}, by when deliveries said that they were pushed."
            );
        }
    };
    let what = match &policy.filter {
        Some(filter) if filter.extracts() => format!("what {} extracts", markdown::code(filter.pattern())),
        _ => looked_at,
    };
    format!("The policy compares {what}, {how}.")
}

/// What a policy may select from: the tags that exist, as far as is known.
pub fn known(ledger: &Ledger) -> Vec<Known<'_>> {
    ledger.live().map(|(tag, entry)| of_entry(tag.as_str(), entry)).collect()
}

/// What was ever heard of a tag, whether or not it still exists.
pub(super) fn heard_of<'a>(ledger: Option<&'a Ledger>, tag: &'a str) -> Known<'a> {
    ledger.and_then(|ledger| ledger.heard_of(tag)).map_or(Known::tag(tag), |entry| of_entry(tag, entry))
}

fn of_entry<'a>(tag: &'a str, entry: &'a Entry) -> Known<'a> {
    Known { tag, digest: entry.digest(), pushed_at: entry.pushed_at(), first_seen: entry.first_seen() }
}

/// A half sentence as a Markdown sentence.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first: String = chars.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
    format!("{}.", markdown::prose(&(first + chars.as_str())))
}
