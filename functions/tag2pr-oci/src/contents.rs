//! What a manifest says it holds: an [index] the platforms of its images, an image a configuration that says its own.
//!
//! [index]: https://github.com/opencontainers/image-spec/blob/v1.1.0/image-index.md

use serde::Deserialize;
use tag2pr::image::Digest;
use tag2pr::platform::{Platform, Platforms};

/// Configurations that say what an image runs on. Charts, signatures and the like have others.
const CONFIGURATIONS: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];

/// What a manifest is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Contents {
    /// An index over images for these platforms; entries without one, and attestations, count for nothing.
    Index(Platforms),
    /// An image: its configuration says what it runs on.
    Image(Digest),
    /// Something that runs on nothing.
    Artifact,
}

/// Reads a manifest or an index.
///
/// # Errors
///
/// Why it is neither, in half a sentence.
pub(crate) fn read(manifest: &[u8]) -> Result<Contents, String> {
    #[derive(Deserialize)]
    struct Document {
        manifests: Option<Vec<Entry>>,
        config: Option<Configuration>,
    }
    #[derive(Deserialize)]
    struct Entry {
        platform: Option<Runs>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Configuration {
        #[serde(default)]
        media_type: String,
        digest: Digest,
    }
    let document: Document = serde_json::from_slice(manifest).map_err(|error| error.to_string())?;
    match (document.manifests, document.config) {
        // Whoever reads it otherwise would see something else under the same digest.
        (Some(_), Some(_)) => Err("it is an index and an image at once".to_owned()),
        (None, None) => Err("it is neither an index nor an image".to_owned()),
        (Some(entries), None) => {
            let platforms = entries.into_iter().filter_map(|entry| entry.platform?.platform());
            Ok(Contents::Index(platforms.collect()))
        }
        (None, Some(configuration)) if CONFIGURATIONS.contains(&configuration.media_type.as_str()) => {
            Ok(Contents::Image(configuration.digest))
        }
        (None, Some(_)) => Ok(Contents::Artifact),
    }
}

/// Reads an image's configuration.
///
/// # Errors
///
/// Why it is none, in half a sentence.
pub(crate) fn configuration(bytes: &[u8]) -> Result<Platforms, String> {
    let runs: Runs = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    Ok(runs.platform().into_iter().collect())
}

#[derive(Deserialize)]
struct Runs {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    variant: Option<String>,
}

impl Runs {
    fn platform(&self) -> Option<Platform> {
        Platform::new(&self.os, &self.architecture, self.variant.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tag2pr::platform::listed;

    const DIGEST: &str = "sha256:1972e38a0b1c1972e38a0b1c1972e38a0b1c1972e38a0b1c1972e38a0b1c1972";

    fn platforms(manifest: &str) -> String {
        match read(manifest.as_bytes()) {
            Ok(Contents::Index(platforms)) => listed(&platforms),
            Ok(other) => format!("{other:?}"),
            Err(reason) => reason,
        }
    }

    #[test]
    fn an_index_holds_what_its_entries_are_for() {
        let index = r#"{"manifests": [
            {"platform": {"os": "linux", "architecture": "arm", "variant": "v7"}},
            {"platform": {"os": "linux", "architecture": "amd64"}},
            {"platform": {"os": "windows", "architecture": "amd64", "os.version": "10.0.20348.2700"}},
            {"platform": {"os": "unknown", "architecture": "unknown"},
             "annotations": {"vnd.docker.reference.type": "attestation-manifest"}},
            {"platform": {"os": "LINUX\u0007", "architecture": "amd64"}},
            {"digest": "sha256:x"}]}"#;
        assert_eq!(platforms(index), "linux/amd64, linux/arm/v7 and windows/amd64");
        assert_eq!(platforms(r#"{"manifests": []}"#), "no platform");
    }

    #[test]
    fn what_is_no_image_runs_on_nothing() {
        let with = |media_type: &str| {
            let config = format!(r#"{{"config": {{"mediaType": "{media_type}", "digest": "{DIGEST}"}}}}"#);
            read(config.as_bytes()).unwrap()
        };
        assert_eq!(with("application/vnd.oci.image.config.v1+json"), Contents::Image(DIGEST.parse().unwrap()));
        assert_eq!(with("application/vnd.docker.container.image.v1+json"), Contents::Image(DIGEST.parse().unwrap()));
        assert_eq!(with("application/vnd.cncf.helm.config.v1+json"), Contents::Artifact);
        assert_eq!(with(""), Contents::Artifact);
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let both = format!(r#"{{"manifests": [], "config": {{"digest": "{DIGEST}"}}}}"#);
        assert_eq!(platforms(&both), "it is an index and an image at once");
        assert_eq!(platforms("{}"), "it is neither an index nor an image");
        assert!(platforms("[").starts_with("EOF"));
        assert!(platforms(r#"{"config": {"digest": "../../etc/passwd"}}"#).contains("../../etc/passwd"));
        assert_eq!(
            configuration(br#"{"os": "linux", "architecture": "arm64", "variant": "v8"}"#).map(|p| listed(&p)),
            Ok("linux/arm64".to_owned())
        );
        assert_eq!(configuration(b"{}").map(|p| listed(&p)), Ok("no platform".to_owned()));
        assert!(configuration(b"<html>").is_err());
    }
}
