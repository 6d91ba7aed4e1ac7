//! Settings: everything a run was told, typed. Text becomes layers, layers become [`Settings`], and those
//! are never changed afterwards.
//!
//! [`KEYS`] says which settings there are. [`cnf::read`] and [`toml::read`] turn the text of a file into a
//! [`Layer`], a command line fills one with [`Layer::set`], and [`resolve`] merges them for one [`Task`].
//! Texts come in and values go out: nothing here opens a file or looks at the environment.
//!
//! ```
//! use std::path::Path;
//! use xb_core::settings::{self, Task};
//!
//! let text = "[pyxbackup]\nstor_dir = /backups/stor\nwork_dir = /backups/work\ncompress = 1\n";
//! let file = settings::cnf::read(text, Path::new("pyxbackup.cnf"), "pyxbackup")?;
//! let resolved = settings::resolve(&[file], Task::Full)?;
//! assert!(resolved.settings.compress);
//! assert_eq!(resolved.entries.iter().filter(|e| e.origin.to_string() == "pyxbackup.cnf:4").count(), 1);
//! # Ok::<(), settings::SettingsError>(())
//! ```

pub mod cnf;
pub mod toml;

mod binlogs;
mod check;
mod error;
mod extra;
mod layer;
mod nearest;
mod origin;
mod resolve;
mod table;
mod task;
mod value;

use std::path::PathBuf;

use serde::Serialize;

use crate::Secret;

pub use binlogs::{BinlogSettings, BinlogTls};
pub use error::{Problem, SettingsError, Warning};
pub use layer::{Given, GivenEntry, Layer};
pub use origin::Origin;
pub use resolve::{Entry, Resolved, resolve};
pub use table::{Group, KEYS, Key, Kind, Place};
pub use task::Task;

/// How a streamed backup is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum CompressWith {
    /// Independent gzip members, readable by `gzip`.
    #[default]
    Gzip,
    /// Independent zstd frames, readable by `zstd`.
    Zstd,
    /// Independent LZ4 frames, readable by `lz4`.
    Lz4,
    /// Each file by itself, as the engines' own `--compress` does it; readable by `qpress`.
    Qpress,
}

/// How backups are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum EncryptWith {
    /// xbcrypt with a key of 16 bytes.
    #[serde(rename = "AES128")]
    Aes128,
    /// xbcrypt with a key of 24 bytes.
    #[serde(rename = "AES192")]
    Aes192,
    /// xbcrypt with a key of 32 bytes.
    #[serde(rename = "AES256")]
    Aes256,
    /// age, for recipients.
    #[serde(rename = "age")]
    Age,
}

/// Which engine takes backups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum EngineChoice {
    /// The one that fits the server.
    #[default]
    Auto,
    /// MariaDB's.
    MariadbBackup,
    /// Percona's.
    Xtrabackup,
    /// The program in front of XtraBackup 2.0 to 2.2.
    Innobackupex,
}

/// How a backup is stored that is prepared as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum ApplyLogArchive {
    /// Its files are put into a tar, or a qpress archive.
    #[default]
    Tar,
    /// The engine's stream is.
    Xbs,
}

/// Memory for the engine's prepare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PrepareMemory {
    /// So many MiB.
    Mib(u64),
    /// A share of what is free.
    Auto,
}

/// How the connection to a mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum SmtpSecurity {
    /// Not at all.
    #[default]
    None,
    /// TLS begins after the greeting; a server that cannot do it gets no mail.
    StartTls,
    /// TLS from the first byte.
    Tls,
}

