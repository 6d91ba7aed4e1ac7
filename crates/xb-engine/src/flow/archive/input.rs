//! Where an archive comes from.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use xb_formats::archive::Archive;
use xb_pipeline::FlowError;
use xb_pipeline::cancel::CancelToken;
use xb_pipeline::fs::FsError;
use xb_pipeline::store::{AddressError, StoreAddress, StorePath};

use super::refusal::ArchiveRefusal;
use crate::context::Context;
use crate::error::EngineError;
use crate::stores;

/// How long a read may wait before the stop signal is looked at again.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// An archive to read.
#[derive(Debug)]
pub enum ArchiveInput {
    /// A file with a name.
    File(PathBuf),
    /// An object of a store elsewhere, by its address: that of the store, and the path in it.
    Elsewhere(String),
    /// A pipe, a socket, or a file that is open already. It is read from where it stands, once.
    Stream {
        /// What it is called in messages.
        name: PathBuf,
        /// What it is read from.
        stream: File,
    },
}

impl ArchiveInput {
    /// What it is called in messages.
    #[must_use]
    pub fn name(&self) -> &Path {
        match self {
            ArchiveInput::Elsewhere(address) => Path::new(address),
            ArchiveInput::File(path) | ArchiveInput::Stream { name: path, .. } => path,
        }
    }

    /// The file or directory, if it has a name.
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            ArchiveInput::File(path) => Some(path),
            ArchiveInput::Stream { .. } | ArchiveInput::Elsewhere(_) => None,
        }
    }
}

/// An archive that was opened.
pub(super) struct Opened {
    pub(super) name: PathBuf,
    pub(super) reader: Interruptible,
    /// Its length in bytes, where it is an ordinary file.
    pub(super) bytes: Option<u64>,
    /// Where it can be opened again and gives the same: a pipe with a name cannot.
    pub(super) again: Option<PathBuf>,
}

impl Opened {
    /// Opens an archive. A directory is none.
    pub(super) fn new(context: &Context, input: ArchiveInput) -> Result<Self, EngineError> {
        let name = input.name().to_owned();
        let path = input.path().map(Path::to_owned);
        let cancel = context.cancel().clone();
        let file = match input {
            ArchiveInput::Elsewhere(address) => {
                let input = Input::Elsewhere(open_elsewhere(context, &address)?);
                return Ok(Opened {
                    name,
                    reader: Interruptible { input, cancel },
                    bytes: None,
                    again: None,
                });
            }
            ArchiveInput::File(path) => open(&path).map_err(FsError::on("open", &path))?,
            ArchiveInput::Stream { stream, .. } => stream,
        };
        let meta = file.metadata().map_err(FsError::on("examine", &name))?;
        if meta.is_dir() {
            return Err(ArchiveRefusal::Directory { archives: archives_in(&name), path: name }.into());
        }
        let bytes = meta.is_file().then_some(meta.len());
        let again = path.filter(|_| meta.is_file());
        Ok(Opened { name, reader: Interruptible { input: Input::File(file), cancel }, bytes, again })
    }
}

fn open_elsewhere(context: &Context, address: &str) -> Result<Box<dyn Read + Send>, EngineError> {
    let object = StoreAddress::parse(address)?;
    let name = address.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let unusable = || AddressError { address: address.to_owned(), reason: "it names no object of a store" };
    let directory = object.parent().ok_or_else(unusable)?;
    let path = StorePath::parse(name).map_err(|_| unusable())?;
    Ok(stores::open_remote(context, &directory)?.store().read(&path, 0)?)
}

/// Opens a file without waiting: a named pipe may have to wait for its writer, and that is done where a stop signal
/// is looked at.
fn open(path: &Path) -> io::Result<File> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).map_err(io::Error::other)?;
    File::options().read(true).custom_flags(flags).open(path)
}

/// The archives of backups that lie directly in a directory.
pub(super) fn archives_in(directory: &Path) -> Vec<PathBuf> {
    // Asked for the sake of a message; whoever needs the directory meets what is wrong with it.
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let is_archive =
        |path: &PathBuf| path.file_name().and_then(|name| name.to_str()).and_then(Archive::of).is_some();
    let mut archives: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_archive).collect();
    archives.sort();
    archives
}

/// A file whose reads end when somebody asks to stop, also while nothing comes.
pub(super) struct Interruptible {
    input: Input,
    cancel: CancelToken,
}

enum Input {
    File(File),
    /// Ends by itself when somebody asks to stop.
    Elsewhere(Box<dyn Read + Send>),
}

impl Read for Interruptible {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let file = match &mut self.input {
            Input::File(file) => file,
            Input::Elsewhere(input) => return input.read(buffer),
        };
        loop {
            self.cancel.check().map_err(FlowError::from)?;
            let mut waiting = [PollFd::new(&*file, PollFlags::IN)];
            match poll(&mut waiting, Some(&PATIENCE)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => match file.read(buffer) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    other => return other,
                },
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use xb_pipeline::cancel::CancelReason;

    use super::*;
    use crate::surroundings::Surroundings;

    fn context(cancel: &CancelToken) -> Context {
        let around = Surroundings { cancel: cancel.clone(), ..Surroundings::default() };
        Context::new(xb_core::settings::Settings::default(), around)
    }

    #[test]
    fn a_pipe_into_which_nobody_writes_does_not_hold_up_who_wants_to_stop() {
        let (reader, _writer) = rustix::pipe::pipe().unwrap();
        let cancel = CancelToken::new();
        let stream = File::from(reader);
        let input = ArchiveInput::Stream { name: "standard input".into(), stream };
        let mut opened = Opened::new(&context(&cancel), input).unwrap();
        assert_eq!(opened.bytes, None);
        cancel.cancel(CancelReason::Interrupt);
        let error = opened.reader.read(&mut [0; 8]).unwrap_err();
        assert!(matches!(FlowError::from(error), FlowError::Cancelled(_)));
    }

    #[test]
    fn a_directory_of_a_backup_is_refused_with_the_archive_in_it() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["backup.xbs.zst", "backup.meta", "other.xbs"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let opened = Opened::new(&context(&CancelToken::new()), ArchiveInput::File(dir.path().to_owned()));
        let Err(EngineError::Refused(ArchiveRefusal::Directory { archives, .. })) = opened else {
            panic!("it was opened")
        };
        assert_eq!(archives, [dir.path().join("backup.xbs.zst")]);
    }
}
