//! `full` and `incr`: lock → server → engine → catalog → base → take in → check → commit.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{DateTime, FixedOffset};
use xb_catalog::layout::Place;
use xb_catalog::manifest::{
    Base, EngineRecord, MANIFEST_FORMAT, Manifest, OptionsRecord, PhaseRecord, Sizes,
};
use xb_catalog::plan::{BasePlan, plan_base};
use xb_catalog::{Catalog, Draft, prepare_store, remove_partials};
use xb_core::settings::CompressWith;
use xb_core::{BackupId, BackupKind};
use xb_formats::meta::backup_meta::{BackupMeta, SourceServer};
use xb_pipeline::fs::{FsError, create_dir_private};
use xb_pipeline::monitor::Phase;
use xb_pipeline::process::Invocation;
use xb_pipeline::receive::{Receipt, ReceiveError, Target as Form, receive};
use xb_pipeline::{Compression, ObjectReceipt, copy_object, write_object};

use super::metadata::{Places, article, places, required};
use crate::engine::{Engine, Phases};
use crate::error::{EngineError, WrongBackup};
use crate::listen::Listener;
use crate::lock::{RunInfo, RunLock};
use crate::private::PrivateDir;
use crate::report::BackupReport;
use crate::server::{self, ServerFacts};
use crate::tool::{self, BackupCommand, Mismatch, Target, Tool};

/// The original's name for the engine's messages, whatever the engine.
const LOG_NAME: &str = "innobackupex-backup.log";

pub(crate) fn run(engine: &Engine, kind: BackupKind) -> Result<BackupReport, EngineError> {
    let (store, work_dir) = (engine.store()?, engine.work_dir()?);
    create_lock_directories(store, work_dir)?;
    let mut lock = RunLock::acquire(work_dir, store)?;
    let mut phases = Phases::new(engine);

    phases.begin(Phase::Probe, "asking server and engine", None);
    let facts = server::facts(server::connection(&engine.settings, &engine.around)?)?;
    if !facts.has_binlog {
        engine
            .monitor()
            .warn("the server writes no binary log: nothing later than the backup can be recovered");
    }
    let (tool, mismatch) = choose_tool(engine, &facts)?;
    let catalog = Catalog::scan(store)?;
    remove_partials(&catalog.partials)?;
    let job = Job::plan(engine, kind, &catalog, &facts)?;
    lock.announce(&RunInfo { backup: job.place.id, kind, full: job.place.set, pid: std::process::id() })?;
    engine.monitor().info(&format!(
        "taking {} {} of {} {} with {tool}",
        article(kind),
        job.place.id,
        facts.record.flavor,
        facts.record.version
    ));

    let private = PrivateDir::create(work_dir)?;
    let draft = begin(store, &job)?;
    phases.begin(
        Phase::Backup,
        &job.place.id.to_string(),
        facts.datadir_bytes.filter(|_| job.base.is_none()),
    );
    let taken = take(engine, &facts, &tool, &job, &private, &draft.directory())?;

    phases.begin(Phase::Commit, &job.place.id.to_string(), None);
    let beside = write_beside(&taken, &private, job.form, &draft.directory())?;
    drop(private);
    let maker = engine_record(&tool, mismatch);
    let manifest = manifest(engine, job, facts, maker, taken, beside, phases.finish());
    let directory = draft.commit(&manifest, &backup_meta(engine, &manifest))?;
    drop(lock);
    Ok(BackupReport { directory, manifest })
}

/// Store and work directory themselves must exist: a missing mount must not be written to.
fn create_lock_directories(store: &Path, work_dir: &Path) -> Result<(), EngineError> {
    prepare_store(store)?;
    std::fs::metadata(work_dir).map_err(FsError::on("open the work directory", work_dir))?;
    Ok(())
}

