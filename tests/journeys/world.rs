//! The world that the journeys happen in: a store, a queue, a Git server, a forge, registries; and a clock that only
//! moves when somebody waits.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::{HeaderMap, Request, StatusCode};
use jiff::{SignedDuration, Timestamp};
use ring::digest::{SHA256, digest};
use similar::TextDiff;
use tag2pr::config::Config;
use tag2pr::delivery::read_headers;
use tag2pr::endpoint::{self, Answer};
use tag2pr::flow::issuers::Issuers;
use tag2pr::flow::propose::{self, Holds, Report};
use tag2pr::flow::sweep::{Pace, What};
use tag2pr::flow::{Error, holds, ledgers, receive, refusals, status, sweep};
use tag2pr::image::{Digest, ImageName, ImageRef};
use tag2pr::keys::Key;
use tag2pr::limits::Limits;
use tag2pr::plan::Hold;
use tag2pr::policy::PolicyName;
use tag2pr::seams::RepositoryId;
use tag2pr::secret::Secret;
use tag2pr::status::{Status, Tally};
use tag2pr::store;
use tag2pr::testing::host::{FakeHost, Pull};
use tag2pr::testing::key_sets::FakeKeySets;
use tag2pr::testing::memory::{Memory, Outbox};
use tag2pr::testing::registry::FakeRegistry;
use tag2pr::testing::repository::{Entry, FakeRepository, Logged};

/// Every secret of the world, by the source that it belongs to.
pub(crate) const SECRETS: [(&str, &str); 4] = [
    ("distribution", "distribution-example-secret"),
    ("docker-hub", "hub-example-path-secret"),
    ("ghcr", "ghcr example secret"),
    ("harbor", "harbor-example-secret"),
];

const CONFIG: &str = "
store: ./state
sources:
  distribution: { type: distribution, secret: env:DISTRIBUTION_WEBHOOK }
  docker-hub: { type: docker-hub, secret: env:HUB_WEBHOOK }
  ghcr: { type: ghcr, secret: env:GHCR_WEBHOOK }
  harbor: { type: harbor, secret: env:HARBOR_WEBHOOK }
registries:
  - { host: '192.168.0.40:5000', insecure: true, aliases: [harbor.lan] }
repositories:
  - url: https://git.example/acme/fleet.git
limits: { body: 16KiB }
";

/// The base branch.
pub(crate) const BASE: &str = "main";

pub(crate) struct World {
    pub(crate) store: Memory,
    pub(crate) outbox: Outbox,
    pub(crate) published: Arc<FakeKeySets>,
    pub(crate) issuers: Issuers,
    pub(crate) git: Arc<FakeRepository>,
    pub(crate) forge: FakeHost,
    pub(crate) registry: FakeRegistry,
    pub(crate) config: Config,
    pub(crate) secrets: BTreeMap<String, Vec<Secret>>,
    pub(crate) repository: RepositoryId,
    /// All that are configured.
    pub(crate) repositories: Vec<RepositoryId>,
    pub(crate) unasked: BTreeSet<String>,
    aliases: BTreeMap<String, String>,
    pub(crate) pace: Pace,
    pub(crate) limits: Limits,
    pub(crate) now: Timestamp,
    /// What was refused and is not written yet.
    pub(crate) refused: Tally,
    /// Everything that the functions would have logged.
    pub(crate) log: Vec<String>,
    calls: usize,
}

