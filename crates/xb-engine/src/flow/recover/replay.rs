//! The private server: started on the restored base, given the logs, asked what it has, and stopped.

use std::path::{Path, PathBuf};
use std::time::Duration;

use xb_binlog::archive::Place;
use xb_binlog::recover::{ReplayPlan, Resume, confirm, progress_of};
use xb_binlog::replay::{
    ReplayAccount, ReplayOptions, ReplayTarget, remove_account, replay, server_options, state,
};
use xb_catalog::manifest::TimeZoneRecord;
use xb_core::Flavor;
use xb_pipeline::fs::{FsError, create_dir_private, tree_bytes};
use xb_pipeline::process::find_program;
use xb_sandbox::{Binaries, Sandbox, Server};

use super::archive::Archive;
use super::choose::Choice;
use crate::context::Context;
use crate::error::EngineError;
use crate::flow::restore_set::Workplace;
use crate::memory::for_prepare;
use crate::server_settings::{self, tz_of, tz_of_record};

/// Room for the replay beside the data.
pub(super) const SCRATCH: &str = "replay";
/// The private server's own directory.
const HOME: &str = "server";
/// After an interrupted replay a server may have much to repair.
const START_LIMIT: Duration = Duration::from_secs(3600);
/// What engines write about the place of the backup; not true any more of what was recovered beyond it.
const PLACES: [&str; 4] = [
    "xtrabackup_binlog_info",
    "mariadb_backup_binlog_info",
    "xtrabackup_binlog_pos_innodb",
    "mariadb_backup_binlog_pos_innodb",
];

/// What the private server is made of.
pub(super) struct Means {
    programs: Binaries,
    /// What statements depend on.
    settings: Vec<(String, String)>,
    /// What it is to mean by the time zone `SYSTEM`; none: what this process does.
    tz: Option<String>,
}

/// Finds all of it before anything is begun.
pub(super) fn means(context: &Context, choice: &Choice) -> Result<Means, EngineError> {
    let programs = programs(context, choice)?;
    // A backup that says nothing of it is of the original tool, or of a store that hides it.
    let manifest = context.repository()?.read_manifest(&choice.record).ok();
    let noted = manifest.and_then(|manifest| manifest.server_settings).unwrap_or_default();
    let tz = tz(context, noted.time_zone.as_ref())?;
    Ok(Means { programs, settings: server_settings::options(&noted), tz })
}

/// Statements with the time in them were logged with the instant and the words “in the server's own zone”.
fn tz(context: &Context, noted: Option<&TimeZoneRecord>) -> Result<Option<String>, EngineError> {
    if let Some(name) = &context.settings.binlogs.recovery_time_zone {
        let tz = tz_of(name).ok_or_else(|| EngineError::NoTimeZone { name: name.clone() })?;
        return Ok(Some(tz));
    }
    let Some(noted) = noted else {
        context.monitor().warn(
            "the backup does not say in which time zone its server was: this machine's is taken, and statements \
             with NOW() or the like give other times if that is wrong; recovery_time_zone names it",
        );
        return Ok(None);
    };
    let (tz, is_certain) = tz_of_record(noted);
    // Without a difference to UTC there is rarely one in summer either.
    if !is_certain && noted.offset_seconds != 0 {
        context.monitor().warn(&format!(
            "of its server's time zone the backup says only the difference to UTC at that moment, {tz}, which is \
             taken; recovery_time_zone names the zone, if its clocks change"
        ));
    }
    Ok(Some(tz))
}

/// Finds the server's programs before anything is begun.
fn programs(context: &Context, choice: &Choice) -> Result<Binaries, EngineError> {
    let server = choice.record.server.as_ref();
    let flavor = server.map_or(Flavor::MySql, |server| server.flavor);
    let names: &[&str] = if flavor == Flavor::MariaDb { &["mariadbd", "mysqld"] } else { &["mysqld"] };
    let search = context.search_path();
    let found = || names.iter().find_map(|name| find_program(name, &search));
    let path = context.settings.binlogs.recovery_server.clone().or_else(found);
    let path = path.ok_or(EngineError::NoServerProgram { names: names.join(" or ") })?;
    let mut binaries = Binaries::of_server(&path).map_err(|error| match EngineError::from(error) {
        EngineError::Sandbox(source) => EngineError::BadServerProgram { program: path, source },
        other => other,
    })?;
    if let Some(program) = &context.settings.binlogs.binlog_binary {
        binaries.binlog.clone_from(program);
    }
    if (binaries.flavor == Flavor::MariaDb) != (flavor == Flavor::MariaDb) {
        return Err(EngineError::OtherServerProgram { program: binaries.server, flavor });
    }
    if let Some(server) = server.filter(|server| !is_same_series(server.version, binaries.version)) {
        context.monitor().warn(&format!(
            "logs of {} {} are replayed with {} {}: recovery_server names another one",
            server.flavor, server.version, binaries.flavor, binaries.version
        ));
    }
    Ok(binaries)
}

fn is_same_series(a: xb_core::Version, b: xb_core::Version) -> bool {
    (a.major, a.minor) == (b.major, b.minor)
}

/// A private server that is given logs.
pub(super) struct Private {
    server: Server,
    target: ReplayTarget,
    scratch: PathBuf,
}

