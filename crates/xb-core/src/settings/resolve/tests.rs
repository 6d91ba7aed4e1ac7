use std::path::Path;

use rstest::rstest;

use super::super::layer::Given;
use super::super::{CompressWith, cnf, toml};
use super::*;

/// What every backup needs, so that tests speak of the rest.
const DIRS: &str = "[pyxbackup]\nstor_dir = /s\nwork_dir = /w\n";

fn file(lines: &str) -> Layer {
    cnf::read(&format!("{DIRS}{lines}"), Path::new("a.cnf"), "pyxbackup").unwrap()
}

fn typed(options: &[(&str, &str)]) -> Layer {
    let mut layer = Layer::default();
    for (name, value) in options {
        let key = Key::named(name).unwrap();
        let origin = Origin::CommandLine { option: format!("--{}", key.long) };
        layer.set(key, Given::Text((*value).to_owned()), origin);
    }
    layer
}

fn errors(layers: &[Layer], task: Task) -> String {
    match resolve(layers, task) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("it was accepted"),
    }
}

#[test]
fn the_command_line_goes_before_the_file_and_the_file_before_the_default() {
    let layers = [file("mysql_user = a\nmysql_port = 3307\n"), typed(&[("mysql_user", "b")])];
    let resolved = resolve(&layers, Task::Full).unwrap();
    let settings = &resolved.settings;
    assert_eq!((settings.mysql_user.as_deref(), settings.mysql_port), (Some("b"), Some(3307)));
    let origin = |name: &str| {
        let entry = resolved.entries.iter().find(|entry| entry.key.name == name).unwrap();
        entry.origin.to_string()
    };
    assert_eq!(origin("mysql_user"), "command line, --mysql-user");
    assert_eq!(origin("mysql_port"), "a.cnf:5");
    assert_eq!(origin("mysql_host"), "default");
}

#[test]
fn an_empty_value_takes_back_what_lower_layers_say() {
    let layers = [file("mysql_user = a\n"), typed(&[("mysql_user", "")])];
    assert_eq!(resolve(&layers, Task::Full).unwrap().settings.mysql_user, None);
}

#[test]
fn both_forms_of_a_file_give_the_same_settings() {
    let cnf = file(
        "mysql_user = u\nmysql_pass = p\nmysql_port = 3307\ncompress = 1\ncompress_with = zstd\n\
         compress_level = -3\nextra_ibx_options = '--slave-info --tables=\"a b\"'\nengine_dir = /x:/y\n\
         retention_sets = 9\nstatus_age_hours = 48\n",
    );
    let text = "[pyxbackup]\nstor_dir = \"/s\"\nwork_dir = \"/w\"\nmysql_user = \"u\"\nmysql_pass = \"p\"\n\
                mysql_port = 3307\ncompress = true\ncompress_with = \"zstd\"\ncompress_level = -3\n\
                extra_ibx_options = [\"--slave-info\", \"--tables=a b\"]\nengine_dir = [\"/x\", \"/y\"]\n\
                retention_sets = 9\nstatus_age_hours = 48\n";
    let toml = toml::read(text, Path::new("a.toml"), "pyxbackup").unwrap();
    let (cnf, toml) = (resolve(&[cnf], Task::Full).unwrap(), resolve(&[toml], Task::Full).unwrap());
    assert_eq!(cnf.settings, toml.settings);
    assert_eq!(cnf.settings.compress_with, CompressWith::Zstd);
    let shown = |resolved: &Resolved| resolved.entries.iter().map(|e| e.value.clone()).collect::<Vec<_>>();
    assert_eq!(shown(&cnf), shown(&toml));
}

