//! `meta` and `last-lsn`: single facts about a store, for scripts and other hosts.

use serde_json::{Value, json};
use xb_catalog::plan::BaseError;
use xb_catalog::{BackupRecord, Catalog, ChainError, Origin, Repository};
use xb_core::{BackupId, BackupKind};
use xb_formats::meta::backup_meta::{BackupMeta, FILE_NAMES};

use crate::context::Context;
use crate::error::EngineError;
use crate::report::{LastLsn, MetaItem, MetaReport};

pub(crate) fn run(
    context: &Context,
    backup: Option<BackupId>,
    items: &[String],
) -> Result<MetaReport, EngineError> {
    let home = context.repository()?;
    let catalog = home.scan()?;
    let record = match backup {
        Some(id) => {
            let found = catalog.records().find(|record| record.id() == id);
            Some(found.ok_or(ChainError::NoSuchBackup { target: id })?)
        }
        None => catalog.newest(),
    };
    let facts = Facts::of(&home, &catalog, record);
    let item = |name: &String| MetaItem { name: name.clone(), value: facts.value(name) };
    Ok(MetaReport { backup: record.map(BackupRecord::id), items: items.iter().map(item).collect() })
}

/// The same choice as an incremental makes: what cannot be restored is not built on, nor what is on a shelf.
pub(crate) fn last_lsn(context: &Context) -> Result<LastLsn, EngineError> {
    let catalog = context.repository()?.scan()?;
    let chain = catalog.newest_base().ok_or(BaseError::NoFull)?;
    let last = chain.last().ok_or(BaseError::NoFull)?;
    let lsns = last.lsns.ok_or(BaseError::NoLsn { base: last.id() })?;
    Ok(LastLsn { backup: last.id(), to_lsn: lsns.to })
}

/// What there is to know, each source as one object. The first that has a name counts.
struct Facts([Value; 4]);

impl Facts {
    fn of(home: &Repository, catalog: &Catalog, record: Option<&BackupRecord>) -> Self {
        let meta = record.and_then(|record| read_backup_meta(home, record));
        let native = record.filter(|record| record.origin == Origin::Native);
        // A manifest that cannot be read leaves what the catalog says: that the backup is broken, and why.
        let manifest = native.and_then(|record| home.read_manifest(record).ok());
        Facts([
            of_store(catalog),
            meta.map(|meta| of_backup_meta(&meta)).unwrap_or_default(),
            serde_json::to_value(manifest).unwrap_or_default(),
            serde_json::to_value(record).unwrap_or_default(),
        ])
    }

    /// The fact of this name, in which dots lead into objects and lists; `null` for one that nobody knows.
    fn value(&self, name: &str) -> Value {
        let found = self.0.iter().filter_map(|source| within(source, name)).find(|value| !value.is_null());
        found.cloned().unwrap_or_default()
    }
}

fn within<'a>(source: &'a Value, name: &str) -> Option<&'a Value> {
    // A name may have dots of its own, as engines' options do.
    if let Some(value) = source.get(name) {
        return Some(value);
    }
    let split = name.match_indices('.').map(|(at, _)| (&name[..at], &name[at + 1..]));
    split.into_iter().find_map(|(head, rest)| {
        let inner = match source {
            Value::Array(list) => list.get(head.parse::<usize>().ok()?),
            source => source.get(head),
        };
        within(inner?, rest)
    })
}

/// What the original's hosts ask one another.
fn of_store(catalog: &Catalog) -> Value {
    let good = catalog.records().filter(|record| record.is_complete());
    let full = good.filter(|record| record.kind == BackupKind::Full).map(BackupRecord::id).max();
    let last = catalog.newest();
    json!({
        "xb_last_backup": last.map(BackupRecord::id),
        "xb_last_backup_is": last.map(|last| last.kind.word()),
        "xb_last_full": full,
    })
}

/// The keys of `backup.meta`; times are written as there.
fn of_backup_meta(meta: &BackupMeta) -> Value {
    let time = |at: Option<chrono::NaiveDateTime>| at.map(BackupId::at);
    let server = meta.source_server.clone().unwrap_or_default();
    let mut object = json!({
        "backup": meta.backup,
        "type": meta.kind().word(),
        "full": meta.full,
        "start_backup": time(meta.start_backup),
        "end_backup": time(meta.end_backup),
        "start_prepare": time(meta.start_prepare),
        "end_prepare": time(meta.end_prepare),
        "compress": meta.compress,
        "compress_with": meta.compress_with,
        "log_bin": meta.log_bin,
        "master_log_bin": meta.master_log_bin,
        "last_lsn": meta.last_lsn,
        "source_version": meta.source_version,
        "source_server_type": server.kind,
        "source_server_version": server.version,
    });
    // Keys of versions to come. What stands twice counts where it stood first.
    if let Some(known) = object.as_object_mut() {
        for (key, value) in meta.rest.iter().filter(|(_, value)| value != "None") {
            known.entry(key.as_str()).or_insert_with(|| value.as_str().into());
        }
    }
    object
}

fn read_backup_meta(home: &Repository, record: &BackupRecord) -> Option<BackupMeta> {
    let text = FILE_NAMES.iter().find_map(|name| home.read_beside(record, name).ok().flatten())?;
    BackupMeta::parse(&String::from_utf8_lossy(&text)).ok()
}

#[cfg(test)]
mod tests;
