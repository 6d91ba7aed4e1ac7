//! Introducing oneself to a server.

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use mysql_common::scramble::{scramble_native, scramble_sha256};
use xb_core::Secret;

use super::error::NativeError;
use super::fields::{Fields, error_of};
use super::tls::{self, Tls, Unprotected};
use super::wire::{Link, Wire};
use crate::client::ConnectOptions;

/// How long a server may take to accept a connection, and to answer while one is made.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// The longest packet before a log is sent.
pub(super) const ANSWER_BYTES: usize = 16 << 20;

/// Capabilities of the client protocol.
const LONG_PASSWORD: u32 = 0x1;
const LONG_FLAG: u32 = 0x4;
const PROTOCOL_41: u32 = 0x200;
const TLS: u32 = 0x800;
const TRANSACTIONS: u32 = 0x2000;
const SECURE_CONNECTION: u32 = 0x8000;
const PLUGIN_AUTH: u32 = 0x8_0000;
const WANTED: u32 = LONG_PASSWORD | LONG_FLAG | PROTOCOL_41 | TRANSACTIONS | SECURE_CONNECTION | PLUGIN_AUTH;
/// utf8mb4_general_ci.
const COLLATION: u8 = 45;

const NATIVE: &str = "mysql_native_password";
const SHA2: &str = "caching_sha2_password";

/// What a server says before it knows who is there.
struct Greeting {
    version: String,
    capabilities: u32,
    nonce: Vec<u8>,
    plugin: String,
}

impl Greeting {
    fn parse(packet: &[u8]) -> Result<Self, NativeError> {
        let what = "its greeting";
        let mut fields = Fields::of(packet, what);
        if fields.byte()? != 10 {
            return Err(NativeError::Protocol { what: "its greeting is not of protocol version 10" });
        }
        let version = String::from_utf8_lossy(fields.until_zero()).into_owned();
        fields.take(4)?;
        let mut nonce = fields.take(8)?.to_vec();
        fields.take(1)?;
        let low = fields.number(2)? as u32;
        fields.take(3)?;
        let capabilities = low | (fields.number(2)? as u32) << 16;
        let length = usize::from(fields.byte()?);
        fields.take(10)?;
        nonce.extend(fields.take(length.saturating_sub(8).max(13))?);
        if nonce.last() == Some(&0) {
            nonce.pop();
        }
        let plugin = String::from_utf8_lossy(fields.until_zero()).into_owned();
        Ok(Greeting { version, capabilities, nonce, plugin })
    }
}

/// A connection on which commands can be given, and the version the server calls itself.
pub(super) fn connect(options: &ConnectOptions, tls: &Tls) -> Result<(Wire, String), NativeError> {
    let address = options.to_string();
    let link = reach(options).map_err(|source| NativeError::Connect { address: address.clone(), source })?;
    link.wait_at_most(CONNECT_LIMIT)?;
    let mut wire = Wire::new(link);
    let packet = wire.receive(ANSWER_BYTES)?;
    if packet.first() == Some(&0xff) {
        let (code, message) = error_of(&packet);
        return Err(NativeError::Denied { address, code, message });
    }
    let greeting = Greeting::parse(&packet)?;
    if greeting.capabilities & PROTOCOL_41 == 0 || greeting.capabilities & PLUGIN_AUTH == 0 {
        return Err(NativeError::Protocol { what: "it is older than MySQL 5.5" });
    }
    let mut capabilities = WANTED;
    if *tls != Tls::Off && !wire.link().is_protected() {
        capabilities |= TLS;
        wire = protect(wire, tls, options, &greeting, capabilities)?;
    }
    introduce(&mut wire, options, &greeting, capabilities)?;
    Ok((wire, greeting.version))
}

