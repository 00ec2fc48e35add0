//! Connections for a process that lives long: made anew now and then if their secrets may have been changed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::ConnectError;

/// How old a secret in a file or at AWS may be: a rotated one must come to us before the old one is taken away.
pub const AGE: Duration = Duration::from_secs(300);

/// After a failure to renew them.
pub const AGAIN: Duration = Duration::from_secs(60);

/// What may have to be connected anew.
pub trait Connected: Sized {
    /// Whether any of its secrets may be changed while the process runs.
    fn may_change(&self) -> bool;
}

/// Connections, and how they are made.
pub struct Renewed<T, F> {
    connect: F,
    current: Mutex<(Arc<T>, Instant)>,
}

impl<T: Connected, F: AsyncFn() -> Result<T, ConnectError>> Renewed<T, F> {
    /// Connects.
    ///
    /// # Errors
    ///
    /// Those of connecting.
    pub async fn start(connect: F) -> Result<Self, ConnectError> {
        let first = connect().await?;
        Ok(Self { connect, current: Mutex::new((Arc::new(first), Instant::now() + AGE)) })
    }

    /// The connections to use now. Where they could not be made anew they are the old ones, with the reason.
    pub async fn get(&self) -> (Arc<T>, Option<ConnectError>) {
        self.at(Instant::now()).await
    }

    async fn at(&self, now: Instant) -> (Arc<T>, Option<ConnectError>) {
        let mut current = self.current.lock().await;
        if now < current.1 || !current.0.may_change() {
            return (Arc::clone(&current.0), None);
        }
        match (self.connect)().await {
            Ok(new) => {
                *current = (Arc::new(new), now + AGE);
                (Arc::clone(&current.0), None)
            }
            Err(error) => {
                current.1 = now + AGAIN;
                (Arc::clone(&current.0), Some(error))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    struct Numbered(u32, bool);

    impl Connected for Numbered {
        fn may_change(&self) -> bool {
            self.1
        }
    }

    #[tokio::test]
    async fn what_may_change_is_connected_anew_after_minutes_and_kept_if_that_fails() {
        let (made, broken) = (Cell::new(0), Cell::new(false));
        let connect = async || {
            if broken.get() {
                return Err(ConnectError::Missing("it is away".to_owned()));
            }
            made.set(made.get() + 1);
            Ok(Numbered(made.get(), true))
        };
        let renewed = Renewed::start(connect).await.unwrap();
        let start = Instant::now();
        let after = async |seconds: u64| {
            let (current, error) = renewed.at(start + Duration::from_secs(seconds)).await;
            (current.0, error.is_some())
        };
        assert_eq!(after(299).await, (1, false));
        assert_eq!(after(301).await, (2, false));
        assert_eq!(after(600).await, (2, false));
        broken.set(true);
        assert_eq!(after(602).await, (2, true), "the old one is better than none");
        assert_eq!(after(650).await, (2, false), "it is not tried again each time");
        broken.set(false);
        assert_eq!(after(663).await, (3, false));
    }

    #[tokio::test]
    async fn what_cannot_change_is_connected_once() {
        let renewed = Renewed::start(async || Ok(Numbered(1, false))).await.unwrap();
        let (current, error) = renewed.at(Instant::now() + Duration::from_secs(100_000)).await;
        assert!(current.0 == 1 && error.is_none());
    }
}
