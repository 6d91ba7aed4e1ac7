//! What a store answered, as a kind of trouble and words that say what to do.

use std::error::Error as StdError;

use object_store::Error;
use object_store::client::HttpError;

use crate::store::StoreErrorKind;

/// What went wrong with one request.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    pub(super) kind: StoreErrorKind,
    pub(super) reason: String,
    /// What the store calls it, such as `AccessDenied`; empty if it says nothing.
    pub(super) code: String,
}

/// The longest message of a store that is passed on, in characters.
const LONGEST: usize = 300;

impl Trouble {
    pub(super) fn new(kind: StoreErrorKind, reason: impl Into<String>) -> Self {
        Trouble { kind, reason: reason.into(), code: String::new() }
    }

    /// Whether the same request may do well a moment later.
    pub(super) fn is_transient(&self) -> bool {
        matches!(self.kind, StoreErrorKind::Unreachable | StoreErrorKind::Busy)
    }

    /// What `error` means.
    pub(super) fn of(error: &Error) -> Self {
        let text = sources(error).fold(error.to_string(), |text, source| format!("{text}: {source}"));
        let code = between(&text, "<Code>", "</Code>").or_else(|| between(&text, "(code: ", ")"));
        let code = code.unwrap_or_default().to_owned();
        let kind = kind_of(error, &text, &code);
        let said = between(&text, "<Message>", "</Message>")
            .or_else(|| {
                between(&text, "request failed for key ", " (code: ")
                    .and_then(|t| t.split_once(": ").map(|t| t.1))
            })
            .map(str::to_owned)
            .or_else(|| {
                between(&text, "status code: ", ":").map(|status| format!("the store answers {status}"))
            })
            .or_else(|| innermost(error))
            .unwrap_or_else(|| text.clone());
        let mut reason = plain(&said);
        if !code.is_empty() && !reason.contains(&code) {
            reason = format!("{reason} ({code})");
        }
        if let Some(remedy) = remedy(kind, &text, &code) {
            reason = format!("{reason}; {remedy}");
        }
        Trouble { kind, reason, code }
    }

    /// Whether a store that refuses so keeps what was to go, by a lock or for want of a right.
    pub(super) fn is_refusal(&self) -> bool {
        let codes =
            ["AccessDenied", "ObjectLocked", "InvalidRequest", "MethodNotAllowed", "AllAccessDisabled"];
        codes.contains(&self.code.as_str())
            || self.code.contains("Retention")
            || self.code.contains("Immutable")
            || (self.kind == StoreErrorKind::Denied && self.code.is_empty())
    }
}

fn kind_of(error: &Error, text: &str, code: &str) -> StoreErrorKind {
    match code {
        "NoSuchBucket" | "NoSuchKey" | "NoSuchUpload" | "ContainerNotFound" | "BlobNotFound" => {
            return StoreErrorKind::Missing;
        }
        "SlowDown"
        | "ServiceUnavailable"
        | "InternalError"
        | "Throttling"
        | "ThrottlingException"
        | "RequestTimeout"
        | "ServerBusy"
        | "OperationAborted"
        | "ConditionalRequestConflict"
        | "TooManyRequests" => return StoreErrorKind::Busy,
        "AccessDenied"
        | "RequestTimeTooSkewed"
        | "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "ExpiredToken"
        | "InvalidToken"
        | "TokenRefreshRequired"
        | "AllAccessDisabled"
        | "NotSignedUp"
        | "AuthorizationHeaderMalformed"
        | "RequestExpired" => return StoreErrorKind::Denied,
        "QuotaExceeded" | "XMinioStorageFull" | "InsufficientCapacity" => return StoreErrorKind::Full,
        "NotImplemented" | "KeyTooLongError" | "EntityTooLarge" => return StoreErrorKind::Unsupported,
        "BadDigest" | "XAmzContentSHA256Mismatch" | "XAmzContentChecksumMismatch" | "InvalidDigest" => {
            return StoreErrorKind::Busy;
        }
        _ => (),
    }
    let by_text = match () {
        () if is_about_certificate(text) => Some(StoreErrorKind::Denied),
        () if text.contains("incorrectly configured region") => Some(StoreErrorKind::Unsupported),
        () if ["code: 500", "code: 502", "code: 503", "code: 504", "code: 429", "code: 408"]
            .iter()
            .any(|status| text.contains(status)) =>
        {
            Some(StoreErrorKind::Busy)
        }
        () if text.contains("code: 507") => Some(StoreErrorKind::Full),
        () => None,
    };
    by_text.unwrap_or_else(|| match error {
        Error::NotFound { .. } => StoreErrorKind::Missing,
        Error::AlreadyExists { .. } => StoreErrorKind::Exists,
        Error::Precondition { .. } | Error::NotModified { .. } => StoreErrorKind::Damaged,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => StoreErrorKind::Denied,
        Error::NotSupported { .. } | Error::NotImplemented { .. } => StoreErrorKind::Unsupported,
        _ if is_of_the_network(error) => StoreErrorKind::Unreachable,
        _ => StoreErrorKind::Other,
    })
}

