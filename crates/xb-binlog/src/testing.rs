//! Small logs, archives and stores, for tests.

use std::fs;
use std::io::{Read, Write as _};
use std::path::Path;
use std::sync::Arc;

use age::secrecy::ExposeSecret as _;
use chrono::DateTime;
use tempfile::TempDir;
use xb_core::{BinlogName, Flavor};
use xb_formats::binlog::{FIRST_EVENT, MAGIC};
use xb_formats::xbcrypt::Key;
use xb_pipeline::keys::{Keys, Recipients};
use xb_pipeline::store::Store;
use xb_pipeline::store::local::LocalStore;
use xb_pipeline::{Compression, Encryption, Packing};

use crate::archive::{Beginning, BinlogArchive, EpochDirectory, EpochNumber, EpochServer, Logs};

/// A log of a real server, for its first event.
const REAL: &[u8] = include_bytes!("../../xb-formats/tests/data/binlog/mariadb-bin.000001");
/// Where that event ends.
const FORMAT_END: usize = 256;

/// A name.
pub(crate) fn name(text: &str) -> BinlogName {
    text.parse().unwrap()
}

/// The log of a number.
pub(crate) fn log(number: u64) -> BinlogName {
    name(&format!("b.{number:06}"))
}

/// Events as a server writes them.
pub(crate) struct LogWriter {
    pub(crate) events: Vec<Vec<u8>>,
    end: u64,
    time: u32,
}

impl LogWriter {
    /// A log that was begun at a time.
    pub(crate) fn new(time: u32) -> Self {
        let mut writer = LogWriter { events: Vec::new(), end: FIRST_EVENT, time };
        let mut format = REAL[FIRST_EVENT as usize..FORMAT_END].to_vec();
        format[..4].copy_from_slice(&time.to_le_bytes());
        format[17] &= !1;
        let at = format.len() - 4;
        let crc = crc32fast::hash(&format[..at]);
        format[at..].copy_from_slice(&crc.to_le_bytes());
        writer.end += format.len() as u64;
        writer.events.push(format);
        writer
    }

    /// An event of a type.
    pub(crate) fn event(&mut self, kind: u8, body: &[u8]) -> &mut Self {
        let length = (19 + body.len() + 4) as u32;
        self.end += u64::from(length);
        let mut event = self.time.to_le_bytes().to_vec();
        event.push(kind);
        event.extend(1_u32.to_le_bytes());
        event.extend(length.to_le_bytes());
        event.extend((self.end as u32).to_le_bytes());
        event.extend(0_u16.to_le_bytes());
        event.extend(body);
        event.extend(crc32fast::hash(&event).to_le_bytes());
        self.events.push(event);
        self
    }

    /// The one that leads to another log.
    pub(crate) fn rotate(&mut self, to: &BinlogName) -> &mut Self {
        let body = [&4_u64.to_le_bytes()[..], to.to_string().as_bytes()].concat();
        self.event(4, &body)
    }

    /// All of it.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        [&MAGIC[..], &self.events.concat()].concat()
    }
}

/// A log of a few events, all at a time, that leads to the next.
pub(crate) fn events_of(number: u64, time: u32) -> LogWriter {
    let mut writer = LogWriter::new(time);
    for n in 0..4 {
        writer.event(2, &vec![(number + n) as u8; 40 + (number % 7) as usize]);
    }
    writer.rotate(&log(number + 1));
    writer
}

/// A server to begin an epoch from.
pub(crate) fn server() -> EpochServer {
    EpochServer {
        address: "localhost:3306".to_owned(),
        flavor: Flavor::MariaDb,
        version: "10.11.19-MariaDB".to_owned(),
        server_id: 1,
        uuid: None,
    }
}

/// An archive in a directory of its own.
pub(crate) struct Place {
    pub(crate) dir: TempDir,
    pub(crate) archive: BinlogArchive,
}

impl Place {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let archive = BinlogArchive::open(dir.path().join("binlogs")).unwrap();
        Place { dir, archive }
    }

    /// One epoch with closed logs of these numbers, each at a time of its own, and an open one behind them.
    pub(crate) fn with_logs(numbers: std::ops::RangeInclusive<u64>) -> Self {
        let place = Place::new();
        let epoch = place.begin(Beginning::First);
        for number in numbers.clone() {
            close(&epoch, number, time_of(number));
        }
        open(&epoch, numbers.end() + 1, time_of(numbers.end() + 1));
        place
    }

    pub(crate) fn begin(&self, beginning: Beginning) -> EpochDirectory {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        self.archive.begin_epoch(0, server(), beginning, now).unwrap().1
    }

    pub(crate) fn epoch(&self, number: EpochNumber) -> std::path::PathBuf {
        self.archive.directory(number)
    }

    /// An empty store beside it.
    pub(crate) fn store(&self) -> Arc<dyn Store> {
        let root = self.dir.path().join("store");
        fs::create_dir_all(&root).unwrap();
        Arc::new(LocalStore::open(&root).unwrap())
    }
}

/// The time of all events of a log.
pub(crate) fn time_of(number: u64) -> u32 {
    1_000_000 + number as u32 * 100
}

/// Adds a closed log.
pub(crate) fn close(epoch: &EpochDirectory, number: u64, time: u32) {
    let mut partial = epoch.begin(log(number)).unwrap();
    for event in events_of(number, time).events {
        partial.append(event).unwrap();
    }
    partial.complete().unwrap();
}

/// Adds a log that is not closed; where it ends.
pub(crate) fn open(epoch: &EpochDirectory, number: u64, time: u32) -> u64 {
    let mut partial = epoch.begin(log(number)).unwrap();
    let mut events = events_of(number, time).events;
    events.pop();
    for event in events {
        partial.append(event).unwrap();
    }
    partial.sync().unwrap();
    partial.end().position
}

/// Reads a log to its end.
pub(crate) fn read(logs: &dyn Logs, epoch: EpochNumber, log: &BinlogName) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::new();
    logs.read(epoch, log).map_err(std::io::Error::other)?.read_to_end(&mut content).map(|_| content)
}

/// A key, an identity, and every way to pack that they open.
pub(crate) fn keys(directory: &Path) -> (Keys, Vec<Packing>) {
    let identity = age::x25519::Identity::generate();
    let path = directory.join("identity");
    fs::File::create(&path).unwrap().write_all(identity.to_string().expose_secret().as_bytes()).unwrap();
    let key = Key::new(&[7; 32]).unwrap();
    let keys = Keys::default().with_key(key.clone()).with_identity_file(&path).unwrap();
    let recipients = Recipients::read(&[identity.to_public().to_string()]).unwrap();
    let mut packings = Vec::new();
    for compression in [Compression::None, Compression::GZIP, Compression::ZSTD, Compression::Lz4] {
        for encryption in
            [None, Some(Encryption::Xbcrypt(key.clone())), Some(Encryption::Age(recipients.clone()))]
        {
            packings.push(Packing { compression, encryption, threads: 2 });
        }
    }
    (keys, packings)
}

/// Not at all.
pub(crate) fn bare() -> Packing {
    Packing { compression: Compression::None, encryption: None, threads: 1 }
}

/// zstd, for everybody.
pub(crate) fn zstd() -> Packing {
    Packing { compression: Compression::ZSTD, ..bare() }
}
