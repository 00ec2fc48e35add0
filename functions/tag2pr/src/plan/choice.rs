//! What each policy selects from what is known, and the sentences that say why.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::pool::{Pool, Why, lacks};
use super::{Answer, Considered, Evidence};
use crate::image::{Digest, ImageName, Tag};
use crate::ledger::{Entry, Ledger, Push};
use crate::manifests::DeclaredPolicy;
use crate::platform::{Platforms, listed};
use crate::policy::{DigestReflection, Known, Order, Policy, Selection};
use crate::proposal::{markdown, minute};
use crate::stages::{Gate, Trial, rough};

/// One policy's answer, whatever automations make of it.
pub(super) struct Choice<'a> {
    /// The image and the policy, or why there is none.
    pub(super) policy: Result<(&'a ImageName, &'a Policy), String>,
    /// The tag, or why there is none.
    pub(super) chosen: Result<Chosen, String>,
    /// What keeps it from being known whether the tag holds the platforms that are wanted.
    pub(super) unclear: Option<Unclear>,
    /// When the first of the tags that rank higher and are too young is old enough.
    pub(super) of_age: Option<Timestamp>,
    /// What ranks higher and lacks a platform, in half a sentence.
    pub(super) passed_over: Option<String>,
    /// Which tags may be brought, where a stage goes before.
    pub(super) gate: Option<Gate<'a>>,
    /// What ranks higher and has not proved itself there.
    pub(super) soaking: Option<Soaking>,
    /// Why this tag: one sentence each, in Markdown.
    pub(super) why: Vec<String>,
    /// The selected tag, those that come next, and those that were pushed last.
    pub(super) considered: Vec<Considered>,
}

/// What waits for the stage before.
pub(super) struct Soaking {
    /// As people read it today: in half a sentence.
    pub(super) text: String,
    /// Since when it stands there, and when that will have been for long enough.
    pub(super) time: Option<(Timestamp, Timestamp)>,
    /// As it stands in a pull request, where it does not change with the hour.
    why: String,
}

/// Why it is not known what a tag holds.
#[derive(Debug, Clone)]
pub(super) enum Unclear {
    /// The registry has not been asked about this digest.
    Unasked(Digest),
    /// The registry's answer was none.
    Answered(Answer),
    /// The registry is configured not to be asked.
    NotToBeAsked,
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

/// So many of the tags that were pushed last are looked at, whatever became of them.
const PUSHED_LAST: usize = 3;

/// So many of the other names of the selected tag's digest are named.
const ALIASES: usize = 5;

pub(super) fn choose<'a>(
    declared: &'a DeclaredPolicy,
    evidence: &Evidence<'_>,
    in_git: &BTreeSet<&str>,
    gate: Option<Gate<'a>>,
) -> Choice<'a> {
    let (image, policy) = match &declared.policy {
        Ok((image, policy)) => (image, policy),
        Err(reason) => {
            return Choice {
                policy: Err(reason.clone()),
                chosen: Err(reason.clone()),
                unclear: None,
                of_age: None,
                passed_over: None,
                gate,
                soaking: None,
                why: Vec::new(),
                considered: Vec::new(),
            };
        }
    };
    let empty = Ledger::default();
    let ledger = evidence.ledgers.get(image).unwrap_or(&empty);
    let mut pool = Pool::of(declared, ledger, evidence.now);
    let young = pool.young();
    let all = pool.considered.len();
    let soaking = gate.as_ref().and_then(|gate| hold_back(&mut pool, policy, gate));
    let mut unclear = None;
    if !declared.platforms.is_empty() {
        unclear = look_inside(&mut pool, &Looking { declared, image, policy, evidence, ledger, in_git });
    }
    let known = &pool.considered;
    let selection = policy.select(known);
    let mut why = vec![rule(policy), sentence(&selection.summary().to_string())];
    why.extend(declared.minimum_age.and_then(|age| too_young(policy, &young, selection.selected, age)));
    let of_age = declared.minimum_age.and_then(|age| of_age(policy, &young, selection.selected, age));
    let proved = gate.as_ref().zip(selection.selected).and_then(|(gate, selected)| proved(gate, selected));
    why.extend(proved.into_iter().chain(soaking.as_ref().map(|soaking| soaking.why.clone())));
    let passed_over = passed_over(&pool);
    why.extend(passed_over.as_ref().map(|text| sentence(text)));
    why.extend(selection.selected.and_then(|selected| also_known_as(selected, known)));
    let next: Vec<String> = selection.runners_up(RUNNERS_UP).iter().map(|known| markdown::code(known.tag)).collect();
    if !next.is_empty() {
        why.push(format!("Next in rank: {}.", next.join(", ")));
    }
    let all = if gate.is_some() { all } else { known.len() };
    let count = if all == 1 { "1 tag is known".to_owned() } else { format!("{all} tags are known") };
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
        (None, Some(error)) => Err(pool.in_place_of(error, declared).unwrap_or_else(|| error.to_string())),
        (None, None) => Err("there are no tags".to_owned()),
    };
    let considered = considered(&selection, &pool);
    Choice { policy: Ok((image, policy)), chosen, unclear, of_age, passed_over, gate, soaking, why, considered }
}

