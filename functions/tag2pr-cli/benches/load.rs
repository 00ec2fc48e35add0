//! How `tag2pr serve` bears a long load: 50,000 deliveries of 2,000 images, 200 of which have a policy.
//!
//! ```sh
//! cargo bench -p tag2pr-cli --bench load
//! cargo bench -p tag2pr-cli --bench load -- 3      # three times the deliveries
//! ```
//!
//! The listener is a process of its own, on a directory store; 100 deliveries are in flight, in no order, and a fifth of
//! them are repetitions. Meanwhile it proposes, again and again. In the end every push must be known, none twice; there
//! must be one pull request of one commit, with the newest tag at all 200 places.
//!
//! Then everything is sent once more, when all of it is known: the listener's resident memory must be flat then, for it may
//! grow with what is known, and not with what comes. Any other end is a failure.
//!
//! Then one more push: to an image with 100 known tags, and to one with 100,000, by turns.

#![allow(clippy::print_stdout, reason = "a table is what this program is for")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use support::{IN_FLIGHT, Push, Sender, Serving, percentile};
use tag2pr::image::{ImageName, Tag};
use tag2pr::keys::Key;
use tag2pr::ledger::{Ledger, News};
use tag2pr::repository_url::RepositoryUrl;
use tag2pr::seams::Objects;
use tag2pr::{flow::ledgers, store};
use tag2pr_end_to_end::pull_requests;
use tag2pr_standins::git::{Bare, Entry};

/// How much there is of everything.
#[derive(Clone, Copy)]
struct Scale {
    images: usize,
    policies: usize,
    /// Of each image.
    tags: usize,
    /// In the second part, of the image with many.
    many: usize,
    /// In the second part, to each of the two images.
    pushes: usize,
}

impl Scale {
    fn distinct(self) -> usize {
        self.images * self.tags
    }

    /// In no order: the factor is a prime that divides no number of pushes here. Each fourth is sent twice.
    fn push(self, number: usize) -> Push {
        let shuffled = number * 7919 % self.distinct();
        let (image, tag) = (shuffled % self.images, shuffled / self.images);
        Push {
            image: name(image),
            tag: format!("build-{tag}"),
            number: shuffled,
            times: 1 + usize::from(number.is_multiple_of(4)),
        }
    }
}

fn name(image: usize) -> String {
    format!("app-{image:04}")
}

fn image(name: &str) -> ImageName {
    ImageName::new("ghcr.io", &format!("acme/{name}")).unwrap()
}

fn main() {
    // `cargo test --benches` runs this program too, as a test that it works.
    let measured = std::env::args().any(|argument| argument == "--bench");
    let longer = std::env::args().find_map(|argument| argument.parse::<usize>().ok()).unwrap_or(1);
    let scale = if measured {
        Scale { images: 2_000, policies: 200, tags: 20 * longer, many: 100_000, pushes: 500 }
    } else {
        Scale { images: 50, policies: 5, tags: 4, many: 1_000, pushes: 10 }
    };
    let folder = tempfile::tempdir().unwrap();
    let fleet = Bare::create(&folder.path().join("fleet.git"));
    fleet.push("main", &manifests(scale.policies), "The fleet");
    let serving = Serving::start(folder.path());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let objects = tag2pr_state::open(folder.path().join("state").to_str().unwrap()).unwrap();

    let learning = Memory::watch(serving.id());
    let started = Instant::now();
    let sender = Sender::to(&serving);
    let times = runtime.block_on(sender.burst(scale.distinct(), move |number| scale.push(number)));
    let took = started.elapsed();
    runtime.block_on(settle(&*objects));
    let settled = started.elapsed() - took;
    let learning = learning.stop();

    let (lost, twice) = runtime.block_on(ledgers_of(&*objects, scale));
    println!("deliveries  images  policies  in flight  lost  twice   p50 ms   p99 ms  per second  then settled in");
    println!(
        "{:>10}  {:>6}  {:>8}  {:>9}  {lost:>4}  {twice:>5}  {:>7.1}  {:>7.1}  {:>10.0}  {:>13.1} s",
        times.len(),
        scale.images,
        scale.policies,
        IN_FLIGHT,
        percentile(&times, 50),
        percentile(&times, 99),
        times.len() as f64 / took.as_secs_f64(),
        settled.as_secs_f64()
    );
    assert_eq!((lost, twice), (0, 0), "none is lost, and none is known twice");
    runtime.block_on(proposal(&*objects, &fleet, folder.path(), scale));

    let knowing = Memory::watch(serving.id());
    runtime.block_on(sender.burst(scale.distinct(), move |number| Push { times: 1, ..scale.push(number) }));
    runtime.block_on(settle(&*objects));
    let knowing = knowing.stop();
    println!("resident memory of the listener, the most in each tenth of the time, MB");
    println!("  while it learns           {}", shown(&tenths(&learning)));
    println!("  when it knows all of it   {}", shown(&tenths(&knowing)));
    assert_eq!(runtime.block_on(ledgers_of(&*objects, scale)), (0, 0), "nothing is new the second time");
    runtime.block_on(proposal(&*objects, &fleet, folder.path(), scale));
    if measured {
        assert!(is_flat(&learning, &knowing), "the memory of the listener grew with what it knew already");
    }

    let [few, many] = runtime.block_on(one_more(&sender, &*objects, [100, scale.many], scale.pushes));
    println!(
        "one more push to an image with 100 tags: {few:.2} ms; with {}: {many:.2} ms; {:.2}",
        scale.many,
        many / few
    );
    assert!(!measured || many < 2.0 * few, "one more push must not cost more where there are many tags");
}

