//! What holds for every store and every policy.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, NaiveDate, TimeDelta};
use proptest::prelude::*;
use xb_catalog::plan::{Action, KeepReason, PlannedSet, RetentionPlan, RetentionPolicy, plan_retention};
use xb_catalog::{BackupSet, Catalog, Shelf};
use xb_core::BackupId;

use super::stores::{at, broken, chain, full, pin, places, policy, prune, put, store, unreadable};

/// What a set is good for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Worth {
    Whole,
    /// Its full backup is damaged, and all it has.
    Broken,
    /// The full backup cannot be read now.
    Unreadable,
    /// The newest member cannot be read now, which may be the full backup.
    Partly,
}

/// A set as it is drawn: hours since the one before, incrementals, what it is good for, on which shelf it stands
/// already, and whether it is pinned.
#[derive(Clone, Debug)]
struct Drawn {
    hours: i64,
    incrementals: i64,
    worth: Worth,
    shelf: u8,
    is_pinned: bool,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    // Several a day, daily, weekly, and pauses of months.
    let hours = prop_oneof![4 => 1..12_i64, 8 => 20..28_i64, 4 => 100..200_i64, 1 => 500..3000_i64];
    let worth = prop_oneof![
        18 => Just(Worth::Whole),
        2 => Just(Worth::Broken),
        1 => Just(Worth::Unreadable),
        1 => Just(Worth::Partly),
    ];
    let pinned = prop_oneof![12 => Just(false), 1 => Just(true)];
    (hours, 0..3_i64, worth, 0..12_u8, pinned).prop_map(|(hours, incrementals, worth, shelf, is_pinned)| {
        Drawn { hours, incrementals, worth, shelf, is_pinned }
    })
}

fn policies() -> impl Strategy<Value = RetentionPolicy> {
    (0..4_u32, 0..20_u32, 0..6_u32, 0..6_u32, 0..3_u32, any::<bool>()).prop_map(
        |(sets, days, weeks, months, years, broken)| RetentionPolicy {
            broken,
            ..policy([sets, days, weeks, months, years])
        },
    )
}

fn sets(drawn: &[Drawn]) -> Vec<BackupSet> {
    let mut time = NaiveDate::from_ymd_opt(2024, 11, 3).unwrap().and_hms_opt(23, 30, 0).unwrap();
    let set = |drawn: &Drawn| {
        time += TimeDelta::hours(drawn.hours);
        let begin = time;
        if drawn.worth == Worth::Broken {
            return broken(at(begin));
        }
        let ids: Vec<BackupId> =
            (0..=drawn.incrementals).map(|minute| at(begin + TimeDelta::minutes(minute))).collect();
        match drawn.worth {
            Worth::Unreadable => unreadable(chain(&ids), 0),
            Worth::Partly => unreadable(chain(&ids), ids.len() - 1),
            Worth::Broken | Worth::Whole => chain(&ids),
        }
    };
    drawn.iter().map(set).collect()
}

/// Some of the sets stand on shelves, some in two places, some are pinned.
fn catalog(drawn: &[Drawn]) -> Catalog {
    let mut catalog = store([]);
    for (set, drawn) in sets(drawn).into_iter().zip(drawn) {
        if drawn.is_pinned {
            pin(&mut catalog, set.newest_member());
        }
        let shelves: &[Shelf] = match drawn.shelf {
            0 => &[Shelf::Weekly],
            1 => &[Shelf::Monthly],
            2 => &[Shelf::Yearly],
            3 => &[Shelf::Current, Shelf::Weekly],
            4 => &[Shelf::Weekly, Shelf::Monthly],
            _ => &[Shelf::Current],
        };
        for shelf in shelves {
            match shelf {
                Shelf::Current => catalog.sets.push(set.clone()),
                shelf => put(&mut catalog, *shelf, set.clone()),
            }
        }
    }
    catalog
}

fn restorable(catalog: &Catalog) -> BTreeSet<BackupId> {
    catalog.all_sets().filter(|(_, set)| set.chain(set.id).is_ok()).map(|(_, set)| set.id).collect()
}

/// The sets of which a member cannot be read now.
fn unread(catalog: &Catalog) -> BTreeSet<BackupId> {
    let is_unread = |set: &BackupSet| set.members().any(|member| member.is_unreadable());
    catalog.all_sets().filter(|(_, set)| is_unread(set)).map(|(_, set)| set.id).collect()
}

