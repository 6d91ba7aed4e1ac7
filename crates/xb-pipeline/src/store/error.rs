//! What can go wrong with a store.

use std::io;

use xb_core::ErrorClass;

/// What kind of trouble it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// There is no such object, or no such store.
    Missing,
    /// It is there already.
    Exists,
    /// The store does not let us: credentials, rights, or a host key that is not the known one.
    Denied,
    /// It has no room left.
    Full,
    /// It cannot be reached, or the connection broke.
    Unreachable,
    /// It asks to come back later.
    Busy,
    /// What it gave or confirmed is not what it should be.
    Damaged,
    /// It cannot do this, or the address is of no use.
    Unsupported,
    /// Somebody asked to stop.
    Cancelled,
    /// Anything else.
    Other,
}

/// Something could not be done with a store.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{store}: cannot {action}{}: {reason}", path.as_deref().map(|path| format!(" {path:?}")).unwrap_or_default())]
pub struct StoreError {
    /// What kind of trouble it is.
    pub kind: StoreErrorKind,
    /// The address of the store, without secrets.
    pub store: String,
    /// What was tried: `read`, `write`, `list`, ...
    pub action: &'static str,
    /// On which object.
    pub path: Option<String>,
    /// Why not; and what to do, where that can be told. Holds no secret.
    pub reason: String,
}

impl StoreError {
    /// Whether trying again can help.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self.kind {
            StoreErrorKind::Unreachable | StoreErrorKind::Busy => ErrorClass::Transient,
            StoreErrorKind::Cancelled => ErrorClass::Cancelled,
            _ => ErrorClass::Permanent,
        }
    }

    /// The error of a store that travelled through an interface of the standard library; any other becomes one of
    /// `store`.
    #[must_use]
    pub fn from_io(error: io::Error, store: &str, action: &'static str) -> Self {
        error.downcast::<StoreError>().unwrap_or_else(|error| {
            let kind = match error.kind() {
                io::ErrorKind::NotFound => StoreErrorKind::Missing,
                io::ErrorKind::AlreadyExists => StoreErrorKind::Exists,
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => StoreErrorKind::Denied,
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreErrorKind::Full,
                io::ErrorKind::BrokenPipe
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::ConnectionRefused
                | io::ErrorKind::TimedOut
                | io::ErrorKind::UnexpectedEof => StoreErrorKind::Unreachable,
                _ => StoreErrorKind::Other,
            };
            StoreError { kind, store: store.to_owned(), action, path: None, reason: error.to_string() }
        })
    }
}

impl From<StoreError> for io::Error {
    fn from(error: StoreError) -> Self {
        let kind = match error.kind {
            StoreErrorKind::Missing => io::ErrorKind::NotFound,
            StoreErrorKind::Exists => io::ErrorKind::AlreadyExists,
            StoreErrorKind::Denied => io::ErrorKind::PermissionDenied,
            StoreErrorKind::Full => io::ErrorKind::StorageFull,
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_comes_back_out_of_an_io_error_as_what_it_was() {
        let error = StoreError {
            kind: StoreErrorKind::Busy,
            store: "s3://b/p".into(),
            action: "write",
            path: Some("full/a b".into()),
            reason: "slow down".into(),
        };
        assert_eq!(error.to_string(), "s3://b/p: cannot write \"full/a b\": slow down");
        let again = StoreError::from_io(error.into(), "other", "read");
        assert_eq!(
            (again.kind, again.store.as_str(), again.class()),
            (StoreErrorKind::Busy, "s3://b/p", ErrorClass::Transient)
        );
        let full = StoreError::from_io(io::ErrorKind::StorageFull.into(), "file:///x", "write");
        assert_eq!((full.kind, full.action), (StoreErrorKind::Full, "write"));
    }
}
