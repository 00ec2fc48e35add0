//! Patches to a policy or its ImageRepository, applied and read again before anybody gets to see them.

use super::Patch;
use super::draft::Draft;
use super::subject::Subject;
use crate::flux::{self, Found, ImagePolicy, ImageRepository};
use crate::policy::{Policy, PolicySpec, Selection};
use crate::problem::Place;
use crate::seams::File;

/// What shall change in a policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// `alphabetical` or another, its field, and the value of that.
    pub(super) order: Option<(&'static str, &'static str, &'static str)>,
    /// `policy.semver.range`, where there is one.
    pub(super) range: Option<String>,
    /// `filterTags.pattern`
    pub(super) pattern: Option<String>,
    /// `filterTags.extract`; removed if empty.
    pub(super) extract: Option<String>,
    /// `digestReflectionPolicy`, and the interval that belongs to it.
    pub(super) digest: Option<(&'static str, Option<&'static str>)>,
    /// `imageRepositoryRef`: its field, and the value.
    pub(super) image_repository: Option<(&'static str, String)>,
    /// Keys below `policy` that shall go.
    pub(super) superfluous: Vec<&'static str>,
}

/// A policy after a change.
pub(super) struct Mended {
    pub(super) patch: Patch,
    pub(super) written: ImagePolicy,
    /// The tag that it selects, of those that are known.
    pub(super) selected: Option<String>,
}

/// The first change with which the policy does what it should.
pub(super) fn first(
    subject: &Subject<'_>,
    changes: impl IntoIterator<Item = Change>,
    good: impl Fn(&Selection<'_>) -> bool,
) -> Option<Mended> {
    changes.into_iter().find_map(|change| {
        let (mut mended, policy) = mend(subject, &change)?;
        let selection = policy.select(subject.evidence());
        mended.selected = selection.selected.map(|selected| selected.tag.to_owned());
        (subject.evidence().is_empty() || (selection.error.is_none() && good(&selection))).then_some(mended)
    })
}

/// A change to the object, if it can be made and the policy is valid with it.
pub(super) fn mend(subject: &Subject<'_>, change: &Change) -> Option<(Mended, Policy)> {
    // What is said in two places is for a person to mend.
    if !subject.plain {
        return None;
    }
    let place = subject.place();
    let text = subject.tree.text(&place.file)?;
    let mut draft = Draft::of(text, place)?;
    if let Some((key, field, value)) = change.order {
        match subject.key() == key {
            true => draft.set(&format!("spec.policy.{key}.{field}"), value),
            false => None,
        }
        .or_else(|| draft.replace(&format!("spec.policy.{}", subject.key()), key, field, value))?;
    }
    if let Some(range) = &change.range {
        draft.set("spec.policy.semver.range", range)?;
    }
    let has_filter = subject.written.pattern.is_some() || subject.written.extract.is_some();
    match (&change.pattern, change.extract.as_deref()) {
        (Some(pattern), extract) if !has_filter => {
            let extract = extract.filter(|extract| !extract.is_empty()).map(|extract| ("extract", extract));
            let fields: Vec<(&str, &str)> = std::iter::once(("pattern", pattern.as_str())).chain(extract).collect();
            draft.add("spec", "filterTags", &fields)?;
        }
        (pattern, extract) => {
            if let Some(pattern) = pattern {
                draft.set("spec.filterTags.pattern", pattern)?;
            }
            match extract {
                None => {}
                Some("") if subject.written.extract.is_none() => {}
                Some("") => draft.remove("spec.filterTags.extract")?,
                Some(extract) => draft.set("spec.filterTags.extract", extract)?,
            }
        }
    }
    if let Some((digest, interval)) = change.digest {
        draft.set("spec.digestReflectionPolicy", digest)?;
        if let Some(interval) = interval {
            draft.set("spec.interval", interval)?;
        }
    }
    if let Some((field, value)) = &change.image_repository {
        draft.set(&format!("spec.imageRepositoryRef.{field}"), value)?;
    }
    for key in &change.superfluous {
        draft.remove(&format!("spec.policy.{key}"))?;
    }
    let mended = draft.finish()?;

    let (before, after) = (objects(&place.file, text), objects(&place.file, &mended));
    let at = before.policies.iter().position(|policy| policy.object.place == *place)?;
    let written = after.policies.get(at)?.clone();
    let others = |found: &Found| -> Vec<ImagePolicy> {
        let other = found.policies.iter().enumerate().filter(|(index, _)| *index != at);
        other.map(|(_, policy)| without_places(policy)).collect()
    };
    let same = others(&before) == others(&after)
        && images(&before) == images(&after)
        && expected(subject.written, change) == without_places(&written)
        && before.problems.len() == after.problems.len()
        && before.automations.len() == after.automations.len()
        && before.git_repositories.len() == after.git_repositories.len();
    if !same {
        return None;
    }
    let image = subject.repository.map_or(written.image_repository.name.as_str(), |one| &one.image.value);
    let exclusions = subject.repository.map(|one| &one.exclusion_list[..]).unwrap_or_default();
    let spec = PolicySpec {
        name: subject.declared.name.clone(),
        exclusion_list: exclusions.iter().map(|at| at.value.clone()).collect(),
        ..written.spec(image)
    };
    let policy = Policy::from_spec(&spec).ok()?;
    Some((Mended { patch: subject.tree.patch(&place.file, mended)?, written, selected: None }, policy))
}

/// One more entry in the exclusion list of the policy's ImageRepository, if the policy then is as good as it should be.
pub(super) fn exclude(subject: &Subject<'_>, pattern: &str, good: impl Fn(&Policy) -> bool) -> Option<Patch> {
    let repository = subject.repository?;
    let place = &repository.object.place;
    let text = subject.tree.text(&place.file)?;
    let mut draft = Draft::of(text, place)?;
    draft.append("spec.exclusionList", pattern)?;
    let mended = draft.finish()?;

    let (before, after) = (objects(&place.file, text), objects(&place.file, &mended));
    let at = before.repositories.iter().position(|one| one.object.place == *place)?;
    let mut wanted = images(&before);
    wanted.get_mut(at)?.1.push(pattern.to_owned());
    let policies = |found: &Found| -> Vec<ImagePolicy> { found.policies.iter().map(without_places).collect() };
    if wanted != images(&after)
        || policies(&before) != policies(&after)
        || before.problems.len() != after.problems.len()
    {
        return None;
    }
    let spec = PolicySpec {
        name: subject.declared.name.clone(),
        exclusion_list: wanted.swap_remove(at).1,
        ..subject.written.spec(&repository.image.value)
    };
    let policy = Policy::from_spec(&spec).ok()?;
    if !good(&policy) {
        return None;
    }
    subject.tree.patch(&place.file, mended)
}

fn objects(file: &str, text: &str) -> Found {
    flux::read(&[File { path: file.to_owned(), bytes: text.as_bytes().to_vec() }])
}

fn images(found: &Found) -> Vec<(String, Vec<String>)> {
    let image = |one: &ImageRepository| {
        let exclusions = one.exclusion_list.iter().map(|at| at.value.clone()).collect();
        (format!("{}/{}", one.object.name, one.image.value), exclusions)
    };
    found.repositories.iter().map(image).collect()
}

/// What a policy says once a change is made, and nothing else.
fn expected(written: &ImagePolicy, change: &Change) -> ImagePolicy {
    let mut expected = without_places(written);
    let at = |value: &str| Some(flux::At { value: value.to_owned(), place: nowhere() });
    if let Some((key, _, value)) = change.order {
        // What counted before is replaced; what did not count stays.
        match (&written.semver_range, &written.alphabetical) {
            (Some(_), _) => expected.semver_range = None,
            (None, Some(_)) => expected.alphabetical = None,
            (None, None) => expected.numerical = None,
        }
        match key {
            "semver" => expected.semver_range = at(value),
            "alphabetical" => expected.alphabetical = Some(flux::Order { order: at(value) }),
            _ => expected.numerical = Some(flux::Order { order: at(value) }),
        }
    }
    if let Some(range) = &change.range {
        expected.semver_range = at(range);
    }
    if let Some(pattern) = &change.pattern {
        expected.pattern = at(pattern);
    }
    if let Some(extract) = &change.extract {
        expected.extract = at(extract).filter(|_| !extract.is_empty());
    }
    if let Some((digest, _)) = change.digest {
        expected.digest_reflection = at(digest);
    }
    match &change.image_repository {
        Some(("namespace", namespace)) => expected.image_repository.namespace = Some(namespace.clone()),
        Some((_, name)) => expected.image_repository.name.clone_from(name),
        None => {}
    }
    for key in &change.superfluous {
        match *key {
            "semver" => expected.semver_range = None,
            "alphabetical" => expected.alphabetical = None,
            _ => expected.numerical = None,
        }
    }
    expected
}

fn nowhere() -> Place {
    Place { file: String::new(), line: 0, column: 0 }
}

fn without_places(policy: &ImagePolicy) -> ImagePolicy {
    let mut policy = policy.clone();
    policy.object.place = nowhere();
    policy.object.namespace = None;
    let fields = [&mut policy.semver_range, &mut policy.pattern, &mut policy.extract, &mut policy.digest_reflection];
    let orders = [&mut policy.alphabetical, &mut policy.numerical].into_iter().flatten();
    for at in fields.into_iter().chain(orders.map(|order| &mut order.order)).flatten() {
        at.place = nowhere();
    }
    policy
}
