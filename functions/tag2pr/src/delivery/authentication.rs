//! The ways in which senders prove who they are: a fixed header, a signature over the body, an identity
//! token, a secret in the path.

use http::HeaderValue;
use ring::hmac;

use super::Request;
use crate::jwt;
use crate::secret::Secret;

/// Why a request is not believed. Never repeats a secret, nor what was sent instead of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing to check against: such a source is closed, not open.
    #[error("this source has no secret, so nothing it is sent can be believed; set `secret` for it in tag2pr.yaml")]
    NoSecret,
    /// The header is absent or empty.
    #[error("the request has no `{header}` header; {mend}")]
    MissingHeader {
        /// The header that should carry the proof.
        header: &'static str,
        /// Where its sender is told to send it.
        mend: &'static str,
    },
    /// The header is there more than once, and one of them proves nothing about the others.
    #[error("the request has more than one `{0}` header")]
    RepeatedHeader(&'static str),
    /// The header does not carry a configured secret.
    #[error("the `{0}` header is not the secret of this source; make them the same on both sides")]
    WrongHeader(&'static str),
    /// The header is not of the form that signatures have.
    #[error("the `{header}` header is not {form}")]
    NotASignature {
        /// The header that should carry the signature.
        header: &'static str,
        /// What it should look like.
        form: &'static str,
    },
    /// The signature is of another body, or made with another secret.
    #[error(
        "the signature in `{0}` does not fit; either the secrets on both sides differ, or something on the way \
         changed the body"
    )]
    WrongSignature(&'static str),
    /// The source believes an identity token and nothing else.
    #[error("this sender proves itself by an identity token; set `oidc` for the source in tag2pr.yaml")]
    TokenWanted,
    /// The identity token does not hold.
    #[error("the identity token in `Authorization` is not believed: {0}")]
    Token(#[from] jwt::Invalid),
    /// Nothing tells how to check it.
    #[error("neither headers nor body tell who sent this; give its sender a source of its own type")]
    Unrecognised,
    /// There is no secret in the path.
    #[error("the path has no secret; this sender signs nothing, so give it the address /hooks/<source>/<secret>")]
    MissingPathSecret,
    /// The path ends in something else.
    #[error("the path does not end in the secret of this source; make them the same on both sides")]
    WrongPathSecret,
}

const AUTHORIZATION: &str = "Authorization";
const API_KEY: &str = "X-Api-Key";

/// A fixed `Authorization` value: the secret, verbatim, or `Bearer ` and the secret. A secret may hold a scheme itself
/// (`Basic dXNlcjpwYXNz`); then the verbatim form is the one that fits.
pub(super) fn authorization(request: &Request<'_>, secrets: &[Secret], mend: &'static str) -> Result<(), Refusal> {
    let value = only(request, AUTHORIZATION, mend)?.as_bytes();
    let token = value.strip_prefix(b"Bearer ");
    let known = any(secrets, |secret| secret.matches(value) | token.is_some_and(|token| secret.matches(token)));
    if known { Ok(()) } else { Err(Refusal::WrongHeader(AUTHORIZATION)) }
}

/// How a sender signs: an HMAC over the raw body, in hexadecimal digits.
pub(super) struct Signature {
    /// Where it is.
    pub(super) header: &'static str,
    /// What stands before the digits.
    pub(super) prefix: &'static str,
    /// The hash that goes with it.
    pub(super) algorithm: hmac::Algorithm,
    /// What it looks like, for people.
    pub(super) form: &'static str,
    /// Where the sender is told to sign.
    pub(super) mend: &'static str,
}

/// [GitHub's signature](https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries).
/// `X-Hub-Signature` (SHA-1) beside it counts for nothing.
pub(super) const HUB_SIGNATURE: Signature = Signature {
    header: "X-Hub-Signature-256",
    prefix: "sha256=",
    algorithm: hmac::HMAC_SHA256,
    form: "`sha256=` and 64 hexadecimal digits",
    mend: "enter a secret for the webhook on GitHub",
};

/// The form of a signature that is an HMAC-SHA256 and nothing else.
pub(super) const SHA256_DIGITS: &str = "64 hexadecimal digits";

impl Signature {
    /// Whether the body is signed with one of the secrets.
    pub(super) fn verify(&self, request: &Request<'_>, secrets: &[Secret]) -> Result<(), Refusal> {
        let Self { header, form, .. } = *self;
        let value = only(request, header, self.mend)?.as_bytes();
        let length = self.algorithm.digest_algorithm().output_len();
        let signature = value
            .strip_prefix(self.prefix.as_bytes())
            .and_then(unhex)
            .filter(|signature| signature.len() == length)
            .ok_or(Refusal::NotASignature { header, form })?;
        let fits = any(secrets, |secret| {
            let key = hmac::Key::new(self.algorithm, secret.expose().as_bytes());
            !secret.is_empty() & hmac::verify(&key, request.body, &signature).is_ok()
        });
        if fits { Ok(()) } else { Err(Refusal::WrongSignature(header)) }
    }
}

/// The secret itself, in a header of the sender's own.
pub(super) fn header(
    request: &Request<'_>,
    secrets: &[Secret],
    header: &'static str,
    mend: &'static str,
) -> Result<(), Refusal> {
    let value = only(request, header, mend)?.as_bytes();
    if any(secrets, |secret| secret.matches(value)) { Ok(()) } else { Err(Refusal::WrongHeader(header)) }
}

/// The secret in the path, or else as `Authorization`: for senders that take an address and nothing else in one of the
/// places where they are set up.
pub(super) fn path_or_authorization(
    request: &Request<'_>,
    secrets: &[Secret],
    mend: &'static str,
) -> Result<(), Refusal> {
    match request.path_secret {
        Some(_) => path(request, secrets),
        None => authorization(request, secrets, mend),
    }
}

/// What the connection of an [API destination](https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-api-destinations.html)
/// sends: an API key in `X-Api-Key`, or an `Authorization` of its own making. The path, where the connection is another's.
pub(super) fn api_key(request: &Request<'_>, secrets: &[Secret]) -> Result<(), Refusal> {
    const MEND: &str =
        "give the connection of the API destination the API key name X-Api-Key and the secret as its value";
    if request.path_secret.is_none() && request.headers.contains_key(API_KEY) {
        return header(request, secrets, API_KEY, MEND);
    }
    path_or_authorization(request, secrets, MEND)
}

/// GitHub's signature where there is one, and else the secret as `Authorization`.
pub(super) fn signature_or_authorization(request: &Request<'_>, secrets: &[Secret]) -> Result<(), Refusal> {
    if request.headers.contains_key(HUB_SIGNATURE.header) {
        return HUB_SIGNATURE.verify(request, secrets);
    }
    let mend = "send `Authorization: Bearer <secret>`, or sign the body as GitHub does in `X-Hub-Signature-256`";
    authorization(request, secrets, mend)
}

/// The identity token that a request carries.
pub(super) fn bearer<'a>(request: &Request<'a>) -> Result<&'a str, Refusal> {
    let value = only(request, AUTHORIZATION, "let the sender send an identity token of its issuer")?;
    let token = value.to_str().ok().and_then(|value| value.strip_prefix("Bearer "));
    token.ok_or(Refusal::Token(jwt::Invalid::Form("it does not start with `Bearer `")))
}

