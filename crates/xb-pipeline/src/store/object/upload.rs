//! Writing: one request for what fits into one part, a multipart upload for the rest.
//!
//! Each object carries a mark that only its writer knows. Whoever is told that an object is there, or that an
//! upload is gone, after a request whose answer was lost, sees by the mark whether it was its own doing.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use object_store::multipart::PartId;
use object_store::path::Path;
use object_store::{
    Attribute, AttributeValue, Attributes, Error, GetOptions, PutMode, PutMultipartOptions, PutOptions,
    PutPayload,
};
use tokio::task::JoinSet;

use super::client::{Client, Workers, nonce};
use super::error::Trouble;
use super::parts::{MOST_PARTS, MOST_UNDER_WAY, PartSizes, room_beside};
use crate::Digest;
use crate::store::{About, StoreError, StoreErrorKind, StorePath, Upload};

/// The name of the metadata that holds the digest.
pub(super) const DIGEST: &str = "pyxbackup-blake3";
/// The name of the metadata that holds the mark.
const MARK: &str = "pyxbackup-mark";
/// Parts are collected in pieces of this size.
const PIECE: usize = 1 << 20;
/// How long an upload that is given up may keep its owner waiting.
const CLEANING: Duration = Duration::from_secs(10);
const CLEANING_STOPPED: Duration = Duration::from_secs(1);

/// The metadata of an object in the making.
#[derive(Clone, Debug)]
pub(super) struct Marked {
    mark: String,
    attributes: Attributes,
}

impl Marked {
    pub(super) fn new(digest: Option<Digest>) -> Self {
        let mark = nonce();
        let mut attributes = Attributes::new();
        attributes.insert(Attribute::Metadata(MARK.into()), AttributeValue::from(mark.clone()));
        if let Some(digest) = digest {
            attributes.insert(Attribute::Metadata(DIGEST.into()), AttributeValue::from(digest.to_string()));
        }
        Marked { mark, attributes }
    }

    /// The length of the object, if it is the one with this mark.
    async fn find(&self, client: &Client, key: &Path) -> Result<Option<u64>, Trouble> {
        let head =
            client.request(0, || client.backend.get_opts(key, GetOptions::new().with_head(true))).await;
        let found = match head {
            Err(trouble) if trouble.kind == StoreErrorKind::Missing => return Ok(None),
            other => other?,
        };
        let mark = found.attributes.get(&Attribute::Metadata(MARK.into()));
        Ok(mark.is_some_and(|mark| **mark == *self.mark).then_some(found.meta.size))
    }
}

/// Puts an object with one request; as a new one if `mode` says so.
pub(super) async fn put(
    client: &Client,
    key: &Path,
    payload: PutPayload,
    mode: PutMode,
    marked: &Marked,
) -> Result<(), Trouble> {
    let bytes = payload.content_length() as u64;
    let request = || {
        let attributes = marked.attributes.clone();
        let options = PutOptions { mode: mode.clone(), attributes, ..PutOptions::default() };
        client.backend.put_opts(key, payload.clone(), options)
    };
    match client.request(bytes, request).await {
        Err(trouble) if trouble.kind == StoreErrorKind::Exists => match marked.find(client, key).await? {
            Some(_) => Ok(()),
            None => Err(Trouble { reason: "it is there already".into(), ..trouble }),
        },
        other => other.map(|_| ()),
    }
}

/// Stores put parts together so many times faster than the slowest line sends them.
const ASSEMBLING: u64 = 64;

/// An object on its way. Nothing of it is on a disk of this machine.
pub(super) struct ObjectUpload {
    workers: Arc<Workers>,
    client: Client,
    path: StorePath,
    key: Path,
    marked: Marked,
    sizes: PartSizes,
    /// The upload's id, once there is more than one part.
    id: Option<String>,
    filling: Filling,
    under_way: JoinSet<Result<(u64, PartId), (u64, Trouble)>>,
    bytes_under_way: u64,
    /// What is confirmed, by number.
    parts: Vec<Option<PartId>>,
    sent: u64,
    next: u64,
    failed: Option<Trouble>,
    done: bool,
}

impl ObjectUpload {
    pub(super) fn new(
        workers: Arc<Workers>,
        client: Client,
        path: &StorePath,
        about: About,
    ) -> Result<Self, StoreError> {
        let key = client.key(path).map_err(|trouble| client.error("write", Some(path), trouble))?;
        let sizes = PartSizes::for_expected(about.expected_bytes);
        let mut upload = ObjectUpload {
            workers,
            client,
            path: path.clone(),
            key,
            marked: Marked::new(about.digest),
            sizes,
            id: None,
            filling: Filling::default(),
            under_way: JoinSet::new(),
            bytes_under_way: 0,
            parts: Vec::new(),
            sent: 0,
            next: 0,
            failed: None,
            done: false,
        };
        // So that the token is known, and can be written down, before there is anything to clean up.
        if about.expected_bytes.is_none_or(|bytes| bytes > sizes.size(0)) {
            upload.begin().map_err(|trouble| upload.error(trouble))?;
        }
        Ok(upload)
    }