/// As many policies, each of its own image, and a marked value for each.
fn manifests(policies: usize) -> Vec<Entry> {
    let mut flux = String::from(
        "apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImageUpdateAutomation\n\
         metadata: { name: fleet, namespace: flux-system }\n\
         spec:\n  interval: 1m\n  sourceRef: { kind: GitRepository, name: flux-system }\n  git:\n\
         \x20   checkout: { ref: { branch: main } }\n\
         \x20   commit: { author: { name: robot, email: robot@example.com } }\n\
         \x20 update: { path: ./apps, strategy: Setters }\n",
    );
    let mut entries = Vec::new();
    for name in (0..policies).map(name) {
        flux.push_str(&format!(
            "---\napiVersion: image.toolkit.fluxcd.io/v1\nkind: ImageRepository\n\
             metadata: {{ name: {name}, namespace: flux-system }}\nspec: {{ image: ghcr.io/acme/{name}, interval: 1m }}\n\
             ---\napiVersion: image.toolkit.fluxcd.io/v1\nkind: ImagePolicy\n\
             metadata: {{ name: {name}, namespace: flux-system }}\n\
             spec:\n  imageRepositoryRef: {{ name: {name} }}\n\
             \x20 filterTags: {{ pattern: '^build-(?P<n>[0-9]+)$', extract: $n }}\n\
             \x20 policy: {{ numerical: {{ order: asc }} }}\n"
        ));
        let app = format!("image: ghcr.io/acme/{name}:build-0 # {{\"$imagepolicy\": \"flux-system:{name}\"}}\n");
        entries.push(Entry::file(&format!("apps/{name}.yaml"), app));
    }
    entries.push(Entry::file("flux/automation.yaml", flux));
    entries
}

