//! A store behind ssh, against a real server.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;
use xb_pipeline::cancel::{CancelReason, CancelToken};
use xb_pipeline::process::Invocation;
use xb_pipeline::store::ssh::{SshStore, SshTarget};
use xb_pipeline::store::{About, ObjectDigest, Removal, Store, StoreError, StoreErrorKind, StorePath};
use xb_tests::files::files_below;
use xb_tests::relay::{Relay, Way};
use xb_tests::sshd::{Host, Sshd};
use xb_tests::{processes, wait_until};

use crate::conformance::{Fresh, conforms};

const LIMIT: Duration = Duration::from_secs(30);
/// Names that a shell would take for something else.
const ODD: [&str; 12] = [
    "a b",
    "it's",
    "\"q\"",
    "$(touch x)",
    "`touch x`",
    "new\nline",
    "end\n",
    "-rf",
    "back\\slash",
    "100%s",
    "grün",
    "a;b|c!",
];

conforms!(alike, || {
    let place = Place::new();
    Fresh::new(place.store(), place)
});

/// A server with a directory for a store, and a private one for the client.
pub(crate) struct Place {
    pub(crate) server: Sshd,
    root: TempDir,
    pub(crate) private: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Place::at(&Host::default())
    }

    pub(crate) fn at(host: &Host) -> Self {
        let directory = || tempfile::tempdir().unwrap();
        Place { server: Sshd::start_as(host), root: directory(), private: directory() }
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn target(&self) -> SshTarget {
        self.server.target(self.root())
    }

    pub(crate) fn try_connect(&self, target: &SshTarget) -> Result<SshStore, StoreError> {
        SshStore::connect(target, self.private.path(), &CancelToken::new())
    }

    pub(crate) fn store(&self) -> SshStore {
        self.try_connect(&self.target()).unwrap()
    }

    /// All files at the host, of whatever kind.
    pub(crate) fn files(&self) -> Vec<String> {
        let below = |path: &Path| path.strip_prefix(self.root()).unwrap().display().to_string();
        files_below(self.root()).iter().map(|path| below(path)).collect()
    }

    /// Kills the children of ours that belong to a connection.
    fn kill_clients(&self) {
        for line in processes::mentioning(self.private.path()) {
            let pid = line.split(' ').next().and_then(|pid| Pid::from_raw(pid.parse().ok()?));
            // It may have ended meanwhile.
            let _ = kill_process(pid.unwrap(), Signal::KILL);
        }
    }
}

pub(crate) fn path(text: &str) -> StorePath {
    StorePath::parse(text).unwrap()
}

pub(crate) fn names(store: &dyn Store) -> Vec<String> {
    store.list().unwrap().into_iter().map(|entry| entry.path.as_str().to_owned()).collect()
}

pub(crate) fn upload(store: &dyn Store, at: &str, content: &[u8]) -> Result<u64, StoreError> {
    let mut upload = store.create(&path(at), About::default())?;
    upload.write_all(content).map_err(|error| StoreError::from_io(error, store.address(), "write"))?;
    upload.finish()
}

pub(crate) fn read(store: &dyn Store, at: &str, from: u64) -> Result<Vec<u8>, StoreError> {
    let mut content = Vec::new();
    let mut reader = store.read(&path(at), from)?;
    reader.read_to_end(&mut content).map_err(|error| StoreError::from_io(error, store.address(), "read"))?;
    Ok(content)
}

/// Bytes that are never the same twice in a row.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = (0..length.div_ceil(8)).flat_map(|_| next()).collect();
    bytes.truncate(length);
    bytes
}

pub(crate) fn is_root() -> bool {
    let is_root = geteuid().is_root();
    if !is_root {
        println!("skipped: nothing can be mounted without being root");
    }
    is_root
}

