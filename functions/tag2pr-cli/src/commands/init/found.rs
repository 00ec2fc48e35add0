//! What a checkout of the manifests repository tells.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use git2::Repository;
use tag2pr::findings;
use tag2pr::flux::{self, GitRepository};
use tag2pr::manifests::Manifests;

use crate::output::{BOLD, DIM, beside, count, line, styled};
use crate::worktree;

/// A registry that images come from.
#[derive(Clone)]
pub struct Registry {
    pub host: String,
    /// Plain HTTP.
    pub insecure: bool,
}

pub struct Found {
    pub manifests: Manifests,
    /// Where it was cloned from, or where Flux gets it.
    pub repository: Option<String>,
    pub branch: String,
    /// Where the images come from, in the order of their names.
    pub registries: Vec<Registry>,
    /// The automations that Flux would go on with: `namespace/name`.
    pub unsuspended: Vec<String>,
    /// The policies, and the image of each or what is wrong with it.
    policies: Vec<(String, String)>,
}

/// Reads a checkout, or any folder with manifests.
///
/// # Errors
///
/// When the folder cannot be read.
pub fn read(path: &Path) -> io::Result<Found> {
    let worktree = worktree::read(path)?;
    let flux = flux::read(&worktree.files);
    let mut insecure = BTreeMap::new();
    for repository in &flux.repositories {
        let host = repository.image.value.split('/').next().unwrap_or_default();
        *insecure.entry(host.to_owned()).or_insert(false) |= repository.insecure;
    }
    let active = flux.automations.iter().filter(|automation| !automation.suspend);
    let unsuspended = active.map(|one| match &one.object.namespace {
        Some(namespace) => format!("{namespace}/{}", one.object.name),
        None => one.object.name.clone(),
    });
    let unsuspended = unsuspended.collect();
    let checkout = Repository::discover(path).ok();
    let (cloned, head) = checkout.as_ref().map(origin).unwrap_or_default();
    let source = match &flux.git_repositories[..] {
        [only] => Some(only),
        _ => None,
    };
    let branch = source.and_then(flux_branch).or(head).unwrap_or_else(|| "main".to_owned());
    let repository = cloned.or_else(|| source.map(|source| source.url.value.clone()));

    let mut manifests = findings::read_with(worktree.files, worktree.left_out);
    manifests.problems.extend(worktree.problems);
    let mut registries: BTreeMap<String, Registry> = BTreeMap::new();
    for (image, _) in manifests.policies.iter().filter_map(|policy| policy.policy.as_ref().ok()) {
        let host = image.registry().to_owned();
        let insecure = insecure.get(&host).copied().unwrap_or(false);
        registries.insert(host.clone(), Registry { host, insecure });
    }
    let policies = manifests.policies.iter().map(|declared| {
        let image = match &declared.policy {
            Ok((image, _)) => image.to_string(),
            Err(reason) => reason.clone(),
        };
        (declared.name.to_string(), image)
    });
    let policies = policies.collect();
    Ok(Found { manifests, repository, branch, registries: registries.into_values().collect(), unsuspended, policies })
}

/// Where a checkout was cloned from, and the branch that people start from there.
fn origin(checkout: &Repository) -> (Option<String>, Option<String>) {
    let url = checkout.find_remote("origin").ok().and_then(|remote| remote.url().ok().map(str::to_owned));
    let start = checkout.find_reference("refs/remotes/origin/HEAD").ok();
    let start = start.and_then(|head| Some(head.symbolic_target().ok()??.rsplit('/').next()?.to_owned()));
    let here = || checkout.head().ok().and_then(|head| head.shorthand().ok().map(str::to_owned));
    (url, start.or_else(here).filter(|branch| branch != "HEAD"))
}

fn flux_branch(source: &GitRepository) -> Option<String> {
    Some(source.reference.as_ref()?.branch.as_ref()?.value.clone())
}

impl Found {
    /// A registry of this name, with what the manifests say of it.
    pub fn registry(&self, host: &str) -> Registry {
        let known = self.registries.iter().find(|registry| registry.host == host);
        known.cloned().unwrap_or_else(|| Registry { host: host.to_owned(), insecure: false })
    }

    /// Says what is there.
    pub fn print(&self) {
        let markers = self.manifests.markers.values().map(Vec::len).sum();
        line(format!(
            "found {} and {}",
            count(self.policies.len(), "policy", "policies"),
            count(markers, "marked value", "marked values")
        ));
        let width = self.policies.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
        for (name, image) in &self.policies {
            let pad = " ".repeat(width - name.chars().count());
            beside(&format!("  {}{pad}  ", styled(BOLD, crate::output::visible(name))), DIM, image);
        }
    }
}
