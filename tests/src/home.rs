//! A home for runs: store, work directory, a place for restores, a place for engines, a configuration file.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, FixedOffset, NaiveDateTime};
use tempfile::TempDir;
use xb_catalog::Catalog;
use xb_catalog::layout::DIRECTORIES;
use xb_core::settings::{CompressWith, PrepareMemory, Settings};
use xb_core::{BackupId, Secret};
use xb_engine::{Engine, Surroundings};
use xb_pipeline::clock::Clock;
use xb_pipeline::process::quote;
use xb_sandbox::Server;

use crate::{files, processes};

/// The forms a backup is kept in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Directory,
    Gzip,
    Zstd,
    Lz4,
    Qpress,
}

impl Form {
    /// Those that are as different as can be to a run.
    pub const ALL: [Form; 3] = [Form::Directory, Form::Gzip, Form::Zstd];

    fn compressor(self) -> CompressWith {
        match self {
            Form::Directory | Form::Gzip => CompressWith::Gzip,
            Form::Zstd => CompressWith::Zstd,
            Form::Lz4 => CompressWith::Lz4,
            Form::Qpress => CompressWith::Qpress,
        }
    }

    /// The archive's name, if it is one.
    #[must_use]
    pub fn archive(self) -> Option<&'static str> {
        match self {
            Form::Directory => None,
            Form::Gzip => Some("backup.xbs.gz"),
            Form::Zstd => Some("backup.xbs.zst"),
            Form::Lz4 => Some("backup.xbs.lz4"),
            Form::Qpress => Some("backup.xbs.qp"),
        }
    }
}

/// A clock that always shows the same time.
struct Standing(DateTime<FixedOffset>);

impl Clock for Standing {
    fn now(&self) -> DateTime<FixedOffset> {
        self.0
    }
}

/// Everything one user of the program has. Gone when dropped.
pub struct Home {
    directory: TempDir,
    /// What every run is told; see [`Home::config`].
    pub settings: Settings,
}

