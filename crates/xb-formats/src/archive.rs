//! What an archive consists of: told by its name, and by its first bytes, which win over the name.

use std::fmt;

/// The name of every archive up to the first dot.
const STEM: &str = "backup";

/// The form in which a backup is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Archive {
    /// The files themselves.
    Directory,
    /// An xbstream in one file, compressed as a whole or not.
    Xbstream(StreamCompression),
    /// A tar archive of a prepared directory, in gzip.
    TarGzip,
    /// A qpress archive of a prepared directory.
    Qpress,
    /// A qpress archive in xbcrypt.
    QpressXbcrypt,
    /// An xbstream whose members are compressed by qpress one by one.
    XbstreamQpress,
    /// The same, encrypted: up to XtraBackup 2.2 the stream as a whole, from 2.3 on each member.
    XbstreamQpressXbcrypt,
    /// An xbstream whose members are compressed by LZ4 one by one (XtraBackup 8.0.7 and later).
    XbstreamLz4,
}

/// How a stream is compressed as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum StreamCompression {
    /// Not at all.
    #[default]
    None,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

impl Archive {
    /// Every form.
    pub const ALL: [Archive; 10] = [
        Archive::Directory,
        Archive::Xbstream(StreamCompression::None),
        Archive::Xbstream(StreamCompression::Gzip),
        Archive::Xbstream(StreamCompression::Zstd),
        Archive::TarGzip,
        Archive::Qpress,
        Archive::QpressXbcrypt,
        Archive::XbstreamQpress,
        Archive::XbstreamQpressXbcrypt,
        Archive::XbstreamLz4,
    ];

    /// What stands behind `backup.` in the name of the file; nothing for a directory.
    #[must_use]
    pub fn suffix(self) -> Option<&'static str> {
        match self {
            Archive::Directory => None,
            Archive::Xbstream(StreamCompression::None) => Some("xbs"),
            Archive::Xbstream(StreamCompression::Gzip) => Some("xbs.gz"),
            Archive::Xbstream(StreamCompression::Zstd) => Some("xbs.zst"),
            Archive::TarGzip => Some("tar.gz"),
            Archive::Qpress => Some("qp"),
            Archive::QpressXbcrypt => Some("qp.xbcrypt"),
            Archive::XbstreamQpress => Some("xbs.qp"),
            Archive::XbstreamQpressXbcrypt => Some("xbs.qp.xbcrypt"),
            Archive::XbstreamLz4 => Some("xbs.lz4"),
        }
    }

    /// The name of the file, such as `backup.xbs.zst`; nothing for a directory.
    #[must_use]
    pub fn file_name(self) -> Option<String> {
        self.suffix().map(|suffix| format!("{STEM}.{suffix}"))
    }

    /// The form of the archive with this file name.
    #[must_use]
    pub fn of(file_name: &str) -> Option<Archive> {
        let suffix = file_name.strip_prefix(STEM)?.strip_prefix('.')?;
        Archive::ALL.into_iter().find(|archive| archive.suffix() == Some(suffix))
    }

    /// What the name promises, layer by layer; nothing for a directory, which is no file. The bytes win over
    /// it: see [`sniff`].
    #[must_use]
    pub fn layers(self) -> Option<Layers> {
        let plain = |container| Layers {
            container,
            compression: StreamCompression::None,
            members: None,
            encryption: Encryption::None,
        };
        let xbstream = plain(Container::Xbstream);
        let qpress = plain(Container::Qpress);
        Some(match self {
            Archive::Directory => return None,
            Archive::Xbstream(compression) => Layers { compression, ..xbstream },
            Archive::TarGzip => Layers { compression: StreamCompression::Gzip, ..plain(Container::Tar) },
            Archive::Qpress => qpress,
            Archive::QpressXbcrypt => Layers { encryption: Encryption::Whole, ..qpress },
            Archive::XbstreamQpress => Layers { members: Some(MemberCompression::Qpress), ..xbstream },
            Archive::XbstreamQpressXbcrypt => Layers {
                members: Some(MemberCompression::Qpress),
                encryption: Encryption::WholeOrMembers,
                ..xbstream
            },
            Archive::XbstreamLz4 => Layers { members: Some(MemberCompression::Lz4), ..xbstream },
        })
    }

    /// Whether this version can read it. The other forms are recognised, so that the reason can be told.
    #[must_use]
    pub fn readable_now(self) -> bool {
        matches!(self, Archive::Directory | Archive::Xbstream(_))
    }
}

