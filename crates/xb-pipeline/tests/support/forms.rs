//! Every form that is written here.

use std::path::Path;
use std::sync::LazyLock;

use super::{Tree, scratch, tree_on_disk};
use xb_formats::archive::Container;
use xb_formats::xbcrypt::Key;
use xb_pipeline::archive::{Conversion, Origin, convert};
use xb_pipeline::cancel::CancelToken;
use xb_pipeline::keys::{Keys, Recipients};
use xb_pipeline::monitor::Silent;
use xb_pipeline::{Compression, Encryption, Packing, ReadOptions};

pub const CONTAINERS: [Container; 3] = [Container::Xbstream, Container::Tar, Container::Qpress];
pub const COMPRESSIONS: [Compression; 4] =
    [Compression::None, Compression::GZIP, Compression::ZSTD, Compression::Lz4];

/// Who can read what is written with age here.
pub struct Age {
    pub recipient: String,
    pub identity: String,
}

pub static AGE: LazyLock<Age> = LazyLock::new(|| {
    use age::secrecy::ExposeSecret;

    let identity = age::x25519::Identity::generate();
    Age {
        recipient: identity.to_public().to_string(),
        identity: identity.to_string().expose_secret().to_owned(),
    }
});

/// A key of so many bytes.
pub fn key(length: usize) -> Key {
    Key::new(&vec![b'k'; length]).unwrap()
}

/// All that opens what is made here, with a key of 32 bytes.
pub fn all_keys() -> Keys {
    keys_with(key(32))
}

pub fn keys_with(key: Key) -> Keys {
    let directory = scratch();
    let file = directory.path().join("identity");
    std::fs::write(&file, format!("{}\n", AGE.identity)).unwrap();
    Keys::default().with_key(key).with_identity_file(&file).unwrap()
}

pub fn age() -> Encryption {
    Encryption::Age(Recipients::read(&[&AGE.recipient]).unwrap())
}

pub fn xbcrypt() -> Encryption {
    Encryption::Xbcrypt(key(32))
}

pub fn conversion(
    container: Container,
    compression: Compression,
    encryption: Option<Encryption>,
) -> Conversion {
    let packing = Packing { compression, encryption, threads: 2 };
    Conversion { container, qpress_members: false, member_key: None, packing }
}

pub fn plain(container: Container) -> Conversion {
    conversion(container, Compression::None, None)
}

/// An xbstream whose files are packed one by one.
pub fn members(member_key: Option<Key>) -> Conversion {
    Conversion { qpress_members: true, member_key, ..plain(Container::Xbstream) }
}

/// Every form, with a name for messages.
pub fn all() -> Vec<(String, Conversion)> {
    let mut all = Vec::new();
    for container in CONTAINERS {
        for compression in COMPRESSIONS {
            for encryption in [None, Some(xbcrypt()), Some(age())] {
                all.push(conversion(container, compression, encryption));
            }
        }
    }
    for member_key in [None, Some(key(32))] {
        for compression in [Compression::None, Compression::ZSTD] {
            for encryption in [None, Some(xbcrypt()), Some(age())] {
                let packing = Packing { compression, encryption, threads: 2 };
                all.push(Conversion { packing, ..members(member_key.clone()) });
            }
        }
    }
    all.into_iter().map(|form| (name(&form), form)).collect()
}

/// What a form is called.
pub fn name(form: &Conversion) -> String {
    let container = match form.container {
        Container::Xbstream => "xbs",
        Container::Tar => "tar",
        Container::Qpress => "qp",
    };
    let members = match (form.qpress_members, &form.member_key) {
        (false, _) => "",
        (true, None) => "(qp)",
        (true, Some(_)) => "(qp.xbcrypt)",
    };
    let compression = match form.packing.compression {
        Compression::None => "",
        Compression::Gzip(_) => ".gz",
        Compression::Zstd(_) => ".zst",
        Compression::Lz4 => ".lz4",
    };
    let encryption = match form.packing.encryption {
        None => "",
        Some(Encryption::Xbcrypt(_)) => ".xbcrypt",
        Some(Encryption::Age(_)) => ".age",
    };
    format!("{container}{members}{compression}{encryption}")
}

/// Makes an archive of a tree.
pub fn archive_of(tree: &Tree, form: &Conversion) -> Vec<u8> {
    archive_of_directory(tree_on_disk(tree).path(), form)
}

pub fn archive_of_directory(directory: &Path, form: &Conversion) -> Vec<u8> {
    let (keys, cancel, target) = (Keys::default(), CancelToken::new(), scratch());
    let to = target.path().join("archive");
    let options = ReadOptions { keys: &keys, threads: 2, monitor: &Silent, cancel: &cancel };
    convert(Origin::Directory, directory, &to, form, &options).unwrap();
    std::fs::read(to).unwrap()
}

/// Makes another form of an archive.
pub fn converted(archive: Vec<u8>, form: &Conversion, keys: &Keys) -> Vec<u8> {
    let (cancel, target) = (CancelToken::new(), scratch());
    let to = target.path().join("archive");
    let options = ReadOptions { keys, threads: 2, monitor: &Silent, cancel: &cancel };
    let origin = Origin::Archive(Box::new(std::io::Cursor::new(archive)));
    convert(origin, Path::new("origin"), &to, form, &options).unwrap();
    std::fs::read(to).unwrap()
}
