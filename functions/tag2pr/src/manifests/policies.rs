//! Policies: Flux's objects, overlaid with what `.tag2pr.yaml` says, or from it alone.

use std::collections::BTreeMap;

use super::DeclaredPolicy;
use crate::flux::{self, Found, ImagePolicy, ImageRepository};
use crate::image::ImageName;
use crate::policy::{Policy, PolicyName, PolicySpec};
use crate::repository_settings::{FILE, PolicySettings, RepositorySettings, place};

/// Every policy of the repository. Without settings that can be read there is none: one of them might say `minimumAge`.
pub(super) fn declare(found: &Found, settings: Result<&RepositorySettings, &String>) -> Vec<DeclaredPolicy> {
    let mut own: BTreeMap<&PolicyName, &PolicySettings> = BTreeMap::new();
    if let Ok(settings) = settings {
        own.extend(settings.policies.iter().map(|policy| (&policy.name.value.0, policy)));
    }
    let mut declared: Vec<DeclaredPolicy> = Vec::new();
    let mut specs: BTreeMap<PolicyName, (Option<PolicySpec>, usize)> = BTreeMap::new();
    for policy in &found.policies {
        let namespace = policy.object.namespace.clone().unwrap_or_default();
        let name = PolicyName { namespace, name: policy.object.name.clone() };
        let overlay = own.get(&name).copied();
        let spec = match settings {
            Ok(_) => spec_of(policy, &name, &found.repositories).map(|spec| overlaid(spec, overlay)),
            Err(reason) => Err(reason.clone()),
        };
        // A cluster's copy of a policy is fine; two policies of one name would decide for each other's markers.
        match specs.get(&name) {
            Some((first, _)) if *first == spec.as_ref().ok().cloned() => continue,
            Some((_, at)) => {
                let first = &mut declared[*at];
                first.policy = Err(format!(
                    "declared differently in {} and in {}: give one of them another name or namespace",
                    first.place, policy.object.place
                ));
                first.rival.get_or_insert_with(|| policy.object.place.clone());
                continue;
            }
            None => {
                specs.insert(name.clone(), (spec.as_ref().ok().cloned(), declared.len()));
            }
        }
        declared.push(DeclaredPolicy {
            policy: spec.and_then(|spec| checked(&spec)),
            rival: None,
            place: policy.object.place.clone(),
            labels: policy.object.labels.clone(),
            minimum_age: overlay.and_then(|overlay| overlay.minimum_age).map(|age| age.0),
            platforms: overlay.map(|overlay| overlay.platforms.clone()).unwrap_or_default(),
            name,
        });
    }
    own.retain(|name, _| !specs.contains_key(name));
    for (name, policy) in own {
        let spec = PolicySpec { name: name.clone(), ..PolicySpec::default() };
        declared.push(DeclaredPolicy {
            policy: match &policy.image {
                Some(_) => checked(&overlaid(spec, Some(policy))),
                None => Err(format!("there is no ImagePolicy {name}, and {FILE} names no `image:` for it")),
            },
            rival: None,
            place: place(&policy.name),
            labels: BTreeMap::new(),
            minimum_age: policy.minimum_age.map(|age| age.0),
            platforms: policy.platforms.clone(),
            name: name.clone(),
        });
    }
    declared
}

/// A policy whose ImageRepository is not at hand, judged under the name of that ImageRepository.
pub(super) fn without_image(policy: &ImagePolicy, name: &PolicyName) -> Result<(ImageName, Policy), String> {
    checked(&written(policy, name, &policy.image_repository.name, &[])?)
}

fn spec_of(policy: &ImagePolicy, name: &PolicyName, repositories: &[ImageRepository]) -> Result<PolicySpec, String> {
    let repository = image_of(policy, name, repositories)?;
    written(policy, name, &repository.image.value, &repository.exclusion_list)
}

fn image_of<'a>(
    policy: &ImagePolicy,
    name: &PolicyName,
    repositories: &'a [ImageRepository],
) -> Result<&'a ImageRepository, String> {
    let wanted = &policy.image_repository;
    let namespace = wanted.namespace.as_deref().unwrap_or(&name.namespace);
    let repository = repositories
        .iter()
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
fn overlaid(mut spec: PolicySpec, overlay: Option<&PolicySettings>) -> PolicySpec {
    let Some(overlay) = overlay else { return spec };
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
