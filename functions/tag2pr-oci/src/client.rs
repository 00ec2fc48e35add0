//! The four questions: what does a tag point at, what does a digest run on and where was it built from, which tags are
//! there.

use async_trait::async_trait;
use reqwest::header::ACCEPT;
use reqwest::{Method, Response, StatusCode};
use tag2pr::image::{Digest, ImageName, Tag};
use tag2pr::origin::Origin;
use tag2pr::platform::Platforms;
use tag2pr::seams::{Page, Registry, RegistryError};

use crate::auth::Memory;
use crate::contents::{Configuration, Contents, Manifest};
use crate::host::{Host, connections};
use crate::listing;
use crate::settings::{InvalidSettings, Limits, Others, RegistrySettings};

/// Indexes and images in both dialects. Distribution answers 404 to whoever does not accept the type that was pushed.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
                         application/vnd.docker.distribution.manifest.list.v2+json, \
                         application/vnd.docker.distribution.manifest.v2+json";
/// What registries have agreed that a manifest may be at most.
const MANIFEST_BYTES: usize = 4 << 20;
/// More than any image's configuration.
const CONFIGURATION_BYTES: usize = 4 << 20;

/// Registries over HTTP.
///
/// Make one and share it: it keeps connections open, and tokens until they expire.
#[derive(Debug)]
pub struct Client {
    hosts: Vec<Host>,
    others: Others,
    limits: Limits,
    http: reqwest::Client,
    memory: Memory,
}

impl Client {
    /// A client for these registries, and for all others if they are to be asked.
    ///
    /// # Errors
    ///
    /// When a setting can't be used.
    pub fn new(registries: Vec<RegistrySettings>, others: Others) -> Result<Self, InvalidSettings> {
        Self::with_limits(registries, others, Limits::default())
    }

    /// A client that waits and remembers no more than this.
    ///
    /// # Errors
    ///
    /// When a setting can't be used.
    pub fn with_limits(
        registries: Vec<RegistrySettings>,
        others: Others,
        limits: Limits,
    ) -> Result<Self, InvalidSettings> {
        let http = connections(&limits, &[])?;
        let mut hosts: Vec<Host> = Vec::new();
        for settings in registries {
            let host = Host::configured(settings, &http, &limits)?;
            let taken = |name: &&String| hosts.iter().any(|other| other.names.contains(name));
            if let Some(name) = host.names.iter().find(taken) {
                return Err(InvalidSettings::Twice(name.clone()));
            }
            hosts.push(host);
        }
        Ok(Self { hosts, others, limits, http, memory: Memory::default() })
    }

    /// The registry of an image, with whatever gets us in.
    async fn host(&self, image: &ImageName) -> Result<Host, RegistryError> {
        self.configured(image)?.logged_in().await
    }

    fn configured(&self, image: &ImageName) -> Result<Host, RegistryError> {
        let name = image.registry();
        if let Some(host) = self.hosts.iter().find(|host| host.names.iter().any(|known| known == name)) {
            return Ok(host.clone());
        }
        match self.others {
            Others::Anonymous => Ok(Host::anonymous(name, &self.http)),
            Others::Refused => Err(RegistryError::Refused {
                registry: name.to_owned(),
                reason: format!("it is not configured, so {image} is not looked up: add it under `registries`"),
            }),
        }
    }

    async fn manifest(
        &self,
        host: &Host,
        image: &ImageName,
        tag: &Tag,
        method: Method,
    ) -> Result<Response, RegistryError> {
        let url = host.url(image.repository(), &format!("manifests/{tag}"))?;
        let request = || host.http.request(method.clone(), url.clone()).header(ACCEPT, MANIFESTS);
        self.memory.send(host, image, request).await
    }

    /// What has this digest, whole and checked; `None` if the registry says that there is no such thing.
    async fn content(
        &self,
        host: &Host,
        image: &ImageName,
        kind: &str,
        digest: &Digest,
        limit: usize,
    ) -> Result<Option<Vec<u8>>, RegistryError> {
        let url = host.url(image.repository(), &format!("{kind}/{digest}"))?;
        let accept = if kind == "manifests" { MANIFESTS } else { "*/*" };
        let request = || host.http.get(url.clone()).header(ACCEPT, accept);
        let response = self.memory.send(host, image, request).await?;
        match response.status() {
            StatusCode::OK => {
                let body = host.body(response, limit).await?;
                match is_of(&body, digest) {
                    true => Ok(Some(body)),
                    false => Err(host.unavailable(format!("its answer for {digest} has another digest"))),
                }
            }
            StatusCode::NOT_FOUND => host.unknown(response).await.map(|()| None),
            _ => Err(host.denied(image, response).await),
        }
    }

