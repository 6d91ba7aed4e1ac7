//! What was in an archive and is not there any more, as far as its streamer noted.

use xb_formats::binlog::FIRST_EVENT;

use crate::archive::{EpochNumber, LogFault, Picture};
use crate::state::StreamerState;

/// The log whose end a streamer had on the disk and that is gone or shorter now, and its epoch.
#[must_use]
pub fn lost(state: &StreamerState, picture: &Picture) -> Option<(EpochNumber, LogFault)> {
    let (epoch, at) = state.epoch.zip(state.synced.as_ref())?;
    let end = match picture.epoch(epoch) {
        Some(own) => own.end(),
        // Nobody needed it any more.
        None if picture.epochs.iter().any(|own| own.record.number > epoch) => return None,
        None => None,
    };
    // A log of which nothing was written yet need not be there.
    if at.position <= FIRST_EVENT || end.as_ref().is_some_and(|end| end >= at) {
        return None;
    }
    let here = end.map_or("nothing is here".to_owned(), |end| format!("the logs here end at {end}"));
    let reason = format!("was on the disk up to byte {}, and {here}", at.position);
    Some((epoch, LogFault { name: at.file.clone(), reason }))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use xb_core::BinlogCoord;

    use super::*;
    use crate::archive::Beginning;
    use crate::testing::{Place, close, log};

    #[test]
    fn what_a_streamer_had_on_the_disk_has_to_be_there_until_nobody_needs_it() {
        let place = Place::with_logs(1..=3);
        let picture = place.archive.picture().unwrap();
        let end = picture.epochs[0].end().unwrap();
        let mut state = StreamerState::begun(DateTime::UNIX_EPOCH, 1, String::new());
        assert_eq!(lost(&state, &picture), None);
        let mut at = |epoch, file: &str, position| {
            state.epoch = Some(epoch);
            state.synced = Some(BinlogCoord { file: file.parse().unwrap(), position });
            state.clone()
        };
        let name = end.file.to_string();
        for (epoch, file, position, is_lost) in [
            (1, name.as_str(), end.position, false),
            (1, "b.000001", 1 << 40, false),
            (1, name.as_str(), end.position + 1, true),
            (1, "b.000005", 4, false),
            (1, "b.000005", 5, true),
            (2, name.as_str(), end.position, true),
        ] {
            let found = lost(&at(epoch, file, position), &picture);
            assert_eq!(found.is_some(), is_lost, "{epoch} {file} {position}: {found:?}");
        }
        let (epoch, fault) = lost(&at(1, &name, end.position + 1), &picture).unwrap();
        assert_eq!((epoch, fault.name), (1, end.file.clone()));
        assert!(fault.reason.ends_with(&format!("the logs here end at {end}")), "{}", fault.reason);
        // An epoch that is gone with all its logs, behind which there is another one, was pruned.
        let next = place.begin(Beginning::First);
        close(&next, 1, 9);
        let mut picture = place.archive.picture().unwrap();
        picture.epochs.remove(0);
        assert_eq!(lost(&at(1, &name, end.position), &picture), None);
        assert!(lost(&at(2, &log(9).to_string(), 500), &picture).is_some());
    }
}
