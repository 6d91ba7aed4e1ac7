//! Numbers and texts in packets.

use super::error::NativeError;

/// What is left of a packet. A step that does not have enough bytes is an error.
pub(super) struct Fields<'p> {
    rest: &'p [u8],
    what: &'static str,
}

impl<'p> Fields<'p> {
    /// Of a packet; `what` says which one, for the error.
    pub(super) fn of(packet: &'p [u8], what: &'static str) -> Self {
        Fields { rest: packet, what }
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'p [u8], NativeError> {
        let (taken, rest) =
            self.rest.split_at_checked(length).ok_or(NativeError::Protocol { what: self.what })?;
        self.rest = rest;
        Ok(taken)
    }

    /// The little-endian number in the next `length` ≤ 8 bytes.
    pub(super) fn number(&mut self, length: usize) -> Result<u64, NativeError> {
        Ok(self.take(length)?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    pub(super) fn byte(&mut self) -> Result<u8, NativeError> {
        self.number(1).map(|number| number as u8)
    }

    /// The bytes up to a zero, or all that is left when there is none.
    pub(super) fn until_zero(&mut self) -> &'p [u8] {
        let length = self.rest.iter().position(|byte| *byte == 0);
        let (text, rest) = self.rest.split_at(length.unwrap_or(self.rest.len()));
        self.rest = rest.get(1..).unwrap_or_default();
        text
    }

    /// A text with its length before it; none for NULL.
    pub(super) fn counted(&mut self) -> Result<Option<&'p [u8]>, NativeError> {
        let length = match self.byte()? {
            0xfb => return Ok(None),
            0xfc => self.number(2)?,
            0xfd => self.number(3)?,
            0xfe => self.number(8)?,
            0xff => return Err(NativeError::Protocol { what: self.what }),
            small => u64::from(small),
        };
        let length = usize::try_from(length).map_err(|_| NativeError::Protocol { what: self.what })?;
        self.take(length).map(Some)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn rest(self) -> &'p [u8] {
        self.rest
    }
}

/// The number and the words of an error packet.
pub(super) fn error_of(packet: &[u8]) -> (u16, String) {
    let code = packet.get(1..3).and_then(|code| code.first_chunk().copied()).map_or(0, u16::from_le_bytes);
    let words = packet.get(3..).unwrap_or_default();
    // A state of five letters behind a number sign, once the connection is made.
    let words = if words.first() == Some(&b'#') { words.get(6..).unwrap_or_default() } else { words };
    (code, String::from_utf8_lossy(words).into_owned())
}
