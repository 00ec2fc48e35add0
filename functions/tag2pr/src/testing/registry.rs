//! Registries in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::SignedDuration;

use crate::image::{Digest, ImageName, Tag};
use crate::origin::Origin;
use crate::platform::{Platform, Platforms};
use crate::seams::{Page, Registry, RegistryError};

/// All registries of the world, as [`Registry`] sees them. Clones are the same world.
#[derive(Debug, Clone, Default)]
pub struct FakeRegistry {
    world: Arc<Mutex<World>>,
}

#[derive(Debug, Default)]
struct World {
    images: BTreeMap<ImageName, BTreeMap<Tag, Digest>>,
    /// What is not for linux/amd64 alone.
    platforms: BTreeMap<Digest, Platforms>,
    /// What says where it was built from.
    origins: BTreeMap<Digest, Origin>,
    /// Whether blobs cannot be read, where images say what they were built from.
    without_blobs: bool,
    refusing: BTreeSet<String>,
    stopped: bool,
    failures: usize,
    busy: Option<SignedDuration>,
    /// Tags that listings leave out although they are there.
    hidden: BTreeSet<(ImageName, Tag)>,
    /// Tags on one page; all if none.
    page: Option<usize>,
    calls: Calls,
}

/// How often each question was asked, whatever the answer was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Calls {
    /// Calls of [`Registry::digest`].
    pub digest: usize,
    /// Calls of [`Registry::platforms`].
    pub platforms: usize,
    /// Calls of [`Registry::origin`].
    pub origin: usize,
    /// Calls of [`Registry::tags`], and of [`Registry::page`].
    pub tags: usize,
}

impl FakeRegistry {
    /// A world without images.
    pub fn new() -> Self {
        Self::default()
    }

    /// Points a tag at a digest, as somebody's push does.
    pub fn push(&self, image: &ImageName, tag: &Tag, digest: &Digest) {
        self.world().images.entry(image.clone()).or_default().insert(tag.clone(), digest.clone());
    }

    /// What a digest holds; linux/amd64 unless it is said here.
    pub fn holds(&self, digest: &Digest, platforms: Platforms) {
        self.world().platforms.insert(digest.clone(), platforms);
    }

    /// Where a digest says that it was built from; nowhere unless it is said here.
    pub fn built(&self, digest: &Digest, origin: Origin) {
        self.world().origins.insert(digest.clone(), origin);
    }

    /// Whether blobs cannot be read just now, where images say what they were built from.
    pub fn without_blobs(&self, without: bool) {
        self.world().without_blobs = without;
    }

    /// Removes a tag. The repository stays, even without tags.
    pub fn delete(&self, image: &ImageName, tag: &Tag) {
        if let Some(tags) = self.world().images.get_mut(image) {
            tags.remove(tag);
        }
    }

    /// The next call finds no registry; the one after that does.
    pub fn unavailable_once(&self) {
        self.world().failures += 1;
    }

    /// The next call is answered with 429 and asked to wait.
    pub fn busy_once(&self, wait: SignedDuration) {
        self.world().busy = Some(wait);
    }

    /// Listings leave this tag out although it is there, as those of a registry do that is out of step with itself.
    pub fn hide(&self, image: &ImageName, tag: &Tag) {
        self.world().hidden.insert((image.clone(), tag.clone()));
    }

    /// Listings are whole again.
    pub fn show_all(&self) {
        self.world().hidden.clear();
    }

    /// From now on a page holds so many tags.
    pub fn pages_of(&self, tags: usize) {
        self.world().page = Some(tags);
    }

    /// No registry answers until [`FakeRegistry::start`].
    pub fn stop(&self) {
        self.world().stopped = true;
    }

    /// Registries answer again.
    pub fn start(&self) {
        self.world().stopped = false;
    }

    /// This host no longer takes the credentials it is given.
    pub fn refuse(&self, host: &str) {
        self.world().refusing.insert(host.to_owned());
    }

    /// This host takes the credentials again.
    pub fn admit(&self, host: &str) {
        self.world().refusing.remove(host);
    }

    /// How often it was asked so far.
    pub fn calls(&self) -> Calls {
        self.world().calls
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    /// The tags of an image, if its registry answers at all.
    fn ask(&mut self, image: &ImageName) -> Result<Option<&BTreeMap<Tag, Digest>>, RegistryError> {
        let registry = image.registry().to_owned();
        let fails = self.failures > 0;
        self.failures = self.failures.saturating_sub(1);
        if self.stopped || fails {
            return Err(RegistryError::Unavailable { registry, reason: "it does not answer".to_owned(), wait: None });
        }
        if let Some(wait) = self.busy.take() {
            let reason = "it asks to slow down (429)".to_owned();
            return Err(RegistryError::Unavailable { registry, reason, wait: Some(wait) });
        }
        if self.refusing.contains(&registry) {
            let reason = format!(
                "it does not accept the credentials for {} (401); check `credentials` of this registry",
                image.repository()
            );
            return Err(RegistryError::Refused { registry, reason });
        }
        Ok(self.images.get(image))
    }

    /// Whether an image has this digest.
    fn has(&mut self, image: &ImageName, digest: &Digest) -> Result<bool, RegistryError> {
        Ok(self.ask(image)?.is_some_and(|tags| tags.values().any(|known| known == digest)))
    }

    /// The tags of an image as a listing has them.
    fn listed(&mut self, image: &ImageName) -> Result<Vec<Tag>, RegistryError> {
        let tags = self.ask(image)?.map(|tags| tags.keys().cloned().collect()).unwrap_or_default();
        let hidden = |tag: &Tag| self.hidden.contains(&(image.clone(), tag.clone()));
        Ok(Vec::into_iter(tags).filter(|tag| !hidden(tag)).collect())
    }
}

#[async_trait]
impl Registry for FakeRegistry {
    async fn digest(&self, image: &ImageName, tag: &Tag) -> Result<Option<Digest>, RegistryError> {
        let mut world = self.world();
        world.calls.digest += 1;
        Ok(world.ask(image)?.and_then(|tags| tags.get(tag)).cloned())
    }

