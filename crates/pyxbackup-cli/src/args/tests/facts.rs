//! `status`, `meta`, `last-lsn`, `completions` and `manual` as typed.

use super::*;

fn status(args: &[&str]) -> StatusCommand {
    let args: Vec<&str> = args.iter().copied().chain(["status"]).collect();
    match typed(&args).command {
        Command::Status(command) => command,
        other => panic!("{args:?}: {other:?}"),
    }
}

#[rstest]
#[case(&[], StatusFormat::None)]
#[case(&["-o", "none"], StatusFormat::None)]
#[case(&["-o", "nagios"], StatusFormat::Nagios)]
#[case(&["--status-format=Zabbix"], StatusFormat::Zabbix)]
#[case(&["-o", "prometheus"], StatusFormat::Prometheus)]
#[case(&["-o", "json"], StatusFormat::Json)]
#[case(&["--json"], StatusFormat::Json)]
#[case(&["--json", "-o", "nagios"], StatusFormat::Json)]
fn status_has_five_forms(#[case] args: &[&str], #[case] format: StatusFormat) {
    assert_eq!(status(args).format, format);
    assert_eq!(status(args).question, Question::Verdict);
}

#[test]
fn a_part_of_the_answer_can_be_asked_for() {
    let key = status(&["-o", "zabbix", "status", "--key", "last.age_seconds"][..2]);
    assert_eq!(key.section, "pyxbackup");
    let of = |args: &[&str]| match typed(args).command {
        Command::Status(command) => command,
        other => panic!("{args:?}: {other:?}"),
    };
    let key = of(&["-o", "zabbix", "status", "--key", "last.age_seconds", "--config-section", "shop"]);
    assert_eq!(key.question, Question::Key("last.age_seconds".to_owned()));
    assert_eq!(key.section, "shop");
    assert_eq!(of(&["-o", "zabbix", "status", "--discovery"]).question, Question::Discovery);
    let file = of(&["-o", "prometheus", "status", "--output", "/x.prom"]);
    assert_eq!(file.output, Some(PathBuf::from("/x.prom")));
}

#[test]
fn a_value_that_does_not_exist_is_refused_with_the_nearest_and_all_there_are() {
    let (message, hints) = error(&["-o", "zabbix", "status", "--key", "last.age"]);
    assert_eq!(message, "status has no value \"last.age\"");
    let (nearest, all) = hints.split_once('\n').unwrap();
    assert_eq!(nearest, "the nearest is last.age_seconds");
    assert!(all.starts_with("there are level, message, checks.last_backup, "), "{all}");
    assert!(all.contains(", last.age_seconds, "), "{all}");
    let (_, hints) = error(&["-o", "zabbix", "status", "--key", "free_byte"]);
    assert!(hints.starts_with("the nearest is free_bytes\n"), "{hints}");
}

#[rstest]
#[case(&["status", "--key", "level"], "--key", "zabbix")]
#[case(&["-o", "json", "status", "--key", "level"], "--key", "zabbix")]
#[case(&["-o", "nagios", "status", "--discovery"], "--discovery", "zabbix")]
#[case(&["-o", "zabbix", "--json", "status", "--discovery"], "--discovery", "zabbix")]
#[case(&["-o", "zabbix", "status", "--output", "/x"], "--output", "prometheus")]
#[case(&["status", "--output", "/x"], "--output", "prometheus")]
fn what_goes_with_another_form_is_refused(#[case] args: &[&str], #[case] option: &str, #[case] form: &str) {
    assert_eq!(error(args).0, format!("{option} goes with --status-format={form} only"));
}

#[test]
fn one_value_and_all_backups_exclude_each_other() {
    assert!(
        error(&["-o", "zabbix", "status", "--discovery", "--key", "level"]).0.contains("cannot be used with")
    );
}

#[test]
fn meta_and_last_lsn_print_lines_unless_told_otherwise() {
    let meta = |backup, format| Command::Meta { backup, format };
    let named = Some("2026_11_22-14_28_07".parse().unwrap());
    assert_eq!(typed(&["-t", "a,b", "meta"]).command, meta(None, FactsFormat::Lines));
    assert_eq!(typed(&["meta", "--backup", "last"]).command, meta(None, FactsFormat::Lines));
    let args = ["meta", "--backup=2026_11_22-14_28_07", "--format=json"];
    assert_eq!(typed(&args).command, meta(named, FactsFormat::Json));
    assert!(typed(&args).wants_json());
    assert_eq!(typed(&["--json", "meta"]).command, meta(None, FactsFormat::Json));
    assert_eq!(typed(&["last-lsn"]).command, Command::LastLsn { format: FactsFormat::Lines });
    let json = typed(&["last-lsn", "--format", "json"]);
    assert!(json.wants_json() && json.command == Command::LastLsn { format: FactsFormat::Json });
    assert!(error(&["meta", "--backup", "yesterday"]).0.contains("expected YYYY_MM_DD-HH_MM_SS"));
}

#[test]
fn completions_and_manual_say_what_they_need() {
    assert_eq!(typed(&["completions", "zsh"]).command, Command::Completions { shell: Shell::Zsh });
    assert!(error(&["completions", "tcsh"]).0.contains("invalid value 'tcsh'"));
    assert!(error(&["completions"]).0.contains("<SHELL>"));
    assert_eq!(typed(&["manual", "/x"]).command, Command::Manual { directory: "/x".into() });
    assert!(error(&["manual"]).0.contains("<DIR>"));
}
