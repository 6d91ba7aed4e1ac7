//! What an engine left beside the data, understood and held against what was asked for. Pure.

use xb_catalog::manifest::{BinlogPoint, SourcePoint};
use xb_catalog::plan::BasePlan;
use xb_core::{BackupKind, LsnRange};
use xb_formats::meta::MetaError;
use xb_formats::meta::binlog_info::BinlogInfo;
use xb_formats::meta::checkpoints::{BackupType, Checkpoints};
use xb_formats::meta::info::Info;
use xb_formats::meta::names::MetaKind;
use xb_formats::meta::slave_info;
use xb_pipeline::MetaFile;

use crate::error::WrongBackup;

/// The places of a backup in logs and histories.
#[derive(Debug)]
pub(crate) struct Places {
    pub(crate) lsns: LsnRange,
    pub(crate) binlog: Option<BinlogPoint>,
    pub(crate) replica_of: Vec<SourcePoint>,
    pub(crate) galera: Option<String>,
}

/// Reads the engine's files; checks that the backup is of the wanted kind and continues its base.
pub(crate) fn places(files: &[MetaFile], base: Option<&BasePlan>) -> Result<Places, WrongBackup> {
    let text = |kind: MetaKind| {
        let file = files.iter().find(|file| file.kind == kind);
        file.map(|file| String::from_utf8_lossy(&file.content).into_owned())
    };
    let checkpoints = Checkpoints::parse(&text(MetaKind::Checkpoints).unwrap_or_default())?;
    check_kind(checkpoints.backup_type, base.is_some())?;
    check_lsns(&checkpoints.lsns, base)?;
    Ok(Places {
        lsns: checkpoints.lsns,
        binlog: binlog(text(MetaKind::BinlogInfo), text(MetaKind::Info))?,
        replica_of: replica_of(text(MetaKind::SlaveInfo))?,
        galera: text(MetaKind::GaleraInfo).map(|text| text.trim().to_owned()),
    })
}

fn check_kind(found: BackupType, incremental: bool) -> Result<(), WrongBackup> {
    let wanted = if incremental { BackupType::Incremental } else { BackupType::FullBackuped };
    if found == wanted {
        return Ok(());
    }
    Err(WrongBackup::Kind { found: found.as_str(), wanted: wanted.as_str() })
}

fn check_lsns(lsns: &LsnRange, base: Option<&BasePlan>) -> Result<(), WrongBackup> {
    match base {
        Some(base) if !lsns.continues(&base.lsns) => {
            Err(WrongBackup::Gap { base: base.base, base_to: base.lsns.to, from: lsns.from, to: lsns.to })
        }
        _ => Ok(()),
    }
}

/// The file made for it; XtraBackup 8.0 without a binary log, and engines of one version that put only a
/// GTID set there, tell the rest in the info file.
fn binlog(own: Option<String>, info: Option<String>) -> Result<Option<BinlogPoint>, MetaError> {
    let own = own.filter(|text| !text.trim().is_empty()).map(|text| BinlogInfo::parse(&text)).transpose()?;
    let from_info = info.and_then(|text| Info::parse(&text).binlog_pos);
    let point = |info: BinlogInfo| BinlogPoint { coord: info.coord, gtid: info.gtid };
    Ok(match (own.map(point), from_info.map(point)) {
        (Some(own), Some(info)) => {
            Some(BinlogPoint { coord: own.coord.or(info.coord), gtid: own.gtid.or(info.gtid) })
        }
        (own, info) => own.or(info),
    })
}

fn replica_of(text: Option<String>) -> Result<Vec<SourcePoint>, MetaError> {
    let Some(text) = text.filter(|text| !text.trim().is_empty()) else { return Ok(Vec::new()) };
    let point = |source: slave_info::ReplicaSource| SourcePoint {
        channel: source.channel,
        point: BinlogPoint { coord: source.coord, gtid: source.gtid },
        statement: source.statement,
    };
    Ok(slave_info::parse(&text)?.into_iter().map(point).collect())
}

/// The files a stream must hold to be a backup.
pub(crate) fn required(has_info: bool) -> &'static [MetaKind] {
    if has_info { &[MetaKind::Checkpoints, MetaKind::Info] } else { &[MetaKind::Checkpoints] }
}

/// A kind in full words, for messages.
pub(crate) fn in_words(kind: BackupKind) -> &'static str {
    match kind {
        BackupKind::Full => "full backup",
        BackupKind::Incremental => "incremental backup",
    }
}
