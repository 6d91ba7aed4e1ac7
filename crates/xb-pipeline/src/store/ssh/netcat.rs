//! Data beside the connection of ssh: a listener is started over ssh, and the bytes of an object go to it over TCP.
//!
//! For networks that are trusted, where ssh's encryption costs more than it is worth. What this does not protect:
//! nothing is encrypted, so whoever sees the network sees the data; and whoever can change it can break an upload,
//! though not forge it, as the host's SHA-256 of what arrived is compared over ssh with what was sent. Only what was
//! encrypted before should go this way. The listener takes one connection, which must begin with a token that only
//! ssh carried; and no data is sent before the host has said over ssh that the token arrived, so none goes to a
//! service of somebody else's.

use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::call::Call;
use super::scripts;
use super::session::{Session, Task, Watch};
use super::upload::{Place, give_up, random, settle, temporary_name};
use crate::process::Invocation;
use crate::store::{StoreError, StoreErrorKind, StorePath, Upload};

/// How often a port is tried again at which somebody else was faster.
const TRIES: usize = 4;
/// How long the listener may take to listen, a connection to stand, and a token to arrive.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a write may block before it is looked whether the run is to stop.
const WRITE: Duration = Duration::from_millis(500);

const SOMEBODY_ELSE: &str = "somebody else connected to it";

/// An upload through a connection of its own.
struct NetcatUpload {
    call: Option<Call>,
    stream: TcpStream,
    sha256: Sha256,
    bytes: u64,
    target: StorePath,
}

/// How a try at one port ended.
enum Try {
    Stands(Box<Call>, TcpStream),
    /// Somebody has the port already.
    Taken(String),
    /// It listened, but did not become our connection.
    Missed(String),
}

/// Begins an upload at the first port that is free.
pub(super) fn begin(
    session: &Arc<Session>,
    target: &StorePath,
    ports: RangeInclusive<u16>,
) -> Result<Box<dyn Upload>, StoreError> {
    let task = Task::on("write", target.as_str());
    let other = |error: io::Error| session.error(StoreErrorKind::Other, &task, error.to_string());
    let host = host_name(session, &task)?;
    let mut last = String::new();
    for port in ports.clone() {
        let mut missed = 0;
        while missed < TRIES {
            session.check_cancel(&task)?;
            let temporary = temporary_name().map_err(other)?;
            match attempt(session, &task, target, &temporary, (&host, port, missed))? {
                Try::Stands(call, stream) => {
                    let target = target.clone();
                    let (sha256, bytes) = (Sha256::new(), 0);
                    return Ok(Box::new(NetcatUpload { call: Some(*call), stream, sha256, bytes, target }));
                }
                Try::Taken(reason) => {
                    last = reason;
                    break;
                }
                Try::Missed(reason) => {
                    missed += 1;
                    last = reason;
                }
            }
        }
        if missed == TRIES {
            let reason =
                format!("no connection to the listener at {host}:{port}: {last}; is there a firewall?");
            return Err(session.error(StoreErrorKind::Unreachable, &task, reason));
        }
    }
    let reason = format!("no port from {} to {} is free on the host ({last})", ports.start(), ports.end());
    Err(session.error(StoreErrorKind::Busy, &task, reason))
}

/// One listener at one port; `at` has the host, the port and how often that was missed so far.
fn attempt(
    session: &Arc<Session>,
    task: &Task,
    target: &StorePath,
    temporary: &str,
    at: (&str, u16, usize),
) -> Result<Try, StoreError> {
    let (host, port, missed) = at;
    let token = random().map_err(|error| session.error(StoreErrorKind::Other, task, error.to_string()))?;
    let call = session.call(task, &scripts::netcat())?;
    let number = port.to_string();
    let mut call = call.words([target.as_str(), temporary, Place::Over.word(), &number, &token])?;
    let watch = Watch::begin(call.stopper(), PATIENCE);
    let mut said = Vec::new();
    loop {
        match call.line() {
            Some(line) if listens(&line, &number) => break,
            // The listener ended before it listened.
            Some(line) if line == "xb:nothing" => {
                give_up(call);
                let said = said.join("; ");
                if said.contains("not found") {
                    let reason = format!("there is no netcat (nc) on the host: {said}");
                    return Err(session.error(StoreErrorKind::Unsupported, task, reason));
                }
                return Ok(Try::Taken(said));
            }
            Some(line) if line == "xb:stranger" => {
                give_up(call);
                return Ok(Try::Missed(SOMEBODY_ELSE.to_owned()));
            }
            Some(line) => said.push(line),
            None => return Err(call.failed()),
        }
    }
    drop(watch);
    let stream = match connect(host, port, missed, &token) {
        Ok(stream) => stream,
        Err(error) => {
            give_up(call);
            return Ok(Try::Missed(error.to_string()));
        }
    };
    let _watch = Watch::begin(call.stopper(), PATIENCE);
    loop {
        match call.line() {
            Some(line) if line == "xb:token" => return Ok(Try::Stands(Box::new(call), stream)),
            Some(line) if line == "xb:stranger" || line == "xb:nothing" => {
                give_up(call);
                return Ok(Try::Missed(SOMEBODY_ELSE.to_owned()));
            }
            Some(_) => (),
            None => {
                session.check_cancel(task)?;
                drop(call);
                return Ok(Try::Missed("the token did not arrive there".to_owned()));
            }
        }
    }
}