/// Everything a run was told. One field per key of the configuration file, under the key's name.
///
/// For embedding, start from [`Settings::default`] and set what differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Settings {
    /// The account on the server.
    pub mysql_user: Option<String>,
    /// Its password.
    pub mysql_pass: Option<Secret>,
    /// The server's host; local either way, since data files are copied.
    pub mysql_host: Option<String>,
    /// The server's TCP port; the socket has precedence.
    pub mysql_port: Option<u16>,
    /// The server's socket.
    pub mysql_sock: Option<PathBuf>,
    /// The server's option file, passed on as `--defaults-file`.
    pub mysql_cnf: Option<PathBuf>,

    /// The store. Must exist.
    pub stor_dir: Option<PathBuf>,
    /// Scratch space, logs and lock. Must exist.
    pub work_dir: Option<PathBuf>,

    /// The address of the store, when it is not `stor_dir`.
    pub store: Option<String>,
    /// Addresses of stores that get a copy of each backup.
    pub copy_to: Vec<String>,
    /// Sets to keep in those; `None` is as in the store itself, and so for the next four.
    pub copy_retention_sets: Option<u32>,
    /// Days to keep in those.
    pub copy_retention_days: Option<u32>,
    /// Weekly sets to keep in those.
    pub copy_retention_weeks: Option<u32>,
    /// Monthly sets to keep in those.
    pub copy_retention_months: Option<u32>,
    /// Yearly sets to keep in those.
    pub copy_retention_years: Option<u32>,
    /// Most MiB a second to and from stores elsewhere; 0 is no limit.
    pub store_rate_limit_mib: u64,
    /// The address of an S3-compatible server.
    pub s3_endpoint: Option<String>,
    /// The region of the bucket.
    pub s3_region: Option<String>,
    /// The access key id; where it is not given, it is looked for where the cloud's own tools look.
    pub s3_access_key: Option<String>,
    /// Its secret.
    pub s3_secret_key: Option<Secret>,
    /// Whether the bucket stands in the path; `None`: with `s3_endpoint`.
    pub s3_path_style: Option<bool>,

    /// The store on the remote host.
    pub remote_stor_dir: Option<String>,
    /// The host backups are sent to, by ssh.
    pub remote_host: Option<String>,
    /// Whether backups are kept there only.
    pub remote_push_only: bool,
    /// The remote host's own pyxbackup with options; empty where there is none.
    pub remote_script: Vec<String>,
    /// The ends of the range of ports to stream to over netcat.
    pub remote_nc_port: Option<(u16, u16)>,
    /// More options for ssh.
    pub ssh_opts: Vec<String>,
    /// The account on the remote host.
    pub ssh_user: String,

    /// Whether backups are streamed and compressed, or kept as plain directories.
    pub compress: bool,
    /// The compression of streamed backups.
    pub compress_with: CompressWith,
    /// The compressor's own level; `None` is the default of `compress_with`.
    pub compress_level: Option<i32>,
    /// Threads that compress, encrypt, decrypt or decompress; `None` is one per core.
    pub compress_threads: Option<usize>,

    /// How backups are encrypted, if they are.
    pub encrypt: Option<EncryptWith>,
    /// The key of xbcrypt.
    pub encrypt_key_file: Option<PathBuf>,
    /// Recipients of age, or files of them.
    pub encrypt_recipients: Vec<String>,
    /// The identities of age that decrypt.
    pub encrypt_identity_file: Option<PathBuf>,
    /// Refuse key files that others can read.
    pub strict_permissions: bool,

    /// Further options for the engine, as words of a command line.
    pub extra_ibx_options: Vec<String>,
    /// Further options for the engine when it prepares.
    pub extra_prepare_options: Vec<String>,
    /// The engine. One that does not fit the server is refused all the same.
    pub engine: EngineChoice,
    /// Threads with which the engine copies; `None` is one per core, four at most.
    pub engine_parallel: Option<usize>,
    /// Directories searched for engines before `PATH`.
    pub engine_dir: Vec<PathBuf>,
    /// Back up a server that the engine is not made for. Recorded in the manifest.
    pub allow_version_mismatch: bool,
    /// Memory for the engine's prepare.
    pub prepare_memory: PrepareMemory,
    /// Whether each backup is also prepared into a rolling copy in `work_dir`.
    pub apply_log: bool,
    /// How compressed backups are stored with `apply_log`.
    pub apply_log_archive: ApplyLogArchive,
    /// Drop the server's changed page bitmaps that an incremental has used.
    pub purge_bitmaps: bool,

    /// What restore-set restores: a name out of `list`, or `None` for the last.
    pub restore_backup: Option<crate::BackupId>,
    /// Where restore-set puts `P_<name>`. Must exist.
    pub restore_dir: Option<PathBuf>,

    /// Sets of a full and its incrementals to keep.
    pub retention_sets: u32,
    /// Keep what recovers a moment of so many days before the newest backup.
    pub retention_days: u32,
    /// Weekly sets to keep beyond these.
    pub retention_weeks: u32,
    /// Monthly sets to keep beyond these.
    pub retention_months: u32,
    /// Yearly sets to keep beyond these.
    pub retention_years: u32,
    /// Whether `full` and `incr` end with a prune.
    pub prune_after_backup: bool,
    /// Whether `wipeout` may do what it says.
    pub i_am_absolutely_sure_wipeout: bool,

    /// Who is told of failures by mail.
    pub notify_by_email: Vec<String>,
    /// Who is told of finished backups by mail.
    pub notify_on_success: Vec<String>,
    /// The mail server.
    pub smtp_host: String,
    /// Its port.
    pub smtp_port: u16,
    /// How the connection to it is protected.
    pub smtp_security: SmtpSecurity,
    /// Certificates (PEM) that vouch for it, instead of the usual ones.
    pub smtp_ca_file: Option<PathBuf>,
    /// The account on it.
    pub smtp_user: Option<String>,
    /// Its password.
    pub smtp_pass: Option<Secret>,
    /// The sender's address; `None` is made of account and host.
    pub smtp_from: Option<String>,
    /// A program that is given results as JSON, with its arguments.
    pub notify_command: Vec<String>,
    /// Where results are sent by HTTP. May hold a token.
    pub notify_url: Option<Secret>,
    /// How long a notice may take with all its attempts, in seconds.
    pub notify_timeout_seconds: u64,

    /// A program run before a backup begins, with its arguments.
    pub hook_before: Vec<String>,
    /// A program run after a backup was taken.
    pub hook_after_success: Vec<String>,
    /// A program run after a backup failed.
    pub hook_after_failure: Vec<String>,
    /// How long a hook may take, in seconds.
    pub hook_timeout_seconds: u64,

    /// Binary logs.
    #[serde(flatten)]
    pub binlogs: BinlogSettings,

    /// What `meta` prints.
    pub meta_item: Vec<String>,

    /// `status` warns when a run has been going on for longer, in hours.
    pub status_running_hours: u64,
    /// `status` warns when the last backup is older, in hours.
    pub status_age_hours: u64,
}

