//! Notices: who is told how a run ended. By mail, through a program, and by HTTP, all at the same time and
//! each for a limited time. One that fails is warned of and changes nothing else.

mod command;
pub(crate) mod http;
mod letter;
mod mail;
mod message;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use xb_core::Masker;
use xb_core::settings::Task;
use xb_pipeline::fs::write_atomic;

pub(crate) use message::{FORMAT, Notice, Outcome};

use crate::context::Context;
use letter::Letter;
use mail::MailServer;

/// In the store once a test mail was accepted: no other is sent.
pub(crate) const MAIL_MARK: &str = "pyxbackup_mail_ok";
/// Beyond its own limit a delivery is waited for so long, to hear from itself what it was waiting for.
const LAST_MOMENT: Duration = Duration::from_millis(1500);

/// Why somebody was not told. Holds no secret and no address that may be one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoticeError {
    /// The mail server did not take a mail.
    #[error("the mail server {server} did not take it ({step}): {reason}")]
    Mail { server: String, step: &'static str, reason: String },
    /// Nobody the mail could go to.
    #[error("none of its addresses can be used: {reasons}")]
    NoRecipient { reasons: String },
    /// The mail cannot be written.
    #[error("it cannot be written: {0}")]
    Letter(String),
    /// The server cannot do TLS.
    #[error(
        "the mail server {server} offers no STARTTLS, so it was given nothing; set smtp_security to tls, or to \
         none if the way to it is safe"
    )]
    NoStartTls { server: String },
    /// A password would have gone over the network in the open.
    #[error(
        "smtp_user and smtp_pass would go to {server} unprotected, so it was given nothing; set smtp_security \
         to starttls or tls"
    )]
    Unprotected { server: String },
    /// Certificates cannot be used.
    #[error("{0}; smtp_ca_file must name certificates in PEM form")]
    Certificates(String),
    /// The program did not do well.
    #[error("{0}")]
    Command(String),
    /// There is no such address.
    #[error("{0}")]
    Address(&'static str),
    /// The server did not take it.
    #[error("{place}: {reason}")]
    Http { place: String, reason: String },
    /// Its time is up.
    #[error("not done within {seconds} s (notify_timeout), so it was given up")]
    TimedOut { seconds: u64 },
    /// Somebody wants the run to end.
    #[error("given up, because the run is told to stop")]
    Stopped,
}

/// When a delivery has to be done.
#[derive(Clone, Copy)]
pub(crate) struct Deadline {
    at: Instant,
    seconds: u64,
}

impl Deadline {
    fn within(seconds: u64) -> Self {
        Deadline { at: Instant::now() + Duration::from_secs(seconds), seconds }
    }

    /// What is left.
    ///
    /// # Errors
    /// [`NoticeError::TimedOut`] when nothing is.
    pub(crate) fn left(self) -> Result<Duration, NoticeError> {
        let left = self.at.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(self.missed()) } else { Ok(left) }
    }

    fn missed(self) -> NoticeError {
        NoticeError::TimedOut { seconds: self.seconds }
    }
}

/// What a delivery that came about has to add, for a warning: an address that was refused.
type Remarks = Vec<String>;
type Work = Box<dyn FnOnce(Deadline) -> Result<Remarks, NoticeError> + Send>;

/// One way to tell somebody.
struct Delivery {
    /// What it is, for people.
    what: &'static str,
    is_test_mail: bool,
    work: Work,
}

/// The name of this machine.
pub(crate) fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Tells everybody who is to be told, and waits for that.
pub(crate) fn send(context: &Context, task: Task, notice: &Notice, masker: &Masker) {
    let deliveries = deliveries(context, task, notice, masker);
    if deliveries.is_empty() {
        return;
    }
    let deadline = Deadline::within(context.settings.notify_timeout_seconds);
    let (report, reports) = channel();
    let names: Vec<(&str, bool)> =
        deliveries.iter().map(|delivery| (delivery.what, delivery.is_test_mail)).collect();
    // Threads of their own, so that nothing a library does can hold up the run. One that is left behind ends
    // by its own limits, or with the process; it holds nothing but its connection.
    for (index, delivery) in deliveries.into_iter().enumerate() {
        let report = report.clone();
        std::thread::spawn(move || {
            // Fails when nobody waits any longer.
            let _ = report.send((index, (delivery.work)(deadline)));
        });
    }
    drop(report);
    for (index, result) in collect(context, names.len(), deadline, &reports).into_iter().enumerate() {
        let (what, is_test_mail) = names[index];
        match result {
            Ok(remarks) => {
                context.monitor().info(&format!("{what}: sent"));
                remarks.iter().for_each(|remark| warn(context, what, remark, masker));
                if is_test_mail {
                    leave_mark(context);
                }
            }
            Err(error) => warn(context, what, &error.to_string(), masker),
        }
    }
}

