//! Replaying logs on a private server: [`ReplayPlan`]s become what they lead to.
//!
//! The server is somebody else's to start, with [`server_options`] on the restored data directory and nobody
//! else on it. The vendor's program prints the pieces of the plan as SQL, one behind the other, and one
//! connection of the vendor's client takes all of it, since temporary tables live as long as their
//! connection. Only a transaction that was prepared for XA and is not ended right behind it ends the
//! connection; temporary tables end there too.
//!
//! Nothing is left out but what the plan leaves out, and the first statement that is refused ends it.
//!
//! After an interruption the server is started again, [`state`] asks it what it has, and
//! [`progress_of`](crate::recover::progress_of) says where to go on.

mod account;
mod error;
mod feed;
mod fetch;
mod marks;
mod options;
mod refused;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use xb_core::Flavor;
use xb_core::gtid::GtidSet;
use xb_pipeline::cancel::CancelToken;
use xb_pipeline::fs::{create_dir_private, remove_tree};
use xb_pipeline::monitor::Monitor;

pub use account::ReplayAccount;
pub use error::ReplayError;
pub use options::server_options;
pub use refused::StoppedIn;

use crate::archive::{Logs, Place};
use crate::recover::{ReplayPlan, confirm};
use feed::{Feed, Said};
use fetch::{Fetched, Job, Run, fetch_all, jobs};

/// How long the private server may take to answer a question.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// A private server, and the programs that belong to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayTarget {
    /// Whose server it is.
    pub flavor: Flavor,
    /// Where it listens.
    pub socket: PathBuf,
    /// As whom to speak to it: [`ReplayAccount::defaults_file`].
    pub defaults_file: PathBuf,
    /// `mariadb` or `mysql`.
    pub client: PathBuf,
    /// `mariadb-binlog` or `mysqlbinlog`.
    pub binlog: PathBuf,
}

/// How to replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayOptions {
    /// A directory of our own, with room for two logs and for the files that logs bring along to be loaded.
    pub scratch: PathBuf,
}

/// What a replay has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayReport {
    /// Bytes of the logs that were replayed, in this run.
    pub bytes: u64,
    /// Connections it took.
    pub connections: u64,
    /// What the server has, where it gives GTIDs: of MariaDB the last of each domain in its own log.
    pub gtids: Option<GtidSet>,
}

/// Asks the server what it has: of MariaDB what is in its own log, of MySQL all that it ever executed.
/// Nothing when it gives no GTIDs.
///
/// # Errors
/// [`ReplayError::Ask`].
pub fn state(target: &ReplayTarget) -> Result<Option<GtidSet>, ReplayError> {
    if target.flavor == Flavor::MariaDb {
        return parse(target, POSITION).map(Some);
    }
    // A server before 5.6 does not know it.
    let mode = ask(target, "SHOW GLOBAL VARIABLES LIKE 'gtid_mode';")?;
    match mode.split('\t').nth(1).map(str::trim) {
        None | Some("OFF") => Ok(None),
        Some(_) => parse(target, EXECUTED).map(Some),
    }
}

const POSITION: &str = "SELECT @@GLOBAL.gtid_binlog_pos;";
const EXECUTED: &str = "SELECT @@GLOBAL.gtid_executed;";

fn parse(target: &ReplayTarget, question: &str) -> Result<GtidSet, ReplayError> {
    gtids(target.flavor, &ask(target, question)?)
        .ok_or_else(|| ReplayError::Ask { question: question.to_owned(), message: "no GTID set".to_owned() })
}

/// What the client prints of a set: the line breaks in it are written as `\n`.
fn gtids(flavor: Flavor, answer: &str) -> Option<GtidSet> {
    let text = answer.lines().last().unwrap_or_default().replace("\\n", "");
    match flavor {
        Flavor::MariaDb => text.parse().ok().map(GtidSet::MariaDb),
        _ => text.parse().ok().map(GtidSet::MySql),
    }
}

fn ask(target: &ReplayTarget, question: &str) -> Result<String, ReplayError> {
    let output = target.client().input(question).output(ANSWER_LIMIT)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = Said::default();
    output.stderr.lines().for_each(said.listener());
    Err(ReplayError::Ask { question: question.to_owned(), message: said.tail() })
}

/// Removes the account of the replay. To be done before the server is stopped and its data directory is
/// given away; the account is there again after the next start.
///
/// # Errors
/// [`ReplayError::Ask`].
pub fn remove_account(target: &ReplayTarget) -> Result<(), ReplayError> {
    ask(target, &account::removal()).map(drop)
}

/// Replays a plan from a place on: its start, or where an earlier run has come to. In the end the server has
/// what the plan says it has.
///
/// # Errors
/// [`ReplayError`]. The server has everything before the place of the error then, and of what is behind it,
/// nothing that could be undone.
pub fn replay(
    plan: &ReplayPlan,
    from: &Place,
    logs: &dyn Logs,
    target: &ReplayTarget,
    options: &ReplayOptions,
    monitor: &dyn Monitor,
    cancel: &CancelToken,
) -> Result<ReplayReport, ReplayError> {
    let directory = options.scratch.join("replay");
    remove_tree(&directory)?;
    let loads = directory.join("load");
    create_dir_private(&loads)?;
    if *from == plan.start {
        begin(plan, target)?;
    }
    let jobs = jobs(plan.behind(from));
    let stop = AtomicBool::new(false);
    let (sender, fetched) = sync_channel(0);
    let report = std::thread::scope(|scope| {
        let (jobs, directory, stop) = (&jobs, &directory, &stop);
        scope.spawn(move || fetch_all(jobs, logs, directory, &sender, stop, cancel));
        let mut run = Session { target, loads: &loads, monitor, cancel, start: from, report: empty() };
        let outcome = run.all(jobs, fetched);
        stop.store(true, Ordering::Relaxed);
        outcome.map(|()| run.report)
    });
    // What the programs left behind goes also when they ended badly.
    remove_tree(&directory)?;
    let report = report.map_err(|error| error.in_transaction(logs))?;
    if let Some(has) = &report.gtids {
        confirm(has, plan, logs, cancel)?;
    }
    Ok(report)
}

