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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use http::{Request, Response, StatusCode, header};
    use tag2pr::testing::conformance;
    use tag2pr_standins::server::{HangUp, Server};

    use super::*;

    /// An issuer with keys at `/keys`, and with what must not be taken for keys at other addresses.
    fn issuer() -> (Server, Arc<Mutex<String>>) {
        let published = Arc::new(Mutex::new(String::new()));
        let keys = Arc::clone(&published);
        let server = Server::start(move |request: Request<bytes::Bytes>| {
            let answer = Response::builder();
            let answer = match request.uri().path() {
                "/keys" => answer.body(keys.lock().unwrap().clone().into()),
                "/moved" => answer.status(StatusCode::FOUND).header(header::LOCATION, "/keys").body("".into()),
                "/long" => answer.body(vec![b' '; LONGEST + 1].into()),
                "/broken" => answer.status(StatusCode::BAD_GATEWAY).body("".into()),
                "/silent" => Ok(HangUp::response()),
                _ => answer.status(StatusCode::NOT_FOUND).body("".into()),
            };
            async move { answer.unwrap() }
        });
        (server, published)
    }

    #[tokio::test]
    async fn an_issuer_behind_a_url_publishes_keys() {
        let (server, published) = issuer();
        let keys = Published { base: PathBuf::new() };
        let (there, nowhere) = (format!("{}/keys", server.url()), format!("{}/other", server.url()));
        conformance::key_sets(&keys, &there, &nowhere, |text| text.clone_into(&mut published.lock().unwrap())).await;
    }

    #[tokio::test]
    async fn a_file_beside_the_configuration_publishes_keys() {
        let home = tempfile::tempdir().unwrap();
        let keys = Published { base: home.path().to_owned() };
        let publish = |text: &str| fs::write(home.path().join("keys.json"), text).unwrap();
        conformance::key_sets(&keys, "file:keys.json", "file:other.json", publish).await;
    }

    #[tokio::test]
    async fn what_is_no_set_of_keys_is_said_and_not_believed() {
        let (server, published) = issuer();
        "{\"keys\": []}".clone_into(&mut published.lock().unwrap());
        let keys = Published { base: PathBuf::new() };
        let mut said = String::new();
        for path in ["/moved", "/long", "/broken", "/silent", "/other"] {
            let error = keys.read(&format!("{}{path}", server.url())).await.unwrap_err().to_string();
            said.push_str(&error.replace(&server.url(), "https://issuer"));
            said.push('\n');
        }
        insta::assert_snapshot!(said, @r"
        the keys at https://issuer/moved cannot be read: the answer is 302 Found
        the keys at https://issuer/long cannot be read: the answer is longer than 262144 bytes
        the keys at https://issuer/broken cannot be read: the answer is 502 Bad Gateway
        the keys at https://issuer/silent cannot be read: error sending request
        the keys at https://issuer/other cannot be read: the answer is 404 Not Found
        ");
    }
}
