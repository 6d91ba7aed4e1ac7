//! Checks that one value alone cannot answer: what fits together.

use super::error::Problem;
use super::value::{Value, Wrong, wrong};
use super::{
    ApplyLogArchive, CompressWith, EncryptWith, EngineChoice, Key, Origin, Settings, SmtpSecurity, Task,
    extra,
};

/// Refuses values that contradict what pyxbackup does itself.
pub(super) fn contradictions(key: &Key, value: Value) -> Result<Value, Wrong> {
    match &value {
        Value::Text(text) if key.name == "first_binlog" => match text.parse::<crate::BinlogName>() {
            Ok(_) => Ok(value),
            Err(error) => Err(wrong(error.to_string(), "write a name as SHOW BINARY LOGS prints it")),
        },
        Value::Words(words) if key.name.starts_with("extra_") => extra::check(words).map(|()| value),
        _ => Ok(value),
    }
}

/// The compressor a word stands for, if this version has it.
pub(super) fn compressor(word: &str) -> Option<CompressWith> {
    match word {
        "gzip" => Some(CompressWith::Gzip),
        "zstd" => Some(CompressWith::Zstd),
        "lz4" => Some(CompressWith::Lz4),
        "qpress" => Some(CompressWith::Qpress),
        _ => None,
    }
}

/// The encryption a word stands for.
pub(super) fn encryption(word: &str) -> Option<EncryptWith> {
    match word {
        "AES128" => Some(EncryptWith::Aes128),
        "AES192" => Some(EncryptWith::Aes192),
        "AES256" => Some(EncryptWith::Aes256),
        "age" => Some(EncryptWith::Age),
        _ => None,
    }
}

/// The setting that encryption needs and that is not there.
pub(super) fn encryption_needs(settings: &Settings, task: Task) -> Option<Problem> {
    let missing = match settings.encrypt? {
        // A prepared copy that has to be made anew is made from what is stored.
        EncryptWith::Age if settings.apply_log && settings.encrypt_identity_file.is_none() => {
            "encrypt_identity_file"
        }
        EncryptWith::Age if settings.encrypt_recipients.is_empty() => "encrypt_recipients",
        EncryptWith::Aes128 | EncryptWith::Aes192 | EncryptWith::Aes256
            if settings.encrypt_key_file.is_none() =>
        {
            "encrypt_key_file"
        }
        _ => return None,
    };
    Key::named(missing).map(|key| Problem::Missing { key, task })
}

/// What a host behind ssh needs and is not set.
pub(super) fn remote_needs(settings: &Settings, task: Task) -> Vec<Problem> {
    let missing = |name| Key::named(name).map(|key| Problem::Missing { key, task });
    let matters = Key::named("remote_host").is_some_and(|key| key.matters(task)) && task != Task::ConfigShow;
    let is_used = settings.remote_push_only || matches!(task, Task::Full | Task::Incr | Task::Copy);
    if !matters || !is_used || settings.store.is_some() {
        return Vec::new();
    }
    let needs_host = settings.remote_push_only && settings.remote_host.is_none();
    let needs_directory =
        (settings.remote_host.is_some() || needs_host) && settings.remote_stor_dir.is_none();
    let host = needs_host.then(|| missing("remote_host")).flatten();
    host.into_iter().chain(needs_directory.then(|| missing("remote_stor_dir")).flatten()).collect()
}

/// What a word says that turns something on or off, or leaves it to what else is set.
pub(super) fn switch(word: &str) -> Option<bool> {
    match word {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

/// The form of backups that are prepared as well.
pub(super) fn apply_log_archive(word: &str) -> ApplyLogArchive {
    if word == "xbs" { ApplyLogArchive::Xbs } else { ApplyLogArchive::Tar }
}

/// The protection of mails that a word stands for.
pub(super) fn smtp_security(word: &str) -> SmtpSecurity {
    match word {
        "starttls" => SmtpSecurity::StartTls,
        "tls" => SmtpSecurity::Tls,
        _ => SmtpSecurity::None,
    }
}

/// The choice of engine a word stands for.
pub(super) fn engine(word: &str) -> Option<EngineChoice> {
    match word {
        "auto" => Some(EngineChoice::Auto),
        "mariadb-backup" => Some(EngineChoice::MariadbBackup),
        "xtrabackup" => Some(EngineChoice::Xtrabackup),
        "innobackupex" => Some(EngineChoice::Innobackupex),
        _ => None,
    }
}

/// The problem with a level that the chosen compressor does not have.
pub(super) fn compress_level(settings: &Settings, origin: Option<&Origin>) -> Option<Problem> {
    let (level, origin, key) = (settings.compress_level?, origin?, Key::named("compress_level")?);
    let (range, name) = match settings.compress_with {
        CompressWith::Gzip => (1..=12, "gzip"),
        CompressWith::Zstd => (-7..=19, "zstd"),
        CompressWith::Lz4 | CompressWith::Qpress => {
            let (what, remedy) = ("lz4 and qpress have no levels".to_owned(), "remove the line".to_owned());
            return Some(Problem::Value {
                origin: origin.clone(),
                key,
                shown: level.to_string(),
                what,
                remedy,
            });
        }
    };
    (!range.contains(&level)).then(|| Problem::Value {
        origin: origin.clone(),
        key,
        shown: level.to_string(),
        what: format!("{name} has no such level"),
        remedy: format!("write a number from {} to {}", range.start(), range.end()),
    })
}
