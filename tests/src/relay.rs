//! A relay on this machine that breaks connections: after so many bytes, or when told to.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Which bytes are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To the server.
    There,
    /// From the server.
    Back,
}

#[derive(Default)]
struct State {
    streams: Mutex<Vec<TcpStream>>,
    /// Bytes left on the way there and back until the connection breaks.
    left: [AtomicU64; 2],
    connections: AtomicU64,
    carried: [AtomicU64; 2],
    over: AtomicBool,
}

/// Passes connections on to a port of this machine. Broken and ended when dropped.
pub struct Relay {
    pub port: u16,
    state: Arc<State>,
}

impl Relay {
    /// To `target`, a port of this machine.
    ///
    /// # Panics
    /// When it cannot listen.
    #[must_use]
    pub fn start(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State::default());
        state.left.iter().for_each(|left| left.store(u64::MAX, Ordering::SeqCst));
        let shared = state.clone();
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                if shared.over.load(Ordering::SeqCst) {
                    break;
                }
                shared.connections.fetch_add(1, Ordering::SeqCst);
                if let Ok(far) = TcpStream::connect(("127.0.0.1", target)) {
                    join(&shared, &near, &far);
                }
            }
        });
        Relay { port, state }
    }

    /// Breaks what is connected when that many more bytes have gone that way; what connects later is whole.
    pub fn cut_after(&self, way: Way, bytes: u64) {
        self.state.left[way as usize].store(bytes, Ordering::SeqCst);
    }

    /// Breaks all that is connected.
    pub fn cut(&self) {
        self.state.cut();
    }

    /// How many connections there were.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// How many bytes went that way.
    #[must_use]
    pub fn carried(&self, way: Way) -> u64 {
        self.state.carried[way as usize].load(Ordering::SeqCst)
    }
}

impl State {
    fn cut(&self) {
        for stream in self.streams.lock().unwrap().drain(..) {
            // It may have ended by itself.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn join(state: &Arc<State>, near: &TcpStream, far: &TcpStream) {
    let copies = || Some([near.try_clone().ok()?, far.try_clone().ok()?]);
    let Some(kept) = copies() else { return };
    state.streams.lock().unwrap().extend(kept);
    for (way, from, to) in [(Way::There, near, far), (Way::Back, far, near)] {
        let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else { return };
        let state = state.clone();
        std::thread::spawn(move || carry(&state, way, from, to));
    }
}

fn carry(state: &State, way: Way, mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = vec![0; 32 * 1024];
    loop {
        let got = match from.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(got) => got,
        };
        let left = &state.left[way as usize];
        let before = left.load(Ordering::SeqCst);
        let passed = usize::try_from(before).unwrap_or(usize::MAX).min(got);
        state.carried[way as usize].fetch_add(passed as u64, Ordering::SeqCst);
        if to.write_all(&buffer[..passed]).is_err() {
            break;
        }
        if before != u64::MAX {
            if before <= got as u64 {
                left.store(u64::MAX, Ordering::SeqCst);
                state.cut();
                break;
            }
            left.store(before - got as u64, Ordering::SeqCst);
        }
    }
    let _ = (from.shutdown(Shutdown::Read), to.shutdown(Shutdown::Write));
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.state.over.store(true, Ordering::SeqCst);
        self.cut();
        // Wakes who accepts.
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        let _ = TcpStream::connect_timeout(&address, Duration::from_millis(200));
    }
}
