use std::net::SocketAddr;

use async_trait::async_trait;
use tag2pr::image::{Digest, ImageName, Tag};
use tag2pr::origin::{REVISION, SOURCE};
use tag2pr::seams::Registry;
use tag2pr::testing::conformance::registry::{Built, Outside, Said, conforms};
use tag2pr_standins::docker_registry::{DockerRegistry, Options};
use tag2pr_standins::oci::Manifest;
use tag2pr_standins::registry::{self, Access, Listing, PASSWORD};
use tokio::task::JoinSet;

use crate::{client, settings, team};

/// A place where nobody listens.
const NOBODY: &str = "127.0.0.1:1";

/// What nobody asks for.
const ELSEWHERE: [(&str, &str); 2] =
    [(SOURCE, "https://elsewhere.example/a/b"), (REVISION, "6cb720309d126cb720309d126cb720309d126cb7")];

fn pairs(said: &Said) -> Vec<(&str, &str)> {
    said.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

enum Place {
    StandIn(registry::Registry),
    Real(DockerRegistry),
}

impl Place {
    fn address(&self) -> SocketAddr {
        match self {
            Self::StandIn(registry) => registry.address(),
            Self::Real(registry) => registry.address(),
        }
    }

    fn put(&self, image: &ImageName, tag: &Tag, manifest: &Manifest) -> Digest {
        let (repository, tag) = (image.repository(), tag.as_str());
        let digest = match self {
            Self::StandIn(registry) => registry.push_manifest(repository, tag, manifest),
            Self::Real(registry) => registry.push_manifest(repository, tag, manifest),
        };
        digest.parse().unwrap()
    }
}

#[async_trait]
impl Outside for Place {
    fn host(&self) -> String {
        self.address().to_string()
    }

    fn registry(&self) -> Box<dyn Registry> {
        Box::new(team(self.address()))
    }

    fn stranger(&self) -> Box<dyn Registry> {
        Box::new(client(settings(self.address(), Some("battery-staple"))))
    }

    fn unreachable(&self) -> (Box<dyn Registry>, String) {
        (Box::new(client(settings(NOBODY.parse().unwrap(), Some(PASSWORD)))), NOBODY.to_owned())
    }

    async fn push(&self, image: &ImageName, tag: &Tag, content: &str) -> Digest {
        self.put(image, tag, &Manifest::image(content, &[]))
    }

    async fn push_index(&self, image: &ImageName, tag: &Tag, contents: &[&str]) -> Digest {
        self.put(image, tag, &Manifest::index(contents))
    }

    async fn push_for(&self, image: &ImageName, tag: &Tag, platforms: &[&str]) -> Digest {
        let manifest = match platforms {
            [platform] => Manifest::image_for(platform),
            several => Manifest::index_for(several),
        };
        self.put(image, tag, &manifest)
    }

    async fn push_built(&self, image: &ImageName, tag: &Tag, built: &Built) -> Digest {
        let web = Manifest::image("web", &pairs(&built.labels)).annotated(&pairs(&built.annotations));
        let manifest = match &built.index {
            None => web,
            Some(annotations) => {
                let provenance = Manifest::image("provenance", &ELSEWHERE).annotated(&ELSEWHERE);
                let other = Manifest::image("other", &ELSEWHERE).annotated(&ELSEWHERE);
                let images = vec![(provenance, "unknown/unknown"), (web, "linux/amd64"), (other, "linux/arm64")];
                Manifest::index_over(images).annotated(&pairs(annotations))
            }
        };
        self.put(image, tag, &manifest)
    }

    async fn delete(&self, image: &ImageName, digest: &Digest) {
        match self {
            Self::StandIn(registry) => registry.delete(image.repository(), digest.as_str()),
            Self::Real(registry) => registry.delete(image.repository(), digest.as_str()),
        }
    }
}

#[tokio::test]
async fn the_client_conforms_whatever_a_registry_lists_and_asks_for() {
    let mut running = JoinSet::new();
    for listing in [
        Listing::AllAtOnceUnsorted,
        Listing::LexicalPages { cap: 1000 },
        Listing::LexicalPages { cap: 3 },
        Listing::LexicalPages { cap: 5 },
    ] {
        for access in [Access::Basic, Access::token()] {
            let place = Place::StandIn(registry::Registry::start(listing, access));
            running.spawn(async move { conforms(&place).await });
        }
    }
    running.join_all().await;
}

#[tokio::test]
async fn the_client_conforms_at_a_real_registry() {
    let Some(registry) = DockerRegistry::start(&Options { password: true, ..Options::default() }) else {
        return;
    };
    conforms(&Place::Real(registry)).await;
}
