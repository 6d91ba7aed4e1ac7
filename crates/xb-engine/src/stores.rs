//! Which stores the settings name, and opening them.

use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use xb_catalog::{Remote, Repository};
use xb_core::ErrorClass;
use xb_core::settings::Settings;
use xb_pipeline::Digest;
use xb_pipeline::fs::create_dir_private;
use xb_pipeline::process::find_program;
use xb_pipeline::store::local::LocalStore;
use xb_pipeline::store::object::{ObjectOptions, ObjectStorage};
use xb_pipeline::store::ssh::{SshStore, SshTarget};
use xb_pipeline::store::wrap::limit::Limit;
use xb_pipeline::store::wrap::retry::{Patience, Retry};
use xb_pipeline::store::wrap::timer::{SystemTimer, Timer};
use xb_pipeline::store::{Store, StoreAddress};

use crate::context::Context;
use crate::error::EngineError;

/// The directory in `work_dir` for what was fetched from stores elsewhere and need not be fetched again.
const CACHE: &str = ".pyxbackup.cache";

/// How often a request to object storage is tried by who works for hours: some minutes, for pauses grow to 15 seconds.
const PATIENT_REQUESTS: u32 = 30;
/// How often what failed for a passing reason is tried again elsewhere, beside what a store behind ssh tries by itself.
const PATIENT_TRIES: u32 = 6;
/// Pauses before a host is tried again that cannot be reached; who only looks makes one.
const CONNECT_PAUSES: [Duration; 5] = {
    let seconds = Duration::from_secs;
    [seconds(2), seconds(8), seconds(30), seconds(60), seconds(120)]
};

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
    let all = others(settings)?;
    match address(settings) {
        Ok(own) if all.contains(&own) => Err(EngineError::CopyOfItself { store: own.to_string() }),
        _ => Ok(all),
    }
}

/// The same for whoever only reads: the store may be one of them.
pub(crate) fn others(settings: &Settings) -> Result<Vec<StoreAddress>, EngineError> {
    let host =
        if settings.remote_push_only && settings.store.is_none() { None } else { remote_host(settings)? };
    let others = settings.copy_to.iter().map(|address| Ok(StoreAddress::parse(address)?));
    host.map(Ok).into_iter().chain(others).collect()
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
    Ok(Remote::new(store, cache, owner(context)).shown_as(address.to_string()))
}

/// Opens a store for objects of other kinds than backups.
pub(crate) fn open_store(context: &Context, address: &StoreAddress) -> Result<Arc<dyn Store>, EngineError> {
    open(context, address)
}

/// Opens a store, with what every one gets: a rate that is kept, and patience with what passes.
fn open(context: &Context, address: &StoreAddress) -> Result<Arc<dyn Store>, EngineError> {
    let store: Arc<dyn Store> = match address {
        StoreAddress::Local(directory) => Arc::new(LocalStore::open(directory)?),
        StoreAddress::Ssh { user, host, port, root } => {
            let target = SshTarget {
                user: user.clone(),
                port: *port,
                options: context.settings.ssh_opts.clone(),
                program: program(context, "ssh"),
                netcat: context.settings.remote_nc_port.map(|(low, high)| low.min(high)..=high.max(low)),
                ..SshTarget::new(host, root)
            };
            Arc::new(connect(context, &target)?)
        }
        StoreAddress::Object(address) => {
            let mut options = object_options(context);
            if context.is_patient {
                options.patience.tries = PATIENT_REQUESTS;
            }
            let storage = ObjectStorage::open(address, &options, context.cancel())?;
            // It is patient itself, request by request.
            return Ok(limited(context, Arc::new(storage)));
        }
    };
    let store = limited(context, store);
    let (cancel, timer) = (context.cancel().clone(), Arc::new(SystemTimer::default()));
    let tries = if context.is_patient { PATIENT_TRIES } else { 1 };
    let patience = Patience { tries, ..Patience::default() };
    Ok(Arc::new(Retry::new(store, patience, timer, cancel, context.monitor().clone())))
}

/// Connects to a host, which may be out of reach for a moment.
fn connect(context: &Context, target: &SshTarget) -> Result<SshStore, EngineError> {
    let timer = SystemTimer::default();
    let count = if context.is_patient { CONNECT_PAUSES.len() } else { 1 };
    let mut pauses = CONNECT_PAUSES.into_iter().take(count);
    loop {
        match (SshStore::connect(target, &socket_directory(context), context.cancel()), pauses.next()) {
            (Err(error), Some(pause)) if error.class() == ErrorClass::Transient => {
                context.monitor().warn(&format!("{error}; trying again in {} s", pause.as_secs()));
                timer.wait(pause, context.cancel())?;
            }
            (connected, _) => return Ok(connected?),
        }
    }
}

/// The store at the rate that is allowed.
fn limited(context: &Context, store: Arc<dyn Store>) -> Arc<dyn Store> {
    let rate = NonZeroU64::new(context.settings.store_rate_limit_mib.saturating_mul(1024 * 1024));
    let timer = Arc::new(SystemTimer::default());
    match rate {
        Some(rate) => Arc::new(Limit::new(store, rate, timer, context.cancel().clone())),
        None => store,
    }
}

fn object_options(context: &Context) -> ObjectOptions {
    let (settings, around) = (&context.settings, &context.around);
    ObjectOptions {
        endpoint: settings.s3_endpoint.clone(),
        region: settings.s3_region.clone(),
        access_key: settings.s3_access_key.clone(),
        secret_key: settings.s3_secret_key.clone(),
        path_style: settings.s3_path_style,
        variables: around.variables.clone(),
        home: around.home.clone(),
        ..ObjectOptions::default()
    }
}

/// A program out of the search path; under its name alone where it is not found, for a message that names it.
fn program(context: &Context, name: &str) -> PathBuf {
    find_program(name, &context.around.search_path).unwrap_or_else(|| PathBuf::from(name))
}

/// Where the connection's socket may go. Where that is no place for one, a private directory is made elsewhere.
fn socket_directory(context: &Context) -> PathBuf {
    let directory = context.settings.work_dir.as_deref().map(|work_dir| work_dir.join(CACHE));
    directory.filter(|directory| create_dir_private(directory).is_ok()).unwrap_or_default()
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
