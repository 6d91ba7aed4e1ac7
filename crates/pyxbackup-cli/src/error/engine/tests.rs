use std::path::Path;

use rstest::rstest;
use xb_binlog::archive::ArchiveError;
use xb_binlog::recover::RecoverError;
use xb_binlog::replay::{ReplayError, StoppedIn};
use xb_binlog::stream::StreamError;
use xb_core::{BackupId, Lsn};
use xb_engine::RunInfo;
use xb_engine::tool::Mismatch;
use xb_formats::meta::MetaError;
use xb_formats::meta::log::KnownFailure;
use xb_pipeline::FlowError;

use super::*;
use crate::error::{CliError, render};

fn one() -> BackupId {
    "2026_11_22-14_28_07".parse().unwrap()
}

fn said(lines: &[&str], known: Option<KnownFailure>) -> LastWords {
    LastWords { lines: lines.iter().map(|line| (*line).to_owned()).collect(), known }
}

fn io(kind: io::ErrorKind) -> io::Error {
    io::Error::from(kind)
}

fn fs(kind: io::ErrorKind) -> FsError {
    FsError::on("write", Path::new("/stor/x"))(io(kind))
}

fn received(source: ReceiveError) -> EngineError {
    EngineError::Backup { source, said: said(&[], None) }
}

fn connect(reason: &str) -> EngineError {
    let (address, reason) = ("/s.sock".to_owned(), reason.to_owned());
    ServerError::Client(ClientError::Connect { address, reason }).into()
}

fn held() -> EngineError {
    let holder = RunInfo { backup: one(), kind: xb_core::BackupKind::Full, full: one(), pid: 42 };
    LockError::Held { path: "/var/pyx/lock".into(), holder: Some(holder) }.into()
}

fn mismatch() -> EngineError {
    let (tool, task) = ("xtrabackup 8.0.20".to_owned(), "back up MySQL 8.0.36".to_owned());
    Mismatch { tool, task, reason: "the server is newer".to_owned() }.into()
}

fn gap() -> EngineError {
    let problem = WrongBackup::Gap { base: one(), base_to: Lsn(5), from: Lsn(7), to: Lsn(9) };
    EngineError::NotAsAsked { problem }
}

fn start() -> ProcessError {
    ProcessError::Start { program: "/bin/engine".into(), source: io(io::ErrorKind::PermissionDenied) }
}

fn chain(error: ChainError) -> EngineError {
    error.into()
}

fn purging(reason: &str) -> EngineError {
    let source = ClientError::Query { statement: "PURGE".into(), reason: reason.into() };
    EngineError::BitmapPurge { backup: one(), before: Lsn(7), source }
}

fn log_gone() -> StreamError {
    StreamError::LogGone { file: "b.000002".parse().unwrap(), oldest: "b.000005".parse().unwrap() }
}

fn ambiguous_log() -> RecoverError {
    RecoverError::AmbiguousLog { log: "b.000042".parse().unwrap(), epochs: vec![1, 2] }
}

/// A log that is read with the wrong key, or with none.
fn log_key(fault: KeyFault) -> [EngineError; 4] {
    let packed = |fault: &KeyFault| ArchiveError::Packed {
        path: "/a/b.000042.xbcrypt".into(),
        source: FlowError::Key(fault.clone()),
    };
    let read = || xb_formats::binlog::ReadError::Io(io::Error::other(packed(&fault)));
    let (log, epoch): (xb_core::BinlogName, u32) = ("b.000042".parse().unwrap(), 1);
    [
        packed(&fault).into(),
        EngineError::DamagedLog { log: log.clone(), epoch, source: read() },
        RecoverError::Read { epoch, log: log.clone(), source: read() }.into(),
        ReplayError::Read { epoch, log, source: read() }.into(),
    ]
}

#[test]
fn a_key_of_binary_logs_is_told_like_one_of_backups() {
    for (fault, hint) in [
        (KeyFault::KeyNeeded, "with encrypt_key_file"),
        (KeyFault::WrongKey, "look for the key"),
        (KeyFault::IdentityNeeded, "with encrypt_identity_file"),
    ] {
        for error in log_key(fault) {
            let failure = Failure { error, hints: Vec::new(), log: None };
            assert_eq!((failure.exit().code(), failure.kind()), (32, "key"), "{}", failure.message());
            assert!(failure.hints()[0].contains(hint), "{:?}", failure.hints());
        }
    }
}

