//! `tag2pr.yaml`: what a deployment is made of.
//!
//! Reading it is pure: secrets are references here, resolved at the edge.

mod notify;
mod source;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::SignedDuration;
use serde::Deserialize;
use serde::de::{self, Deserializer};

use crate::image::ImageName;
use crate::problem::{Problem, read_yaml};
use crate::repository_settings::Age;

/// `tag2pr.yaml`: what a deployment of tag2pr is made of.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Config {
    /// A directory, or `s3://bucket/prefix`.
    pub store: String,
    /// `serve` only: host and port of the listener.
    #[serde(default = "default_listen")]
    pub listen: String,
    /// Who may send deliveries, by the name in the path `/hooks/<name>`.
    #[serde(default)]
    pub sources: BTreeMap<String, Source>,
    /// Registries that need more than anonymous HTTPS.
    #[serde(default)]
    pub registries: Vec<Registry>,
    /// The manifests repositories.
    #[serde(default)]
    pub repositories: Vec<Repository>,
    /// How much is accepted.
    #[serde(default)]
    pub limits: Limits,
    /// How often registries are asked for what no delivery told of.
    #[serde(default)]
    pub sweep: Sweep,
    /// Who may see how things stand; nobody if absent.
    #[serde(default)]
    pub status: Option<Viewers>,
    /// Who is told what happens.
    #[serde(default)]
    pub notify: Vec<Notify>,
}

/// Who may see how things stand, over HTTP.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Viewers {
    /// What they prove themselves with; one, or several while they are being rotated.
    #[serde(deserialize_with = "one_or_many")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::schema::secrets"))]
    pub token: Vec<SecretRef>,
}

fn default_listen() -> String {
    "127.0.0.1:8080".to_owned()
}

pub use notify::{Notify, Reached, WebhookUrl};
#[cfg(feature = "schema")]
pub(crate) use source::Kind;
pub use source::{Oidc, Source};

/// One registry.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Registry {
    /// Host, with its port if it has one.
    pub host: String,
    /// Plain HTTP.
    #[serde(default)]
    pub insecure: bool,
    /// Who asks; anonymously if absent.
    #[serde(default)]
    pub credentials: Option<RegistryCredentials>,
    /// Other names that senders use for it.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Hosts of token services that get the credentials too, beside the registry's own.
    #[serde(default)]
    pub token_hosts: Vec<String>,
    /// A file with the certificate authority that signed its certificate, PEM.
    #[serde(default)]
    pub ca: Option<String>,
    /// Whether a tag's digest is confirmed there before it goes to Git.
    #[serde(default = "yes")]
    pub confirm: bool,
}

fn yes() -> bool {
    true
}

/// How to get into a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistryCredentials {
    /// A secret of the form `user:password`.
    Secret(SecretRef),
    /// `ecr`: AWS is asked for a password that lasts some hours, with the credentials of this process.
    Ecr,
}

impl<'de> Deserialize<'de> for RegistryCredentials {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "ecr" => Ok(Self::Ecr),
            reference => reference.parse().map(Self::Secret).map_err(de::Error::custom),
        }
    }
}

/// One manifests repository.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Repository {
    /// `https://github.com/acme/fleet.git`, or the path of a bare repository.
    pub url: String,
    /// The base branch that proposals are made against.
    #[serde(default = "main_branch")]
    pub branch: String,
    /// What kind of forge it is on; guessed from the URL where it is known.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::schema::host"))]
    pub host: Option<String>,
    /// The forge's API, where it is not where the URL says.
    #[serde(default)]
    pub api: Option<String>,
    /// How to get in.
    #[serde(default)]
    pub credentials: Option<Credentials>,
    /// What its commits are signed with.
    #[serde(default)]
    pub signing: Option<Signing>,
    /// Who makes its commits.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(extend("default" = "git")))]
    pub commits: Commits,
    /// What the host's own webhook proves itself with, at `/hosts/<name>`: one secret, or several.
    #[serde(default, deserialize_with = "one_or_many")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::schema::secrets"))]
    pub webhook: Vec<SecretRef>,
    /// A file with the certificate authority that signed its certificate, PEM.
    #[serde(default)]
    pub ca: Option<String>,
}

fn main_branch() -> String {
    "main".to_owned()
}

/// Who makes the commits of a repository.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Commits {
    /// tag2pr; they are pushed with Git.
    #[default]
    Git,
    /// GitHub, asked through its API: it signs them, and shows them as verified.
    Api,
}

/// What commits are signed with.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Signing {
    /// A private key: of SSH, as `ssh-keygen -t ed25519` makes it, or of OpenPGP, as `gpg --armor --export-secret-keys` writes
    /// it.
    pub key: SecretRef,
}

