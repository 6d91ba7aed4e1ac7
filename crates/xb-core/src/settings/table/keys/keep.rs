//! What is restored, and what is kept for how long.

use super::*;

pub(super) const KEYS: &[Key] = &[
    // Restore
    key(
        Group::Restore,
        "restore_backup",
        "restore-backup",
        Kind::Backup,
        "the backup to restore: a name out of list, or last",
    )
    .short('r')
    .cli()
    .of(RESTORE)
    .default("last"),
    key(
        Group::Restore,
        "restore_dir",
        "restore-dir",
        Kind::Directory,
        "existing directory in which P_<name> is made",
    )
    .short('e')
    .cli()
    .of(RESTORE)
    .required_by(RESTORE),
    // Retention
    key(
        Group::Retention,
        "retention_sets",
        "retention-sets",
        Kind::Number { min: 1, max: 100_000 },
        "fulls to keep, with their incrementals",
    )
    .short('i')
    .of(PRUNING)
    .default("2"),
    key(
        Group::Retention,
        "retention_days",
        "retention-days",
        COUNT,
        "keep whatever recovers a moment of so many days before the newest backup",
    )
    .of(PRUNING)
    .default("0"),
    key(
        Group::Retention,
        "retention_weeks",
        "retention-weeks",
        COUNT,
        "weekly sets to keep beyond these: the last of a week",
    )
    .short('k')
    .of(PRUNING)
    .default("0"),
    key(
        Group::Retention,
        "retention_months",
        "retention-months",
        COUNT,
        "monthly sets to keep beyond these: the last of a month",
    )
    .short('j')
    .of(PRUNING)
    .default("0"),
    key(
        Group::Retention,
        "retention_years",
        "retention-years",
        COUNT,
        "yearly sets to keep beyond these: the last of a year",
    )
    .of(PRUNING)
    .default("0"),
    key(
        Group::Retention,
        "prune_after_backup",
        "prune-after-backup",
        Kind::Flag,
        "prune at the end of full and incr; 0 leaves it to the prune command",
    )
    .default("1"),
];
