//! The same work on many things, by as many threads as there are processors.

use std::thread;

/// With fewer things than this, another thread costs more than it brings.
const WORTH_A_THREAD: usize = 32;

/// What the work makes of each thing, in the order of the things.
pub(crate) fn map<T: Sync, R: Send>(things: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(things.len() / WORTH_A_THREAD);
    if threads < 2 {
        return things.iter().map(work).collect();
    }
    let work = &work;
    thread::scope(|scope| {
        let portions = things.chunks(things.len().div_ceil(threads));
        let workers: Vec<_> =
            portions.map(|portion| scope.spawn(move || portion.iter().map(work).collect::<Vec<R>>())).collect();
        let result = |result: thread::Result<Vec<R>>| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        workers.into_iter().flat_map(|worker| result(worker.join())).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_things() {
        for count in [0, 1, WORTH_A_THREAD, 3 * WORTH_A_THREAD + 1, 1000] {
            let things: Vec<usize> = (0..count).collect();
            assert_eq!(map(&things, |thing| thing * 2), things.iter().map(|thing| thing * 2).collect::<Vec<_>>());
        }
    }
}
