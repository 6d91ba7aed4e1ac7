//! What a child writes, up to its own end and not to that of whatever it left behind.

use std::io::{self, PipeReader, Read};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// How long a pipe may stay open after its child was reaped.
const LINGER: Duration = Duration::from_secs(2);

/// The reading end of a pipe from a child. It ends when the child's side is closed, and at the latest a
/// moment after the child was reaped: a process that left its group may hold the pipe open for ever.
pub struct Outlet {
    pipe: PipeReader,
    reaped: Arc<OnceLock<Instant>>,
    /// How much of what was in the pipe when the child was found to have ended is still to be read, in bytes.
    owed: Option<u64>,
}

impl Outlet {
    pub(super) fn new(pipe: PipeReader, reaped: Arc<OnceLock<Instant>>) -> Self {
        Outlet { pipe, reaped, owed: None }
    }

    /// Whether there is something to read, or the end, within a short while.
    fn is_ready(&self) -> io::Result<bool> {
        let wait = rustix::event::Timespec { tv_sec: 0, tv_nsec: 250_000_000 };
        let mut descriptors = [rustix::event::PollFd::new(&self.pipe, rustix::event::PollFlags::IN)];
        match rustix::event::poll(&mut descriptors, Some(&wait)) {
            Ok(ready) => Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl Read for Outlet {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let is_ready = self.is_ready()?;
            let Some(reaped) = self.reaped.get() else {
                if is_ready {
                    return self.pipe.read(buffer);
                }
                continue;
            };
            // What the child itself wrote is in the pipe by now. Whoever still writes is somebody else, and may go
            // on for ever.
            let owed = match self.owed {
                Some(owed) => owed,
                None => rustix::io::ioctl_fionread(&self.pipe)?,
            };
            self.owed = Some(owed);
            if owed == 0 && reaped.elapsed() > LINGER {
                return Ok(0);
            }
            if is_ready {
                let got = self.pipe.read(buffer)?;
                self.owed = Some(owed.saturating_sub(got as u64));
                return Ok(got);
            }
        }
    }
}