/// How to get into a repository and its forge: a token, or a GitHub App.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Credentials {
    /// A token that may read and write contents and pull requests.
    pub token: Option<SecretRef>,
    /// The user that goes with the token, where the host wants one.
    pub user: Option<String>,
    /// The id of a GitHub App that is installed on the repository.
    pub app: Option<u64>,
    /// The app's private key, PEM.
    pub key: Option<SecretRef>,
    /// Which of the app's installations; looked for by the repository if none.
    pub installation: Option<u64>,
}

impl Credentials {
    /// What there is to get in with.
    ///
    /// # Errors
    ///
    /// What is missing, or too much.
    pub fn ways(&self) -> Result<Way<'_>, &'static str> {
        match (&self.token, self.app, &self.key) {
            (Some(token), None, None) => Ok(Way::Token(token)),
            (None, Some(app), Some(key)) => Ok(Way::App { app, key, installation: self.installation }),
            (None, Some(_), None) => Err("the app needs its `key`"),
            (None, None, Some(_)) => Err("the key needs the `app` that it belongs to"),
            (Some(_), ..) => Err("give either a `token`, or an `app` and its `key`"),
            (None, None, None) => Err("give a `token`, or an `app` and its `key`"),
        }
    }
}

/// One way to get in.
#[derive(Debug, Clone, Copy)]
pub enum Way<'a> {
    /// With a token.
    Token(&'a SecretRef),
    /// As a GitHub App.
    App {
        /// Its id.
        app: u64,
        /// Its private key.
        key: &'a SecretRef,
        /// Which of its installations.
        installation: Option<u64>,
    },
}

/// How much is accepted.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Limits {
    /// The longest body of a delivery.
    #[cfg_attr(feature = "schema", schemars(extend("default" = "1MiB")))]
    pub body: Size,
    /// So many pull requests are open in one repository at most: others follow when these are merged or closed.
    #[cfg_attr(feature = "schema", schemars(extend("default" = 20)))]
    pub open_proposals: usize,
    /// So many are opened in one repository within an hour at most: others follow later.
    #[cfg_attr(feature = "schema", schemars(extend("default" = 30)))]
    pub proposals_per_hour: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body: Size(1 << 20), open_proposals: 20, proposals_per_hour: 30 }
    }
}

/// How often registries are asked for what no delivery told of.
#[derive(Debug, Clone, Copy, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Sweep {
    /// From one listing of an image's tags to the next.
    #[cfg_attr(feature = "schema", schemars(extend("default" = "1h")))]
    pub listing: Age,
    /// Requests to one registry in one sweep; a listing that needs more goes on with the next one, a minute later.
    pub requests: u32,
}

impl Default for Sweep {
    fn default() -> Self {
        Self { listing: Age(SignedDuration::from_hours(1)), requests: 200 }
    }
}

/// A number of bytes: `512KiB`, `1MiB`, `4096`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub usize);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let unit = match text[digits.len()..].trim() {
            "" | "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            _ => 0,
        };
        match digits.parse::<usize>().ok().and_then(|number| number.checked_mul(unit)) {
            Some(size) if size > 0 => Ok(Self(size)),
            _ => Err(format!("`{text}` is not a size: write for example `512KiB` or `1MiB`")),
        }
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Where a secret is, never the secret itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SecretRef {
    /// `env:NAME`
    Environment(String),
    /// `file:PATH`
    File(String),
    /// `secretsmanager:ID#key`
    SecretsManager {
        /// Its name or its ARN.
        id: String,
        /// What of it, if it is a JSON object; all of it if absent.
        key: Option<String>,
    },
}

impl FromStr for SecretRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() => Ok(Self::Environment(name.to_owned())),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.to_owned())),
            Some(("secretsmanager", rest)) if !rest.is_empty() && !rest.starts_with('#') && !rest.ends_with('#') => {
                let (id, key) = rest.split_once('#').map_or((rest, None), |(id, key)| (id, Some(key.to_owned())));
                Ok(Self::SecretsManager { id: id.to_owned(), key })
            }
            // The text may be the secret itself: it is not repeated.
            _ => Err(
                "this is not a reference to a secret: write `env:NAME`, `file:PATH` or `secretsmanager:ID#key`, so \
                      that the secret itself stays out of this file"
                    .to_owned(),
            ),
        }
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{path}"),
            Self::SecretsManager { id, key: None } => write!(f, "secretsmanager:{id}"),
            Self::SecretsManager { id, key: Some(key) } => write!(f, "secretsmanager:{id}#{key}"),
        }
    }
}

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

pub(crate) fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<SecretRef>, D::Error> {
    struct OneOrMany;

    impl<'de> de::Visitor<'de> for OneOrMany {
        type Value = Vec<SecretRef>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("`env:NAME`, `file:PATH`, `secretsmanager:ID#key`, or a list of them")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(vec![text.parse().map_err(E::custom)?])
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut secrets = Vec::new();
            while let Some(secret) = list.next_element()? {
                secrets.push(secret);
            }
            Ok(secrets)
        }
    }

    deserializer.deserialize_any(OneOrMany)
}

