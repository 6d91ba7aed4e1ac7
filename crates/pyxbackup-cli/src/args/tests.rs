use rstest::rstest;

use super::*;

mod contrib;
mod facts;
mod shown;

fn parsed(args: &[&str]) -> Result<Parsed, CliError> {
    let args: Vec<OsString> =
        std::iter::once("pyxbackup").chain(args.iter().copied()).map(Into::into).collect();
    parse(&args)
}

fn typed(args: &[&str]) -> Typed {
    match parsed(args) {
        Ok(Parsed::Typed(typed)) => *typed,
        Ok(Parsed::Text(text)) => panic!("{args:?}: {text}"),
        Err(error) => panic!("{args:?}: {error}"),
    }
}

fn value(typed: &Typed, name: &str) -> Option<String> {
    let entry = typed.layer.entries.iter().find(|entry| entry.key.name == name)?;
    match &entry.given {
        Given::Text(text) => Some(text.clone()),
        Given::Items(_) => None,
    }
}

fn error(args: &[&str]) -> (String, String) {
    match parsed(args) {
        Err(CliError::Usage { message, hints }) => (message, hints.join("\n")),
        _ => panic!("{args:?} was accepted"),
    }
}

fn help(args: &[&str]) -> String {
    match parsed(args) {
        Ok(Parsed::Text(text)) => text,
        _ => panic!("{args:?} gave no help"),
    }
}

/// The options that pyxbackup has always had, listed by hand: a slip in the table of settings shows here.
const ORIGINAL: &[(&str, Option<&str>, &str, &str)] = &[
    ("--mysql-user", Some("-u"), "mysql_user", "backup"),
    ("--mysql-pass", Some("-p"), "mysql_pass", "-x!"),
    ("--mysql-host", Some("-H"), "mysql_host", "db1"),
    ("--mysql-port", Some("-P"), "mysql_port", "3307"),
    ("--mysql-socket", Some("-S"), "mysql_sock", "/s.sock"),
    ("--mysql-cnf", Some("-c"), "mysql_cnf", "/my.cnf"),
    ("--stor-dir", Some("-s"), "stor_dir", "/stor"),
    ("--work-dir", Some("-w"), "work_dir", "/work"),
    ("--retention-binlogs", Some("-b"), "retention_binlogs", "7"),
    ("--extra-ibx-options", None, "extra_ibx_options", "--slave-info --galera-info"),
    ("--compress-with", Some("-Z"), "compress_with", "qpress"),
    ("--notify-by-email", Some("-M"), "notify_by_email", "a@b,c@d"),
    ("--notify-on-success", None, "notify_on_success", "a@b"),
    ("--remote-stor-dir", Some("-R"), "remote_stor_dir", "/remote"),
    ("--remote-host", Some("-T"), "remote_host", "h"),
    ("--remote-script", Some("-B"), "remote_script", "/usr/bin/pyxbackup -q"),
    ("--remote-nc-port", None, "remote_nc_port", "9999,10010"),
    ("--ssh-opts", Some("-C"), "ssh_opts", "-i /id"),
    ("--ssh-user", Some("-U"), "ssh_user", "root"),
    ("--prepare-memory", Some("-m"), "prepare_memory", "256"),
    ("--status-format", Some("-o"), "status_format", "nagios"),
    ("--restore-backup", Some("-r"), "restore_backup", "2026_11_22-14_28_07"),
    ("--restore-dir", Some("-e"), "restore_dir", "/restore"),
    ("--retention-sets", Some("-i"), "retention_sets", "3"),
    ("--retention-months", Some("-j"), "retention_months", "4"),
    ("--retention-weeks", Some("-k"), "retention_weeks", "5"),
    ("--meta-item", Some("-t"), "meta_item", "xb_last_backup,xb_last_full"),
    ("--first-binlog", Some("-n"), "first_binlog", "b.000001"),
    ("--binlog-binary", Some("-l"), "binlog_binary", "/mysqlbinlog"),
    ("--encrypt", None, "encrypt", "AES256"),
    ("--encrypt-key-file", None, "encrypt_key_file", "/key"),
];

