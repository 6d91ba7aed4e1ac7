//! `list`: look, change nothing.

use crate::context::Context;
use crate::error::EngineError;
use crate::flow::binlogs::glance::glance;
use crate::lock::lock_state;
use crate::report::ListReport;

pub(crate) fn run(context: &Context) -> Result<ListReport, EngineError> {
    let catalog = context.repository()?.scan()?;
    let lock = context.settings.work_dir.as_deref().map(lock_state).transpose()?.flatten();
    let logs = glance(context, &catalog).summary;
    Ok(ListReport { catalog, lock, logs })
}
