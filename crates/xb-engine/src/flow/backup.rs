//! `full` and `incr`: lock → server → engine → catalog → base → take in → check → commit.

use std::path::{Path, PathBuf};

use chrono::{DateTime, FixedOffset};
use xb_catalog::layout::Place;
use xb_catalog::plan::{BasePlan, plan_base};
use xb_catalog::remove::Outcome;
use xb_catalog::{BackupRecord, Catalog, NewBackup, Repository};
use xb_core::{BackupId, BackupKind};
use xb_formats::archive::Archive;
use xb_pipeline::ObjectReceipt;
use xb_pipeline::fs::FsError;
use xb_pipeline::monitor::Phase;
use xb_pipeline::process::Invocation;
use xb_pipeline::receive::{Destination, Receipt, ReceiveError, receive};
use xb_pipeline::store::About;

use super::apply::{Staging, bring_up};
use super::describe::{backup_meta, engine_record, manifest};
use super::metadata::{Places, in_words, places, required};
use super::prune::carry_out;
use super::purge_bitmaps;
use super::remote_script;
use super::storing::{Storing, pack_files};
use crate::context::{Context, Phases};
use crate::error::{EngineError, WrongBackup};
use crate::listen::Listener;
use crate::lock::{RunInfo, RunLock};
use crate::private::PrivateDir;
use crate::report::{ApplyReport, BackupReport, PruneOptions, PruneReport};
use crate::server::{self, ServerFacts};
use crate::stores;
use crate::tool::{self, BackupCommand, Mismatch, Target, Tool};

/// The original's name for the engine's messages, whatever the engine.
pub(super) const LOG_NAME: &str = "innobackupex-backup.log";

pub(crate) fn run(context: &Context, kind: BackupKind) -> Result<BackupReport, EngineError> {
    // An address that cannot be is told before hours of work.
    stores::copies(&context.settings)?;
    let (home, work_dir) = (context.repository()?, context.work_dir()?);
    create_lock_directories(&home, work_dir)?;
    let mut lock = RunLock::acquire(work_dir, home.directory())?;
    let mut phases = Phases::new(context);

    phases.begin(Phase::Probe, "asking server and engine", None);
    let facts =
        server::facts(server::connection(&context.settings, &context.around)?, &*context.around.clock)?;
    if !facts.has_binlog {
        context
            .monitor()
            .warn("the server writes no binary log: nothing later than the backup can be recovered");
    }
    warn_of_open_line(context);
    let purge = purge_bitmaps::plan(context, kind, &facts)?;
    let (tool, mismatch) = choose_tool(context, &facts)?;
    let catalog = home.scan()?;
    sweep(context, &home, &catalog)?;
    let job = Job::plan(context, kind, &catalog, &facts)?;
    drop(catalog);
    context.cancel().check()?;
    lock.announce(&RunInfo { backup: job.place.id, kind, full: job.place.set, pid: std::process::id() })?;
    context.monitor().info(&format!(
        "taking {} {} of {} {} with {tool}",
        in_words(kind),
        job.place.id,
        facts.record.flavor,
        facts.record.version
    ));

    let private = PrivateDir::create(work_dir)?;
    let draft = home.begin(job.place, job.started)?;
    let (taken, staged) = take_in(context, &mut phases, &facts, &tool, &job, &private, &draft)?;

    phases.begin(Phase::Commit, &job.place.id.to_string(), None);
    let beside = write_beside(&taken, &private, job.storing.archive(), &draft)?;
    drop(private);
    let maker = engine_record(&tool, mismatch);
    let manifest = manifest(context, job, facts, maker, taken, beside, phases.finish());
    let directory = draft.commit(&manifest, &backup_meta(context, &manifest))?;
    // The backup exists. What comes now is tried in any case, and told when it fails.
    let purged = purge.after(context, &manifest);
    let prepared = apply(context, manifest.id, staged);
    let copies = super::copies::after_run(context, manifest.id);
    let asked = match &home {
        Repository::Elsewhere(host) if remote_script::is_of_home(context) => {
            remote_script::after_push(context, host, manifest.id)
        }
        _ => Ok(()),
    };
    let pruned = prune(context);
    drop(lock);
    let prepared = prepared?;
    purged?;
    asked?;
    Ok(BackupReport { directory, manifest, prepared, copies: copies?, pruned })
}

/// Netcat hides nothing: whoever sees the network reads the backup.
fn warn_of_open_line(context: &Context) {
    let settings = &context.settings;
    if settings.remote_nc_port.is_some() && settings.remote_host.is_some() && settings.encrypt.is_none() {
        context.monitor().warn(
            "remote_nc_port sends the backup over the network as it is: set encrypt, or leave the port out",
        );
    }
}

