//! What kind of failure an error is, so that a caller knows whether trying again can help.

use serde::Serialize;

/// The class of an error. Every error type of this project answers with one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ErrorClass {
    /// The same call will fail again until someone changes something.
    Permanent,
    /// The same call may succeed later.
    Transient,
    /// The caller asked to stop.
    Cancelled,
    /// A fault of this project.
    Bug,
}
