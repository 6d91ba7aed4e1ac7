//! Archives made by hand of the logs of a server.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use xb_binlog::archive::{
    ArchiveError, Beginning, Epoch, EpochNumber, EpochRecord, EpochServer, LogEntry, LogState, Logs, Picture,
};
use xb_core::{BinlogName, Flavor};
use xb_formats::binlog::{End, FileReader};
use xb_pipeline::fs::FsError;

/// The epochs' directories.
#[derive(Clone, Default)]
pub(crate) struct Archive {
    pub(crate) directories: BTreeMap<EpochNumber, PathBuf>,
    pub(crate) picture: Picture,
}

impl Logs for Archive {
    fn read(&self, epoch: EpochNumber, log: &BinlogName) -> Result<Box<dyn Read + Send>, ArchiveError> {
        let path = self.directories[&epoch].join(log.to_string());
        let file = File::open(&path).map_err(FsError::on("open", &path))?;
        Ok(Box::new(file))
    }
}

impl Archive {
    /// Adds the logs of a directory as an epoch.
    pub(crate) fn add(&mut self, number: EpochNumber, directory: &Path, beginning: Beginning) {
        let mut names: Vec<BinlogName> = fs::read_dir(directory)
            .unwrap()
            .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
            .filter(|name: &BinlogName| name.prefix() == "mysql-bin")
            .collect();
        names.sort_by_key(BinlogName::number);
        let mut logs: Vec<LogEntry> = Vec::new();
        for name in names {
            let mut log = entry(directory, name);
            log.previous = logs.last().map(|log| log.name.clone());
            logs.push(log);
        }
        let server = EpochServer {
            address: "here".to_owned(),
            flavor: Flavor::MariaDb,
            version: logs[0].server_version.clone().unwrap(),
            server_id: logs[0].server_id.unwrap(),
            uuid: None,
        };
        let begun = chrono::DateTime::from_timestamp(i64::from(logs[0].begun.unwrap()), 0).unwrap();
        let record = EpochRecord { number, begun, server, beginning };
        self.directories.insert(number, directory.to_owned());
        self.picture.epochs.push(Epoch { record, logs, faults: Vec::new() });
    }
}

fn entry(directory: &Path, name: BinlogName) -> LogEntry {
    let mut reader = FileReader::new(File::open(directory.join(name.to_string())).unwrap());
    reader.by_ref().for_each(|event| drop(event.unwrap()));
    let state = match reader.end().unwrap() {
        End::Closed(_) => LogState::Closed,
        _ => LogState::Open,
    };
    LogEntry::of(name, state, reader.facts(), None)
}
