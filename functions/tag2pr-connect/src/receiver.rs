//! What takes deliveries: a store, a queue, the secrets of the sources. No Git, no registry.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Request;
use jiff::Timestamp;
use tag2pr::config::Config;
use tag2pr::endpoint::hosts::Hook;
use tag2pr::endpoint::status::Wanted;
use tag2pr::endpoint::{self, Answer};
use tag2pr::flow::issuers::Issuers;
use tag2pr::flow::receive::{Delivery, Outside};
use tag2pr::flow::{self, Error, handed_over, refusals};
use tag2pr::keys::Key;
use tag2pr::seams::{Objects, Pokes, RepositoryId, StoreError};
use tag2pr::secret::Secret;
use tag2pr::status::{self, Status, Tally};
use tag2pr_state::queue::{Inbox, Sqs, SqsSettings};

use crate::key_sets::Published;
use crate::secrets::{self, Secrets};
use crate::{ConnectError, Connected, Settings};

/// Takes deliveries.
pub struct Receiver {
    /// How the deployment is made.
    pub config: Config,
    /// Who issues identity tokens.
    pub issuers: Issuers,
    /// Where evidence is kept.
    pub objects: Arc<dyn Objects>,
    /// Where pokes go.
    pub pokes: Arc<dyn Pokes>,
    /// The secrets of the sources, by name.
    pub secrets: BTreeMap<String, Vec<Secret>>,
    /// The repositories whose hosts send webhooks.
    pub hooks: Vec<Hook>,
    /// What those prove themselves with who may see how things stand.
    pub viewers: Vec<Secret>,
    /// What was refused and is not written yet.
    pub refused: Tally,
    page: Page,
    may_change: bool,
}

/// Where the status page comes from.
enum Page {
    /// It is made when it is asked for: whoever takes deliveries may read everything.
    Fresh(Vec<RepositoryId>),
    /// It was written by others, who may.
    Written,
}

impl Connected for Receiver {
    fn may_change(&self) -> bool {
        self.may_change
    }
}

impl Receiver {
    /// Connects what the environment says.
    ///
    /// # Errors
    ///
    /// When something is missing; the error says what.
    pub async fn from_environment() -> Result<Self, ConnectError> {
        Self::connect(&Settings::read(None).await?).await
    }

    /// Connects what a configuration says.
    ///
    /// # Errors
    ///
    /// When a secret or the queue cannot be used.
    pub async fn connect(settings: &Settings) -> Result<Self, ConnectError> {
        let secrets = Secrets::of(secrets::of_senders(&settings.config), &settings.base).await?;
        Ok(Self {
            pokes: pokes(settings)?,
            secrets: settings.source_secrets(&secrets)?,
            hooks: settings.host_hooks(&secrets)?,
            viewers: settings.viewers(&secrets)?,
            refused: Tally::default(),
            page: match settings.queue {
                Some(_) => Page::Written,
                None => Page::Fresh(settings.repository_ids()),
            },
            may_change: secrets.may_change(),
            issuers: Issuers::new(Arc::new(Published { base: settings.base.clone() })),
            objects: Arc::clone(&settings.objects),
            config: settings.config.clone(),
        })
    }

    /// Answers one request; `writer` names the call in what it writes.
    pub async fn answer(&self, request: &Request<Vec<u8>>, writer: &str, now: Timestamp) -> Answer {
        let limit = self.config.limits.body.0;
        let answer = match endpoint::hosts::answer(&self.hooks, &*self.pokes, limit, request, now).await {
            Some(answer) => answer,
            None => match Wanted::of(request) {
                Some((Wanted::Page, in_path)) => match endpoint::status::admit(&self.viewers, in_path, request) {
                    Ok(()) => {
                        self.page(writer, now).await.unwrap_or_else(|error| endpoint::status::unavailable(&error))
                    }
                    Err(answer) => *answer,
                },
                Some((Wanted::Metrics, _)) | None => {
                    endpoint::answer(self.outside(writer), &self.secrets, request, now).await
                }
            },
        };
        refusals::count(&*self.objects, &self.refused, &answer, writer, now).await;
        answer
    }

    async fn page(&self, writer: &str, now: Timestamp) -> Result<Answer, StoreError> {
        let html = match &self.page {
            Page::Fresh(repositories) => {
                // Whoever looks because a sender was just refused shall see it.
                self.flush(writer, now).await;
                let remembered =
                    flow::status::read(&*self.objects, &self.config, repositories, BTreeMap::new(), writer, now)
                        .await?;
                status::page::render(&Status::of(&remembered, now))
            }
            Page::Written => match self.objects.get(&Key::status_page()).await? {
                Some(object) => String::from_utf8_lossy(&object.bytes).into_owned(),
                None => return Ok(endpoint::status::not_there_yet()),
            },
        };
        Ok(endpoint::status::page(html))
    }

    /// Writes down what was refused and is not written yet.
    pub async fn flush(&self, writer: &str, now: Timestamp) {
        refusals::flush(&*self.objects, &self.refused, writer, now).await;
    }

    /// Takes an event that AWS hands over.
    ///
    /// # Errors
    ///
    /// Those of [`handed_over::take`].
    pub async fn take(&self, event: &[u8], writer: &str, now: Timestamp) -> Result<Delivery, Error> {
        handed_over::take(self.outside(writer), event, now).await
    }

    /// The world as the journey `receive` sees it.
    pub fn outside<'a>(&'a self, writer: &'a str) -> Outside<'a> {
        Outside { objects: &*self.objects, pokes: &*self.pokes, issuers: &self.issuers, config: &self.config, writer }
    }
}

pub(crate) fn pokes(settings: &Settings) -> Result<Arc<dyn Pokes>, ConnectError> {
    Ok(match &settings.queue {
        Some(url) => Arc::new(Sqs::connect(SqsSettings::from_environment(url)?)?),
        None => Arc::new(Inbox::new(Arc::clone(&settings.objects), "inbox")),
    })
}