fn reach(options: &ConnectOptions) -> io::Result<Link> {
    if let Some(socket) = &options.socket {
        return UnixStream::connect(socket).map(Link::Unix);
    }
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in (options.host(), options.port()).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_LIMIT) {
            Ok(stream) => {
                // What is acknowledged is waited for at the other side.
                stream.set_nodelay(true)?;
                return Ok(Link::Tcp(stream));
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The part of the introduction that is sent in clear.
fn head(capabilities: u32) -> Vec<u8> {
    let mut packet = capabilities.to_le_bytes().to_vec();
    packet.extend((1_u32 << 30).to_le_bytes());
    packet.push(COLLATION);
    packet.extend([0; 23]);
    packet
}

fn protect(
    mut wire: Wire,
    tls: &Tls,
    options: &ConnectOptions,
    greeting: &Greeting,
    capabilities: u32,
) -> Result<Wire, NativeError> {
    let refused = |reason: String| NativeError::Tls { address: options.to_string(), reason };
    if greeting.capabilities & TLS == 0 {
        return Err(refused("the server offers no TLS".to_owned()));
    }
    wire.send(&head(capabilities))?;
    wire.replace_link(|link| match link {
        Link::Tcp(stream) => match tls::protect(tls, options.host(), stream) {
            Ok(protected) => Ok(Link::Tls(protected)),
            Err(Unprotected::Lost(error)) => Err(error.into()),
            Err(Unprotected::Refused(reason)) => Err(refused(reason)),
        },
        other => Ok(other),
    })
}

fn introduce(
    wire: &mut Wire,
    options: &ConnectOptions,
    greeting: &Greeting,
    capabilities: u32,
) -> Result<(), NativeError> {
    // A server may prefer a plugin that is not known here for accounts it does not have. The account's own
    // comes in its answer.
    let plugin = if greeting.plugin == SHA2 { SHA2 } else { NATIVE };
    let password = options.password.as_ref();
    let proof = prove(plugin, &greeting.nonce, password)?;
    let mut packet = head(capabilities);
    packet.extend(options.user.as_deref().unwrap_or_default().bytes());
    packet.push(0);
    packet.push(proof.len() as u8);
    packet.extend(proof);
    packet.extend(plugin.bytes());
    packet.push(0);
    wire.send(&packet)?;
    answer(wire, options, password)
}

/// Answers until the server is content.
fn answer(wire: &mut Wire, options: &ConnectOptions, password: Option<&Secret>) -> Result<(), NativeError> {
    /// Of caching_sha2_password: the server knew the proof, or wants the password itself.
    const KNOWN: &[u8] = &[1, 3];
    const TELL: &[u8] = &[1, 4];
    // More than a server has reason to ask.
    for _ in 0..8 {
        let packet = wire.receive(ANSWER_BYTES)?;
        match packet.as_slice() {
            [0, ..] => return Ok(()),
            [0xff, ..] => {
                let (code, message) = error_of(&packet);
                return Err(NativeError::Denied { address: options.to_string(), code, message });
            }
            [0xfe, switch @ ..] => {
                let mut fields = Fields::of(switch, "its wish for another proof");
                let plugin = String::from_utf8_lossy(fields.until_zero()).into_owned();
                let nonce = fields.rest();
                let proof = prove(&plugin, nonce.strip_suffix(&[0]).unwrap_or(nonce), password)?;
                wire.send(&proof)?;
            }
            KNOWN => {}
            TELL => {
                if !wire.link().is_protected() {
                    return Err(NativeError::NeedsProtection);
                }
                let mut clear = password.map_or("", Secret::expose).as_bytes().to_vec();
                clear.push(0);
                wire.send(&clear)?;
            }
            _ => return Err(NativeError::Protocol { what: "it wants a proof that is not known here" }),
        }
    }
    Err(NativeError::Protocol { what: "it is not content with any proof" })
}

/// That the password is known, without telling it.
fn prove(plugin: &str, nonce: &[u8], password: Option<&Secret>) -> Result<Vec<u8>, NativeError> {
    let password = password.map_or("", Secret::expose).as_bytes();
    match plugin {
        NATIVE => Ok(scramble_native(nonce, password).map_or(Vec::new(), |proof| proof.to_vec())),
        SHA2 => Ok(scramble_sha256(nonce, password).map_or(Vec::new(), |proof| proof.to_vec())),
        // The server asks the system who is at the other end of its socket.
        "unix_socket" | "auth_socket" => Ok(Vec::new()),
        _ => Err(NativeError::UnknownPlugin { plugin: plugin.chars().take(64).collect() }),
    }
}
