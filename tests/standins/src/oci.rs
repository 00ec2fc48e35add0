//! Small container images made of a text: the same text makes the same bytes, and so the same digest.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

/// The media type of an image manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of an index over images.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// Something that a tag can point at, with what must be there before it is pushed.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// [`MANIFEST`] or [`INDEX`].
    pub media_type: &'static str,
    /// Its JSON, as it is pushed.
    pub bytes: Vec<u8>,
    /// The blobs of an image.
    pub blobs: Vec<Vec<u8>>,
    /// The images of an index.
    pub images: Vec<Manifest>,
}

impl Manifest {
    /// An image for linux/amd64 with one layer and with these labels.
    pub fn image(content: &str, labels: &[(&str, &str)]) -> Self {
        let layer = content.as_bytes().to_vec();
        let labels: serde_json::Map<_, _> =
            labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        let config = json!({
            "architecture": "amd64",
            "os": "linux",
            "config": { "Labels": labels },
            "rootfs": { "type": "layers", "diff_ids": [digest(&layer)] },
        });
        Self::of(config.to_string().into_bytes(), layer)
    }

    fn of(config: Vec<u8>, layer: Vec<u8>) -> Self {
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": { "mediaType": CONFIG, "digest": digest(&config), "size": config.len() },
            "layers": [{ "mediaType": LAYER, "digest": digest(&layer), "size": layer.len() }],
        });
        let bytes = manifest.to_string().into_bytes();
        Self { media_type: MANIFEST, bytes, blobs: vec![config, layer], images: Vec::new() }
    }

    /// An image for this platform, `linux/arm/v7`.
    pub fn image_for(platform: &str) -> Self {
        let layer = platform.as_bytes().to_vec();
        let mut config = json!({ "rootfs": { "type": "layers", "diff_ids": [digest(&layer)] } });
        for (key, value) in ["os", "architecture", "variant"].iter().zip(platform.split('/')) {
            config[key] = value.into();
        }
        let config = config.to_string().into_bytes();
        Self::of(config, layer)
    }

    /// An index over one image for each platform.
    pub fn index_for(platforms: &[&str]) -> Self {
        Self::index_over(platforms.iter().map(|platform| (Self::image_for(platform), *platform)).collect())
    }

    /// An index over images made of these texts, which claim to be for amd64, arm64 and others.
    pub fn index(contents: &[&str]) -> Self {
        let platforms = ["linux/amd64", "linux/arm64", "linux/arm", "linux/s390x"].into_iter().cycle();
        Self::index_over(contents.iter().map(|content| Self::image(content, &[])).zip(platforms).collect())
    }

    /// An index over these, each said to be for a platform, `linux/arm/v7`; an attestation is for `unknown/unknown`.
    pub fn index_over(images: Vec<(Self, &str)>) -> Self {
        let entry = |(image, platform): &(Self, &str)| {
            let mut entry =
                json!({ "mediaType": image.media_type, "digest": image.digest(), "size": image.bytes.len() });
            for (key, value) in ["os", "architecture", "variant"].iter().zip(platform.split('/')) {
                entry["platform"][key] = value.into();
            }
            entry
        };
        let entries: Vec<_> = images.iter().map(entry).collect();
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries });
        let images = images.into_iter().map(|(image, _)| image).collect();
        Self { media_type: INDEX, bytes: index.to_string().into_bytes(), blobs: Vec::new(), images }
    }

    /// The same with these annotations; without any it stays as it is.
    ///
    /// # Panics
    ///
    /// Never: it is JSON.
    #[must_use]
    pub fn annotated(mut self, annotations: &[(&str, &str)]) -> Self {
        let mut manifest: Value = serde_json::from_slice(&self.bytes).expect("a manifest is JSON");
        for (name, value) in annotations {
            manifest["annotations"][*name] = (*value).into();
        }
        self.bytes = manifest.to_string().into_bytes();
        self
    }

    /// `sha256:` and 64 hexadecimal digits.
    pub fn digest(&self) -> String {
        digest(&self.bytes)
    }

    /// Writes it to a folder as an [OCI layout](https://github.com/opencontainers/image-spec/blob/main/image-layout.md)
    /// under this name, for other people's programs.
    ///
    /// # Panics
    ///
    /// When the folder cannot be written.
    pub fn write_layout(&self, folder: &Path, name: &str) {
        let index = json!({
            "schemaVersion": 2,
            "manifests": [{
                "mediaType": self.media_type,
                "digest": self.digest(),
                "size": self.bytes.len(),
                "annotations": { "org.opencontainers.image.ref.name": name },
            }],
        });
        fs::create_dir_all(folder.join("blobs/sha256")).expect("a folder for blobs");
        fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("a file");
        fs::write(folder.join("index.json"), index.to_string()).expect("a file");
        self.write_blobs(&folder.join("blobs/sha256"));
    }

    fn write_blobs(&self, folder: &Path) {
        for bytes in self.blobs.iter().chain([&self.bytes]) {
            let digest = digest(bytes);
            fs::write(folder.join(digest.trim_start_matches("sha256:")), bytes).expect("a blob");
        }
        self.images.iter().for_each(|image| image.write_blobs(folder));
    }
}

/// The `sha256:` digest of some bytes.
pub fn digest(bytes: &[u8]) -> String {
    let hash = ring::digest::digest(&ring::digest::SHA256, bytes);
    let hex: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}
