//! The address of a store, as it stands in a configuration.

use std::fmt;
use std::path::PathBuf;

/// Where a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreAddress {
    /// A directory of this machine: `/path`, or `file:///path`.
    Local(PathBuf),
    /// A directory of a host: `ssh://[user@]host[:port]/path`; `/~/path` is below the home directory.
    Ssh {
        /// The account, where it is given.
        user: Option<String>,
        /// The host, as ssh is given it.
        host: String,
        /// The port, where it is given.
        port: Option<u16>,
        /// The directory: absolute, or below the home directory.
        root: String,
    },
    /// Object storage: `s3://bucket/prefix`, `gs://…` or `az://…`.
    Object(String),
}

/// A text that is no address of a store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{address:?} is no address of a store: {reason}")]
pub struct AddressError {
    /// The text, without what may be a password.
    pub address: String,
    /// What is wrong, and what to write.
    pub reason: &'static str,
}

impl StoreAddress {
    /// The address above: of the directory the store stands in. None for a bucket, or for the root of a host.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        match self {
            StoreAddress::Local(path) => path.parent().map(|parent| StoreAddress::Local(parent.to_owned())),
            StoreAddress::Ssh { user, host, port, root } => {
                let (parent, name) = root.trim_end_matches('/').rsplit_once('/')?;
                let root = if parent.is_empty() { "/" } else { parent };
                let (user, host) = (user.clone(), host.clone());
                (!name.is_empty()).then(|| StoreAddress::Ssh {
                    user,
                    host,
                    port: *port,
                    root: root.to_owned(),
                })
            }
            StoreAddress::Object(text) => {
                let (parent, _) = text.rsplit_once('/')?;
                (!parent.ends_with('/')).then(|| StoreAddress::Object(parent.to_owned()))
            }
        }
    }

    /// The address of a directory in this one.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        let below = |root: &str| format!("{}/{name}", root.trim_end_matches('/'));
        match self {
            StoreAddress::Local(path) => StoreAddress::Local(path.join(name)),
            StoreAddress::Object(text) => StoreAddress::Object(below(text)),
            StoreAddress::Ssh { user, host, port, root } => {
                let (user, host) = (user.clone(), host.clone());
                StoreAddress::Ssh { user, host, port: *port, root: below(root) }
            }
        }
    }

    /// Reads an address.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let wrong = |reason| Err(AddressError { address: without_password(text), reason });
        let Some((scheme, rest)) = text.split_once("://") else {
            return if text.starts_with('/') {
                Ok(StoreAddress::Local(PathBuf::from(text)))
            } else {
                wrong(
                    "write an absolute path, or s3://bucket/prefix, gs://, az://, ssh://user@host/path, file:///path",
                )
            };
        };
        match scheme {
            "file" if rest.starts_with('/') => Ok(StoreAddress::Local(PathBuf::from(rest))),
            "file" => wrong("the path has to be absolute, with three slashes: file:///path"),
            "s3" | "gs" | "az" if rest.trim_matches('/').is_empty() => wrong("it names no bucket"),
            "s3" | "gs" | "az" if rest.contains(['?', '@', '#']) => {
                wrong("it is a bucket and a prefix; everything else is set by s3_endpoint and its like")
            }
            "s3" | "gs" | "az" => Ok(StoreAddress::Object(text.trim_end_matches('/').to_owned())),
            "ssh" => ssh(rest).or_else(wrong),
            _ => wrong("known are s3://, gs://, az://, ssh:// and file://"),
        }
    }
}

fn ssh(rest: &str) -> Result<StoreAddress, &'static str> {
    let (login, path) = rest.split_once('/').ok_or("a directory is missing: ssh://user@host/path")?;
    let (user, place) = match login.rsplit_once('@') {
        Some((user, place)) => (Some(user), place),
        None => (None, login),
    };
    if user.is_some_and(|user| user.contains(':')) {
        return Err("it holds a password, which ssh does not take: use a key");
    }
    let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map(|port| port.parse().map_err(|_| "the port is no number up to 65535")).transpose()?;
    if host.is_empty() || path.is_empty() {
        return Err("a host or a directory is missing: ssh://user@host/path");
    }
    let root = path.strip_prefix("~/").map_or_else(|| format!("/{path}"), str::to_owned);
    Ok(StoreAddress::Ssh { user: user.map(str::to_owned), host: host.to_owned(), port, root })
}

/// Who writes a password into an address by mistake does not find it in a log.
fn without_password(text: &str) -> String {
    match text.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?))) {
        Some((scheme, (login, rest))) if login.contains(':') => format!("{scheme}://***@{rest}"),
        _ => text.to_owned(),
    }
}

impl fmt::Display for StoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreAddress::Local(path) => path.display().fmt(f),
            StoreAddress::Object(text) => f.write_str(text),
            StoreAddress::Ssh { user, host, port, root } => {
                let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
                f.write_str("ssh://")?;
                user.as_ref().map_or(Ok(()), |user| write!(f, "{user}@"))?;
                f.write_str(&host)?;
                port.map_or(Ok(()), |port| write!(f, ":{port}"))?;
                let below_home = if root.starts_with('/') { "" } else { "/~/" };
                write!(f, "{below_home}{root}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_address_is_read_and_written_again() {
        for text in [
            "/mnt/a b",
            "s3://bucket/prefix/db1",
            "gs://bucket",
            "az://container/x",
            "ssh://host/srv/backups",
            "ssh://backup@host:2222/srv/back ups/$(x)",
            "ssh://[fe80::1]:22/srv",
            "ssh://host/~/below/home",
        ] {
            assert_eq!(StoreAddress::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(StoreAddress::parse("file:///srv/x").unwrap(), StoreAddress::Local("/srv/x".into()));
    }

    #[test]
    fn a_store_has_those_of_others_beside_it() {
        for (own, parent) in [
            ("s3://bucket/fleet/db1", Some("s3://bucket/fleet")),
            ("s3://bucket/db1", Some("s3://bucket")),
            ("s3://bucket", None),
            ("ssh://u@h:22/srv/db1", Some("ssh://u@h:22/srv")),
            ("ssh://h/db1", Some("ssh://h/")),
            ("/srv/db1", Some("/srv")),
        ] {
            let address = StoreAddress::parse(own).unwrap();
            assert_eq!(address.parent().map(|parent| parent.to_string()).as_deref(), parent);
            if let Some(parent) = address.parent() {
                assert_eq!(parent.child("db1"), address);
            }
        }
    }

    #[test]
    fn what_is_no_address_says_what_to_write() {
        let reason = |text: &str| StoreAddress::parse(text).unwrap_err().to_string();
        for (text, says) in [
            ("backups", "absolute path"),
            ("file://backups", "three slashes"),
            ("s3://", "no bucket"),
            ("s3://b/p?endpoint=x", "s3_endpoint"),
            ("ftp://host/x", "known are"),
            ("ssh://host", "a directory is missing"),
            ("ssh://host:x/y", "port"),
            ("ssh:///y", "host"),
        ] {
            assert!(reason(text).contains(says), "{}", reason(text));
        }
        let error = reason("ssh://root:hunter2@host/y");
        assert!(error.contains("use a key") && !error.contains("hunter2"), "{error}");
    }
}
