//! Gathering fields out of input that comes in pieces of any size.

/// The field that comes next in a stream.
#[derive(Debug)]
pub(crate) struct Field {
    /// Its bytes, as far as they have arrived.
    pub(crate) bytes: Vec<u8>,
    /// How many make it complete.
    pub(crate) wanted: usize,
    /// Bytes of the stream that have been taken.
    pub(crate) position: u64,
}

impl Field {
    /// At the beginning of a stream whose first field has so many bytes.
    pub(crate) fn first(wanted: usize) -> Self {
        Field { bytes: Vec::new(), wanted, position: 0 }
    }

    /// Moves bytes of the field out of the input. True when it is complete.
    pub(crate) fn gather(&mut self, input: &mut &[u8]) -> bool {
        let missing = self.wanted - self.bytes.len();
        let (bytes, rest) = input.split_at(missing.min(input.len()));
        self.bytes.extend_from_slice(bytes);
        *input = rest;
        self.position += bytes.len() as u64;
        self.bytes.len() == self.wanted
    }

    /// Waits for a new field of so many bytes.
    pub(crate) fn expect(&mut self, wanted: usize) {
        self.bytes.clear();
        self.wanted = wanted;
    }
}
