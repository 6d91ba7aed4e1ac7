//! Protecting a connection.

use std::io;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme, StreamOwned,
};

/// Whether and how connections over the network are protected. A socket needs no protection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    /// Not at all.
    #[default]
    Off,
    /// Against those who listen, not against those who pose as the server: its certificate is not looked at.
    /// Servers make their own certificates, so this is all many can offer.
    Unverified,
    /// Against both: the server's certificate has to be for its host name, by someone trusted.
    Verified {
        /// The certificates to trust, a file in PEM form; those of the system when it is not given.
        ca: Option<PathBuf>,
    },
}

/// Why a connection could not be protected.
pub(super) enum Unprotected {
    /// It ended meanwhile, as connections do.
    Lost(io::Error),
    /// The two sides do not agree, or what is to be trusted cannot be read.
    Refused(String),
}

impl From<String> for Unprotected {
    fn from(reason: String) -> Self {
        Unprotected::Refused(reason)
    }
}

type Protected = Box<StreamOwned<ClientConnection, TcpStream>>;

/// Goes on over TLS.
pub(super) fn protect(tls: &Tls, host: &str, stream: TcpStream) -> Result<Protected, Unprotected> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let config = match tls {
        Tls::Verified { ca } => builder.with_root_certificates(trusted(ca.as_deref())?).with_no_client_auth(),
        Tls::Off | Tls::Unverified => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
            .with_no_client_auth(),
    };
    let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
    let connection = ClientConnection::new(Arc::new(config), name).map_err(|error| error.to_string())?;
    let mut protected = Box::new(StreamOwned::new(connection, stream));
    // Now, so that a certificate that is no good is told as such.
    while protected.conn.is_handshaking() {
        protected.conn.complete_io(&mut protected.sock).map_err(|error| match error.kind() {
            // What the TLS library has against what came.
            io::ErrorKind::InvalidData => Unprotected::Refused(error.to_string()),
            _ => Unprotected::Lost(error),
        })?;
    }
    Ok(protected)
}

fn trusted(ca: Option<&Path>) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    let Some(path) = ca else {
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(store);
    };
    let wrong =
        |error: &dyn std::fmt::Display| format!("cannot use the certificates in {}: {error}", path.display());
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(&error))? {
        let certificate = certificate.map_err(|error| wrong(&error))?;
        store.add(certificate).map_err(|error| wrong(&error))?;
    }
    if store.is_empty() { Err(wrong(&"there are none in it")) } else { Ok(store) }
}

/// Takes every certificate, and checks that the other side has its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