/// The sets of which something is removed.
fn touched(plan: &RetentionPlan) -> BTreeSet<BackupId> {
    let goes = |set: &&PlannedSet| matches!(set.action, Action::Remove { .. });
    plan.sets.iter().filter(goes).map(|set| set.id).collect()
}

/// The sets that a plan keeps for a reason.
fn kept(plan: &RetentionPlan, is_meant: impl Fn(&KeepReason) -> bool) -> BTreeSet<BackupId> {
    plan.sets.iter().filter(|set| set.keep.iter().any(&is_meant)).map(|set| set.id).collect()
}

fn goes(plan: &RetentionPlan) -> BTreeSet<BackupId> {
    let stays: BTreeSet<BackupId> = kept(plan, |_| true);
    plan.sets.iter().map(|set| set.id).filter(|id| !stays.contains(id)).collect()
}

/// How many of the sets that `excluded` leaves over end a period.
fn periods<K: Ord>(
    restorable: &BTreeSet<BackupId>,
    excluded: &BTreeSet<BackupId>,
    period: impl Fn(NaiveDate) -> K,
) -> usize {
    let lasts: BTreeMap<K, BackupId> =
        restorable.iter().map(|id| (period(id.local_time().date()), *id)).collect();
    lasts.values().filter(|id| !excluded.contains(id)).count()
}

fn is_recent(reason: &KeepReason) -> bool {
    matches!(reason, KeepReason::Newest | KeepReason::Days)
}

fn is_weekly(reason: &KeepReason) -> bool {
    matches!(reason, KeepReason::Week { .. })
}

fn is_monthly(reason: &KeepReason) -> bool {
    matches!(reason, KeepReason::Month { .. })
}

fn is_yearly(reason: &KeepReason) -> bool {
    matches!(reason, KeepReason::Year { .. })
}

