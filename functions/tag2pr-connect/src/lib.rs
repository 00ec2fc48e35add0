//! From configuration to connections.
//!
//! Everything that a process reads of its surroundings is read here: the environment, `tag2pr.yaml`, secrets, files with
//! certificates. What comes out are the seams, connected: [`Receiver`] for deliveries, [`Deployment`] for the rest.
//!
//! | variable | |
//! |---|---|
//! | `TAG2PR_CONFIG` | the path of `tag2pr.yaml`, if it is not in the working directory |
//! | `TAG2PR_STORE` | the store, in place of the one in `tag2pr.yaml`; that file may then be an object in it |
//! | `TAG2PR_QUEUE_URL` | the SQS FIFO queue that carries pokes; without it they wait in the store |
//! | `TAG2PR_CACHE` | where Git repositories are kept between calls; the temporary directory by default |

mod counted;
mod deployment;
mod ecr;
mod key_sets;
mod notifying;
mod receiver;
pub mod renewed;
mod secrets;
mod settings;

pub use deployment::{Deployment, Repository};
pub use receiver::Receiver;
pub use renewed::{Connected, Renewed};
pub use settings::Settings;

use tag2pr::problem::Problem;
use tag2pr::seams::StoreError;

/// Why a process cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// There is no configuration where one was looked for.
    #[error("there is no configuration: {0}")]
    Missing(String),
    /// The configuration cannot be used as it is.
    #[error(transparent)]
    Config(#[from] Problem),
    /// The configuration says something that turns out not to work.
    #[error("{file}: {reason}")]
    Unusable {
        /// The configuration's file.
        file: String,
        /// What does not work, and what to do.
        reason: String,
    },
    /// A secret is not where the configuration says.
    #[error("the secret `{reference}` {reason}")]
    Secret {
        /// As it stands in the configuration.
        reference: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}
