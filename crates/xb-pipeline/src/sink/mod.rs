//! Where bytes end: one archive file, or a tree of files. Both count and digest what they write.

pub(crate) mod confined;
pub(crate) mod file;
pub(crate) mod tree;

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A BLAKE3 digest, shown as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(blake3::Hash);

impl Digest {
    /// The digest of what is in memory.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Digest(blake3::hash(bytes))
    }
}

impl From<blake3::Hash> for Digest {
    fn from(hash: blake3::Hash) -> Self {
        Digest(hash)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.to_string()
    }
}

impl TryFrom<String> for Digest {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        blake3::Hash::from_hex(&text).map(Digest).map_err(|_| format!("{text:?} is not a BLAKE3 digest"))
    }
}

/// A file that was written, as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectReceipt {
    /// Its path within the backup.
    pub path: PathBuf,
    /// Its length in bytes.
    pub size: u64,
    /// The digest of its content.
    pub blake3: Digest,
}
