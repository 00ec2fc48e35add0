//! One policy under the checks' eyes, with everything that bears on it.

use super::Tags;
use super::tree::{Tree, value};
use crate::flux::{At, ImagePolicy, ImageRepository, Object, Order as Written, Reference};
use crate::image::{ImageName, ImageRef};
use crate::manifests::DeclaredPolicy;
use crate::markers::Part;
use crate::plan::known;
use crate::policy::{Direction, Known, Order, OrderSpec, Policy, PolicySpec, Selection, Verdict};
use crate::problem::Place;
use crate::repository_settings::PolicySettings;

/// A policy, as it is written, as it is used, and what it makes of the tags.
pub(super) struct Subject<'a> {
    pub(super) tree: &'a Tree<'a>,
    pub(super) declared: &'a DeclaredPolicy,
    /// The object in the file, with what `.tag2pr.yaml` says instead.
    pub(super) written: &'a ImagePolicy,
    /// The ImageRepository that it names.
    pub(super) repository: Option<&'a ImageRepository>,
    /// All that is said about the policy is in its object and its ImageRepository.
    pub(super) plain: bool,
    /// The policy, if it is valid.
    pub(super) policy: Option<&'a Policy>,
    /// What it makes of the known tags; nothing if none are known.
    pub(super) selection: Option<&'a Selection<'a>>,
    pub(super) known: &'a [Known<'a>],
    /// What it makes of the tags that stand in Git.
    in_git: Option<&'a Selection<'a>>,
    known_in_git: &'a [Known<'a>],
}

/// A tag that a policy looks at, and the value that it has for the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Valued<'a> {
    pub(super) tag: &'a str,
    pub(super) value: &'a str,
}