/// Everything a store does, once, with odd names.
fn workout(store: &dyn Store) {
    for (number, odd) in ODD.iter().enumerate() {
        let set = path(&format!("full/{odd}"));
        let draft = store.draft(&set);
        let data = noise(300_000 + number);
        assert_eq!(upload(store, draft.join(odd).unwrap().as_str(), &data).unwrap(), data.len() as u64);
        store.publish(&set, "seal", odd.as_bytes()).unwrap();
        assert_eq!(store.publish(&set, "seal", b"").unwrap_err().kind, StoreErrorKind::Exists);
        let (object, seal) = (set.join(odd).unwrap(), set.join("seal").unwrap());
        assert!(read(store, object.as_str(), 7).unwrap() == data[7..]);
        assert_eq!(store.read_small(&[seal], 100).unwrap(), [Some(odd.as_bytes().to_vec())]);
        assert!(matches!(store.digest(&object).unwrap(), Some(ObjectDigest::Sha256(_))));
        store.put_new(&path(odd), b"1").unwrap();
        assert_eq!(store.put_new(&path(odd), b"2").unwrap_err().kind, StoreErrorKind::Exists);
    }
    assert_eq!(store.list().unwrap().len(), 3 * ODD.len());
    assert_eq!(store.prefixes().unwrap(), ["full"]);
    for odd in ODD {
        assert_eq!(store.withdraw(&path(&format!("full/{odd}")), "seal").unwrap(), Removal::Removed);
    }
    let left: Vec<StorePath> = store.list().unwrap().into_iter().map(|entry| entry.path).collect();
    assert_eq!(left.len(), 2 * ODD.len());
    assert!(store.remove(&left).unwrap().iter().all(|removal| *removal == Removal::Removed));
    assert_eq!(names(store), Vec::<String>::new());
}

#[test]
fn every_login_shell_and_every_shell_does() {
    if !is_root() {
        return;
    }
    for (login, sh) in [("/bin/csh", None), ("/usr/bin/fish", None), ("/bin/dash", Some("/bin/bash"))] {
        let host = Host { login_shell: Some(login.into()), sh: sh.map(str::to_owned), ..Host::default() };
        let place = Place::at(&host);
        workout(&place.store());
        assert_eq!(place.files(), Vec::<String>::new(), "{login}");
    }
    let host =
        Host { sh: Some("/bin/busybox".into()), login_shell: Some("/bin/bash".into()), ..Host::default() };
    let place = Place::at(&host);
    // What a login script says is no part of an answer.
    fs::write(place.server.at("home/.bashrc"), "echo welcome; echo mind the gap >&2; printf 'no end'\n")
        .unwrap();
    workout(&place.store());
}

#[test]
fn the_root_may_have_any_name() {
    let place = Place::new();
    for odd in ODD {
        let root = place.root().join(odd).join("-");
        fs::create_dir_all(&root).unwrap();
        let store = place.try_connect(&place.server.target(&root)).unwrap();
        store.put(&path("d/a"), odd.as_bytes()).unwrap();
        assert_eq!(fs::read(root.join("d/a")).unwrap(), odd.as_bytes());
        assert_eq!(names(&store), ["d/a"]);
    }
    let home =
        tempfile::Builder::new().prefix("-xb $(x) ").tempdir_in(std::env::home_dir().unwrap()).unwrap();
    let relative = home.path().file_name().unwrap();
    let store = place.try_connect(&place.server.target(Path::new(relative))).unwrap();
    store.put(&path("a"), b"1").unwrap();
    assert_eq!(fs::read(home.path().join("a")).unwrap(), b"1");
    assert!(store.address().contains("/~/-xb $(x) "), "{}", store.address());
}

#[test]
fn a_root_that_is_not_there_or_does_not_let_us_is_told() {
    let place = Place::new();
    let store = place.try_connect(&place.server.target(&place.root().join("gone"))).unwrap();
    let errors = [
        store.list().unwrap_err(),
        store.put(&path("a"), b"").unwrap_err(),
        store.create(&path("a"), About::default()).map(drop).unwrap_err(),
        store.read_small(&[path("a")], 1).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind, StoreErrorKind::Missing, "{error}");
        assert!(error.reason.contains("is its disk mounted?"), "{error}");
    }
    assert!(!place.root().join("gone").exists());
    // Where not even root may make files.
    let store = place.try_connect(&place.server.target(Path::new("/sys/kernel"))).unwrap();
    let error = store.put(&path("a"), b"").unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Denied, "{error}");
}

