//! Packets on a connection.
//!
//! A packet has a head of three bytes length and one byte number. What is longer than 16 MiB − 2 is sent as
//! several, of which all but the last have the greatest length.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustls::{ClientConnection, StreamOwned};

use super::error::NativeError;

/// The greatest length of one packet.
const FULL: usize = 0xff_ffff;
const HEAD: usize = 4;
/// Bytes fetched at a time.
const BLOCK: usize = 64 * 1024;

/// What packets go over.
pub(super) enum Link {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Link {
    /// Whether nobody between can read what is sent.
    pub(super) fn is_protected(&self) -> bool {
        !matches!(self, Link::Tcp(_))
    }

    /// How long a read may wait.
    pub(super) fn wait_at_most(&self, limit: Duration) -> io::Result<()> {
        // No time at all would mean for ever.
        let limit = Some(limit.max(Duration::from_millis(1)));
        match self {
            Link::Tcp(stream) => stream.set_read_timeout(limit),
            Link::Unix(stream) => stream.set_read_timeout(limit),
            Link::Tls(stream) => stream.sock.set_read_timeout(limit),
        }
    }

    pub(super) fn stopper(&self) -> io::Result<Stopper> {
        Ok(Stopper(match self {
            Link::Tcp(stream) => Handle::Tcp(stream.try_clone()?),
            Link::Unix(stream) => Handle::Unix(stream.try_clone()?),
            Link::Tls(stream) => Handle::Tcp(stream.sock.try_clone()?),
        }))
    }
}

impl Read for Link {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Link::Tcp(stream) => stream.read(buffer),
            Link::Unix(stream) => stream.read(buffer),
            Link::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Link {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Link::Tcp(stream) => stream.write(bytes),
            Link::Unix(stream) => stream.write(bytes),
            Link::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Link::Tcp(stream) => stream.flush(),
            Link::Unix(stream) => stream.flush(),
            Link::Tls(stream) => stream.flush(),
        }
    }
}

/// Ends a connection from another thread: whoever reads from it gets its end.
#[derive(Debug)]
pub struct Stopper(Handle);

#[derive(Debug)]
enum Handle {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stopper {
    /// Ends it.
    pub fn stop(&self) {
        // One that has ended already cannot be ended, which is just as well.
        let _ = match &self.0 {
            Handle::Tcp(stream) => stream.shutdown(Shutdown::Both),
            Handle::Unix(stream) => stream.shutdown(Shutdown::Both),
        };
    }
}

/// Where in a packet the reader is.
#[derive(Clone, Copy)]
enum State {
    Head,
    Body { missing: usize, is_last: bool },
}

/// Packets, sent and received.
///
/// A read that runs into its time limit loses nothing: the next one goes on where it was.
pub(super) struct Wire {
    link: Link,
    number: u8,
    /// Whether numbers of packets count. They do not once events are pushed: acknowledgements cross them.
    is_numbered: bool,
    block: Vec<u8>,
    /// The part of `block` that was fetched and not taken.
    fetched: std::ops::Range<usize>,
    state: State,
    packet: Vec<u8>,
    heard: Instant,
}

impl Wire {
    pub(super) fn new(link: Link) -> Self {
        Wire {
            link,
            number: 0,
            is_numbered: true,
            block: vec![0; BLOCK],
            fetched: 0..0,
            state: State::Head,
            packet: Vec::new(),
            heard: Instant::now(),
        }
    }

    /// When something last came, were it only a part of a packet.
    pub(super) fn heard(&self) -> Instant {
        self.heard
    }

    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    /// Goes on over another link, such as the same one protected. Nothing may have been fetched beyond the
    /// last packet: it came from somebody who wants it taken for protected.
    pub(super) fn replace_link(
        self,
        protect: impl FnOnce(Link) -> Result<Link, NativeError>,
    ) -> Result<Self, NativeError> {
        if !self.fetched.is_empty() {
            return Err(NativeError::Protocol { what: "it says more than its greeting before TLS begins" });
        }
        Ok(Wire { link: protect(self.link)?, ..self })
    }

    /// Begins a new command: numbers start again.
    pub(super) fn begin(&mut self) {
        self.number = 0;
    }

    /// From now on packets may have any number.
    pub(super) fn ignore_numbers(&mut self) {
        self.is_numbered = false;
    }