#[test]
fn every_setting_reaches_its_field() {
    let values = [
        ("mysql_user", "u"),
        ("mysql_pass", "p"),
        ("mysql_host", "h"),
        ("mysql_port", "1"),
        ("mysql_sock", "/k"),
        ("mysql_cnf", "/c"),
        ("stor_dir", "/s"),
        ("work_dir", "/w"),
        ("compress", "1"),
        ("compress_with", "zstd"),
        ("compress_level", "7"),
        ("compress_threads", "2"),
        ("encrypt", "age"),
        ("encrypt_key_file", "/key"),
        ("encrypt_recipients", "age1x,/recipients"),
        ("encrypt_identity_file", "/identity"),
        ("strict_permissions", "1"),
        ("extra_ibx_options", "--galera-info"),
        ("extra_prepare_options", "--keyring-file-data=/k"),
        ("engine", "xtrabackup"),
        ("engine_parallel", "3"),
        ("engine_dir", "/e"),
        ("allow_version_mismatch", "1"),
        ("prepare_memory", "256"),
        ("restore_backup", "2026_11_22-14_28_07"),
        ("restore_dir", "/r"),
        ("retention_sets", "5"),
        ("retention_months", "6"),
        ("retention_weeks", "7"),
        ("retention_days", "7"),
        ("retention_years", "7"),
        ("prune_after_backup", "0"),
        ("i_am_absolutely_sure_wipeout", "1"),
        ("apply_log", "1"),
        ("apply_log_archive", "xbs"),
        ("purge_bitmaps", "1"),
        ("notify_by_email", "a@example.com"),
        ("notify_on_success", "a@example.com"),
        ("smtp_host", "mail"),
        ("smtp_port", "587"),
        ("smtp_security", "starttls"),
        ("smtp_ca_file", "/ca.pem"),
        ("smtp_user", "u"),
        ("smtp_pass", "p"),
        ("smtp_from", "a@example.com"),
        ("notify_command", "/bin/tell"),
        ("notify_url", "http://h/"),
        ("notify_timeout", "5"),
        ("hook_before", "/bin/b"),
        ("hook_after_success", "/bin/s"),
        ("hook_after_failure", "/bin/f"),
        ("hook_timeout", "5"),
        ("meta_item", "last_lsn"),
        ("status_running_hours", "8"),
        ("status_age_hours", "9"),
        ("store", "s3://b/p"),
        ("copy_to", "s3://b/p /mnt"),
        ("copy_retention_sets", "5"),
        ("copy_retention_days", "5"),
        ("copy_retention_weeks", "5"),
        ("copy_retention_months", "5"),
        ("copy_retention_years", "5"),
        ("store_rate_limit", "5"),
        ("s3_endpoint", "http://h"),
        ("s3_region", "r"),
        ("s3_access_key", "a"),
        ("s3_secret_key", "s"),
        ("s3_path_style", "on"),
        ("remote_stor_dir", "/s"),
        ("remote_host", "h"),
        ("remote_push_only", "1"),
        ("remote_script", "pyxbackup --x"),
        ("remote_nc_port", "9999,10010"),
        ("ssh_opts", "-p 22"),
        ("ssh_user", "u"),
        ("retention_binlogs", "7"),
        ("binlog_for_shelves", "0"),
        ("binlog_dir", "/b"),
        ("first_binlog", "b.000001"),
        ("binlog_from_master", "1"),
        ("binlog_resume", "1"),
        ("binlog_binary", "/bin/mysqlbinlog"),
        ("binlog_semisync", "1"),
        ("binlog_tls", "verify"),
        ("binlog_tls_ca", "/ca.pem"),
        ("binlog_server_id", "77"),
        ("binlog_retries", "5"),
        ("binlog_compress", "1"),
        ("binlog_encrypt", "1"),
        ("binlog_push_interval", "30"),
        ("status_binlog_lag", "60"),
        ("recovery_server", "/sbin/mysqld"),
        ("recovery_options", "--innodb-x=1"),
        ("recovery_time_zone", "Europe/Prague"),
    ];
    for (name, text) in values {
        let key = Key::named(name).unwrap();
        let mut settings = Settings::default();
        store(&mut settings, name, &value::read(key, &Given::Text(text.to_owned())).unwrap());
        assert_ne!(settings, Settings::default(), "{name}");
    }
    let fields = serde_json::to_value(Settings::default()).unwrap().as_object().unwrap().len();
    assert_eq!(fields, values.len(), "a field without a key, or the other way round");
}

