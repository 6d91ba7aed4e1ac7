//! The remote host's own pyxbackup, ours or the original: asked whether it knows the backup that was sent, and made to
//! prune there. What it is asked, and what it answers, is as between two hosts of the original.

use xb_catalog::Remote;
use xb_core::BackupId;
use xb_pipeline::store::{StoreAddress, StoreError};

use crate::context::Context;
use crate::error::EngineError;
use crate::stores;

/// The item of `meta` by which hosts tell one another their newest backup.
const NEWEST: &str = "xb_last_backup";

/// Whether the store at `address` is that host, and has a pyxbackup of its own, which then also prunes there.
pub(super) fn is_of(context: &Context, address: &StoreAddress) -> bool {
    let host = stores::remote_host(&context.settings).ok().flatten();
    !context.settings.remote_script.is_empty() && host.as_ref() == Some(address)
}

/// The same for the store of the run.
pub(super) fn is_of_home(context: &Context) -> bool {
    stores::address(&context.settings).is_ok_and(|home| is_of(context, &home))
}

/// After `backup` was sent to such a host.
///
/// # Errors
/// [`EngineError::RemoteScript`] when it cannot be run or fails; the backup is there.
pub(super) fn after_push(context: &Context, host: &Remote, backup: BackupId) -> Result<(), EngineError> {
    let failed = |source| EngineError::RemoteScript { backup, source };
    let newest = call(context, host, &[&format!("--meta-item={NEWEST}"), "meta"]).map_err(failed)?;
    let told = newest.split_whitespace().last().unwrap_or("nothing");
    if told.parse() != Ok(backup) {
        let text = format!(
            "the host's own pyxbackup tells {told} as its newest backup, not {backup}: see whether it looks at the same directory"
        );
        context.monitor().warn(&text);
    }
    if context.settings.prune_after_backup {
        call(context, host, &["prune"]).map_err(failed)?;
    }
    Ok(())
}

fn call(context: &Context, host: &Remote, words: &[&str]) -> Result<String, StoreError> {
    let own = context.settings.remote_script.iter().map(String::as_str);
    let words: Vec<&str> = own.chain(words.iter().copied()).collect();
    context.monitor().debug(&format!("running at {}: {}", host.store().address(), words.join(" ")));
    host.store().run(&words)
}
