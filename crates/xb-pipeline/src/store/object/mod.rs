//! Object stores: S3 and what speaks like it, Google Cloud Storage, Azure Blob Storage.
//!
//! Tested against a server that speaks S3, and against the store in memory. Google Cloud Storage and Azure go
//! through the same code and the same library, but have **not been run against** their services. Of them is known
//! from the library: Azure keeps no metadata with objects of several parts, so that [`Store::digest`] is not told
//! there; Azure drops parts that were not put together after a week, and [`Store::abort`] has nothing to do.
//!
//! An object is there when its last request is answered, whole or not at all; so a backup's directory is its own
//! draft, and the seal, written only if there is none, makes it count. Of an upload whose first answer is lost the
//! id is not known: a rule of the bucket that ends uploads after some days cleans up behind that.
//!
//! Requests are tried again here and not by the library, each with a new signature; see [`Patience`].

mod address;
mod backend;
mod client;
mod credentials;
mod error;
mod keys;
mod options;
mod parts;
mod reader;
mod remove;
mod upload;

use std::collections::BTreeSet;
use std::io::Read;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{Attribute, GetOptions, ObjectMeta, PutMode, PutPayload};

use self::address::Address;
use self::client::{Client, Workers};
use self::error::Trouble;
use self::keys::Keys;
use self::reader::ObjectReader;
use self::upload::{DIGEST, Marked, ObjectUpload};
use super::{About, Entry, ObjectDigest, Removal, Store, StoreError, StoreErrorKind, StorePath, Upload};
use crate::Digest;
use crate::cancel::CancelToken;

pub use self::options::{ObjectOptions, Patience};

/// How many small objects are read at once.
const SMALL_AT_ONCE: usize = 8;

/// A store in a bucket, or in memory for tests.
pub struct ObjectStorage {
    client: Client,
    // Behind the client: what runs holds clones of that and not of this.
    workers: Arc<Workers>,
}

impl std::fmt::Debug for ObjectStorage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ObjectStorage").field(&self.client.address).finish()
    }
}

impl ObjectStorage {
    /// The store at `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`, to which
    /// `?endpoint=URL&region=NAME` can be added. Sends no request but for keys, if there are none here. Once
    /// `cancel` is pulled, whatever waits for the store ends with [`StoreErrorKind::Cancelled`].
    ///
    /// # Errors
    /// [`StoreError`]: [`StoreErrorKind::Unsupported`] for an address or options that cannot be,
    /// [`StoreErrorKind::Denied`] without keys.
    pub fn open(address: &str, options: &ObjectOptions, cancel: &CancelToken) -> Result<Self, StoreError> {
        // What stands before an `@` may be a password.
        let shown = match address.rsplit_once('@') {
            Some((_, rest)) => format!("***@{rest}"),
            None => address.to_owned(),
        };
        let failed = |shown: &str, trouble: Trouble| StoreError {
            kind: trouble.kind,
            store: shown.to_owned(),
            action: "open",
            path: None,
            reason: trouble.reason,
        };
        let parsed = Address::parse(address)
            .map_err(|reason| failed(&shown, Trouble::new(StoreErrorKind::Unsupported, reason)))?;
        let written = parsed.written(None);
        let workers = start(cancel).map_err(|trouble| failed(&written, trouble))?;
        let opened =
            backend::open(&parsed, options, &workers).map_err(|trouble| failed(&written, trouble))?;
        let client = Client {
            backend: opened.backend,
            keys: Keys::below(&parsed.prefix),
            patience: options.patience,
            origin: opened.origin.into(),
            address: parsed.written(opened.endpoint.as_deref()).into(),
        };
        Ok(ObjectStorage { client, workers: Arc::new(workers) })
    }

    /// An empty store in memory. It goes with this value.
    ///
    /// # Errors
    /// [`StoreError`] when the system gives no threads.
    pub fn in_memory() -> Result<Self, StoreError> {
        let client = Client {
            backend: Arc::new(InMemory::new()),
            keys: Keys::below("in memory"),
            patience: Patience::default(),
            origin: "".into(),
            address: format!("memory://{}", client::nonce()).into(),
        };
        let workers = start(&CancelToken::new()).map_err(|trouble| client.error("open", None, trouble))?;
        Ok(ObjectStorage { client, workers: Arc::new(workers) })
    }

