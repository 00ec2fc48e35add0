//! Names of images, tags and digests: parsed and normalised once, at the edge.
//!
//! The rules are those of the reference grammar of CNCF Distribution and of `go-containerregistry`, which Flux uses:
//! the first path segment is a registry exactly if it is `localhost` or contains a `.` or a `:`; everything else
//! lives on Docker Hub, where a name of one segment belongs to `library/`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Docker Hub's canonical host name; `index.docker.io` and `registry-1.docker.io` are other names for it.
pub const DOCKER_HUB: &str = "docker.io";

/// Why a text is no image name, tag or digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidImage {
    /// `https://ghcr.io/acme/web`
    #[error("image `{0}` includes a URL scheme; remove `{1}://`")]
    Scheme(String, String),
    /// `ghcr.io/acme/web:1.0` where only a name belongs
    #[error("image `{0}` includes a tag or digest; remove `{1}`")]
    TagNotAllowed(String, String),
    /// Empty, over-long or with characters that no registry allows.
    #[error(
        "`{0}` is not an image repository: 1 to 255 characters of a-z, 0-9, `_`, `-`, `.` and `/`, no empty segment"
    )]
    Repository(String),
    /// A registry host with characters that no host name has.
    #[error("`{0}` is not a registry host: letters, digits, `.`, `-` and an optional port")]
    Registry(String),
    /// Not `[A-Za-z0-9_][A-Za-z0-9._-]{0,127}`
    #[error("`{0}` is not a tag: 1 to 128 characters of A-Z, a-z, 0-9, `_`, `.` and `-`, not starting with `.` or `-`")]
    Tag(String),
    /// Not `sha256:` and 64 hexadecimal digits (or sha512 and 128)
    #[error("`{0}` is not a digest: `sha256:` and 64 hexadecimal digits, or `sha512:` and 128")]
    Digest(String),
}

/// A registry host and a repository: `ghcr.io/acme/web`, `docker.io/library/alpine`.
///
/// Two names of the same repository are equal, whatever was typed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageName {
    registry: String,
    repository: String,
}

impl ImageName {
    /// Joins a registry host and a repository, both as a sender or a person wrote them.
    ///
    /// # Errors
    ///
    /// When either holds characters that no registry allows.
    pub fn new(registry: &str, repository: &str) -> Result<Self, InvalidImage> {
        let registry = canonical_registry(registry)?;
        let repository = if registry == DOCKER_HUB && !repository.contains('/') {
            format!("library/{repository}")
        } else {
            repository.to_owned()
        };
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-.".contains(c);
        let valid = (1..=255).contains(&repository.len())
            && repository
                .split('/')
                .all(|part| !part.is_empty() && part != "." && part != ".." && part.chars().all(allowed));
        if !valid {
            return Err(InvalidImage::Repository(repository));
        }
        Ok(Self { registry, repository })
    }

    /// The registry host, with its port if it has one: `docker.io`, `192.168.0.40:5000`.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository at that registry: `library/alpine`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The last segment of the repository, as people call the image: `alpine`.
    pub fn short(&self) -> &str {
        self.repository.rsplit('/').next().unwrap_or(&self.repository)
    }
}

impl FromStr for ImageName {
    type Err = InvalidImage;

    /// Reads a name without tag and digest, as in the `spec.image` of an ImageRepository.
    fn from_str(text: &str) -> Result<Self, InvalidImage> {
        if let Some((scheme, _)) = text.split_once("://") {
            return Err(InvalidImage::Scheme(text.to_owned(), scheme.to_owned()));
        }
        let (registry, repository) = split_registry(text);
        if let Some(at) = repository.find(['@', ':']) {
            return Err(InvalidImage::TagNotAllowed(text.to_owned(), repository[at..].to_owned()));
        }
        Self::new(registry, repository)
    }
}

impl TryFrom<String> for ImageName {
    type Error = InvalidImage;
    fn try_from(text: String) -> Result<Self, InvalidImage> {
        text.parse()
    }
}

impl From<ImageName> for String {
    fn from(name: ImageName) -> Self {
        name.to_string()
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)
    }
}

/// The registry (Docker Hub if the text names none) and the rest.
fn split_registry(text: &str) -> (&str, &str) {
    match text.split_once('/') {
        Some((first, rest)) if first == "localhost" || first.contains(['.', ':']) => (first, rest),
        _ => (DOCKER_HUB, text),
    }
}

fn canonical_registry(host: &str) -> Result<String, InvalidImage> {
    let lower = host.to_ascii_lowercase();
    let (name, port) = match lower.rsplit_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (lower.as_str(), None),
    };
    let name_valid = !name.is_empty()
        && name.len() <= 253
        && name.split('.').all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-'))
        && name.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c));
    let port_valid = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    if !name_valid || !port_valid {
        return Err(InvalidImage::Registry(host.to_owned()));
    }
    Ok(match lower.as_str() {
        "index.docker.io" | "registry-1.docker.io" | "registry.hub.docker.com" => DOCKER_HUB.to_owned(),
        _ => lower,
    })
}

/// A tag: `main-1972e38-1738860000`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag(String);

impl Tag {
    /// The tag as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = InvalidImage;
    fn from_str(text: &str) -> Result<Self, InvalidImage> {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let valid = (1..=128).contains(&text.len())
            && text.starts_with(word)
            && text.chars().all(|c| word(c) || c == '.' || c == '-');
        if valid { Ok(Self(text.to_owned())) } else { Err(InvalidImage::Tag(text.to_owned())) }
    }
}