/// Removes what dead runs left. A store elsewhere that keeps some of it does the new backup no harm.
fn sweep(context: &Context, home: &Repository, catalog: &Catalog) -> Result<(), EngineError> {
    for remnant in home.remnants(catalog, context.now().to_utc())? {
        let path = remnant.path.display();
        context.monitor().info(&format!("removing {path}, left by a run that did not finish"));
        match home.sweep(&remnant) {
            Ok(Outcome::Deferred(reason)) => {
                context.monitor().warn(&format!("{path} stays for now: {reason}"));
            }
            Err(error) if home.directory().is_none() => {
                context.monitor().warn(&format!("{path} stays for now: {error}"));
            }
            done => drop(done?),
        }
    }
    Ok(())
}

/// Store and work directory themselves must exist: a missing mount must not be written to.
pub(super) fn create_lock_directories(home: &Repository, work_dir: &Path) -> Result<(), EngineError> {
    home.prepare()?;
    std::fs::metadata(work_dir).map_err(FsError::on("open the work directory", work_dir))?;
    Ok(())
}

/// The engine for this server; why it does not fit, if it is to be used all the same.
fn choose_tool(context: &Context, facts: &ServerFacts) -> Result<(Tool, Option<Mismatch>), EngineError> {
    let tool = tool::probe(context.settings.engine, facts.record.flavor, &context.search_path())?;
    context.monitor().debug(&format!("found {} ({})", tool.program.display(), tool.version_text));
    match tool::check_server(&tool, facts.record.flavor, facts.record.version) {
        Ok(()) => Ok((tool, None)),
        Err(mismatch) if context.settings.allow_version_mismatch => {
            context.monitor().warn(&format!("{mismatch}; going on, because allow_version_mismatch is set"));
            Ok((tool, Some(mismatch)))
        }
        Err(mismatch) => Err(mismatch.into()),
    }
}

/// What is to be done. Not changed once it is made.
pub(super) struct Job {
    pub(super) place: Place,
    pub(super) base: Option<BasePlan>,
    pub(super) storing: Storing,
    pub(super) started: DateTime<FixedOffset>,
}

impl Job {
    fn plan(
        context: &Context,
        kind: BackupKind,
        catalog: &Catalog,
        facts: &ServerFacts,
    ) -> Result<Job, EngineError> {
        let base = match kind {
            BackupKind::Full => None,
            BackupKind::Incremental => Some(plan_base(catalog, &facts.record)?),
        };
        if let Some(error) = base.as_ref().and_then(|base| base.passed_over.as_ref()) {
            context.monitor().warn(&format!("a newer backup cannot be built on: {error}"));
        }
        if let Some(base) = base.as_ref().filter(|base| !base.same_server) {
            let text =
                format!("{} does not tell which server it is of; only its LSN can be checked", base.base);
            context.monitor().warn(&text);
        }
        let started = context.now();
        let id = BackupId::after(started.naive_local(), catalog.newest_name());
        let set = base.as_ref().map_or(id, |base| base.set);
        // How much an incremental takes is not known before.
        let files_bytes = facts.datadir_bytes.filter(|_| base.is_none());
        Ok(Job { place: Place { set, id }, base, storing: Storing::plan(context, files_bytes)?, started })
    }
}

/// Takes the backup in, and stores it below the draft. Files that are at hand afterwards are to be prepared.
fn take_in(
    context: &Context,
    phases: &mut Phases<'_>,
    facts: &ServerFacts,
    tool: &Tool,
    job: &Job,
    private: &PrivateDir,
    draft: &NewBackup,
) -> Result<(Taken, Option<Staging>), EngineError> {
    let total = facts.datadir_bytes.filter(|_| job.base.is_none());
    let name = job.place.id.to_string();
    phases.begin(Phase::Backup, &name, total);
    let archive = job.storing.archive().file_name().map(PathBuf::from).unwrap_or_default();
    match &job.storing {
        Storing::Tree => {
            let directory = draft.directory().unwrap_or_default();
            let taken = take(context, facts, tool, job, private, Destination::Tree(&directory))?;
            Ok((taken, None))
        }
        Storing::Stream(form) => {
            let out = draft.create(&archive, About { expected_bytes: total, digest: None })?;
            let taken = take(context, facts, tool, job, private, Destination::Archive(form, out))?;
            Ok((taken, None))
        }
        Storing::Files(conversion) => {
            let staging = Staging::create(context.work_dir()?, job.place.id)?;
            let mut taken = take(context, facts, tool, job, private, Destination::Tree(staging.path()))?;
            let bytes = taken.receipt.stream.stream_bytes;
            phases.begin(Phase::Convert, &name, Some(bytes));
            let out = draft.create(&archive, About { expected_bytes: Some(bytes), digest: None })?;
            taken.receipt.objects = vec![pack_files(context, staging.path(), out, conversion)?];
            Ok((taken, Some(staging)))
        }
    }
}

