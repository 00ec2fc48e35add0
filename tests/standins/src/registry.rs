//! A container registry: the parts of its HTTP API that a reader of tags and digests meets.
//!
//! It lists tags in either of the two ways that registries do, asks for Basic credentials or tokens, and accepts
//! manifests over HTTP as well as from the test.

mod answers;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::oci::{self, Manifest};
use crate::server::Server;

/// The user that a registry with [`Access::Basic`] or [`Access::Token`] knows.
pub const USER: &str = "team";
/// Its password.
pub const PASSWORD: &str = "correct-horse";

/// How a registry lists tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// Everything at once whatever was asked for, in no order, `null` for nothing: Distribution 2.8.
    AllAtOnceUnsorted,
    /// In lexical order with a relative `Link`, an empty last page if the one before was full: Distribution 3.
    LexicalPages {
        /// How many tags a page holds at most; 1000 unless configured.
        cap: usize,
    },
}

/// Whom a registry answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Open,
    /// [`USER`] with [`PASSWORD`] in each request.
    Basic,
    /// Whoever has a token for the repository; [`USER`] gets one at `/token` of the same server.
    Token {
        /// Where it says that tokens are; `None` is the truth.
        realm: Option<String>,
        /// Whether everybody gets a token.
        public: bool,
        /// The lifetime that the answer names, in seconds; the registry takes a token until it is told to forget it.
        lifetime: u64,
    },
}

impl Access {
    /// Tokens for [`USER`] alone, from the registry's own server, good for five minutes.
    pub fn token() -> Self {
        Self::Token { realm: None, public: false, lifetime: 300 }
    }
}

/// What can be wrong with a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// 401, and no way to do better.
    Unauthorized,
    /// 403 `DENIED`.
    Forbidden,
    /// 429.
    TooManyRequests {
        /// The `Retry-After` header.
        retry_after: Option<String>,
    },
    /// 503.
    Unavailable,
    /// The connection ends without an answer.
    HangsUp,
    /// Something else answers: 404 with a web page.
    NoRegistry,
    /// 200 with JSON that is no tag list.
    NoTagList,
    /// The second page of a listing is answered 500.
    PageFails,
    /// The second page of a listing is answered 404.
    PageMissing,
    /// Each page links to itself.
    PageRepeats,
    /// Each page links to another one.
    PagesWithoutEnd,
    /// The first page continues here.
    LinkTo(String),
    /// Manifests are answered without `Docker-Content-Digest`.
    NoDigestHeader,
    /// Manifests are answered with a digest that is none.
    BadDigestHeader,
    /// Manifests are elsewhere: 307.
    RedirectTo(String),
    /// Blobs are elsewhere: 307, as at registries whose blobs are in an object store.
    BlobsAt(String),
    /// Manifests and blobs are answered with other bytes than their digests name.
    OtherBytes,
    /// The token service answers 200 without a token.
    NoToken,
}

/// What a request was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `HEAD` of a manifest.
    Head,
    /// `GET` of a manifest.
    Get,
    /// `GET` of a blob.
    Blob,
    /// A page of tags.
    Tags,
    /// A token.
    Token,
    /// `PUT` or `DELETE` of a manifest.
    Change,
    /// Anything else.
    Other,
}

/// A request, as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    /// What it was about.
    pub kind: Kind,
    /// Path and query.
    pub target: String,
    /// The `Authorization` header.
    pub authorization: Option<String>,
}

/// A running registry with state.
pub struct Registry {
    server: Server,
    state: Arc<Mutex<State>>,
}

struct State {
    listing: Listing,
    access: Access,
    fault: Option<(Fault, bool)>,
    repositories: BTreeMap<String, Repository>,
    /// Each token with its scope.
    tokens: BTreeMap<String, String>,
    seen: Vec<Seen>,
}

#[derive(Default)]
struct Repository {
    tags: BTreeMap<String, String>,
    /// By digest; one that the test only named has no bytes.
    manifests: BTreeMap<String, Stored>,
    /// By digest.
    blobs: BTreeMap<String, Vec<u8>>,
}

#[derive(Clone)]
struct Stored {
    media_type: String,
    bytes: Vec<u8>,
}

