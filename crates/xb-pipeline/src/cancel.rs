//! Asking a running flow to stop, from another thread.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Why a run is to stop. Decides the exit code of the command line (130 or 143).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelReason {
    /// SIGINT, or the user's wish by other means.
    Interrupt,
    /// SIGTERM: the system wants the process gone.
    Terminate,
}

type Hook = Box<dyn Fn() + Send>;

#[derive(Default)]
struct State {
    reason: Option<CancelReason>,
    next_hook: u64,
    hooks: Vec<(u64, Hook)>,
}

/// Shared by whoever may ask for the end and those who work. Clones are the same token.
#[derive(Clone, Default)]
pub struct CancelToken(Arc<Mutex<State>>);

impl std::fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("CancelToken").field(&self.check()).finish()
    }
}

impl CancelToken {
    /// A token nobody has pulled yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for the end. The first reason stays; hooks run on this thread.
    pub fn cancel(&self, reason: CancelReason) {
        let mut state = self.lock();
        if state.reason.is_none() {
            state.reason = Some(reason);
            state.hooks.iter().for_each(|(_, hook)| hook());
        }
    }

    /// The reason, once somebody asked for the end.
    #[must_use]
    pub fn reason(&self) -> Option<CancelReason> {
        self.lock().reason
    }

    /// An error once somebody asked for the end, for a `?` in loops.
    ///
    /// # Errors
    /// [`Cancelled`] with the reason.
    pub fn check(&self) -> Result<(), Cancelled> {
        self.reason().map_or(Ok(()), |reason| Err(Cancelled(reason)))
    }

    /// Runs `hook` when the end is asked for, at once if it already was, until the guard is dropped.
    /// For what blocks where [`CancelToken::check`] cannot be called, such as a read from a child.
    #[must_use]
    pub fn on_cancel(&self, hook: impl Fn() + Send + 'static) -> HookGuard {
        let mut state = self.lock();
        if state.reason.is_some() {
            hook();
        }
        let id = state.next_hook;
        state.next_hook += 1;
        state.hooks.push((id, Box::new(hook)));
        HookGuard { token: self.clone(), id }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes its hook when dropped.
pub struct HookGuard {
    token: CancelToken,
    id: u64,
}

impl Drop for HookGuard {
    fn drop(&mut self) {
        self.token.lock().hooks.retain(|(id, _)| *id != self.id);
    }
}

/// The run was asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stopped by {}", match .0 { CancelReason::Interrupt => "SIGINT", CancelReason::Terminate => "SIGTERM" })]
pub struct Cancelled(pub CancelReason);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn hooks_run_once_and_only_while_their_guard_lives() {
        let (token, count) = (CancelToken::new(), Arc::new(AtomicU32::new(0)));
        let counter = |n: u32| {
            let count = count.clone();
            move || {
                count.fetch_add(n, Ordering::SeqCst);
            }
        };
        let _kept = token.on_cancel(counter(1));
        drop(token.on_cancel(counter(10)));
        token.cancel(CancelReason::Terminate);
        token.cancel(CancelReason::Interrupt);
        assert_eq!(count.load(Ordering::SeqCst), 1);
        assert_eq!(token.check(), Err(Cancelled(CancelReason::Terminate)));
        let _late = token.on_cancel(counter(100));
        assert_eq!(count.load(Ordering::SeqCst), 101);
    }
}
