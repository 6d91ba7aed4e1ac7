//! A thread that starts children for others.

use std::sync::mpsc::{Sender, channel, sync_channel};
use std::thread::JoinHandle;

use super::{Child, Inlet, Invocation, ProcessError};

type Started = Result<(Child, Inlet), ProcessError>;
type Job = Box<dyn FnOnce() + Send>;

/// Starts children from one thread that lives until it is dropped. The system ends a child with the thread that
/// started it, where it can; so a child whose owner moves between threads is started here.
#[derive(Debug)]
pub struct Starter {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Default for Starter {
    fn default() -> Self {
        Starter::new()
    }
}

impl Starter {
    /// Begins the thread.
    #[must_use]
    pub fn new() -> Self {
        let (jobs, orders) = channel::<Job>();
        let thread = std::thread::spawn(move || orders.iter().for_each(|job| job()));
        Starter { jobs: Some(jobs), thread: Some(thread) }
    }

    /// As [`Invocation::spawn_fed`].
    ///
    /// # Errors
    /// [`ProcessError::Start`].
    pub fn spawn_fed(&self, invocation: &Invocation, on_line: impl FnMut(&str) + Send + 'static) -> Started {
        let (tell, told) = sync_channel(1);
        let order = invocation.clone();
        let job: Job = Box::new(move || {
            // Whoever asked waits for the answer.
            let _ = tell.send(order.spawn_fed(on_line));
        });
        let gone = || invocation.start_error(std::io::Error::other("the thread that starts it is gone"));
        self.jobs.as_ref().ok_or_else(gone)?.send(job).map_err(|_| gone())?;
        told.recv().map_err(|_| gone())?
    }
}

impl Drop for Starter {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // It can only have panicked where starting a process does.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn a_child_outlives_the_thread_that_asked_for_it() {
        let starter = std::sync::Arc::new(Starter::new());
        let asked = starter.clone();
        let asking =
            std::thread::spawn(move || asked.spawn_fed(&Invocation::new("/bin/cat"), |_| ()).unwrap());
        let (mut child, mut inlet) = asking.join().unwrap();
        inlet.write_all(b"still here").unwrap();
        drop(inlet);
        let mut text = String::new();
        child.take_stdout().unwrap().read_to_string(&mut text).unwrap();
        assert!(child.wait().unwrap().success());
        assert_eq!(text, "still here");
    }
}
