//! Signing in as a GitHub App:
//! <https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app>.

use std::fmt;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use reqwest::{Client, Method, StatusCode};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde::Deserialize;
use serde_json::json;
use tag2pr::seams::{HostError, RepositoryId, Tokens};
use tag2pr::secret::Secret;
use tokio::sync::Mutex;
use url::Url;

use super::{API_VERSION, api_of, message, owner_and_name};
use crate::address::{Address, secret};
use crate::rest::{Answer, Refusal, Rest, quote};
use crate::{InvalidHost, USER};

/// GitHub takes no token that is good for longer than ten minutes; its clock and ours may differ by one.
const LIFETIME: SignedDuration = SignedDuration::from_mins(9);

/// A token is replaced so long before it runs out: a push with it must still come to its end.
const MARGIN: SignedDuration = SignedDuration::from_mins(5);

/// An app, installed where the repository is: makes a token for that repository alone, and a new one when it runs out.
pub struct GithubApp {
    rest: Rest,
    app: String,
    key: RsaKeyPair,
    installation: Option<u64>,
    owner: String,
    name: String,
    /// The token of the moment. Held while another is made, so that one is made and not several.
    token: Mutex<Option<(Secret, Timestamp)>>,
}

impl fmt::Debug for GithubApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GithubApp({}, …)", self.app)
    }
}

#[derive(Deserialize)]
struct Installation {
    id: u64,
}

#[derive(Deserialize)]
struct Made {
    token: String,
    expires_at: Timestamp,
}

impl GithubApp {
    /// Nothing is asked of GitHub yet. `key` is the app's private key as GitHub gives it, PEM; the installation is looked
    /// for by the repository unless it is given.
    ///
    /// # Errors
    ///
    /// When the repository is no `owner/name`, or the key is none.
    pub fn new(
        client: Client,
        repository: &RepositoryId,
        app: &str,
        key: &Secret,
        installation: Option<u64>,
        at: &Address<'_>,
    ) -> Result<Self, InvalidHost> {
        let (owner, name) = owner_and_name(repository)?;
        let api = match at.api {
            Some(api) => api.clone(),
            None => api_of(&repository.host, at)?,
        };
        let headers = HeaderMap::from_iter([
            (ACCEPT, HeaderValue::from_static("application/vnd.github+json")),
            (USER_AGENT, USER),
            (HeaderName::from_static("x-github-api-version"), HeaderValue::from_static(API_VERSION)),
        ]);
        let key = private_key(key.expose()).ok_or_else(|| InvalidHost::Key { host: repository.host.clone() })?;
        let app = app.to_owned();
        let rest = Rest::new(client, api, headers);
        Ok(Self { rest, app, key, installation, owner, name, token: Mutex::new(None) })
    }

    async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        method: Method,
        url: Url,
        body: Option<serde_json::Value>,
        now: Timestamp,
    ) -> Result<T, HostError> {
        let jwt =
            jwt(&self.app, &self.key, now).ok_or_else(|| self.rest.refused("nothing can be signed".to_owned()))?;
        let bearer = secret("", &format!("Bearer {jwt}")).map_err(|error| self.rest.refused(error.to_string()))?;
        let rest = self.rest.with_header(AUTHORIZATION, bearer);
        Ok(rest.ask(method, url, body, &|answer| Refusal::Refused(self.reason(answer))).await?.0)
    }

    fn reason(&self, answer: &Answer) -> String {
        let said = message(&answer.body);
        let said = if said.is_empty() { answer.status.to_string() } else { quote(&said) };
        let Self { app, owner, name, .. } = self;
        match answer.status {
            StatusCode::UNAUTHORIZED => format!(
                "{said}; the key does not belong to the app {app}, or this machine's clock is wrong: check `app:` and `key:`"
            ),
            StatusCode::NOT_FOUND => format!(
                "{said}; the app {app} is not installed on {owner}/{name}: install it there, with the rights to write \
                 contents and pull requests"
            ),
            _ => format!("{said} ({}): the app {app} gets no token for {owner}/{name}", answer.status),
        }
    }

    async fn make(&self, now: Timestamp) -> Result<(Secret, Timestamp), HostError> {
        let installation = match self.installation {
            Some(installation) => installation,
            None => {
                let url = self.rest.url(&["repos", &self.owner, &self.name, "installation"]);
                self.ask::<Installation>(Method::GET, url, None, now).await?.id
            }
        };
        let url = self.rest.url(&["app", "installations", &installation.to_string(), "access_tokens"]);
        // No more than this repository, whatever else the app is installed on.
        let body = json!({ "repositories": [self.name] });
        let made: Made = self.ask(Method::POST, url, Some(body), now).await?;
        Ok((Secret::new(&made.token), made.expires_at))
    }
}

#[async_trait]
impl Tokens for GithubApp {
    async fn token(&self, now: Timestamp) -> Result<Secret, HostError> {
        let mut token = self.token.lock().await;
        if let Some((token, until)) = token.as_ref()
            && until.duration_since(now) > MARGIN
        {
            return Ok(token.clone());
        }
        let made = self.make(now).await?;
        Ok(token.insert(made).0.clone())
    }
}

/// <https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-json-web-token-jwt-for-a-github-app>
fn jwt(app: &str, key: &RsaKeyPair, now: Timestamp) -> Option<String> {
    let issued = now.as_second() - 60;
    let claims = json!({ "iat": issued, "exp": issued + LIFETIME.as_secs(), "iss": app });
    let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&json!({ "alg": "RS256", "typ": "JWT" })), part(&claims));
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).ok()?;
    Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// GitHub gives PKCS#1; some tools make PKCS#8 of it. The marks around it may be lost where secrets are stored.
fn private_key(pem: &str) -> Option<RsaKeyPair> {
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).flat_map(str::chars).collect();
    let body: String = body.chars().filter(|c| !c.is_whitespace()).collect();
    let der = BASE64.decode(body).ok()?;
    RsaKeyPair::from_pkcs8(&der).or_else(|_| RsaKeyPair::from_der(&der)).ok()
}
