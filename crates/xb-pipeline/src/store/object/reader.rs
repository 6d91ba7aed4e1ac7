//! Reading: an object comes in ranges, some of them ahead, and is given out in order.
//!
//! Ranges grow from 1 to 8 MiB and from one ahead to four, so that who reads little asks for little. Memory is
//! 40 MiB at most. A range that breaks off goes on at its byte.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::StreamExt;
use object_store::path::Path;
use object_store::{GetOptions, GetRange};
use tokio::task::JoinHandle;

use super::client::{Client, Workers};
use super::error::Trouble;
use crate::store::{StoreErrorKind, StorePath};

const FIRST: u64 = 1 << 20;
const LARGEST: u64 = 8 << 20;
const MOST_AHEAD: usize = 4;

/// The content of one object, as it was when reading began.
pub(super) struct ObjectReader {
    workers: Arc<Workers>,
    client: Client,
    path: StorePath,
    wanted: Wanted,
    current: Bytes,
    ahead: VecDeque<JoinHandle<Result<Bytes, Trouble>>>,
    most_ahead: usize,
    /// Where the next range begins, and how long it is.
    next: u64,
    step: u64,
    failed: Option<Trouble>,
}

/// Which content is read.
#[derive(Clone)]
struct Wanted {
    key: Path,
    size: u64,
    tag: Option<String>,
}

impl ObjectReader {
    pub(super) fn open(
        workers: Arc<Workers>,
        client: Client,
        path: &StorePath,
        from: u64,
    ) -> Result<Self, Trouble> {
        let key = client.key(path)?;
        let backend = &client.backend;
        let head = client.request(0, || backend.get_opts(&key, GetOptions::new().with_head(true)));
        let meta = workers.wait(head)?.meta;
        if from > meta.size {
            let reason = format!("it has only {} bytes, and was to be read from byte {from} on", meta.size);
            return Err(Trouble::new(StoreErrorKind::Damaged, reason));
        }
        let mut reader = ObjectReader {
            workers,
            client,
            path: path.clone(),
            wanted: Wanted { key, size: meta.size, tag: meta.e_tag },
            current: Bytes::new(),
            ahead: VecDeque::new(),
            most_ahead: 1,
            next: from,
            step: FIRST,
            failed: None,
        };
        reader.look_ahead();
        Ok(reader)
    }

    fn look_ahead(&mut self) {
        while self.ahead.len() < self.most_ahead && self.next < self.wanted.size {
            let end = (self.next + self.step).min(self.wanted.size);
            let range = fetch(self.client.clone(), self.wanted.clone(), self.next..end);
            self.ahead.push_back(self.workers.handle().spawn(range));
            self.next = end;
            self.step = (self.step * 2).min(LARGEST);
        }
    }

    fn advance(&mut self) -> Result<bool, Trouble> {
        let Some(mut range) = self.ahead.pop_front() else { return Ok(false) };
        let fetched = self.workers.wait(async {
            let joined = (&mut range).await;
            joined.unwrap_or_else(|error| Err(Trouble::new(StoreErrorKind::Other, error.to_string())))
        });
        if fetched.is_err() {
            range.abort();
        }
        self.current = fetched?;
        self.most_ahead = (self.most_ahead + 1).min(MOST_AHEAD);
        self.look_ahead();
        Ok(true)
    }
}

impl Read for ObjectReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() && !buffer.is_empty() {
            let advanced = match self.failed.clone() {
                Some(trouble) => Err(trouble),
                None => self.advance(),
            };
            match advanced {
                Ok(true) => (),
                Ok(false) => return Ok(0),
                Err(trouble) => {
                    self.failed = Some(trouble.clone());
                    return Err(self.client.error("read", Some(&self.path), trouble).into());
                }
            }
        }
        let length = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

impl Drop for ObjectReader {
    fn drop(&mut self) {
        self.ahead.iter().for_each(JoinHandle::abort);
    }
}

/// One range, whole, however often the connection breaks.
async fn fetch(client: Client, wanted: Wanted, range: Range<u64>) -> Result<Bytes, Trouble> {
    let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
    let mut content = BytesMut::with_capacity(length);
    let mut tries = 0;
    while content.len() < length {
        let before = content.len();
        let from = range.start + before as u64;
        let tried = fetch_once(&client, &wanted, from..range.end, &mut content).await;
        if content.len() > before {
            tries = 0;
        }
        match tried {
            Err(trouble) if trouble.is_transient() => client.pause(&mut tries, trouble).await?,
            Err(trouble) => return Err(trouble),
            Ok(()) if content.len() < length => {
                let early = Trouble::new(StoreErrorKind::Unreachable, "the answer ended too early");
                client.pause(&mut tries, early).await?;
            }
            Ok(()) => (),
        }
    }
    content.truncate(length);
    Ok(content.freeze())
}

async fn fetch_once(
    client: &Client,
    wanted: &Wanted,
    range: Range<u64>,
    content: &mut BytesMut,
) -> Result<(), Trouble> {
    let changed = || Trouble::new(StoreErrorKind::Damaged, "it changed while it was read");
    let options = GetOptions {
        range: Some(GetRange::Bounded(range.clone())),
        if_match: wanted.tag.clone(),
        ..GetOptions::default()
    };
    let answer = client.once(0, client.backend.get_opts(&wanted.key, options)).await;
    let answer = answer.map_err(|trouble| match trouble.kind {
        StoreErrorKind::Damaged => changed(),
        _ => trouble,
    })?;
    if answer.meta.e_tag != wanted.tag || answer.meta.size != wanted.size || answer.range != range {
        return Err(changed());
    }
    let mut stream = answer.into_stream();
    loop {
        let next = async { stream.next().await.transpose() };
        match client.once(0, next).await? {
            Some(bytes) => content.extend_from_slice(&bytes),
            None => return Ok(()),
        }
    }
}

/// An object of `limit` bytes at most; none if there is none.
pub(super) async fn whole(client: &Client, path: &StorePath, limit: u64) -> Result<Option<Vec<u8>>, Trouble> {
    let key = client.key(path)?;
    let too_long = || Trouble::new(StoreErrorKind::Damaged, format!("it has more than {limit} bytes"));
    let mut tries = 0;
    loop {
        // How long it may take follows from what it has, not from what it may have.
        let begun = client.once(0, client.backend.get_opts(&key, GetOptions::new())).await;
        let whole = match begun {
            Ok(answer) if answer.meta.size > limit => return Err(too_long()),
            Ok(answer) => {
                let size = answer.meta.size;
                client.once(size, answer.bytes()).await.map(|bytes| (size, bytes))
            }
            Err(trouble) => Err(trouble),
        };
        match whole {
            Ok((size, bytes)) if bytes.len() as u64 == size => return Ok(Some(bytes.into())),
            Ok(_) => {
                let early = Trouble::new(StoreErrorKind::Unreachable, "the answer ended too early");
                client.pause(&mut tries, early).await?;
            }
            Err(trouble) if trouble.kind == StoreErrorKind::Missing && trouble.code != "NoSuchBucket" => {
                return Ok(None);
            }
            Err(trouble) if trouble.is_transient() => client.pause(&mut tries, trouble).await?,
            Err(trouble) => return Err(trouble),
        }
    }
}
