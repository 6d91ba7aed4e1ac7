//! What is known of many servers.

use serde::Serialize;

/// The servers whose stores stand in one place.
#[derive(Clone, Debug, Serialize)]
pub struct Fleet<T> {
    /// The place.
    pub place: String,
    /// Each server, by name.
    pub servers: Vec<FleetServer<T>>,
}

/// One of them.
#[derive(Clone, Debug, Serialize)]
pub struct FleetServer<T> {
    /// The name of its directory or prefix.
    pub name: String,
    /// The address of its store.
    pub store: String,
    /// What is known of it.
    pub report: Option<T>,
    /// Why nothing is.
    pub error: Option<String>,
}