    fn error(&self, trouble: Trouble) -> StoreError {
        self.client.error("write", Some(&self.path), trouble)
    }

    fn begin(&mut self) -> Result<(), Trouble> {
        if self.id.is_none() {
            let (client, key, marked) = (&self.client, &self.key, &self.marked);
            let id = self.workers.wait(async {
                let options = || PutMultipartOptions {
                    attributes: marked.attributes.clone(),
                    ..PutMultipartOptions::default()
                };
                let begun = client.request(0, || client.backend.create_multipart_opts(key, options())).await;
                match begun {
                    // Azure takes metadata only with the last request, which the library does not let us add to.
                    Err(trouble) if is_of_the_library(&trouble) => {
                        client.request(0, || client.backend.create_multipart(key)).await
                    }
                    other => other,
                }
            })?;
            self.id = Some(id);
        }
        Ok(())
    }

    /// Sends what was collected as the next part, when there is room for it.
    fn send(&mut self) -> Result<(), Trouble> {
        if self.next >= MOST_PARTS {
            return Err(Trouble::new(
                StoreErrorKind::Unsupported,
                format!("the object is larger than the {} bytes that fit into 10,000 parts", self.sent),
            ));
        }
        self.begin()?;
        let payload = self.filling.take();
        let (bytes, number) = (payload.content_length() as u64, self.next);
        let (client, key, id) = (self.client.clone(), self.key.clone(), self.id.clone().unwrap_or_default());
        let part = async move {
            let index = usize::try_from(number).unwrap_or(usize::MAX);
            let request = || client.backend.put_part(&key, &id, index, payload.clone());
            let sent = client.request(bytes, request).await;
            sent.map(|part| (number, part)).map_err(|trouble| (number, trouble))
        };
        self.under_way.spawn_on(part, self.workers.handle());
        self.parts.push(None);
        self.bytes_under_way += bytes;
        self.sent += bytes;
        self.next += 1;
        let room = room_beside(self.sizes.size(self.next));
        while self.under_way.len() >= MOST_UNDER_WAY || self.bytes_under_way > room {
            self.settle()?;
        }
        Ok(())
    }

    /// Waits for one of the parts under way.
    fn settle(&mut self) -> Result<(), Trouble> {
        let under_way = &mut self.under_way;
        let settled = self.workers.wait(async { Ok(under_way.join_next().await) })?;
        match settled {
            None => Ok(()),
            Some(Ok(Ok((number, part)))) => {
                self.bytes_under_way -= self.sizes.size(number).min(self.bytes_under_way);
                if let Some(slot) = self.parts.get_mut(usize::try_from(number).unwrap_or(usize::MAX)) {
                    *slot = Some(part);
                }
                Ok(())
            }
            Some(Ok(Err((number, mut trouble)))) => {
                trouble.reason = format!("part {}: {}", number + 1, trouble.reason);
                Err(trouble)
            }
            Some(Err(error)) => Err(Trouble::new(StoreErrorKind::Other, error.to_string())),
        }
    }

    /// What `work` gives; a trouble stays, so that nothing can be finished behind it.
    fn unless_failed<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, Trouble>,
    ) -> Result<T, StoreError> {
        let result = match self.failed.clone() {
            Some(trouble) => Err(trouble),
            None => work(self),
        };
        result.map_err(|trouble| {
            self.failed = Some(trouble.clone());
            self.error(trouble)
        })
    }

    fn finish_small(&mut self) -> Result<u64, Trouble> {
        let payload = self.filling.take();
        let bytes = payload.content_length() as u64;
        let (client, key, marked) = (&self.client, &self.key, &self.marked);
        self.workers.wait(async {
            put(client, key, payload, PutMode::Overwrite, marked).await?;
            confirm(client, key, marked, bytes).await
        })
    }

    fn finish_parts(&mut self) -> Result<u64, Trouble> {
        if self.filling.length > 0 || self.parts.is_empty() {
            self.send()?;
        }
        while !self.under_way.is_empty() {
            self.settle()?;
        }
        let missing = || Trouble::new(StoreErrorKind::Other, "a part was not confirmed");
        let parts: Vec<PartId> = self.parts.iter().cloned().collect::<Option<_>>().ok_or_else(missing)?;
        let id = self.id.clone().unwrap_or_default();
        let (client, key, marked, sent) = (&self.client, &self.key, &self.marked, self.sent);
        self.workers.wait(async {
            let request = || client.backend.complete_multipart(key, &id, parts.clone());
            match client.request(sent / ASSEMBLING, request).await {
                // The answer to a try before this one may have been lost; the upload is gone then.
                Err(trouble) if !trouble.is_transient() => {
                    if !matches!(marked.find(client, key).await, Ok(Some(_))) {
                        return Err(trouble);
                    }
                }
                other => other.map(|_| ())?,
            }
            confirm(client, key, marked, sent).await
        })
    }
}

