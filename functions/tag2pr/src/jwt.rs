//! Identity tokens: JWTs that an [OpenID Connect](https://openid.net/specs/openid-connect-core-1_0.html#IDToken) issuer
//! signed for one audience.
//!
//! [`verify`] checks all of it or none: the signature (RS256, with a key of the issuer's that the token names), issuer,
//! audience, expiry, and who it is about. `alg` in a token chooses nothing: whatever it says, the signature is verified
//! as RS256 or refused. Forms: [RFC 7519](https://www.rfc-editor.org/rfc/rfc7519) (tokens),
//! [RFC 7517](https://www.rfc-editor.org/rfc/rfc7517) (keys).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde::Deserialize;
use serde_json::{Map, Value};

/// How far the issuer's clock may be from ours.
const SKEW: SignedDuration = SignedDuration::from_secs(60);

/// Longer tokens are refused unread.
const LONGEST: usize = 16 * 1024;

/// What must be true of a token, beside its signature and its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectations {
    /// Who issued it: `iss`, exactly.
    pub issuer: String,
    /// Whom it is for: one of `aud`, exactly.
    pub audience: String,
    /// Whom it is about: each of these claims must have exactly this value. If `email` is among them, the token must
    /// also say that the issuer verified it. Without any, nobody is believed.
    pub claims: BTreeMap<String, String>,
}

/// Why a token is not believed. Repeats claims, which are no secrets, and never the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Not three parts of base64 with JSON in them.
    #[error("it is no identity token: {0}")]
    Form(&'static str),
    /// `none`, a shared secret, or another algorithm than the one that is read.
    #[error("it says that it is signed with `{0}`, and only RS256 is believed")]
    Algorithm(String),
    /// It names no key, or one that its issuer does not publish.
    #[error("it is signed with the key `{0}`, which its issuer does not publish")]
    UnknownKey(String),
    /// It was changed, or signed by somebody else.
    #[error("its signature does not fit")]
    Signature,
    /// A claim that must be there is not, or is of another type.
    #[error("it has no usable `{0}`")]
    Missing(String),
    /// Too late.
    #[error("it expired at {0}")]
    Expired(Timestamp),
    /// Too early.
    #[error("it is not valid before {0}")]
    TooEarly(Timestamp),
    /// A claim has another value.
    #[error("its `{claim}` is `{found}`, not `{expected}`")]
    Claim {
        /// Which one.
        claim: String,
        /// What it says.
        found: String,
        /// What is configured.
        expected: String,
    },
    /// The issuer does not vouch for the address.
    #[error("its issuer did not verify the address in `email`")]
    EmailNotVerified,
    /// Nothing is configured that says whom it must be about.
    #[error("nothing is configured that says whom it must be about")]
    NoIdentity,
}

// ------------------------------------------------------------------------------------------------ keys

/// The keys that an issuer publishes, by their ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys(BTreeMap<String, PublicKey>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct PublicKey {
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

impl Keys {
    /// Reads a JSON Web Key Set. Keys that are no RSA keys for signatures are left out.
    ///
    /// # Errors
    ///
    /// When it is no key set, or there is no such key in it.
    pub fn read(json: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Key>,
        }
        #[derive(Deserialize)]
        struct Key {
            kty: Option<String>,
            #[serde(rename = "use")]
            purpose: Option<String>,
            alg: Option<String>,
            kid: Option<String>,
            n: Option<String>,
            e: Option<String>,
        }
        let set: Set = serde_json::from_slice(json).map_err(|error| format!("this is no key set: {error}"))?;
        let is = |value: &Option<String>, wanted: &str| value.as_deref().is_none_or(|value| value == wanted);
        let keys: BTreeMap<String, PublicKey> = set
            .keys
            .into_iter()
            .filter(|key| key.kty.as_deref() == Some("RSA") && is(&key.purpose, "sig") && is(&key.alg, "RS256"))
            .filter_map(|key| {
                let modulus = BASE64_URL_SAFE_NO_PAD.decode(key.n?).ok()?;
                Some((key.kid?, PublicKey { modulus, exponent: BASE64_URL_SAFE_NO_PAD.decode(key.e?).ok()? }))
            })
            .collect();
        if keys.is_empty() { Err("this key set holds no RSA key for signatures".to_owned()) } else { Ok(Self(keys)) }
    }

    /// Whether the key of this id is among them.
    pub fn has(&self, id: &str) -> bool {
        self.0.contains_key(id)
    }
}

// ------------------------------------------------------------------------------------------------ tokens

/// A token taken apart, nothing of it believed yet.
struct Parts<'a> {
    key: String,
    signed: &'a str,
    payload: &'a str,
    signature: Vec<u8>,
}

