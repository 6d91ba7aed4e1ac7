//! From layers to [`Settings`]: merge, read, check.

use super::error::{Problem, SettingsError, Warning};
use super::layer::{GivenEntry, Layer};
use super::value::{self, Value};
use super::{KEYS, Key, Origin, Place, PrepareMemory, Settings, Task, check};

/// Settings ready for use, and how they came about.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The settings.
    pub settings: Settings,
    /// One entry for every key that a file may set, and for those that the command line did.
    pub entries: Vec<Entry>,
    /// What does not stop the run and should be known.
    pub warnings: Vec<Warning>,
}

/// The value of one key and where it comes from.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Which.
    pub key: &'static Key,
    /// The value as it may be shown: secrets are masked. `None` when there is none.
    pub value: Option<String>,
    /// Where it was set.
    pub origin: Origin,
}

impl Resolved {
    /// The shown value of a key.
    #[must_use]
    pub fn shown(&self, name: &str) -> Option<&str> {
        self.entries.iter().find(|entry| entry.key.name == name)?.value.as_deref()
    }
}

/// Merges layers (the lowest first) for one command.
///
/// A problem with a setting that makes no difference to the command becomes a warning: nobody is kept from
/// restoring by a line about mail. What was typed on this command line is never passed over.
pub fn resolve(layers: &[Layer], task: Task) -> Result<Resolved, SettingsError> {
    let mut warnings: Vec<Warning> = layers.iter().flat_map(|layer| layer.warnings.clone()).collect();
    let mut problems = Vec::new();
    let mut values: Vec<(&'static Key, Value, Origin)> = Vec::new();
    for entry in merged(layers) {
        let is_typed = matches!(entry.origin, Origin::CommandLine { .. });
        let stops = is_typed || entry.key.matters(task);
        match read(entry) {
            Err(problem) if stops => problems.push(problem),
            Err(problem) => warnings.push(Warning {
                origin: entry.origin.clone(),
                text: format!("{} is not usable; {task} does not need it", problem_key(&problem)),
            }),
            Ok(value) => {
                values.push((entry.key, value, entry.origin.clone()));
            }
        }
    }
    let mut settings = Settings::default();
    for (key, value, _) in &values {
        store(&mut settings, key.name, value);
    }
    // A value that is there and cannot be used is not missing as well.
    let is_told = |key: &Key| problems.iter().any(|problem| problem_key(problem) == key.name);
    let missing: Vec<Problem> = KEYS
        .iter()
        .filter(|key| key.required_by.contains(&task))
        .filter(|key| !values.iter().any(|(set, ..)| set.name == key.name) && !is_told(key))
        .filter(|key| !(key.name == "stor_dir" && settings.is_elsewhere()))
        .map(|key| Problem::Missing { key, task })
        .collect();
    problems.extend(missing);
    problems.extend(check::remote_needs(&settings, task));
    let origin_of = |name: &str| values.iter().find(|(key, ..)| key.name == name).map(|(.., origin)| origin);
    // For an archive that is converted, its new name says how it is compressed.
    if task != Task::ArchiveConvert && Key::named("compress_level").is_some_and(|key| key.matters(task)) {
        problems.extend(check::compress_level(&settings, origin_of("compress_level")));
    }
    if matches!(task, Task::Full | Task::Incr)
        || (task == Task::BinlogStream && settings.binlogs.binlog_encrypt)
    {
        problems.extend(check::encryption_needs(&settings, task));
    }
    if !problems.is_empty() {
        problems.sort_by_key(|problem| match problem.origin() {
            Some(Origin::File { line, .. }) => *line,
            _ => usize::MAX,
        });
        return Err(SettingsError { problems });
    }
    Ok(Resolved { settings, entries: entries(&values), warnings })
}

/// What counts for each key, in the order of the table. An empty value takes back what lower layers say.
fn merged(layers: &[Layer]) -> impl Iterator<Item = &GivenEntry> {
    let last = |key: &'static Key| {
        layers
            .iter()
            .rev()
            .find_map(|layer| layer.entries.iter().rev().find(|entry| entry.key.name == key.name))
    };
    KEYS.iter().filter_map(last).filter(|entry| !entry.given.is_empty())
}

fn read(entry: &GivenEntry) -> Result<Value, Problem> {
    value::read(entry.key, &entry.given).and_then(|value| check::contradictions(entry.key, value)).map_err(
        |wrong| Problem::Value {
            origin: entry.origin.clone(),
            key: entry.key,
            shown: value::for_message(entry.key, &entry.given),
            what: wrong.what,
            remedy: wrong.remedy,
        },
    )
}

