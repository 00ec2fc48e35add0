//! One sender of deliveries, and what proves that it is the one.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{SecretRef, one_or_many};
use crate::delivery::{Fields, Sender};
use crate::jwt::Expectations;

/// One sender of deliveries.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(with = "Written"))]
#[serde(try_from = "Written")]
pub struct Source {
    /// What it speaks; `None` (`type: auto`): whatever the request looks like, for a network that is trusted. It takes a
    /// secret all the same.
    pub sender: Option<Sender>,
    /// One secret, or several while they are being rotated. A source without any answers to nobody over HTTP.
    pub secret: Vec<SecretRef>,
    /// Whose identity tokens prove a delivery, in place of a secret.
    pub oidc: Option<Oidc>,
    /// The registry it speaks for, whatever host the body names: for senders that name none, or an internal one.
    pub registry: Option<String>,
    /// `ecr` only: the account whose events it takes when AWS hands them to the function; any if absent.
    pub account: Option<String>,
    /// `ecr` only: the region, likewise.
    pub region: Option<String>,
    /// `generic` only: where in the body what stands.
    pub fields: Fields,
}

/// One sender of deliveries, at the path `/hooks/<its name here>`.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Source"))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Written {
    /// What it speaks. `auto`: whatever the request looks like, for a network that is trusted.
    #[serde(rename = "type")]
    kind: Kind,
    /// What proves a delivery: one secret, or several while they are being rotated.
    #[serde(default, deserialize_with = "one_or_many")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::schema::secrets"))]
    secret: Vec<SecretRef>,
    /// Whose identity tokens prove a delivery, in place of a secret.
    oidc: Option<Oidc>,
    /// The registry it speaks for, whatever host the body names: for senders that name none, or an internal one.
    registry: Option<String>,
    /// `ecr` only: the account whose events it takes when AWS hands them to the function; any if absent.
    account: Option<String>,
    /// `ecr` only: the region, likewise.
    region: Option<String>,
    /// `generic` only: where in the body what stands.
    fields: Option<Fields>,
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Kind(Option<Sender>);

impl TryFrom<String> for Kind {
    type Error = crate::delivery::UnknownSender;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text == "auto" { Ok(Self(None)) } else { text.parse().map(|sender| Self(Some(sender))) }
    }
}

impl TryFrom<Written> for Source {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written { kind: Kind(sender), secret, oidc, registry, account, region, fields } = written;
        let name = sender.map_or("auto", Sender::as_str);
        let only = |key: &str, kind: Sender, there: bool| {
            let wrong = there && sender != Some(kind);
            if wrong { Err(format!("`{key}` is for sources of the type {kind} only")) } else { Ok(()) }
        };
        only("account", Sender::Ecr, account.is_some())?;
        only("region", Sender::Ecr, region.is_some())?;
        only("fields", Sender::Generic, fields.is_some())?;
        match (secret.is_empty(), &oidc) {
            (false, Some(_)) => {
                return Err("write `secret` or `oidc`, not both: each proves a delivery alone".to_owned());
            }
            (false, None) if sender == Some(Sender::Gar) => {
                return Err("gar sends no secret: write `oidc` with the audience and the service account's e-mail \
                            address of the push subscription"
                    .to_owned());
            }
            (true, Some(_)) if sender.is_none() => {
                return Err("auto takes a `secret`: not every sender can send an identity token".to_owned());
            }
            // AWS says whose events it hands to the function.
            (true, None) if sender != Some(Sender::Ecr) => {
                return Err(format!("a source of the type {name} needs a `secret`; without one nobody is believed"));
            }
            _ => {}
        }
        Ok(Self { sender, secret, oidc, registry, account, region, fields: fields.unwrap_or_default() })
    }
}

/// Whose identity tokens prove a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(with = "WrittenOidc"))]
#[serde(try_from = "WrittenOidc")]
pub struct Oidc {
    /// What must be true of a token.
    pub expected: Expectations,
    /// Where the issuer's keys are: an address, or `file:PATH`. Never taken from a token.
    pub keys: String,
}

/// Whose identity tokens prove a delivery. One of `email`, `subject` and `claims` has to be there.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Oidc"))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WrittenOidc {
    /// `iss`: who issues them, `https://accounts.google.com`.
    issuer: String,
    /// `aud`: whom they are for.
    audience: String,
    /// `email`: whom they are about.
    email: Option<String>,
    /// `sub`: likewise.
    subject: Option<String>,
    /// Any other claims, with the values that they must have.
    #[serde(default)]
    claims: BTreeMap<String, String>,
    /// Where the issuer's keys are: an https address, or `file:PATH`. Known for Google, GitHub, gitlab.com and Entra ID.
    keys: Option<String>,
}

impl TryFrom<WrittenOidc> for Oidc {
    type Error = String;

    fn try_from(written: WrittenOidc) -> Result<Self, String> {
        let WrittenOidc { issuer, audience, email, subject, mut claims, keys } = written;
        claims.extend(email.map(|email| ("email".to_owned(), email)));
        claims.extend(subject.map(|subject| ("sub".to_owned(), subject)));
        if audience.is_empty() {
            return Err("`audience` is empty: tokens that its issuer made for others would be believed".to_owned());
        }
        if claims.is_empty() || claims.values().any(String::is_empty) {
            return Err(
                "`oidc` must say whom a token is about, or everybody who gets one from this issuer is believed: \
                        write `email`, `subject`, or `claims: { repository: acme/web }`"
                    .to_owned(),
            );
        }
        let keys = match keys.or_else(|| published(&issuer)) {
            Some(keys) if is_safe(&keys) => keys,
            Some(keys) => return Err(format!("`keys` is `{keys}`: write an https address, or `file:PATH`")),
            None => {
                return Err(format!(
                    "where {issuer} publishes its keys is not known here: write `keys` with the address (`jwks_uri` in \
                     its /.well-known/openid-configuration)"
                ));
            }
        };
        Ok(Self { expected: Expectations { issuer, audience, claims }, keys })
    }
}

/// Whoever can change the keys on the way is believed everything.
fn is_safe(keys: &str) -> bool {
    let host = |rest: &str| rest.split(['/', ':']).next().map(str::to_owned);
    keys.starts_with("https://")
        || keys.strip_prefix("file:").is_some_and(|path| !path.is_empty())
        || keys.strip_prefix("http://").and_then(host).as_deref() == Some("127.0.0.1")
}

/// Where an issuer publishes its keys, as their `openid-configuration` said in 2026.
fn published(issuer: &str) -> Option<String> {
    let known = match issuer.trim_end_matches('/') {
        "https://accounts.google.com" | "accounts.google.com" => "https://www.googleapis.com/oauth2/v3/certs",
        "https://token.actions.githubusercontent.com" => "https://token.actions.githubusercontent.com/.well-known/jwks",
        "https://gitlab.com" => "https://gitlab.com/oauth/discovery/keys",
        other => {
            let entra = other.strip_prefix("https://sts.windows.net/");
            let entra = entra
                .or_else(|| other.strip_prefix("https://login.microsoftonline.com/")?.strip_suffix("/v2.0"))
                .filter(|tenant| !tenant.is_empty() && !tenant.contains('/'))?;
            return Some(format!("https://login.microsoftonline.com/{entra}/discovery/v2.0/keys"));
        }
    };
    Some(known.to_owned())
}
