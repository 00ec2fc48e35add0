//! AWS's request signature, checked: written from
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>, apart from any SDK.

use bytes::Bytes;
use http::Request;
use ring::digest::{SHA256, digest};
use ring::hmac;

/// The access key that the stand-ins know.
pub const ACCESS_KEY: &str = "STANDIN";
/// Its secret.
pub const SECRET_KEY: &str = "standin-secret-key";

/// Whether the request is signed with [`SECRET_KEY`] for this service.
///
/// # Errors
///
/// What is wrong, in a few words.
pub fn verify(request: &Request<Bytes>, service: &str) -> Result<(), String> {
    let header = |name: &str| {
        request.headers().get(name).and_then(|value| value.to_str().ok()).ok_or(format!("header {name} is missing"))
    };
    let fields = header("authorization")?.strip_prefix("AWS4-HMAC-SHA256 ").ok_or("another algorithm")?;
    let field = |name: &str| {
        let value = fields.split(',').find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='));
        value.ok_or(format!("{name} is missing"))
    };
    let (key, scope) = field("Credential")?.split_once('/').ok_or("the credential has no scope")?;
    let [date, region, signed_service, "aws4_request"] = scope.split('/').collect::<Vec<_>>()[..] else {
        return Err(format!("the scope {scope} is malformed"));
    };
    if key != ACCESS_KEY || signed_service != service {
        return Err(format!("signed with {key} for {signed_service}"));
    }

    let body_hash = hex(digest(&SHA256, request.body()).as_ref());
    let payload = header("x-amz-content-sha256").map_or(body_hash.clone(), str::to_owned);
    if payload != body_hash && payload != "UNSIGNED-PAYLOAD" {
        return Err("the body is not the signed one".to_owned());
    }
    let names = field("SignedHeaders")?;
    let mut headers = String::new();
    for name in names.split(';') {
        headers += &format!("{name}:{}\n", header(name)?.trim());
    }
    let mut query: Vec<String> = request.uri().query().unwrap_or_default().split('&').map(str::to_owned).collect();
    query.retain(|pair| !pair.is_empty());
    query.iter_mut().filter(|pair| !pair.contains('=')).for_each(|pair| pair.push('='));
    query.sort();
    let canonical =
        [request.method().as_str(), request.uri().path(), &query.join("&"), &headers, names, &payload].join("\n");

    let time = header("x-amz-date")?;
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex(digest(&SHA256, canonical.as_bytes()).as_ref()));
    let step = |key: &[u8], text: &str| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes());
    let mut signature = step(format!("AWS4{SECRET_KEY}").as_bytes(), date);
    for part in [region, service, "aws4_request", &text] {
        signature = step(signature.as_ref(), part);
    }
    if hex(signature.as_ref()) == field("Signature")? { Ok(()) } else { Err("the signature does not match".to_owned()) }
}

/// The region that a request is signed for.
pub(crate) fn region(request: &Request<Bytes>) -> Option<&str> {
    request.headers().get("authorization")?.to_str().ok()?.split('/').nth(2)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
