//! QuickLZ packets, the decompressor alone: an input is put into an archive as a packet whose sizes and
//! checksum are right, so that every change reaches the tokens. A second decompressor says what must come
//! out.
//!
//! Where the plaintext may end is a matter of a byte, so each packet is also tried with ends close to its
//! last match. An input that is an archive gives its packets one by one, so that archives can begin a corpus.

#![no_main]

use std::ops::Range;

use libfuzzer_sys::fuzz_target;
use xb_formats::qpress::{Block, Decoder, Event, Limits, QpressError, Shape};
use xb_fuzz::{expand, seal};

fuzz_target!(|input: &[u8]| {
    if !input.starts_with(b"qpress10") {
        return check(input);
    }
    for packet in seal::qpress_packets(input) {
        check(&input[packet]);
    }
});

/// The longest plaintext a packet may have here.
const LONGEST: usize = 1 << 18;

fn check(input: &[u8]) {
    let Some(mut packet) = repaired(input) else { return };
    let Some(last) = check_packet(&packet) else { return };
    for length in [last.start + 10, last.start + 11, last.end + 3, last.end + 4] {
        if set_length(&mut packet, length).is_some() {
            check_packet(&packet);
        }
    }
}

/// Returns what part of the plaintext the last match made.
fn check_packet(packet: &[u8]) -> Option<Range<usize>> {
    let limits = Limits { max_block_bytes: LONGEST as u64, ..Limits::default() };
    let mut decoder = Decoder::new(limits, Shape::Single);
    let mut last_match = None;
    // What the decoder refuses by the head alone is no matter for the decompressor.
    let _ = decoder.feed::<QpressError>(&archive(packet), &mut |event| {
        if let Event::Block(block) = event {
            assert_eq!(block.packet(), packet);
            last_match = check_block(&block);
        }
        Ok(())
    });
    last_match
}

fn check_block(block: &Block) -> Option<Range<usize>> {
    let (head, mut last_match) = (block.head(), None);
    let expanded = block.expand();
    let wanted = expand::expand_noting(head, block.packet(), &mut last_match);
    assert_eq!(expanded.as_ref().ok(), wanted.as_ref(), "{head:?}, {:?}", expanded.as_ref().err());
    if let Ok(plain) = &expanded {
        assert_eq!(plain.len(), block.plain_length());
    }
    // What memory held before shows nowhere.
    let mut used = vec![0xaa; block.plain_length() / 2 + 100];
    let again = block.expand_into(&mut used).map(|()| used);
    assert_eq!(again, expanded);
    last_match
}

/// Changes the length of the plaintext in the head of a packet, if it has room for it.
fn set_length(packet: &mut [u8], length: usize) -> Option<()> {
    if packet.first()? & 2 == 0 {
        *packet.get_mut(2)? = u8::try_from(length).ok()?;
    } else {
        *packet.get_mut(5..)?.first_chunk_mut()? = u32::try_from(length).ok()?.to_le_bytes();
    }
    Some(())
}

/// A packet with flags that are possible and its own size in its head.
fn repaired(input: &[u8]) -> Option<Vec<u8>> {
    let mut packet = input.to_vec();
    let flags = packet.first_mut()?;
    *flags = *flags & 0x0f | 0x40;
    if *flags & 0x0c == 0 {
        *flags |= 0x04;
    }
    if *flags & 2 == 0 {
        packet.truncate(255);
        *packet.get_mut(1)? = packet.len() as u8;
    } else {
        let length = packet.len() as u32;
        *packet.get_mut(1..)?.first_chunk_mut()? = length.to_le_bytes();
    }
    Some(packet)
}

/// An archive of one file of one block.
fn archive(packet: &[u8]) -> Vec<u8> {
    let mut archive = b"qpress10".to_vec();
    archive.extend((LONGEST as u64).to_le_bytes());
    archive.extend(b"F\x01\0\0\0f\0NEWBNEWB");
    archive.extend([0; 8]);
    archive.extend(simd_adler32::adler32(&packet).to_le_bytes());
    archive.extend(packet);
    archive.extend(b"ENDSENDS\0\0\0\0\0\0\0\0");
    archive
}
