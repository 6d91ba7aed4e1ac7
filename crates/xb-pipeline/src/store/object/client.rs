//! Requests: the runtime they run on, how often they are tried, and how they end when somebody asks to stop.
//!
//! The runtime is nobody else's business: what callers see blocks.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{ObjectStore, Result as LibraryResult};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::watch;

use super::error::Trouble;
use super::keys::Keys;
use super::options::Patience;
use crate::cancel::{CancelToken, HookGuard};
use crate::store::{StoreError, StoreErrorKind, StorePath};

/// What an object store of the library must be able to do.
pub(super) trait Backend: ObjectStore + MultipartStore {}
impl<T: ObjectStore + MultipartStore> Backend for T {}

/// Threads for all requests of a store; they wait for the network most of the time.
const THREADS: usize = 2;

/// The runtime of one store. Does not wait for what still runs when dropped.
pub(super) struct Workers {
    runtime: Option<Runtime>,
    handle: Handle,
    stop: watch::Receiver<bool>,
    _hook: HookGuard,
}

impl Workers {
    pub(super) fn start(cancel: &CancelToken) -> std::io::Result<Self> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(THREADS).thread_name("object-store").enable_all().build()?;
        let (sender, stop) = watch::channel(false);
        let hook = cancel.on_cancel(move || {
            sender.send_replace(true);
        });
        let handle = runtime.handle().clone();
        Ok(Workers { runtime: Some(runtime), handle, stop, _hook: hook })
    }

    /// Waits for `work`, until somebody asks to stop.
    pub(super) fn wait<T>(&self, work: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
        let mut stop = self.stop.clone();
        self.handle.block_on(async {
            let stopped = std::pin::pin!(stop.wait_for(|stopped| *stopped));
            match select(stopped, std::pin::pin!(work)).await {
                Either::Left((Ok(_), _)) => Err(Trouble::new(StoreErrorKind::Cancelled, "asked to stop")),
                // The hook is gone only with this.
                Either::Left((Err(_), work)) => work.await,
                Either::Right((result, _)) => result,
            }
        })
    }

    /// Waits for `work` for `limit` at most, also when somebody asked to stop: for what is cleaned up.
    pub(super) fn wait_anyway<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        self.handle.block_on(async { tokio::time::timeout(limit, work).await.ok() })
    }

    pub(super) fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // A name that is being looked up cannot be stopped, and nobody has to wait for it.
            runtime.shutdown_background();
        }
    }
}

/// What a request needs. Clones are the same store.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) keys: Keys,
    pub(super) patience: Patience,
    /// Where the keys came from, for messages about refusals.
    pub(super) origin: Arc<str>,
    pub(super) address: Arc<str>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

impl Client {
    /// Tries a request that sends `bytes` until it succeeds, fails for good, or was tried often enough.
    pub(super) async fn request<T, F>(&self, bytes: u64, mut attempt: impl FnMut() -> F) -> Result<T, Trouble>
    where
        F: Future<Output = LibraryResult<T>>,
    {
        let mut tries = 0;
        loop {
            match self.once(bytes, attempt()).await {
                Err(trouble) if trouble.is_transient() => self.pause(&mut tries, trouble).await?,
                other => return other,
            }
        }
    }

    /// One try, within its time.
    pub(super) async fn once<T>(
        &self,
        bytes: u64,
        attempt: impl Future<Output = LibraryResult<T>>,
    ) -> Result<T, Trouble> {
        let limit = self.patience.limit(bytes);
        match tokio::time::timeout(limit, attempt).await {
            Ok(result) => result.map_err(|error| self.trouble(&error)),
            Err(_) => Err(Trouble::new(
                StoreErrorKind::Unreachable,
                format!("no answer within {:.0} seconds", limit.as_secs_f32()),
            )),
        }
    }

    /// Waits before the next try; gives `trouble` back when there were enough.
    pub(super) async fn pause(&self, tries: &mut u32, mut trouble: Trouble) -> Result<(), Trouble> {
        *tries += 1;
        if *tries >= self.patience.tries {
            trouble.reason = format!("{} (tried {tries} times)", trouble.reason);
            return Err(trouble);
        }
        tokio::time::sleep(self.patience.pause(*tries, chance())).await;
        Ok(())
    }

    pub(super) fn trouble(&self, error: &object_store::Error) -> Trouble {
        let mut trouble = Trouble::of(error);
        if trouble.kind == StoreErrorKind::Denied && !self.origin.is_empty() {
            trouble.reason = format!("{}; the keys came from {}", trouble.reason, self.origin);
        }
        trouble
    }

    pub(super) fn key(&self, path: &StorePath) -> Result<Path, Trouble> {
        self.keys.key(path).ok_or_else(|| {
            Trouble::new(StoreErrorKind::Unsupported, "its name is longer than the 1024 bytes of a key")
        })
    }

    pub(super) fn error(
        &self,
        action: &'static str,
        path: Option<&StorePath>,
        trouble: Trouble,
    ) -> StoreError {
        StoreError {
            kind: trouble.kind,
            store: self.address.to_string(),
            action,
            path: path.map(|path| path.as_str().to_owned()),
            reason: trouble.reason,
        }
    }
}

/// A number nobody can guess; not for secrets.
fn chance() -> u8 {
    nonce().as_bytes().last().copied().unwrap_or_default().wrapping_mul(41)
}

/// 32 hexadecimal digits that nobody else comes up with.
pub(super) fn nonce() -> String {
    let mut bytes = [0_u8; 16];
    // Never short and never failing for so few bytes, once the system has started.
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
