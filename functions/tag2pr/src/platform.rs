//! What an image runs on: `linux/amd64`, `linux/arm/v7`, `windows/amd64`.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An operating system, an architecture and, where there are several of it, a variant, in Go's names.
///
/// The usual variant of an architecture is the same as none: `linux/arm64/v8` is `linux/arm64`, `linux/arm` is
/// `linux/arm/v7`, as [containerd] has it.
///
/// [containerd]: https://github.com/containerd/platforms/blob/main/database.go
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Platform(String);

/// The platforms that something holds, or should.
pub type Platforms = BTreeSet<Platform>;

/// Why a text is no platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no platform: write for example `linux/amd64`, `linux/arm64`, `linux/arm/v7` or `windows/amd64`")]
pub struct NoPlatform(String);

impl Platform {
    /// What an index or an image's configuration says; nothing if that is no platform: attestations are for
    /// `unknown/unknown`.
    pub fn new(os: &str, architecture: &str, variant: Option<&str>) -> Option<Self> {
        let word = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
        };
        let variant = variant.filter(|variant| !variant.is_empty());
        let known = |text: &str| word(text) && text != "unknown";
        if !known(os) || !known(architecture) || !variant.is_none_or(word) {
            return None;
        }
        let variant = match (architecture, variant) {
            ("arm", None) => Some("v7"),
            ("arm64", Some("v8")) | ("amd64", Some("v1")) => None,
            (_, variant) => variant,
        };
        Some(Self(match variant {
            Some(variant) => format!("{os}/{architecture}/{variant}"),
            None => format!("{os}/{architecture}"),
        }))
    }

    /// As people write it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Platform {
    type Err = NoPlatform;

    fn from_str(text: &str) -> Result<Self, NoPlatform> {
        let parts: Vec<&str> = text.split('/').collect();
        let platform = match parts[..] {
            [os, architecture] => Self::new(os, architecture, None),
            [os, architecture, variant] if !variant.is_empty() => Self::new(os, architecture, Some(variant)),
            _ => None,
        };
        platform.ok_or_else(|| NoPlatform(text.to_owned()))
    }
}

impl TryFrom<String> for Platform {
    type Error = NoPlatform;

    fn try_from(text: String) -> Result<Self, NoPlatform> {
        text.parse()
    }
}

impl From<Platform> for String {
    fn from(platform: Platform) -> Self {
        platform.0
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Platforms in half a sentence: `linux/amd64 and linux/arm64`.
pub fn listed<'p>(platforms: impl IntoIterator<Item = &'p Platform>) -> String {
    let names: Vec<&str> = platforms.into_iter().map(Platform::as_str).collect();
    match names.split_last() {
        None => "no platform".to_owned(),
        Some((only, [])) => (*only).to_owned(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_variant_of_an_architecture_is_none() {
        let table = [
            ("linux/amd64", "linux/amd64"),
            ("linux/amd64/v1", "linux/amd64"),
            ("linux/amd64/v3", "linux/amd64/v3"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/arm/v6", "linux/arm/v6"),
            ("windows/amd64", "windows/amd64"),
        ];
        for (written, read) in table {
            assert_eq!(written.parse::<Platform>().unwrap().as_str(), read);
        }
    }

    #[test]
    fn what_is_no_platform_is_refused() {
        for text in
            ["", "linux", "linux/", "/amd64", "Linux/amd64", "linux/arm/v7/x", "linux/arm/", "a b/c", "unknown/unknown"]
        {
            assert!(text.parse::<Platform>().is_err(), "{text}");
        }
        insta::assert_snapshot!("amd64".parse::<Platform>().unwrap_err(), @"`amd64` is no platform: write for example `linux/amd64`, `linux/arm64`, `linux/arm/v7` or `windows/amd64`");
    }

    #[test]
    fn platforms_are_listed_in_words() {
        let listed = |texts: &[&str]| listed(&texts.iter().map(|text| text.parse().unwrap()).collect::<Platforms>());
        assert_eq!(listed(&["windows/amd64", "linux/arm", "linux/386"]), "linux/386, linux/arm/v7 and windows/amd64");
        assert_eq!(listed(&["linux/386"]), "linux/386");
        assert_eq!(listed(&[]), "no platform");
    }
}