fn is_about_certificate(text: &str) -> bool {
    ["invalid peer certificate", "UnknownIssuer", "certificate verify", "NotValidForName"]
        .iter()
        .any(|words| text.contains(words))
}

fn sources(error: &Error) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    let first = error.source();
    std::iter::successors(first, |error: &&(dyn StdError + 'static)| (*error).source())
}

/// Whether there was no whole answer; the library's own kinds for it do not matter, the next may come through.
fn is_of_the_network(error: &Error) -> bool {
    sources(error).any(<dyn StdError>::is::<HttpError>)
}

/// What lies at the bottom, for errors of the network.
fn innermost(error: &Error) -> Option<String> {
    is_of_the_network(error).then(|| sources(error).last().map(ToString::to_string)).flatten()
}

/// What the user can do.
fn remedy(kind: StoreErrorKind, text: &str, code: &str) -> Option<String> {
    Some(match code {
        "RequestTimeTooSkewed" | "RequestExpired" => {
            "set the clock of this machine: its time is too far from that of the store".to_owned()
        }
        "AuthorizationHeaderMalformed" | "PermanentRedirect" => match between(text, "<Region>", "</Region>") {
            Some(region) => format!("set the region to {}", plain(region)),
            None => "set the region of the bucket".to_owned(),
        },
        "ExpiredToken" | "TokenRefreshRequired" => "get new keys".to_owned(),
        "NoSuchBucket" => "make the bucket, or correct its name or the endpoint".to_owned(),
        "EntityTooLarge" => "the object is larger than the store allows".to_owned(),
        _ if text.contains("incorrectly configured region") => "set the region of the bucket".to_owned(),
        _ if is_about_certificate(text) => {
            "the certificate of the endpoint is not one this machine trusts: name its authority with a file of \
             certificates, or correct the endpoint"
                .to_owned()
        }
        _ if kind == StoreErrorKind::Unreachable && text.contains("dns error") => {
            "the name of the endpoint's host is not known: correct the endpoint or the region".to_owned()
        }
        _ => return None,
    })
}

fn between<'a>(text: &'a str, before: &str, behind: &str) -> Option<&'a str> {
    let rest = &text[text.find(before)? + before.len()..];
    rest.find(behind).map(|end| &rest[..end])
}

/// One line that is not too long.
fn plain(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect();
    line.trim().trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generic(text: &str) -> Trouble {
        Trouble::of(&Error::Generic { store: "S3", source: text.into() })
    }

    fn answer(code: &str) -> String {
        format!(
            "Error performing PUT http://h/b/k in 3ms - Server returned non-2xx status code: 403 Forbidden: \
             <?xml?><Error><Code>{code}</Code><Message>It is so.</Message><Region>eu-9</Region>\
             <AWSAccessKeyId>hidden</AWSAccessKeyId></Error>"
        )
    }

    #[test]
    fn what_a_store_says_gets_a_kind_and_a_remedy() {
        for (code, kind, part) in [
            ("RequestTimeTooSkewed", StoreErrorKind::Denied, "set the clock"),
            ("AuthorizationHeaderMalformed", StoreErrorKind::Denied, "set the region to eu-9"),
            ("InvalidAccessKeyId", StoreErrorKind::Denied, "It is so (InvalidAccessKeyId)"),
            ("NoSuchBucket", StoreErrorKind::Missing, "make the bucket"),
            ("SlowDown", StoreErrorKind::Busy, "It is so"),
            ("XMinioStorageFull", StoreErrorKind::Full, "It is so"),
            ("Strange", StoreErrorKind::Other, "It is so (Strange)"),
        ] {
            let trouble = generic(&answer(code));
            assert_eq!(trouble.kind, kind, "{code}");
            assert!(
                trouble.reason.contains(part) && !trouble.reason.contains("hidden"),
                "{}",
                trouble.reason
            );
        }
    }

    #[test]
    fn a_status_without_words_is_enough() {
        let busy = generic("Server returned non-2xx status code: 503 Service Unavailable: ");
        assert!(busy.is_transient());
        assert_eq!(generic("invalid peer certificate: UnknownIssuer").kind, StoreErrorKind::Denied);
    }

    #[test]
    fn refusals_of_a_bulk_removal_are_told_from_troubles() {
        let text = "DeleteObjects request failed for key a: b: Access Denied (code: AccessDenied)";
        let refusal = generic(text);
        assert!(refusal.is_refusal() && !refusal.is_transient());
        assert!(refusal.reason.contains("Access Denied"), "{}", refusal.reason);
        assert!(!generic(&answer("InvalidAccessKeyId")).is_refusal());
    }
}