/// Adds the sets one by one and prunes after each for which `prunes` says so, and at the end.
fn history(sets: &[BackupSet], policy: RetentionPolicy, prunes: impl Fn(usize) -> bool) -> Catalog {
    let mut catalog = store([]);
    for (index, set) in sets.iter().enumerate() {
        // The members come one after the other, and a run may come between any two of them.
        let mut growing = BackupSet { incrementals: Vec::new(), ..set.clone() };
        catalog.sets.push(growing.clone());
        for incremental in &set.incrementals {
            if prunes(index) {
                catalog = prune(catalog, policy);
            }
            growing.incrementals.push(incremental.clone());
            *catalog.sets.last_mut().unwrap() = growing.clone();
        }
        if prunes(index) {
            catalog = prune(catalog, policy);
        }
    }
    prune(catalog, policy)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_number_of_the_policy_is_undercut(drawn in prop::collection::vec(drawn(), 1..60), policy in policies()) {
        let catalog = catalog(&drawn);
        let restorable = restorable(&catalog);
        let plan = plan_retention(&catalog, policy);
        let at_least = |number: u32, existing: usize| existing.min(number as usize);
        let newest: BTreeSet<BackupId> =
            restorable.iter().rev().take(policy.sets as usize).copied().collect();
        prop_assert_eq!(kept(&plan, |reason| *reason == KeepReason::Newest), newest);
        let mut done = kept(&plan, is_recent);
        let week = |day: NaiveDate| (day.iso_week().year(), day.iso_week().week());
        let weekly = kept(&plan, is_weekly);
        prop_assert_eq!(weekly.len(), at_least(policy.weeks, periods(&restorable, &done, week)));
        done.extend(weekly);
        let monthly = kept(&plan, is_monthly);
        let month = |day: NaiveDate| (day.year(), day.month());
        prop_assert_eq!(monthly.len(), at_least(policy.months, periods(&restorable, &done, month)));
        done.extend(monthly);
        let yearly = kept(&plan, is_yearly);
        prop_assert_eq!(yearly.len(), at_least(policy.years, periods(&restorable, &done, |day| day.year())));
    }

    #[test]
    fn every_moment_of_the_days_can_be_recovered(drawn in prop::collection::vec(drawn(), 1..60), policy in policies()) {
        let catalog = catalog(&drawn);
        let before = restorable(&catalog);
        let after = restorable(&prune(catalog, policy));
        let Some(newest) = before.last() else { return Ok(()) };
        let since = newest.local_time() - TimeDelta::days(i64::from(policy.days));
        let base_for = |sets: &BTreeSet<BackupId>, hour: i64| {
            let moment = since + TimeDelta::hours(hour) + TimeDelta::seconds(1);
            sets.iter().rfind(|id| id.local_time() <= moment).copied()
        };
        for hour in 0..i64::from(policy.days) * 24 {
            prop_assert_eq!(base_for(&before, hour), base_for(&after, hour));
        }
    }

    #[test]
    fn the_newest_set_that_can_be_restored_is_never_removed(drawn in prop::collection::vec(drawn(), 1..60), policy in policies()) {
        let catalog = catalog(&drawn);
        let newest = restorable(&catalog).last().copied();
        let chain = |catalog: &Catalog| catalog.newest_restorable().map(|chain| chain.last().unwrap().id());
        let (best, base) = (chain(&catalog), catalog.newest_base().map(|chain| chain[0].id()));
        let after = prune(catalog, policy);
        prop_assert_eq!(restorable(&after).last().copied(), newest);
        prop_assert_eq!(chain(&after), best);
        if base == newest {
            prop_assert_eq!(after.newest_base().map(|chain| chain[0].id()), base, "the next incremental has its base");
        }
    }

    #[test]
    fn what_cannot_be_restored_goes_on_demand_only_and_never_while_it_cannot_be_read(drawn in prop::collection::vec(drawn(), 1..60), policy in policies()) {
        let catalog = catalog(&drawn);
        let restorable = restorable(&catalog);
        let lost = |plan: &RetentionPlan| -> Vec<BackupId> { touched(plan).difference(&restorable).copied().collect() };
        let by_itself = plan_retention(&catalog, RetentionPolicy { broken: false, ..policy });
        prop_assert!(lost(&by_itself).is_empty(), "{:?}", lost(&by_itself));
        let on_demand = plan_retention(&catalog, RetentionPolicy { broken: true, ..policy });
        let recent = kept(&on_demand, is_recent);
        let oldest = recent.first().or(restorable.last());
        for id in lost(&on_demand) {
            prop_assert!(!unread(&catalog).contains(&id) && oldest.is_some_and(|oldest| id < *oldest), "{}", id);
        }
        let others = |plan: &RetentionPlan| -> Vec<BackupId> { touched(plan).intersection(&restorable).copied().collect() };
        prop_assert_eq!(others(&on_demand), others(&by_itself), "the word is about nothing else");
    }

    #[test]
    fn that_some_sets_cannot_be_read_makes_no_other_go_by_itself(drawn in prop::collection::vec(drawn(), 1..60), policy in policies()) {
        // On demand what is damaged is held against the oldest recent set that can be read.
        let policy = RetentionPolicy { broken: false, ..policy };
        let readable = |drawn: &Drawn| Drawn { worth: if drawn.worth == Worth::Unreadable { Worth::Whole } else { drawn.worth }, ..drawn.clone() };
        let plan = |drawn: &[Drawn]| plan_retention(&catalog(drawn), policy);
        let (now, before) = (plan(&drawn), plan(&drawn.iter().map(readable).collect::<Vec<_>>()));
        let more: Vec<_> = touched(&now).difference(&touched(&before)).copied().collect();
        prop_assert!(more.is_empty(), "{:?}", more);
    }

    #[test]
    fn a_pinned_backup_is_never_touched(
        drawn in prop::collection::vec(drawn(), 1..60),
        policy in policies(),
    ) {
        let catalog = catalog(&drawn);
        let pins: BTreeSet<BackupId> = catalog.pins.iter().map(|pin| pin.id).collect();
        for set in plan_retention(&catalog, policy).sets {
            let is_pinned = set.members.iter().any(|member| pins.contains(&member.id));
            prop_assert!(!is_pinned || set.action == Action::Stay, "{:?}", set);
        }
    }

    #[test]
    fn a_plan_that_was_carried_out_leaves_nothing_to_do(drawn in prop::collection::vec(drawn(), 1..60), policy in policies()) {
        let after = prune(catalog(&drawn), policy);
        let plan = plan_retention(&after, policy);
        prop_assert!(plan.is_idle(), "{:?}", plan.sets.iter().filter(|set| set.action != Action::Stay).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_kept_for_its_period_stands_on_its_shelf_unless_it_is_pinned_or_the_newest(drawn in prop::collection::vec(drawn(), 1..60), policy in policies()) {
        let after = prune(catalog(&drawn), policy);
        let newest = restorable(&after).last().copied();
        let unread = unread(&after);
        for set in plan_retention(&after, policy).sets {
            // One that stands twice stays twice while it cannot be compared.
            let stands_twice = after.all_sets().filter(|(_, other)| other.id == set.id).count() > 1;
            let is_pinned = set.keep.iter().any(|reason| matches!(reason, KeepReason::Pinned { .. }));
            let is_held = is_pinned || (stands_twice && unread.contains(&set.id));
            let belongs = |is_meant: fn(&KeepReason) -> bool, shelf: Shelf| !set.keep.iter().any(is_meant) || set.shelf == shelf;
            let stands = belongs(is_weekly, Shelf::Weekly) && belongs(is_monthly, Shelf::Monthly) && belongs(is_yearly, Shelf::Yearly);
            prop_assert!(stands || is_held || newest == Some(set.id), "{:?}", set);
        }
    }

    #[test]
    fn newer_sets_bring_nothing_back(drawn in prop::collection::vec(drawn(), 1..60), newer in 1..20_usize, policy in policies()) {
        let (older, all) = (&drawn[..drawn.len().saturating_sub(newer)], &drawn);
        let (before, after) = (plan_retention(&catalog(older), policy), plan_retention(&catalog(all), policy));
        let back: Vec<_> = goes(&before).difference(&goes(&after)).copied().collect();
        prop_assert!(back.is_empty(), "{:?}", back);
        let known: BTreeSet<BackupId> = before.sets.iter().map(|set| set.id).collect();
        for is_meant in [is_weekly, is_monthly, is_yearly] {
            // A set comes to a shelf from the recent ones or from a shelf of younger sets.
            let was_kept = kept(&before, |reason| is_recent(reason) || is_weekly(reason) || is_monthly(reason) || is_yearly(reason));
            let now: BTreeSet<BackupId> = kept(&after, is_meant);
            prop_assert!(now.intersection(&known).all(|id| was_kept.contains(id)));
        }
        // Once no weekly set, never one again, unless it was a recent one.
        let could = kept(&before, |reason| is_recent(reason) || is_weekly(reason));
        prop_assert!(kept(&after, is_weekly).intersection(&known).all(|id| could.contains(id)));
    }

    #[test]
    fn how_often_it_runs_makes_no_difference(drawn in prop::collection::vec(drawn(), 1..70), every in 1..9_usize, policy in policies()) {
        let sets = sets(&drawn);
        let once = history(&sets, policy, |_| false);
        let always = history(&sets, policy, |_| true);
        let sometimes = history(&sets, policy, |index| index % every == 0);
        prop_assert_eq!(places(&always), places(&once));
        prop_assert_eq!(places(&sometimes), places(&once));
    }

    #[test]
    fn nothing_changes_while_no_backup_is_made(drawn in prop::collection::vec(drawn(), 1..60), policy in policies()) {
        let after = prune(catalog(&drawn), policy);
        prop_assert_eq!(places(&prune(after.clone(), policy)), places(&after));
    }
}

#[test]
fn the_drawn_stores_hold_what_the_properties_are_about() {
    let one = |shelf, worth, is_pinned| Drawn { hours: 24, incrementals: 2, worth, shelf, is_pinned };
    let catalog = catalog(&[
        one(0, Worth::Whole, false),
        one(3, Worth::Whole, true),
        one(9, Worth::Broken, false),
        one(9, Worth::Whole, false),
        one(9, Worth::Unreadable, false),
        one(9, Worth::Partly, false),
    ]);
    assert_eq!((catalog.sets.len(), catalog.weekly.len(), catalog.pins.len()), (5, 2, 1));
    assert_eq!((restorable(&catalog).len(), unread(&catalog).len()), (4, 2));
    assert_eq!(full(catalog.sets[0].id).members().count(), 1);
}
