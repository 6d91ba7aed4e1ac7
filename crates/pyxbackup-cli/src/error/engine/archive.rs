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
        ExtractError::Store(_) => Exit::RemoteCommand,
        ExtractError::Digest { .. } => Exit::Extract,
        ExtractError::Archive { source, .. } => match innermost(source) {
            FlowError::Pack(_) => Exit::Compress,
            FlowError::Fs(_)
            | FlowError::Write(_)
            | FlowError::Kind { .. }
            | FlowError::Unfit { .. }
            | FlowError::NoMember { .. }
            | FlowError::NoFiles => Exit::Fatal,
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
        ExtractError::Store(_) => "store",
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
        ExtractError::Store(error) => return super::store::remedy(error),
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
        FlowError::Pack(_) => {
            "check --compress-level, if it is set; else this is a fault of pyxbackup: please report it"
        }
        FlowError::NoFiles => {
            "an archive or directory without files is no backup: see whether it is the right one"
        }
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
            vec![format!(
                "its files are not packed; `pyxbackup archive convert {} TO` packs them",
                path.display()
            )]
        }
        ArchiveRefusal::Directory { archives, .. } => {
            archives.iter().map(|archive| format!("name the archive in it: {}", archive.display())).collect()
        }
        ArchiveRefusal::Pattern { .. } => one("write it as for a shell, in quotes: 'shop/*.ibd'"),
        ArchiveRefusal::NoMatch { nearest, left_in, .. } => {
            let left = left_in
                .as_ref()
                .map(|left| format!("what was found for the others is in {}", left.display()));
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

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use rstest::rstest;
    use xb_engine::EngineError;
    use xb_formats::archive::Layer;
    use xb_pipeline::cancel::{CancelReason, Cancelled};
    use xb_pipeline::fs::FsError;
    use xb_pipeline::keys::KeyFault;

    use super::super::Failure;
    use super::*;

    fn archive(source: FlowError) -> ExtractError {
        ExtractError::Archive { path: "/a.xbs".into(), source }
    }

    fn of_member(source: FlowError) -> ExtractError {
        archive(FlowError::Member { path: "x".to_owned(), source: Box::new(source) })
    }

    fn damaged() -> FlowError {
        FlowError::Layer { layer: Layer::Zstd, offset: 7, reason: "x".to_owned() }
    }

    fn key() -> ExtractError {
        ExtractError::Key { path: "/a.xbs".into(), fault: KeyFault::WrongKey }
    }

    fn exists() -> ExtractError {
        FsError::on("create", Path::new("/to/x"))(io::ErrorKind::AlreadyExists.into()).into()
    }

    fn hints(source: ExtractError, left_in: Option<&str>) -> (u8, &'static str, Vec<String>) {
        let error = EngineError::Archive { source: Box::new(source), left_in: left_in.map(Into::into) };
        let failure = Failure { error, hints: Vec::new(), log: None };
        (failure.exit().code(), failure.kind(), failure.hints())
    }

    #[rstest]
    #[case(archive(damaged()), 4, "archive", "from another copy")]
    #[case(of_member(damaged()), 4, "archive", "from another copy")]
    #[case(archive(FlowError::Unknown { offset: 0, found: "x".into() }), 4, "archive", "an xbstream, a tar")]
    #[case(archive(FlowError::Read(io::ErrorKind::Other.into())), 4, "archive", "disk or the network")]
    #[case(archive(FlowError::Pack("x".into())), 1, "archive", "--compress-level")]
    #[case(archive(FlowError::Kind { path: "x".into(), what: "x" }), 128, "archive", "without it")]
    #[case(key(), 32, "key", "look for the key")]
    #[case(exists(), 128, "files", "remove /to/x, or choose another place")]
    fn errors_of_archives_have_exit_codes_and_remedies(
        #[case] error: ExtractError,
        #[case] code: u8,
        #[case] kind: &str,
        #[case] remedy: &str,
    ) {
        let (found, word, hints) = hints(error, None);
        assert_eq!((found, word), (code, kind));
        assert!(matches!(hints.as_slice(), [hint] if hint.contains(remedy)), "{hints:?}");
    }

    #[test]
    fn what_is_left_of_a_run_is_told() {
        let (_, _, left) = hints(archive(damaged()), Some("/to"));
        assert_eq!(left[1], "files that were complete by then are in /to");
        let stopped = |left_in| hints(Cancelled(CancelReason::Interrupt).into(), left_in);
        let (code, kind, nothing) = stopped(None);
        assert_eq!((code, kind, nothing[1].as_str()), (130, "cancelled", "nothing was left behind"));
        assert_eq!(stopped(Some("/to")).2[1], left[1]);
    }

    #[rstest]
    #[case(ArchiveRefusal::Exists { path: "x".into() }, 128, "target", "choose another name")]
    #[case(ArchiveRefusal::UnknownForm { path: "x.y".into() }, 128, "usage", ".xbs, .tar or .qp")]
    #[case(ArchiveRefusal::KeyNotSet { to: "x".into(), key: "encrypt_key_file" }, 32, "key", "--encrypt-key-file")]
    #[case(ArchiveRefusal::BothDirectories { from: "x".into(), to: "y/".into() }, 128, "archive", "y.xbs.zst")]
    #[case(ArchiveRefusal::Inside { from: "x".into(), to: "x/y".into() }, 128, "target", "outside x")]
    #[case(ArchiveRefusal::Directory { path: "x".into(), archives: vec![] }, 128, "archive", "archive convert x TO")]
    #[case(ArchiveRefusal::Level { compressor: "gzip", level: 19, range: 1..=12 }, 128, "usage", "from 1 to 12")]
    fn what_is_refused_has_an_exit_code_and_a_remedy(
        #[case] refusal: ArchiveRefusal,
        #[case] code: u8,
        #[case] kind: &str,
        #[case] remedy: &str,
    ) {
        let failure = Failure { error: refusal.into(), hints: Vec::new(), log: None };
        assert_eq!((failure.exit().code(), failure.kind()), (code, kind));
        assert!(failure.hints()[0].contains(remedy), "{:?}", failure.hints());
    }
}
