//! Telling a server by HTTP POST. The address may hold a token: no message shows more of it than scheme and
//! host. Redirects are not followed, the answer's body is not read, and no proxy is used.

use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use ureq::http::Uri;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Error};
use xb_core::Secret;

use super::{Deadline, NoticeError, Remarks};

/// Pauses between the attempts; there is one attempt more than pauses.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];
/// Headers longer than this are no answer.
const HEADER_BYTES: usize = 16 * 1024;
/// Parts of an address shorter than this tell nothing and may stand anywhere.
const PART_CHARS: usize = 8;

/// An address and those parts of it that may be a token: to be masked wherever they are seen.
pub(crate) fn secrets_in(url: &Secret) -> Vec<Secret> {
    let text = url.expose();
    let behind = text.split_once("://").map_or(text, |(_, rest)| rest);
    let (authority, path) = behind.split_at(behind.find(['/', '?']).unwrap_or(behind.len()));
    let login = authority.rsplit_once('@').map(|(login, _)| login);
    let pieces = |text: &'static [char], whole: Option<&str>| -> Vec<String> {
        whole.into_iter().flat_map(|whole| whole.split(text)).map(str::to_owned).collect()
    };
    let single = [pieces(&[':'], login), pieces(&['/', '?', '&', '=', '#'], Some(path))].concat();
    let parts = login.into_iter().chain([path]).chain(single.iter().map(String::as_str));
    let parts = parts.filter(|part| part.chars().count() >= PART_CHARS);
    std::iter::once(text).chain(parts).map(Secret::new).collect()
}

/// What may be shown of an address.
fn place(uri: &Uri) -> String {
    let port = uri.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}", uri.scheme_str().unwrap_or_default(), uri.host().unwrap_or_default())
}

/// Whether another attempt may do better.
enum Failed {
    Maybe(String),
    Surely(String),
}

/// Sends `json`, up to three times as long as there is hope.
///
/// # Errors
/// [`NoticeError::Http`], [`NoticeError::TimedOut`].
pub(crate) fn post(url: &Secret, json: &str, deadline: Deadline) -> Result<Remarks, NoticeError> {
    /// Of what is wrong with it nothing more can be told without telling what it is.
    const NO_ADDRESS: NoticeError =
        NoticeError::Address("it is no address; it must begin with http:// or https:// and a host");
    let uri: Uri = url.expose().parse().map_err(|_| NO_ADDRESS)?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none() {
        return Err(NO_ADDRESS);
    }
    let agent = agent(&uri);
    let mut pauses = PAUSES.into_iter();
    loop {
        let reason = match attempt(&agent, &uri, json, deadline) {
            Ok(()) => return Ok(Vec::new()),
            Err(Failed::Surely(reason)) => return Err(NoticeError::Http { place: place(&uri), reason }),
            Err(Failed::Maybe(reason)) => reason,
        };
        let left = deadline.left().unwrap_or_default();
        match pauses.next().filter(|pause| *pause < left) {
            Some(pause) => std::thread::sleep(pause),
            None => return Err(NoticeError::Http { place: place(&uri), reason }),
        }
    }
}

fn agent(uri: &Uri) -> Agent {
    let is_https = uri.scheme_str() == Some("https");
    let found = if is_https { rustls_native_certs::load_native_certs().certs } else { Vec::new() };
    let roots = found.iter().map(|certificate| Certificate::from_der(certificate).to_owned());
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(roots.collect())))
        .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
        .build();
    Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .max_response_header_size(HEADER_BYTES)
        .proxy(None)
        .user_agent(concat!("pyxbackup/", env!("CARGO_PKG_VERSION")))
        .build()
        .into()
}

fn attempt(agent: &Agent, uri: &Uri, json: &str, deadline: Deadline) -> Result<(), Failed> {
    let left = deadline.left().map_err(|error| Failed::Surely(error.to_string()))?;
    let request = agent.post(uri).config().timeout_global(Some(left)).build();
    let answer = request.content_type("application/json").send(json);
    match answer.map(|answer| answer.status().as_u16()) {
        Ok(200..=299) => Ok(()),
        Ok(status @ (429 | 500..=599)) => Err(Failed::Maybe(format!("it answered with status {status}"))),
        Ok(status @ 300..=399) => Err(Failed::Surely(format!(
            "it answered with status {status}: redirects are not followed, set notify_url to where they lead"
        ))),
        Ok(status) => Err(Failed::Surely(format!("it answered with status {status}"))),
        Err(Error::Timeout(_)) => {
            Err(Failed::Surely(format!("no answer within {} s (notify_timeout)", deadline.seconds)))
        }
        Err(error @ (Error::Io(_) | Error::HostNotFound | Error::ConnectionFailed | Error::Protocol(_))) => {
            Err(Failed::Maybe(error.to_string()))
        }
        // Of an address it says the whole.
        Err(Error::BadUri(_)) => Err(Failed::Surely("its address cannot be used".into())),
        Err(error) => Err(Failed::Surely(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use xb_core::Masker;

    use super::*;

    #[test]
    fn no_part_of_an_address_that_may_be_a_token_is_seen() {
        let url = Secret::new("https://robot:hunter22@hooks.example.org/services/T0/xyzzy?key=1");
        let masker = Masker::new(secrets_in(&url));
        let seen = masker.mask("POST /services/T0/xyzzy?key=1 with robot:hunter22 to hooks.example.org");
        assert_eq!(seen, "POST *** with *** to hooks.example.org");
        assert_eq!(place(&url.expose().parse().unwrap()), "https://hooks.example.org");
    }

    #[test]
    fn an_address_of_another_kind_is_refused() {
        for url in ["ftp://example.org/x", "file:///etc/passwd", "/only/a/path", "secret token"] {
            let error = post(&Secret::new(url), "{}", Deadline::within(5)).unwrap_err().to_string();
            assert!(error.starts_with("it is no address") && !error.contains(url), "{error}");
        }
    }
}
