//! Whatever happens to streamer, server, network and disk, and however often: the archive is the server's log.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rstest::rstest;
use tempfile::TempDir;
use xb_core::Secret;
use xb_pipeline::process::{Daemon, Invocation};
use xb_sandbox::Server;
use xb_tests::home::{Form, Home};
use xb_tests::relay::{Relay, Way};
use xb_tests::server::Make;
use xb_tests::{cli, wait_until};

use crate::disk::Disk;
use crate::load::{Lag, Load, figures, tables};
use crate::support::LIMIT;

/// How often each thing happens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers {
    /// The streamer is killed.
    kills: usize,
    /// The server is restarted: stopped and killed by turns.
    restarts: usize,
    /// The network is cut.
    cuts: usize,
    /// The disk is full.
    full_disks: usize,
    /// Transactions whose way into the archive is timed before anything happens.
    markers: usize,
    /// Servers that die with their data, in the test of committed transactions.
    pub(crate) deaths: usize,
}

const SHORT: Numbers = Numbers { kills: 20, restarts: 4, cuts: 5, full_disks: 2, markers: 5, deaths: 2 };
/// A server that takes longer to start and to stop.
const SHORT_MYSQL: Numbers = Numbers { kills: 8, restarts: 2, cuts: 3, full_disks: 1, markers: 5, deaths: 0 };
/// With `XB_ENDURANCE=full` in the environment.
const FULL: Numbers = Numbers { kills: 100, restarts: 20, cuts: 20, full_disks: 2, markers: 40, deaths: 50 };

/// How often, as whoever runs the tests wants it.
#[expect(clippy::disallowed_methods, reason = "a test binary takes no arguments of its own")]
pub(crate) fn numbers(make: Make) -> Numbers {
    let is_full = std::env::var("XB_ENDURANCE").is_ok_and(|value| value == "full");
    match make {
        _ if is_full => FULL,
        Make::MySql9 => SHORT_MYSQL,
        _ => SHORT,
    }
}

const PASSWORD: &str = "a word for replicas";

#[rstest]
fn whatever_breaks_the_archive_is_the_servers_log(#[values(Make::MariaDb, Make::MySql9)] make: Make) {
    let mut numbers = numbers(make);
    let mut scene = Endurance::new(make);
    if !scene.disk.is_own() {
        eprintln!("no disk gets full: mounting one needs root");
        numbers.full_disks = 0;
    }
    let load = Load::start(&scene.server);
    let lag = Lag::start(&scene.server, &scene.disk.seen);
    wait_until("some transactions were timed", LIMIT, || lag.count() >= numbers.markers);
    let calm = lag.count();
    let began = Instant::now();
    for trouble in Trouble::all(numbers, &mut scene.lots) {
        scene.suffer(trouble);
    }
    let lasted = began.elapsed();
    let (rounds, lags) = (load.end(), lag.end());
    let logs = scene.assert_equal_in_the_end();
    let (calm, disturbed) = lags.split_at(calm);
    eprintln!("{make:?}: {numbers:?} in {lasted:?}; {rounds} rounds of writing, {logs}");
    eprintln!("lag without trouble: {}; with it: {}", figures(calm), figures(disturbed));
}

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Kill,
    Stop,
    Crash,
    Cut,
    FullDisk,
}

impl Trouble {
    /// All of it, in an order drawn by lot.
    fn all(numbers: Numbers, lots: &mut Lots) -> Vec<Trouble> {
        let mut all = vec![Trouble::Kill; numbers.kills];
        all.extend([Trouble::Stop, Trouble::Crash].into_iter().cycle().take(numbers.restarts));
        all.extend(vec![Trouble::Cut; numbers.cuts]);
        all.extend(vec![Trouble::FullDisk; numbers.full_disks]);
        for last in (1..all.len()).rev() {
            all.swap(last, lots.below(last as u64 + 1) as usize);
        }
        all
    }
}

