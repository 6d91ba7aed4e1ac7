//! Clients that write, and one that times how soon the archive has what it wrote.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use xb_sandbox::{Client, Server};

use crate::disk::sizes;

/// Clients that write at the same time, each into its own table.
const CLIENTS: usize = 3;

/// Creates what the clients write into.
pub(crate) fn tables() -> String {
    let table = |number| format!("CREATE TABLE d.t{number} (id INT AUTO_INCREMENT PRIMARY KEY, v LONGTEXT);");
    format!("CREATE DATABASE d; {}", (0..=CLIENTS).map(table).collect::<String>())
}

/// Clients that write transactions of all sizes, until they are to end.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<u64>>,
}

impl Load {
    pub(crate) fn start(server: &Server) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let start = |number| {
            let (stop, client) = (stop.clone(), server.client());
            std::thread::spawn(move || write(&client, number, &stop))
        };
        Load { threads: (0..CLIENTS).map(start).collect(), stop }
    }

    /// How many rounds there were.
    pub(crate) fn end(mut self) -> u64 {
        self.stop.store(true, Ordering::SeqCst);
        self.threads.drain(..).map(|thread| thread.join().unwrap()).sum()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn write(client: &Client, number: usize, stop: &AtomicBool) -> u64 {
    let table = format!("d.t{number}");
    let small = format!("INSERT INTO {table} (v) VALUES (REPEAT('x', RAND() * 3000)), ('y');\n");
    let several = format!(
        "BEGIN; {} UPDATE {table} SET v = CONCAT(v, 'z') ORDER BY id DESC LIMIT 3; COMMIT;\n",
        small.repeat(10)
    );
    let large = format!("INSERT INTO {table} (v) VALUES (REPEAT('<large>', RAND() * 60000));\n");
    let mut rounds = 0;
    while !stop.load(Ordering::SeqCst) {
        let flush = if number == 0 && rounds % 25 == 24 { "FLUSH BINARY LOGS;\n" } else { "" };
        // The server may be away just now.
        if client.sql(&format!("{}{several}{large}{small}{flush}", small.repeat(5))).is_ok() {
            rounds += 1;
        }
        // Steady, and not all that the machine can do.
        std::thread::sleep(Duration::from_millis(50));
    }
    rounds
}

/// Times how long a transaction takes from the client's knowing that it is committed to the file in the archive.
pub(crate) struct Lag {
    stop: Arc<AtomicBool>,
    lags: Arc<Mutex<Vec<Duration>>>,
    thread: Option<JoinHandle<()>>,
}

impl Lag {
    pub(crate) fn start(server: &Server, archive: &Path) -> Self {
        let (stop, lags) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (asked, noted, client, archive) =
            (stop.clone(), lags.clone(), server.client(), archive.to_owned());
        let thread = std::thread::spawn(move || {
            for number in 0.. {
                if asked.load(Ordering::SeqCst) {
                    return;
                }
                let marker = format!("<marker {number}>");
                let before = sizes(&archive);
                let statement = format!("INSERT INTO d.t{CLIENTS} (v) VALUES ('{marker}');");
                if client.sql(&statement).is_err() {
                    std::thread::sleep(Duration::from_millis(20));
                    continue;
                }
                if let Some(lag) = until_seen(&archive, &marker, &before, &asked) {
                    noted.lock().unwrap().push(lag);
                }
            }
        });
        Lag { stop, lags, thread: Some(thread) }
    }

    pub(crate) fn count(&self) -> usize {
        self.lags.lock().unwrap().len()
    }

    pub(crate) fn end(self) -> Vec<Duration> {
        self.stop.store(true, Ordering::SeqCst);
        let lags = self.lags.lock().unwrap();
        lags.clone()
    }
}

impl Drop for Lag {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// How long it took until a log had it behind what it had `before`, unless somebody does not want to know any more.
fn until_seen(
    archive: &Path,
    marker: &str,
    before: &BTreeMap<String, u64>,
    stop: &AtomicBool,
) -> Option<Duration> {
    let began = Instant::now();
    let mut looked_at = BTreeMap::new();
    while !stop.load(Ordering::SeqCst) {
        let now = sizes(archive);
        if now != looked_at {
            let mut logs = now.keys().rev();
            if logs.any(|name| part_behind(archive, name, before).windows(marker.len()).any(is(marker))) {
                return Some(began.elapsed());
            }
            looked_at = now;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    None
}

fn is(marker: &str) -> impl FnMut(&[u8]) -> bool {
    move |part| part == marker.as_bytes()
}

/// What a log has behind what it had `before`, be it closed meanwhile.
fn part_behind(archive: &Path, name: &str, before: &BTreeMap<String, u64>) -> Vec<u8> {
    let open = format!("{name}.partial");
    let had = before.get(name).or_else(|| before.get(&open)).copied().unwrap_or(0);
    let mut part = Vec::new();
    // It may have got another name, or be torn and written again, which it is found after.
    if let Ok(mut log) = fs::File::open(archive.join("epoch-000001").join(name)) {
        let _ = log.seek(SeekFrom::Start(had)).and_then(|_| log.read_to_end(&mut part));
    }
    part
}

pub(crate) fn figures(lags: &[Duration]) -> String {
    let mut sorted = lags.to_vec();
    sorted.sort();
    let Some(longest) = sorted.last() else { return "not timed".to_owned() };
    format!("{} transactions, median {:?}, longest {longest:?}", sorted.len(), sorted[sorted.len() / 2])
}
