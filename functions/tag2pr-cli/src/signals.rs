//! How a person or a supervisor ends a process that would run for ever, or tells it something.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens for SIGINT (Ctrl-C) and SIGTERM from the moment it is made.
pub struct Stop {
    interrupted: Signal,
    terminated: Signal,
}

impl Stop {
    /// From here on neither signal ends the process by itself.
    pub fn listen() -> io::Result<Self> {
        Ok(Self { interrupted: signal(SignalKind::interrupt())?, terminated: signal(SignalKind::terminate())? })
    }

    /// Returns when one has come.
    pub async fn wanted(&mut self) {
        tokio::select! {
            _ = self.interrupted.recv() => {}
            _ = self.terminated.recv() => {}
        }
    }
}

/// Listens for SIGHUP: secrets have been changed.
pub struct Reload(Signal);

impl Reload {
    /// From here on the signal does not end the process.
    pub fn listen() -> io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }

    /// Returns when it has come.
    pub async fn wanted(&mut self) {
        self.0.recv().await;
    }
}
