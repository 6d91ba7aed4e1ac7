//! What is undone, what is left out, what is missing, and what breaks off.

use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::TimeDelta;
use xb_binlog::archive::{Beginning, Logs, Place};
use xb_binlog::recover::{
    Base, Found, Options, ReadingLimits, RecoverError, Resume, Target, find_base, find_gtid, find_time, plan,
    progress_of, transactions,
};
use xb_binlog::replay::{ReplayError, ReplayOptions, remove_account, replay, state};
use xb_core::gtid::Gtid;
use xb_core::{BinlogCoord, Flavor, GtidSet};
use xb_pipeline::cancel::{CancelReason, CancelToken};
use xb_pipeline::monitor::Monitor;

use crate::archive::Archive;
use crate::moments::{assert_has, plan_to};
use crate::private::Private;
use crate::story::{BEFORE_DROP, END, STORY, Story};

/// The transaction that drops a table, found by reading.
fn the_drop(story: &Story) -> Found {
    let epoch = &story.archive.picture.epochs[0];
    for log in epoch.logs.iter().rev() {
        let source = story.archive.read(1, &log.name).unwrap();
        for transaction in transactions(source, ReadingLimits::default()) {
            let transaction = transaction.unwrap();
            let mut texts = transaction.statements.iter().filter_map(|statement| statement.text.as_deref());
            if texts.any(|text| text.starts_with("DROP TABLE") && text.contains("precious")) {
                let at = BinlogCoord { file: log.name.clone(), position: transaction.begin };
                return Found { begin: Place { epoch: 1, at }, transaction };
            }
        }
    }
    panic!("no DROP TABLE is in the logs");
}

#[test]
fn a_dropped_table_is_there_again_before_the_drop_and_without_it() {
    let story = &*STORY;
    let drop = the_drop(story);
    let gtid = drop.transaction.gtid.clone().unwrap();
    assert_eq!(find_gtid(&story.archive.picture, &story.archive, &gtid).unwrap(), Some(drop.clone()));
    let time = drop.transaction.time;
    assert_eq!(find_time(&story.archive.picture, &story.archive, time).unwrap(), Some(drop.clone()));

    let target = Target::Position { epoch: None, coord: drop.begin.at.clone() };
    let before = plan_to(story, &target, &Options::default());
    assert_eq!(before.stop, drop.begin);
    let private = Private::on(&story.base, &before);
    private.replay(&before, &before.start, &story.archive, &CancelToken::new()).unwrap();
    assert_has(&private, &story.moments[BEFORE_DROP], "before the drop");

    let options = Options { exclude: vec![gtid], ..Options::default() };
    let without = plan_to(story, &Target::Latest, &options);
    assert_eq!(without.excluded[0].begin, drop.begin);
    private.replay(&without, &before.stop, &story.archive, &CancelToken::new()).unwrap();
    let rows = private
        .server
        .sql("SELECT COUNT(*) FROM shop.precious; SELECT what FROM shop.log ORDER BY id DESC LIMIT 1;");
    assert_eq!(rows.unwrap(), [["77"], ["behind the drop"]]);
}

#[test]
fn the_account_of_a_replay_leaves_no_trace() {
    let story = &*STORY;
    let plan = plan_to(story, &Target::Time(story.moments[0].time), &Options::default());
    let private = Private::on(&story.base, &plan);
    private.replay(&plan, &plan.start, &story.archive, &CancelToken::new()).unwrap();
    let accounts = "SELECT COUNT(*) FROM mysql.global_priv WHERE user = 'pyxbackup_replay';";
    assert_eq!(private.server.sql(accounts).unwrap(), [["1"]]);
    remove_account(&private.target).unwrap();
    assert_eq!(private.server.sql(accounts).unwrap(), [["0"]]);
    let logs = private.server.binary_logs().unwrap();
    let in_log = |path| String::from_utf8_lossy(&fs::read(path).unwrap()).contains("pyxbackup_replay");
    assert!(logs.into_iter().all(|path| !in_log(path)));
}