#[test]
fn the_fields_of_default_settings_are_the_defaults_of_the_table() {
    let mut settings = Settings::default();
    for key in KEYS.iter().filter(|key| !key.default.is_empty()) {
        let unset = matches!(key.name, "mysql_host" | "mysql_port");
        match value::read(key, &Given::Text(key.default.to_owned())) {
            Ok(value) if !unset => store(&mut settings, key.name, &value),
            _ => {}
        }
    }
    assert_eq!(settings, Settings::default());
}

#[rstest]
#[case(Task::List)]
#[case(Task::Status)]
#[case(Task::ConfigShow)]
#[case(Task::RestoreSet)]
fn other_commands_are_not_stopped_by_what_concerns_taking_backups(#[case] task: Task) {
    let lines = "apply_log = 1\ncompress = 1\ncompress_with = qpress\nencrypt = AES256\n\
                 encrypt_key_file = /k\nnotify_by_email = a@example.com\nremote_host = h\n";
    assert!(resolve(&[file(lines), typed(&[("restore_dir", "/r")])], task).is_ok());
}

#[test]
fn a_wrong_value_that_the_command_does_not_need_is_a_warning() {
    let layers = [file("mysql_port = many\n")];
    let warnings = resolve(&layers, Task::List).unwrap().warnings;
    assert_eq!(warnings[0].to_string(), "a.cnf:4: mysql_port is not usable; list does not need it");
    let expected = "a.cnf:4: mysql_port = many: not a whole number; write a number from 1 to 65535";
    assert_eq!(errors(&layers, Task::Full), expected);
    assert_eq!(errors(&layers, Task::ConfigShow), expected);
}

#[test]
fn the_name_of_a_binary_log_is_one() {
    let error = errors(&[file("first_binlog = mysql-bin\n")], Task::BinlogStream);
    assert_eq!(
        error,
        "a.cnf:4: first_binlog = mysql-bin: \"mysql-bin\" is not a binary log name such as mysql-bin.000042; \
         write a name as SHOW BINARY LOGS prints it"
    );
}

#[test]
fn encrypted_binary_logs_need_what_encrypted_backups_do() {
    let lines = "encrypt = AES256\nbinlog_encrypt = 1\n";
    assert!(errors(&[file(lines)], Task::BinlogStream).contains("encrypt_key_file"));
    assert!(resolve(&[file("encrypt = AES256\n")], Task::BinlogStream).is_ok());
}

#[test]
fn a_host_without_a_directory_stops_what_sends_backups_there() {
    let layers = [file("remote_host = h\n")];
    let expected = "remote_stor_dir is not set, and full needs it; give --remote-stor-dir, or set remote_stor_dir \
                    in the configuration file";
    assert_eq!(errors(&layers, Task::Full), expected);
    assert!(resolve(&layers, Task::List).is_ok());
    let push_only = [file("remote_push_only = 1\n")];
    let error = errors(&push_only, Task::List);
    assert!(
        error.contains("remote_host is not set") && error.contains("remote_stor_dir is not set"),
        "{error}"
    );
}

#[test]
fn a_store_elsewhere_stands_in_for_the_directory() {
    let text = "[pyxbackup]\nstore = s3://bucket/db1\nwork_dir = /w\n";
    let layer = cnf::read(text, Path::new("a.cnf"), "pyxbackup").unwrap();
    assert!(resolve(&[layer], Task::Full).is_ok());
}