/// A server under load, a streamer that reaches it through a relay, and a disk of its own for the archive.
struct Endurance {
    // First, so that it ends before what it needs.
    streamer: Option<Daemon>,
    relay: Relay,
    server: Server,
    disk: Disk,
    make: Make,
    lots: Lots,
    home: Home,
    _directory: TempDir,
}

impl Endurance {
    fn new(make: Make) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let server = make.start(&directory.path().join("server"), |sandbox| {
            sandbox.option("log-bin", "mysql-bin").option("binlog-checksum", "CRC32").on_network()
        });
        server.account("replica", &Secret::new(PASSWORD)).unwrap();
        server.sql(&tables()).unwrap();
        let mut home = Home::new(&server, Form::Directory);
        home.settings.mysql_sock = None;
        home.settings.mysql_user = Some("replica".to_owned());
        home.settings.mysql_pass = Some(Secret::new(PASSWORD));
        let disk = Disk::mount(home.path());
        let relay = Relay::start(server.port().unwrap());
        let lots = Lots(0x5eed);
        let (streamer, _directory) = (None, directory);
        let mut scene = Endurance { streamer, relay, server, disk, make, lots, home, _directory };
        scene.start_streamer();
        // Without a backup it begins with the log that is written when it comes.
        wait_until("the archive has begun", LIMIT, || {
            scene.assert_streams();
            !scene.disk.sizes().is_empty()
        });
        scene
    }

    /// The program on the archive.
    fn program(&self, args: &[&str]) -> Invocation {
        let archive = self.disk.archive.display().to_string();
        let words = cli::with_config(&self.home, &["--binlog-dir", &archive]);
        self.disk.enter(&cli::program()).args(words).args(args)
    }

    fn start_streamer(&mut self) {
        let port = self.relay.port.to_string();
        // It lets nobody in for the first time over a way that others can read.
        let tls = if self.make == Make::MySql9 { "on" } else { "off" };
        let args = ["--mysql-host", "127.0.0.1", "--mysql-port", &port, "--binlog-tls", tls, "binlog-stream"];
        self.streamer = Some(self.program(&args).daemon(&self.log()).unwrap());
    }

    fn log(&self) -> PathBuf {
        self.home.path().join("streamer.log")
    }

    fn streamer(&self) -> &Daemon {
        self.streamer.as_ref().unwrap()
    }

    #[track_caller]
    fn assert_streams(&self) {
        let ended = self.streamer().try_wait().unwrap();
        assert_eq!(ended, None, "the streamer ended:\n{}", fs::read_to_string(self.log()).unwrap());
    }

    fn suffer(&mut self, trouble: Trouble) {
        // By turns in the middle of the stream, and in the middle of whatever was before.
        if self.lots.below(2) == 0 {
            let before = self.disk.sizes();
            wait_until("something comes", LIMIT, || {
                self.assert_streams();
                self.disk.sizes() != before
            });
        }
        // At any moment of what it does, not at those a test can wait for.
        std::thread::sleep(Duration::from_millis(self.lots.below(200)));
        self.assert_streams();
        match trouble {
            Trouble::Kill => self.kill_streamer(),
            Trouble::Stop => self.server.stop().unwrap(),
            Trouble::Crash => self.server.kill().unwrap(),
            Trouble::Cut => self.cut(),
            Trouble::FullDisk => self.fill_disk(),
        }
        self.server.start().unwrap();
    }

    fn kill_streamer(&mut self) {
        self.streamer().kill();
        // The system ends the connections of what was killed; the relay holds their other ends.
        self.relay.cut();
        self.start_streamer();
    }

    /// In the middle of whatever passes.
    fn cut(&mut self) {
        let before = self.relay.connections();
        self.relay.cut_after(Way::Back, 1 + self.lots.below(200_000));
        wait_until("the streamer connects again", LIMIT, || {
            self.assert_streams();
            self.relay.connections() > before
        });
    }

    /// The streamer ends, ends again when nothing was done about it, and goes on when there is room.
    fn fill_disk(&mut self) {
        self.disk.fill();
        for _ in 0..2 {
            wait_until("the streamer ends", LIMIT, || self.streamer().try_wait().unwrap().is_some());
            let said = fs::read_to_string(self.log()).unwrap();
            assert!(said.contains("No space left"), "{said}");
            self.relay.cut();
            self.start_streamer();
        }
        wait_until("the streamer ends", LIMIT, || self.streamer().try_wait().unwrap().is_some());
        self.disk.make_room();
        self.relay.cut();
        self.start_streamer();
    }

    /// The archive comes to the end of the server's log and is it, byte for byte; what there is.
    fn assert_equal_in_the_end(&mut self) -> String {
        let began = Instant::now();
        while self.differences().is_some() {
            self.assert_streams();
            let differences = self.differences();
            assert!(began.elapsed() < LIMIT, "the archive differs from the server's logs: {differences:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
        let status = self.streamer().stop(LIMIT).unwrap();
        assert!(status.success(), "{status}: {}", fs::read_to_string(self.log()).unwrap());
        assert_eq!(self.differences(), None);
        let logs = self.server.binary_logs().unwrap();
        let list = self.program(&["binlog", "list"]).output(LIMIT).unwrap();
        assert!(list.status.success(), "{}", list.stderr);
        let lines: Vec<&str> = list.stdout.lines().collect();
        let epochs = lines.iter().filter(|line| line.starts_with("epoch ")).count();
        let listed = lines.iter().filter_map(|line| line.trim().split_once("  ")).map(|(name, _)| name);
        let listed: Vec<&str> = listed.filter(|name| name.starts_with("mysql-bin.")).collect();
        let names: Vec<&str> = logs.iter().map(|log| log.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!((epochs, listed), (1, names), "{}", list.stdout);
        assert!(!list.stdout.contains("GAP") && !list.stdout.contains("DAMAGED"), "{}", list.stdout);
        let bytes: u64 = self.disk.sizes().values().sum();
        format!("{} logs of {} KiB", logs.len(), bytes / 1024)
    }

    /// What is different in the archive: a log that is missing, twice there, too many, or another.
    fn differences(&self) -> Option<String> {
        let mut kept = self.disk.sizes();
        for path in self.server.binary_logs().unwrap() {
            let name = path.file_name().unwrap().to_str().unwrap();
            let forms = [name.to_owned(), format!("{name}.partial")];
            let forms: Vec<&String> = forms.iter().filter(|form| kept.contains_key(*form)).collect();
            let [form] = forms[..] else { return Some(format!("{name} is there as {forms:?}")) };
            let archived = fs::read(self.disk.epoch().join(form)).ok()?;
            if let Some(at) = differs(&fs::read(&path).unwrap(), &archived) {
                return Some(format!("{name} from byte {at} on"));
            }
            kept.remove(&form.clone());
        }
        (!kept.is_empty()).then(|| format!("there are others: {kept:?}"))
    }
}

impl Drop for Endurance {
    fn drop(&mut self) {
        // Nobody looks at its data any more, and a clean end takes its time.
        let _ = self.server.kill();
    }
}

/// Where two logs differ: at a byte other than the in-use flag, or in their length.
fn differs(server: &[u8], archived: &[u8]) -> Option<usize> {
    const FLAG: usize = 21;
    let both = server.len().min(archived.len());
    let is_other = |at: &usize| (server[*at] ^ archived[*at]) & if *at == FLAG { !1 } else { !0 } != 0;
    (0..both).find(is_other).or((server.len() != archived.len()).then_some(both))
}

/// Numbers by lot, the same ones every time. Xorshift: any state but 0 leads to all others.
pub(crate) struct Lots(pub(crate) u64);

impl Lots {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}