    /// Waits for `work` on the object at `path`.
    fn on<T>(
        &self,
        action: &'static str,
        path: &StorePath,
        work: impl AsyncFnOnce(&Client, &Path) -> Result<T, Trouble>,
    ) -> Result<T, StoreError> {
        let failed = |trouble| self.client.error(action, Some(path), trouble);
        let key = self.client.key(path).map_err(failed)?;
        self.workers.wait(work(&self.client, &key)).map_err(failed)
    }

    fn put_small(
        &self,
        action: &'static str,
        at: (&StorePath, &StorePath),
        content: &[u8],
        mode: PutMode,
    ) -> Result<(), StoreError> {
        let (path, told) = at;
        let failed = |trouble| self.client.error(action, Some(told), trouble);
        let key = self.client.key(path).map_err(failed)?;
        let (payload, marked) = (PutPayload::from(content.to_vec()), Marked::new(None));
        self.workers.wait(upload::put(&self.client, &key, payload, mode, &marked)).map_err(failed)
    }
}

fn start(cancel: &CancelToken) -> Result<Workers, Trouble> {
    Workers::start(cancel)
        .map_err(|error| Trouble::new(StoreErrorKind::Other, format!("no threads for its requests: {error}")))
}

/// All objects below the prefix. A list that breaks off goes on behind the last one it told.
async fn list(client: &Client) -> Result<Vec<ObjectMeta>, Trouble> {
    let root = client.keys.root();
    let (mut found, mut tries): (Vec<ObjectMeta>, u32) = (Vec::new(), 0);
    loop {
        let mut listing = match found.last() {
            Some(last) => client.backend.list_with_offset(root.as_ref(), &last.location),
            None => client.backend.list(root.as_ref()),
        };
        loop {
            match client.once(0, listing.try_next()).await {
                Ok(Some(meta)) => {
                    found.push(meta);
                    tries = 0;
                }
                Ok(None) => return Ok(found),
                Err(trouble) if trouble.is_transient() => {
                    client.pause(&mut tries, trouble).await?;
                    break;
                }
                Err(trouble) => return Err(trouble),
            }
        }
    }
}

fn entry(path: StorePath, meta: ObjectMeta) -> Entry {
    let version =
        meta.e_tag.unwrap_or_else(|| format!("{}-{}", meta.last_modified.timestamp_micros(), meta.size));
    Entry { path, bytes: meta.size, modified: Some(meta.last_modified), version }
}

async fn head(client: &Client, key: &Path) -> Result<Option<object_store::GetResult>, Trouble> {
    let head = client.request(0, || client.backend.get_opts(key, GetOptions::new().with_head(true))).await;
    match head {
        Err(trouble) if trouble.kind == StoreErrorKind::Missing && trouble.code != "NoSuchBucket" => Ok(None),
        other => other.map(Some),
    }
}

impl Store for ObjectStorage {
    fn address(&self) -> &str {
        &self.client.address
    }

    fn list(&self) -> Result<Vec<Entry>, StoreError> {
        let found = self.workers.wait(list(&self.client));
        let found = found.map_err(|trouble| self.client.error("list", None, trouble))?;
        let ours =
            found.into_iter().filter_map(|meta| Some(entry(self.client.keys.path(&meta.location)?, meta)));
        let mut entries: Vec<Entry> = ours.collect();
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        entries.dedup_by(|a, b| a.path == b.path);
        Ok(entries)
    }

    fn prefixes(&self) -> Result<Vec<String>, StoreError> {
        let root = self.client.keys.root();
        let backend = &self.client.backend;
        let listed = self.workers.wait(self.client.request(0, || backend.list_with_delimiter(root.as_ref())));
        let listed = listed.map_err(|trouble| self.client.error("list", None, trouble))?;
        let paths = listed.common_prefixes.iter().filter_map(|prefix| self.client.keys.path(prefix));
        let names: BTreeSet<String> = paths.map(|path| path.as_str().to_owned()).collect();
        Ok(names.into_iter().collect())
    }

