//! Facts about the server: what it is, which one it is, and where its data stands.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use xb_binlog::client::{Client, ClientError, ConnectOptions};
use xb_catalog::manifest::{ServerIdentity, ServerRecord, ServerSettings};
use xb_core::settings::Settings;
use xb_core::{Flavor, Version};
use xb_pipeline::clock::Clock;
use xb_pipeline::fs::{FsError, tree_bytes_where};

use crate::option_file;
use crate::server_settings;
use crate::surroundings::Surroundings;

/// Where servers listen when nothing says otherwise, by distribution.
const USUAL_SOCKETS: [&str; 4] =
    ["/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock", "/tmp/mysql.sock", "/var/run/mysql/mysql.sock"];

/// `localhost` would mean the socket.
const LOOPBACK: &str = "127.0.0.1";
const DEFAULT_PORT: u16 = 3306;

/// What is known of a server.
#[derive(Clone, Debug)]
pub(crate) struct ServerFacts {
    /// What goes into the manifest.
    pub(crate) record: ServerRecord,
    /// What statements of its log depend on.
    pub(crate) settings: ServerSettings,
    /// How it was reached.
    pub(crate) connection: ConnectOptions,
    /// Bytes its tables occupy; unknown when its data directory cannot be read from here.
    pub(crate) datadir_bytes: Option<u64>,
    /// Whether it writes a binary log.
    pub(crate) has_binlog: bool,
    /// Whether it can keep, and purge, a record of changed pages.
    pub(crate) has_page_bitmaps: bool,
}

/// The server could not be asked, or its answer does not do.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// It did not answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Its version cannot be read.
    #[error("the server calls its version {text:?}, which cannot be read")]
    Version {
        /// What it says.
        text: String,
    },
    /// It runs elsewhere.
    #[error(
        "the server at {host} runs on {hostname}, not here on {here}; an engine can only copy the files of its own machine"
    )]
    Remote {
        /// Where it was reached.
        host: String,
        /// Where it says it runs.
        hostname: String,
        /// This machine.
        here: String,
    },
    /// An option file could not be read.
    #[error(transparent)]
    Fs(#[from] FsError),
}

/// How to reach the server: settings first, then option files, then the usual places. Socket or TCP is decided
/// here, once, and the engine is told the same.
///
/// # Errors
/// [`FsError`] when an option file cannot be read, or `mysql_cnf` is not there.
pub(crate) fn connection(settings: &Settings, around: &Surroundings) -> Result<ConnectOptions, FsError> {
    if let Some(path) = &settings.mysql_cnf {
        File::open(path).map_err(FsError::on("open mysql_cnf", path))?;
    }
    let from_files = option_file::connect_options(&option_files(settings, around))?;
    let host = settings.mysql_host.clone().or(from_files.host).filter(|host| host != "localhost");
    let wants_port = settings.mysql_port.is_some() && settings.mysql_sock.is_none();
    let by_tcp = settings.mysql_sock.is_none() && (host.is_some() || wants_port);
    let usual = || USUAL_SOCKETS.iter().map(PathBuf::from).find(|path| path.exists());
    let socket = settings.mysql_sock.clone().or(from_files.socket).or_else(usual).filter(|_| !by_tcp);
    let is_tcp = socket.is_none();
    Ok(ConnectOptions {
        socket,
        host: is_tcp.then(|| host.unwrap_or_else(|| LOOPBACK.to_owned())),
        port: is_tcp.then(|| settings.mysql_port.or(from_files.port).unwrap_or(DEFAULT_PORT)),
        user: settings.mysql_user.clone().or(from_files.user).or_else(|| around.user.clone()),
        password: settings.mysql_pass.clone().or(from_files.password),
    })
}

/// The option files that count for this run.
pub(crate) fn option_files(settings: &Settings, around: &Surroundings) -> Vec<PathBuf> {
    settings.mysql_cnf.clone().map_or_else(|| around.default_option_files.clone(), |path| vec![path])
}

