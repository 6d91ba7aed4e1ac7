//! A replica's side of the replication protocol: events as the server stores them, byte for byte.

mod ask;
mod error;
mod fields;
mod login;
mod start;
mod stream;
mod tls;
mod wire;

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::time::Duration;

use xb_core::gtid::GtidSet;
use xb_core::{BinlogCoord, BinlogName, Flavor, Version};
use xb_formats::binlog::{FIRST_EVENT, Limits};

use crate::client::ConnectOptions;
use ask::{Row, ask, command, order};
pub use error::NativeError;
use error::file_name;
pub use start::Start;
pub use stream::{Event, EventStream, Next};
pub use tls::Tls;
pub use wire::Stopper;
use wire::Wire;

/// How to be a replica.
#[derive(Clone, Debug)]
pub struct NativeOptions {
    /// Where the server is, and as whom to speak to it.
    pub connect: ConnectOptions,
    /// Whether the connection is protected.
    pub tls: Tls,
    /// The id among the server's replicas. The default is drawn by lot above 2^31.
    pub server_id: u32,
    /// The name the server shows for this replica.
    pub name: String,
    /// How often the server says that it lives while it has nothing to send. After three times as long, and
    /// ten seconds, without a word the connection counts as lost.
    pub heartbeat: Duration,
    /// Whether the server is to wait for acknowledgements, if it does semisynchronous replication.
    pub semi_sync: bool,
    /// What events may ask for.
    pub limits: Limits,
}

impl Default for NativeOptions {
    fn default() -> Self {
        NativeOptions {
            connect: ConnectOptions::default(),
            tls: Tls::default(),
            server_id: RandomState::new().build_hasher().finish() as u32 | 1 << 31,
            name: "pyxbackup".to_owned(),
            heartbeat: Duration::from_secs(10),
            semi_sync: false,
            limits: Limits::default(),
        }
    }
}

/// Who a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerIdentity {
    /// Its version, as it prints it.
    pub version: String,
    /// Whose server it is.
    pub flavor: Flavor,
    /// Its id among servers.
    pub server_id: u32,
    /// Its UUID, which MariaDB does not have.
    pub uuid: Option<String>,
}

/// A file of a server's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFile {
    /// Its name.
    pub name: BinlogName,
    /// Its length in bytes, as replicas get it.
    pub size_bytes: u64,
}

/// The command that ends a connection.
const QUIT: u8 = 1;
/// How long a server may take to answer a question.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// A connection to a server, for questions about its log or for the log itself.
pub struct NativeSource {
    wire: Wire,
    options: NativeOptions,
    identity: ServerIdentity,
    has_semi_sync: bool,
    waits: bool,
    /// Whether the server waits for a command, which it does not while it sends its log.
    is_free: bool,
}

impl NativeSource {
    /// Connects.
    ///
    /// # Errors
    /// [`NativeError`].
    pub fn connect(options: NativeOptions) -> Result<Self, NativeError> {
        let (mut wire, _) = login::connect(&options.connect, &options.tls)?;
        wire.link().wait_at_most(ANSWER_LIMIT)?;
        let statement = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('version', 'version_comment', 'server_id', \
             'server_uuid', 'log_bin', 'rpl_semi_sync_master_enabled', 'rpl_semi_sync_source_enabled')";
        let pair = |row: Row| {
            let mut columns = row.into_iter().flatten();
            Some((columns.next()?.to_lowercase(), columns.next().unwrap_or_default()))
        };
        let variables: BTreeMap<String, String> =
            ask(&mut wire, statement)?.into_iter().filter_map(pair).collect();
        let value = |name: &str| variables.get(name).map_or("", String::as_str);
        if value("log_bin") == "OFF" {
            return Err(NativeError::NoBinlog);
        }
        let identity = ServerIdentity {
            version: value("version").to_owned(),
            flavor: Flavor::of(value("version"), value("version_comment")),
            server_id: value("server_id").parse().unwrap_or(0),
            uuid: variables.get("server_uuid").cloned(),
        };
        let semi_sync = ["rpl_semi_sync_master_enabled", "rpl_semi_sync_source_enabled"].map(value);
        // Also where it is off: a server on which it is turned on later asks those who said that they can.
        let has_semi_sync = semi_sync.iter().any(|value| !value.is_empty());
        let waits = semi_sync.contains(&"ON");
        Ok(NativeSource { wire, options, identity, has_semi_sync, waits, is_free: true })
    }

