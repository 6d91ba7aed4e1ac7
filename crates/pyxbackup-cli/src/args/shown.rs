//! The command line as shells and manuals know it: completions and man pages, from the same definitions as
//! `--help`. What help hides is not there.

use std::io;

use clap::builder::PossibleValuesParser;
use clap::{Arg, Command, ValueHint};
use clap_complete::shells;
use clap_mangen::Man;
use xb_core::settings::{Key, Kind};

use super::Shell;
use super::build::{self, Detail};

const NAME: &str = "pyxbackup";

/// An option that every level has its own copy of, with what a shell can propose for it.
pub(super) fn option(key: &Key, arg: Arg) -> Arg {
    let arg = arg.global(false);
    match key.kind {
        Kind::File => arg.value_hint(ValueHint::FilePath),
        Kind::Directory | Kind::Directories => arg.value_hint(ValueHint::DirPath),
        Kind::Choice(words) => {
            arg.value_parser(PossibleValuesParser::new(words.iter().copied())).hide_possible_values(true)
        }
        _ => arg,
    }
}

/// The script that makes a shell complete the command line.
pub(crate) fn completions(shell: Shell) -> String {
    let mut command = build::command(Detail::Shown).disable_help_subcommand(true);
    let mut script = Vec::new();
    match shell {
        Shell::Bash => clap_complete::generate(shells::Bash, &mut command, NAME, &mut script),
        Shell::Zsh => clap_complete::generate(shells::Zsh, &mut command, NAME, &mut script),
        Shell::Fish => clap_complete::generate(shells::Fish, &mut command, NAME, &mut script),
    }
    String::from_utf8_lossy(&script).into_owned()
}

/// A page of the manual.
pub(crate) struct Page {
    /// Its file: the command's words with dashes between, and the section.
    pub(crate) name: String,
    /// Its text, for troff.
    pub(crate) text: Vec<u8>,
}

/// Every page of the manual.
pub(crate) fn pages() -> io::Result<Vec<Page>> {
    let mut command = build::command(Detail::Shown).disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    collect(&command, NAME, &mut pages)?;
    Ok(pages)
}

fn collect(command: &Command, name: &str, pages: &mut Vec<Page>) -> io::Result<()> {
    pages.push(page(command, name)?);
    command.get_subcommands().try_for_each(|inner| {
        let name = format!("{name}-{}", inner.get_name());
        collect(inner, &name, pages)
    })
}

fn page(command: &Command, name: &str) -> io::Result<Page> {
    // What stands below the options has lines of its own, which clap_mangen would run together.
    let notes = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let man = Man::new(command.clone()).manual("pyxbackup").title(name.to_uppercase());
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut text)?;
    }
    text.extend(section("NOTES", &notes).into_bytes());
    let see = if name == NAME { String::new() } else { format!("{NAME}(1)") };
    text.extend(section("SEE ALSO", &see).into_bytes());
    Ok(Page { name: format!("{name}.1"), text })
}

/// A section of lines as they stand: what is indented stays on lines of its own, the rest flows.
fn section(title: &str, body: &str) -> String {
    if body.trim().is_empty() {
        return String::new();
    }
    let mut text = format!(".SH \"{title}\"\n");
    let mut is_code = false;
    for line in body.lines() {
        if line.starts_with("  ") != is_code {
            is_code = !is_code;
            text.push_str(if is_code { ".nf\n" } else { ".fi\n" });
        }
        match line.trim_end() {
            "" => text.push_str(".PP\n"),
            line => text.push_str(&(escaped(line) + "\n")),
        }
    }
    if is_code { text + ".fi\n" } else { text }
}

/// What troff prints as it stands: no line is a request, a backslash is one, a dash can be copied.
fn escaped(line: &str) -> String {
    let text = line.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq").replace('`', "\\(ga");
    if text.starts_with('.') { format!("\\&{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_of_a_text_becomes_a_request() {
        assert_eq!(
            section("X", ".so\n'br\n  a\\b --c\nd"),
            ".SH \"X\"\n\\&.so\n\\(aqbr\n.nf\n  a\\eb \\-\\-c\n.fi\nd\n"
        );
        assert_eq!(section("X", " \n"), "");
    }
}