/// Whether the store was not even asked.
fn is_of_the_library(trouble: &Trouble) -> bool {
    trouble.kind == StoreErrorKind::Unsupported && trouble.code.is_empty()
}

/// The length of the object as the store tells it. One that is not `bytes` long is not ours or not whole.
async fn confirm(client: &Client, key: &Path, marked: &Marked, bytes: u64) -> Result<u64, Trouble> {
    let head = client.request(0, || client.backend.get_opts(key, GetOptions::new().with_head(true))).await?;
    if head.meta.size == bytes {
        return Ok(bytes);
    }
    let mark = head.attributes.get(&Attribute::Metadata(MARK.into()));
    let reason = if mark.is_some_and(|mark| **mark == *marked.mark) || mark.is_none() {
        format!("the store confirms {} bytes where {bytes} were sent", head.meta.size)
    } else {
        "somebody else wrote it at the same time".to_owned()
    };
    Err(Trouble::new(StoreErrorKind::Damaged, reason))
}

impl Write for ObjectUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.sizes.size(self.next)).unwrap_or(usize::MAX);
        let length = bytes.len().min(wanted - self.filling.length);
        let (now, _) = bytes.split_at(length);
        let written = self.unless_failed(|upload| {
            upload.filling.add(now);
            if upload.filling.length == wanted { upload.send() } else { Ok(()) }
        });
        written.map(|()| length).map_err(io::Error::from)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Upload for ObjectUpload {
    fn token(&self) -> Option<String> {
        self.id.clone()
    }

    fn finish(mut self: Box<Self>) -> Result<u64, StoreError> {
        let confirmed = self.unless_failed(|upload| match upload.id {
            Some(_) => upload.finish_parts(),
            None => upload.finish_small(),
        })?;
        self.done = true;
        Ok(confirmed)
    }
}

impl Drop for ObjectUpload {
    fn drop(&mut self) {
        self.under_way.abort_all();
        if let (false, Some(id)) = (self.done, &self.id) {
            let (client, key) = (&self.client, &self.key);
            let under_way = &mut self.under_way;
            let limit = if self.workers.is_stopped() { CLEANING_STOPPED } else { CLEANING };
            // What cannot be cleaned up now can be later, by the token.
            let _ = self.workers.wait_anyway(limit, async {
                while under_way.join_next().await.is_some() {}
                abort(client, key, id).await
            });
        }
    }
}

/// Removes the parts of an upload; one that is gone is no trouble.
pub(super) async fn abort(client: &Client, key: &Path, id: &str) -> Result<(), Trouble> {
    let id = id.to_owned();
    let aborted = client.request(0, || async {
        match client.backend.abort_multipart(key, &id).await {
            // The store in memory says it in words only.
            Err(Error::Generic { store: "InMemory", .. } | Error::NotFound { .. }) => Ok(()),
            other => other,
        }
    });
    match aborted.await {
        Err(trouble) if trouble.kind == StoreErrorKind::Missing => Ok(()),
        other => other,
    }
}

/// A part that is being collected: in pieces, so that a large one needs no large piece of memory at once.
#[derive(Default)]
struct Filling {
    pieces: Vec<Bytes>,
    last: BytesMut,
    length: usize,
}

impl Filling {
    fn add(&mut self, mut bytes: &[u8]) {
        self.length += bytes.len();
        while !bytes.is_empty() {
            if self.last.capacity() == 0 {
                self.last = BytesMut::with_capacity(PIECE.min(bytes.len().max(64 * 1024)));
            }
            let (now, rest) = bytes.split_at(bytes.len().min(self.last.capacity() - self.last.len()));
            self.last.extend_from_slice(now);
            if self.last.len() == self.last.capacity() {
                self.pieces.push(std::mem::take(&mut self.last).freeze());
            }
            bytes = rest;
        }
    }

    fn take(&mut self) -> PutPayload {
        self.length = 0;
        self.pieces.push(std::mem::take(&mut self.last).freeze());
        std::mem::take(&mut self.pieces).into_iter().filter(|piece| !piece.is_empty()).collect()
    }
}
