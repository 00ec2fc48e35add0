//! What the bodies of all senders have in common.

use std::borrow::Cow;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use percent_encoding::percent_decode;
use serde::{Deserialize, Deserializer};

use super::claim::excerpt;
use super::{Malformed, Sender};

/// Parses a body. Values that nobody asks for may have any type, and nest as deep as they like.
pub(super) fn parse<'a, T: Deserialize<'a>>(sender: Sender, body: &'a [u8]) -> Result<T, Malformed> {
    serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let text = error.to_string();
        let reason = if error.is_eof() {
            "it ends too early"
        } else {
            text.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&text)
        };
        Malformed::Json { sender, reason: excerpt(reason, 200), line, column }
    })
}

/// A body as what a sender might write, if it is an object of that form. (serde would take a list of the right length.)
pub(super) fn probe<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Option<T> {
    let is_object = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    is_object.then(|| serde_json::from_slice(body).ok()).flatten()
}

/// The bytes that a body carries in base64.
pub(super) fn base64(sender: Sender, text: &str) -> Result<Vec<u8>, Malformed> {
    BASE64_STANDARD.decode(text).map_err(|error| Malformed::Base64 { sender, reason: error.to_string() })
}

/// `ghcr.io/acme/web:1.0@sha256:…`, taken apart and not yet checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Reference<'a> {
    pub(super) registry: Option<&'a str>,
    pub(super) repository: &'a str,
    pub(super) tag: Option<&'a str>,
    pub(super) digest: Option<&'a str>,
}

/// Takes a reference apart. What stands before the first `/` is a registry if it looks like a host.
pub(super) fn reference(text: &str) -> Reference<'_> {
    let said = |part: &&str| !part.is_empty();
    let (text, digest) = text.split_once('@').map_or((text, None), |(name, digest)| (name, Some(digest)));
    let (name, tag) = match text.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (text, None),
    };
    let is_host = |first: &str| first == "localhost" || first.contains(['.', ':']);
    let (registry, repository) = match name.split_once('/') {
        Some((first, rest)) if is_host(first) => (Some(first), rest),
        _ => (None, name),
    };
    Reference { registry, repository, tag: tag.filter(said), digest: digest.filter(said) }
}

/// The event of GitHub and its like: the body, or the field `payload` of a form.
pub(super) fn payload<'a>(headers: &HeaderMap, body: &'a [u8]) -> Result<Cow<'a, [u8]>, Malformed> {
    let is_form = match headers.get(CONTENT_TYPE) {
        Some(value) => value.as_bytes().starts_with(b"application/x-www-form-urlencoded"),
        None => body.starts_with(b"payload="),
    };
    if !is_form {
        return Ok(Cow::Borrowed(body));
    }
    let field = body.split(|&byte| byte == b'&').find_map(|pair| pair.strip_prefix(b"payload="));
    let spaced: Vec<u8> =
        field.ok_or(Malformed::NoPayload)?.iter().map(|&b| if b == b'+' { b' ' } else { b }).collect();
    Ok(Cow::Owned(percent_decode(&spaced).collect()))
}

/// A text; null and `""` are none.
pub(super) fn text<'de, D: Deserializer<'de>>(value: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(value)?.filter(|text| !text.is_empty()))
}

/// A time: RFC 3339 (also with Java's `+0000`), or seconds since 1970 with or without a fraction. Anything else is none,
/// and so is what registries write instead of a time: the year 1 or the second 0.
pub(super) fn time<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Timestamp>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Time {
        Whole(i64),
        Fraction(f64),
        Text(String),
        Other(serde::de::IgnoredAny),
    }
    let time = match Time::deserialize(value)? {
        Time::Whole(seconds) => Timestamp::from_second(seconds).ok(),
        // A double of this size is exact to a fraction of a microsecond; `as` saturates to a time out of range.
        #[expect(clippy::cast_possible_truncation, reason = "out of range is none")]
        Time::Fraction(seconds) => Timestamp::from_microsecond((seconds * 1e6) as i64).ok(),
        Time::Text(text) => text.parse().ok().or_else(|| Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", text).ok()),
        Time::Other(_) => None,
    };
    Ok(time.filter(|time| *time > Timestamp::UNIX_EPOCH))
}

