//! A manifests repository under the checks' eyes.

use std::collections::BTreeMap;

use tag2pr_yaml::Event;

use super::Patch;
use super::draft::Draft;
use crate::flux::{self, At, Found, ImagePolicy, ImageRepository, Object};
use crate::manifests::Manifests;
use crate::markers::{self, Marker};
use crate::policy::PolicyName;
use crate::problem::Place;
use crate::repository_settings::{FILE, PolicySettings, RepositorySettings};
use crate::yaml;

/// The repository, once as it is used and once as it is written.
pub(super) struct Tree<'a> {
    pub(super) manifests: &'a Manifests,
    pub(super) found: Found,
    /// What `.tag2pr.yaml` says; nothing if it cannot be read.
    pub(super) settings: Option<RepositorySettings>,
    texts: BTreeMap<&'a str, &'a str>,
}

impl<'a> Tree<'a> {
    pub(super) fn new(manifests: &'a Manifests) -> Self {
        let text = |bytes: &'a [u8]| std::str::from_utf8(bytes).ok();
        let settings = manifests.files.iter().find(|file| file.path == FILE);
        Self {
            settings: match settings {
                Some(file) => text(&file.bytes).and_then(|text| RepositorySettings::parse(text).ok()),
                None => Some(RepositorySettings::default()),
            },
            manifests,
            found: flux::read(&manifests.files),
            texts: manifests.files.iter().filter_map(|file| Some((file.path.as_str(), text(&file.bytes)?))).collect(),
        }
    }

    /// All files that are text.
    pub(super) fn texts(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.texts.iter().map(|(file, text)| (*file, *text))
    }

    /// A file's text.
    pub(super) fn text(&self, file: &str) -> Option<&'a str> {
        self.texts.get(file).copied()
    }

    /// What `.tag2pr.yaml` says about a policy, and where.
    pub(super) fn settings_of(&self, policy: &PolicyName) -> Option<(&PolicySettings, Place)> {
        let all = &self.settings.as_ref()?.policies;
        // Of several for one policy the last counts.
        let index = all.iter().rposition(|settings| settings.name.value.0 == *policy)?;
        let place = self.text(FILE).and_then(Draft::first).and_then(|draft| draft.place_of_item("policies", index));
        let (line, column) = place.unwrap_or((1, 1));
        Some((&all[index], Place { file: FILE.to_owned(), line, column }))
    }

    /// Where a field rule stands.
    pub(super) fn place_of_rule(&self, index: usize) -> Place {
        let place = self.text(FILE).and_then(Draft::first).and_then(|draft| draft.place_of_item("fields", index));
        let (line, column) = place.unwrap_or((1, 1));
        Place { file: FILE.to_owned(), line, column }
    }

    /// All markers, with their files.
    pub(super) fn markers(&self) -> impl Iterator<Item = (&'a str, &'a Marker)> {
        self.manifests.markers.iter().flat_map(|(file, markers)| markers.iter().map(move |one| (file.as_str(), one)))
    }

    pub(super) fn markers_of(&self, policy: &PolicyName) -> impl Iterator<Item = (&'a str, &'a Marker)> {
        self.markers().filter(move |(_, marker)| marker.setter.policy == *policy)
    }

    /// The ImageRepository that a policy refers to.
    pub(super) fn repository_of(&self, policy: &ImagePolicy) -> Option<&ImageRepository> {
        let own = namespace(&policy.object);
        let wanted = policy.image_repository.namespace.as_deref().unwrap_or(own);
        self.found
            .repositories
            .iter()
            .find(|one| one.object.name == policy.image_repository.name && namespace(&one.object) == wanted)
    }

    /// Whether an object of this kind and name is there, but could not be read: its problem says why.
    pub(super) fn is_broken(&self, kind: &str, namespace: &str, name: &str) -> bool {
        let object = format!("{kind} {namespace}/{name}:");
        self.found.problems.iter().any(|problem| problem.reason.starts_with(&object))
    }

    /// Where a field of an object stands, or where the object begins.
    pub(super) fn place_of_key(&self, object: &Place, path: &str) -> Place {
        let draft = self.text(&object.file).and_then(|text| Draft::of(text, object));
        match draft.and_then(|draft| draft.place_of_key(path)) {
            Some((line, column)) => Place { file: object.file.clone(), line, column },
            None => object.clone(),
        }
    }

    /// A patch that turns a file into `mended`.
    pub(super) fn patch(&self, file: &str, mended: String) -> Option<Patch> {
        let before = self.text(file)?;
        let (old, new) = (format!("a/{file}"), format!("b/{file}"));
        let diff = similar::TextDiff::from_lines(before, mended.as_str())
            .unified_diff()
            .context_radius(2)
            .header(&old, &new)
            .to_string();
        (before != mended).then(|| Patch { file: file.to_owned(), mended, diff })
    }

    /// A patch with which a file has exactly one marker more, and every value that it had.
    pub(super) fn patch_with_marker(&self, file: &str, mended: String) -> Option<Patch> {
        let before = self.manifests.markers.get(file).map(Vec::as_slice).unwrap_or_default();
        let after = markers::find(file, mended.as_bytes(), &self.manifests.rules).ok()?;
        let one_more = after.len() == before.len() + 1;
        let kept =
            before.iter().all(|old| after.iter().any(|new| (&new.setter, &new.value) == (&old.setter, &old.value)));
        let content = |text: &str| yaml::events(text).ok().map(|events| without_comments(&events));
        let same = content(self.text(file)?).is_none_or(|old| content(&mended).is_some_and(|new| new == old));
        if one_more && kept && same { self.patch(file, mended) } else { None }
    }

    /// Moves a place into its file, should it lie beyond an end: a byte order mark counts for some parsers.
    pub(super) fn settle(&self, place: &mut Place) {
        let file = self.manifests.files.iter().find(|file| file.path == place.file);
        let text = file.map(|file| String::from_utf8_lossy(&file.bytes)).unwrap_or_default();
        let lines: Vec<&str> = text.split('\n').collect();
        place.line = place.line.clamp(1, lines.len());
        let line = lines[place.line - 1];
        place.column = place.column.clamp(1, line.strip_suffix('\r').unwrap_or(line).chars().count() + 1);
    }
}

fn without_comments(events: &[(Event<'_>, tag2pr_yaml::Span)]) -> Vec<String> {
    let content = events.iter().filter(|(event, _)| !matches!(event, Event::Comment(..)));
    content.map(|(event, _)| format!("{event:?}")).collect()
}

/// The namespace of an object; empty if it has none.
pub(super) fn namespace(object: &Object) -> &str {
    object.namespace.as_deref().unwrap_or_default()
}

/// What a field holds; empty if it is not there.
pub(super) fn value(at: &Option<At<String>>) -> &str {
    at.as_ref().map_or("", |at| at.value.as_str())
}

/// The nearest of some names to one that is not among them.
pub(super) fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let distance = |candidate: &&str| strsim::damerau_levenshtein(name, candidate);
    let best = known.min_by_key(distance)?;
    (distance(&best) <= (name.chars().count() / 3).max(1)).then_some(best)
}
