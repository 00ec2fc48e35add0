//! What one commit of a manifests repository asks for: its policies, its automations, its markers.

use std::collections::{BTreeMap, BTreeSet};

use crate::flux::{self, Found, ImagePolicy, ImageRepository, ImageUpdateAutomation, Selector};
use crate::image::ImageName;
use crate::markers::{self, Marker};
use crate::policy::{FilterTags, OrderSpec, Policy, PolicyChoice, PolicyName, PolicySpec, SemverSpec};
use crate::problem::{Place, Problem};
use crate::repository_url::RepositoryUrl;
use crate::seams::{Author, CommitId, File, RepositoryId, Snapshot};

/// Whether a file of a manifests repository may matter at all: the rest is not even kept in memory.
pub fn wanted(path: &str, bytes: &[u8]) -> bool {
    flux::wanted(path, bytes) || markers::wanted(path, bytes)
}

/// A manifests repository at one commit.
#[derive(Debug)]
pub struct Manifests {
    /// The commit.
    pub commit: CommitId,
    /// The files that matter, in the order of their paths.
    pub files: Vec<File>,
    /// The policies, with the image that each is about.
    pub policies: Vec<DeclaredPolicy>,
    /// The automations that propose to this repository and base.
    pub automations: Vec<Automation>,
    /// The automations that do not, and why.
    pub passed_over: Vec<(Place, String)>,
    /// The marked values, by file.
    pub markers: BTreeMap<String, Vec<Marker>>,
    /// What could not be read.
    pub problems: Vec<Problem>,
}

/// An ImagePolicy together with its ImageRepository.
#[derive(Debug)]
pub struct DeclaredPolicy {
    /// Its name.
    pub name: PolicyName,
    /// Where it stands.
    pub place: Place,
    /// Its labels, for automations that select by them.
    pub labels: BTreeMap<String, String>,
    /// The image and the checked policy, or why there is none.
    pub policy: Result<(ImageName, Policy), String>,
}

/// An ImageUpdateAutomation, as far as it matters here.
#[derive(Debug)]
pub struct Automation {
    /// `<namespace>.<name>`
    pub name: String,
    /// Its policies are those of this namespace.
    pub namespace: String,
    /// Which of them; all if none.
    pub selector: Option<Selector>,
    /// The branch that carries its proposal.
    pub branch: String,
    /// The folder or file whose markers it updates, without `.` and `..`; empty for the whole repository.
    pub path: String,
    /// Who commits.
    pub author: Author,
}

