//! The process's environment. Nothing else of this crate looks at it.

use std::path::PathBuf;

/// The directory of this program, links resolved.
pub(crate) fn program_dir() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let program = program.canonicalize().unwrap_or(program);
    program.parent().map(PathBuf::from)
}

/// The directories of `PATH`.
#[expect(clippy::disallowed_methods, reason = "this module is where the environment is read")]
#[expect(dead_code, reason = "for the commands that run engines")]
pub(crate) fn search_path() -> Vec<PathBuf> {
    std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default()
}
