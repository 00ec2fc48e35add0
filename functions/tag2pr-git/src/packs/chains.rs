//! The chains of deltas that lead to the wanted blobs of a pack, unpacked from their roots.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use git2::Oid;

use super::Take;
use super::delta;
use super::entry::{Entry, Inflater};
use super::index::Index;

/// While a chain is followed its bases are kept. One that needs more bytes than this is left to libgit2.
const LARGEST_CHAIN: usize = 16 << 20;

pub(super) struct Chains {
    pack: File,
    entries: HashMap<u64, Entry>,
    /// The deltas of each entry.
    deltas: HashMap<u64, Vec<u64>>,
    wanted: HashMap<u64, Oid>,
    /// Those that are no delta, the last first.
    roots: Vec<u64>,
}

/// An entry whose base is at hand.
struct Job {
    offset: u64,
    base: Option<Arc<Vec<u8>>>,
    /// The bytes of all bases on the way to it.
    kept: usize,
}

impl Chains {
    /// Follows the wanted blobs to their roots. `None`: none of them is in this pack, or its index is not understood.
    pub(super) fn of(index: &Path, wanted: &HashSet<Oid>) -> Option<Self> {
        let pack = index.with_extension("pack");
        let index = Index::open(index)?;
        let wanted: HashMap<u64, Oid> =
            wanted.iter().filter_map(|id| Some((index.offset(id.as_bytes())?, *id))).collect();
        if wanted.is_empty() {
            return None;
        }
        let pack = File::open(pack).ok()?;
        let mut open: Vec<u64> = wanted.keys().copied().collect();
        // So that the disk is read in one direction.
        open.sort_unstable_by(|a, b| b.cmp(a));
        let (mut entries, mut deltas, mut roots) = (HashMap::new(), HashMap::<u64, Vec<u64>>::new(), Vec::new());
        while let Some(offset) = open.pop() {
            if entries.contains_key(&offset) {
                continue;
            }
            let Some(entry) = Entry::read(&pack, &index, offset) else { continue };
            entries.insert(offset, entry);
            match entry.base {
                Some(base) => {
                    deltas.entry(base).or_default().push(offset);
                    open.push(base);
                }
                None => roots.push(offset),
            }
        }
        roots.sort_unstable_by(|a, b| b.cmp(a));
        Some(Self { pack, entries, deltas, wanted, roots })
    }

    /// Unpacks everything and hands over the wanted blobs; returns which they were.
    pub(super) fn unpack(&self, threads: usize, take: Take<'_>) -> Vec<Oid> {
        let roots = self.roots.iter().map(|offset| Job { offset: *offset, base: None, kept: 0 }).collect();
        let shared = Shared::new(roots, threads);
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| self.work(&shared, take))).collect();
            workers.into_iter().filter_map(|worker| worker.join().ok()).flatten().collect()
        })
    }

    fn work(&self, shared: &Shared, take: Take<'_>) -> Vec<Oid> {
        let _leaving = Leaving(shared);
        let mut inflater = Inflater::new();
        let mut taken = Vec::new();
        let mut own = Vec::new();
        while let Some(job) = own.pop().or_else(|| shared.next()) {
            let Some(bytes) = self.unpacked(&job, &mut inflater) else { continue };
            if let Some(id) = self.wanted.get(&job.offset) {
                take(*id, &bytes);
                taken.push(*id);
            }
            let kept = job.kept + bytes.len();
            let Some(deltas) = self.deltas.get(&job.offset).filter(|_| kept <= LARGEST_CHAIN) else { continue };
            let base = Arc::new(bytes);
            own.extend(deltas.iter().rev().map(|offset| Job { offset: *offset, base: Some(Arc::clone(&base)), kept }));
            shared.feed(&mut own);
        }
        taken
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
