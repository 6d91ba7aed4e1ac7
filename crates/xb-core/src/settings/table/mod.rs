//! The table of settings: the one source of truth for configuration files, command line, help and
//! `config show`.
//!
//! The rows stand in [`keys`](KEYS); here is what a row is made of.

mod keys;

use super::Task;

pub use keys::KEYS;

/// One setting: how it is written, what it takes, and whom it concerns.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name in a configuration file, and everywhere one name is needed.
    pub name: &'static str,
    /// The long option, without dashes.
    pub long: &'static str,
    /// The short option.
    pub short: Option<char>,
    /// Where it may be set.
    pub place: Place,
    /// What it takes.
    pub kind: Kind,
    /// The value nobody has to set, as text; empty for none.
    pub default: &'static str,
    /// One sentence for help, lower case, without a full stop.
    pub help: &'static str,
    /// What it belongs to.
    pub group: Group,
    /// The commands it makes a difference to. In all others its value cannot stop the run.
    pub matters_to: &'static [Task],
    /// The commands that cannot do without it.
    pub required_by: &'static [Task],
}

impl Key {
    /// The row with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Key> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// Whether it makes a difference to a command. `config show` is about all of them.
    #[must_use]
    pub fn matters(&self, task: Task) -> bool {
        task == Task::ConfigShow || self.matters_to.contains(&task)
    }

    /// Whether its value must not be shown.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::Secret)
    }
}

/// Where a setting may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a configuration file and on the command line.
    Anywhere,
    /// On the command line only: it is about this one run.
    CommandLine,
}

/// What a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// On or off.
    Flag,
    /// Any text on one line.
    Text,
    /// Text that is never shown.
    Secret,
    /// The path of a file.
    File,
    /// The path of a directory.
    Directory,
    /// Paths of directories, separated by colons as in `PATH`.
    Directories,
    /// A whole number.
    Number {
        /// The smallest that is accepted.
        min: i64,
        /// The largest that is accepted.
        max: i64,
    },
    /// A whole number, or a word instead of it.
    NumberOr {
        /// The word.
        word: &'static str,
        /// The smallest that is accepted.
        min: i64,
        /// The largest that is accepted.
        max: i64,
    },
    /// One word out of a few.
    Choice(&'static [&'static str]),
    /// Texts separated by commas.
    List,
    /// Words of a command line, quoted as for a shell.
    Words,
    /// The name of a backup, or `last`.
    Backup,
    /// A port, or the two ends of a range separated by a comma.
    Ports,
}

/// What a setting belongs to; the headings of help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// How the server is reached.
    Server,
    /// Where backups are.
    Store,
    /// How backups are made smaller.
    Compression,
    /// The program that copies the data files.
    Engine,
    /// What is restored and where to.
    Restore,
    /// What is kept.
    Retention,
    /// Copies on another host.
    Remote,
    /// Copies of binary logs.
    BinaryLogs,
    /// Backups that only a key opens.
    Encryption,
    /// Who is told of results.
    Notices,
    /// Programs run before and after.
    Hooks,
    /// Monitoring.
    Status,
    /// Configuration and what is printed.
    Output,
}

impl Group {
    /// The heading.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Group::Server => "Server",
            Group::Store => "Store",
            Group::Compression => "Compression",
            Group::Engine => "Engine",
            Group::Restore => "Restore",
            Group::Retention => "Retention",
            Group::Remote => "Stores elsewhere",
            Group::BinaryLogs => "Binary logs",
            Group::Encryption => "Encryption",
            Group::Notices => "Notices",
            Group::Hooks => "Hooks",
            Group::Status => "Status",
            Group::Output => "Configuration and output",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_name_and_no_option_stands_for_two_settings() {
        let names: HashSet<_> = KEYS.iter().map(|key| key.name).collect();
        let longs: HashSet<_> = KEYS.iter().map(|key| key.long).collect();
        let shorts: Vec<_> = KEYS.iter().filter_map(|key| key.short).collect();
        assert_eq!((names.len(), longs.len()), (KEYS.len(), KEYS.len()));
        assert_eq!(shorts.iter().collect::<HashSet<_>>().len(), shorts.len());
        assert!(!shorts.contains(&'h') && !shorts.contains(&'V'), "-h is help and -V the version");
    }

    #[test]
    fn every_setting_matters_to_some_command() {
        for key in KEYS {
            assert!(!key.matters_to.is_empty(), "{}", key.name);
            assert!(!key.help.ends_with('.') && !key.help.is_empty(), "{}", key.name);
            assert!(key.required_by.iter().all(|task| key.matters_to.contains(task)), "{}", key.name);
        }
    }

    #[test]
    fn defaults_are_values_of_their_own_kind() {
        for key in KEYS.iter().filter(|key| !key.default.is_empty()) {
            let given = super::super::layer::Given::Text(key.default.to_owned());
            // Derived defaults such as "one per core" are words for people.
            let derived = matches!(key.name, "compress_threads" | "engine_parallel" | "compress_level");
            assert_eq!(super::super::value::read(key, &given).is_ok(), !derived, "{}", key.name);
        }
    }
}