/// Waits until every poke is served.
async fn settle(objects: &dyn Objects) {
    let patience = Instant::now() + Duration::from_secs(600);
    while !objects.list(&Key::listed("inbox/".to_owned())).await.unwrap().is_empty() {
        assert!(Instant::now() < patience, "pokes still wait");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// How many pushes are not known, and how many are known more than once.
async fn ledgers_of(objects: &dyn Objects, scale: Scale) -> (usize, usize) {
    let (mut lost, mut twice) = (0, 0);
    let wanted: BTreeSet<String> = (0..scale.tags).map(|tag| format!("build-{tag}")).collect();
    for index in 0..scale.images {
        let image = image(&name(index));
        let pushes = objects.list(&Key::pushes(&image)).await.unwrap();
        let ledger = ledgers::read(objects, &image, "bench").await.unwrap();
        let known: BTreeSet<String> = ledger.live().map(|(tag, _)| tag.to_string()).collect();
        lost += wanted.difference(&known).count();
        twice += known.difference(&wanted).count() + pushes.len().saturating_sub(wanted.len());
        for (tag, entry) in ledger.live() {
            let number: usize = tag.as_str().trim_start_matches("build-").parse().unwrap();
            let digest = format!("sha256:{:064x}", number * scale.images + index);
            assert_eq!(entry.digest().map(ToString::to_string), Some(digest), "{image}:{tag}");
        }
    }
    (lost, twice)
}

/// One pull request, one commit on top of the base, the newest tag at every place.
async fn proposal(objects: &dyn Objects, fleet: &Bare, folder: &Path, scale: Scale) {
    let path = fs::canonicalize(folder.join("fleet.git")).unwrap();
    let id = RepositoryUrl::parse(path.to_str().unwrap()).unwrap().identify("main");
    let pulls = pull_requests(objects, &id).await;
    assert_eq!(pulls.len(), 1, "{pulls:#?}");
    let branch = pulls[0]["branch"].as_str().unwrap();
    assert_eq!((fleet.log("main").len(), fleet.log(branch).len()), (1, 2));
    let newest = format!(":build-{} #", scale.tags - 1);
    let apps = fleet.entries(branch).into_iter().filter(|entry| entry.path.starts_with("apps/"));
    let right = apps.filter(|entry| String::from_utf8_lossy(&entry.bytes).contains(&newest)).count();
    assert_eq!(right, scale.policies, "the newest tag stands at every place");
    println!("one pull request, one commit, {right} values, each the newest");
}

/// The median time of one more push, in milliseconds, to images with so many tags.
async fn one_more(sender: &Sender, objects: &dyn Objects, tags: [usize; 2], pushes: usize) -> [f64; 2] {
    let names = tags.map(|tags| format!("with-{tags}"));
    for (name, tags) in names.iter().zip(tags) {
        let tags: Vec<Tag> = (0..tags).map(|number| format!("build-{number}").parse().unwrap()).collect();
        let listed = News::Listed { tags, at: "2026-02-06T16:42:03Z".parse().unwrap() };
        store::update::<Ledger>(objects, &Key::ledger(&image(name)), "bench", |ledger| {
            let mut ledger = ledger.unwrap_or_default();
            ledger.merge(&listed);
            Some(ledger)
        })
        .await
        .unwrap();
    }
    let mut times = [Vec::new(), Vec::new()];
    for number in 0..pushes {
        for (name, times) in names.iter().zip(&mut times) {
            let push = Push { image: name.clone(), tag: format!("new-{number}"), number, times: 1 };
            times.push(sender.deliver(&push).await);
        }
    }
    times.map(|mut times| {
        times.sort();
        percentile(&times, 50)
    })
}

/// Reads the resident memory of a process, again and again.
struct Memory {
    done: Arc<AtomicBool>,
    reading: JoinHandle<Vec<f64>>,
}

impl Memory {
    fn watch(process: u32) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&done);
        let reading = std::thread::spawn(move || {
            let mut seen = Vec::new();
            while !ended.load(Ordering::Relaxed) {
                seen.extend(resident(process));
                std::thread::sleep(Duration::from_millis(50));
            }
            seen
        });
        Self { done, reading }
    }

    fn stop(self) -> Vec<f64> {
        self.done.store(true, Ordering::Relaxed);
        self.reading.join().unwrap()
    }
}

/// In MB; nothing where there is no `/proc`.
fn resident(process: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kilobytes / 1024.0)
}

/// The most in each tenth.
fn tenths(memory: &[f64]) -> Vec<f64> {
    memory.chunks(memory.len().div_ceil(10).max(1)).map(|part| part.iter().copied().fold(0.0, f64::max)).collect()
}

fn shown(megabytes: &[f64]) -> String {
    megabytes.iter().map(|some| format!("{some:.0}")).collect::<Vec<_>>().join(" ")
}

/// Whether the most, when everything is known, is at most a tenth above the most while it was learnt.
fn is_flat(learning: &[f64], knowing: &[f64]) -> bool {
    let most = |part: &[f64]| part.iter().copied().fold(0.0, f64::max);
    most(knowing) <= most(learning) * 1.1
}
