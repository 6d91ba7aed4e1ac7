//! A disk for an archive that can be full.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::geteuid;
use xb_pipeline::process::{Daemon, Invocation};
use xb_tests::wait_until;

use crate::support::LIMIT;

/// Its size in KiB while it is not full.
const DISK_KIB: u64 = 2 * 1024 * 1024;
/// What is left on one that is about to be full.
const LEFT_KIB: u64 = 64;

/// A disk in a mount namespace of its own, which goes with the process that holds it.
pub(crate) struct Disk {
    /// None where mounting is not allowed: then it is no disk of its own.
    holder: Option<Daemon>,
    /// Where it is to those in the namespace.
    mounted: PathBuf,
    pub(crate) archive: PathBuf,
    /// Where the archive is to everybody else.
    pub(crate) seen: PathBuf,
}

impl Disk {
    pub(crate) fn mount(home: &Path) -> Self {
        const HOLD: &str = "mount -t tmpfs -o \"size=$1k,mode=0700\" tmpfs \"$2\" && touch \"$2/ready\" && \
                            exec setpriv --pdeathsig KILL sleep infinity";
        let mounted = home.join("disk");
        fs::create_dir(&mounted).unwrap();
        let archive = mounted.join("binlogs");
        if !geteuid().is_root() {
            return Disk { holder: None, seen: archive.clone(), archive, mounted };
        }
        let holder = Invocation::new("unshare")
            .args(["-m", "sh", "-c", HOLD, "hold", &DISK_KIB.to_string()])
            .arg(&mounted)
            .daemon(&home.join("disk.log"))
            .unwrap();
        let root = PathBuf::from(format!("/proc/{}/root", holder.pid().unwrap()));
        let at = |path: &Path| root.join(path.strip_prefix("/").unwrap());
        wait_until("the disk is mounted", LIMIT, || at(&mounted).join("ready").exists());
        Disk { holder: Some(holder), seen: at(&archive), archive, mounted }
    }

    /// Whether it is a disk of its own, which can be full.
    pub(crate) fn is_own(&self) -> bool {
        self.holder.is_some()
    }

    /// A program that sees it.
    pub(crate) fn enter(&self, program: &Path) -> Invocation {
        let Some(holder) = &self.holder else { return Invocation::new(program) };
        let pid = holder.pid().unwrap().to_string();
        Invocation::new("nsenter").args(["-m", "-t", &pid, "--"]).arg(program)
    }

    /// Where the only epoch is.
    pub(crate) fn epoch(&self) -> PathBuf {
        self.seen.join("epoch-000001")
    }

    /// Its logs, open and closed, with their lengths.
    pub(crate) fn sizes(&self) -> BTreeMap<String, u64> {
        sizes(&self.seen)
    }

    /// Leaves next to nothing of it.
    pub(crate) fn fill(&self) {
        // What is written meanwhile can make it larger than it is to become.
        wait_until("the disk is small", LIMIT, || {
            let room = rustix::fs::statvfs(&self.seen).unwrap();
            let used = (room.f_blocks - room.f_bfree) * room.f_frsize / 1024;
            self.resize(used + LEFT_KIB)
        });
    }

    pub(crate) fn make_room(&self) {
        assert!(self.resize(DISK_KIB), "the disk does not become larger");
    }

    fn resize(&self, kib: u64) -> bool {
        let mount = self.enter(Path::new("mount")).arg("-o").arg(format!("remount,size={kib}k"));
        mount.arg(&self.mounted).output(LIMIT).unwrap().status.success()
    }
}

/// The logs of an archive's epochs, of which there is to be one.
pub(crate) fn sizes(archive: &Path) -> BTreeMap<String, u64> {
    let entries = |directory: &Path| fs::read_dir(directory).into_iter().flatten().flatten();
    let epochs = entries(archive).filter(|entry| entry.file_name().to_string_lossy().starts_with("epoch-"));
    let is_log = |name: &str| {
        let rest = name.strip_prefix("mysql-bin.");
        rest.is_some_and(|rest| rest.strip_suffix(".partial").unwrap_or(rest).parse::<u64>().is_ok())
    };
    let mut sizes = BTreeMap::new();
    for file in epochs.flat_map(|epoch| entries(&epoch.path()).collect::<Vec<_>>()) {
        let name = file.file_name().into_string().unwrap();
        // It may have got another name meanwhile.
        if let (true, Ok(about)) = (is_log(&name), file.metadata()) {
            sizes.insert(name, about.len());
        }
    }
    sizes
}