/// Calls `look` with the policy, if it was read from an object.
pub(super) fn with<T: Default>(
    tree: &Tree<'_>,
    declared: &DeclaredPolicy,
    tags: &Tags<'_>,
    look: impl FnOnce(&Subject<'_>) -> T,
) -> T {
    let object = tree.found.policies.iter().find(|written| written.object.place == declared.place);
    let settings = tree.settings_of(&declared.name);
    let Some(written) = in_effect(object, settings.as_ref(), declared) else { return T::default() };
    let written = &written;
    let without_image = || {
        // Its ImageRepository may be somewhere else; what is said about tags is known all the same.
        let missing = object.is_some_and(|object| tree.repository_of(object).is_none());
        if declared.policy.is_ok() || !missing || settings.is_some() || tree.settings.is_none() || written.suspend {
            return None;
        }
        let image = &written.image_repository.name;
        let spec = PolicySpec { name: declared.name.clone(), ..written.spec(image) };
        Some((image.parse::<ImageName>().ok()?, Policy::from_spec(&spec).ok()?))
    };
    let without_image = without_image();
    let policy = declared.policy.as_ref().ok().or(without_image.as_ref());
    let known = policy.and_then(|(image, _)| tags(image)).map(known).unwrap_or_default();
    let tags_in_git: Vec<String> = tree.markers_of(&declared.name).filter_map(|(_, marker)| tag_of(marker)).collect();
    let known_in_git: Vec<Known<'_>> = tags_in_git.iter().map(|tag| Known::tag(tag)).collect();
    let selection = policy.filter(|_| !known.is_empty()).map(|(_, policy)| policy.select(&known));
    let in_git = policy.filter(|_| !known_in_git.is_empty()).map(|(_, policy)| policy.select(&known_in_git));
    look(&Subject {
        tree,
        declared,
        written,
        repository: object.and_then(|object| tree.repository_of(object)),
        plain: settings.is_none() && tree.settings.is_some(),
        policy: policy.map(|(_, policy)| policy),
        selection: selection.as_ref(),
        known: &known,
        in_git: in_git.as_ref(),
        known_in_git: &known_in_git,
    })
}

/// The object as it counts: what the settings say goes before it.
fn in_effect(
    object: Option<&ImagePolicy>,
    settings: Option<&(&PolicySettings, Place)>,
    declared: &DeclaredPolicy,
) -> Option<ImagePolicy> {
    let Some((settings, place)) = settings else { return object.cloned() };
    let at = |value: &str| Some(At { value: value.to_owned(), place: place.clone() }).filter(|at| !at.value.is_empty());
    let mut written = match object {
        Some(object) => object.clone(),
        None => ImagePolicy {
            object: Object {
                api_version: String::new(),
                name: declared.name.name.clone(),
                namespace: Some(declared.name.namespace.clone()),
                labels: declared.labels.clone(),
                place: place.clone(),
            },
            image_repository: Reference { name: String::new(), namespace: None },
            semver_range: None,
            alphabetical: None,
            numerical: None,
            pattern: None,
            extract: None,
            digest_reflection: None,
            suspend: false,
        },
    };
    if let Some(choice) = &settings.policy {
        let order = |order: &Option<OrderSpec>| order.as_ref().map(|order| Written { order: at(&order.order) });
        written.semver_range = choice.semver.as_ref().and_then(|semver| at(&semver.range));
        written.alphabetical = order(&choice.alphabetical);
        written.numerical = order(&choice.numerical);
    }
    if let Some(filter) = &settings.filter_tags {
        written.pattern = at(&filter.pattern);
        written.extract = at(&filter.extract);
    }
    if let Some(digest) = &settings.digest_reflection_policy {
        written.digest_reflection = at(digest);
    }
    Some(written)
}

fn tag_of(marker: &crate::markers::Marker) -> Option<String> {
    match marker.setter.part {
        Part::Tag => Some(marker.value.clone()).filter(|tag| !tag.is_empty()),
        Part::Reference => Some(marker.value.parse::<ImageRef>().ok()?.tag?.to_string()),
        Part::Name | Part::Digest => None,
    }
}

fn valued<'a>(known: &'a [Known<'a>], selection: &'a Selection<'a>, only: &[Verdict]) -> Vec<Valued<'a>> {
    known
        .iter()
        .enumerate()
        .filter(|(index, _)| only.contains(&selection.verdicts[*index]))
        .filter_map(|(index, known)| Some(Valued { tag: known.tag, value: selection.value(index)? }))
        .collect()
}

impl<'a> Subject<'a> {
    /// Where the object begins.
    pub(super) fn place(&self) -> &'a Place {
        &self.written.object.place
    }

    /// Where a field stands, or the object if it is not there.
    pub(super) fn place_of(&self, field: &'a Option<At<String>>) -> &'a Place {
        field.as_ref().map_or(self.place(), |at| &at.place)
    }

    /// `filterTags.pattern`; empty if there is none.
    pub(super) fn pattern(&self) -> &'a str {
        value(&self.written.pattern)
    }

    /// `filterTags.extract`; empty if there is none.
    pub(super) fn extract(&self) -> &'a str {
        value(&self.written.extract)
    }

    /// `digestReflectionPolicy`; empty if there is none.
    pub(super) fn digest(&self) -> &'a str {
        value(&self.written.digest_reflection)
    }

    /// Where a field stands, whatever it holds, or the object if it is not there.
    pub(super) fn place_of_key(&self, path: &str) -> Place {
        self.tree.place_of_key(self.place(), path)
    }

    /// Where the order stands that counts.
    pub(super) fn place_of_order(&self) -> Place {
        // Flux's objects cannot say it.
        if let ("newest", Some((_, place))) = (self.key(), self.tree.settings_of(&self.declared.name)) {
            return place;
        }
        let order = |written: &'a Option<Written>| written.as_ref().and_then(|written| written.order.as_ref());
        let at = match self.key() {
            "semver" => self.written.semver_range.as_ref(),
            "alphabetical" => order(&self.written.alphabetical),
            _ => order(&self.written.numerical),
        };
        match at {
            Some(at) => at.place.clone(),
            None => self.place_of_key(&format!("spec.policy.{}", self.key())),
        }
    }

    /// The key below `policy` that counts.
    pub(super) fn key(&self) -> &'static str {
        if matches!(self.policy, Some(Policy { order: Order::Newest, .. })) {
            return "newest";
        }
        match (&self.written.semver_range, &self.written.alphabetical) {
            (Some(_), _) => "semver",
            (None, Some(_)) => "alphabetical",
            (None, None) => "numerical",
        }
    }

    /// The direction of an alphabetical policy.
    pub(super) fn alphabetical(&self) -> Option<Direction> {
        match self.policy?.order {
            Order::Alphabetical(direction) => Some(direction),
            _ => None,
        }
    }

    /// The direction of a numerical policy.
    pub(super) fn numerical(&self) -> Option<Direction> {
        match self.policy?.order {
            Order::Numerical(direction) => Some(direction),
            _ => None,
        }
    }

    /// The tags of the image, or if they are not known, those that stand in Git.
    pub(super) fn evidence(&self) -> &'a [Known<'a>] {
        if self.selection.is_some() { self.known } else { self.known_in_git }
    }

    /// The known tags that could be selected.
    pub(super) fn candidates(&self) -> Vec<Valued<'a>> {
        self.selection
            .map(|selection| valued(self.known, selection, &[Verdict::Selected, Verdict::Outranked]))
            .unwrap_or_default()
    }

    /// The known tags that the pattern lets through, whether or not they have a rank.
    pub(super) fn considered(&self) -> Vec<Valued<'a>> {
        let all = [Verdict::Selected, Verdict::Outranked, Verdict::Invalid, Verdict::OutOfRange];
        self.selection.map(|selection| valued(self.known, selection, &all)).unwrap_or_default()
    }

    /// The known tags that have no rank.
    pub(super) fn invalid(&self) -> Vec<Valued<'a>> {
        self.selection.map(|selection| valued(self.known, selection, &[Verdict::Invalid])).unwrap_or_default()
    }

    /// The known tags that are not excluded.
    pub(super) fn existing(&self) -> Vec<&'a str> {
        let Some(selection) = self.selection else { return Vec::new() };
        let exists = |index: &usize| !matches!(selection.verdicts[*index], Verdict::Excluded(_));
        (0..self.known.len()).filter(exists).map(|index| self.known[index].tag).collect()
    }

    /// The selected tag and its value.
    pub(super) fn selected(&self) -> Option<Valued<'a>> {
        let index = self.selection?.verdicts.iter().position(|verdict| *verdict == Verdict::Selected)?;
        Some(Valued { tag: self.known[index].tag, value: self.selection?.value(index)? })
    }

    /// The tags that stand in Git and that the policy looks at: all that is known of an image's tags without its list.
    pub(super) fn candidates_in_git(&self) -> Vec<Valued<'a>> {
        let all = [Verdict::Selected, Verdict::Outranked];
        self.in_git.map(|selection| valued(self.known_in_git, selection, &all)).unwrap_or_default()
    }

    /// The tags that stand in Git, pass a pattern, and have no rank all the same.
    pub(super) fn invalid_in_git(&self) -> Vec<Valued<'a>> {
        // Without a pattern it may be what somebody wrote to begin with: `latest`.
        let selection = self.in_git.filter(|_| !self.pattern().is_empty());
        selection.map(|selection| valued(self.known_in_git, selection, &[Verdict::Invalid])).unwrap_or_default()
    }
}
