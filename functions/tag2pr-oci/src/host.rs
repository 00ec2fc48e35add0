//! One registry: its addresses, and every request that goes to it.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Certificate, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use tag2pr::image::{DOCKER_HUB, ImageName};
use tag2pr::retry_after;
use tag2pr::seams::RegistryError;
use url::Url;

use crate::settings::{Credentials, InvalidSettings, Limits, Login, RegistrySettings, canonical};

/// Docker Hub's API, which is not served at the host that its images are named after.
const DOCKER_HUB_API: &str = "registry-1.docker.io";
/// How often a redirect is followed: registries send readers to a mirror or a store, not round in circles.
const REDIRECTS: usize = 3;
/// Before the only second attempt.
const BACKOFF: Duration = Duration::from_millis(250);
/// How long a registry that asks to slow down and does not say for how long is left alone.
const BUSY: SignedDuration = SignedDuration::from_secs(60);
/// No registry is left alone for longer, whatever it asks for: its limits are counted per hour or per six.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(6);
/// As much of an error as anybody reads.
const ERROR_BYTES: usize = 64 << 10;

/// One registry, as it is reached.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    /// The name its images have, in one spelling.
    pub(crate) name: String,
    /// Every name of it, itself included.
    pub(crate) names: Vec<String>,
    pub(crate) insecure: bool,
    pub(crate) credentials: Option<Credentials>,
    login: Option<Arc<dyn Login>>,
    pub(crate) token_hosts: Vec<String>,
    pub(crate) http: reqwest::Client,
}

impl Host {
    /// A configured registry; `shared` is the connection pool of all that need no certificates of their own.
    pub(crate) fn configured(
        settings: RegistrySettings,
        shared: &reqwest::Client,
        limits: &Limits,
    ) -> Result<Self, InvalidSettings> {
        let name = canonical(&settings.host)?;
        let aliases = settings.aliases.iter().map(|alias| canonical(alias));
        let mut names = std::iter::once(Ok(name.clone())).chain(aliases).collect::<Result<Vec<_>, _>>()?;
        names.sort();
        names.dedup();
        let http = match &settings.ca {
            Some(pem) => connections(limits, &certificates(&name, pem)?)?,
            None => shared.clone(),
        };
        let token_hosts = settings.token_hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        let RegistrySettings { insecure, credentials, login, .. } = settings;
        Ok(Self { name, names, insecure, credentials, login, token_hosts, http })
    }

    /// The same with credentials that are good now, if they are of the kind that runs out.
    pub(crate) async fn logged_in(mut self) -> Result<Self, RegistryError> {
        if let Some(login) = &self.login {
            self.credentials = Some(login.login(Timestamp::now()).await?);
        }
        Ok(self)
    }

    /// The same with other credentials, after these were not accepted; `None` if there are no others.
    pub(crate) async fn logged_in_again(&self) -> Result<Option<Self>, RegistryError> {
        let (Some(login), Some(refused)) = (&self.login, &self.credentials) else { return Ok(None) };
        let renewed = login.renew(refused, Timestamp::now()).await?;
        Ok(renewed.map(|credentials| Self { credentials: Some(credentials), ..self.clone() }))
    }

    /// A registry that nothing is configured for.
    pub(crate) fn anonymous(name: &str, http: &reqwest::Client) -> Self {
        Self {
            name: name.to_owned(),
            names: vec![name.to_owned()],
            insecure: false,
            credentials: None,
            login: None,
            token_hosts: Vec::new(),
            http: http.clone(),
        }
    }

    /// The address of something in a repository: `https://ghcr.io/v2/acme/web/` and the rest.
    pub(crate) fn url(&self, repository: &str, rest: &str) -> Result<Url, RegistryError> {
        let scheme = if self.insecure { "http" } else { "https" };
        let text = format!("{scheme}://{}/v2/{repository}/{rest}", self.api());
        Url::parse(&text).map_err(|error| self.refused(format!("`{text}` is no URL: {error}")))
    }

    fn api(&self) -> &str {
        if self.name == DOCKER_HUB { DOCKER_HUB_API } else { &self.name }
    }

    /// Whether a URL names this registry, under whichever of its names.
    pub(crate) fn is_at(&self, url: &Url) -> bool {
        let named = |name: &str| {
            Url::parse(&format!("{}://{name}", url.scheme())).is_ok_and(|own| own.origin() == url.origin())
        };
        named(self.api()) || self.names.iter().any(|name| named(name))
    }

