//! What one commit of a manifests repository asks for: its policies, its automations, its markers.

mod automations;
mod elsewhere;
mod policies;
mod reading;
mod stages;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use jiff::SignedDuration;

use self::elsewhere::Voice;
pub use self::elsewhere::{Elsewhere, ForOthers, Neighbours};
pub use self::reading::Reading;
pub use self::stages::{After, Broken, BrokenStage};
use crate::flux::{self, Selector};
use crate::image::ImageName;
use crate::markers::{self, FieldRule, Marker};
use crate::parallel;
use crate::platform::Platforms;
use crate::policy::{Policy, PolicyName};
use crate::problem::{Place, Problem};
use crate::proposal::Wishes;
use crate::proposal::message::MessageTemplate;
use crate::repository_settings::{self, RepositorySettings};
use crate::seams::{Author, CommitId, File, LeftOut, Snapshot, Why};

/// Which files of a manifests repository matter: the rest is not even kept in memory.
///
/// `.tag2pr.yaml` must be asked about before the files that its field rules name.
#[derive(Debug, Default)]
pub struct Interest {
    rules: OnceLock<Vec<FieldRule>>,
}

impl Interest {
    /// Whether a file may matter at all.
    pub fn wants(&self, path: &str, bytes: &[u8]) -> bool {
        if path == repository_settings::FILE {
            let settings = std::str::from_utf8(bytes).ok().and_then(|text| RepositorySettings::parse(text).ok());
            let _ = self.rules.set(settings.unwrap_or_default().fields);
            return true;
        }
        let ruled = || self.rules.get().is_some_and(|rules| rules.iter().any(|rule| rule.covers(path)));
        flux::wanted(path, bytes) || markers::wanted(path, bytes) || ruled()
    }
}

/// A manifests repository at one commit.
#[derive(Debug)]
pub struct Manifests {
    /// The commit.
    pub commit: CommitId,
    /// The files that matter, in the order of their paths; those that are as they were read before are not among them
    /// until their bytes are needed.
    pub files: Vec<File>,
    /// The policies, with the image that each is about.
    pub policies: Vec<DeclaredPolicy>,
    /// The automations that propose to this repository and base.
    pub automations: Vec<Automation>,
    /// The automations that do not, and why.
    pub passed_over: Vec<(Place, String)>,
    /// What is wrong with the order of automations; these are passed over.
    pub broken_stages: Vec<BrokenStage>,
    /// Values that are marked by where they stand.
    pub rules: Vec<FieldRule>,
    /// The marked values, by file.
    pub markers: BTreeMap<String, Vec<Marker>>,
    /// What need not be read again at the next commit.
    pub reading: Reading,
    /// What its automations say for other repositories; unknown while its settings or Flux's objects cannot be read.
    pub for_others: Option<ForOthers>,
    /// What could not be read.
    pub problems: Vec<Problem>,
    /// Symbolic links to files with marked values, or out of the repository: they are not followed.
    pub links: Vec<Problem>,
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
    /// Another policy of this name that says something else: then neither counts.
    pub rival: Option<Place>,
    /// How long a tag must have been known here before it is proposed.
    pub minimum_age: Option<SignedDuration>,
    /// What the tag's index must hold, all of it, before it is selected.
    pub platforms: Platforms,
}

/// An ImageUpdateAutomation, or the part of it that has a pull request of its own, as far as it matters here.
#[derive(Debug, Clone)]
pub struct Automation {
    /// `<namespace>.<name>`, and for a part of it `<namespace>.<name>.<part>`: see [`crate::proposal::name`].
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// `<namespace>.<name>`
    pub whole: String,
    /// The one policy that a part is for; all of them if none.
    pub only: Option<PolicyName>,
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
    /// How its pull request shall be.
    pub wishes: Wishes,
    /// What goes before it.
    pub after: Option<After>,
    /// Whether its commits go to the base branch itself.
    pub is_direct: bool,
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
            && self.only.as_ref().is_none_or(|only| *only == policy.name)
            && self.selector.as_ref().is_none_or(|selector| selector.matches(&policy.labels))
    }
}

