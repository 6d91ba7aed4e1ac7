//! Errors of the commands on archives.

use xb_engine::ArchiveRefusal;
use xb_pipeline::FlowError;
use xb_pipeline::extract::ExtractError;

use super::{of_file, of_key_fault, stopped};
use crate::exit::Exit;

/// The exit code of an archive that could not be read, unpacked or made.
pub(super) fn exit(error: &ExtractError) -> Exit {
    match error {
        ExtractError::Cancelled(cancelled) => stopped(*cancelled),
        ExtractError::Key { .. } => Exit::Decrypt,
        ExtractError::Fs(_) => Exit::Fatal,
        ExtractError::Digest { .. } => Exit::Extract,
        ExtractError::Archive { source, .. } => match innermost(source) {
            FlowError::Pack(_) => Exit::Compress,
            FlowError::Fs(_)
            | FlowError::Write(_)
            | FlowError::Kind { .. }
            | FlowError::Unfit { .. }
            | FlowError::NoMember { .. } => Exit::Fatal,
            _ => Exit::Extract,
        },
    }
}

/// A word for programs that read errors.
pub(super) fn kind(error: &ExtractError) -> &'static str {
    match error {
        ExtractError::Cancelled(_) => "cancelled",
        ExtractError::Key { .. } => "key",
        ExtractError::Fs(_) => "files",
        ExtractError::Digest { .. } | ExtractError::Archive { .. } => "archive",
    }
}

/// What to do about it.
pub(super) fn remedy(error: &ExtractError) -> Option<String> {
    let text = match error {
        // Whether anything was left behind is told beside this.
        ExtractError::Cancelled(_) => "run the same again when it suits",
        ExtractError::Key { fault, .. } => of_key_fault(fault),
        ExtractError::Fs(error) => return Some(of_file(error)),
        ExtractError::Digest { .. } => "get the archive from another copy",
        ExtractError::Archive { source, .. } => return of_archive(innermost(source)).map(str::to_owned),
    };
    Some(text.to_owned())
}

fn of_archive(error: &FlowError) -> Option<&'static str> {
    Some(match error {
        FlowError::Unknown { .. } => {
            "an archive is an xbstream, a tar or a qpress archive, in gzip, zstd or lz4, in xbcrypt or age; \
             if it was one, it is damaged: get it from another copy"
        }
        FlowError::Read(_) => "see whether the disk or the network it is on is well",
        FlowError::Path { .. } => "no backup has such a path: do not trust what has",
        FlowError::Kind { .. } => "copy the directory without it, and convert the copy",
        FlowError::Pack(_) => "check --compress-level",
        // The message says it.
        FlowError::Unfit { .. } | FlowError::NoMember { .. } | FlowError::Write(_) => return None,
        _ => "it was damaged after it was written, or is not all there: get it from another copy",
    })
}

fn innermost(error: &FlowError) -> &FlowError {
    match error {
        FlowError::Member { source, .. } => innermost(source),
        error => error,
    }
}

/// The exit code of what was refused.
pub(super) fn refusal_exit(refusal: &ArchiveRefusal) -> Exit {
    match refusal {
        ArchiveRefusal::KeyNotSet { .. } => Exit::Decrypt,
        _ => Exit::Fatal,
    }
}

/// A word for programs that read errors.
pub(super) fn refusal_kind(refusal: &ArchiveRefusal) -> &'static str {
    match refusal {
        ArchiveRefusal::KeyNotSet { .. } => "key",
        ArchiveRefusal::NoMatch { .. } | ArchiveRefusal::NoMember { .. } => "member",
        ArchiveRefusal::Exists { .. } | ArchiveRefusal::Inside { .. } => "target",
        ArchiveRefusal::Directory { .. } | ArchiveRefusal::BothDirectories { .. } => "archive",
        ArchiveRefusal::Pattern { .. }
        | ArchiveRefusal::MemberPath { .. }
        | ArchiveRefusal::UnknownForm { .. }
        | ArchiveRefusal::MemberEncryption { .. }
        | ArchiveRefusal::Level { .. } => "usage",
    }
}

/// What to do about what was refused, the likeliest first.
pub(super) fn refusal_remedies(refusal: &ArchiveRefusal) -> Vec<String> {
    let one = |text: &str| vec![text.to_owned()];
    match refusal {
        ArchiveRefusal::Directory { path, archives } if archives.is_empty() => {
            vec![format!("its files are not packed; `pyxbackup archive convert {} TO` packs them", path.display())]
        }
        ArchiveRefusal::Directory { archives, .. } => {
            archives.iter().map(|archive| format!("name the archive in it: {}", archive.display())).collect()
        }
        ArchiveRefusal::Pattern { .. } => one("write it as for a shell, in quotes: 'shop/*.ibd'"),
        ArchiveRefusal::NoMatch { nearest, left_in, .. } => {
            let left =
                left_in.as_ref().map(|left| format!("what was found for the others is in {}", left.display()));
            proposals(nearest).into_iter().chain(left).collect()
        }
        ArchiveRefusal::NoMember { nearest, .. } => proposals(nearest),
        ArchiveRefusal::MemberPath { .. } => one("`pyxbackup archive list` prints the paths there are"),
        ArchiveRefusal::Exists { .. } => {
            one("remove it, or choose another name: nothing that exists is replaced")
        }
        ArchiveRefusal::UnknownForm { .. } => vec![
            "end it with .xbs, .tar or .qp; then, but for .qp, .gz, .zst or .lz4 if it is to be compressed; \
             then .xbcrypt or .age if it is to be encrypted. In .xbs.qp each file is compressed by itself"
                .to_owned(),
            "end it with a slash to make a directory".to_owned(),
        ],
        ArchiveRefusal::Inside { from, .. } => vec![format!("choose a place outside {}", from.display())],
        ArchiveRefusal::BothDirectories { to, .. } => {
            let name = to.display().to_string();
            vec![format!("give it a name that says a form, such as {}.xbs.zst", name.trim_end_matches('/'))]
        }
        ArchiveRefusal::KeyNotSet { key, .. } => {
            vec![format!("give --{} or set {key} in the configuration file", key.replace('_', "-"))]
        }
        ArchiveRefusal::MemberEncryption { .. } => one("leave out --encrypt-members, or choose such a name"),
        ArchiveRefusal::Level { range, .. } => {
            vec![format!("give a --compress-level from {} to {}", range.start(), range.end())]
        }
    }
}

fn proposals(nearest: &[String]) -> Vec<String> {
    let similar = (!nearest.is_empty()).then(|| format!("similar: {}", nearest.join(", ")));
    similar.into_iter().chain(["`pyxbackup archive list` prints the paths there are".to_owned()]).collect()
}
