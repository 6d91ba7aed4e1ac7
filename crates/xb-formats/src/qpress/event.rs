//! What a decoder tells, and what it is told beforehand.

use super::Block;
use crate::path::StreamPath;

/// A file of the archive. Never used again within one archive, so also good as a key of the caller's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileKey(pub(super) u64);

impl FileKey {
    /// A number of its own, for who tells files of several formats apart by one.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }
}

/// What happens in an archive, in its order. Files do not interleave.
///
/// A block's checksum and content are checked by [`Block::expand`]: what was told of a file is certain when
/// all of its blocks have expanded, and the whole archive when [`Decoder::finish`](super::Decoder::finish)
/// returns a summary as well.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A directory begins; what follows is inside, until it is left.
    Enter {
        /// Its path, which nothing else in the archive has.
        path: &'a StreamPath,
    },
    /// A directory is complete.
    Leave {
        /// Its path.
        path: &'a StreamPath,
    },
    /// A file begins. The format does not say how long it will be.
    Open {
        /// The file.
        file: FileKey,
        /// Its path, which nothing else in the archive has.
        path: &'a StreamPath,
    },
    /// The next bytes of the file that is open, still compressed.
    Block(Block),
    /// The file is complete.
    Close {
        /// The file. Its key does not come again.
        file: FileKey,
        /// Its path.
        path: &'a StreamPath,
        /// Its length in bytes, as the heads of its packets say.
        size: u64,
    },
}

/// What kind of archive is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Shape {
    /// Any number of files and directories.
    #[default]
    Any,
    /// Exactly one file and no directory: a `.qp` file in a backup.
    Single,
}

/// What an archive may ask for. The defaults are above what any known tool writes and keep the memory a
/// hostile archive can claim small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The chunk size in the head of the archive, in bytes. No memory depends on it. Default 512 MiB, above
    /// which qpress itself refuses an archive.
    pub max_chunk_size: u64,
    /// Bytes of plaintext in one block, which is held in memory, as is its packet. Default 64 MiB; qpress
    /// writes 32 MiB at most, and 64 KiB unless told otherwise, as XtraBackup and MariaDB do.
    pub max_block_bytes: u64,
    /// Files and directories. The path of each is remembered. Default 16,777,216.
    pub max_entries: u64,
    /// Directories inside one another. Default 128.
    pub max_depth: usize,
    /// Bytes of one file. Default 256 TiB, the largest InnoDB tablespace.
    pub max_file_size: u64,
    /// Bytes of all files together. Default: as many as there can be. A small archive can expand to 85 times
    /// its size, so whoever knows how much there is room for says so.
    pub max_plain_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_chunk_size: 512 << 20,
            max_block_bytes: 64 << 20,
            max_entries: 1 << 24,
            max_depth: 128,
            max_file_size: 1 << 48,
            max_plain_bytes: u64::MAX,
        }
    }
}

/// What a complete archive held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ArchiveSummary {
    /// Files.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// Blocks.
    pub blocks: u64,
    /// Bytes of plaintext.
    pub plain_bytes: u64,
    /// Bytes of the archive.
    pub archive_bytes: u64,
}
