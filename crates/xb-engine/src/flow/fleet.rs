//! Many servers in one place, each in a directory or prefix of its own: what they all have, and how they all stand.

use xb_catalog::Catalog;
use xb_pipeline::store::{StoreAddress, StoreError};

use super::status::{Facts, Thresholds, judge};
use crate::context::Context;
use crate::error::EngineError;
use crate::flow::binlogs::glance::Glance;
use crate::report::{Fleet, FleetServer, ListReport, StatusReport};
use crate::stores;

/// What is in the stores beside the one of the settings, and in that.
pub(crate) fn list(context: &Context) -> Result<Fleet<ListReport>, EngineError> {
    each(context, |catalog| ListReport { catalog, lock: None, logs: None })
}

/// How things stand with each of them. Who asks from afar knows neither of locks nor of free space.
pub(crate) fn status(context: &Context) -> Result<Fleet<StatusReport>, EngineError> {
    let settings = &context.settings;
    let limits = Thresholds::of(settings);
    // The archives of other servers' logs are theirs.
    let logs = Glance::default();
    each(context, |catalog| {
        let now = context.now();
        judge(Facts {
            catalog: &catalog,
            lock: None,
            free_bytes: None,
            copies: &[],
            logs: &logs,
            limits,
            now,
        })
    })
}

/// Looks at every store of the place, one after the other. One that cannot be looked at keeps nobody from the others.
fn each<T>(context: &Context, judge: impl Fn(Catalog) -> T) -> Result<Fleet<T>, EngineError> {
    let own = stores::address(&context.settings)?;
    let place = own.parent().ok_or_else(|| EngineError::NoFleet { store: own.to_string() })?;
    let mut servers = Vec::new();
    for name in prefixes(context, &place)? {
        context.cancel().check()?;
        let address = place.child(&name);
        let looked = stores::repository(context, &address).and_then(|home| Ok(home.scan()?));
        let looked = context.settled(looked);
        if let Err(error) = &looked
            && let Some(cancelled) = error.cancelled()
        {
            return Err(cancelled.into());
        }
        let (report, error) = match looked {
            // Something else stands there.
            Ok(catalog) if !is_a_store(&catalog) => continue,
            Ok(catalog) => (Some(judge(catalog)), None),
            Err(error) => (None, Some(error.to_string())),
        };
        servers.push(FleetServer { name, store: address.to_string(), report, error });
    }
    Ok(Fleet { place: place.to_string(), servers })
}

/// Whether what was looked at is a store: it holds backups, or nothing that is not ours.
fn is_a_store(catalog: &Catalog) -> bool {
    catalog.records().next().is_some() || !catalog.partials.is_empty() || catalog.strays.is_empty()
}

fn prefixes(context: &Context, place: &StoreAddress) -> Result<Vec<String>, EngineError> {
    let remote = stores::open_remote(context, place)?;
    let names: Result<Vec<String>, StoreError> = remote.store().prefixes();
    // Hidden ones are of the file system, such as lost+found's kin, or ours.
    Ok(names?.into_iter().filter(|name| !name.starts_with('.') && name != "lost+found").collect())
}