impl Config {
    /// Reads `tag2pr.yaml`.
    ///
    /// # Errors
    ///
    /// The first problem, with its place and what to do.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problem> {
        read_yaml(file, text)
    }

    /// Other names of registries, in the spelling that images have, each with its configured name.
    pub fn aliases(&self) -> BTreeMap<String, String> {
        let named = |registry: &Registry| {
            let to = ImageName::new(&registry.host, "any/name").ok()?.registry().to_owned();
            let from = registry.aliases.iter().filter_map(|alias| ImageName::new(alias, "any/name").ok());
            Some(from.map(|name| (name.registry().to_owned(), to.clone())).collect::<Vec<_>>())
        };
        self.registries.iter().filter_map(named).flatten().collect()
    }

    /// The registry's configured name for a host that a sender used.
    pub fn registry_named(&self, host: &str) -> String {
        let named = |registry: &&Registry| registry.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(host));
        self.registries.iter().find(named).map_or(host, |registry| &registry.host).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistake(text: &str) -> String {
        Config::parse("tag2pr.yaml", text).map_or_else(|mistake| mistake.to_string(), |_| "no mistake".to_owned())
    }

    const HOME_LAB: &str = "\
store: ./state
listen: 127.0.0.1:8080
sources:
  harbor: { type: harbor, secret: env:HARBOR_WEBHOOK }
  hub:
    type: docker-hub
    secret: [file:/run/secrets/hub, env:HUB_OLD]
registries:
  - host: 192.168.0.40:5000
    insecure: true
    credentials: env:HARBOR_ROBOT
    aliases: [harbor.lan]
repositories:
  - url: https://github.com/acme/fleet.git
    credentials: { token: env:GITHUB_TOKEN }
limits: { body: 512KiB, openProposals: 5 }
";

    #[test]
    fn a_home_lab_is_a_few_lines() {
        let config = Config::parse("tag2pr.yaml", HOME_LAB).unwrap();
        assert_eq!(config.sources["hub"].secret.len(), 2);
        assert_eq!(config.limits.body, Size(512 * 1024));
        assert_eq!((config.limits.open_proposals, config.limits.proposals_per_hour), (5, 30));
        assert_eq!(config.repositories[0].branch, "main");
        assert_eq!(config.registry_named("HARBOR.lan"), "192.168.0.40:5000");
        assert_eq!(config.registry_named("ghcr.io"), "ghcr.io");
        let alias = ("harbor.lan".to_owned(), "192.168.0.40:5000".to_owned());
        assert_eq!(config.aliases(), BTreeMap::from([alias]));
    }

    #[test]
    fn an_unknown_key_is_named_with_its_place_and_the_nearest_known_one() {
        insta::assert_snapshot!(mistake("store: x\nregistries:\n  - host: a\n    insecur: true\n"));
    }

    #[test]
    fn an_unknown_sender_is_named_with_the_nearest_known_one() {
        insta::assert_snapshot!(mistake("store: x\nsources:\n  h: { type: habor, secret: env:X }\n"));
    }

    #[test]
    fn a_secret_in_the_file_is_a_mistake_that_does_not_repeat_it() {
        let text = mistake("store: x\nsources:\n  h:\n    type: harbor\n    secret: hunter2\n");
        assert!(!text.contains("hunter2"));
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_reference_to_a_secret_says_where_it_is_and_is_written_as_it_was_read() {
        let arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:tag2pr-AbCdEf";
        let managed =
            |id: &str, key: Option<&str>| SecretRef::SecretsManager { id: id.to_owned(), key: key.map(str::to_owned) };
        for (text, expected) in [
            ("env:TOKEN".to_owned(), SecretRef::Environment("TOKEN".to_owned())),
            ("file:/run/secrets/hub".to_owned(), SecretRef::File("/run/secrets/hub".to_owned())),
            ("secretsmanager:tag2pr/hooks#harbor".to_owned(), managed("tag2pr/hooks", Some("harbor"))),
            ("secretsmanager:token".to_owned(), managed("token", None)),
            (format!("secretsmanager:{arn}#key"), managed(arn, Some("key"))),
        ] {
            let read: SecretRef = text.parse().unwrap();
            assert_eq!((read.to_string(), read), (text, expected));
        }
        for wrong in ["", "env:", "secretsmanager:", "secretsmanager:#key", "secretsmanager:id#", "hunter2"] {
            assert!(wrong.parse::<SecretRef>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_missing_key_and_broken_yaml_say_where() {
        insta::assert_snapshot!(mistake("listen: x\n"));
        insta::assert_snapshot!(mistake("store: [x\n"));
        insta::assert_snapshot!(mistake("store: x\nlimits: { body: 1GB }\n"));
        insta::assert_snapshot!(mistake("store: x\nsweep: { listing: hourly }\n"));
        insta::assert_snapshot!(mistake("store: x\nsweep: { listings: 1h }\n"));
        insta::assert_snapshot!(mistake("store: x\nstatus: { tokens: env:X }\n"));
    }
}
