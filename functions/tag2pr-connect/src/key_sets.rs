//! The keys of those who issue identity tokens, over HTTPS or in a file.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use tag2pr::seams::{KeySets, KeysUnavailable};

/// A delivery waits for this answer, and its sender for ours.
const PATIENCE: Duration = Duration::from_secs(3);

/// Issuers publish a handful of keys.
const LONGEST: usize = 256 * 1024;

/// Reads what issuers publish.
pub(crate) struct Published {
    /// What paths are relative to.
    pub(crate) base: PathBuf,
}

#[async_trait]
impl KeySets for Published {
    async fn read(&self, address: &str) -> Result<Vec<u8>, KeysUnavailable> {
        let unavailable = |reason: String| KeysUnavailable { address: address.to_owned(), reason };
        match address.strip_prefix("file:") {
            Some(path) => fs::read(self.base.join(path)).map_err(|error| unavailable(error.to_string())),
            None => fetch(address).await.map_err(unavailable),
        }
    }
}

async fn fetch(address: &str) -> Result<Vec<u8>, String> {
    // Made anew for each of the few times: reading the system's certificates is not for every start of the function.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE)
        .user_agent(concat!("tag2pr/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?;
    let said = |error: reqwest::Error| {
        let mut said = error.without_url().to_string();
        if said.is_empty() {
            "no answer".clone_into(&mut said);
        }
        said
    };
    let mut response = client.get(address).send().await.map_err(said)?;
    if response.status() != http::StatusCode::OK {
        return Err(format!("the answer is {}", response.status()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(said)? {
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST {
            return Err(format!("the answer is longer than {LONGEST} bytes"));
        }
    }
    Ok(body)
}
