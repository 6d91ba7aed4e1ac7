//! The engine room: settings and surroundings in one hand, and the flows as its methods.

use std::io::Write;
use std::path::Path;

use xb_binlog::archive::Place;
use xb_binlog::recover::{Found, TransactionSummary};
use xb_core::settings::{Settings, Task};
use xb_core::{BackupId, BackupKind, BinlogName};

use crate::context::Context;
use crate::error::EngineError;
use crate::flow;
use crate::flow::archive::{ArchiveInput, ArchiveSelection};
use crate::flow::binlogs::look::Sought;
use crate::flow::binlogs::stream::StreamRequest;
use crate::flow::recover::RecoveryRequest;
use crate::report::{
    ApplyReport, ArchiveConverted, ArchiveExtracted, ArchiveListing, BackupReport, CopyReport, Fleet,
    LastLsn, ListReport, LogsReport, MetaReport, PinReport, PruneOptions, PruneReport, RecoveryReport,
    RestoreReport, StatusReport, StreamReport, WindowReport, WipeReport,
};
use crate::surroundings::Surroundings;
use crate::told;

/// Takes, lists, judges and restores backups. Cheap to make; holds nothing open between calls but the connection
/// to a store that is elsewhere.
pub struct Engine(Context);

impl Engine {
    /// An engine in the usual surroundings.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Engine::with(settings, Surroundings::default())
    }

    /// An engine with a clock, a monitor, a stop signal and search paths of the caller's choice.
    #[must_use]
    pub fn with(settings: Settings, around: Surroundings) -> Self {
        Engine(Context::new(settings, around))
    }

    /// Takes a full backup, between the hooks, and sends the notices that are set.
    ///
    /// # Errors
    /// [`EngineError`]; the store is then as it was.
    pub fn full(&self) -> Result<BackupReport, EngineError> {
        told::run(&self.0, Task::Full, |context| flow::backup::run(context, BackupKind::Full))
    }

    /// Takes an incremental on top of the newest backup, between the hooks, and sends the notices that are set.
    ///
    /// # Errors
    /// [`EngineError`]; the store is then as it was, but for [`EngineError::BitmapPurge`]: then the backup is
    /// there. [`EngineError::Base`] when there is nothing to build on.
    pub fn incr(&self) -> Result<BackupReport, EngineError> {
        told::run(&self.0, Task::Incr, |context| flow::backup::run(context, BackupKind::Incremental))
    }

    /// Restores `restore_backup`, or the newest backup, to `P_<name>` in `restore_dir`.
    ///
    /// # Errors
    /// [`EngineError`]; nothing is left in `restore_dir` then.
    pub fn restore_set(&self) -> Result<RestoreReport, EngineError> {
        let context = self.0.patient();
        context.settled(flow::restore_set::run(&context))
    }

    /// Brings the prepared copy in `work_dir` up to the newest backup, or makes it.
    ///
    /// # Errors
    /// [`EngineError`]; a copy that was spoilt on the way is gone then.
    pub fn apply_last(&self) -> Result<ApplyReport, EngineError> {
        told::run(&self.0, Task::ApplyLast, flow::apply_last::run)
    }

    /// Recovers to a point beyond the backup, to `P_<name>` in `restore_dir`.
    ///
    /// # Errors
    /// [`EngineError`]. What an interrupted replay needs to go on stays in `restore_dir`.
    pub fn recover(&self, request: &RecoveryRequest) -> Result<RecoveryReport, EngineError> {
        let context = self.0.patient();
        context.settled(flow::recover::run(&context, request))
    }

    /// What [`Engine::recover`] would do.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn recovery_plan(&self, request: &RecoveryRequest) -> Result<RecoveryReport, EngineError> {
        self.0.settled(flow::recover::plan(&self.0, request))
    }

    /// From when to when data can be recovered.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn recovery_window(&self) -> Result<WindowReport, EngineError> {
        self.0.settled(flow::binlogs::window::run(&self.0))
    }

    /// Streams the server's binary logs into the archive, until somebody asks to stop or, with `once`, all is there.
    ///
    /// # Errors
    /// [`EngineError`]. What came in before is in the archive, and on the disk.
    pub fn binlog_stream(&self, request: &StreamRequest) -> Result<StreamReport, EngineError> {
        flow::binlogs::stream::run(&self.0.patient(), request)
    }

    /// What is in the archive of binary logs.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn binlogs(&self) -> Result<LogsReport, EngineError> {
        self.0.settled(flow::binlogs::look::list(&self.0))
    }

    /// Tells of each transaction of a binary log in the archive from a position on, until `tell` has had enough.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn binlog_transactions(
        &self,
        log: &BinlogName,
        epoch: Option<u32>,
        from: u64,
        tell: &mut dyn FnMut(&Place, &TransactionSummary) -> bool,
    ) -> Result<(), EngineError> {
        self.0.settled(flow::binlogs::look::show(&self.0, log, epoch, from, tell))
    }

    /// Finds a moment or a transaction in the archive of binary logs.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn binlog_find(&self, sought: &Sought, epoch: Option<u32>) -> Result<Option<Found>, EngineError> {
        self.0.settled(flow::binlogs::look::find(&self.0, sought, epoch))
    }

    /// Removes what retention no longer keeps, and what dead runs left.
    ///
    /// # Errors
    /// [`EngineError`] when nothing could be begun, or somebody asked to stop. What could not be removed stands in
    /// the report.
    pub fn prune(&self, options: PruneOptions) -> Result<PruneReport, EngineError> {
        told::run(&self.0, Task::Prune, |context| flow::prune::run(context, options, false))
    }

    /// What [`Engine::prune`] would do now.
    ///
    /// # Errors
    /// [`EngineError`] when the store cannot be read.
    pub fn prune_plan(&self, options: PruneOptions) -> Result<PruneReport, EngineError> {
        self.0.settled(flow::prune::run(&self.0, options, true))
    }

    /// Copies `backup` with all it builds on, or whatever is missing, to the stores `to`, or to those of `copy_to`
    /// and `remote_host`.
    ///
    /// # Errors
    /// [`EngineError`]; [`EngineError::NotCopied`] says which store did not get it.
    pub fn copy(&self, backup: Option<BackupId>, to: &[String]) -> Result<CopyReport, EngineError> {
        told::run(&self.0, Task::Copy, |context| flow::copies::run(context, backup, to))
    }

    /// Keeps `backup` and its set whatever retention says; `note` tells people why.
    ///
    /// # Errors
    /// [`EngineError`], also when there is no such backup.
    pub fn pin(&self, backup: BackupId, note: Option<&str>) -> Result<PinReport, EngineError> {
        self.0.settled(flow::pin::set(&self.0, backup, note))
    }

    /// Leaves `backup` and its set to retention again.
    ///
    /// # Errors
    /// [`EngineError`], also when there is neither such a backup nor a pin of it.
    pub fn unpin(&self, backup: BackupId) -> Result<PinReport, EngineError> {
        self.0.settled(flow::pin::clear(&self.0, backup))
    }

    /// Removes every backup and all that belongs to them, if `i_am_absolutely_sure_wipeout` is set.
    ///
    /// # Errors
    /// [`EngineError`]; a part may be gone by then.
    pub fn wipeout(&self) -> Result<WipeReport, EngineError> {
        self.0.settled(flow::wipeout::run(&self.0))
    }

    /// What [`Engine::wipeout`] would remove.
    ///
    /// # Errors
    /// [`EngineError`] when the store cannot be read.
    pub fn wipeout_plan(&self) -> Result<WipeReport, EngineError> {
        self.0.settled(flow::wipeout::look(&self.0))
    }

    /// What is in the store.
    ///
    /// # Errors
    /// [`EngineError`] when the store cannot be read.
    pub fn list(&self) -> Result<ListReport, EngineError> {
        self.0.settled(flow::list::run(&self.0))
    }

    /// What is in the stores of all servers beside this one: those in the same bucket, host directory or directory.
    ///
    /// # Errors
    /// [`EngineError`] when the place cannot be listed; a store that cannot be read is an entry that says so.
    pub fn list_all(&self) -> Result<Fleet<ListReport>, EngineError> {
        self.0.settled(flow::fleet::list(&self.0))
    }

    /// How things stand with all of them.
    ///
    /// # Errors
    /// As [`Engine::list_all`].
    pub fn status_all(&self) -> Result<Fleet<StatusReport>, EngineError> {
        self.0.settled(flow::fleet::status(&self.0))
    }

    /// The store as it is named, without looking at it; nothing when the settings name none.
    #[must_use]
    pub fn store_shown(&self) -> Option<String> {
        self.0.store_shown()
    }

    /// How things stand.
    ///
    /// # Errors
    /// [`EngineError`] when the store cannot be read.
    pub fn status(&self) -> Result<StatusReport, EngineError> {
        self.0.settled(flow::status::run(&self.0))
    }

    /// Single facts about the store and one of its backups, by name; without a backup about the newest that
    /// counts.
    ///
    /// # Errors
    /// [`EngineError`] when the store cannot be read or holds no such backup.
    pub fn meta(&self, backup: Option<BackupId>, items: &[String]) -> Result<MetaReport, EngineError> {
        self.0.settled(flow::meta::run(&self.0, backup, items))
    }

    /// Where the backup ends that the next incremental builds on, and so where that begins.
    ///
    /// # Errors
    /// [`EngineError`]; [`EngineError::Base`] when there is no backup to build on.
    pub fn last_lsn(&self) -> Result<LastLsn, EngineError> {
        self.0.settled(flow::meta::last_lsn(&self.0))
    }

    /// What is in an archive. No store is needed for this, nor for the others on archives.
    ///
    /// # Errors
    /// [`EngineError`]; [`EngineError::Refused`] also for a pattern that means nothing in it.
    pub fn archive_list(
        &self,
        archive: ArchiveInput,
        wanted: &ArchiveSelection,
    ) -> Result<ArchiveListing, EngineError> {
        self.0.settled(flow::archive::list(&self.0, archive, wanted))
    }

    /// Writes one file of an archive to `out` and gives its length in bytes. `member` is its path;
    /// `as_stored` leaves a file that is packed by itself as it is.
    ///
    /// # Errors
    /// [`EngineError`]; `out` may have received a part by then.
    pub fn archive_cat(
        &self,
        archive: ArchiveInput,
        member: &[u8],
        as_stored: bool,
        out: &mut dyn Write,
    ) -> Result<u64, EngineError> {
        self.0.settled(flow::archive::cat(&self.0, archive, member, as_stored, out))
    }

    /// Unpacks an archive, or some files of it, below `into`, which is made if it is not there. No file that
    /// stands there is replaced.
    ///
    /// # Errors
    /// [`EngineError`]. A directory that was made for this is removed again, unless it is the archive that is
    /// damaged: what was whole then stays, and [`EngineError::Archive`] says where.
    pub fn archive_extract(
        &self,
        archive: ArchiveInput,
        into: &Path,
        wanted: &ArchiveSelection,
    ) -> Result<ArchiveExtracted, EngineError> {
        self.0.settled(flow::archive::extract(&self.0, archive, into, wanted))
    }

    /// Makes `to`, which must not exist, from an archive or a directory. The end of its name says the form.
    /// `encrypt_members`: in a `.xbs.qp.xbcrypt` each file is encrypted, not the whole.
    ///
    /// # Errors
    /// [`EngineError`]; nothing is left of `to` then.
    pub fn archive_convert(
        &self,
        from: ArchiveInput,
        to: &Path,
        encrypt_members: bool,
    ) -> Result<ArchiveConverted, EngineError> {
        self.0.settled(flow::archive::convert(&self.0, from, to, encrypt_members))
    }
}
