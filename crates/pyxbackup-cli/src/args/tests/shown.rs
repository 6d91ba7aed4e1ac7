//! Completions and the manual tell what help tells.

use std::time::Duration;

use xb_pipeline::process::Invocation;

use super::*;

/// The commands, each with its words and the long options that its help shows.
fn commands() -> Vec<(&'static str, Vec<String>)> {
    let words = Task::ALL.into_iter().map(Task::word).chain(["config", "archive", "binlog"]);
    words
        .map(|words| {
            let args: Vec<&str> = words.split(' ').chain(["--help"]).collect();
            let text = help(&args);
            let lines = text.lines().take_while(|line| !line.starts_with("Example"));
            let option = |line: &str| {
                let long = line.split_whitespace().find(|word| word.starts_with("--"))?;
                let is_first = line.trim_start().starts_with('-');
                is_first.then(|| long.split(['[', '=', ',']).next().unwrap_or_default().to_owned())
            };
            (words, lines.filter_map(option).collect())
        })
        .collect()
}

/// Runs a program on a text; `None` where it is not installed.
fn complaints(program: &str, args: &[&str], text: &[u8]) -> Option<(bool, String)> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let call = Invocation::new(program).args(args.iter().copied()).arg(file.path());
    let output = call.output(Duration::from_secs(30)).ok()?;
    Some((output.status.success(), output.stderr))
}

#[test]
fn bash_completes_every_command_and_option() {
    let script = completions(Shell::Bash);
    let (is_good, said) = complaints("/bin/bash", &["-n"], script.as_bytes()).unwrap();
    assert!(is_good && said.is_empty(), "{said}");
    for (words, options) in commands() {
        let place = format!("pyxbackup__subcmd__{}", words.replace(['-', ' '], "__subcmd__"));
        let (_, behind) = script.split_once(&format!("        {place})\n            opts=\"")).unwrap();
        let offered: Vec<&str> = behind.split('"').next().unwrap().split(' ').collect();
        assert!(!options.is_empty(), "{words}");
        for option in &options {
            assert!(offered.contains(&option.as_str()), "{words}: {option} is not among {offered:?}");
        }
        let longs = offered.iter().filter(|word| word.starts_with("--")).count();
        assert_eq!(longs, options.len(), "{words} offers more than help shows: {offered:?}");
    }
    assert!(script.contains("\"none nagios zabbix prometheus json\""), "words are proposed");
}

#[test]
fn commands_that_are_absent_are_not_completed() {
    // How each script writes that there is a command.
    for (shell, before, behind) in
        [(Shell::Bash, ",", ")\n"), (Shell::Zsh, "'", ":"), (Shell::Fish, " -a \"", "\"")]
    {
        let script = completions(shell);
        let has = |word: &str| script.contains(&format!("{before}{word}{behind}"));
        assert!(has("restore-set") && has("last-lsn"), "{shell:?}");
    }
}

#[test]
fn the_manual_has_a_page_for_every_command_with_all_its_options() {
    let pages = pages().unwrap();
    let text =
        |page: &super::super::shown::Page| String::from_utf8(page.text.clone()).unwrap().replace("\\-", "-");
    let commands = commands();
    for (words, options) in &commands {
        let name = format!("pyxbackup-{}.1", words.replace(' ', "-"));
        let page = pages.iter().find(|page| page.name == name).unwrap_or_else(|| panic!("{name} is missing"));
        for option in options {
            assert!(text(page).contains(option.as_str()), "{name}: {option}");
        }
    }
    assert_eq!(pages.len(), commands.len() + 1, "and one for the program");
    let top = text(&pages[0]);
    assert_eq!(pages[0].name, "pyxbackup.1");
    for (words, _) in commands.iter().filter(|(words, _)| !words.contains(' ')) {
        assert!(top.contains(&format!("pyxbackup-{words}(1)")), "{words}");
    }
}

#[test]
fn pages_are_what_troff_expects() {
    for page in pages().unwrap() {
        let text = String::from_utf8(page.text.clone()).unwrap();
        assert!(text.contains("\n.TH ") && text.contains("\n.SH NAME\n"), "{}", page.name);
        let requests = text.lines().filter(|line| line.starts_with('.'));
        let known = [".ie", ".el", ".TH", ".SH", ".TP", ".PP", ".nf", ".fi", ".br"];
        for line in requests {
            assert!(known.contains(&line.split(' ').next().unwrap_or_default()), "{}: {line}", page.name);
        }
        assert_eq!(text.matches("\n.nf").count(), text.matches("\n.fi").count(), "{}", page.name);
        // Every machine can check the above; one with groff also that it renders without a warning.
        if let Some((is_good, said)) = complaints("groff", &["-man", "-ww", "-Tutf8", "-z"], &page.text) {
            assert!(is_good && said.is_empty(), "{}: {said}", page.name);
        }
    }
}