impl Registry {
    /// An empty registry on a free loopback port.
    ///
    /// # Panics
    ///
    /// When there is no free loopback port.
    pub fn start(listing: Listing, access: Access) -> Self {
        let state = Arc::new(Mutex::new(State {
            listing,
            access,
            fault: None,
            repositories: BTreeMap::new(),
            tokens: BTreeMap::new(),
            seen: Vec::new(),
        }));
        let shared = Arc::clone(&state);
        let server = Server::start(move |request| {
            let response = answers::answer(&mut lock(&shared), &request);
            async move { response }
        });
        Self { server, state }
    }

    /// `127.0.0.1:40123`: the host in the names of its images.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// `http://127.0.0.1:40123`, without a trailing slash.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The server below.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Points a tag at a digest, without a manifest that could be fetched.
    pub fn push(&self, repository: &str, tag: &str, digest: &str) {
        let mut state = self.state();
        let repository = state.repositories.entry(repository.to_owned()).or_default();
        repository.tags.insert(tag.to_owned(), digest.to_owned());
        let stored = Stored { media_type: oci::MANIFEST.to_owned(), bytes: Vec::new() };
        repository.manifests.entry(digest.to_owned()).or_insert(stored);
    }

    /// Pushes a manifest with everything that belongs to it, and returns its digest.
    pub fn push_manifest(&self, repository: &str, tag: &str, manifest: &Manifest) -> String {
        let mut state = self.state();
        let repository = state.repositories.entry(repository.to_owned()).or_default();
        for image in &manifest.images {
            repository.store(None, image.media_type, &image.bytes);
        }
        for blob in manifest.blobs.iter().chain(manifest.images.iter().flat_map(|image| &image.blobs)) {
            repository.blobs.insert(oci::digest(blob), blob.clone());
        }
        repository.store(Some(tag), manifest.media_type, &manifest.bytes)
    }

    /// Removes a manifest and every tag that points at it.
    pub fn delete(&self, repository: &str, digest: &str) {
        if let Some(repository) = self.state().repositories.get_mut(repository) {
            repository.delete(digest);
        }
    }

    /// Removes a tag only.
    pub fn untag(&self, repository: &str, tag: &str) {
        if let Some(repository) = self.state().repositories.get_mut(repository) {
            repository.tags.remove(tag);
        }
    }

    /// What a tag points at.
    pub fn digest(&self, repository: &str, tag: &str) -> Option<String> {
        self.state().repositories.get(repository)?.tags.get(tag).cloned()
    }

    /// From now on something is wrong, until [`Registry::heal`].
    pub fn fail(&self, fault: Fault) {
        self.state().fault = Some((fault, false));
    }

    /// Something is wrong with the next answer that it concerns, and with no other.
    pub fn fail_once(&self, fault: Fault) {
        self.state().fault = Some((fault, true));
    }

    /// Nothing is wrong any more.
    pub fn heal(&self) {
        self.state().fault = None;
    }

    /// Takes none of the tokens any more that were given so far.
    pub fn forget_tokens(&self) {
        self.state().tokens.clear();
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.state().seen.clone()
    }

    /// How many requests of a kind there were so far.
    pub fn count(&self, kind: Kind) -> usize {
        self.state().seen.iter().filter(|seen| seen.kind == kind).count()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// Whether this is wrong now; a fault that happens once is over after that.
    fn fails(&mut self, is: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let (fault, once) = self.fault.clone().filter(|(fault, _)| is(fault))?;
        if once {
            self.fault = None;
        }
        Some(fault)
    }
}

impl Repository {
    fn store(&mut self, tag: Option<&str>, media_type: &str, bytes: &[u8]) -> String {
        let digest = oci::digest(bytes);
        let stored = Stored { media_type: media_type.to_owned(), bytes: bytes.to_vec() };
        self.manifests.insert(digest.clone(), stored);
        if let Some(tag) = tag {
            self.tags.insert(tag.to_owned(), digest.clone());
        }
        digest
    }

    fn delete(&mut self, digest: &str) -> bool {
        self.tags.retain(|_, known| known != digest);
        self.manifests.remove(digest).is_some()
    }
}
