//! A look at the processes of this machine.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

/// The command line of a process, words separated by spaces. Empty for one that has ended.
#[must_use]
pub fn command_line(pid: i32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).trim_end_matches('\0').replace('\0', " ")
}

/// The name of the account these tests run under.
///
/// # Panics
/// When the system does not know it.
#[must_use]
pub fn account() -> String {
    let own = format!(":{}:", rustix::process::geteuid().as_raw());
    let accounts = fs::read_to_string("/etc/passwd").unwrap();
    let line = accounts
        .lines()
        .find(|line| line.splitn(3, ':').nth(2).is_some_and(|rest| format!(":{rest}").starts_with(&own)));
    line.and_then(|line| line.split(':').next()).unwrap().to_owned()
}

/// The environment of a process, as it was started with.
#[must_use]
pub fn environment(pid: i32) -> String {
    String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/environ")).unwrap_or_default()).into_owned()
}

/// Processes that run and have `path` in their command line, each as `pid command`. Every run of these tests
/// has directories of its own, so that this finds whatever a run started, whoever its parent is now.
#[must_use]
pub fn mentioning(path: &Path) -> Vec<String> {
    let path = path.to_string_lossy();
    let all = all().into_iter().map(|pid| (pid, command_line(pid)));
    let found = all.filter(|(pid, line)| line.contains(&*path) && *pid != own_pid());
    found.map(|(pid, line)| format!("{pid} {line}")).collect()
}

/// The process and all that descend from it.
#[must_use]
pub fn tree(root: i32) -> BTreeSet<i32> {
    let parents: Vec<(i32, i32)> = all().into_iter().filter_map(|pid| Some((pid, parent(pid)?))).collect();
    let mut found = BTreeSet::from([root]);
    loop {
        let more: Vec<i32> = parents
            .iter()
            .filter(|(pid, parent)| found.contains(parent) && !found.contains(pid))
            .map(|(pid, _)| *pid)
            .collect();
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}

/// The most memory the process has had resident so far, in KiB.
#[must_use]
pub fn peak_memory_kib(pid: i32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn own_pid() -> i32 {
    i32::try_from(std::process::id()).unwrap_or_default()
}

fn all() -> Vec<i32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The field behind the name, which stands in parentheses and may hold anything.
fn parent(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Ends what has `path` in its command line. For directories of these tests' own making alone.
pub fn end_mentioning(path: &Path) {
    let ended = |line: &String| line.split(' ').next()?.parse().ok().and_then(Pid::from_raw);
    for pid in mentioning(path).iter().filter_map(ended) {
        // Fails when it has ended meanwhile, which is what is wanted.
        let _ = kill_process(pid, Signal::KILL);
    }
}
