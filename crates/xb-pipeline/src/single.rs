//! One file that is compressed, encrypted or both, with no container in it.
//!
//! The end of its name says what is around it, from the inside out: `x.zst.age` is `x` in Zstandard in age. Each
//! layer is what the tool of its name writes and reads.

use std::io::Read;

use xb_formats::archive::{Layer, StreamCompression, StreamEncryption};

use crate::cancel::CancelToken;
use crate::flow::{Blocks, FlowError};
use crate::keys::Keys;
use crate::monitor::Silent;
use crate::pack::{Packing, pack};
use crate::read::Source;
use crate::read::single::peel_single;
use crate::sink::ObjectReceipt;
use crate::sink::file::ObjectWriter;

/// What is around a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct FileForm {
    /// The inner layer.
    pub compression: StreamCompression,
    /// The outer layer.
    pub encryption: StreamEncryption,
}

impl FileForm {
    /// What packing gives.
    #[must_use]
    pub fn of(packing: &Packing) -> Self {
        let (compression, encryption) = packing.layers();
        FileForm { compression, encryption }
    }

    /// Every form there is, the bare file first.
    pub fn all() -> impl Iterator<Item = FileForm> {
        let compressions = [
            StreamCompression::None,
            StreamCompression::Gzip,
            StreamCompression::Zstd,
            StreamCompression::Lz4,
        ];
        let encryptions = [StreamEncryption::None, StreamEncryption::Xbcrypt, StreamEncryption::Age];
        compressions.into_iter().flat_map(move |compression| {
            encryptions.into_iter().map(move |encryption| FileForm { compression, encryption })
        })
    }

    /// The form that the end of a name promises, and the name without that end.
    #[must_use]
    pub fn split(name: &str) -> (&str, FileForm) {
        let mut rest = name;
        let mut take = |suffix: &str| rest.strip_suffix(suffix).inspect(|inner| rest = inner).is_some();
        let encryption = [StreamEncryption::Xbcrypt, StreamEncryption::Age]
            .into_iter()
            .find(|encryption| take(encryption.suffix()))
            .unwrap_or_default();
        let compression = [StreamCompression::Gzip, StreamCompression::Zstd, StreamCompression::Lz4]
            .into_iter()
            .find(|compression| take(compression.suffix()))
            .unwrap_or_default();
        (rest, FileForm { compression, encryption })
    }

    /// What is added to the name of the file; nothing for the bare file.
    #[must_use]
    pub fn suffix(self) -> String {
        [self.compression.suffix(), self.encryption.suffix()].concat()
    }

    /// Whether it is the bare file.
    #[must_use]
    pub fn is_bare(self) -> bool {
        self == FileForm::default()
    }

    /// From the outside in.
    fn layers(self) -> Vec<Layer> {
        let encryption = match self.encryption {
            StreamEncryption::None => None,
            StreamEncryption::Xbcrypt => Some(Layer::Xbcrypt),
            StreamEncryption::Age => Some(Layer::Age),
        };
        let compression = match self.compression {
            StreamCompression::None => None,
            StreamCompression::Gzip => Some(Layer::Gzip),
            StreamCompression::Zstd => Some(Layer::Zstd),
            StreamCompression::Lz4 => Some(Layer::Lz4),
        };
        encryption.into_iter().chain(compression).collect()
    }
}

/// Packs what `input` gives into `to`; [`FileForm::of`] says under which name that is found again.
///
/// # Errors
/// [`FlowError`]; the object does not exist then, but of a file a part may.
pub fn pack_single(
    input: impl Read + Send,
    packing: &Packing,
    mut to: ObjectWriter,
    cancel: &CancelToken,
) -> Result<ObjectReceipt, FlowError> {
    std::thread::scope(|scope| {
        let (source, _) = Source::new(input, false, &Silent, cancel);
        let mut packed = pack(scope, source, packing)?;
        while let Some(block) = packed.next_block()? {
            to.write(&block)?;
        }
        Ok::<_, FlowError>(())
    })?;
    Ok(to.finish()?)
}