/// The engine for this server; why it does not fit, if it is to be used all the same.
fn choose_tool(engine: &Engine, facts: &ServerFacts) -> Result<(Tool, Option<Mismatch>), EngineError> {
    let tool = tool::probe(engine.settings.engine, facts.record.flavor, &engine.search_path())?;
    engine.monitor().debug(&format!("found {} ({})", tool.program.display(), tool.version_text));
    match tool::check_server(&tool, facts.record.flavor, facts.record.version) {
        Ok(()) => Ok((tool, None)),
        Err(mismatch) if engine.settings.allow_version_mismatch => {
            engine.monitor().warn(&format!("{mismatch}; going on, because allow_version_mismatch is set"));
            Ok((tool, Some(mismatch)))
        }
        Err(mismatch) => Err(mismatch.into()),
    }
}

/// What is to be done. Not changed once it is made.
struct Job {
    place: Place,
    base: Option<BasePlan>,
    form: Form,
    started: DateTime<FixedOffset>,
}

impl Job {
    fn plan(
        engine: &Engine,
        kind: BackupKind,
        catalog: &Catalog,
        facts: &ServerFacts,
    ) -> Result<Job, EngineError> {
        let base = match kind {
            BackupKind::Full => None,
            BackupKind::Incremental => Some(plan_base(catalog, &facts.record)?),
        };
        if let Some(base) = base.as_ref().filter(|base| !base.same_server) {
            let text =
                format!("{} does not tell which server it is of; only its LSN can be checked", base.base);
            engine.monitor().warn(&text);
        }
        let started = engine.now();
        let id = BackupId::after(started.naive_local(), catalog.newest_name());
        let set = base.as_ref().map_or(id, |base| base.set);
        Ok(Job { place: Place { set, id }, base, form: form(engine), started })
    }
}

fn form(engine: &Engine) -> Form {
    let settings = &engine.settings;
    if !settings.compress {
        return Form::Tree;
    }
    let compression = match (settings.compress_with, settings.compress_level) {
        (CompressWith::Gzip, None) => Compression::GZIP,
        (CompressWith::Gzip, Some(level)) => Compression::Gzip(level),
        (CompressWith::Zstd, None) => Compression::ZSTD,
        (CompressWith::Zstd, Some(level)) => Compression::Zstd(level),
    };
    Form::Archive { compression, threads: engine.compress_threads() }
}

fn begin(store: &Path, job: &Job) -> Result<Draft, EngineError> {
    create_dir_private(&store.join(job.place.parent()))?;
    Ok(Draft::begin(store, job.place)?)
}

/// What came in, with its places.
struct Taken {
    receipt: Receipt,
    places: Places,
    command: Invocation,
}

