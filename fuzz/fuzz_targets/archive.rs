//! Reading a whole archive: layers told by their first bytes, gzip, Zstandard and LZ4 in all their ways, tar, and
//! what stands in files that are packed one by one. Whatever comes, it is a list or an error.

#![no_main]

use std::path::Path;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use xb_formats::xbcrypt::Key;
use xb_fuzz::seal;
use xb_pipeline::ReadOptions;
use xb_pipeline::archive::list;
use xb_pipeline::cancel::CancelToken;
use xb_pipeline::extract::Wanted;
use xb_pipeline::keys::Keys;
use xb_pipeline::monitor::Silent;

fuzz_target!(|input: &[u8]| {
    read(input);
    if input.get(257..262) == Some(b"ustar") {
        read(&seal::tar(input));
    }
});

fn read(archive: &[u8]) {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    let keys = KEYS.get_or_init(|| match Key::new(&[b'k'; 32]) {
        Ok(key) => Keys::default().with_key(key),
        Err(_) => Keys::default(),
    });
    let cancel = CancelToken::new();
    let options = ReadOptions { keys, threads: 1, monitor: &Silent, cancel: &cancel };
    for as_stored in [false, true] {
        let wanted = Wanted { as_stored, ..Wanted::default() };
        if let Ok(listing) = list(archive, Path::new("archive"), &wanted, &options) {
            assert!(!listing.layers.is_empty() && !listing.members.is_empty());
            assert!(listing.members.iter().all(|member| xb_fuzz::is_safe_shown(&member.path)));
        }
    }
}
