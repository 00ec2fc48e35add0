//! What a sender claims happened, and whether it concerns an image: the rules that hold for every sender.

use jiff::Timestamp;

use super::{Action, Event, Ignored};
use crate::image::{Digest, ImageName, InvalidImage, Tag};

/// A push or deletion, or why it is neither.
pub(super) type Reading = Result<Event, Ignored>;

/// A push or deletion in the words of its sender; nothing of it is checked yet.
pub(super) struct Claim {
    pub(super) action: Action,
    pub(super) registry: Option<String>,
    pub(super) repository: Option<String>,
    pub(super) tag: Option<String>,
    pub(super) digest: Option<String>,
    pub(super) media_type: Option<String>,
    /// The media types of what the manifest refers to, as far as the sender lists them.
    pub(super) parts: Vec<String>,
    pub(super) pushed_at: Option<Timestamp>,
    pub(super) actor: Option<String>,
    pub(super) id: Option<String>,
}

impl Claim {
    /// Takes valid claims about images, and says why not of the others.
    pub(super) fn judge(self) -> Reading {
        let Some(repository) = self.repository else { return ignored("it names no repository") };

        // Senders that must name a tag write the digest where a manifest was pushed without one.
        let is_digest = |tag: &str| tag.starts_with("sha256:") || tag.starts_with("sha512:");
        let (tag, digest) = match self.tag {
            Some(tag) if is_digest(&tag) => (None, self.digest.or(Some(tag))),
            tag => (tag.filter(|tag| self.digest.as_ref() != Some(tag)), self.digest),
        };
        let subject = match (&tag, &digest) {
            (None, Some(digest)) => format!("`{}@{}`", excerpt(&repository, 100), excerpt(digest, 19)),
            (tag, _) => subject(Some(&repository), tag.as_deref()),
        };
        if tag.is_none() && self.action == Action::Push {
            return ignored(format!(
                "{subject} was pushed without a tag: one platform of an image, an attestation or a copy"
            ));
        }
        if let Some(what) = tag.as_deref().and_then(companion) {
            return ignored(format!("{subject} is {what}, not an image"));
        }
        if let Some(what) = self.media_type.iter().chain(&self.parts).find_map(|part| other_artifact(part)) {
            return ignored(format!("{subject} is {what}, not an image"));
        }
        if tag.is_none() && digest.is_none() {
            return ignored(format!("{subject} was deleted as a whole; the sweep finds which tags are gone"));
        }

        // The repository's rules do not depend on the host, but for Docker Hub's.
        let host = self.registry.as_deref().unwrap_or("localhost");
        let image = ImageName::new(host, &repository).map_err(invalid)?;
        Ok(Event {
            action: self.action,
            registry: self.registry.is_some().then(|| image.registry().to_owned()),
            repository: image.repository().to_owned(),
            tag: tag.map(|tag| tag.parse::<Tag>()).transpose().map_err(invalid)?,
            digest: digest.map(|digest| digest.parse::<Digest>()).transpose().map_err(invalid)?,
            media_type: self.media_type.filter(|text| is_token(text)),
            pushed_at: self.pushed_at,
            actor: self.actor.map(|actor| excerpt(&actor, 100)),
            id: self.id.filter(|text| is_token(text)),
        })
    }
}

/// Something that is no push or deletion of an image.
pub(super) fn ignored<T>(reason: impl Into<String>) -> Result<T, Ignored> {
    Err(Ignored { reason: reason.into() })
}

/// `acme/web:1.0` as people would call it, safe to print.
pub(super) fn subject(repository: Option<&str>, tag: Option<&str>) -> String {
    let repository = excerpt(repository.unwrap_or("something"), 100);
    match tag {
        Some(tag) => format!("`{repository}:{}`", excerpt(tag, 100)),
        None => format!("`{repository}`"),
    }
}

