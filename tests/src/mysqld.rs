//! A server that speaks MySQL's protocol and knows nothing but how it introduces itself: for servers that
//! cannot be had here. It takes any account, notes every statement, and answers as it is told.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

/// What the server does with a statement other than those that ask for its variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It is done.
    Ok,
    /// It fails: number, state, message.
    Error(u16, &'static str, &'static str),
    /// The connection ends without an answer.
    HangUp,
}

/// What the account may not do.
pub const DENIED: Reply = Reply::Error(
    1227,
    "42000",
    "Access denied; you need (at least one of) the SUPER privilege(s) for this operation",
);

/// The server. Its threads go with the test, its socket with it.
pub struct FakeServer {
    pub socket: PathBuf,
    statements: Arc<Mutex<Vec<String>>>,
    reply: Arc<Mutex<Reply>>,
    _directory: TempDir,
}

impl FakeServer {
    /// A Percona Server of this version, which tracks changed pages if `tracks`.
    ///
    /// # Panics
    /// When it cannot listen.
    #[must_use]
    pub fn percona(version: &str, tracks: bool) -> Self {
        let hostname = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let comment = "Percona Server (GPL), Release 1, Revision 2e6c0951";
        let mut variables: BTreeMap<String, String> = [
            ("version", version),
            ("version_comment", comment),
            ("datadir", "/nowhere/data/"),
            ("hostname", &hostname),
            ("server_uuid", "3e11fa47-71ca-11e1-9e33-c80aa9429562"),
            ("server_id", "7"),
            ("log_bin", "ON"),
            ("max_allowed_packet", "4194304"),
            ("wait_timeout", "28800"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        if tracks {
            variables.insert("innodb_track_changed_pages".into(), "ON".into());
        }
        FakeServer::start(variables)
    }

    fn start(variables: BTreeMap<String, String>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("mysqld.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let statements = Arc::new(Mutex::new(Vec::new()));
        let reply = Arc::new(Mutex::new(Reply::Ok));
        let (noted, told) = (statements.clone(), reply.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (variables, noted, told) = (variables.clone(), noted.clone(), told.clone());
                // Ends when the client does, however that ends.
                std::thread::spawn(move || drop(serve(Wire::new(stream), &variables, &noted, &told)));
            }
        });
        FakeServer { socket, statements, reply, _directory: directory }
    }

    /// From now on it answers so.
    ///
    /// # Panics
    /// When a thread of it has.
    pub fn answers(&self, reply: Reply) {
        *self.reply.lock().unwrap() = reply;
    }

    /// The statements so far, but for those that ask for variables or for the time zone.
    ///
    /// # Panics
    /// When a thread of it has.
    #[must_use]
    pub fn statements(&self) -> Vec<String> {
        self.statements.lock().unwrap().clone()
    }
}

/// Packets of the protocol: three bytes length, one byte number.
struct Wire {
    stream: UnixStream,
    number: u8,
}

impl Wire {
    fn new(stream: UnixStream) -> Self {
        Wire { stream, number: 0 }
    }

    fn send(&mut self, body: &[u8]) -> io::Result<()> {
        let length = u32::try_from(body.len()).map_err(io::Error::other)?.to_le_bytes();
        self.stream.write_all(&[length[0], length[1], length[2], self.number])?;
        self.number = self.number.wrapping_add(1);
        self.stream.write_all(body)
    }

    fn receive(&mut self) -> io::Result<Vec<u8>> {
        let mut head = [0; 4];
        self.stream.read_exact(&mut head)?;
        self.number = head[3].wrapping_add(1);
        let mut body = vec![0; u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize];
        self.stream.read_exact(&mut body)?;
        Ok(body)
    }

    fn ok(&mut self) -> io::Result<()> {
        self.send(&[0, 0, 0, 2, 0, 0, 0])
    }

    fn eof(&mut self) -> io::Result<()> {
        self.send(&[0xfe, 0, 0, 2, 0])
    }

    fn error(&mut self, number: u16, state: &str, message: &str) -> io::Result<()> {
        let mut body = vec![0xff];
        body.extend(number.to_le_bytes());
        body.push(b'#');
        body.extend(state.as_bytes());
        body.extend(message.as_bytes());
        self.send(&body)
    }