fn take_apart(token: &str) -> Result<Parts<'_>, Invalid> {
    #[derive(Deserialize)]
    struct Header {
        alg: String,
        kid: Option<String>,
        crit: Option<Value>,
    }
    if token.len() > LONGEST {
        return Err(Invalid::Form("it is too long"));
    }
    let mut parts = token.split('.');
    let (Some(header), Some(payload), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Invalid::Form("it does not have three parts"));
    };
    let not_base64 = |_| Invalid::Form("a part of it is not base64url");
    let json = BASE64_URL_SAFE_NO_PAD.decode(header).map_err(not_base64)?;
    let header_read: Header = serde_json::from_slice(&json).map_err(|_| Invalid::Form("its header is not JSON"))?;
    if header_read.alg != "RS256" {
        return Err(Invalid::Algorithm(shown(&header_read.alg)));
    }
    // RFC 7515, 4.1.11: what is critical and not understood is refused.
    if header_read.crit.is_some() {
        return Err(Invalid::Form("its header demands an extension"));
    }
    Ok(Parts {
        key: header_read.kid.ok_or_else(|| Invalid::Missing("kid".to_owned()))?,
        signed: &token[..header.len() + 1 + payload.len()],
        payload,
        signature: BASE64_URL_SAFE_NO_PAD.decode(signature).map_err(not_base64)?,
    })
}

/// The id of the key that a token says it is signed with: what to look for before [`verify`].
///
/// # Errors
///
/// When it is no token, or not signed with RS256.
pub fn key_id(token: &str) -> Result<String, Invalid> {
    take_apart(token).map(|parts| parts.key)
}

/// What a token claims, if one of the keys signed it. Says nothing about whom it is for, and when.
///
/// # Errors
///
/// When none did, or it is no token.
pub fn claims(token: &str, keys: &Keys) -> Result<Map<String, Value>, Invalid> {
    let parts = take_apart(token)?;
    let key = keys.0.get(&parts.key).ok_or_else(|| Invalid::UnknownKey(shown(&parts.key)))?;
    RsaPublicKeyComponents { n: &key.modulus, e: &key.exponent }
        .verify(&RSA_PKCS1_2048_8192_SHA256, parts.signed.as_bytes(), &parts.signature)
        .map_err(|_| Invalid::Signature)?;
    let json =
        BASE64_URL_SAFE_NO_PAD.decode(parts.payload).map_err(|_| Invalid::Form("its claims are not base64url"))?;
    serde_json::from_slice(&json).map_err(|_| Invalid::Form("its claims are not a JSON object"))
}

/// Whether to believe that a token was issued by whom, for whom and about whom is expected, and is valid now.
///
/// # Errors
///
/// The first thing that does not hold.
pub fn verify(token: &str, keys: &Keys, expected: &Expectations, now: Timestamp) -> Result<(), Invalid> {
    if expected.claims.is_empty() || expected.audience.is_empty() {
        return Err(Invalid::NoIdentity);
    }
    let claims = claims(token, keys)?;
    let issuer = text(&claims, "iss")?;
    if !same_issuer(&issuer, &expected.issuer) {
        return Err(other("iss", &issuer, &expected.issuer));
    }
    let audiences = match claims.get("aud") {
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(one)) => vec![one.as_str()],
        _ => return Err(Invalid::Missing("aud".to_owned())),
    };
    if !audiences.contains(&expected.audience.as_str()) {
        return Err(other("aud", &audiences.join(" "), &expected.audience));
    }
    let expires = time(&claims, "exp")?.ok_or_else(|| Invalid::Missing("exp".to_owned()))?;
    if later(expires) <= now {
        return Err(Invalid::Expired(expires));
    }
    for start in ["nbf", "iat"] {
        if let Some(start) = time(&claims, start)?
            && start > later(now)
        {
            return Err(Invalid::TooEarly(start));
        }
    }
    for (claim, expected) in &expected.claims {
        let found = text(&claims, claim)?;
        if found != *expected {
            return Err(other(claim, &found, expected));
        }
    }
    // Some issuers write the text.
    let verified = [Some(&Value::Bool(true)), Some(&Value::String("true".to_owned()))];
    if expected.claims.contains_key("email") && !verified.contains(&claims.get("email_verified")) {
        return Err(Invalid::EmailNotVerified);
    }
    Ok(())
}

/// [Google](https://developers.google.com/identity/openid-connect/openid-connect#an-id-tokens-payload) writes its name
/// with and without a scheme.
fn same_issuer(found: &str, expected: &str) -> bool {
    const GOOGLE: [&str; 2] = ["accounts.google.com", "https://accounts.google.com"];
    found == expected || (GOOGLE.contains(&found) && GOOGLE.contains(&expected))
}

fn text(claims: &Map<String, Value>, claim: &str) -> Result<String, Invalid> {
    match claims.get(claim) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        Some(Value::Bool(flag)) => Ok(flag.to_string()),
        _ => Err(Invalid::Missing(claim.to_owned())),
    }
}

/// Seconds since 1970, possibly with a fraction.
fn time(claims: &Map<String, Value>, claim: &str) -> Result<Option<Timestamp>, Invalid> {
    let missing = || Invalid::Missing(claim.to_owned());
    let Some(value) = claims.get(claim) else { return Ok(None) };
    #[expect(clippy::cast_possible_truncation, reason = "out of range is no time")]
    let seconds = value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64)).ok_or_else(missing)?;
    Timestamp::from_second(seconds).map(Some).map_err(|_| missing())
}

fn later(time: Timestamp) -> Timestamp {
    time.checked_add(SKEW).unwrap_or(Timestamp::MAX)
}

fn other(claim: &str, found: &str, expected: &str) -> Invalid {
    Invalid::Claim { claim: claim.to_owned(), found: shown(found), expected: expected.to_owned() }
}

fn shown(text: &str) -> String {
    text.chars().take(200).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests;
