//! A backup that was taken.

use xb_catalog::manifest::{BinlogPoint, Manifest};
use xb_engine::BackupReport;

use super::units;

/// What came of it, in a few lines.
pub(crate) fn summary(report: &BackupReport) -> String {
    let BackupReport { directory, manifest, prepared, .. } = report;
    let prepared = prepared.as_ref().map(|copy| format!("  prepared   {}\n", copy.directory.display()));
    let seconds = (manifest.ended - manifest.started).as_seconds_f64();
    let base = manifest.base.as_ref().map(|base| format!(" on {}", base.id)).unwrap_or_default();
    let binlog = manifest.binlog.as_ref().map_or_else(|| "none".to_owned(), binlog_point);
    format!(
        "{} backup {}{base}: complete after {}\n  \
         size       {}\n  \
         LSN        {} to {}\n  \
         binlog     {binlog}\n  \
         directory  {}\n{}",
        manifest.kind,
        manifest.id,
        units::duration(seconds),
        size(manifest),
        manifest.lsns.from,
        manifest.lsns.to,
        directory.display(),
        prepared.unwrap_or_default()
    )
}

fn size(manifest: &Manifest) -> String {
    let sizes = &manifest.sizes;
    let (before, after) = (units::bytes(sizes.stream_bytes), units::bytes(sizes.stored_bytes));
    let is_smaller = manifest.archive != Manifest::DIRECTORY;
    match units::ratio(sizes.stream_bytes, sizes.stored_bytes).filter(|_| is_smaller) {
        Some(ratio) => format!("{before} → {after} ({ratio} smaller)"),
        None => after,
    }
}

/// File and position, or the transactions where only those are known.
pub(crate) fn binlog_coordinate(point: &BinlogPoint) -> String {
    match (&point.coord, &point.gtid) {
        (Some(coord), _) => coord.to_string(),
        (None, Some(gtid)) => format!("GTID {gtid}"),
        (None, None) => "unknown".to_owned(),
    }
}

fn binlog_point(point: &BinlogPoint) -> String {
    match (&point.coord, &point.gtid) {
        (Some(coord), Some(gtid)) => format!("{coord}, GTID {gtid}"),
        _ => binlog_coordinate(point),
    }
}
