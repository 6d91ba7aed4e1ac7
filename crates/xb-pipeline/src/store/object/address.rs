//! The address of an object store: `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`.
//!
//! The prefix is taken letter by letter. Behind a `?` the service can be named: `?endpoint=URL`, `?region=NAME`,
//! joined by `&`; what stands there goes before all other settings.

use crate::store::StorePath;

/// Whose interface a store speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    S3,
    Google,
    Azure,
}

/// A parsed address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) service: Service,
    pub(super) bucket: String,
    /// Without slashes around it; empty for the whole bucket.
    pub(super) prefix: String,
    pub(super) endpoint: Option<String>,
    pub(super) region: Option<String>,
}

impl Address {
    /// Tells in words what is wrong; the words hold nothing that stands before an `@`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").ok_or("an address begins with s3://, gs:// or az://")?;
        let service = match scheme {
            "s3" => Service::S3,
            "gs" => Service::Google,
            "az" => Service::Azure,
            _ => return Err(format!("{scheme}:// is no object store; these are s3://, gs:// and az://")),
        };
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        if bucket.contains('@') {
            return Err("no keys belong into an address: give them as settings or in the environment".into());
        }
        let may_be = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if bucket.is_empty() || !bucket.chars().all(may_be) {
            return Err(format!("{bucket:?} is no name of a bucket"));
        }
        let prefix = prefix.trim_matches('/');
        if !prefix.is_empty() {
            StorePath::parse(prefix).map_err(|error| error.to_string())?;
        }
        let (bucket, prefix) = (bucket.to_owned(), prefix.to_owned());
        let mut address = Address { service, bucket, prefix, endpoint: None, region: None };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("endpoint", value)) if !value.is_empty() => address.endpoint = Some(value.to_owned()),
                Some(("region", value)) if !value.is_empty() => address.region = Some(value.to_owned()),
                _ => {
                    let key = pair.split('=').next().unwrap_or_default();
                    return Err(format!("{key:?} behind the ? is not known; these are endpoint and region"));
                }
            }
        }
        Ok(address)
    }

    /// The address for messages, with the endpoint at which it was found to stand.
    pub(super) fn written(&self, endpoint: Option<&str>) -> String {
        let scheme = match self.service {
            Service::S3 => "s3",
            Service::Google => "gs",
            Service::Azure => "az",
        };
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        let endpoint = endpoint.map(|url| format!("?endpoint={url}")).unwrap_or_default();
        format!("{scheme}://{}{slash}{}{endpoint}", self.bucket, self.prefix)
    }
}

/// Whether an endpoint may be used: with TLS, or on this machine, or as the user allows.
pub(super) fn check_endpoint(url: &str, allow_http: bool) -> Result<(), String> {
    let (is_plain, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => (false, rest),
        (_, Some(rest)) => (true, rest),
        _ => return Err(format!("the endpoint {} begins with neither https:// nor http://", shown(url))),
    };
    let authority = rest.split('/').next().unwrap_or_default();
    if authority.contains('@') {
        return Err("no keys belong into an endpoint: give them as settings or in the environment".into());
    }
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    if host.is_empty() || rest.contains(['?', '#']) {
        return Err(format!("{url:?} is no endpoint: it is to be https://HOST[:PORT]"));
    }
    let is_loopback = host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    if is_plain && !is_loopback && !allow_http {
        return Err(format!(
            "the endpoint {url} goes without TLS: everyone on the way could read the backup; use https://, or allow \
             http expressly"
        ));
    }
    Ok(())
}

/// A URL without what may be a password.
fn shown(url: &str) -> String {
    format!("{:?}", url.rsplit('@').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_letter_by_letter() {
        let address = Address::parse("s3://b-1.x/a b/100%/ü/").unwrap();
        assert_eq!((address.bucket.as_str(), address.prefix.as_str()), ("b-1.x", "a b/100%/ü"));
        assert_eq!(address.written(None), "s3://b-1.x/a b/100%/ü");
        let address = Address::parse("gs://b").unwrap();
        assert_eq!((address.service, address.prefix.as_str()), (Service::Google, ""));
        let address = Address::parse("s3://b/p?endpoint=http://[::1]:9/&region=eu-1").unwrap();
        assert_eq!(address.endpoint.as_deref(), Some("http://[::1]:9/"));
        assert_eq!(address.region.as_deref(), Some("eu-1"));
        let again = address.written(address.endpoint.as_deref());
        assert_eq!(Address::parse(&again).unwrap().endpoint, address.endpoint);
    }

    #[test]
    fn a_wrong_address_is_told_without_what_may_be_secret() {
        for (text, part) in [
            ("bucket/x", "begins with"),
            ("ftp://b", "no object store"),
            ("s3://", "no name"),
            ("s3:///p", "no name"),
            ("s3://b/a//b", "no path"),
            ("s3://b/../c", "no path"),
            ("s3://b?versioning=1", "versioning"),
            ("s3://key:hidden@b/p", "no keys"),
        ] {
            let error = Address::parse(text).unwrap_err();
            assert!(error.contains(part) && !error.contains("hidden"), "{text}: {error}");
        }
    }

    #[test]
    fn only_loopback_goes_without_tls_unless_allowed() {
        for url in ["https://h", "http://127.0.0.1:9000", "http://[::1]:9000/x", "http://localhost"] {
            assert_eq!(check_endpoint(url, false), Ok(()), "{url}");
        }
        for url in ["http://h", "http://127.0.0.1.example.org", "h:9000", "http://", "https://u:hidden@h"] {
            let error = check_endpoint(url, false).unwrap_err();
            assert!(!error.contains("hidden"), "{error}");
        }
        assert_eq!(check_endpoint("http://minio:9000", true), Ok(()));
    }
}
