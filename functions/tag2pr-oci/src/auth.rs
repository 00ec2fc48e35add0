//! Who asks: Basic, and tokens as the [token specification] of the registries has them.
//!
//! Nothing is shown to a registry before it asks. What it asked for is remembered for each host, so that the next
//! request brings it along; a token is remembered for its host and scope until it expires.
//!
//! [token specification]: https://distribution.github.io/distribution/spec/auth/token/

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use tag2pr::image::ImageName;
use tag2pr::seams::RegistryError;
use tag2pr::secret::Secret;
use url::Url;

use crate::challenge::{self, Challenge};
use crate::host::Host;
use crate::settings::Credentials;

/// A token's lifetime if the answer names none.
const DEFAULT_LIFETIME: u64 = 60;
/// No token is remembered longer, whatever the answer says.
const LONGEST_LIFETIME: u64 = 3600;
/// A token is not used so close to its end, in seconds.
const MARGIN: u64 = 10;
/// Far more than any token.
const TOKEN_BYTES: usize = 1 << 20;

/// What registries asked for, and the tokens that were given.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    inner: Mutex<Remembered>,
}

#[derive(Debug, Default)]
struct Remembered {
    /// By host; the scope is `None` where it is the usual one, of the repository that is asked for.
    challenges: HashMap<String, Challenge>,
    /// By host and scope.
    tokens: HashMap<(String, String), Token>,
}

#[derive(Debug, Clone)]
struct Token {
    value: Secret,
    until: Instant,
}

/// The value of an `Authorization` header, and whether the same would come out again.
struct Shown {
    value: HeaderValue,
    basic: bool,
}

impl Memory {
    /// Sends a request about an image to its registry, with what the registry wants to see. Credentials that do not last
    /// may be withdrawn before their time: then others are asked for, once.
    pub(crate) async fn send(
        &self,
        host: &Host,
        image: &ImageName,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<Response, RegistryError> {
        let answer = self.attempt(host, image, &request).await;
        let denied = match &answer {
            Ok(response) => response.status() == StatusCode::FORBIDDEN,
            Err(error) => matches!(error, RegistryError::Refused { .. }),
        };
        if denied && let Some(renewed) = host.logged_in_again().await? {
            return self.attempt(&renewed, image, &request).await;
        }
        answer
    }

    async fn attempt(
        &self,
        host: &Host,
        image: &ImageName,
        request: &impl Fn() -> RequestBuilder,
    ) -> Result<Response, RegistryError> {
        let known = self.inner().challenges.get(&host.name).cloned();
        let shown = match known {
            Some(challenge) => self.answer(host, image, &challenge, true).await?,
            None => None,
        };
        let response = host.send(with(request(), shown.as_ref())).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        // Whoever a redirect led to is not the one that the credentials are for.
        let challenge = challenge::read(response.headers()).filter(|_| host.is_at(response.url()));
        let Some(challenge) = challenge else {
            return Err(host.denied(image, response).await);
        };
        if challenge == Challenge::Basic && shown.is_some_and(|shown| shown.basic) {
            return Err(host.denied(image, response).await);
        }
        self.inner().challenges.insert(host.name.clone(), general(&challenge, image));
        let Some(shown) = self.answer(host, image, &challenge, false).await? else {
            return Err(host.denied(image, response).await);
        };
        let response = host.send(with(request(), Some(&shown))).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            return Err(self.still_denied(host, image, &challenge, response).await);
        }
        Ok(response)
    }

