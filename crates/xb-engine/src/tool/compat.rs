//! Which engine can safely copy which server, and prepare which backup.
//!
//! A server newer than its engine gives backups that look good: the engine skips redo records it does not
//! know (XtraBackup before 8.0.22 on a server that is newer), or cannot read the redo log's format at all.

use xb_core::{Flavor, Version};

use super::{Tool, ToolKind};

/// An engine does not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{tool} cannot safely {task}: {reason}")]
pub struct Mismatch {
    /// The engine and its version.
    pub tool: String,
    /// What it was to do.
    pub task: String,
    /// Why it cannot, and what can.
    pub reason: String,
}

const fn v(major: u32, minor: u32) -> Version {
    Version::new(major, minor, 0)
}

/// Whether `tool` can copy a running server.
///
/// # Errors
/// [`Mismatch`] with the engine that could.
pub fn check_server(tool: &Tool, flavor: Flavor, server: Version) -> Result<(), Mismatch> {
    let verdict = match (tool.kind, flavor) {
        (ToolKind::MariadbBackup, Flavor::MariaDb) => same_series(tool.version, server, "mariadb-backup"),
        (ToolKind::MariadbBackup, _) => {
            Err("it is made for MariaDB; this server needs xtrabackup".to_owned())
        }
        (ToolKind::Innobackupex, Flavor::MariaDb) => {
            within(server, innobackupex_from(tool), v(10, 1), "mariadb-backup")
        }
        (ToolKind::Innobackupex, _) => {
            within(server, innobackupex_from(tool), v(5, 7), "xtrabackup of the server's series")
        }
        (ToolKind::Xtrabackup, Flavor::MariaDb) if tool.version < v(8, 0) => {
            within(server, v(5, 1), v(10, 2), "mariadb-backup")
        }
        (ToolKind::Xtrabackup, Flavor::MariaDb) => Err("MariaDB's redo log needs mariadb-backup".to_owned()),
        (ToolKind::Xtrabackup, _) => xtrabackup_and_mysql(tool.version, server),
    };
    verdict.map_err(|reason| Mismatch {
        tool: tool.to_string(),
        task: format!("back up {flavor} {server}"),
        reason,
    })
}

/// 2.2.3 dropped the programs for servers before 5.5.
fn innobackupex_from(tool: &Tool) -> Version {
    if tool.version < Version::new(2, 2, 3) { v(5, 0) } else { v(5, 5) }
}

/// Whether `tool` can prepare a backup that another engine, or the same, made.
///
/// # Errors
/// [`Mismatch`] with the engine that could.
pub fn check_prepare(tool: &Tool, made_by: ToolKind, version: Version) -> Result<(), Mismatch> {
    let needs = |reason: String| {
        let (tool, task) = (tool.to_string(), format!("prepare a backup made by {made_by} {version}"));
        Err(Mismatch { tool, task, reason })
    };
    let is_maria = |kind| kind == ToolKind::MariadbBackup;
    // The 2.x engines read one another's backups as long as they are not newer than themselves.
    let fits = match is_maria(made_by) == is_maria(tool.kind) {
        true if version.major == 2 => tool.version.major == 2 && tool.version.series() >= version.series(),
        true if is_maria(made_by) => tool.version.series() == version.series(),
        true => tool.version.series() == version.series() && tool.version >= version,
        false => false,
    };
    if fits { Ok(()) } else { needs(format!("use {made_by} {version}, or a later one of the same series")) }
}

fn same_series(tool: Version, server: Version, name: &str) -> Result<(), String> {
    let (major, minor) = server.series();
    if tool.series() == server.series() {
        return Ok(());
    }
    Err(format!("engine and server must be of one series; install {name} {major}.{minor}"))
}

fn within(server: Version, from: Version, below: Version, instead: &str) -> Result<(), String> {
    let fits = from <= server && server < below;
    if fits {
        Ok(())
    } else {
        Err(format!(
            "it is made for {}.{} to before {}.{}; use {instead}",
            from.major, from.minor, below.major, below.minor
        ))
    }
}

