//! From a manifests repository and the ledgers to proposals: what each automation changes, and why not the rest.
//!
//! Planning is pure, and so is not knowing: where a value would change and the registry has not confirmed it, the plan
//! holds a question. [`crate::flow`] asks the registry and plans again with the answers.

mod choice;
mod draft;
mod in_git;
mod pool;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::choice::{Choice, choose};
use self::draft::{Draft, tags_in_git};
pub(crate) use self::in_git::InGit;
pub(crate) use self::pool::heard_of;
pub use self::pool::{Aside, Pool, Why, known};
use crate::due::Wait;
use crate::image::{Digest, ImageName, Tag};
use crate::ledger::Ledger;
use crate::manifests::{Automation, DeclaredPolicy, Manifests};
use crate::policy::PolicyName;
use crate::problem::Problem;
use crate::proposal::{Proposal, compose};
use crate::stages::{Gate, Standing};

/// One tag of one image that a registry shall confirm.
pub type Question = (ImageName, Tag);

/// One digest of one image, of which a registry shall say what it holds.
pub type Contents = (ImageName, Digest);

/// What a registry said of a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It points at this now.
    Digest(Digest),
    /// This registry is configured not to be asked: the delivery is believed, whatever digest it gave.
    NotAsked(Option<Digest>),
    /// There is no such tag.
    Gone,
    /// There is no answer to rely on; the reason, and whether the same question may be answered later.
    NoAnswer {
        /// In words.
        reason: String,
        /// Whether it is worth asking again.
        later: bool,
    },
}

/// A tag that must not be proposed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    /// `<namespace>.<automation>`, or [`Hold::EVERY`].
    pub proposal: String,
    /// The policy that selected it.
    pub policy: PolicyName,
    /// The tag.
    pub tag: Tag,
    /// What it pointed at; a moved tag is no longer held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Why, as people will read it.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
}

impl Hold {
    /// In the place of a proposal's name: whichever would bring the tag.
    pub const EVERY: &str = "*";

    /// Whether it is on this tag of a policy. Where one of the digests is not known, the tag decides.
    pub fn is_on(&self, policy: &PolicyName, tag: &str, digest: Option<&Digest>) -> bool {
        self.policy == *policy
            && self.tag.as_str() == tag
            && (self.digest.is_none() || digest.is_none() || self.digest.as_ref() == digest)
    }

    /// Whether both hold the same, whenever and for whatever reason.
    pub fn is_same(&self, other: &Self) -> bool {
        (&self.proposal, &self.policy, &self.tag, &self.digest)
            == (&other.proposal, &other.policy, &other.tag, &other.digest)
    }
}

/// What people decided about the tags of a repository.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Holds {
    /// What must not be proposed; in the order of proposals and policies.
    pub holds: BTreeSet<Hold>,
    /// What may be proposed although a tag that ranks higher stands in Git.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub steps_back: BTreeSet<StepBack>,
}

/// A person's word that a policy may go back to a tag, once: until it stands in Git.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StepBack {
    /// The policy.
    pub policy: PolicyName,
    /// The tag, if the policy selects it.
    pub to: Tag,
    /// Since when.
    pub since: Timestamp,
}

/// What became of one policy in one automation, in words that are the same everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The marked values change.
    Changes,
    /// The marked values are the selected ones already.
    UpToDate,
    /// Nothing is marked with this policy below the automation's path.
    NoMarker,
    /// No tag was selected; the policy says why.
    NothingSelected(String),
    /// What stands in Git ranks higher under the same policy.
    Backwards {
        /// The tag in Git.
        in_git: String,
        /// The policy.
        policy: PolicyName,
        /// The tag that it selects.
        to: Tag,
    },
    /// Whether what stands in Git ranks higher is not known; the reason. It stays.
    Incomparable(String),
    /// A person does not want this tag.
    Held(String),
    /// The registry does not have the tag.
    Gone(String),
    /// What the tag points at has not been known for long enough.
    TooYoung(String),
    /// It has not yet stood for long enough in the stage before.
    Soaking(String),
    /// The registry did not confirm the tag.
    NotConfirmed(String),
    /// The registry did not answer; it will be asked again.
    Waiting(String),
}

impl Outcome {
    /// One word for it. It is a stable interface.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Changes => "changes",
            Self::UpToDate => "up-to-date",
            Self::NoMarker => "no-marker",
            Self::NothingSelected(_) => "nothing-selected",
            Self::Backwards { .. } => "backwards",
            Self::Incomparable(_) => "not-comparable",
            Self::Held(_) => "held",
            Self::Gone(_) => "gone",
            Self::TooYoung(_) => "too-young",
            Self::Soaking(_) => "soaking",
            Self::NotConfirmed(_) => "not-confirmed",
            Self::Waiting(_) => "waiting",
        }
    }

    /// Whether it is unknown what shall stand in Git: what is proposed already then stays as it is.
    pub fn is_undecided(&self) -> bool {
        match self {
            Self::NothingSelected(_)
            | Self::Incomparable(_)
            | Self::NotConfirmed(_)
            | Self::Waiting(_)
            | Self::TooYoung(_) => true,
            Self::Changes
            | Self::UpToDate
            | Self::NoMarker
            | Self::Backwards { .. }
            | Self::Held(_)
            | Self::Soaking(_)
            | Self::Gone(_) => false,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changes => f.write_str("changes"),
            Self::UpToDate => f.write_str("up to date"),
            Self::NoMarker => f.write_str("no marker below the automation's path names this policy"),
            Self::NothingSelected(reason) => write!(f, "nothing selected: {reason}"),
            Self::Backwards { in_git, policy, to } => write!(
                f,
                "backwards: {in_git} stands in Git and ranks higher under the same policy; it stays, unless \
                 `tag2pr release {policy} --to {to}` says otherwise"
            ),
            Self::Incomparable(reason) => write!(f, "not comparable: {reason}"),
            Self::Held(reason) => write!(f, "held: {reason}"),
            Self::Gone(reason) => write!(f, "gone: {reason}"),
            Self::Soaking(reason) => f.write_str(reason),
            Self::TooYoung(reason) => write!(f, "too young: {reason}"),
            Self::NotConfirmed(reason) => write!(f, "not confirmed: {reason}"),
            Self::Waiting(reason) => write!(f, "waiting: {reason}"),
        }
    }
}

