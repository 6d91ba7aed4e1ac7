//! What systemd is told by a command that goes on for ever: that it is ready, how it does, and that it lives.
//! Without systemd nobody is told.

use sd_notify::NotifyState;
use xb_binlog::state::StreamerState;

use crate::render::units;

/// A unit of systemd, as far as this process is one.
#[derive(Debug, Default)]
pub(crate) struct Service {
    is_ready: bool,
    status: String,
}

impl Service {
    /// Tells how a streamer does. With `is_alive` the watchdog is fed, too.
    pub(crate) fn tell(&mut self, state: &StreamerState, is_alive: bool) {
        if !self.is_ready && state.is_connected {
            // Ready once the server answers: what is ordered behind this unit may rely on the archive.
            self.is_ready = sd_notify::notify(&[NotifyState::Ready]).is_ok();
        }
        let status = summary(state);
        if status != self.status {
            // Nobody listens, or it is for people only: no reason to end.
            let _ = sd_notify::notify(&[NotifyState::Status(&status)]);
            self.status = status;
        }
        if is_alive {
            let _ = sd_notify::notify(&[NotifyState::Watchdog]);
        }
    }

    /// Tells that it ends because somebody wants it to.
    pub(crate) fn stopping() {
        let _ = sd_notify::notify(&[NotifyState::Stopping]);
    }
}

/// How a streamer does, in one line.
pub(crate) fn summary(state: &StreamerState) -> String {
    let connection = match (state.is_connected, &state.last_error) {
        _ if state.is_over => "ended".to_owned(),
        (true, _) if state.is_semi_sync => "semisynchronous".to_owned(),
        (true, _) => "connected".to_owned(),
        (false, Some(error)) => format!("not connected: {error}"),
        (false, None) => "connecting".to_owned(),
    };
    let behind = match (state.seconds_behind, state.bytes_behind) {
        // What a server that is away has by now, nobody knows.
        _ if !state.is_connected => String::new(),
        (Some(0), _) | (_, Some(0)) => ", up to date".to_owned(),
        (Some(seconds), Some(bytes)) => format!(", {seconds} s and {} behind", units::bytes(bytes)),
        _ => String::new(),
    };
    format!("{}; {connection}{behind}", on_disk(state))
}

/// Up to where it has the logs.
pub(crate) fn on_disk(state: &StreamerState) -> String {
    let place = state.synced.as_ref().map_or("nothing yet".to_owned(), ToString::to_string);
    format!("{place} on disk")
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    #[test]
    fn a_line_says_how_a_streamer_does() {
        let mut state = StreamerState::begun(DateTime::UNIX_EPOCH, 1, "127.0.0.1:3306".to_owned());
        assert_eq!(summary(&state), "nothing yet on disk; connecting");
        state.is_connected = true;
        state.synced = Some(xb_core::BinlogCoord { file: "b.000042".parse().unwrap(), position: 1234 });
        (state.seconds_behind, state.bytes_behind) = (Some(7), Some(2048));
        assert_eq!(summary(&state), "b.000042:1234 on disk; connected, 7 s and 2.0 KiB behind");
        (state.seconds_behind, state.is_semi_sync) = (Some(0), true);
        assert_eq!(summary(&state), "b.000042:1234 on disk; semisynchronous, up to date");
        (state.is_connected, state.last_error) = (false, Some("gone".to_owned()));
        assert_eq!(summary(&state), "b.000042:1234 on disk; not connected: gone");
        state.is_over = true;
        assert_eq!(summary(&state), "b.000042:1234 on disk; ended");
    }
}