#[test]
fn who_is_at_the_other_end_matters() {
    let place = Place::new();
    let kind = |target: &SshTarget| place.try_connect(target).map(drop).unwrap_err();
    place.server.know_host_by("stranger.pub");
    let error = kind(&place.target());
    assert_eq!(error.kind, StoreErrorKind::Denied, "{error}");
    assert!(error.reason.contains("known_hosts"), "{error}");
    fs::write(place.server.at("known_hosts"), "").unwrap();
    assert_eq!(kind(&place.target()).kind, StoreErrorKind::Denied);
    place.server.know_host_by("host.pub");
    drop(place.store());
    let mut stranger = place.target();
    for option in &mut stranger.options {
        if option.ends_with("/user") {
            *option = place.server.at("stranger").display().to_string();
        }
    }
    let error = kind(&stranger);
    assert_eq!(error.kind, StoreErrorKind::Denied, "{error}");
    assert!(error.reason.contains("authorized_keys"), "{error}");
    let nobody = SshTarget { port: Some(xb_sandbox::free_port().unwrap()), ..place.target() };
    assert_eq!(kind(&nobody).kind, StoreErrorKind::Unreachable);
    let none = SshTarget { program: "/nowhere/ssh".into(), ..place.target() };
    assert!(kind(&none).reason.contains("/nowhere/ssh"));
    for host in ["-oProxyCommand=touch x", "", "a b", "u@h"] {
        let target = SshTarget { host: host.into(), ..place.target() };
        assert_eq!(kind(&target).kind, StoreErrorKind::Unsupported, "{host:?}");
    }
    let target = SshTarget { user: Some("-l".into()), ..place.target() };
    assert_eq!(kind(&target).kind, StoreErrorKind::Unsupported);
}

#[test]
fn a_full_disk_there_is_told_and_leaves_nothing() {
    if !is_root() {
        return;
    }
    let disk = tempfile::tempdir().unwrap();
    let host = Host { disk: Some((disk.path().to_owned(), 2048)), ..Host::default() };
    let place = Place::at(&host);
    let store = place.try_connect(&place.server.target(disk.path())).unwrap();
    for length in [3_000_000, 40_000_000] {
        let error = upload(&store, "d/large", &noise(length)).unwrap_err();
        assert_eq!((error.kind, error.path.as_deref()), (StoreErrorKind::Full, Some("d/large")), "{error}");
        assert_eq!(names(&store), Vec::<String>::new());
    }
    upload(&store, "d/small", &noise(1_900_000)).unwrap();
    let error = store.publish(&path("d"), "seal", &noise(900_000)).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Exists, "{error}");
    let error = store.publish(&path("e/f"), "seal", &noise(900_000)).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Full, "{error}");
    assert_eq!(names(&store), ["d/small"]);
}

#[test]
fn a_connection_cut_in_an_upload_leaves_nothing_and_the_next_succeeds() {
    let place = Place::new();
    let relay = Relay::start(place.server.port);
    let target = SshTarget { port: Some(relay.port), ..place.target() };
    let store = place.try_connect(&target).unwrap();
    let content = noise(9_000_000);
    for bytes in [4_000, 8_000, 100_000, 5_000_000, 8_990_000] {
        relay.cut_after(Way::There, bytes);
        let error = upload(&store, "full/a/b", &content).err();
        // What broke before it began was done again.
        if bytes > 10_000 {
            let error = error.unwrap();
            assert_eq!(error.kind, StoreErrorKind::Unreachable, "{error}");
            assert_eq!(names(&store), Vec::<String>::new());
            wait_until("nothing is left", LIMIT, || place.files().is_empty());
        }
        assert_eq!(upload(&store, "full/a/b", &content).unwrap(), content.len() as u64);
        assert!(read(&store, "full/a/b", 0).unwrap() == content);
        store.remove(&[path("full/a/b")]).unwrap();
    }
    place.kill_clients();
    assert_eq!(upload(&store, "full/a/b", &content).unwrap(), content.len() as u64);
    place.server.kill_connections();
    assert_eq!(names(&store), ["full/a/b"]);
}

