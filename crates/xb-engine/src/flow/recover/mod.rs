//! Recovery to a point: archive and backups → base and plan → the base restored → its server started privately, the
//! logs replayed, the result confirmed → the server stopped, the directory renamed. What a killed run left is gone
//! on with where the server can say what it has.

pub(crate) mod archive;
pub(crate) mod choose;
mod replay;
mod resume;

use std::time::{Duration, Instant};

use xb_binlog::recover::Resume;
use xb_binlog::recover::{Options, Target};
use xb_catalog::Catalog;
use xb_core::gtid::Gtid;
use xb_pipeline::monitor::Phase;

use crate::context::{Context, Phases};
use crate::error::EngineError;
use crate::flow::next_steps::after_recovery;
use crate::flow::restore_set::{Ready, Workplace, check_place};
use crate::report::RecoveryReport;
use archive::Archive;
use choose::{Choice, choose};
use replay::{Means, Private};

/// How long the server of a run that was killed may take to be gone.
const ANOTHER_ENDS: Duration = Duration::from_secs(60);

/// What to recover to, and how.
#[derive(Clone, Debug)]
pub struct RecoveryRequest {
    /// The point.
    pub to: Target,
    /// The epoch of the archive that the backup stands in, where the archive cannot tell. It need not be that of
    /// the target.
    pub base_epoch: Option<u32>,
    /// Transactions to leave out.
    pub exclude: Vec<Gtid>,
    /// Take the end of the archive where the target is behind it.
    pub best_effort: bool,
    /// Go on behind logs that are missing.
    pub across_gaps: bool,
}

/// What would be done.
pub(crate) fn plan(context: &Context, request: &RecoveryRequest) -> Result<RecoveryReport, EngineError> {
    let catalog = context.repository()?.scan()?;
    let (_, choice) = way(context, &catalog, request)?;
    // What would keep it from being done is told before it is.
    replay::means(context, &choice)?;
    check_place(context, &catalog, choice.backup)?;
    let members = catalog.chain(choice.backup)?.into_iter().cloned().collect();
    Ok(RecoveryReport::planned(choice.backup, members, choice.plan))
}

/// Recovers.
pub(crate) fn run(context: &Context, request: &RecoveryRequest) -> Result<RecoveryReport, EngineError> {
    let mut phases = Phases::new(context);
    phases.begin(Phase::Probe, "looking for the way to the target", None);
    let catalog = context.repository()?.scan()?;
    let (archive, choice) = way(context, &catalog, request)?;
    tell(context, &choice);
    let means = replay::means(context, &choice)?;
    let mut ready = Ready::look(context, &mut phases, Some(choice.backup))?;
    ready.plan.needed_bytes = ready.plan.needed_bytes.saturating_add(replay::needed_bytes(&choice.plan));
    let run = Recovery { context, archive: &archive, choice: &choice, means: &means, ready: &ready };
    let (workplace, prepared) = run.base(&mut phases)?;
    let resumed = match run.replay(&mut phases, &workplace) {
        Ok(resumed) => resumed,
        Err(error) => {
            // Restoring may have taken hours. The next run begins where this one ended, or tells why not.
            workplace.leave();
            let left_in = ready.plan.workplace.clone();
            return Err(match error.cancelled() {
                Some(cancelled) if resume::is_there(&left_in, &choice) => {
                    EngineError::ReplayStopped { cancelled, left_in }
                }
                _ => error,
            });
        }
    };
    workplace.clear_beside()?;
    ready.finish(&mut phases, workplace)?;
    let mut report = RecoveryReport::planned(choice.backup, ready.plan.members.clone(), choice.plan);
    let destination = ready.plan.destination;
    report.next_steps = after_recovery(&choice.record, &destination, &report.plan);
    report.directory = Some(destination);
    (report.members_prepared, report.resumed) = (prepared.unwrap_or(0), prepared.is_none() && resumed);
    Ok(report)
}

/// The way to the target by the archive here; by its copies, too, where that alone does not lead there whole.
fn way(
    context: &Context,
    catalog: &Catalog,
    request: &RecoveryRequest,
) -> Result<(Archive, Choice), EngineError> {
    let is_whole = |choice: &Choice| choice.plan.ends_early.is_none() && choice.plan.gaps.is_empty();
    let mut archive = Archive::look(context)?;
    let first = choose(context, catalog, &archive, request);
    let is_final = match &first {
        Ok(choice) => is_whole(choice),
        Err(error) => error.cancelled().is_some(),
    };
    if is_final || !archive.take_copies(context)? {
        return Ok((archive, first?));
    }
    // What the one here says is the news, if they do no better together.
    let choice = choose(context, catalog, &archive, request).or(first)?;
    Ok((archive, choice))
}