const ORIGINAL_FLAGS: &[(&str, Option<&str>, &str)] = &[
    ("--compress", Some("-z"), "compress"),
    ("--remote-push-only", Some("-L"), "remote_push_only"),
    ("--apply-log", Some("-x"), "apply_log"),
    ("--binlog-from-master", None, "binlog_from_master"),
    ("--binlog-resume", None, "binlog_resume"),
    ("--purge-bitmaps", None, "purge_bitmaps"),
    ("--i-am-absolutely-sure-wipeout", Some("-X"), "i_am_absolutely_sure_wipeout"),
];

#[test]
fn every_option_of_the_original_takes_its_value_before_and_after_the_command() {
    for (long, short, key, text) in ORIGINAL {
        let expected = Some((*text).to_owned());
        for form in std::iter::once(long).chain(short) {
            assert_eq!(value(&typed(&[form, text, "full"]), key), expected, "{form} before");
            assert_eq!(value(&typed(&["restore-set", form, text]), key), expected, "{form} after");
        }
        assert_eq!(value(&typed(&[&format!("{long}={text}"), "list"]), key), expected, "{long}=");
        if let Some(short) = short {
            assert_eq!(
                value(&typed(&[&format!("{short}{text}"), "list"]), key),
                expected,
                "{short} attached"
            );
        }
    }
}

#[test]
fn every_flag_of_the_original_needs_no_value() {
    for (long, short, key) in ORIGINAL_FLAGS {
        for form in std::iter::once(long).chain(short) {
            assert_eq!(value(&typed(&[form, "full"]), key).as_deref(), Some("1"), "{form} before");
            assert_eq!(value(&typed(&["wipeout", form]), key).as_deref(), Some("1"), "{form} after");
        }
    }
}

#[test]
fn options_about_the_run_have_their_forms_too() {
    for args in [["-f", "a.cnf", "full"], ["full", "--config", "a.cnf"]] {
        assert_eq!(typed(&args).config, Some(PathBuf::from("a.cnf")));
    }
    assert_eq!(typed(&["full"]).section, "pyxbackup");
    assert_eq!(typed(&["--config-section", "other", "full"]).section, "other");
    assert!(typed(&["-d", "full"]).debug && typed(&["full", "--debug"]).debug);
    assert!(typed(&["-q", "full"]).quiet && typed(&["full", "--quiet"]).quiet);
    assert!(!typed(&["full"]).debug && !typed(&["full"]).quiet);
}

#[rstest]
#[case("full", Task::Full)]
#[case("incr", Task::Incr)]
#[case("list", Task::List)]
#[case("status", Task::Status)]
#[case("restore-set", Task::RestoreSet)]
#[case("apply-last", Task::ApplyLast)]
#[case("prune", Task::Prune)]
#[case("binlog-stream", Task::BinlogStream)]
#[case("wipeout", Task::Wipeout)]
#[case("meta", Task::Meta)]
#[case("last-lsn", Task::LastLsn)]
fn every_command_of_the_original_is_known(#[case] word: &str, #[case] task: Task) {
    assert_eq!(typed(&[word]).command.task(), task);
}

#[test]
fn flags_may_stand_together_and_be_taken_back() {
    let both = typed(&["-zxS", "/s.sock", "full"]);
    assert_eq!(value(&both, "compress").as_deref(), Some("1"));
    assert_eq!(value(&both, "apply_log").as_deref(), Some("1"));
    assert_eq!(value(&both, "mysql_sock").as_deref(), Some("/s.sock"));
    assert_eq!(value(&typed(&["--compress=0", "full"]), "compress").as_deref(), Some("0"));
}

#[test]
fn of_an_option_given_twice_the_last_counts() {
    assert_eq!(value(&typed(&["-s", "/a", "-s", "/b", "full"]), "stor_dir").as_deref(), Some("/b"));
    assert_eq!(value(&typed(&["-s", "/a", "full", "-s", "/b"]), "stor_dir").as_deref(), Some("/b"));
    assert!(typed(&["-d", "full", "-d", "-d"]).debug);
}

#[test]
fn a_long_option_may_be_shortened() {
    assert_eq!(value(&typed(&["--restore-d", "/r", "restore-set"]), "restore_dir").as_deref(), Some("/r"));
}

