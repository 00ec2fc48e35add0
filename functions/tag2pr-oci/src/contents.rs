//! What a manifest says it holds: an [index] the platforms of its images, an image a configuration that says its own.
//! And where each of them says that it was built from.
//!
//! [index]: https://github.com/opencontainers/image-spec/blob/v1.1.0/image-index.md

use serde::Deserialize;
use serde_json::Value;
use tag2pr::image::Digest;
use tag2pr::origin::Origin;
use tag2pr::platform::{Platform, Platforms};

/// Configurations that say what an image runs on. Charts, signatures and the like have others.
const CONFIGURATIONS: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];

/// The annotation of an entry that is about another one, and no image.
const ABOUT_ANOTHER: &str = "vnd.docker.reference.type";

/// A manifest or an index.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// What it is.
    pub(crate) contents: Contents,
    /// What its annotations say.
    pub(crate) origin: Origin,
}

/// What a manifest is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Contents {
    /// An index over images.
    Index {
        /// What they are for; entries without a platform, and attestations, count for nothing.
        platforms: Platforms,
        /// The first of them that is no attestation.
        first: Option<Digest>,
    },
    /// An image: its configuration says what it runs on.
    Image(Digest),
    /// Something that runs on nothing.
    Artifact,
}

/// What an image's configuration says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Configuration {
    /// What it runs on.
    pub(crate) platforms: Platforms,
    /// What its labels say.
    pub(crate) origin: Origin,
}

impl Manifest {
    /// Reads a manifest or an index.
    ///
    /// # Errors
    ///
    /// Why it is neither, in half a sentence.
    pub(crate) fn read(manifest: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Document {
            manifests: Option<Vec<Entry>>,
            config: Option<Named>,
            #[serde(default)]
            annotations: Value,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Named {
            #[serde(default)]
            media_type: String,
            digest: Digest,
        }
        let document: Document = serde_json::from_slice(manifest).map_err(|error| error.to_string())?;
        let contents = match (document.manifests, document.config) {
            // Whoever reads it otherwise would see something else under the same digest.
            (Some(_), Some(_)) => return Err("it is an index and an image at once".to_owned()),
            (None, None) => return Err("it is neither an index nor an image".to_owned()),
            (Some(entries), None) => Contents::Index {
                first: entries.iter().find_map(Entry::image),
                platforms: entries.iter().filter_map(|entry| entry.platform.as_ref()?.platform()).collect(),
            },
            (None, Some(named)) if CONFIGURATIONS.contains(&named.media_type.as_str()) => Contents::Image(named.digest),
            (None, Some(_)) => Contents::Artifact,
        };
        Ok(Self { contents, origin: origin(&document.annotations) })
    }
}

impl Configuration {
    /// Reads an image's configuration.
    ///
    /// # Errors
    ///
    /// Why it is none, in half a sentence.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        let runs: Runs = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let document: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let origin = origin(&document["config"]["Labels"]);
        Ok(Self { platforms: runs.platform().into_iter().collect(), origin })
    }
}

/// What an index says of one of its images.
#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    digest: Value,
    platform: Option<Runs>,
    #[serde(default)]
    annotations: Value,
}

impl Entry {
    /// Its digest, if it is not about another one.
    fn image(&self) -> Option<Digest> {
        let is_for_nothing = self.platform.as_ref().is_some_and(Runs::is_unknown);
        let is_image = !is_for_nothing && self.annotations.get(ABOUT_ANOTHER).is_none();
        self.digest.as_str().filter(|_| is_image)?.parse().ok()
    }
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

    fn is_unknown(&self) -> bool {
        self.os == "unknown" && self.architecture == "unknown"
    }
}

/// What labels or annotations say. They decide nothing: what is not written as it should be is not said.
fn origin(said: &Value) -> Origin {
    let text = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
    Origin::of(&said.as_object().into_iter().flatten().filter_map(text).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tag2pr::platform::listed;

    const DIGEST: &str = "sha256:1972e38a0b1c1972e38a0b1c1972e38a0b1c1972e38a0b1c1972e38a0b1c1972";

    fn platforms(manifest: &str) -> String {
        match Manifest::read(manifest.as_bytes()).map(|manifest| manifest.contents) {
            Ok(Contents::Index { platforms, .. }) => listed(&platforms),
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
            Manifest::read(config.as_bytes()).unwrap().contents
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
        let configuration = |text: &str| Configuration::read(text.as_bytes()).map(|read| listed(&read.platforms));
        assert_eq!(
            configuration(r#"{"os": "linux", "architecture": "arm64", "variant": "v8"}"#),
            Ok("linux/arm64".to_owned())
        );
        assert_eq!(configuration("{}"), Ok("no platform".to_owned()));
        assert!(configuration("<html>").is_err());
    }

    fn said(origin: &Origin) -> String {
        format!("{:?} {:?}", origin.source.as_deref().unwrap_or(""), origin.revision.as_deref().unwrap_or(""))
    }

    #[test]
    fn the_first_image_of_an_index_is_no_attestation() {
        let index = |entries: &str| {
            let Contents::Index { first, .. } = Manifest::read(entries.as_bytes()).unwrap().contents else {
                panic!("it is an index")
            };
            first.map(|digest| digest.to_string())
        };
        let entry = |more: &str| format!(r#"{{"digest": "{DIGEST}"{more}}}"#);
        let other = format!(r#"{{"digest": "{}"}}"#, DIGEST.replace('3', "4"));
        for before in [
            other.replace("digest", "urls"),
            r#"{"digest": 7}"#.to_owned(),
            r#"{"digest": "sha256:x"}"#.to_owned(),
            other.replace('}', r#", "platform": {"os": "unknown", "architecture": "unknown"}}"#),
            other.replace('}', r#", "annotations": {"vnd.docker.reference.type": "attestation-manifest"}}"#),
        ] {
            let entries = format!(r#"{{"manifests": [{before}, {}, {other}]}}"#, entry(r#", "annotations": []"#));
            assert_eq!(index(&entries).as_deref(), Some(DIGEST), "{before}");
        }
        assert_eq!(index(r#"{"manifests": []}"#), None);
    }

    #[test]
    fn labels_and_annotations_say_where_it_was_built_from() {
        let labels = r#"{"org.opencontainers.image.source": "https://github.com/acme/web",
                         "org.opencontainers.image.revision": "1972e38", "maintainer": "team"}"#;
        for (labels, expected) in [
            (labels, r#""https://github.com/acme/web" "1972e38""#),
            (r#"{"org.opencontainers.image.revision": "1972e38"}"#, r#""" "1972e38""#),
            (r#"{"org.opencontainers.image.revision": 1972, "x": {}}"#, r#""" """#),
            (r#"["org.opencontainers.image.revision"]"#, r#""" """#),
            ("null", r#""" """#),
            ("7", r#""" """#),
        ] {
            let manifest = format!(r#"{{"manifests": [], "annotations": {labels}}}"#);
            let manifest = Manifest::read(manifest.as_bytes()).unwrap();
            assert_eq!(said(&manifest.origin), expected, "{labels}");
            let configuration = format!(r#"{{"os": "linux", "config": {{"Labels": {labels}}}}}"#);
            let configuration = Configuration::read(configuration.as_bytes()).unwrap();
            assert_eq!(said(&configuration.origin), expected, "{labels}");
        }
        for configuration in ["{}", r#"{"config": null}"#, r#"{"config": "x"}"#, r#"{"config": {}}"#] {
            assert!(Configuration::read(configuration.as_bytes()).unwrap().origin.is_empty(), "{configuration}");
        }
    }
}
