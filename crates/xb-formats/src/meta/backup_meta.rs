//! `backup.meta`: what the original pyxbackup notes about a backup. Stores that it also reads keep the file,
//! so what is written here must be what it would write.

use chrono::NaiveDateTime;
use xb_core::{BackupId, BackupKind, Lsn};

use super::{MetaError, pairs};

const FILE: &str = "backup.meta";
/// What stands where there is no value.
const NONE: &str = "None";

/// The names the file has had, the current one first.
pub const FILE_NAMES: [&str; 2] = [FILE, "xbackup.meta"];

/// The file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupMeta {
    /// The name of the backup.
    pub backup: BackupId,
    /// The backup it belongs to: `None` for a full backup, the full backup's name for an incremental one.
    pub full: Option<BackupId>,
    /// When it began. This and the other times are local and in whole seconds.
    pub start_backup: Option<NaiveDateTime>,
    /// When it ended.
    pub end_backup: Option<NaiveDateTime>,
    /// When its preparation began, if it was prepared.
    pub start_prepare: Option<NaiveDateTime>,
    /// When its preparation ended.
    pub end_prepare: Option<NaiveDateTime>,
    /// Whether it is stored compressed.
    pub compress: Option<bool>,
    /// With what it would be, also when it is not: `gzip`, `qpress`, and what is to come.
    pub compress_with: Option<String>,
    /// The binary log of its end, as a file name. Text, because the original took it out of a log by a
    /// pattern that sometimes catches more.
    pub log_bin: Option<String>,
    /// The same of the replica's source.
    pub master_log_bin: Option<String>,
    /// The end of the copied redo log.
    pub last_lsn: Option<Lsn>,
    /// The version of the engine.
    pub source_version: Option<String>,
    /// The server; `None` when the lines are absent, as in older files.
    pub source_server: Option<SourceServer>,
    /// Other keys, in their order. They are written last.
    pub rest: Vec<(String, String)>,
}

/// What newer files say about the server.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SourceServer {
    /// `source_server_type`.
    pub kind: Option<String>,
    /// `source_server_version`.
    pub version: Option<String>,
}

impl BackupMeta {
    /// Whether it describes a full or an incremental backup.
    #[must_use]
    pub fn kind(&self) -> BackupKind {
        if self.full.is_some() { BackupKind::Incremental } else { BackupKind::Full }
    }

    /// Reads the file.
    ///
    /// # Errors
    /// When the name or the type is missing, when an incremental backup names no full one, and when a name,
    /// a time, an LSN or a switch is not understood.
    pub fn parse(text: &str) -> Result<Self, MetaError> {
        let mut pairs = Pairs(pairs::read(text));
        let missing = |key| MetaError::new(FILE, 0, key, "the key is missing or has no value");
        let backup = pairs.typed("backup", |v| v.parse().ok())?.ok_or_else(|| missing("backup"))?;
        let kind = pairs.typed("type", kind)?.ok_or_else(|| missing("type"))?;
        let full: Option<BackupId> = pairs.typed("full", |v| v.parse().ok())?;
        let full = match kind {
            BackupKind::Full => None,
            BackupKind::Incremental => Some(full.ok_or_else(|| missing("full"))?),
        };
        Ok(BackupMeta {
            backup,
            full,
            start_backup: pairs.typed("start_backup", time)?,
            end_backup: pairs.typed("end_backup", time)?,
            start_prepare: pairs.typed("start_prepare", time)?,
            end_prepare: pairs.typed("end_prepare", time)?,
            compress: pairs.typed("compress", switch)?,
            compress_with: pairs.text("compress_with"),
            log_bin: pairs.text("log_bin"),
            master_log_bin: pairs.text("master_log_bin"),
            last_lsn: pairs.typed("last_lsn", |v| v.parse().ok())?,
            source_version: pairs.text("source_version"),
            source_server: pairs.source_server(),
            rest: pairs.0.into_iter().map(|(_, pair)| pair).collect(),
        })
    }

    /// The file, byte for byte as the original writes it.
    #[must_use]
    pub fn render(&self) -> String {
        let time = |at: Option<NaiveDateTime>| at.map(|at| BackupId::at(at).to_string());
        let mut lines = Lines(String::new());
        lines.put("backup", Some(self.backup));
        lines.put("type", Some(self.kind().word()));
        if self.full.is_some() {
            lines.put("full", self.full);
        }
        lines.put("start_backup", time(self.start_backup));
        lines.put("end_backup", time(self.end_backup));
        lines.put("start_prepare", time(self.start_prepare));
        lines.put("end_prepare", time(self.end_prepare));
        lines.put("compress", self.compress.map(u8::from));
        lines.put("compress_with", self.compress_with.as_deref());
        lines.put("log_bin", self.log_bin.as_deref());
        lines.put("master_log_bin", self.master_log_bin.as_deref());
        lines.put("last_lsn", self.last_lsn);
        lines.put("source_version", self.source_version.as_deref());
        if let Some(server) = &self.source_server {
            lines.put("source_server_type", server.kind.as_deref());
            lines.put("source_server_version", server.version.as_deref());
        }
        for (key, value) in &self.rest {
            lines.put(key, Some(value));
        }
        lines.0
    }
}