/// Takes out what has not proved itself in the stage before; what of that ranks higher than the rest, if something does.
fn hold_back(pool: &mut Pool<'_>, policy: &Policy, gate: &Gate<'_>) -> Option<Soaking> {
    let all = std::mem::take(&mut pool.considered);
    pool.considered = all.iter().filter(|known| gate.lets_through(known)).copied().collect();
    let selection = policy.select(&all);
    let next = selection.selected.map(|_| selection.runners_up(usize::MAX)).unwrap_or_default();
    let better: Vec<&Known<'_>> =
        selection.selected.into_iter().chain(next).take_while(|known| !gate.lets_through(known)).collect();
    let best = better.first()?;
    let name = markdown::code(&gate.after.name);
    let soaking = better.iter().find_map(|known| match gate.trial(known.tag, known.digest) {
        Trial::Soaking(since, until) => Some((known.tag, since, until)),
        Trial::Proved(_) | Trial::Absent => None,
    });
    Some(match soaking {
        Some((tag, since, until)) => Soaking {
            text: format!("waits until {}: {}", minute(until), gate.progress(tag, since)),
            time: Some((since, until)),
            why: format!("{} ranks higher, and soaks in {name} until {}.", markdown::code(tag), minute(until)),
        },
        None if gate.is_empty() => Soaking {
            text: format!("waits: nothing of this image stands in {}", gate.after.name),
            time: None,
            why: format!("Nothing of this image stands in {name}."),
        },
        None => Soaking {
            text: format!("waits: {} does not stand in {} yet", best.tag, gate.after.name),
            time: None,
            why: format!("{} ranks higher, and does not stand in {name} yet.", markdown::code(best.tag)),
        },
    })
}

/// Since when a tag has stood in the stage before.
fn proved(gate: &Gate<'_>, selected: &Known<'_>) -> Option<String> {
    let Trial::Proved(since) = gate.trial(selected.tag, selected.digest) else { return None };
    let soak = match gate.after.soak {
        SignedDuration::ZERO => String::new(),
        soak => format!(", for the {} that it soaks there", rough(soak)),
    };
    Some(format!("It has stood in {} since {}{soak}.", markdown::code(&gate.after.name), minute(since)))
}

