//! The wire between one worker and the world: it can break at any step, and it can be slow at each.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use async_trait::async_trait;
use tag2pr::flow::propose;
use tag2pr::image::{Digest, ImageName, Tag};
use tag2pr::keys::Key;
use tag2pr::origin::Origin;
use tag2pr::platform::Platforms;
use tag2pr::seams::{
    Asks, Comment, CommitId, Draft, Expected, File, GitError, GitHost, GitRepository, HostError, NewCommit, Object,
    Objects, Page, Poke, Pokes, PullRequest, Registry, RegistryError, Snapshot, StoreError, Version, Wanted,
};

use super::world::World;

/// How a wire breaks at one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Break {
    /// The call does not arrive; the next one does.
    Once,
    /// The call is served and its answer is lost; the next one is well again.
    AnswerLost,
    /// The worker dies before the call: nothing after it happens either.
    DeadBefore,
    /// The worker dies after the call was served.
    DeadAfter,
}

pub(crate) const BREAKS: [Break; 4] = [Break::Once, Break::AnswerLost, Break::DeadBefore, Break::DeadAfter];

pub(crate) struct Wire<'w> {
    world: &'w World,
    breaks: Option<(usize, Break)>,
    /// How often each step lets the others go first, over and over.
    delays: Vec<u8>,
    steps: AtomicUsize,
}

impl<'w> Wire<'w> {
    pub(crate) fn breaking(world: &'w World, step: usize, how: Break) -> Self {
        Self { world, breaks: Some((step, how)), delays: Vec::new(), steps: AtomicUsize::new(0) }
    }

    pub(crate) fn slow(world: &'w World, delays: Vec<u8>) -> Self {
        Self { world, breaks: None, delays, steps: AtomicUsize::new(0) }
    }

    /// Whether it got as far as the step at which it breaks.
    pub(crate) fn broke(&self) -> bool {
        self.breaks.is_some_and(|(step, _)| self.steps.load(Ordering::Relaxed) > step)
    }

    /// Waits until it got to this step, or is done.
    pub(crate) async fn reached(&self, step: usize) {
        let mut patience = 2_000;
        poll_fn(|context| match self.steps.load(Ordering::Relaxed) > step || patience == 0 {
            true => Poll::Ready(()),
            false => {
                patience -= 1;
                context.waker().wake_by_ref();
                Poll::Pending
            }
        })
        .await;
    }

    pub(crate) fn outside<'a>(&'a self, writer: &'a str) -> propose::Outside<'a> {
        propose::Outside { objects: self, git: self, host: self, registry: self, ..self.world.outside(writer) }
    }

    async fn carry<T, E>(
        &self,
        call: impl Future<Output = Result<T, E>>,
        broken: impl Fn(String) -> E,
    ) -> Result<T, E> {
        let step = self.steps.fetch_add(1, Ordering::Relaxed);
        if !self.delays.is_empty() {
            let mut left = self.delays[step % self.delays.len()];
            poll_fn(|context| match left {
                0 => Poll::Ready(()),
                _ => {
                    left -= 1;
                    context.waker().wake_by_ref();
                    Poll::Pending
                }
            })
            .await;
        }
        let (before, after) = match self.breaks {
            Some((at, Break::Once)) => (step == at, false),
            Some((at, Break::AnswerLost)) => (false, step == at),
            Some((at, Break::DeadBefore)) => (step >= at, false),
            Some((at, Break::DeadAfter)) => (step > at, step == at),
            None => (false, false),
        };
        if before {
            return Err(broken(format!("step {step} did not arrive")));
        }
        let answer = call.await;
        if after { Err(broken(format!("the answer to step {step} was lost"))) } else { answer }
    }
}

fn git_error(reason: String) -> GitError {
    GitError::Unavailable { url: "https://git.example".to_owned(), reason, wait: None }
}

fn host_error(reason: String) -> HostError {
    HostError::Unavailable { host: "https://git.example".to_owned(), reason, wait: None }
}

fn registry_error(image: &ImageName) -> impl Fn(String) -> RegistryError {
    |reason| RegistryError::Unavailable { registry: image.registry().to_owned(), reason, wait: None }
}

#[async_trait]
impl Objects for Wire<'_> {
    async fn get(&self, key: &Key) -> Result<Option<Object>, StoreError> {
        self.carry(self.world.store.get(key), StoreError::Unavailable).await
    }

    async fn put(&self, key: &Key, bytes: Vec<u8>, expected: Expected<'_>) -> Result<Version, StoreError> {
        self.carry(self.world.store.put(key, bytes, expected), StoreError::Unavailable).await
    }

    async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        self.carry(self.world.store.delete(key), StoreError::Unavailable).await
    }

    async fn list(&self, prefix: &Key) -> Result<Vec<Key>, StoreError> {
        self.carry(self.world.store.list(prefix), StoreError::Unavailable).await
    }

    async fn pause(&self, attempt: u32) {
        self.world.store.pause(attempt).await;
    }
}

