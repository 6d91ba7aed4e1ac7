//! A certificate made for a test, and servers that show it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Anything a conversation can be had over.
pub trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

/// A certificate for this machine's own addresses, signed by nobody else, with its key.
#[derive(Clone)]
pub struct Identity {
    config: Arc<ServerConfig>,
    pem: String,
}

impl Identity {
    /// A new one for `127.0.0.1` and `localhost`.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn new() -> Self {
        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        Identity { config: Arc::new(config), pem: made.cert.pem() }
    }

    /// Writes the certificate into `directory`, for who is to trust it.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn certificate(&self, directory: &Path) -> PathBuf {
        let path = directory.join("ca.pem");
        std::fs::write(&path, &self.pem).unwrap();
        path
    }

    /// Goes on over TLS. The handshake is made with the first bytes that are read.
    ///
    /// # Panics
    /// Never with a configuration of [`Identity::new`].
    #[must_use]
    pub fn protect(&self, stream: TcpStream) -> Box<dyn Stream> {
        Box::new(StreamOwned::new(ServerConnection::new(self.config.clone()).unwrap(), stream))
    }
}

impl Default for Identity {
    fn default() -> Self {
        Identity::new()
    }
}

/// A line without its end; none when the other side is gone.
pub fn read_line(stream: &mut dyn Stream) -> Option<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    while stream.read(&mut byte).ok()? == 1 {
        if byte[0] == b'\n' {
            let text = String::from_utf8_lossy(&line).into_owned();
            return Some(text.trim_end_matches('\r').to_owned());
        }
        line.push(byte[0]);
    }
    None
}

/// Keeps the connection open and says nothing more, until the other side is gone.
pub fn stall(stream: &mut dyn Stream) {
    while read_line(stream).is_some() {}
}
