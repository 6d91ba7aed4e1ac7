//! Catalogs that were never on a disk, and plans carried out on them.

use std::collections::BTreeMap;

use chrono::{NaiveDate, NaiveDateTime};
use xb_catalog::layout::Place;
use xb_catalog::manifest::Sizes;
use xb_catalog::plan::{Action, RetentionPlan, RetentionPolicy, plan_retention};
use xb_catalog::{BackupRecord, BackupSet, BackupState, Catalog, Moment, Origin, Pin, Shelf, ShelvedSet};
use xb_core::{BackupId, Lsn, LsnRange};

pub(crate) fn policy(numbers: [u32; 5]) -> RetentionPolicy {
    let [sets, days, weeks, months, years] = numbers;
    RetentionPolicy { sets, days, weeks, months, years, broken: false }
}

/// `2026-11-22`, at one in the night, or with an hour: `2026-11-22 14`.
pub(crate) fn id(text: &str) -> BackupId {
    let (day, hour) = text.split_once(' ').unwrap_or((text, "1"));
    let day: NaiveDate = day.parse().unwrap();
    BackupId::at(day.and_hms_opt(hour.parse().unwrap(), 0, 0).unwrap())
}

pub(crate) fn at(time: NaiveDateTime) -> BackupId {
    BackupId::at(time)
}

pub(crate) fn record(set: BackupId, id: BackupId, base: Option<BackupId>, is_complete: bool) -> BackupRecord {
    let place = Place { set, id };
    BackupRecord {
        place,
        kind: place.kind(),
        origin: Origin::Native,
        state: if is_complete { BackupState::Complete } else { BackupState::Broken("cut".into()) },
        directory: place.directory(),
        base,
        lsns: Some(LsnRange { from: Lsn(0), to: Lsn(0), last: Lsn(0) }),
        started: Moment::Local(id.local_time()),
        ended: None,
        archive: None,
        sizes: Some(Sizes { datadir_bytes: None, stream_bytes: 100, stored_bytes: 10 }),
        binlog: None,
        replica_of: Vec::new(),
        server: None,
        engine: None,
        engine_version: None,
        archive_digest: None,
    }
}

/// A set with a full backup and no more.
pub(crate) fn full(id: BackupId) -> BackupSet {
    BackupSet { id, full: Some(record(id, id, None, true)), incrementals: Vec::new() }
}

pub(crate) fn broken(id: BackupId) -> BackupSet {
    BackupSet { id, full: Some(record(id, id, None, false)), incrementals: Vec::new() }
}

/// The set with one of its members, counted from the full backup, in a state in which nobody can tell what it is.
pub(crate) fn unreadable(mut set: BackupSet, member: usize) -> BackupSet {
    let record = set.full.iter_mut().chain(&mut set.incrementals).nth(member).unwrap();
    record.state = BackupState::Unreadable("input/output error".into());
    set
}

/// A set with incrementals, each of which builds on the one before.
pub(crate) fn chain(ids: &[BackupId]) -> BackupSet {
    let mut set = full(ids[0]);
    set.incrementals = ids.windows(2).map(|pair| record(ids[0], pair[1], Some(pair[0]), true)).collect();
    set
}

pub(crate) fn store(sets: impl IntoIterator<Item = BackupSet>) -> Catalog {
    let mut sets: Vec<BackupSet> = sets.into_iter().collect();
    sets.sort_by_key(|set| set.id);
    Catalog { sets, ..Catalog::default() }
}

pub(crate) fn pin(catalog: &mut Catalog, id: BackupId) {
    catalog.pins.push(Pin { id, pinned: None, note: None });
}

pub(crate) fn shelf(catalog: &mut Catalog, shelf: Shelf) -> &mut Vec<ShelvedSet> {
    match shelf {
        Shelf::Current => unreachable!("the current sets stand on no shelf"),
        Shelf::Weekly => &mut catalog.weekly,
        Shelf::Monthly => &mut catalog.monthly,
        Shelf::Yearly => &mut catalog.yearly,
    }
}

pub(crate) fn put(catalog: &mut Catalog, to: Shelf, set: BackupSet) {
    let name = set.newest_member();
    let sets = shelf(catalog, to);
    assert!(sets.iter().all(|other| other.name != name), "{name} stands on {to} already");
    sets.push(ShelvedSet { name, directory: name.to_string().into(), set });
    sets.sort_by_key(|shelved| shelved.set.id);
}

/// Does what the plan says, in its order.
pub(crate) fn carry_out(mut catalog: Catalog, plan: &RetentionPlan) -> Catalog {
    for planned in plan.sets.iter().filter(|planned| planned.action != Action::Stay) {
        let set = planned.find(&catalog).unwrap().clone();
        match planned.shelf {
            Shelf::Current => catalog.sets.retain(|set| set.id != planned.id),
            from => shelf(&mut catalog, from).retain(|shelved| shelved.name != planned.name),
        }
        if let Action::Move { to } = planned.action {
            put(&mut catalog, to, set);
        }
    }
    catalog
}

pub(crate) fn prune(catalog: Catalog, policy: RetentionPolicy) -> Catalog {
    let plan = plan_retention(&catalog, policy);
    carry_out(catalog, &plan)
}

/// Where each set stands.
pub(crate) fn places(catalog: &Catalog) -> Vec<(BackupId, Shelf)> {
    let mut places: Vec<_> = catalog.all_sets().map(|(shelf, set)| (set.id, shelf)).collect();
    places.sort();
    places
}

/// The days of the sets on each shelf.
pub(crate) fn days(catalog: &Catalog) -> BTreeMap<&'static str, Vec<String>> {
    let mut days: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    for (id, shelf) in places(catalog) {
        days.entry(shelf.word()).or_default().push(id.local_time().date().to_string());
    }
    days
}