    /// A manifest or an index, read; `None` if the registry says that there is no such thing.
    async fn read(&self, host: &Host, image: &ImageName, digest: &Digest) -> Result<Option<Manifest>, RegistryError> {
        let bytes = self.content(host, image, "manifests", digest, MANIFEST_BYTES).await?;
        bytes.map(|bytes| Manifest::read(&bytes).map_err(|reason| unreadable(host, digest, &reason))).transpose()
    }

    /// The configuration that a manifest names.
    async fn configuration(
        &self,
        host: &Host,
        image: &ImageName,
        manifest: &Digest,
        configuration: &Digest,
    ) -> Result<Configuration, RegistryError> {
        let bytes = self.content(host, image, "blobs", configuration, CONFIGURATION_BYTES).await?;
        let missing = || host.unavailable(format!("the configuration {configuration} of {manifest} is missing"));
        Configuration::read(&bytes.ok_or_else(missing)?).map_err(|reason| unreadable(host, configuration, &reason))
    }
}

#[async_trait]
impl Registry for Client {
    async fn digest(&self, image: &ImageName, tag: &Tag) -> Result<Option<Digest>, RegistryError> {
        let host = &self.host(image).await?;
        let mut response = self.manifest(host, image, tag, Method::HEAD).await?;
        if response.status() == StatusCode::OK {
            if let Some(value) = response.headers().get("docker-content-digest") {
                let digest = value.to_str().ok().and_then(|text| text.parse().ok());
                return digest.map(Some).ok_or_else(|| host.unavailable("it answered with a digest that is none"));
            }
            response = self.manifest(host, image, tag, Method::GET).await?;
        }
        match response.status() {
            StatusCode::OK => {
                let body = host.body(response, MANIFEST_BYTES).await?;
                sha256(&body).parse().map(Some).map_err(|_| host.unavailable("its manifest has no digest"))
            }
            StatusCode::NOT_FOUND => host.unknown(response).await.map(|()| None),
            _ => Err(host.denied(image, response).await),
        }
    }

    async fn platforms(&self, image: &ImageName, digest: &Digest) -> Result<Option<Platforms>, RegistryError> {
        let host = &self.host(image).await?;
        let Some(manifest) = self.read(host, image, digest).await? else { return Ok(None) };
        match manifest.contents {
            Contents::Index { platforms, .. } => Ok(Some(platforms)),
            Contents::Artifact => Ok(Some(Platforms::new())),
            Contents::Image(configuration) => {
                let configuration = self.configuration(host, image, digest, &configuration).await?;
                Ok(Some(configuration.platforms))
            }
        }
    }

    async fn origin(&self, image: &ImageName, digest: &Digest) -> Result<Option<Origin>, RegistryError> {
        let host = &self.host(image).await?;
        let Some(Manifest { mut contents, mut origin }) = self.read(host, image, digest).await? else {
            return Ok(None);
        };
        let mut asked = digest.clone();
        if !origin.is_whole()
            && let Contents::Index { first: Some(first), .. } = contents
        {
            // Mirrors leave out the platforms that nobody asked them for.
            let Some(manifest) = self.read(host, image, &first).await? else { return Ok(Some(origin)) };
            (contents, origin) = (manifest.contents, manifest.origin.or(origin));
            asked = first;
        }
        // The labels of an image may be those of the image that it was made from; its annotations are its own.
        if !origin.is_whole()
            && let Contents::Image(configuration) = contents
        {
            origin = self.configuration(host, image, &asked, &configuration).await?.origin.or(origin);
        }
        Ok(Some(origin))
    }

    async fn tags(&self, image: &ImageName) -> Result<Vec<Tag>, RegistryError> {
        listing::tags(&self.memory, &self.host(image).await?, image, &self.limits).await
    }

    async fn page(&self, image: &ImageName, from: Option<&str>) -> Result<Page, RegistryError> {
        listing::page(&self.memory, &self.host(image).await?, image, from, &self.limits).await
    }
}

fn unreadable(host: &Host, digest: &Digest, reason: &str) -> RegistryError {
    host.refused(format!("{digest} cannot be read: {reason}"))
}

fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(&ring::digest::SHA256, bytes))
}

/// Whether bytes are what a digest names.
fn is_of(bytes: &[u8], digest: &Digest) -> bool {
    match digest.as_str().strip_prefix("sha512:") {
        Some(sha512) => sha512 == hex(&ring::digest::SHA512, bytes),
        None => digest.as_str() == sha256(bytes),
    }
}

fn hex(algorithm: &'static ring::digest::Algorithm, bytes: &[u8]) -> String {
    ring::digest::digest(algorithm, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
