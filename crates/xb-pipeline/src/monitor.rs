//! What a flow tells while it runs. The library never prints: whoever runs it decides what becomes of this.

/// What a run is busy with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Asking server, tools and store for facts.
    Probe,
    /// The engine copies, we check, compress and store.
    Backup,
    /// What was stored reaches the disk and is committed.
    Commit,
    /// An archive is looked through.
    Read,
    /// A stored backup is unpacked.
    Extract,
    /// An archive becomes one of another form.
    Convert,
    /// Files are copied.
    Copy,
    /// The engine applies its redo log.
    Prepare,
    /// What is no longer kept goes.
    Prune,
    /// Binary logs are streamed.
    Stream,
    /// Binary logs are replayed.
    Replay,
}

impl Phase {
    /// The word shown to people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Phase::Probe => "probe",
            Phase::Backup => "backup",
            Phase::Commit => "commit",
            Phase::Read => "read",
            Phase::Extract => "extract",
            Phase::Convert => "convert",
            Phase::Copy => "copy",
            Phase::Prepare => "prepare",
            Phase::Prune => "prune",
            Phase::Stream => "stream",
            Phase::Replay => "replay",
        }
    }
}

/// Receives what a flow tells. Called from several threads.
pub trait Monitor: Send + Sync {
    /// A phase begins; `total_bytes` is what it expects to move, as far as that is known.
    fn phase(&self, phase: Phase, what: &str, total_bytes: Option<u64>) {
        let _ = (phase, what, total_bytes);
    }

    /// This many more bytes of the phase are done.
    fn advance(&self, bytes: u64) {
        let _ = bytes;
    }

    /// Something worth a line in any case.
    fn info(&self, text: &str) {
        let _ = text;
    }

    /// Something the user should mend.
    fn warn(&self, text: &str) {
        let _ = text;
    }

    /// Something for who looks for a fault: commands run, decisions taken. Secrets are masked.
    fn debug(&self, text: &str) {
        let _ = text;
    }

    /// One line that a child wrote, secrets masked.
    fn child_line(&self, program: &str, line: &str) {
        let _ = (program, line);
    }
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Monitor for Silent {}
