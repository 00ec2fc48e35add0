//! The home lab of the demo: a manifests repository on disk, a configuration, three recorded deliveries.

use std::fs;
use std::path::{Path, PathBuf};

use git2::{Index, IndexEntry, IndexTime, Oid, Repository, RepositoryInitOptions, Signature, Time};
use tag2pr::config::Config;
use tag2pr_connect::Settings;

use crate::output::{BOLD, DIM, During, Failure, PLAIN, beside, line, styled};

macro_rules! story {
    ($path:literal) => {
        ($path, include_str!(concat!("../../../../../tests/stories/2-home-lab/manifests/", $path)))
    };
}

/// The second story's manifests repository.
const FILES: [(&str, &str); 8] = [
    story!("flux/base/deployment.yaml"),
    story!("flux/clusters/production/backend/deployment.yaml"),
    story!("flux/clusters/production/backend/docker-compose.backend.yml"),
    story!("flux/clusters/production/frontend/deployment.yaml"),
    story!("flux/clusters/production/image-automation/image-policies.yaml"),
    story!("flux/clusters/production/image-automation/image-repositories.yaml"),
    story!("flux/clusters/production/image-automation/image-update-automation.yaml"),
    story!("flux/clusters/production/image-automation/kustomization.yaml"),
];

/// One of its marked lines, for people to see.
pub const MARKED: &str =
    r#"image: 192.168.0.40:5000/backend:main-c40ddee-1707210000 # {"$imagepolicy": "flux-system:backend"}"#;

/// The value that Harbor sends in `Authorization`.
pub const SECRET: &str = "harbor-example-secret";

/// One recorded delivery.
pub struct Recorded {
    file: &'static str,
    body: &'static str,
    authorization: &'static str,
}

/// What was pushed before the demo begins.
pub const BEFORE: [Recorded; 2] = [
    Recorded {
        file: "events/stories/2-frontend-before.json",
        body: include_str!("../../../../../events/stories/2-frontend-before.json"),
        authorization: SECRET,
    },
    Recorded {
        file: "events/stories/2-backend-before.json",
        body: include_str!("../../../../../events/stories/2-backend-before.json"),
        authorization: SECRET,
    },
];

/// A push of the frontend.
pub const FRONTEND: Recorded = Recorded {
    file: "events/stories/2-frontend.json",
    body: include_str!("../../../../../events/stories/2-frontend.json"),
    authorization: SECRET,
};

/// A push of the backend.
pub const BACKEND: Recorded = Recorded {
    file: "events/stories/2-backend.json",
    body: include_str!("../../../../../events/stories/2-backend.json"),
    authorization: SECRET,
};

/// The backend's push again, from somebody who does not know the secret.
pub const FORGED: Recorded = Recorded { authorization: "a-guess", ..BACKEND };

const CONFIG: &str = "\
# What `tag2pr demo` listens with. `tag2pr serve --config tag2pr.yaml` goes on from here.
store: ./state
sources:
  harbor: { type: harbor, secret: file:harbor-secret }
registries:
  - host: 192.168.0.40:5000
    insecure: true
    confirm: false          # there is no such registry on this machine
repositories:
  - url: ./fleet.git
";

/// Everything on disk; gone with the value unless it is kept.
pub struct Lab {
    root: PathBuf,
    _temporary: Option<tempfile::TempDir>,
}

impl Lab {
    /// Builds it, in a temporary folder or in one that is kept.
    pub fn build(keep: Option<&Path>) -> Result<Self, Failure> {
        let temporary = match keep {
            Some(_) => None,
            None => Some(tempfile::tempdir().during("making a temporary folder")?),
        };
        let root = match (keep, &temporary) {
            (Some(folder), _) => folder.to_owned(),
            (None, Some(temporary)) => temporary.path().to_owned(),
            (None, None) => PathBuf::from("."),
        };
        fs::create_dir_all(&root).during(format!("making {}", root.display()))?;
        let lab = Self { root, _temporary: temporary };
        for name in ["fleet.git", "state", "tag2pr.yaml", "harbor-secret"] {
            if lab.root.join(name).exists() {
                let folder = lab.root.display();
                return Err(Failure::new(format!("there is a {name} in {folder} already: name another folder")));
            }
        }
        repository(&lab.root.join("fleet.git")).during("making the manifests repository")?;
        fs::write(lab.config(), CONFIG).during("writing the configuration")?;
        fs::write(lab.root.join("harbor-secret"), SECRET).during("writing the secret")?;
        Ok(lab)
    }

    fn config(&self) -> PathBuf {
        self.root.join("tag2pr.yaml")
    }

    /// The configuration and the store in the folder, whatever the environment says of others.
    pub fn settings(&self) -> Result<Settings, Failure> {
        let file = self.config().display().to_string();
        Ok(Settings {
            config: Config::parse(&file, CONFIG).during("reading the configuration")?,
            file,
            base: self.root.clone(),
            objects: tag2pr_state::open(&self.shown("state")).during("opening the store")?,
            queue: None,
            cache: self.root.join("cache"),
        })
    }

    /// A path in it, as a person would write it.
    pub fn shown(&self, name: &str) -> String {
        self.root.join(name).display().to_string()
    }

    /// Says what was left where.
    pub fn what_is_there(&self) {
        line("");
        line(styled(BOLD, format!("Left in {}:", self.root.display())));
        for (name, what) in [
            ("fleet.git", "the manifests repository; the proposal is on branch tag2pr/flux-system.flux-system"),
            ("state/", "the store: deliveries, ledgers, proposals, the pull request"),
            ("tag2pr.yaml", "the configuration"),
        ] {
            line(format!("  {name:<12} {}", styled(DIM, what)));
        }
    }
}

fn repository(path: &Path) -> Result<(), git2::Error> {
    let repository = Repository::init_opts(path, RepositoryInitOptions::new().bare(true).initial_head("main"))?;
    let mut index = Index::new()?;
    for (path, text) in FILES {
        let blob = repository.blob(text.as_bytes())?;
        index.add(&entry(path, blob))?;
    }
    let tree = repository.find_tree(index.write_tree_to(&repository)?)?;
    let person = Signature::new("Logan", "logan@example.org", &Time::new(1_707_220_000, 0))?;
    repository.commit(Some("refs/heads/main"), &person, &person, "The shop as it runs", &tree, &[])?;
    Ok(())
}

fn entry(path: &str, id: Oid) -> IndexEntry {
    let never = IndexTime::new(0, 0);
    IndexEntry {
        ctime: never,
        mtime: never,
        dev: 0,
        ino: 0,
        mode: 0o100_644,
        uid: 0,
        gid: 0,
        file_size: 0,
        id,
        flags: 0,
        flags_extended: 0,
        path: path.as_bytes().to_vec(),
    }
}

impl Recorded {
    /// Says what is about to be sent.
    pub fn announce(&self) {
        let with = if self.authorization == SECRET { "" } else { ", with another secret" };
        beside(&format!("  {} ", styled(DIM, "POST /hooks/harbor")), PLAIN, &format!("{}{with}", self.file));
    }

    /// Sends it as Harbor would.
    pub async fn post(&self, base: &str) -> Result<(), Failure> {
        // What the environment says of proxies is not meant for this machine itself.
        let client = reqwest::Client::builder().no_proxy().build().during("sending the delivery")?;
        let request = client.post(format!("{base}/hooks/harbor")).header("Content-Type", "application/json");
        let sent = request.header("Authorization", self.authorization).body(self.body).send();
        sent.await.map(|_| ()).during("sending the delivery")
    }
}