struct Lines(String);

impl Lines {
    fn put(&mut self, key: &str, value: Option<impl std::fmt::Display>) {
        let value = value.map_or_else(|| NONE.to_owned(), |value| value.to_string());
        self.0.push_str(&format!("{key} = {value}\n"));
    }
}

/// The pairs that have not been taken yet.
struct Pairs(Vec<(usize, pairs::Pair)>);

impl Pairs {
    /// The value of a key, which is then gone, with its line.
    fn take(&mut self, key: &str) -> Option<(usize, String)> {
        let place = self.0.iter().position(|(_, (found, _))| found == key)?;
        let (line, (_, value)) = self.0.remove(place);
        Some((line, value))
    }

    fn text(&mut self, key: &str) -> Option<String> {
        self.take(key).map(|(_, value)| value).filter(|value| value != NONE && !value.is_empty())
    }

    fn typed<T>(&mut self, key: &str, read: impl Fn(&str) -> Option<T>) -> Result<Option<T>, MetaError> {
        match self.take(key) {
            Some((line, value)) if value != NONE && !value.is_empty() => match read(&value) {
                Some(value) => Ok(Some(value)),
                None => Err(MetaError::new(FILE, line, &value, "the value does not fit its key")),
            },
            _ => Ok(None),
        }
    }

    fn source_server(&mut self) -> Option<SourceServer> {
        let present = self.0.iter().any(|(_, (key, _))| key.starts_with("source_server_"));
        let (kind, version) = (self.text("source_server_type"), self.text("source_server_version"));
        present.then_some(SourceServer { kind, version })
    }
}

fn kind(value: &str) -> Option<BackupKind> {
    [BackupKind::Full, BackupKind::Incremental].into_iter().find(|kind| kind.word() == value)
}

fn time(value: &str) -> Option<NaiveDateTime> {
    value.parse::<BackupId>().ok().map(|id| id.local_time())
}

fn switch(value: &str) -> Option<bool> {
    match value {
        "1" | "True" => Some(true),
        "0" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INCREMENTAL: &str = "backup = 2026_11_22-14_28_32\ntype = incr\nfull = 2026_11_22-14_28_25\n\
        start_backup = 2026_11_22-14_28_32\nend_backup = 2026_11_22-14_28_36\nstart_prepare = None\n\
        end_prepare = None\ncompress = 0\ncompress_with = gzip\nlog_bin = mysql-bin.000006\n\
        master_log_bin = None\nlast_lsn = 1658688\nsource_version = 2.2.10\n";

    #[test]
    fn an_incremental_names_its_full_backup() {
        let meta = BackupMeta::parse(INCREMENTAL).unwrap();
        assert_eq!(meta.kind(), BackupKind::Incremental);
        assert_eq!(meta.full.map(|id| id.to_string()).as_deref(), Some("2026_11_22-14_28_25"));
        assert_eq!((meta.compress, meta.last_lsn), (Some(false), Some(Lsn(1_658_688))));
        assert_eq!((meta.master_log_bin.as_deref(), meta.source_server.as_ref()), (None, None));
        assert_eq!(meta.render(), INCREMENTAL);
    }

    #[test]
    fn lines_about_the_server_are_kept_also_without_values() {
        for tail in [
            "source_server_type = MySQL\nsource_server_version = 5.6.24-log\n",
            "source_server_type = None\nsource_server_version = None\nnew_key = x\n",
        ] {
            let text = format!("{INCREMENTAL}{tail}");
            assert_eq!(BackupMeta::parse(&text).unwrap().render(), text);
        }
    }

    #[test]
    fn what_cannot_be_relied_on_is_refused() {
        for (wrong, right) in [
            ("type = incr", "type = weekly"),
            ("full = 2026_11_22-14_28_25", "full = None"),
            ("backup = 2026_11_22-14_28_32", "backup = yesterday"),
            ("last_lsn = 1658688", "last_lsn = 16x"),
            ("end_backup = 2026_11_22-14_28_36", "end_backup = 2026_11_22"),
        ] {
            let text = INCREMENTAL.replacen(wrong, right, 1);
            assert!(BackupMeta::parse(&text).is_err(), "{right}");
        }
        assert!(BackupMeta::parse("").is_err());
    }
}
