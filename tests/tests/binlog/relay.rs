//! A way to a server that breaks.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Relays connections to a port of this machine and cuts each after a number of bytes drawn by lot.
pub(crate) struct Relay {
    pub(crate) port: u16,
    pub(crate) cuts: Arc<AtomicU64>,
    /// Whether connections are cut at all.
    pub(crate) breaks: Arc<AtomicBool>,
}

impl Relay {
    /// `most` bytes come from the server before a connection is cut. The lots are drawn from `seed`.
    pub(crate) fn start(to: u16, seed: u64, most: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (cuts, breaks) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(true)));
        let (counted, asked) = (cuts.clone(), breaks.clone());
        std::thread::spawn(move || {
            let mut state = seed;
            for client in listener.incoming().flatten() {
                // Xorshift: any state but 0 leads to all others.
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let budget = state % most + 1;
                let (counted, asked) = (counted.clone(), asked.clone());
                // Ends when one of the two does.
                std::thread::spawn(move || drop(relay(client, to, budget, &counted, &asked)));
            }
        });
        Relay { port, cuts, breaks }
    }
}

fn relay(client: TcpStream, to: u16, budget: u64, cuts: &AtomicU64, breaks: &AtomicBool) -> io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", to))?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Both);
    });
    let (mut from_server, mut to_client) = (server, client);
    let mut left = budget;
    let mut block = [0; 4096];
    loop {
        let length = from_server.read(&mut block)?;
        let passed = if breaks.load(Ordering::SeqCst) { length.min(left as usize) } else { length };
        to_client.write_all(&block[..passed])?;
        left = left.saturating_sub(passed as u64);
        if passed < length || length == 0 {
            cuts.fetch_add(u64::from(length > 0), Ordering::SeqCst);
            to_client.shutdown(Shutdown::Both)?;
            return from_server.shutdown(Shutdown::Both);
        }
    }
}