/// What holds the files of an archive together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Container {
    /// xbstream or mbstream.
    Xbstream,
    /// tar.
    Tar,
    /// A qpress archive, which compresses as well.
    Qpress,
}

/// Where xbcrypt sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encryption {
    /// Nowhere.
    None,
    /// Around the archive as a whole.
    Whole,
    /// Around the archive as a whole, as up to XtraBackup 2.2, or around each file in it, as from 2.3 on. The
    /// name does not say; the first bytes do.
    WholeOrMembers,
}

/// The layers of an archive in one file. From the outside in: encryption of the whole, compression of the
/// whole, the container; then for each file in it its encryption and its compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Layers {
    /// What holds the files together.
    pub container: Container,
    /// How it is compressed as a whole.
    pub compression: StreamCompression,
    /// How each file in it is compressed. Single ones may be left as they are.
    pub members: Option<MemberCompression>,
    /// Where it is encrypted.
    pub encryption: Encryption,
}

impl fmt::Display for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.suffix().unwrap_or("directory"))
    }
}

/// The outermost layer of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layer {
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
    /// LZ4 frames.
    Lz4,
    /// xbstream or mbstream.
    Xbstream,
    /// xbcrypt, of any of its versions.
    Xbcrypt,
    /// A qpress archive.
    Qpress,
    /// An age file, in its binary form.
    Age,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Layer::Gzip => "gzip",
            Layer::Zstd => "zstd",
            Layer::Lz4 => "lz4",
            Layer::Xbstream => "xbstream",
            Layer::Xbcrypt => "xbcrypt",
            Layer::Qpress => "qpress",
            Layer::Age => "age",
        })
    }
}

/// As many first bytes as [`sniff`] looks at.
pub const SNIFF_LENGTH: usize = 32;

/// Tells the outermost layer of a file by its first bytes.
#[must_use]
pub fn sniff(first_bytes: &[u8]) -> Option<Layer> {
    let marks: [(&[u8], Layer); 7] = [
        (b"\x1f\x8b", Layer::Gzip),
        (b"\x28\xb5\x2f\xfd", Layer::Zstd),
        (b"\x04\x22\x4d\x18", Layer::Lz4),
        (&crate::xbstream::MAGIC, Layer::Xbstream),
        (&crate::xbcrypt::MAGIC_PREFIX, Layer::Xbcrypt),
        (&crate::qpress::MAGIC, Layer::Qpress),
        (b"age-encryption.org/", Layer::Age),
    ];
    marks.into_iter().find(|(mark, _)| first_bytes.starts_with(mark)).map(|(_, layer)| layer)
}

/// How a single file of a backup is wrapped, as the engine's own options leave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct MemberLayers {
    /// The inner layer.
    pub compression: Option<MemberCompression>,
    /// The outer layer: xbcrypt.
    pub encrypted: bool,
}

/// How a single file of a backup is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MemberCompression {
    /// `.qp`, a qpress archive of one file.
    Qpress,
    /// `.lz4`, a run of LZ4 frames.
    Lz4,
    /// `.zst`, a run of Zstandard frames.
    Zstd,
}

impl MemberLayers {
    /// Splits the name of a file into the name of what is inside and how that is wrapped: at most one
    /// `.xbcrypt` and before it at most one suffix of a compression.
    #[must_use]
    pub fn split(name: &[u8]) -> (&[u8], MemberLayers) {
        let (name, encrypted) = match name.strip_suffix(b".xbcrypt") {
            Some(inner) => (inner, true),
            None => (name, false),
        };
        let suffixes: [(&[u8], MemberCompression); 3] = [
            (b".qp", MemberCompression::Qpress),
            (b".lz4", MemberCompression::Lz4),
            (b".zst", MemberCompression::Zstd),
        ];
        for (suffix, compression) in suffixes {
            if let Some(inner) = name.strip_suffix(suffix) {
                return (inner, MemberLayers { compression: Some(compression), encrypted });
            }
        }
        (name, MemberLayers { compression: None, encrypted })
    }

