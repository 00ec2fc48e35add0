//! What each policy selects from what is known, and the sentences that say why.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::image::{ImageName, Tag};
use crate::ledger::Ledger;
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

pub(super) fn choose<'a>(declared: &'a DeclaredPolicy, ledgers: &BTreeMap<ImageName, Ledger>) -> Choice<'a> {
    let (image, policy) = match &declared.policy {
        Ok((image, policy)) => (image, policy),
        Err(reason) => {
            return Choice { policy: Err(reason.clone()), chosen: Err(reason.clone()), why: Vec::new() };
        }
    };
    let empty = Ledger::default();
    let ledger = ledgers.get(image).unwrap_or(&empty);
    let known = known(ledger);
    let selection = policy.select(&known);
    let mut why = vec![rule(policy), sentence(&selection.summary().to_string())];
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
            let push = ledger.get(selected.tag).and_then(|entry| entry.push.as_ref());
            Ok(Chosen {
                tag,
                pushed_at: selected.pushed_at,
                first_seen: selected.first_seen,
                actor: push.and_then(|push| push.actor.clone()),
                delivery: push.map(|push| push.delivery.clone()),
            })
        }
        (None, Some(error)) => Err(error.to_string()),
        (None, None) => Err("there are no tags".to_owned()),
    };
    Choice { policy: Ok((image, policy)), chosen, why }
}

/// What a policy goes by, in one sentence.
fn rule(policy: &Policy) -> String {
    let what = match &policy.filter {
        Some(filter) if filter.extracts() => format!("what {} extracts", markdown::code(filter.pattern())),
        Some(filter) => format!("tags that match {}", markdown::code(filter.pattern())),
        None => "all tags".to_owned(),
    };
    let how = match &policy.order {
        Order::Semver(range) => format!("as versions in the range {}", markdown::code(range.as_str())),
        Order::Alphabetical(_) => "in alphabetical order".to_owned(),
        Order::Numerical(_) => "as numbers".to_owned(),
    };
    format!("The policy compares {what}, {how}.")
}

/// What a policy may select from: the tags that exist, as far as is known.
pub fn known(ledger: &Ledger) -> Vec<Known<'_>> {
    ledger
        .live()
        .map(|(tag, entry)| Known {
            tag: tag.as_str(),
            digest: entry.digest(),
            pushed_at: entry.pushed_at(),
            first_seen: Some(entry.first_seen()),
        })
        .collect()
}

/// A half sentence as a Markdown sentence.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first: String = chars.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
    format!("{}.", markdown::prose(&(first + chars.as_str())))
}