#[test]
fn what_cannot_be_had_is_refused_with_the_reason() {
    let story = &*STORY;
    let refused = |target: Target, options: Options| {
        let (picture, start) = (&story.archive.picture, &story.start);
        plan(picture, &story.archive, start, Some(&story.base_gtids), &target, &options, &CancelToken::new())
            .unwrap_err()
    };
    let (none, end) = (Options::default, &story.moments[END]);
    let late = Target::Time(end.time + TimeDelta::seconds(100));
    let error = refused(late.clone(), none());
    assert!(matches!(error, RecoverError::EndsEarly { .. }), "{error}");
    let seen = Options { seen_until: Some(end.time + TimeDelta::seconds(100)), ..none() };
    assert_eq!(plan_to(story, &late, &seen).ends_early, None);
    let effort = Options { best_effort: true, ..none() };
    let early = plan_to(story, &late, &effort);
    assert!(early.ends_early.is_some() && early.gtids_at_stop == Some(end.gtids.clone()), "{early:?}");

    let first = &story.moments[0];
    let error = refused(Target::Time(first.time - TimeDelta::days(1)), none());
    assert!(matches!(error, RecoverError::BeforeBase { .. }), "{error}");
    let error = refused(Target::Gtid(story.base_gtids.clone()), none());
    assert!(matches!(error, RecoverError::AlreadyInBase { .. }), "{error}");
    let error = refused(Target::Gtid("0-1-999999".parse().unwrap()), none());
    assert!(error.to_string().contains("nearest there: 0-1-"), "{error}");
    let inside = BinlogCoord { position: first.at.position - 1, ..first.at.clone() };
    let error = refused(Target::Position { epoch: None, coord: inside }, none());
    assert!(
        matches!(&error, RecoverError::NotABorder { behind, .. } if *behind == first.at.position),
        "{error}"
    );
    let coord = BinlogCoord { file: "mysql-bin.000999".parse().unwrap(), position: 4 };
    let error = refused(Target::Position { epoch: None, coord }, none());
    assert!(matches!(error, RecoverError::NoSuchLog { .. }), "{error}");
    let last = the_drop(story).transaction.gtid.unwrap();
    let error = refused(Target::Time(first.time), Options { exclude: vec![last], ..none() });
    assert!(matches!(error, RecoverError::NotExcluded { .. }), "{error}");
}

#[test]
fn a_backup_is_found_by_what_it_has() {
    let story = &*STORY;
    let moment = &story.moments[5];
    let base = |coord: Option<&BinlogCoord>, gtids: Option<&GtidSet>| Base {
        coord: coord.cloned(),
        gtids: gtids.cloned(),
        server_uuid: None,
        flavor: Flavor::MariaDb,
        ended: None,
        epoch: None,
    };
    let find = |base: &Base| find_base(&story.archive.picture, &story.archive, base);
    let both = find(&base(Some(&moment.at), Some(&moment.gtids))).unwrap();
    assert_eq!(both, Place { epoch: 1, at: moment.at.clone() });
    assert_eq!(find(&base(Some(&moment.at), None)).unwrap(), both);
    let by_gtid = find(&base(None, Some(&moment.gtids))).unwrap();
    let rest = |at: &Place| {
        let target = Target::Gtid(story.moments[6].gtids.clone());
        let (picture, options) = (&story.archive.picture, Options::default());
        plan(picture, &story.archive, at, None, &target, &options, &CancelToken::new()).unwrap().transactions
    };
    assert_eq!(rest(&by_gtid), rest(&both));
    let error = find(&base(Some(&moment.at), Some(&story.moments[6].gtids))).unwrap_err();
    assert!(error.to_string().contains("is committed at that place"), "{error}");
    let inside = BinlogCoord { position: moment.at.position - 1, ..moment.at.clone() };
    let error = find(&base(Some(&inside), None)).unwrap_err();
    assert!(error.to_string().contains("no place between two transactions"), "{error}");
}

