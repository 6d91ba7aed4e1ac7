//! `list`: look, change nothing.

use xb_catalog::Catalog;

use crate::context::Context;
use crate::error::EngineError;
use crate::lock::lock_state;
use crate::report::ListReport;

pub(crate) fn run(context: &Context) -> Result<ListReport, EngineError> {
    let catalog = Catalog::scan(context.store()?)?;
    let lock = context.settings.work_dir.as_deref().map(lock_state).transpose()?.flatten();
    Ok(ListReport { catalog, lock })
}
