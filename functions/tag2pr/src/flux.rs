//! Flux's objects, as the manifests repository holds them.
//!
//! All served versions of an API are the same stored object, so the union of their fields is read
//! ([image API](https://fluxcd.io/flux/components/image/), [source API](https://fluxcd.io/flux/components/source/));
//! fields that decide nothing here are passed over. What the Kubernetes API would refuse is a [`Problem`] of that
//! object and never stops the others. A policy's rules are read as they are written and judged elsewhere.

mod fields;
mod selector;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use memchr::memmem;

pub use fields::At;
pub use selector::{Operator, Requirement, Selector};

use self::fields::Fields;
use crate::markers::is_yaml;
use crate::policy::{FilterTags, OrderSpec, PolicyChoice, PolicySpec, SemverSpec};
use crate::problem::{Place, Problem};
use crate::seams::File;
use crate::yaml::{self, Node, NodeId, Tree};

const IMAGE_GROUP: &str = "image.toolkit.fluxcd.io";
const SOURCE_GROUP: &str = "source.toolkit.fluxcd.io";

/// Lists within lists end here: a few lines of aliases could name millions of objects otherwise.
const MOST_OBJECTS: usize = 10_000;

/// Everything of Flux that concerns images.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// In the order of the files.
    pub policies: Vec<ImagePolicy>,
    /// In the order of the files.
    pub repositories: Vec<ImageRepository>,
    /// In the order of the files.
    pub automations: Vec<ImageUpdateAutomation>,
    /// In the order of the files.
    pub git_repositories: Vec<GitRepository>,
    /// Files and objects that could not be read.
    pub problems: Vec<Problem>,
    /// What was understood, but had to be filled in or is better said.
    pub notes: Vec<Problem>,
}

/// What every object has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// `image.toolkit.fluxcd.io/v1`
    pub api_version: String,
    /// `metadata.name`
    pub name: String,
    /// As written, else that of the nearest kustomization above; none if neither says.
    pub namespace: Option<String>,
    /// `metadata.labels`
    pub labels: BTreeMap<String, String>,
    /// Where it begins.
    pub place: Place,
}

/// A reference to another object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Its name.
    pub name: String,
    /// Its namespace; the one of the object that refers to it if none.
    pub namespace: Option<String>,
}

/// Which tag of an image is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImagePolicy {
    /// Name, namespace, labels, place.
    pub object: Object,
    /// The image whose tags are looked at.
    pub image_repository: Reference,
    /// `policy.semver.range`
    pub semver_range: Option<At<String>>,
    /// `policy.alphabetical`, there as soon as the field is.
    pub alphabetical: Option<Order>,
    /// `policy.numerical`, there as soon as the field is.
    pub numerical: Option<Order>,
    /// `filterTags.pattern`
    pub pattern: Option<At<String>>,
    /// `filterTags.extract`
    pub extract: Option<At<String>>,
    /// `Never`, `IfNotPresent` or `Always`, as written.
    pub digest_reflection: Option<At<String>>,
    /// `suspend`
    pub suspend: bool,
}

impl ImagePolicy {
    /// What it says about tags, for an image; its name and what the ImageRepository excludes are not in it.
    pub fn spec(&self, image: &str) -> PolicySpec {
        let text = |at: &Option<At<String>>| at.as_ref().map(|at| at.value.clone()).unwrap_or_default();
        let order = |order: &Option<Order>| order.as_ref().map(|order| OrderSpec { order: text(&order.order) });
        PolicySpec {
            image: image.to_owned(),
            policy: PolicyChoice {
                semver: self.semver_range.as_ref().map(|at| SemverSpec { range: at.value.clone() }),
                alphabetical: order(&self.alphabetical),
                numerical: order(&self.numerical),
                newest: None,
            },
            filter_tags: (self.pattern.is_some() || self.extract.is_some())
                .then(|| FilterTags { pattern: text(&self.pattern), extract: text(&self.extract) }),
            digest_reflection_policy: text(&self.digest_reflection),
            ..PolicySpec::default()
        }
    }
}

/// How an alphabetical or numerical policy sorts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// `asc` or `desc`, as written; ascending if none.
    pub order: Option<At<String>>,
}

