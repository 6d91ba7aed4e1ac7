//! Asking the disk early to take what is written, so that the sync at the end has little left to do.

use std::fs::File;
use std::io;
use std::thread::JoinHandle;

use crossbeam_channel::{Sender, bounded};

/// Written bytes of a file after which the disk is asked.
pub const FLUSH_BYTES: u64 = 8 * 1024 * 1024;

/// Syncs files that are still being written, on a thread of its own. The system tells an error of writing back
/// only once per open file, so one that is met here must not get lost: [`Flusher::finish`] gives it.
#[derive(Debug, Default)]
pub struct Flusher(Option<Running>);

#[derive(Debug)]
struct Running {
    files: Sender<File>,
    thread: JoinHandle<io::Result<()>>,
}

impl Flusher {
    /// Asks for a sync of `file`, unless others are waiting. After an error nobody listens any more.
    pub fn poke(&mut self, file: &File) {
        // Without a second handle there is only the sync at the end, which is the one that counts.
        let Ok(file) = file.try_clone() else { return };
        let _ = self.0.get_or_insert_with(start).files.try_send(file);
    }

    /// Waits for the last sync.
    ///
    /// # Errors
    /// That of the first sync that failed: what the file has on the disk is not known then.
    pub fn finish(&mut self) -> io::Result<()> {
        let Some(Running { files, thread }) = self.0.take() else { return Ok(()) };
        drop(files);
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the syncing thread panicked")))
    }
}

fn start() -> Running {
    let (files, queue) = bounded::<File>(1);
    let thread = std::thread::spawn(move || queue.iter().try_for_each(|file| file.sync_data()));
    Running { files, thread }
}
