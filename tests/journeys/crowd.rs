//! Ten workers on one repository, and fifty deliveries between them, in any order.

use std::collections::{BTreeSet, VecDeque};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;

use futures_util::future::join_all;
use pollster::block_on;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use tag2pr::flow::propose::propose;
use tag2pr::seams::{Poke, Pokes};
use tag2pr::testing::repository::Entry;

use super::settings::say;
use super::stories::PROPOSAL;
use super::wire::Wire;
use super::world::{BASE, Fixture, World};

const WORKERS: usize = 10;
/// The first two are the home lab's own.
const SERVICES: [&str; 5] = ["backend", "frontend", "mailer", "search", "thumbnails"];
/// So many tags of each service are pushed: eight times five, and the first and the last of each are told twice.
const TAGS: u32 = 8;
/// A worker that is sent back more often than this gets nowhere.
const PATIENCE: usize = 500;

/// What shares a pull request.
#[derive(Debug, Clone, Copy)]
enum Group {
    Automation,
    Policy,
}

const GROUPS: [Group; 2] = [Group::Automation, Group::Policy];

impl Group {
    fn setting(self) -> &'static str {
        match self {
            Self::Automation => "proposals:\n  - { name: flux-system/flux-system, group: automation }\n",
            Self::Policy => "proposals:\n  - { name: flux-system/flux-system, group: policy }\n",
        }
    }

    /// Each branch with the services that it is for.
    fn branches(self) -> Vec<(String, BTreeSet<&'static str>)> {
        match self {
            Self::Automation => vec![(PROPOSAL.to_owned(), SERVICES.into())],
            Self::Policy => SERVICES.map(|service| (format!("{PROPOSAL}.{service}"), [service].into())).into(),
        }
    }
}

fn tag(number: u32) -> String {
    format!("main-{number:07x}-{}", 1_707_300_000 + number)
}

fn image(service: &str) -> String {
    format!("192.168.0.40:5000/{service}")
}

/// The manifests of a service that is pushed as the home lab's own are.
fn manifests(service: &str) -> [Entry; 2] {
    let policy = format!(
        "apiVersion: image.toolkit.fluxcd.io/v1beta2\nkind: ImageRepository\n\
         metadata: {{ name: {service}, namespace: flux-system }}\nspec: {{ image: {image} }}\n---\n\
         apiVersion: image.toolkit.fluxcd.io/v1beta2\nkind: ImagePolicy\n\
         metadata: {{ name: {service}, namespace: flux-system }}\nspec:\n  imageRepositoryRef: {{ name: {service} }}\n  \
         filterTags: {{ pattern: '^main-[a-f0-9]{{7}}-(?P<ts>[0-9]{{10}})$', extract: '$ts' }}\n  \
         policy: {{ numerical: {{ order: asc }} }}\n",
        image = image(service),
    );
    let used = format!("image: {}:{} # {{\"$imagepolicy\": \"flux-system:{service}\"}}\n", image(service), tag(0));
    let folder = format!("flux/clusters/production/{service}");
    [Entry::file(&format!("{folder}/policy.yaml"), policy), Entry::file(&format!("{folder}/values.yaml"), used)]
}

/// Five services, all of them followed; what stands in Git is in the registry.
fn five_services(group: Group) -> World {
    let mut world = World::of("2-home-lab");
    for service in &SERVICES[2..] {
        world.git.push_by_somebody_else(BASE, &manifests(service), "Add a service");
        world.build(&format!("{}:{}", image(service), tag(0)));
    }
    world.build("192.168.0.40:5000/frontend:main-f9e1f0b-1707200000");
    world.build("192.168.0.40:5000/backend:main-c40ddee-1707210000");
    say(&world, group.setting());
    // A second pull request would be accepted.
    world.forge.racing();
    assert_eq!(world.propose(), Vec::<String>::new());
    world.wait(60);
    world
}

/// Fifty deliveries, by service and number, in any order.
fn deliveries() -> impl Strategy<Value = Vec<(&'static str, u32)>> {
    let numbers = || (1..=TAGS).chain([1, TAGS]);
    let all: Vec<_> = SERVICES.iter().flat_map(|&service| numbers().map(move |number| (service, number))).collect();
    assert_eq!(all.len(), 50);
    Just(all).prop_shuffle()
}