#[async_trait]
impl GitRepository for Wire<'_> {
    async fn head(&self, branch: &str) -> Result<Option<CommitId>, GitError> {
        self.carry(self.world.git.head(branch), git_error).await
    }

    async fn contains(&self, branch: &str, commit: &CommitId) -> Result<bool, GitError> {
        self.carry(self.world.git.contains(branch, commit), git_error).await
    }

    async fn snapshot(&self, branch: &str, wanted: &Wanted) -> Result<Snapshot, GitError> {
        self.carry(self.world.git.snapshot(branch, wanted), git_error).await
    }

    async fn read(&self, commit: &CommitId, paths: &BTreeSet<String>) -> Result<Vec<File>, GitError> {
        self.carry(self.world.git.read(commit, paths), git_error).await
    }

    async fn commit(&self, commit: &NewCommit) -> Result<CommitId, GitError> {
        self.carry(self.world.git.commit(commit), git_error).await
    }

    async fn push(&self, branch: &str, commit: &CommitId, expected: Option<&CommitId>) -> Result<(), GitError> {
        self.carry(self.world.git.push(branch, commit, expected), git_error).await
    }
}

#[async_trait]
impl GitHost for Wire<'_> {
    async fn find(&self, branch: &str, base: &str) -> Result<Vec<PullRequest>, HostError> {
        self.carry(self.world.forge.find(branch, base), host_error).await
    }

    async fn open(&self, draft: &Draft) -> Result<PullRequest, HostError> {
        self.carry(self.world.forge.open(draft), host_error).await
    }

    async fn update(&self, number: u64, draft: &Draft) -> Result<PullRequest, HostError> {
        self.carry(self.world.forge.update(number, draft), host_error).await
    }

    async fn close(&self, number: u64, comment: &str) -> Result<(), HostError> {
        self.carry(self.world.forge.close(number, comment), host_error).await
    }

    async fn ended_by(&self, number: u64) -> Result<Option<String>, HostError> {
        self.carry(self.world.forge.ended_by(number), host_error).await
    }

    async fn last_change(&self, path: &str, branch: &str) -> Result<Option<CommitId>, HostError> {
        self.carry(self.world.forge.last_change(path, branch), host_error).await
    }

    async fn comment(&self, number: u64, text: &str) -> Result<bool, HostError> {
        self.carry(self.world.forge.comment(number, text), host_error).await
    }

    async fn commands(&self, number: u64, after: u64) -> Result<Vec<Comment>, HostError> {
        self.carry(self.world.forge.commands(number, after), host_error).await
    }

    fn reads_commands(&self) -> bool {
        self.world.forge.reads_commands()
    }

    async fn ready(&self, number: u64) -> Result<(), HostError> {
        self.carry(self.world.forge.ready(number), host_error).await
    }

    async fn ask(&self, number: u64, asks: &Asks) -> Result<Vec<String>, HostError> {
        self.carry(self.world.forge.ask(number, asks), host_error).await
    }
}

#[async_trait]
impl Registry for Wire<'_> {
    async fn digest(&self, image: &ImageName, tag: &Tag) -> Result<Option<Digest>, RegistryError> {
        self.carry(self.world.registry.digest(image, tag), registry_error(image)).await
    }

    async fn platforms(&self, image: &ImageName, digest: &Digest) -> Result<Option<Platforms>, RegistryError> {
        self.carry(self.world.registry.platforms(image, digest), registry_error(image)).await
    }

    async fn origin(&self, image: &ImageName, digest: &Digest) -> Result<Option<Origin>, RegistryError> {
        self.carry(self.world.registry.origin(image, digest), registry_error(image)).await
    }

    async fn tags(&self, image: &ImageName) -> Result<Vec<Tag>, RegistryError> {
        self.carry(self.world.registry.tags(image), registry_error(image)).await
    }

    async fn page(&self, image: &ImageName, from: Option<&str>) -> Result<Page, RegistryError> {
        self.carry(self.world.registry.page(image, from), registry_error(image)).await
    }
}

#[async_trait]
impl Pokes for Wire<'_> {
    async fn send(&self, poke: &Poke) -> Result<(), StoreError> {
        self.carry(self.world.outbox.send(poke), StoreError::Unavailable).await
    }
}
