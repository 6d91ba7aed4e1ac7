//! `archive`: work on an archive by itself. Neither store nor server nor lock is needed.

mod form;
mod input;
mod refusal;
mod selection;
mod steps;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use xb_formats::archive::{Archive, Layer, Layers};
use xb_formats::path::StreamPath;
use xb_pipeline::archive::{self as pipeline, Origin};
use xb_pipeline::extract::{ExtractError, Extracted, Wanted, extract_from};
use xb_pipeline::fs::{FilesystemSync, FsError, create_new_dir_private, remove_tree, tree_bytes};
use xb_pipeline::keys::Keys;
use xb_pipeline::monitor::{Monitor, Phase, Silent};
use xb_pipeline::probe::probe;
use xb_pipeline::{FlowError, ReadOptions};

use crate::context::Context;
use crate::encryption::keys;
use crate::error::EngineError;
use crate::report::{ArchiveConverted, ArchiveExtracted, ArchiveListing};
use form::{Form, conversion, form_of};
use input::{Opened, archives_in};
use selection::{Nearest, Selection};

pub use input::ArchiveInput;
pub use refusal::ArchiveRefusal;

/// Which files of an archive, and in which form. The default is all of them, unpacked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArchiveSelection {
    /// Paths, directories and globs, on the path a file has once it is unpacked; with `as_stored` also on the
    /// one it is stored under. `*` does not cross `/`; what names a directory means all below it. None: everything.
    pub patterns: Vec<String>,
    /// Leaves files that are packed one by one as they are.
    pub as_stored: bool,
}

pub(crate) fn list(
    context: &Context,
    input: ArchiveInput,
    wanted: &ArchiveSelection,
) -> Result<ArchiveListing, EngineError> {
    let selection = Selection::new(&wanted.patterns, wanted.as_stored)?;
    let opened = Opened::new(context, input)?;
    let keys = keys(context)?;
    let is_wanted = |path: &StreamPath| selection.wants(path);
    let pipeline_wanted = Wanted {
        files: (!selection.is_all()).then_some(&is_wanted),
        as_stored: wanted.as_stored,
        ..Wanted::default()
    };
    let archive = opened.name;
    context.monitor().phase(Phase::Read, &archive.display().to_string(), opened.bytes);
    let options = read_options(context, &keys, &**context.monitor());
    let listing = pipeline::list(opened.reader, &archive, &pipeline_wanted, &options);
    let listing = listing.map_err(|error| failed(error, None))?;
    selection.check(&archive, None)?;
    let sum = |of: fn(&pipeline::Member) -> u64| listing.members.iter().map(of).sum();
    Ok(ArchiveListing {
        archive,
        archive_bytes: opened.bytes,
        layers: words(&listing.layers),
        size_bytes: sum(|member| member.size_bytes),
        stored_bytes: sum(|member| member.stored_bytes),
        members: listing.members,
    })
}

pub(crate) fn cat(
    context: &Context,
    input: ArchiveInput,
    member: &[u8],
    as_stored: bool,
    out: &mut dyn Write,
) -> Result<u64, EngineError> {
    let shown = String::from_utf8_lossy(member).into_owned();
    let path = StreamPath::new(member)
        .map_err(|error| ArchiveRefusal::MemberPath { member: shown.clone(), reason: error.to_string() })?;
    let opened = Opened::new(context, input)?;
    let keys = keys(context)?;
    let options = read_options(context, &keys, &**context.monitor());
    context.monitor().phase(Phase::Read, &opened.name.display().to_string(), opened.bytes);
    match pipeline::cat(opened.reader, &opened.name, &path, as_stored, out, &options) {
        Ok(bytes) => Ok(bytes),
        Err(ExtractError::Archive { source: FlowError::NoMember { path }, .. }) => {
            let nearest =
                opened.again.map(|again| nearest_members(context, &again, &keys, &shown, as_stored));
            let (archive, nearest) = (opened.name, nearest.unwrap_or_default());
            Err(ArchiveRefusal::NoMember { archive, member: path, nearest }.into())
        }
        Err(error) => Err(failed(error, None)),
    }
}

