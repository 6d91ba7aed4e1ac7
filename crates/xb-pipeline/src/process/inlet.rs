//! What a child is given to read while it runs.

use std::io::{self, PipeWriter, Write};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// The writing end of a pipe to a child; dropped, it is the end of the child's input. Writing ends with a broken
/// pipe when nobody reads any more, and at the latest when the child was reaped: a process that left its group may
/// hold the pipe open for ever.
pub struct Inlet {
    pipe: PipeWriter,
    reaped: Arc<OnceLock<Instant>>,
}

impl Inlet {
    /// # Errors
    /// Whatever the system has against a pipe that does not block.
    pub(super) fn new(pipe: PipeWriter, reaped: Arc<OnceLock<Instant>>) -> io::Result<Self> {
        // Only this end: the other is a file of its own, and the child's.
        rustix::io::ioctl_fionbio(&pipe, true)?;
        Ok(Inlet { pipe, reaped })
    }

    fn wait_for_room(&self) -> io::Result<()> {
        let wait = Timespec { tv_sec: 0, tv_nsec: 250_000_000 };
        let mut descriptors = [PollFd::new(&self.pipe, PollFlags::OUT)];
        match poll(&mut descriptors, Some(&wait)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl Write for Inlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.pipe.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.reaped.get().is_some() {
                        return Err(io::ErrorKind::BrokenPipe.into());
                    }
                    self.wait_for_room()?;
                }
                other => return other,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::time::Duration;

    use super::super::Invocation;
    use super::*;

    fn shell(script: &str) -> Invocation {
        Invocation::new("/bin/sh").args(["-c", script])
    }

    #[test]
    fn a_child_reads_what_it_is_given_and_sees_the_end() {
        let (mut child, mut inlet) = shell("wc -c").spawn_fed(|_| ()).unwrap();
        let writing = std::thread::spawn(move || inlet.write_all(&vec![7; 5_000_000]));
        let mut text = String::new();
        child.take_stdout().unwrap().read_to_string(&mut text).unwrap();
        writing.join().unwrap().unwrap();
        assert!(child.wait().unwrap().success());
        assert_eq!(text.trim(), "5000000");
    }

    #[test]
    fn a_child_that_does_not_read_ends_the_writing_when_it_ends() {
        let (child, mut inlet) = shell("sleep 0.2").spawn_fed(|_| ()).unwrap();
        let error = inlet.write_all(&vec![7; 5_000_000]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        assert!(child.wait().unwrap().success());
    }

    #[test]
    fn a_process_that_left_the_group_does_not_keep_the_writing_up() {
        let started = Instant::now();
        let (child, mut inlet) = shell("exec 3<&0; setsid sleep 30 <&3 & exit 0").spawn_fed(|_| ()).unwrap();
        let error = inlet.write_all(&vec![7; 5_000_000]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        assert!(child.wait().unwrap().success());
        assert!(started.elapsed() < Duration::from_secs(20));
    }
}
