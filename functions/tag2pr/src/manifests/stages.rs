//! Which automation goes before which, and the batches of one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::SignedDuration;

use super::Automation;
use super::automations::{name_of, plain_path};
use crate::problem::Place;
use crate::proposal::name;
use crate::repository_settings::{AfterSettings, Batch, ProposalSettings, place};

/// What goes before an automation: the tags that it brings must have stood there.
#[derive(Debug, Clone)]
pub struct After {
    /// As people call it: `flux-system/staging`, or the path of a batch.
    pub name: String,
    /// The automation that goes before, batch by batch.
    pub before: Vec<Automation>,
    /// For how long a tag must have stood there.
    pub soak: SignedDuration,
}

/// An automation that is passed over because of what its `after` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenStage {
    /// Where the `after` is.
    pub place: Place,
    /// The automation.
    pub automation: String,
    /// The one that shall go before it.
    pub after: String,
    /// What is wrong.
    pub why: Broken,
}

/// Why nothing can go on after an automation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broken {
    /// There is none of that name that proposes here; the nearest that there is.
    Missing(Option<String>),
    /// It is passed over for the same kind of reason.
    PassedOver,
    /// The way leads back to the automation itself, over these.
    Circle(Vec<String>),
}

impl fmt::Display for BrokenStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { after, .. } = self;
        match &self.why {
            Broken::Missing(_) => {
                write!(f, "it comes after {after}, and there is no automation of that name that proposes here")
            }
            Broken::PassedOver => write!(f, "it comes after {after}, which is passed over itself"),
            Broken::Circle(over) if over.is_empty() => {
                f.write_str("it comes after itself, so nothing could ever begin")
            }
            Broken::Circle(over) => {
                write!(f, "it comes after itself, by way of {}, so nothing could ever begin", over.join(" and "))
            }
        }
    }
}

/// Puts automations in their order and takes them apart into batches. Those that cannot begin are given back apart.
pub(super) fn arrange<'s>(
    followed: Vec<Automation>,
    about: &dyn Fn(&Automation) -> Vec<&'s ProposalSettings>,
) -> (Vec<Automation>, Vec<(Automation, BrokenStage)>) {
    let mut order = Order::default();
    let mut all_batches = Vec::new();
    for automation in &followed {
        let about = about(automation);
        let name = automation.name.as_str();
        order.names.insert(name);
        order.after.extend(about.iter().filter_map(|own| own.after.as_ref()).next_back().map(|after| (name, after)));
        let batches = about.iter().filter_map(|own| own.batches.as_ref()).next_back();
        let batches = batches.map(|batches| taken_apart(automation, &batches.0));
        let batches = batches.unwrap_or_else(|| vec![automation.clone()]);
        // Those of several clusters may have one name.
        order.batches.entry(name).or_default().extend(batches.iter().cloned());
        all_batches.push(batches);
    }
    let shared = |branch: &str| followed.iter().filter(|automation| automation.branch == branch).count() > 1;
    let mut arranged = Vec::new();
    let mut broken = Vec::new();
    for (automation, mut batches) in followed.iter().zip(all_batches) {
        if let Some(why) = order.broken(&automation.name) {
            broken.push((automation.clone(), why));
            continue;
        }
        if let Some(after) = order.after.get(automation.name.as_str()) {
            if let Some(first) = batches.first_mut() {
                first.after = order.after(after);
            }
            // What waits cannot share a pull request with what it waits for.
            if shared(&automation.branch) {
                let own = |batch: &mut Automation| batch.branch = format!("tag2pr/{}", batch.name);
                batches.iter_mut().for_each(own);
            }
        }
        arranged.extend(batches);
    }
    (arranged, broken)
}

/// An automation in batches: each follows the one before.
fn taken_apart(automation: &Automation, batches: &[Batch]) -> Vec<Automation> {
    let mut all: Vec<Automation> = Vec::new();
    for batch in batches {
        let path = plain_path(&batch.path);
        let mut one = Automation {
            name: name::batch(&automation.name, &path),
            branch: name::batch(&automation.branch, &path),
            after: all.last().map(|before| After {
                name: before.path.clone(),
                before: vec![Automation { after: None, ..before.clone() }],
                soak: batch.soak.map(|soak| soak.0).unwrap_or_default(),
            }),
            path: path.clone(),
            ..automation.clone()
        };
        for template in [&mut one.message, &mut one.wishes.title].into_iter().flatten() {
            template.path.clone_from(&path);
        }
        all.push(one);
    }
    all
}

/// What is said about the order of automations, by their names.
#[derive(Default)]
struct Order<'a> {
    names: BTreeSet<&'a str>,
    after: BTreeMap<&'a str, &'a AfterSettings>,
    batches: BTreeMap<&'a str, Vec<Automation>>,
}

impl Order<'_> {
    fn after(&self, after: &AfterSettings) -> Option<After> {
        let before = self.batches.get(name_of(&after.automation.value).as_str())?;
        Some(After {
            name: after.automation.value.0.to_string(),
            before: before.iter().map(|batch| Automation { after: None, ..batch.clone() }).collect(),
            soak: after.soak.map(|soak| soak.0).unwrap_or_default(),
        })
    }

    /// Follows the way back from an automation to the one that begins.
    fn broken(&self, automation: &str) -> Option<BrokenStage> {
        let first = self.after.get(automation)?;
        let broken = |why: Broken| {
            Some(BrokenStage {
                place: place(&first.automation),
                automation: name::readable(automation),
                after: first.automation.value.0.to_string(),
                why,
            })
        };
        let mut way: Vec<String> = Vec::new();
        let mut at = automation.to_owned();
        while let Some(after) = self.after.get(at.as_str()) {
            let before = name_of(&after.automation.value);
            if before == automation {
                return broken(Broken::Circle(way.iter().map(|name| name::readable(name)).collect()));
            }
            if !self.names.contains(before.as_str()) {
                return broken(if way.is_empty() {
                    Broken::Missing(self.nearest(automation, &before))
                } else {
                    Broken::PassedOver
                });
            }
            if way.contains(&before) {
                return broken(Broken::PassedOver);
            }
            way.push(before.clone());
            at = before;
        }
        None
    }

    fn nearest(&self, automation: &str, name: &str) -> Option<String> {
        let others: Vec<&str> = self.names.iter().copied().filter(|other| *other != automation).collect();
        crate::problem::nearest(name, &others).map(name::readable)
    }
}