    /// What to show; `None` if there is nothing to show. A remembered token counts only if `remembered`.
    async fn answer(
        &self,
        host: &Host,
        image: &ImageName,
        challenge: &Challenge,
        remembered: bool,
    ) -> Result<Option<Shown>, RegistryError> {
        let (realm, service, scope) = match challenge {
            Challenge::Basic => {
                let header = host.credentials.as_ref().and_then(basic);
                return Ok(header.map(|value| Shown { value, basic: true }));
            }
            Challenge::Bearer { realm, service, scope } => (realm, service, scope),
        };
        let scope = scope.clone().unwrap_or_else(|| usual_scope(image));
        let key = (host.name.clone(), scope.clone());
        let fresh = self.inner().tokens.get(&key).filter(|token| remembered && Instant::now() < token.until).cloned();
        let token = match fresh {
            Some(token) => token,
            None => {
                let token = fetch(host, image, realm, service.as_deref(), &scope).await?;
                let mut inner = self.inner();
                inner.tokens.retain(|_, token| Instant::now() < token.until);
                inner.tokens.insert(key, token.clone());
                token
            }
        };
        let mut value = HeaderValue::from_str(&format!("Bearer {}", token.value.expose()))
            .map_err(|_| host.unavailable("it was given a token that is no header value"))?;
        value.set_sensitive(true);
        Ok(Some(Shown { value, basic: false }))
    }

    /// The error where even a fresh token or the password did not help.
    async fn still_denied(
        &self,
        host: &Host,
        image: &ImageName,
        challenge: &Challenge,
        response: Response,
    ) -> RegistryError {
        let denied = host.denied(image, response).await;
        match challenge {
            Challenge::Bearer { realm, .. } => withheld(host, realm).unwrap_or(denied),
            Challenge::Basic => denied,
        }
    }

    fn inner(&self) -> MutexGuard<'_, Remembered> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn with(request: RequestBuilder, shown: Option<&Shown>) -> RequestBuilder {
    match shown {
        Some(shown) => request.header(AUTHORIZATION, shown.value.clone()),
        None => request,
    }
}

fn basic(credentials: &Credentials) -> Option<HeaderValue> {
    let Credentials { user, password } = credentials;
    let encoded = STANDARD.encode(format!("{user}:{}", password.expose()));
    let mut value = HeaderValue::from_str(&format!("Basic {encoded}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// What every client asks for that only reads.
fn usual_scope(image: &ImageName) -> String {
    format!("repository:{}:pull", image.repository())
}

/// A challenge as it applies to the other images of the registry too.
fn general(challenge: &Challenge, image: &ImageName) -> Challenge {
    let mut challenge = challenge.clone();
    if let Challenge::Bearer { scope, .. } = &mut challenge
        && scope.as_deref() == Some(usual_scope(image).as_str())
    {
        *scope = None;
    }
    challenge
}

/// Gets a token from where the registry says that there are tokens.
async fn fetch(
    host: &Host,
    image: &ImageName,
    realm: &str,
    service: Option<&str>,
    scope: &str,
) -> Result<Token, RegistryError> {
    let mut url = realm_url(host, realm)?;
    {
        let mut query = url.query_pairs_mut();
        if let Some(service) = service {
            query.append_pair("service", service);
        }
        query.append_pair("scope", scope);
    }
    let trusted = host.credentials.as_ref().filter(|_| may_see_credentials(host, &url));
    let mut request = host.http.get(url).header(ACCEPT, "application/json");
    if let Some(value) = trusted.and_then(basic) {
        request = request.header(AUTHORIZATION, value);
    }
    let response = host.send(request).await?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            let denied = host.denied(image, response).await;
            return Err(withheld(host, realm).unwrap_or(denied));
        }
        _ => return Err(host.refused(format!("its token service answered {}", host.said(response).await))),
    }

    #[derive(Deserialize)]
    struct Given {
        token: Option<String>,
        access_token: Option<String>,
        expires_in: Option<u64>,
    }
    let body = host.body(response, TOKEN_BYTES).await?;
    let no_token = || host.unavailable("its token service answered without a token");
    let given: Given = serde_json::from_slice(&body).map_err(|_| no_token())?;
    let text = given.token.or(given.access_token).filter(|text| !text.is_empty()).ok_or_else(no_token)?;
    let lifetime = given.expires_in.unwrap_or(DEFAULT_LIFETIME).min(LONGEST_LIFETIME).saturating_sub(MARGIN);
    Ok(Token { value: Secret::new(&text), until: Instant::now() + Duration::from_secs(lifetime) })
}

/// The realm, if it is one to ask: HTTPS, or plain HTTP for a registry that is plain itself.
fn realm_url(host: &Host, realm: &str) -> Result<Url, RegistryError> {
    let mut url = Url::parse(realm)
        .map_err(|error| host.refused(format!("it sends us for a token to `{}`: {error}", realm.escape_debug())))?;
    // A user and password in it are none of ours, and must not end up in a log.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    match url.scheme() {
        "https" => Ok(url),
        "http" if host.insecure => Ok(url),
        scheme => Err(host.refused(format!(
            "it sends us for a token to {} over {scheme}, where anybody could read along; its token service must use \
             HTTPS",
            url.host_str().unwrap_or("nowhere")
        ))),
    }
}

