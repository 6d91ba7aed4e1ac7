//! Reports as people and programs read them. Pure: text out of values, no printing.

pub(crate) mod archive;
pub(crate) mod backup;
pub(crate) mod binlogs;
pub(crate) mod blocks;
pub(crate) mod keep;
pub(crate) mod lines;
pub(crate) mod prometheus;
pub(crate) mod restore;
pub(crate) mod status;
pub(crate) mod table;
pub(crate) mod units;
pub(crate) mod verdict;

use serde::Serialize;

use crate::error::CliError;

/// A value as JSON for people to look at and programs to read.
pub(crate) fn json(value: &impl Serialize) -> Result<String, CliError> {
    let text = serde_json::to_string_pretty(value).map_err(|error| CliError::Internal(error.to_string()))?;
    Ok(text + "\n")
}
