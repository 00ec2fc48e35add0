//! What a marker's comment says: which policy, and which part of its image.
//!
//! The grammar is that of [kyaml's field metadata](https://pkg.go.dev/sigs.k8s.io/kustomize/kyaml/fieldmeta), as Flux
//! uses it: a JSON object of strings, and a reference that is resolved like a JSON pointer in a URL fragment.

use std::collections::BTreeMap;
use std::fmt;

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::policy::PolicyName;

/// The bytes without which a file has no marker: Flux looks for them before it parses, and so do we.
pub const TOKEN: &str = r#""$imagepolicy""#;

/// The long form of a reference that kyaml writes as `$ref`.
const LONG_FORM: &str = "#/definitions/io.k8s.cli.setters.";

/// Which part of an image a marked value holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// `ghcr.io/acme/web:1.2.3`, with `@sha256:…` where the digest is known: no suffix.
    Reference,
    /// `ghcr.io/acme/web`: the suffix `:name`.
    Name,
    /// `1.2.3`: the suffix `:tag`.
    Tag,
    /// `sha256:…`: the suffix `:digest`.
    Digest,
}

/// What a marker asks for. Prints as in the comment: `flux-system:web:tag`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Setter {
    /// The policy whose selection is wanted.
    pub policy: PolicyName,
    /// The part of it that belongs here.
    pub part: Part,
}

impl Setter {
    /// Reads `ns:name`, `ns:name:tag`, `ns:name:name` or `ns:name:digest`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let (namespace, name) = (parts.next()?, parts.next()?);
        let part = match parts.next() {
            None => Part::Reference,
            Some("name") => Part::Name,
            Some("tag") => Part::Tag,
            Some("digest") => Part::Digest,
            Some(_) => return None,
        };
        let word = |text: &str| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        };
        if parts.next().is_some() || !word(namespace) || !word(name) {
            return None;
        }
        Some(Self { policy: PolicyName { namespace: namespace.to_owned(), name: name.to_owned() }, part })
    }

    /// Reads a comment, with its `#` or without; the error says why it marks nothing.
    pub(super) fn from_comment(comment: &str) -> Result<Self, &'static str> {
        let json = comment.trim_start_matches('#');
        // Go reads `null` into a string as the empty string.
        let Ok(fields) = serde_json::from_str::<BTreeMap<String, Option<String>>>(json) else {
            return Err(
                "the comment must hold the JSON object alone, all its values strings, nothing before or after it",
            );
        };
        let field = |key: &str| fields.get(key).and_then(Option::as_deref).unwrap_or_default();
        let written = match field("$imagepolicy") {
            "" => field("$ref").strip_prefix(LONG_FORM).unwrap_or_default(),
            short => short,
        };
        let malformed =
            "the reference must be `namespace:policy`, with `:tag`, `:name` or `:digest` after it or nothing";
        Self::parse(&url_decoded(written).ok_or(malformed)?).ok_or(malformed)
    }
}

/// Go refuses a URL with a `%` that no two hexadecimal digits follow.
fn url_decoded(text: &str) -> Option<String> {
    let valid = text
        .match_indices('%')
        .all(|(at, _)| text.get(at + 1..at + 3).is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit())));
    if valid { percent_decode_str(text).decode_utf8().ok().map(|text| text.into_owned()) } else { None }
}

impl fmt::Display for Setter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.policy.namespace, self.policy.name)?;
        f.write_str(match self.part {
            Part::Reference => "",
            Part::Name => ":name",
            Part::Tag => ":tag",
            Part::Digest => ":digest",
        })
    }
}

impl Serialize for Setter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Setter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom(format!("`{text}` is no `namespace:policy`")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(comment: &str) -> Option<String> {
        Setter::from_comment(comment).ok().map(|setter| setter.to_string())
    }

    #[test]
    fn comments_that_mark() {
        for comment in [
            r#"# {"$imagepolicy": "apps:web"}"#,
            r#"#{"$imagepolicy":"apps:web"}"#,
            r###"## {"$imagepolicy": "apps:web"}"###,
            "#\t{ \"$imagepolicy\" :\t\"apps:web\" }  ",
            r#"# {"$imagepolicy": "apps:web", "note": "pinned by hand"}"#,
            r#"# {"$imagepolicy": "apps:api", "$imagepolicy": "apps:web"}"#,
            r#"# {"$imagepolicy": "apps\u003aweb"}"#,
            r#"# {"$imagepolicy": "apps%3Aweb"}"#,
            r##"# {"$ref": "#/definitions/io.k8s.cli.setters.apps:web"}"##,
        ] {
            assert_eq!(read(comment).as_deref(), Some("apps:web"), "{comment}");
        }
        for part in ["name", "tag", "digest"] {
            let setter = format!("apps:web:{part}");
            assert_eq!(read(&format!(r#"# {{"$imagepolicy": "{setter}"}}"#)), Some(setter));
        }
    }

    #[test]
    fn comments_that_mark_nothing() {
        for comment in [
            r#"# {"$imagepolicy": "apps:web"} pinned"#,
            r#"# note {"$imagepolicy": "apps:web"}"#,
            r##"# # {"$imagepolicy": "apps:web"}"##,
            r##"# {"$imagepolicy": "apps:web"} # {"$imagepolicy": "apps:web"}"##,
            r#"# {'$imagepolicy': 'apps:web'}"#,
            r#"# {"$imagepolicy": "apps:web", "count": 1}"#,
            r#"# {"$imagePolicy": "apps:web"}"#,
            r#"# {"$imagepolicy": "apps:web:Tag"}"#,
            r#"# {"$imagepolicy": "apps:web:version"}"#,
            r#"# {"$imagepolicy": "apps:web:tag:tag"}"#,
            r#"# {"$imagepolicy": "apps/web"}"#,
            r#"# {"$imagepolicy": "apps: web"}"#,
            r#"# {"$imagepolicy": "apps%zzweb"}"#,
            r#"# {"$imagepolicy": "apps%"}"#,
            r#"# {"$imagepolicy": "web"}"#,
            r#"# {"$imagepolicy": ""}"#,
            r#"# {"$imagepolicy": null}"#,
            r#"# ["$imagepolicy"]"#,
            "#",
        ] {
            assert_eq!(read(comment), None, "{comment}");
        }
    }
}
