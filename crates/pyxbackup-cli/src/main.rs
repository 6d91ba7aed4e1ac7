//! The binary `pyxbackup`.

fn main() {}
