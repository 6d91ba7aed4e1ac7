//! The MySQL client: the one place that talks to a server.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use mysql::prelude::Queryable;
use mysql::{Conn, Opts, OptsBuilder};
use xb_core::{ErrorClass, Lsn, Secret};

/// How long a server may take to accept a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How long a server may take to answer a question about itself.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// Where a server listens, and as whom to speak to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectOptions {
    /// The socket; has precedence over host and port.
    pub socket: Option<PathBuf>,
    /// The host; `127.0.0.1` when there is no socket either.
    pub host: Option<String>,
    /// The TCP port; 3306 when it is not given.
    pub port: Option<u16>,
    /// The account.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<Secret>,
}

impl std::fmt::Display for ConnectOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.socket {
            Some(socket) => socket.display().fmt(f)?,
            None => write!(f, "{}:{}", self.host(), self.port())?,
        }
        self.user.as_ref().map_or(Ok(()), |user| write!(f, " as {user:?}"))
    }
}

impl ConnectOptions {
    pub(crate) fn host(&self) -> &str {
        self.host.as_deref().unwrap_or("127.0.0.1")
    }

    pub(crate) fn port(&self) -> u16 {
        self.port.unwrap_or(3306)
    }

    fn opts(&self) -> Opts {
        let builder = OptsBuilder::new()
            .user(self.user.clone())
            .pass(self.password.as_ref().map(Secret::expose))
            .prefer_socket(false)
            .tcp_connect_timeout(Some(CONNECT_LIMIT))
            .read_timeout(Some(ANSWER_LIMIT))
            .write_timeout(Some(ANSWER_LIMIT));
        let builder = match &self.socket {
            Some(socket) => builder.socket(Some(socket.to_string_lossy())),
            None => builder.ip_or_hostname(Some(self.host())).tcp_port(self.port()),
        };
        builder.into()
    }
}

/// The server could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection.
    #[error("cannot connect to the server at {address}: {reason}")]
    Connect {
        /// Where, and as whom.
        address: String,
        /// Why not. Holds no secret.
        reason: String,
    },
    /// A statement failed.
    #[error("the server refused \"{statement}\": {reason}")]
    Query {
        /// The statement.
        statement: String,
        /// Why.
        reason: String,
    },
}

impl ClientError {
    /// Whether trying again can help.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            ClientError::Connect { .. } => ErrorClass::Transient,
            ClientError::Query { .. } => ErrorClass::Permanent,
        }
    }
}

/// What the server or the system says, without the library's wrapping.
fn plain(error: &mysql::Error) -> String {
    match error {
        mysql::Error::MySqlError(error) => {
            format!("error {} ({}): {}", error.code, error.state, error.message)
        }
        mysql::Error::DriverError(mysql::DriverError::CouldNotConnect(Some((_, reason, _)))) => {
            reason.clone()
        }
        mysql::Error::DriverError(error) => error.to_string(),
        mysql::Error::IoError(error) => error.to_string(),
        other => other.to_string(),
    }
}

/// A connection to a server.
pub struct Client {
    connection: Conn,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// [`ClientError::Connect`].
    pub fn connect(options: &ConnectOptions) -> Result<Self, ClientError> {
        let refused = |error: mysql::Error| ClientError::Connect {
            address: options.to_string(),
            reason: plain(&error),
        };
        Conn::new(options.opts()).map(|connection| Client { connection }).map_err(refused)
    }

    /// Every global variable by name, in lower case.
    ///
    /// # Errors
    /// [`ClientError::Query`].
    pub fn variables(&mut self) -> Result<BTreeMap<String, String>, ClientError> {
        let statement = "SHOW GLOBAL VARIABLES";
        let rows: Result<Vec<(String, Option<String>)>, _> = self.connection.query(statement);
        let rows =
            rows.map_err(|error| ClientError::Query { statement: statement.into(), reason: plain(&error) })?;
        let pair = |(name, value): (String, Option<String>)| (name.to_lowercase(), value.unwrap_or_default());
        Ok(rows.into_iter().map(pair).collect())
    }

    /// How far what the server calls `SYSTEM` is east of UTC now, in seconds. For this connection that is its time
    /// zone from here on.
    ///
    /// # Errors
    /// [`ClientError::Query`].
    pub fn system_offset(&mut self) -> Result<i32, ClientError> {
        const SET: &str = "SET time_zone = 'SYSTEM'";
        const ASK: &str = "SELECT TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(), NOW())";
        let refused =
            |statement: &str, reason: String| ClientError::Query { statement: statement.into(), reason };
        self.connection.query_drop(SET).map_err(|error| refused(SET, plain(&error)))?;
        let answer: Option<i32> =
            self.connection.query_first(ASK).map_err(|error| refused(ASK, plain(&error)))?;
        answer.ok_or_else(|| refused(ASK, "no answer".to_owned()))
    }

    /// Has the server drop those of its files of changed pages that end before `lsn`. Percona Server up to
    /// 8.0.29 can; it needs the privilege SUPER.
    ///
    /// # Errors
    /// [`ClientError::Query`].
    pub fn purge_page_bitmaps(&mut self, lsn: Lsn) -> Result<(), ClientError> {
        let statement = format!("PURGE CHANGED_PAGE_BITMAPS BEFORE {lsn}");
        let done = self.connection.query_drop(&statement);
        done.map_err(|error| ClientError::Query { statement, reason: plain(&error) })
    }
}