#[test]
fn levels_may_be_negative() {
    assert_eq!(value(&typed(&["--compress-level", "-3", "full"]), "compress_level").as_deref(), Some("-3"));
}

#[rstest]
#[case(&["list"], ListFormat::Lines)]
#[case(&["list", "--format", "lines"], ListFormat::Lines)]
#[case(&["list", "--format=table"], ListFormat::Table)]
#[case(&["list", "--format=json"], ListFormat::Json)]
#[case(&["--json", "list"], ListFormat::Json)]
fn list_prints_lines_unless_told_otherwise(#[case] args: &[&str], #[case] format: ListFormat) {
    assert_eq!(typed(args).command, Command::List { format, all: false });
}

#[test]
fn what_is_unknown_suggests_the_nearest() {
    let (message, hints) = error(&["--stor-dri", "/s", "full"]);
    assert_eq!(message, "unexpected argument '--stor-dri' found");
    assert!(hints.starts_with("a similar argument exists: '--stor-dir'"), "{hints}");
    let (message, hints) = error(&["restor-set"]);
    assert_eq!(message, "unrecognized subcommand 'restor-set'");
    assert!(hints.contains("'restore-set'"), "{hints}");
    assert!(error(&["list", "--format", "jsn"]).1.contains("'json'"));
}

#[test]
fn a_run_without_a_command_is_refused() {
    assert_eq!(error(&[]).0, "no command is given");
    assert_eq!(error(&["config"]).0, "no command is given");
}

#[test]
fn json_is_looked_for_where_arguments_cannot_be_read() {
    let asks = |args: &[&str]| looks_for_json(&args.iter().map(OsString::from).collect::<Vec<_>>());
    assert!(asks(&["--json", "x"]) && asks(&["--format=json"]) && asks(&["list", "--format", "json"]));
    assert!(!asks(&["list", "--format", "table", "json"]));
}

#[test]
fn help_fits_on_a_hundred_columns() {
    for words in Task::ALL.into_iter().map(Task::word).chain(["config", "archive"]) {
        for flag in ["-h", "--help"] {
            let args: Vec<&str> = words.split(' ').chain([flag]).collect();
            let text = help(&args);
            assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        }
    }
    assert!(help(&["--help"]).lines().all(|line| line.chars().count() <= 100));
}

#[test]
fn help_of_the_program() {
    insta::assert_snapshot!(help(&["--help"]));
}

#[test]
fn brief_help_of_the_program() {
    insta::assert_snapshot!(help(&["-h"]));
}

#[test]
fn help_is_a_command_too() {
    assert_eq!(help(&["help"]), help(&["--help"]));
    assert_eq!(help(&["help", "full"]), help(&["full", "--help"]));
}

#[test]
fn help_of_full() {
    insta::assert_snapshot!(help(&["full", "--help"]));
}

#[test]
fn help_of_restore_set() {
    insta::assert_snapshot!(help(&["restore-set", "--help"]));
}

#[test]
fn help_of_a_command_shows_only_what_concerns_it() {
    let text = help(&["list", "--help"]);
    assert!(text.contains("--stor-dir") && text.contains("--format"), "{text}");
    assert!(!text.contains("--mysql-user") && !text.contains("--restore-dir"), "{text}");
}

#[test]
fn help_of_archive() {
    insta::assert_snapshot!(help(&["archive", "--help"]));
}

#[test]
fn help_of_archive_extract() {
    insta::assert_snapshot!(help(&["archive", "extract", "--help"]));
}

#[test]
fn help_of_archive_convert() {
    insta::assert_snapshot!(help(&["archive", "convert", "--help"]));
}

#[test]
fn every_command_on_archives_teaches_with_examples() {
    for word in ["list", "cat", "extract", "convert"] {
        let text = help(&["archive", word, "--help"]);
        assert!(text.contains(&format!("pyxbackup archive {word} backup")), "{text}");
        assert!(text.contains("--encrypt-key-file") && !text.contains("--stor-dir"), "{text}");
        assert!(help(&["help", "archive", word]) == text);
    }
}

