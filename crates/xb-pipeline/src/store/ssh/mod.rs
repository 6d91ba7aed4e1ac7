//! A store in a directory of a host that is reached by the `ssh` of this machine, with all the user has configured
//! for it: agents, jump hosts, `ssh_config`.
//!
//! The host needs a POSIX shell and GNU coreutils, and nothing of ours. What runs there are constants;
//! names and data reach them through their standard input and are never part of a command. Links are not followed.
//!
//! One connection serves all calls. It is held by a child that ends when its input does, and so with this process
//! however that ends.
//!
//! With [`SshTarget::netcat`] the data of large objects goes beside ssh, over TCP. Nothing of it is encrypted then, and
//! whoever can change the network can break an upload; that what arrived is what was sent is made sure by a SHA-256
//! compared over ssh, and by nothing else. Only what was encrypted before should go this way.

mod call;
mod fault;
mod listing;
mod netcat;
mod reading;
mod scripts;
mod session;
mod upload;
mod words;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cancel::CancelToken;

use self::reading::Reading;
use self::session::{Session, Task};
use self::upload::{Place, SshUpload};
use super::{About, Entry, ObjectDigest, Removal, Store, StoreError, StoreErrorKind, StorePath, Upload};

/// The longest answer that is not data, in bytes.
const ANSWER: u64 = 1024 * 1024;
/// What stands behind the name of a directory while it is a draft.
const DRAFT: &str = ".partial";

/// A directory on a host, and how to get there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshTarget {
    /// The host, as `ssh` is given it: a name, an address, or one from `ssh_config`.
    pub host: String,
    /// The account there, if `ssh` should not decide.
    pub user: Option<String>,
    /// The port, if `ssh` should not decide.
    pub port: Option<u16>,
    /// The directory: absolute, or relative to the account's home. It is not made here.
    pub root: String,
    /// The user's own options for `ssh`.
    pub options: Vec<String>,
    /// The program: a path, or a name to be found in the search path.
    pub program: PathBuf,
    /// Ports for data that goes beside the connection of ssh, unencrypted: see the [module](self).
    pub netcat: Option<RangeInclusive<u16>>,
}

impl SshTarget {
    /// A directory on a host, with nothing else told.
    #[must_use]
    pub fn new(host: impl Into<String>, root: impl Into<String>) -> Self {
        SshTarget {
            host: host.into(),
            user: None,
            port: None,
            root: root.into(),
            options: Vec::new(),
            program: PathBuf::from("ssh"),
            netcat: None,
        }
    }

    /// As a user would write it: `ssh://user@host:port/directory`, with `/~/` before one that is relative to the home.
    #[must_use]
    pub fn address(&self) -> String {
        let user = self.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        let home = if self.root.starts_with('/') { "" } else { "/~/" };
        format!("ssh://{user}{host}{port}{home}{}", self.root)
    }

    /// The root as no command there takes it for something else.
    fn remote_root(&self) -> String {
        if self.root.starts_with('/') { self.root.clone() } else { format!("./{}", self.root) }
    }

