//! The examples in contrib/: every command line there is one that this program understands.

use std::fs;
use std::path::Path;

use super::*;

const PROGRAM: &str = "/usr/bin/pyxbackup ";

/// The files below a directory, by their path in it.
fn files(root: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
        }
    }
    found
}

fn contrib() -> Vec<(String, String)> {
    let found = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contrib"));
    assert!(found.len() > 20, "these are not all: {}", found.len());
    found
}

/// The arguments of each call in a text: what stands behind the program's path, up to a redirection.
fn calls(text: &str) -> Vec<Vec<&str>> {
    let call = |line| -> Option<Vec<&str>> {
        let (_, args): (&str, &str) = str::split_once(line, PROGRAM)?;
        Some(args.split_whitespace().take_while(|word| *word != ">").collect())
    };
    text.lines().filter_map(call).collect()
}

#[test]
fn every_command_line_in_contrib_is_understood() {
    for (path, text) in contrib() {
        let calls = calls(&text);
        let calls_nothing = path.ends_with(".timer") || path.ends_with("README.md");
        assert_eq!(calls.is_empty(), calls_nothing, "{path}");
        for call in calls {
            match parsed(&call) {
                Ok(Parsed::Typed(_)) => (),
                Ok(Parsed::Text(_)) => panic!("{path}: {call:?} prints help"),
                Err(error) => panic!("{path}: {call:?}: {error}"),
            }
        }
    }
}

#[test]
fn a_unit_runs_the_command_it_is_named_after() {
    let units = contrib().into_iter().filter(|(path, _)| path.ends_with(".service"));
    for (path, text) in units {
        let [call] = &calls(&text)[..] else { panic!("{path}: not one call") };
        let typed = typed(call);
        let name = Path::new(&path).file_stem().unwrap().to_str().unwrap().to_owned();
        assert_eq!(name.trim_end_matches('@'), format!("pyxbackup-{}", typed.command.task()), "{path}");
        assert_eq!(name.ends_with('@'), typed.section == "%i", "{path}");
        let goes_on = text.contains("\nType=notify\n");
        assert_eq!(Path::new(&path).with_extension("timer").exists(), !goes_on, "{path} and its timer");
    }
}

#[test]
fn what_monitoring_runs_as_root_is_exactly_what_sudo_allows() {
    let of = |ending: &str| -> Vec<String> {
        let (_, text) = contrib().into_iter().find(|(path, _)| path.ends_with(ending)).unwrap();
        calls(&text).iter().map(|call| call.join(" ")).collect()
    };
    assert_eq!(of("zabbix/pyxbackup.conf"), of("zabbix/sudoers"));
    assert_eq!(of("nagios/nrpe.cfg"), of("nagios/sudoers"));
    assert_eq!(of("nagios/commands.cfg"), of("nagios/sudoers"));
    for line in of("zabbix/sudoers").iter().chain(&of("nagios/sudoers")) {
        assert!(
            !line.contains(['*', ',', ':', '=', '\\']),
            "sudoers would not take this as it stands: {line}"
        );
    }
}
