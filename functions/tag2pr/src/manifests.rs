//! What one commit of a manifests repository asks for: its policies, its automations, its markers.

mod automations;
mod policies;

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use crate::flux::{self, Selector};
use crate::image::ImageName;
use crate::markers::{self, Marker};
use crate::policy::{Policy, PolicyName};
use crate::problem::{Place, Problem};
use crate::proposal::message::MessageTemplate;
use crate::repository_settings::{self, RepositorySettings};
use crate::seams::{Author, CommitId, File, RepositoryId, Snapshot};

/// Whether a file of a manifests repository may matter at all: the rest is not even kept in memory.
pub fn wanted(path: &str, bytes: &[u8]) -> bool {
    path == repository_settings::FILE || flux::wanted(path, bytes) || markers::wanted(path, bytes)
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
    /// How long a tag must have been known here before it is proposed.
    pub minimum_age: Option<SignedDuration>,
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
    /// How the commit's message shall be.
    pub message: Option<MessageTemplate>,
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
        let settings = match settings(&snapshot.files) {
            Ok(settings) => Ok(settings),
            Err(problem) => {
                let reason = format!("`{}` cannot be read: {}", repository_settings::FILE, problem.reason);
                problems.push(problem);
                Err(reason)
            }
        };
        let policies = policies::declare(&found, settings.as_ref());
        let (automations, passed_over) = automations::follow(&found, settings.as_ref(), repository);
        problems.sort();
        problems.dedup();
        Self {
            commit: snapshot.commit,
            policies,
            files: snapshot.files,
            automations,
            passed_over,
            markers: all_markers,
            problems,
        }
    }

    /// Lets policies be judged whose ImageRepository is not at hand: under the name of the ImageRepository, and with Flux's
    /// default exclusions.
    pub fn judge_without_images(&mut self) {
        let found = flux::read(&self.files);
        for policy in &found.policies {
            let declared = self.policies.iter_mut().find(|declared| declared.place == policy.object.place);
            if let Some(declared) = declared.filter(|declared| declared.policy.is_err()) {
                declared.policy = policies::without_image(policy, &declared.name);
            }
        }
    }

    /// Takes images by the name that their registry is configured under. What is written stays as the policy names it.
    pub fn rename_registries(&mut self, aliases: &BTreeMap<String, String>) {
        for (image, _) in self.policies.iter_mut().filter_map(|declared| declared.policy.as_mut().ok()) {
            let renamed = aliases.get(image.registry()).and_then(|name| ImageName::new(name, image.repository()).ok());
            *image = renamed.unwrap_or_else(|| image.clone());
        }
    }

    /// The images that its policies are about.
    pub fn images(&self) -> BTreeSet<ImageName> {
        self.policies.iter().filter_map(|policy| policy.policy.as_ref().ok()).map(|(image, _)| image.clone()).collect()
    }
}

/// What `.tag2pr.yaml` says, if there is one.
fn settings(files: &[File]) -> Result<RepositorySettings, Problem> {
    let Some(file) = files.iter().find(|file| file.path == repository_settings::FILE) else {
        return Ok(RepositorySettings::default());
    };
    let text = std::str::from_utf8(&file.bytes)
        .map_err(|_| Problem::of(repository_settings::FILE, "this is not UTF-8: save it as such"))?;
    RepositorySettings::parse(text)
}