fn archive(args: &[&str]) -> ArchiveCommand {
    let args: Vec<&str> = std::iter::once("archive").chain(args.iter().copied()).collect();
    match typed(&args).command {
        Command::Archive(command) => command,
        other => panic!("{args:?}: {other:?}"),
    }
}

#[test]
fn commands_on_archives_take_files_and_patterns() {
    let list = |file: &str, patterns: &[&str], as_stored, format| ArchiveCommand::List {
        file: file.into(),
        patterns: patterns.iter().map(ToString::to_string).collect(),
        as_stored,
        format,
    };
    assert_eq!(archive(&["list", "a.xbs"]), list("a.xbs", &[], false, MembersFormat::Table));
    let lines = archive(&["list", "-", "a*", "b", "--as-stored", "--format=lines"]);
    assert_eq!(lines, list("-", &["a*", "b"], true, MembersFormat::Lines));
    for args in [["list", "a.xbs", "--json"], ["list", "a.xbs", "--format=json"], ["--json", "list", "a.xbs"]]
    {
        assert_eq!(archive(&args), list("a.xbs", &[], false, MembersFormat::Json), "{args:?}");
    }
    let cat = ArchiveCommand::Cat { file: "a.xbs".into(), member: "x/y".into(), as_stored: false };
    assert_eq!(archive(&["cat", "a.xbs", "x/y"]), cat);
    let extract = ArchiveCommand::Extract {
        file: "a.xbs".into(),
        into: "/to".into(),
        patterns: vec!["shop".to_owned()],
        as_stored: false,
    };
    assert_eq!(archive(&["extract", "a.xbs", "--to", "/to", "shop"]), extract);
    assert_eq!(archive(&["extract", "--to=/to", "a.xbs", "shop"]), extract);
    let convert = ArchiveCommand::Convert { from: "a".into(), to: "b.xbs".into(), encrypt_members: true };
    assert_eq!(archive(&["convert", "a", "b.xbs", "--encrypt-members"]), convert);
}

#[rstest]
#[case(&["archive"], "no command is given")]
#[case(&["archive", "list"], "<FILE>")]
#[case(&["archive", "cat", "a.xbs"], "<MEMBER>")]
#[case(&["archive", "extract", "a.xbs"], "--to <DIR>")]
#[case(&["archive", "convert", "a.xbs"], "<TO>")]
fn what_a_command_on_archives_needs_is_told(#[case] args: &[&str], #[case] missing: &str) {
    let (message, _) = error(args);
    assert!(message.contains(missing), "{message}");
}

#[test]
fn the_key_file_is_a_setting_and_not_the_flag_that_begins_alike() {
    let typed = typed(&["archive", "convert", "a", "b.xbs.qp.xbcrypt", "--encrypt-key-file", "/k"]);
    assert_eq!(value(&typed, "encrypt_key_file").as_deref(), Some("/k"));
}

#[test]
fn the_epoch_of_a_position_and_that_of_the_backup_are_two() {
    let position = ["restore-set", "--to-position", "b.000042:1234"];
    let recovery = |more: &[&str]| match typed(&[&position, more].concat()).command {
        Command::RestoreSet(Some(recovery)) => (recovery.epoch, recovery.base_epoch),
        other => panic!("{other:?}"),
    };
    assert_eq!(recovery(&[]), (None, None));
    assert_eq!(recovery(&["--epoch", "2"]), (Some(2), None));
    assert_eq!(recovery(&["--base-epoch", "1"]), (None, Some(1)));
    assert_eq!(recovery(&["--epoch=2", "--base-epoch=1"]), (Some(2), Some(1)));
    let (message, _) = error(&["restore-set", "--to-latest", "--epoch", "2"]);
    assert!(message.contains("--to-latest") && message.contains("--epoch"), "{message}");
    let (message, _) = error(&["restore-set", "--epoch", "2"]);
    assert!(message.contains("--to-position"), "{message}");
    typed(&["restore-set", "--to-latest", "--base-epoch", "1"]);
    let (message, _) = error(&["restore-set", "--base-epoch", "1"]);
    assert!(message.contains("--to-time"), "{message}");
}
