//! The structure check: an observer that knows whether a backup stream is whole, and keeps the engine's
//! metadata files that pass by.

use std::collections::HashMap;

use xb_formats::archive::MemberLayers;
use xb_formats::meta::names::MetaKind;
use xb_formats::xbstream::{
    Decoder, Dialect, Event, FileKey, Limits, StreamPath, StreamSummary, XbstreamError,
};

/// An engine's metadata file larger than this is not kept: no memory by the wish of a stream. GTID sets of
/// the longest histories seen are some hundred kilobytes.
const META_LIMIT: usize = 8 * 1024 * 1024;

/// Open files of one stream: engines have one per copying thread, and file descriptors are few.
const OPEN_FILES: usize = 512;

/// A metadata file of the engine, as it stood in the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaFile {
    /// Its name without a directory.
    pub name: String,
    /// What it is.
    pub kind: MetaKind,
    /// Its content.
    pub content: Vec<u8>,
}

/// Why a stream does not count as a backup.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// It is cut or damaged.
    #[error("the backup stream is not whole: {0}")]
    Stream(#[from] XbstreamError),
    /// A file that every backup has is not in it.
    #[error("the backup stream has no {}: the engine did not finish, or is not one we know", names.join(" or "))]
    MetaMissing {
        /// The names it can have.
        names: [&'static str; 2],
    },
    /// The engine was told, not by us, to compress or encrypt.
    #[error(
        "the engine compressed or encrypted {path} by itself: take `compress` and `encrypt` out of its option file"
    )]
    Transformed {
        /// The first such file.
        path: String,
    },
    /// A metadata file is too large to be one.
    #[error("{name} in the backup stream is larger than {META_LIMIT} bytes")]
    MetaTooLarge {
        /// The name of the file.
        name: String,
    },
}

/// Watches a stream on its way.
pub(crate) struct StreamCheck {
    decoder: Decoder,
    keeper: MetaKeeper,
}

impl StreamCheck {
    pub(crate) fn new() -> Self {
        let limits = Limits { max_open_files: OPEN_FILES, ..Limits::default() };
        // Files that the engine itself packed cannot be unpacked yet: no backup may hold any.
        let keeper = MetaKeeper { refuse_transformed: true, ..MetaKeeper::default() };
        StreamCheck { decoder: Decoder::new(limits, Dialect::Auto), keeper }
    }

    /// Looks at the next bytes and tells `on` what is in them.
    pub(crate) fn feed<E: From<XbstreamError> + From<CheckError>>(
        &mut self,
        bytes: &[u8],
        on: &mut dyn FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let keeper = &mut self.keeper;
        self.decoder.feed(bytes, &mut |event| {
            keeper.watch(&event)?;
            on(event)
        })
    }

    /// The verdict at the end of the stream. Every file has its end chunk; the files in `required` are there.
    pub(crate) fn finish(self, required: &[MetaKind]) -> Result<(StreamSummary, Vec<MetaFile>), CheckError> {
        let summary = self.decoder.finish()?;
        let kept = self.keeper.kept;
        let missing = required.iter().find(|kind| kept.iter().all(|file| file.kind != **kind));
        match missing {
            Some(kind) => Err(CheckError::MetaMissing { names: kind.names() }),
            None => Ok((summary, kept)),
        }
    }
}

/// Copies metadata files out of the events.
#[derive(Default)]
struct MetaKeeper {
    refuse_transformed: bool,
    open: HashMap<FileKey, MetaFile>,
    kept: Vec<MetaFile>,
}

impl MetaKeeper {
    fn watch(&mut self, event: &Event<'_>) -> Result<(), CheckError> {
        match event {
            Event::Open { file, path, .. } => {
                if self.refuse_transformed && MemberLayers::split(path.file_name()).1.any() {
                    return Err(CheckError::Transformed { path: path.to_string() });
                }
                if let Some(meta) = meta_file(path) {
                    self.open.insert(*file, meta);
                }
            }
            Event::Data { file, bytes, .. } => {
                if let Some(meta) = self.open.get_mut(file) {
                    if meta.content.len() + bytes.len() > META_LIMIT {
                        return Err(CheckError::MetaTooLarge { name: meta.name.clone() });
                    }
                    meta.content.extend_from_slice(bytes);
                }
            }
            Event::Close { file, .. } => {
                if let Some(meta) = self.open.remove(file) {
                    self.kept.retain(|kept| kept.kind != meta.kind);
                    self.kept.push(meta);
                }
            }
            _ => (),
        }
        Ok(())
    }
}

/// By the last component: older MariaDB puts the info file under a path of its own (MDEV-18438).
fn meta_file(path: &StreamPath) -> Option<MetaFile> {
    let name = path.file_name();
    let found = MetaKind::of(name)?;
    let name = String::from_utf8_lossy(name).into_owned();
    (!found.is_wrapped()).then(|| MetaFile { name, kind: found.kind, content: Vec::new() })
}
