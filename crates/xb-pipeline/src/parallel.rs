//! Work on many items at once whose results are wanted in order: what keeps the cores busy when a stream
//! is compressed or decompressed in independent blocks.

use crossbeam_channel::{Receiver, Sender, bounded};

/// Takes items from `produce` until it gives `None`, works on them on `threads` threads, and hands the
/// results to `consume` in the order of the items.
///
/// `produce` runs on the caller's thread, `consume` on one of its own. At most `threads + 4` items are under
/// way, so memory is bounded by that many items and results. `make_worker` is called once a thread:
/// a worker keeps what is dear to make, such as a compressor.
///
/// # Errors
/// The first error in order. An error of `consume` comes before one of `produce`: when the end of a line is
/// blocked, what its beginning meets is a consequence.
pub(crate) fn ordered<I, O, E, W>(
    threads: usize,
    mut produce: impl FnMut() -> Result<Option<I>, E>,
    make_worker: impl Fn() -> W + Sync,
    mut consume: impl FnMut(O) -> Result<(), E> + Send,
) -> Result<(), E>
where
    I: Send,
    O: Send,
    E: Send,
    W: FnMut(I) -> Result<O, E>,
{
    let threads = threads.max(1);
    let (jobs, job_queue) = bounded::<(I, Sender<Result<O, E>>)>(threads);
    let (promises, promise_queue) = bounded::<Receiver<Result<O, E>>>(threads + 2);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let job_queue = job_queue.clone();
            let make_worker = &make_worker;
            scope.spawn(move || {
                let mut work = make_worker();
                for (item, promise) in job_queue {
                    // Nobody waits for the result once the consumer has failed.
                    let _ = promise.send(work(item));
                }
            });
        }
        drop(job_queue);
        let consumer = scope.spawn(move || {
            // A promise that is never kept is a worker that panicked; the scope passes that on.
            promise_queue
                .into_iter()
                .map_while(|promise| promise.recv().ok())
                .try_for_each(|result| consume(result?))
        });
        let produced = feed(&mut produce, jobs, promises);
        match consumer.join() {
            Ok(consumed) => consumed.and(produced),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

fn feed<I, O, E>(
    produce: &mut impl FnMut() -> Result<Option<I>, E>,
    jobs: Sender<(I, Sender<Result<O, E>>)>,
    promises: Sender<Receiver<Result<O, E>>>,
) -> Result<(), E> {
    while let Some(item) = produce()? {
        let (keep, promise) = bounded(1);
        if promises.send(promise).is_err() || jobs.send((item, keep)).is_err() {
            break;
        }
    }
    Ok(())
}

/// Buffers that go round instead of being allocated for every block.
#[derive(Clone)]
pub(crate) struct BufferPool {
    give: Sender<Vec<u8>>,
    take: Receiver<Vec<u8>>,
}

impl BufferPool {
    pub(crate) fn new(keep: usize) -> Self {
        let (give, take) = bounded(keep);
        BufferPool { give, take }
    }

    /// An empty buffer, with the capacity it had when it was given back.
    pub(crate) fn take(&self) -> Vec<u8> {
        self.take.try_recv().unwrap_or_default()
    }

    pub(crate) fn give(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        // A pool that is full lets go of it.
        let _ = self.give.try_send(buffer);
    }
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
