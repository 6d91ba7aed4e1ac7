//! The archive as whoever reads it sees it: the one here, and what copies of it in stores elsewhere have.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use xb_binlog::archive::{BinlogArchive, EpochNumber, LogFault, Picture};
use xb_binlog::elsewhere::Elsewhere;
use xb_binlog::lost::lost;
use xb_binlog::state::StreamerState;
use xb_binlog::union::Union;
use xb_pipeline::store::StoreAddress;

use crate::context::Context;
use crate::encryption::keys;
use crate::error::EngineError;
use crate::flow::binlogs;
use crate::stores;

/// An archive of binary logs.
pub(crate) struct Archive {
    /// Where it is.
    pub(crate) root: PathBuf,
    /// Reads its logs.
    pub(crate) logs: Union,
    /// What its streamer noted.
    state: Option<StreamerState>,
    has_copies: bool,
}

impl Archive {
    /// Looks at the one here, or where there is none, at its copies.
    pub(crate) fn look(context: &Context) -> Result<Self, EngineError> {
        let root = binlogs::directory(context)?;
        let state = StreamerState::read(&root).unwrap_or_else(|error| {
            context.monitor().warn(&format!("nobody knows until when the archive is complete: {error}"));
            None
        });
        let view = BinlogArchive::look(&root).with_keys(keys(context)?);
        let picture = view.picture()?;
        let is_empty = picture.epochs.is_empty();
        let mut archive = Archive { root, logs: Union::of(picture, view), state, has_copies: false };
        if is_empty || archive.lost().is_some() {
            archive.take_copies(context)?;
        }
        if let Some((epoch, fault)) = archive.lost() {
            let (root, LogFault { name, reason }) = (archive.root.display(), fault);
            context.monitor().warn(&format!("{root} has lost binary logs: {name} of epoch {epoch} {reason}"));
        }
        Ok(archive)
    }

    /// All that was committed before is in it.
    pub(crate) fn seen_until(&self) -> Option<DateTime<Utc>> {
        let is_whole = self.lost().is_none() && !self.picture().epochs.is_empty();
        self.state.as_ref().and_then(|state| state.seen_until).filter(|_| is_whole)
    }

    /// What was on the disk and is not there any more: the log in which it ended, and its epoch.
    pub(crate) fn lost(&self) -> Option<(EpochNumber, LogFault)> {
        lost(self.state.as_ref()?, self.picture())
    }

    /// All that is in it.
    pub(crate) fn picture(&self) -> &Picture {
        self.logs.picture()
    }

    /// Adds what its copies have and it has not; whether there was any. A store that does not answer is told of,
    /// and left out.
    pub(super) fn take_copies(&mut self, context: &Context) -> Result<bool, EngineError> {
        if std::mem::replace(&mut self.has_copies, true) {
            return Ok(false);
        }
        let mut has_more = false;
        for address in binlogs::copies(context)? {
            match self.take_copy(context, &address) {
                Ok(false) => {}
                Ok(true) => {
                    context.monitor().warn(&format!(
                        "binary logs are missing or damaged in {}: those in {address} are used for them",
                        self.root.display()
                    ));
                    has_more = true;
                }
                Err(error) => {
                    context.cancel().check()?;
                    context.monitor().warn(&format!("no binary logs from {address}: {error}"));
                }
            }
        }
        Ok(has_more)
    }

    fn take_copy(&mut self, context: &Context, address: &StoreAddress) -> Result<bool, EngineError> {
        let copy = Elsewhere::look(stores::open_store(context, address)?, keys(context)?)?;
        let picture = copy.picture()?;
        Ok(self.logs.add(picture, copy))
    }
}
