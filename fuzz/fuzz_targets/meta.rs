//! The parsers of text and of names: none of them panics, and what two of them render they read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use xb_formats::archive::{self, Archive, MemberLayers};
use xb_formats::meta::backup_meta::BackupMeta;
use xb_formats::meta::binlog_info::BinlogInfo;
use xb_formats::meta::checkpoints::Checkpoints;
use xb_formats::meta::galera_info::GaleraInfo;
use xb_formats::meta::info::Info;
use xb_formats::meta::log::{self, KnownFailure};
use xb_formats::meta::names::MetaKind;
use xb_formats::meta::slave_info;

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    parse(&text);
    name(input, &text);
    for line in text.lines() {
        let _ = log::completed_ok(line);
        let _ = log::latest_checkpoint(line);
        let failure = KnownFailure::recognise(line);
        assert!(failure.is_none_or(|failure| !failure.advice().is_empty()));
    }
});

fn parse(text: &str) {
    let _ = Info::parse(text);
    let _ = BinlogInfo::parse(text);
    let _ = GaleraInfo::parse(text);
    let _ = slave_info::parse(text);
    let _ = log::binlog_position(text);
    // A carriage return at the end of a line counts only when another one follows, so it may get lost.
    let is_plain = !text.contains('\r');
    if let Ok(checkpoints) = Checkpoints::parse(text) {
        let again = Checkpoints::parse(&checkpoints.render());
        assert!(!is_plain || again.as_ref() == Ok(&checkpoints), "{checkpoints:?} came back as {again:?}");
    }
    if let Ok(meta) = BackupMeta::parse(text) {
        let again = BackupMeta::parse(&meta.render());
        // Of a second line `full` in a full backup nothing is left when the first one is gone.
        let is_plain = is_plain && meta.rest.iter().all(|(key, _)| key != "full");
        assert!(!is_plain || again.as_ref() == Ok(&meta), "{meta:?} came back as {again:?}");
    }
}

fn name(bytes: &[u8], text: &str) {
    let _ = archive::sniff(bytes);
    if let Some(archive) = Archive::of(text) {
        assert_eq!(archive.file_name().as_deref(), Some(text));
    }
    let (inner, layers) = MemberLayers::split(bytes);
    assert!(bytes.starts_with(inner));
    assert_eq!(layers.any(), inner.len() < bytes.len());
    if let Some(found) = MetaKind::of(bytes) {
        assert_eq!(found.is_wrapped(), found.layers.any());
    }
}
