//! Sets that stand twice, as after a crash while they were moved.

use xb_catalog::plan::{Action, RemoveReason, plan_retention};
use xb_catalog::{BackupSet, BackupState, Catalog, Shelf};

use super::stores::{chain, full, id, policy, put, store, unreadable};

/// A set of the 15th, a Sunday, and the newest of the 22nd.
fn twice(current: BackupSet, shelf: Shelf, copy: BackupSet) -> Catalog {
    let mut catalog = store([current, full(id("2026-11-22"))]);
    put(&mut catalog, shelf, copy);
    catalog
}

fn sunday() -> BackupSet {
    chain(&[id("2026-11-15"), id("2026-11-16"), id("2026-11-17")])
}

fn cut(mut set: BackupSet, member: usize) -> BackupSet {
    set.incrementals[member].state = BackupState::Broken("cut".into());
    set
}

/// What becomes of the copies of the Sunday, by shelf.
fn actions(catalog: &Catalog, numbers: [u32; 5]) -> Vec<(Shelf, Action)> {
    let plan = plan_retention(catalog, policy(numbers));
    let copies = plan.sets.iter().filter(|set| set.id == id("2026-11-15"));
    copies.map(|set| (set.shelf, set.action)).collect()
}

const WEEKLY: [u32; 5] = [1, 0, 1, 0, 0];

#[test]
fn the_copy_on_the_right_shelf_wins() {
    let copied = Action::Remove { why: RemoveReason::Copied { to: Shelf::Weekly } };
    let catalog = twice(sunday(), Shelf::Weekly, sunday());
    assert_eq!(actions(&catalog, WEEKLY), [(Shelf::Current, copied), (Shelf::Weekly, Action::Stay)]);
    let catalog = twice(cut(sunday(), 1), Shelf::Weekly, sunday());
    assert_eq!(actions(&catalog, WEEKLY), [(Shelf::Current, copied), (Shelf::Weekly, Action::Stay)]);
}

#[test]
fn a_copy_that_has_less_goes_before_the_better_one_moves() {
    let catalog = twice(sunday(), Shelf::Weekly, cut(sunday(), 1));
    let expected = [
        (Shelf::Weekly, Action::Remove { why: RemoveReason::Copied { to: Shelf::Weekly } }),
        (Shelf::Current, Action::Move { to: Shelf::Weekly }),
    ];
    assert_eq!(actions(&catalog, WEEKLY), expected);
}

#[test]
fn of_a_recent_set_the_current_copy_stays() {
    let catalog = twice(sunday(), Shelf::Weekly, sunday());
    let copied = Action::Remove { why: RemoveReason::Copied { to: Shelf::Current } };
    assert_eq!(actions(&catalog, [2, 0, 1, 0, 0]), [(Shelf::Weekly, copied), (Shelf::Current, Action::Stay)]);
}

#[test]
fn copies_of_which_each_has_what_the_other_lacks_both_stay() {
    let mut other = sunday();
    other.incrementals.remove(1);
    let extra = super::stores::record(id("2026-11-15"), id("2026-11-18"), Some(id("2026-11-16")), true);
    other.incrementals.push(extra);
    let catalog = twice(sunday(), Shelf::Weekly, other);
    assert!(actions(&catalog, WEEKLY).iter().all(|(_, action)| *action == Action::Stay));
}

#[test]
fn a_copy_that_cannot_be_read_in_full_stays() {
    for member in 0..3 {
        let catalog = twice(unreadable(sunday(), member), Shelf::Weekly, sunday());
        assert!(actions(&catalog, WEEKLY).iter().all(|(_, action)| *action == Action::Stay), "{member}");
    }
    // Here the other is the worse one, and holds nothing that nobody has seen.
    let catalog = twice(cut(sunday(), 0), Shelf::Weekly, unreadable(sunday(), 2));
    let copied = Action::Remove { why: RemoveReason::Copied { to: Shelf::Weekly } };
    assert_eq!(actions(&catalog, WEEKLY), [(Shelf::Current, copied), (Shelf::Weekly, Action::Stay)]);
}

#[test]
fn what_frees_space_is_only_promised_where_no_copy_may_share_it() {
    let catalog = twice(sunday(), Shelf::Weekly, sunday());
    let plan = plan_retention(&catalog, policy([1, 0, 0, 0, 0]));
    let frees: Vec<_> = plan.sets.iter().map(|set| set.frees_bytes).collect();
    assert_eq!(frees, [None, None, Some(0)]);
}