    /// Whether the server waited for semisynchronous replicas when it was asked.
    #[must_use]
    pub fn waits_for_replicas(&self) -> bool {
        self.waits
    }

    /// Whether the server waits for semisynchronous replicas now. It ceases to when none acknowledges in time, and
    /// until one has caught up.
    ///
    /// # Errors
    /// [`NativeError`].
    pub fn waits_now(&mut self) -> Result<bool, NativeError> {
        let statement = "SHOW GLOBAL STATUS WHERE Variable_name IN \
             ('Rpl_semi_sync_master_status', 'Rpl_semi_sync_source_status')";
        let rows = ask(&mut self.wire, statement)?;
        Ok(rows.iter().any(|row| row.get(1).and_then(Option::as_deref) == Some("ON")))
    }

    /// Who the server is.
    #[must_use]
    pub fn identity(&self) -> &ServerIdentity {
        &self.identity
    }

    /// Ends the connection from another thread.
    ///
    /// # Errors
    /// When the system has no descriptor left.
    pub fn stopper(&self) -> io::Result<Stopper> {
        self.wire.link().stopper()
    }

    /// The server's files, oldest first.
    ///
    /// # Errors
    /// [`NativeError`].
    pub fn binary_logs(&mut self) -> Result<Vec<LogFile>, NativeError> {
        let rows = ask(&mut self.wire, "SHOW BINARY LOGS")?;
        rows.iter().map(log_file).collect()
    }

    /// The end of the log: where the next event will stand.
    ///
    /// # Errors
    /// [`NativeError`].
    pub fn end(&mut self) -> Result<BinlogCoord, NativeError> {
        let version = self.identity.version.parse().unwrap_or(Version::new(0, 0, 0));
        // MySQL took the old word away with 8.4; MariaDB keeps it.
        let statement = match self.identity.flavor {
            Flavor::MariaDb => "SHOW MASTER STATUS",
            _ if version < Version::new(8, 2, 0) => "SHOW MASTER STATUS",
            _ => "SHOW BINARY LOG STATUS",
        };
        let rows = ask(&mut self.wire, statement)?;
        let (file, position) = file_and_number(rows.first().ok_or(NativeError::NoBinlog)?)?;
        Ok(BinlogCoord { file, position })
    }

    /// All the server has committed, in the flavour of `like`: `gtid_binlog_state` of MariaDB, which has the last
    /// transaction of each server in each domain; `gtid_executed` of MySQL. None where it has no such thing.
    ///
    /// # Errors
    /// [`NativeError`].
    pub fn gtid_state(&mut self, like: &GtidSet) -> Result<Option<String>, NativeError> {
        let is_maria = self.identity.flavor == Flavor::MariaDb;
        let variable = match like {
            GtidSet::MariaDb(_) if is_maria => "gtid_binlog_state",
            GtidSet::MySql(_) if !is_maria => "gtid_executed",
            _ => return Ok(None),
        };
        let rows = ask(&mut self.wire, &format!("SHOW GLOBAL VARIABLES LIKE '{variable}'"))?;
        Ok(rows.into_iter().next().and_then(|row| row.into_iter().nth(1).flatten()))
    }

