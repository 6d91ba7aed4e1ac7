//! Where in an archive a backup stands.

use chrono::{DateTime, Utc};
use xb_core::gtid::GtidSet;
use xb_core::{BinlogCoord, Flavor};

use super::error::RecoverError;
use super::scan::{Piece, pieces};
use super::transaction::ReadingLimits;
use crate::archive::{Epoch, EpochNumber, LogEntry, Logs, Picture, Place};

/// Where a backup stands, as far as its engine says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// The place in the server's log.
    pub coord: Option<BinlogCoord>,
    /// All that was committed.
    pub gtids: Option<GtidSet>,
    /// The server's UUID, which MariaDB does not have.
    pub server_uuid: Option<String>,
    /// Whose server it was.
    pub flavor: Flavor,
    /// When the backup ended.
    pub ended: Option<DateTime<Utc>>,
    /// The epoch it is in, where the user says so.
    pub epoch: Option<EpochNumber>,
}

/// Clocks of two machines may differ by so much.
const CLOCKS_DIFFER_SECONDS: i64 = 600;

/// A place that may be it.
struct Fit {
    place: Place,
    /// Whether what was committed there is what the backup has.
    by_gtid: bool,
    same_server: bool,
    /// Whether all before it was committed when the backup ended.
    in_time: bool,
    /// Whether its log was the server's when the backup ended.
    is_current: bool,
}

/// Finds the place of a backup. The coordinate is looked up by the name of its log, has to be between two
/// transactions, and what is committed there has to be what the backup has. A backup that only knows its
/// GTIDs is found by these.
///
/// # Errors
/// [`RecoverError::NoBase`], which says why not, [`RecoverError::AmbiguousBase`], and what reading gives.
pub fn find_base(picture: &Picture, logs: &dyn Logs, base: &Base) -> Result<Place, RecoverError> {
    let mut reasons = Vec::new();
    let mut fits = Vec::new();
    for epoch in picture.epochs.iter().filter(|epoch| base.epoch.is_none_or(|n| n == epoch.record.number)) {
        let number = epoch.record.number;
        let is_maria = |flavor| flavor == Flavor::MariaDb;
        if is_maria(epoch.record.server.flavor) != is_maria(base.flavor) {
            reasons.push(format!("epoch {number} is of another kind of server"));
            continue;
        }
        match in_epoch(epoch, logs, base)? {
            Ok(fit) => fits.push(Fit { is_current: was_current(picture, epoch, &fit, base), ..fit }),
            Err(reason) => reasons.extend(reason.map(|reason| format!("epoch {number}: {reason}"))),
        }
    }
    choose(fits).map_err(|places| match places.is_empty() {
        true => RecoverError::NoBase { wanted: wanted(base), has: contents(picture), reasons },
        false => RecoverError::AmbiguousBase { places },
    })
}

/// Whether a log was begun when the backup ended, and not yet thrown away by the server to begin anew.
fn was_current(picture: &Picture, epoch: &Epoch, fit: &Fit, base: &Base) -> bool {
    let Some(ended) = base.ended.map(|ended| ended.timestamp()) else { return true };
    let (record, begun) = (&epoch.record, |log: &LogEntry| log.begun.map(i64::from));
    let is_begun = epoch.log(&fit.place.at.file).and_then(begun).is_none_or(|begun| begun <= ended);
    let replaces = |other: &&Epoch| {
        let uuids = other.record.server.uuid.as_ref().zip(record.server.uuid.as_ref());
        let same = other.record.server.server_id == record.server.server_id
            && uuids.is_none_or(|(other, own)| other == own);
        let first = other.logs.first().and_then(begun);
        same && other.record.number > record.number && first.is_some_and(|begun| begun < ended)
    };
    is_begun && !picture.epochs.iter().any(|other| replaces(&other))
}

fn wanted(base: &Base) -> String {
    match (&base.coord, &base.gtids) {
        (Some(coord), Some(gtids)) => format!("{coord} (GTID {gtids})"),
        (Some(coord), None) => coord.to_string(),
        (None, Some(gtids)) => format!("GTID {gtids}"),
        (None, None) => "a place it does not say".to_owned(),
    }
}

/// The logs of an archive, in a few words.
pub(super) fn contents(picture: &Picture) -> String {
    let one = |epoch: &Epoch| {
        let (first, last) = (epoch.logs.first()?, epoch.logs.last()?);
        let number = epoch.record.number;
        Some(format!("epoch {number}: {} to {}:{}", first.name, last.name, last.size_bytes))
    };
    let all: Vec<String> = picture.epochs.iter().filter_map(one).collect();
    if all.is_empty() { "no logs".to_owned() } else { all.join(", ") }
}

/// The better kind of proof first; of several places that are equally good, none.
fn choose(fits: Vec<Fit>) -> Result<Place, Vec<Place>> {
    let tests: [fn(&Fit) -> bool; 4] =
        [|fit| fit.by_gtid, |fit| fit.same_server, |fit| fit.in_time, |fit| fit.is_current];
    let mut left = fits;
    for test in tests {
        if left.len() > 1 && left.iter().any(test) {
            left.retain(test);
        }
    }
    match left.as_slice() {
        [only] => Ok(only.place.clone()),
        _ => Err(left.into_iter().map(|fit| fit.place).collect()),
    }
}

/// The place in an epoch, or why there is none: nothing where no log comes into question.
type Looked = Result<Fit, Option<String>>;

fn in_epoch(epoch: &Epoch, logs: &dyn Logs, base: &Base) -> Result<Looked, RecoverError> {
    match (&base.coord, &base.gtids) {
        (Some(coord), _) => match epoch.log(&coord.file) {
            None => Ok(Err(None)),
            Some(log) if log.size_bytes < coord.position => {
                Ok(Err(Some(format!("{} has only {} bytes", log.name, log.size_bytes))))
            }
            Some(log) => at_coordinate(epoch, log, logs, base, coord.position),
        },
        (None, Some(gtids)) => by_gtids(epoch, logs, gtids),
        (None, None) => Ok(Err(None)),
    }
}