    /// A result of text.
    fn rows(&mut self, columns: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
        self.send(&[u8::try_from(columns.len()).map_err(io::Error::other)?])?;
        for column in columns {
            let mut body = Vec::new();
            ["def", "", "", "", column, column].iter().for_each(|part| put(&mut body, part));
            // UTF-8, any length, VAR_STRING, no flags.
            body.extend([0x0c, 33, 0, 0xff, 0xff, 0, 0, 0xfd, 0, 0, 0, 0, 0]);
            self.send(&body)?;
        }
        self.eof()?;
        for row in rows {
            let mut body = Vec::new();
            row.iter().for_each(|value| put(&mut body, value));
            self.send(&body)?;
        }
        self.eof()
    }
}

/// A text behind its length, which is below 251.
fn put(body: &mut Vec<u8>, text: &str) {
    body.push(u8::try_from(text.len()).unwrap());
    body.extend(text.as_bytes());
}

fn serve(
    mut wire: Wire,
    variables: &BTreeMap<String, String>,
    noted: &Mutex<Vec<String>>,
    reply: &Mutex<Reply>,
) -> io::Result<()> {
    greet(&mut wire, &variables["version"])?;
    // Whoever it is, with whatever password.
    wire.receive()?;
    wire.ok()?;
    loop {
        let command = wire.receive()?;
        match command.split_first() {
            Some((1, _)) | None => return Ok(()),
            Some((14, _)) => wire.ok()?,
            Some((3, statement)) => {
                let statement = String::from_utf8_lossy(statement).into_owned();
                if !answer(&mut wire, &statement, variables)? {
                    noted.lock().unwrap().push(statement);
                    let reply = *reply.lock().unwrap();
                    match reply {
                        Reply::Ok => wire.ok()?,
                        Reply::Error(number, state, message) => wire.error(number, state, message)?,
                        Reply::HangUp => return Ok(()),
                    }
                }
            }
            Some(_) => wire.error(1047, "08S01", "Unknown command")?,
        }
    }
}

/// Version 10, with the old way to log in, of which the answer is not looked at.
fn greet(wire: &mut Wire, version: &str) -> io::Result<()> {
    /// LONG_PASSWORD, PROTOCOL_41, TRANSACTIONS, SECURE_CONNECTION; and PLUGIN_AUTH in the upper half.
    const CAPABILITIES: [[u8; 2]; 2] = [[0x01, 0xa2], [0x08, 0x00]];
    let mut body = vec![10];
    body.extend(version.as_bytes());
    body.extend([0, 1, 0, 0, 0]);
    body.extend(b"12345678\0");
    body.extend(CAPABILITIES[0]);
    body.extend([33, 2, 0]);
    body.extend(CAPABILITIES[1]);
    body.push(21);
    body.extend([0; 10]);
    body.extend(b"901234567890\0mysql_native_password\0");
    wire.send(&body)
}

/// Whether the statement asked for variables or for the time zone, and was answered.
fn answer(wire: &mut Wire, statement: &str, variables: &BTreeMap<String, String>) -> io::Result<bool> {
    if statement.eq_ignore_ascii_case("SHOW GLOBAL VARIABLES") {
        let rows: Vec<Vec<String>> =
            variables.iter().map(|(name, value)| vec![name.clone(), value.clone()]).collect();
        wire.rows(&["Variable_name", "Value"], &rows)?;
        return Ok(true);
    }
    if statement.starts_with("SET time_zone") {
        wire.ok()?;
        return Ok(true);
    }
    if statement.starts_with("SELECT TIMESTAMPDIFF") {
        wire.rows(&["offset"], &[vec!["0".to_owned()]])?;
        return Ok(true);
    }
    let Some(names) = statement.strip_prefix("SELECT ").filter(|names| names.starts_with("@@")) else {
        return Ok(false);
    };
    let names: Vec<&str> = names.split(',').map(str::trim).collect();
    let value = |name: &&str| variables.get(name.trim_start_matches("@@")).cloned().unwrap_or_default();
    wire.rows(&names, &[names.iter().map(value).collect()])?;
    Ok(true)
}