    /// What is wrong with it, if anything is.
    fn check(&self) -> Result<(), String> {
        let odd = |c: char| c.is_control() || c.is_whitespace();
        let host_odd = |c: char| odd(c) || matches!(c, '@' | '/');
        if self.host.is_empty() || self.host.starts_with('-') || self.host.contains(host_odd) {
            return Err(format!("{:?} is no name of a host", self.host));
        }
        match &self.user {
            Some(user) if user.is_empty() || user.starts_with('-') || user.contains(odd) => {
                Err(format!("{user:?} is no name of an account"))
            }
            _ if self.root.contains('\0') => Err("the directory has a NUL byte".to_owned()),
            _ if self.netcat.as_ref().is_some_and(|ports| ports.is_empty() || *ports.start() == 0) => {
                Err("the range of ports is empty or begins with 0".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// A store on a host reached by ssh.
#[derive(Debug)]
pub struct SshStore {
    session: Arc<Session>,
}

impl SshStore {
    /// Connects. The socket of the connection goes into `private_dir`, which nobody else may enter; into a directory
    /// of its own where that path is too long for a socket. `cancel` ends whatever goes on.
    ///
    /// # Errors
    /// [`StoreError`]: [`StoreErrorKind::Denied`] for a host key that is not the known one or a key that is not let
    /// in, [`StoreErrorKind::Unreachable`], [`StoreErrorKind::Unsupported`] for a target that makes no sense. Whether
    /// the directory is there is told by the first call that needs it.
    pub fn connect(target: &SshTarget, private_dir: &Path, cancel: &CancelToken) -> Result<Self, StoreError> {
        Ok(SshStore { session: Arc::new(Session::open(target, private_dir, cancel)?) })
    }

    fn put_at(&self, path: &StorePath, content: &[u8], place: Place) -> Result<(), StoreError> {
        let mut upload = SshUpload::begin(&self.session, path, place)?;
        upload
            .write_all(content)
            .map_err(|error| StoreError::from_io(error, &self.session.address, "write"))?;
        upload.complete().map(drop)
    }

    fn remove_batch(&self, paths: &[StorePath]) -> Result<Vec<Removal>, StoreError> {
        let task = match paths {
            [path] => Task::on("remove", path.as_str()),
            _ => Task::all("remove"),
        };
        let (emptied, above) = directories_above(paths);
        let words = paths.iter().map(StorePath::as_str).chain([""]);
        let words = words.chain(emptied.iter().map(String::as_str)).chain([""]);
        let words = words.chain(above.iter().map(String::as_str)).chain([""]);
        let (bytes, _) = self.session.call(&task, scripts::REMOVE)?.words(words)?.all(ANSWER)?;
        let text = String::from_utf8_lossy(&bytes);
        let mut lines = text.splitn(3, '\n');
        let (there, kept) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        let reason = lines.next().and_then(|rest| rest.strip_suffix("xb:done\n"));
        let Some(reason) = reason.map(|reason| reason.trim().replace('\n', "; ")) else {
            return Err(self.session.error(StoreErrorKind::Damaged, &task, "the answer is not understood"));
        };
        let is_there = |flag: &u8| *flag == b'1';
        if there.len() != paths.len() || kept.len() != there.bytes().filter(is_there).count() {
            return Err(self.session.error(StoreErrorKind::Damaged, &task, "the answer is not understood"));
        }
        let wants_right =
            ["Permission denied", "not permitted", "Read-only"].iter().any(|w| reason.contains(w));
        if kept.contains('1') && !wants_right {
            return Err(self.session.error(StoreErrorKind::Other, &task, reason));
        }
        let mut kept = kept.bytes();
        let removal = |flag| match flag {
            b'1' if kept.next() == Some(b'1') => Removal::Deferred(reason.clone()),
            b'1' => Removal::Removed,
            _ => Removal::Missing,
        };
        Ok(there.bytes().map(removal).collect())
    }
}

/// The directories that may be empty after these are gone, deepest first, but not the first ones below the root; and
/// all above the objects.
fn directories_above(paths: &[StorePath]) -> (Vec<String>, Vec<String>) {
    let mut all = BTreeSet::new();
    for path in paths {
        let mut above = path.parent();
        while let Some(directory) = above {
            above = directory.parent();
            if !all.insert(directory.as_str().to_owned()) {
                break;
            }
        }
    }
    // What stands below something sorts behind it.
    let emptied = all.iter().rev().filter(|directory| directory.contains('/')).cloned().collect();
    (emptied, all.into_iter().chain([".".to_owned()]).collect())
}

impl Store for SshStore {
    fn address(&self) -> &str {
        &self.session.address
    }

    fn list(&self) -> Result<Vec<Entry>, StoreError> {
        listing::list(&self.session)
    }

    fn prefixes(&self) -> Result<Vec<String>, StoreError> {
        listing::prefixes(&self.session)
    }

    fn read(&self, path: &StorePath, from: u64) -> Result<Box<dyn Read + Send>, StoreError> {
        Ok(Box::new(Reading::open(&self.session, path, from)?))
    }

    fn read_small(&self, paths: &[StorePath], limit: u64) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let mut all = Vec::with_capacity(paths.len());
        for batch in reading::batches(paths) {
            all.extend(reading::read_small(&self.session, batch, limit)?);
        }
        Ok(all)
    }

    fn create(&self, path: &StorePath, _about: About) -> Result<Box<dyn Upload>, StoreError> {
        match &self.session.target.netcat {
            Some(ports) => netcat::begin(&self.session, path, ports.clone()),
            None => Ok(Box::new(SshUpload::begin(&self.session, path, Place::Over)?)),
        }
    }

    fn put(&self, path: &StorePath, content: &[u8]) -> Result<(), StoreError> {
        let task = Task::on("write", path.as_str());
        self.session.again(&task, || self.put_at(path, content, Place::Over))
    }

    fn put_new(&self, path: &StorePath, content: &[u8]) -> Result<(), StoreError> {
        self.put_at(path, content, Place::New)
    }

    fn draft(&self, directory: &StorePath) -> StorePath {
        // Only one at the limit of length has none; nothing can be written into it either.
        directory.with_suffix(DRAFT).unwrap_or_else(|_| directory.clone())
    }

    fn publish(&self, directory: &StorePath, seal: &str, content: &[u8]) -> Result<(), StoreError> {
        let task = Task::on("publish", directory.as_str());
        let at = |error: &dyn std::fmt::Display| {
            self.session.error(StoreErrorKind::Unsupported, &task, error.to_string())
        };
        let sealed = directory.join(seal).map_err(|error| at(&error))?;
        let temporary = upload::temporary_name().map_err(|error| at(&error))?;
        let length = content.len().to_string();
        let call = self.session.call(&task, scripts::PUBLISH)?;
        let draft = self.draft(directory);
        let words = [draft.as_str(), directory.as_str(), seal, &temporary, &length];
        let mut call = call.words(words)?;
        let published = match call.send(content) {
            Ok(()) => call.done(),
            Err(_) => Err(call.failed()),
        };
        match published {
            // It may have been done before the connection broke.
            Err(error) if error.kind == StoreErrorKind::Unreachable => {
                let now = reading::read_small(&self.session, &[sealed], content.len() as u64);
                match now.as_deref() {
                    Ok([Some(there)]) if there == content => Ok(()),
                    _ => Err(error),
                }
            }
            other => other,
        }
    }

    fn withdraw(&self, directory: &StorePath, seal: &str) -> Result<Removal, StoreError> {
        let task = Task::on("withdraw", directory.as_str());
        let call = self.session.call(&task, scripts::WITHDRAW)?;
        match call.words([directory.as_str(), self.draft(directory).as_str(), seal])?.done() {
            Ok(()) => Ok(Removal::Removed),
            Err(error) if error.kind == StoreErrorKind::Missing => Ok(Removal::Missing),
            Err(error) if error.kind == StoreErrorKind::Denied => Ok(Removal::Deferred(error.reason)),
            Err(error) => Err(error),
        }
    }

    fn remove(&self, paths: &[StorePath]) -> Result<Vec<Removal>, StoreError> {
        let mut all = Vec::with_capacity(paths.len());
        for batch in reading::batches(paths) {
            all.extend(self.remove_batch(batch)?);
        }
        Ok(all)
    }

    fn run(&self, words: &[&str]) -> Result<String, StoreError> {
        let task = Task::on("run", words.first().copied().unwrap_or_default());
        let count = words.len().to_string();
        let all = std::iter::once(count.as_str()).chain(words.iter().copied());
        let (bytes, _) = self.session.call(&task, scripts::RUN)?.words(all)?.all(ANSWER)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn digest(&self, path: &StorePath) -> Result<Option<ObjectDigest>, StoreError> {
        let task = Task::on("digest", path.as_str());
        let answer = self
            .session
            .again(&task, || self.session.call(&task, scripts::DIGEST)?.words([path.as_str()])?.all(ANSWER));
        match answer {
            Ok((bytes, _)) => match upload::parse_sha256(&String::from_utf8_lossy(&bytes)) {
                Some(digest) => Ok(Some(ObjectDigest::Sha256(digest))),
                None => Err(self.session.error(StoreErrorKind::Damaged, &task, "the answer is no digest")),
            },
            Err(error) if error.kind == StoreErrorKind::Missing => Ok(None),
            Err(error) => Err(error),
        }
    }
}