/// What is committed at a place, the place in bytes, and the time of the last transaction before it.
type Standing = (Option<GtidSet>, u64, Option<DateTime<Utc>>);

/// What is committed at a place of a log: as far as its pieces go before `stop` says to stop.
fn read_to(
    epoch: &Epoch,
    log: &LogEntry,
    logs: &dyn Logs,
    mut stop: impl FnMut(&Piece, Option<&GtidSet>) -> bool,
) -> Result<Standing, RecoverError> {
    let number = epoch.record.number;
    let mut state = log.gtids_before.clone();
    let (mut end, mut last) = (xb_formats::binlog::FIRST_EVENT, None);
    for piece in pieces(logs.read(number, &log.name)?, ReadingLimits::default()) {
        let piece =
            piece.map_err(|source| RecoverError::Read { epoch: number, log: log.name.clone(), source })?;
        if stop(&piece, state.as_ref()) {
            break;
        }
        end = piece.range().1;
        if let Piece::Transaction(summary) = &piece {
            last = Some(summary.time);
            if let (Some(state), Some(gtid)) = (&mut state, &summary.gtid) {
                state.add(gtid);
            }
        }
    }
    Ok((state, end, last))
}

fn at_coordinate(
    epoch: &Epoch,
    log: &LogEntry,
    logs: &dyn Logs,
    base: &Base,
    position: u64,
) -> Result<Looked, RecoverError> {
    let mut inside = None;
    let (state, _, last) = read_to(epoch, log, logs, |piece, _| {
        let (begin, end) = piece.range();
        inside = inside.or((begin < position && position < end).then_some((begin, end)));
        begin >= position || inside.is_some()
    })?;
    if let Some((begin, end)) = inside {
        let reason =
            format!("{position} is no place between two transactions in {}, {begin} and {end} are", log.name);
        return Ok(Err(Some(reason)));
    }
    let is_younger = log
        .begun
        .zip(base.ended)
        .is_some_and(|(begun, ended)| i64::from(begun) > ended.timestamp() + CLOCKS_DIFFER_SECONDS);
    if is_younger {
        let reason = format!("{} was begun after the backup had ended: it is of another time", log.name);
        return Ok(Err(Some(reason)));
    }
    let by_gtid = match (&state, &base.gtids) {
        (Some(state), Some(gtids)) if !agree(state, gtids) => {
            return Ok(Err(Some(format!("{} is committed at that place", shown(state)))));
        }
        (Some(_), Some(_)) => true,
        _ => false,
    };
    let uuids = epoch.record.server.uuid.as_ref().zip(base.server_uuid.as_ref());
    if let Some((own, wanted)) = uuids.filter(|(own, wanted)| own != wanted && !by_gtid) {
        return Ok(Err(Some(format!("its logs are of the server {own}, the backup of {wanted}"))));
    }
    let same_server = uuids.is_some_and(|(own, wanted)| own == wanted);
    let in_time = base.ended.is_none_or(|ended| last.is_none_or(|last| last <= ended));
    let at = BinlogCoord { file: log.name.clone(), position };
    let place = Place { epoch: epoch.record.number, at };
    Ok(Ok(Fit { place, by_gtid, same_server, in_time, is_current: true }))
}

fn shown(state: &GtidSet) -> String {
    if state.is_empty() { "nothing".to_owned() } else { format!("GTID {state}") }
}

/// Whether a backup has what is committed at a place. Of MariaDB it may have domains that are in no log of
/// the server, from a time when it was a replica without a log.
fn agree(state: &GtidSet, backup: &GtidSet) -> bool {
    match (state, backup) {
        (GtidSet::MariaDb(state), GtidSet::MariaDb(backup)) => {
            state.iter().all(|(domain, server, sequence)| backup.get(domain) == Some((server, sequence)))
        }
        _ => state == backup,
    }
}

/// Where everything is committed that the backup has: MariaDB exactly that; of MySQL, more may be left out
/// behind it.
fn by_gtids(epoch: &Epoch, logs: &dyn Logs, gtids: &GtidSet) -> Result<Looked, RecoverError> {
    let leads_there = |log: &&LogEntry| {
        let begins = log.gtids_before.as_ref().is_some_and(|before| gtids.includes(before));
        let goes_behind =
            log.gtids_at_end.as_ref().is_none_or(|end| !gtids.includes(end) || agree(end, gtids));
        begins && goes_behind
    };
    let Some(log) = epoch.logs.iter().find(leads_there) else {
        return Ok(Err(Some("no log begins before these transactions and ends behind them".to_owned())));
    };
    let (state, end, _) = read_to(epoch, log, logs, |piece, state| match (piece, gtids) {
        (Piece::Transaction(summary), GtidSet::MySql(_)) => {
            summary.gtid.as_ref().is_none_or(|gtid| !gtids.contains(gtid))
        }
        (Piece::Transaction(_), GtidSet::MariaDb(_)) => state.is_some_and(|state| agree(state, gtids)),
        (Piece::Between { .. }, _) => false,
    })?;
    if !state.as_ref().is_some_and(|state| agree(state, gtids) || matches!(gtids, GtidSet::MySql(_))) {
        return Ok(Err(Some(format!("{} passes these transactions by", log.name))));
    }
    let at = BinlogCoord { file: log.name.clone(), position: end };
    let place = Place { epoch: epoch.record.number, at };
    Ok(Ok(Fit { place, by_gtid: true, same_server: true, in_time: true, is_current: true }))
}