fn xtrabackup_and_mysql(tool: Version, server: Version) -> Result<(), String> {
    /// From here on the vendor guarantees later servers of the 8.0 series.
    const KNOWS_LATER_8_0: Version = Version::new(8, 0, 34);
    match tool.series() {
        (2, 3) => within(server, v(5, 1), v(5, 7), "xtrabackup 2.4 for 5.7"),
        (2, _) => within(server, v(5, 1), v(5, 8), "xtrabackup of the server's series"),
        (8, 0) if server.series() == (8, 0) => {
            let known = Version { build: 0, ..tool } >= Version { build: 0, ..server };
            if known || tool >= KNOWS_LATER_8_0 {
                return Ok(());
            }
            Err(format!(
                "the server is newer than the engine; install xtrabackup {server} or later, at least {KNOWS_LATER_8_0}"
            ))
        }
        _ => same_series(tool, server, "xtrabackup"),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::Dialect;
    use super::*;

    fn tool(kind: ToolKind, version: &str) -> Tool {
        let version = version.parse().unwrap();
        let dialect = Dialect::of(kind, version).unwrap();
        Tool { kind, program: "x".into(), version, version_text: String::new(), dialect }
    }

    #[rstest]
    #[case(ToolKind::MariadbBackup, "10.11.19", Flavor::MariaDb, "10.11.4", true)]
    #[case(ToolKind::MariadbBackup, "10.11.19", Flavor::MariaDb, "11.4.2", false)]
    #[case(ToolKind::MariadbBackup, "10.11.19", Flavor::MySql, "8.0.35", false)]
    #[case(ToolKind::Xtrabackup, "8.0.35-31", Flavor::Percona, "8.0.35-27", true)]
    #[case(ToolKind::Xtrabackup, "8.0.35-31", Flavor::MySql, "8.0.42", true)]
    #[case(ToolKind::Xtrabackup, "8.0.14", Flavor::MySql, "8.0.22", false)]
    #[case(ToolKind::Xtrabackup, "8.0.33-28", Flavor::MySql, "8.0.33", true)]
    #[case(ToolKind::Xtrabackup, "8.0.35-31", Flavor::MySql, "8.4.0", false)]
    #[case(ToolKind::Xtrabackup, "8.4.0-6", Flavor::MySql, "8.4.7", true)]
    #[case(ToolKind::Xtrabackup, "9.7.1", Flavor::MySql, "9.6.0", false)]
    #[case(ToolKind::Xtrabackup, "2.4.29", Flavor::MySql, "5.7.44", true)]
    #[case(ToolKind::Xtrabackup, "2.3.10", Flavor::MySql, "5.7.44", false)]
    #[case(ToolKind::Xtrabackup, "2.4.29", Flavor::MySql, "8.0.11", false)]
    #[case(ToolKind::Xtrabackup, "2.4.29", Flavor::MariaDb, "10.1.48", true)]
    #[case(ToolKind::Xtrabackup, "2.4.29", Flavor::MariaDb, "10.3.39", false)]
    #[case(ToolKind::Xtrabackup, "8.0.35-31", Flavor::MariaDb, "10.2.44", false)]
    #[case(ToolKind::Innobackupex, "2.2.10", Flavor::MySql, "5.6.24", true)]
    #[case(ToolKind::Innobackupex, "2.2.10", Flavor::MySql, "5.7.9", false)]
    #[case(ToolKind::Innobackupex, "2.2.10", Flavor::MySql, "5.1.73", false)]
    #[case(ToolKind::Innobackupex, "2.0.5", Flavor::MySql, "5.1.73", true)]
    fn engines_fit_the_servers_they_are_made_for(
        #[case] kind: ToolKind,
        #[case] version: &str,
        #[case] flavor: Flavor,
        #[case] server: &str,
        #[case] fits: bool,
    ) {
        let verdict = check_server(&tool(kind, version), flavor, server.parse().unwrap());
        assert_eq!(verdict.is_ok(), fits, "{verdict:?}");
    }

    #[rstest]
    #[case(ToolKind::MariadbBackup, "10.11.19", ToolKind::MariadbBackup, "10.11.4", true)]
    #[case(ToolKind::MariadbBackup, "11.4.5", ToolKind::MariadbBackup, "10.11.4", false)]
    #[case(ToolKind::Xtrabackup, "2.4.29", ToolKind::Innobackupex, "2.2.10", true)]
    #[case(ToolKind::Innobackupex, "2.2.10", ToolKind::Xtrabackup, "2.4.29", false)]
    #[case(ToolKind::Xtrabackup, "8.0.35-31", ToolKind::Xtrabackup, "8.0.33-28", true)]
    #[case(ToolKind::Xtrabackup, "8.0.33-28", ToolKind::Xtrabackup, "8.0.35-31", false)]
    #[case(ToolKind::MariadbBackup, "10.11.19", ToolKind::Xtrabackup, "2.4.29", false)]
    fn backups_are_prepared_by_their_own_kind(
        #[case] kind: ToolKind,
        #[case] version: &str,
        #[case] made_by: ToolKind,
        #[case] made_with: &str,
        #[case] fits: bool,
    ) {
        let verdict = check_prepare(&tool(kind, version), made_by, made_with.parse().unwrap());
        assert_eq!(verdict.is_ok(), fits, "{verdict:?}");
    }
}
