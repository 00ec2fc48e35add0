//! What makes proposals: the store, the registries, and each repository with its forge.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tag2pr::config::{self, RegistryCredentials, SecretRef, Way};
use tag2pr::flow::Error;
use tag2pr::flow::propose::{self, Outside, Report};
use tag2pr::flow::{lease, notify, status, sweep};
use tag2pr::image::ImageName;
use tag2pr::keys::Key;
use tag2pr::ledger::Ledger;
use tag2pr::limits::Limits;
use tag2pr::notify::{NotTold, Target};
use tag2pr::repository_url::{RepositoryUrl, Scheme};
use tag2pr::seams::{Expected, GitError, GitHost, GitRepository, Objects, Pokes, RepositoryId, StoreError, Tokens};
use tag2pr::secret::Secret;
use tag2pr::status::{Status, page};
use tag2pr_hosts::{Address, GithubApp, Kind, Means};
use tag2pr_oci::{Client, Credentials, Login, Others, RegistrySettings};

use crate::counted::Counted;
use crate::ecr::Ecr;
use crate::receiver::pokes;
use crate::secrets::{self, Secrets};
use crate::{ConnectError, Connected, Settings, notifying};

/// Everything that `propose` and `sweep` work with.
pub struct Deployment {
    objects: Arc<dyn Objects>,
    pokes: Arc<dyn Pokes>,
    registry: Arc<Counted<Client>>,
    unasked: BTreeSet<String>,
    aliases: BTreeMap<String, String>,
    repositories: Vec<Repository>,
    ids: Vec<RepositoryId>,
    pace: sweep::Pace,
    config: config::Config,
    targets: Vec<Box<dyn Target>>,
    not_told: Mutex<BTreeSet<String>>,
    /// Whether something may have changed since the status page was written.
    has_news: AtomicBool,
    may_change: bool,
}

impl Connected for Deployment {
    fn may_change(&self) -> bool {
        self.may_change
    }
}

/// One manifests repository, connected.
pub struct Repository {
    /// What it is called in the store.
    pub id: RepositoryId,
    git: Arc<dyn GitRepository>,
    kind: Kind,
    means: Means,
}

impl Deployment {
    /// Connects what the environment says.
    ///
    /// # Errors
    ///
    /// When something is missing; the error says what.
    pub async fn from_environment() -> Result<Self, ConnectError> {
        Self::connect(&Settings::read(None).await?).await
    }

    /// Connects what a configuration says. Nothing is asked of anybody yet but the secrets that AWS keeps.
    ///
    /// # Errors
    ///
    /// When a secret, a certificate or an address cannot be used.
    pub async fn connect(settings: &Settings) -> Result<Self, ConnectError> {
        let secrets = &Secrets::of(secrets::of_ours(&settings.config), &settings.base).await?;
        // Somebody may have chosen before; then that one is used.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let unusable = |reason: String| ConnectError::Unusable { file: settings.file.clone(), reason };
        let registries =
            settings.config.registries.iter().map(|one| registry(one, settings, secrets)).collect::<Result<_, _>>()?;
        let client = Client::new(registries, Others::Anonymous).map_err(|error| unusable(error.to_string()))?;
        let unasked = settings.config.registries.iter().filter(|one| !one.confirm).map(|one| one.host.clone());
        let repositories = settings.config.repositories.iter().enumerate();
        let repositories: Vec<Repository> =
            repositories.map(|(index, one)| repository(index, one, settings, secrets)).collect::<Result<_, _>>()?;
        Ok(Self {
            objects: Arc::clone(&settings.objects),
            pokes: pokes(settings)?,
            registry: Arc::new(Counted::new(client)),
            unasked: unasked.collect(),
            aliases: settings.config.aliases(),
            ids: repositories.iter().map(|one| one.id.clone()).collect(),
            repositories,
            pace: pace(settings.config.sweep),
            config: settings.config.clone(),
            targets: notifying::targets(settings, secrets)?,
            not_told: Mutex::default(),
            has_news: AtomicBool::new(false),
            may_change: secrets.may_change(),
        })
    }

    /// The configured repositories.
    pub fn repositories(&self) -> &[Repository] {
        &self.repositories
    }

    /// How many questions registries were asked by this process.
    pub fn registry_calls(&self) -> u64 {
        self.registry.asked()
    }