    fn read(&self, path: &StorePath, from: u64) -> Result<Box<dyn Read + Send>, StoreError> {
        let reader = ObjectReader::open(self.workers.clone(), self.client.clone(), path, from);
        Ok(Box::new(reader.map_err(|trouble| self.client.error("read", Some(path), trouble))?))
    }

    fn read_small(&self, paths: &[StorePath], limit: u64) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let (client, mut found) = (&self.client, Vec::with_capacity(paths.len()));
        for some in paths.chunks(SMALL_AT_ONCE * 16) {
            let owned: Vec<StorePath> = some.to_vec();
            let work = async {
                let reads = owned.into_iter().map(|path| async move {
                    let read = reader::whole(client, &path, limit).await;
                    Ok::<_, Trouble>(read.map_err(|trouble| (path, trouble)))
                });
                stream::iter(reads).buffered(SMALL_AT_ONCE).try_collect::<Vec<_>>().await
            };
            let read = self.workers.wait(work).map_err(|trouble| client.error("read", None, trouble))?;
            for result in read {
                found.push(result.map_err(|(path, trouble)| client.error("read", Some(&path), trouble))?);
            }
        }
        Ok(found)
    }

    fn create(&self, path: &StorePath, about: About) -> Result<Box<dyn Upload>, StoreError> {
        Ok(Box::new(ObjectUpload::new(self.workers.clone(), self.client.clone(), path, about)?))
    }

    fn put(&self, path: &StorePath, content: &[u8]) -> Result<(), StoreError> {
        self.put_small("write", (path, path), content, PutMode::Overwrite)
    }

    fn put_new(&self, path: &StorePath, content: &[u8]) -> Result<(), StoreError> {
        self.put_small("write", (path, path), content, PutMode::Create)
    }

    fn draft(&self, directory: &StorePath) -> StorePath {
        directory.clone()
    }

    fn publish(&self, directory: &StorePath, seal: &str, content: &[u8]) -> Result<(), StoreError> {
        let path = self.seal_of("publish", directory, seal)?;
        self.put_small("publish", (&path, directory), content, PutMode::Create)
    }

    fn withdraw(&self, directory: &StorePath, seal: &str) -> Result<Removal, StoreError> {
        let path = self.seal_of("withdraw", directory, seal)?;
        self.on("withdraw", &path, async |client, key| {
            if head(client, key).await?.is_none() {
                return Ok(Removal::Missing);
            }
            let removals = remove::remove(client, std::slice::from_ref(key)).await?;
            Ok(removals.into_iter().next().unwrap_or(Removal::Missing))
        })
    }

    fn remove(&self, paths: &[StorePath]) -> Result<Vec<Removal>, StoreError> {
        let failed = |path, trouble| self.client.error("remove", path, trouble);
        let keys: Vec<Path> = paths
            .iter()
            .map(|path| self.client.key(path).map_err(|trouble| failed(Some(path), trouble)))
            .collect::<Result<_, _>>()?;
        let only = if let [path] = paths { Some(path) } else { None };
        self.workers.wait(remove::remove(&self.client, &keys)).map_err(|trouble| failed(only, trouble))
    }

    fn abort(&self, path: &StorePath, token: &str) -> Result<(), StoreError> {
        self.on("clean up", path, async |client, key| upload::abort(client, key, token).await)
    }

    fn digest(&self, path: &StorePath) -> Result<Option<ObjectDigest>, StoreError> {
        let head = self.on("look at", path, async |client, key| head(client, key).await)?;
        let told = head.and_then(|head| head.attributes.get(&Attribute::Metadata(DIGEST.into())).cloned());
        Ok(told.and_then(|text| Digest::try_from(text.to_string()).ok()).map(ObjectDigest::Blake3))
    }
}

impl ObjectStorage {
    fn seal_of(
        &self,
        action: &'static str,
        directory: &StorePath,
        seal: &str,
    ) -> Result<StorePath, StoreError> {
        directory.join(seal).map_err(|error| {
            let trouble = Trouble::new(StoreErrorKind::Unsupported, error.to_string());
            self.client.error(action, Some(directory), trouble)
        })
    }
}
