//! Where policies, tags and holds come from: files, or the configured store and repositories.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use jiff::Timestamp;
use tag2pr::findings;
use tag2pr::flow::ledgers;
use tag2pr::flow::propose::Holds;
use tag2pr::image::ImageName;
use tag2pr::keys::Key;
use tag2pr::ledger::Ledger;
use tag2pr::manifests::{Interest, Manifests};
use tag2pr::plan::Hold;
use tag2pr::seams::{File, Objects, RepositoryId, Wanted};
use tag2pr::store;
use tag2pr_connect::{Deployment, Settings};

use super::Args;
use crate::inbox::writer;
use crate::output::{During, Failure, patiently};
use crate::readonly::ReadOnly;
use crate::{tags, worktree};

/// Policies, and what is known of their images.
pub struct Source {
    /// The configured repository that they stand in.
    pub repository: Option<RepositoryId>,
    /// What stands there.
    pub manifests: Manifests,
    /// By image; `None` is for whatever image a policy names.
    pub ledgers: BTreeMap<Option<ImageName>, Ledger>,
    /// What must not be proposed.
    pub holds: BTreeSet<Hold>,
}

impl Source {
    /// What is known of an image; nothing if nobody listed its tags.
    pub fn ledger(&self, image: &ImageName) -> Option<&Ledger> {
        self.ledgers.get(&Some(image.clone())).or_else(|| self.ledgers.get(&None))
    }
}

/// Reads what the arguments name.
pub async fn read(args: &Args, now: Timestamp) -> Result<Vec<Source>, Failure> {
    if !args.tags.is_empty() {
        let ledgers = tags::ledgers(&args.tags, now)?;
        return Ok(vec![Source { repository: None, manifests: files(args)?, ledgers, holds: BTreeSet::new() }]);
    }
    let settings = Settings::read(args.config.as_deref())
        .await
        .during("without --tags the configured store is asked: reading the configuration")?;
    if args.path.is_some() || args.policy.is_some() {
        let mut manifests = files(args)?;
        manifests.rename_registries(&settings.config.aliases());
        return Ok(vec![from_store(&*settings.objects, None, &settings.repository_ids(), manifests).await?]);
    }
    let deployment = Deployment::connect(&settings).await.during("connecting")?;
    let mut sources = Vec::new();
    for repository in deployment.repositories() {
        let interest = Interest::default();
        let wanted = Wanted::new(move |path, bytes| findings::wanted(&interest, path, bytes));
        let reading = repository.git().snapshot(&repository.id.base, &wanted);
        let snapshot = patiently(format!("reading {}", repository.id), reading).await.during(&repository.id)?;
        let id = repository.id.clone();
        let mut manifests = findings::read_with(snapshot.files, snapshot.left_out);
        manifests.rename_registries(&settings.config.aliases());
        sources.push(from_store(deployment.objects(), Some(id.clone()), &[id], manifests).await?);
    }
    Ok(sources)
}

/// What the store knows of the images of some policies. Nothing is written, whatever waits to be folded.
async fn from_store(
    objects: &dyn Objects,
    repository: Option<RepositoryId>,
    held_in: &[RepositoryId],
    manifests: Manifests,
) -> Result<Source, Failure> {
    let objects = &ReadOnly(objects);
    let mut ledgers = BTreeMap::new();
    for image in manifests.images() {
        let ledger = ledgers::read(objects, &image, &writer("explain")).await.during(format!("reading {image}"))?;
        ledgers.insert(Some(image), ledger);
    }
    let mut holds = BTreeSet::new();
    for repository in held_in {
        let loaded = store::load::<Holds>(objects, &Key::holds(repository)).await.during("reading what is held")?;
        holds.extend(loaded.into_iter().flat_map(|loaded| loaded.value.holds));
    }
    Ok(Source { repository, manifests, ledgers, holds })
}

/// The policies in files of this machine.
fn files(args: &Args) -> Result<Manifests, Failure> {
    let (mut problems, mut left_out) = (Vec::new(), Vec::new());
    let files = match &args.policy {
        Some(file) => {
            let bytes = fs::read(file).during(format!("reading {}", file.display()))?;
            vec![File { path: file.display().to_string(), bytes }]
        }
        None => {
            let path = args.folder();
            let found = worktree::read(path).during(format!("reading {}", path.display()))?;
            problems = found.problems;
            left_out = found.left_out;
            found.files
        }
    };
    let mut manifests = findings::read_with(files, left_out);
    manifests.problems.extend(problems);
    if args.policy.is_some() {
        manifests.judge_without_images();
    }
    Ok(manifests)
}