fn warn(context: &Context, what: &str, text: &str, masker: &Masker) {
    context.monitor().warn(&masker.mask(&format!("{what}: {text}")));
}

/// The result of each delivery, in their order.
fn collect(
    context: &Context,
    count: usize,
    deadline: Deadline,
    reports: &Receiver<(usize, Result<Remarks, NoticeError>)>,
) -> Vec<Result<Remarks, NoticeError>> {
    let was_stopped = context.cancel().reason().is_some();
    let is_stopped = || !was_stopped && context.cancel().reason().is_some();
    let mut results: Vec<Option<Result<Remarks, NoticeError>>> = (0..count).map(|_| None).collect();
    let last = deadline.at + LAST_MOMENT;
    while results.iter().any(Option::is_none) && Instant::now() < last && !is_stopped() {
        match reports.recv_timeout(Duration::from_millis(50)) {
            Ok((index, result)) => results[index] = Some(result),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    let missing = || if is_stopped() { NoticeError::Stopped } else { deadline.missed() };
    results.into_iter().map(|result| result.unwrap_or_else(|| Err(missing()))).collect()
}

fn deliveries(context: &Context, task: Task, notice: &Notice, masker: &Masker) -> Vec<Delivery> {
    let settings = &context.settings;
    let mut deliveries = Vec::new();
    let mut add = |what, is_test_mail, work| deliveries.push(Delivery { what, is_test_mail, work });
    if let Some(letter) = test_mail(context, notice) {
        add("the test mail", true, mail_work(context, letter));
    }
    let is_backup = matches!(task, Task::Full | Task::Incr);
    let readers = match notice.result {
        Outcome::Success if is_backup => settings.notify_on_success.as_slice(),
        Outcome::Success => &[],
        Outcome::Failure | Outcome::Stopped => settings.notify_by_email.as_slice(),
    };
    if !readers.is_empty() {
        add("the mail", false, mail_work(context, Letter::result(notice, readers)));
    }
    if !settings.notify_command.is_empty() {
        let command = crate::hook::command(context, &settings.notify_command);
        let (body, cancel, heard) = (notice.json(), context.cancel().clone(), masker.clone());
        let work = move |deadline| command::run(command.input(body?), heard, &cancel, deadline);
        add("notify_command", false, Box::new(work));
    }
    if let Some(url) = settings.notify_url.clone() {
        let body = notice.json();
        add("notify_url", false, Box::new(move |deadline| http::post(&url, &body?, deadline)));
    }
    deliveries
}

fn mail_work(context: &Context, letter: Letter) -> Work {
    let server = MailServer::of(context);
    Box::new(move |deadline| server.deliver(&letter, deadline))
}

/// The mail that shows whether mails arrive, as long as none was ever accepted.
fn test_mail(context: &Context, notice: &Notice) -> Option<Letter> {
    let settings = &context.settings;
    let mut readers = settings.notify_by_email.clone();
    readers.extend(settings.notify_on_success.iter().cloned());
    let mark = mark(context).filter(|mark| mark.parent().is_some_and(Path::is_dir))?;
    if readers.is_empty() || mark.exists() {
        return None;
    }
    Some(Letter::test(notice, &settings.notify_by_email, &settings.notify_on_success))
}

/// Where the mark of the test mail stands: in the store, or in `work_dir` when the store is elsewhere.
fn mark(context: &Context) -> Option<PathBuf> {
    let settings = &context.settings;
    let directory = if settings.is_elsewhere() { &settings.work_dir } else { &settings.stor_dir };
    directory.as_ref().map(|directory| directory.join(MAIL_MARK))
}

fn leave_mark(context: &Context) {
    let Some(mark) = mark(context) else { return };
    let text = format!("a test mail was accepted on {}\n", context.now().to_rfc3339());
    if let Err(error) = write_atomic(&mark, text.as_bytes()) {
        context.monitor().warn(&format!("the test mail will be sent again: {error}"));
    }
}
