//! Servers with logs, streamers in threads, and what has to be equal in the end.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tempfile::TempDir;
use xb_binlog::archive::EpochDirectory;
use xb_binlog::client::ConnectOptions;
use xb_binlog::source::native::{NativeOptions, Tls};
use xb_binlog::stream::{Progress, Snapshot, StreamError, StreamOptions, stream};
use xb_core::{BinlogCoord, Secret};
use xb_formats::binlog::FileReader;
use xb_pipeline::cancel::{CancelReason, CancelToken};
use xb_sandbox::{Sandbox, Server};
use xb_tests::server::Make;
use xb_tests::wait_until;

/// How long a streamer may take to get where it is expected.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);
const PASSWORD: &str = "a word for replicas";

/// A server with a log and an account for replicas, and an empty place for an archive.
pub(crate) struct Scene {
    pub(crate) make: Make,
    pub(crate) server: Server,
    pub(crate) archive: PathBuf,
    directory: TempDir,
}

impl Scene {
    /// On MariaDB.
    pub(crate) fn new() -> Self {
        Scene::on(Make::MariaDb)
    }

    /// On MariaDB, with options.
    pub(crate) fn with(change: impl FnOnce(Sandbox) -> Sandbox) -> Self {
        Scene::on_with(Make::MariaDb, |sandbox, _| change(sandbox))
    }

    pub(crate) fn on(make: Make) -> Self {
        Scene::on_with(make, |sandbox, _| sandbox)
    }

    /// With options, which may name files in the directory they are told.
    pub(crate) fn on_with(make: Make, change: impl FnOnce(Sandbox, &Path) -> Sandbox) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let home = directory.path().join("server");
        let server = make.start(&home, |sandbox| {
            let sandbox =
                sandbox.option("log-bin", "mysql-bin").option("binlog-checksum", "CRC32").on_network();
            change(sandbox, directory.path())
        });
        server.account("replica", &Secret::new(PASSWORD)).unwrap();
        server
            .sql("CREATE DATABASE d; CREATE TABLE d.t (id INT AUTO_INCREMENT PRIMARY KEY, v LONGTEXT);")
            .unwrap();
        Scene { make, server, archive: directory.path().join("archive"), directory }
    }

    /// A directory that goes with the scene.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The statement that throws all logs away and begins again with the first.
    pub(crate) fn reset(&self) -> &'static str {
        if self.make == Make::MySql9 { "RESET BINARY LOGS AND GTIDS;" } else { "RESET MASTER;" }
    }

    pub(crate) fn sql(&self, text: &str) {
        self.server.sql(text).unwrap();
    }

    /// The end of the server's log, to which the server adds nothing by itself any more: some time after it
    /// began a file, MariaDB notes there that it does not need those before.
    pub(crate) fn settled(&self) -> BinlogCoord {
        if self.make == Make::MariaDb {
            wait_until("the server needs only its newest log", LIMIT, || {
                let newest = self.server.binlog_coordinate().unwrap().file.to_string();
                let events = self.server.sql(&format!("SHOW BINLOG EVENTS IN '{newest}';")).unwrap();
                events.iter().any(|event| event[2] == "Binlog_checkpoint" && event[5] == newest)
            });
        }
        self.server.binlog_coordinate().unwrap()
    }

    /// A streamer's options: over the network, as the account, in a hurry.
    pub(crate) fn options(&self) -> StreamOptions {
        self.options_at(self.server.port().unwrap())
    }

    pub(crate) fn options_at(&self, port: u16) -> StreamOptions {
        let connect = ConnectOptions {
            port: Some(port),
            user: Some("replica".to_owned()),
            password: Some(Secret::new(PASSWORD)),
            ..ConnectOptions::default()
        };
        // It lets nobody in for the first time over a way that others can read.
        let tls = if self.make == Make::MySql9 { Tls::Unverified } else { Tls::Off };
        let heartbeat = Duration::from_millis(500);
        let source = NativeOptions { connect, tls, heartbeat, ..NativeOptions::default() };
        StreamOptions {
            first_pause: Duration::from_millis(2),
            longest_pause: Duration::from_millis(100),
            ..StreamOptions::new(source)
        }
    }

    /// Takes what the server has now.
    pub(crate) fn once(&self) -> Result<Snapshot, StreamError> {
        self.once_with(self.options())
    }

    pub(crate) fn once_with(&self, options: StreamOptions) -> Result<Snapshot, StreamError> {
        if self.server.is_running() {
            self.settled();
        }
        let archive = EpochDirectory::open(&self.archive).unwrap();
        let progress = Progress::default();
        let options = StreamOptions { once: true, retries: options.retries.or(Some(3)), ..options };
        stream(&archive, &options, &progress, &CancelToken::new())?;
        Ok(progress.snapshot(0))
    }

    pub(crate) fn start(&self, options: StreamOptions) -> Streaming {
        Streaming::start(&self.archive, options)
    }

    /// The archive has all the server has, byte for byte.
    pub(crate) fn assert_equal(&self) {
        self.assert_equal_from(0);
    }

    /// The same for the server's files from the given one on, of which there must be some.
    pub(crate) fn assert_equal_from(&self, first: usize) {
        self.assert_equal_to(&self.server.binary_logs().unwrap()[first..]);
    }

    /// The archive has these files and no others.
    pub(crate) fn assert_equal_to(&self, logs: &[PathBuf]) {
        assert!(!logs.is_empty());
        for path in logs {
            let name = path.file_name().unwrap().to_str().unwrap();
            let kept = archived(&self.archive, name);
            let differs = differs(&fs::read(path).unwrap(), &kept);
            assert_eq!(differs, None, "{name} differs from the server's");
        }
        let files = fs::read_dir(&self.archive).unwrap().map(|entry| entry.unwrap().file_name());
        let is_log = |name: &&str| {
            name.starts_with("mysql-bin.") && !name.contains(".torn-") && !name.ends_with(".json")
        };
        let kept = files.filter(|name| name.to_str().as_ref().is_some_and(is_log)).count();
        assert_eq!(kept, logs.len(), "there are others in the archive");
    }

    /// The kinds of all events in the archive.
    pub(crate) fn kinds(&self) -> BTreeSet<u8> {
        let paths = fs::read_dir(&self.archive).unwrap().map(|entry| entry.unwrap().path());
        let is_log = |path: &PathBuf| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.starts_with("mysql-bin.") && !name.ends_with(".json")
        };
        let logs = paths.filter(is_log);
        let events = logs.flat_map(|path| FileReader::new(File::open(path).unwrap()));
        events.map(|event| event.unwrap().header.kind.0).collect()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // Nobody looks at its data any more, and a clean end takes its time.
        let _ = self.server.kill();
    }
}

