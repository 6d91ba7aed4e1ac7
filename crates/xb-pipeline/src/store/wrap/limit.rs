//! A store that moves no more bytes in a second than it may.

use std::io::{self, Read, Write};
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::timer::Timer;
use crate::cancel::CancelToken;
use crate::store::{
    About, Entry, ObjectDigest, Removal, Store, StoreError, StoreErrorKind, StorePath, Upload,
};

/// The most that passes in one piece, so that a slow line moves evenly.
const MOST_PIECE: u64 = 256 * 1024;

/// A store with a limit on the bytes that are read and written through it, all objects together.
#[derive(Debug)]
pub struct Limit {
    store: Arc<dyn Store>,
    bucket: Arc<Bucket>,
}

impl Limit {
    /// No more than `bytes_per_second` over a while; a tenth of that may pass at once.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        bytes_per_second: NonZeroU64,
        timer: Arc<dyn Timer>,
        cancel: CancelToken,
    ) -> Self {
        let rate = bytes_per_second.get();
        let address = store.address().to_owned();
        let level = Mutex::new(Level { nanoseconds: 0, at: timer.elapsed() });
        Limit { store, bucket: Arc::new(Bucket { rate, level, timer, cancel: Cancel(cancel), address }) }
    }
}

/// A token has nothing to show.
struct Cancel(CancelToken);

impl std::fmt::Debug for Cancel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CancelToken")
    }
}

/// What was moved and is not paid for by time yet.
#[derive(Debug)]
struct Level {
    /// The time it takes to pay.
    nanoseconds: u128,
    /// When it was that.
    at: Duration,
}

#[derive(Debug)]
struct Bucket {
    rate: u64,
    level: Mutex<Level>,
    timer: Arc<dyn Timer>,
    cancel: Cancel,
    address: String,
}

impl Bucket {
    const SECOND: u128 = 1_000_000_000;
    /// The debt that nobody has to wait for.
    const FREE: u128 = Self::SECOND / 10;

    /// How much of `wanted` passes in one piece.
    fn piece(&self, wanted: usize) -> usize {
        let most = (self.rate / 10).clamp(1, MOST_PIECE);
        wanted.min(usize::try_from(most).unwrap_or(usize::MAX))
    }

    /// Waits as long as it takes to move that many bytes, with what others move.
    fn pay(&self, bytes: usize) -> Result<(), StoreError> {
        let wait = {
            let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
            let now = self.timer.elapsed();
            let passed = now.saturating_sub(level.at).as_nanos();
            let debt = level.nanoseconds.saturating_sub(passed)
                + bytes as u128 * Self::SECOND / u128::from(self.rate);
            *level = Level { nanoseconds: debt, at: now.max(level.at) };
            debt.saturating_sub(Self::FREE)
        };
        let wait = Duration::from_nanos(u64::try_from(wait).unwrap_or(u64::MAX));
        let waited =
            if wait.is_zero() { self.cancel.0.check() } else { self.timer.wait(wait, &self.cancel.0) };
        waited.map_err(|cancelled| StoreError {
            kind: StoreErrorKind::Cancelled,
            store: self.address.clone(),
            action: "go on",
            path: None,
            reason: cancelled.to_string(),
        })
    }
}

struct LimitedReader {
    reader: Box<dyn Read + Send>,
    bucket: Arc<Bucket>,
}

impl Read for LimitedReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let piece = self.bucket.piece(buffer.len());
        let got = self.reader.read(&mut buffer[..piece])?;
        self.bucket.pay(got)?;
        Ok(got)
    }
}

struct LimitedUpload {
    upload: Box<dyn Upload>,
    bucket: Arc<Bucket>,
}

impl Write for LimitedUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.upload.write(&bytes[..self.bucket.piece(bytes.len())])?;
        self.bucket.pay(written)?;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.upload.flush()
    }
}

impl Upload for LimitedUpload {
    fn token(&self) -> Option<String> {
        self.upload.token()
    }

    fn finish(self: Box<Self>) -> Result<u64, StoreError> {
        self.upload.finish()
    }
}

impl Store for Limit {
    fn address(&self) -> &str {
        self.store.address()
    }

    fn list(&self) -> Result<Vec<Entry>, StoreError> {
        self.store.list()
    }

    fn prefixes(&self) -> Result<Vec<String>, StoreError> {
        self.store.prefixes()
    }

    fn read(&self, path: &StorePath, from: u64) -> Result<Box<dyn Read + Send>, StoreError> {
        let reader = self.store.read(path, from)?;
        Ok(Box::new(LimitedReader { reader, bucket: self.bucket.clone() }))
    }

    fn read_small(&self, paths: &[StorePath], limit: u64) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let contents = self.store.read_small(paths, limit)?;
        self.bucket.pay(contents.iter().flatten().map(Vec::len).sum())?;
        Ok(contents)
    }

    fn create(&self, path: &StorePath, about: About) -> Result<Box<dyn Upload>, StoreError> {
        let upload = self.store.create(path, about)?;
        Ok(Box::new(LimitedUpload { upload, bucket: self.bucket.clone() }))
    }

    fn put(&self, path: &StorePath, content: &[u8]) -> Result<(), StoreError> {
        self.bucket.pay(content.len())?;
        self.store.put(path, content)
    }

    fn put_new(&self, path: &StorePath, content: &[u8]) -> Result<(), StoreError> {
        self.bucket.pay(content.len())?;
        self.store.put_new(path, content)
    }

    fn draft(&self, directory: &StorePath) -> StorePath {
        self.store.draft(directory)
    }

    fn publish(&self, directory: &StorePath, seal: &str, content: &[u8]) -> Result<(), StoreError> {
        self.bucket.pay(content.len())?;
        self.store.publish(directory, seal, content)
    }

    fn withdraw(&self, directory: &StorePath, seal: &str) -> Result<Removal, StoreError> {
        self.store.withdraw(directory, seal)
    }

    fn remove(&self, paths: &[StorePath]) -> Result<Vec<Removal>, StoreError> {
        self.store.remove(paths)
    }

    fn abort(&self, path: &StorePath, token: &str) -> Result<(), StoreError> {
        self.store.abort(path, token)
    }

    fn digest(&self, path: &StorePath) -> Result<Option<ObjectDigest>, StoreError> {
        self.store.digest(path)
    }

    fn run(&self, words: &[&str]) -> Result<String, StoreError> {
        self.store.run(words)
    }
}
