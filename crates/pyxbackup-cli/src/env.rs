//! The process's environment. Nothing else of this crate looks at it.

use std::path::{Path, PathBuf};

/// The directory of this program, links resolved.
pub(crate) fn program_dir() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let program = program.canonicalize().unwrap_or(program);
    program.parent().map(PathBuf::from)
}

/// The directories of `PATH`.
#[expect(clippy::disallowed_methods, reason = "this module is where the environment is read")]
pub(crate) fn search_path() -> Vec<PathBuf> {
    std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default()
}

/// The user's home.
#[expect(clippy::disallowed_methods, reason = "this module is where the environment is read")]
pub(crate) fn home() -> Option<PathBuf> {
    std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute())
}

/// The user's name, under which a server is asked when no account is set.
#[expect(clippy::disallowed_methods, reason = "this module is where the environment is read")]
pub(crate) fn user() -> Option<String> {
    // cron sets only the latter.
    ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok()).filter(|name| !name.is_empty())
}

/// The variables whose names begin with one of `prefixes`, as far as they are text.
pub(crate) fn beginning_with(prefixes: &[&str]) -> Vec<(String, String)> {
    let text = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    text.filter(|(name, _)| prefixes.iter().any(|prefix| name.starts_with(prefix))).collect()
}

/// Whether this process was started to outlive its terminal, as with nohup.
pub(crate) fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string(Path::new("/proc/self/status")).unwrap_or_default();
    ignored_signals(&status).is_some_and(|mask| mask & 1 != 0)
}

/// The set of ignored signals in `/proc/<pid>/status`; its lowest bit is signal 1, which is SIGHUP.
fn ignored_signals(status: &str) -> Option<u64> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_that_is_ignored_is_known_by_its_bit() {
        let status = "Name:\tpyxbackup\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000000000\n";
        assert_eq!(ignored_signals(status), Some(0x1001));
        assert_eq!(ignored_signals("Name:\tx\n"), None);
    }
}