fn problem_key(problem: &Problem) -> &str {
    match problem {
        Problem::UnknownKey { key, .. } => key,
        Problem::CommandLineOnly { key, .. } | Problem::Value { key, .. } | Problem::Missing { key, .. } => {
            key.name
        }
        Problem::Syntax { .. } | Problem::NoSection { .. } => "",
    }
}

fn entries(values: &[(&'static Key, Value, Origin)]) -> Vec<Entry> {
    let entry = |key: &'static Key| match values.iter().find(|(set, ..)| set.name == key.name) {
        Some((_, value, origin)) => Some(Entry { key, value: Some(value.shown()), origin: origin.clone() }),
        None if key.place == Place::CommandLine => None,
        None => Some(Entry {
            key,
            value: Some(key.default).filter(|text| !text.is_empty()).map(str::to_owned),
            origin: Origin::Default,
        }),
    };
    KEYS.iter().filter_map(entry).collect()
}

/// Puts a value into its field.
fn store(settings: &mut Settings, name: &str, value: &Value) {
    match (name, value.clone()) {
        ("mysql_user", Value::Text(text)) => settings.mysql_user = Some(text),
        ("mysql_pass", Value::Secret(secret)) => settings.mysql_pass = Some(secret),
        ("mysql_host", Value::Text(text)) => settings.mysql_host = Some(text),
        ("mysql_port", Value::Number(number)) => settings.mysql_port = whole(number),
        ("mysql_sock", Value::Path(path)) => settings.mysql_sock = Some(path),
        ("mysql_cnf", Value::Path(path)) => settings.mysql_cnf = Some(path),
        ("stor_dir", Value::Path(path)) => settings.stor_dir = Some(path),
        ("work_dir", Value::Path(path)) => settings.work_dir = Some(path),
        ("compress", Value::Flag(on)) => settings.compress = on,
        ("compress_with", Value::Choice(word)) => {
            settings.compress_with = check::compressor(word).unwrap_or(settings.compress_with);
        }
        ("compress_level", Value::Number(number)) => settings.compress_level = whole(number),
        ("compress_threads", Value::Number(number)) => settings.compress_threads = whole(number),
        ("encrypt", Value::Choice(word)) => settings.encrypt = check::encryption(word),
        ("encrypt_key_file", Value::Path(path)) => settings.encrypt_key_file = Some(path),
        ("encrypt_recipients", Value::List(list)) => settings.encrypt_recipients = list,
        ("encrypt_identity_file", Value::Path(path)) => settings.encrypt_identity_file = Some(path),
        ("strict_permissions", Value::Flag(on)) => settings.strict_permissions = on,
        ("extra_ibx_options", Value::Words(words)) => settings.extra_ibx_options = words,
        ("extra_prepare_options", Value::Words(words)) => settings.extra_prepare_options = words,
        ("engine", Value::Choice(word)) => {
            settings.engine = check::engine(word).unwrap_or(settings.engine);
        }
        ("engine_parallel", Value::Number(number)) => settings.engine_parallel = whole(number),
        ("engine_dir", Value::Paths(paths)) => settings.engine_dir = paths,
        ("allow_version_mismatch", Value::Flag(on)) => settings.allow_version_mismatch = on,
        ("prepare_memory", Value::Number(number)) => {
            settings.prepare_memory = PrepareMemory::Mib(whole(number).unwrap_or(1));
        }
        ("prepare_memory", Value::Instead(_)) => settings.prepare_memory = PrepareMemory::Auto,
        ("apply_log", Value::Flag(on)) => settings.apply_log = on,
        ("apply_log_archive", Value::Choice(word)) => {
            settings.apply_log_archive = check::apply_log_archive(word);
        }
        ("purge_bitmaps", Value::Flag(on)) => settings.purge_bitmaps = on,
        ("i_am_absolutely_sure_wipeout", Value::Flag(on)) => settings.i_am_absolutely_sure_wipeout = on,
        ("restore_backup", Value::Backup(id)) => settings.restore_backup = id,
        ("restore_dir", Value::Path(path)) => settings.restore_dir = Some(path),
        ("retention_sets", Value::Number(number)) => set_whole(&mut settings.retention_sets, number),
        ("prune_after_backup", Value::Flag(on)) => settings.prune_after_backup = on,
        ("status_running_hours", Value::Number(number)) => {
            set_whole(&mut settings.status_running_hours, number);
        }
        ("status_age_hours", Value::Number(number)) => set_whole(&mut settings.status_age_hours, number),
        (name, value) => store_told(settings, name, value),
    }
}

/// The fields of stores elsewhere.
fn store_elsewhere(settings: &mut Settings, name: &str, value: Value) {
    match (name, value) {
        ("store", Value::Text(text)) => settings.store = Some(text),
        ("copy_to", Value::Words(words)) => settings.copy_to = words,
        ("copy_retention_sets", Value::Number(number)) => settings.copy_retention_sets = whole(number),
        ("copy_retention_days", Value::Number(number)) => settings.copy_retention_days = whole(number),
        ("copy_retention_weeks", Value::Number(number)) => settings.copy_retention_weeks = whole(number),
        ("copy_retention_months", Value::Number(number)) => settings.copy_retention_months = whole(number),
        ("copy_retention_years", Value::Number(number)) => settings.copy_retention_years = whole(number),
        ("store_rate_limit", Value::Number(number)) => set_whole(&mut settings.store_rate_limit_mib, number),
        ("s3_endpoint", Value::Text(text)) => settings.s3_endpoint = Some(text),
        ("s3_region", Value::Text(text)) => settings.s3_region = Some(text),
        ("s3_access_key", Value::Text(text)) => settings.s3_access_key = Some(text),
        ("s3_secret_key", Value::Secret(secret)) => settings.s3_secret_key = Some(secret),
        ("s3_path_style", Value::Choice(word)) => settings.s3_path_style = check::switch(word),
        ("remote_stor_dir", Value::Text(text)) => settings.remote_stor_dir = Some(text),
        ("remote_host", Value::Text(text)) => settings.remote_host = Some(text),
        ("remote_push_only", Value::Flag(on)) => settings.remote_push_only = on,
        ("remote_script", Value::Words(words)) => settings.remote_script = words,
        ("remote_nc_port", Value::Ports(low, high)) => settings.remote_nc_port = Some((low, high)),
        ("ssh_opts", Value::Words(words)) => settings.ssh_opts = words,
        ("ssh_user", Value::Text(text)) => settings.ssh_user = text,
        (name, value) => settings.binlogs.store(name, value),
    }
}

/// The fields of what is kept, and of who is told.
fn store_told(settings: &mut Settings, name: &str, value: Value) {
    match (name, value) {
        ("retention_days", Value::Number(number)) => set_whole(&mut settings.retention_days, number),
        ("retention_weeks", Value::Number(number)) => set_whole(&mut settings.retention_weeks, number),
        ("retention_months", Value::Number(number)) => set_whole(&mut settings.retention_months, number),
        ("retention_years", Value::Number(number)) => set_whole(&mut settings.retention_years, number),
        ("notify_by_email", Value::List(list)) => settings.notify_by_email = list,
        ("notify_on_success", Value::List(list)) => settings.notify_on_success = list,
        ("smtp_host", Value::Text(text)) => settings.smtp_host = text,
        ("smtp_port", Value::Number(number)) => set_whole(&mut settings.smtp_port, number),
        ("smtp_security", Value::Choice(word)) => settings.smtp_security = check::smtp_security(word),
        ("smtp_ca_file", Value::Path(path)) => settings.smtp_ca_file = Some(path),
        ("smtp_user", Value::Text(text)) => settings.smtp_user = Some(text),
        ("smtp_pass", Value::Secret(secret)) => settings.smtp_pass = Some(secret),
        ("smtp_from", Value::Text(text)) => settings.smtp_from = Some(text),
        ("notify_command", Value::Words(words)) => settings.notify_command = words,
        ("notify_url", Value::Secret(secret)) => settings.notify_url = Some(secret),
        ("notify_timeout", Value::Number(number)) => {
            set_whole(&mut settings.notify_timeout_seconds, number);
        }
        ("hook_before", Value::Words(words)) => settings.hook_before = words,
        ("hook_after_success", Value::Words(words)) => settings.hook_after_success = words,
        ("hook_after_failure", Value::Words(words)) => settings.hook_after_failure = words,
        ("hook_timeout", Value::Number(number)) => set_whole(&mut settings.hook_timeout_seconds, number),
        ("meta_item", Value::List(list)) => settings.meta_item = list,
        (name, value) => store_elsewhere(settings, name, value),
    }
}

/// The table's ranges fit the fields' types.
pub(super) fn whole<T: TryFrom<i64>>(number: i64) -> Option<T> {
    T::try_from(number).ok()
}

pub(super) fn set_whole<T: TryFrom<i64>>(field: &mut T, number: i64) {
    if let Some(number) = whole(number) {
        *field = number;
    }
}

#[cfg(test)]
mod tests;
