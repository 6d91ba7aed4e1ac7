//! The tools that users have.

use std::path::Path;
use std::time::Duration;

use xb_pipeline::process::Invocation;

/// Runs a tool to its end. `None`, with a line that says so, where it is not installed.
pub fn run(program: &str, args: &[&str]) -> Option<()> {
    let output = match Invocation::new(program).args(args).output(Duration::from_secs(60)) {
        Ok(output) => output,
        Err(error) => {
            println!("skipped: {program} cannot be run: {error}");
            return None;
        }
    };
    assert!(output.status.success(), "{program} {args:?}: {}", output.stderr);
    Some(())
}

/// Runs words of a shell, for what reads its standard input. The tool is the first word.
pub fn run_in(directory: &Path, script: &str) -> Option<()> {
    let tool = script.split_whitespace().next().unwrap_or_default();
    if !is_there(tool) {
        return None;
    }
    run("sh", &["-c", &format!("cd '{}' && {script}", directory.display())])
}

fn is_there(tool: &str) -> bool {
    let found =
        Invocation::new("sh").args(["-c", &format!("command -v {tool}")]).output(Duration::from_secs(10));
    let there = found.is_ok_and(|output| output.status.success());
    if !there {
        println!("skipped: {tool} is not installed");
    }
    there
}
