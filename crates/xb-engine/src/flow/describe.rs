//! Describing a backup: the manifest, and the same in the original's words. Pure but for the clock.

use std::collections::BTreeMap;

use xb_catalog::manifest::{
    Base, BinlogPoint, EngineRecord, MANIFEST_FORMAT, Manifest, OptionsRecord, PhaseRecord, Sizes,
};
use xb_core::settings::CompressWith;
use xb_core::{BackupKind, MASK};
use xb_formats::meta::backup_meta::{BackupMeta, SourceServer};
use xb_pipeline::process::Invocation;
use xb_pipeline::{Encryption, ObjectReceipt};

use super::backup::{Job, Taken};
use super::storing::Storing;
use crate::context::Context;
use crate::server::ServerFacts;
use crate::tool::{Mismatch, Tool};

pub(super) fn engine_record(tool: &Tool, mismatch: Option<Mismatch>) -> EngineRecord {
    EngineRecord {
        tool: tool.kind.word().to_owned(),
        version: tool.version,
        version_text: tool.version_text.clone(),
        mismatch_allowed: mismatch.map(|mismatch| mismatch.to_string()),
    }
}

fn options(context: &Context, command: &Invocation, storing: &Storing) -> OptionsRecord {
    let masker = context.masker(None);
    let words =
        std::iter::once(command.program.as_os_str()).chain(command.args.iter().map(|arg| arg.as_os_str()));
    let mut settings = BTreeMap::new();
    settings.insert("compress".to_owned(), u8::from(context.settings.compress).to_string());
    if let Some(packing) = storing.packing() {
        let is_qpress = context.settings.compress && context.settings.compress_with == CompressWith::Qpress;
        let compression = if is_qpress { "qpress".to_owned() } else { packing.compression.to_string() };
        settings.insert("compression".to_owned(), compression);
        settings.insert("compress_threads".to_owned(), packing.threads.to_string());
        let encryption = match &packing.encryption {
            None => "none".to_owned(),
            Some(Encryption::Xbcrypt(key)) => format!("{:?}", key.algorithm()).to_uppercase(),
            Some(Encryption::Age(_)) => "age".to_owned(),
        };
        settings.insert("encryption".to_owned(), encryption);
    }
    OptionsRecord {
        command: words.map(|word| masker.mask(&without_key(&word.to_string_lossy()))).collect(),
        engine_parallel: context.engine_parallel(),
        settings,
    }
}

/// An option of the user's own that gives a key or password in the open, without it.
fn without_key(word: &str) -> String {
    match word.split_once('=') {
        Some((name, _)) if name.contains("key") && !name.ends_with("-file") || name.contains("pass") => {
            format!("{name}={MASK}")
        }
        _ => word.to_owned(),
    }
}

/// The manifest of a backup that came in.
pub(super) fn manifest(
    context: &Context,
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
        ended: context.now(),
        lsns: places.lsns,
        binlog: places.binlog,
        replica_of: places.replica_of,
        galera: places.galera,
        server: facts.record,
        server_settings: Some(facts.settings),
        engine: maker,
        options: options(context, &command, &job.storing),
        phases,
        sizes: Sizes {
            datadir_bytes: facts.datadir_bytes,
            stream_bytes: receipt.stream.stream_bytes,
            stored_bytes,
        },
        archive: job.storing.archive().file_name().unwrap_or_else(|| Manifest::DIRECTORY.to_owned()),
        objects: receipt.objects,
        beside,
    }
}

/// The same in the original's words.
pub(super) fn backup_meta(context: &Context, manifest: &Manifest) -> BackupMeta {
    let binlog_name = |point: &BinlogPoint| point.coord.as_ref().map(|c| c.file.to_string());
    let compress_with = match context.settings.compress_with {
        CompressWith::Gzip => "gzip",
        CompressWith::Zstd => "zstd",
        CompressWith::Lz4 => "lz4",
        CompressWith::Qpress => "qpress",
    };
    BackupMeta {
        backup: manifest.id,
        full: (manifest.kind == BackupKind::Incremental).then_some(manifest.set),
        start_backup: Some(manifest.started.naive_local()),
        end_backup: Some(manifest.ended.naive_local()),
        start_prepare: None,
        end_prepare: None,
        compress: Some(context.settings.compress),
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