/// Removes what the new backup makes superfluous. That it cannot be done is told and does the backup no harm.
fn prune(context: &Context) -> Option<PruneReport> {
    if !context.settings.prune_after_backup || remote_script::is_of_home(context) {
        return None;
    }
    let pruned = carry_out(context, &mut Phases::new(context), PruneOptions::default());
    pruned.inspect_err(|error| context.monitor().warn(&format!("pruning ended early: {error}"))).ok()
}

/// Makes a committed backup part of the prepared copy. Whatever happens here, the backup exists.
fn apply(
    context: &Context,
    backup: BackupId,
    staged: Option<Staging>,
) -> Result<Option<ApplyReport>, EngineError> {
    if !context.settings.apply_log {
        return Ok(None);
    }
    if context.settings.remote_push_only {
        context
            .monitor()
            .warn("apply_log is left out: with remote_push_only no backup is kept here to prepare");
        return Ok(None);
    }
    if context.settings.encrypt.is_some() {
        context.monitor().info("the prepared copy is not encrypted: it is what a server can start on");
    }
    let bring_up = || {
        let catalog = context.repository()?.scan()?;
        let chain: Vec<BackupRecord> = catalog.chain(backup)?.into_iter().cloned().collect();
        bring_up(context, &mut Phases::new(context), &chain, staged)
    };
    bring_up().map(Some).map_err(|source| EngineError::NotApplied { backup, source: Box::new(source) })
}

/// What came in, with its places.
pub(super) struct Taken {
    pub(super) receipt: Receipt,
    pub(super) places: Places,
    pub(super) command: Invocation,
}

/// Runs the engine and takes in what it writes.
fn take(
    context: &Context,
    facts: &ServerFacts,
    tool: &Tool,
    job: &Job,
    private: &PrivateDir,
    destination: Destination<'_>,
) -> Result<Taken, EngineError> {
    let target = target(context, facts, private)?;
    let scratch = private.scratch();
    let command = BackupCommand {
        target: &target,
        parallel: context.engine_parallel(),
        incremental_lsn: job.base.as_ref().map(|base| base.lsns.to),
        scratch: &scratch,
        extra: &context.settings.extra_ibx_options,
    }
    .invocation(tool);
    let masker = context.masker(facts.connection.password.as_ref());
    context.monitor().debug(&format!("running {}", masker.mask(&command.to_string())));
    let log_path = private.engine_log();
    let listener = Listener::new(command.name(), masker, context.monitor().clone(), Some(&log_path))?;
    let child = command.spawn(listener.ear())?;
    let needed = required(tool.dialect.has_info);
    let received =
        receive(child, listener.success(), destination, needed, &**context.monitor(), context.cancel());
    let failed = |source| EngineError::Backup { source, said: listener.last_words() };
    let receipt = received.map_err(|error| match error {
        ReceiveError::Cancelled(cancelled) => EngineError::Cancelled(cancelled),
        other => failed(other),
    })?;
    listener.close(&log_path)?;
    let wrong = |problem: WrongBackup| EngineError::NotAsAsked { problem };
    let places = places(&receipt.metadata, job.base.as_ref()).map_err(wrong)?;
    Ok(Taken { receipt, places, command })
}

/// The server as the engine is told of it: the same that was asked, with the password in a private file.
fn target(context: &Context, facts: &ServerFacts, private: &PrivateDir) -> Result<Target, EngineError> {
    let connection = &facts.connection;
    let includes = server::option_files(&context.settings, &context.around);
    let defaults_file = match &connection.password {
        Some(password) => Some(private.option_file(&includes, password)?),
        None => context.settings.mysql_cnf.clone(),
    };
    Ok(Target {
        defaults_file,
        user: connection.user.clone(),
        socket: connection.socket.clone(),
        host: connection.host.clone(),
        port: connection.port,
    })
}

/// The engine's metadata beside an archive, where the original looks for it; a tree holds it already.
fn write_beside(
    taken: &Taken,
    private: &PrivateDir,
    archive: Archive,
    draft: &NewBackup,
) -> Result<Vec<ObjectReceipt>, EngineError> {
    let mut beside = vec![draft.copy(&private.engine_log(), LOG_NAME)?];
    if archive != Archive::Directory {
        for file in &taken.receipt.metadata {
            beside.push(draft.write(&file.name, &file.content)?);
        }
    }
    Ok(beside)
}