/// An image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRepository {
    /// Name, namespace, labels, place.
    pub object: Object,
    /// Its name, as written.
    pub image: At<String>,
    /// Regular expressions of tags that do not exist for policies. Empty means Flux's default, `^.*\.sig$`.
    pub exclusion_list: Vec<At<String>>,
    /// Plain HTTP.
    pub insecure: bool,
    /// `suspend`: Flux reads no new tags.
    pub suspend: bool,
    /// Labels of the namespaces whose policies may refer to it: one set of them must match. None but its own if empty.
    pub access_from: Vec<BTreeMap<String, String>>,
}

/// Where markers are, and what becomes of an edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageUpdateAutomation {
    /// Name, namespace, labels, place.
    pub object: Object,
    /// The GitRepository.
    pub source: Reference,
    /// `git.checkout.ref`
    pub checkout: Option<GitRef>,
    /// `git.push.branch`
    pub push_branch: Option<At<String>>,
    /// `git.commit.author.name`
    pub author_name: Option<String>,
    /// `git.commit.author.email`
    pub author_email: Option<String>,
    /// `git.commit.messageTemplate`
    pub message_template: Option<At<String>>,
    /// `git.commit.messageTemplateValues`
    pub message_template_values: BTreeMap<String, String>,
    /// `update.path`: a directory or a file, as written; the whole repository if none.
    pub path: Option<At<String>>,
    /// `update.strategy`, as written; Flux knows `Setters` only, and that is what none means.
    pub strategy: Option<At<String>>,
    /// Which policies of its namespace count; all if none.
    pub policies: Option<Selector>,
    /// `suspend`
    pub suspend: bool,
}

/// What is checked out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GitRef {
    /// `branch`
    pub branch: Option<At<String>>,
    /// `tag`
    pub tag: Option<String>,
    /// `semver`
    pub semver: Option<String>,
    /// `name`: `refs/heads/main`
    pub name: Option<String>,
    /// `commit`
    pub commit: Option<String>,
}

/// A repository that automations write to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitRepository {
    /// Name, namespace, labels, place.
    pub object: Object,
    /// As written.
    pub url: At<String>,
    /// `ref`
    pub reference: Option<GitRef>,
}

/// Whether [`read`] has a use for a file: a Flux object may be in it, or the namespace of one.
pub fn wanted(path: &str, bytes: &[u8]) -> bool {
    is_kustomization(path) || (is_yaml(path) && holds_group(bytes))
}

fn holds_group(bytes: &[u8]) -> bool {
    static GROUPS: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(".toolkit.fluxcd.io"));
    let names = |group: &str| memmem::find(bytes, group.as_bytes()).is_some();
    GROUPS.find(bytes).is_some() && (names(IMAGE_GROUP) || names(SOURCE_GROUP))
}

fn is_kustomization(path: &str) -> bool {
    matches!(directory(path).1, "kustomization.yaml" | "kustomization.yml" | "Kustomization")
}

