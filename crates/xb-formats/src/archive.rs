//! What an archive consists of: told by its name, and by its first bytes, which win over the name.

use std::fmt;

/// The name of every archive up to the first dot.
const STEM: &str = "backup";

/// The form in which a backup is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Archive {
    /// The files themselves.
    Directory,
    /// All of them in one file.
    File(Layers),
}

/// The layers of an archive in one file. From the outside in: encryption of the whole, compression of the
/// whole, the container; then for each file in it its encryption and its compression.
///
/// The name of the file tells them from the inside out: `backup.xbs.zst.age` is an xbstream in Zstandard in
/// age. Two names tell less than there is to know, and there the bytes decide: in `.xbs.lz4` XtraBackup has
/// compressed each file and we the whole; `.xbs.qp.xbcrypt` is encrypted as a whole by XtraBackup up to 2.2 and
/// file by file from 2.3 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Layers {
    /// What holds the files together.
    pub container: Container,
    /// How each file in it is wrapped. Single ones may be left as they are.
    pub members: MemberLayers,
    /// How it is compressed as a whole.
    pub compression: StreamCompression,
    /// How it is encrypted as a whole.
    pub encryption: StreamEncryption,
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

/// How an archive is compressed as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum StreamCompression {
    /// Not at all.
    #[default]
    None,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
    /// LZ4 frames.
    Lz4,
}

/// How an archive is encrypted as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum StreamEncryption {
    /// Not at all.
    #[default]
    None,
    /// xbcrypt, with a key that encrypts and decrypts.
    Xbcrypt,
    /// age, with recipients that can only encrypt.
    Age,
}

impl Archive {
    /// The form of the archive of a backup, which has this file name, such as `backup.tar.gz`. Nothing for
    /// every other file.
    #[must_use]
    pub fn of(file_name: &str) -> Option<Archive> {
        let suffix = file_name.strip_prefix(STEM)?;
        let archive = Archive::named(file_name)?;
        (archive.suffix().strip_prefix('.') == suffix.strip_prefix('.')).then_some(archive)
    }

    /// The form that the end of any file name promises. Nothing when it promises none.
    #[must_use]
    pub fn named(file_name: &str) -> Option<Archive> {
        let mut rest = file_name;
        let mut take = |suffix: &str| rest.strip_suffix(suffix).inspect(|inner| rest = inner).is_some();
        let encryption = match () {
            () if take(".xbcrypt") => StreamEncryption::Xbcrypt,
            () if take(".age") => StreamEncryption::Age,
            () => StreamEncryption::None,
        };
        let compression = match () {
            () if take(".gz") => StreamCompression::Gzip,
            () if take(".zst") => StreamCompression::Zstd,
            () if take(".lz4") => StreamCompression::Lz4,
            () => StreamCompression::None,
        };
        let (container, members) = match () {
            () if take(".xbs") => (Container::Xbstream, MemberLayers::default()),
            () if take(".tar") => (Container::Tar, MemberLayers::default()),
            () if take(".xbs.qp") => (Container::Xbstream, MemberLayers::QPRESS),
            () if take(".qp") => (Container::Qpress, MemberLayers::default()),
            () => return None,
        };
        let layers = Layers { container, members, compression, encryption };
        (!rest.is_empty() && layers.is_sensible()).then_some(Archive::File(layers))
    }

    /// The end of the file's name, beginning with a dot; nothing for a directory.
    #[must_use]
    pub fn suffix(self) -> String {
        let Archive::File(layers) = self else { return String::new() };
        let parts = [
            layers.container.suffix(),
            layers.members.suffix(),
            layers.compression.suffix(),
            layers.encryption.suffix(),
        ];
        parts.concat()
    }

    /// The name of the archive of a backup, such as `backup.xbs.zst`; nothing for a directory.
    #[must_use]
    pub fn file_name(self) -> Option<String> {
        match self {
            Archive::Directory => None,
            Archive::File(_) => Some(format!("{STEM}{}", self.suffix())),
        }
    }
}

impl Layers {
    /// A container and nothing around it.
    #[must_use]
    pub fn plain(container: Container) -> Self {
        Layers {
            container,
            members: MemberLayers::default(),
            compression: StreamCompression::default(),
            encryption: StreamEncryption::default(),
        }
    }

    /// Compressing twice gains nothing, and only an xbstream has wrapped members.
    #[must_use]
    pub fn is_sensible(&self) -> bool {
        let compressed = self.container == Container::Qpress || self.members.compression.is_some();
        let twice = compressed && self.compression != StreamCompression::None;
        !twice && (self.container == Container::Xbstream || !self.members.any())
    }
}

impl Container {
    fn suffix(self) -> &'static str {
        match self {
            Container::Xbstream => ".xbs",
            Container::Tar => ".tar",
            Container::Qpress => ".qp",
        }
    }
}

impl StreamCompression {
    /// What is added to the name of a file, beginning with a dot; nothing where there is no such layer.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            StreamCompression::None => "",
            StreamCompression::Gzip => ".gz",
            StreamCompression::Zstd => ".zst",
            StreamCompression::Lz4 => ".lz4",
        }
    }
}

impl StreamEncryption {
    /// What is added to the name of a file, beginning with a dot; nothing where there is no such layer.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            StreamEncryption::None => "",
            StreamEncryption::Xbcrypt => ".xbcrypt",
            StreamEncryption::Age => ".age",
        }
    }
}

impl fmt::Display for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suffix = self.suffix();
        f.pad(suffix.strip_prefix('.').unwrap_or("directory"))
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
    /// tar.
    Tar,
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
            Layer::Tar => "tar",
        })
    }
}

/// As many first bytes as [`sniff`] looks at.
pub const SNIFF_LENGTH: usize = TAR_MARK_AT + TAR_MARK.len();