/// The paths of an archive that are most like one that is not there. Takes reading it once more, but nothing in it
/// is unpacked for that.
fn nearest_members(
    context: &Context,
    archive: &Path,
    keys: &Keys,
    wanted: &str,
    as_stored: bool,
) -> Vec<String> {
    let nearest = std::sync::Mutex::new(Nearest::new(wanted));
    let consider = |path: &StreamPath| {
        if let Ok(mut nearest) = nearest.lock() {
            nearest.consider(&path.to_string());
        }
        false
    };
    let wanted = Wanted { files: Some(&consider), as_stored, ..Wanted::default() };
    let opened = Opened::new(context, ArchiveInput::File(archive.to_owned()));
    // It is another error that is told.
    let _ = opened
        .map(|opened| pipeline::list(opened.reader, archive, &wanted, &read_options(context, keys, &Silent)));
    nearest.into_inner().map(Nearest::into_paths).unwrap_or_default()
}

pub(crate) fn extract(
    context: &Context,
    input: ArchiveInput,
    into: &Path,
    wanted: &ArchiveSelection,
) -> Result<ArchiveExtracted, EngineError> {
    let selection = Selection::new(&wanted.patterns, wanted.as_stored)?;
    let opened = Opened::new(context, input)?;
    let keys = keys(context)?;
    if let Some(archive) = opened.again.as_ref().filter(|_| selection.is_all() && !wanted.as_stored) {
        // What can be known to fail is found before anything is made.
        probe(archive, &read_options(context, &keys, &Silent)).map_err(|error| failed(error, None))?;
    }
    let archive = opened.name.clone();
    let target = Target::enter(into)?;
    let is_wanted = |path: &StreamPath| selection.wants(path);
    let pipeline_wanted = Wanted {
        files: (!selection.is_all()).then_some(&is_wanted),
        as_stored: wanted.as_stored,
        ..Wanted::default()
    };
    let extracted = unpack(context, opened, &target, &pipeline_wanted, &keys, &archive.display().to_string());
    let extracted = match extracted {
        Ok(extracted) => extracted,
        Err(error) => {
            // What stood before the damage may be all there is left of a server.
            let is_damaged = matches!(error, ExtractError::Archive { .. });
            let left_in = if is_damaged { target.keep_files() } else { target.give_up() };
            return Err(failed(error, left_in));
        }
    };
    let is_all = selection.is_all();
    let left_in = target.keep_files();
    selection.check(&archive, left_in.as_deref())?;
    let next_steps = if is_all { steps::next_steps(&extracted.metadata, into) } else { Vec::new() };
    Ok(ArchiveExtracted {
        archive,
        directory: into.to_owned(),
        layers: words(&extracted.layers),
        files: extracted.files,
        size_bytes: extracted.bytes,
        next_steps,
    })
}

/// Unpacks into a directory that is there, and makes what was written last.
fn unpack(
    context: &Context,
    opened: Opened,
    target: &Target<'_>,
    wanted: &Wanted<'_>,
    keys: &Keys,
    what: &str,
) -> Result<Extracted, ExtractError> {
    let disk = FilesystemSync::open(target.path)?;
    let monitor = &**context.monitor();
    monitor.phase(Phase::Extract, what, opened.bytes);
    let options = read_options(context, keys, monitor);
    let extracted = extract_from(opened.reader, &opened.name, target.path, wanted, &options)?;
    disk.sync()?;
    Ok(extracted)
}

pub(crate) fn convert(
    context: &Context,
    from: ArchiveInput,
    to: &Path,
    encrypt_members: bool,
) -> Result<ArchiveConverted, EngineError> {
    if to.symlink_metadata().is_ok() {
        return Err(ArchiveRefusal::Exists { path: to.to_owned() }.into());
    }
    let form = form_of(to)?;
    let directory = from.path().filter(|path| path.is_dir()).map(Path::to_owned);
    match (form, directory) {
        (Form::File(layers), directory) => {
            let made = conversion(context, to, layers, encrypt_members)?;
            make_archive(context, from, directory, to, layers, &made)
        }
        (Form::Directory, _) if encrypt_members => {
            Err(ArchiveRefusal::MemberEncryption { to: to.to_owned() }.into())
        }
        (Form::Directory, Some(from)) => match archives_in(&from) {
            archives if archives.is_empty() => {
                Err(ArchiveRefusal::BothDirectories { from, to: to.to_owned() }.into())
            }
            archives => Err(ArchiveRefusal::Directory { path: from, archives }.into()),
        },
        (Form::Directory, None) => make_directory(context, from, to),
    }
}

