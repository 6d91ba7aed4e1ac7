//! The writers: an input is a list of instructions for one of them, and the readers give back what it was
//! told to write. What makes no stream is refused, and what was written before stays right.

#![no_main]

mod qpress;
mod xbcrypt;
mod xbstream;

use libfuzzer_sys::fuzz_target;
use xb_fuzz::script::Script;

fuzz_target!(|input: &[u8]| {
    let mut script = Script::new(input);
    match script.byte() % 3 {
        0 => xbstream::check(&mut script),
        1 => xbcrypt::check(&mut script),
        _ => qpress::check(&mut script),
    }
});