/// Where POSIX and GNU tar name themselves in the head of the first entry (POSIX.1-1988, `ustar`).
const TAR_MARK_AT: usize = 257;
const TAR_MARK: &[u8] = b"ustar";

/// Tells the outermost layer of a file by its first bytes.
#[must_use]
pub fn sniff(first_bytes: &[u8]) -> Option<Layer> {
    if let Some(behind) = behind_user_data(first_bytes) {
        return sniff(behind).filter(|layer| matches!(layer, Layer::Zstd | Layer::Lz4));
    }
    let marks: [(&[u8], Layer); 7] = [
        (b"\x1f\x8b", Layer::Gzip),
        (b"\x28\xb5\x2f\xfd", Layer::Zstd),
        (b"\x04\x22\x4d\x18", Layer::Lz4),
        (&crate::xbstream::MAGIC, Layer::Xbstream),
        (&crate::xbcrypt::MAGIC_PREFIX, Layer::Xbcrypt),
        (&crate::qpress::MAGIC, Layer::Qpress),
        (b"age-encryption.org/", Layer::Age),
    ];
    let found = marks.into_iter().find(|(mark, _)| first_bytes.starts_with(mark)).map(|(_, layer)| layer);
    let is_tar = || first_bytes.get(TAR_MARK_AT..).is_some_and(|rest| rest.starts_with(TAR_MARK));
    found.or_else(|| is_tar().then_some(Layer::Tar))
}

/// What stands behind a frame of user data, which Zstandard and LZ4 have in common (RFC 8878 section 3.1.2):
/// pzstd begins with one. `None` when there is none, or it is longer than what was read.
fn behind_user_data(first_bytes: &[u8]) -> Option<&[u8]> {
    let (head, rest) = first_bytes.split_first_chunk::<8>()?;
    let [a, b, c, d, e, f, g, h] = *head;
    let is_one = (0x184D_2A50..=0x184D_2A5F).contains(&u32::from_le_bytes([a, b, c, d]));
    let length = usize::try_from(u32::from_le_bytes([e, f, g, h])).ok()?;
    rest.get(length..).filter(|_| is_one)
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
    /// What XtraBackup up to 8.0.33 and MariaDB make of `--compress`.
    pub const QPRESS: MemberLayers =
        MemberLayers { compression: Some(MemberCompression::Qpress), encrypted: false };

    /// What is added to the name of each file. Encryption of members and of the whole share one suffix, so a
    /// name says it for the whole only.
    fn suffix(self) -> &'static str {
        match self.compression {
            None => "",
            Some(MemberCompression::Qpress) => ".qp",
            Some(MemberCompression::Lz4) => ".lz4",
            Some(MemberCompression::Zstd) => ".zst",
        }
    }

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

    /// Every form that can be told by a name.
    fn all() -> Vec<Layers> {
        let containers = [Container::Xbstream, Container::Tar, Container::Qpress];
        let compressions = [
            StreamCompression::None,
            StreamCompression::Gzip,
            StreamCompression::Zstd,
            StreamCompression::Lz4,
        ];
        let encryptions = [StreamEncryption::None, StreamEncryption::Xbcrypt, StreamEncryption::Age];
        let mut all = Vec::new();
        for container in containers {
            for compression in compressions {
                for encryption in encryptions {
                    for members in [MemberLayers::default(), MemberLayers::QPRESS] {
                        all.push(Layers { container, members, compression, encryption });
                    }
                }
            }
        }
        all.retain(Layers::is_sensible);
        all
    }

    #[test]
    fn names_and_forms_map_to_each_other() {
        let mut names = std::collections::BTreeSet::new();
        for layers in all() {
            let archive = Archive::File(layers);
            let name = archive.file_name().unwrap();
            assert_eq!(Archive::of(&name), Some(archive), "{name}");
            assert_eq!(Archive::named(&format!("dump-1.2{}", archive.suffix())), Some(archive), "{name}");
            names.insert(name);
        }
        assert_eq!(names.len(), all().len());
        assert_eq!(Archive::Directory.file_name(), None);
        for known in [
            "xbs",
            "tar.gz",
            "xbs.gz",
            "qp",
            "xbs.qp",
            "qp.xbcrypt",
            "xbs.qp.xbcrypt",
            "xbs.zst",
            "xbs.lz4",
            "xbs.gz.xbcrypt",
            "xbs.zst.age",
            "xbs.age",
            "tar.gz.age",
            "qp.age",
        ] {
            assert!(names.contains(&format!("backup.{known}")), "{known}");
        }
        for other in [
            "backup",
            "backup.",
            "backup.meta",
            "backup.xbs.gz.part",
            "xbackup.xbs",
            "backup.gz",
            "backup.a.xbs",
        ] {
            assert_eq!(Archive::of(other), None, "{other}");
        }
        for other in ["", ".xbs", "x.gz", "x.qp.gz", "x.tar.qp.gz", "x.age", "x.xbs.age.age"] {
            assert_eq!(Archive::named(other), None, "{other:?}");
        }
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
        assert_eq!(sniff(b"\x50\x2a\x4d\x18\x04\0\0\0\x01\x02\x03\x04\x28\xb5\x2f\xfd"), Some(Layer::Zstd));
        assert_eq!(sniff(b"\x50\x2a\x4d\x18\x01\0\0\0\x01\x1f\x8b\x08"), None);
        assert_eq!(sniff(b"\x50\x2a\x4d\x18\xff\xff\xff\xff\x28\xb5\x2f\xfd"), None);
        let mut tar = vec![b'x'; SNIFF_LENGTH - 5];
        assert_eq!(sniff(&tar), None);
        tar.extend(b"ustar");
        assert_eq!(sniff(&tar), Some(Layer::Tar));
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
