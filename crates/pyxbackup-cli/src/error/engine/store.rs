//! Errors of stores elsewhere: what to do about them.

use xb_pipeline::store::{StoreError, StoreErrorKind};

/// What to do; nothing where the message says it.
pub(super) fn remedy(error: &StoreError) -> Option<String> {
    let text = match error.kind {
        StoreErrorKind::Missing => {
            "see whether the address is right, and whether the disk of the store is mounted"
        }
        StoreErrorKind::Exists => "another run made it meanwhile: see `pyxbackup list`, and run again",
        StoreErrorKind::Denied => {
            "check credentials and rights; `pyxbackup config show` tells where the settings come from"
        }
        StoreErrorKind::Full => "free space in the store, or keep less: `pyxbackup prune --dry-run`",
        StoreErrorKind::Unreachable | StoreErrorKind::Busy => {
            "it was tried again for a while; see whether the store can be reached, then run the same again"
        }
        StoreErrorKind::Damaged => {
            "do not trust it: take another backup, and see what is wrong with the store"
        }
        StoreErrorKind::Cancelled => "nothing that counts was left behind; run the same again when it suits",
        StoreErrorKind::Unsupported | StoreErrorKind::Other => return None,
    };
    Some(text.to_owned())
}