/// The tags that people ask about: the selected one, those that come next, and those that were pushed last.
fn considered(selection: &Selection<'_>, pool: &Pool<'_>) -> Vec<Considered> {
    let (seen, aside) = (&pool.considered, &pool.aside);
    let mut all: Vec<(usize, &Known<'_>)> =
        seen.iter().chain(aside.iter().map(|aside| &aside.known)).enumerate().collect();
    let ranked = selection.selected.into_iter().chain(selection.runners_up(RUNNERS_UP));
    let mut told: Vec<usize> =
        ranked.filter_map(|known| seen.iter().position(|other| other.tag == known.tag)).collect();
    all.retain(|(_, known)| known.pushed_at.is_some());
    let newest_first = |(index, known): &(usize, &Known<'_>)| (Reverse(known.pushed_at), *index);
    if all.len() > PUSHED_LAST {
        all.select_nth_unstable_by_key(PUSHED_LAST, newest_first);
        all.truncate(PUSHED_LAST);
    }
    all.sort_unstable_by_key(newest_first);
    let last: Vec<usize> = all.iter().map(|(index, _)| *index).filter(|index| !told.contains(index)).collect();
    told.extend(last);
    let judge = |index: usize| match index.checked_sub(seen.len()) {
        None => (&seen[index], selection.verdicts[index].word(), selection.reason(index).to_string()),
        Some(index) => (&aside[index].known, aside[index].why.word(), aside[index].why.to_string()),
    };
    let judge = |index: usize| {
        let (known, verdict, reason) = judge(index);
        Considered { tag: known.tag.to_owned(), verdict: verdict.to_owned(), reason, pushed_at: known.pushed_at }
    };
    told.into_iter().map(judge).collect()
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

/// When the first of the tags that are too young, and would be selected if they were not, is old enough.
fn of_age(
    policy: &Policy,
    young: &[Known<'_>],
    selected: Option<&Known<'_>>,
    age: SignedDuration,
) -> Option<Timestamp> {
    let selection = policy.select(young);
    let next = selection.selected.map(|_| selection.runners_up(usize::MAX)).unwrap_or_default();
    let better = |young: &&Known<'_>| {
        selected.is_none_or(|selected| policy.compare(selected, young).is_none_or(std::cmp::Ordering::is_lt))
    };
    let better = selection.selected.into_iter().chain(next).filter(better);
    better.filter_map(|young| young.first_seen?.checked_add(age).ok()).min()
}

/// What is needed to see what tags hold.
struct Looking<'a> {
    declared: &'a DeclaredPolicy,
    image: &'a ImageName,
    policy: &'a Policy,
    evidence: &'a Evidence<'a>,
    ledger: &'a Ledger,
    in_git: &'a BTreeSet<&'a str>,
}

/// Sets tags aside, the best one first, until one holds every platform that is wanted or what it holds is not known.
fn look_inside(pool: &mut Pool<'_>, looking: &Looking<'_>) -> Option<Unclear> {
    let mut lacking: BTreeMap<String, Platforms> = BTreeMap::new();
    let mut unclear = None;
    let selection = looking.policy.select(&pool.considered);
    let next = std::iter::once_with(|| selection.runners_up(usize::MAX)).flatten();
    let best_first = selection.selected.into_iter().chain(next.filter(|_| selection.selected.is_some()));
    for (position, known) in best_first.enumerate() {
        match looking.inside(known.tag, position == 0) {
            Ok(Some(missing)) => {
                lacking.insert(known.tag.to_owned(), missing);
            }
            Ok(None) => break,
            Err(reason) => {
                unclear = Some(reason);
                break;
            }
        }
    }
    pool.set_aside(|known| lacking.get(known.tag).cloned().map(Why::Lacks));
    unclear
}

impl Looking<'_> {
    /// What a tag lacks; nothing if it may be written, or if something else has to be known of it first.
    fn inside(&self, tag: &str, is_best: bool) -> Result<Option<Platforms>, Unclear> {
        // What stands in Git already is not for us to take away.
        let stands = self.in_git.len() == 1 && self.in_git.contains(tag);
        if stands && self.policy.digest != DigestReflection::Always {
            return Ok(None);
        }
        // The best is asked for again each time: it may have been pushed once more, and no delivery came.
        let known = self.ledger.get(tag).and_then(|entry| lacks(self.declared, self.ledger, entry));
        if let (Some(missing), false) = (known, is_best) {
            return Ok(Some(missing));
        }
        let Ok(tag) = tag.parse() else { return Ok(None) };
        let digest = match self.evidence.answers.get(&(self.image.clone(), tag)) {
            None | Some(Answer::Gone | Answer::NoAnswer { .. }) => return Ok(None),
            Some(Answer::NotAsked(_)) => return Err(Unclear::NotToBeAsked),
            Some(Answer::Digest(digest)) => digest,
        };
        match self.ledger.platforms(digest) {
            Some(held) => {
                let missing = &self.declared.platforms - held;
                Ok((!missing.is_empty()).then_some(missing))
            }
            None => Err(match self.evidence.contents.get(&(self.image.clone(), digest.clone())) {
                None => Unclear::Unasked(digest.clone()),
                Some(answer) => Unclear::Answered(answer.clone()),
            }),
        }
    }
}

/// The tags that rank higher and lack a platform, in half a sentence.
fn passed_over(pool: &Pool<'_>) -> Option<String> {
    let lacking = pool.lacking();
    let some = |(tag, missing): (&&str, &&Platforms)| format!("{tag} does not hold {}", listed(*missing));
    let names: Vec<String> = lacking.iter().rev().take(RUNNERS_UP).map(some).collect();
    let more = match lacking.len().saturating_sub(RUNNERS_UP) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    (!names.is_empty()).then(|| format!("passed over for a platform that they lack: {}{more}", names.join(", ")))
}

fn until(known: &Known<'_>, age: SignedDuration) -> String {
    let until = known.first_seen.and_then(|seen| seen.checked_add(age).ok());
    until.map_or_else(|| "since when it is there is not known".to_owned(), |until| format!("until {}", minute(until)))
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

/// A half sentence as a Markdown sentence.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first: String = chars.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
    format!("{}.", markdown::prose(&(first + chars.as_str())))
}