impl Home {
    /// A home for backups of `server` by its `root`.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn new(server: &Server, form: Form) -> Self {
        Home::of_socket(server.socket(), form)
    }

    /// A home for backups of whatever listens at `socket`.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn of_socket(socket: &Path, form: Form) -> Self {
        let directory = tempfile::Builder::new().prefix("xb-home-").tempdir().unwrap();
        for name in ["store", "work", "restored", "engines"] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        let at = |name: &str| Some(directory.path().join(name));
        let settings = Settings {
            mysql_user: Some("root".into()),
            mysql_sock: Some(socket.to_owned()),
            // One that is there and says nothing: the machine's own must play no part.
            mysql_cnf: at("my.cnf"),
            stor_dir: at("store"),
            work_dir: at("work"),
            restore_dir: at("restored"),
            engine_dir: vec![directory.path().join("engines")],
            ..Settings::default()
        };
        fs::write(directory.path().join("my.cnf"), "[client]\n").unwrap();
        let mut home = Home { directory, settings };
        home.set_form(form);
        home
    }

    /// From now on backups are kept in this form.
    pub fn set_form(&mut self, form: Form) {
        self.settings.compress = form != Form::Directory;
        self.settings.compress_with = form.compressor();
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.path().join("store")
    }

    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.path().join("work")
    }

    #[must_use]
    pub fn restored(&self) -> PathBuf {
        self.path().join("restored")
    }

    /// Searched for engines before any other place.
    #[must_use]
    pub fn engines(&self) -> PathBuf {
        self.path().join("engines")
    }

    /// The library, told what this home is told.
    #[must_use]
    pub fn engine(&self) -> Engine {
        Engine::new(self.settings.clone())
    }

    /// The library at another time.
    #[must_use]
    pub fn engine_at(&self, local: NaiveDateTime) -> Engine {
        let clock = Arc::new(Standing(local.and_utc().fixed_offset()));
        Engine::with(self.settings.clone(), Surroundings { clock, ..Surroundings::default() })
    }

    /// The library, about to restore `target`.
    #[must_use]
    pub fn restorer(&self, target: Option<BackupId>) -> Engine {
        Engine::new(Settings { restore_backup: target, ..self.settings.clone() })
    }

    /// Writes the configuration file that tells the program what [`Home::settings`] tells the library.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        let path = self.path().join("pyxbackup.cnf");
        fs::write(&path, self.config_text()).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        path
    }

    fn config_text(&self) -> String {
        let settings = &self.settings;
        let mut text = "[pyxbackup]\n".to_owned();
        let mut put = |key: &str, value: String| writeln!(text, "{key} = {value}").unwrap();
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        for (key, value) in [
            ("mysql_user", settings.mysql_user.clone()),
            ("mysql_pass", settings.mysql_pass.as_ref().map(|secret: &Secret| secret.expose().to_owned())),
            ("mysql_sock", path(&settings.mysql_sock)),
            ("mysql_cnf", path(&settings.mysql_cnf)),
            ("stor_dir", path(&settings.stor_dir)),
            ("work_dir", path(&settings.work_dir)),
            ("encrypt_key_file", path(&settings.encrypt_key_file)),
            ("encrypt_identity_file", path(&settings.encrypt_identity_file)),
            ("compress_threads", settings.compress_threads.map(|count| count.to_string())),
        ] {
            if let Some(value) = value {
                put(key, value);
            }
        }
        let word = |value: serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        put("compress", u8::from(settings.compress).to_string());
        put("compress_with", word(serde_json::to_value(settings.compress_with).unwrap()));
        put("engine", word(serde_json::to_value(settings.engine).unwrap()));
        put("encrypt", word(serde_json::to_value(settings.encrypt).unwrap()));
        put("encrypt_recipients", settings.encrypt_recipients.join(","));
        put("strict_permissions", u8::from(settings.strict_permissions).to_string());
        put("apply_log", u8::from(settings.apply_log).to_string());
        put("apply_log_archive", word(serde_json::to_value(settings.apply_log_archive).unwrap()));
        put(
            "prepare_memory",
            match settings.prepare_memory {
                PrepareMemory::Auto => "auto".to_owned(),
                PrepareMemory::Mib(mib) => mib.to_string(),
            },
        );
        for (key, number) in [
            ("retention_sets", settings.retention_sets),
            ("retention_days", settings.retention_days),
            ("retention_weeks", settings.retention_weeks),
            ("retention_months", settings.retention_months),
            ("retention_years", settings.retention_years),
            ("prune_after_backup", settings.prune_after_backup.into()),
        ] {
            put(key, number.to_string());
        }
        put("allow_version_mismatch", u8::from(settings.allow_version_mismatch).to_string());
        put("purge_bitmaps", u8::from(settings.purge_bitmaps).to_string());
        let directories = settings.engine_dir.iter().map(|path| path.display().to_string());
        put("engine_dir", directories.collect::<Vec<_>>().join(":"));
        text + &notices_text(settings) + &elsewhere_text(settings)
    }

    /// What is in the store.
    ///
    /// # Panics
    /// When it cannot be read.
    #[must_use]
    pub fn catalog(&self) -> Catalog {
        match self.settings.is_elsewhere() {
            false => Catalog::scan(&self.store()).unwrap(),
            true => self.engine().list().unwrap().catalog,
        }
    }

    /// The names of the backups that count, oldest first. Entries that do not count fail the test.
    ///
    /// # Panics
    /// When there are any.
    #[must_use]
    pub fn backups(&self) -> Vec<BackupId> {
        let catalog = self.catalog();
        let broken: Vec<_> = catalog.records().filter(|record| !record.is_complete()).collect();
        assert!(broken.is_empty(), "{broken:?}");
        catalog.records().map(|record| record.id()).collect()
    }

    /// All that lies in store and work directory, but for what every run leaves: the layout's directories, the
    /// emptied lock, the log of the run.
    #[must_use]
    pub fn contents(&self) -> Vec<String> {
        let mut all = Vec::new();
        for (name, root) in [("store", self.store()), ("work", self.work())] {
            let is_usual = |path: &str, full: &Path| {
                let is_lock = path.ends_with(".lock");
                let is_log = name == "work" && path.contains("-pyxbackup") && path.ends_with(".log");
                DIRECTORIES.contains(&path) || is_log || (is_lock && files::size(full) == 0)
            };
            let found = files::everything_below(&root).into_iter();
            let found = found.filter(|path| !is_usual(path, &root.join(path)));
            all.extend(found.map(|path| format!("{name}/{path}")));
        }
        all
    }

    /// Nothing of any run is left here.
    ///
    /// # Panics
    /// When something is.
    #[track_caller]
    pub fn assert_empty(&self) {
        assert_eq!(self.contents(), Vec::<String>::new(), "left behind");
    }
}