/// Whether a line of `nc -v` says that it listens at a port.
fn listens(line: &str, port: &str) -> bool {
    line.contains("istening") && line.rsplit([' ', ':']).next() == Some(port)
        || line.contains("istening") && line.split_whitespace().any(|word| word == port)
}

fn connect(host: &str, port: u16, missed: usize, token: &str) -> io::Result<TcpStream> {
    let mut addresses: Vec<SocketAddr> = (host, port).to_socket_addrs()?.collect();
    let turn = missed % addresses.len().max(1);
    addresses.rotate_left(turn);
    let mut last = io::Error::other("the host has no address");
    for address in addresses {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(mut stream) => {
                stream.set_write_timeout(Some(WRITE))?;
                stream.write_all(format!("{token}\n").as_bytes())?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The host that ssh connects to, after what its configuration says of the name.
fn host_name(session: &Session, task: &Task) -> Result<String, StoreError> {
    let target = &session.target;
    let asked = target.where_to(Invocation::new(&target.program).arg("-G")).arg("--").arg(&target.host);
    let output = asked
        .output(PATIENCE)
        .map_err(|error| session.error(StoreErrorKind::Unsupported, task, error.to_string()))?;
    let name = output.stdout.lines().find_map(|line| line.strip_prefix("hostname "));
    Ok(name.unwrap_or(&target.host).to_owned())
}

impl NetcatUpload {
    /// The reason, which the host may know better than the connection.
    fn broken(&mut self, error: &io::Error) -> StoreError {
        let Some(call) = self.call.take() else {
            return StoreError::from_io(io::ErrorKind::BrokenPipe.into(), "", "write");
        };
        let (session, task) = (call.session.clone(), call.task.clone());
        let told = {
            let _watch = Watch::begin(call.stopper(), PATIENCE);
            call.failed()
        };
        match told.kind {
            StoreErrorKind::Full | StoreErrorKind::Denied | StoreErrorKind::Cancelled => told,
            _ => session.error(
                StoreErrorKind::Unreachable,
                &task,
                format!("the data connection broke: {error}"),
            ),
        }
    }
}

/// Whether it is only that nothing could be written for a while.
fn is_for_now(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

impl Write for NetcatUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            let Some(call) = &self.call else { return Err(io::ErrorKind::BrokenPipe.into()) };
            call.session.check_cancel(&call.task)?;
            match self.stream.write(bytes) {
                Ok(written) => {
                    self.sha256.update(&bytes[..written]);
                    self.bytes += written as u64;
                    return Ok(written);
                }
                Err(error) if is_for_now(error.kind()) => (),
                Err(error) => return Err(self.broken(&error).into()),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Upload for NetcatUpload {
    fn finish(mut self: Box<Self>) -> Result<u64, StoreError> {
        if let Err(error) = self.stream.shutdown(Shutdown::Write) {
            return Err(self.broken(&error));
        }
        let broken = || io::Error::from(io::ErrorKind::BrokenPipe);
        loop {
            let Some(call) = self.call.as_mut() else { return Err(self.broken(&broken())) };
            match call.line() {
                Some(line) if line == "xb:stored" => break,
                Some(line) if line != "xb:broken" => (),
                _ => return Err(self.broken(&broken())),
            }
        }
        let Some(mut call) = self.call.take() else { return Err(self.broken(&broken())) };
        if call.send(b"end\n").is_err() {
            return Err(call.failed());
        }
        let digest = self.sha256.clone().finalize();
        settle(call, &self.target, self.bytes, Some(digest.into()))
    }
}

impl Drop for NetcatUpload {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            give_up(call);
        }
    }
}