/// A secret segment of the path, for senders that sign nothing.
pub(super) fn path(request: &Request<'_>, secrets: &[Secret]) -> Result<(), Refusal> {
    let Some(segment) = request.path_secret.filter(|segment| !segment.is_empty()) else {
        return Err(Refusal::MissingPathSecret);
    };
    let known = any(secrets, |secret| secret.matches(segment.as_bytes()));
    if known { Ok(()) } else { Err(Refusal::WrongPathSecret) }
}

/// Tries every secret, so that the time does not tell which one it was.
fn any(secrets: &[Secret], fits: impl Fn(&Secret) -> bool) -> bool {
    secrets.iter().fold(false, |found, secret| found | fits(secret))
}

fn only<'a>(request: &Request<'a>, header: &'static str, mend: &'static str) -> Result<&'a HeaderValue, Refusal> {
    let mut values = request.headers.get_all(header).iter();
    match (values.next(), values.next()) {
        (Some(value), None) if !value.is_empty() => Ok(value),
        (Some(_), Some(_)) => Err(Refusal::RepeatedHeader(header)),
        _ => Err(Refusal::MissingHeader { header, mend }),
    }
}

fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, []) = text.as_chunks::<2>() else { return None };
    pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Sender, Trusted, authenticate};
    use super::*;
    use http::HeaderMap;

    const BODY: &[u8] = b"Hello, World!";
    const SIGNED: &str = "X-Hub-Signature-256: sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    fn secrets(texts: &[&str]) -> Vec<Secret> {
        texts.iter().map(|text| Secret::new(text)).collect()
    }

    fn ask(sender: Sender, headers: &str, path_secret: Option<&str>, configured: &[&str]) -> String {
        let headers: HeaderMap = super::super::read_headers(headers).unwrap();
        let request = Request { headers: &headers, path_secret, body: BODY };
        match authenticate(sender, &request, &secrets(configured)) {
            Ok(trusted) => format!("trusted as {}", Trusted::sender(&trusted)),
            Err(refusal) => refusal.to_string(),
        }
    }

    /// The vector from GitHub's documentation.
    #[test]
    fn github_signs_the_bytes_of_the_body() {
        let ghcr = |headers: &str, secrets: &[&str]| ask(Sender::Ghcr, headers, None, secrets);
        assert_eq!(ghcr(SIGNED, &["It's a Secret to Everybody"]), "trusted as ghcr");
        assert_eq!(ghcr(SIGNED, &["the next one", "It's a Secret to Everybody"]), "trusted as ghcr");
        insta::assert_snapshot!(ghcr(SIGNED, &["another"]), @"the signature in `X-Hub-Signature-256` does not fit; either the secrets on both sides differ, or something on the way changed the body");
        insta::assert_snapshot!(ghcr("", &["another"]), @"the request has no `X-Hub-Signature-256` header; enter a secret for the webhook on GitHub");
        insta::assert_snapshot!(ghcr("X-Hub-Signature-256: 757107ea", &["another"]), @"the `X-Hub-Signature-256` header is not `sha256=` and 64 hexadecimal digits");
        insta::assert_snapshot!(ghcr(&format!("{SIGNED}\n{SIGNED}"), &["It's a Secret to Everybody"]), @"the request has more than one `X-Hub-Signature-256` header");
    }

    #[test]
    fn a_fixed_header_is_the_secret_with_or_without_bearer() {
        for sender in [Sender::Harbor, Sender::Distribution] {
            let trusted = format!("trusted as {sender}");
            assert_eq!(ask(sender, "Authorization: hook-secret", None, &["hook-secret"]), trusted);
            assert_eq!(ask(sender, "Authorization: Bearer hook-secret", None, &["hook-secret"]), trusted);
            assert_eq!(ask(sender, "Authorization: Bearer hook-secret", None, &["Bearer hook-secret"]), trusted);
            assert_eq!(ask(sender, "Authorization: Basic dTpw", None, &["Basic dTpw"]), trusted);
            for wrong in ["hook-secre", "hook-secret2", "Basic hook-secret", "bearer hook-secret", "Bearer"] {
                let answer = ask(sender, &format!("Authorization: {wrong}"), None, &["hook-secret"]);
                assert!(answer.contains("is not the secret of this source"), "{wrong}: {answer}");
            }
            assert!(
                ask(sender, "Authorization: hook-secret", None, &["Bearer hook-secret"]).contains("is not the secret")
            );
        }
        insta::assert_snapshot!(ask(Sender::Harbor, "", None, &["x"]), @"the request has no `Authorization` header; enter the secret as Auth Header of the webhook in Harbor");
        insta::assert_snapshot!(ask(Sender::Distribution, "Authorization:", None, &["x"]), @"the request has no `Authorization` header; set `headers: { Authorization: [Bearer <secret>] }` for the endpoint in the registry's configuration");
    }

    #[test]
    fn docker_hub_proves_itself_by_the_path() {
        let hub = |segment, secrets: &[&str]| ask(Sender::DockerHub, "Authorization: path-secret", segment, secrets);
        assert_eq!(hub(Some("path-secret"), &["old", "path-secret"]), "trusted as docker-hub");
        insta::assert_snapshot!(hub(None, &["path-secret"]), @"the path has no secret; this sender signs nothing, so give it the address /hooks/<source>/<secret>");
        insta::assert_snapshot!(hub(Some("path"), &["path-secret"]), @"the path does not end in the secret of this source; make them the same on both sides");
        assert_eq!(hub(Some(""), &["path-secret"]), hub(None, &["path-secret"]));
    }

    /// The empty key signs too: whoever knows that nothing is configured could.
    #[test]
    fn without_a_secret_nobody_is_believed() {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b""), BODY);
        let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let headers = format!("X-Hub-Signature-256: sha256={hex}\nAuthorization: Bearer");
        for sender in Sender::ALL {
            for configured in [&[][..], &[""], &["", "\n"]] {
                let answer = ask(sender, &headers, Some(""), configured);
                assert_eq!(answer, Refusal::NoSecret.to_string(), "{sender} {configured:?}");
            }
            let answer = ask(sender, &headers, Some(""), &["", "real"]);
            assert!(!answer.starts_with("trusted"), "{sender}: {answer}");
        }
    }

    #[test]
    fn a_refusal_repeats_no_secret() {
        for sender in Sender::ALL {
            let answer =
                ask(sender, "Authorization: hunter2\nX-Hub-Signature-256: hunter2", Some("hunter2"), &["hunter3"]);
            assert!(!answer.contains("hunter"), "{answer}");
        }
    }
}