    async fn platforms(&self, image: &ImageName, digest: &Digest) -> Result<Option<Platforms>, RegistryError> {
        let mut world = self.world();
        world.calls.platforms += 1;
        let there = world.has(image, digest)?;
        let usual = || Platform::new("linux", "amd64", None).into_iter().collect();
        Ok(there.then(|| world.platforms.get(digest).cloned().unwrap_or_else(usual)))
    }

    async fn origin(&self, image: &ImageName, digest: &Digest) -> Result<Option<Origin>, RegistryError> {
        let mut world = self.world();
        world.calls.origin += 1;
        if world.without_blobs {
            let (registry, reason) = (image.registry().to_owned(), "its store does not answer".to_owned());
            return Err(RegistryError::Unavailable { registry, reason, wait: None });
        }
        let there = world.has(image, digest)?;
        Ok(there.then(|| world.origins.get(digest).cloned().unwrap_or_default()))
    }

    async fn tags(&self, image: &ImageName) -> Result<Vec<Tag>, RegistryError> {
        let mut world = self.world();
        world.calls.tags += 1;
        world.listed(image)
    }

    async fn page(&self, image: &ImageName, from: Option<&str>) -> Result<Page, RegistryError> {
        let mut world = self.world();
        world.calls.tags += 1;
        let mut tags = world.listed(image)?;
        tags.retain(|tag| from.is_none_or(|from| tag.as_str() > from));
        let on_page = world.page.unwrap_or(usize::MAX).min(tags.len());
        let more = tags.len() > on_page;
        tags.truncate(on_page);
        Ok(Page { next: tags.last().filter(|_| more).map(ToString::to_string), tags })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::conformance::registry::{Built, Outside, conforms, digest_of};

    struct InMemory(FakeRegistry);

    #[async_trait]
    impl Outside for InMemory {
        fn host(&self) -> String {
            "registry.example.com".to_owned()
        }

        fn registry(&self) -> Box<dyn Registry> {
            Box::new(self.0.clone())
        }

        fn stranger(&self) -> Box<dyn Registry> {
            let registry = FakeRegistry::new();
            registry.refuse(&self.host());
            Box::new(registry)
        }

        fn unreachable(&self) -> (Box<dyn Registry>, String) {
            let registry = FakeRegistry::new();
            registry.stop();
            (Box::new(registry), self.host())
        }

        async fn push(&self, image: &ImageName, tag: &Tag, content: &str) -> Digest {
            let digest = digest_of(content.as_bytes());
            self.0.push(image, tag, &digest);
            digest
        }

        async fn push_index(&self, image: &ImageName, tag: &Tag, contents: &[&str]) -> Digest {
            let digest = digest_of(format!("index of {contents:?}").as_bytes());
            self.0.push(image, tag, &digest);
            digest
        }

        async fn push_for(&self, image: &ImageName, tag: &Tag, platforms: &[&str]) -> Digest {
            let digest = digest_of(format!("for {platforms:?}").as_bytes());
            self.0.push(image, tag, &digest);
            self.0.holds(&digest, platforms.iter().filter_map(|platform| platform.parse().ok()).collect());
            digest
        }

        async fn push_built(&self, image: &ImageName, tag: &Tag, built: &Built) -> Digest {
            let digest = digest_of(format!("{built:?}").as_bytes());
            self.0.push(image, tag, &digest);
            self.0.built(&digest, built.origin());
            digest
        }

        async fn delete(&self, image: &ImageName, digest: &Digest) {
            let mut world = self.0.world();
            if let Some(tags) = world.images.get_mut(image) {
                tags.retain(|_, known| known != digest);
            }
        }
    }

    #[test]
    fn the_registry_in_memory_conforms() {
        pollster::block_on(conforms(&InMemory(FakeRegistry::new())));
    }

    #[test]
    fn a_failure_happens_once_and_is_counted() {
        let registry = FakeRegistry::new();
        let image: ImageName = "ghcr.io/acme/web".parse().unwrap();
        registry.unavailable_once();
        let first = pollster::block_on(registry.tags(&image));
        let second = pollster::block_on(registry.tags(&image));
        assert!(matches!(first, Err(RegistryError::Unavailable { .. })));
        assert_eq!(second.unwrap(), []);
        assert_eq!(registry.calls(), Calls { tags: 2, ..Calls::default() });
    }

    #[test]
    fn a_host_that_refuses_does_not_concern_the_others() {
        let registry = FakeRegistry::new();
        registry.refuse("ghcr.io");
        let refused = pollster::block_on(registry.tags(&"ghcr.io/acme/web".parse().unwrap()));
        let other = pollster::block_on(registry.tags(&"quay.io/acme/web".parse().unwrap()));
        assert!(matches!(refused, Err(RegistryError::Refused { .. })));
        assert_eq!(other.unwrap(), []);
        registry.admit("ghcr.io");
        assert_eq!(pollster::block_on(registry.tags(&"ghcr.io/acme/web".parse().unwrap())).unwrap(), []);
    }
}