fn make_archive(
    context: &Context,
    from: ArchiveInput,
    directory: Option<PathBuf>,
    to: &Path,
    layers: Layers,
    made: &pipeline::Conversion,
) -> Result<ArchiveConverted, EngineError> {
    let keys = keys(context)?;
    let name = from.name().to_owned();
    let (origin, phase, total) = match directory {
        Some(directory) => {
            check_directory(&directory, to)?;
            (Origin::Directory, Phase::Convert, Some(tree_bytes(&directory)?))
        }
        None => {
            let opened = Opened::new(context, from)?;
            (Origin::Archive(Box::new(opened.reader)), Phase::Convert, opened.bytes)
        }
    };
    context.monitor().phase(phase, &between(&name, to), total);
    let options = read_options(context, &keys, &**context.monitor());
    let receipt = pipeline::convert(origin, &name, to, made, &options);
    let receipt = receipt.map_err(|error| failed(error, None))?;
    Ok(ArchiveConverted {
        from: name,
        to: to.to_owned(),
        form: Archive::File(layers).to_string(),
        files: None,
        size_bytes: receipt.size,
        blake3: Some(receipt.blake3),
    })
}

fn make_directory(context: &Context, from: ArchiveInput, to: &Path) -> Result<ArchiveConverted, EngineError> {
    let keys = keys(context)?;
    let opened = Opened::new(context, from)?;
    let from = opened.name.clone();
    let target = Target::enter(to)?;
    let extracted = unpack(context, opened, &target, &Wanted::default(), &keys, &between(&from, to));
    match extracted {
        Ok(extracted) => Ok(ArchiveConverted {
            from,
            to: to.to_owned(),
            form: Archive::Directory.to_string(),
            files: Some(extracted.files),
            size_bytes: extracted.bytes,
            blake3: None,
        }),
        Err(error) => Err(failed(error, target.give_up())),
    }
}

fn between(from: &Path, to: &Path) -> String {
    format!("{} to {}", from.display(), to.display())
}

/// A directory that an archive is to be made of: not one that has a backup's archive in it, nor the place of what
/// is made.
fn check_directory(from: &Path, to: &Path) -> Result<(), EngineError> {
    let archives = archives_in(from);
    if !archives.is_empty() {
        return Err(ArchiveRefusal::Directory { path: from.to_owned(), archives }.into());
    }
    let place = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let place = fs::canonicalize(place).map_err(FsError::on("enter", place))?;
    let own = fs::canonicalize(from).map_err(FsError::on("enter", from))?;
    if place.starts_with(&own) {
        return Err(ArchiveRefusal::Inside { from: from.to_owned(), to: to.to_owned() }.into());
    }
    Ok(())
}

/// The directory files are written to.
struct Target<'p> {
    path: &'p Path,
    /// Whether this run made it.
    is_new: bool,
}

impl<'p> Target<'p> {
    /// Makes the directory, or takes the one that is there.
    fn enter(path: &'p Path) -> Result<Self, FsError> {
        match create_new_dir_private(path) {
            Ok(()) => Ok(Target { path, is_new: true }),
            Err(_) if path.is_dir() => Ok(Target { path, is_new: false }),
            Err(error) => Err(error),
        }
    }

    /// After something went wrong: removes what this run made. Gives where files may be left.
    fn give_up(self) -> Option<PathBuf> {
        if self.is_new && remove_tree(self.path).is_ok() { None } else { Some(self.path.to_owned()) }
    }

    /// Leaves complete files where they are; without any, the directory goes. Gives where they are.
    fn keep_files(self) -> Option<PathBuf> {
        let is_gone = self.is_new && fs::remove_dir(self.path).is_ok();
        (!is_gone).then(|| self.path.to_owned())
    }
}

fn read_options<'a>(context: &'a Context, keys: &'a Keys, monitor: &'a dyn Monitor) -> ReadOptions<'a> {
    ReadOptions { keys, threads: context.compress_threads(), monitor, cancel: context.cancel() }
}

fn failed(error: ExtractError, left_in: Option<PathBuf>) -> EngineError {
    EngineError::Archive { source: Box::new(error), left_in }
}

fn words(layers: &[Layer]) -> Vec<String> {
    layers.iter().map(ToString::to_string).collect()
}
