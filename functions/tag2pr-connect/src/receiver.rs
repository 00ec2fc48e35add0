//! What takes deliveries: a store, a queue, the secrets of the sources. No Git, no registry.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Request;
use jiff::Timestamp;
use tag2pr::config::Config;
use tag2pr::endpoint::hosts::Hook;
use tag2pr::endpoint::{self, Answer};
use tag2pr::flow::issuers::Issuers;
use tag2pr::flow::receive::{Delivery, Outside};
use tag2pr::flow::{Error, handed_over};
use tag2pr::seams::{Objects, Pokes};
use tag2pr::secret::Secret;
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
    may_change: bool,
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
            may_change: secrets.may_change(),
            issuers: Issuers::new(Arc::new(Published { base: settings.base.clone() })),
            objects: Arc::clone(&settings.objects),
            config: settings.config.clone(),
        })
    }

    /// Answers one request; `writer` names the call in what it writes.
    pub async fn answer(&self, request: &Request<Vec<u8>>, writer: &str, now: Timestamp) -> Answer {
        let limit = self.config.limits.body.0;
        if let Some(answer) = endpoint::hosts::answer(&self.hooks, &*self.pokes, limit, request, now).await {
            return answer;
        }
        endpoint::answer(self.outside(writer), &self.secrets, request, now).await
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