/// Runs the engine and takes in what it writes.
fn take(
    engine: &Engine,
    facts: &ServerFacts,
    tool: &Tool,
    job: &Job,
    private: &PrivateDir,
    directory: &Path,
) -> Result<Taken, EngineError> {
    let target = target(engine, facts, private)?;
    let scratch = private.scratch();
    let command = BackupCommand {
        target: &target,
        parallel: engine.engine_parallel(),
        incremental_lsn: job.base.as_ref().map(|base| base.lsns.to),
        scratch: &scratch,
        extra: &engine.settings.extra_ibx_options,
    }
    .invocation(tool);
    let masker = engine.masker(facts.connection.password.as_ref());
    engine.monitor().debug(&format!("running {}", masker.mask(&command.to_string())));
    let log_path = private.engine_log();
    let listener = Listener::new(command.name(), masker, engine.monitor().clone(), Some(&log_path))?;
    let child = command.spawn(listener.ear())?;
    let needed = required(tool.dialect.has_info);
    let received =
        receive(child, listener.success(), directory, job.form, needed, &**engine.monitor(), engine.cancel());
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
fn target(engine: &Engine, facts: &ServerFacts, private: &PrivateDir) -> Result<Target, EngineError> {
    let connection = &facts.connection;
    let includes = server::option_files(&engine.settings, &engine.around);
    let defaults_file = match &connection.password {
        Some(password) => Some(private.option_file(&includes, password)?),
        None => engine.settings.mysql_cnf.clone(),
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
    form: Form,
    directory: &Path,
) -> Result<Vec<ObjectReceipt>, EngineError> {
    let mut beside = vec![copy_object(&private.engine_log(), directory, LOG_NAME)?];
    if form != Form::Tree {
        for file in &taken.receipt.metadata {
            beside.push(write_object(directory, &file.name, &file.content)?);
        }
    }
    Ok(beside)
}

fn engine_record(tool: &Tool, mismatch: Option<Mismatch>) -> EngineRecord {
    EngineRecord {
        tool: tool.kind.word().to_owned(),
        version: tool.version,
        version_text: tool.version_text.clone(),
        mismatch_allowed: mismatch.map(|mismatch| mismatch.to_string()),
    }
}

fn options(engine: &Engine, command: &Invocation, form: Form) -> OptionsRecord {
    let masker = engine.masker(None);
    let words =
        std::iter::once(command.program.as_os_str()).chain(command.args.iter().map(|arg| arg.as_os_str()));
    let mut settings = BTreeMap::new();
    settings.insert("compress".to_owned(), u8::from(form != Form::Tree).to_string());
    if let Form::Archive { compression, threads } = form {
        settings.insert("compression".to_owned(), compression.to_string());
        settings.insert("compress_threads".to_owned(), threads.to_string());
    }
    OptionsRecord {
        command: words.map(|word| masker.mask(&word.to_string_lossy())).collect(),
        engine_parallel: engine.engine_parallel(),
        settings,
    }
}

fn manifest(
    engine: &Engine,
    job: Job,
    facts: ServerFacts,
    maker: EngineRecord,
    taken: Taken,
    beside: Vec<ObjectReceipt>,
    phases: Vec<PhaseRecord>,
) -> Manifest {
    let Taken { receipt, places, command } = taken;
    let stored_bytes = receipt.objects.iter().map(|object| object.size).sum();
    Manifest {
        format: MANIFEST_FORMAT,
        written_by: concat!("pyxbackup ", env!("CARGO_PKG_VERSION")).to_owned(),
        id: job.place.id,
        kind: job.place.kind(),
        set: job.place.set,
        base: job.base.map(|base| Base { id: base.base, to_lsn: base.lsns.to }),
        started: job.started,
        ended: engine.now(),
        lsns: places.lsns,
        binlog: places.binlog,
        replica_of: places.replica_of,
        galera: places.galera,
        server: facts.record,
        engine: maker,
        options: options(engine, &command, job.form),
        phases,
        sizes: Sizes {
            datadir_bytes: facts.datadir_bytes,
            stream_bytes: receipt.stream.stream_bytes,
            stored_bytes,
        },
        archive: job.form.archive().file_name().unwrap_or_else(|| Manifest::DIRECTORY.to_owned()),
        objects: receipt.objects,
        beside,
    }
}

/// The same in the original's words.
fn backup_meta(engine: &Engine, manifest: &Manifest) -> BackupMeta {
    let binlog_name =
        |point: &xb_catalog::manifest::BinlogPoint| point.coord.as_ref().map(|c| c.file.to_string());
    let compress_with = match engine.settings.compress_with {
        CompressWith::Gzip => "gzip",
        CompressWith::Zstd => "zstd",
    };
    BackupMeta {
        backup: manifest.id,
        full: (manifest.kind == BackupKind::Incremental).then_some(manifest.set),
        start_backup: Some(manifest.started.naive_local()),
        end_backup: Some(manifest.ended.naive_local()),
        start_prepare: None,
        end_prepare: None,
        compress: Some(engine.settings.compress),
        compress_with: Some(compress_with.to_owned()),
        log_bin: manifest.binlog.as_ref().and_then(binlog_name),
        master_log_bin: manifest.replica_of.first().and_then(|source| binlog_name(&source.point)),
        last_lsn: Some(manifest.lsns.last),
        source_version: Some(manifest.engine.version.to_string()),
        source_server: Some(SourceServer {
            kind: Some(manifest.server.flavor.to_string()),
            version: Some(manifest.server.version_text.clone()),
        }),
        rest: Vec::new(),
    }
}