/// Who is told what, and the hooks.
fn notices_text(settings: &Settings) -> String {
    let mut text = String::new();
    let mut put = |key: &str, value: String| {
        if !value.is_empty() {
            writeln!(text, "{key} = {value}").unwrap();
        }
    };
    let secret = |value: &Option<Secret>| value.as_ref().map_or(String::new(), |s| s.expose().to_owned());
    let words = |words: &[String]| words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ");
    put("notify_by_email", settings.notify_by_email.join(","));
    put("notify_on_success", settings.notify_on_success.join(","));
    put("smtp_host", settings.smtp_host.clone());
    put("smtp_port", settings.smtp_port.to_string());
    put("smtp_security", serde_json::to_value(settings.smtp_security).unwrap().as_str().unwrap().to_owned());
    put("smtp_ca_file", settings.smtp_ca_file.as_ref().map_or(String::new(), |p| p.display().to_string()));
    put("smtp_user", settings.smtp_user.clone().unwrap_or_default());
    put("smtp_pass", secret(&settings.smtp_pass));
    put("smtp_from", settings.smtp_from.clone().unwrap_or_default());
    put("notify_command", words(&settings.notify_command));
    put("notify_url", secret(&settings.notify_url));
    put("notify_timeout", settings.notify_timeout_seconds.to_string());
    put("hook_before", words(&settings.hook_before));
    put("hook_after_success", words(&settings.hook_after_success));
    put("hook_after_failure", words(&settings.hook_after_failure));
    put("hook_timeout", settings.hook_timeout_seconds.to_string());
    text
}

/// Stores elsewhere.
fn elsewhere_text(settings: &Settings) -> String {
    let mut text = String::new();
    let mut put = |key: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            writeln!(text, "{key} = {value}").unwrap();
        }
    };
    // One pair of quotes around the whole is taken off.
    let words = |words: &[String]| {
        let text = words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ");
        let is_quoted = text.starts_with('\'') && text.ends_with('\'') && !text.contains('"');
        if is_quoted { format!("\"{text}\"") } else { text }
    };
    put("store", settings.store.clone());
    put("copy_to", Some(words(&settings.copy_to)));
    put("copy_retention_sets", settings.copy_retention_sets.map(|count| count.to_string()));
    put("store_rate_limit", Some(settings.store_rate_limit_mib.to_string()));
    put("s3_endpoint", settings.s3_endpoint.clone());
    put("s3_region", settings.s3_region.clone());
    put("s3_access_key", settings.s3_access_key.clone());
    put("s3_secret_key", settings.s3_secret_key.as_ref().map(|secret| secret.expose().to_owned()));
    put("remote_stor_dir", settings.remote_stor_dir.clone());
    put("remote_host", settings.remote_host.clone());
    put("remote_push_only", Some(u8::from(settings.remote_push_only).to_string()));
    put("remote_script", Some(words(&settings.remote_script)));
    put("remote_nc_port", settings.remote_nc_port.map(|(low, high)| format!("{low},{high}")));
    put("ssh_opts", Some(words(&settings.ssh_opts)));
    put("ssh_user", Some(settings.ssh_user.clone()));
    text
}

impl Drop for Home {
    fn drop(&mut self) {
        // A run that was killed could not end an engine that has fallen silent.
        processes::end_mentioning(self.path());
    }
}