impl TryFrom<String> for Tag {
    type Error = InvalidImage;
    fn try_from(text: String) -> Result<Self, InvalidImage> {
        text.parse()
    }
}

impl From<Tag> for String {
    fn from(tag: Tag) -> Self {
        tag.0
    }
}

impl std::borrow::Borrow<str> for Tag {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The content address of a manifest or index: `sha256:` and 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

impl Digest {
    /// The digest as text, algorithm first.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The algorithm and the first twelve digits, as people read digests aloud: `sha256:1972e38a0b1c`.
    pub fn short(&self) -> &str {
        let hex = self.0.find(':').map_or(0, |at| at + 1);
        &self.0[..(hex + 12).min(self.0.len())]
    }
}

impl FromStr for Digest {
    type Err = InvalidImage;
    fn from_str(text: &str) -> Result<Self, InvalidImage> {
        let length = match text.split_once(':') {
            Some(("sha256", _)) => 64,
            Some(("sha512", _)) => 128,
            _ => return Err(InvalidImage::Digest(text.to_owned())),
        };
        let hex = &text[7..];
        if hex.len() == length && hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(InvalidImage::Digest(text.to_owned()))
        }
    }
}

impl TryFrom<String> for Digest {
    type Error = InvalidImage;
    fn try_from(text: String) -> Result<Self, InvalidImage> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a manifest may name: an image with a tag, a digest, both or neither.
///
/// The name stays as it was written, because that is what a manifest is compared with; [`ImageRef::image`] normalises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRef {
    /// The name as written: `alpine`, `ghcr.io/acme/web`.
    pub name: String,
    /// The part after `:`.
    pub tag: Option<Tag>,
    /// The part after `@`.
    pub digest: Option<Digest>,
}

impl ImageRef {
    /// The image it names, normalised.
    ///
    /// # Errors
    ///
    /// When the name is none that a registry could serve.
    pub fn image(&self) -> Result<ImageName, InvalidImage> {
        self.name.parse()
    }
}

impl FromStr for ImageRef {
    type Err = InvalidImage;
    fn from_str(text: &str) -> Result<Self, InvalidImage> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse()?)),
            None => (text, None),
        };
        // A colon before the last slash is a registry's port.
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag.parse()?)),
            _ => (rest, None),
        };
        let reference = Self { name: name.to_owned(), tag, digest };
        reference.image()?;
        Ok(reference)
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        match text.parse::<ImageName>() {
            Ok(name) => name.to_string(),
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn many_spellings_are_one_image() {
        for text in
            ["alpine", "docker.io/alpine", "index.docker.io/library/alpine", "library/alpine", "Docker.IO/alpine"]
        {
            assert_eq!(canonical(text), "docker.io/library/alpine", "{text}");
        }
    }

    #[test]
    fn the_first_segment_is_a_registry_only_if_it_looks_like_a_host() {
        assert_eq!(canonical("acme/web"), "docker.io/acme/web");
        assert_eq!(canonical("localhost/web"), "localhost/web");
        assert_eq!(canonical("192.168.0.40:5000/frontend"), "192.168.0.40:5000/frontend");
        assert_eq!(canonical("ghcr.io/acme/team/web"), "ghcr.io/acme/team/web");
    }

    #[test]
    fn a_name_with_more_than_a_name_says_what_to_remove() {
        insta::assert_snapshot!(canonical("https://ghcr.io/acme/web"), @"error: image `https://ghcr.io/acme/web` includes a URL scheme; remove `https://`");
        insta::assert_snapshot!(canonical("ghcr.io/acme/web:1.0"), @"error: image `ghcr.io/acme/web:1.0` includes a tag or digest; remove `:1.0`");
    }

    #[test]
    fn hostile_names_are_refused() {
        for text in [
            "",
            "/",
            "ghcr.io/",
            "ghcr.io/../x",
            "ghcr.io/a//b",
            "ghcr.io/A/b",
            "ghcr.io/a b",
            "-x.io/a",
            "a..b/c",
            "x.io:0/a",
            "x.io:99999/a",
        ] {
            assert!(text.parse::<ImageName>().is_err(), "{text:?} must be refused");
        }
    }

    #[test]
    fn tags_and_digests_follow_the_grammar_of_the_registries() {
        assert!("1.0.0".parse::<Tag>().is_ok());
        assert!("_x".parse::<Tag>().is_ok());
        for text in ["", "-x", ".x", "a:b", "sha256:00", "a b", "é", &"x".repeat(129)] {
            assert!(text.parse::<Tag>().is_err(), "{text:?} is no tag");
        }
        let digest: Digest = format!("sha256:{}", "Ab".repeat(32)).parse().unwrap();
        assert_eq!(digest.short(), "sha256:abababababab");
        for text in ["", "sha256:", "sha256:zz", "md5:00", "sha512:00", "sha256"] {
            assert!(text.parse::<Digest>().is_err(), "{text:?} is no digest");
        }
    }

    #[test]
    fn a_reference_prints_as_it_was_written() {
        let digest = format!("sha256:{}", "0".repeat(64));
        for text in ["alpine", "alpine:3.20", "localhost:5000/web", "localhost:5000/web:main"] {
            assert_eq!(text.parse::<ImageRef>().unwrap().to_string(), text);
            let pinned = format!("{text}@{digest}");
            assert_eq!(pinned.parse::<ImageRef>().unwrap().to_string(), pinned);
        }
    }
}
