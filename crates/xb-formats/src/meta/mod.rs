//! The small files an engine leaves beside the data, and the lines it logs.
//!
//! Parsers of text that several tools wrote in many versions. They take what is there: unknown keys are kept,
//! missing ones are `None`; an error only where going on would mean to guess.

pub mod backup_meta;
pub mod binlog_info;
pub mod checkpoints;
pub mod galera_info;
pub mod info;
pub mod log;
pub mod names;
pub mod slave_info;

mod pairs;

/// A metadata file cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {file}, line {line}: {problem} ({text:?})")]
pub struct MetaError {
    /// Which kind of file, by the name the first tools gave it.
    pub file: &'static str,
    /// The line, from 1; 0 when it is about the file as a whole.
    pub line: usize,
    /// What stands there, cut to a readable length.
    pub text: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl MetaError {
    fn new(file: &'static str, line: usize, text: &str, problem: &'static str) -> Self {
        MetaError { file, line, text: text.chars().take(120).collect(), problem }
    }

    /// Whether trying again can help. It cannot: the same text fails in the same way.
    #[must_use]
    pub fn class(&self) -> xb_core::ErrorClass {
        xb_core::ErrorClass::Permanent
    }
}
