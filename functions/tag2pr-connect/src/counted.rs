//! Registries that count what they are asked.

use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use tag2pr::image::{Digest, ImageName, Tag};
use tag2pr::origin::Origin;
use tag2pr::platform::Platforms;
use tag2pr::seams::{Page, Registry, RegistryError};

/// Registries, and how many questions they were asked.
pub(crate) struct Counted<R> {
    registry: R,
    asked: AtomicU64,
}

impl<R> Counted<R> {
    /// None yet.
    pub(crate) fn new(registry: R) -> Self {
        Self { registry, asked: AtomicU64::new(0) }
    }

    /// How many.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    fn ask(&self) -> &R {
        self.asked.fetch_add(1, Ordering::Relaxed);
        &self.registry
    }
}

#[async_trait]
impl<R: Registry> Registry for Counted<R> {
    async fn digest(&self, image: &ImageName, tag: &Tag) -> Result<Option<Digest>, RegistryError> {
        self.ask().digest(image, tag).await
    }

    async fn platforms(&self, image: &ImageName, digest: &Digest) -> Result<Option<Platforms>, RegistryError> {
        self.ask().platforms(image, digest).await
    }

    async fn origin(&self, image: &ImageName, digest: &Digest) -> Result<Option<Origin>, RegistryError> {
        self.ask().origin(image, digest).await
    }

    async fn tags(&self, image: &ImageName) -> Result<Vec<Tag>, RegistryError> {
        self.ask().tags(image).await
    }

    async fn page(&self, image: &ImageName, from: Option<&str>) -> Result<Page, RegistryError> {
        self.ask().page(image, from).await
    }
}
