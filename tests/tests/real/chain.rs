//! A long chain with everything that happens to tables between its members.

use std::collections::BTreeMap;
use std::path::Path;

use xb_core::BackupId;
use xb_engine::RestoreReport;
use xb_sandbox::dataset;
use xb_tests::home::{Form, Home};
use xb_tests::server;

const INCREMENTALS: u32 = 20;
/// The members that are also restored from the store.
const FROM_STORE: [usize; 6] = [0, 1, 2, 7, 13, 20];

/// The checksum of every table.
type State = BTreeMap<String, Option<u64>>;

fn assert_state(restored: &RestoreReport, home: &Path, wanted: &State) {
    let found = server::on(&restored.directory, &home.join("server")).checksums().unwrap();
    assert_eq!(&found, wanted, "{}", restored.backup);
    std::fs::remove_dir_all(&restored.directory).unwrap();
    std::fs::remove_dir_all(home.join("server")).unwrap();
}

/// Each round creates, drops, truncates, alters and renames tables of several engines and loads rows in bulk.
#[test]
fn each_member_of_a_chain_of_twenty_incrementals_restores_to_its_moment() {
    let source = server::source(0);
    let mut home = Home::new(&source, Form::Zstd);
    home.settings.apply_log = true;
    home.settings.apply_log_archive = xb_core::settings::ApplyLogArchive::Xbs;
    let mut moments: Vec<(BackupId, State)> = Vec::new();
    for round in 0..=INCREMENTALS {
        let taken = if round == 0 { home.engine().full() } else { home.engine().incr() }.unwrap();
        let wanted = source.checksums().unwrap();
        // From the prepared copy, which was brought up by each backup.
        let restored = home.restorer(Some(taken.manifest.id)).restore_set().unwrap();
        assert_eq!(restored.members.len(), round as usize + 1);
        assert_eq!(restored.members_prepared, if round == 0 { 0 } else { restored.members.len() });
        assert_state(&restored, home.path(), &wanted);
        moments.push((taken.manifest.id, wanted));
        dataset::change(&source, round + 1).unwrap();
    }
    // From the store alone: a prepare for each member of each chain takes its time, so some must do.
    home.settings.work_dir = None;
    for (depth, (id, wanted)) in moments.iter().enumerate().filter(|(depth, _)| FROM_STORE.contains(depth)) {
        let restored = home.restorer(Some(*id)).restore_set().unwrap();
        assert_eq!((restored.members.len(), restored.members_prepared), (depth + 1, 0));
        assert_state(&restored, home.path(), wanted);
    }
}