    /// Sends a request, a second time if nobody was there.
    ///
    /// An answer that says to come again later is an error already; every other one is for the caller to read.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Response, RegistryError> {
        let again = request.try_clone();
        let first = request.send().await;
        let away = match &first {
            Ok(response) => matches!(response.status().as_u16(), 502..=504),
            Err(error) => error.is_connect(),
        };
        let answer = match again.filter(|_| away) {
            Some(again) => {
                tokio::time::sleep(BACKOFF).await;
                again.send().await
            }
            None => first,
        };
        let response = answer.map_err(|error| self.unavailable(self.cause(&error)))?;
        let status = response.status();
        if status == StatusCode::TOO_MANY_REQUESTS {
            let reason = format!("it asks to slow down (429){}", wait_said(&response));
            return Err(self.busy(reason, Some(wait(response.headers(), Timestamp::now()).unwrap_or(BUSY))));
        }
        if status.is_redirection() {
            return Err(self.unavailable("it redirects to an address that is not followed: plain HTTP, or a circle"));
        }
        if status.is_server_error() {
            let (said, wait) = (wait_said(&response), wait(response.headers(), Timestamp::now()));
            return Err(self.busy(format!("it answered {}{said}", self.said(response).await), wait));
        }
        Ok(response)
    }

    /// The body of an answer, if it is no longer than `limit` bytes.
    pub(crate) async fn body(&self, mut response: Response, limit: usize) -> Result<Vec<u8>, RegistryError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unavailable(self.cause(&error)))? {
            if body.len() + chunk.len() > limit {
                return Err(self.unavailable(format!("its answer is longer than {limit} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// The status of an answer and what its body says of it: `404 NAME_UNKNOWN: repository name not known`.
    pub(crate) async fn said(&self, response: Response) -> String {
        let status = response.status().as_u16();
        let body = self.body(response, ERROR_BYTES).await.unwrap_or_default();
        match errors(&body).and_then(|errors| errors.into_iter().next()) {
            Some(error) if error.message.is_empty() => format!("{status} {}", clean(&error.code)),
            Some(error) => format!("{status} {}: {}", clean(&error.code), clean(&error.message)),
            None => status.to_string(),
        }
    }

    /// Reads a 404: no error if a registry says that it knows no such thing, not whatever else listens there.
    ///
    /// To `HEAD` there is no body: then only a web page gives itself away.
    pub(crate) async fn unknown(&self, response: Response) -> Result<(), RegistryError> {
        let page = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.to_ascii_lowercase().starts_with("text/html"));
        let body = self.body(response, ERROR_BYTES).await?;
        if errors(&body).is_some() || body.is_empty() && !page {
            return Ok(());
        }
        Err(self.unavailable("it answered 404, but not as a registry does: is this the right host?"))
    }

    /// The error for an answer that is a no, whoever asked.
    pub(crate) async fn denied(&self, image: &ImageName, response: Response) -> RegistryError {
        let repository = image.repository();
        let status = response.status();
        let said = self.said(response).await;
        let host = &self.name;
        self.refused(match (&self.credentials, status) {
            (Some(Credentials { user, .. }), StatusCode::UNAUTHORIZED) => format!(
                "it does not accept user `{user}` for {repository} ({said}): check the `credentials` of {host} under \
                 `registries`"
            ),
            (Some(Credentials { user, .. }), StatusCode::FORBIDDEN) => format!(
                "user `{user}` may not read {repository} ({said}): grant the right to pull, or change the `credentials` \
                 of {host} under `registries`"
            ),
            (None, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => format!(
                "{repository} is not for everybody ({said}), or does not exist: set `credentials` for {host} under \
                 `registries`"
            ),
            (_, StatusCode::BAD_REQUEST) if self.insecure => {
                format!("it answered {said} to plain HTTP: if it speaks HTTPS, remove `insecure: true` from {host}")
            }
            _ => format!("it answered {said} for {repository}"),
        })
    }

    pub(crate) fn refused(&self, reason: impl Into<String>) -> RegistryError {
        RegistryError::Refused { registry: self.name.clone(), reason: reason.into() }
    }

    pub(crate) fn unavailable(&self, reason: impl Into<String>) -> RegistryError {
        self.busy(reason, None)
    }

    fn busy(&self, reason: impl Into<String>, wait: Option<SignedDuration>) -> RegistryError {
        RegistryError::Unavailable { registry: self.name.clone(), reason: reason.into(), wait }
    }

    /// What went wrong on the way, with the mend for what people run into. Never the URL: it may hold a query.
    fn cause(&self, error: &reqwest::Error) -> String {
        if error.is_timeout() {
            return "no answer in time".to_owned();
        }
        let mut innermost: &dyn std::error::Error = error;
        while let Some(source) = innermost.source() {
            innermost = source;
        }
        let cause = if error.source().is_some() { innermost.to_string() } else { "the request failed".to_owned() };
        let help = match cause.as_str() {
            text if text.contains("InvalidContentType") => "; if it speaks plain HTTP, set `insecure: true` for it",
            text if text.contains("UnknownIssuer") => "; set `ca` to the certificate of the authority it is signed by",
            _ => "",
        };
        format!("{cause}{help}")
    }
}

/// A connection pool with these certificates trusted besides those of the system.
pub(crate) fn connections(limits: &Limits, trusted: &[Certificate]) -> Result<reqwest::Client, InvalidSettings> {
    // Refused only if another part of the program was first, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .user_agent(concat!("tag2pr/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(limits.connect)
        .timeout(limits.request)
        .referer(false)
        .redirect(Policy::custom(redirect))
        .tls_certs_merge(trusted.iter().cloned())
        .build()
        .map_err(|error| InvalidSettings::Tls(error.source().map_or_else(|| error.to_string(), ToString::to_string)))
}

/// Follows to HTTPS anywhere, where neither password nor token go along, and to plain HTTP only at the same address.
fn redirect(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let from = attempt.previous().last();
    let same = from.is_some_and(|from| from.origin() == attempt.url().origin());
    if attempt.previous().len() > REDIRECTS || !(same || attempt.url().scheme() == "https") {
        attempt.stop()
    } else {
        attempt.follow()
    }
}

fn certificates(host: &str, pem: &[u8]) -> Result<Vec<Certificate>, InvalidSettings> {
    match Certificate::from_pem_bundle(pem) {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(InvalidSettings::Certificate { host: host.to_owned() }),
    }
}

/// One error as a registry describes it.
#[derive(Deserialize)]
struct Described {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// The errors in a body, at least one; `None` if it is no error document of a registry.
fn errors(body: &[u8]) -> Option<Vec<Described>> {
    #[derive(Deserialize)]
    struct Document {
        errors: Vec<Described>,
    }
    serde_json::from_slice::<Document>(body).ok().map(|document| document.errors).filter(|errors| !errors.is_empty())
}

/// How long `Retry-After` says to wait, as far as that is believed.
fn wait(headers: &HeaderMap, now: Timestamp) -> Option<SignedDuration> {
    retry_after::wait(headers, now).map(|wait| wait.min(LONGEST_WAIT))
}

/// `: try again in 30 seconds`
fn wait_said(response: &Response) -> String {
    match response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(clean) {
        Some(seconds) if seconds.parse::<u64>().is_ok() => format!(": try again in {seconds} seconds"),
        Some(date) if !date.is_empty() => format!(": try again after {date}"),
        _ => String::new(),
    }
}

/// A line of text from outside, fit to be printed.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_known_under_its_names_and_at_its_port_only() {
        let limits = Limits::default();
        let http = connections(&limits, &[]).unwrap();
        let host = |name: &str| {
            let aliases = vec!["harbor.lan:80".to_owned()];
            let settings = RegistrySettings { host: name.to_owned(), aliases, ..RegistrySettings::default() };
            Host::configured(settings, &http, &limits).unwrap()
        };
        for (name, url, expected) in [
            ("ghcr.io", "https://ghcr.io/v2/", true),
            ("ghcr.io", "https://ghcr.io:443/v2/", true),
            ("ghcr.io:443", "https://ghcr.io/v2/", true),
            ("ghcr.io", "http://harbor.lan/v2/", true),
            ("docker.io", "https://registry-1.docker.io/v2/", true),
            ("ghcr.io", "https://registry-1.docker.io/v2/", false),
            ("ghcr.io", "https://ghcr.io:8443/v2/", false),
            ("ghcr.io", "https://ghcr.io@evil.example/v2/", false),
            ("ghcr.io", "https://ghcr.io.evil.example/v2/", false),
            ("ghcr.io", "https://harbor.lan/v2/", false),
            ("ghcr.io", "file:///v2/", false),
        ] {
            assert_eq!(host(name).is_at(&Url::parse(url).unwrap()), expected, "{url} for {name}");
        }
    }

    #[test]
    fn docker_hub_answers_at_another_address_than_its_images_are_named_after() {
        let limits = Limits::default();
        let host = Host::anonymous(DOCKER_HUB, &connections(&limits, &[]).unwrap());
        let url = host.url("library/alpine", "tags/list?n=1000").unwrap();
        assert_eq!(url.as_str(), "https://registry-1.docker.io/v2/library/alpine/tags/list?n=1000");
    }

    #[test]
    fn no_registry_is_left_alone_for_longer_than_its_limits_are_counted() {
        let waits = |seconds: &'static str| {
            let header = (RETRY_AFTER, reqwest::header::HeaderValue::from_static(seconds));
            wait(&HeaderMap::from_iter([header]), Timestamp::UNIX_EPOCH)
        };
        assert_eq!(waits("120"), Some(SignedDuration::from_secs(120)));
        assert_eq!(waits("86400"), Some(LONGEST_WAIT));
        assert_eq!(waits("soon"), None);
    }

    #[test]
    fn text_from_outside_is_one_short_line() {
        assert_eq!(clean("gone\r\n\u{1b}[31maway\n"), "gone   [31maway");
        assert_eq!(clean(&"x".repeat(10_000)).len(), 200);
    }
}
