//! What is said of a streamer's connection: one line when the server goes away, and one when it is back, however
//! often it is tried meanwhile.

use std::time::Instant;

use xb_binlog::state::StreamerState;

/// A line for whoever watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Warn(String),
    Info(String),
}

/// Looks at the connection now and then.
#[derive(Debug, Default)]
pub(super) struct Connection {
    retries: u64,
    away_since: Option<Instant>,
}

impl Connection {
    /// What there is to say since the last look. `retries` are the failures so far after which it was tried again.
    pub(super) fn look(&mut self, state: &StreamerState, retries: u64, now: Instant) -> Option<Line> {
        let has_failed = retries > std::mem::replace(&mut self.retries, retries);
        if state.is_over {
            // What it ended with is told by who ends.
            return None;
        }
        let server = &state.server;
        let why = state.last_error.as_deref().unwrap_or("nobody knows why");
        match (self.away_since, state.is_connected) {
            (Some(since), true) => {
                self.away_since = None;
                let seconds = now.saturating_duration_since(since).as_secs();
                Some(Line::Info(format!("connected to {server} again, after {seconds} s")))
            }
            (None, false) if has_failed => {
                self.away_since = Some(now);
                Some(Line::Warn(format!("the server at {server} is away: {why}; trying again")))
            }
            (None, true) if has_failed => {
                Some(Line::Info(format!("the connection to {server} broke, and is there again: {why}")))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::DateTime;

    use super::*;

    /// What is said of looks a second apart, each with whether there is a connection and how often it was tried again.
    fn said(looks: &[(bool, u64)]) -> Vec<(usize, Line)> {
        let (begun, mut connection) = (Instant::now(), Connection::default());
        let at = |second| begun + Duration::from_secs(second as u64);
        let look = |(second, (is_connected, retries)): (usize, &(bool, u64))| {
            let mut state = StreamerState::begun(DateTime::UNIX_EPOCH, 1, "db1:3306".to_owned());
            (state.is_connected, state.last_error) = (*is_connected, Some("no route".to_owned()));
            Some((second, connection.look(&state, *retries, at(second))?))
        };
        looks.iter().enumerate().filter_map(look).collect()
    }

    fn away() -> Line {
        Line::Warn("the server at db1:3306 is away: no route; trying again".to_owned())
    }

    fn back(seconds: u64) -> Line {
        Line::Info(format!("connected to db1:3306 again, after {seconds} s"))
    }

    #[test]
    fn an_outage_is_told_once_and_its_end_too() {
        let looks = [(true, 0), (false, 1), (false, 2), (false, 3), (true, 3), (true, 3)];
        assert_eq!(said(&looks), [(1, away()), (4, back(3))]);
        let looks = [(false, 0), (false, 1), (true, 1), (false, 2), (true, 2)];
        assert_eq!(said(&looks), [(1, away()), (2, back(1)), (3, away()), (4, back(1))]);
    }

    #[test]
    fn a_connection_that_comes_back_between_two_looks_is_told_once() {
        let broke = "the connection to db1:3306 broke, and is there again: no route";
        assert_eq!(said(&[(true, 0), (true, 2), (true, 2)]), [(1, Line::Info(broke.to_owned()))]);
    }

    #[test]
    fn nothing_is_told_of_one_that_is_there_or_not_made_yet_or_not_tried_again() {
        assert_eq!(said(&[(false, 0), (false, 0), (true, 0), (true, 0), (false, 0)]), []);
    }

    #[test]
    fn nothing_is_told_once_it_is_over() {
        let mut state = StreamerState::begun(DateTime::UNIX_EPOCH, 1, "db1:3306".to_owned());
        state.is_over = true;
        assert_eq!(Connection::default().look(&state, 1, Instant::now()), None);
    }
}