/// Whether the credentials of a registry may be sent to a token service: its own host, its domain, or a configured one.
fn may_see_credentials(host: &Host, realm: &Url) -> bool {
    let Some(at) = realm.host_str() else { return false };
    let below = |one: &str, other: &str| one.strip_suffix(other).is_some_and(|rest| rest.ends_with('.'));
    let is_address = |name: &str| name.parse::<std::net::Ipv4Addr>().is_ok();
    let own = host.names.iter().any(|name| {
        let name = name.split_once(':').map_or(name.as_str(), |(name, _)| name);
        // `auth.docker.io` for `docker.io`; `gitlab.com` for `registry.gitlab.com`, but not all of `com`.
        name == at
            || (!is_address(name) && !is_address(at))
                && (below(at, name) && name.contains('.') || below(name, at) && at.contains('.'))
    });
    own || host.token_hosts.iter().any(|configured| configured == at)
}

/// The error that explains why the credentials did not help: they were kept from a host that they are not for.
fn withheld(host: &Host, realm: &str) -> Option<RegistryError> {
    let url = Url::parse(realm).ok()?;
    let at = url.host_str()?;
    (host.credentials.is_some() && !may_see_credentials(host, &url)).then(|| {
        host.refused(format!(
            "it wants a token from {at}, which was not shown the credentials because it is another host: if it may \
             see them, add it to the `tokenHosts` of {} under `registries`",
            host.name
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::connections;
    use crate::settings::{Limits, RegistrySettings};

    fn host(name: &str) -> Host {
        let settings = RegistrySettings {
            host: name.to_owned(),
            aliases: vec!["alias.example.com:8443".to_owned()],
            token_hosts: vec!["login.example.org".to_owned()],
            ..RegistrySettings::default()
        };
        let limits = Limits::default();
        Host::configured(settings, &connections(&limits, &[]).unwrap(), &limits).unwrap()
    }

    #[test]
    fn credentials_are_for_the_registry_its_domain_and_configured_hosts() {
        for (registry, realm, expected) in [
            ("ghcr.io", "https://ghcr.io/token", true),
            ("docker.io", "https://auth.docker.io/token", true),
            ("registry.gitlab.com", "https://gitlab.com/jwt/auth", true),
            ("git.example.net:5050", "https://git.example.net/jwt/auth", true),
            ("ghcr.io", "https://alias.example.com/token", true),
            ("ghcr.io", "https://login.example.org/token", true),
            ("ghcr.io", "https://evil.example/token", false),
            ("ghcr.io", "https://evilghcr.io/token", false),
            ("ghcr.io", "https://ghcr.io.evil.example/token", false),
            ("ghcr.io", "https://io/token", false),
            ("docker.io", "https://docker.io.evil.example/token", false),
            ("a.example.net", "https://b.example.net/token", false),
            ("10.0.0.1:5000", "https://0.0.1/token", false),
            ("127.0.0.1:5000", "https://localhost/token", false),
            ("localhost:5000", "https://evil.localhost/token", false),
        ] {
            let url = Url::parse(realm).unwrap();
            assert_eq!(may_see_credentials(&host(registry), &url), expected, "{realm} for {registry}");
        }
    }
}