impl Manifests {
    /// Reads everything that the files of a commit say to this repository and base, and what others say for it. `before` is
    /// what the snapshot's known files are known from.
    pub fn read(neighbours: Neighbours<'_>, mut snapshot: Snapshot, before: Option<&Reading>) -> Self {
        let found = flux::read(&snapshot.files);
        let mut problems = found.problems.clone();
        let settings = match settings(&snapshot.files) {
            Ok(settings) => Ok(settings),
            Err(problem) => {
                let reason = format!("`{}` cannot be read: {}", repository_settings::FILE, problem.reason);
                problems.push(problem);
                Err(reason)
            }
        };
        let rules = settings.as_ref().map(|settings| settings.fields.clone()).unwrap_or_default();
        let mut reading = Reading::of(&mut snapshot, before);
        let read = parallel::map(&snapshot.files, |file| markers::read(&file.path, &file.bytes, &rules));
        let mut all_markers = BTreeMap::new();
        for (file, read) in snapshot.files.iter().zip(read) {
            match read {
                Ok(read) => {
                    reading.keep(file, &read.markers);
                    all_markers.insert(file.path.clone(), read.markers);
                }
                Err(problem) => problems.push(problem),
            }
        }
        all_markers.extend(reading.known(&snapshot.known));
        all_markers.retain(|_, markers| !markers.is_empty());
        let not_read = NotRead::of(&snapshot.left_out, &rules, |file| all_markers.contains_key(file));
        let unread = not_read.too_large.iter().map(|problem| problem.file.clone()).collect();
        problems.extend(not_read.too_large);
        let is_clear = found.problems.is_empty() && settings.is_ok();
        // What the settings say goes for what others say, too: without them nobody is heard.
        let others: Vec<Voice<'_>> =
            neighbours.said().filter(|_| settings.is_ok()).map(elsewhere::Said::read).collect();
        let voices: Vec<Voice<'_>> = std::iter::once(Voice { of: None, found, settings }).chain(others).collect();
        let policies = policies::declare(&voices);
        let followed = automations::follow(&voices, &policies, neighbours);
        let for_others = is_clear.then(|| ForOthers::of(followed.elsewhere, &snapshot.files, unread));
        problems.sort();
        problems.dedup();
        Self {
            commit: snapshot.commit,
            policies,
            files: snapshot.files,
            automations: followed.automations,
            passed_over: followed.passed_over,
            broken_stages: followed.broken_stages,
            rules,
            markers: all_markers,
            reading,
            for_others,
            problems,
            links: not_read.links,
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

    /// The bytes of a file, if they are at hand.
    pub fn bytes(&self, path: &str) -> Option<&[u8]> {
        let at = self.files.binary_search_by(|file| file.path.as_str().cmp(path)).ok()?;
        Some(&self.files[at].bytes)
    }

    /// Takes files whose bytes were not at hand.
    pub fn take(&mut self, files: Vec<File>) {
        self.files.extend(files);
        self.files.sort_by(|a, b| a.path.cmp(&b.path));
    }

    /// The images that its policies are about.
    pub fn images(&self) -> BTreeSet<ImageName> {
        self.policies.iter().filter_map(|policy| policy.policy.as_ref().ok()).map(|(image, _)| image.clone()).collect()
    }
}

/// What was not read although it may hold marked values.
pub struct NotRead {
    /// Files over the limit.
    pub too_large: Vec<Problem>,
    /// Symbolic links to files with marked values, or out of the repository.
    pub links: Vec<Problem>,
}

impl NotRead {
    /// Looks through what a snapshot left out. `is_marked` says whether a file that was read has marked values.
    pub fn of(left_out: &[LeftOut], rules: &[FieldRule], is_marked: impl Fn(&str) -> bool) -> Self {
        let mut not_read = Self { too_large: Vec::new(), links: Vec::new() };
        for LeftOut { path, why } in left_out {
            if !markers::counts_in(path) && !rules.iter().any(|rule| rule.covers(path)) {
                continue;
            }
            match why {
                Why::LargerThan(limit) => {
                    let reason = format!("not read: it is larger than {limit} bytes");
                    not_read.too_large.push(Problem::of(path, reason));
                }
                Why::Link(target) => not_read.links.extend(link(path, target, &is_marked)),
            }
        }
        not_read
    }
}

/// What is to be said of a symbolic link: nothing if nobody could miss an update.
fn link(path: &str, target: &str, is_marked: &dyn Fn(&str) -> bool) -> Option<Problem> {
    let mut segments: Vec<&str> = path.split('/').collect();
    segments.pop();
    let mut outside = target.starts_with('/');
    for segment in target.split('/') {
        match segment {
            "" | "." => {}
            ".." => outside |= segments.pop().is_none(),
            segment => segments.push(segment),
        }
    }
    let inside = segments.join("/");
    if outside {
        return Some(Problem::of(
            path,
            format!("a symbolic link out of the repository, to `{target}`: it is not followed"),
        ));
    }
    is_marked(&inside).then(|| {
        let reason = format!("a symbolic link to `{inside}`: it is not followed, the file is updated where it lies");
        Problem::of(path, reason)
    })
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