#[test]
fn a_refused_statement_leads_to_its_transaction() {
    let at = |position| {
        let at = xb_core::BinlogCoord { file: "b.000042".parse().unwrap(), position };
        xb_binlog::archive::Place { epoch: 3, at }
    };
    let hints = |gtid: Option<&str>| {
        let transaction = StoppedIn { begin: at(658), gtid: gtid.map(|gtid| gtid.parse().unwrap()) };
        let (transaction, message) =
            (Some(Box::new(transaction)), "ERROR 1146 (42S02) at line 7: no t".to_owned());
        let error = ReplayError::Statement { place: at(700), transaction, message }.into();
        let failure = Failure { error, hints: Vec::new(), log: None };
        (failure.exit().code(), failure.message(), failure.hints().join("\n"))
    };
    let (code, message, hint) = hints(Some("0-1-9"));
    assert_eq!(code, 64);
    let begins = "the transaction 0-1-9, which begins at b.000042:658 of epoch 3, at byte 700, was refused: ERROR 1146";
    assert!(message.contains(begins), "{message}");
    for wanted in [
        "`pyxbackup binlog show b.000042 --epoch 3 --from 658 --limit 1`",
        "--exclude-gtid 0-1-9",
        "--to-position b.000042:658 --epoch 3",
    ] {
        assert!(hint.contains(wanted), "{wanted}: {hint}");
    }
    let (_, message, hint) = hints(None);
    assert!(message.contains("the transaction that begins at b.000042:658"), "{message}");
    assert!(!hint.contains("--exclude-gtid") && hint.contains("--to-position b.000042:658"), "{hint}");
}

fn extract(source: ExtractError) -> EngineError {
    EngineError::Extract { member: one(), source }
}

#[rstest]
#[case(EngineError::NotSet { key: "stor_dir" }, 128, "set stor_dir in")]
#[case(Cancelled(CancelReason::Interrupt).into(), 130, "nothing was left behind")]
#[case(Cancelled(CancelReason::Terminate).into(), 143, "nothing was left behind")]
#[case(EngineError::ReplayStopped { cancelled: Cancelled(CancelReason::Terminate), left_in: "/r/P_x.partial".into() }, 143, "goes on where this one was, with what is in /r/P_x.partial")]
#[case(held(), 75, "wait until that run has ended")]
#[case(LockError::Fs(fs(io::ErrorKind::PermissionDenied)).into(), 128, "run as a user who may use /stor/x")]
#[case(connect("ERROR 1045: Access denied for user"), 65, "check mysql_user and mysql_pass")]
#[case(connect("No such file"), 65, "whether the server runs, and check mysql_sock")]
#[case(ServerError::Version { text: "x".into() }.into(), 65, "only MySQL, Percona Server and MariaDB")]
#[case(ServerError::Fs(fs(io::ErrorKind::NotFound)).into(), 65, "whether /stor/x is the right path")]
#[case(ProbeError::NotFound { wanted: "x".into(), directories: vec![] }.into(), 65, "install the engine")]
#[case(ProbeError::Process(start()).into(), 65, "whether it may be executed")]
#[case(mismatch(), 65, "--allow-version-mismatch")]
#[case(BaseError::NoFull.into(), 16, "take a full backup first: `pyxbackup full`")]
#[case(BaseError::OtherServer { base: one(), difference: "x".into() }.into(), 65, "new full backup of this server")]
#[case(BaseError::NoLsn { base: one() }.into(), 65, "take a new full backup")]
#[case(received(ReceiveError::Pack(FlowError::Pack("x".into()))), 1, "check compress_with")]
#[case(
    received(ReceiveError::Fs(fs(io::ErrorKind::StorageFull))),
    128,
    "free space on the file system of /stor/x"
)]
#[case(received(ReceiveError::Cancelled(Cancelled(CancelReason::Interrupt))), 130, "")]
#[case(received(ReceiveError::NoSuccessLine), 65, "")]
#[case(gap(), 65, "take a new full backup")]
#[case(EngineError::NotAsAsked { problem: WrongBackup::Kind { found: "a", wanted: "b" } }, 65, "extra_ibx_options")]
#[case(EngineError::Commit(CommitError::Fs(fs(io::ErrorKind::ReadOnlyFilesystem))), 128, "for writing")]
#[case(chain(ChainError::NoSuchBackup { target: one() }), 128, "`pyxbackup list` prints the names")]
#[case(chain(ChainError::FullMissing { set: one(), target: one() }), 128, "an unbroken chain")]
#[case(RestoreError::NothingToRestore.into(), 128, "check stor_dir")]
#[case(EngineError::TargetExists { path: "/r/P_x".into() }, 128, "remove it, or choose another place with --restore-dir")]
#[case(EngineError::RestoreRunning { path: "/r".into() }, 75, "choose another --restore-dir")]
#[case(EngineError::NoSpace { task: "the restore", path: "/r".into(), free_bytes: 1, needed_bytes: 2 }, 128, "free space there")]
#[case(extract(ExtractError::Fs(fs(io::ErrorKind::StorageFull))), 128, "free space")]
#[case(extract(ExtractError::Archive { path: "/a".into(), source: FlowError::Pack("x".into()) }), 4, "damaged after it was written")]
#[case(extract(ExtractError::Cancelled(Cancelled(CancelReason::Terminate))), 143, "")]
#[case(EngineError::Prepare { member: one(), reason: "x".into(), said: said(&[], None) }, 64, "--prepare-memory")]
#[case(EngineError::Hook { key: "hook_before", reason: "exit code 1".into() }, 128, "see what hook_before wants")]
#[case(EngineError::NoBitmaps { server: "MySQL 8.4.0".into() }, 128, "set purge_bitmaps = 0")]
#[case(purging("error 1227 (42000): Access denied"), 8, "the privilege SUPER")]
#[case(purging("broken pipe"), 8, "the backup is good")]
#[case(EngineError::Fs(fs(io::ErrorKind::Other)), 128, "see what is wrong with /stor/x")]
#[case(start().into(), 65, "whether it may be executed")]
#[case(EngineError::from(RecoverError::AmbiguousBase { places: vec![] }), 66, "give --base-epoch")]
#[case(EngineError::from(ambiguous_log()), 66, "give --epoch")]
#[case(log_gone().into(), 66, "set binlog_resume = 1 to go on")]
#[case(StreamError::OtherServer { expected: "a".into(), found: "b".into() }.into(), 66, "set binlog_dir")]
#[case(ArchiveError::Exists { path: "/a/b.000042".into() }.into(), 66, "set binlog_dir")]
fn every_error_has_its_exit_code_and_its_remedy(
    #[case] error: EngineError,
    #[case] code: u8,
    #[case] remedy: &str,
) {
    let failure = Failure { error, hints: Vec::new(), log: None };
    assert_eq!(failure.exit().code(), code);
    match failure.hints().as_slice() {
        [] => assert_eq!(remedy, ""),
        [hint, ..] => assert!(!remedy.is_empty() && hint.contains(remedy), "{hint}"),
    }
}

