//! Which stores the settings name, and opening them.

use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use xb_catalog::{Remote, Repository};
use xb_core::settings::Settings;
use xb_pipeline::Digest;
use xb_pipeline::fs::create_dir_private;
use xb_pipeline::store::local::LocalStore;
use xb_pipeline::store::wrap::limit::Limit;
use xb_pipeline::store::wrap::retry::{Patience, Retry};
use xb_pipeline::store::wrap::timer::SystemTimer;
use xb_pipeline::store::{Store, StoreAddress};

use crate::context::Context;
use crate::error::EngineError;

/// The directory in `work_dir` for what was fetched from stores elsewhere and need not be fetched again.
const CACHE: &str = ".pyxbackup.cache";

/// The address of the store of a run.
pub(crate) fn address(settings: &Settings) -> Result<StoreAddress, EngineError> {
    if let Some(address) = &settings.store {
        return Ok(StoreAddress::parse(address)?);
    }
    if settings.remote_push_only {
        return remote_host(settings)?.ok_or(EngineError::NotSet { key: "remote_host" });
    }
    let directory = settings.stor_dir.clone().ok_or(EngineError::NotSet { key: "stor_dir" })?;
    Ok(StoreAddress::Local(directory))
}

/// The host of `remote_host`, if there is one.
pub(crate) fn remote_host(settings: &Settings) -> Result<Option<StoreAddress>, EngineError> {
    let Some(host) = &settings.remote_host else { return Ok(None) };
    let root = settings.remote_stor_dir.clone().ok_or(EngineError::NotSet { key: "remote_stor_dir" })?;
    let user = Some(settings.ssh_user.clone());
    Ok(Some(StoreAddress::Ssh { user, host: host.clone(), port: None, root }))
}

/// The stores that get copies: the host of `remote_host`, unless it is the store itself, and those of `copy_to`.
pub(crate) fn copies(settings: &Settings) -> Result<Vec<StoreAddress>, EngineError> {
    let host =
        if settings.remote_push_only && settings.store.is_none() { None } else { remote_host(settings)? };
    let others = settings.copy_to.iter().map(|address| Ok(StoreAddress::parse(address)?));
    host.map(Ok).into_iter().chain(others).collect()
}

/// The store of a run.
pub(crate) fn home(context: &Context) -> Result<Repository, EngineError> {
    repository(context, &address(&context.settings)?)
}

/// The store at an address.
pub(crate) fn repository(context: &Context, address: &StoreAddress) -> Result<Repository, EngineError> {
    match address {
        StoreAddress::Local(directory) => Ok(Repository::Here(directory.clone())),
        elsewhere => Ok(Repository::Elsewhere(open_remote(context, elsewhere)?)),
    }
}

/// The store of a run as it is named, without opening it.
pub(crate) fn shown(settings: &Settings) -> Option<String> {
    address(settings).ok().map(|address| address.to_string())
}

/// Opens a store that is not worked on as a directory.
pub(crate) fn open_remote(context: &Context, address: &StoreAddress) -> Result<Remote, EngineError> {
    let store = open(context, address)?;
    let cache = context.settings.work_dir.as_deref().and_then(|work_dir| cache(work_dir, &*store));
    Ok(Remote::new(store, cache, owner(context)))
}

/// Opens a store, with what every one gets: a rate that is kept, and patience with what passes.
fn open(context: &Context, address: &StoreAddress) -> Result<Arc<dyn Store>, EngineError> {
    let store: Arc<dyn Store> = match address {
        StoreAddress::Local(directory) => Arc::new(LocalStore::open(directory)?),
        other => return Err(EngineError::OnlyHere { what: "this", store: other.to_string() }),
    };
    let (cancel, timer) = (context.cancel().clone(), Arc::new(SystemTimer::default()));
    let rate = NonZeroU64::new(context.settings.store_rate_limit_mib.saturating_mul(1024 * 1024));
    let store = match rate {
        Some(rate) => Arc::new(Limit::new(store, rate, timer.clone(), cancel.clone())),
        None => store,
    };
    Ok(Arc::new(Retry::new(store, Patience::default(), timer, cancel, context.monitor().clone())))
}

/// Whoever may not write there, such as a monitoring account, goes without.
fn cache(work_dir: &Path, store: &dyn Store) -> Option<PathBuf> {
    let directory = work_dir.join(CACHE);
    create_dir_private(&directory).ok()?;
    Some(directory.join(format!("{}.json", Digest::of(store.address().as_bytes()))))
}

/// What tells the runs that one lock keeps apart from those of others: the machine and the work directory.
fn owner(context: &Context) -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let work_dir = context.settings.work_dir.as_deref().unwrap_or(Path::new(""));
    let work_dir = std::fs::canonicalize(work_dir).unwrap_or_else(|_| work_dir.to_owned());
    format!("{host}:{}", work_dir.display())
}
