//! What a decoder tells, and what it is told beforehand.

use super::StreamPath;

/// A file of the stream. Never used again within one stream, so also good as a key of the caller's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileKey(pub(super) u64);

impl FileKey {
    /// A number of its own, for who tells files of several formats apart by one.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }
}

/// What happens in a stream, in its order.
///
/// Data is told before its checksum is known: what was told for a file is certain at its next
/// [`ChunkEnd`](Event::ChunkEnd), and the whole stream when [`Decoder::finish`](super::Decoder::finish)
/// returns a summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A file begins, empty, at position 0.
    Open {
        /// The file.
        file: FileKey,
        /// Its path. No other open file has it.
        path: &'a StreamPath,
        /// The stream has closed a file of this path before, and this one replaces it. When false, nothing
        /// that already stands at the path is the stream's to replace.
        rewrite: bool,
    },
    /// A piece of a file, not empty. A payload comes in as many pieces as the input was cut into.
    Data {
        /// The file.
        file: FileKey,
        /// Where the piece belongs, in bytes from the beginning of the file.
        offset: u64,
        /// A part of the input.
        bytes: &'a [u8],
    },
    /// The position moves: a seek of MariaDB, to anywhere, or a hole of a sparse chunk, forward. The length
    /// of the file stays what it is; what is passed over and never written reads as zeros.
    Seek {
        /// The file.
        file: FileKey,
        /// The new position, in bytes from the beginning of the file.
        offset: u64,
    },
    /// A sparse chunk ended in a hole: the file is at least `size` bytes long. Comes after the checksum.
    Extend {
        /// The file.
        file: FileKey,
        /// Bytes.
        size: u64,
    },
    /// The checksum of the data or sparse chunk that was just told is right.
    ChunkEnd {
        /// The file.
        file: FileKey,
    },
    /// The file is complete.
    Close {
        /// The file. Its key does not come again.
        file: FileKey,
        /// Its path.
        path: &'a StreamPath,
        /// Its length in bytes, holes included.
        size: u64,
    },
    /// A complete file of this stream is to be removed.
    Remove {
        /// Its path.
        path: &'a StreamPath,
    },
    /// A complete file of this stream gets another path; a complete file of this stream that has that path
    /// is replaced. When no file of this stream has it, nothing that stands there may be replaced.
    Rename {
        /// The path so far.
        from: &'a StreamPath,
        /// The path from now on.
        to: &'a StreamPath,
    },
}

/// How chunks of type S are to be read: Percona's and MariaDB's are different things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Dialect {
    /// Looks at the 16 bytes behind the path: a seek is 8 bytes long, so that the next chunk's mark follows.
    /// Read as a sparse chunk that would be a payload length above 2^62.
    #[default]
    Auto,
    /// Sparse chunks (XtraBackup 8.0 and later).
    Percona,
    /// Seeks (MariaDB 10.11.8, 11.0.6, 11.1.5, 11.2.4, 11.4.2 and later in each series).
    MariaDb,
}

/// What a stream may ask for. The defaults are above what any known tool writes for any server that exists
/// and keep the memory a hostile stream can claim small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Files open at one time. Engines have about one per copying thread. Default 16,384.
    pub max_open_files: usize,
    /// Files in the whole stream. The path of each is remembered. Default 16,777,216.
    pub max_files: u64,
    /// Bytes of one chunk's payload. No memory depends on it. Default 4 GiB − 1: above that the tools' own
    /// checksums are wrong, because they count in 32 bits.
    pub max_payload_bytes: u64,
    /// Entries of a sparse chunk's map, 8 bytes of memory each as they come in. Default 2^20.
    pub max_map_entries: u32,
    /// Bytes of one file, holes included. Default 256 TiB, the largest InnoDB tablespace (2^32 pages of
    /// 64 KiB). Values from 2^63 on count as 2^63 − 1.
    pub max_file_size: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_open_files: 16_384,
            max_files: 1 << 24,
            max_payload_bytes: u64::from(u32::MAX),
            max_map_entries: 1 << 20,
            max_file_size: 1 << 48,
        }
    }
}

/// What a complete stream held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct StreamSummary {
    /// Files closed, those removed or replaced later included.
    pub files: u64,
    /// Chunks of every type.
    pub chunks: u64,
    /// Bytes of payload, without maps and holes.
    pub payload_bytes: u64,
    /// Bytes of the stream.
    pub stream_bytes: u64,
}
