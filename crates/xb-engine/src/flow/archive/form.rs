//! What an archive is to become: told by the name it is to have.

use std::path::Path;

use xb_core::settings::Settings;
use xb_formats::archive::{Archive, Layers, MemberCompression, StreamCompression, StreamEncryption};
use xb_pipeline::archive::Conversion;
use xb_pipeline::keys::{Recipients, read_key};
use xb_pipeline::{Compression, Encryption, Packing};

use super::refusal::ArchiveRefusal;
use crate::context::Context;
use crate::error::EngineError;

/// What the name asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The files themselves.
    Directory,
    /// All of them in one.
    File(Layers),
}

/// The form a name asks for. A name without a dot, or with a slash at its end, is that of a directory. Any other
/// without a known end is refused: `backup.tgz` as the name of a directory is meant by nobody.
pub(super) fn form_of(to: &Path) -> Result<Form, ArchiveRefusal> {
    if to.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return Ok(Form::Directory);
    }
    let name = to.file_name().unwrap_or_default().to_string_lossy();
    match Archive::named(&name) {
        Some(Archive::File(layers)) => Ok(Form::File(layers)),
        // A single dash is standard output everywhere else.
        _ if name.contains('.') || name == "-" => Err(ArchiveRefusal::UnknownForm { path: to.to_owned() }),
        _ => Ok(Form::Directory),
    }
}

/// How `to` is made. Its keys are read here.
pub(super) fn conversion(
    context: &Context,
    to: &Path,
    layers: Layers,
    encrypt_members: bool,
) -> Result<Conversion, EngineError> {
    let qpress_members = layers.members.compression == Some(MemberCompression::Qpress);
    if encrypt_members && !(qpress_members && layers.encryption == StreamEncryption::Xbcrypt) {
        return Err(ArchiveRefusal::MemberEncryption { to: to.to_owned() }.into());
    }
    let compression = compression(&context.settings, layers.compression)?;
    let (member_key, encryption) = match encryption(&context.settings, to, layers.encryption)? {
        Some(Encryption::Xbcrypt(key)) if encrypt_members => (Some(key), None),
        encryption => (None, encryption),
    };
    let packing = Packing { compression, encryption, threads: context.compress_threads() };
    Ok(Conversion { container: layers.container, qpress_members, member_key, packing })
}

fn encryption(
    settings: &Settings,
    to: &Path,
    wanted: StreamEncryption,
) -> Result<Option<Encryption>, EngineError> {
    let not_set = |key| ArchiveRefusal::KeyNotSet { to: to.to_owned(), key };
    Ok(match wanted {
        StreamEncryption::None => None,
        StreamEncryption::Xbcrypt => {
            let path = settings.encrypt_key_file.as_deref().ok_or(not_set("encrypt_key_file"))?;
            Some(Encryption::Xbcrypt(read_key(path, None)?))
        }
        StreamEncryption::Age if settings.encrypt_recipients.is_empty() => {
            return Err(not_set("encrypt_recipients").into());
        }
        StreamEncryption::Age => Some(Encryption::Age(Recipients::read(&settings.encrypt_recipients)?)),
    })
}

fn compression(settings: &Settings, wanted: StreamCompression) -> Result<Compression, ArchiveRefusal> {
    let level = settings.compress_level;
    let (compression, compressor, range) = match wanted {
        // These have no levels; one that is set is for others.
        StreamCompression::None => return Ok(Compression::None),
        StreamCompression::Lz4 => return Ok(Compression::Lz4),
        StreamCompression::Gzip => (level.map_or(Compression::GZIP, Compression::Gzip), "gzip", 1..=12),
        StreamCompression::Zstd => (level.map_or(Compression::ZSTD, Compression::Zstd), "zstd", -7..=19),
    };
    match level.filter(|level| !range.contains(level)) {
        Some(level) => Err(ArchiveRefusal::Level { compressor, level, range }),
        None => Ok(compression),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("dump", true)]
    #[case("/a.b/2026_11_22-14_28_07", true)]
    #[case("backup.d/", true)]
    #[case("a.xbs/", true)]
    #[case("a.xbs", false)]
    #[case("dump-1.2.tar.zst.age", false)]
    fn a_name_says_the_form(#[case] name: &str, #[case] is_directory: bool) {
        assert_eq!(form_of(Path::new(name)).map(|form| form == Form::Directory), Ok(is_directory));
    }

    #[rstest]
    #[case("a.tgz")]
    #[case("a.xbs.bz2")]
    #[case("a.qp.gz")]
    #[case("backup.gz")]
    #[case(".xbs")]
    #[case("-")]
    fn a_name_that_says_none_is_not_taken_for_a_directory(#[case] name: &str) {
        assert!(matches!(form_of(Path::new(name)), Err(ArchiveRefusal::UnknownForm { .. })), "{name}");
    }

    #[rstest]
    #[case(StreamCompression::Gzip, None, Some(Compression::GZIP))]
    #[case(StreamCompression::Gzip, Some(12), Some(Compression::Gzip(12)))]
    #[case(StreamCompression::Gzip, Some(13), None)]
    #[case(StreamCompression::Gzip, Some(-1), None)]
    #[case(StreamCompression::Zstd, Some(-7), Some(Compression::Zstd(-7)))]
    #[case(StreamCompression::Lz4, Some(13), Some(Compression::Lz4))]
    #[case(StreamCompression::None, Some(13), Some(Compression::None))]
    fn a_level_counts_where_there_are_levels(
        #[case] wanted: StreamCompression,
        #[case] level: Option<i32>,
        #[case] expected: Option<Compression>,
    ) {
        let settings = Settings { compress_level: level, ..Settings::default() };
        assert_eq!(compression(&settings, wanted).ok(), expected);
    }
}