    pub(super) fn send(&mut self, payload: &[u8]) -> io::Result<()> {
        let mut rest = payload;
        loop {
            let (part, behind) = rest.split_at(rest.len().min(FULL));
            let [a, b, c, _] = (part.len() as u32).to_le_bytes();
            let mut packet = vec![a, b, c, self.number];
            packet.extend_from_slice(part);
            self.link.write_all(&packet)?;
            self.number = self.number.wrapping_add(1);
            rest = behind;
            if part.len() < FULL {
                return self.link.flush();
            }
        }
    }

    /// The next packet, put together from its parts.
    ///
    /// Memory: `limit` bytes at most, and not more than has arrived.
    pub(super) fn receive(&mut self, limit: usize) -> Result<Vec<u8>, NativeError> {
        loop {
            match self.state {
                State::Head => {
                    while self.fetched.len() < HEAD {
                        self.fetch()?;
                    }
                    self.read_head()?;
                }
                State::Body { missing: 0, is_last } => {
                    self.state = State::Head;
                    if is_last {
                        return Ok(std::mem::take(&mut self.packet));
                    }
                }
                State::Body { missing, is_last } => {
                    if self.fetched.is_empty() {
                        self.fetch()?;
                    }
                    let taken = missing.min(self.fetched.len());
                    if self.packet.len() + taken > limit {
                        return Err(NativeError::Protocol { what: "a packet is too long" });
                    }
                    let part = self.fetched.start..self.fetched.start + taken;
                    self.packet.extend_from_slice(self.block.get(part).unwrap_or_default());
                    self.fetched.start += taken;
                    self.state = State::Body { missing: missing - taken, is_last };
                }
            }
        }
    }

    fn read_head(&mut self) -> Result<(), NativeError> {
        let bytes = self.block.get(self.fetched.clone()).unwrap_or_default();
        let Some([a, b, c, number]) = bytes.first_chunk::<HEAD>().copied() else { return Ok(()) };
        if self.is_numbered && number != self.number {
            return Err(NativeError::Protocol { what: "packets are out of order" });
        }
        self.fetched.start += HEAD;
        self.number = number.wrapping_add(1);
        let length = u32::from_le_bytes([a, b, c, 0]) as usize;
        self.state = State::Body { missing: length, is_last: length < FULL };
        Ok(())
    }

    /// Fetches more bytes behind those that are there.
    fn fetch(&mut self) -> io::Result<()> {
        self.block.copy_within(self.fetched.clone(), 0);
        self.fetched = 0..self.fetched.len();
        let room = self.block.get_mut(self.fetched.end..).unwrap_or_default();
        let length = loop {
            match self.link.read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        if length == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed it"));
        }
        self.fetched.end += length;
        self.heard = Instant::now();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Wire, Wire) {
        let (a, b) = UnixStream::pair().unwrap();
        (Wire::new(Link::Unix(a)), Wire::new(Link::Unix(b)))
    }

    #[test]
    fn packets_of_any_length_arrive_as_they_were_sent() {
        for length in [0, 1, 65_000, FULL - 1, FULL, FULL + 1, 2 * FULL] {
            let (mut sender, mut receiver) = pair();
            let payload: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            let sent = payload.clone();
            let thread = std::thread::spawn(move || sender.send(&sent));
            assert!(receiver.receive(length).unwrap() == payload, "{length}");
            thread.join().unwrap().unwrap();
        }
    }

    #[test]
    fn a_packet_above_the_limit_is_refused_before_it_is_whole() {
        let (mut sender, mut receiver) = pair();
        receiver.link.wait_at_most(Duration::from_secs(10)).unwrap();
        sender.link.write_all(&[0xff, 0xff, 0xff, 0]).unwrap();
        sender.link.write_all(&[7; 101]).unwrap();
        assert!(matches!(receiver.receive(100), Err(NativeError::Protocol { .. })));
    }

    #[test]
    fn a_read_that_ran_out_of_time_goes_on_where_it_was() {
        let (mut sender, mut receiver) = pair();
        receiver.link.wait_at_most(Duration::from_millis(1)).unwrap();
        for part in [&[5, 0][..], &[0, 0, b'h'], b"ell", b"o"] {
            assert!(matches!(receiver.receive(100), Err(NativeError::Lost(_))));
            sender.link.write_all(part).unwrap();
        }
        assert_eq!(receiver.receive(100).unwrap(), b"hello");
    }

    #[test]
    fn a_packet_with_another_number_is_refused_while_numbers_count() {
        let (mut sender, mut receiver) = pair();
        sender.number = 3;
        sender.send(b"x").unwrap();
        assert!(matches!(receiver.receive(100), Err(NativeError::Protocol { .. })));
        receiver.ignore_numbers();
        assert_eq!(receiver.receive(100).unwrap(), b"x");
    }
}
