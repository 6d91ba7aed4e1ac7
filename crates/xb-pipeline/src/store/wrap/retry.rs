//! A store that tries again what failed for a passing reason.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use xb_core::ErrorClass;

use super::timer::Timer;
use crate::cancel::CancelToken;
use crate::monitor::Monitor;
use crate::store::{
    About, Entry, ObjectDigest, Removal, Store, StoreError, StoreErrorKind, StorePath, Upload,
};

/// What is read again and compared where reading goes on after a failure.
const OVERLAP: usize = 64 * 1024;
/// Reading that came this far since the last failure begins to count failures anew.
const PROGRESS: u64 = 1024 * 1024;

/// How long to go on trying.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How often at most, with the first time.
    pub tries: u32,
    /// How long to wait after the first failure; after each further one it is twice as long. Some of it is left out
    /// at random, up to half, so that many that failed together do not come back together.
    pub first_wait: Duration,
    /// The longest wait.
    pub longest_wait: Duration,
    /// No wait goes beyond this time since the first try.
    pub total: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience {
            tries: 8,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(60),
            total: Duration::from_secs(600),
        }
    }
}

/// A store that tries again. Beginning an [`Upload`] is repeated, what is written to it is not. Each repetition is
/// told to the monitor as a warning, with its reason.
///
/// What [`Store::put_new`] and [`Store::publish`] meet when an earlier try of theirs came to an unknown end may be
/// their own: it is taken for that if it has their content. So who competes for a name has to write something nobody
/// else does.
#[derive(Clone)]
pub struct Retry(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    patience: Patience,
    timer: Arc<dyn Timer>,
    cancel: CancelToken,
    monitor: Arc<dyn Monitor>,
}

impl fmt::Debug for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry").field("store", &self.0.store).field("patience", &self.0.patience).finish()
    }
}

impl Retry {
    /// Tries again what fails in `store`, until `cancel` is pulled.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        patience: Patience,
        timer: Arc<dyn Timer>,
        cancel: CancelToken,
        monitor: Arc<dyn Monitor>,
    ) -> Self {
        Retry(Arc::new(Inner { store, patience, timer, cancel, monitor }))
    }
}

/// The tries of one operation.
struct Tries {
    since: Duration,
    failures: u32,
}

impl Inner {
    fn tries(&self) -> Tries {
        Tries { since: self.timer.elapsed(), failures: 0 }
    }

    fn cancelled(&self, reason: &dyn fmt::Display) -> StoreError {
        StoreError {
            kind: StoreErrorKind::Cancelled,
            store: self.store.address().to_owned(),
            action: "go on",
            path: None,
            reason: reason.to_string(),
        }
    }

    fn check(&self) -> Result<(), StoreError> {
        self.cancel.check().map_err(|cancelled| self.cancelled(&cancelled))
    }

    /// Waits for the next try; gives the error back if there is none.
    fn wait_after(&self, tries: &mut Tries, error: StoreError) -> Result<(), StoreError> {
        if error.class() != ErrorClass::Transient {
            return Err(error);
        }
        tries.failures += 1;
        let wait = self.wait(tries.failures);
        let passed = self.timer.elapsed().saturating_sub(tries.since);
        if tries.failures >= self.patience.tries || passed + wait > self.patience.total {
            let reason = format!("{} (given up after {} tries)", error.reason, tries.failures);
            return Err(StoreError { reason, ..error });
        }
        let seconds = wait.as_secs_f64();
        self.monitor.warn(&format!("{error}; trying again in {seconds:.1} s"));
        self.timer.wait(wait, &self.cancel).map_err(|cancelled| self.cancelled(&cancelled))
    }

    /// How long to wait after so many failures.
    fn wait(&self, failures: u32) -> Duration {
        let doubled = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        let longest = self.patience.first_wait.saturating_mul(doubled).min(self.patience.longest_wait);
        let mut random = [0; 4];
        // Without randomness they come together, which is no fault.
        let _ = rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty());
        longest.mul_f64(1.0 - f64::from(u32::from_ne_bytes(random)) / f64::from(u32::MAX) / 2.0)
    }

    /// Runs an operation until it succeeds or there is no hope; tells it whether a try before it failed.
    fn run<T>(&self, run: impl Fn(&dyn Store, bool) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut tries = self.tries();
        loop {
            self.check()?;
            match run(&*self.store, tries.failures > 0) {
                Err(error) => self.wait_after(&mut tries, error)?,
                done => return done,
            }
        }
    }
}

impl Retry {
    fn run<T>(&self, run: impl Fn(&dyn Store) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.0.run(|store, _| run(store))
    }

    /// Makes something with this content exist at `path`, where nothing may be.
    fn run_new(
        &self,
        path: Option<StorePath>,
        content: &[u8],
        run: impl Fn(&dyn Store) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let tried = std::cell::Cell::new(false);
        let result = self.0.run(|store, again| {
            tried.set(again);
            run(store)
        });
        match (result, path) {
            (Err(error), Some(path)) if error.kind == StoreErrorKind::Exists && tried.get() => {
                if self.holds(&path, content)? { Ok(()) } else { Err(error) }
            }
            (result, _) => result,
        }
    }

