//! What is wrong, or not what it seems to be, in the policies, markers and automations of a manifests repository.
//!
//! Every finding has a stable code, a place, one sentence of cause and one of mend, and where it can be derived a patch.
//! What can be seen in the files alone is found without tags. With the tags of the images more is found, and what is
//! said is about those tags. A patch is offered only after it was applied: the file still says everything else that it
//! said, and the policy selects without an error, the newest tag where that is the point.
//!
//! [`check`] looks at a whole repository, [`of_policy`] at one policy of it. Each module below holds one finding.

mod catalogue;
mod draft;
mod mend;
mod newest;
mod repository;
mod shape;
mod subject;
mod tree;

mod broken_stage;
mod broken_template;
mod collapsing_extract;
mod commit_first;
mod declared_twice;
mod deleted_template_field;
mod digest_marker;
mod idle_group;
mod idle_rule;
mod invalid_policy;
mod link_not_followed;
mod misspelt_marker;
mod mixed_units;
mod moving_tag;
mod namespace_filled_in;
mod no_automation;
mod no_image_repository;
mod no_marker;
mod no_version;
mod not_a_number;
mod nothing_matches;
mod nothing_selected;
mod nothing_to_soak;
mod oldest_first;
mod one_tag;
mod out_of_reach;
mod passed_over;
mod prerelease_suffix;
mod several_orders;
mod signatures;
mod stray_marker;
mod suspended;
mod unanchored;
mod unequal_widths;
mod unknown_group;
mod unknown_policy;
mod unknown_rule_policy;
mod unreadable;

use std::fmt;

use serde::{Serialize, Serializer};

pub use catalogue::{CATALOGUE, Rule};
pub use repository::{read, read_with};

use self::tree::Tree;
use crate::image::ImageName;
use crate::ledger::Ledger;
use crate::manifests::{DeclaredPolicy, Interest, Manifests};
use crate::problem::Place;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something does not work at all.
    Error,
    /// Something does not do what it seems to.
    Warning,
    /// Worth knowing; nothing has to be done.
    Note,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

/// One thing to know about one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// `T2P001`; what it stands for never changes, see [`CATALOGUE`].
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// `ns/name` of the policy that it is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// The cause, in one sentence.
    pub message: String,
    /// What to do about it, in one sentence.
    pub help: String,
    /// The mended file, where it could be derived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch: Option<Patch>,
}

impl Finding {
    fn new(rule: &Rule, severity: Severity, place: &Place, message: String, help: String) -> Self {
        Self { code: rule.code, severity, policy: None, place: place.clone(), message, help, patch: None }
    }

    fn with(self, patch: Option<Patch>) -> Self {
        Self { patch, ..self }
    }
}

/// A file that was mended. Serialises as a unified diff that `git apply` and `patch -p1` take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// From the root of the repository.
    pub file: String,
    /// The whole file, mended.
    pub mended: String,
    /// The difference.
    pub diff: String,
}

impl Serialize for Patch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.diff)
    }
}

/// Whether a file may have something to do with a finding.
pub fn wanted(interest: &Interest, path: &str, bytes: &[u8]) -> bool {
    interest.wants(path, bytes) || misspelt_marker::wanted(path, bytes)
}

/// What is known of an image's tags; nothing if it is not known which there are.
pub type Tags<'a> = dyn Fn(&ImageName) -> Option<&'a Ledger> + 'a;

/// No tags are known.
pub fn without_tags(_: &ImageName) -> Option<&'static Ledger> {
    None
}

/// Everything that is to be said about a manifests repository, in the order of the files.
pub fn check(manifests: &Manifests, tags: &Tags<'_>) -> Vec<Finding> {
    Checks::of(manifests).all(tags)
}

/// What is to be said about one policy of a manifests repository. [`Checks`] are for several.
pub fn of_policy(manifests: &Manifests, declared: &DeclaredPolicy, tags: &Tags<'_>) -> Vec<Finding> {
    Checks::of(manifests).of_policy(declared, tags)
}

/// A manifests repository, prepared to be looked at.
pub struct Checks<'a>(Tree<'a>);

impl<'a> Checks<'a> {
    /// Reads what is written in the files.
    pub fn of(manifests: &'a Manifests) -> Self {
        Self(Tree::new(manifests))
    }

    /// See [`check`].
    pub fn all(&self, tags: &Tags<'_>) -> Vec<Finding> {
        let tree = &self.0;
        let policies = &tree.manifests.policies;
        let mut findings: Vec<Finding> =
            policies.iter().flat_map(|declared| about_policy(tree, declared, tags)).collect();
        let about_tree: [fn(&Tree<'_>) -> Vec<Finding>; 15] = [
            unreadable::find,
            namespace_filled_in::find,
            passed_over::find,
            deleted_template_field::find,
            broken_template::find,
            broken_stage::find,
            nothing_to_soak::find,
            unknown_policy::find,
            digest_marker::find,
            out_of_reach::find,
            stray_marker::find,
            misspelt_marker::find,
            idle_rule::find,
            unknown_rule_policy::find,
            link_not_followed::find,
        ];
        findings.extend(about_tree.iter().flat_map(|find| find(tree)));
        in_order(tree, findings)
    }

    /// See [`of_policy`].
    pub fn of_policy(&self, declared: &DeclaredPolicy, tags: &Tags<'_>) -> Vec<Finding> {
        in_order(&self.0, about_policy(&self.0, declared, tags))
    }
}

fn about_policy(tree: &Tree<'_>, declared: &DeclaredPolicy, tags: &Tags<'_>) -> Vec<Finding> {
    let mut findings = subject::with(tree, declared, tags, |subject| {
        let about_policy = [
            invalid_policy::find,
            no_image_repository::find,
            suspended::find,
            declared_twice::find,
            several_orders::find,
            oldest_first::find,
            not_a_number::find,
            commit_first::find,
            unequal_widths::find,
            mixed_units::find,
            unknown_group::find,
            idle_group::find,
            collapsing_extract::find,
            nothing_matches::find,
            unanchored::find,
            one_tag::find,
            moving_tag::find,
            no_version::find,
            prerelease_suffix::find,
            nothing_selected::find,
            signatures::find,
            no_automation::find,
            no_marker::find,
        ];
        about_policy.iter().filter_map(|find| find(subject)).collect::<Vec<Finding>>()
    });
    for finding in &mut findings {
        finding.policy = Some(declared.name.to_string());
    }
    findings
}

fn in_order(tree: &Tree<'_>, mut findings: Vec<Finding>) -> Vec<Finding> {
    for finding in &mut findings {
        tree.settle(&mut finding.place);
    }
    findings.sort_by(|a, b| {
        (&a.place, a.severity, a.code, &a.policy, &a.message)
            .cmp(&(&b.place, b.severity, b.code, &b.policy, &b.message))
    });
    findings.dedup();
    findings
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod trial;
