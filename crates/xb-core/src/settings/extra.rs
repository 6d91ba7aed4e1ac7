//! `extra_ibx_options`: which engine options are ours, so that nobody can contradict them by accident.

use super::value::{Wrong, wrong};
use crate::MASK;

/// How much of an option's name has to agree.
enum Extent {
    /// All of it: longer names are other options (`--backup-locks`).
    Exact,
    /// The beginning: all options of the family.
    Family,
}

use Extent::{Exact, Family};

/// Options of the engines that pyxbackup gives itself, and what to use instead.
const OURS: &[(&str, Extent, &str)] = &[
    ("stream", Exact, "set compress = 1"),
    ("compress", Family, "set compress, compress_with, compress_level and compress_threads"),
    ("decompress", Family, "leave it out: restore-set decompresses by itself"),
    ("encrypt", Family, "set encrypt and encrypt_key_file"),
    ("decrypt", Family, "leave it out: decrypting belongs to restoring"),
    ("remote-host", Exact, "set remote_host"),
    ("target-dir", Exact, "set stor_dir"),
    ("extra-lsndir", Exact, "leave it out: metadata goes beside the backup anyway"),
    ("backup", Exact, "leave it out: full and incr give it"),
    ("prepare", Exact, "leave it out and use restore-set"),
    ("apply-log", Family, "leave it out and use restore-set"),
    ("redo-only", Exact, "leave it out and use restore-set"),
    ("copy-back", Exact, "leave it out and use restore-set"),
    ("move-back", Exact, "leave it out and use restore-set"),
    ("export", Exact, "leave it out: it belongs to preparing"),
    ("incremental", Family, "leave it out and use incr"),
    ("parallel", Exact, "set engine_parallel"),
    ("use-memory", Exact, "set prepare_memory"),
    ("no-timestamp", Exact, "leave it out: the name of a backup is given by pyxbackup"),
    ("defaults", Family, "set mysql_cnf"),
    ("login-path", Exact, "set mysql_user and mysql_pass"),
    ("password", Exact, "set mysql_pass"),
    ("user", Exact, "set mysql_user"),
    ("host", Exact, "set mysql_host"),
    ("port", Exact, "set mysql_port"),
    ("socket", Exact, "set mysql_sock"),
];

/// The engines' short options for the same.
const OURS_SHORT: &[(char, &str)] = &[
    ('p', "set mysql_pass"),
    ('u', "set mysql_user"),
    ('H', "set mysql_host"),
    ('P', "set mysql_port"),
    ('S', "set mysql_sock"),
];

/// Refuses options that pyxbackup gives itself.
pub(super) fn check(words: &[String]) -> Result<(), Wrong> {
    match words.iter().find_map(|word| Some((word, conflict(word)?))) {
        None => Ok(()),
        // Without its value: that may be a password.
        Some((word, remedy)) => {
            Err(wrong(format!("the engine's option {} is given by pyxbackup itself", name_of(word)), remedy))
        }
    }
}

/// What to use instead of an option, if it is one of ours.
fn conflict(word: &str) -> Option<&'static str> {
    let Some(long) = word.strip_prefix("--") else {
        let short = word.strip_prefix('-')?.chars().next()?;
        return OURS_SHORT.iter().find(|(ours, _)| *ours == short).map(|(_, remedy)| *remedy);
    };
    let name = long.split('=').next().unwrap_or_default().replace('_', "-").to_ascii_lowercase();
    let name = ["loose-", "skip-", "disable-", "enable-"]
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))
        .unwrap_or(&name);
    OURS.iter().find(|(ours, extent, _)| is_meant(name, ours, extent)).map(|(_, _, remedy)| *remedy)
}

fn is_meant(name: &str, ours: &str, extent: &Extent) -> bool {
    let in_family = matches!(extent, Family) && name.starts_with(ours);
    // The engines take any unambiguous beginning of an option's name.
    let is_abbreviation = name.len() >= 3 && ours.starts_with(name);
    in_family || is_abbreviation
}

fn name_of(word: &str) -> String {
    if word.starts_with("--") {
        word.split('=').next().unwrap_or_default().to_owned()
    } else {
        word.chars().take(2).collect()
    }
}

/// A command line with everything masked that follows a password option.
pub(super) fn without_secrets(text: &str) -> String {
    let mut kept = Vec::new();
    let mut hides_next = false;
    for word in text.split_whitespace() {
        let (name, value) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
        let bare = name.trim_matches(['\'', '"']);
        let is_secret = ["--pass", "--encrypt-key", "--encrypt_key"].iter().any(|p| bare.starts_with(p));
        let is_short = bare.starts_with("-p") && !bare.starts_with("--");
        let shown = match (hides_next, is_short, is_secret, value) {
            (true, ..) => MASK.to_owned(),
            (_, true, ..) => format!("-p{MASK}"),
            (_, _, true, Some(_)) => format!("{name}={MASK}"),
            _ => word.to_owned(),
        };
        hides_next = !hides_next && ((is_secret && value.is_none()) || bare == "-p");
        kept.push(shown);
    }
    kept.join(" ")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("--stream=xbstream", "--stream")]
    #[case("--compress", "--compress")]
    #[case("--compress-threads=4", "--compress-threads")]
    #[case("--encrypt-key=0123456789abcdef", "--encrypt-key")]
    #[case("--encrypt_key=0123456789abcdef", "--encrypt_key")]
    #[case("--target-dir=/x", "--target-dir")]
    #[case("--backup", "--backup")]
    #[case("--prepare", "--prepare")]
    #[case("--password=S3cret!pass", "--password")]
    #[case("--pass=S3cret!pass", "--pass")]
    #[case("-pS3cret!pass", "-p")]
    #[case("--defaults-file=/x", "--defaults-file")]
    #[case("--defaults-extra-file=/x", "--defaults-extra-file")]
    #[case("--incremental-basedir=/x", "--incremental-basedir")]
    #[case("--parallel=8", "--parallel")]
    #[case("--extra-lsndir=/x", "--extra-lsndir")]
    #[case("--loose-parallel=8", "--loose-parallel")]
    fn options_that_are_ours_are_refused_without_their_value(#[case] word: &str, #[case] shown: &str) {
        let error = check(&["--galera-info".to_owned(), word.to_owned()]).unwrap_err();
        assert!(error.what.contains(&format!("option {shown} is")), "{error:?}");
        assert!(!format!("{error:?}").contains("S3cret") && !format!("{error:?}").contains("0123"));
    }

    #[rstest]
    #[case("--slave-info")]
    #[case("--galera-info")]
    #[case("--backup-locks=0")]
    #[case("--throttle=100")]
    #[case("--databases=a.b")]
    #[case("--tables-file=/x")]
    #[case("--no-lock")]
    #[case("--ftwrl-wait-timeout=20")]
    #[case("--parallel-something-new")]
    #[case("value")]
    fn options_that_are_not_ours_pass(#[case] word: &str) {
        assert_eq!(check(&[word.to_owned()]), Ok(()));
    }

    #[test]
    fn passwords_in_options_are_masked_in_messages() {
        for text in
            ["--password=geheim --x", "--password geheim", "'-p geheim'", "-pgeheim", "'--pass=geheim'"]
        {
            assert!(!without_secrets(text).contains("geheim"), "{text}: {}", without_secrets(text));
        }
        assert_eq!(without_secrets("--slave-info --tables=a"), "--slave-info --tables=a");
    }
}
