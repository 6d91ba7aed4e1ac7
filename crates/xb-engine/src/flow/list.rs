//! `list`: look, change nothing.

use xb_catalog::Catalog;

use crate::engine::Engine;
use crate::error::EngineError;
use crate::lock::lock_state;
use crate::report::ListReport;

pub(crate) fn run(engine: &Engine) -> Result<ListReport, EngineError> {
    let catalog = Catalog::scan(engine.store()?)?;
    let lock = engine.settings.work_dir.as_deref().map(lock_state).transpose()?.flatten();
    Ok(ListReport { catalog, lock })
}
