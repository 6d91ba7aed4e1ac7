//! Examples with a calendar in the hand. 2026-11-22 is a Sunday.

use chrono::{Days, NaiveDate};
use xb_catalog::plan::{Action, KeepReason, RemoveReason, RetentionPolicy, plan_retention};
use xb_catalog::{BackupSet, Catalog, Shelf};

use super::stores::{
    broken, carry_out, chain, days, full, id, pin, policy, prune, put, record, store, unreadable,
};

fn daily(first: &str, last: &str, step: u64) -> Vec<BackupSet> {
    let (first, last): (NaiveDate, NaiveDate) = (first.parse().unwrap(), last.parse().unwrap());
    let mut days = vec![first];
    while let Some(next) = days.last().unwrap().checked_add_days(Days::new(step)).filter(|day| *day <= last) {
        days.push(next);
    }
    days.into_iter().map(|day| full(id(&day.to_string()))).collect()
}

fn reasons(catalog: &Catalog, numbers: [u32; 5], day: &str) -> Vec<String> {
    let plan = plan_retention(catalog, policy(numbers));
    let planned = plan.sets.iter().find(|set| set.id == id(day)).unwrap();
    planned.keep.iter().map(ToString::to_string).collect()
}

#[test]
fn a_year_of_daily_sets() {
    let catalog = prune(store(daily("2025-11-23", "2026-11-22", 1)), policy([2, 0, 4, 12, 2]));
    let days = days(&catalog);
    assert_eq!(days["current"], ["2026-11-21", "2026-11-22"]);
    // The Sundays before these two days.
    assert_eq!(days["weekly"], ["2026-10-25", "2026-11-01", "2026-11-08", "2026-11-15"]);
    // 2026-05-31 is a Sunday as well, but long since no weekly set.
    assert_eq!(
        days["monthly"],
        [
            "2025-11-30",
            "2025-12-31",
            "2026-01-31",
            "2026-02-28",
            "2026-03-31",
            "2026-04-30",
            "2026-05-31",
            "2026-06-30",
            "2026-07-31",
            "2026-08-31",
            "2026-09-30",
            "2026-10-31"
        ]
    );
    assert_eq!(days.get("yearly"), None, "the last set of 2025 is a monthly one still");
}

#[test]
fn the_last_month_of_a_year_becomes_the_yearly_set() {
    let catalog = prune(store(daily("2023-06-01", "2026-11-22", 1)), policy([2, 0, 4, 6, 2]));
    let days = days(&catalog);
    assert_eq!(days["monthly"].first().unwrap(), "2026-05-31");
    assert_eq!(days["yearly"], ["2024-12-31", "2025-12-31"]);
}

#[test]
fn a_full_backup_each_sunday() {
    let catalog = prune(store(daily("2026-05-03", "2026-11-22", 7)), policy([2, 0, 3, 3, 0]));
    let days = days(&catalog);
    assert_eq!(days["current"], ["2026-11-15", "2026-11-22"]);
    assert_eq!(days["weekly"], ["2026-10-25", "2026-11-01", "2026-11-08"]);
    // Of October the 25th is the last, and a weekly one.
    assert_eq!(days["monthly"], ["2026-07-26", "2026-08-30", "2026-09-27"]);
}

#[test]
fn a_month_that_ends_amid_a_week() {
    // Saturday the 31st ends October; its week ends on November the 1st.
    let catalog = store(daily("2026-10-26", "2026-11-05", 1));
    assert_eq!(reasons(&catalog, [1, 0, 1, 1, 0], "2026-11-01"), ["the last of week 2026-W44"]);
    assert_eq!(reasons(&catalog, [1, 0, 1, 1, 0], "2026-10-31"), ["the last of 2026-10"]);
    assert_eq!(reasons(&catalog, [1, 0, 2, 2, 0], "2026-10-30"), [""; 0]);
}

#[test]
fn a_week_across_new_year_is_one_week() {
    // 2026-W53 is from December the 28th to January the 3rd.
    let catalog = store(daily("2026-12-26", "2027-01-06", 1));
    assert_eq!(reasons(&catalog, [1, 0, 2, 0, 1], "2027-01-03"), ["the last of week 2026-W53"]);
    assert_eq!(reasons(&catalog, [1, 0, 2, 0, 1], "2026-12-27"), ["the last of week 2026-W52"]);
    assert_eq!(reasons(&catalog, [1, 0, 2, 0, 1], "2026-12-31"), ["the last of 2026"]);
}

