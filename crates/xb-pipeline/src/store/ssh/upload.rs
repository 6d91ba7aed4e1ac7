//! Writing an object: into a temporary file beside its place, which gets its name only after the host has confirmed
//! the whole of it.

use std::io::{self, Write};
use std::time::Duration;

use rustix::rand::{GetRandomFlags, getrandom};

use super::call::Call;
use super::scripts;
use super::session::{Session, Task, Watch};
use crate::store::{StoreError, StoreErrorKind, StorePath, Upload};

/// Blocks the other end writes with one system call, in bytes.
const BLOCK: usize = 256 * 1024;
/// What is gathered before it is sent, in bytes. The other end starts a process for each.
const GATHER: usize = 16 * BLOCK;
/// How long the other end may take to tidy up after an upload that is given up.
const TIDY: Duration = Duration::from_secs(5);
/// How the name of every temporary file begins and ends; between the two are 32 hexadecimal digits.
const TEMPORARY: (&str, &str) = (".xb-", ".upload");

/// A name that nobody else has.
pub(super) fn temporary_name() -> io::Result<String> {
    Ok([TEMPORARY.0, &random()?, TEMPORARY.1].concat())
}

/// 128 bits that nobody can guess, in hexadecimal digits.
pub(super) fn random() -> io::Result<String> {
    let mut bytes = [0; 16];
    getrandom(&mut bytes, GetRandomFlags::empty())?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What becomes of an object that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It is replaced.
    Over,
    /// It stays, and that is an error.
    New,
}

impl Place {
    pub(super) fn word(self) -> &'static str {
        match self {
            Place::Over => "over",
            Place::New => "new",
        }
    }
}

/// An upload through ssh.
pub(super) struct SshUpload {
    call: Option<Call>,
    gathered: Vec<u8>,
    bytes: u64,
    target: StorePath,
}

impl SshUpload {
    pub(super) fn begin(
        session: &std::sync::Arc<Session>,
        target: &StorePath,
        place: Place,
    ) -> Result<Self, StoreError> {
        let task = Task::on("write", target.as_str());
        let temporary = temporary_name()
            .map_err(|error| session.error(StoreErrorKind::Other, &task, error.to_string()))?;
        let call = session.call(&task, &scripts::upload())?;
        let call = call.words([target.as_str(), &temporary, place.word()])?;
        Ok(SshUpload { call: Some(call), gathered: Vec::new(), bytes: 0, target: target.clone() })
    }

    fn send_gathered(&mut self) -> io::Result<()> {
        let call = self.call.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        if send_blocks(call, &self.gathered).is_ok() {
            self.gathered.clear();
            return Ok(());
        }
        // It is gone, and says why.
        match self.call.take() {
            Some(call) => Err(call.failed().into()),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    pub(super) fn complete(&mut self) -> Result<u64, StoreError> {
        let address = self.call.as_ref().map(|call| call.session.address.clone()).unwrap_or_default();
        let at_io = |error| StoreError {
            path: Some(self.target.as_str().to_owned()),
            ..StoreError::from_io(error, &address, "write")
        };
        let Some(mut call) = self.call.take() else { return Err(at_io(io::ErrorKind::BrokenPipe.into())) };
        let sent = send_blocks(&mut call, &self.gathered).and_then(|()| call.send(b"end\n"));
        if sent.is_err() {
            return Err(call.failed());
        }
        settle(call, &self.target, self.bytes, None)
    }
}

fn send_blocks(call: &mut Call, bytes: &[u8]) -> io::Result<()> {
    let whole = bytes.len() / BLOCK;
    let (blocks, rest) = bytes.split_at(whole * BLOCK);
    if whole > 0 {
        call.send(format!("{BLOCK} {whole}\n").as_bytes())?;
        call.send(blocks)?;
    }
    if !rest.is_empty() {
        call.send(format!("{} 1\n", rest.len()).as_bytes())?;
        call.send(rest)?;
    }
    Ok(())
}

impl Write for SshUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.call.is_none() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let taken = bytes.len().min(GATHER - self.gathered.len());
        self.gathered.extend_from_slice(&bytes[..taken]);
        self.bytes += taken as u64;
        if self.gathered.len() == GATHER {
            self.send_gathered()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Upload for SshUpload {
    fn finish(mut self: Box<Self>) -> Result<u64, StoreError> {
        self.complete()
    }
}

impl Drop for SshUpload {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            give_up(call);
        }
    }
}

/// Lets the other end see that nothing more comes, and remove what it has.
pub(super) fn give_up(mut call: Call) {
    let _watch = Watch::begin(call.stopper(), TIDY);
    call.close();
    // It ends with the code for an input that ended too early; nobody is left who could be told.
    let _ = call.end();
}

/// Has the temporary file confirmed and named: its length, and its digest if there is one.
pub(super) fn settle(
    mut call: Call,
    target: &StorePath,
    bytes: u64,
    sha256: Option<[u8; 32]>,
) -> Result<u64, StoreError> {
    let Some((size, inode)) = call.line().and_then(|line| size_and_inode(&line)) else {
        return Err(call.failed());
    };
    let mut wrong = (size != bytes).then(|| format!("of {bytes} bytes sent, the host has {size}"));
    if let Some(sha256) = sha256 {
        let Some(line) = call.line() else { return Err(call.failed()) };
        if parse_sha256(&line) != Some(sha256) {
            wrong = wrong.or(Some("what arrived is not what was sent: the digests differ".to_owned()));
        }
    }
    if let Some(reason) = wrong {
        let error = call.session.error(StoreErrorKind::Damaged, &call.task, reason);
        give_up(call);
        return Err(error);
    }
    let (session, task) = (call.session.clone(), call.task.clone());
    let ended = match call.send(b"go\n") {
        Ok(()) => call.done(),
        Err(_) => Err(call.failed()),
    };
    match ended {
        // The word may have arrived before the connection broke.
        Err(error) if error.kind == StoreErrorKind::Unreachable => {
            let now = session.again(&task, || {
                let mut call = session.call(&task, scripts::STAT)?.words([target.as_str()])?;
                call.line().and_then(|line| size_and_inode(&line)).ok_or_else(|| call.failed())
            });
            if now.is_ok_and(|now| now == (bytes, inode)) { Ok(bytes) } else { Err(error) }
        }
        other => other.map(|()| bytes),
    }
}

fn size_and_inode(line: &str) -> Option<(u64, u64)> {
    let (size, inode) = line.split_once(' ')?;
    Some((size.parse().ok()?, inode.parse().ok()?))
}

/// The digest in a line of `sha256sum`.
pub(super) fn parse_sha256(line: &str) -> Option<[u8; 32]> {
    let digits = line.split_whitespace().next().filter(|digits| digits.len() == 64 && digits.is_ascii())?;
    let mut digest = [0; 32];
    for (byte, at) in digest.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&digits[at..at + 2], 16).ok()?;
    }
    Some(digest)
}