/// One line of a plan.
#[derive(Debug, Clone)]
pub struct Line {
    /// `<namespace>.<automation>`
    pub proposal: String,
    /// The policy.
    pub policy: PolicyName,
    /// The image as the policy names it.
    pub image: String,
    /// The selected tag, if there is one.
    pub tag: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// The tags that rank higher and do not hold what the policy wants, in half a sentence.
    pub passed_over: Option<String>,
    /// What ranks higher and waits for the stage before, in half a sentence.
    pub soaking: Option<String>,
    /// The tags, or where there are none the digests, that stand in Git below the automation's path.
    pub in_git: BTreeSet<String>,
    /// Why this tag: one sentence each, in Markdown.
    pub why: Vec<String>,
    /// The selected tag, those that come next, and those that were pushed last.
    pub considered: Vec<Considered>,
}

/// What became of one tag of a policy's image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Considered {
    /// The tag.
    pub tag: String,
    /// The word for it, as `explain` has it.
    pub verdict: String,
    /// Why, in half a sentence.
    pub reason: String,
    /// When it was pushed, if that is known.
    pub pushed_at: Option<Timestamp>,
}

/// What shall happen to one manifests repository.
#[derive(Debug, Default)]
pub struct Plan {
    /// One for each automation that changes something.
    pub proposals: Vec<Proposal>,
    /// The names of the automations that change nothing: what is open of theirs has become pointless.
    pub settled: Vec<String>,
    /// What became of each policy in each automation.
    pub lines: Vec<Line>,
    /// What gets old enough, and when.
    pub waits: Vec<Wait>,
    /// What registries must be asked before more can be said.
    pub questions: BTreeSet<Question>,
    /// What registries must say the platforms of.
    pub contents: BTreeSet<Contents>,
    /// Of what registries may say where it was built from: nothing waits for that.
    pub origins: BTreeSet<Contents>,
    /// Files to be edited whose bytes are not at hand.
    pub unread: BTreeSet<String>,
    /// Files that could not be edited, with the reason.
    pub problems: Vec<Problem>,
}

/// All that a plan is made from.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// What the base branch says.
    pub manifests: &'a Manifests,
    /// What is known of the images.
    pub ledgers: &'a BTreeMap<ImageName, Ledger>,
    /// What must not be proposed.
    pub holds: &'a Holds,
    /// What registries have said so far.
    pub answers: &'a BTreeMap<Question, Answer>,
    /// Where registries were asked what a digest holds and did not say it; what they said is in the ledgers.
    pub contents: &'a BTreeMap<Contents, Answer>,
    /// Of what no registry says where it was built from just now.
    pub silent: &'a BTreeSet<Contents>,
    /// What has stood in the stages before.
    pub standing: &'a Standing,
    /// What minimum ages and soak times are counted up to.
    pub now: Timestamp,
}

impl Plan {
    /// What became of one policy in one proposal.
    pub fn line(&self, proposal: &str, policy: &PolicyName) -> Option<&Line> {
        self.lines.iter().find(|line| line.proposal == proposal && line.policy == *policy)
    }
}

/// Plans for every automation of the repository.
///
/// Automations that share a branch share a proposal: it has the name of the first of them. What goes to the base branch
/// itself is a commit for each automation.
pub fn plan(evidence: &Evidence<'_>) -> Plan {
    let mut plan = Plan::default();
    let mut branches: BTreeMap<(&str, Option<&str>), Vec<&Automation>> = BTreeMap::new();
    for automation in &evidence.manifests.automations {
        let alone = automation.is_direct.then_some(automation.name.as_str());
        branches.entry((&automation.branch, alone)).or_default().push(automation);
    }
    let choices: BTreeMap<&PolicyName, Choice> = evidence
        .manifests
        .policies
        .iter()
        .map(|policy| (&policy.name, choose(policy, evidence, &tags_in_git(evidence.manifests, &policy.name), None)))
        .collect();
    for ((branch, _), mut automations) in branches {
        automations.sort_by(|a, b| a.name.cmp(&b.name));
        let mut draft = Draft::new(&automations, evidence);
        for automation in &automations {
            if automation.after.is_some() {
                draft.add(automation, &staged(automation, evidence), &mut plan);
            } else {
                draft.add(automation, &choices, &mut plan);
            }
        }
        match compose(draft.finish(branch, &automations)) {
            Some(proposal) => plan.proposals.push(proposal),
            None => plan.settled.push(automations[0].name.clone()),
        }
    }
    plan
}

/// What the policies of an automation select from what has proved itself in the stage before.
fn staged<'a>(automation: &'a Automation, evidence: &Evidence<'a>) -> BTreeMap<&'a PolicyName, Choice<'a>> {
    let Evidence { manifests, standing, now, .. } = *evidence;
    let policies = manifests.policies.iter().filter(|policy| automation.applies(policy));
    let choice = |policy: &'a DeclaredPolicy| {
        let gate = Gate::of(automation, policy, manifests, standing, now);
        (&policy.name, choose(policy, evidence, &tags_in_git(manifests, &policy.name), gate))
    };
    policies.map(choice).collect()
}