/// How slow each worker is at each step. Some are so slow that others begin and end whole passes during one of theirs:
/// they come last, with what they read first.
fn delays() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let at_each_step = |delay| prop::collection::vec(delay, 1..40);
    let worker = prop_oneof![2 => at_each_step(0..8_u8), 1 => at_each_step(0..60), 1 => at_each_step(100..250)];
    prop::collection::vec(worker, WORKERS)
}

/// What lies between the workers: deliveries that have not come in, and pokes that nobody has served.
struct Crowd<'w> {
    world: &'w World,
    deliveries: Mutex<VecDeque<Fixture>>,
    pokes: Mutex<VecDeque<Poke>>,
    at_work: AtomicUsize,
    most_at_work: AtomicUsize,
}

impl<'w> Crowd<'w> {
    fn before(world: &'w World, order: &[(&str, u32)]) -> Self {
        let delivery = |&(service, number): &(&str, u32)| {
            world.delivery(&format!("{}:{}", image(service), tag(number)), world.now)
        };
        Self {
            world,
            deliveries: Mutex::new(order.iter().map(delivery).collect()),
            pokes: Mutex::default(),
            at_work: AtomicUsize::new(0),
            most_at_work: AtomicUsize::new(0),
        }
    }

    /// The next poke; as with a queue, each is handed to one worker.
    fn poke(&self) -> Option<Poke> {
        let mut pokes = self.pokes.lock().unwrap();
        pokes.extend(self.world.outbox.take());
        pokes.pop_front()
    }

    /// Takes in a delivery, serves a poke, and so on until there is neither. What is not finished goes back to the queue.
    async fn work(&self, worker: usize, delays: &[u8]) {
        let wire = Wire::slow(self.world, delays.to_vec());
        for pass in 0..PATIENCE {
            let delivery = self.deliveries.lock().unwrap().pop_front();
            if let Some(delivery) = &delivery {
                self.world.record(delivery, &format!("receive/{worker}-{pass}")).await;
            }
            match (self.poke(), delivery) {
                (Some(poke), _) => self.serve(&wire, poke, &format!("propose/{worker}-{pass}")).await,
                (None, Some(_)) => {}
                (None, None) => return,
            }
        }
        panic!("worker {worker} is never done");
    }

    async fn serve(&self, wire: &Wire<'_>, poke: Poke, writer: &str) {
        let at_work = self.at_work.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_work.fetch_max(at_work, Ordering::SeqCst);
        let result = propose(wire.outside(writer), self.world.now).await;
        self.at_work.fetch_sub(1, Ordering::SeqCst);
        if let Err(error) = result {
            assert!(error.is_transient(), "{writer}: {error}");
            self.world.outbox.send(&poke).await.unwrap();
        }
    }

    /// All take turns in one thread, as slow as they are.
    fn in_turns(&self, delays: &[Vec<u8>]) {
        block_on(join_all(delays.iter().enumerate().map(|(worker, delays)| self.work(worker, delays))));
    }

    /// Each has a thread, and gives way whenever it waits for something.
    fn in_threads(&self, delays: &[Vec<u8>]) {
        let start = Barrier::new(delays.len());
        thread::scope(|scope| {
            for (worker, delays) in delays.iter().enumerate() {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    let mut work = pin!(self.work(worker, delays));
                    block_on(std::future::poll_fn(|context| {
                        let polled = work.as_mut().poll(context);
                        thread::yield_now();
                        polled
                    }));
                });
            }
        });
    }
}

