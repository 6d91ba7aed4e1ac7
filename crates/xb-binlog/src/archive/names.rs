//! What a file of an archive is, by its name.

use xb_core::BinlogName;
use xb_pipeline::single::FileForm;

use super::epoch::EpochNumber;

/// The file that makes a directory an epoch.
pub(crate) const EPOCH: &str = "epoch.json";
/// The file with the UUID of the server.
pub(crate) const OWNER: &str = "server-uuid";
/// What is behind the name of a file that is written, before it gets its own.
const TEMPORARY: &str = ".tmp";
/// How the directory of an epoch begins.
const EPOCH_PREFIX: &str = "epoch-";

/// What a file is to a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The log, closed.
    Log(FileForm),
    /// What is known of it.
    Entry,
    /// The log, as far as it has come.
    Partial,
    /// What a crash left behind its good part.
    Torn,
    /// A piece of it, elsewhere.
    Piece(Piece),
}

/// Bytes of a log that is not closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// The first one.
    pub(crate) from: u64,
    /// The one behind the last.
    pub(crate) to: u64,
    /// How it is stored.
    pub(crate) form: FileForm,
}

/// What a name is in the directory of an epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// A file of a log.
    OfLog(BinlogName, Role),
    /// The epoch's own: its record, its owner.
    OfEpoch,
    /// Something in the making. Nobody misses it.
    Temporary,
}

/// Tells what a file is; nothing of one that is not ours.
pub(crate) fn known(name: &str) -> Option<Known> {
    if matches!(name, EPOCH | OWNER) {
        return Some(Known::OfEpoch);
    }
    if name.starts_with('.') && name.ends_with(".upload") {
        return Some(Known::Temporary);
    }
    if let Some(made) = name.strip_suffix(TEMPORARY) {
        return known(made).map(|_| Known::Temporary);
    }
    let of = |log: &str, role| log_name(log).map(|log| Known::OfLog(log, role));
    if let Some(log) = name.strip_suffix(".json") {
        return of(log, Role::Entry);
    }
    if let Some(log) = name.strip_suffix(".partial") {
        return of(log, Role::Partial);
    }
    let (inner, form) = FileForm::split(name);
    if let Some((log, range)) = inner.rsplit_once(".part-") {
        let (from, to) = range.split_once('-')?;
        let (from, to) = (from.parse().ok()?, to.parse().ok()?);
        return of(log, Role::Piece(Piece { from, to, form }));
    }
    if let Some((log, offset)) = name.rsplit_once(".torn-") {
        return offset.parse::<u64>().ok().and_then(|_| of(log, Role::Torn));
    }
    of(inner, Role::Log(form))
}

/// The log of a name, if it is written as the server writes it.
fn log_name(text: &str) -> Option<BinlogName> {
    text.parse::<BinlogName>().ok().filter(|name| name.to_string() == text)
}

/// Where a log is once it is closed.
pub(crate) fn log_file(log: &BinlogName, form: FileForm) -> String {
    format!("{log}{}", form.suffix())
}

/// Where it is said what is known of a log.
pub(crate) fn entry_file(log: &BinlogName) -> String {
    format!("{log}.json")
}

/// Where a log is while it is not closed.
pub(crate) fn partial_file(log: &BinlogName) -> String {
    format!("{log}.partial")
}

/// Where a piece of a log is.
pub(crate) fn piece_file(log: &BinlogName, piece: Piece) -> String {
    format!("{log}.part-{}-{}{}", piece.from, piece.to, piece.form.suffix())
}

/// What a file is called until it is all there.
pub(crate) fn temporary_file(name: &str) -> String {
    format!("{name}{TEMPORARY}")
}

/// The directory of an epoch.
#[must_use]
pub(crate) fn epoch_directory(number: EpochNumber) -> String {
    format!("{EPOCH_PREFIX}{number:06}")
}

/// The epoch that has this directory.
pub(crate) fn epoch_number(directory: &str) -> Option<EpochNumber> {
    let number = directory.strip_prefix(EPOCH_PREFIX)?.parse().ok()?;
    (epoch_directory(number) == directory).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_tells_by_its_name_what_it_is() {
        let log: BinlogName = "mysql-bin.000007".parse().unwrap();
        for form in FileForm::all() {
            let is = Some(Known::OfLog(log.clone(), Role::Log(form)));
            assert_eq!(known(&log_file(&log, form)), is);
            let piece = Piece { from: 0, to: 12_345_678_901, form };
            assert_eq!(known(&piece_file(&log, piece)), Some(Known::OfLog(log.clone(), Role::Piece(piece))));
            assert_eq!(known(&temporary_file(&log_file(&log, form))), Some(Known::Temporary));
        }
        for (name, role) in [
            (entry_file(&log), Role::Entry),
            (partial_file(&log), Role::Partial),
            (format!("{log}.torn-120"), Role::Torn),
        ] {
            assert_eq!(known(&name), Some(Known::OfLog(log.clone(), role)));
        }
        assert_eq!(known("epoch.json"), Some(Known::OfEpoch));
        assert_eq!(known(".mysql-bin.000007.0123.upload"), Some(Known::Temporary));
        for stranger in
            ["README", "x.tmp", "mysql-bin.index", " a.000001", "a.000001.part-1", "a.000001.torn-x"]
        {
            assert_eq!(known(stranger), None, "{stranger}");
        }
    }

    #[test]
    fn epochs_have_six_digits_and_more_when_they_must() {
        assert_eq!(epoch_directory(7), "epoch-000007");
        assert_eq!(epoch_number("epoch-1000000"), Some(1_000_000));
        for other in ["epoch-7", "epoch-0000007", "epoch-", "epoch-x", "epochs"] {
            assert_eq!(epoch_number(other), None, "{other}");
        }
    }
}