#[test]
fn missing_settings_are_told_with_where_to_set_them() {
    insta::assert_snapshot!(errors(&[], Task::RestoreSet), @r"
    stor_dir is not set, and restore-set needs it; give --stor-dir, or set stor_dir in the configuration file
    restore_dir is not set, and restore-set needs it; give --restore-dir
    ");
    insta::assert_snapshot!(errors(&[], Task::Full), @r"
    stor_dir is not set, and full needs it; give --stor-dir, or set stor_dir in the configuration file
    work_dir is not set, and full needs it; give --work-dir, or set work_dir in the configuration file
    ");
    assert!(resolve(&[], Task::ConfigShow).is_ok());
}

#[rstest]
#[case("compress_level = 12\n", true)]
#[case("compress_level = 13\n", false)]
#[case("compress_level = -1\n", false)]
#[case("compress_with = zstd\ncompress_level = 19\n", true)]
#[case("compress_with = zstd\ncompress_level = -7\n", true)]
#[case("compress_with = zstd\ncompress_level = -8\n", false)]
fn the_level_has_to_be_one_of_the_compressor(#[case] lines: &str, #[case] is_accepted: bool) {
    assert_eq!(resolve(&[file(lines)], Task::Full).is_ok(), is_accepted);
    assert!(resolve(&[file(lines)], Task::List).is_ok());
}

#[test]
fn paths_may_hold_the_name_of_the_section() {
    let layer =
        || file("mysql_sock = /run/{section}/s\nengine_dir = /a:/{section}\nmysql_user = {section}\n");
    let settings = resolve(&[layer().in_section("db1").unwrap()], Task::Full).unwrap().settings;
    assert_eq!(settings.mysql_sock.unwrap(), Path::new("/run/db1/s"));
    assert_eq!(settings.engine_dir, [Path::new("/a"), Path::new("/db1")]);
    assert_eq!(settings.mysql_user.as_deref(), Some("{section}"), "no path");
    for section in ["../etc", ".", "a/b", ""] {
        let error = layer().in_section(section).err().unwrap().to_string();
        assert!(error.contains("a.cnf:4: mysql_sock") && error.contains("cannot be a name"), "{error}");
    }
}

#[test]
fn a_size_may_be_left_to_the_machine() {
    let memory = |text: &str| {
        resolve(&[file(&format!("prepare_memory = {text}\n"))], Task::Full).map(|r| r.settings.prepare_memory)
    };
    assert_eq!(memory("auto").unwrap(), PrepareMemory::Auto);
    assert_eq!(memory("256").unwrap(), PrepareMemory::Mib(256));
    let error = memory("plenty").unwrap_err().to_string();
    assert!(error.ends_with("write a number from 1 to 16777216, or auto"), "{error}");
}

#[test]
fn secrets_are_masked_wherever_settings_are_shown() {
    let resolved = resolve(&[file("mysql_pass = S3cret!pass\n")], Task::Full).unwrap();
    assert_eq!(resolved.shown("mysql_pass"), Some("***"));
    assert!(!format!("{resolved:?}").contains("S3cret"));
    assert_eq!(resolved.settings.mysql_pass.unwrap().expose(), "S3cret!pass");
}

#[test]
fn engine_options_that_are_ours_are_refused_with_the_key_to_use() {
    let error = errors(&[file("extra_ibx_options = '--galera-info --parallel=8'\n")], Task::Full);
    assert_eq!(
        error,
        "a.cnf:4: extra_ibx_options = '--galera-info --parallel=8': the engine's option --parallel is given \
         by pyxbackup itself; set engine_parallel"
    );
}

#[test]
fn encryption_names_what_it_needs() {
    let aes = "encrypt = AES256\n";
    let age = "encrypt = age\nencrypt_key_file = /k\n";
    assert!(errors(&[file(aes)], Task::Full).contains("encrypt_key_file"));
    assert!(errors(&[file(age)], Task::Incr).contains("encrypt_recipients"));
    assert!(resolve(&[file("encrypt = AES128\nencrypt_key_file = /k\n")], Task::Full).is_ok());
    assert!(resolve(&[file("encrypt = age\nencrypt_recipients = age1x\n")], Task::Full).is_ok());
    assert!(resolve(&[file(aes), typed(&[("restore_dir", "/r")])], Task::RestoreSet).is_ok());
}