/// What must be when the queue is empty, without another look at anything.
fn all_is_proposed_once(world: &World, group: Group) -> Result<(), TestCaseError> {
    let expected = group.branches();
    let branches: Vec<String> = expected.iter().map(|(branch, _)| branch.clone()).collect();
    let mut open = world.forge.open_pulls();
    open.sort_by(|a, b| a.branch.cmp(&b.branch));
    prop_assert_eq!(open.iter().map(|pull| pull.branch.clone()).collect::<Vec<_>>(), branches.clone());
    prop_assert_eq!(world.forge.pulls().len(), open.len(), "there never was another one");
    prop_assert_eq!(world.git.branches(), [vec![BASE.to_owned()], branches].concat());
    for ((branch, services), pull) in expected.into_iter().zip(open) {
        let newest: Vec<String> = services.iter().map(|service| format!("{}:{}", image(service), tag(TAGS))).collect();
        let added = world.added(&branch);
        prop_assert!(added.iter().all(|line| newest.iter().any(|newest| line.contains(newest))), "{added:#?}");
        prop_assert!(newest.iter().all(|newest| added.iter().any(|line| line.contains(newest))), "{added:#?}");
        prop_assert!(
            pull.body.contains(&tag(TAGS)) && services.iter().all(|it| pull.body.contains(it)),
            "{}",
            pull.body
        );
        // Those that were pushed, and the one that stands in Git: whoever wrote the body last knew of all of them.
        let counted = pull.body.matches(&format!("{} tags are known", TAGS + 1)).count();
        prop_assert_eq!(counted, services.len(), "{}", pull.body);
    }
    prop_assert_eq!(world.holds(), []);
    Ok(())
}

/// Who looks once more finds nothing to move, and nothing to write.
fn another_look_moves_nothing(world: &mut World, group: Group) -> Result<(), TestCaseError> {
    let heads = |world: &World| group.branches().into_iter().map(|(branch, _)| world.head(&branch)).collect::<Vec<_>>();
    let before = (heads(world), world.forge.pulls());
    world.wait(60);
    world.propose();
    prop_assert_eq!((heads(world), world.forge.pulls()), before);
    all_is_proposed_once(world, group)
}

/// The same orders and delays for every change, so that a failure is the change's.
fn always_the_same() -> ProptestConfig {
    ProptestConfig {
        cases: 10,
        rng_seed: RngSeed::Fixed(20_261_126),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(always_the_same())]

    #[test]
    fn ten_workers_in_any_interleaving_make_one_pull_request_for_each_group(
        order in deliveries(), delays in delays(),
    ) {
        for group in GROUPS {
            let mut world = five_services(group);
            let crowd = Crowd::before(&world, &order);
            crowd.in_turns(&delays);
            let most_at_work = crowd.most_at_work.into_inner();
            prop_assert!(most_at_work > WORKERS / 2, "only {most_at_work} at once");
            all_is_proposed_once(&world, group)?;
            another_look_moves_nothing(&mut world, group)?;
        }
    }

    #[test]
    fn ten_workers_in_threads_make_one_pull_request_for_each_group(order in deliveries(), delays in delays()) {
        for group in GROUPS {
            let mut world = five_services(group);
            let crowd = Crowd::before(&world, &order);
            crowd.in_threads(&delays);
            let most_at_work = crowd.most_at_work.into_inner();
            prop_assert!(most_at_work > 1, "they did not work at the same time");
            all_is_proposed_once(&world, group)?;
            another_look_moves_nothing(&mut world, group)?;
        }
    }
}

/// Whoever knows the same and is as fast as the others finds no pull request, as they do.
#[test]
fn ten_workers_in_step_that_know_the_same_open_one_pull_request_for_each_group() {
    for group in GROUPS {
        let mut world = five_services(group);
        let crowd = Crowd::before(&world, &[]);
        for service in SERVICES {
            let delivery = world.delivery(&format!("{}:{}", image(service), tag(TAGS)), world.now);
            block_on(world.record(&delivery, &format!("receive/{service}")));
        }
        let poke = world.outbox.take().pop().unwrap();
        crowd.pokes.lock().unwrap().extend(std::iter::repeat_n(poke, WORKERS));
        crowd.in_turns(&vec![vec![0]; WORKERS]);
        assert_eq!(crowd.most_at_work.into_inner(), WORKERS);
        assert_eq!(world.forge.pulls().len(), group.branches().len(), "{group:?}: {:#?}", world.forge.pulls());
        world.wait(60);
        world.propose();
        assert_eq!(world.forge.open_pulls().len(), group.branches().len());
    }
}