#[test]
fn an_upload_ends_with_its_connection() {
    let place = Place::new();
    let store = place.store();
    for end in [Place::kill_clients, |place: &Place| place.server.kill_connections()] {
        let mut upload = store.create(&path("d/a"), About::default()).unwrap();
        upload.write_all(&noise(9_000_000)).unwrap();
        end(&place);
        let error = upload.finish().unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Unreachable, "{error}");
        assert_eq!(names(&store), Vec::<String>::new());
        wait_until("nothing is left", LIMIT, || place.files().is_empty());
    }
}

#[test]
fn reading_goes_on_where_the_connection_broke() {
    let mut place = Place::new();
    let relay = Relay::start(place.server.port);
    let target = SshTarget { port: Some(relay.port), ..place.target() };
    let store = place.try_connect(&target).unwrap();
    let content = noise(40_000_000);
    fs::write(place.root().join("a"), &content).unwrap();
    let before = relay.carried(Way::Back);
    relay.cut_after(Way::Back, 20_000_000);
    let mut reader = store.read(&path("a"), 1000).unwrap();
    let mut first = vec![0; 10_000_000];
    reader.read_exact(&mut first).unwrap();
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).unwrap();
    assert!([first, rest].concat() == content[1000..]);
    assert_eq!(relay.connections(), 2);
    let carried = relay.carried(Way::Back) - before;
    assert!(carried < 47_000_000, "{carried} bytes came: it was not continued but begun again");
    // Not with another object's bytes.
    let mut reader = store.read(&path("a"), 0).unwrap();
    reader.read_exact(&mut [0; 100]).unwrap();
    fs::write(place.root().join("b"), &content[1..]).unwrap();
    let other: Vec<u8> = content.iter().rev().copied().collect();
    fs::write(place.root().join("a"), other).unwrap();
    relay.cut();
    let error = StoreError::from_io(reader.read_to_end(&mut Vec::new()).unwrap_err(), "", "read");
    assert_eq!(error.kind, StoreErrorKind::Damaged, "{error}");
    // And not for ever.
    let mut reader = store.read(&path("b"), 0).unwrap();
    place.server.kill();
    let error = StoreError::from_io(reader.read_to_end(&mut Vec::new()).unwrap_err(), "", "read");
    assert_eq!(error.kind, StoreErrorKind::Unreachable, "{error}");
}

#[test]
fn asking_to_stop_ends_what_is_blocked() {
    let place = Place::new();
    let cancel = CancelToken::new();
    let store = SshStore::connect(&place.target(), place.private.path(), &cancel).unwrap();
    let mut upload = store.create(&path("d/a"), About::default()).unwrap();
    upload.write_all(&[0; 100]).unwrap();
    // A host that does nothing more.
    let all: Vec<Pid> = place.server.processes().into_iter().filter_map(Pid::from_raw).collect();
    all.iter().for_each(|pid| kill_process(*pid, Signal::STOP).unwrap());
    let started = Instant::now();
    let stop = cancel.clone();
    let asking = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        stop.cancel(CancelReason::Interrupt);
    });
    let data = noise(1_000_000);
    let error = loop {
        if let Err(error) = upload.write_all(&data) {
            break StoreError::from_io(error, "", "write");
        }
    };
    asking.join().unwrap();
    assert_eq!(error.kind, StoreErrorKind::Cancelled, "{error}");
    assert_eq!(store.list().unwrap_err().kind, StoreErrorKind::Cancelled);
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    all.iter().for_each(|pid| kill_process(*pid, Signal::CONT).unwrap());
}

