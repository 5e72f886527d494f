//! Work in parallel.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many threads are worth having.
#[must_use]
pub fn jobs() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Applies `work` to every item on at most `jobs` threads; results are in the items' order.
///
/// # Panics
/// Where `work` does.
pub fn parallel<T: Sync, R: Send>(jobs: usize, items: &[T], work: impl Fn(usize, &T) -> R + Sync) -> Vec<R> {
    parallel_deep(jobs, STACK, items, work)
}

/// What Rust gives threads, too.
const STACK: usize = 2 << 20;

/// As [`parallel`], on threads with `stack` bytes of stack: for work that recurses deeply. Memory that is not used
/// costs nothing.
///
/// # Panics
/// Where `work` does.
pub fn parallel_deep<T: Sync, R: Send>(
    jobs: usize,
    stack: usize,
    items: &[T],
    work: impl Fn(usize, &T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results: Vec<Mutex<Option<R>>> = items.iter().map(|_| Mutex::new(None)).collect();
    let run = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { break };
            let result = work(index, item);
            if let Ok(mut place) = results[index].lock() {
                *place = Some(result);
            }
        }
    };
    std::thread::scope(|scope| {
        let spawn = |_| std::thread::Builder::new().stack_size(stack).spawn_scoped(scope, run).is_ok();
        let workers = (0..jobs.min(items.len())).map(spawn).filter(|spawned| *spawned).count();
        // Where the system gives no thread at all, this one does the work.
        if workers == 0 {
            run();
        }
    });
    results.into_iter().filter_map(|r| r.into_inner().ok().flatten()).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn results_are_in_order() {
        let items: Vec<usize> = (0..100).collect();
        assert_eq!(super::parallel(4, &items, |i, item| i + item), (0..100).map(|i| 2 * i).collect::<Vec<_>>());
        assert!(super::parallel(4, &[] as &[u8], |_, _| ()).is_empty());
    }
}
