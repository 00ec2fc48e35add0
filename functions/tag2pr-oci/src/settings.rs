//! Which registries there are, and how each is reached.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tag2pr::image::{ImageName, InvalidImage};
use tag2pr::seams::RegistryError;
use tag2pr::secret::Secret;

/// How one registry is reached.
#[derive(Debug, Clone, Default)]
pub struct RegistrySettings {
    /// Its host, with the port if it is none of the usual ones: `ghcr.io`, `192.168.0.40:5000`.
    pub host: String,
    /// Plain HTTP instead of HTTPS. Nothing else ever makes a request plain.
    pub insecure: bool,
    /// Who asks; `None` asks anonymously.
    pub credentials: Option<Credentials>,
    /// Whom to ask for credentials that do not last, in place of [`Self::credentials`].
    pub login: Option<Arc<dyn Login>>,
    /// Certificates in PEM that are trusted for this registry, besides those of the system.
    pub ca: Option<Vec<u8>>,
    /// Other names that images of this registry go by; requests go to `host`.
    pub aliases: Vec<String>,
    /// Hosts, besides the registry's own and its domain, that may be shown the credentials in exchange for a token.
    pub token_hosts: Vec<String>,
}

/// Makes credentials that run out, and makes them anew before they do.
#[async_trait]
pub trait Login: Send + Sync + fmt::Debug {
    /// Credentials that are good for some minutes from now.
    async fn login(&self, now: Timestamp) -> Result<Credentials, RegistryError>;

    /// Others in place of credentials that the registry did not accept, although they should be good; `None` if there
    /// can be no better ones yet.
    async fn renew(&self, refused: &Credentials, now: Timestamp) -> Result<Option<Credentials>, RegistryError>;
}

/// A user and a password, which may be an access token.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The user's name; for many registries any name goes with an access token.
    pub user: String,
    /// What proves it.
    pub password: Secret,
}

impl Credentials {
    /// Reads `user:password`, as one secret holds both; `None` without a colon or with nothing before or after it.
    pub fn parse(secret: &Secret) -> Option<Self> {
        let (user, password) = secret.expose().split_once(':')?;
        let password = Secret::new(password);
        (!user.is_empty() && !password.is_empty()).then(|| Self { user: user.to_owned(), password })
    }
}

/// What becomes of images on a registry that is not configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// It is asked anonymously, over HTTPS. Whoever names an image decides then which host is asked.
    Anonymous,
    /// No request is made.
    Refused,
}

/// Bounds for what a registry can make us wait for and remember.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Until a connection stands.
    pub connect: Duration,
    /// One request, from the first byte out to the last byte in.
    pub request: Duration,
    /// All pages of one listing together.
    pub listing: Duration,
    /// Pages of one listing.
    pub pages: usize,
    /// Bytes of one listing, all pages together.
    pub bytes: usize,
}

impl Default for Limits {
    /// Room for half a million tags; a registry that is slower than this is as good as away.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            request: Duration::from_secs(30),
            listing: Duration::from_secs(300),
            pages: 10_000,
            bytes: 32 << 20,
        }
    }
}

/// Why there can be no client with these settings.
#[derive(Debug, thiserror::Error)]
pub enum InvalidSettings {
    /// A host or an alias that no host is called.
    #[error("invalid registry in the settings: {0}")]
    Host(#[from] InvalidImage),
    /// Two registries claim the same name.
    #[error("registry `{0}` is configured twice; remove one of the two, or the alias")]
    Twice(String),
    /// No PEM certificate in `ca`.
    #[error("the `ca` of registry `{host}` holds no PEM certificate; it begins with `-----BEGIN CERTIFICATE-----`")]
    Certificate {
        /// The registry it is configured for.
        host: String,
    },
    /// The TLS library can't be set up, for example without any trusted root.
    #[error("TLS can't be set up: {0}")]
    Tls(String),
}

/// A registry host in the one spelling that image names have.
pub(crate) fn canonical(host: &str) -> Result<String, InvalidImage> {
    ImageName::new(host, "any/name").map(|name| name.registry().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_a_user_and_everything_after_the_first_colon() {
        let parsed = Credentials::parse(&Secret::new("robot$ci:a:b\n")).unwrap();
        assert_eq!(parsed.user, "robot$ci");
        assert_eq!(parsed.password.expose(), "a:b");
        assert!(!format!("{parsed:?}").contains("a:b"));
        for text in ["", "token", ":password", "user:"] {
            assert!(Credentials::parse(&Secret::new(text)).is_none(), "{text:?} is no user and password");
        }
    }
}
