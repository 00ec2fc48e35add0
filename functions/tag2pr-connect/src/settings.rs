//! Where the configuration is, and what it says of sources and repositories.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tag2pr::config::{Config, Repository};
use tag2pr::endpoint::hosts::Hook;
use tag2pr::keys::Key;
use tag2pr::repository_url::{self, RepositoryUrl, Scheme};
use tag2pr::seams::{Objects, RepositoryId};
use tag2pr::secret::Secret;
use tag2pr_hosts::Kind;

use crate::ConnectError;
use crate::secrets::Secrets;

/// A configuration that was read, and the store that it names.
#[derive(Clone)]
pub struct Settings {
    /// What is in it.
    pub config: Config,
    /// Where it was found, as a person would name it.
    pub file: String,
    /// What paths in it are relative to.
    pub base: PathBuf,
    /// The store.
    pub objects: Arc<dyn Objects>,
    /// The queue, if pokes do not wait in the store.
    pub queue: Option<String>,
    /// Where Git repositories are kept between calls.
    pub cache: PathBuf,
}

impl Settings {
    /// Reads the configuration from the given path, `$TAG2PR_CONFIG`, `./tag2pr.yaml`, or the object `tag2pr.yaml` in
    /// `$TAG2PR_STORE`: the first of these that is there.
    ///
    /// # Errors
    ///
    /// When there is none, or it cannot be used; the error names the place.
    pub async fn read(path: Option<&Path>) -> Result<Self, ConnectError> {
        let store = variable("TAG2PR_STORE");
        let path = path.map(Path::to_owned).or_else(|| variable("TAG2PR_CONFIG").map(PathBuf::from));
        let default = Path::new("tag2pr.yaml");
        let (file, base, text, objects) = match (path, &store) {
            (Some(path), _) => from_file(&path)?,
            (None, _) if default.is_file() => from_file(default)?,
            (None, Some(store)) => from_store(store).await?,
            (None, None) => {
                let looked = "give --config, set TAG2PR_CONFIG or TAG2PR_STORE, or write ./tag2pr.yaml";
                return Err(ConnectError::Missing(looked.to_owned()));
            }
        };
        // Errors shall name whole paths.
        let base = std::path::absolute(&base).unwrap_or(base);
        let mut config = Config::parse(&file, &text)?;
        if let Some(store) = store {
            config.store = store;
        }
        let objects = match objects {
            Some(objects) => objects,
            None => tag2pr_state::open(&from(&base, &config.store))?,
        };
        let cache = variable("TAG2PR_CACHE").map_or_else(|| env::temp_dir().join("tag2pr"), PathBuf::from);
        Ok(Self { config, file, base, objects, queue: variable("TAG2PR_QUEUE_URL"), cache })
    }

    /// What the repositories are called in the store; one whose address cannot be used is left out.
    pub fn repository_ids(&self) -> Vec<RepositoryId> {
        let id = |one: &Repository| {
            let mut url = RepositoryUrl::parse(&one.url).ok()?;
            if url.scheme == Scheme::Local {
                url.path = fs::canonicalize(self.base.join(&url.path)).ok()?.display().to_string();
            }
            Some(url.identify(&one.branch))
        };
        self.config.repositories.iter().filter_map(id).collect()
    }

    /// Reads the secrets of every source.
    ///
    /// # Errors
    ///
    /// When one is not where the configuration says.
    pub(crate) fn source_secrets(&self, secrets: &Secrets) -> Result<BTreeMap<String, Vec<Secret>>, ConnectError> {
        let sources = self.config.sources.iter();
        sources
            .map(|(name, source)| {
                let own = source.secret.iter().map(|secret| secrets.read(secret));
                Ok((name.clone(), own.collect::<Result<_, _>>()?))
            })
            .collect()
    }

    /// What those prove themselves with who may see how things stand.
    ///
    /// # Errors
    ///
    /// When a secret is not where the configuration says.
    pub(crate) fn viewers(&self, secrets: &Secrets) -> Result<Vec<Secret>, ConnectError> {
        self.config.status.iter().flat_map(|viewers| &viewers.token).map(|token| secrets.read(token)).collect()
    }

    /// The repositories whose hosts send webhooks, with their secrets.
    ///
    /// # Errors
    ///
    /// When a secret is not where the configuration says, or it cannot be told what kind of host it is.
    pub(crate) fn host_hooks(&self, secrets: &Secrets) -> Result<Vec<Hook>, ConnectError> {
        let with_hooks = self.config.repositories.iter().filter(|one| !one.webhook.is_empty());
        with_hooks
            .map(|one| {
                let unusable = |reason: String| ConnectError::Unusable { file: self.file.clone(), reason };
                let repository =
                    repository_url::identify(&one.url, &one.branch).map_err(|e| unusable(e.to_string()))?;
                let kind = match &one.host {
                    Some(kind) => kind.parse::<Kind>(),
                    None => Kind::of(&repository),
                };
                let kind = kind.map_err(|error| unusable(format!("{repository}: {error}")))?;
                let forge = kind
                    .forge()
                    .ok_or_else(|| unusable(format!("{repository}: there is no host that could send a `webhook`")))?;
                let own = one.webhook.iter().map(|secret| secrets.read(secret));
                Ok(Hook { repository, forge, secrets: own.collect::<Result<_, _>>()? })
            })
            .collect()
    }
}

type Found = (String, PathBuf, String, Option<Arc<dyn Objects>>);

fn from_file(path: &Path) -> Result<Found, ConnectError> {
    let text = fs::read_to_string(path)
        .map_err(|error| ConnectError::Missing(format!("{} cannot be read: {error}", path.display())))?;
    let base = path.parent().filter(|base| !base.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
    Ok((path.display().to_string(), base, text, None))
}

async fn from_store(store: &str) -> Result<Found, ConnectError> {
    let objects = tag2pr_state::open(store)?;
    let object = objects.get(&Key::config()).await?;
    let object = object.ok_or_else(|| ConnectError::Missing(format!("there is no object tag2pr.yaml in {store}")))?;
    let text = String::from_utf8(object.bytes)
        .map_err(|_| ConnectError::Missing(format!("the object tag2pr.yaml in {store} is not UTF-8")))?;
    Ok((format!("{store}/tag2pr.yaml"), PathBuf::from("."), text, Some(objects)))
}

/// A path that is relative to the configuration's own folder; a URL stays as it is, and so does nothing.
pub(crate) fn from(base: &Path, path: &str) -> String {
    if path.contains("://") || path.is_empty() {
        return path.to_owned();
    }
    base.join(path.strip_prefix("./").unwrap_or(path)).display().to_string()
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