/// A path as its directory, without a `/` at the end, and its last segment.
fn directory(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// Reads all objects of all files. Files that cannot hold any are passed over.
pub fn read(files: &[File]) -> Found {
    let mut found = Found::default();
    let mut namespaces = BTreeMap::new();
    for file in files.iter().filter(|file| wanted(&file.path, &file.bytes)) {
        let text = match yaml::text(&file.bytes) {
            Ok(text) => text,
            Err(error) => {
                found.problems.push(error.problem(&file.path));
                continue;
            }
        };
        let (trees, errors) = yaml::trees(text);
        // A kustomization that is a template is nobody's namespace yet, and no object of ours.
        if holds_group(&file.bytes) || !text.contains("{{") {
            found.problems.extend(errors.into_iter().map(|error| error.problem(&file.path)));
        }
        let mut visited = 0;
        for tree in &trees {
            if is_kustomization(&file.path)
                && let Some(namespace) = tree.get(tree.root(), "namespace").and_then(|id| tree.scalar(id))
            {
                namespaces.insert(directory(&file.path).0, namespace.to_owned());
            }
            found.document(&file.path, tree, &mut visited);
        }
    }
    found.fill_in_namespaces(&namespaces);
    found
}

impl Found {
    /// Reads the object that a document is, or those that it lists.
    fn document(&mut self, file: &str, tree: &Tree, visited: &mut usize) {
        let mut waiting = vec![tree.root()];
        while let Some(id) = waiting.pop() {
            *visited += 1;
            if *visited > MOST_OBJECTS {
                if *visited == MOST_OBJECTS + 1 {
                    self.problems
                        .push(Problem::of(file, format!("more than {MOST_OBJECTS} objects: the rest is not read")));
                }
                return;
            }
            let text = |key: &str| tree.get(id, key).and_then(|id| tree.scalar(id));
            let (Some(api_version), Some(kind)) = (text("apiVersion"), text("kind")) else { continue };
            if kind.ends_with("List")
                && let Some(Node::Sequence(items)) = tree.get(id, "items").map(|items| tree.node(items))
            {
                let room = (MOST_OBJECTS + 1).saturating_sub(waiting.len());
                waiting.extend(items.iter().take(room).rev());
                continue;
            }
            self.object(file, tree, id, api_version, kind);
        }
    }

    fn object(&mut self, file: &str, tree: &Tree, id: NodeId, api_version: &str, kind: &str) {
        let Some((group, version)) = api_version.split_once('/') else { return };
        let mut fields = Fields::new(file, tree, id, kind);
        match (group, kind) {
            (IMAGE_GROUP, "ImagePolicy" | "ImageRepository" | "ImageUpdateAutomation")
                if !matches!(version, "v1beta1" | "v1beta2" | "v1") =>
            {
                let place = fields.place(id);
                let reason = format!("{kind}: `{api_version}` is no version that can be read: use `{IMAGE_GROUP}/v1`");
                self.problems.push(Problem::at(place, reason));
            }
            (IMAGE_GROUP, "ImagePolicy") => {
                let read = image_policy(&mut fields, id);
                keep(&mut self.policies, &mut self.problems, read, fields);
            }
            (IMAGE_GROUP, "ImageRepository") => {
                let read = image_repository(&mut fields, id);
                keep(&mut self.repositories, &mut self.problems, read, fields);
            }
            (IMAGE_GROUP, "ImageUpdateAutomation") => {
                let read = image_update_automation(&mut fields, id);
                keep(&mut self.automations, &mut self.problems, read, fields);
            }
            (SOURCE_GROUP, "GitRepository") => {
                let read = git_repository(&mut fields, id);
                keep(&mut self.git_repositories, &mut self.problems, read, fields);
            }
            _ => {}
        }
    }

    /// Gives objects without a namespace the one that the nearest kustomization above them sets.
    fn fill_in_namespaces(&mut self, namespaces: &BTreeMap<&str, String>) {
        let policies = self.policies.iter_mut().map(|policy| ("ImagePolicy", &mut policy.object));
        let repositories = self.repositories.iter_mut().map(|image| ("ImageRepository", &mut image.object));
        let automations = self.automations.iter_mut().map(|one| ("ImageUpdateAutomation", &mut one.object));
        let sources = self.git_repositories.iter_mut().map(|source| ("GitRepository", &mut source.object));
        for (kind, object) in policies.chain(repositories).chain(automations).chain(sources) {
            if object.namespace.is_some() {
                continue;
            }
            let mut above = object.place.file.as_str();
            while object.namespace.is_none() && !above.is_empty() {
                above = directory(above).0;
                object.namespace = namespaces.get(above).cloned();
            }
            let reason = match &object.namespace {
                Some(namespace) => {
                    let at = if above.is_empty() { "the repository's root" } else { above };
                    format!(
                        "{kind} {} names no namespace: `{namespace}` is that of the kustomization in {at}",
                        object.name
                    )
                }
                None => format!(
                    "{kind} {} names no namespace, and no kustomization above it sets one: add `metadata.namespace`",
                    object.name
                ),
            };
            self.notes.push(Problem::at(object.place.clone(), reason));
        }
    }
}

/// An object with a problem is not used at all: the API would refuse it too.
fn keep<T>(objects: &mut Vec<T>, problems: &mut Vec<Problem>, read: T, fields: Fields<'_>) {
    if fields.problems.is_empty() {
        objects.push(read);
    }
    problems.extend(fields.problems);
}

fn object(fields: &mut Fields<'_>, id: NodeId) -> Object {
    Object {
        api_version: fields.required("apiVersion"),
        name: fields.required("metadata.name"),
        namespace: fields.text("metadata.namespace").map(|at| at.value).filter(|namespace| !namespace.is_empty()),
        labels: fields.dictionary("metadata.labels"),
        place: fields.place(id),
    }
}

fn reference(fields: &mut Fields<'_>, path: &str) -> Reference {
    Reference {
        name: fields.required(&format!("{path}.name")),
        namespace: fields.text(&format!("{path}.namespace")).map(|at| at.value).filter(|value| !value.is_empty()),
    }
}

fn image_policy(fields: &mut Fields<'_>, id: NodeId) -> ImagePolicy {
    let mut order = |path: &str| {
        let there = fields.mapping(path);
        there.then(|| Order { order: fields.text(&format!("{path}.order")) })
    };
    let (alphabetical, numerical) = (order("spec.policy.alphabetical"), order("spec.policy.numerical"));
    ImagePolicy {
        object: object(fields, id),
        image_repository: reference(fields, "spec.imageRepositoryRef"),
        semver_range: fields.text("spec.policy.semver.range"),
        alphabetical,
        numerical,
        pattern: fields.text("spec.filterTags.pattern"),
        extract: fields.text("spec.filterTags.extract"),
        digest_reflection: fields.text("spec.digestReflectionPolicy"),
        suspend: fields.flag("spec.suspend"),
    }
}

fn image_repository(fields: &mut Fields<'_>, id: NodeId) -> ImageRepository {
    ImageRepository {
        object: object(fields, id),
        image: required_at(fields, id, "spec.image"),
        exclusion_list: fields.texts("spec.exclusionList"),
        insecure: fields.flag("spec.insecure"),
        suspend: fields.flag("spec.suspend"),
        access_from: fields
            .each("spec.accessFrom.namespaceSelectors", |selector| Some(selector.dictionary("matchLabels"))),
    }
}

fn image_update_automation(fields: &mut Fields<'_>, id: NodeId) -> ImageUpdateAutomation {
    ImageUpdateAutomation {
        object: object(fields, id),
        source: reference(fields, "spec.sourceRef"),
        checkout: git_ref(fields, "spec.git.checkout.ref"),
        push_branch: fields.text("spec.git.push.branch").filter(|branch| !branch.value.is_empty()),
        author_name: fields.text("spec.git.commit.author.name").map(|at| at.value),
        author_email: fields.text("spec.git.commit.author.email").map(|at| at.value),
        message_template: fields.text("spec.git.commit.messageTemplate"),
        message_template_values: fields.dictionary("spec.git.commit.messageTemplateValues"),
        path: fields.text("spec.update.path"),
        strategy: fields.text("spec.update.strategy"),
        policies: selector::read(fields, "spec.policySelector"),
        suspend: fields.flag("spec.suspend"),
    }
}

fn git_repository(fields: &mut Fields<'_>, id: NodeId) -> GitRepository {
    GitRepository {
        object: object(fields, id),
        url: required_at(fields, id, "spec.url"),
        reference: git_ref(fields, "spec.ref"),
    }
}

fn required_at(fields: &mut Fields<'_>, id: NodeId, path: &str) -> At<String> {
    let value = fields.required(path);
    let place = fields.node(path).unwrap_or(id);
    At { value, place: fields.place(place) }
}

fn git_ref(fields: &mut Fields<'_>, path: &str) -> Option<GitRef> {
    if !fields.mapping(path) {
        return None;
    }
    let mut text = |key: &str| fields.text(&format!("{path}.{key}")).filter(|at| !at.value.is_empty());
    Some(GitRef {
        branch: text("branch"),
        tag: text("tag").map(|at| at.value),
        semver: text("semver").map(|at| at.value),
        name: text("name").map(|at| at.value),
        commit: text("commit").map(|at| at.value),
    })
}

#[cfg(test)]
mod tests;