impl Settings {
    /// Whether the settings name a store that is not a directory of this machine's `stor_dir`.
    #[must_use]
    pub fn is_elsewhere(&self) -> bool {
        self.store.is_some() || self.remote_push_only
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            mysql_user: None,
            mysql_pass: None,
            mysql_host: None,
            mysql_port: None,
            mysql_sock: None,
            mysql_cnf: None,
            stor_dir: None,
            work_dir: None,
            store: None,
            copy_to: Vec::new(),
            copy_retention_sets: None,
            copy_retention_days: None,
            copy_retention_weeks: None,
            copy_retention_months: None,
            copy_retention_years: None,
            store_rate_limit_mib: 0,
            s3_endpoint: None,
            s3_region: None,
            s3_access_key: None,
            s3_secret_key: None,
            s3_path_style: None,
            remote_stor_dir: None,
            remote_host: None,
            remote_push_only: false,
            remote_script: Vec::new(),
            remote_nc_port: None,
            ssh_opts: Vec::new(),
            ssh_user: "root".to_owned(),
            compress: false,
            compress_with: CompressWith::Gzip,
            compress_level: None,
            compress_threads: None,
            encrypt: None,
            encrypt_key_file: None,
            encrypt_recipients: Vec::new(),
            encrypt_identity_file: None,
            strict_permissions: false,
            extra_ibx_options: Vec::new(),
            extra_prepare_options: Vec::new(),
            engine: EngineChoice::Auto,
            engine_parallel: None,
            engine_dir: Vec::new(),
            allow_version_mismatch: false,
            prepare_memory: PrepareMemory::Mib(128),
            apply_log: false,
            apply_log_archive: ApplyLogArchive::Tar,
            purge_bitmaps: false,
            restore_backup: None,
            restore_dir: None,
            retention_sets: 2,
            retention_days: 0,
            retention_weeks: 0,
            retention_months: 0,
            retention_years: 0,
            prune_after_backup: true,
            i_am_absolutely_sure_wipeout: false,
            notify_by_email: Vec::new(),
            notify_on_success: Vec::new(),
            smtp_host: "127.0.0.1".to_owned(),
            smtp_port: 25,
            smtp_security: SmtpSecurity::None,
            smtp_ca_file: None,
            smtp_user: None,
            smtp_pass: None,
            smtp_from: None,
            notify_command: Vec::new(),
            notify_url: None,
            notify_timeout_seconds: 30,
            hook_before: Vec::new(),
            hook_after_success: Vec::new(),
            hook_after_failure: Vec::new(),
            hook_timeout_seconds: 600,
            binlogs: BinlogSettings::default(),
            meta_item: Vec::new(),
            status_running_hours: 24,
            status_age_hours: 36,
        }
    }
}
