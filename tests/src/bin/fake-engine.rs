//! An engine that does what the script beside it says, and nothing else; see `xb_tests::fake`.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};
use xb_tests::fake::{HOLD, STARTS, STREAM, Script, script_beside};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<ExitCode> {
    let mut words = std::env::args();
    let own = PathBuf::from(words.next().unwrap_or_default());
    let args: Vec<String> = words.collect();
    if args.iter().any(|arg| arg == HOLD) {
        wait_for_ever();
    }
    let script = script_beside(&own)?;
    if args.iter().any(|arg| arg == "--version") {
        eprintln!("{}", script.banner);
        return Ok(ExitCode::SUCCESS);
    }
    let mut starts = File::options().create(true).append(true).open(own.with_file_name(STARTS))?;
    writeln!(starts, "{}", args.join(" "))?;
    perform(&own, &args, &script)
}

fn perform(own: &Path, args: &[String], script: &Script) -> Outcome<ExitCode> {
    if script.stubborn {
        // A flag that nobody looks at.
        signal_hook::flag::register(signal_hook::consts::SIGTERM, Arc::new(AtomicBool::new(false)))?;
    }
    eprintln!("[00] 2026-11-22 16:00:00 Connecting to server host: localhost");
    flood(script.flood_mb)?;
    if script.grandchild {
        start_grandchild(own)?;
    }
    let is_backup = args.iter().any(|arg| arg.starts_with("--stream"));
    let stream = if is_backup { fs::read(own.with_file_name(STREAM))? } else { Vec::new() };
    let held_back = script.hangs_before_last.or(script.dies.map(|death| death.before_last)).unwrap_or(0);
    let early = stream.len().saturating_sub(usize::try_from(held_back)?);
    let mut stdout = io::stdout().lock();
    stdout.write_all(&stream[..early])?;
    stdout.flush()?;
    if script.hangs_before_last.is_some() {
        wait_for_ever();
    }
    if let Some(death) = script.dies {
        die(death.signal)?;
    }
    stdout.write_all(&stream[early..])?;
    stdout.flush()?;
    if script.succeeds {
        eprintln!("[00] 2026-11-22 16:00:01 completed OK!");
    }
    Ok(ExitCode::from(script.code))
}

fn wait_for_ever() -> ! {
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}

fn flood(megabytes: u64) -> io::Result<()> {
    let line = format!("[01] {}\n", "copying a file with a long name ".repeat(4));
    let block = line.repeat((1 << 20) / line.len());
    let mut stderr = io::stderr().lock();
    (0..megabytes).try_for_each(|_| stderr.write_all(block.as_bytes()))
}

#[expect(clippy::disallowed_methods, reason = "an engine of the worst kind")]
fn start_grandchild(own: &Path) -> io::Result<()> {
    Command::new(own).arg(HOLD).spawn().map(drop)
}

fn die(signal: i32) -> Outcome<()> {
    let signal = match signal {
        9 => Signal::KILL,
        11 => Signal::SEGV,
        other => return Err(format!("no way to die of signal {other}").into()),
    };
    // The first one of some signals only ends the handler that Rust has for stacks that overflow.
    loop {
        kill_process(getpid(), signal)?;
    }
}