    /// The store.
    pub fn objects(&self) -> &dyn Objects {
        &*self.objects
    }

    /// Serves a poke: looks at one repository and does what is to be done, unless another worker is at it.
    ///
    /// # Errors
    ///
    /// Those of [`propose::propose`], that another worker is at it, or that no repository of that name is configured.
    pub async fn propose(&self, id: &RepositoryId, writer: &str, now: Timestamp) -> Result<Report, Error> {
        let repository = self.repositories.iter().find(|repository| repository.id == *id).ok_or_else(|| {
            Error::Git(GitError::Refused {
                url: id.to_string(),
                reason: "no repository of this name is configured; add it under `repositories:`".to_owned(),
            })
        })?;
        let host = repository.host(writer);
        let proposing = async {
            let result = propose::propose(self.outside(repository, &*host, writer), now).await;
            // While nobody else works on it, so that nobody else tells the same.
            self.note(notify::of_repository(self.telling(writer), id, Timestamp::now()).await);
            result
        };
        let work = async {
            tokio::select! {
                result = proposing => result,
                never = self.keep(id, writer) => match never {},
            }
        };
        let result = lease::under(&*self.objects, id, writer, now, work).await;
        let may_differ = !matches!(&result, Ok(report) if !report.has_changed);
        self.has_news.fetch_or(may_differ, Ordering::Relaxed);
        result
    }

