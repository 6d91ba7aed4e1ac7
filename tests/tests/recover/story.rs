//! A server's story: its base, its moments and its logs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use tempfile::TempDir;
use xb_binlog::archive::{Beginning, Place};
use xb_binlog::recover::{Base, find_base};
use xb_core::{BinlogCoord, Flavor, GtidSet};
use xb_sandbox::{Sandbox, Server};

use crate::archive::Archive;
use crate::load::{Chance, SCHEMA, happen};
use crate::private::copy;

pub(crate) const MOMENTS: usize = 34;
/// Seconds between moments.
const APART: u64 = 10;

/// What a server has: checksums of tables, and definitions.
pub(crate) type Fingerprint = (BTreeMap<String, Option<u64>>, Vec<Vec<String>>);

/// A moment in which nothing happened.
pub(crate) struct Moment {
    pub(crate) at: BinlogCoord,
    pub(crate) gtids: GtidSet,
    pub(crate) time: DateTime<Utc>,
    pub(crate) has: Fingerprint,
}

pub(crate) struct Story {
    pub(crate) base: PathBuf,
    pub(crate) base_gtids: GtidSet,
    pub(crate) start: Place,
    pub(crate) moments: Vec<Moment>,
    pub(crate) archive: Archive,
    pub(crate) directory: TempDir,
}

pub(crate) fn fingerprint(server: &Server) -> Fingerprint {
    let definitions = "
        SELECT user, host, authentication_string FROM mysql.user WHERE user != 'pyxbackup_replay' ORDER BY 1, 2;
        SELECT user, db, select_priv, insert_priv FROM mysql.db ORDER BY 1, 2;
        SELECT db, name, body, definer FROM mysql.proc WHERE db IN ('shop', 'other') ORDER BY 1, 2;
        SELECT db, name, body, status, execute_at, created FROM mysql.event ORDER BY 1, 2;
        SELECT trigger_schema, trigger_name, action_statement FROM information_schema.triggers WHERE trigger_schema != 'sys' ORDER BY 1, 2;
        SELECT table_schema, table_name, view_definition FROM information_schema.views WHERE table_schema != 'sys' ORDER BY 1, 2;
        SELECT table_schema, table_name, column_name, column_type, column_default FROM information_schema.columns WHERE table_schema IN ('shop', 'other', 'od d') ORDER BY 1, 2, ordinal_position;
        SELECT id, what, HEX(what) FROM shop.log ORDER BY id;
        XA RECOVER;";
    (server.checksums().unwrap(), server.sql(definitions).unwrap())
}

pub(crate) fn gtids(server: &Server) -> GtidSet {
    let text = server.sql("SELECT @@GLOBAL.gtid_binlog_pos;").unwrap()[0][0].clone();
    GtidSet::MariaDb(text.parse().unwrap())
}

/// Stops a server, and gives a copy of its data without its logs.
fn base_of(server: &mut Server, directory: &Path) -> PathBuf {
    let base = directory.join("base");
    server.stop().unwrap();
    copy(server.datadir(), &base);
    for entry in std::fs::read_dir(&base).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("mysql-bin.") {
            std::fs::remove_file(path).unwrap();
        }
    }
    server.start().unwrap();
    base
}

/// Stops a server, and gives its logs.
fn archive_of(server: &mut Server, directory: &Path) -> Archive {
    let logs = directory.join("logs");
    server.stop().unwrap();
    copy(server.datadir(), &logs);
    let mut archive = Archive::default();
    archive.add(1, &logs, Beginning::First);
    archive
}

fn start_of(archive: &Archive, coord: BinlogCoord, gtids: GtidSet) -> Place {
    let wanted = Base {
        coord: Some(coord),
        gtids: Some(gtids),
        server_uuid: None,
        flavor: Flavor::MariaDb,
        ended: None,
        epoch: None,
    };
    find_base(&archive.picture, archive, &wanted).unwrap()
}

