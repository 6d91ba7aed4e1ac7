//! A port that stays one's own over a restart.

use std::fs;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// Lower ones are often somebody's.
const LOWEST: u16 = 15_000;
/// How often to try.
const ATTEMPTS: u32 = 100;

/// A port of this machine at which nobody listens at this moment. Not one of those the system gives to outgoing
/// connections, if there are others: such a connection may get it while the server that had it is down, which
/// then cannot start again.
///
/// # Errors
/// When the system has none.
pub fn free_port() -> io::Result<u16> {
    let highest = lowest_ephemeral().saturating_sub(1);
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    if let Some(room) = highest.checked_sub(LOWEST).filter(|room| *room >= 1_000) {
        let candidates = (0..ATTEMPTS).map(|_| LOWEST + (random() % u64::from(room)) as u16);
        if let Some(port) = candidates.into_iter().find(is_free) {
            return Ok(port);
        }
    }
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// The least port the system gives to outgoing connections.
fn lowest_ephemeral() -> u16 {
    const LINUX: u16 = 32_768;
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    range.split_whitespace().next().and_then(|port| port.parse().ok()).unwrap_or(LINUX)
}

/// Another number each time, in each process.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_free_and_not_one_for_outgoing_connections() {
        let ports: std::collections::BTreeSet<u16> = (0..20).map(|_| free_port().unwrap()).collect();
        assert!(ports.len() > 10, "{ports:?}");
        for port in ports {
            assert!(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok());
            assert!(port < lowest_ephemeral() || lowest_ephemeral() < LOWEST + 1_000, "{port}");
        }
    }
}
