//! How a person or a supervisor ends a process that would run for ever.

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