impl Private {
    /// Starts it on the data in `workplace`.
    pub(super) fn start(
        context: &Context,
        choice: &Choice,
        means: &Means,
        workplace: &Workplace,
    ) -> Result<Self, EngineError> {
        let Means { programs, settings, tz } = means;
        let scratch = workplace.beside(SCRATCH);
        create_dir_private(&scratch)?;
        let scratch = std::fs::canonicalize(&scratch).map_err(FsError::on("find", &scratch))?;
        let account = ReplayAccount::create(&scratch, programs.flavor, programs.version)?;
        let mut sandbox = Sandbox::new(workplace.beside(HOME))
            .binaries(programs.clone())
            .login(&account.defaults_file)
            .stop_on(context.cancel())
            .start_limit(START_LIMIT);
        if let Some(tz) = tz {
            sandbox = sandbox.env("TZ", tz);
        }
        let of_the_data = of_the_data(&workplace.data())?;
        let own = server_options(programs.flavor, programs.version, &choice.plan, &scratch, &account);
        let memory = memory(context, &workplace.data(), choice.plan.bytes);
        for (name, value) in settings.iter().chain(&of_the_data).chain(&memory).chain(&own) {
            sandbox = sandbox.option(name, value);
        }
        for word in &context.settings.binlogs.recovery_options {
            sandbox = sandbox.raw(word);
        }
        let server = sandbox.start_on(workplace.data())?;
        let target = ReplayTarget {
            flavor: programs.flavor,
            socket: server.socket().to_owned(),
            defaults_file: account.defaults_file,
            client: programs.client.clone(),
            binlog: programs.binlog.clone(),
        };
        Ok(Private { server, target, scratch })
    }

    /// How far an earlier run has come.
    pub(super) fn progress(
        &self,
        context: &Context,
        archive: &Archive,
        choice: &Choice,
    ) -> Result<Resume, EngineError> {
        let has = state(&self.target)?;
        Ok(progress_of(has.as_ref(), &choice.plan, &archive.logs, context.cancel())?)
    }

    /// Replays from a place on, and has the server confirm what it has then.
    pub(super) fn replay(
        &self,
        context: &Context,
        archive: &Archive,
        choice: &Choice,
        from: &Place,
    ) -> Result<(), EngineError> {
        let options = ReplayOptions { scratch: self.scratch.clone() };
        let (monitor, cancel) = (&**context.monitor(), context.cancel());
        replay(&choice.plan, from, &archive.logs, &self.target, &options, monitor, cancel)?;
        Ok(())
    }

    /// Has the server confirm that it has all of the plan.
    pub(super) fn confirm(
        &self,
        context: &Context,
        archive: &Archive,
        choice: &Choice,
    ) -> Result<(), EngineError> {
        if let Some(has) = state(&self.target)? {
            confirm(&has, &choice.plan, &archive.logs, context.cancel())?;
        }
        Ok(())
    }

    /// Stops it cleanly, without the account of the replay.
    pub(super) fn end(mut self, workplace: &Workplace) -> Result<(), EngineError> {
        remove_account(&self.target)?;
        self.server.stop()?;
        for path in PLACES.map(|name| workplace.data().join(name)).iter().filter(|path| path.exists()) {
            std::fs::remove_file(path).map_err(FsError::on("remove", path))?;
        }
        Ok(())
    }

    /// Stops it because the base has to be restored once more.
    pub(super) fn give_up(mut self) -> Result<(), EngineError> {
        Ok(self.server.kill()?)
    }
}

/// Bytes on the disk that replaying takes beside the data: the private server's own log of what it does, and two
/// logs that are fetched.
pub(super) fn needed_bytes(plan: &ReplayPlan) -> u64 {
    let longest = plan.segments.iter().map(|segment| segment.to).max().unwrap_or_default();
    plan.bytes.saturating_add(longest.saturating_mul(2))
}

/// Room in memory for what is replayed: as much as preparing gets, but not more than there is data.
fn memory(context: &Context, data: &Path, log_bytes: u64) -> Vec<(String, String)> {
    const LEAST_MIB: u64 = 64;
    const REDO_MIB: (u64, u64) = (96, 2048);
    let data_mib = tree_bytes(data).unwrap_or(u64::MAX).saturating_add(log_bytes) >> 20;
    let pool = for_prepare(context).min((data_mib + data_mib / 4).max(LEAST_MIB));
    let redo = (pool / 4).clamp(REDO_MIB.0, REDO_MIB.1);
    // The one or the other, by version.
    let options = [
        ("innodb-buffer-pool-size", pool),
        ("loose-innodb-log-file-size", redo),
        ("loose-innodb-redo-log-capacity", redo),
    ];
    options.map(|(name, mib)| (name.to_owned(), format!("{mib}M"))).into()
}

/// What the data directory needs, as the engine noted it: page size, data files, undo tablespaces.
fn of_the_data(data: &Path) -> Result<Vec<(String, String)>, FsError> {
    let path = data.join("backup-my.cnf");
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(needed(&text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(FsError::on("read", &path)(error)),
    }
}

/// Options without which a server cannot read the files. Others in there are about the server that was backed up.
fn needed(text: &str) -> Vec<(String, String)> {
    const NEEDED: [&str; 5] = [
        "innodb_data_file_path",
        "innodb_page_size",
        "innodb_undo_tablespaces",
        "innodb_checksum_algorithm",
        "innodb_log_checksum_algorithm",
    ];
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    let pairs = pairs.map(|(name, value)| (name.trim(), value.trim()));
    let needed = pairs.filter(|(name, value)| NEEDED.contains(name) && !value.is_empty());
    // Servers that no longer know one of them have nothing to do with it.
    needed.map(|(name, value)| (format!("loose-{}", name.replace('_', "-")), value.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_private_server_gets_what_the_files_need_and_no_more() {
        let text = "# made by an engine\n[mysqld]\ninnodb_page_size=4096\nserver_id=7\n\
                    innodb_data_file_path=ibdata1:12M:autoextend\nplugin_load=\nredo_log_version=1\n";
        let expected =
            [("loose-innodb-page-size", "4096"), ("loose-innodb-data-file-path", "ibdata1:12M:autoextend")];
        assert_eq!(needed(text), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