/// Cuts a text and escapes what a terminal would obey.
pub(super) fn excerpt(text: &str, length: usize) -> String {
    let mut shown = String::new();
    for (index, c) in text.chars().enumerate() {
        if index == length {
            shown.push('…');
            break;
        }
        match c {
            '"' | '\'' | '\\' => shown.push(c),
            _ => shown.extend(c.escape_debug()),
        }
    }
    shown
}

fn is_token(text: &str) -> bool {
    text.len() <= 200 && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn invalid(error: InvalidImage) -> Ignored {
    let short = |text: String| excerpt(&text, 100);
    let error = match error {
        InvalidImage::Scheme(text, scheme) => InvalidImage::Scheme(short(text), short(scheme)),
        InvalidImage::TagNotAllowed(text, tag) => InvalidImage::TagNotAllowed(short(text), short(tag)),
        InvalidImage::Repository(text) => InvalidImage::Repository(short(text)),
        InvalidImage::Registry(text) => InvalidImage::Registry(short(text)),
        InvalidImage::Tag(text) => InvalidImage::Tag(short(text)),
        InvalidImage::Digest(text) => InvalidImage::Digest(short(text)),
    };
    Ignored { reason: error.to_string() }
}

/// What a tag that belongs to another image holds: [cosign](https://docs.sigstore.dev/cosign/)'s tags and the
/// [referrers tag](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#referrers-tag-schema).
fn companion(tag: &str) -> Option<&'static str> {
    let rest = tag.strip_prefix("sha256-").or_else(|| tag.strip_prefix("sha512-"))?;
    let (hex, suffix) = rest.split_once('.').unwrap_or((rest, ""));
    if !(64..=128).contains(&hex.len()) || !hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    match suffix {
        "" => Some("a list of what refers to an image"),
        "sig" => Some("a signature"),
        "att" => Some("an attestation"),
        "sbom" => Some("a bill of materials"),
        _ => None,
    }
}

/// What media types of configurations and manifests say that is certainly no image. The unknown counts as an image: a
/// policy that does not want it has a pattern.
fn other_artifact(media_type: &str) -> Option<&'static str> {
    [
        ("application/vnd.cncf.helm.", "a Helm chart"),
        ("application/vnd.docker.plugin.", "a Docker plugin"),
        ("application/vnd.docker.ai.", "a model"),
        ("application/vnd.buildkit.cacheconfig.", "a build cache"),
        ("application/vnd.oci.artifact.manifest.", "an artifact"),
        ("application/vnd.oci.empty.", "an artifact"),
    ]
    .into_iter()
    .find_map(|(prefix, what)| media_type.starts_with(prefix).then_some(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_that_belong_to_another_image_are_known_by_their_form() {
        let hex = "15a3847a90d4fa2f6b341fe9b0d4bd42f9e4f6cf3466a4024dcc826fed0bc6b3";
        for tag in ["sha256-H", "sha512-H", "sha256-H.sig", "sha256-H.att", "sha256-H.sbom", "sha512-HH.sig"] {
            assert!(companion(&tag.replace('H', hex)).is_some(), "{tag}");
        }
        for tag in
            ["sha-33cefd3", "sha256-33cefd3", "sha256-H.sigs", "sha256-H-arm64", "v1.sig", "xsha256-H", "sha256-"]
        {
            assert!(companion(&tag.replace('H', hex)).is_none(), "{tag} is a tag like any other");
        }
    }

    #[test]
    fn an_excerpt_is_short_and_does_nothing_to_a_terminal() {
        assert_eq!(excerpt("robot$ci+push", 100), "robot$ci+push");
        assert_eq!(excerpt("O'Brien \"x\" \\ é", 100), "O'Brien \"x\" \\ é");
        assert_eq!(excerpt("a\u{1b}[31m\nb\u{202e}c", 100), "a\\u{1b}[31m\\nb\\u{202e}c");
        assert_eq!(excerpt(&"x".repeat(50), 3), "xxx…");
    }
}