#[test]
fn one_connection_serves_all_and_more_than_it_can_take_get_another() {
    let place = Place::new();
    let relay = Relay::start(place.server.port);
    let store = place.try_connect(&SshTarget { port: Some(relay.port), ..place.target() }).unwrap();
    fs::write(place.root().join("a"), noise(5_000_000)).unwrap();
    (0..20).for_each(|_| drop(store.list().unwrap()));
    assert_eq!(relay.connections(), 1);
    let mut readers: Vec<_> = (0..12).map(|_| store.read(&path("a"), 0).unwrap()).collect();
    assert_eq!(names(&store), ["a"]);
    assert_eq!(relay.connections(), 2);
    assert!(readers.iter_mut().all(|reader| reader.read_to_end(&mut Vec::new()).unwrap() == 5_000_000));
    drop((readers, store));
    assert_eq!(processes::mentioning(place.private.path()), Vec::<String>::new());
    assert_eq!(fs::read_dir(place.private.path()).unwrap().count(), 0);
}

#[test]
fn a_private_directory_with_a_long_or_odd_name_does() {
    let place = Place::new();
    for name in ["x".repeat(120), "a b %h ${HOME}".to_owned()] {
        let private = place.private.path().join(name);
        fs::create_dir(&private).unwrap();
        let store = SshStore::connect(&place.target(), &private, &CancelToken::new()).unwrap();
        store.put(&path("a"), b"1").unwrap();
    }
}

#[test]
fn twenty_thousand_objects_are_listed_and_what_is_being_written_with_them() {
    let place = Place::new();
    for directory in 0..20 {
        let directory = place.root().join(format!("full/{directory}"));
        fs::create_dir_all(&directory).unwrap();
        (0..1000).for_each(|file| fs::write(directory.join(format!("f {file}")), b"1").unwrap());
    }
    fs::write(place.root().join(".xb-0123456789abcdef0123456789abcdef.upload"), b"1").unwrap();
    assert_eq!(place.store().list().unwrap().len(), 20_001);
}

const HOLD: &str = "XB_TEST_HOLD_SSH";
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Not a test: run by the next one as a process of its own, it holds a connection until it is killed.
#[test]
#[ignore = "a helper process of nothing_stays_after_a_kill"]
#[expect(clippy::disallowed_methods, reason = "a test binary takes no arguments of its own")]
fn hold_a_connection() {
    let Some(words) = std::env::var(HOLD).ok() else { return };
    let words: Vec<String> = words.split('\t').map(str::to_owned).collect();
    let (own, options) = words.split_at(4);
    let [root, private, port, program] = own else { return };
    let port = port.parse().ok();
    let target = SshTarget {
        port,
        options: options.to_vec(),
        program: program.into(),
        ..SshTarget::new("127.0.0.1", root.as_str())
    };
    let store = SshStore::connect(&target, Path::new(private), &CancelToken::new()).unwrap();
    let mut upload = store.create(&path("d/a"), About::default()).unwrap();
    upload.write_all(&noise(9_000_000)).unwrap();
    let _reader = store.read(&path("b"), 0).unwrap();
    fs::write(Path::new(private).join("held"), "").unwrap();
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
fn nothing_stays_after_a_kill() {
    let _alone = ONE_AT_A_TIME.lock().unwrap();
    let place = Place::new();
    // By the end of its input alone, and by the system too.
    for program in ["ssh", "/usr/bin/ssh"] {
        fs::write(place.root().join("b"), noise(9_000_000)).unwrap();
        let own = [place.root().to_str().unwrap(), place.private.path().to_str().unwrap()].map(str::to_owned);
        let words = [own.to_vec(), vec![place.server.port.to_string(), program.into()]].concat();
        let owner = Invocation::new(std::env::current_exe().unwrap())
            .args(["ssh::hold_a_connection", "--exact", "--ignored"])
            .env(HOLD, [words, place.server.options()].concat().join("\t"))
            .daemon(&place.server.at("owner.log"))
            .unwrap();
        let held = place.private.path().join("held");
        wait_until("the helper holds a connection", LIMIT, || held.exists());
        assert!(processes::mentioning(place.private.path()).len() >= 3);
        owner.kill();
        fs::remove_file(held).unwrap();
        wait_until("no ssh is left", LIMIT, || processes::mentioning(place.private.path()).is_empty());
        wait_until("nothing is left there", LIMIT, || place.files() == ["b"]);
    }
}