/// The host in `harbor.lan:8443/team/web:1.0`: what stands before the repository, or a first segment that can only be a
/// host. Some senders leave it out, and then nobody knows.
pub(super) fn host(url: &str, repository: Option<&str>) -> Option<String> {
    let url = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (first, rest) = url.split_once('/')?;
    let before_repository = repository.is_some_and(|repository| {
        rest.strip_prefix(repository).is_some_and(|end| end.is_empty() || end.starts_with([':', '@']))
    });
    let is_host = before_repository || first == "localhost" || first.contains(['.', ':']);
    (is_host && !first.is_empty()).then(|| first.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct At {
        #[serde(default, deserialize_with = "time")]
        at: Option<Timestamp>,
    }

    fn read(json: &str) -> Option<String> {
        serde_json::from_str::<At>(json).unwrap().at.map(|at| at.to_string())
    }

    #[test]
    fn times_are_read_in_every_form_that_senders_use() {
        for json in [
            r#"{"at": 1738860123}"#,
            r#"{"at": 1738860123.0}"#,
            r#"{"at": 1.738860123e+09}"#,
            r#"{"at": "2025-02-06T16:42:03Z"}"#,
            r#"{"at": "2025-02-06T17:42:03+01:00"}"#,
            r#"{"at": "2025-02-06T16:42:03.000+0000"}"#,
            r#"{"at": "2025-02-06T11:42:03-0500"}"#,
        ] {
            assert_eq!(read(json).as_deref(), Some("2025-02-06T16:42:03Z"), "{json}");
        }
        assert_eq!(read(r#"{"at": 1738860123.25}"#).as_deref(), Some("2025-02-06T16:42:03.25Z"));
        let nanoseconds = "2026-11-21T02:01:31.193544233Z";
        assert_eq!(read(&format!(r#"{{"at": "{nanoseconds}"}}"#)).as_deref(), Some(nanoseconds));
    }

    #[test]
    fn a_reference_is_taken_apart_at_its_last_colon_and_its_first_slash() {
        let parts = |text| {
            let Reference { registry, repository, tag, digest } = reference(text);
            (registry, repository, tag, digest)
        };
        assert_eq!(
            parts("us-docker.pkg.dev/acme/apps/web:1.0"),
            (Some("us-docker.pkg.dev"), "acme/apps/web", Some("1.0"), None)
        );
        assert_eq!(
            parts("gcr.io/example.com/acme/web@sha256:ab"),
            (Some("gcr.io"), "example.com/acme/web", None, Some("sha256:ab"))
        );
        assert_eq!(parts("lan:5000/web:1@sha256:ab"), (Some("lan:5000"), "web", Some("1"), Some("sha256:ab")));
        assert_eq!(parts("lan:5000/web"), (Some("lan:5000"), "web", None, None));
        assert_eq!(parts("acme/web:1.0"), (None, "acme/web", Some("1.0"), None));
        assert_eq!(parts("web:"), (None, "web", None, None));
        assert_eq!(parts(""), (None, "", None, None));
        assert_eq!(parts("@"), (None, "", None, None));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for value in [
            "null",
            "0",
            "-1",
            "99999999999999",
            "18446744073709551615",
            "1e300",
            "-1e300",
            "true",
            "[1]",
            r#""""#,
            r#""yesterday""#,
            r#""0001-01-01T00:00:00Z""#,
            r#""2025-02-06 16:42:03""#,
            r#"{"seconds": 1}"#,
        ] {
            assert_eq!(read(&format!(r#"{{"at": {value}}}"#)), None, "{value}");
        }
        assert_eq!(read("{}"), None);
    }

    #[test]
    fn the_host_is_what_stands_before_the_repository() {
        let host = |url| host(url, Some("team/web"));
        assert_eq!(host("harbor.lan:8443/team/web:1.0").as_deref(), Some("harbor.lan:8443"));
        assert_eq!(host("https://harbor.lan/team/web@sha256:00").as_deref(), Some("harbor.lan"));
        assert_eq!(host("harbor/team/web:1.0").as_deref(), Some("harbor"));
        assert_eq!(host("harbor.lan/elsewhere:1.0").as_deref(), Some("harbor.lan"));
        assert_eq!(host("team/web:1.0"), None);
        assert_eq!(host("team/web"), None);
        assert_eq!(host(""), None);
    }
}
