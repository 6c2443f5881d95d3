//! Doing the same with several things, a few at a time.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// As many as there are processors.
pub fn processors() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// Does it with each, `workers` at a time. The results come in the order of the things.
pub fn each<T: Sync, R: Send>(
    things: &[T],
    workers: usize,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..workers.min(things.len()) {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(thing) = things.get(place) else {
                        return;
                    };
                    let result = work(thing);
                    done.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .insert(place, result);
                }
            });
        }
    });
    done.into_inner()
        .unwrap_or_else(PoisonError::into_inner)
        .into_values()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_result_is_in_its_place() {
        let things: Vec<u64> = (0..50).collect();
        let doubled = each(&things, 3, |thing| thing * 2);
        assert_eq!(doubled, (0..50).map(|it| it * 2).collect::<Vec<_>>());
        assert!(each(&[] as &[u64], 3, |_| ()).is_empty());
    }
}
