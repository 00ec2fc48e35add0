//! Policies: Flux's objects, overlaid with what `.tag2pr.yaml` says, or from it alone.

use std::collections::{BTreeMap, BTreeSet};

use super::DeclaredPolicy;
use super::elsewhere::Voice;
use crate::flux::{self, ImagePolicy, ImageRepository};
use crate::image::ImageName;
use crate::policy::{Policy, PolicyName, PolicySpec};
use crate::problem::Place;
use crate::repository_settings::{FILE, PolicySettings, place};

/// Every policy of the repository, and of those that speak for it. Without settings that can be read a repository has
/// none: one of them might say `minimumAge`.
pub(super) fn declare(voices: &[Voice<'_>]) -> Vec<DeclaredPolicy> {
    let mut all = Declared::default();
    for voice in voices {
        // Its own go before those of others that have the same name.
        let others = voices.iter().filter(|other| other.of != voice.of);
        let images = std::iter::once(voice).chain(others).flat_map(|voice| &voice.found.repositories);
        let images: Vec<&ImageRepository> = images.collect();
        for policy in &voice.found.policies {
            let namespace = policy.object.namespace.clone().unwrap_or_default();
            let name = PolicyName { namespace, name: policy.object.name.clone() };
            let overlays = overlays(voices, voice, &name);
            let spec = match &voice.settings {
                Ok(_) => spec_of(policy, &name, &images)
                    .map(|spec| overlays.iter().fold(spec, |spec, overlay| overlaid(spec, overlay))),
                Err(reason) => Err(reason.clone()),
            };
            let place = voice.place(&policy.object.place);
            all.add(name, spec, voice.of.is_none(), place, &policy.object.labels, &overlays);
        }
    }
    let from_flux: BTreeSet<PolicyName> = all.specs.keys().cloned().collect();
    for voice in voices {
        for policy in voice.settings.iter().flat_map(|settings| &settings.policies) {
            let name = &policy.name.value.0;
            if from_flux.contains(name) {
                continue;
            }
            let spec = match &policy.image {
                Some(_) => Ok(overlaid(PolicySpec { name: name.clone(), ..PolicySpec::default() }, policy)),
                None => Err(format!("there is no ImagePolicy {name}, and {FILE} names no `image:` for it")),
            };
            let place = voice.place(&place(&policy.name));
            all.add(name.clone(), spec, voice.of.is_none(), place, &BTreeMap::new(), &[policy]);
        }
    }
    all.policies
}

/// What is laid over a policy: first what is said where it stands, then what is said here.
fn overlays<'a>(voices: &'a [Voice<'_>], own: &'a Voice<'_>, name: &PolicyName) -> Vec<&'a PolicySettings> {
    let here = voices.iter().filter(|voice| voice.of.is_none() && own.of.is_some());
    let settings = std::iter::once(own).chain(here).filter_map(|voice| voice.settings.as_ref().ok());
    settings.filter_map(|settings| settings.policies.iter().rfind(|policy| policy.name.value.0 == *name)).collect()
}

/// The policies so far, each once.
#[derive(Default)]
struct Declared {
    policies: Vec<DeclaredPolicy>,
    specs: BTreeMap<PolicyName, First>,
}

/// The first policy of a name.
struct First {
    spec: Option<PolicySpec>,
    at: usize,
    /// Whether it stands in this repository.
    is_here: bool,
}

impl Declared {
    /// A cluster's copy of a policy is fine; two policies of one name would decide for each other's markers. One that stands
    /// here counts, whatever others say.
    fn add(
        &mut self,
        name: PolicyName,
        spec: Result<PolicySpec, String>,
        is_here: bool,
        place: Place,
        labels: &BTreeMap<String, String>,
        overlays: &[&PolicySettings],
    ) {
        match self.specs.get(&name) {
            Some(first) if first.spec == spec.as_ref().ok().cloned() || first.is_here && !is_here => return,
            Some(First { at, .. }) => {
                let first = &mut self.policies[*at];
                first.policy = Err(format!(
                    "declared differently in {} and in {place}: give one of them another name or namespace",
                    first.place
                ));
                first.rival.get_or_insert(place);
                return;
            }
            None => {
                let first = First { spec: spec.as_ref().ok().cloned(), at: self.policies.len(), is_here };
                self.specs.insert(name.clone(), first)
            }
        };
        let mut last = overlays.iter().rev();
        self.policies.push(DeclaredPolicy {
            name,
            place,
            labels: labels.clone(),
            policy: spec.and_then(|spec| checked(&spec)),
            rival: None,
            minimum_age: last.clone().find_map(|overlay| overlay.minimum_age).map(|age| age.0),
            platforms: last
                .find(|said| !said.platforms.is_empty())
                .map(|said| said.platforms.clone())
                .unwrap_or_default(),
        });
    }
}

/// A policy whose ImageRepository is not at hand, judged under the name of that ImageRepository.
pub(super) fn without_image(policy: &ImagePolicy, name: &PolicyName) -> Result<(ImageName, Policy), String> {
    checked(&written(policy, name, &policy.image_repository.name, &[])?)
}

fn spec_of(policy: &ImagePolicy, name: &PolicyName, repositories: &[&ImageRepository]) -> Result<PolicySpec, String> {
    let repository = image_of(policy, name, repositories)?;
    written(policy, name, &repository.image.value, &repository.exclusion_list)
}

fn image_of<'a>(
    policy: &ImagePolicy,
    name: &PolicyName,
    repositories: &[&'a ImageRepository],
) -> Result<&'a ImageRepository, String> {
    let wanted = &policy.image_repository;
    let namespace = wanted.namespace.as_deref().unwrap_or(&name.namespace);
    let repository = repositories
        .iter()
        .copied()
        .find(|one| one.object.name == wanted.name && one.object.namespace.as_deref().unwrap_or_default() == namespace)
        .ok_or_else(|| format!("there is no ImageRepository {namespace}/{} in this repository", wanted.name))?;
    // Namespaces are seldom in Git; the one label that every namespace has is known.
    let labels = BTreeMap::from([("kubernetes.io/metadata.name".to_owned(), name.namespace.clone())]);
    let allowed = namespace == name.namespace
        || repository
            .access_from
            .iter()
            .any(|selector| selector.iter().all(|(key, value)| labels.get(key) == Some(value)));
    if !allowed {
        return Err(format!(
            "the ImageRepository {namespace}/{} does not let the namespace {} in: add it to its `accessFrom`",
            wanted.name, name.namespace
        ));
    }
    Ok(repository)
}

/// A policy as it is written, before it is checked.
fn written(
    policy: &ImagePolicy,
    name: &PolicyName,
    image: &str,
    exclusions: &[flux::At<String>],
) -> Result<PolicySpec, String> {
    if policy.suspend {
        return Err("the policy is suspended".to_owned());
    }
    let exclusion_list = exclusions.iter().map(|at| at.value.clone()).collect();
    Ok(PolicySpec { name: name.clone(), exclusion_list, ..policy.spec(image) })
}

/// What the settings say goes before what the object says, key by key.
fn overlaid(mut spec: PolicySpec, overlay: &PolicySettings) -> PolicySpec {
    if let Some(image) = &overlay.image {
        spec.image.clone_from(image);
    }
    if let Some(exclusions) = &overlay.exclusion_list {
        spec.exclusion_list.clone_from(exclusions);
    }
    if let Some(filter) = &overlay.filter_tags {
        spec.filter_tags = Some(filter.clone());
    }
    if let Some(choice) = &overlay.policy {
        spec.policy = choice.clone();
    }
    if let Some(reflection) = &overlay.digest_reflection_policy {
        spec.digest_reflection_policy.clone_from(reflection);
    }
    spec
}

fn checked(spec: &PolicySpec) -> Result<(ImageName, Policy), String> {
    let image: ImageName = spec.image.parse().map_err(|error| format!("{error}"))?;
    Ok((image, Policy::from_spec(spec).map_err(|error| error.to_string())?))
}
