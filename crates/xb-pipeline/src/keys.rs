//! Keys: what decrypts an archive, and what encrypts one. Read from files, which nobody else should read.

use std::fs;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use age::{Identity, IdentityFile};
use xb_formats::xbcrypt::{self, Key, XbcryptError};

/// A key file larger than this is not what it claims to be.
const FILE_LIMIT: u64 = 1024 * 1024;

/// What is wrong with a key, seen from an archive.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// It is encrypted with xbcrypt and no key is there.
    #[error("it is encrypted with xbcrypt, and no key was given")]
    KeyNeeded,
    /// The data is undamaged and the key is another.
    #[error("the key is not the one it was encrypted with")]
    WrongKey,
    /// What comes out is no backup. Older versions of xbcrypt cannot tell why.
    #[error(
        "what the key gives is no backup: it is not the key it was encrypted with, or the data is damaged"
    )]
    Noise,
    /// It is not encrypted although it has the form, and a key was given.
    #[error("it has the form of xbcrypt but is not encrypted; if that is meant to be, read it without a key")]
    NotEncrypted,
    /// It is encrypted with age and no identity is there.
    #[error("it is encrypted with age, and no identity was given")]
    IdentityNeeded,
    /// None of the identities is one of its recipients.
    #[error("it was encrypted with age for others: none of the identities opens it")]
    WrongIdentity,
    /// It was encrypted by age with a passphrase.
    #[error(
        "it was encrypted by age with a passphrase, which pyxbackup does not ask for; decrypt it with age"
    )]
    Passphrase,
}

impl KeyFault {
    pub(crate) fn of(error: &XbcryptError) -> Self {
        match error.fault {
            xbcrypt::Fault::KeyNeeded => KeyFault::KeyNeeded,
            xbcrypt::Fault::NotEncrypted => KeyFault::NotEncrypted,
            _ => KeyFault::WrongKey,
        }
    }
}

/// A key file or a recipient is of no use.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Others than its owner can read the file.
    #[error("{} can be read by others: take the right away with chmod go= {0}", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// The file holds no key.
    #[error("{}: {source}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: xbcrypt::KeyError,
    },
    /// The key is for another algorithm than was asked for.
    #[error("{} holds a key for {found:?}, encrypt asks for {wanted:?}", path.display())]
    Algorithm {
        /// The file.
        path: PathBuf,
        /// What its length makes it.
        found: xbcrypt::Algorithm,
        /// What was asked for.
        wanted: xbcrypt::Algorithm,
    },
    /// The file holds no identity of age.
    #[error("{} holds no identity of age that can be used: {reason}", path.display())]
    Identity {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A recipient cannot be parsed.
    #[error("{place} is no recipient of age, which look like age1...: {reason}")]
    Recipient {
        /// What was given, or file and line. What stands in a file is never shown: it may be a secret.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// A secret was given where the public half belongs.
    #[error(
        "{place} is an identity of age, which decrypts, and not a recipient: it must not be on this machine"
    )]
    IdentityForRecipient {
        /// What was given, or file and line.
        place: String,
    },
    /// There is nobody to encrypt for.
    #[error("there is no recipient to encrypt for")]
    NoRecipient,
}

/// What opens archives. Shows nothing of itself.
#[derive(Clone, Default)]
pub struct Keys {
    xbcrypt: Option<Key>,
    identities: Arc<Vec<Box<dyn Identity + Send + Sync>>>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Keys({} for xbcrypt, {} for age)",
            usize::from(self.xbcrypt.is_some()),
            self.identities.len()
        )
    }
}

impl Keys {
    /// The same with a key for xbcrypt.
    #[must_use]
    pub fn with_key(self, key: Key) -> Self {
        Keys { xbcrypt: Some(key), ..self }
    }

    /// The same with the identities of a file as `age-keygen` writes it.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn with_identity_file(self, path: &Path) -> Result<Self, KeyError> {
        let refuse = |reason: String| KeyError::Identity { path: path.to_owned(), reason };
        let content = read_key_file(path)?;
        let file =
            IdentityFile::from_buffer(BufReader::new(&content[..])).map_err(|e| refuse(e.to_string()))?;
        let identities = file.into_identities().map_err(|error| refuse(error.to_string()))?;
        if identities.is_empty() {
            return Err(refuse("there is none in it".to_owned()));
        }
        Ok(Keys { identities: Arc::new(identities), ..self })
    }

    pub(crate) fn xbcrypt(&self) -> Option<&Key> {
        self.xbcrypt.as_ref()
    }

    pub(crate) fn identities(&self) -> impl Iterator<Item = &dyn Identity> {
        self.identities.iter().map(|identity| &**identity as &dyn Identity)
    }
}

