//! Asking registries what a plan needs to know.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join3;
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;

use super::{AT_ONCE, Outside};
use crate::image::{Digest, ImageName, Tag};
use crate::ledger::{Ledger, News};
use crate::manifests::Manifests;
use crate::origin::Origin;
use crate::plan::{Answer, Contents, Evidence, Holds, Plan, Question, plan};
use crate::platform::Platforms;
use crate::seams::{GitError, RegistryError};
use crate::stages::Standing;

/// So many times is a plan made and asked for: each time one tag of a policy is looked at, first what it points at, then
/// what that holds. More tags are looked at in the next pass, which begins where this one ended.
pub(super) const ROUNDS: usize = 2 * 10;

/// What registries said so far.
#[derive(Debug, Default)]
pub(super) struct Answers {
    tags: BTreeMap<Question, Answer>,
    contents: BTreeMap<Contents, Answer>,
    /// Of what no registry says where it was built from.
    silent: BTreeSet<Contents>,
    /// Evidence, to be recorded.
    pub(super) learned: Vec<(ImageName, News)>,
    /// Tags that point at something else than any delivery told of.
    pub(super) missed: Vec<(ImageName, Tag)>,
    /// What could not be asked, in words; it is asked again later.
    pub(super) waiting: Vec<String>,
}

impl Answers {
    /// Plans with what is known so far. Files that are to be edited and were not read again are read now.
    pub(super) async fn plan(
        &self,
        outside: Outside<'_>,
        manifests: &mut Manifests,
        ledgers: &BTreeMap<ImageName, Ledger>,
        holds: &Holds,
        standing: &Standing,
        now: Timestamp,
    ) -> Result<Plan, GitError> {
        loop {
            let Self { tags: answers, contents, silent, .. } = self;
            let evidence = Evidence { manifests, ledgers, holds, answers, contents, silent, standing, now };
            let plan = plan(&evidence);
            if plan.unread.is_empty() {
                return Ok(plan);
            }
            let files = outside.git.read(&manifests.commit, &plan.unread).await?;
            manifests.take(files);
        }
    }

    /// Asks what a plan needs to know.
    pub(super) async fn ask(
        &mut self,
        outside: Outside<'_>,
        draft: &Plan,
        ledgers: &mut BTreeMap<ImageName, Ledger>,
        now: Timestamp,
    ) {
        let known = &*ledgers;
        let questions = draft.questions.iter().cloned();
        let digests = stream::iter(questions.map(|question| ask_for_digest(outside, known, question)));
        let contents = draft.contents.iter().cloned();
        let platforms = stream::iter(contents.map(|contents| ask_for_platforms(outside, contents)));
        let origins = draft.origins.iter().cloned();
        let origins = stream::iter(origins.map(|contents| ask_for_origin(outside, contents)));
        let (answers, platforms, origins): (Vec<Answer>, Vec<_>, Vec<_>) = join3(
            digests.buffered(AT_ONCE).collect(),
            platforms.buffered(AT_ONCE).collect(),
            origins.buffered(AT_ONCE).collect(),
        )
        .await;
        for ((image, tag), answer) in draft.questions.iter().zip(answers) {
            if let (Answer::Digest(digest), Some(ledger)) = (&answer, ledgers.get_mut(image))
                && let Some(entry) = ledger.get(tag.as_str()).filter(|entry| !entry.digests.contains_key(digest))
            {
                if entry.digest().is_some() {
                    self.missed.push((image.clone(), tag.clone()));
                }
                self.learn(image, ledger, News::Confirmed { tag: tag.clone(), digest: digest.clone(), at: now });
            }
            self.note(&answer);
            self.tags.insert((image.clone(), tag.clone()), answer);
        }
        for ((image, digest), answer) in draft.contents.iter().zip(platforms) {
            let answer = match answer {
                Ok(Some(platforms)) => {
                    let news = News::Holds { digest: digest.clone(), platforms };
                    self.learn(image, ledgers.entry(image.clone()).or_default(), news);
                    continue;
                }
                Ok(None) => Answer::Gone,
                Err(error) => no_answer(&error),
            };
            self.note(&answer);
            self.contents.insert((image.clone(), digest.clone()), answer);
        }
        for ((image, digest), origin) in draft.origins.iter().zip(origins) {
            match origin {
                Some(origin) => {
                    let news = News::Built { digest: digest.clone(), origin };
                    self.learn(image, ledgers.entry(image.clone()).or_default(), news);
                }
                None => {
                    self.silent.insert((image.clone(), digest.clone()));
                }
            }
        }
    }

    /// What is left to ask for after the last round.
    pub(super) fn put_off(&mut self, draft: &Plan) {
        let image = |(image, _): &(ImageName, Digest)| image.clone();
        let images: BTreeSet<ImageName> =
            draft.questions.iter().map(|(image, _)| image.clone()).chain(draft.contents.iter().map(image)).collect();
        self.waiting.extend(images.iter().map(|image| {
            format!("{image}: what {} of its tags hold was looked at, and the others are next", ROUNDS / 2)
        }));
    }

    fn learn(&mut self, image: &ImageName, ledger: &mut Ledger, news: News) {
        ledger.merge(&news);
        self.learned.push((image.clone(), news));
    }

    fn note(&mut self, answer: &Answer) {
        if let Answer::NoAnswer { reason, later: true } = answer {
            self.waiting.push(reason.clone());
        }
    }
}

async fn ask_for_digest(outside: Outside<'_>, ledgers: &BTreeMap<ImageName, Ledger>, (image, tag): Question) -> Answer {
    if outside.unasked.contains(image.registry()) {
        let known = ledgers.get(&image).and_then(|ledger| ledger.get(tag.as_str())).and_then(|entry| entry.digest());
        return Answer::NotAsked(known.cloned());
    }
    match outside.registry.digest(&image, &tag).await {
        Ok(Some(digest)) => Answer::Digest(digest),
        Ok(None) => Answer::Gone,
        Err(error) => no_answer(&error),
    }
}

async fn ask_for_platforms(
    outside: Outside<'_>,
    (image, digest): Contents,
) -> Result<Option<Platforms>, RegistryError> {
    outside.registry.platforms(&image, &digest).await
}

/// It is good to know where an image was built from, and no reason to wait or to fail. Only what may be answered later is
/// asked again.
async fn ask_for_origin(outside: Outside<'_>, (image, digest): Contents) -> Option<Origin> {
    if outside.unasked.contains(image.registry()) {
        return None;
    }
    match outside.registry.origin(&image, &digest).await {
        Ok(origin) => Some(origin.unwrap_or_default()),
        Err(RegistryError::Refused { .. }) => Some(Origin::default()),
        Err(RegistryError::Unavailable { .. }) => None,
    }
}

fn no_answer(error: &RegistryError) -> Answer {
    Answer::NoAnswer { later: matches!(error, RegistryError::Unavailable { .. }), reason: error.to_string() }
}
