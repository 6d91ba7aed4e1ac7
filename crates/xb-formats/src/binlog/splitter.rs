//! The parser of binary logs, pushed by whoever has the bytes.

use super::check::EventCheck;
use super::error::{BinlogError, Fault};
use super::event::Event;
use super::header::{EventHeader, EventKind, HEADER_BYTES};
use super::payload::Payload;
use super::{ENCRYPTED_MAGIC, MAGIC};
use crate::field::Field;

/// What a log may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one event, which is held in memory. Default 1 GiB, which is the most a server can send, and
    /// 1 MiB for what stands around it.
    pub max_event_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { max_event_bytes: (1 << 30) + (1 << 20) }
    }
}

/// How a log says that nothing follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// It goes on in another file.
    Rotate,
    /// The server was shut down.
    Stop,
}

/// How a log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With an event that says so.
    Closed(Close),
    /// Behind a whole event, and more may follow: the server writes it, or died while it did.
    Open {
        /// The length of the file, in bytes.
        at: u64,
    },
    /// Inside an event.
    Torn {
        /// Where the last whole event ends, in bytes.
        at: u64,
        /// The length of the file, in bytes.
        length: u64,
    },
    /// What follows cannot be read without the server's key.
    Encrypted {
        /// Where that begins, in bytes.
        from: u64,
    },
}

/// Cuts a log that is fed to it in pieces of any size into events, and checks them.
///
/// Memory: the event that is not complete yet, as far as it has arrived. After an error, its own or the
/// caller's, a splitter answers everything with an error.
#[derive(Debug)]
pub struct Splitter {
    limits: Limits,
    part: Part,
    field: Field,
    check: EventCheck,
    last: Option<EventKind>,
    failed: Option<BinlogError>,
}

/// What comes next in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Magic,
    Header,
    Rest,
    Ciphertext { from: u64 },
}

impl Splitter {
    /// A splitter at the beginning of a log.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Splitter {
            limits,
            part: Part::Magic,
            field: Field::first(MAGIC.len()),
            check: EventCheck::new(),
            last: None,
            failed: None,
        }
    }

    /// How far the log is good, and what is known of its format.
    #[must_use]
    pub fn check(&self) -> &EventCheck {
        &self.check
    }

    /// Reads the next piece of the log and hands every event that is complete to `on`, in order.
    ///
    /// # Errors
    /// The first fault of the log, or the error of `on`. Both are final: a later call gives the fault again,
    /// or [`Fault::GivenUp`].
    pub fn feed<E: From<BinlogError>>(
        &mut self,
        mut input: &[u8],
        on: &mut dyn FnMut(Event) -> Result<(), E>,
    ) -> Result<(), E> {
        if let Some(error) = &self.failed {
            return Err(E::from(error.clone()));
        }
        while !matches!(self.part, Part::Ciphertext { .. }) && self.field.gather(&mut input) {
            let offset = self.start();
            let fault = match self.read_field() {
                Ok(None) => continue,
                Ok(Some(event)) => match on(event) {
                    Ok(()) => continue,
                    Err(error) => {
                        self.failed = Some(BinlogError { offset, fault: Fault::GivenUp });
                        return Err(error);
                    }
                },
                Err(fault) => fault,
            };
            return Err(E::from(self.failed.insert(BinlogError { offset, fault }).clone()));
        }
        Ok(())
    }

    /// Ends the log.
    ///
    /// # Errors
    /// When there was an error before.
    pub fn finish(&self) -> Result<End, BinlogError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let (at, length) = (self.start(), self.field.position);
        Ok(match (self.part, self.last) {
            (Part::Ciphertext { from }, _) => End::Encrypted { from },
            _ if !self.field.bytes.is_empty() => End::Torn { at, length },
            (_, Some(EventKind::ROTATE)) => End::Closed(Close::Rotate),
            (_, Some(EventKind::STOP)) => End::Closed(Close::Stop),
            _ => End::Open { at: length },
        })
    }

    /// Where the part that is being read begins.
    fn start(&self) -> u64 {
        self.field.position - self.field.bytes.len() as u64
    }

    /// Acts on a field that is complete.
    fn read_field(&mut self) -> Result<Option<Event>, Fault> {
        match self.part {
            Part::Magic => self.read_magic().map(|()| None),
            Part::Header => self.read_header().map(|()| None),
            Part::Rest | Part::Ciphertext { .. } => self.read_event().map(Some),
        }
    }

    fn read_magic(&mut self) -> Result<(), Fault> {
        let found: [u8; 4] = self.field.bytes.first_chunk().copied().unwrap_or_default();
        self.part = match found {
            MAGIC => Part::Header,
            ENCRYPTED_MAGIC => Part::Ciphertext { from: 0 },
            _ => return Err(Fault::BadMagic { found }),
        };
        self.field.expect(HEADER_BYTES);
        Ok(())
    }

    fn read_header(&mut self) -> Result<(), Fault> {
        let Some(header) = self.field.bytes.first_chunk().map(EventHeader::parse) else { return Ok(()) };
        let (length, limit) = (u64::from(header.length), self.limits.max_event_bytes);
        if length > limit {
            return Err(Fault::Long { length, limit });
        }
        match usize::try_from(header.length) {
            Ok(wanted) if wanted >= HEADER_BYTES => {
                self.part = Part::Rest;
                self.field.wanted = wanted;
                Ok(())
            }
            _ => Err(Fault::Short { length, needed: HEADER_BYTES as u64 }),
        }
    }

    fn read_event(&mut self) -> Result<Event, Fault> {
        let event = self.check.check(std::mem::take(&mut self.field.bytes))?;
        self.last = Some(event.header.kind);
        self.part = match event.payload() {
            Ok(Payload::StartEncryption { is_decrypted: false }) => Part::Ciphertext { from: event.end() },
            _ => Part::Header,
        };
        self.field.expect(HEADER_BYTES);
        Ok(event)
    }
}