/// The logs as two epochs, of which the first ends at a moment inside of a log, and the second has all of
/// that log.
fn two_epochs(
    story: &Story,
    number: usize,
    beginning: impl FnOnce(&BinlogCoord, &GtidSet) -> Beginning,
) -> Archive {
    let moment = &story.moments[number];
    let logs = &story.archive.directories[&1];
    let home = story
        .directory
        .path()
        .join(format!("two-{number}-{}", fs::read_dir(story.directory.path()).unwrap().count()));
    let (first, second) = (home.join("1"), home.join("2"));
    fs::create_dir_all(&first).unwrap();
    fs::create_dir_all(&second).unwrap();
    for log in &story.archive.picture.epochs[0].logs {
        let (name, path) = (log.name.to_string(), logs.join(log.name.to_string()));
        let mut bytes = fs::read(path).unwrap();
        if log.name >= moment.at.file {
            fs::write(second.join(&name), &bytes).unwrap();
        }
        if log.name == moment.at.file {
            bytes.truncate(moment.at.position as usize);
        }
        if log.name <= moment.at.file {
            fs::write(first.join(&name), &bytes).unwrap();
        }
    }
    let mut archive = Archive::default();
    archive.add(1, &first, Beginning::First);
    archive.add(2, &second, beginning(&moment.at, &moment.gtids));
    archive
}

#[test]
fn joined_epochs_are_gone_through_without_doing_anything_twice() {
    let story = &*STORY;
    let joined = |at: &BinlogCoord, gtids: &GtidSet| Beginning::Joined {
        epoch: 1,
        at: at.clone(),
        gtids: gtids.clone(),
    };
    let archive = two_epochs(story, 9, joined);
    let (base, options) = (Some(&story.base_gtids), Options::default());
    let target = Target::Gtid(story.moments[20].gtids.clone());
    let whole = plan_to(story, &target, &options);
    let two =
        plan(&archive.picture, &archive, &story.start, base, &target, &options, &CancelToken::new()).unwrap();
    assert_eq!((two.stop.epoch, two.transactions, &two.replayed), (2, whole.transactions, &whole.replayed));
    // Where no log has to be read for the target, the one that overlaps has to be all the same.
    let count = |archive: &Archive| {
        let (picture, token) = (&archive.picture, CancelToken::new());
        plan(picture, archive, &story.start, base, &Target::Latest, &options, &token).unwrap().transactions
    };
    assert_eq!(count(&archive), count(&story.archive));
    let private = Private::on(&story.base, &two);
    private.replay(&two, &two.start, &archive, &CancelToken::new()).unwrap();
    assert_has(&private, &story.moments[20], "across the join");
}

#[test]
fn a_gap_is_refused_unless_it_is_allowed() {
    let story = &*STORY;
    let broken = |at: &BinlogCoord, _: &GtidSet| Beginning::Broken {
        epoch: 1,
        at: Some(at.clone()),
        reason: "was not connected".to_owned(),
    };
    let archive = two_epochs(story, 9, broken);
    let target = Target::Gtid(story.moments[20].gtids.clone());
    let made = |options: Options| {
        let (picture, base) = (&archive.picture, Some(&story.base_gtids));
        plan(picture, &archive, &story.start, base, &target, &options, &CancelToken::new())
    };
    let error = made(Options::default()).unwrap_err();
    assert!(error.to_string().contains("was not connected"), "{error}");
    let effort = made(Options { best_effort: true, ..Options::default() }).unwrap();
    assert_eq!(effort.gtids_at_stop, Some(story.moments[9].gtids.clone()));
    let across = made(Options { across_gaps: true, ..Options::default() }).unwrap();
    assert_eq!((across.stop.epoch, across.gaps.len()), (2, 1));
    // A log that is missing in the middle of an epoch.
    let mut holed = story.archive.clone();
    holed.picture.epochs[0].logs.remove(2);
    let (picture, base) = (&holed.picture, Some(&story.base_gtids));
    let made =
        plan(picture, &holed, &story.start, base, &Target::Latest, &Options::default(), &CancelToken::new());
    assert!(matches!(made, Err(RecoverError::Gap { .. })), "{made:?}");
}

