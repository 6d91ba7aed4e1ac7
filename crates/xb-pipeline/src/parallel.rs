//! Work on many items at once whose results are wanted in order: what keeps the cores busy when a stream
//! is compressed, encrypted or taken apart in independent pieces.
//!
//! A [`Flow`] is pulled from; what feeds it runs on threads of its own. Flows feed one another, so that a line
//! of them works on all of its parts at once, with a few items between each two of them and no more.

use std::sync::Arc;
use std::thread::Scope;

use crossbeam_channel::{Receiver, Sender, bounded};

/// Results in the order of their items. When it is dropped, what feeds it ends.
pub(crate) struct Flow<O, E>(Results<O, E>);

enum Results<O, E> {
    /// Worked on by many.
    Promised(Receiver<Receiver<Result<O, E>>>),
    /// Made by one.
    Direct(Receiver<Result<O, E>>),
}

impl<O, E> Flow<O, E> {
    /// The next result, `None` after the last. An error is the last.
    pub(crate) fn next(&self) -> Result<Option<O>, E> {
        // A promise that is never kept is a worker that panicked; the scope passes that on.
        match &self.0 {
            Results::Promised(promises) => {
                promises.recv().ok().and_then(|promise| promise.recv().ok()).transpose()
            }
            Results::Direct(results) => results.recv().ok().transpose(),
        }
    }
}

/// Takes items from `produce` until it gives `None` or an error, and works on them on `threads` threads.
///
/// `produce` runs on a thread of its own. At most `threads + 4` items are under way, so memory is bounded by
/// that many items and results. `make_worker` is called once a thread: a worker keeps what is dear to make,
/// such as a compressor.
pub(crate) fn spread<'scope, I, O, E, W>(
    scope: &'scope Scope<'scope, '_>,
    threads: usize,
    mut produce: impl FnMut() -> Result<Option<I>, E> + Send + 'scope,
    make_worker: impl Fn() -> W + Send + Sync + 'scope,
) -> Flow<O, E>
where
    I: Send + 'scope,
    O: Send + 'scope,
    E: Send + 'scope,
    W: FnMut(I) -> Result<O, E>,
{
    let threads = threads.max(1);
    let (jobs, job_queue) = bounded::<(I, Sender<Result<O, E>>)>(threads);
    let (promises, promise_queue) = bounded::<Receiver<Result<O, E>>>(threads + 2);
    let make_worker = Arc::new(make_worker);
    for _ in 0..threads {
        let (job_queue, make_worker) = (job_queue.clone(), make_worker.clone());
        scope.spawn(move || {
            let mut work = make_worker();
            for (item, promise) in job_queue {
                // Nobody waits for the result once the flow is dropped.
                let _ = promise.send(work(item));
            }
        });
    }
    scope.spawn(move || {
        loop {
            let (keep, promise) = bounded(1);
            let sent = match produce() {
                Ok(Some(item)) => promises.send(promise).is_ok() && jobs.send((item, keep)).is_ok(),
                Ok(None) => false,
                Err(error) => {
                    let _ = keep.send(Err(error));
                    let _ = promises.send(promise);
                    false
                }
            };
            if !sent {
                return;
            }
        }
    });
    Flow(Results::Promised(promise_queue))
}

/// Where a thread of [`background`] puts what it makes.
pub(crate) struct Outflow<O, E>(Sender<Result<O, E>>);

impl<O, E> Outflow<O, E> {
    /// Passes an item on. `false`: nobody wants more.
    #[must_use]
    pub(crate) fn give(&self, item: O) -> bool {
        self.0.send(Ok(item)).is_ok()
    }
}

/// Runs `make`, which puts items into the flow one by one, on a thread of its own.
pub(crate) fn background<'scope, O, E>(
    scope: &'scope Scope<'scope, '_>,
    make: impl FnOnce(&Outflow<O, E>) -> Result<(), E> + Send + 'scope,
) -> Flow<O, E>
where
    O: Send + 'scope,
    E: Send + 'scope,
{
    let (sender, results) = bounded(4);
    scope.spawn(move || {
        let outflow = Outflow(sender);
        if let Err(error) = make(&outflow) {
            let _ = outflow.0.send(Err(error));
        }
    });
    Flow(Results::Direct(results))
}

/// A [`spread`] whose results are handed to `consume`, on the caller's thread, until there are no more.
///
/// # Errors
/// The first error in order. An error of `consume` comes before one of `produce`: when the end of a line is
/// blocked, what its beginning meets is a consequence.
pub(crate) fn ordered<I, O, E, W>(
    threads: usize,
    produce: impl FnMut() -> Result<Option<I>, E> + Send,
    make_worker: impl Fn() -> W + Send + Sync,
    mut consume: impl FnMut(O) -> Result<(), E>,
) -> Result<(), E>
where
    I: Send,
    O: Send,
    E: Send,
    W: FnMut(I) -> Result<O, E>,
{
    std::thread::scope(|scope| {
        let flow = spread(scope, threads, produce, make_worker);
        while let Some(result) = flow.next()? {
            consume(result)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn numbers(count: u32) -> impl FnMut() -> Result<Option<u32>, String> {
        let mut next = 0;
        move || {
            next += 1;
            Ok((next <= count).then_some(next))
        }
    }

    #[test]
    fn results_come_in_order_however_long_each_takes() {
        let mut seen = Vec::new();
        let slow_when_odd = || {
            |n: u32| {
                std::thread::sleep(Duration::from_micros(u64::from(n % 2) * 300));
                Ok(n * 10)
            }
        };
        ordered(4, numbers(100), slow_when_odd, |n| {
            seen.push(n);
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, (1..=100).map(|n| n * 10).collect::<Vec<_>>());
    }

    #[test]
    fn an_error_anywhere_ends_the_run() {
        let fail_at = |limit: u32, what: &'static str| {
            move |n: u32| if n == limit { Err(what.to_owned()) } else { Ok(n) }
        };
        let worker = ordered(2, numbers(1000), || fail_at(7, "work"), |_| Ok(()));
        assert_eq!(worker, Err("work".to_owned()));
        let consume = fail_at(9, "consume");
        let consumer = ordered(2, numbers(u32::MAX - 1), || |n: u32| Ok(n), move |n| consume(n).map(|_| ()));
        assert_eq!(consumer, Err("consume".to_owned()));
        let mut produce = fail_at(5, "produce");
        let mut next = numbers(10);
        let producer =
            ordered(2, move || next()?.map(&mut produce).transpose(), || |n: u32| Ok(n), |_| Ok(()));
        assert_eq!(producer, Err("produce".to_owned()));
    }
}