/// A recovery at work.
struct Recovery<'a> {
    context: &'a Context,
    archive: &'a Archive,
    choice: &'a Choice,
    means: &'a Means,
    ready: &'a Ready,
}

impl Recovery<'_> {
    /// The base restored: just now, with how many members came with the prepared copy, or by a run that did not
    /// come to its end.
    fn base(&self, phases: &mut Phases<'_>) -> Result<(Workplace, Option<usize>), EngineError> {
        let Recovery { context, choice, ready, .. } = *self;
        if resume::is_there(&ready.plan.workplace, choice) {
            ready.check_destination()?;
            let workplace = Workplace::enter_as_it_is(&ready.plan.workplace)?;
            // Nobody may have changed it meanwhile.
            if resume::is_there(&ready.plan.workplace, choice) {
                let text = format!("an earlier run has restored {} here; going on with that", choice.backup);
                context.monitor().info(&text);
                return Ok((workplace, None));
            }
        }
        let workplace = ready.enter(context)?;
        let prepared = self.restore(phases, &workplace)?;
        Ok((workplace, Some(prepared)))
    }

    fn restore(&self, phases: &mut Phases<'_>, workplace: &Workplace) -> Result<usize, EngineError> {
        workplace.clear_beside()?;
        let prepared = self.ready.make(self.context, phases, workplace)?;
        resume::note(workplace, self.choice)?;
        Ok(prepared)
    }

    /// Replays on the base, or goes on where an earlier run ended. Gives whether anything of that was of use.
    fn replay(&self, phases: &mut Phases<'_>, workplace: &Workplace) -> Result<bool, EngineError> {
        let Recovery { context, archive, choice, means, .. } = *self;
        let start = |phases: &mut Phases<'_>| {
            phases.begin(Phase::Replay, &choice.plan.stop.to_string(), Some(choice.plan.bytes));
            Private::start(context, choice, means, workplace)
        };
        let is_begun = workplace.beside(replay::SCRATCH).exists();
        let begun = Instant::now();
        let mut server = start(phases);
        // The server of the run that was killed may take a moment to be gone, and does not let another one start.
        while is_begun && server.is_err() && begun.elapsed() < ANOTHER_ENDS {
            context.cancel().check()?;
            std::thread::sleep(Duration::from_secs(1));
            server = start(phases);
        }
        let mut server = server?;
        let mut from = choice.plan.start.clone();
        let mut resumed = is_begun;
        match if is_begun {
            server.progress(context, archive, choice)?
        } else {
            Resume::Continue(from.clone())
        } {
            Resume::Continue(place) => from = place,
            Resume::Done => {
                server.confirm(context, archive, choice)?;
                server.end(workplace)?;
                return Ok(true);
            }
            Resume::StartOver(reason) => {
                context.monitor().warn(&format!(
                    "the earlier run cannot be gone on with, and the backup is restored again: {reason}"
                ));
                server.give_up()?;
                resume::forget(workplace)?;
                workplace.clear()?;
                self.restore(phases, workplace)?;
                server = start(phases)?;
                resumed = false;
            }
        }
        if from != choice.plan.start {
            context.monitor().info(&format!("the logs are replayed up to {from} already"));
        }
        server.replay(context, archive, choice, &from)?;
        server.end(workplace)?;
        Ok(resumed)
    }
}

fn tell(context: &Context, choice: &Choice) {
    let plan = &choice.plan;
    context.monitor().info(&format!(
        "recovering from {}: {} transactions in {} pieces of logs, from {} to {}",
        choice.backup,
        plan.transactions,
        plan.segments.len(),
        plan.start,
        plan.stop
    ));
    for gap in &plan.gaps {
        context.monitor().warn(&format!("going across a gap: {gap}"));
    }
    if plan.ends_early.is_some() {
        context.monitor().warn(&format!("the binary logs end before the target, at {}", plan.stop));
    }
}

/// The options of a plan.
fn options(request: &RecoveryRequest, archive: &Archive) -> Options {
    Options {
        exclude: request.exclude.clone(),
        across_gaps: request.across_gaps,
        best_effort: request.best_effort,
        seen_until: archive.seen_until(),
    }
}
