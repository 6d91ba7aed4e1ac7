//! Whether a closed log is still what it was.

use std::path::PathBuf;

use super::describe::{closed_log, fault_of};
use super::entry::LogEntry;
use super::epoch::EpochNumber;
use super::error::ArchiveError;
use super::names::{epoch_directory, log_file};
use super::picture::Logs;
use super::shelf::read_error;

/// Reads a closed log and holds it against what is known of it: framing and checksum of every event, what its events
/// say, length and digest.
///
/// # Errors
/// [`ArchiveError`]: what is wrong with it, and where.
pub fn verify(logs: &dyn Logs, epoch: EpochNumber, entry: &LogEntry) -> Result<(), ArchiveError> {
    let path = || PathBuf::from(epoch_directory(epoch)).join(log_file(&entry.name, entry.form()));
    let reader = logs.read(epoch, &entry.name)?;
    let (found, end) = closed_log(&entry.name, reader).map_err(|error| read_error(&path(), error))?;
    if let Some(reason) = fault_of(end) {
        return Err(ArchiveError::Unfit { path: path(), reason });
    }
    if found.size_bytes != entry.size_bytes {
        let (expected, found) = (entry.size_bytes, found.size_bytes);
        return Err(ArchiveError::Length { path: path(), expected, found });
    }
    if let (Some(expected), Some(found)) = (entry.digest, found.digest)
        && expected != found
    {
        return Err(ArchiveError::Digest { path: path(), bytes: entry.size_bytes, expected, found });
    }
    let (stored, previous, digest) = (entry.stored.clone(), entry.previous.clone(), entry.digest);
    // What was written down before it had commit times is not wrong for that.
    let commit_times = entry.commit_times.and(found.commit_times);
    if (LogEntry { stored, previous, digest, commit_times, ..found }) != *entry {
        let reason = "what is written down of it is not what its events say".to_owned();
        return Err(ArchiveError::Unfit { path: path(), reason });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read};

    use xb_core::BinlogName;

    use super::*;

    /// A log of MySQL.
    const LOG: &[u8] = include_bytes!("../../../xb-formats/tests/data/binlog/mysql97-bin.000001");

    struct One;

    impl Logs for One {
        fn read(&self, _: EpochNumber, _: &BinlogName) -> Result<Box<dyn Read + Send>, ArchiveError> {
            Ok(Box::new(Cursor::new(LOG)))
        }
    }

    #[test]
    fn a_log_that_was_written_down_without_commit_times_is_what_it_was() {
        let (log, _) = closed_log(&"bin.000001".parse().unwrap(), LOG).unwrap();
        assert!(log.commit_times.is_some());
        verify(&One, 1, &log).unwrap();
        verify(&One, 1, &LogEntry { commit_times: None, ..log.clone() }).unwrap();
        let error = verify(&One, 1, &LogEntry { commit_times: Some((1, 2)), ..log }).unwrap_err();
        assert!(error.to_string().contains("is not what its events say"), "{error}");
    }
}
