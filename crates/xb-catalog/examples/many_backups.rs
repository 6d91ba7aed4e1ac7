//! Makes a store with many small backups, to measure how long looking at one takes:
//! `many_backups DIRECTORY SETS INCREMENTALS`.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, TimeDelta};
use xb_catalog::layout::Place;
use xb_catalog::manifest::{
    Base, BinlogPoint, EngineRecord, MANIFEST_NAME, Manifest, OptionsRecord, PhaseRecord, ServerIdentity,
    ServerRecord, Sizes,
};
use xb_catalog::{BACKUP_META_NAME, prepare_store};
use xb_core::{BackupId, Flavor, Lsn, LsnRange, Version};
use xb_pipeline::monitor::Phase;
use xb_pipeline::{ObjectReceipt, digest_file};

const ARCHIVE: &str = "backup.xbs.zst";
/// The metadata beside an archive, as an engine leaves it.
const BESIDE: [&str; 4] =
    ["xtrabackup_checkpoints", "xtrabackup_info", "xtrabackup_binlog_info", "innobackupex-backup.log"];

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [directory, sets, incrementals] = words.as_slice() else {
        return Err("usage: many_backups DIRECTORY SETS INCREMENTALS".into());
    };
    let (root, sets, incrementals) = (Path::new(directory), sets.parse()?, incrementals.parse()?);
    fs::create_dir_all(root)?;
    prepare_store(root)?;
    let begin = NaiveDate::from_ymd_opt(2022, 1, 1).and_then(|day| day.and_hms_opt(1, 0, 0));
    let begin = begin.ok_or("no such day")?;
    for set in 0..sets {
        add_set(root, begin + TimeDelta::days(set), incrementals)?;
    }
    println!("{} backups in {}", sets * (incrementals + 1), root.display());
    Ok(())
}

fn add_set(root: &Path, begin: NaiveDateTime, incrementals: i64) -> Result<(), Box<dyn Error>> {
    let set = BackupId::at(begin);
    let mut base: Option<Base> = None;
    for number in 0..=incrementals {
        let place = Place { set, id: BackupId::at(begin + TimeDelta::hours(number)) };
        let to = Lsn(1_000_000 + 1000 * u64::try_from(number)?);
        add(root, place, base.clone(), to)?;
        base = Some(Base { id: place.id, to_lsn: to });
    }
    Ok(())
}

/// Written without a sync: the files are there to be looked at, not to be kept.
fn add(root: &Path, place: Place, base: Option<Base>, to: Lsn) -> Result<(), Box<dyn Error>> {
    let directory = root.join(place.directory());
    fs::create_dir_all(&directory)?;
    for name in BESIDE.iter().chain([&ARCHIVE, &BACKUP_META_NAME]) {
        fs::write(directory.join(name), name.as_bytes())?;
    }
    let receipt = |name: &str| -> Result<ObjectReceipt, Box<dyn Error>> {
        let (size, blake3) = digest_file(&directory.join(name))?;
        Ok(ObjectReceipt { path: name.into(), size, blake3 })
    };
    let beside = BESIDE.iter().map(|name| receipt(name)).collect::<Result<_, _>>()?;
    let manifest = manifest(place, base, to, vec![receipt(ARCHIVE)?], beside)?;
    fs::write(directory.join(MANIFEST_NAME), manifest.render()?)?;
    Ok(())
}

fn manifest(
    place: Place,
    base: Option<Base>,
    to: Lsn,
    objects: Vec<ObjectReceipt>,
    beside: Vec<ObjectReceipt>,
) -> Result<Manifest, Box<dyn Error>> {
    let zone = FixedOffset::east_opt(3600).ok_or("no such zone")?;
    let started: DateTime<FixedOffset> =
        place.id.local_time().and_local_timezone(zone).single().ok_or("no such time")?;
    let from = base.as_ref().map_or(Lsn(0), |base| base.to_lsn);
    let phase = |phase, seconds| PhaseRecord { phase, started, seconds };
    Ok(Manifest {
        format: 1,
        written_by: "pyxbackup 0.1.0".into(),
        id: place.id,
        kind: place.kind(),
        set: place.set,
        base,
        started,
        ended: started + TimeDelta::seconds(75),
        lsns: LsnRange { from, to, last: Lsn(to.0 + 9) },
        binlog: Some(BinlogPoint {
            coord: Some(serde_json::from_str(r#"{"file": "mysql-bin.000042", "position": 1337}"#)?),
            gtid: Some("0-1-4711".parse()?),
        }),
        replica_of: Vec::new(),
        galera: None,
        server: server(),
        server_settings: None,
        engine: EngineRecord {
            tool: "mariadb-backup".into(),
            version: Version::new(10, 11, 19),
            version_text: "mariadb-backup based on MariaDB server 10.11.19-MariaDB Linux (x86_64)".into(),
            mismatch_allowed: None,
        },
        options: options(),
        phases: vec![phase(Phase::Probe, 0.25), phase(Phase::Backup, 74.2), phase(Phase::Commit, 0.31)],
        sizes: Sizes { datadir_bytes: Some(1 << 30), stream_bytes: 1 << 29, stored_bytes: 1 << 27 },
        archive: ARCHIVE.into(),
        objects,
        beside,
    })
}

fn server() -> ServerRecord {
    let version = Version::new(10, 11, 19);
    ServerRecord {
        flavor: Flavor::MariaDb,
        version_text: "10.11.19-MariaDB-0+deb12u1-log".into(),
        version,
        identity: ServerIdentity {
            server_uuid: None,
            aria_uuid: Some("f533eab1-e680-11f1-bdf8-02fc00000001".into()),
            hostname: "db1.example.org".into(),
            datadir: "/var/lib/mysql".into(),
            data_file: Some("inode 1234567, made 2021-12-31T23:59:59.123456789Z".into()),
            server_id: 1,
        },
    }
}

fn options() -> OptionsRecord {
    let command = [
        "/usr/bin/mariadb-backup",
        "--defaults-file=/var/lib/pyxbackup/.pyxbackup-run-4711/my.cnf",
        "--backup",
        "--stream=xbstream",
        "--parallel=4",
        "--extra-lsndir=/var/lib/pyxbackup/.pyxbackup-run-4711/lsn",
        "--target-dir=/var/lib/pyxbackup/.pyxbackup-run-4711/tmp",
    ];
    let settings = [("compress", "1"), ("compress_with", "zstd"), ("threads", "4")];
    OptionsRecord {
        command: command.map(str::to_owned).to_vec(),
        engine_parallel: 4,
        settings: BTreeMap::from(settings.map(|(key, value)| (key.to_owned(), value.to_owned()))),
    }
}
