//! Reading objects: large ones as a stream that goes on where a broken connection left it, small ones many at a time.

use std::io::{self, Read};
use std::sync::Arc;

use super::call::Call;
use super::scripts;
use super::session::{PAUSES, Session, Task};
use crate::store::{StoreError, StoreErrorKind, StorePath};

/// Words of one call, in bytes, and how many: what fits into a pipe and on a command line.
const WORDS: (usize, usize) = (64 * 1024, 500);
/// How often small objects that change while they are read are tried.
const TRIES: u32 = 5;

/// An object that is being read.
pub(super) struct Reading {
    session: Arc<Session>,
    task: Task,
    path: StorePath,
    at: u64,
    size: u64,
    identity: String,
    call: Option<Call>,
    breaks: usize,
}

impl Reading {
    pub(super) fn open(session: &Arc<Session>, path: &StorePath, from: u64) -> Result<Self, StoreError> {
        let task = Task::on("read", path.as_str());
        let (call, size, identity) = session.again(&task, || open(session, &task, path, from))?;
        if from > size {
            let reason = format!("it has {size} bytes, and was to be read from byte {from} on");
            return Err(session.error(StoreErrorKind::Damaged, &task, reason));
        }
        let (session, path) = (session.clone(), path.clone());
        Ok(Reading { session, task, path, at: from, size, identity, call: Some(call), breaks: 0 })
    }

    /// Opens it again where it broke, after a while.
    fn resume(&mut self) -> Result<(), StoreError> {
        let pause = PAUSES.get(self.breaks).copied().unwrap_or_default();
        self.breaks += 1;
        self.session.pause(&self.task, pause)?;
        let (call, size, identity) = open(&self.session, &self.task, &self.path, self.at)?;
        if (size, &identity) != (self.size, &self.identity) {
            let reason = "it was changed while it was read";
            return Err(self.session.error(StoreErrorKind::Damaged, &self.task, reason));
        }
        self.call = Some(call);
        Ok(())
    }

    fn go_on(&mut self, buffer: &mut [u8]) -> Result<usize, StoreError> {
        let left = self.size - self.at;
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        loop {
            let broken = match &mut self.call {
                None => self.resume().err(),
                Some(call) => match call.output().read(&mut buffer[..wanted]) {
                    Ok(got @ 1..) => {
                        self.at += got as u64;
                        self.breaks = 0;
                        return Ok(got);
                    }
                    _ => self.call.take().map(Call::failed),
                },
            };
            match broken {
                Some(error) if error.kind != StoreErrorKind::Unreachable || self.breaks == PAUSES.len() => {
                    return Err(error);
                }
                _ => (),
            }
        }
    }
}

fn open(
    session: &Arc<Session>,
    task: &Task,
    path: &StorePath,
    from: u64,
) -> Result<(Call, u64, String), StoreError> {
    session.check_cancel(task)?;
    let call = Call::start(session, task, scripts::READ)?;
    let mut call = call.words([path.as_str(), &from.saturating_add(1).to_string()])?;
    let Some(line) = call.line() else { return Err(call.failed()) };
    match line.split_once(' ').and_then(|(size, identity)| Some((size.parse().ok()?, identity.to_owned()))) {
        Some((size, identity)) => Ok((call, size, identity)),
        None => Err(call.nonsense()),
    }
}

impl Read for Reading {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || self.at >= self.size {
            return Ok(0);
        }
        Ok(self.go_on(buffer)?)
    }
}

/// Parts of what goes into one call each.
pub(super) fn batches(paths: &[StorePath]) -> Vec<&[StorePath]> {
    let (mut batches, mut rest) = (Vec::new(), paths);
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = rest.iter().take(WORDS.1).take_while(|path| {
            bytes += path.as_str().len();
            bytes <= WORDS.0
        });
        let (batch, others) = rest.split_at(fits.count().max(1));
        batches.push(batch);
        rest = others;
    }
    batches
}

/// Reads small objects with one call; `None` for what is not there.
pub(super) fn read_small(
    session: &Arc<Session>,
    paths: &[StorePath],
    limit: u64,
) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
    let task = match paths {
        [path] => Task::on("read", path.as_str()),
        _ => Task::all("read"),
    };
    let mut tries = 0;
    session.again(&task, || {
        loop {
            tries += 1;
            match read_small_once(session, &task, paths, limit) {
                Err(error) if error.kind == StoreErrorKind::Damaged && tries < TRIES => (),
                other => return other,
            }
        }
    })
}

fn read_small_once(
    session: &Arc<Session>,
    task: &Task,
    paths: &[StorePath],
    limit: u64,
) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
    let limit_word = limit.to_string();
    let words = std::iter::once(limit_word.as_str()).chain(paths.iter().map(StorePath::as_str)).chain([""]);
    let mut call = session.call(task, scripts::READ_SMALL)?.words(words)?;
    let Some(there) = call.line() else { return Err(call.failed()) };
    if there.len() != paths.len() {
        return Err(call.nonsense());
    }
    let mut found = Vec::new();
    for path in paths.iter().zip(there.bytes()).filter(|(_, flag)| *flag == b'1').map(|(path, _)| path) {
        let Some(line) = call.line() else { return Err(call.failed()) };
        let Some(size) = line.split(' ').next().and_then(|size| size.parse::<u64>().ok()) else {
            return Err(call.nonsense());
        };
        if size > limit {
            let reason = format!("it has {size} bytes, which is more than the {limit} it may have");
            return Err(session.error(StoreErrorKind::Other, &Task::on("read", path.as_str()), reason));
        }
        found.push(size);
    }
    let mut contents = Vec::new();
    for size in &found {
        let mut content = Vec::new();
        match call.output().take(*size).read_to_end(&mut content) {
            Ok(_) if content.len() as u64 == *size => contents.push(content),
            _ => return Err(call.failed()),
        }
    }
    if found.is_empty() {
        call.end()?;
    } else {
        call.done()?;
    }
    let mut contents = contents.into_iter();
    Ok(there.bytes().map(|flag| if flag == b'1' { contents.next() } else { None }).collect())
}