    /// Writes the status page, if anything may have changed since it was written by this process. Reading what it is made
    /// of costs a few dozen requests, so this is called once after everything that was to be done, with the ledgers that were read
    /// for that.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub async fn publish(
        &self,
        ledgers: BTreeMap<ImageName, Ledger>,
        writer: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if !self.has_news.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        let written = async {
            let remembered = status::read(&*self.objects, &self.config, &self.ids, ledgers, writer, now).await?;
            let page = page::render(&Status::of(&remembered, now));
            self.objects.put(&Key::status_page(), page.into_bytes(), Expected::Anything).await.map(|_| ())
        };
        let written = written.await;
        self.has_news.fetch_or(written.is_err(), Ordering::Relaxed);
        written
    }

    fn telling<'a>(&'a self, writer: &'a str) -> notify::Outside<'a> {
        notify::Outside { objects: &*self.objects, targets: &self.targets, writer }
    }

    /// Tells what is left to be told: of refusals and listings, and what nobody could be told of before.
    async fn tell_the_rest(&self, writer: &str, now: Timestamp) {
        for id in &self.ids {
            match notify::is_waiting(self.telling(writer), id, now).await {
                Ok(false) => {}
                Ok(true) => {
                    let telling = async { Ok(notify::of_repository(self.telling(writer), id, now).await?) };
                    // Somebody works on it, and tells of it afterwards.
                    if let Ok(failed) = lease::under(&*self.objects, id, writer, now, telling).await {
                        self.note(Ok(failed));
                    }
                }
                Err(error) => self.note(Err(error)),
            }
        }
        self.note(notify::of_the_rest(self.telling(writer), now).await);
    }

    fn note(&self, result: Result<Vec<NotTold>, StoreError>) {
        let failed: Vec<String> = match result {
            Ok(failed) => failed.iter().filter(|one| !one.was_spared).map(ToString::to_string).collect(),
            Err(error) => vec![format!("nobody was told what happened: {error}")],
        };
        self.not_told.lock().unwrap_or_else(PoisonError::into_inner).extend(failed);
    }

    /// Who could not be told what happened, and why, since this was last asked: for the log. They are told later.
    pub fn not_told(&self) -> BTreeSet<String> {
        std::mem::take(&mut *self.not_told.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes a lease again and again, long before it runs out.
    async fn keep(&self, id: &RepositoryId, writer: &str) -> Infallible {
        loop {
            tokio::time::sleep(lease::LENGTH.unsigned_abs() / 3).await;
            // One that cannot be taken again is not needed: others may begin, and do no harm.
            let _ = lease::take(&*self.objects, id, writer, Timestamp::now()).await;
        }
    }

    /// The world as the journey `propose` sees it.
    pub fn outside<'a>(&'a self, repository: &'a Repository, host: &'a dyn GitHost, writer: &'a str) -> Outside<'a> {
        Outside {
            objects: &*self.objects,
            git: &*repository.git,
            host,
            registry: &*self.registry,
            repository: &repository.id,
            repositories: &self.ids,
            pokes: &*self.pokes,
            unasked: &self.unasked,
            aliases: &self.aliases,
            limits: Limits { open: self.config.limits.open_proposals, per_hour: self.config.limits.proposals_per_hour },
            writer,
        }
    }

    /// Lists what registries have, records what was missed, pokes the repositories that it concerns.
    ///
    /// # Errors
    ///
    /// Those of [`sweep::sweep`].
    pub async fn sweep(&self, what: sweep::What, writer: &str, now: Timestamp) -> Result<sweep::Report, Error> {
        let outside = sweep::Outside {
            objects: &*self.objects,
            pokes: &*self.pokes,
            registry: &*self.registry,
            repositories: &self.ids,
            unasked: &self.unasked,
            pace: self.pace,
            writer,
        };
        let result = sweep::sweep(outside, what, now).await;
        self.tell_the_rest(writer, Timestamp::now()).await;
        let may_differ = !matches!(&result, Ok(report) if report.poked.is_empty() && report.sentences().is_empty());
        self.has_news.fetch_or(may_differ, Ordering::Relaxed);
        result
    }
}

impl Repository {
    /// Its forge; `writer` names the call in what it writes.
    pub fn host(&self, writer: &str) -> Arc<dyn GitHost> {
        let means = Means { writer: writer.to_owned(), ..self.means.clone() };
        tag2pr_hosts::connect(self.kind, &self.id, &means).expect("the same was connected at the start")
    }

    /// Its Git repository.
    pub fn git(&self) -> &dyn GitRepository {
        &*self.git
    }
}

fn pace(sweep: config::Sweep) -> sweep::Pace {
    sweep::Pace { listing: sweep.listing.0, requests: usize::try_from(sweep.requests).unwrap_or(usize::MAX) }
}

fn registry(one: &config::Registry, settings: &Settings, secrets: &Secrets) -> Result<RegistrySettings, ConnectError> {
    let mut credentials = None;
    let mut login: Option<Arc<dyn Login>> = None;
    match &one.credentials {
        Some(RegistryCredentials::Secret(reference)) => {
            let secret = secrets.read(reference)?;
            let parsed = Credentials::parse(&secret).ok_or_else(|| ConnectError::Secret {
                reference: reference.to_string(),
                reason: "is not of the form `user:password`".to_owned(),
            })?;
            credentials = Some(parsed);
        }
        Some(RegistryCredentials::Ecr) => {
            let unusable = |reason| ConnectError::Unusable { file: settings.file.clone(), reason };
            login = Some(Arc::new(Ecr::of(&one.host).map_err(unusable)?));
        }
        None => {}
    }
    let ca = one.ca.as_ref().map(|path| {
        let path = settings.base.join(path);
        fs::read(&path).map_err(|error| ConnectError::Unusable {
            file: settings.file.clone(),
            reason: format!("the `ca` of {} cannot be read: {}: {error}", one.host, path.display()),
        })
    });
    Ok(RegistrySettings {
        host: one.host.clone(),
        insecure: one.insecure,
        credentials,
        login,
        ca: ca.transpose()?,
        aliases: one.aliases.clone(),
        token_hosts: one.token_hosts.clone(),
    })
}

fn repository(
    index: usize,
    one: &config::Repository,
    settings: &Settings,
    secrets: &Secrets,
) -> Result<Repository, ConnectError> {
    let mut url = RepositoryUrl::parse(&one.url).map_err(|error| ConnectError::Unusable {
        file: settings.file.clone(),
        // The text may hold a password: it is not repeated.
        reason: format!("`repositories[{index}].url`: {error}"),
    })?;
    let shown = url.to_string();
    let unusable =
        |reason: String| ConnectError::Unusable { file: settings.file.clone(), reason: format!("{shown}: {reason}") };
    if url.scheme == Scheme::Local {
        let path = settings.base.join(&url.path);
        let path = fs::canonicalize(&path)
            .map_err(|error| unusable(format!("there is no repository at {}: {error}", path.display())))?;
        url.path = path.display().to_string();
    }
    let id = url.identify(&one.branch);
    let kind = match &one.host {
        Some(kind) => kind.parse::<Kind>(),
        None => Kind::of(&id),
    }
    .map_err(|error| unusable(error.to_string()))?;
    if one.commits == config::Commits::Api && one.signing.is_some() {
        let reason = "with `commits: api` GitHub makes the commits and signs them itself: leave out `signing`";
        return Err(unusable(reason.to_owned()));
    }
    let credentials = one.credentials.as_ref();
    let api = one.api.as_ref().map(|api| api.parse().map_err(|error| unusable(format!("`api` is no URL: {error}"))));
    let api: Option<url::Url> = api.transpose()?;
    let client = client(one, settings).map_err(unusable)?;
    let at = Address { api: api.as_ref(), plain_http: url.scheme == Scheme::Http };
    let ways =
        credentials.map(|credentials| credentials.ways().map_err(|error| unusable(format!("`credentials`: {error}"))));
    let (token, tokens): (Option<Secret>, Option<Arc<dyn Tokens>>) = match ways.transpose()? {
        None => (None, None),
        Some(Way::Token(token)) => {
            let token = secrets.read(token)?;
            (Some(token.clone()), Some(Arc::new(token)))
        }
        Some(Way::App { .. }) if kind != Kind::Github => {
            return Err(unusable(format!("`credentials.app` is for GitHub, and this is {kind}: give a `token`")));
        }
        Some(Way::App { app, key, installation }) => {
            let key = secrets.read(key)?;
            let app = GithubApp::new(client.clone(), &id, &app.to_string(), &key, installation, &at);
            (None, Some(Arc::new(app.map_err(|error| unusable(error.to_string()))?)))
        }
    };
    let git: Arc<dyn GitRepository> = Arc::new(
        tag2pr_git::Repository::open(tag2pr_git::Settings {
            credentials: tokens.as_ref().map(|tokens| git_credentials(credentials, kind, tokens)),
            ca: one.ca.as_ref().map(|path| settings.base.join(path)),
            signer: one.signing.as_ref().map(|signing| signer(&signing.key, secrets)).transpose()?,
            ..tag2pr_git::Settings::new(url.to_string(), settings.cache.join("git"))
        })
        .map_err(|error| unusable(error.to_string()))?,
    );
    let means = Means {
        client,
        token,
        tokens,
        user: credentials.and_then(|credentials| credentials.user.clone()),
        api,
        plain_http: url.scheme == Scheme::Http,
        objects: Arc::clone(&settings.objects),
        git: Arc::clone(&git),
        writer: "connect".to_owned(),
    };
    // Tried once, so that what cannot work is said at the start.
    tag2pr_hosts::connect(kind, &id, &means).map_err(|error| unusable(error.to_string()))?;
    let git = match one.commits {
        config::Commits::Git => git,
        config::Commits::Api => {
            tag2pr_hosts::commits(kind, &id, &means).map_err(|error| unusable(error.to_string()))?
        }
    };
    Ok(Repository { id, git, kind, means })
}

fn git_credentials(
    credentials: Option<&config::Credentials>,
    kind: Kind,
    tokens: &Arc<dyn Tokens>,
) -> tag2pr_git::Credentials {
    let user =
        credentials.and_then(|credentials| credentials.user.clone()).unwrap_or_else(|| kind.git_user().to_owned());
    tag2pr_git::Credentials { user, token: Arc::clone(tokens) }
}

fn signer(key: &SecretRef, secrets: &Secrets) -> Result<Arc<tag2pr_git::Signer>, ConnectError> {
    let signer = tag2pr_git::Signer::new(&secrets.read(key)?);
    let refused =
        |error: tag2pr_git::InvalidKey| ConnectError::Secret { reference: key.to_string(), reason: error.to_string() };
    signer.map(Arc::new).map_err(refused)
}

/// The connections to a repository's forge: no redirects, and its own certificate authority if it has one.
fn client(one: &config::Repository, settings: &Settings) -> Result<reqwest::Client, String> {
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("tag2pr/", env!("CARGO_PKG_VERSION")));
    if let Some(ca) = &one.ca {
        let path = settings.base.join(ca);
        let unread = |why: String| format!("the certificates in `{}` can't be read: {why}", path.display());
        let pem = fs::read(&path).map_err(|error| unread(error.to_string()))?;
        let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| unread(error.to_string()))?;
        if certificates.is_empty() {
            return Err(unread("there are none in it".to_owned()));
        }
        builder = certificates.into_iter().fold(builder, reqwest::ClientBuilder::add_root_certificate);
    }
    builder.build().map_err(|error| format!("TLS cannot be set up: {error}"))
}