fn source(directory: &Path) -> Server {
    let sandbox = Sandbox::new(directory.join("source")).option("log-bin", "mysql-bin");
    let started = sandbox.option("local-infile", "ON").initialise();
    started.unwrap_or_else(|error| panic!("these tests need a MariaDB server: {error}"))
}

impl Story {
    fn tell() -> Story {
        let directory = tempfile::tempdir().unwrap();
        let mut server = source(directory.path());
        server.sql(SCHEMA).unwrap();
        let (coord, base_gtids) = (server.binlog_coordinate().unwrap(), gtids(&server));
        let base = base_of(&mut server, directory.path());
        server.sql("SET GLOBAL log_bin_trust_function_creators = ON;").unwrap();
        let moments = live(&server, directory.path());
        let archive = archive_of(&mut server, directory.path());
        let start = start_of(&archive, coord, base_gtids.clone());
        Story { base, base_gtids, start, moments, archive, directory }
    }
}

/// A server that only has many small transactions.
pub(crate) struct Plain {
    pub(crate) base: PathBuf,
    pub(crate) start: Place,
    pub(crate) archive: Archive,
    pub(crate) has: BTreeMap<String, Option<u64>>,
    _directory: TempDir,
}

impl Plain {
    pub(crate) fn new(transactions: usize) -> Plain {
        let directory = tempfile::tempdir().unwrap();
        let mut server = source(directory.path());
        server
            .sql("CREATE DATABASE d; CREATE TABLE d.t (id INT AUTO_INCREMENT PRIMARY KEY, v TEXT);")
            .unwrap();
        let (coord, before) = (server.binlog_coordinate().unwrap(), gtids(&server));
        let base = base_of(&mut server, directory.path());
        let one = "INSERT INTO d.t (v) VALUES ('one'), ('two'); UPDATE d.t SET v = CONCAT(v, id) WHERE id % 1000 = 1;\n";
        let half = one.repeat(transactions / 4);
        server.sql(&format!("{half}FLUSH BINARY LOGS;{half}")).unwrap();
        let has = server.checksums().unwrap();
        let archive = archive_of(&mut server, directory.path());
        let start = start_of(&archive, coord, before);
        Plain { base, start, archive, has, _directory: directory }
    }
}

fn live(server: &Server, scratch: &Path) -> Vec<Moment> {
    let mut chance = Chance::new(7);
    // In the time to come, so that what the server writes by itself is before all of it.
    let now = Utc::now().timestamp() as u64 + 1000;
    let mut n = 0;
    let mut moments = Vec::new();
    for number in 0..MOMENTS as u64 {
        for _ in 0..5 {
            n += 1;
            happen(&server.client(), &mut chance, n, now + number * APART + n % APART, scratch);
        }
        let time = DateTime::from_timestamp((now + (number + 1) * APART) as i64, 0).unwrap();
        moments.push(Moment {
            at: server.binlog_coordinate().unwrap(),
            gtids: gtids(server),
            time,
            has: fingerprint(server),
        });
    }
    let after = now + MOMENTS as u64 * APART;
    let act = |text: &str, seconds: u64| {
        server.sql(&format!("SET TIMESTAMP = {}; {text}", after + seconds)).unwrap();
        let time = DateTime::from_timestamp((after + seconds + 1) as i64, 0).unwrap();
        Moment {
            at: server.binlog_coordinate().unwrap(),
            gtids: gtids(server),
            time,
            has: fingerprint(server),
        }
    };
    moments.push(act(
        "CREATE TABLE shop.precious (id INT PRIMARY KEY) AS SELECT seq AS id FROM shop.seq_1_to_77;",
        1,
    ));
    moments.push(act("DROP TABLE shop.precious;", 3));
    moments.push(act("INSERT INTO shop.log (what) VALUES ('behind the drop');", 5));
    moments
}

/// The moments before a table is dropped, behind that, and at the end.
pub(crate) const BEFORE_DROP: usize = MOMENTS;
pub(crate) const END: usize = MOMENTS + 2;

/// The one story that is told once.
pub(crate) static STORY: LazyLock<Story> = LazyLock::new(Story::tell);