    /// Whether there is any layer.
    #[must_use]
    pub fn any(self) -> bool {
        self.encrypted || self.compression.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_forms_map_to_each_other() {
        for archive in Archive::ALL {
            match archive.file_name() {
                Some(name) => assert_eq!(Archive::of(&name), Some(archive), "{name}"),
                None => assert_eq!(archive, Archive::Directory),
            }
        }
        for other in ["backup", "backup.", "backup.meta", "backup.xbs.gz.part", "xbackup.xbs", "backup.gz"] {
            assert_eq!(Archive::of(other), None, "{other}");
        }
    }

    #[test]
    fn a_name_spells_its_layers_from_the_inside_out() {
        for archive in Archive::ALL {
            let Some(layers) = archive.layers() else {
                assert_eq!(archive, Archive::Directory);
                continue;
            };
            let parts = [
                match layers.container {
                    Container::Xbstream => "xbs",
                    Container::Tar => "tar",
                    Container::Qpress => "qp",
                },
                match layers.compression {
                    StreamCompression::None => "",
                    StreamCompression::Gzip => "gz",
                    StreamCompression::Zstd => "zst",
                },
                match layers.members {
                    None => "",
                    Some(MemberCompression::Qpress) => "qp",
                    Some(MemberCompression::Lz4) => "lz4",
                    Some(MemberCompression::Zstd) => "zst",
                },
                if layers.encryption == Encryption::None { "" } else { "xbcrypt" },
            ];
            let spelt: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
            assert_eq!(Some(spelt.join(".").as_str()), archive.suffix());
        }
    }

    #[test]
    fn forms_that_cannot_be_read_are_known_by_name() {
        let unreadable = Archive::ALL.into_iter().filter(|archive| !archive.readable_now());
        let suffixes: Vec<_> = unreadable.filter_map(Archive::suffix).collect();
        assert_eq!(suffixes, ["tar.gz", "qp", "qp.xbcrypt", "xbs.qp", "xbs.qp.xbcrypt", "xbs.lz4"]);
    }

    #[test]
    fn layers_are_told_by_their_first_bytes() {
        assert_eq!(sniff(b"\x1f\x8b\x08\x00"), Some(Layer::Gzip));
        assert_eq!(sniff(b"\x28\xb5\x2f\xfd\x04"), Some(Layer::Zstd));
        assert_eq!(sniff(b"\x04\x22\x4d\x18\x6c"), Some(Layer::Lz4));
        assert_eq!(sniff(b"XBSTCK01\0P"), Some(Layer::Xbstream));
        for version in [b"XBCRYP01", b"XBCRYP02", b"XBCRYP03"] {
            assert_eq!(sniff(version), Some(Layer::Xbcrypt));
        }
        assert_eq!(sniff(b"qpress10\0\0"), Some(Layer::Qpress));
        assert_eq!(sniff(b"age-encryption.org/v1\n"), Some(Layer::Age));
        for other in [&b""[..], b"\x1f", b"XBSTCK0", b"uuid = x", b"\0\0\0\0"] {
            assert_eq!(sniff(other), None, "{other:?}");
        }
    }

    #[test]
    fn suffixes_of_single_files_come_off_from_the_right() {
        let split = |name: &'static str| {
            let (inner, layers) = MemberLayers::split(name.as_bytes());
            (std::str::from_utf8(inner).unwrap(), layers.compression, layers.encrypted)
        };
        assert_eq!(split("a.ibd"), ("a.ibd", None, false));
        assert_eq!(split("a.ibd.qp"), ("a.ibd", Some(MemberCompression::Qpress), false));
        assert_eq!(split("a.ibd.zst.xbcrypt"), ("a.ibd", Some(MemberCompression::Zstd), true));
        assert_eq!(split("a.xbcrypt"), ("a", None, true));
        assert_eq!(split("a.xbcrypt.lz4"), ("a.xbcrypt", Some(MemberCompression::Lz4), false));
    }
}
