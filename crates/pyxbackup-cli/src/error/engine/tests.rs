use std::path::Path;

use rstest::rstest;
use xb_binlog::recover::RecoverError;
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

fn ambiguous_log() -> RecoverError {
    RecoverError::AmbiguousLog { log: "b.000042".parse().unwrap(), epochs: vec![1, 2] }
}

fn extract(source: ExtractError) -> EngineError {
    EngineError::Extract { member: one(), source }
}

#[rstest]
#[case(EngineError::NotSet { key: "stor_dir" }, 128, "set stor_dir in")]
#[case(Cancelled(CancelReason::Interrupt).into(), 130, "nothing was left behind")]
#[case(Cancelled(CancelReason::Terminate).into(), 143, "nothing was left behind")]
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