#[test]
fn metadata_that_makes_no_sense_points_at_the_engine() {
    let (file, text) = ("xtrabackup_checkpoints", "to_lsn = x".to_owned());
    let error = MetaError { file, line: 3, text, problem: "not an LSN" };
    let failure = Failure {
        error: EngineError::NotAsAsked { problem: WrongBackup::Metadata(error) },
        hints: Vec::new(),
        log: None,
    };
    assert_eq!(failure.exit(), Exit::Engine);
    assert!(failure.hints()[0].contains("whether this engine fits the server"));
}

#[test]
fn the_engines_last_lines_stand_below_the_error_and_the_log_below_all() {
    let known = Some(KnownFailure::AccessDenied);
    let source = ReceiveError::Engine { how: "exit code 1".to_owned() };
    let error = EngineError::Backup { source, said: said(&["connecting", "Access denied"], known) };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let error = CliError::from(error).with_log(Path::new("/var/pyx/run.log"));
    assert_eq!(render(&error, false, &mut out, &mut err), Exit::Engine);
    insta::assert_snapshot!(String::from_utf8(err).unwrap());
}

#[test]
fn for_programs_the_engines_last_lines_are_a_list() {
    let error = EngineError::Prepare { member: one(), reason: "x".to_owned(), said: said(&["a", "b"], None) };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    render(&error.into(), true, &mut out, &mut err);
    let object: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(object["error"]["kind"], "prepare");
    assert_eq!(object["error"]["messages"][0]["engine_said"], serde_json::json!(["a", "b"]));
}

#[test]
fn sizes_are_told_in_units_for_people() {
    let error = EngineError::NoSpace {
        task: "the restore",
        path: "/restore".into(),
        free_bytes: 1536 << 20,
        needed_bytes: 3 << 30,
    };
    assert_eq!(
        CliError::from(error).to_string(),
        "/restore: 1.5 GiB are free, the restore needs about 3.0 GiB"
    );
}