#[test]
fn a_statement_that_is_refused_ends_the_replay_at_its_place() {
    let story = &*STORY;
    let moment = &story.moments[12];
    let start = Place { epoch: 1, at: moment.at.clone() };
    let (picture, options) = (&story.archive.picture, Options::default());
    // On data of long before: something is not there that is to be changed.
    let wrong =
        plan(picture, &story.archive, &start, None, &Target::Latest, &options, &CancelToken::new()).unwrap();
    let private = Private::on(&story.base, &wrong);
    let error = private.replay(&wrong, &wrong.start, &story.archive, &CancelToken::new()).unwrap_err();
    let ReplayError::Statement { place, transaction, message } = &error else { panic!("{error}") };
    let transaction = transaction.as_ref().unwrap();
    assert!(transaction.begin.at <= place.at && transaction.gtid.is_some(), "{error}");
    assert!(place.at >= moment.at && message.starts_with("ERROR "), "{error}");
    assert!(!message.contains('\u{17e}'), "{message}");
}

/// Pulls a token after so many bytes.
struct Puller {
    left: AtomicU64,
    token: CancelToken,
    told: Mutex<u64>,
}

impl Monitor for Puller {
    fn advance(&self, bytes: u64) {
        *self.told.lock().unwrap() += bytes;
        let left = self.left.load(Ordering::SeqCst).saturating_sub(bytes);
        self.left.store(left, Ordering::SeqCst);
        if left == 0 {
            self.token.cancel(CancelReason::Terminate);
        }
    }
}

#[test]
fn a_replay_that_was_killed_goes_on_where_it_was() {
    let scene = crate::story::Plain::new(4000);
    let plan = plan(
        &scene.archive.picture,
        &scene.archive,
        &scene.start,
        None,
        &Target::Latest,
        &Options::default(),
        &CancelToken::new(),
    )
    .unwrap();
    let mut private = Private::on(&scene.base, &plan);
    let (mut from, mut done) = (plan.start.clone(), Vec::new());
    for round in 1..4 {
        let token = CancelToken::new();
        let puller =
            Puller { left: AtomicU64::new(plan.bytes / 5), token: token.clone(), told: Mutex::new(0) };
        let options = ReplayOptions { scratch: private.scratch.clone() };
        let killed = replay(&plan, &from, &scene.archive, &private.target, &options, &puller, &token);
        assert!(matches!(killed, Err(ReplayError::Cancelled(_))), "{round}: {killed:?}");
        private.crash(&plan);
        let has = state(&private.target).unwrap();
        let resume = progress_of(has.as_ref(), &plan, &scene.archive, &CancelToken::new()).unwrap();
        let Resume::Continue(place) = resume else { panic!("{round}: {resume:?}") };
        done.push(place.at.clone());
        from = place;
    }
    assert!(done.is_sorted() && done[0] > plan.start.at && done[2] < plan.stop.at, "{done:?}");
    private.replay(&plan, &from, &scene.archive, &CancelToken::new()).unwrap();
    assert_eq!(private.server.checksums().unwrap(), scene.has);
    private.crash(&plan);
    let has = state(&private.target).unwrap();
    let resume = progress_of(has.as_ref(), &plan, &scene.archive, &CancelToken::new()).unwrap();
    assert_eq!(resume, Resume::Done);
    let unsure = progress_of(None, &plan, &scene.archive, &CancelToken::new()).unwrap();
    assert!(matches!(unsure, Resume::StartOver(_)), "{unsure:?}");
    let strange: Gtid = "0-9-5".parse().unwrap();
    let unsure = progress_of(Some(&strange.alone()), &plan, &scene.archive, &CancelToken::new()).unwrap();
    assert!(matches!(unsure, Resume::StartOver(_)), "{unsure:?}");
}
