//! `xtrabackup_info`: everything about the run that made a backup.

use chrono::NaiveDateTime;
use xb_core::Lsn;

use super::binlog_info::BinlogInfo;
use super::{log, pairs};

/// The file. Every key is optional, because every version writes another set; what is not understood stays
/// in `rest`, so that nothing is lost.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Info {
    /// The name of the backup in the server's history table.
    pub uuid: Option<String>,
    /// The name the caller gave it.
    pub name: Option<String>,
    /// The program. Of little use for telling engines apart: innobackupex wrote it for years.
    pub tool_name: Option<String>,
    /// The command line. The engine masks `--password` in it and nothing else: it may hold secrets.
    pub tool_command: Option<String>,
    /// The version of the program; `1.5.1-xtrabackup` for every innobackupex up to 2.2.
    pub tool_version: Option<String>,
    /// The version of the engine proper, in any of the shapes it is printed in.
    pub ibbackup_version: Option<String>,
    /// The server's `version` variable.
    pub server_version: Option<String>,
    /// When the backup began, in the local time of the machine.
    pub start_time: Option<NaiveDateTime>,
    /// When it ended, in the local time of the machine.
    pub end_time: Option<NaiveDateTime>,
    /// Whole seconds the server was locked.
    pub lock_time: Option<u64>,
    /// Where the binary log stood.
    pub binlog_pos: Option<BinlogInfo>,
    /// Zero for a full backup.
    pub innodb_from_lsn: Option<Lsn>,
    /// The checkpoint the backup is complete to.
    pub innodb_to_lsn: Option<Lsn>,
    /// Whether only some tables were copied.
    pub partial: Option<bool>,
    /// Whether it builds on another backup.
    pub incremental: Option<bool>,
    /// `file`, `tar`, `xbstream` or `mbstream`.
    pub format: Option<String>,
    /// Whether the engine compressed the files.
    pub compressed: Option<bool>,
    /// Whether the engine encrypted the files.
    pub encrypted: Option<bool>,
    /// All other keys, and values of the above that are not understood, in their order.
    pub rest: Vec<(String, String)>,
}

impl Info {
    /// Reads the file. Never fails: a text that is none gives an empty value.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut all: Vec<_> = pairs::read(text).into_iter().map(|(_, pair)| pair).collect();
        let mut text = |key: &str| pairs::take(&mut all, key, pairs::text);
        let mut info = Info {
            uuid: text("uuid"),
            name: text("name"),
            tool_name: text("tool_name"),
            tool_command: text("tool_command"),
            tool_version: text("tool_version"),
            ibbackup_version: text("ibbackup_version"),
            server_version: text("server_version"),
            format: text("format"),
            ..Info::default()
        };
        info.start_time = pairs::take(&mut all, "start_time", time);
        info.end_time = pairs::take(&mut all, "end_time", time);
        info.lock_time = pairs::take(&mut all, "lock_time", |v| v.parse().ok());
        info.binlog_pos = pairs::take(&mut all, "binlog_pos", log::position);
        info.innodb_from_lsn = pairs::take(&mut all, "innodb_from_lsn", |v| v.parse().ok());
        info.innodb_to_lsn = pairs::take(&mut all, "innodb_to_lsn", |v| v.parse().ok());
        info.partial = pairs::take(&mut all, "partial", flag);
        info.incremental = pairs::take(&mut all, "incremental", flag);
        info.compressed = pairs::take(&mut all, "compressed", flag);
        info.encrypted = pairs::take(&mut all, "encrypted", flag);
        info.rest = all;
        info
    }
}

fn time(value: &str) -> Option<NaiveDateTime> {
    NaiveDateTime::parse_from_str(value, "%Y-%m-%d %H:%M:%S").ok()
}

/// `Y` and `N`; where something is on, some versions write its name instead (`compressed`).
fn flag(value: &str) -> Option<bool> {
    match value {
        "" => None,
        "N" => Some(false),
        _ => Some(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
    const B: &str = "f533eab1-e680-11f1-bdf8-02fc00000001";

    #[test]
    fn a_file_of_xtrabackup_8_is_read() {
        let text = format!(
            "uuid = {B}\nname = \ntool_name = xtrabackup\ntool_command = --backup --password=... --user=b\n\
             tool_version = 8.0.35-31\nibbackup_version = 8.0.35-31\nserver_version = 8.0.36\n\
             start_time = 2024-05-06 07:08:09\nend_time = 2024-05-06 07:10:09\nlock_time = 1\n\
             binlog_pos = filename 'binlog.000007', position '157', GTID of the last change '{A}:1-3,\n{B}:1-9'\n\
             innodb_from_lsn = 0\ninnodb_to_lsn = 20\npartial = N\nincremental = N\nformat = xbstream\n\
             compressed = compressed\nencrypted = N\nserver_flavor = Percona\n"
        );
        let info = Info::parse(&text);
        assert_eq!((info.uuid.as_deref(), info.name), (Some(B), None));
        assert_eq!(info.tool_command.as_deref(), Some("--backup --password=... --user=b"));
        assert_eq!(info.server_version.as_deref(), Some("8.0.36"));
        let took = info.end_time.zip(info.start_time).map(|(end, start)| (end - start).num_seconds());
        assert_eq!((took, info.lock_time), (Some(120), Some(1)));
        let position = info.binlog_pos.unwrap();
        assert_eq!(position.coord.map(|c| c.to_string()).as_deref(), Some("binlog.000007:157"));
        assert_eq!(position.gtid, format!("{A}:1-3,{B}:1-9").parse().ok());
        assert_eq!((info.innodb_from_lsn, info.innodb_to_lsn), (Some(Lsn(0)), Some(Lsn(20))));
        assert_eq!((info.partial, info.incremental), (Some(false), Some(false)));
        assert_eq!((info.compressed, info.encrypted), (Some(true), Some(false)));
        let rest = [("name", ""), ("server_flavor", "Percona")];
        assert_eq!(info.rest, rest.map(|(k, v)| (k.to_owned(), v.to_owned())));
    }

    #[test]
    fn what_is_not_understood_is_kept() {
        let info = Info::parse("lock_time = soon\nbinlog_pos = \nuuid = first\nuuid = second\n");
        assert_eq!((info.lock_time, info.uuid.as_deref()), (None, Some("first")));
        let keys: Vec<_> = info.rest.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(keys, [("lock_time", "soon"), ("binlog_pos", ""), ("uuid", "second")]);
        assert_eq!(Info::parse("\0no pairs here"), Info::default());
    }
}