/// A request as it stands in `events/`.
pub(crate) struct Fixture {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Fixture {
    /// Reads `events/<name>.headers` and the body beside it.
    pub(crate) fn read(name: &str) -> Self {
        let read = |extension: &str| fs::read(root().join(format!("events/{name}.{extension}")));
        let headers = String::from_utf8(read("headers").unwrap_or_else(|error| panic!("{name}: {error}"))).unwrap();
        let request = headers.lines().find_map(|line| line.strip_prefix("# request: POST "));
        Self {
            path: request.unwrap_or_else(|| panic!("{name}.headers has no line `# request:`")).to_owned(),
            headers: read_headers(&headers).unwrap(),
            body: read("json").or_else(|_| read("txt")).unwrap(),
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every file below a folder, by its path from there.
fn tree(folder: &Path, below: &str, found: &mut Vec<Entry>) {
    let entries = fs::read_dir(folder.join(below)).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        if entry.file_type().unwrap().is_dir() {
            tree(folder, &path, found);
        } else {
            found.push(Entry::file(&path, fs::read(entry.path()).unwrap()));
        }
    }
}

/// What an image with this content would have for a digest.
pub(crate) fn digest_of(content: &str) -> Digest {
    let hex: String = digest(&SHA256, content.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}").parse().unwrap()
}

/// A file of `tests/stories/`.
pub(crate) fn story_file(path: &str) -> String {
    fs::read_to_string(root().join("tests/stories").join(path)).unwrap()
}

impl World {
    /// The manifests of a story at the Git server, and nothing known of any image.
    pub(crate) fn of(story: &str) -> Self {
        let mut files = Vec::new();
        tree(&root().join(format!("tests/stories/{story}/manifests")), "", &mut files);
        let git = Arc::new(FakeRepository::with(BASE, &files));
        let published = Arc::new(FakeKeySets::default());
        let fleet = RepositoryId { host: "git.example".into(), path: "acme/fleet".into(), base: BASE.into() };
        let secret = |(source, secret): (&str, &str)| (source.to_owned(), vec![Secret::new(secret)]);
        Self {
            store: Memory::new(),
            outbox: Outbox::new(),
            issuers: Issuers::new(Arc::<FakeKeySets>::clone(&published)),
            published,
            forge: FakeHost::new(git.clone()),
            git,
            registry: FakeRegistry::new(),
            config: Config::parse("tag2pr.yaml", CONFIG).unwrap(),
            secrets: SECRETS.into_iter().map(secret).collect(),
            repositories: vec![fleet.clone()],
            repository: fleet,
            unasked: BTreeSet::new(),
            aliases: BTreeMap::from([("harbor.lan".to_owned(), "192.168.0.40:5000".to_owned())]),
            pace: Pace { listing: SignedDuration::from_hours(1), requests: 200 },
            limits: Limits::NONE,
            now: "2026-03-01T12:00:00Z".parse().unwrap(),
            refused: Tally::default(),
            log: Vec::new(),
            calls: 0,
        }
    }

    /// The same, after its repository was read for the first time: from now on deliveries lead to pokes.
    pub(crate) fn watched(story: &str) -> Self {
        let mut world = Self::of(story);
        world.propose();
        world.wait(60);
        world
    }

    pub(crate) fn wait(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
    }

    // ------------------------------------------------------------------------------------------------ registries

    /// Somebody pushes an image, and no delivery tells of it. What it holds is as its tag says, unless it is
    /// followed by ` = <content>`.
    pub(crate) fn build(&self, reference: &str) -> Digest {
        let (reference, content) = reference.split_once(" = ").unwrap_or((reference, reference));
        let reference: ImageRef = reference.parse().unwrap();
        let digest = reference.digest.clone().unwrap_or_else(|| digest_of(content));
        self.registry.push(&reference.image().unwrap(), reference.tag.as_ref().unwrap(), &digest);
        digest
    }

    // ------------------------------------------------------------------------------------------------ deliveries

    /// A recorded delivery comes in; the registry has what it tells of.
    pub(crate) fn deliver(&mut self, name: &str) -> Answer {
        let answer = self.post(&Fixture::read(name));
        assert_eq!(answer.response.status(), StatusCode::OK, "{answer}");
        answer
    }

    /// Somebody pushes an image now, and the registry's delivery comes in.
    pub(crate) fn push(&mut self, reference: &str) {
        let delivery = self.delivery(reference, self.now);
        let answer = self.post(&delivery);
        assert_eq!(answer.response.status(), StatusCode::OK, "{answer}");
    }

    /// The delivery of an image that is pushed at this time: what CNCF Distribution sends.
    pub(crate) fn delivery(&self, reference: &str, at: Timestamp) -> Fixture {
        let digest = self.build(reference);
        let (reference, _) = reference.split_once(" = ").unwrap_or((reference, ""));
        self.event("push", reference, Some(&digest), at)
    }

    /// The delivery that tells of the deletion of a tag, whether the registry still has it or not.
    pub(crate) fn deletion(&self, reference: &str, at: Timestamp) -> Fixture {
        self.event("delete", reference, None, at)
    }

    fn event(&self, action: &str, reference: &str, digest: Option<&Digest>, at: Timestamp) -> Fixture {
        let reference: ImageRef = reference.parse().unwrap();
        let image = reference.image().unwrap();
        let body = serde_json::json!({ "events": [{
            "id": digest_of(&format!("{action} {reference} {digest:?} {at}")).short(),
            "timestamp": at.to_string(),
            "action": action,
            "target": {
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": digest.map(Digest::as_str),
                "repository": image.repository(),
                "tag": reference.tag.unwrap().as_str(),
            },
            "request": { "host": image.registry() },
            "actor": { "name": "ci" },
        }]});
        let mut headers = HeaderMap::new();
        headers.insert("Authorization", "Bearer distribution-example-secret".parse().unwrap());
        Fixture { path: "/hooks/distribution".to_owned(), headers, body: body.to_string().into_bytes() }
    }

    pub(crate) fn post(&mut self, delivery: &Fixture) -> Answer {
        self.request("POST", &delivery.path, delivery.headers.clone(), delivery.body.clone())
    }

    pub(crate) fn request(&mut self, method: &str, path: &str, headers: HeaderMap, body: Vec<u8>) -> Answer {
        let mut request = Request::builder().method(method).uri(path).body(body).unwrap();
        *request.headers_mut() = headers;
        let writer = self.writer("receive");
        let answer = pollster::block_on(endpoint::answer(self.receiving(&writer), &self.secrets, &request, self.now));
        pollster::block_on(refusals::count(&self.store, &self.refused, &answer, &writer, self.now));
        self.log.push(answer.to_string());
        answer
    }

    pub(crate) fn receiving<'a>(&'a self, writer: &'a str) -> receive::Outside<'a> {
        receive::Outside {
            objects: &self.store,
            pokes: &self.outbox,
            issuers: &self.issuers,
            config: &self.config,
            writer,
        }
    }

    /// What a delivery does while others work: the same as [`World::post`], without a log.
    pub(crate) async fn record(&self, delivery: &Fixture, writer: &str) {
        let outside = self.receiving(writer);
        let mut request = Request::builder().method("POST").uri(&delivery.path).body(delivery.body.clone()).unwrap();
        *request.headers_mut() = delivery.headers.clone();
        let answer = endpoint::answer(outside, &self.secrets, &request, self.now).await;
        assert_eq!(answer.response.status(), StatusCode::OK, "{answer}");
    }

    // ------------------------------------------------------------------------------------------------ proposing

    /// A name for the next call of a function.
    pub(crate) fn writer(&mut self, function: &str) -> String {
        self.calls += 1;
        format!("{function}/{}", self.calls)
    }

    pub(crate) fn outside<'a>(&'a self, writer: &'a str) -> propose::Outside<'a> {
        propose::Outside {
            objects: &self.store,
            git: self.git.as_ref(),
            host: &self.forge,
            registry: &self.registry,
            repository: &self.repository,
            repositories: &self.repositories,
            pokes: &self.outbox,
            unasked: &self.unasked,
            aliases: &self.aliases,
            limits: self.limits,
            writer,
        }
    }

    /// One pass over the repository, whether it was poked or not.
    pub(crate) fn try_propose(&mut self) -> Result<Report, Error> {
        let writer = self.writer("propose");
        let result = pollster::block_on(propose::propose(self.outside(&writer), self.now));
        match &result {
            Ok(report) => self.log.extend(report.sentences()),
            Err(error) => self.log.push(error.to_string()),
        }
        result
    }

    /// One pass that must succeed: what it says of itself.
    pub(crate) fn propose(&mut self) -> Vec<String> {
        self.try_propose().unwrap_or_else(|error| panic!("{error}")).sentences()
    }

    /// Serves the pokes that wait, as a queue does that hands out each repository once; what was said of it.
    pub(crate) fn serve(&mut self) -> Vec<String> {
        let poked: BTreeSet<RepositoryId> = self.outbox.take().into_iter().map(|poke| poke.repository).collect();
        assert!(poked.iter().all(|repository| *repository == self.repository), "{poked:?}");
        if poked.is_empty() { Vec::new() } else { self.propose() }
    }

    // ------------------------------------------------------------------------------------------------ sweeping

    /// The clock strikes: what is due is done. What the sweep found.
    pub(crate) fn sweep(&mut self) -> sweep::Report {
        self.try_sweep(What::Due).unwrap_or_else(|error| panic!("{error}"))
    }

    pub(crate) fn try_sweep(&mut self, what: What) -> Result<sweep::Report, Error> {
        let writer = self.writer("sweep");
        let outside = sweep::Outside {
            objects: &self.store,
            pokes: &self.outbox,
            registry: &self.registry,
            repositories: &self.repositories,
            unasked: &self.unasked,
            pace: self.pace,
            writer: &writer,
        };
        let result = pollster::block_on(sweep::sweep(outside, what, self.now));
        match &result {
            Ok(report) => self.log.extend(report.sentences()),
            Err(error) => self.log.push(error.to_string()),
        }
        result
    }

    // ------------------------------------------------------------------------------------------------ people

    /// Somebody changes a text in a file of a branch.
    pub(crate) fn edit(&self, branch: &str, path: &str, old: &str, new: &str) {
        let text = self.file(branch, path);
        assert!(text.contains(old), "`{old}` is not in {path}:\n{text}");
        self.git.push_by_somebody_else(branch, &[Entry::file(path, text.replace(old, new))], "Edit by hand");
    }

    /// Somebody merges a pull request, and the forge removes its branch.
    pub(crate) fn merge(&self, number: u64) {
        let pull = self.pull(number);
        self.git.merge(&pull.branch, BASE);
        self.forge.merge(number);
        self.git.delete_branch(&pull.branch);
    }

    /// Somebody puts every file of the base branch back to what it was.
    pub(crate) fn roll_back_to(&self, before: &BTreeMap<String, Vec<u8>>) {
        let entries: Vec<Entry> = before.iter().map(|(path, bytes)| Entry::file(path, bytes)).collect();
        self.git.push_by_somebody_else(BASE, &entries, "Revert");
    }

    // ------------------------------------------------------------------------------------------------ looking

    pub(crate) fn file(&self, branch: &str, path: &str) -> String {
        let files = self.git.files(branch);
        let bytes = files.get(path).unwrap_or_else(|| panic!("{path} is not on {branch}"));
        String::from_utf8(bytes.clone()).unwrap()
    }

    pub(crate) fn pull(&self, number: u64) -> Pull {
        self.forge.pulls().into_iter().find(|pull| pull.number == number).unwrap()
    }

    /// The one open pull request.
    pub(crate) fn open(&self) -> Pull {
        let open = self.forge.open_pulls();
        assert_eq!(open.len(), 1, "{open:#?}");
        open.into_iter().next().unwrap()
    }

    /// The newest commit of a branch.
    pub(crate) fn head(&self, branch: &str) -> Logged {
        self.git.log(branch).into_iter().next().unwrap_or_else(|| panic!("there is no branch {branch}"))
    }

    /// Checks that a branch is one commit on top of the base, and shows what it changes.
    pub(crate) fn diff(&self, branch: &str) -> String {
        assert_eq!(self.git.log(branch)[1..], self.git.log(BASE), "{branch} is one commit on top of {BASE}");
        let (before, after) = (self.git.files(BASE), self.git.files(branch));
        assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
        let mut diff = String::new();
        for (path, old) in before.iter().filter(|(path, old)| after[*path] != **old) {
            let (old, new) = (String::from_utf8_lossy(old), String::from_utf8_lossy(&after[path]));
            let lines = TextDiff::from_lines(&*old, &*new);
            diff += &lines.unified_diff().context_radius(0).header(path, path).to_string();
        }
        diff
    }

    /// The lines that a branch adds, without indentation.
    pub(crate) fn added(&self, branch: &str) -> Vec<String> {
        let diff = self.diff(branch);
        let added = diff.lines().filter(|line| line.starts_with('+') && !line.starts_with("+++"));
        added.map(|line| line[1..].trim().to_owned()).collect()
    }

    /// The tags of an image that are known.
    pub(crate) fn tags(&self, image: &str) -> Vec<String> {
        let image: ImageName = image.parse().unwrap();
        let ledger = pollster::block_on(ledgers::read(&self.store, &image, "test")).unwrap();
        ledger.live().map(|(tag, _)| tag.to_string()).collect()
    }

    /// Somebody holds a tag of `NAMESPACE/NAME`; whether it was not held before.
    pub(crate) fn hold(&mut self, policy: &str, tag: &str, reason: &str) -> bool {
        let (writer, policy, tag) = (self.writer("hold"), named(policy), tag.parse().unwrap());
        let holding = holds::hold(&self.store, &self.repository, &policy, &tag, reason, &writer, self.now);
        pollster::block_on(holding).unwrap()
    }

    /// Somebody releases a tag of `NAMESPACE/NAME`, or all; which were held.
    pub(crate) fn release(&mut self, policy: &str, tag: Option<&str>) -> Vec<String> {
        let (writer, policy) = (self.writer("release"), named(policy));
        let tag = tag.map(|tag| tag.parse().unwrap());
        let releasing = holds::release(&self.store, &self.repository, &policy, tag.as_ref(), &writer);
        pollster::block_on(releasing).unwrap().into_iter().map(|hold| hold.tag.to_string()).collect()
    }

    /// Somebody lets `NAMESPACE/NAME` go back to a tag.
    pub(crate) fn step_back(&mut self, policy: &str, to: &str) {
        let (writer, policy, to) = (self.writer("release"), named(policy), to.parse().unwrap());
        let stepping = holds::step_back(&self.store, &self.repository, &policy, &to, &writer, self.now);
        pollster::block_on(stepping).unwrap();
    }

    /// How many objects there are beside the number of refused deliveries.
    pub(crate) fn evidence(&self) -> usize {
        self.store.contents().keys().filter(|key| *key != Key::refusals().as_str()).count()
    }

    /// How things stand.
    pub(crate) fn status(&self) -> Status {
        let repositories = std::slice::from_ref(&self.repository);
        let reading = status::read(&self.store, &self.config, repositories, BTreeMap::new(), "status", self.now);
        Status::of(&pollster::block_on(reading).unwrap(), self.now)
    }

    /// The held tags, with the reasons.
    pub(crate) fn holds(&self) -> Vec<Hold> {
        let holds = pollster::block_on(store::load::<Holds>(&self.store, &Key::holds(&self.repository))).unwrap();
        holds.map(|holds| holds.value.holds.into_iter().collect()).unwrap_or_default()
    }
}

fn named(policy: &str) -> PolicyName {
    let (namespace, name) = policy.split_once('/').unwrap();
    PolicyName { namespace: namespace.to_owned(), name: name.to_owned() }
}