    /// Whether an object has exactly this content.
    fn holds(&self, path: &StorePath, content: &[u8]) -> Result<bool, StoreError> {
        let reader = match self.read(path, 0) {
            Err(error) if error.kind == StoreErrorKind::Missing => return Ok(false),
            reader => reader?,
        };
        let mut found = Vec::new();
        let read = reader.take(content.len() as u64 + 1).read_to_end(&mut found);
        read.map_err(|error| StoreError::from_io(error, self.address(), "read"))?;
        Ok(found == content)
    }
}

/// What was gone at a later try may have gone by an earlier one.
fn removed(removal: Removal, again: bool) -> Removal {
    if again && removal == Removal::Missing { Removal::Removed } else { removal }
}

/// An object that is read on where reading broke.
struct ResumingReader {
    retry: Retry,
    path: StorePath,
    reader: Option<Box<dyn Read + Send>>,
    position: u64,
    /// The last bytes before `position`, by which the object is recognised.
    tail: Vec<u8>,
    tries: Tries,
    /// Where the last failure was.
    failed_at: u64,
}

impl ResumingReader {
    /// Reads some more, or says why not.
    fn advance(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut reader = match self.reader.take() {
            Some(reader) => reader,
            None => self.open_again()?,
        };
        // In case of an error the reader is of no use any more.
        let got = loop {
            match reader.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                other => break other?,
            }
        };
        self.reader = Some(reader);
        Ok(got)
    }

    fn open_again(&self) -> io::Result<Box<dyn Read + Send>> {
        let store = &self.retry.0.store;
        let mut reader = store.read(&self.path, self.position - self.tail.len() as u64)?;
        let mut again = vec![0; self.tail.len()];
        let same = match reader.read_exact(&mut again) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => false,
            other => other.map(|()| again == self.tail)?,
        };
        if same {
            return Ok(reader);
        }
        Err(StoreError {
            kind: StoreErrorKind::Damaged,
            store: store.address().to_owned(),
            action: "read",
            path: Some(self.path.as_str().to_owned()),
            reason: "it is another one than when reading began; begin again".into(),
        }
        .into())
    }

    fn passed(&mut self, bytes: &[u8]) {
        self.position += bytes.len() as u64;
        let last = &bytes[bytes.len().saturating_sub(OVERLAP)..];
        let excess = (self.tail.len() + last.len()).saturating_sub(OVERLAP);
        self.tail.drain(..excess);
        self.tail.extend_from_slice(last);
    }
}

impl Read for ResumingReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.retry.0.check()?;
            let error = match self.advance(buffer) {
                Ok(got) => {
                    self.passed(&buffer[..got]);
                    return Ok(got);
                }
                Err(error) => StoreError::from_io(error, self.retry.address(), "read"),
            };
            if self.tries.failures == 0 || self.position - self.failed_at >= PROGRESS {
                self.tries = self.retry.0.tries();
            }
            self.failed_at = self.position;
            self.retry.0.wait_after(&mut self.tries, error)?;
        }
    }
}

impl Store for Retry {
    fn address(&self) -> &str {
        self.0.store.address()
    }

    fn list(&self) -> Result<Vec<Entry>, StoreError> {
        self.run(|store| store.list())
    }

    fn prefixes(&self) -> Result<Vec<String>, StoreError> {
        self.run(|store| store.prefixes())
    }

    fn read(&self, path: &StorePath, from: u64) -> Result<Box<dyn Read + Send>, StoreError> {
        let reader = self.run(|store| store.read(path, from))?;
        Ok(Box::new(ResumingReader {
            retry: self.clone(),
            path: path.clone(),
            reader: Some(reader),
            position: from,
            tail: Vec::new(),
            tries: self.0.tries(),
            failed_at: from,
        }))
    }

    fn read_small(&self, paths: &[StorePath], limit: u64) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        self.run(|store| store.read_small(paths, limit))
    }

    fn create(&self, path: &StorePath, about: About) -> Result<Box<dyn Upload>, StoreError> {
        self.run(|store| store.create(path, about))
    }

    fn put(&self, path: &StorePath, content: &[u8]) -> Result<(), StoreError> {
        self.run(|store| store.put(path, content))
    }

    fn put_new(&self, path: &StorePath, content: &[u8]) -> Result<(), StoreError> {
        self.run_new(Some(path.clone()), content, |store| store.put_new(path, content))
    }

    fn draft(&self, directory: &StorePath) -> StorePath {
        self.0.store.draft(directory)
    }

    fn publish(&self, directory: &StorePath, seal: &str, content: &[u8]) -> Result<(), StoreError> {
        let sealed = directory.join(seal).ok();
        self.run_new(sealed, content, |store| store.publish(directory, seal, content))
    }

    fn withdraw(&self, directory: &StorePath, seal: &str) -> Result<Removal, StoreError> {
        self.0.run(|store, again| Ok(removed(store.withdraw(directory, seal)?, again)))
    }

    fn remove(&self, paths: &[StorePath]) -> Result<Vec<Removal>, StoreError> {
        self.0.run(|store, again| {
            let removals = store.remove(paths)?;
            Ok(removals.into_iter().map(|removal| removed(removal, again)).collect())
        })
    }

    fn abort(&self, path: &StorePath, token: &str) -> Result<(), StoreError> {
        self.run(|store| store.abort(path, token))
    }

    fn digest(&self, path: &StorePath) -> Result<Option<ObjectDigest>, StoreError> {
        self.run(|store| store.digest(path))
    }

    fn run(&self, words: &[&str]) -> Result<String, StoreError> {
        // Nobody knows what it does the second time.
        self.0.store.run(words)
    }
}