impl Automation {
    /// Whether a file is below its path.
    pub fn covers(&self, file: &str) -> bool {
        self.path.is_empty()
            || file.strip_prefix(&self.path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Whether it applies a policy.
    pub fn applies(&self, policy: &DeclaredPolicy) -> bool {
        policy.name.namespace == self.namespace
            && self.selector.as_ref().is_none_or(|selector| selector.matches(&policy.labels))
    }
}

impl Manifests {
    /// Reads everything that the files of a commit say to this repository and base.
    pub fn read(repository: &RepositoryId, snapshot: Snapshot) -> Self {
        let found = flux::read(&snapshot.files);
        let mut problems = found.problems.clone();
        let mut all_markers = BTreeMap::new();
        for file in snapshot.files.iter().filter(|file| markers::wanted(&file.path, &file.bytes)) {
            match markers::find(&file.path, &file.bytes) {
                Ok(markers) if markers.is_empty() => {}
                Ok(markers) => {
                    all_markers.insert(file.path.clone(), markers);
                }
                Err(problem) => problems.push(problem),
            }
        }
        let mut automations = Vec::new();
        let mut passed_over = Vec::new();
        for declared in &found.automations {
            match automation(declared, &found, repository) {
                Ok(automation) => automations.push(automation),
                Err(reason) => passed_over.push((declared.object.place.clone(), reason)),
            }
        }
        problems.sort();
        problems.dedup();
        Self {
            commit: snapshot.commit,
            policies: found.policies.iter().map(|policy| declared(policy, &found.repositories)).collect(),
            files: snapshot.files,
            automations,
            passed_over,
            markers: all_markers,
            problems,
        }
    }

    /// Lets policies be judged whose ImageRepository is not at hand: under the name of the ImageRepository, and with Flux's
    /// default exclusions.
    pub fn judge_without_images(&mut self, files: &[File]) {
        let found = flux::read(files);
        for policy in &found.policies {
            let Some(declared) = self.policies.iter_mut().find(|declared| declared.place == policy.object.place) else {
                continue;
            };
            if declared.policy.is_err() {
                declared.policy = checked(policy, &declared.name, &policy.image_repository.name, &[]);
            }
        }
    }

    /// The images that its policies are about.
    pub fn images(&self) -> BTreeSet<ImageName> {
        self.policies.iter().filter_map(|policy| policy.policy.as_ref().ok()).map(|(image, _)| image.clone()).collect()
    }
}

fn declared(policy: &ImagePolicy, repositories: &[ImageRepository]) -> DeclaredPolicy {
    let namespace = policy.object.namespace.clone().unwrap_or_default();
    let name = PolicyName { namespace, name: policy.object.name.clone() };
    DeclaredPolicy {
        policy: image_of(policy, &name, repositories)
            .and_then(|repository| checked(policy, &name, &repository.image.value, &repository.exclusion_list)),
        place: policy.object.place.clone(),
        labels: policy.object.labels.clone(),
        name,
    }
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

fn checked(
    policy: &ImagePolicy,
    name: &PolicyName,
    image: &str,
    exclusions: &[flux::At<String>],
) -> Result<(ImageName, Policy), String> {
    if policy.suspend {
        return Err("the policy is suspended".to_owned());
    }
    let parsed: ImageName = image.parse().map_err(|error| format!("{error}"))?;
    let text = |at: &Option<flux::At<String>>| at.as_ref().map(|at| at.value.clone()).unwrap_or_default();
    let order = |order: &Option<flux::Order>| order.as_ref().map(|order| OrderSpec { order: text(&order.order) });
    let spec = PolicySpec {
        name: name.clone(),
        image: image.to_owned(),
        exclusion_list: exclusions.iter().map(|at| at.value.clone()).collect(),
        policy: PolicyChoice {
            semver: policy.semver_range.as_ref().map(|at| SemverSpec { range: at.value.clone() }),
            alphabetical: order(&policy.alphabetical),
            numerical: order(&policy.numerical),
        },
        filter_tags: (policy.pattern.is_some() || policy.extract.is_some())
            .then(|| FilterTags { pattern: text(&policy.pattern), extract: text(&policy.extract) }),
        digest_reflection_policy: text(&policy.digest_reflection),
    };
    Ok((parsed, Policy::from_spec(&spec).map_err(|error| error.to_string())?))
}

/// What an automation means for this repository and base, or why it means nothing.
fn automation(declared: &ImageUpdateAutomation, found: &Found, here: &RepositoryId) -> Result<Automation, String> {
    let namespace = declared.object.namespace.clone().unwrap_or_default();
    if declared.suspend {
        return Err("it is suspended".to_owned());
    }
    if let Some(strategy) = declared.strategy.as_ref().filter(|strategy| strategy.value != "Setters") {
        return Err(format!("`{}` is no update strategy: Flux knows `Setters` only", strategy.value));
    }
    let source_namespace = declared.source.namespace.as_deref().unwrap_or(&namespace);
    // Flux's own GitRepository often is not in Git; then it can only be this repository.
    let source = found.git_repositories.iter().find(|source| {
        source.object.name == declared.source.name
            && source.object.namespace.as_deref().unwrap_or_default() == source_namespace
    });
    if let Some(source) = source
        && here.host != "local"
        && !is_here(&source.url.value, here)
    {
        return Err(format!("its source is another repository, {}", source.url.value));
    }
    let checkout = declared.checkout.as_ref().or_else(|| source.and_then(|source| source.reference.as_ref()));
    let branch = match checkout {
        Some(reference) if reference.tag.is_some() || reference.semver.is_some() || reference.commit.is_some() => {
            return Err("it checks out a tag or a commit, which nothing can be proposed to".to_owned());
        }
        Some(reference) => reference
            .name
            .as_deref()
            .and_then(|name| name.strip_prefix("refs/heads/"))
            .or(reference.branch.as_ref().map(|at| at.value.as_str())),
        None => None,
    };
    if let Some(branch) = branch.filter(|branch| *branch != here.base) {
        return Err(format!("it is for the branch `{branch}`, and this is `{}`", here.base));
    }
    let name = format!("{namespace}.{}", declared.object.name);
    let push = declared.push_branch.as_ref().map(|at| at.value.as_str()).filter(|push| *push != here.base);
    Ok(Automation {
        branch: push.map_or_else(|| format!("tag2pr/{name}"), str::to_owned),
        selector: declared.policies.clone(),
        path: plain_path(declared.path.as_ref().map_or("", |at| &at.value)),
        author: Author {
            name: declared.author_name.clone().filter(|name| !name.is_empty()).unwrap_or_else(|| "tag2pr".to_owned()),
            email: declared
                .author_email
                .clone()
                .filter(|email| !email.is_empty())
                .unwrap_or_else(|| "tag2pr@users.noreply.github.com".to_owned()),
        },
        name,
        namespace,
    })
}

fn is_here(url: &str, here: &RepositoryId) -> bool {
    RepositoryUrl::parse(url).is_ok_and(|url| {
        let id = url.identify(&here.base);
        id.host == here.host && id.path == here.path
    })
}

/// A path without `.`, `..` and empty segments; `..` never leads above the root.
fn plain_path(path: &str) -> String {
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    segments.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_never_leads_out_of_the_repository() {
        assert_eq!(plain_path("./flux/clusters/production/"), "flux/clusters/production");
        assert_eq!(plain_path("../../etc/./x/../passwd"), "etc/passwd");
        assert_eq!(plain_path("."), "");
    }
}
