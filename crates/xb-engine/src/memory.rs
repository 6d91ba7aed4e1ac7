//! Memory for preparing, when it is left to the machine (`prepare_memory = auto`).

use std::path::{Path, PathBuf};

use xb_core::settings::PrepareMemory;

use crate::context::Context;

/// Beside everything else that runs there, preparing gets one part in so many of what is free.
const SHARE: u64 = 2;
/// Less than this is of no use; more makes nothing faster.
const LEAST_MIB: u64 = 64;
const MOST_MIB: u64 = 65_536;
/// What preparing gets where nothing can be found out.
const USUAL_MIB: u64 = 128;
/// What it was given when the system killed it, in MiB as text.
const KILLED_NAME: &str = ".pyxbackup.killed_at_mib";

/// The memory for the next prepare, in MiB.
pub(crate) fn for_prepare(context: &Context) -> u64 {
    match context.settings.prepare_memory {
        PrepareMemory::Mib(mib) => mib,
        PrepareMemory::Auto => share(available_mib(Path::new("/")), killed_at_mib(context)),
    }
}

/// Remembers that the system killed an engine that was given so much: the next gets half of it.
pub(crate) fn was_killed(context: &Context, mib: u64) {
    if let (PrepareMemory::Auto, Some(path)) = (context.settings.prepare_memory, killed_path(context)) {
        // Without the note the next attempt is as large as this one, and the message tells the remedy.
        let _ = std::fs::write(path, mib.to_string());
    }
}

/// An engine that was given so much did well: after a kill the next may have a little more, until nothing is left
/// of that.
pub(crate) fn did_well(context: &Context, mib: u64) {
    let (Some(killed), Some(path)) = (killed_at_mib(context), killed_path(context)) else { return };
    let eased = killed.saturating_add(killed / 4).max(killed + 1);
    let is_over = available_mib(Path::new("/")).is_none_or(|available| eased / 2 >= available / SHARE);
    // What cannot be written down is tried anew the next time.
    let _ = match (context.settings.prepare_memory, is_over) {
        (PrepareMemory::Mib(_), _) => Ok(()),
        (PrepareMemory::Auto, true) => std::fs::remove_file(path),
        (PrepareMemory::Auto, false) if mib >= killed / 2 => std::fs::write(path, eased.to_string()),
        (PrepareMemory::Auto, false) => Ok(()),
    };
}

fn killed_path(context: &Context) -> Option<PathBuf> {
    Some(context.settings.work_dir.as_deref()?.join(KILLED_NAME))
}

fn killed_at_mib(context: &Context) -> Option<u64> {
    std::fs::read_to_string(killed_path(context)?).ok()?.trim().parse().ok()
}

fn share(available_mib: Option<u64>, killed_at_mib: Option<u64>) -> u64 {
    let share = available_mib.map_or(USUAL_MIB, |available| available / SHARE);
    share.min(killed_at_mib.map_or(u64::MAX, |killed| killed / 2)).clamp(LEAST_MIB, MOST_MIB)
}

/// What this process may still use: the machine's, or less where a control group sets a limit. `root` is the
/// root of the file system that tells.
fn available_mib(root: &Path) -> Option<u64> {
    let read = |path: &str| std::fs::read_to_string(root.join(path)).ok();
    let machine = read("proc/meminfo").and_then(|text| of_meminfo(&text));
    let group = read("proc/self/cgroup").map(|text| groups(&text)).unwrap_or_default();
    let limits = group.into_iter().filter_map(|group| {
        let number = |name: &str| read(&format!("{group}/{name}"))?.trim().parse::<u64>().ok();
        let (limit, used) = match number("memory.max") {
            Some(limit) => (limit, number("memory.current")?),
            None => (number("memory.limit_in_bytes")?, number("memory.usage_in_bytes")?),
        };
        Some(limit.saturating_sub(used) / 1024 / 1024)
    });
    machine.into_iter().chain(limits).min()
}

fn of_meminfo(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib / 1024)
}

/// The directories of the control groups that may hold a limit: the group itself and those above it.
fn groups(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    for line in text.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let base = match controllers {
            "" => "sys/fs/cgroup",
            _ if controllers.split(',').any(|name| name == "memory") => "sys/fs/cgroup/memory",
            _ => continue,
        };
        let mut path = path.trim_matches('/');
        loop {
            all.push(format!("{base}/{path}").trim_end_matches('/').to_owned());
            match path.rsplit_once('/') {
                Some((above, _)) => path = above,
                None if path.is_empty() => break,
                None => path = "",
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn half_of_what_is_free_and_half_again_after_a_kill() {
        assert_eq!(share(Some(8000), None), 4000);
        assert_eq!(share(Some(8000), Some(4000)), 2000);
        assert_eq!(share(Some(8000), Some(100_000)), 4000);
        assert_eq!((share(Some(10), None), share(None, None)), (LEAST_MIB, USUAL_MIB));
    }

    #[test]
    fn the_limit_of_any_group_above_counts() {
        let root = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("proc/meminfo", "MemTotal: 9000000 kB\nMemAvailable:    4194304 kB\n");
        assert_eq!(available_mib(root.path()), Some(4096));
        put("proc/self/cgroup", "0::/system.slice/backup.service\n");
        put("sys/fs/cgroup/system.slice/backup.service/memory.max", "max\n");
        assert_eq!(available_mib(root.path()), Some(4096));
        put("sys/fs/cgroup/system.slice/memory.max", "1073741824\n");
        put("sys/fs/cgroup/system.slice/memory.current", "536870912\n");
        assert_eq!(available_mib(root.path()), Some(512));
        put("proc/self/cgroup", "5:cpu,memory:/docker/x\n");
        put("sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes", "268435456\n");
        put("sys/fs/cgroup/memory/docker/x/memory.usage_in_bytes", "0\n");
        assert_eq!(available_mib(root.path()), Some(256));
    }
}