/// Reads a key for xbcrypt: the whole content of the file. With `wanted`, it has to be for that algorithm.
///
/// # Errors
/// [`KeyError`].
pub fn read_key(path: &Path, wanted: Option<xbcrypt::Algorithm>) -> Result<Key, KeyError> {
    let key =
        Key::new(&read_key_file(path)?).map_err(|source| KeyError::Key { path: path.to_owned(), source })?;
    match wanted {
        Some(wanted) if wanted != key.algorithm() => {
            Err(KeyError::Algorithm { path: path.to_owned(), found: key.algorithm(), wanted })
        }
        _ => Ok(key),
    }
}

/// Whether others than its owner can read a file that holds a secret.
///
/// # Errors
/// [`KeyError::Exposed`]; whether that is one, the caller decides. A file that is not there is not exposed.
pub fn check_private(path: &Path) -> Result<(), KeyError> {
    match fs::metadata(path) {
        Ok(meta) if meta.permissions().mode() & 0o077 != 0 => {
            Err(KeyError::Exposed { path: path.to_owned() })
        }
        _ => Ok(()),
    }
}

fn read_key_file(path: &Path) -> Result<Vec<u8>, KeyError> {
    let failed = |source| KeyError::Read { path: path.to_owned(), source };
    let file = fs::File::open(path).map_err(failed)?;
    let mut content = Vec::new();
    file.take(FILE_LIMIT + 1).read_to_end(&mut content).map_err(failed)?;
    if content.len() as u64 > FILE_LIMIT {
        return Err(failed(io::Error::other("it is too large for a key file")));
    }
    Ok(content)
}

/// Those who can read what is encrypted for them.
#[derive(Clone, Debug)]
pub struct Recipients(Arc<Vec<age::x25519::Recipient>>);

impl Recipients {
    /// Reads recipients: each is one (`age1...`), or a file with one a line and `#` before comments.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn read<S: AsRef<str>>(entries: &[S]) -> Result<Self, KeyError> {
        let mut recipients = Vec::new();
        for entry in entries {
            let entry = entry.as_ref().trim();
            if entry.starts_with("age1") {
                recipients.push(parse_recipient(entry, format!("{entry:?}"))?);
            } else if is_identity(entry) {
                return Err(KeyError::IdentityForRecipient {
                    place: "what stands in encrypt_recipients".to_owned(),
                });
            } else {
                read_recipients(Path::new(entry), &mut recipients)?;
            }
        }
        if recipients.is_empty() { Err(KeyError::NoRecipient) } else { Ok(Recipients(Arc::new(recipients))) }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &dyn age::Recipient> {
        self.0.iter().map(|recipient| recipient as &dyn age::Recipient)
    }
}

/// Reads a file with one recipient a line.
fn read_recipients(path: &Path, recipients: &mut Vec<age::x25519::Recipient>) -> Result<(), KeyError> {
    let text = String::from_utf8(read_key_file(path)?).map_err(|error| {
        let source = io::Error::new(io::ErrorKind::InvalidData, error);
        KeyError::Read { path: path.to_owned(), source }
    })?;
    let lines = (1_u32..).zip(text.lines().map(str::trim));
    for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        recipients.push(parse_recipient(line, format!("line {number} of {}", path.display()))?);
    }
    Ok(())
}

fn parse_recipient(text: &str, place: String) -> Result<age::x25519::Recipient, KeyError> {
    if is_identity(text) {
        return Err(KeyError::IdentityForRecipient { place });
    }
    text.parse().map_err(|reason: &str| KeyError::Recipient { place, reason: reason.to_owned() })
}

/// How every private half begins.
fn is_identity(text: &str) -> bool {
    text.get(..15).is_some_and(|start| start.eq_ignore_ascii_case("AGE-SECRET-KEY-"))
}