#[test]
fn a_pause_removes_nothing() {
    let kept = prune(store(daily("2026-08-01", "2026-10-10", 1)), policy([2, 3, 4, 2, 0]));
    assert!(plan_retention(&kept, policy([2, 3, 4, 2, 0])).is_idle(), "there is no clock");
    let mut catalog = kept.clone();
    catalog.sets.push(full(id("2026-11-22")));
    let catalog = prune(catalog, policy([2, 3, 4, 2, 0]));
    // The set before the pause covers the days after it.
    assert_eq!(days(&catalog)["current"], ["2026-10-10", "2026-11-22"]);
    assert_eq!(days(&catalog)["weekly"], ["2026-09-13", "2026-09-20", "2026-09-27", "2026-10-04"]);
}

#[test]
fn the_days_go_back_to_the_set_that_covers_their_beginning() {
    let catalog = store(["2026-11-01", "2026-11-10", "2026-11-19", "2026-11-22"].map(|day| full(id(day))));
    let kept =
        |days| super::stores::days(&prune(catalog.clone(), policy([1, days, 0, 0, 0])))["current"].len();
    assert_eq!(kept(2), 2, "the 20th is covered by the set of the 19th");
    assert_eq!(kept(3), 2, "the threshold is the start of that of the 19th itself");
    assert_eq!(kept(4), 3);
    assert_eq!(kept(13), 4);
    assert_eq!(kept(u32::MAX), 4);
}

#[test]
fn of_several_sets_on_a_day_the_last_one_counts() {
    let catalog =
        store(["2026-11-15 3", "2026-11-15 22", "2026-11-17", "2026-11-22"].map(|day| full(id(day))));
    assert_eq!(reasons(&catalog, [1, 0, 1, 0, 0], "2026-11-15 3"), [""; 0]);
    assert_eq!(reasons(&catalog, [1, 0, 1, 0, 0], "2026-11-15 22"), ["the last of week 2026-W46"]);
}

#[test]
fn what_cannot_be_restored_takes_nobodys_place() {
    let sets = ["2026-11-01", "2026-11-07", "2026-11-09"].map(|day| full(id(day)));
    let broken = ["2026-11-08", "2026-11-10", "2026-10-01"].map(|day| broken(id(day)));
    let catalog = store(sets.into_iter().chain(broken));
    let plan = plan_retention(&catalog, policy([1, 0, 2, 0, 0]));
    let of = |day: &str| plan.sets.iter().find(|set| set.id == id(day)).unwrap();
    assert_eq!(of("2026-11-07").keep, [KeepReason::Week { year: 2026, week: 45 }], "its Sunday is broken");
    for day in ["2026-11-10", "2026-11-08", "2026-10-01"] {
        assert_eq!(
            (of(day).action, of(day).keep.as_slice()),
            (Action::Stay, &[KeepReason::NotRestorable][..])
        );
    }
}

#[test]
fn what_cannot_be_restored_goes_on_demand_if_it_is_damaged_and_older_than_the_recent_sets() {
    let sets = ["2026-11-07", "2026-11-09"].map(|day| full(id(day)));
    let damaged = ["2026-11-10", "2026-11-08", "2026-10-01"].map(|day| broken(id(day)));
    let unknown = ["2026-11-11", "2026-11-06", "2026-10-02"].map(|day| unreadable(full(id(day)), 0));
    let partly = unreadable(chain(&[id("2026-10-03"), id("2026-10-04")]), 1);
    let mut half = unreadable(chain(&[id("2026-10-05"), id("2026-10-06")]), 1);
    half.full = None;
    let catalog = store(sets.into_iter().chain(damaged).chain(unknown).chain([partly, half]));
    let removed = |policy| {
        let gone = |set: &&xb_catalog::plan::PlannedSet| matches!(set.action, Action::Remove { .. });
        let days = |set: &xb_catalog::plan::PlannedSet| set.id.local_time().date().to_string();
        plan_retention(&catalog, policy).sets.iter().filter(gone).map(days).collect::<Vec<_>>()
    };
    let policy = policy([1, 0, 1, 0, 0]);
    assert_eq!(removed(policy), ["2026-10-03"], "its full backup can be restored, and no rule keeps it");
    let policy = RetentionPolicy { broken: true, ..policy };
    assert_eq!(removed(policy), ["2026-10-01", "2026-10-03", "2026-11-08"]);
    let plan = plan_retention(&catalog, policy);
    assert_eq!(plan.sets[0].action, Action::Remove { why: RemoveReason::Broken });
    assert_eq!(plan.sets[1].keep[0].to_string(), "cannot be restored, left for you to look at");
}

