//! Reading an input as a list of instructions.

/// An input, of which instructions are taken from the front. Behind its end everything is zero.
#[derive(Debug)]
pub struct Script<'i>(&'i [u8]);

impl<'i> Script<'i> {
    /// All of an input.
    #[must_use]
    pub fn new(input: &'i [u8]) -> Self {
        Script(input)
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    /// As many bytes as there are, but not more than `most`.
    pub fn take(&mut self, most: usize) -> &'i [u8] {
        let (bytes, rest) = self.0.split_at(most.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    /// A byte.
    pub fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or_default()
    }

    /// A number of two bytes.
    pub fn number(&mut self) -> usize {
        usize::from(self.byte()) | usize::from(self.byte()) << 8
    }

    /// Bytes of which the next one tells how many they are.
    pub fn short(&mut self) -> &'i [u8] {
        let length = usize::from(self.byte());
        self.take(length)
    }

    /// Content for a file: a few bytes, repeated a few times, so that there is something to compress.
    pub fn content(&mut self) -> Vec<u8> {
        let times = usize::from(self.byte() % 32) + 1;
        self.short().repeat(times)
    }

    /// Bytes in a field of fixed length, zeros behind them.
    pub fn field<const N: usize>(&mut self) -> [u8; N] {
        let mut field = [0; N];
        let bytes = self.take(N);
        field[..bytes.len()].copy_from_slice(bytes);
        field
    }
}