/// Asks the server.
///
/// # Errors
/// [`ServerError`].
pub(crate) fn facts(connection: ConnectOptions, clock: &dyn Clock) -> Result<ServerFacts, ServerError> {
    let mut client = Client::connect(&connection)?;
    let variables = client.variables()?;
    // Only a recovery beyond the backup asks for it: no reason not to take one.
    let settings = server_settings::of(&variables, client.system_offset().ok(), clock);
    let record = record(&variables)?;
    check_is_local(&connection, &record.identity.hostname)?;
    let datadir_bytes = tree_bytes_where(&record.identity.datadir, |name| is_copied(name, &variables)).ok();
    let has_binlog = text(&variables, "log_bin") == "ON";
    // Percona Server from 5.5 to 8.0.29. Older servers of MariaDB have the variable, but not the statement.
    let has_page_bitmaps =
        record.flavor == Flavor::Percona && variables.contains_key("innodb_track_changed_pages");
    Ok(ServerFacts { record, settings, connection, datadir_bytes, has_binlog, has_page_bitmaps })
}

/// Engines lock the server they are told of and copy the files of the machine they run on. A name that leads
/// to another machine would give the wrong files under the right name.
fn check_is_local(connection: &ConnectOptions, hostname: &str) -> Result<(), ServerError> {
    let Some(host) = &connection.host else { return Ok(()) };
    let is_loopback = host.starts_with("127.") || host == "::1";
    let here = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if is_loopback || hostname == here {
        return Ok(());
    }
    Err(ServerError::Remote { host: host.clone(), hostname: hostname.to_owned(), here })
}

/// Whether engines copy a file or directory of this name. Logs are not tables, and what is temporary is not
/// kept.
fn is_copied(name: &str, variables: &BTreeMap<String, String>) -> bool {
    let is_log_of = |variable: &str| {
        let base = text(variables, variable).rsplit('/').next().unwrap_or_default();
        !base.is_empty() && name.strip_prefix(base).is_some_and(|rest| rest.starts_with('.'))
    };
    let is_log = ["log_bin_basename", "relay_log_basename"].into_iter().any(is_log_of);
    let is_redo = name.starts_with("ib_logfile") || name == "#innodb_redo";
    !(is_log || is_redo || name.starts_with("ibtmp") || name == "#innodb_temp")
}

fn record(variables: &BTreeMap<String, String>) -> Result<ServerRecord, ServerError> {
    let version_text = text(variables, "version").to_owned();
    let version: Version =
        version_text.parse().map_err(|_| ServerError::Version { text: version_text.clone() })?;
    let datadir = PathBuf::from(text(variables, "datadir"));
    let identity = ServerIdentity {
        server_uuid: Some(text(variables, "server_uuid").to_owned()).filter(|uuid| !uuid.is_empty()),
        aria_uuid: aria_uuid(&datadir),
        data_file: data_file(&datadir),
        hostname: text(variables, "hostname").to_owned(),
        datadir,
        server_id: text(variables, "server_id").parse().unwrap_or(0),
    };
    let flavor = Flavor::of(&version_text, text(variables, "version_comment"));
    Ok(ServerRecord { flavor, version_text, version, identity })
}

fn text<'a>(variables: &'a BTreeMap<String, String>, name: &str) -> &'a str {
    variables.get(name).map_or("", String::as_str)
}

/// The system tablespace as a file. Servers never replace it; restoring does.
fn data_file(datadir: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let meta = std::fs::metadata(datadir.join("ibdata1")).ok()?;
    let made = meta.created().ok().and_then(|made| made.duration_since(std::time::UNIX_EPOCH).ok());
    let made =
        made.map_or_else(String::new, |made| format!(" made {}.{:09}", made.as_secs(), made.subsec_nanos()));
    Some(format!("inode {}{made}", meta.ino()))
}

/// The UUID Aria gives a data directory when it is made: 16 bytes at offset 4 of its control file, behind the
/// magic `fe fe 0c` and a version byte (seen on MariaDB 10.11).
fn aria_uuid(datadir: &Path) -> Option<String> {
    let mut head = [0; 20];
    File::open(datadir.join("aria_log_control")).ok()?.read_exact(&mut head).ok()?;
    let is_control_file = head[..3] == [0xfe, 0xfe, 0x0c];
    is_control_file.then(|| head[4..].iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_do_not_count_as_data() {
        let variables = BTreeMap::from([("log_bin_basename".to_owned(), "/data/mysql-bin".to_owned())]);
        for name in ["mysql-bin.000001", "ib_logfile0", "ibtmp1", "#innodb_redo"] {
            assert!(!is_copied(name, &variables), "{name}");
        }
        for name in ["mysql", "ibdata1", "relay-bin.000001"] {
            assert!(is_copied(name, &variables), "{name}");
        }
    }
}
