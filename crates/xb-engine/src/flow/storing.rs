//! In which form a backup comes in, and in which it is kept.

use std::path::Path;

use xb_core::settings::{ApplyLogArchive, CompressWith};
use xb_formats::archive::{Archive, Container};
use xb_pipeline::archive::{Conversion, pack_directory};
use xb_pipeline::extract::ExtractError;
use xb_pipeline::fs::free_bytes;
use xb_pipeline::keys::Keys;
use xb_pipeline::receive::StreamForm;
use xb_pipeline::{Compression, ObjectReceipt, ObjectWriter, Packing, ReadOptions};

use crate::context::Context;
use crate::encryption::encryption;
use crate::error::EngineError;

/// How a backup gets into the store.
#[expect(clippy::large_enum_variant, reason = "there is one of them in a run, and it holds an expanded key")]
pub(super) enum Storing {
    /// As files, as the server has them.
    Tree,
    /// As it streams in.
    Stream(StreamForm),
    /// Its files are received in `work_dir`, put into an archive, and are at hand to be prepared.
    Files(Conversion),
}

impl Storing {
    /// As the settings have it. Whatever is compressed or encrypted is one file.
    /// `datadir_bytes`: what a full backup's files may take.
    /// A store elsewhere gets one object: thousands of files there would take a round trip each.
    pub(super) fn plan(context: &Context, datadir_bytes: Option<u64>) -> Result<Self, EngineError> {
        let settings = &context.settings;
        let encryption = encryption(context)?;
        let is_here = context.repository()?.directory().is_some();
        if is_here && !settings.compress && encryption.is_none() {
            return Ok(Storing::Tree);
        }
        let is_qpress = settings.compress && settings.compress_with == CompressWith::Qpress;
        let packing =
            Packing { compression: compression(context), encryption, threads: context.compress_threads() };
        if settings.apply_log
            && !settings.remote_push_only
            && settings.apply_log_archive == ApplyLogArchive::Tar
            && has_room(context, datadir_bytes)?
        {
            let container = if is_qpress { Container::Qpress } else { Container::Tar };
            return Ok(Storing::Files(Conversion {
                container,
                qpress_members: false,
                member_key: None,
                packing,
            }));
        }
        Ok(Storing::Stream(StreamForm { qpress_members: is_qpress, packing }))
    }

    /// The form of what is stored, and so its name.
    pub(super) fn archive(&self) -> Archive {
        match self {
            Storing::Tree => Archive::Directory,
            Storing::Stream(form) => form.archive(),
            Storing::Files(conversion) => conversion.archive(),
        }
    }

    /// What is put around it; none for a directory.
    pub(super) fn packing(&self) -> Option<&Packing> {
        match self {
            Storing::Tree => None,
            Storing::Stream(StreamForm { packing, .. }) | Storing::Files(Conversion { packing, .. }) => {
                Some(packing)
            }
        }
    }
}

/// Whether the files of a backup have room in `work_dir`. Where they do not, a backup in another form is better
/// than none.
fn has_room(context: &Context, files_bytes: Option<u64>) -> Result<bool, EngineError> {
    let work_dir = context.work_dir()?;
    let free = free_bytes(work_dir)?;
    let has_room = files_bytes.is_none_or(|needed| free > needed);
    if !has_room {
        context.monitor().warn(&format!(
            "{} has no room for the files of this backup, {} bytes are free: it is stored as a stream \
             (apply_log_archive = xbs)",
            work_dir.display(),
            free
        ));
    }
    Ok(has_room)
}

fn compression(context: &Context) -> Compression {
    if context.settings.compress { compressor(context) } else { Compression::None }
}

/// What compresses a stream as a whole, where anything does.
pub(super) fn compressor(context: &Context) -> Compression {
    let settings = &context.settings;
    match (settings.compress_with, settings.compress_level) {
        (CompressWith::Gzip, None) => Compression::GZIP,
        (CompressWith::Gzip, Some(level)) => Compression::Gzip(level),
        (CompressWith::Zstd, None) => Compression::ZSTD,
        (CompressWith::Zstd, Some(level)) => Compression::Zstd(level),
        (CompressWith::Lz4, _) => Compression::Lz4,
        (CompressWith::Qpress, _) => Compression::None,
    }
}

/// Puts received files into the archive of a backup.
pub(super) fn pack_files(
    context: &Context,
    files: &Path,
    to: ObjectWriter,
    conversion: &Conversion,
) -> Result<ObjectReceipt, EngineError> {
    let (monitor, cancel) = (&**context.monitor(), context.cancel());
    let options =
        ReadOptions { keys: &Keys::default(), threads: context.compress_threads(), monitor, cancel };
    pack_directory(files, to, conversion, &options).map_err(|error| match error {
        ExtractError::Cancelled(cancelled) => EngineError::Cancelled(cancelled),
        ExtractError::Fs(error) => EngineError::Fs(error),
        ExtractError::Store(error) => EngineError::Commit(error.into()),
        other => EngineError::Archive { source: Box::new(other), left_in: None },
    })
}
