//! Whether a process that left its mark in a file still runs, for those who read the file later. Nothing is locked or
//! sent for it: who asks disturbs nobody.

use std::fs;
use std::io;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};

/// By what a process is known again. Its number alone says little: another process may get it later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessMark {
    /// Its number.
    pub pid: u32,
    /// When it began, in the clock ticks of its system.
    pub started_ticks: u64,
    /// Where the two mean something: a run of a kernel, and the process and time namespaces in it.
    pub scope: String,
}

/// What became of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It runs.
    Here,
    /// It has ended.
    Gone,
    /// It cannot be told from here: it is of another machine or container, of before a reboot, or hidden.
    Unknown,
}

impl ProcessMark {
    /// That of this process; none where the system does not tell.
    #[must_use]
    pub fn own() -> Option<Self> {
        let pid = std::process::id();
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Some(ProcessMark { pid, started_ticks: Stat::parse(&stat)?.started_ticks, scope: scope()? })
    }

    /// What became of the process.
    #[must_use]
    pub fn presence(&self) -> Presence {
        if scope().is_none_or(|scope| scope != self.scope) {
            return Presence::Unknown;
        }
        match fs::read_to_string(format!("/proc/{}/stat", self.pid)) {
            Ok(stat) => self.judge(&stat),
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.ask(),
            // It ended while it was read.
            Err(error) if Errno::from_io_error(&error) == Some(Errno::SRCH) => Presence::Gone,
            Err(_) => Presence::Unknown,
        }
    }

    /// By what the system says of who has the number now.
    fn judge(&self, stat: &str) -> Presence {
        match Stat::parse(stat) {
            Some(stat) if stat.started_ticks == self.started_ticks && stat.is_alive => Presence::Here,
            Some(_) => Presence::Gone,
            None => Presence::Unknown,
        }
    }

    /// Processes of others may be hidden (`hidepid`), but not that their number is taken.
    fn ask(&self) -> Presence {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        match pid.map(test_kill_process) {
            Some(Err(Errno::SRCH)) | None => Presence::Gone,
            Some(_) => Presence::Unknown,
        }
    }
}

/// What is of interest in `/proc/<pid>/stat`.
struct Stat {
    is_alive: bool,
    started_ticks: u64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The name in parentheses may hold anything. Behind it: the state, which is field 3, and so on to 22.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let is_alive = !matches!(*fields.first()?, "Z" | "X" | "x");
        Some(Stat { is_alive, started_ticks: fields.get(19)?.parse().ok()? })
    }
}

/// The run of the kernel, and our namespaces in it.
fn scope() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let processes = fs::read_link("/proc/self/ns/pid").ok()?;
    // Kernels before 5.6 have none.
    let time = fs::read_link("/proc/self/ns/time").unwrap_or_default();
    Some(format!("{} {} {}", boot.trim(), processes.display(), time.display()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::process::Invocation;

    fn mark_of(pid: u32) -> ProcessMark {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let started_ticks = Stat::parse(&stat).unwrap().started_ticks;
        ProcessMark { pid, started_ticks, scope: scope().unwrap() }
    }

    #[test]
    fn this_process_is_here_and_one_that_ended_is_gone() {
        assert_eq!(ProcessMark::own().unwrap().presence(), Presence::Here);
        let log = tempfile::NamedTempFile::new().unwrap();
        let other = Invocation::new("sleep").arg("600").daemon(log.path()).unwrap();
        let mark = mark_of(other.pid().unwrap().try_into().unwrap());
        assert_eq!(mark.presence(), Presence::Here);
        other.stop(Duration::from_secs(60)).unwrap();
        assert_eq!(mark.presence(), Presence::Gone);
    }

    #[test]
    fn another_process_that_got_the_number_is_not_the_one() {
        let own = ProcessMark::own().unwrap();
        let earlier = ProcessMark { started_ticks: own.started_ticks - 1, ..own };
        assert_eq!(earlier.presence(), Presence::Gone);
    }

    #[test]
    fn nobody_knows_of_a_process_on_another_machine_or_before_a_reboot() {
        let own = ProcessMark::own().unwrap();
        let elsewhere = ProcessMark { scope: own.scope.replacen('-', "+", 1), ..own };
        assert_eq!(elsewhere.presence(), Presence::Unknown);
    }

    #[test]
    fn a_process_that_nobody_has_waited_for_is_gone_whatever_its_name() {
        let mark = ProcessMark { pid: 7, started_ticks: 4711, scope: String::new() };
        let stat = |state: &str, ticks: u64| {
            format!("7 (a) Z (b) {state} 1 7 7 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 {ticks} 1 2 3\n")
        };
        assert_eq!(mark.judge(&stat("S", 4711)), Presence::Here);
        assert_eq!(mark.judge(&stat("Z", 4711)), Presence::Gone);
        assert_eq!(mark.judge(&stat("S", 4712)), Presence::Gone);
        assert_eq!(mark.judge("7 (cut"), Presence::Unknown);
    }

    #[test]
    fn a_number_that_nobody_has_is_of_no_hidden_process() {
        let own = ProcessMark::own().unwrap();
        assert_eq!(own.ask(), Presence::Unknown);
        // Numbers go up to 4194304.
        assert_eq!(ProcessMark { pid: 0x7fff_ffff, ..own }.ask(), Presence::Gone);
    }
}
