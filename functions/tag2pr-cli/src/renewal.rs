//! Secrets that change while the listener runs: read again now and then, and when somebody says so.

use std::sync::Arc;

use jiff::Timestamp;
use tag2pr_connect::renewed::{AGAIN, AGE};
use tag2pr_connect::{ConnectError, Connected, Deployment, Receiver, Settings};
use tokio::sync::{Notify, watch};
use tokio::time::sleep;

use crate::inbox::writer;

/// What the listener works with at the moment.
pub type Current<T> = watch::Receiver<Arc<T>>;

/// The connections, and how they are made anew. The configuration stays as it was read.
pub struct Renewal {
    settings: Settings,
    receiver: watch::Sender<Arc<Receiver>>,
    deployment: watch::Sender<Arc<Deployment>>,
    /// Somebody says that secrets have been changed.
    pub asked: Arc<Notify>,
}

/// Why the secrets were read again, and how that went. With an error, what was read before stays in use.
#[derive(Debug)]
pub struct Renewed {
    /// Whether somebody asked for it.
    pub asked: bool,
    /// What could not be read.
    pub result: Result<(), ConnectError>,
}

impl Renewal {
    /// Connects for the first time.
    ///
    /// # Errors
    ///
    /// When a secret or an address cannot be used.
    pub async fn start(settings: &Settings) -> Result<Self, ConnectError> {
        Ok(Self {
            receiver: watch::Sender::new(Arc::new(Receiver::connect(settings).await?)),
            deployment: watch::Sender::new(Arc::new(Deployment::connect(settings).await?)),
            settings: settings.clone(),
            asked: Arc::default(),
        })
    }

    /// What takes deliveries.
    pub fn receiver(&self) -> Current<Receiver> {
        self.receiver.subscribe()
    }

    /// What makes proposals.
    pub fn deployment(&self) -> Current<Deployment> {
        self.deployment.subscribe()
    }

    /// Waits until the secrets are due or somebody asks, and reads them again.
    pub async fn next(&self, after_failure: bool) -> Renewed {
        let asked = loop {
            tokio::select! {
                () = sleep(if after_failure { AGAIN } else { AGE }) => {
                    if self.may_change() {
                        break false;
                    }
                }
                () = self.asked.notified() => break true,
            }
        };
        Renewed { asked, result: self.renew().await }
    }

    fn may_change(&self) -> bool {
        self.receiver.borrow().may_change() || self.deployment.borrow().may_change()
    }

    async fn renew(&self) -> Result<(), ConnectError> {
        let receiver = Receiver::connect(&self.settings).await?;
        let deployment = Deployment::connect(&self.settings).await?;
        let former = self.receiver.send_replace(Arc::new(receiver));
        // What it refused and has not written down yet.
        former.flush(&writer("receive"), Timestamp::now()).await;
        self.deployment.send_replace(Arc::new(deployment));
        Ok(())
    }
}

/// What is in use now.
pub fn now<T>(current: &Current<T>) -> Arc<T> {
    Arc::clone(&current.borrow())
}
