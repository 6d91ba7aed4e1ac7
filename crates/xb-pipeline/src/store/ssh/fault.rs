//! What it means when a script at the other end, or ssh itself, did not do what it was asked.

use std::process::ExitStatus;

use super::scripts;
use crate::process::describe;
use crate::store::StoreErrorKind;

/// The exit code of ssh for troubles of its own.
const SSH_ITSELF: i32 = 255;

/// What kind of trouble it is, and what to tell. `said` is what came over standard error.
pub(super) fn judge(status: ExitStatus, said: &[String]) -> (StoreErrorKind, String) {
    let words = worth_telling(said);
    let Some(code) = status.code() else {
        return (StoreErrorKind::Unreachable, format!("ssh was {}{}", describe(status), behind(&words)));
    };
    let denied = || has(&words, &["Permission denied"]);
    match code {
        0 => (StoreErrorKind::Damaged, "the host's answer is not whole".to_owned()),
        SSH_ITSELF => of_ssh(&words),
        scripts::NO_ROOT if denied() => (StoreErrorKind::Denied, words),
        scripts::NO_ROOT => (
            StoreErrorKind::Missing,
            format!("the directory is not there: is its disk mounted? It is not made here{}", behind(&words)),
        ),
        scripts::NO_OBJECT if denied() => (StoreErrorKind::Denied, words),
        scripts::NO_OBJECT => (StoreErrorKind::Missing, "it is not there".to_owned()),
        scripts::IS_THERE => (StoreErrorKind::Exists, "it is there already".to_owned()),
        scripts::CHANGED => {
            (StoreErrorKind::Damaged, "it changed again and again while it was read".to_owned())
        }
        scripts::TOO_LARGE => (StoreErrorKind::Other, "it is larger than it may be".to_owned()),
        scripts::IN_THE_WAY => (
            StoreErrorKind::Exists,
            "what an earlier attempt left stands where its draft would be: remove that first".to_owned(),
        ),
        scripts::CUT => (StoreErrorKind::Unreachable, format!("the connection broke{}", behind(&words))),
        code => of_a_command(code, words),
    }
}

/// A command at the other end had something against it.
fn of_a_command(code: i32, words: String) -> (StoreErrorKind, String) {
    let kind = if has(&words, &["No space left on device", "Disk quota exceeded"]) {
        StoreErrorKind::Full
    } else if has(&words, &["Permission denied", "Operation not permitted", "Read-only file system"]) {
        StoreErrorKind::Denied
    } else if has(&words, &["not found", "invalid option", "unrecognized option"]) {
        return (
            StoreErrorKind::Unsupported,
            format!("the host lacks a command that is needed (a POSIX shell and GNU coreutils): {words}"),
        );
    } else {
        StoreErrorKind::Other
    };
    if words.is_empty() {
        return (kind, format!("the command at the other end gave exit code {code} and no reason"));
    }
    (kind, words)
}

fn of_ssh(words: &str) -> (StoreErrorKind, String) {
    if has(words, &["Host key verification failed", "IDENTIFICATION HAS CHANGED", "host key is known"]) {
        let advice = "the host key is not a known one: compare its fingerprint with the host's own, and then log in \
                      once by hand, or correct known_hosts";
        return (StoreErrorKind::Denied, format!("{advice}{}", behind(words)));
    }
    if has(words, &["Permission denied", "Too many authentication failures", "not allowed"]) {
        let advice = "the host does not let us in: is the key in its authorized_keys, and one that needs no \
                      passphrase or is in an agent?";
        return (StoreErrorKind::Denied, format!("{advice}{}", behind(words)));
    }
    if has(
        words,
        &["Bad configuration option", "unknown option", "illegal option", "command-line line", "usage: ssh"],
    ) {
        return (StoreErrorKind::Unsupported, format!("ssh does not know an option{}", behind(words)));
    }
    if has(words, &["Session open refused", "open failed"]) {
        let advice = "the host refuses another session: raise MaxSessions in its sshd_config";
        return (StoreErrorKind::Busy, format!("{advice}{}", behind(words)));
    }
    (StoreErrorKind::Unreachable, format!("no connection{}", behind(words)))
}

fn has(words: &str, any: &[&str]) -> bool {
    any.iter().any(|part| words.contains(part))
}

/// Without what our own way of calling ssh makes it say, unless that is all.
fn worth_telling(said: &[String]) -> String {
    let is_ours = |line: &str| line.contains("port 65535") || line.starts_with("mux_client");
    let is_frame = |line: &str| line.is_empty() || line.bytes().all(|b| b == b'@');
    let lines: Vec<&str> = said.iter().map(|line| line.trim()).filter(|line| !is_frame(line)).collect();
    let told: Vec<&str> = lines.iter().copied().filter(|line| !is_ours(line)).collect();
    (if told.is_empty() { lines } else { told }).join("; ")
}

fn behind(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!(" ({words})") }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[track_caller]
    fn kind(code: i32, words: &str) -> StoreErrorKind {
        let (kind, reason) = judge(ExitStatus::from_raw(code << 8), &[words.to_owned()]);
        assert!(!reason.is_empty());
        kind
    }

    #[test]
    fn each_trouble_has_its_kind() {
        assert_eq!(
            kind(1, "dd: error writing 'standard output': No space left on device"),
            StoreErrorKind::Full
        );
        assert_eq!(kind(2, "/bin/sh: 1: cannot create ./a: Permission denied"), StoreErrorKind::Denied);
        assert_eq!(kind(127, "sh: 1: dd: not found"), StoreErrorKind::Unsupported);
        assert_eq!(kind(1, "sync: error syncing './a': Input/output error"), StoreErrorKind::Other);
        assert_eq!(kind(1, ""), StoreErrorKind::Other);
        assert_eq!(kind(40, "ls: cannot access '/a/.': No such file or directory"), StoreErrorKind::Missing);
        assert_eq!(kind(40, "ls: cannot access '/a/.': Permission denied"), StoreErrorKind::Denied);
        assert_eq!(kind(255, "Host key verification failed."), StoreErrorKind::Denied);
        assert_eq!(kind(255, "u@h: Permission denied (publickey)."), StoreErrorKind::Denied);
        assert_eq!(
            kind(255, "command-line: line 0: Bad configuration option: x"),
            StoreErrorKind::Unsupported
        );
        assert_eq!(
            kind(255, "ssh: connect to host h port 22: Connection refused"),
            StoreErrorKind::Unreachable
        );
        assert_eq!(kind(255, ""), StoreErrorKind::Unreachable);
        assert_eq!(judge(ExitStatus::from_raw(9), &[]).0, StoreErrorKind::Unreachable);
    }
}