#[test]
fn where_nothing_can_be_restored_nothing_is_old() {
    let catalog = store(["2026-10-01", "2026-11-08"].map(|day| broken(id(day))));
    let policy = RetentionPolicy { broken: true, ..policy([1, 0, 0, 0, 0]) };
    assert!(plan_retention(&catalog, policy).is_idle());
}

#[test]
fn a_pinned_set_stays_where_it_is_and_takes_nobodys_place() {
    let mut catalog = store(["2026-11-02", "2026-11-20"].map(|day| full(id(day))));
    catalog.sets.insert(1, chain(&[id("2026-11-03"), id("2026-11-04"), id("2026-11-05")]));
    put(&mut catalog, Shelf::Weekly, full(id("2026-10-04")));
    pin(&mut catalog, id("2026-11-04"));
    pin(&mut catalog, id("2026-10-04"));
    let plan = plan_retention(&catalog, policy([1, 0, 0, 0, 0]));
    let catalog = carry_out(catalog, &plan);
    assert_eq!(days(&catalog)["current"], ["2026-11-03", "2026-11-20"]);
    assert_eq!(days(&catalog)["weekly"], ["2026-10-04"]);
    assert_eq!(catalog.sets[0].incrementals.len(), 2, "the whole of it");
}

#[test]
fn a_pinned_set_is_not_moved_but_ends_its_week() {
    let mut catalog = store(["2026-11-07", "2026-11-08", "2026-11-20"].map(|day| full(id(day))));
    pin(&mut catalog, id("2026-11-08"));
    let plan = plan_retention(&catalog, policy([1, 0, 1, 0, 0]));
    assert_eq!(plan.sets[1].action, Action::Stay);
    assert_eq!(plan.sets[1].keep.len(), 2, "its week, and the pin");
    assert_eq!(plan.sets[0].action, Action::Remove { why: RemoveReason::Surplus });
    catalog.pins.clear();
    let plan = plan_retention(&catalog, policy([1, 0, 1, 0, 0]));
    assert_eq!(plan.sets[1].action, Action::Move { to: Shelf::Weekly });
}

#[test]
fn a_set_that_is_built_on_stays_and_so_does_what_that_builds_on() {
    let mut catalog = store(["2026-11-02", "2026-11-03", "2026-11-04"].map(|day| full(id(day))));
    for (set, base) in [(2, "2026-11-03"), (1, "2026-11-02")] {
        let own = catalog.sets[set].id;
        let later = id(&format!("{} 5", own.local_time().date()));
        catalog.sets[set].incrementals.push(record(own, later, Some(id(base)), true));
    }
    let plan = plan_retention(&catalog, policy([1, 0, 0, 0, 0]));
    assert!(plan.is_idle(), "{plan:?}");
    assert_eq!(plan.sets[0].keep, [KeepReason::Needed { by: id("2026-11-03") }]);
}

#[test]
fn zeros_keep_the_last_set_that_can_be_restored() {
    let mut sets = daily("2026-11-01", "2026-11-05", 1);
    sets.push(broken(id("2026-11-06")));
    let plan = plan_retention(&store(sets), policy([0; 5]));
    let kept: Vec<_> = plan.sets.iter().filter(|set| !set.keep.is_empty()).map(|set| set.id).collect();
    assert_eq!(kept, [id("2026-11-05"), id("2026-11-06")]);
    assert_eq!(plan.sets[4].keep, [KeepReason::LastRestorable]);
    assert_eq!(plan.frees_bytes(), 40);
}

#[test]
fn the_newest_set_is_not_moved_because_the_next_incremental_builds_on_it() {
    let plan = plan_retention(&store(daily("2026-11-14", "2026-11-15", 1)), policy([0, 0, 1, 0, 0]));
    assert_eq!(plan.sets[1].keep, [KeepReason::Week { year: 2026, week: 46 }]);
    assert_eq!(plan.sets[1].action, Action::Stay);
}

/// An incremental was taken on an older set while a newer one could not be read, which can be read again now.
#[test]
fn the_set_with_the_newest_backup_stays_even_if_a_newer_set_began_before_it() {
    let older = chain(&[id("2026-11-01"), id("2026-11-09")]);
    let catalog = store([older, full(id("2026-11-08"))]);
    let plan = plan_retention(&catalog, policy([1, 0, 0, 0, 0]));
    assert!(plan.sets.iter().all(|set| set.action == Action::Stay), "{plan:?}");
}