    /// Asks for the log. With `blocking` the stream waits at the end of the log for what comes, else it ends.
    ///
    /// The first events are made up by the server: a rotate that names the file, and the format description
    /// where the start is not at the head of it.
    ///
    /// # Errors
    /// [`NativeError`]. Most refusals come with the first event.
    pub fn dump(mut self, from: &Start, blocking: bool) -> Result<EventStream, NativeError> {
        let is_maria = self.identity.flavor == Flavor::MariaDb;
        let semi_sync = self.options.semi_sync && self.has_semi_sync && blocking;
        self.prepare(is_maria, semi_sync)?;
        let server_id = self.options.server_id;
        order(
            &mut self.wire,
            start::REGISTER,
            &start::register(server_id, &self.options.name),
            "registration",
        )?;
        let (code, body) = match from {
            Start::File { file, position } => {
                let name = file.to_string();
                // The request has room for four bytes. Behind that the file is asked for from its head on.
                let position = u32::try_from(*position).unwrap_or(FIRST_EVENT as u32);
                (start::DUMP, start::at_position(&name, position, server_id, blocking, is_maria))
            }
            Start::Gtid(GtidSet::MariaDb(list)) => {
                ask(&mut self.wire, &format!("SET @slave_connect_state = '{list}'"))?;
                (start::DUMP, start::at_position("", FIRST_EVENT as u32, server_id, blocking, is_maria))
            }
            Start::Gtid(GtidSet::MySql(set)) => (start::DUMP_GTID, start::behind(set, server_id, blocking)?),
        };
        command(&mut self.wire, code, &body)?;
        self.is_free = false;
        let place = match from {
            Start::File { file, position } => (file.to_string(), *position),
            Start::Gtid(_) => (String::new(), FIRST_EVENT),
        };
        Ok(EventStream::new(self, semi_sync, place))
    }

    /// Says what this replica can take, so that the server changes nothing for its sake.
    fn prepare(&mut self, is_maria: bool, semi_sync: bool) -> Result<(), NativeError> {
        let nanoseconds = self.options.heartbeat.as_nanos();
        // Variables of the session, under their names of before and after MySQL 8.0.26. Checksums: a server
        // sends each file with those it has, also when they are turned on later. Without a word it may
        // refuse, or take them away.
        ask(
            &mut self.wire,
            &format!(
                "SET @master_binlog_checksum = 'CRC32', @source_binlog_checksum = 'CRC32', \
                 @master_heartbeat_period = {nanoseconds}, @source_heartbeat_period = {nanoseconds}"
            ),
        )?;
        if is_maria {
            // Without it events that older replicas do not know are replaced by others.
            ask(&mut self.wire, "SET @mariadb_slave_capability = 4")?;
        }
        if semi_sync {
            ask(&mut self.wire, "SET @rpl_semi_sync_slave = 1, @rpl_semi_sync_replica = 1")?;
        }
        Ok(())
    }
}

impl Drop for NativeSource {
    /// Takes leave: a server warns in its error log of clients that go without.
    fn drop(&mut self) {
        if self.is_free {
            // One that has gone itself needs no leave.
            let _ = command(&mut self.wire, QUIT, &[]);
        }
    }
}

/// What MySQL puts in front of a log that it encrypts, in bytes. Replicas do not get it.
const ENCRYPTION_HEAD: u64 = 512;

/// A row of `SHOW BINARY LOGS`; MySQL 8.0.14 and later say in a third column whether the log is encrypted.
fn log_file(row: &Row) -> Result<LogFile, NativeError> {
    let (name, size_bytes) = file_and_number(row)?;
    let is_encrypted = row.get(2).and_then(Option::as_deref) == Some("Yes");
    let head = if is_encrypted { ENCRYPTION_HEAD } else { 0 };
    Ok(LogFile { name, size_bytes: size_bytes.saturating_sub(head) })
}

/// The first two columns of a row that names a file.
fn file_and_number(row: &Row) -> Result<(BinlogName, u64), NativeError> {
    let text = |column: usize| row.get(column).and_then(Option::as_deref).unwrap_or_default();
    let number = text(1).parse().map_err(|_| NativeError::Protocol { what: "the size of a log" })?;
    Ok((file_name(text(0))?, number))
}