/// What is in a file of this form, as it is read. Memory is bounded; no threads.
///
/// # Errors
/// [`FlowError`], also while reading, inside of the [`std::io::Error`]: the file is not of the form, is damaged, or
/// a key is missing. A file that was cut between two parts reads as one that is shorter.
pub fn unpack_single(
    input: impl Read + Send + 'static,
    form: FileForm,
    keys: &Keys,
) -> Result<Box<dyn Read + Send>, FlowError> {
    peel_single(Box::new(input), &form.layers(), keys)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use age::secrecy::ExposeSecret as _;
    use xb_formats::xbcrypt::Key;

    use super::*;
    use crate::keys::Recipients;
    use crate::pack::Encryption;
    use crate::pack::compress::Compression;

    /// Keys, and for whom they open what age encrypts.
    fn keys(directory: &std::path::Path) -> (Keys, Recipients) {
        let identity = age::x25519::Identity::generate();
        let path = directory.join("identity");
        fs::write(&path, identity.to_string().expose_secret()).unwrap();
        let recipients = Recipients::read(&[identity.to_public().to_string()]).unwrap();
        let keys = Keys::default().with_key(Key::new(&[7; 32]).unwrap());
        (keys.with_identity_file(&path).unwrap(), recipients)
    }

    fn packings(recipients: &Recipients) -> Vec<Packing> {
        let key = Encryption::Xbcrypt(Key::new(&[7; 32]).unwrap());
        let recipients = Encryption::Age(recipients.clone());
        let mut all = Vec::new();
        for compression in [Compression::None, Compression::GZIP, Compression::ZSTD, Compression::Lz4] {
            for encryption in [None, Some(key.clone()), Some(recipients.clone())] {
                all.push(Packing { compression, encryption, threads: 2 });
            }
        }
        all
    }

    fn read(path: &std::path::Path, form: FileForm, keys: &Keys) -> std::io::Result<Vec<u8>> {
        let mut content = Vec::new();
        let mut reader =
            unpack_single(File::open(path).unwrap(), form, keys).map_err(std::io::Error::other)?;
        reader.read_to_end(&mut content).map(|_| content)
    }

    #[test]
    fn a_file_comes_out_of_every_form_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let (keys, recipients) = keys(dir.path());
        let content: Vec<u8> = (0..3_000_000_u32).map(|n| (n / 7 % 251) as u8).collect();
        let mut suffixes = std::collections::BTreeSet::new();
        for packing in packings(&recipients) {
            let form = FileForm::of(&packing);
            let name = format!("log.000001{}", form.suffix());
            assert_eq!(FileForm::split(&name), ("log.000001", form));
            assert!(suffixes.insert(form.suffix()));
            let path = dir.path().join(&name);
            let cancel = CancelToken::new();
            let to = ObjectWriter::file(&path).unwrap();
            let receipt = pack_single(&content[..], &packing, to, &cancel).unwrap();
            assert_eq!(receipt.size, fs::metadata(&path).unwrap().len());
            assert!(read(&path, form, &keys).unwrap() == content, "{name}");
        }
        assert_eq!(suffixes, FileForm::all().map(FileForm::suffix).collect());
    }

    #[test]
    fn damage_and_wrong_names_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let (keys, recipients) = keys(dir.path());
        for packing in packings(&recipients) {
            let form = FileForm::of(&packing);
            if form.is_bare() {
                continue;
            }
            let path = dir.path().join(format!("x{}", form.suffix()));
            let content = vec![3; 2_000_000];
            let to = ObjectWriter::file(&path).unwrap();
            pack_single(&content[..], &packing, to, &CancelToken::new()).unwrap();
            let whole = fs::read(&path).unwrap();
            let mut flipped = whole.clone();
            let middle = flipped.len() / 2;
            flipped[middle] ^= 16;
            fs::write(&path, &flipped).unwrap();
            assert!(read(&path, form, &keys).is_err(), "{form:?}");
            fs::write(&path, &whole[..whole.len() - 1]).unwrap();
            assert!(read(&path, form, &keys).is_err(), "{form:?}");
            fs::write(&path, b"no such thing").unwrap();
            let error = read(&path, form, &keys).unwrap_err().to_string();
            assert!(error.contains("its name promises"), "{error}");
        }
    }
}
