//! The chains of deltas that lead to some entries of a pack, unpacked from their roots.

use std::collections::HashMap;
use std::fs::File;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::delta;
use super::entry::{Entry, Inflater, Kind, Stored};
use super::index::Index;

/// While a chain is followed its bases are kept. One that needs more bytes than this is left to libgit2.
const LARGEST_CHAIN: usize = 16 << 20;

pub(super) struct Chains {
    pack: File,
    entries: HashMap<u64, Entry>,
    /// The deltas of each entry.
    deltas: HashMap<u64, Vec<u64>>,
    /// Those that are no delta, the last first.
    roots: Vec<(u64, Kind)>,
}

/// Takes an unpacked object with where it begins, on any thread; what is made of it.
pub(super) type Visit<'a, T> = &'a (dyn Fn(u64, Kind, &[u8]) -> Option<T> + Sync);

/// An entry whose base is at hand.
struct Job {
    offset: u64,
    kind: Kind,
    base: Option<Arc<Vec<u8>>>,
    /// The bytes of all bases on the way to it.
    kept: usize,
}

impl Chains {
    /// Follows some entries to their roots.
    pub(super) fn to(pack: File, index: &Index, mut open: Vec<u64>) -> Self {
        // So that the disk is read in one direction.
        open.sort_unstable_by(|a, b| b.cmp(a));
        let mut chains = Self { pack, entries: HashMap::new(), deltas: HashMap::new(), roots: Vec::new() };
        while let Some(offset) = open.pop() {
            if chains.entries.contains_key(&offset) {
                continue;
            }
            let Some(entry) = Entry::read(&chains.pack, offset) else { continue };
            let base = match entry.stored {
                Stored::Whole(kind) => {
                    chains.roots.push((offset, kind));
                    None
                }
                Stored::DeltaAt(base) => Some(base),
                Stored::DeltaOf(name) => {
                    let Some(base) = index.offset(&name) else { continue };
                    Some(base)
                }
            };
            chains.entries.insert(offset, entry);
            if let Some(base) = base {
                chains.deltas.entry(base).or_default().push(offset);
                open.push(base);
            }
        }
        chains.sorted()
    }

    /// All deltas of a pack, and what they are of. `None`: there is one that tells its base by name.
    pub(super) fn of_all(pack: File, entries: impl Iterator<Item = (u64, Entry)> + Clone) -> Option<Self> {
        let mut deltas = HashMap::<u64, Vec<u64>>::new();
        for (offset, entry) in entries.clone() {
            match entry.stored {
                Stored::Whole(_) => {}
                Stored::DeltaAt(base) => deltas.entry(base).or_default().push(offset),
                Stored::DeltaOf(_) => return None,
            }
        }
        let root = |(offset, entry): (u64, Entry)| match entry.stored {
            Stored::Whole(kind) if deltas.contains_key(&offset) => Some((offset, kind)),
            _ => None,
        };
        let roots = entries.clone().filter_map(root).collect();
        Some(Self { pack, entries: entries.collect(), deltas, roots }.sorted())
    }

    fn sorted(mut self) -> Self {
        self.roots.sort_unstable_by_key(|(offset, _)| std::cmp::Reverse(*offset));
        self
    }

    /// Unpacks everything; returns what was made of it.
    pub(super) fn unpack<T: Send>(&self, threads: usize, visit: Visit<'_, T>) -> Vec<T> {
        let job = |(offset, kind): &(u64, Kind)| Job { offset: *offset, kind: *kind, base: None, kept: 0 };
        let shared = Shared::new(self.roots.iter().map(job).collect(), threads);
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| self.work(&shared, visit))).collect();
            workers.into_iter().filter_map(|worker| worker.join().ok()).flatten().collect()
        })
    }

    fn work<T>(&self, shared: &Shared, visit: Visit<'_, T>) -> Vec<T> {
        let _leaving = Leaving(shared);
        let mut inflater = Inflater::new();
        let mut made = Vec::new();
        let mut own = Vec::new();
        while let Some(job) = own.pop().or_else(|| shared.next()) {
            let Some(bytes) = self.unpacked(&job, &mut inflater) else { continue };
            made.extend(visit(job.offset, job.kind, &bytes));
            let kept = job.kept + bytes.len();
            let Some(deltas) = self.deltas.get(&job.offset).filter(|_| kept <= LARGEST_CHAIN) else { continue };
            let base = Arc::new(bytes);
            let next = |offset: &u64| Job { offset: *offset, kind: job.kind, base: Some(Arc::clone(&base)), kept };
            own.extend(deltas.iter().rev().map(next));
            shared.feed(&mut own);
        }
        made
    }

    fn unpacked(&self, job: &Job, inflater: &mut Inflater) -> Option<Vec<u8>> {
        let bytes = inflater.inflate(&self.pack, *self.entries.get(&job.offset)?)?;
        match &job.base {
            Some(base) => delta::apply(base, &bytes),
            None => Some(bytes),
        }
    }
}

/// What the workers share: each has jobs of its own, and gives half of them away when another has none.
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// How many workers wait for a job.
    waiting: AtomicUsize,
}

struct State {
    jobs: Vec<Job>,
    /// How many workers may still bring jobs.
    working: usize,
}

impl Shared {
    fn new(jobs: Vec<Job>, workers: usize) -> Self {
        let state = Mutex::new(State { jobs, working: workers });
        Self { state, changed: Condvar::new(), waiting: AtomicUsize::new(0) }
    }

    /// Waits for a job. `None`: there will be no more.
    fn next(&self) -> Option<Job> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.working -= 1;
        loop {
            if let Some(job) = state.jobs.pop() {
                state.working += 1;
                return Some(job);
            }
            if state.working == 0 {
                // Counted once more, for it leaves as whoever leaves.
                state.working += 1;
                return None;
            }
            self.waiting.fetch_add(1, Ordering::Relaxed);
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Gives the older half of some jobs away, if somebody waits: those with most behind them.
    fn feed(&self, own: &mut Vec<Job>) {
        if own.len() > 1 && self.waiting.load(Ordering::Relaxed) > 0 {
            let given = own.len() / 2;
            self.state.lock().unwrap_or_else(PoisonError::into_inner).jobs.extend(own.drain(..given));
            self.changed.notify_all();
        }
    }
}

/// A worker that stops, for whatever reason, lets the others know that it brings no more jobs.
struct Leaving<'a>(&'a Shared);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).working -= 1;
        self.0.changed.notify_all();
    }
}
