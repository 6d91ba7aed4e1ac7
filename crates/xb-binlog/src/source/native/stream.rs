//! The events a server pushes.

use std::io;
use std::time::Duration;

use xb_core::BinlogName;
use xb_formats::binlog::{EventHeader, EventKind, FIRST_EVENT, Fault, HEADER_BYTES, Payload};

use super::NativeSource;
use super::error::{NativeError, file_name};
use super::fields::error_of;
use super::wire::Stopper;

/// What stands before an event on a semisynchronous connection.
const SEMI_SYNC_MARK: u8 = 0xef;
/// The longest packet that ends a log.
const END_BYTES: usize = 8;

/// An event, as the server sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The file it stands in.
    pub file: BinlogName,
    /// Where it begins there, in bytes. For what stands in no file: where the next one begins.
    pub position: u64,
    /// All of it.
    pub bytes: Vec<u8>,
    /// Its header.
    pub header: EventHeader,
    /// Whether the server waits until [`EventStream::acknowledge`] says that it is kept.
    pub needs_ack: bool,
    /// Whether it stands in no file: the server made it up for us.
    pub is_artificial: bool,
}

/// What a server has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// An event.
    Event(Event),
    /// Nothing within the time given.
    Idle,
    /// The end of the log, where it was asked not to wait there.
    End,
}

/// Events from where they were asked for on.
pub struct EventStream {
    source: NativeSource,
    semi_sync: bool,
    /// The longest packet, in bytes.
    limit: usize,
    /// How long the server may say nothing.
    silence: Duration,
    file: String,
    position: u64,
}

impl EventStream {
    /// Of a source that was asked for its log.
    pub(super) fn new(mut source: NativeSource, semi_sync: bool, (file, position): (String, u64)) -> Self {
        source.wire.ignore_numbers();
        // One byte says what the packet is, two that semisynchronous replication is spoken.
        let longest = source.options.limits.max_event_bytes;
        let limit = usize::try_from(longest).unwrap_or(usize::MAX).saturating_add(3);
        let silence = source.options.heartbeat.saturating_mul(3) + Duration::from_secs(10);
        EventStream { source, semi_sync, limit, silence, file, position }
    }

    /// Ends the connection from another thread.
    ///
    /// # Errors
    /// When the system has no descriptor left.
    pub fn stopper(&self) -> io::Result<Stopper> {
        self.source.stopper()
    }

    /// Whether the server waits for acknowledgements.
    #[must_use]
    pub fn is_semi_sync(&self) -> bool {
        self.semi_sync
    }

    /// The next event. Waits for `limit` at most, or a little longer while one is coming in.
    ///
    /// # Errors
    /// [`NativeError`]; the stream is over then.
    pub fn next(&mut self, limit: Duration) -> Result<Next, NativeError> {
        self.source.wire.link().wait_at_most(limit)?;
        let packet = match self.source.wire.receive(self.limit) {
            Err(NativeError::Lost(error)) if is_timeout(&error) => {
                let silent = self.source.wire.heard().elapsed();
                if silent > self.silence {
                    return Err(NativeError::Silent { seconds: silent.as_secs() });
                }
                return Ok(Next::Idle);
            }
            other => other?,
        };
        match packet.first() {
            Some(0) => self.read_event(packet).map(Next::Event),
            Some(0xfe) if packet.len() <= END_BYTES => {
                self.source.is_free = true;
                Ok(Next::End)
            }
            Some(0xff) => {
                let (code, message) = error_of(&packet);
                Err(NativeError::of_dump(
                    code,
                    message,
                    &self.file,
                    self.position,
                    self.source.options.server_id,
                ))
            }
            _ => Err(NativeError::Protocol { what: "a packet in its log" }),
        }
    }

    fn read_event(&mut self, mut packet: Vec<u8>) -> Result<Event, NativeError> {
        let (head, needs_ack) = match (self.semi_sync, packet.get(1..3)) {
            (true, Some([SEMI_SYNC_MARK, flag])) => (3, flag & 1 != 0),
            (true, _) => {
                return Err(NativeError::Protocol { what: "an event without the semisynchronous mark" });
            }
            (false, _) => (1, false),
        };
        packet.drain(..head);
        let header = packet.first_chunk::<HEADER_BYTES>().map(EventHeader::parse);
        let header = header.ok_or(NativeError::Protocol { what: "an event without a header" })?;
        let (says, found) = (u64::from(header.length), packet.len() as u64);
        if says != found {
            return Err(self.wrong(Fault::BadLength { says, found }));
        }
        let is_artificial = header.is_artificial();
        if is_artificial {
            self.follow(&header, &packet)?;
        }
        let position = if is_artificial { self.position } else { self.advance(&header) };
        Ok(Event { file: file_name(&self.file)?, position, bytes: packet, header, needs_ack, is_artificial })
    }

    /// An artificial rotate says where the events behind it stand.
    fn follow(&mut self, header: &EventHeader, event: &[u8]) -> Result<(), NativeError> {
        if header.kind == EventKind::ROTATE {
            let payload = Payload::of_artificial(event).map_err(|fault| self.wrong(fault))?;
            if let Payload::Rotate { file, position } = payload {
                self.file = file;
                self.position = position.max(FIRST_EVENT);
            }
        }
        Ok(())
    }

    /// Where an event begins, by where it ends. Between two events the server may have left some out; what
    /// is not to be left out is for the reader to notice.
    fn advance(&mut self, header: &EventHeader) -> u64 {
        const WRAP: u64 = 1 << 32;
        let length = u64::from(header.length);
        let least = self.position + length;
        let skipped = u64::from(header.next_position).wrapping_sub(least) % WRAP;
        self.position = least + skipped;
        self.position - length
    }

    /// Tells the server that everything up to a place is kept for good.
    ///
    /// # Errors
    /// [`NativeError::Lost`].
    pub fn acknowledge(&mut self, file: &BinlogName, position: u64) -> Result<(), NativeError> {
        let mut packet = vec![SEMI_SYNC_MARK];
        packet.extend(position.to_le_bytes());
        packet.extend(file.to_string().bytes());
        self.source.wire.begin();
        Ok(self.source.wire.send(&packet)?)
    }

    fn wrong(&self, fault: Fault) -> NativeError {
        NativeError::Event { file: self.file.clone(), position: self.position, fault }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