fn empty() -> ReplayReport {
    ReplayReport { bytes: 0, connections: 0, gtids: None }
}

/// MySQL: a server whose data directory does not say all that was executed is told. It would take what
/// comes for new else, or leave out what it has.
fn begin(plan: &ReplayPlan, target: &ReplayTarget) -> Result<(), ReplayError> {
    let Some(GtidSet::MySql(start)) = &plan.gtids_at_start else { return Ok(()) };
    let has = state(target)?;
    let Some(GtidSet::MySql(has)) = has.filter(|has| *has != GtidSet::MySql(start.clone())) else {
        return Ok(());
    };
    let reset = if ask(target, "RESET MASTER;").is_ok() { "" } else { "RESET BINARY LOGS AND GTIDS;" };
    ask(target, &format!("{reset}SET GLOBAL gtid_purged = '{start}';")).map(drop).map_err(|error| match error
    {
        ReplayError::Ask { question, message } => {
            ReplayError::Ask { question, message: format!("{message} (it had {has})") }
        }
        other => other,
    })
}

/// One replay.
struct Session<'a> {
    target: &'a ReplayTarget,
    loads: &'a Path,
    monitor: &'a dyn Monitor,
    cancel: &'a CancelToken,
    start: &'a Place,
    report: ReplayReport,
}

impl Session<'_> {
    fn all(
        &mut self,
        jobs: &[Job],
        fetched: Receiver<Result<Fetched, ReplayError>>,
    ) -> Result<(), ReplayError> {
        let mut feed = self.connect()?;
        for _ in jobs {
            let gone = |_| ReplayError::System {
                what: "the logs",
                source: std::io::Error::other("the thread that fetches them is gone"),
            };
            let outcome = fetched.recv().map_err(gone).and_then(|fetched| fetched).and_then(|fetched| {
                fetched.runs.iter().try_for_each(|run| self.one(&mut feed, &fetched.path, run))
            });
            if let Err(error) = outcome {
                feed.into_iter().for_each(Feed::abandon);
                return Err(self.cancel.check().err().map_or(error, ReplayError::from));
            }
        }
        self.end(feed)
    }

    fn connect(&mut self) -> Result<Option<Feed>, ReplayError> {
        self.report.connections += 1;
        Feed::connect(self.target, self.start, self.cancel).map(Some)
    }

    fn one(&mut self, feed: &mut Option<Feed>, path: &Path, run: &Run) -> Result<(), ReplayError> {
        if feed.is_none() {
            *feed = self.connect()?;
        }
        let (monitor, mut at) = (self.monitor, run.segment.from);
        let mut advance = |to: u64| {
            monitor.advance(to.saturating_sub(at));
            at = at.max(to);
        };
        if let Some(feed) = feed.as_mut() {
            feed.run(self.target, path, run, self.loads, self.cancel, &mut advance)?;
        }
        advance(run.segment.to);
        self.report.bytes += run.segment.to - run.segment.from;
        if run.ends_connection {
            feed.take().map_or(Ok(String::new()), Feed::finish)?;
            self.wait_for_end_of_connection()?;
        }
        Ok(())
    }

    /// What a connection has prepared can be ended by another one only when the server has noticed its end.
    fn wait_for_end_of_connection(&self) -> Result<(), ReplayError> {
        let question = "SELECT COUNT(*) FROM information_schema.processlist \
                        WHERE USER = SUBSTRING_INDEX(CURRENT_USER(), '@', 1);";
        let started = Instant::now();
        while ask(self.target, question)?.trim() != "1" {
            self.cancel.check()?;
            if started.elapsed() > ANSWER_LIMIT {
                let message = "the connection before is still there".to_owned();
                return Err(ReplayError::Ask { question: question.to_owned(), message });
            }
        }
        Ok(())
    }

    /// Asks what the server has, as the last thing in the connection: temporary tables that go with it
    /// leave something in the server's log.
    fn end(&mut self, feed: Option<Feed>) -> Result<(), ReplayError> {
        let mut feed = match feed {
            Some(feed) => Some(feed),
            None => self.connect()?,
        };
        let gives_gtids = self.target.flavor == Flavor::MariaDb || state(self.target)?.is_some();
        if !gives_gtids {
            return feed.take().map_or(Ok(String::new()), Feed::finish).map(drop);
        }
        let question = if self.target.flavor == Flavor::MariaDb { POSITION } else { EXECUTED };
        let Some(mut feed) = feed.take() else { return Ok(()) };
        feed.say(question)?;
        feed.say("\n")?;
        let answer = feed.finish()?;
        let gtids = gtids(self.target.flavor, &answer);
        let message = format!("no GTID set but {:?}", answer.chars().take(200).collect::<String>());
        let wrong = || ReplayError::Ask { question: question.to_owned(), message };
        self.report.gtids = Some(gtids.ok_or_else(wrong)?);
        Ok(())
    }
}