/// A file of an archive, complete or not.
pub(crate) fn archived(archive: &Path, name: &str) -> Vec<u8> {
    let (complete, partial) = (archive.join(name), archive.join(format!("{name}.partial")));
    assert!(!(complete.exists() && partial.exists()), "{name} is there twice");
    let path = if complete.exists() { complete } else { partial };
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Where two logs differ: at a byte other than the in-use flag, or in their length.
fn differs(server: &[u8], archived: &[u8]) -> Option<usize> {
    const FLAG: usize = 21;
    let byte = |log: &[u8], at: usize| log[at] & if at == FLAG { !1 } else { !0 };
    let both = server.len().min(archived.len());
    let first = (0..both).find(|at| byte(server, *at) != byte(archived, *at));
    first.or((server.len() != archived.len()).then_some(both))
}

/// A streamer in a thread. Dropping it stops it.
pub(crate) struct Streaming {
    cancel: CancelToken,
    progress: Arc<Progress>,
    thread: Option<JoinHandle<Result<(), StreamError>>>,
}

impl Streaming {
    fn start(directory: &Path, options: StreamOptions) -> Self {
        let (cancel, progress) = (CancelToken::new(), Arc::new(Progress::default()));
        let archive = EpochDirectory::open(directory).unwrap();
        let (token, told) = (cancel.clone(), progress.clone());
        let thread = std::thread::spawn(move || stream(&archive, &options, &told, &token));
        Streaming { cancel, progress, thread: Some(thread) }
    }

    pub(crate) fn progress(&self) -> Snapshot {
        self.progress.snapshot(0)
    }

    #[track_caller]
    pub(crate) fn assert_runs(&self) {
        let ended = self.thread.as_ref().is_none_or(JoinHandle::is_finished);
        assert!(!ended, "the streamer ended: {:?}", self.progress().last_error);
    }

    /// Waits until everything up to a place is on the disk.
    #[track_caller]
    pub(crate) fn wait_for(&self, place: &BinlogCoord) {
        wait_until(&format!("the archive is at {place}"), LIMIT, || {
            self.assert_runs();
            self.progress().synced.is_some_and(|at| at >= *place)
        });
    }

    /// Waits for its own end.
    pub(crate) fn ends(mut self) -> Result<(), StreamError> {
        let thread = self.thread.take().unwrap();
        wait_until("the streamer ends", LIMIT, || thread.is_finished());
        thread.join().unwrap()
    }

    /// Stops it.
    pub(crate) fn stop(self) {
        self.cancel.cancel(CancelReason::Terminate);
        let outcome = self.ends();
        assert!(matches!(outcome, Err(StreamError::Cancelled(_))), "{outcome:?}");
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        self.cancel.cancel(CancelReason::Interrupt);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Writes in a thread until it is dropped.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Load {
    /// Small transactions, and now and then a new file.
    pub(crate) fn start(server: &Server) -> Self {
        let (stop, client) = (Arc::new(AtomicBool::new(false)), server.client());
        let asked = stop.clone();
        let work = "INSERT INTO d.t (v) VALUES (REPEAT('x', RAND() * 3000)), ('y'); \
                    UPDATE d.t SET v = CONCAT(v, 'z') ORDER BY id DESC LIMIT 3;\n";
        let thread = std::thread::spawn(move || {
            for round in 1.. {
                if asked.load(Ordering::SeqCst) {
                    break;
                }
                let flush = if round % 4 == 0 { "FLUSH BINARY LOGS;" } else { "" };
                // The server may be away just now.
                let _ = client.sql(&(work.repeat(20) + flush));
            }
        });
        Load { stop, thread: Some(thread) }
    }

    /// Ends it, once what it was at is done.
    pub(crate) fn end(mut self) {
        self.finish();
    }

    fn finish(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.finish();
    }
}
